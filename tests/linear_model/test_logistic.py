"""Logistic regression: the optimum, certified; scikit-learn's parameters, meaning what they say."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import LogisticRegression

SOLVERS = ["auto", "newton-cholesky", "newton-cg", "lbfgs", "sag", "saga"]


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_optimum_is_scikit_learns(solver, data, fit_intercept, request):
    X, y = request.getfixturevalue(data)
    ours = LogisticRegression(
        solver=solver, tol=1e-9, max_iter=5000, fit_intercept=fit_intercept, random_state=0
    ).fit(X, y)
    theirs = Theirs(solver="newton-cholesky", tol=1e-12, fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
    assert (ours.predict(X) == theirs.predict(X)).all()
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    assert ours.optimality_.converged


def objective(model, X, y, weight=1.0):
    """C Σ loss + ½ ‖w‖², from predicted probabilities alone."""
    log_p = model.predict_log_proba(X)
    rows = -log_p[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return model.C * np.sum(weight * rows) + 0.5 * np.sum(model.coef_**2)


@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-8])
def test_the_certificate_is_in_the_documented_scale_and_true(data, C, tol, request):
    X, y = request.getfixturevalue(data)
    best = objective(LogisticRegression(C=C, tol=1e-12, max_iter=500).fit(X, y), X, y)
    model = LogisticRegression(C=C, tol=tol, solver="lbfgs", max_iter=5000).fit(X, y)
    assert_allclose(model.optimality_.objective, objective(model, X, y), rtol=1e-10)
    excess = model.optimality_.objective - best
    assert -1e-9 * best <= excess <= model.optimality_.suboptimality_bound + 1e-9 * best


def test_weights_are_repetition_and_class_weights_multiply_them(cancer, rng):
    X, y = cancer
    twice = rng.integers(1, 3, size=len(y))
    weighted = LogisticRegression(tol=1e-10).fit(X, y, sample_weight=twice)
    repeated = LogisticRegression(tol=1e-10).fit(np.repeat(X, twice, axis=0), np.repeat(y, twice))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7)
    classes = LogisticRegression(tol=1e-10, class_weight={0: 2.0, 1: 3.0}).fit(X, y)
    rows = LogisticRegression(tol=1e-10).fit(X, y, sample_weight=np.where(y == 0, 2.0, 3.0))
    assert_allclose(classes.coef_, rows.coef_, rtol=1e-9)
    balanced = LogisticRegression(tol=1e-10, class_weight="balanced").fit(X, y, sample_weight=twice)
    theirs = Theirs(tol=1e-12, class_weight="balanced", solver="newton-cholesky").fit(
        X, y, sample_weight=twice
    )
    assert_allclose(balanced.coef_, theirs.coef_, rtol=1e-6)


def test_rows_of_zero_weight_may_as_well_not_be_there(cancer):
    X, y = cancer
    weight = (np.arange(len(y)) % 3 > 0).astype(float)
    some = LogisticRegression(tol=1e-10).fit(X, y, sample_weight=weight)
    rest = LogisticRegression(tol=1e-10).fit(X[weight > 0], y[weight > 0])
    assert_allclose(some.coef_, rest.coef_, rtol=1e-7)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray])
@pytest.mark.parametrize("solver", ["auto", "newton-cholesky", "lbfgs"])
def test_the_form_of_x_does_not_matter(iris, form, solver):
    X, y = iris
    ours = LogisticRegression(solver=solver, tol=1e-9, max_iter=500)
    assert_allclose(ours.fit(form(X), y).coef_, ours.fit(X, y).coef_, rtol=1e-5, atol=1e-7)
    assert_allclose(ours.predict_proba(form(X)), ours.predict_proba(X), rtol=1e-12)


def test_float32_is_kept_and_close(cancer):
    X, y = cancer
    single = LogisticRegression().fit(X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert_allclose(single.coef_, LogisticRegression(tol=1e-8).fit(X, y).coef_, rtol=2e-2, atol=1e-3)


def test_more_columns_than_rows(rng):
    X, y = make_classification(60, 300, n_informative=20, n_classes=3, random_state=0)
    ours = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y)
    theirs = Theirs(tol=1e-10, max_iter=10_000).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert ours.optimality_.suboptimality_bound < 1e-6
    again = LogisticRegression(tol=1e-8, max_iter=1000, warm_start=True).fit(X, y)
    assert again.fit(X, y).n_iter_[0] <= 1


def test_many_rows_start_from_a_sample(rng):
    X, y = make_classification(20_000, 12, n_informative=8, random_state=0)
    ours = LogisticRegression(tol=1e-9).fit(X, y)
    theirs = Theirs(tol=1e-12, solver="newton-cholesky").fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6)
    assert ours.n_iter_[0] <= 4


def test_liblinear_penalises_the_intercept(cancer):
    X, y = cancer
    for scaling in (1.0, 10.0):
        ours = LogisticRegression(solver="liblinear", intercept_scaling=scaling, tol=1e-10).fit(X + 1, y)
        theirs = Theirs(solver="liblinear", intercept_scaling=scaling, tol=1e-10, max_iter=1000).fit(X + 1, y)
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)
        assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4, atol=1e-6)
        assert ours.optimality_.suboptimality_bound < 1e-8


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_liblinears_dual_has_liblinears_optimum(cancer, fit_intercept):
    X, y = cancer
    parameters = {
        "solver": "liblinear",
        "dual": True,
        "intercept_scaling": 3.0,
        "fit_intercept": fit_intercept,
        "max_iter": 2000,
        "random_state": 0,
    }
    ours = LogisticRegression(tol=1e-9, **parameters).fit(X, y)
    theirs = Theirs(tol=1e-8, **parameters).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4, atol=1e-6)
    assert ours.optimality_.converged
    assert ours.optimality_.suboptimality_bound < 1e-8


@pytest.mark.parametrize("solver", ["sag", "saga"])
def test_with_the_defaults_standardised_data_take_some_twenty_epochs(solver):
    X, y = make_classification(2000, 20, n_informative=10, n_classes=4, random_state=0)
    model = LogisticRegression(solver=solver, random_state=0).fit(StandardScaler().fit_transform(X), y)
    assert model.optimality_.converged
    assert model.n_iter_[0] < 40


@pytest.mark.parametrize(
    "parameters", [{"solver": "sag"}, {"solver": "saga"}, {"solver": "liblinear", "dual": True}]
)
def test_a_random_state_decides_every_bit(cancer, parameters):
    X, y = cancer
    coefs = [
        LogisticRegression(C=1e-3, random_state=state, **parameters).fit(X, y).coef_
        for state in (0, np.random.RandomState(0), 1)
    ]
    assert (coefs[0] == coefs[1]).all()
    assert (coefs[0] != coefs[2]).any()


def test_without_a_penalty_the_score_equations_hold(cancer):
    X, y = cancer
    noisy = np.where(np.arange(len(y)) % 7 == 0, 1 - y, y)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(X[:, :5], noisy)
    p = model.predict_proba(X[:, :5])[:, 1]
    assert_allclose(X[:, :5].T @ (p - noisy), 0, atol=1e-6)
    assert_allclose(p.mean(), noisy.mean(), rtol=1e-9)
    assert model.optimality_.suboptimality_bound is None
    assert model.optimality_.details["newton_decrement"] < 1e-4


def test_an_independent_minimiser_finds_nothing_better(iris):
    X, y = iris
    codes = np.unique(y, return_inverse=True)[1]

    def f(x):
        W = x.reshape(3, 5)
        rows = log_softmax(X @ W[:, :4].T + W[:, 4], axis=1)
        return -rows[np.arange(len(y)), codes].sum() + 0.5 * np.sum(W[:, :4] ** 2)

    model = LogisticRegression(tol=1e-10).fit(X, y)
    assert model.optimality_.objective <= minimize(f, np.zeros(15), tol=1e-12).fun + 1e-8


def test_warm_start_continues(cancer):
    X, y = cancer
    model = LogisticRegression(warm_start=True, solver="lbfgs", tol=1e-6, max_iter=500).fit(X, y)
    assert model.fit(X, y).n_iter_[0] <= 1
    cold = LogisticRegression(solver="lbfgs", tol=1e-6, max_iter=500).fit(X, y)
    assert cold.n_iter_[0] > 5


def test_too_few_iterations_warn_with_the_reason_and_the_distance(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning, match="iteration limit.*largest component of the gradient"):
        model = LogisticRegression(solver="lbfgs", max_iter=2, tol=1e-12).fit(X, y)
    assert not model.optimality_.converged
    assert len(model.loss_curve_) == 3


def test_a_failed_fit_leaves_the_estimator_as_it_was(cancer):
    X, y = cancer
    model = LogisticRegression().fit(X, y)
    before = {name: value.copy() if hasattr(value, "copy") else value for name, value in vars(model).items()}
    for bad_X, bad_y in ((X[:, :3], np.zeros(len(y))), (X * np.nan, y), (X[:5], y)):
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(bad_X, bad_y)
        assert vars(model).keys() == before.keys()
        assert model.n_features_in_ == 30
    assert_allclose(model.coef_, before["coef_"])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"C": 0}, ValueError, "'C' parameter"),
        ({"C": -1.0}, ValueError, "'C' parameter"),
        ({"solver": "newton"}, ValueError, "'solver' parameter"),
        ({"max_iter": -1}, ValueError, "'max_iter' parameter"),
        ({"dual": True}, ValueError, "dual"),
        ({"l1_ratio": 0.5, "solver": "lbfgs"}, ValueError, "lbfgs supports only 'l2' or None"),
        ({"l1_ratio": 0.5, "solver": "liblinear"}, ValueError, "Only 'saga' solver supports elasticnet"),
        ({"l1_ratio": 1, "solver": "liblinear", "dual": True}, ValueError, "L1 penalty with dual=True"),
        ({"solver": "liblinear", "C": np.inf}, ValueError, "liblinear"),
    ],
)
def test_bad_parameters_are_named(cancer, parameters, error, message):
    with pytest.raises(error, match=message):
        LogisticRegression(**parameters).fit(*cancer)


def test_one_class_is_an_error_and_liblinear_takes_two(iris):
    X, y = iris
    with pytest.raises(ValueError, match="2 classes"):
        LogisticRegression().fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="liblinear"):
        LogisticRegression(solver="liblinear").fit(X, y)


def test_deprecations_are_scikit_learns(cancer):
    X, y = cancer
    with pytest.warns(FutureWarning, match="'penalty' was deprecated"):
        LogisticRegression(penalty="l2").fit(X, y)
    with pytest.warns(FutureWarning, match="'l1_ratio=None'"):
        LogisticRegression(l1_ratio=None).fit(X, y)


def test_sparsify_and_densify(iris):
    model = LogisticRegression().fit(*iris)
    expected = model.predict_proba(iris[0])
    assert scipy.sparse.issparse(model.sparsify().coef_)
    assert_allclose(model.predict_proba(iris[0]), expected)
    assert isinstance(model.densify().coef_, np.ndarray)


def test_extreme_predictions_have_finite_log_probabilities(cancer):
    X, y = cancer
    model = LogisticRegression().fit(X, y)
    log_p = model.predict_log_proba(1e4 * X)
    assert np.isfinite(log_p).all()
    assert_allclose(np.exp(log_p).sum(axis=1), 1)
