"""Ridge regression that finds its penalty: by leaving one row out, or over any folds."""

import numbers
import warnings
from inspect import signature
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin, is_classifier
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import check_scalar
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params

from .._objectives.design import Design
from .._objectives.leave_one_out import Folds, ridge_path
from .._objectives.ridge import ridge
from ..base import Interval, Real, StrOptions, check_weights, fitting, thread_count, validate
from ._ridge import LabelsAsNumbers, LinearPredictor, Ridge, RidgeClassifier


class _Predictions(RegressorMixin, BaseEstimator):
    """Predicts what it is given: a scorer then scores predictions."""

    def predict(self, X):
        return X


class _Scores(ClassifierMixin, BaseEstimator):
    """Predicts classes from the scores that it is given."""

    def __init__(self, classes, multilabel):
        self.classes_, self.multilabel = classes, multilabel

    def decision_function(self, X):
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X):
        if self.multilabel:
            return (X > 0).astype(int)
        return self.classes_[(X[:, 0] > 0).astype(int) if X.shape[1] == 1 else X.argmax(axis=1)]


class BaseRidgeCV(LinearPredictor):
    """What the two estimators share: the search."""

    _parameter_constraints: ClassVar[dict] = {
        "alphas": ["array-like", Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        "gcv_mode": [StrOptions({"auto", "svd", "eigen"}), None],
        "store_cv_results": ["boolean"],
        "alpha_per_target": ["boolean"],
    }
    gcv_mode = None
    alpha_per_target = False

    def _search(self, X, y, Y, weight, params):
        """Find alpha and fit with it: `y` as given, `Y` the targets of shape (n, K) or (n,)."""
        alphas = self._alphas()
        scorer = self._get_scorer()
        for name in ("store_cv_results", "alpha_per_target"):
            if self.cv is not None and getattr(self, name):
                raise ValueError(f"cv!=None and {name}=True are incompatible")
        if _routing_enabled():
            routed = process_routing(self, "fit", **params)
            score_params, split_params = routed.scorer.score, routed.splitter.split
        else:
            score_params, split_params = params if self._weighted(scorer, params) else {}, {}
        columns = np.asarray(Y, np.float64).reshape(len(Y), -1)
        design = Design(X, thread_count())
        with self._progress(0, X=X, y=y):
            if self.cv is None:
                fit = self._leave_one_out(design, y, Y, columns, weight, alphas, scorer, score_params)
            else:
                fit = self._folds(design, y, columns, weight, alphas, scorer, score_params, split_params)
        self._keep(fit.coef, fit.intercept, np.ndim(Y) == 1, X.dtype)
        self.optimality_ = fit.optimality

    def _weighted(self, scorer, params):
        """Whether the scorer is to get the weights: where there are any, and it takes them."""
        if not params:
            return False
        accepts = getattr(scorer, "_accept_sample_weight", None)
        accepted = accepts() if accepts else "sample_weight" in signature(scorer).parameters
        if not accepted:
            warnings.warn(
                f"The scoring {scorer} does not support sample_weight: the scores are not weighted",
                UserWarning,
                stacklevel=7,
            )
        return accepted

    def _alphas(self):
        """The penalties to try, of shape (m,)."""
        several = np.ndim(self.alphas) > 0
        closed = "neither" if self.cv is None else "left"
        for i, alpha in enumerate(self.alphas if several else [self.alphas]):
            name = f"alphas[{i}]" if several and len(self.alphas) > 1 else "alphas"
            check_scalar(alpha, name, numbers.Real, min_val=0.0, include_boundaries=closed)
        alphas = np.asarray(self.alphas, np.float64).ravel()
        if not len(alphas) or not np.isfinite(alphas).all():
            raise ValueError(f"alphas must be finite, and at least one, got {self.alphas!r}")
        return alphas

    # -------------------------------------------------------------------------------- one row left out

    def _leave_one_out(self, design, y, Y, columns, weight, alphas, scorer, score_params):
        n, K = columns.shape
        if n == 1 and self.fit_intercept:
            raise ValueError("leaving one row out needs at least 2 samples, got n_samples=1")
        mode = "svd" if self.gcv_mode == "svd" else "eigen"
        if mode == "svd" and design.sparse:
            warnings.warn(
                "The 'svd' mode is not supported for sparse X, we fallback to `gcv_mode='eigen'`. Passing "
                "`gcv_mode='svd'` on sparse X will raise an error in 1.11, use the default or pass "
                "`gcv_mode='eigen'` to suppress this warning.",
                FutureWarning,
                stacklevel=7,
            )
            mode = "eigen"
        path = ridge_path(design, columns, weight, alphas, intercept=self.fit_intercept, mode=mode)
        errors = path.errors(alphas)
        each = self.alpha_per_target and K > 1
        if self.scoring is None:
            results = np.square(errors) if weight is None else np.square(errors) * weight[:, None, None]
            scores = -results.mean(axis=0 if each else (0, 1))
        else:
            results = columns[:, :, None] - errors
            score = self._scores_of(y, each, scorer, score_params)
            scores = np.stack([score(results[:, :, i]) for i in range(len(alphas))], axis=-1)
        best = np.argmax(np.where(np.isnan(scores), -np.inf, scores), axis=-1)
        if each:
            self.alpha_, self.best_score_ = alphas[best], scores[np.arange(K), best]
        else:
            self.alpha_, self.best_score_ = float(alphas[best]), float(scores[best])
        if self.store_cv_results:
            self.cv_results_ = (results[:, 0] if np.ndim(Y) == 1 else results).astype(design.dtype)
        return path.fit(np.broadcast_to(alphas[best], (K,)))

    def _scores_of(self, y, each, scorer, params):
        """The function from predictions (n, K) to a score, or one a target."""
        if is_classifier(self):
            model = _Scores(self.classes_, self._multilabel)
            return lambda predictions: scorer(model, predictions, y, **params)
        model = _Predictions()
        if each:
            return lambda predictions: np.array(
                [scorer(model, predictions[:, k], y[:, k], **params) for k in range(y.shape[1])]
            )
        return lambda predictions: scorer(model, predictions.reshape(np.shape(y)), y, **params)

    # ------------------------------------------------------------------------------------ any other folds

    def _folds(self, design, y, columns, weight, alphas, scorer, score_params, split_params):
        X, dtype = design.X, design.dtype
        folds = Folds(design, columns, weight, alphas, intercept=self.fit_intercept)
        splits = check_cv(self.cv, y, classifier=is_classifier(self)).split(X, y, **split_params)
        model = self._blank(X.shape[1])
        scores = []
        for train, test in splits:
            train, test = _indices(train), _indices(test)
            W, b = folds.coefficients(train, test)
            X_test, y_test = X[test], y[test]
            params = _check_method_params(X, score_params, indices=test)
            scores.append([])
            for coef, intercept in zip(W, b, strict=True):
                model._keep(coef.T, intercept, np.ndim(y) == 1 and not is_classifier(self), dtype)
                scores[-1].append(scorer(model, X_test, y_test, **params))
        mean = np.mean(np.asarray(scores, np.float64), axis=0)
        best = int(np.argmax(np.where(np.isnan(mean), -np.inf, mean)))
        self.alpha_, self.best_score_ = float(alphas[best]), float(mean[best])
        return ridge(
            design,
            columns,
            weight,
            np.full(columns.shape[1], self.alpha_),
            intercept=self.fit_intercept,
        )

    def _blank(self, n_features):
        """An estimator for scorers, to which coefficients are given."""
        if is_classifier(self):
            model = RidgeClassifier(fit_intercept=self.fit_intercept)
            model.classes_, model._multilabel = self.classes_, self._multilabel
        else:
            model = Ridge(fit_intercept=self.fit_intercept)
        model.n_features_in_ = n_features
        return model

    # ------------------------------------------------------------------------------------------- routing

    def get_metadata_routing(self):
        """Where ``fit`` sends metadata: to the scorer's ``score`` and the splitter's ``split``.

        Returns
        -------
        routing : MetadataRouter
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                scorer=self._get_scorer(),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
            .add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        )

    def _get_scorer(self):
        if _routing_enabled() and self.scoring is None:
            default = get_scorer("accuracy" if is_classifier(self) else "r2")
            return default.set_score_request(sample_weight=True)
        return check_scoring(estimator=self, scoring=self.scoring, allow_none=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _indices(rows):
    """Row numbers, of a mask too."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


class RidgeCV(MultiOutputMixin, RegressorMixin, BaseRidgeCV):
    r"""Ridge regression with the penalty that predicts best what it has not seen.

    See :class:`Ridge` for what is minimised.  By default each row is left out in turn: one decomposition
    gives the errors for all rows and all penalties.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to try; positive, or with `cv` not negative.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    scoring : str, callable or None, default=None
        What to maximise; None is the negative mean squared error for rows left out, :math:`R^2` with `cv`.
    cv : int, splitter, iterable or None, default=None
        Folds; None leaves out one row after another.  The Gram matrix of all rows less that of the fold
        serves a fold, where there are more rows than columns.
    gcv_mode : {"auto", "svd", "eigen"} or None, default=None
        "eigen" (and "auto") decomposes the Gram matrix of the columns or of the rows, whichever is smaller;
        "svd" X itself, for which it must be dense.
    store_cv_results : bool, default=False
        Keep the errors, or the predictions, in ``cv_results_``.
    alpha_per_target : bool, default=False
        Find a penalty for each target.

    Attributes
    ----------
    cv_results_ : ndarray of shape (n_samples, n_alphas) or (n_samples, n_targets, n_alphas)
        The squared errors of the rows left out, times their weights; with `scoring` their predictions.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    alpha_ : float or ndarray of shape (n_targets,)
        The penalty found.
    best_score_ : float or ndarray of shape (n_targets,)
        Its score.
    optimality_ : Optimality
        Of the fit with that penalty, as in :class:`Ridge`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    Ridge : With a given penalty.
    RidgeClassifierCV : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import RidgeCV
    >>> X = np.arange(10.0)[:, None]
    >>> RidgeCV(alphas=[0.01, 1.0, 100.0]).fit(X, 2 * X[:, 0] + 1).alpha_
    0.01
    """

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        gcv_mode=None,
        store_cv_results=False,
        alpha_per_target=False,
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target

    @fitting
    def fit(self, X, y, sample_weight=None, **params):
        """Find the penalty, and fit with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; they count in the scores, too.
        **params : dict
            Metadata for the scorer and the splitter, where routing is enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, or data that are not finite.
        """
        _raise_for_params(params, self, "fit")
        X, y = validate(self, X, y, multi_output=True, y_numeric=True)
        weight = check_weights(sample_weight, X)
        if weight is not None:
            params["sample_weight"] = weight
        self.__dict__.pop("cv_results_", None)
        self._search(X, y, y, weight, params)
        return self

    def predict(self, X):
        """Predict `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        return self._raw(X)


class RidgeClassifierCV(LabelsAsNumbers, BaseRidgeCV):
    """Classification by ridge regression, with the penalty that predicts best what it has not seen.

    See :class:`RidgeCV` for the search, and :class:`RidgeClassifier` for the targets.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Penalties to try; positive, or with `cv` not negative.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    scoring : str, callable or None, default=None
        What to maximise; None is the negative mean squared error for rows left out, accuracy with `cv`.
    cv : int, splitter, iterable or None, default=None
        Folds; None leaves out one row after another.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; "balanced" gives all the same total.
    store_cv_results : bool, default=False
        Keep the errors, or the predictions, in ``cv_results_``.

    Attributes
    ----------
    cv_results_ : ndarray of shape (n_samples, n_targets, n_alphas)
        The squared errors of the rows left out, times their weights; with `scoring` their predictions.
    coef_ : ndarray of shape (n_features,) or (n_classes, n_features)
        Coefficients; for two classes of one target.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    alpha_ : float
        The penalty found.
    best_score_ : float
        Its score.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    optimality_ : Optimality
        Of the fit with that penalty, as in :class:`Ridge`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    RidgeClassifier : With a given penalty.
    LogisticRegressionCV : Classification with probabilities.

    Examples
    --------
    >>> from calclearn.linear_model import RidgeClassifierCV
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> RidgeClassifierCV().fit(X, ["a", "a", "b", "b"]).predict([[0.5], [2.5]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict] = {
        **{
            name: constraint
            for name, constraint in BaseRidgeCV._parameter_constraints.items()
            if name not in ("gcv_mode", "alpha_per_target")
        },
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        class_weight=None,
        store_cv_results=False,
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.class_weight = class_weight
        self.store_cv_results = store_cv_results

    @fitting
    def fit(self, X, y, sample_weight=None, **params):
        """Find the penalty, and fit with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators of several labels.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        **params : dict
            Metadata for the scorer and the splitter, where routing is enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, or data that are not finite.
        """
        _raise_for_params(params, self, "fit")
        X, y, Y, weight = self._binarised(X, y, sample_weight)
        if weight is not None:
            params["sample_weight"] = weight
        elif _routing_enabled():  # the scorer may insist on it
            params["sample_weight"] = np.ones(len(Y))
        self.__dict__.pop("cv_results_", None)
        self._search(X, y, Y, weight, params)
        return self
