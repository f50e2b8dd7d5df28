"""The other support vector machines of a Gram function, against LIBSVM and their own certificates."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.svm
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification, make_friedman1
from sklearn.metrics import log_loss

from calclearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

GRAMS = [{"kernel": "linear"}, {"kernel": "rbf"}, {"kernel": "poly", "coef0": 1.0, "gamma": 0.2}]


@pytest.fixture(scope="module")
def classes():
    return make_classification(300, 6, n_informative=4, flip_y=0.02, class_sep=1.5, random_state=0)


@pytest.fixture(scope="module")
def numbers():
    X, y = make_friedman1(250, noise=0.5, random_state=0)
    return X, y


def dense(coef):
    return coef.toarray() if scipy.sparse.issparse(coef) else coef


def check_certificate(model, tol):
    found = model.optimality_
    assert found.converged
    assert found.kkt_violation <= tol
    assert -1e-9 <= found.duality_gap <= 1e-3 * abs(found.objective) + 1e-6


@pytest.mark.parametrize("nu", [0.11, 0.31, 0.61])  # no whole number of rows: the margin is unique
@pytest.mark.parametrize("gram", GRAMS, ids=str)
def test_nu_svc(gram, nu):
    """Of classes with few errors: where more than the share nu is on the wrong side, the best margin is 0."""
    options = {"n_clusters_per_class": 1, "flip_y": 0.0, "class_sep": 1.5}
    X, y = make_classification(300, 6, n_informative=3, **options, random_state=0)
    ours, theirs = (
        NuSVC(**gram, nu=nu, tol=1e-7).fit(X, y),
        sklearn.svm.NuSVC(**gram, nu=nu, tol=1e-7).fit(X, y),
    )
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-3, atol=1e-3)
    check_certificate(ours, 1e-7)
    margin = np.where(y == 1, 1.0, -1.0) * ours.decision_function(X)
    assert np.mean(margin < 1.0 - 1e-4) <= nu + 1e-9 <= len(ours.support_) / len(y) + 2e-9


def test_an_infeasible_nu_is_an_error(classes):
    X, y = classes
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:10]]
    with pytest.raises(ValueError, match="specified nu is infeasible"):
        NuSVC(nu=0.5).fit(X[few], y[few])


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("gram", GRAMS, ids=str)
def test_svr(gram, epsilon, numbers):
    X, y = numbers
    options = gram | {"C": 5.0, "epsilon": epsilon, "tol": 1e-6}
    ours, theirs = SVR(**options).fit(X, y), sklearn.svm.SVR(**options).fit(X, y)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-3)
    assert_allclose(ours.dual_coef_.sum(), 0.0, atol=1e-8)
    check_certificate(ours, 1e-6)


@pytest.mark.parametrize("n", [700, 1500])
@pytest.mark.parametrize("model", [SVR(C=20.0), NuSVR(C=20.0, nu=0.3), OneClassSVM(nu=0.3)], ids=repr)
def test_more_multipliers_than_a_set_holds(model, n):
    """Set after set, with rows left aside on the way, and in float32 where there are more than 1024."""
    X, y = make_friedman1(n, 8, noise=0.5, random_state=0)
    X = X / X.std(axis=0)
    ours = model.set_params(tol=1e-4).fit(X, y)
    theirs = getattr(sklearn.svm, type(model).__name__)(
        **{k: v for k, v in model.get_params().items() if k != "n_jobs"}
    ).fit(X, y)
    values = [m.score_samples(X) if hasattr(m, "score_samples") else m.predict(X) for m in (ours, theirs)]
    assert_allclose(values[0], values[1], atol=5e-3 * np.ptp(values[1]))
    assert -1e-9 <= ours.optimality_.duality_gap / abs(ours.optimality_.objective) <= 1e-3
    assert ours.optimality_.kkt_violation <= 1e-4
    one = model.set_params(n_jobs=1).fit(X, y)
    assert_array_equal(one.dual_coef_, model.set_params(n_jobs=3).fit(X, y).dual_coef_)


@pytest.mark.parametrize("nu", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("gram", GRAMS, ids=str)
def test_nu_svr(gram, nu, numbers):
    X, y = numbers
    options = gram | {"C": 5.0, "nu": nu, "tol": 1e-6}
    ours, theirs = NuSVR(**options).fit(X, y), sklearn.svm.NuSVR(**options).fit(X, y)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=2e-3)
    check_certificate(ours, 1e-6)


@pytest.mark.parametrize("nu", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("gram", GRAMS[1:], ids=str)
def test_one_class(gram, nu, classes):
    X, _ = classes
    ours = OneClassSVM(**gram, nu=nu, tol=1e-7).fit(X)
    theirs = sklearn.svm.OneClassSVM(**gram, nu=nu, tol=1e-7).fit(X)
    assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-4, atol=1e-4)
    assert_allclose(ours.offset_, theirs.offset_, rtol=1e-4, atol=1e-4)
    assert_allclose(ours.decision_function(X), ours.score_samples(X) - ours.offset_, atol=1e-9)
    assert np.mean(ours.decision_function(X) < -1e-6) <= nu + 1e-9
    check_certificate(ours, 1e-7)


@pytest.mark.parametrize(
    "model", [NuSVC(nu=0.3), SVR(), NuSVR(), OneClassSVM(nu=0.2)], ids=lambda model: type(model).__name__
)
def test_weights_are_repetitions_and_sparse_rows_are_dense_ones(model, classes, rng):
    X, y = classes
    X, y = np.where(np.abs(X[:120]) < 0.5, 0.0, X[:120]), y[:120]
    times = rng.integers(0, 4, size=120)
    model.set_params(tol=1e-9, gamma=0.2)
    many = (np.repeat(X, times, axis=0), np.repeat(y, times))
    predict = "decision_function" if hasattr(model, "decision_function") else "predict"
    repeated = getattr(model.fit(*many), predict)(X)
    weighted = getattr(model.fit(X, y, sample_weight=times.astype(float)), predict)(X)
    assert_allclose(weighted, repeated, atol=1e-5)
    S = scipy.sparse.csr_array(X)
    sparse = getattr(model.fit(S, y, sample_weight=times.astype(float)), predict)(S)
    assert_allclose(sparse, weighted, atol=1e-5)
    assert scipy.sparse.issparse(model.dual_coef_)


@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_are_as_good_as_libsvms_and_the_same_each_time(n_classes):
    X, y = make_classification(
        500, 8, n_informative=6, n_classes=n_classes, flip_y=0.1, class_sep=0.8, random_state=1
    )
    ours = SVC(probability=True, random_state=0).fit(X[:300], y[:300])
    theirs = sklearn.svm.SVC(probability=True, random_state=0).fit(X[:300], y[:300])
    p = ours.predict_proba(X[300:])
    assert_allclose(p.sum(axis=1), 1.0)
    assert log_loss(y[300:], p) < log_loss(y[300:], theirs.predict_proba(X[300:])) + 0.02
    assert_array_equal(ours.fit(X[:300], y[:300]).predict_proba(X[300:]), p)
    assert_allclose(ours.predict_log_proba(X[300:]), np.log(p))


def test_probabilities_that_were_not_asked_for_are_not_there(classes):
    X, y = classes
    model = SVC().fit(X, y)
    assert not hasattr(model, "predict_proba")
    with pytest.warns(FutureWarning, match="CalibratedClassifierCV") as caught:
        SVC(probability=True).fit(X, y)
    assert caught[0].filename == __file__
