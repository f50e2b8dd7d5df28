"""Huber's regression with its scale: certificates, scikit-learn's optimum, and the corners of the scale."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from calclearn.linear_model import HuberRegressor


def problem(seed, n=60, p=4, noise=1.0, share=0.2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10.0, p)
    y = X @ rng.normal(size=p) + 3.0 + noise * rng.normal(size=n)
    y[: int(share * n)] += 50.0 * rng.normal(size=int(share * n))
    return X, y, rng.uniform(0.1, 3.0, n)


def objective(model, X, y, weight, scale=None):
    """As documented, at the model's coefficients."""
    scale = model.scale_ if scale is None else scale
    z = np.abs(y - X @ model.coef_ - model.intercept_) / scale
    losses = np.where(z <= model.epsilon, z * z, model.epsilon * (2.0 * z - model.epsilon))
    return weight @ (scale + losses * scale) + model.alpha * model.coef_ @ model.coef_


@pytest.mark.parametrize("seed", range(12))
def test_the_gap_bounds_the_distance_to_an_independent_optimum(seed):
    rng = np.random.default_rng(100 + seed)
    X, y, weight = problem(seed, n=int(rng.integers(10, 80)), p=int(rng.integers(1, 8)))
    parameters = {
        "epsilon": rng.uniform(1.0, 3.0),
        "alpha": 10.0 ** rng.uniform(-6, 2),
        "fit_intercept": bool(rng.integers(2)),
    }
    ours = HuberRegressor(**parameters).fit(X, y, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = sklearn.linear_model.HuberRegressor(**parameters, max_iter=10_000, tol=1e-9)
        theirs.fit(X, y, weight).fit(X, y, weight)
    certificate = ours.optimality_
    assert_allclose(certificate.objective, objective(ours, X, y, weight), rtol=1e-11)
    excess = certificate.objective - objective(theirs, X, y, weight)
    assert excess <= 1e-12 * certificate.objective
    assert certificate.duality_gap <= 1e-8 * certificate.objective
    # a fit that has not converged is bounded by its gap as well
    with pytest.warns(ConvergenceWarning):
        short = HuberRegressor(**parameters, max_iter=1).fit(X, y, weight).optimality_
    assert short.objective - certificate.objective <= short.duality_gap


@pytest.mark.parametrize("convert", [np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_every_layout_gives_the_same(convert):
    X, y, weight = problem(0)
    X[np.abs(X) < 0.3] = 0.0
    expected = HuberRegressor().fit(X, y, weight)
    model = HuberRegressor().fit(convert(X), y, weight)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-7)
    assert_allclose(model.scale_, expected.scale_, rtol=1e-7)
    assert_array_equal(model.outliers_, expected.outliers_)
    assert_allclose(model.predict(convert(X)), expected.predict(X), rtol=1e-7)


def test_weights_are_repetitions_and_zero_weight_is_absence():
    X, y, _ = problem(1)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    model = HuberRegressor(tol=1e-9).fit(X, y, weight)
    repeated = HuberRegressor(tol=1e-9).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(model.coef_, repeated.coef_, rtol=1e-9)
    assert_allclose(model.scale_, repeated.scale_, rtol=1e-9)
    assert model.outliers_.shape == y.shape


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_other_units_of_the_targets_change_nothing_else(unit):
    X, y, _ = problem(2)
    model = HuberRegressor(alpha=0.0, tol=1e-9).fit(X, y)
    scaled = HuberRegressor(alpha=0.0, tol=1e-9).fit(X, unit * y)
    assert_allclose(scaled.coef_, unit * model.coef_, rtol=1e-8)
    assert_allclose(scaled.scale_, unit * model.scale_, rtol=1e-8)
    assert_array_equal(scaled.outliers_, model.outliers_)


@pytest.mark.parametrize("epsilon", [1.0, 1.0001, 1.35])
@pytest.mark.parametrize("alpha", [0.0, 1e-4])
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_where_the_scale_vanishes_the_certificate_still_holds(epsilon, alpha, share):
    """Most rows are fitted exactly: the best scale is zero, and so the others count by absolute error."""
    X, y, _ = problem(3, noise=0.0, share=share)
    model = HuberRegressor(epsilon=epsilon, alpha=alpha).fit(X, y)
    assert model.optimality_.converged
    assert model.scale_ < 1e-10
    assert model.optimality_.duality_gap <= 1e-8
    assert model.outliers_.sum() == int(share * len(y))


def test_with_epsilon_1_it_is_the_least_absolute_error():
    X, y, _ = problem(4, share=0.5)
    huber = HuberRegressor(epsilon=1.0, alpha=0.0).fit(X, y)
    median = sklearn.linear_model.QuantileRegressor(alpha=0.0).fit(X, y)
    assert_allclose(huber.coef_, median.coef_, rtol=1e-6)
    assert huber.optimality_.duality_gap <= 1e-8


@pytest.mark.parametrize("alpha", [0.0, 1e-8, 1e-3, 10.0])
def test_more_columns_than_rows(alpha):
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(15, 40)), rng.normal(size=15)
    model = HuberRegressor(alpha=alpha).fit(X, y)
    assert model.optimality_.converged
    assert model.optimality_.duality_gap <= 1e-8
    sparse = HuberRegressor(alpha=alpha).fit(scipy.sparse.csr_array(X), y)
    assert_allclose(sparse.optimality_.objective, model.optimality_.objective, atol=1e-7)


def test_conjugate_gradients_where_a_hessian_would_be_too_large(monkeypatch):
    X, y, weight = problem(6)
    expected = HuberRegressor(alpha=0.1).fit(X, y, weight)
    monkeypatch.setattr("calclearn._objectives.huber.EXACT_COLUMNS", 2)
    model = HuberRegressor(alpha=0.1).fit(X, y, weight)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    assert model.optimality_.duality_gap <= 1e-6 * model.optimality_.objective
    assert HuberRegressor(alpha=0.0).fit(X, y).optimality_.duality_gap is None


def test_a_constant_is_fitted_by_the_median():
    model = HuberRegressor().fit(np.zeros((5, 1)), [7.0, 7.0, 7.0, 7.0, 7.0])
    assert model.intercept_ == 7.0
    assert not model.outliers_.any()


def test_warm_start_goes_on_where_the_last_fit_ended():
    X, y, _ = problem(7)
    model = HuberRegressor(warm_start=True, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="HuberRegressor did not converge after 2 iterations"):
        first = model.fit(X, y).optimality_.objective
    assert model.set_params(max_iter=100).fit(X, y).optimality_.objective < first
    assert model.fit(X, y).n_iter_ == 0
    with pytest.raises(ValueError, match="warm_start=True starts from the previous fit"):
        model.fit(X[:, :2], y)


def test_float32_is_kept_and_certified_as_it_is_kept():
    X, y, weight = problem(8)
    model = HuberRegressor().fit(X.astype(np.float32), y.astype(np.float32), weight)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert_allclose(model.optimality_.objective, objective(model, X, y, weight), rtol=1e-5)
    assert_allclose(model.coef_, HuberRegressor().fit(X, y, weight).coef_, rtol=1e-3)


def test_verbose_prints_each_iteration(capsys):
    X, y, _ = problem(9)
    model = HuberRegressor(verbose=1).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_
