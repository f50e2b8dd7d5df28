"""Quantile regression: the exact solution of the linear programme, by the dual over few rows."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn._objectives.quantile import QuantileProblem, dual_objective
from calclearn.linear_model import QuantileRegressor


def problem(seed, n=60, p=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10.0, p) + rng.normal(size=p)
    y = X @ rng.normal(size=p) + 3.0 + rng.standard_t(2, size=n)
    return X, y, rng.uniform(0.1, 3.0, n)


def objective(model, X, y, weight):
    """As documented, at the model's coefficients."""
    r = y - X @ model.coef_ - model.intercept_
    loss = np.average(np.maximum(model.quantile * r, (model.quantile - 1.0) * r), weights=weight)
    return loss + model.alpha * np.abs(model.coef_).sum()


@pytest.mark.parametrize("seed", range(16))
def test_the_solution_is_exact_and_scikit_learns(seed):
    rng = np.random.default_rng(100 + seed)
    X, y, weight = problem(seed, n=int(rng.integers(5, 150)), p=int(rng.integers(1, 30)))
    parameters = {
        "quantile": rng.uniform(0.05, 0.95),
        "alpha": rng.choice([0.0, 1e-3, 0.1, 10.0]),
        "fit_intercept": bool(rng.integers(2)),
        "solver": rng.choice(["highs", "highs-ds", "highs-ipm"]),
    }
    ours = QuantileRegressor(**parameters).fit(X, y, weight)
    theirs = sklearn.linear_model.QuantileRegressor(**parameters).fit(X, y, weight)
    best = objective(theirs, X, y, weight)
    certificate, size = ours.optimality_, np.abs(y).mean()
    assert_allclose(certificate.objective, objective(ours, X, y, weight), rtol=1e-12)
    assert certificate.objective <= best + 1e-12 * size
    assert certificate.duality_gap <= 1e-9 * size
    assert certificate.objective - best <= certificate.duality_gap + 1e-13 * size


@pytest.mark.parametrize("alpha", [0.0, 0.01])
@pytest.mark.parametrize("intercept", [True, False])
def test_rows_of_known_sign_leave_the_programme_without_a_trace(alpha, intercept):
    X, y, weight = problem(0, n=6000, p=3)
    order = np.argsort(y)  # the worst order for a sample
    X, y, weight = X[order], y[order], weight[order]
    model = QuantileRegressor(quantile=0.7, alpha=alpha, fit_intercept=intercept).fit(X, y, weight)
    assert model.optimality_.duality_gap <= 1e-12
    residual = y - model.predict(X)
    assert (np.abs(residual) < 1e-9).sum() == (model.coef_ != 0).sum() + intercept
    if intercept:
        assert np.average(residual < -1e-9, weights=weight) <= 0.7
        assert np.average(residual < 1e-9, weights=weight) >= 0.7
    with_csr = QuantileRegressor(quantile=0.7, alpha=alpha, fit_intercept=intercept)
    with_csr.fit(scipy.sparse.csr_array(X), y, weight)
    assert_allclose(with_csr.coef_, model.coef_, rtol=1e-9)


def test_signs_that_the_sample_got_wrong_are_set_right(monkeypatch):
    monkeypatch.setattr("calclearn._objectives.quantile.BAND", 0.05)  # far too few rows are left free
    X, y, weight = problem(1, n=3000, p=5)
    model = QuantileRegressor(alpha=0.0).fit(X, y, weight)
    assert model.optimality_.duality_gap <= 1e-12


@pytest.mark.parametrize("convert", [np.asfortranarray, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_every_layout_gives_the_same(convert):
    X, y, weight = problem(2)
    expected = QuantileRegressor(alpha=0.01).fit(X, y, weight)
    model = QuantileRegressor(alpha=0.01).fit(convert(X), y, weight)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    assert_allclose(model.predict(convert(X)), expected.predict(X), rtol=1e-10)


def test_weights_are_repetitions():
    X, y, _ = problem(3)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    model = QuantileRegressor(alpha=0.01, quantile=0.33).fit(X, y, weight)
    repeated = QuantileRegressor(alpha=0.01, quantile=0.33)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(model.coef_, repeated.coef_, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_other_units_change_nothing_else(unit):
    X, y, _ = problem(4)
    model = QuantileRegressor(alpha=0.0).fit(X, y)
    assert_allclose(QuantileRegressor(alpha=0.0).fit(X, unit * y).coef_, unit * model.coef_, rtol=1e-9)
    scaled = QuantileRegressor(alpha=0.0).fit(unit * X, y)
    assert_allclose(unit * scaled.coef_, model.coef_, rtol=1e-9)
    assert_allclose(scaled.optimality_.objective, model.optimality_.objective, rtol=1e-9)


def test_the_dual_objective_is_below_every_value_of_the_primal():
    X, y, weight = problem(5)
    rng = np.random.default_rng(0)
    for alpha in (0.1, 0.0):
        stated = QuantileProblem(X, y, weight, quantile=0.4, alpha=alpha)
        best = QuantileRegressor(quantile=0.4, alpha=alpha).fit(X, y, weight).optimality_.objective
        for _ in range(20):
            d = rng.uniform(stated.lower, stated.upper)
            bound = dual_objective(stated, rng.normal(size=4), 0.0, d)
            assert bound is None or bound <= best


def test_a_programme_that_fails_is_told_and_bounded():
    X, y, _ = problem(6, n=300, p=10)
    model = QuantileRegressor(alpha=0.01, solver="highs-ds", solver_options={"maxiter": 1})
    with pytest.warns(ConvergenceWarning, match="Linear programming for QuantileRegressor did not succeed"):
        failed = model.fit(X, y).optimality_
    best = QuantileRegressor(alpha=0.01).fit(X, y).optimality_.objective
    assert failed.converged is False
    assert 0.0 < failed.objective - best <= failed.duality_gap


@pytest.mark.parametrize("solver", ["interior-point", "revised simplex"])
def test_solvers_that_left_scipy_are_named(solver):
    with pytest.raises(ValueError, match=f"Solver {solver} is not anymore available in SciPy >= 1.11.0"):
        QuantileRegressor(solver=solver).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_constant_targets_and_constant_columns(alpha):
    model = QuantileRegressor(alpha=alpha).fit(np.ones((6, 2)), np.full(6, 7.0))
    assert_allclose(model.predict(np.ones((1, 2))), [7.0])
    assert model.optimality_.duality_gap <= 1e-12


def test_float32_is_kept_and_certified_as_it_is_kept():
    X, y, weight = problem(7)
    X, y = X.astype(np.float32), y.astype(np.float32)
    model = QuantileRegressor(alpha=0.01).fit(X, y, weight)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    exact = QuantileRegressor(alpha=0.01).fit(X.astype(float), y.astype(float), weight)
    excess = model.optimality_.objective - exact.optimality_.objective
    assert 0.0 <= excess <= model.optimality_.duality_gap + 1e-12
    assert_allclose(model.coef_, exact.coef_, rtol=1e-6)
