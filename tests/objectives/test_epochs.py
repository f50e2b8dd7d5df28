"""Compiled epochs of linear models against a few lines of NumPy, for every form of X."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._objectives import epochs
from calclearn._objectives.epochs import Problem, Walk, run_epochs
from calclearn._objectives.linear import LinearObjective
from calclearn.losses import LogLoss, MultinomialLogLoss, SquaredError
from calclearn.optimize._descent import descend, descend_in_batches
from calclearn.optimize.rules import Adam, GradientDescent, Momentum

N, P = 60, 7


def with_long_indices(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "CSR": scipy.sparse.csr_array,
    "CSC": scipy.sparse.csc_array,
    "CSR, int64 indices": lambda X: with_long_indices(scipy.sparse.csr_array(X)),
}


def readonly(X):
    for part in (X.data, X.indices, X.indptr) if scipy.sparse.issparse(X) else (X,):
        part.flags.writeable = False
    return X


@pytest.fixture(params=FORMS)
def form(request):
    return lambda X: readonly(FORMS[request.param](X))


@pytest.fixture
def data(rng):
    """X, targets in [0, 1] and weights; float32 holds X exactly."""
    X = (rng.normal(size=(N, P)) * (rng.random((N, P)) < 0.6)).astype(np.float32).astype(np.float64)
    return readonly(X), rng.integers(2, size=N).astype(float), rng.random(N) + 0.1


def run(data, rule, loss=None, x0=None, seed=0, **keywords):
    keywords = {"max_epochs": 3, "tol": 0.0, "l2": 0.1, "rng": np.random.default_rng(seed)} | keywords
    x0 = np.full(P + 1, 0.1) if x0 is None else x0
    return run_epochs(loss or SquaredError(), rule, *data, x0, **keywords)


def reference(data, rule, loss, x, batch_size, epochs, *, l2=0.1, intercept=True, seed=0):
    """Batches as one would write them down; the rule interpreted."""
    X, y, weight = data
    Z = np.column_stack([X, np.ones(N)]) if intercept else X
    weight = np.ones(N) if weight is None else weight / weight.mean()
    penalised = np.arange(Z.shape[1]) < P
    rng, state, step = np.random.default_rng(seed), rule.start(x), 0
    for _ in range(epochs):
        order = rng.permutation(N)
        for first in range(0, N, batch_size):
            rows = order[first : first + batch_size]
            slope = loss.derivatives(y[rows], Z[rows] @ x)[0] * weight[rows]
            gradient = Z[rows].T @ slope / len(rows) + l2 * x * penalised
            step += 1
            result = rule.update(rule.prepare(step), x, gradient, *state)
            x, *state = result if rule.state else (result,)
    return x


# --------------------------------------------------------------------------------------- what a step is


@pytest.mark.parametrize("batch_size", [1, 8, N])
def test_epochs_are_the_loop_over_batches_written_out_for_every_form_of_x(data, form, batch_size):
    rule = GradientDescent(0.05, decay=0.01)
    expected = reference(data, rule, SquaredError(), np.full(P + 1, 0.1), batch_size, 3)
    solution = run((form(data[0]), *data[1:]), rule, batch_size=batch_size)
    assert_allclose(solution.x, expected, rtol=1e-11)
    objective = LinearObjective(SquaredError(), *data, l2=0.1)
    assert_allclose(solution.value, objective.value(expected), rtol=1e-11)


@pytest.mark.parametrize("rule", [Momentum(0.02), Adam(0.05)], ids=repr)
@pytest.mark.parametrize("intercept", [True, False])
def test_every_rule_and_loss_runs_with_and_without_an_intercept(data, rule, intercept):
    start = np.zeros(P + intercept)
    expected = reference(data, rule, LogLoss(), start, 8, 3, intercept=intercept)
    solution = run(data, rule, LogLoss(), start, batch_size=8, intercept=intercept)
    assert_allclose(solution.x, expected, rtol=1e-10)


def test_steps_on_float32_rows_are_taken_in_float64(data):
    X, y, weight = data
    exact = run(data, GradientDescent(0.05))
    single = run((readonly(X.astype(np.float32)), y, weight), GradientDescent(0.05))
    assert single.x.dtype == np.float64
    assert_allclose(single.x, exact.x, rtol=1e-13)
    assert_allclose(single.curve, exact.curve, rtol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_compiled_walk_is_the_same_as_the_walk_in_python(data, sparse):
    X, y, weight = data
    rows = epochs._rows(scipy.sparse.csr_array(X) if sparse else X)
    problem = Problem(rows, readonly(y), readonly(weight), P, 0.1)
    rule, order = GradientDescent(0.05), readonly(np.arange(N)[::-1].copy())
    ends = []
    for walk in (epochs._walk, epochs._walk.py_func):
        state = Walk(np.full(P + 1, 0.1), np.zeros(P + 1), ())
        assert walk(SquaredError(), rule, problem, state, order, 0, N, 7, 0.0) == -(-N // 7)
        ends.append(state.x)
    assert_allclose(*ends, rtol=1e-12)


# ----------------------------------------------------------------------------------------- equivalences


def test_one_batch_of_all_rows_is_descent_on_the_whole(data):
    objective = LinearObjective(SquaredError(), *data, l2=0.1)
    whole = descend(objective, np.full(P + 1, 0.1), GradientDescent(0.1), max_iter=50, tol=0.0)
    batch = run(data, GradientDescent(0.1), batch_size=N, shuffle=False, max_epochs=50)
    assert_allclose(batch.x, whole.x, rtol=1e-12)
    assert_allclose(batch.curve, whole.curve, rtol=1e-12)
    assert_allclose(batch.gradient, whole.gradient, rtol=1e-9, atol=1e-15)


def test_compiled_epochs_are_the_loop_over_gradients_of_batches(data):
    X, y, weight = data

    class Batches(LinearObjective):
        def gradient_of_batch(self, x, rows):
            share = np.sum(weight[rows]) / len(rows) / np.mean(weight)
            loss = LinearObjective(SquaredError(), X[rows], y[rows], weight[rows]).value_gradient(x)[1]
            return share * loss + 0.1 * np.append(x[:P], 0.0)

    objective = Batches(SquaredError(), X, y, weight, l2=0.1)
    generic = descend_in_batches(
        objective,
        np.full(P + 1, 0.1),
        GradientDescent(0.05),
        n_rows=N,
        batch_size=8,
        max_epochs=3,
        tol=0.0,
        rng=np.random.default_rng(0),
    )
    compiled = run(data, GradientDescent(0.05), batch_size=8)
    assert_allclose(compiled.x, generic.x, rtol=1e-11)
    assert_allclose(compiled.curve, generic.curve, rtol=1e-11)


def test_over_all_rows_weights_are_repetitions(data):
    X, y, _ = data
    times = np.arange(N) % 3
    repetition = (X.repeat(times, axis=0), y.repeat(times), None)
    weighted = run((X, y, times.astype(float)), GradientDescent(0.1), batch_size=N, max_epochs=20)
    repeated = run(repetition, GradientDescent(0.1), batch_size=N, max_epochs=20)
    assert_allclose(weighted.x, repeated.x, rtol=1e-11)


def test_over_an_epoch_the_gradients_of_batches_average_to_that_of_the_objective(data):
    """Equation (7): the estimate is unbiased.  Steps too short to change the gradient add up to it."""
    start, rate = np.full(P + 1, 0.1), 1e-9
    gradient = LinearObjective(SquaredError(), *data, l2=0.1).value_gradient(start)[1]
    moved = run(data, GradientDescent(rate), batch_size=6, max_epochs=1).x - start
    assert_allclose(moved / (-rate * N / 6), gradient, rtol=1e-5)


def test_without_weights_all_count_the_same(data):
    X, y, _ = data
    bare = run((X, y, None), GradientDescent(0.05))
    assert_allclose(run((X, y, np.full(N, 3.0)), GradientDescent(0.05)).x, bare.x, rtol=1e-13)


# ------------------------------------------------------------------------------------------------ bits


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_order(data):
    first, second, other = (run(data, GradientDescent(0.05), seed=seed).x for seed in (1, 1, 2))
    assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("batch_size", [1, 8, N])
def test_where_calls_divide_an_epoch_changes_no_bit(data, batch_size, monkeypatch):
    whole = run(data, GradientDescent(0.05), batch_size=batch_size)
    monkeypatch.setattr(epochs, "ENTRIES", 5 * (P + 1))  # a few rows, within batches too
    assert_array_equal(run(data, GradientDescent(0.05), batch_size=batch_size).x, whole.x)


def test_a_path_holds_each_step_and_changes_no_bit(data):
    path = []
    walked = run(data, GradientDescent(0.05), batch_size=8, path=path)
    assert len(path) == 1 + 3 * 8
    assert_array_equal(path[0], np.full(P + 1, 0.1))
    assert_array_equal(path[-1], walked.x)
    assert_array_equal(path[8], run(data, GradientDescent(0.05), batch_size=8, max_epochs=1).x)
    assert len(np.unique(path, axis=0)) == len(path)
    assert_array_equal(walked.x, run(data, GradientDescent(0.05), batch_size=8).x)


def test_rows_may_be_taken_as_they_come(data):
    X, y, weight = data
    reverse = (readonly(X[::-1].copy()), y[::-1], weight[::-1])
    there, back = (run(d, GradientDescent(0.05), shuffle=False).x for d in (data, reverse))
    assert_array_equal(there, run(data, GradientDescent(0.05), shuffle=False, seed=5).x)
    assert not np.array_equal(there, back)


# ------------------------------------------------------------------------------------------ the ending


def test_where_every_row_can_be_fitted_single_rows_lead_to_the_optimum(data):
    X, _, weight = data
    truth = np.arange(1.0, P + 2)
    solution = run(
        (X, X @ truth[:P] + truth[P], weight), GradientDescent(0.1), max_epochs=2000, l2=0.0, tol=1e-10
    )
    assert solution.reason == "gradient within tol"
    assert_allclose(solution.x, truth, rtol=1e-7)


@pytest.mark.parametrize("learning_rate", [2.0, 1e6, 1e200])
@pytest.mark.parametrize("batch_size", [1, N])
def test_divergence_is_reported_and_the_best_iterate_returned(data, learning_rate, batch_size):
    solution = run(data, GradientDescent(learning_rate), batch_size=batch_size, max_epochs=1000)
    assert (solution.reason, solution.converged) == ("diverged", False)
    assert np.isfinite(solution.x).all()
    assert solution.value == np.nanmin(solution.curve)
    assert_allclose(solution.value, LinearObjective(SquaredError(), *data, l2=0.1).value(solution.x))


def test_progress_sees_each_epoch_and_can_stop(data):
    seen = []
    solution = run(
        data,
        "gradient_descent",
        max_epochs=9,
        progress=lambda i, value, x: seen.append((i, value)) or i == 4,
    )
    assert solution.reason == "stopped by the callback"
    assert seen == list(enumerate(solution.curve))[1:]


def test_an_objective_that_stalls_ends_the_epochs(data):
    solution = run(data, GradientDescent(0.01), max_epochs=1000, stall_tol=1e-3, patience=5)
    assert solution.reason == "objective stalled"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1, got 0"),
        ({"x0": np.zeros(P)}, ValueError, rf"x0 must have shape \({P + 1},\), got \({P},\)"),
        ({"y": np.zeros(N + 1)}, ValueError, rf"y must have shape \({N},\), got \({N + 1},\)"),
        ({"weight": np.zeros((N, 1))}, ValueError, rf"weight must have shape \({N},\), got \({N}, 1\)"),
        ({"weight": np.zeros(N)}, ValueError, "weight must be finite and non-negative, and not all zero"),
        ({"weight": np.full(N, np.nan)}, ValueError, "weight must be finite"),
        ({"weight": -np.ones(N)}, ValueError, "weight must be finite and non-negative"),
        ({"rule": Adam}, TypeError, r"write Adam\(\)"),
        ({"loss": MultinomialLogLoss()}, TypeError, "loss must have one output"),
    ],
)
def test_what_is_wrong_is_named(data, change, error, message):
    X, y, weight = data
    arguments = {"loss": LogLoss(), "rule": "adam", "X": X, "y": y, "weight": weight, "x0": np.zeros(P + 1)}
    with pytest.raises(error, match=message):
        run_epochs(**arguments | change, rng=None)
