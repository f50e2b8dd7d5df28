"""Working sets, screening of columns and the duality gap, against an independent optimum."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from numpy.testing import assert_allclose

from calclearn._objectives import elastic_net
from calclearn._objectives.columns import CentredColumns, CentredGram, Columns, answer
from calclearn._objectives.elastic_net import Point, duality_gap, minimise, start

N_PROBLEMS = 40


def random_problem(seed):
    """Shape, scale, correlation, weights, penalties, sign constraint and format at random."""
    rng = np.random.default_rng(seed)
    n, p = rng.choice([(12, 30), (40, 8), (25, 25), (60, 150)])
    X = rng.normal(size=(n, p))
    X = X + rng.choice([0.0, 0.9, 5.0]) * rng.normal(size=(n, 1))  # common factor: correlated columns
    X = X * 10.0 ** rng.uniform(-2, 2, size=p) ** rng.integers(0, 2) + rng.choice([0.0, 3.0])
    y = X[:, :3] @ rng.normal(size=3) + rng.normal(size=n) + 2.0
    weight = None
    if rng.integers(0, 2):
        weight = rng.uniform(0, 3, n) * (rng.uniform(size=n) > 0.2)
    intercept, positive, sparse = rng.integers(0, 2, size=3).astype(bool)
    share = rng.choice([1.0, 0.7, 0.1])
    Z, z = dense(X, y, weight, intercept)
    alpha = np.abs(Z.T @ z).max() * rng.choice([0.5, 0.1, 0.01])
    if sparse:
        X = scipy.sparse.csr_array(X * (rng.uniform(size=X.shape) < 0.4))
        Z, z = dense(X.toarray(), y, weight, intercept)
    options = {"l1": alpha * share, "l2": alpha * (1 - share), "positive": bool(positive)}
    return X, y, weight, bool(intercept), Z, z, options


def dense(X, y, weight, intercept):
    """Z and z, with which the objective is half a sum of squares."""
    s = np.full(len(y), 1.0 / len(y)) if weight is None else weight / weight.sum()
    if intercept:
        X, y = X - s @ X, y - s @ y
    return np.sqrt(s)[:, None] * X, np.sqrt(s) * y


def value(Z, z, w, l1, l2, positive=False):
    assert not (positive and (w < 0).any())
    r = z - Z @ w
    return 0.5 * r @ r + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w


def reference(Z, z, l1, l2, positive):
    """The optimum of the split problem in w = u - v, u >= 0, v >= 0, by a bounded quasi-Newton method."""
    p = Z.shape[1]
    scale = np.maximum(np.sqrt((Z**2).sum(axis=0) + l2), 1e-12)
    signs = [1.0] if positive else [1.0, -1.0]

    def split(x):
        w = sum(s * x[k * p : (k + 1) * p] for k, s in enumerate(signs)) / scale
        r = Z @ w - z
        gradient = (Z.T @ r + l2 * w) / scale
        linear = np.tile(l1 / scale, len(signs))
        return 0.5 * r @ r + 0.5 * l2 * w @ w + linear @ x, np.concatenate(
            [s * gradient for s in signs]
        ) + linear

    x0 = np.zeros(len(signs) * p)
    options = {"maxiter": 20_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-12}
    found = scipy.optimize.minimize(split, x0, jac=True, bounds=[(0, None)] * len(x0), options=options)
    return found.fun


def solve(problem, *, coef=None, columns=None, **options):
    def steps():
        point = yield from start(problem, coef)
        return (yield from minimise(problem, point, options.pop("l1"), options.pop("l2"), **options))

    return answer(columns or problem.columns, [steps()])[0]


@pytest.mark.parametrize("seed", range(N_PROBLEMS))
def test_the_gap_bounds_the_distance_to_an_independent_optimum(seed):
    X, y, weight, intercept, Z, z, options = random_problem(seed)
    l1, l2 = options["l1"], options["l2"]
    best = reference(Z, z, l1, l2, options["positive"])
    for max_iter in (1, 3, 10_000):
        problem = CentredColumns(Columns(X), y, weight, intercept=intercept)
        fit = solve(problem, **options, tol=1e-9, max_iter=max_iter)
        kept = value(Z, z, fit.point.w, l1, l2, options["positive"])
        record = elastic_net.certificate(problem, fit, l1, l2, options["positive"])
        assert_allclose(record.objective, kept, rtol=1e-11)
        assert record.duality_gap >= kept - best
        assert record.dual_objective <= best * (1 + 1e-12)
    assert fit.converged
    assert fit.gap <= 1e-9 * problem.y_square
    assert kept <= best + 1e-8 * problem.y_square


@pytest.mark.parametrize("seed", range(8))
def test_columns_and_the_gram_matrix_state_the_same_problem(seed):
    X, y, weight, intercept, Z, z, options = random_problem(seed)
    columns = Columns(X)
    by_columns = solve(CentredColumns(columns, y, weight, intercept=intercept), **options, tol=1e-11)
    gram = CentredGram(Z.T @ Z, Z.T @ z, z @ z, 1.0)
    by_gram = solve(gram, columns=columns, **options, tol=1e-11)
    fitted = Z @ by_columns.point.w
    assert_allclose(Z @ by_gram.point.w, fitted, atol=1e-5 * np.linalg.norm(z))


@pytest.mark.parametrize("layout", ["C", "F", "csr", "csc"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_and_gram_matrices_of_centred_columns(layout, dtype, rng):
    X = (rng.normal(size=(30, 40)) + 2.0).astype(dtype)
    weight = rng.uniform(size=30) * (np.arange(30) > 4)
    y = rng.normal(size=30)
    given = getattr(scipy.sparse, f"{layout}_array")(X) if len(layout) > 1 else np.array(X, order=layout)
    problem = CentredColumns(Columns(given), y, weight)
    Z, z = dense(X.astype(float), y, weight, True)
    (correlation,) = answer(problem.columns, [problem.begin()])
    assert_allclose(correlation, Z.T @ z, atol=1e-12)
    for index in (np.array([3, 1]), np.array([1, 7, 20]), np.arange(40)):  # of the cache, and beyond it
        assert_allclose(problem.gram(index), Z[:, index].T @ Z[:, index], atol=1e-12)
    w = np.where(np.arange(40) % 3 == 0, 0.5, 0.0)
    ((correlation, square),) = answer(problem.columns, [problem.look(w)])
    r = z - Z @ w
    assert_allclose(correlation, Z.T @ r, atol=1e-12)
    assert_allclose(square, r @ r)


@pytest.mark.parametrize("shape", [(3000, 400), (400, 3000)])
def test_products_have_the_same_bits_for_any_number_of_threads(shape, rng):
    X, U = rng.normal(size=shape), rng.normal(size=(shape[0], 3))

    def products(n_threads):
        def ask():
            return (yield U)

        return answer(Columns(X, n_threads), [ask()])[0]

    assert_allclose(products(1), X.T @ U, atol=1e-11)
    assert (products(1) == products(2)).all()


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.3, 0.2), (0.0, 0.2)])
def test_the_gap_vanishes_at_the_optimum_and_nowhere_else(l1, l2, positive, rng):
    Z, z = rng.normal(size=(9, 5)), rng.normal(size=9)
    problem = CentredGram(Z.T @ Z, Z.T @ z, z @ z, 1.0)
    fit = solve(problem, columns=Columns(Z), l1=l1, l2=l2, positive=positive, tol=1e-14)
    assert fit.gap < 1e-12
    w = np.abs(fit.point.w + 0.1)
    r = z - Z @ w
    elsewhere = duality_gap(problem, Point(w, Z.T @ r, r @ r), l1, l2, positive)
    assert elsewhere >= value(Z, z, w, l1, l2) - elastic_net.objective(fit.point, l1, l2) > 1e-3


def test_without_a_penalty_the_gap_is_the_squared_gradient(rng):
    Z, z = rng.normal(size=(9, 5)), rng.normal(size=9)
    problem = CentredGram(Z.T @ Z, Z.T @ z, z @ z, 9.0)
    fit = solve(problem, columns=Columns(Z), l1=0.0, l2=0.0, tol=1e-14)
    assert_allclose(fit.point.w, np.linalg.lstsq(Z, z)[0], rtol=1e-9)
    point = Point(np.zeros(5), Z.T @ z, z @ z)
    assert_allclose(duality_gap(problem, point, 0.0, 0.0, False), 9.0 * np.sum((Z.T @ z) ** 2))
    assert elastic_net.certificate(problem, fit, 0.0, 0.0, False).duality_gap is None


def test_problems_that_share_columns_share_the_passes(rng):
    X, y = rng.normal(size=(20, 50)), rng.normal(size=20)
    columns = Columns(X)
    passes = []
    products = columns.products
    columns.products = lambda U: passes.append(U.shape[1]) or products(U)

    def steps(weight):
        problem = CentredColumns(columns, y, weight)
        point = yield from start(problem)
        return (yield from minimise(problem, point, 0.05, 0.0))

    weights = [np.where(np.arange(20) % 4 == k, 0.0, 1.0) for k in range(4)]
    together = answer(columns, [steps(weight) for weight in weights])
    n_together, passes[:] = len(passes), []
    for weight, fit in zip(weights, together):
        (alone,) = answer(columns, [steps(weight)])
        assert_allclose(fit.point.w, alone.point.w, atol=1e-10)
    assert n_together < len(passes) / 2


def test_random_order_reaches_the_same_optimum(rng):
    X, y = rng.normal(size=(30, 60)), rng.normal(size=30)
    in_turn = solve(CentredColumns(Columns(X), y), l1=0.05, l2=0.0, tol=1e-10)
    shuffled = solve(CentredColumns(Columns(X), y), l1=0.05, l2=0.0, tol=1e-10, rng=np.random.RandomState(0))
    assert_allclose(shuffled.point.w, in_turn.point.w, atol=1e-9)


def test_identical_columns_and_more_columns_than_rows(rng):
    X = np.repeat(rng.normal(size=(10, 40)), 3, axis=1)
    y = rng.normal(size=10)
    problem = CentredColumns(Columns(X), y)
    fit = solve(problem, l1=1e-3, l2=0.0, tol=1e-10, max_iter=5000)
    assert fit.converged


@pytest.mark.parametrize("seed", range(8))
def test_a_path_in_one_call_reaches_the_gap_of_each_penalty(seed):
    *_, Z, z, options = random_problem(seed)
    problem = CentredGram(Z.T @ Z, Z.T @ z, z @ z, 1.0)
    shares, positive = np.array([1.0, 0.8, 0.6]), options["positive"]
    l1s, l2s = options["l1"] * shares, options["l2"] * shares
    begin = Point(np.zeros(Z.shape[1]), Z.T @ z, z @ z)
    fits = elastic_net.along(problem, begin, l1s, l2s, positive=positive, tol=1e-2)
    for fit, l1, l2 in zip(fits, l1s, l2s):
        w = fit.point.w
        r = z - Z @ w
        assert_allclose(fit.point.correlation, Z.T @ r, atol=1e-9 * np.abs(Z.T @ z).max())
        assert_allclose(fit.point.square, r @ r, atol=1e-9 * (z @ z))
        exact = solve(problem, columns=Columns(Z), l1=l1, l2=l2, positive=positive, tol=1e-12)
        above = value(Z, z, w, l1, l2) - value(Z, z, exact.point.w, l1, l2)
        assert above - 1e-9 * (z @ z) <= fit.gap <= 1e-2 * (z @ z)
        assert not (positive and (w < 0).any())


def test_a_path_in_one_call_ends_where_sweeps_do_not_suffice(rng):
    Z, z = rng.normal(size=(40, 5)), rng.normal(size=40)
    problem = CentredGram(Z.T @ Z, Z.T @ z, z @ z, 1.0)
    begin = Point(np.zeros(5), Z.T @ z, z @ z)
    strong = 2 * np.abs(Z.T @ z).max()
    fits = elastic_net.along(problem, begin, [strong, 1e-9], [0.0, 0.0], max_iter=1, tol=1e-6)
    assert [fit.n_iter for fit in fits] == [0]
    assert not elastic_net.along(problem, begin, [np.nan], [0.0])
    assert not elastic_net.along(problem, begin, [strong], [0.0], tol=1e-9)  # more than the Gram matrix tells


def test_working_sets_at_most_double_whatever_the_strong_rule_lets_in(rng):
    Z, z = rng.normal(size=(30, 2000)), rng.normal(size=30)
    problem = CentredColumns(Columns(Z), z, intercept=False)
    (correlation,) = answer(problem.columns, [problem.begin()])
    point = Point(np.zeros(2000), correlation, problem.y_square)
    largest = np.abs(correlation).max()
    working = elastic_net._working_set(problem, point, 0.4 * largest, 0.0, False, None, largest)
    assert len(working) == elastic_net.FIRST
