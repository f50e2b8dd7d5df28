"""Logistic regression: the optimum, certified; scikit-learn's parameters, meaning what they say."""

import warnings

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


def penalised(model, X, y):
    """C Σ loss + (1 - ρ)/2 ‖w‖² + ρ ‖w‖₁, from predicted probabilities alone."""
    rows = -model.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    w, ratio = model.coef_, model.l1_ratio
    return model.C * rows.sum() + 0.5 * (1 - ratio) * np.sum(w * w) + ratio * np.abs(w).sum()


@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize(("C", "l1_ratio"), [(0.1, 1.0), (1.0, 1.0), (1.0, 0.3)])
def test_l1_and_elastic_net_have_scikit_learns_optimum_and_a_true_gap(data, C, l1_ratio, request):
    X, y = request.getfixturevalue(data)
    X = X[:, :10]
    best = Theirs(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-9, max_iter=20_000, random_state=0).fit(X, y)
    for solver, tol in (("auto", 1e-2), ("auto", 1e-8), ("saga", 1e-7)):
        ours = LogisticRegression(
            C=C, l1_ratio=l1_ratio, solver=solver, tol=tol, max_iter=5000, random_state=0
        )
        certificate = ours.fit(X, y).optimality_
        assert certificate.objective == pytest.approx(penalised(ours, X, y), rel=1e-10)
        excess = certificate.objective - penalised(best, X, y)
        assert -1e-6 * certificate.objective <= excess
        assert excess <= certificate.duality_gap + 1e-9 * certificate.objective
        if tol < 1e-2:
            assert_allclose(ours.coef_, best.coef_, atol=2e-3)
            assert ((ours.coef_ == 0) == (best.coef_ == 0)).mean() > 0.9


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("intercept_scaling", [1.0, 5.0])
def test_liblinear_penalises_the_intercept_by_l1_too(cancer, form, intercept_scaling):
    X, y = cancer
    parameters = {"l1_ratio": 1, "C": 0.3, "solver": "liblinear", "intercept_scaling": intercept_scaling}
    ours = LogisticRegression(tol=1e-9, **parameters).fit(form(X + 0.5), y)
    theirs = Theirs(tol=1e-8, max_iter=5000, random_state=0, **parameters).fit(X + 0.5, y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3)
    assert ours.optimality_.duality_gap < 1e-4
    again = LogisticRegression(tol=1e-9, warm_start=True, **parameters).fit(form(X + 0.5), y)
    assert again.fit(form(X + 0.5), y).n_iter_[0] <= 1


def test_liblinear_answers_in_float64_as_scikit_learns_does(cancer):
    X, y = cancer
    single = LogisticRegression(solver="liblinear").fit(X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float64


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky"])
def test_a_bound_holds_wherever_a_named_solver_stops(cancer, solver):
    X, y = cancer
    best = objective(LogisticRegression(tol=1e-12, max_iter=500).fit(X + 1, y), X + 1, y)
    for max_iter in (0, 1, 3):
        with pytest.warns(ConvergenceWarning):
            model = LogisticRegression(solver=solver, max_iter=max_iter, tol=1e-12).fit(X + 1, y)
        assert model.n_iter_[0] == max_iter
        assert model.optimality_.objective - best <= model.optimality_.suboptimality_bound
        if not max_iter:
            assert not model.coef_.any()
            assert_allclose(model.predict_proba(X), 0.5)


def test_without_a_penalty_the_coefficients_of_several_classes_add_up_to_zero(iris):
    X, y = iris
    noisy = np.roll(y, 20)
    for solver in ("auto", "newton-cholesky"):
        model = LogisticRegression(C=np.inf, solver=solver, tol=1e-8, max_iter=500).fit(X, noisy)
        assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-9)
        assert_allclose(model.intercept_.sum(), 0, atol=1e-9)


def test_separable_data_without_a_penalty_warn_of_separation(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning, match="separation"):
        model = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1


@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
def test_inconsistent_penalties_warn(cancer):
    X, y = cancer
    for parameters, message in [
        ({"penalty": "l1", "l1_ratio": 0.5}, "only used when penalty is 'elasticnet'"),
        ({"penalty": "l1", "l1_ratio": 0.0}, "Inconsistent values: penalty=l1 with l1_ratio=0.0"),
        ({"penalty": None, "C": 4.0}, "Setting penalty=None will ignore the C"),
    ]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            LogisticRegression(**parameters).fit(X, y)
        assert any(message in str(warning.message) for warning in caught)
    with pytest.raises(ValueError, match="l1_ratio must be specified"):
        LogisticRegression(penalty="elasticnet", l1_ratio=None).fit(X, y)


def test_liblinear_refuses_entries_that_would_freeze_it():
    with pytest.raises(ValueError, match="maximum value > 1e30"):
        LogisticRegression(solver="liblinear").fit([[0.0], [1e100]], [0, 1])
