"""SAG and SAGA against the papers' steps written out in NumPy, and at the optimum."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._objectives import sag
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.quadratic import kkt_violation
from calclearn._objectives.sag import CURVATURE, Penalised, Problem, Walk, run_sag
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
    L = CURVATURE[type(objective.loss)] * weight * np.sum(Z**2, axis=1) + objective.l2
    step = max(1 / (3 * L.max()), 1 / (2 * (L.max() + n * objective.l2))) if saga else 1 / L.max()
    odds, chances = np.full(n, 1 / n), None
    if L.max() >= 3 * L.mean():
        odds = chances = (0.5 + 0.5 * L / L.mean()) / n
        step = 1 / np.max(L / (n * odds)) / (3 if saga else 1)
    x = x0.reshape(objective.n_outputs or 1, -1).copy()
    table, rng = np.zeros((n, *x.shape)), np.random.default_rng(seed)
    for _ in range(epochs):
        for i in rng.choice(np.arange(n), n, p=chances):
            new = weight[i] * np.outer(gradient_in(objective.loss, objective.y[i], x @ Z[i]), Z[i])
            old_mean, change = table.mean(axis=0), new - table[i]
            table[i] = new
            estimate = change / (n * odds[i]) + old_mean if saga else table.mean(axis=0)
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
@pytest.mark.parametrize("sparse", [False, True])
def test_where_rows_are_uneven_the_steep_ones_are_drawn_more_often(X, weight, rng, saga, sparse):
    X = X * np.exp(rng.normal(size=(N, 1)))
    objective = problem_of(scipy.sparse.csr_array(X) if sparse else X, weight, rng)
    assert sag._problem(objective, weight, np.arange(N), saga)[0] is not None
    x0 = rng.normal(size=P + 1)
    expected = reference(objective, X, weight, saga, 3, x0)
    assert_allclose(run(objective, x0=x0, saga=saga, max_iter=3).x, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("saga", [False, True])
def test_draws_by_curvature_need_fewer_epochs(rng, saga, monkeypatch):
    X = rng.normal(size=(500, P)) * np.exp(rng.normal(size=(500, 1)))
    objective = LinearObjective(LogLoss(), X, rng.integers(2, size=500), l2=1e-3)
    by_curvature = run(objective, saga=saga, tol=1e-6, max_iter=500)
    assert by_curvature.converged
    monkeypatch.setattr(sag, "UNEVEN", np.inf)
    assert by_curvature.n_iter < run(objective, saga=saga, tol=1e-6, max_iter=500).n_iter


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
    half = readonly(np.full(N, 0.5))
    # a decay that renews the scale
    problem = Problem(rows, y, weight, readonly(np.empty(0)), 1 / N, 0.05, 0.9, 0.05, 0.95, half, l1)
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


# ------------------------------------------------------------------------------------------------ under L1


def sparse_problem(X, weight, rng, n_outputs=None, l1=0.02, **keywords):
    objective = problem_of(X, weight, rng, n_outputs, **keywords)
    objective.l1 = l1
    return objective


def soft(z, threshold):
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0.0)


def proximal_gradient(objective, n_steps=20_000):
    """FISTA with restarts: the optimum under L1, slowly."""
    Z = np.column_stack([np.asarray(objective.design.X), np.ones(objective.n)])
    bound = CURVATURE[type(objective.loss)]
    L = bound * np.linalg.eigvalsh(Z.T @ (Z * objective.weight[:, None])).max() + objective.l2
    threshold = np.tile(np.arange(objective.size // (objective.n_outputs or 1)) < P, objective.n_outputs or 1)
    x = ahead = np.zeros(objective.size)
    t = 1.0
    for _ in range(n_steps):
        new = ahead - objective.value_gradient(ahead)[1] / L
        new = soft(new, threshold * objective.l1 / L)
        t_new = 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        if (ahead - new) @ (new - x) > 0:
            t_new = 1.0
        ahead, t, moved = new + (t - 1) / t_new * (new - x), t_new, np.abs(new - x).max()
        x = new
        if moved < 1e-15:
            break
    return x


def violation(objective, x):
    gradient = objective.unpack(objective.value_gradient(x)[1])
    w = objective.unpack(x)[0].ravel()
    return max(kkt_violation(gradient[0].ravel(), w, objective.l1), np.abs(gradient[1]).max())


@pytest.mark.parametrize("average", [-0.7, -0.2, 0.0, 0.2, 0.7])
@pytest.mark.parametrize("v", [-1.0, -0.1, 0.0, 0.1, 1.0])
def test_deferred_steps_are_settled_as_if_taken_one_by_one(rng, average, v):
    times, l1 = np.cumsum(rng.random(40) / 10) - 0.01, 0.3
    for first, last in [(0, 1), (0, 39), (7, 30), (12, 12)]:
        expected = v
        for tau in np.diff(times[first : last + 1]):
            expected = soft(expected - tau * average, tau * l1)
        got = sag.deferred(v, average, times[first], times[last], l1, times[: last + 1])
        assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n_outputs", [None, K])
@pytest.mark.parametrize("form", ["C", "CSR"])
@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_under_l1_the_optimum_is_that_of_proximal_gradients(X, weight, rng, n_outputs, form, l2):
    seed = rng.integers(1 << 30)
    problem = [
        sparse_problem(Z, weight, np.random.default_rng(seed), n_outputs, l2=l2) for Z in (FORMS[form](X), X)
    ]
    solution = run(problem[0], saga=True, tol=1e-9, max_iter=5000)
    assert solution.converged
    assert violation(problem[0], solution.x) <= 1e-9
    best = proximal_gradient(problem[1])
    coef, optimal = (problem[1].unpack(x)[0] for x in (solution.x, best))
    assert_allclose(coef, optimal, atol=1e-6)
    assert 0 < np.sum(optimal == 0) < optimal.size
    assert_array_equal(coef == 0, optimal == 0)
    assert_allclose(solution.value, Penalised(problem[1]).value_gradient(best)[0], rtol=1e-12)


def test_under_l1_least_squares_satisfies_its_conditions(X, weight, rng):
    objective = LinearObjective(SquaredError(), X, rng.normal(size=N) + 3 * X[:, 0], weight)
    objective.l1 = 0.2
    solution = run(objective, saga=True, tol=1e-10, max_iter=5000)
    assert solution.converged
    assert violation(objective, solution.x) <= 1e-10
    assert solution.x[0] > 1


@pytest.mark.parametrize("sparse", [False, True])
def test_a_strong_l1_penalty_leaves_exact_zeros_and_the_intercept(X, weight, rng, sparse):
    objective = sparse_problem(scipy.sparse.csr_array(X) if sparse else X, weight, rng, l1=10.0)
    solution = run(objective, x0=np.full(P + 1, 2.0), saga=True, tol=1e-10, max_iter=2000)
    assert solution.converged
    assert_array_equal(solution.x[:P], 0)
    assert_allclose(solution.x[P], objective.minimise_intercept(np.zeros(P + 1))[P], rtol=1e-7)


def test_the_subgradient_watched_is_as_large_as_the_kkt_violation(X, weight, rng):
    objective = sparse_problem(X, weight, rng, n_outputs=K)
    for share in (0.0, 0.5, 1.0):
        x = rng.normal(size=objective.size) * (rng.random(objective.size) < share)
        value, nearest = Penalised(objective).value_gradient(x)
        assert_allclose(np.abs(nearest).max(), violation(objective, x), rtol=1e-14)
        assert_allclose(value, objective.value(x) + 0.02 * np.abs(objective.unpack(x)[0]).sum(), rtol=1e-14)


def test_under_l1_weights_are_repetitions_and_permutations_change_nothing_at_the_optimum(X, rng):
    times, y, order = np.arange(N) % 3, rng.integers(2, size=N), rng.permutation(N)
    ends = []
    for rows, weight in [
        (np.arange(N), times / 1.0),
        (np.arange(N).repeat(times), None),
        (order, times[order] / 1),
    ]:
        objective = LinearObjective(LogLoss(), X[rows], y[rows], weight, l2=0.01)
        objective.l1 = 0.02
        ends.append(run(objective, saga=True, tol=1e-10, max_iter=5000).x)
    assert_allclose(ends[1:], [ends[0], ends[0]], atol=1e-7)
    assert_array_equal(ends[1] == 0, ends[0] == 0)


def test_under_l1_a_seed_decides_and_where_calls_divide_an_epoch_does_not(X, weight, rng, monkeypatch):
    objective = sparse_problem(scipy.sparse.csr_array(X), weight, rng)
    first, second = (run(objective, seed=1, saga=True, max_iter=4).x for _ in range(2))
    assert_array_equal(first, second)
    monkeypatch.setattr(sag, "ENTRIES", 5 * (P + 1))
    assert_allclose(run(objective, seed=1, saga=True, max_iter=4).x, first, rtol=1e-10)


# ------------------------------------------------------------------------------------------- ridge regression


@pytest.mark.parametrize("saga", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_ridge_reaches_the_direct_solution_where_rows_differ_much_in_size(rng, saga, intercept):
    X = rng.normal(size=(200, 5)) * np.exp(rng.normal(size=(200, 1)))
    weight, targets = rng.random(200) + 0.1, X @ rng.normal(size=(5, 2)) + rng.normal(size=(200, 2))
    Z = np.column_stack([X, np.ones(200)]) if intercept else X
    S, penalty = weight / weight.sum(), np.diag(np.arange(Z.shape[1]) < 5) * 0.01
    exact = np.linalg.solve(Z.T @ (S[:, None] * Z) + penalty, Z.T @ (S[:, None] * targets))
    for y, best in zip(targets.T, exact.T):
        objective = LinearObjective(SquaredError(), X, y, weight, l2=0.01, intercept=intercept)
        solution = run(objective, saga=saga, x0=np.zeros(objective.size), tol=1e-9, max_iter=3000)
        assert solution.converged
        assert_allclose(solution.x, best, atol=1e-7)


@pytest.mark.parametrize("saga", [False, True])
def test_an_offset_counts(X, weight, rng, saga):
    """With least squares it is what the targets lack."""
    y, offset = rng.normal(size=N), rng.normal(size=N)
    with_offset = LinearObjective(SquaredError(), X, y, weight, l2=0.1)
    with_offset.offset = offset
    without = LinearObjective(SquaredError(), X, y - offset, weight, l2=0.1)
    x0 = np.zeros(P + 1)
    ends = [run(objective, x0=x0, saga=saga, max_iter=3).x for objective in (with_offset, without)]
    assert_allclose(*ends, rtol=1e-10)


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


def test_sag_refuses_l1_and_both_refuse_positive_coefficients(X, weight, rng):
    objective = sparse_problem(X, weight, rng)
    with pytest.raises(ValueError, match=r"l1 must be 0, got 0\.02"):
        run(objective)
    objective.l1, objective.positive = 0.0, True
    for saga in (False, True):
        with pytest.raises(ValueError, match="do not keep coefficients positive"):
            run(objective, saga=saga)
