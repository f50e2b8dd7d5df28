"""The errors of leaving one row out, by brute force; and folds by subtraction against folds by fitting."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, LeaveOneOut, ShuffleSplit

from calclearn._objectives.design import Design
from calclearn._objectives.leave_one_out import Folds, ridge_path
from calclearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV

ALPHAS = [1e-2, 1.0, 50.0]
SHAPES = [(25, 4), (9, 20), (10, 10)]


def data(rng, n, p, K=1):
    X = rng.normal(size=(n, p)) + 2
    Y = X @ rng.normal(size=(p, K)) + 3 * rng.normal(size=(n, K))
    return X, Y[:, 0] if K == 1 else Y


def brute_force(X, Y, weight, intercept=True):
    """Predictions of each row by the fit without it, of shape (n, K, m)."""
    out = np.empty((*Y.shape, len(ALPHAS)))
    for i in range(len(X)):
        rest = np.arange(len(X)) != i
        for a, alpha in enumerate(ALPHAS):
            model = Ridge(alpha, fit_intercept=intercept, solver="svd").fit(X[rest], Y[rest], weight[rest])
            out[i, :, a] = (X[i] @ model.coef_.T) + model.intercept_
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["svd", "eigen", "sparse"])
@pytest.mark.parametrize("intercept", [True, False])
def test_errors_are_those_of_fits_without_the_row(rng, shape, mode, intercept):
    X, Y = data(rng, *shape, K=2)
    weight = rng.integers(0, 3, len(X)) * rng.random(len(X))  # some are zero
    form = scipy.sparse.csr_array if mode == "sparse" else np.asarray
    options = {"alphas": ALPHAS, "fit_intercept": intercept, "store_cv_results": True}
    options["gcv_mode"] = None if mode == "sparse" else mode
    expected = brute_force(X, Y, weight, intercept)
    predictions = RidgeCV(scoring="neg_mean_squared_error", **options).fit(form(X), Y, weight)
    assert_allclose(predictions.cv_results_, expected, rtol=1e-7, atol=1e-8)
    model = RidgeCV(**options).fit(form(X), Y, weight)
    squares = weight[:, None, None] * (Y[:, :, None] - expected) ** 2
    assert_allclose(model.cv_results_, squares, rtol=1e-6, atol=1e-9)
    best = squares.mean(axis=(0, 1)).argmin()
    assert model.alpha_ == ALPHAS[best]
    assert_allclose(model.best_score_, -squares.mean(axis=(0, 1))[best])
    fit = Ridge(model.alpha_, fit_intercept=intercept).fit(X, Y, weight)
    assert_allclose(model.coef_, fit.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.intercept_, fit.intercept_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.optimality_.objective, fit.optimality_.objective)


def test_units_of_the_columns_do_not_spoil_the_errors(rng):
    """A column times 1e7: the Gram matrix says nothing of the others, the singular values of X do."""
    X, y = data(rng, 25, 4)
    X[:, 0] *= 1e7
    model = RidgeCV(alphas=ALPHAS, store_cv_results=True, scoring="r2").fit(X, y)
    assert_allclose(model.cv_results_, brute_force(X, y[:, None], np.ones(25))[:, 0], rtol=1e-5)


def test_a_penalty_a_target(rng):
    X, Y = data(rng, 30, 5, K=3)
    Y[:, 2] = rng.normal(size=30)
    model = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(X, Y)
    alone = [RidgeCV(alphas=ALPHAS).fit(X, Y[:, k]) for k in range(3)]
    assert_allclose(model.alpha_, [m.alpha_ for m in alone])
    assert_allclose(model.best_score_, [m.best_score_ for m in alone])
    assert_allclose(model.coef_, [m.coef_ for m in alone], rtol=1e-9)
    assert len(set(model.alpha_)) > 1


@pytest.mark.parametrize(
    "cv", [4, KFold(5, shuffle=True, random_state=0), LeaveOneOut(), ShuffleSplit(3, random_state=0)]
)
@pytest.mark.parametrize("shape", [(60, 4), (14, 20)])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_folds_are_those_of_a_grid_search(rng, cv, shape, form):
    X, y = data(rng, *shape)
    weight = rng.random(len(y)) + 0.1
    options = {"cv": cv, "scoring": "neg_mean_absolute_error"}
    model = RidgeCV(alphas=[0.0, *ALPHAS], **options).fit(form(X), y, weight)
    search = GridSearchCV(Ridge(), {"alpha": [0.0, *ALPHAS]}, **options).fit(X, y, sample_weight=weight)
    assert model.alpha_ == search.best_params_["alpha"]
    assert_allclose(model.best_score_, search.best_score_, rtol=1e-8)
    assert_allclose(model.coef_, search.best_estimator_.coef_, rtol=1e-8)


def test_a_fold_that_holds_almost_everything_is_fitted_anew(rng):
    """One row 1e9 times the others: what is left of the Gram matrix without it is rounding."""
    X, y = data(rng, 40, 3)
    X[7] *= 1e9
    splits = [(np.delete(np.arange(40), [7, 8]), np.array([7, 8]))]
    alphas = np.array(ALPHAS)
    folds = Folds(Design(X), y[:, None], None, alphas, intercept=True)
    assert folds._without(splits[0][1]) is None
    W, _ = folds.coefficients(*splits[0])
    expected = [Ridge(a).fit(np.delete(X, [7, 8], axis=0), np.delete(y, [7, 8])).coef_ for a in ALPHAS]
    assert_allclose(W[:, :, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [True, False])
def test_one_decomposition_serves_all_penalties(rng, shape, weighted):
    X, y = data(rng, *shape)
    weight = rng.random(len(y)) if weighted else None
    W, b = ridge_path(Design(X), y[:, None], weight, np.array(ALPHAS)).coefficients(np.array(ALPHAS))
    for i, alpha in enumerate(ALPHAS):
        fit = Ridge(alpha).fit(X, y, weight)
        assert_allclose(W[i, :, 0], fit.coef_, rtol=1e-8, atol=1e-10)
        assert_allclose(b[i, 0], fit.intercept_, rtol=1e-8)


def test_float32_is_kept(rng):
    X, y = data(rng, 25, 4)
    for cv in (None, 3):
        model = RidgeCV(cv=cv).fit(X.astype(np.float32), y.astype(np.float32))
        assert model.coef_.dtype == model.intercept_.dtype == np.float32
        assert_allclose(model.coef_, RidgeCV(cv=cv).fit(X, y).coef_, rtol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [1.0, 0.0]}, r"alphas\[1\] == 0.0, must be > 0.0"),
        ({"alphas": [1.0, -1.0], "cv": 3}, r"alphas\[1\] == -1.0, must be >= 0"),
        ({"alphas": [np.nan]}, "alphas must be finite"),
        ({"cv": 3, "store_cv_results": True}, "cv!=None and store_cv_results=True are incompatible"),
        ({"cv": 3, "alpha_per_target": True}, "cv!=None and alpha_per_target=True are incompatible"),
    ],
)
def test_bad_parameters_are_named(rng, parameters, message):
    with pytest.raises(ValueError, match=message):
        RidgeCV(**parameters).fit(*data(rng, 12, 2))


def test_one_row_cannot_be_left_out():
    with pytest.raises(ValueError, match="at least 2 samples"):
        RidgeCV().fit([[1.0]], [1.0])


def test_svd_of_sparse_data_is_deprecated(rng):
    X, y = data(rng, 25, 4)
    with pytest.warns(FutureWarning, match="'svd' mode is not supported for sparse X"):
        RidgeCV(gcv_mode="svd").fit(scipy.sparse.csr_array(X), y)


def test_groups_reach_the_splitter_and_weights_the_scorer(rng):
    X, y = data(rng, 30, 3)
    groups, weight = np.repeat(np.arange(6), 5), rng.random(30)
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(mean_absolute_error, greater_is_better=False).set_score_request(
            sample_weight=True
        )
        model = RidgeCV(cv=GroupKFold(3), scoring=scorer).fit(X, y, sample_weight=weight, groups=groups)
        search = GridSearchCV(
            Ridge().set_fit_request(sample_weight=True),
            {"alpha": (0.1, 1.0, 10.0)},
            cv=GroupKFold(3),
            scoring=scorer,
        ).fit(X, y, sample_weight=weight, groups=groups)
    assert_allclose(model.best_score_, search.best_score_)


# ------------------------------------------------------------------------------------- classifier


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_the_classifier_searches_over_its_targets(rng, n_classes, scoring):
    X, _ = data(rng, 40, 5)
    codes = (X[:, :n_classes] + rng.normal(size=(40, n_classes))).argmax(axis=1)
    labels = np.array(["c", "a", "b"])[codes]
    model = RidgeClassifierCV(alphas=ALPHAS, scoring=scoring, store_cv_results=True).fit(X, labels)
    signs = np.where(
        labels[:, None] == model.classes_[1:] if n_classes == 2 else labels[:, None] == model.classes_, 1, -1
    )
    raw = brute_force(X, signs.astype(float), np.ones(40))
    if scoring is None:
        scores = -((raw - signs[:, :, None]) ** 2).mean(axis=(0, 1))
    else:
        chosen = (raw[:, 0] > 0).astype(int) if n_classes == 2 else raw.argmax(axis=1)
        scores = (model.classes_[chosen] == labels[:, None]).mean(axis=0)
    assert_allclose(model.best_score_, scores.max(), rtol=1e-8)
    assert model.alpha_ == ALPHAS[scores.argmax()]
    assert (model.predict(X) == RidgeClassifier(model.alpha_).fit(X, labels).predict(X)).all()


def test_the_classifier_over_folds_is_a_grid_search(rng):
    X, _ = data(rng, 60, 5)
    labels = (X[:, :3] + rng.normal(size=(60, 3))).argmax(axis=1)
    model = RidgeClassifierCV(alphas=ALPHAS, cv=4).fit(X, labels)
    search = GridSearchCV(RidgeClassifier(), {"alpha": ALPHAS}, cv=4).fit(X, labels)
    assert model.alpha_ == search.best_params_["alpha"]
    assert_allclose(model.best_score_, search.best_score_)


def test_several_labels_at_once(rng):
    X, _ = data(rng, 60, 4)
    Y = (X[:, :2] > 2).astype(int)
    for cv in (None, 3):
        model = RidgeClassifierCV(cv=cv, scoring="accuracy").fit(X, Y)
        assert model.predict(X).shape == Y.shape
        assert 0.5 < model.best_score_ <= 1
