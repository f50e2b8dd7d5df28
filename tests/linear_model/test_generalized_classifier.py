"""Linear classification under any loss: scikit-learn's optima, independent ones, and certificates."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from calclearn.linear_model import GeneralizedLinearClassifier
from calclearn.losses import Huber, get_loss, loss

MARGINS = ["log_loss", "exponential", "squared_hinge", "squared_error", "huber"]


@loss("brier_of_tests")
class Brier:
    """The squared error of a probability, with the logistic link: not convex."""

    domain = "unit"

    def value(self, y, raw):
        return 0.5 * (1.0 / (1.0 + np.exp(-raw)) - y) ** 2

    def mean(self, raw):
        return 1.0 / (1.0 + np.exp(-raw))


@loss("complementary_log_log_of_tests")
class ComplementaryLogLog:
    """Log loss of a probability that is not one half at zero."""

    domain = "unit"

    def value(self, y, raw):
        rate = np.exp(np.minimum(raw, 500.0))
        return (1.0 - y) * rate - y * np.log(-np.expm1(-rate))

    def mean(self, raw):
        return -np.expm1(-np.exp(np.minimum(raw, 500.0)))


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(150, 4))


@pytest.fixture(scope="module")
def labels(X):
    raw = X @ [1.0, -0.5, 0.3, 0.0] + np.random.default_rng(1).logistic(size=len(X))
    return np.where(raw > 0.3, "yes", "no")


@pytest.fixture(scope="module")
def classes(X):
    raw = X @ [1.0, -0.5, 0.3, 0.0] + np.random.default_rng(1).logistic(size=len(X))
    return np.digitize(raw, [-0.7, 0.9]) * 10


@pytest.fixture(scope="module")
def weight(X):
    return np.random.default_rng(2).uniform(0.5, 2.0, len(X))


def objective(model, X, y, weight):
    """The documented objective of `[w, b]` for targets in the loss's domain."""
    made = get_loss(model.loss)

    def f(x):
        w, penalty = x[:-1], 0.0
        penalty += model.alpha * model.l1_ratio * np.abs(w).sum()
        penalty += 0.5 * model.alpha * (1.0 - model.l1_ratio) * w @ w
        return np.average(made.value(y, X @ w + x[-1]), weights=weight) + penalty

    return f


# ------------------------------------------------------------------------------------------ the optimum


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_the_log_losses_are_logistic_regression(X, labels, classes, weight, l1_ratio):
    alpha = 0.02
    C = 1.0 / (alpha * weight.sum())
    theirs = LogisticRegression(C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-12, max_iter=100_000)
    for name, y in (("log_loss", labels), ("multinomial_log_loss", classes)):
        ours = GeneralizedLinearClassifier(name, alpha=alpha, l1_ratio=l1_ratio, tol=1e-10).fit(X, y, weight)
        theirs.fit(X, y, weight)
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
        assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
        assert ours.coef_.shape == theirs.coef_.shape
        assert (ours.predict(X) == theirs.predict(X)).all()
        assert ours.optimality_.converged


def test_the_squared_hinge_is_a_linear_svm(X, labels):
    theirs = LinearSVC(C=0.5, fit_intercept=False, dual=False, tol=1e-10, max_iter=100_000).fit(X, labels)
    alpha = 1.0 / (2 * 0.5 * len(X))  # ours is half the squared hinge, in the mean
    ours = GeneralizedLinearClassifier("squared_hinge", alpha=alpha, fit_intercept=False, tol=1e-10)
    assert_allclose(ours.fit(X, labels).coef_, theirs.coef_, atol=1e-6)
    assert ours.coef_.shape == (1, 4)
    assert_allclose(ours.intercept_, 0.0)


