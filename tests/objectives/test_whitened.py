"""Tall dense problems: gradients in one pass over a few rows at a time, and L-BFGS in whitened variables."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn._objectives import solving
from calclearn._objectives.design import Design
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.reduction import Whitened
from calclearn.linear_model import LogisticRegression, PoissonRegressor
from calclearn.losses import get_loss, pointwise
from calclearn.optimize import LBFGS


def tall(seed=0, n=13_000, p=55, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, p)) + rng.standard_normal((n, 1))) * 10.0 ** rng.uniform(-1, 1, p)
    raw = X @ (rng.standard_normal(p) / X.std(axis=0)) / np.sqrt(p)
    return X.astype(dtype), (rng.random(n) < 1.0 / (1.0 + np.exp(-2.0 * raw))).astype(int)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("every", [1, 10])
def test_gradients_are_the_sums_over_rows(dtype, weighted, every):
    X, y = tall(dtype=dtype)
    weight = np.random.default_rng(1).random(len(y)) if weighted else None
    objective = LinearObjective(get_loss("log_loss"), Design(X, 2), y, weight, l2=0.1)
    seen = np.ones(len(y), bool)
    if every > 1 and not weighted:
        objective = objective.every(every)
        seen[:] = False
        for block in objective.design.blocks:
            seen[block.start : block.stop] = True
    x = np.random.default_rng(2).standard_normal(56) * 0.01
    value, gradient = objective.value_gradient(x)
    Z = X[seen].astype(float)
    inputs = get_loss("log_loss"), y[seen].astype(float), Z @ x[:-1] + x[-1]
    v, g = pointwise.value_gradient(*inputs)
    s = np.full(seen.sum(), 1.0 / seen.sum()) if weight is None else weight / weight.sum()
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(value, s @ v + 0.05 * x[:-1] @ x[:-1], rtol=tolerance)
    expected = np.r_[Z.T @ (s * g) + 0.1 * x[:-1], s @ g]
    assert_allclose(gradient, expected, rtol=10 * tolerance, atol=tolerance * np.abs(expected).max())


def test_gradients_have_the_same_bits_for_any_number_of_threads():
    X, y = tall()
    x = np.random.default_rng(2).standard_normal(56)
    loss = get_loss("log_loss")
    value, gradient = LinearObjective(loss, Design(X, 1), y).value_gradient(x)
    for n_threads in (2, 3):
        again = LinearObjective(loss, Design(X, n_threads), y).value_gradient(x)
        assert again[0] == value
        assert (again[1] == gradient).all()


def test_in_whitened_variables_a_quadratic_takes_a_step_or_two():
    X, _ = tall(p=8)
    objective = LinearObjective(get_loss("squared_error"), Design(X), X @ np.arange(8.0) + 3.0, l2=1e-3)
    start = objective.start()
    scaled = Whitened(objective, start, objective.hessian(start))
    z = scaled.project(start)
    assert_allclose(scaled.lift(z), start)
    solution = scaled.lifted(LBFGS(tol=1e-8).minimise(scaled, z))
    assert solution.n_iter <= 3
    value, gradient = objective.value_gradient(solution.x)
    assert_allclose(value, solution.value)
    assert_allclose(gradient, solution.gradient, atol=1e-9)
    assert np.abs(gradient * objective.units).max() <= 1e-8


@pytest.mark.parametrize("order", ["drawn", "sorted"])
@pytest.mark.parametrize("C", [1e-3, 1.0, np.inf])
def test_a_sample_of_rows_may_be_odd_and_the_optimum_is_found_all_the_same(C, order, monkeypatch):
    X, y = tall()
    if order == "sorted":  # whole blocks of one class, with columns of other sizes
        rows = np.lexsort((X[:, 0], y))
        X, y = X[rows], y[rows]
    used = []
    whitened = solving._whitened

    def noted(*args):
        used.append(whitened(*args))
        return used[-1]

    monkeypatch.setattr(solving, "_whitened", noted)
    model = LogisticRegression(C=C, tol=1e-6, max_iter=1000).fit(X, y)
    exact = LogisticRegression(C=C, tol=1e-10, solver="newton-cholesky").fit(X, y)
    assert used
    assert model.optimality_.converged
    assert model.optimality_.objective <= exact.optimality_.objective * (1 + 1e-10)
    assert_allclose(model.coef_ * X.std(axis=0), exact.coef_ * X.std(axis=0), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_that_depend_on_one_another_are_left_to_newtons_method(dtype):
    X, y = tall()
    X = (X / X.std(axis=0)).astype(dtype)
    X[:, -1] = X[:, 0]
    model = LogisticRegression(C=np.inf, tol=1e-6).fit(X, y)
    assert model.optimality_.converged
    assert np.abs(model.coef_).max() < 10.0
    assert_allclose(model.coef_[0, -1], model.coef_[0, 0], rtol=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of squares that overflow
def test_a_hessian_that_overflows_is_told_as_before():
    X, y = tall()
    X[:, 0] *= 1e160
    with pytest.warns(ConvergenceWarning, match="not finite"):
        model = LogisticRegression().fit(X, y)
    assert not model.optimality_.converged


def test_a_singular_hessian_of_the_sample_is_left_to_newtons_method():
    X, y = tall()
    X[:, 1] = X[:, 0]
    model = PoissonRegressor(alpha=0.0, tol=1e-8).fit(X / X.std(axis=0), y)
    assert model.optimality_.converged
    assert_allclose(model.coef_[0], model.coef_[1], rtol=1e-4)
