"""Poisson, gamma and Tweedie regression, against scikit-learn's and by their certificates."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn.calculus import derivatives
from calclearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from calclearn.losses import TweedieIdentity

LINKS, POWERS = ("identity", "log"), (-1.0, 0.0, 1.0, 1.5, 3.0)
FAMILY = [
    PoissonRegressor(),
    GammaRegressor(),
    *(
        TweedieRegressor(power=p, link=link)
        for p in (-1.0, 0.0, 1.0, 1.5, 3.0)
        for link in ("identity", "log")
    ),
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.random((120, 3))
    return X, rng.gamma(2.0, 1.0 + X.sum(axis=1)), rng.integers(1, 4, 120).astype(float)


@pytest.mark.parametrize("ours", FAMILY, ids=repr)
def test_coefficients_and_score_are_scikit_learns(ours, data):
    X, y, weight = data
    parameters = {k: v for k, v in ours.get_params().items() if k not in ("solver", "n_jobs")}
    parameters |= {"alpha": 0.1, "tol": 1e-10, "max_iter": 1000}
    theirs = getattr(sklearn.linear_model, type(ours).__name__)(**parameters).fit(X, y, weight)
    ours = ours.set_params(**parameters).fit(X, y, weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=3e-7)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)
    assert_allclose(ours.score(X, y, weight), theirs.score(X, y, weight), atol=1e-9)
    assert ours.optimality_.gradient_norm <= 1e-10 or ours.optimality_.reason == "at rounding level"
    if ours._loss().convex:
        assert ours.optimality_.suboptimality_bound < 1e-15


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky"])
def test_every_solver_finds_the_optimum_of_the_default(solver, data):
    X, y, weight = data
    best = PoissonRegressor(alpha=0.01, tol=1e-9).fit(X, y, weight)
    model = PoissonRegressor(alpha=0.01, tol=1e-7, solver=solver).fit(scipy.sparse.csr_array(X), y, weight)
    assert_allclose(model.coef_, best.coef_, atol=1e-5)
    excess = model.optimality_.objective - best.optimality_.objective
    assert -1e-14 <= excess <= model.optimality_.suboptimality_bound + 1e-14


@pytest.mark.parametrize("power", [-1.0, 1.0, 1.5, 2.0, 3.0])
def test_the_identity_link_s_derivatives_are_those_of_the_deviance(power):
    f, y = np.array([0.2, 1.0, 7.5]), np.array([1.0, 2.5, 0.5])
    gradient, hessian = f**-power * (f - y), f ** (-power - 1.0) * ((1.0 - power) * f + power * y)
    loss = TweedieIdentity(power)
    assert_allclose(loss.derivatives(y, f), (gradient, hessian), rtol=1e-13)
    assert_allclose(derivatives(lambda raw: loss.value(y, raw), f)[1:], (gradient, hessian), rtol=1e-13)
    assert loss.value(1.0, -1.0) == np.inf


@pytest.mark.parametrize(
    ("model", "y"), [(PoissonRegressor(), -1.0), (GammaRegressor(), 0.0), (TweedieRegressor(power=1.5), -1.0)]
)
def test_targets_out_of_range_are_named(model, y):
    with pytest.raises(ValueError, match=f"out of the valid range of the loss.*{y}"):
        model.fit(np.arange(3.0)[:, None], [1.0, y, 2.0])


def test_no_distribution_has_a_power_between_0_and_1(data):
    with pytest.raises(ValueError, match=r"power must be <= 0 or >= 1, got 0\.5"):
        TweedieRegressor(power=0.5, link="log").fit(*data[:2])


def test_too_few_iterations_are_told_and_a_warm_start_goes_on_from_there(data):
    X, y, _ = data
    model = PoissonRegressor(solver="lbfgs", max_iter=2, warm_start=True, alpha=1e-3)
    with pytest.warns(ConvergenceWarning, match="iteration limit"):
        first = model.fit(X, y).optimality_.objective
    model.set_params(max_iter=100).fit(X, y)
    assert model.optimality_.objective < first
    assert model.loss_curve_[0] == pytest.approx(first, rel=1e-12)


def test_float32_stays_float32(data):
    X, y, _ = data
    model = GammaRegressor().fit(X.astype(np.float32), y.astype(np.float32))
    assert model.coef_.dtype == model.predict(X.astype(np.float32)).dtype == np.float32
