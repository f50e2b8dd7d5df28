"""SVC against LIBSVM, a reference quadratic programme, and its own certificate."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.svm
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import LinearConstraint, minimize
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics.pairwise import pairwise_kernels

from calclearn.optimize._stopping import KKT
from calclearn.svm import SVC
from calclearn.svm._decomposition import solve
from calclearn.svm._dual import Dual, classification, nu_regression, regression
from calclearn.svm._gram import Table

GRAMS = [
    {"kernel": "linear"},
    {"kernel": "rbf"},
    {"kernel": "poly", "coef0": 1.0},
    {"kernel": "poly", "degree": 2, "gamma": 0.3},
    {"kernel": "sigmoid", "gamma": 0.01, "coef0": -0.5},
]


def table(n=300, p=6, seed=0, **options):
    return make_classification(n, p, n_informative=p - 2, random_state=seed, **{"flip_y": 0.1} | options)


def dual_of(model, X, y):
    """The dual objective of a fitted binary model of either library, to be maximised."""
    sign = np.where(y == model.classes_[1], 1.0, -1.0)
    beta = np.zeros(len(y))
    coef = model.dual_coef_.toarray() if scipy.sparse.issparse(model.dual_coef_) else model.dual_coef_
    beta[model.support_] = coef.ravel()
    gamma = model._gamma if model.kernel != "linear" else None
    K = pairwise_kernels(
        X, metric=model.kernel, filter_params=True, gamma=gamma, coef0=model.coef0, degree=model.degree
    )
    return beta @ sign - 0.5 * beta @ K @ beta


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("gram", GRAMS, ids=str)
def test_the_dual_objective_is_libsvms_or_better(gram, C):
    X, y = table()
    options = gram | {"C": C, "tol": 1e-5}
    ours, theirs = SVC(**options).fit(X, y), sklearn.svm.SVC(**options).fit(X, y)
    best = dual_of(theirs, X, y)
    if ours.kernel == "sigmoid":  # no inner product: a stationary point, and ours may be another one
        assert dual_of(ours, X, y) > 0.99 * best
        assert ours.optimality_.duality_gap is None
        assert ours.optimality_.kkt_violation <= 1e-5
        return
    assert_allclose(dual_of(ours, X, y), best, rtol=1e-6)
    assert_allclose(ours.optimality_.dual_objective, best, rtol=1e-6)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4 * max(C, 20.0))
    assert ours.optimality_.converged
    assert ours.optimality_.kkt_violation <= 1e-5


@pytest.mark.parametrize("gram", GRAMS[:4], ids=str)
def test_the_gap_holds_the_optimum(gram):
    X, y = table(200)
    best = SVC(**gram, tol=1e-8).fit(X, y).optimality_
    for tol in (1.0, 0.1, 1e-3):
        found = SVC(**gram, tol=tol).fit(X, y).optimality_
        assert found.dual_objective <= best.objective + 1e-9
        assert found.objective - best.dual_objective <= found.duality_gap + 1e-9
    assert best.duality_gap < 1e-4


@pytest.mark.parametrize("seed", range(6))
def test_any_dual_of_the_form_is_solved(seed):
    """Two sums, several multipliers of a row, any box: against SciPy."""
    rng = np.random.default_rng(seed)
    n, m = 7, 12
    A = rng.normal(size=(n, 4))
    K, row, group = A @ A.T + 0.1 * np.eye(n), rng.integers(n, size=m), (np.arange(m) % 2).astype(np.int8)
    lower, upper = -rng.random(m), rng.random(m)
    dual = Dual(rng.normal(size=m), lower, upper, np.zeros(m), row, group)
    found = solve(dual, Table(K), tol=1e-9, max_steps=-1, cache_bytes=1e6, n_threads=1)
    Q = K[np.ix_(row, row)]
    sums = [LinearConstraint((group == s).astype(float), 0.0, 0.0) for s in (0, 1)]
    theirs = minimize(
        lambda b: 0.5 * b @ Q @ b + dual.linear @ b,
        np.zeros(m),
        jac=lambda b: Q @ b + dual.linear,
        bounds=list(zip(lower, upper)),
        constraints=sums,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert_allclose(dual.value(found.beta, found.raw), theirs.fun, rtol=1e-7, atol=1e-9)
    assert_allclose([found.beta[group == s].sum() for s in (0, 1)], 0.0, atol=1e-12)
    assert (found.beta >= lower).all()
    assert (found.beta <= upper).all()


@pytest.mark.parametrize("n_groups", [1, 2])
def test_nearly_dependent_rows_end_by_newtons_steps(n_groups):
    """Large bounds and few features: pairs alone, as LIBSVM's, are not at an end after ten million steps."""
    rng = np.random.default_rng(3)
    X = 3.0 * rng.normal(size=(60, 20))
    y = 100.0 * X[:, 0] + rng.normal(size=60)
    C = np.full(60, 3000.0)
    dual = regression(y, C, 0.1) if n_groups == 1 else nu_regression(y, C, 0.5)
    options = {"tol": 1e-3, "max_steps": 2_000_000, "cache_bytes": 1e6, "n_threads": 1}
    found = solve(dual, Table(X @ X.T), **options)
    assert (found.reason, found.violation < 1e-3) == (KKT, True)
    for s in range(n_groups):
        here = dual.group == s
        assert_allclose(found.beta[here].sum(), dual.start[here].sum(), atol=1e-12 * C.sum())
    assert ((dual.lower <= found.beta) & (found.beta <= dual.upper)).all()