@pytest.mark.parametrize("options", [{"alpha": 0.05}, {"alpha": 0.05, "l1_ratio": 1.0}, {"positive": True}])
@pytest.mark.parametrize("name", [*MARGINS, Brier()], ids=str)
def test_an_independent_minimiser_finds_nothing_better(X, labels, weight, name, options):
    model = GeneralizedLinearClassifier(name, tol=1e-9, **options).fit(X, labels, weight)
    low = 0.0 if get_loss(name).domain == "unit" else -1.0
    f = objective(model, X, np.where(labels == "yes", 1.0, low), weight)
    x = np.r_[model.coef_[0], model.intercept_]
    bounds = [(0.0 if model.positive else None, None)] * 4 + [(None, None)]
    search = {"xatol": 1e-8, "fatol": 1e-13, "maxfev": 4000}
    best = minimize(f, x + 0.01 * (x != 0), method="Nelder-Mead", bounds=bounds, options=search).fun
    assert_allclose(model.optimality_.objective, f(x), rtol=1e-10)
    assert f(x) <= best + 1e-10
    assert model.optimality_.converged
    assert (x[:4] >= 0).all() or not model.positive
    if get_loss(name).convex and model.l1_ratio:
        assert 0 <= model.optimality_.duality_gap < 1e-7
    if model.positive:
        assert model.optimality_.kkt_violation < 1e-8


@pytest.mark.parametrize("name", ["log_loss", "squared_hinge"])
def test_several_classes_are_each_against_the_rest(X, classes, weight, name):
    model = GeneralizedLinearClassifier(name, alpha=0.05, tol=1e-9).fit(X, classes, weight)
    each = [
        GeneralizedLinearClassifier(name, alpha=0.05, tol=1e-9).fit(X, classes == label, weight)
        for label in model.classes_
    ]
    assert_allclose(model.coef_, np.vstack([one.coef_ for one in each]), rtol=1e-8)
    assert_allclose(model.intercept_, np.ravel([one.intercept_ for one in each]), rtol=1e-8)
    assert len(model.optimality_.problems) == len(model.n_iter_) == len(model.loss_curve_) == 3
    assert_allclose(model.optimality_.objective, sum(one.optimality_.objective for one in each))
    assert (model.predict(X) == model.classes_[model.decision_function(X).argmax(axis=1)]).all()
    if name == "log_loss":
        theirs = OneVsRestClassifier(LogisticRegression(C=1 / (0.05 * len(X)), tol=1e-10))
        plain = clone(model).fit(X, classes)
        assert_allclose(plain.predict_proba(X), theirs.fit(X, classes).predict_proba(X), atol=1e-5)


# ---------------------------------------------------------------------------------------- probabilities


def test_probabilities_exist_where_the_loss_states_them(X, labels, classes):
    for name in ("hinge", "squared_hinge", "squared_error", Huber()):
        assert not hasattr(GeneralizedLinearClassifier(name), "predict_proba")
        assert not hasattr(GeneralizedLinearClassifier(name), "predict_log_proba")
    for name in ("log_loss", "exponential", "multinomial_log_loss", Brier()):
        for y in (labels, classes):
            model = GeneralizedLinearClassifier(name, alpha=0.05).fit(X, y)
            p = model.predict_proba(X)
            assert_allclose(p.sum(axis=1), 1.0)
            assert_allclose(np.exp(model.predict_log_proba(X)), p)
            assert (model.classes_[p.argmax(axis=1)] == model.predict(X)).all()


def test_the_exponential_loss_states_half_the_log_odds(X, labels):
    model = GeneralizedLinearClassifier("exponential", alpha=0.05).fit(X, labels)
    assert_allclose(model.predict_proba(X)[:, 1], expit(2.0 * model.decision_function(X)))


def test_the_label_changes_where_the_probability_passes_one_half(X, labels):
    model = GeneralizedLinearClassifier(ComplementaryLogLog(), alpha=0.05).fit(X, labels)
    p, predicted = model.predict_proba(X)[:, 1], model.predict(X)
    assert (predicted == np.where(p > 0.5, "yes", "no")).all()
    assert not ((model.decision_function(X) > 0) == (p > 0.5)).all()


# ------------------------------------------------------------------------------------------- the data


def test_weights_are_repetition_and_classes_weigh(X, labels):
    times = np.random.default_rng(3).integers(0, 3, len(X))
    model = GeneralizedLinearClassifier("squared_hinge", alpha=0.1, tol=1e-10)
    weighted = clone(model).fit(X, labels, times)
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(labels, times))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
    by_class = clone(model).set_params(class_weight={"yes": 3.0}).fit(X, labels)
    by_row = clone(model).fit(X, labels, np.where(labels == "yes", 3.0, 1.0))
    assert_allclose(by_class.coef_, by_row.coef_, rtol=1e-10)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray])
