"""Cross-validated logistic regression: paths are separate fits, in scikit-learn's shapes, and certified."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV as Theirs
from sklearn.metrics import get_scorer, make_scorer, recall_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import LogisticRegression, LogisticRegressionCV

QUIET = {"l1_ratios": (0,), "scoring": "neg_log_loss", "use_legacy_attributes": False}
CS = [0.01, 1.0, 10.0]
SOLVERS = ["auto", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[::3, :8], y[::3]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_each_point_of_a_path_is_a_fit_of_its_own(data, fit_intercept, request):
    X, y = request.getfixturevalue(data)
    folds = list(StratifiedKFold(3).split(X, y))
    model = LogisticRegressionCV(
        Cs=CS, cv=folds, tol=1e-9, fit_intercept=fit_intercept, **QUIET | {"l1_ratios": [0.0, 0.5]}
    ).fit(X, y)
    scorer = get_scorer("neg_log_loss")
    for i, (train, test) in enumerate(folds):
        for j, ratio in enumerate([0.0, 0.5]):
            for k, C in enumerate(CS):
                alone = LogisticRegression(C=C, l1_ratio=ratio, tol=1e-9, fit_intercept=fit_intercept)
                alone.fit(X[train], y[train])
                path = model.coefs_paths_[i, j, k]
                assert_allclose(path[:, : X.shape[1]], alone.coef_, atol=2e-6)
                if fit_intercept:
                    assert_allclose(path[:, -1], alone.intercept_, atol=2e-6)
                assert model.scores_[i, j, k] == pytest.approx(scorer(alone, X[test], y[test]), rel=1e-5)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("data", ["cancer", "iris"])
@pytest.mark.parametrize("l1_ratios", [None, (0.0,), np.array([0.0, 1.0])], ids=["None", "l2", "both"])
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.filterwarnings("ignore:'l1_ratios=None'")
def test_attributes_are_scikit_learns(legacy, data, l1_ratios, refit, request):
    X, y = request.getfixturevalue(data)
    parameters = {"Cs": [0.01, 0.1], "cv": 3, "l1_ratios": l1_ratios, "refit": refit, "max_iter": 500}
    parameters |= {"use_legacy_attributes": legacy, "scoring": "neg_log_loss", "tol": 1e-5}
    ours = LogisticRegressionCV(**parameters).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # saga's, whose values are not looked at
        rough = l1_ratios is not None and 1.0 in l1_ratios
        theirs = Theirs(solver="saga" if rough else "lbfgs", **parameters).fit(X, y)
    for name in ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "coef_", "intercept_", "scores_", "coefs_paths_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert type(mine) is type(other), name
        if isinstance(mine, dict):
            assert mine.keys() == other.keys()
            mine, other = np.array(list(mine.values())), np.array(list(other.values()))
        assert np.shape(mine) == np.shape(other)
        if rough:
            continue
        if np.asarray(mine).dtype == object:
            assert mine.tolist() == other.tolist()
        else:
            assert_allclose(mine, other, rtol=1e-3, atol=5e-3, err_msg=name)
    assert ours.n_iter_.shape == theirs.n_iter_.shape


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_solvers_choose_the_same(solver, cancer):
    X, y = cancer
    model = LogisticRegressionCV(Cs=CS, cv=3, solver=solver, tol=1e-6, max_iter=5000, random_state=0, **QUIET)
    theirs = Theirs(Cs=CS, cv=3, solver="lbfgs", tol=1e-8, max_iter=5000, **QUIET).fit(X, y)
    assert model.fit(X, y).C_ == theirs.C_
    assert_allclose(model.coef_, theirs.coef_, atol={"liblinear": 0.05}.get(solver, 1e-3))


@pytest.mark.parametrize("l1_ratios", [(0,), (0.5, 1)])
@pytest.mark.parametrize("refit", [True, False])
def test_the_certificate_belongs_to_the_coefficients_kept(cancer, l1_ratios, refit):
    X, y = cancer
    model = LogisticRegressionCV(Cs=CS, cv=3, refit=refit, **QUIET | {"l1_ratios": l1_ratios}).fit(X, y)
    C, ratio, w = model.C_, model.l1_ratio_, model.coef_

    def objective(model):
        rows = -model.predict_log_proba(X)[np.arange(len(y)), y]
        w = model.coef_
        return C * rows.sum() + 0.5 * (1 - ratio) * np.sum(w * w) + ratio * np.abs(w).sum()

    assert model.optimality_.objective == pytest.approx(objective(model), rel=1e-10)
    best = objective(LogisticRegression(C=C, l1_ratio=ratio, tol=1e-12, max_iter=1000).fit(X, y))
    certificate = model.optimality_
    bound = certificate.duality_gap if ratio else certificate.suboptimality_bound
    assert -1e-9 * best <= certificate.objective - best <= bound + 1e-9 * best
    assert (certificate.converged is None) == (not refit)
    assert w.shape == (1, 8)


def test_weights_are_repetition_of_rows_in_their_folds(cancer, rng):
    X, y = cancer
    times = rng.integers(1, 4, size=len(y))
    fold = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), times)

    def splits(fold):
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]

    weighted = LogisticRegressionCV(Cs=CS, cv=splits(fold), tol=1e-9, **QUIET).fit(X, y, sample_weight=times)
    repeated = LogisticRegressionCV(Cs=CS, cv=splits(fold[rows]), tol=1e-9, **QUIET).fit(X[rows], y[rows])
    assert_allclose(weighted.scores_, repeated.scores_, rtol=1e-7)
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0}])
def test_class_weights_are_those_of_all_rows(cancer, class_weight):
    X, y = cancer
    parameters = {"Cs": CS, "cv": 3, "class_weight": class_weight, **QUIET}
    ours = LogisticRegressionCV(tol=1e-8, **parameters).fit(X, y)
    theirs = Theirs(tol=1e-9, max_iter=1000, **parameters).fit(X, y)
    assert_allclose(ours.scores_, theirs.scores_, rtol=1e-5)
    with pytest.raises(ValueError, match="class labels as keys"):
        LogisticRegressionCV(**parameters | {"class_weight": {2: 1.0}}).fit(X, y)


def test_threads_and_the_form_of_x_do_not_matter(cancer):
    X, y = cancer
    one = LogisticRegressionCV(Cs=CS, cv=3, **QUIET).fit(X, y)
    two = LogisticRegressionCV(Cs=CS, cv=3, n_jobs=2, **QUIET).fit(X, y)
    assert (one.coefs_paths_ == two.coefs_paths_).all()
    for form in (scipy.sparse.csc_array, scipy.sparse.csr_matrix, np.asfortranarray):
        assert_allclose(
            LogisticRegressionCV(Cs=CS, cv=3, **QUIET).fit(form(X), y).coef_, one.coef_, atol=1e-4
        )
    single = LogisticRegressionCV(Cs=CS, cv=3, **QUIET).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert_allclose(single.coef_, one.coef_, atol=2e-2)


def test_a_class_may_be_missing_from_a_fold(iris):
    X, y = iris
    folds = [(np.flatnonzero(y != label), np.flatnonzero(y == label)) for label in np.unique(y)]
    model = LogisticRegressionCV(Cs=[1.0], cv=folds, **QUIET).fit(X, y)
    assert np.isfinite(model.scores_).all()
    assert np.isfinite(model.coefs_paths_).all()


def test_metadata_go_to_the_splitter_and_the_scorer(cancer):
    X, y = cancer
    weight = 1.0 + np.arange(len(y)) % 2
    groups = np.arange(len(y)) % 4
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(recall_score).set_score_request(sample_weight=True)
        model = LogisticRegressionCV(Cs=CS, cv=GroupKFold(2), **QUIET | {"scoring": scorer})
        model.set_fit_request(sample_weight=True)
        routed = model.fit(X, y, sample_weight=weight, groups=groups)
        assert routed.score(X, y, sample_weight=weight) == recall_score(
            y, routed.predict(X), sample_weight=weight
        )
    folds = list(GroupKFold(2).split(X, y, groups))
    plain = LogisticRegressionCV(Cs=CS, cv=folds, **QUIET | {"scoring": make_scorer(recall_score)})
    assert_allclose(plain.fit(X, y, sample_weight=weight).scores_, routed.scores_)


def test_what_will_change_is_announced(cancer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LogisticRegressionCV(Cs=2, cv=2).fit(*cancer)
    assert {warning.filename for warning in caught} == {__file__}
    messages = [str(warning.message) for warning in caught]
    for start in ("The default value for l1_ratios", "The default value of the parameter 'scoring'"):
        assert any(message.startswith(start) for message in messages)
    assert any("use_legacy_attributes" in message for message in messages)
    with pytest.warns(FutureWarning, match="'penalty' was deprecated"):
        LogisticRegressionCV(penalty="l2", Cs=2, cv=2, **QUIET | {"l1_ratios": None}).fit(*cancer)


def test_one_warning_says_how_many_fits_ran_out_of_iterations(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning, match="iteration limit.*for 6 of 6 fits") as caught:
        LogisticRegressionCV(Cs=CS, cv=2, solver="lbfgs", max_iter=1, tol=1e-12, **QUIET).fit(X, y)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Cs": [0.0, 1.0]}, "Cs must be positive"),
        ({"Cs": 0}, "'Cs' parameter"),
        ({"l1_ratios": [0.5, 2]}, "l1_ratios must be an array-like of numbers between 0 and 1"),
        ({"l1_ratios": [1], "solver": "lbfgs"}, "lbfgs supports only 'l2'"),
        ({"scoring": "cosine"}, "'scoring' parameter"),
        ({"refit": "yes"}, "'refit' parameter"),
    ],
)
def test_bad_parameters_are_named(cancer, parameters, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegressionCV(**QUIET | parameters).fit(*cancer)


def test_a_fold_without_weight_is_an_error(cancer):
    X, y = cancer
    weight = (np.arange(len(y)) < len(y) // 2).astype(float)
    half = np.flatnonzero(weight), np.flatnonzero(weight == 0)
    with pytest.raises(ValueError, match="training rows of a fold are zero"):
        LogisticRegressionCV(cv=[half[::-1]], **QUIET).fit(X, y, sample_weight=weight)


def test_wide_data(rng):
    X, y = make_classification(40, 80, n_informative=10, random_state=0)
    ours = LogisticRegressionCV(Cs=CS, cv=3, tol=1e-7, **QUIET).fit(X, y)
    theirs = Theirs(Cs=CS, cv=3, tol=1e-8, max_iter=1000, **QUIET).fit(X, y)
    assert_allclose(ours.scores_, theirs.scores_, rtol=1e-4)
    assert ours.C_ == theirs.C_
