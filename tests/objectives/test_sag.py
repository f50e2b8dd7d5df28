"""SAG and SAGA against the papers' steps written out in NumPy, and at the optimum."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._objectives import sag
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.sag import CURVATURE, Problem, Walk, run_sag
from calclearn.losses import Huber, LogLoss, MultinomialLogLoss, SquaredError
from calclearn.optimize import Newton

N, P, K = 60, 7, 3


def in_parts(X):
    """Each entry stored as a third and two thirds."""
    data = np.repeat(X.data, 2) * np.tile([1 / 3, 2 / 3], X.nnz)
    return scipy.sparse.csr_array((data, np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)


FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "CSR": scipy.sparse.csr_array,
    "CSC": scipy.sparse.csc_matrix,
    "CSR, entries in two parts": lambda X: in_parts(scipy.sparse.csr_array(X)),
}


def readonly(X):
    for part in (X.data, X.indices, X.indptr) if scipy.sparse.issparse(X) else (X,):
        part.flags.writeable = False
    return X


@pytest.fixture
def X(rng):
    return readonly(rng.normal(size=(N, P)) * (rng.random((N, P)) < 0.5))


@pytest.fixture
def weight(rng):
    return rng.random(N) + 0.1


def problem_of(X, weight, rng, n_outputs=None, **keywords):
    """The log loss of two classes, or of several; of labels that no plane divides."""
    y = rng.integers(n_outputs or 2, size=X.shape[0])
    loss = LogLoss() if n_outputs is None else MultinomialLogLoss()
    return LinearObjective(loss, X, y, weight, n_outputs=n_outputs, **{"l2": 0.05} | keywords)


def run(objective, seed=0, x0=None, **keywords):
    x0 = objective.start() if x0 is None else x0
    return run_sag(objective, x0, rng=np.random.default_rng(seed), **{"tol": 0.0} | keywords)


def optimum(objective):
    return Newton(tol=1e-12, max_iter=100).minimise(objective, objective.start()).x


def gradient_in(loss, y, raw):
    """The derivatives of one row's loss, of shape (K,)."""
    if len(raw) == 1:
        return np.array([loss.derivatives(y, raw[0])[0]])
    gradient = np.empty(len(raw))
    loss.derivatives_row(y, raw, gradient, np.empty(len(raw)))
    return gradient


def reference(objective, X, weight, saga, epochs, x0, seed=0):
    """SAGA's equations (1) and (2), and SAG's, with a table of whole gradients and nothing deferred."""
    n = len(X)
    Z = np.column_stack([X, np.ones(n)]) if objective.intercept else X
    penalty, l1 = objective.l2 * (np.arange(Z.shape[1]) < P), objective.l1
    weight = weight * n / weight.sum()
    L = CURVATURE[type(objective.loss)] * np.max(weight * np.sum(Z**2, axis=1)) + objective.l2
    step = max(1 / (3 * L), 1 / (2 * (L + n * objective.l2))) if saga else 1 / L
    x = x0.reshape(objective.n_outputs or 1, -1).copy()
    table, rng = np.zeros((n, *x.shape)), np.random.default_rng(seed)
    for _ in range(epochs):
        for i in rng.choice(np.arange(n), n):
            new = weight[i] * np.outer(gradient_in(objective.loss, objective.y[i], x @ Z[i]), Z[i])
            old_mean, change = table.mean(axis=0), new - table[i]
            table[i] = new
            estimate = change + old_mean if saga else table.mean(axis=0)
            x = x - step * (estimate + penalty * x)
            x[:, :P] -= np.clip(x[:, :P], -step * l1, step * l1)
    return x.ravel()