def test_the_form_of_x_does_not_matter(X, classes, form):
    X = np.where(X > 0.5, X, 0.0)
    for name in ("log_loss", "multinomial_log_loss"):
        model = GeneralizedLinearClassifier(name, alpha=0.02, l1_ratio=0.5, tol=1e-10)
        dense, other = clone(model).fit(X, classes), clone(model).fit(form(X), classes)
        assert_allclose(other.coef_, dense.coef_, atol=1e-8)
        assert_allclose(other.predict_proba(form(X)), dense.predict_proba(X), atol=1e-8)


def test_float32_is_kept_and_close(X, classes):
    for name in ("log_loss", "multinomial_log_loss"):
        model = GeneralizedLinearClassifier(name, alpha=0.02)
        single = clone(model).fit(X.astype(np.float32), classes)
        assert single.coef_.dtype == single.intercept_.dtype == np.float32
        assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
        assert_allclose(single.coef_, model.fit(X, classes).coef_, atol=1e-3)


def test_an_offset_is_a_column_whose_coefficient_is_one(X, labels):
    offset = np.random.default_rng(4).normal(size=len(X))
    model = GeneralizedLinearClassifier(alpha=0.1, tol=1e-9).fit(X, labels, offset=offset)
    y = (labels == "yes").astype(float)

    def f(x):
        raw = X @ x[:4] + x[4] + offset
        return np.mean(np.logaddexp(0, raw) - y * raw) + 0.05 * x[:4] @ x[:4]

    best = minimize(f, np.zeros(5), tol=1e-10)
    assert_allclose(np.r_[model.coef_[0], model.intercept_], best.x, atol=1e-5)
    raw = model.decision_function(X)
    assert_allclose(model.decision_function(X, offset=offset), raw + offset)
    assert_allclose(model.predict_proba(X, offset=offset)[:, 1], expit(raw + offset))
    assert (model.predict(X, offset=offset) == np.where(raw + offset > 0, "yes", "no")).all()
    assert model.score(X, labels, offset=offset) == np.mean(model.predict(X, offset=offset) == labels)


# ------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie"])
def test_losses_of_numbers_are_refused(X, labels, name):
    with pytest.raises(ValueError, match=f"(?i)must be one of labels.*{name}"):
        GeneralizedLinearClassifier(name).fit(X, labels)


def test_an_offset_of_several_classes_is_refused(X, labels, classes):
    for name, y in (("log_loss", classes), ("multinomial_log_loss", labels)):
        with pytest.raises(ValueError, match="offset is one number a row"):
            GeneralizedLinearClassifier(name).fit(X, y, offset=np.ones(len(y)))
    with pytest.raises(ValueError, match=r"offset must have shape \(150,\)"):
        GeneralizedLinearClassifier().fit(X, labels, offset=np.ones(3))


@pytest.mark.parametrize("solver", ["newton-cholesky", "newton-cg", "lbfgs"])
def test_smooth_solvers_refuse_kinks(X, labels, solver):
    for options in ({"alpha": 0.1, "l1_ratio": 0.5}, {"positive": True}):
        with pytest.raises(ValueError, match=f"'{solver}' supports neither"):
            GeneralizedLinearClassifier(solver=solver, **options).fit(X, labels)


def test_one_class_is_refused(X):
    with pytest.raises(ValueError, match="one class"):
        GeneralizedLinearClassifier().fit(X, np.zeros(len(X)))


def test_separable_classes_are_told_in_the_callers_line(X):
    with pytest.warns(ConvergenceWarning, match="separation") as record:
        model = GeneralizedLinearClassifier().fit(X, X[:, 0] > 0)
    assert record[0].filename == __file__
    assert np.isfinite(model.coef_).all()


def test_kinked_losses_say_that_they_are_not_there(X, labels, weight):
    with pytest.warns(ConvergenceWarning, match="at a kink"):
        model = GeneralizedLinearClassifier("hinge", alpha=0.05).fit(X, labels, weight)
    assert not model.optimality_.converged
    C = 1 / (0.05 * weight.sum())
    dual = LinearSVC(loss="hinge", C=C, intercept_scaling=10.0, tol=1e-6, max_iter=10**6).fit(
        X, labels, weight
    )
    f = objective(model, X, np.where(labels == "yes", 1.0, -1.0), weight)
    best = f(np.r_[dual.coef_[0], dual.intercept_])
    assert f(np.r_[model.coef_[0], model.intercept_]) <= best * (1 + 1e-3)