@pytest.mark.parametrize("cache_size", [1e-3, 4, 200])
@pytest.mark.parametrize(("C", "flip"), [(1.0, 0.1), (30.0, 0.1), (1.0, 0.0)])
def test_many_rows_are_solved_set_by_set(C, flip, cache_size):
    """More rows than a set holds, in a cache that holds few, with Gram values in float32."""
    X, y = table(2500, 10, flip_y=flip)
    options = {"C": C, "tol": 1e-4}
    ours, theirs = SVC(**options, cache_size=cache_size).fit(X, y), sklearn.svm.SVC(**options).fit(X, y)
    assert_allclose(ours.optimality_.dual_objective, dual_of(theirs, X, y), rtol=1e-6)
    assert ours.optimality_.kkt_violation <= 1e-4
    one = SVC(**options, cache_size=cache_size, n_jobs=1).fit(X, y)
    assert_array_equal(ours.fit(X, y).dual_coef_, one.dual_coef_)


def test_columns_far_from_zero_are_no_harder():
    X, y = table()
    ours, far = SVC(tol=1e-6).fit(X, y), SVC(tol=1e-6).fit(X + 1e4, y)
    assert_allclose(far.decision_function(X + 1e4), ours.decision_function(X), atol=1e-4)


def test_classes_are_told_apart_in_pairs_as_by_libsvm():
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], np.array(list("abcdefghij"))[y[:600]]
    for options in ({}, {"kernel": "linear"}, {"decision_function_shape": "ovo"}, {"break_ties": True}):
        options = options | {"tol": 1e-6}
        ours, theirs = SVC(**options).fit(X, y), sklearn.svm.SVC(**options).fit(X, y)
        assert_array_equal(ours.support_, theirs.support_)
        assert_array_equal(ours.n_support_, theirs.n_support_)
        assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-4)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)
        assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)
        assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(
        SVC(kernel="linear").fit(X, y).coef_, sklearn.svm.SVC(kernel="linear").fit(X, y).coef_, atol=1e-3
    )


@pytest.mark.parametrize("gram", GRAMS, ids=str)
def test_sparse_rows_dense_ones_and_their_gram_values_give_one_model(gram):
    X, y = table(150)
    X = np.where(np.abs(X) < 0.7, 0.0, X)
    dense = SVC(**gram, tol=1e-8).fit(X, y)
    sparse = SVC(**gram, tol=1e-8).fit(scipy.sparse.csr_array(X), y)
    gamma = None if dense.kernel == "linear" else dense._gamma
    values = {"gamma": gamma, "coef0": dense.coef0, "degree": dense.degree}

    def f(A, B):
        return pairwise_kernels(A, B, metric=dense.kernel, filter_params=True, **values)

    known = SVC(kernel="precomputed", tol=1e-8).fit(f(X, X), y)
    called = SVC(kernel=f, tol=1e-8).fit(X, y)
    expected = dense.decision_function(X)
    assert_allclose(sparse.decision_function(scipy.sparse.csr_array(X)), expected, atol=1e-5)
    assert_allclose(known.decision_function(f(X, X)), expected, atol=1e-5)
    assert_allclose(called.decision_function(X), expected, atol=1e-5)


def test_weights_are_repetitions_and_rows_without_are_none(rng):
    X, y = table(120)
    times = rng.integers(0, 4, size=120)
    weighted = SVC(tol=1e-9).fit(X, y, times.astype(float))
    gamma = weighted._gamma
    repeated = SVC(tol=1e-9, gamma=gamma).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.decision_function(X), repeated.decision_function(X), atol=1e-6)
    balanced = SVC(class_weight="balanced", tol=1e-7).fit(X, y)
    theirs = sklearn.svm.SVC(class_weight="balanced", tol=1e-7).fit(X, y)
    assert_allclose(balanced.decision_function(X), theirs.decision_function(X), atol=1e-5)


DEGENERATE = {
    "opposite labels at one point": (np.ones((20, 2)), np.arange(20) % 2, {}),
    "one row a class": (np.eye(2), np.arange(2), {}),
    "a constant column": (np.c_[np.ones(30), np.arange(30.0)], np.arange(30) > 12, {}),
    "hard margin": (np.c_[np.arange(30.0), np.arange(30.0) ** 2], np.arange(30) > 12, {"C": 1e6}),
    "no gram of inner products": (-np.eye(12), np.arange(12) % 2, {"kernel": "precomputed"}),
}


@pytest.mark.filterwarnings("ignore:Solver terminated early")
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_problems_end(name):
    X, y, options = DEGENERATE[name]
    model = SVC(**options, max_iter=10_000).fit(X, y)
    assert np.isfinite(model.decision_function(X)).all()


def test_a_limit_of_steps_is_kept_and_said():
    X, y = table()
    with pytest.warns(Warning, match=r"Solver terminated early \(max_iter=5\)"):
        model = SVC(max_iter=5).fit(X, y)
    assert model.n_iter_.tolist() == [5]
    assert model.fit_status_ == 1
    assert not model.optimality_.converged


def test_the_sums_of_the_dual_are_those_of_classification():
    dual = classification(np.array([1.0, -1.0]), np.array([2.0, 3.0]))
    assert_array_equal(dual.lower, [0.0, -3.0])
    assert_array_equal(dual.upper, [2.0, 0.0])