# ------------------------------------------------------------------------------------------- what a step is


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("saga", [False, True])
@pytest.mark.parametrize("n_outputs", [None, K])
def test_the_steps_are_the_papers_for_every_form_of_x(X, weight, rng, form, saga, n_outputs):
    objective = problem_of(readonly(FORMS[form](X)), weight, rng, n_outputs)
    x0 = rng.normal(size=objective.size)
    expected = reference(objective, X, weight, saga, 3, x0)
    assert_allclose(run(objective, x0=x0, saga=saga, max_iter=3).x, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("saga", [False, True])
@pytest.mark.parametrize("l2", [0.0, 30.0])  # with 30 the scale is small after a few steps
def test_no_penalty_and_a_strong_one_without_an_intercept(X, weight, rng, saga, l2):
    objective = problem_of(scipy.sparse.csr_array(X), weight, rng, l2=l2, intercept=False)
    x0 = rng.normal(size=P)
    expected = reference(objective, X, weight, saga, 3, x0)
    assert_allclose(run(objective, x0=x0, saga=saga, max_iter=3).x, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("n_outputs", "l1"), [(1, 0.0), (1, 0.05), (K, 0.0), (K, 0.05)])
def test_the_compiled_walk_is_the_same_as_the_walk_in_python(X, rng, sparse, n_outputs, l1):
    rows = sag._rows(scipy.sparse.csr_array(X) if sparse else X)
    y, weight = readonly(rng.integers(n_outputs + 1, size=N) % 2.0), readonly(np.ones(N))
    # a decay that renews the scale
    problem = Problem(rows, y, weight, readonly(np.empty(0)), 1 / N, 0.05, 0.9, 0.05, 0.95, 0.5, l1)
    several = n_outputs > 1
    loss, second = MultinomialLogLoss() if several else LogLoss(), np.empty(K) if several else None
    ends = []
    for walk in (sag._walk, sag._walk.py_func):
        columns = np.zeros((P, 2 * n_outputs + 1) if sparse else (2, n_outputs, P))
        state = Walk(columns, np.full((2, n_outputs), 0.1), np.zeros((N, n_outputs)))
        walk(loss, problem, state, readonly(np.tile(np.arange(N), 3)), second)
        ends.append(state)
    for compiled, interpreted in zip(*ends):
        assert_allclose(compiled, interpreted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", CURVATURE, ids=lambda cls: cls.__name__)
def test_no_row_is_steeper_than_its_bound_and_one_comes_near(loss, rng):
    largest = 0.0
    for raw in [np.array([0.0, 0.0, -50.0]), *rng.normal(scale=3, size=(50, K))]:
        if loss is MultinomialLogLoss:
            H = np.zeros((K, K))
            for k, unit in enumerate(np.eye(K)):
                loss().hessian_product_row(0, raw, unit, H[k])
            largest = max(largest, np.linalg.eigvalsh(H).max())
        else:
            largest = max(largest, loss().derivatives(0.0, raw[0])[1])
    assert 0.99 * CURVATURE[loss] < largest <= CURVATURE[loss] * (1 + 1e-12)


@pytest.mark.parametrize("form", ["F", "CSR", "CSR, entries in two parts"])
@pytest.mark.parametrize("l2", [0.0, 0.05, 30.0])
@pytest.mark.parametrize("n_outputs", [None, K])
def test_under_l1_the_deferred_steps_are_those_taken_one_by_one(X, weight, rng, form, l2, n_outputs):
    """With entries of a tenth of the rows, columns wait for long, and many coefficients pass zero."""
    X = X * (rng.random((N, P)) < 0.3)
    objective = problem_of(FORMS[form](X), weight, rng, n_outputs, l2=l2)
    objective.l1 = 0.02
    x0 = 0.3 * rng.normal(size=objective.size)
    expected = reference(objective, X, weight, True, 6, x0)
    got = run(objective, x0=x0, saga=True, max_iter=6).x
    assert_allclose(got, expected, rtol=1e-9, atol=1e-13)
    assert_array_equal(got == 0, expected == 0)


# ----------------------------------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("saga", [False, True])
@pytest.mark.parametrize("n_outputs", [None, K])
@pytest.mark.parametrize("form", ["C", "CSR"])
def test_the_optimum_is_newtons(X, weight, rng, saga, n_outputs, form):
    objective = problem_of(FORMS[form](X), weight, rng, n_outputs)
    solution = run(objective, saga=saga, tol=1e-9, max_iter=2000)
    assert solution.reason == "gradient within tol"
    assert np.abs(objective.value_gradient(solution.x)[1]).max() <= 1e-9
    best = optimum(objective)
    assert_allclose(solution.value, objective.value(best), rtol=1e-13)
    assert_allclose(objective.unpack(solution.x)[0], objective.unpack(best)[0], atol=1e-6)


@pytest.mark.parametrize("saga", [False, True])
def test_least_squares_and_a_penalised_intercept_have_their_optimum_too(X, weight, rng, saga):
    y = rng.normal(size=N)
    objective = LinearObjective(SquaredError(), X, y, weight, l2=0.1, l2_intercept=0.2)
    Z = np.column_stack([X, np.ones(N)])
    S = weight / weight.sum()
    exact = np.linalg.solve(Z.T @ (S[:, None] * Z) + np.diag([0.1] * P + [0.2]), Z.T @ (S * y))
    assert_allclose(run(objective, saga=saga, tol=1e-11, max_iter=3000).x, exact, atol=1e-9)


@pytest.mark.parametrize("saga", [False, True])
def test_float32_rows_lead_to_the_same_place(X, weight, rng, saga):
    y = rng.integers(2, size=N)
    single, double = (
        LinearObjective(LogLoss(), X.astype(dtype), y, weight, l2=0.05) for dtype in (np.float32, np.float64)
    )
    solution = run(single, saga=saga, tol=1e-6, max_iter=2000)
    assert solution.converged
    assert solution.x.dtype == np.float64
    assert_allclose(solution.x, optimum(double), atol=1e-4)


@pytest.mark.parametrize("saga", [False, True])
def test_rows_of_no_weight_are_not_drawn(X, rng, saga):
    y, some = rng.integers(2, size=N), np.arange(N) % 3 > 0
    all_rows = LinearObjective(LogLoss(), X, y, some.astype(float), l2=0.05)
    rest = LinearObjective(LogLoss(), X[some], y[some], l2=0.05)
    x0 = np.zeros(P + 1)
    ends = [run(objective, x0=x0, saga=saga, max_iter=5).x for objective in (all_rows, rest)]
    assert_allclose(*ends, rtol=1e-11)


@pytest.mark.parametrize("saga", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_where_x_is_zero_only_the_intercept_is_left(saga, intercept):
    y = np.arange(N) % 4 == 0
    objective = LinearObjective(LogLoss(), np.zeros((N, P)), y, l2=0.5, intercept=intercept)
    solution = run(objective, x0=np.full(P + intercept, 0.3), saga=saga, tol=1e-10, max_iter=500)
    assert solution.converged
    assert_allclose(solution.x[:P], 0, atol=1e-9)
    assert_allclose(solution.x[P:], np.log(1 / 3), rtol=1e-8)


# ------------------------------------------------------------------------------------------ epochs and calls


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_draws(X, weight, rng):
    objective = problem_of(X, weight, rng)
    first, second, other = (run(objective, seed=seed, max_iter=3).x for seed in (1, 1, 2))
    assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("saga", [False, True])
def test_where_calls_divide_an_epoch_changes_nothing_but_rounding(X, weight, rng, saga, monkeypatch):
    objective = problem_of(scipy.sparse.csr_array(X), weight, rng)
    whole = run(objective, saga=saga, max_iter=3)
    monkeypatch.setattr(sag, "ENTRIES", 5 * (P + 1))
    assert_allclose(run(objective, saga=saga, max_iter=3).x, whole.x, rtol=1e-11)


def test_progress_sees_each_epoch_and_can_stop(X, weight, rng):
    seen = []
    solution = run(problem_of(X, weight, rng), progress=lambda i, value, x: seen.append((i, value)) or i == 4)
    assert solution.reason == "stopped by the callback"
    assert seen == list(enumerate(solution.curve))[1:]


def test_a_loss_whose_curvature_is_not_known_is_refused(X, rng):
    objective = LinearObjective(Huber(), X, rng.normal(size=N))
    with pytest.raises(TypeError, match=r"bounded curvature \(LogLoss, MultinomialLogLoss, SquaredError\)"):
        run(objective)