# ---------------------------------------------------------------------------------------- estimators


@pytest.mark.parametrize("name", ["log_loss", "multinomial_log_loss"])
def test_warm_starts_continue(X, classes, name):
    model = GeneralizedLinearClassifier(name, alpha=0.05, warm_start=True, solver="lbfgs", tol=1e-6)
    first = model.fit(X, classes).n_iter_
    assert (first > 0).all()
    assert (model.fit(X, classes).n_iter_ == 0).all()
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X[:, :2], classes)
    model.fit(X, classes % 20 == 0)  # of other labels: from the beginning
    assert len(model.classes_) == 2


def test_a_failed_fit_leaves_the_estimator_as_it_was(X, labels):
    model = GeneralizedLinearClassifier(alpha=0.1).fit(X, labels)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="offset"):
        model.fit(X, labels, offset=[1.0])
    assert vars(model) == before


class Recorder:
    """A callback that keeps what the model predicts after each iteration."""

    def __init__(self):
        self.predictions = []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, fitted_estimator=None): ...

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.predictions.append(fitted_estimator.decision_function(X))


@pytest.mark.parametrize("name", ["log_loss", "multinomial_log_loss"])
def test_callbacks_hear_of_each_iteration_of_each_class(X, classes, name, capsys):
    recorder = Recorder()
    model = GeneralizedLinearClassifier(name, alpha=0.1, verbose=1).set_callbacks(recorder).fit(X, classes)
    assert len(recorder.predictions) == model.n_iter_.sum() + 1
    assert_allclose(recorder.predictions[-1], model.decision_function(X))
    assert_allclose(recorder.predictions[-2], model.decision_function(X), atol=1e-4)
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_.sum()


def test_pickles_and_parameters_of_the_loss(X, labels):
    model = GeneralizedLinearClassifier(Huber(2.0), alpha=0.1).fit(X, labels)
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(again.decision_function(X), model.decision_function(X))
    assert clone(model).set_params(loss__delta=3.0).loss == Huber(3.0)


def test_no_warning_comes_of_a_class_that_weights_leave_empty(X, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GeneralizedLinearClassifier("squared_hinge", alpha=0.1, class_weight="balanced")
        model.fit(X, labels, (labels == "yes").astype(float))
    assert (model.predict(X) == "yes").all()


@loss("softmax_of_linear_tests")
class Softmax:
    """A convex loss of several outputs, without a best constant of its own."""

    domain = "nonnegative"
    convex = True

    def value_row(self, y, raw):
        top, total = raw.max(), 0.0
        for k in range(raw.shape[0]):
            total += np.exp(raw[k] - top)
        return np.log(total) + top - raw[int(y)]

    def mean_row(self, raw, out):
        top, total = raw.max(), 0.0
        for k in range(raw.shape[0]):
            out[k] = np.exp(raw[k] - top)
            total += out[k]
        for k in range(raw.shape[0]):
            out[k] /= total

    def derivatives_row(self, y, raw, gradient, hessian):
        self.mean_row(raw, gradient)
        for k in range(raw.shape[0]):
            hessian[k] = gradient[k] * (1.0 - gradient[k])
        gradient[int(y)] -= 1.0

    def hessian_product_row(self, y, raw, direction, out):
        self.mean_row(raw, out)
        average = 0.0
        for k in range(raw.shape[0]):
            average += out[k] * direction[k]
        for k in range(raw.shape[0]):
            out[k] *= direction[k] - average


def test_a_loss_of_several_outputs_needs_no_best_constant(X, classes):
    own = GeneralizedLinearClassifier(Softmax(), alpha=0.1).fit(X, classes)
    ours = GeneralizedLinearClassifier("multinomial_log_loss", alpha=0.1).fit(X, classes)
    assert own.optimality_.suboptimality_bound < 1e-10
    assert_allclose(own.coef_, ours.coef_, atol=1e-6)
    assert_allclose(own.predict_proba(X), ours.predict_proba(X), atol=1e-6)
