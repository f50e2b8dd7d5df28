"""The linear objective against a few lines of NumPy, for every form of X."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from calclearn._objectives import fused
from calclearn._objectives.design import Design
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.reduction import FewerColumns, fewer_rows
from calclearn.losses import LogLoss, MultinomialLogLoss, SquaredError

FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "CSR": scipy.sparse.csr_array,
    "CSC": scipy.sparse.csc_array,
    "CSR, int64 indices": lambda X: with_long_indices(scipy.sparse.csr_matrix(X)),
}


def with_long_indices(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def readonly(X):
    for part in (X.data, X.indices, X.indptr) if scipy.sparse.issparse(X) else (X,):
        part.flags.writeable = False
    return X


@pytest.fixture(params=FORMS)
def form(request):
    return lambda X: readonly(FORMS[request.param](X))


def problem(rng, n=300, p=7, classes=2):
    X = rng.normal(size=(n, p)) * (rng.random((n, p)) < 0.6)
    return X, rng.integers(classes, size=n).astype(float), rng.random(n)


def reference(loss, X, y, weight, l2, l2_intercept, intercept, K):
    """F, its gradient and its Hessian as one would write them down."""
    Z = np.column_stack([X, np.ones(len(X))]) if intercept else X
    weight = np.ones(len(X)) if weight is None else weight
    penalty = np.r_[np.full(X.shape[1], l2), [l2_intercept] * intercept]

    def value(x):
        W = x.reshape(K, -1)
        raw = Z @ W.T
        rows = (
            loss.value(y, raw[:, 0]) if K == 1 else np.array([loss.value_row(t, r) for t, r in zip(y, raw)])
        )
        return np.average(rows, weights=weight) + 0.5 * np.sum(penalty * W**2)

    return value


def numeric_gradient(f, x, step=1e-6):
    return np.array([(f(x + e) - f(x - e)) / (2 * step) for e in step * np.eye(len(x))])


CASES = [
    (LogLoss(), 2, 0.0, 0.0, True, False),
    (LogLoss(), 2, 0.3, 0.0, True, True),
    (LogLoss(), 2, 0.3, 0.2, True, True),
    (SquaredError(), 2, 0.1, 0.0, False, True),
    (MultinomialLogLoss(), 3, 0.2, 0.0, True, False),
    (MultinomialLogLoss(), 3, 0.2, 0.1, False, True),
]


@pytest.mark.parametrize(("loss", "classes", "l2", "l2_intercept", "intercept", "weighted"), CASES)
def test_the_derivatives_are_those_of_the_value(
    rng, form, loss, classes, l2, l2_intercept, intercept, weighted
):
    X, y, weight = problem(rng, classes=classes)
    K = classes if classes > 2 else 1
    weight = weight if weighted else None
    f = reference(loss, X, y, weight, l2, l2_intercept, intercept, K)
    objective = LinearObjective(
        loss,
        form(X),
        y,
        weight,
        l2=l2,
        l2_intercept=l2_intercept,
        intercept=intercept,
        n_outputs=None if K == 1 else K,
    )
    x = rng.normal(size=objective.size)
    value, gradient = objective.value_gradient(x)
    assert_allclose(value, f(x), rtol=1e-12)
    assert_allclose(objective.value(x), value, rtol=1e-14)
    assert_allclose(gradient, numeric_gradient(f, x), rtol=1e-6, atol=1e-9)
    H = objective.hessian(x)
    assert_allclose(H, H.T, rtol=1e-12, atol=1e-14)
    v = rng.normal(size=objective.size)
    forward, backward = (objective.value_gradient(x + s * v)[1] for s in (1e-5, -1e-5))
    assert_allclose(H @ v, (forward - backward) / 2e-5, rtol=1e-6, atol=1e-9)
    assert_allclose(objective.hessian_product(x)(v), H @ v, rtol=1e-10, atol=1e-13)


def test_the_bits_do_not_depend_on_the_number_of_threads(rng):
    X, y, weight = problem(rng, n=20_000, p=40)
    x = rng.normal(size=41)
    results = []
    for n_threads in (1, 2, 5):
        objective = LinearObjective(LogLoss(), X, y, weight, l2=0.1, n_threads=n_threads)
        assert len(objective.design.lanes) > 2
        value, gradient = objective.value_gradient(x)
        product = objective.hessian_product(x)(x)
        results.append([value, *gradient, *objective.hessian(x).ravel(), *product])
    assert results[0] == results[1] == results[2]


def test_float32_is_worked_on_in_float32_and_summed_in_float64(rng):
    X, y, _ = problem(rng, n=5000)
    x = rng.normal(size=8)
    single = LinearObjective(LogLoss(), X.astype(np.float32), y)
    assert single.raw(x).dtype == np.float32
    value, gradient = LinearObjective(LogLoss(), X, y).value_gradient(x)
    assert_allclose(single.value_gradient(x)[0], value, rtol=1e-6)
    assert_allclose(single.value_gradient(x)[1], gradient, rtol=1e-4, atol=1e-6)
    assert single.value_gradient(x)[1].dtype == np.float64


def test_a_weight_of_two_is_a_repeated_row(rng):
    X, y, _ = problem(rng)
    twice = rng.integers(1, 3, size=len(y))
    x = rng.normal(size=8)
    weighted = LinearObjective(LogLoss(), X, y, twice.astype(float)).value_gradient(x)
    repeated = LinearObjective(LogLoss(), np.repeat(X, twice, axis=0), np.repeat(y, twice)).value_gradient(x)
    assert_allclose(weighted[0], repeated[0], rtol=1e-13)
    assert_allclose(weighted[1], repeated[1], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("classes", [2, 3])
def test_after_minimise_intercept_its_gradient_is_zero_and_coefficients_are_untouched(rng, classes):
    X, y, weight = problem(rng, classes=classes)
    K = None if classes == 2 else classes
    loss = LogLoss() if classes == 2 else MultinomialLogLoss()
    objective = LinearObjective(loss, X, y, weight, l2=0.1, n_outputs=K)
    x = 3 * rng.normal(size=objective.size)
    moved = objective.minimise_intercept(x)
    g = objective.value_gradient(moved)[1].reshape(K or 1, -1)
    assert np.abs(g[:, -1]).max() < 1e-12
    assert_allclose(objective.unpack(moved)[0], objective.unpack(x)[0])
    assert objective.value(moved) <= objective.value(x)


@pytest.mark.parametrize("classes", [2, 4])
def test_fewer_columns_is_the_same_problem(rng, classes):
    X, y, weight = problem(rng, n=20, p=50, classes=classes)
    loss = LogLoss() if classes == 2 else MultinomialLogLoss()
    objective = LinearObjective(loss, X, y, weight, l2=0.1, n_outputs=None if classes == 2 else classes)
    columns = FewerColumns(objective)
    assert columns.small.p == 20
    v = rng.normal(size=columns.small.size)
    assert_allclose(objective.value(columns.lift(v)), columns.small.value(v), rtol=1e-12)
    assert_allclose(columns.project(columns.lift(v)), v, rtol=1e-10, atol=1e-12)


def test_fewer_rows_takes_every_tenth(rng):
    X, y, weight = problem(rng)
    small = fewer_rows(LinearObjective(LogLoss(), X, y, weight, l2=0.5), 10)
    direct = LinearObjective(LogLoss(), X[::10], y[::10], weight[::10], l2=0.5)
    x = rng.normal(size=8)
    assert_allclose(small.value_gradient(x)[1], direct.value_gradient(x)[1], rtol=1e-12)


def test_a_column_or_row_free_design_has_a_value(rng):
    objective = LinearObjective(LogLoss(), np.empty((5, 0)), np.array([0.0, 1, 1, 0, 1]))
    value, gradient = objective.value_gradient(np.array([0.2]))
    assert np.isfinite(value)
    assert gradient.shape == (1,)


def test_products_with_X(rng, form):
    X = problem(rng, n=5000)[0]
    design = Design(form(X), 2)
    w, g = rng.normal(size=(7, 2)), rng.normal(size=(5000, 2))
    assert_allclose(design.times(w), X @ w, rtol=1e-12, atol=1e-13)
    assert_allclose(design.transposed_times(g), X.T @ g, rtol=1e-10, atol=1e-11)


def test_x_is_not_written_to(rng):
    X, y, weight = problem(rng)
    before = X.copy()
    objective = LinearObjective(LogLoss(), X, y, weight)
    objective.hessian(objective.value_gradient(np.zeros(8))[1])
    assert (before == X).all()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_loop_over_a_small_problem_agrees_with_blas(monkeypatch, intercept, weighted):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.integers(0, 2, 40).astype(float)
    weight = rng.random(40) if weighted else None
    x = rng.standard_normal(3 + intercept)
    answers = []
    for fits in (True, False):
        monkeypatch.setattr(fused, "fits", lambda design, n_outputs, fits=fits: fits)
        objective = LinearObjective(LogLoss(), X, y, weight, l2=0.3, intercept=intercept)
        value, gradient = objective.value_gradient(x)
        answers.append(np.r_[value, gradient, objective.hessian(x).ravel(), objective.raw(x)])
    assert_allclose(*answers, rtol=1e-13, atol=1e-14)
