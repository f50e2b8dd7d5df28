"""Ridge regression against augmented least squares by NumPy, and what its certificates claim."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn._objectives import ridge as module
from calclearn.linear_model import Ridge, RidgeClassifier, ridge_regression

SOLVERS = ["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga"]
SHAPES = [(40, 6), (8, 30), (12, 12)]
PRECISE = {"tol": 1e-13, "max_iter": 100_000, "random_state": 0}


def data(rng, n, p, K=1):
    X = rng.normal(size=(n, p)) + rng.normal(size=p)
    Y = X @ rng.normal(size=(p, K)) + 3 + rng.normal(size=(n, K))
    return X, Y[:, 0] if K == 1 else Y


def reference(X, y, weight=None, alpha=1.0, intercept=True):
    """`(w, b)` for one target: centred rows, and below them the root of the penalty."""
    weight = np.ones(len(y)) if weight is None else weight
    mean = np.average(X, axis=0, weights=weight) if intercept else np.zeros(X.shape[1])
    y_mean = np.average(y, weights=weight) if intercept else 0.0
    root = np.sqrt(weight)[:, None]
    A = np.vstack([root * (X - mean), np.sqrt(alpha) * np.eye(X.shape[1])])
    w = np.linalg.lstsq(A, np.r_[root[:, 0] * (y - y_mean), np.zeros(X.shape[1])], rcond=None)[0]
    return w, y_mean - mean @ w


def objective(X, y, w, b, weight, alpha):
    return np.sum(weight * (y - X @ w - b) ** 2) + alpha * w @ w


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("intercept", [True, False])
def test_every_solver_finds_the_optimum(rng, solver, shape, intercept):
    X, Y = data(rng, *shape, K=2)
    weight, alpha = rng.random(len(X)) + 0.1, np.array([1.0, 20.0])
    model = Ridge(alpha=alpha, solver=solver, fit_intercept=intercept, **PRECISE).fit(X, Y, weight)
    for k in range(2):
        w, b = reference(X, Y[:, k], weight, alpha[k], intercept)
        assert_allclose(model.coef_[k], w, rtol=1e-7, atol=1e-9)
        assert_allclose(np.broadcast_to(model.intercept_, 2)[k], b, rtol=1e-7, atol=1e-9)
    assert model.solver_ == ("cholesky" if solver == "auto" else solver)
    assert model.optimality_.converged


@pytest.mark.parametrize("solver", ["auto", "cholesky", "lsqr", "sparse_cg", "sag", "saga"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array])
def test_sparse_is_dense(rng, solver, shape, form):
    X, y = data(rng, *shape)
    X *= rng.random(X.shape) < 0.6
    weight = rng.random(len(y)) + 0.1
    intercept = solver not in ("cholesky", "saga")
    model = Ridge(solver=solver, fit_intercept=intercept, **PRECISE).fit(form(X), y, weight)
    w, b = reference(X, y, weight, intercept=intercept)
    assert_allclose(model.coef_, w, rtol=1e-7, atol=1e-9)
    assert_allclose(model.intercept_, b, rtol=1e-7, atol=1e-9)


def test_large_sparse_x_is_left_to_conjugate_gradients(rng, monkeypatch):
    monkeypatch.setattr(module, "GRAM_SIZE", 3)
    X, y = data(rng, 40, 6)
    model = Ridge().fit(scipy.sparse.csr_array(X), y)
    assert model.solver_ == "sparse_cg"
    assert_allclose(model.coef_, reference(X, y)[0], rtol=1e-6)


def test_sag_keeps_a_very_sparse_x_sparse(rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE_SHARE", 2.0)
    X, y = data(rng, 30, 4)
    X -= X.mean(axis=0)
    model = Ridge(solver="sag", **PRECISE).fit(scipy.sparse.csr_array(X), y)
    w, b = reference(X, y)
    assert_allclose(model.coef_, w, rtol=1e-8)
    assert_allclose(model.intercept_, b, rtol=1e-8)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES)
def test_float32_is_kept_and_solved_in_float64(rng, order, shape):
    X, y = data(rng, *shape)
    X = np.asarray(X + 30, np.float32, order=order)
    X.flags.writeable = False
    y = y.astype(np.float32)
    model = Ridge().fit(X, y)
    w, b = reference(X.astype(float), y.astype(float))
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert_allclose(model.coef_, w, rtol=2e-6, atol=1e-7)
    assert_allclose(model.intercept_, b, rtol=1e-5)
    assert model.predict(X).dtype == np.float32


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solver", ["auto", "lsqr"])
def test_large_means_cost_no_digits(rng, shape, solver):
    X, y = data(rng, *shape)
    model = Ridge(solver=solver, tol=1e-14).fit(X + 1e6, y)
    assert_allclose(model.coef_, reference(X, y)[0], rtol=1e-6, atol=1e-8)


def test_no_penalty_and_dependent_columns_give_the_least_norm(rng):
    X, y = data(rng, 30, 4)
    model = Ridge(alpha=0.0).fit(np.hstack([X, X]), y)
    w = reference(X, y, alpha=0.0)[0] / 2
    assert_allclose(model.coef_, np.r_[w, w], rtol=1e-8)
    wide = Ridge(alpha=0.0).fit(X.T, y[:4])
    assert_allclose(wide.predict(X.T), y[:4])
    assert_allclose(wide.coef_, reference(X.T, y[:4], alpha=0.0)[0], rtol=1e-8)


# ------------------------------------------------------------------------------------- certificates


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(42))
def test_the_bound_is_never_below_the_truth(seed):
    """Random shapes, scales, correlations, penalties and weights; any solver, stopped early or not."""
    rng = np.random.default_rng(seed)
    n, p = rng.integers(2, 30, 2)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + rng.normal(size=(p, p)) * rng.choice([0, 1]))
    X = X * 10.0 ** rng.uniform(-2, 2) + rng.choice([0.0, 50.0])
    y = 10.0 ** rng.uniform(-3, 3) * rng.normal(size=n)
    weight, alpha = rng.random(n) + 0.01, 10.0 ** rng.uniform(-3, 3)
    dtype = rng.choice([np.float32, np.float64])
    intercept, positive = bool(rng.integers(2)), seed % 5 == 0
    X, y = X.astype(dtype).astype(float), y.astype(dtype).astype(float)
    solver = "auto" if positive else SOLVERS[seed % len(SOLVERS)]
    options = {"tol": 10.0 ** -rng.integers(1, 9), "max_iter": 500, "random_state": 0}
    model = Ridge(alpha, solver=solver, fit_intercept=intercept, positive=positive, **options)
    model.fit(X.astype(dtype), y.astype(dtype), weight)
    got = model.optimality_
    kept = (X, y, model.coef_.astype(float), float(model.intercept_), weight, alpha)
    assert_allclose(got.objective, objective(*kept), rtol=1e-6 if intercept else 1e-9)
    if positive:
        best = Ridge(alpha, fit_intercept=intercept, positive=True).fit(X, y, weight)
        w, b = best.coef_, best.intercept_
    else:
        w, b = reference(X, y, weight, alpha, intercept)
    # of a quadratic, the distance in its own metric; no difference of large numbers
    step, shift = kept[2] - w, kept[3] - b
    truth = np.sum(weight * (X @ step + shift) ** 2) + alpha * step @ step
    if positive:
        truth = max(0.0, objective(*kept) - objective(X, y, w, b, weight, alpha))
    rounding = (1e-13 * (np.abs(X).max() * np.abs(w).sum() + np.abs(y).max())) ** 2 * weight.sum()
    assert got.suboptimality_bound >= truth - rounding - 1e-13 * got.objective * positive


def test_the_bound_is_near_the_truth_of_a_sloppy_fit(rng):
    X, y = data(rng, 60, 5)
    model = Ridge(alpha=10.0, solver="lsqr", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="lsqr solver did not converge"):
        model.fit(X, y)
    w, b = reference(X, y, alpha=10.0)
    ones = np.ones(len(y))
    truth = objective(X, y, model.coef_, model.intercept_, ones, 10.0) - objective(X, y, w, b, ones, 10.0)
    assert truth <= model.optimality_.suboptimality_bound <= 20 * truth


def test_the_record_of_several_penalties_adds_up(rng):
    X, Y = data(rng, 40, 5, K=3)
    alpha = [2.0, 0.5, 2.0]
    model = Ridge(alpha=alpha).fit(X, Y)
    alone = [Ridge(alpha=a).fit(X, Y[:, k]) for k, a in enumerate(alpha)]
    assert_allclose(model.coef_, [m.coef_ for m in alone], rtol=1e-12)
    assert_allclose(model.optimality_.objective, sum(m.optimality_.objective for m in alone))
    assert "condition_number" in model.optimality_.details


# -------------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("solver", ["auto", "svd", "lsqr", "sparse_cg"])
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_repetitions(rng, solver, shape):
    X, y = data(rng, *shape)
    times = rng.integers(0, 4, len(y))
    options = {"solver": solver, "tol": 1e-14}
    weighted = Ridge(**options).fit(X, y, times)
    repeated = Ridge(**options).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_scales_of_weights_and_data_go_with_alpha(rng, shape):
    X, y = data(rng, *shape)
    model = Ridge(alpha=2.0).fit(X, y)
    assert_allclose(Ridge(alpha=6.0).fit(X, y, 3.0).coef_, model.coef_, rtol=1e-9)
    assert_allclose(Ridge(alpha=2e8).fit(1e4 * X, y).coef_, 1e-4 * model.coef_, rtol=1e-9)
    assert_allclose(Ridge(alpha=2.0).fit(X, 7 * y + 1).coef_, 7 * model.coef_, rtol=1e-9)


def test_x_is_not_written_to(rng):
    X, y = data(rng, 30, 4)
    X, y = np.asfortranarray(X), y.copy()
    before = X.copy()
    for solver in SOLVERS:
        Ridge(solver=solver, copy_X=False).fit(X, y)
    assert (before == X).all()


# ---------------------------------------------------------------------------------- non-negative


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_non_negative_coefficients_satisfy_the_kkt_conditions(rng, shape, solver, form):
    X, y = data(rng, *shape)
    weight = rng.random(len(y)) + 0.1
    model = Ridge(positive=True, solver=solver, tol=1e-12).fit(form(X), y, weight)
    w = model.coef_
    centred = X - np.average(X, axis=0, weights=weight)
    half_gradient = centred.T @ (weight * (X @ w + model.intercept_ - y)) + w
    size = np.abs(centred.T @ (weight * y)).max()
    assert (w >= 0).all()
    assert (w == 0).any()
    assert np.abs(half_gradient[w > 0]).max() < 1e-5 * size
    assert half_gradient.min() > -1e-5 * size
    assert model.optimality_.kkt_violation < 1e-5 * size
    assert model.optimality_.suboptimality_bound < 1e-8 * model.optimality_.objective
    assert model.solver_ == ("coordinate_descent" if solver == "auto" else solver)


# ------------------------------------------------------------------------------------- interfaces


@pytest.mark.parametrize("solver", ["svd", "cholesky", "sparse_cg"])
def test_direct_solvers_state_no_iterations(rng, solver):
    assert Ridge(solver=solver).fit(*data(rng, 20, 3)).n_iter_ is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": [1.0, 2.0]}, "Number of targets and number of penalties do not correspond: 2 != 1"),
        ({"alpha": [-1.0]}, "alpha must be finite and not negative"),
        ({"alpha": [np.nan]}, "alpha must be finite and not negative"),
        ({"solver": "lbfgs"}, "only when positive=True"),
        ({"solver": "svd", "positive": True}, "does not support positive"),
    ],
)
def test_bad_parameters_are_named(rng, parameters, message):
    with pytest.raises(ValueError, match=message):
        Ridge(**parameters).fit(*data(rng, 10, 2))


@pytest.mark.parametrize("solver", ["svd", "cholesky", "saga"])
def test_what_sparse_data_cannot_have_is_refused(rng, solver):
    X, y = data(rng, 10, 2)
    with pytest.raises(ValueError, match="does not support fitting the intercept on sparse data"):
        Ridge(solver=solver).fit(scipy.sparse.csr_array(X), y)
    if solver == "svd":
        with pytest.raises(TypeError, match="SVD solver does not support sparse"):
            Ridge(solver=solver, fit_intercept=False).fit(scipy.sparse.csr_array(X), y)


def test_negative_weights_are_refused(rng):
    X, y = data(rng, 10, 2)
    with pytest.raises(ValueError, match="Negative values"):
        Ridge().fit(X, y, np.r_[-1.0, np.ones(9)])


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_function_has_no_intercept(rng, solver):
    X, y = data(rng, 30, 4)
    coef = ridge_regression(X, y, 2.0, solver=solver, tol=1e-13, max_iter=100_000, random_state=0)
    assert_allclose(coef, reference(X, y, None, 2.0, intercept=False)[0], rtol=1e-8)


def test_the_function_returns_what_is_asked_for(rng):
    X, y = data(rng, 30, 4)
    coef, n_iter, intercept = ridge_regression(
        X, y, 2.0, return_n_iter=True, return_intercept=True, tol=1e-13, max_iter=100_000, random_state=0
    )
    w, b = reference(X, y, None, 2.0)
    assert_allclose(coef, w, rtol=1e-8)
    assert_allclose(intercept, b, rtol=1e-8)
    assert n_iter > 0
    assert ridge_regression(X, y, 2.0, solver="cholesky", return_n_iter=True)[1] is None


# ------------------------------------------------------------------------------------- classifier


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_targets_of_minus_one_and_one(rng, n_classes):
    X, _ = data(rng, 60, 4)
    labels = np.array(["c", "a", "b"])[rng.integers(0, n_classes, 60)]
    model = RidgeClassifier(alpha=2.0).fit(X, labels)
    columns = [model.classes_[1]] if n_classes == 2 else model.classes_
    expected = [reference(X, np.where(labels == c, 1.0, -1.0), None, 2.0)[0] for c in columns]
    assert_allclose(np.atleast_2d(model.coef_), expected, rtol=1e-9)
    scores = model.decision_function(X)
    best = (scores > 0).astype(int) if n_classes == 2 else scores.argmax(axis=1)
    assert (model.predict(X) == model.classes_[best]).all()


def test_class_weights_are_sample_weights(rng):
    X, _ = data(rng, 60, 4)
    labels = (rng.random(60) < 0.3).astype(int)
    weight = rng.random(60)
    by_class = RidgeClassifier(class_weight={0: 1.0, 1: 5.0}).fit(X, labels, weight)
    by_row = RidgeClassifier().fit(X, labels, weight * np.where(labels, 5.0, 1.0))
    assert_allclose(by_class.coef_, by_row.coef_, rtol=1e-10)
    balanced = RidgeClassifier(class_weight="balanced").fit(X, labels)
    of_class = 60 / (2 * np.bincount(labels))
    assert_allclose(balanced.coef_, RidgeClassifier().fit(X, labels, of_class[labels]).coef_, rtol=1e-10)


def test_several_labels_at_once(rng):
    X, _ = data(rng, 60, 4)
    Y = (X[:, :2] > X[:, :2].mean(axis=0)).astype(int)
    predicted = RidgeClassifier().fit(X, Y).predict(X)
    assert predicted.shape == Y.shape
    assert (predicted == Y).mean() > 0.85
