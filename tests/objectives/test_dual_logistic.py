"""Logistic regression in the dual: each step exact, also at the ends of the box; the primal's optimum."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import expit, xlogy

from calclearn._objectives import dual_logistic
from calclearn._objectives.dual_logistic import Problem, State, run_dual_logistic
from calclearn._objectives.linear import LinearObjective
from calclearn.losses import LogLoss, SquaredError
from calclearn.optimize import Newton

N, P = 60, 7
FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "CSR": scipy.sparse.csr_array,
    "CSC": scipy.sparse.csc_matrix,
}


def readonly(array):
    array.flags.writeable = False
    return array


@pytest.fixture
def data(rng):
    """X, labels that no plane divides, and weights."""
    X = rng.normal(size=(N, P)) * (rng.random((N, P)) < 0.5)
    return X, rng.integers(2, size=N), rng.random(N) + 0.1


def root_of(A, rest):
    return brentq(lambda u: u + A * expit(u) + rest, -1e4, 1e4, xtol=1e-14, rtol=1e-14)


def primal(X, y, weight=None, C=1.0, scaling=1.0, intercept=True):
    """The objective of strength C, in the mean of the losses; `scaling` is that of the constant column."""
    l2 = 1.0 / (C * (len(y) if weight is None else weight.sum()))
    beta = l2 / scaling**2 if intercept else 0.0
    return LinearObjective(LogLoss(), X, y, weight, l2=l2, l2_intercept=beta, intercept=intercept)


def run(objective, seed=0, x0=None, **keywords):
    x0 = np.zeros(objective.size) if x0 is None else x0
    keywords = {"tol": 1e-9, "max_iter": 3000} | keywords
    return run_dual_logistic(objective, x0, rng=np.random.default_rng(seed), **keywords)


def optimum(objective):
    return Newton(tol=1e-13, max_iter=100).minimise(objective, objective.start()).x


# --------------------------------------------------------------------------------------- one coordinate


@pytest.mark.parametrize("A", [0.0, 1e-12, 1.0, 1e3, 1e12])
@pytest.mark.parametrize("root", [0.0, -1e-9, -1.0, -30.0, -700.0, -1e5])
@pytest.mark.parametrize("guess", [0.0, -0.5, -40.0, -1e6, 3.0])
def test_a_step_finds_the_root_from_any_guess_also_where_the_odds_underflow(A, root, guess):
    r = -(root + A * expit(root))
    slope = 1 + A * expit(root) * expit(-root)
    rounding = np.finfo(float).eps * (abs(root) + A * expit(root)) / slope
    assert abs(dual_logistic._root(A, r, guess) - root) <= 4 * rounding + 1e-12


@pytest.mark.parametrize("form", ["C", "F", "CSR"])
def test_an_epoch_minimises_the_dual_along_each_coordinate(data, form):
    X, y, weight = data
    sign, C, squares = 2.0 * y - 1, 50 * weight, np.sum(X**2, axis=1) + 1
    rows = dual_logistic._rows(FORMS[form](X))
    problem = Problem(rows, readonly(sign), readonly(C), readonly(squares), P, 1.0)
    state = State(np.zeros(P + 1), np.zeros(N), np.zeros(N))
    interpreted = State(np.zeros(P + 1), np.zeros(N), np.zeros(N))
    Z = np.column_stack([X, np.ones(N)]) * sign[:, None]
    dual, order = np.zeros(N), readonly(np.arange(N)[::-1].copy())
    before = np.inf
    for _ in range(4):
        dual_logistic._walk(problem, state, order)
        dual_logistic._walk.py_func(problem, interpreted, order)
        for i in order:
            rest = Z[i] @ (Z.T @ dual) - squares[i] * dual[i]
            dual[i] = C[i] * expit(root_of(squares[i] * C[i], rest))
        assert_allclose(state.dual, dual, rtol=1e-9)
        assert_allclose(interpreted.dual, state.dual, rtol=1e-11)
        assert_allclose(state.x, Z.T @ dual, rtol=1e-9, atol=1e-10)
        value = 0.5 * np.sum(state.x**2) + np.sum(xlogy(dual, dual) + xlogy(C - dual, C - dual))
        assert value < before
        before = value


# ------------------------------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_optimum_is_the_primals_for_every_form_of_x(data, form, weighted):
    X, y, weight = data
    objective = primal(FORMS[form](X), y, weight if weighted else None)
    solution = run(objective)
    assert solution.reason == "gradient within tol"
    assert_allclose(solution.x, optimum(objective), atol=1e-7)


@pytest.mark.parametrize(("C", "scaling"), [(1e-3, 1.0), (1.0, 10.0), (10.0, 0.1)])
def test_strength_and_scaling_of_the_intercept_are_the_primals(data, C, scaling):
    objective = primal(*data, C=C, scaling=scaling)
    assert_allclose(run(objective).x, optimum(objective), atol=1e-6)


def test_without_an_intercept_and_in_float32(data):
    X, y, weight = data
    objective = primal(*data, intercept=False)
    best = optimum(objective)
    assert_allclose(run(objective).x, best, atol=1e-7)
    single = run(primal(X.astype(np.float32), y, weight, intercept=False), tol=1e-6)
    assert single.converged
    assert_allclose(single.x, best, atol=1e-4)


@pytest.mark.parametrize("C", [1e2, 1e8, 1e16])
def test_separable_labels_and_a_weak_penalty_keep_every_number_finite(data, C):
    X, *_ = data
    objective = primal(X, X[:, 0] + 0.3 * X[:, 1] > 0.1, C=C)
    solution = run(objective, tol=1e-4)
    assert solution.converged
    assert np.isfinite(solution.curve).all()


def test_rows_of_no_weight_and_rows_of_zeros_do_no_harm(data):
    X, y, _ = data
    X = X * (np.arange(N) % 5 > 0)[:, None]
    some = np.arange(N) % 3 > 0
    for intercept in (False, True):
        solution = run(primal(X, y, some.astype(float), intercept=intercept))
        assert_allclose(solution.x, run(primal(X[some], y[some], intercept=intercept)).x, atol=1e-7)


# ------------------------------------------------------------------------------------------- the epochs


def test_a_start_near_the_optimum_is_used_and_a_bad_one_is_not(data):
    objective = primal(*data, C=10.0)
    cold = run(objective, tol=1e-8)
    near = run(objective, x0=cold.x + 1e-7, tol=1e-8)
    assert near.n_iter < cold.n_iter / 2
    far = run(objective, x0=np.full(P + 1, 1e4), tol=1e-8)
    assert_array_equal(far.x, cold.x)
    assert run(objective, x0=cold.x, tol=1e-8).n_iter == 0


def test_the_same_seed_gives_the_same_bits_wherever_calls_divide_an_epoch(data, monkeypatch):
    objective = primal(*data)
    first, other = (run(objective, seed=seed, max_iter=3).x for seed in (1, 2))
    assert not np.array_equal(first, other)
    monkeypatch.setattr(dual_logistic, "rows_to_a_call", lambda design: 7)
    assert_array_equal(run(objective, seed=1, max_iter=3).x, first)


def test_progress_sees_each_epoch_and_can_stop(data):
    seen = []
    solution = run(primal(*data), tol=0.0, progress=lambda i, value, x: seen.append((i, value)) or i == 4)
    assert solution.reason == "stopped by the callback"
    assert seen == list(enumerate(solution.curve))[1:]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"loss": SquaredError()}, TypeError, r"that of LogLoss\(\), got SquaredError\(\)"),
        ({"l2": 0.0}, ValueError, "l2 must be positive, got 0"),
        ({"l2_intercept": 0.0}, ValueError, "l2_intercept must be positive, got 0"),
        ({"y": np.full(N, 0.25)}, ValueError, "targets 0 and 1, got 0.25"),
    ],
)
def test_what_has_another_dual_is_refused(data, change, error, message):
    X, y, weight = data
    given = {"loss": LogLoss(), "X": X, "y": y, "weight": weight, "l2": 1.0, "l2_intercept": 1.0} | change
    with pytest.raises(error, match=message):
        run(LinearObjective(**given))


@pytest.mark.parametrize(("name", "value"), [("l1", 0.1), ("positive", True), ("offset", np.ones(N))])
def test_what_the_dual_does_not_hold_is_refused(data, name, value):
    objective = primal(*data)
    setattr(objective, name, value)
    with pytest.raises(ValueError, match="the L2 penalty alone"):
        run(objective)
