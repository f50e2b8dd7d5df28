"""Linear machines against liblinear, their dual, and each other."""

import copy
import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.svm
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning

from calclearn._objectives.design import Design
from calclearn._objectives.dual_hinges import run_dual_hinges
from calclearn._objectives.hinges import Hinges
from calclearn._objectives.interior_point import run_interior_point
from calclearn.svm import LinearSVC, LinearSVR, l1_min_c


@pytest.fixture(scope="module")
def classes():
    return make_classification(300, 8, n_informative=5, flip_y=0.1, class_sep=0.7, random_state=0)


@pytest.fixture(scope="module")
def three():
    return make_classification(300, 8, n_informative=6, n_classes=3, flip_y=0.05, random_state=0)


@pytest.fixture(scope="module")
def numbers():
    X, y = make_regression(300, 8, noise=5.0, random_state=0)
    return X, y / 20.0


def liblinear(model, X, y):
    """A fitted model of liblinear's, which may stop short of its tolerance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.set_params(random_state=0).fit(X, y)


def of_class(model, k):
    """The part of a model that tells class k from the others."""
    part = copy.copy(model)
    part.classes_, part.coef_, part.intercept_ = [False, True], model.coef_[k], model.intercept_[k]
    return part


def objective(model, X, y, weight=1.0):
    """What liblinear minimises: the intercept is a coefficient of a constant column."""
    w = np.append(model.coef_.ravel(), np.atleast_1d(model.intercept_) / model.intercept_scaling)
    f = X @ model.coef_.ravel() + model.intercept_
    if isinstance(model, LinearSVC | sklearn.svm.LinearSVC):
        slack = np.maximum(0.0, 1.0 - np.where(y == model.classes_[1], 1.0, -1.0) * f)
    else:
        slack = np.maximum(0.0, np.abs(y - f) - model.epsilon)
    squared = model.loss.startswith("squared")
    norm = np.abs(w).sum() if getattr(model, "penalty", "l2") == "l1" else 0.5 * w @ w
    return norm + (model.C * weight * (slack**2 if squared else slack)).sum()


SVC_OPTIONS = [
    {},
    {"dual": True},
    {"loss": "hinge"},
    {"penalty": "l1", "dual": False},
    {"loss": "hinge", "fit_intercept": False},
    {"intercept_scaling": 10.0},
    {"loss": "hinge", "intercept_scaling": 5.0, "class_weight": "balanced"},
]


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("options", SVC_OPTIONS, ids=str)
def test_the_objective_is_liblinears_or_better(options, C, classes):
    X, y = classes
    options = options | {"C": C, "tol": 1e-7, "max_iter": 100_000}
    ours, theirs = LinearSVC(**options).fit(X, y), liblinear(sklearn.svm.LinearSVC(**options), X, y)
    weight = 1.0 if "class_weight" not in options else len(y) / (2.0 * np.bincount(y))[y]
    best = objective(theirs, X, y, weight)
    assert objective(ours, X, y, weight) <= best * (1.0 + 1e-6)
    record = ours.optimality_
    assert_allclose(record.objective, objective(ours, X, y, weight), rtol=1e-9)
    assert record.converged
    assert record.dual_objective <= best * (1.0 + 1e-9)
    assert -1e-9 * best <= record.duality_gap <= 1e-5 * best
    if C < 100.0:  # where liblinear ends at its optimum
        assert_allclose(ours.coef_, theirs.coef_, atol=0.01 * np.abs(theirs.coef_).max())


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("dual", ["auto", True])
def test_regression_is_liblinears_or_better(loss, dual, epsilon, numbers):
    X, y = numbers
    options = {"loss": loss, "epsilon": epsilon, "C": 2.0, "dual": dual, "tol": 1e-7, "max_iter": 100_000}
    ours, theirs = LinearSVR(**options).fit(X, y), liblinear(sklearn.svm.LinearSVR(**options), X, y)
    assert objective(ours, X, y) <= objective(theirs, X, y) * (1.0 + 1e-6)
    assert_allclose(ours.optimality_.objective, objective(ours, X, y), rtol=1e-9)
    assert ours.optimality_.duality_gap <= 1e-5 * ours.optimality_.objective
    assert_allclose(ours.predict(X), theirs.predict(X), atol=0.01)


@pytest.mark.parametrize("squared", [False, True])
def test_both_ways_through_the_dual_end_at_one_optimum(squared, classes, numbers):
    (X, y), (_, target) = classes, numbers
    design, C = Design(X, 1), np.random.default_rng(0).uniform(0.1, 3.0, len(y))
    sign = np.where(y == 1, 1.0, -1.0)[None, :]
    tube = np.repeat([[1.0], [-1.0]], len(y), axis=1), np.stack([0.1 - target, 0.1 + target])
    for s, c in ((sign, np.full_like(sign, -1.0)), tube):
        problem = Hinges(design, 1.0, s, c, C, squared)
        descent = run_dual_hinges(problem, rng=np.random.RandomState(0), tol=1e-8, max_iter=100_000)
        assert descent.primal - descent.dual <= 1e-8 * descent.primal
        if not squared:
            interior = run_interior_point(problem, tol=1e-10, max_iter=100)
            assert interior.n_iter < 40
            assert_allclose(interior.primal, descent.primal, rtol=1e-7)
            assert (interior.alpha > 0).all()
            assert (interior.alpha < C).all()


@pytest.mark.parametrize("options", [{}, {"loss": "hinge"}, {"multi_class": "crammer_singer"}], ids=str)
def test_several_classes(options, three):
    X, y = three
    names = np.array(["a", "b", "c"])[y]
    options = options | {"tol": 1e-6, "max_iter": 100_000}
    ours, theirs = LinearSVC(**options).fit(X, names), liblinear(sklearn.svm.LinearSVC(**options), X, names)
    if "loss" not in options:  # of plain hinges liblinear may stop short
        assert_allclose(ours.coef_, theirs.coef_, atol=2e-3)
        assert_allclose(ours.intercept_, theirs.intercept_, atol=2e-3)
    if "multi_class" not in options:
        for k in range(3):
            single = [copy.copy(model) for model in (ours, theirs)]
            for model in single:
                model.classes_, model.coef_, model.intercept_ = (
                    [False, True],
                    model.coef_[k],
                    model.intercept_[k],
                )
            values = [objective(model, X, y == k) for model in single]
            assert values[0] <= values[1] * (1.0 + 1e-6)
    assert np.mean(ours.predict(X) != theirs.predict(X)) < 0.02
    assert ours.optimality_.duality_gap <= 1e-5 * ours.optimality_.objective
    assert ours.decision_function(X).shape == (300, 3)


def test_crammer_and_singer_of_two_classes_is_one_line(classes):
    X, y = classes
    options = {"multi_class": "crammer_singer", "tol": 1e-6, "max_iter": 100_000}
    ours, theirs = LinearSVC(**options).fit(X, y), liblinear(sklearn.svm.LinearSVC(**options), X, y)
    assert_allclose(ours.coef_, theirs.coef_, atol=2e-3)
    assert ours.coef_.shape == (1, 8)


@pytest.mark.parametrize(
    "model",
    [
        LinearSVC(tol=1e-9),
        LinearSVC(loss="hinge", tol=1e-9),
        LinearSVC(penalty="l1", tol=1e-9),
        LinearSVR(tol=1e-9, max_iter=100_000),
        LinearSVR(loss="squared_epsilon_insensitive", tol=1e-9),
    ],
    ids=repr,
)
def test_sparse_rows_weights_and_threads(model, classes, rng):
    X, y = classes
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    times = rng.integers(0, 4, size=len(y))
    model.set_params(max_iter=100_000)
    repeated = model.fit(np.repeat(X, times, axis=0), np.repeat(y, times)).coef_
    weighted = model.fit(X, y, sample_weight=times.astype(float)).coef_
    assert_allclose(weighted, repeated, atol=1e-4)
    sparse = model.fit(scipy.sparse.csr_array(X), y, sample_weight=times.astype(float)).coef_
    assert_allclose(sparse, weighted, atol=1e-4)
    again = model.set_params(n_jobs=1).fit(X, y).coef_
    assert_array_equal(model.set_params(n_jobs=3).fit(X, y).coef_, again)


def test_rows_without_entries_cost_what_they_must():
    X, y = np.r_[np.zeros((4, 3)), np.eye(3), -np.eye(3)], np.r_[0, 1, 0, 1, 1, 1, 1, 0, 0, 0]
    for options in ({"loss": "hinge"}, {"dual": True}, {"multi_class": "crammer_singer"}):
        for data in (X, scipy.sparse.csr_array(X)):
            model = LinearSVC(fit_intercept=False, **options).fit(data, y)
            assert model.optimality_.converged
            assert model.optimality_.duality_gap <= 1e-4 * model.optimality_.objective


def test_more_columns_than_rows(rng):
    X, y = rng.normal(size=(40, 300)), np.arange(40) % 2
    for options in ({}, {"loss": "hinge"}):
        ours = LinearSVC(**options, tol=1e-7, max_iter=100_000).fit(X, y)
        theirs = sklearn.svm.LinearSVC(**options, tol=1e-7, max_iter=100_000).fit(X, y)
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)


def test_columns_far_from_zero_and_large_c(classes):
    X, y = classes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = LinearSVC(loss="hinge", C=1e4).fit(X + 100.0, y)
        near = LinearSVC(loss="hinge", C=1e4).fit(X, y)
    assert far.score(X + 100.0, y) == near.score(X, y)
    assert far.optimality_.duality_gap <= 1e-4 * far.optimality_.objective


def test_a_weight_of_a_class_may_be_zero(classes):
    X, y = classes
    for loss in ("hinge", "squared_hinge"):
        model = LinearSVC(loss=loss, class_weight={0: 0.0, 1: 1.0}).fit(X, y)
        assert (model.predict(X) == 1).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"penalty": "l1", "loss": "hinge"}, "penalty='l1' and loss='hinge' is not supported"),
        ({"penalty": "l1", "dual": True}, "not supported when dual=True"),
        ({"loss": "hinge", "dual": False}, "not supported when dual=False"),
        ({"C": -1.0}, "'C' parameter"),
    ],
)
def test_what_does_not_go_together_is_refused(options, said, classes):
    with pytest.raises(ValueError, match=said):
        LinearSVC(**options).fit(*classes)


def test_one_class_and_early_stops_are_told(classes):
    X, y = classes
    with pytest.raises(ValueError, match="at least 2 classes"):
        LinearSVC().fit(X, np.ones(len(y)))
    with pytest.raises(ValueError, match="not supported when dual=False"):
        LinearSVR(dual=False).fit(X, y)
    for options in ({}, {"loss": "hinge"}, {"dual": True}, {"multi_class": "crammer_singer"}):
        with pytest.warns(ConvergenceWarning, match="Liblinear failed to converge") as caught:
            model = LinearSVC(**options, max_iter=1, tol=1e-9).fit(X, y)
        assert caught[0].filename == __file__
        assert model.n_iter_ == 1
        assert model.optimality_.objective >= model.optimality_.dual_objective


@pytest.mark.parametrize("loss", ["squared_hinge", "log"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_from_l1_min_c_on_there_are_coefficients(loss, n_classes):
    from calclearn.linear_model import LogisticRegression

    X, y = make_classification(100, 6, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0)
    C = l1_min_c(X, y, loss=loss, intercept_scaling=2.0)
    assert_allclose(C, sklearn.svm.l1_min_c(X, y, loss=loss, intercept_scaling=2.0))
    if loss == "squared_hinge":
        model = LinearSVC(penalty="l1", intercept_scaling=2.0, tol=1e-9)
    elif n_classes == 2:
        model = LogisticRegression(l1_ratio=1.0, solver="liblinear", intercept_scaling=2.0, tol=1e-9)
    else:
        return
    for factor, some in ((0.999, False), (1.01, True)):
        model.set_params(C=factor * C).fit(X, y)
        assert bool(model.coef_.any() or np.any(model.intercept_)) is some
    with pytest.raises(ValueError, match="always select zero coefficients"):
        l1_min_c(np.zeros((4, 2)), [0, 1, 0, 1], fit_intercept=False)
