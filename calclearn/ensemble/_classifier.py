"""Boosted trees that predict classes."""

from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_y, check_consistent_length, column_or_1d

from ..base import Interval, Real, StrOptions, check_weights, classes_and_codes, fitting
from ..losses import Loss, get_loss, pointwise
from ._documentation import documented
from ._estimator import NewtonBoosting
from ._metrics import OF_CLASSIFIERS, Metric

LABELS = {"unit": (0.0, 1.0), "sign": (-1.0, 1.0)}  # of the first and the second class, by a loss's domain
# Metrics of two classes, and of several.
NEED_PROBABILITIES = (("logloss", "mlogloss"), ("logloss", "mlogloss", "auc"))


def _states_probabilities(estimator):
    """Whether the loss's mean says how probable a class is."""
    try:
        loss = estimator._loss()
    except (TypeError, ValueError):  # reported by fit
        return True
    return hasattr(loss, "mean_row") or (loss.domain in LABELS and type(loss).mean is not Loss.mean)


@documented(OF_CLASSIFIERS)
class NewtonBoostingClassifier(ClassifierMixin, NewtonBoosting):
    r"""Gradient-boosted trees by Newton's steps, for classes; under any loss of labels, also your own.

    Each round adds a tree that takes the second-order expansion of the loss down,

    .. math::
        \sum_i \left( g_i f(x_i) + \tfrac12 h_i f(x_i)^2 \right)
        + \tfrac{\lambda}{2} \sum_j w_j^2 + \alpha \sum_j |w_j| + \tfrac{\gamma}{2} T,

    with the gradients and Hessians of the loss at the predictions so far, and the weights w of its T leaves.
    Of several classes, each has a tree in every round.

    Parameters
    ----------
    loss : str or Loss, default="log_loss"
        The log loss of two or of several classes, or a name that :func:`calclearn.losses.get_loss` knows, or
        a loss of labels, your own too.  A loss of one output takes several classes one against the rest.
        Where a loss has no curvature, trees are grown on the gradients alone, and the values of leaves are
        the best constants of their rows; where the curvature is negative, it counts as none.  Under other
        losses than the squared and the log loss, a leaf's value is halved until it does not raise the
        training loss of its rows.
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        By what the weights of a class's rows are multiplied; "balanced" gives all classes the same total.
    scale_pos_weight : float, default=None
        The same for ``classes_[1]`` of two classes alone.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    {attributes}

    References
    ----------
    T. Chen, C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.ensemble import NewtonBoostingClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = NewtonBoostingClassifier(n_estimators=10).fit(X, y)
    >>> model.predict(X.iloc[:3]).tolist(), model.score(X, y) > 0.97
    ([0, 0, 0], True)
    """

    _parameter_constraints: ClassVar[dict] = NewtonBoosting._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "scale_pos_weight": [Interval(Real, 0, None, closed="neither"), None],
    }
    _metrics = OF_CLASSIFIERS

    def __init__(
        self,
        loss="log_loss",
        *,
        n_estimators=100,
        learning_rate=0.3,
        max_depth=6,
        max_leaves=0,
        grow_policy="depthwise",
        max_bin=256,
        min_child_weight=1.0,
        min_child_samples=0,
        gamma=0.0,
        reg_lambda=1.0,
        reg_alpha=0.0,
        max_delta_step=0.0,
        subsample=1.0,
        colsample_bytree=1.0,
        colsample_bylevel=1.0,
        colsample_bynode=1.0,
        base_score=None,
        monotone_constraints=None,
        interaction_constraints=None,
        categorical_features="from_dtype",
        class_weight=None,
        scale_pos_weight=None,
        eval_metric=None,
        early_stopping_rounds=None,
        validation_fraction=None,
        importance_type="gain",
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.loss = loss
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.grow_policy = grow_policy
        self.max_bin = max_bin
        self.min_child_weight = min_child_weight
        self.min_child_samples = min_child_samples
        self.gamma = gamma
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.max_delta_step = max_delta_step
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.colsample_bylevel = colsample_bylevel
        self.colsample_bynode = colsample_bynode
        self.base_score = base_score
        self.monotone_constraints = monotone_constraints
        self.interaction_constraints = interaction_constraints
        self.categorical_features = categorical_features
        self.class_weight = class_weight
        self.scale_pos_weight = scale_pos_weight
        self.eval_metric = eval_metric
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.importance_type = importance_type
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fitting
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        eval_set=None,
        sample_weight_eval_set=None,
        base_margin=None,
        base_margin_eval_set=None,
    ):
        """Boost trees.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; NaN is missing, absent entries of a sparse matrix are zeros.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        eval_set : list of (X, y), default=None
            Rows that are not learned from; after each round they are scored.
        sample_weight_eval_set : list of array-like, default=None
            Their weights.
        base_margin : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Known parts of the raw predictions; `base_score` is then left out.
        base_margin_eval_set : list of array-like, default=None
            The same for the rows of `eval_set`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, one class only, or labels of `eval_set` that `y` has not.
        """
        X = self._features(X, reset=True)
        y = _check_y(y, estimator=self)
        check_consistent_length(X, y)
        classes, codes = classes_and_codes(y)
        if len(classes) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {classes[0]!r}")
        if self.warm_start and hasattr(self, "classes_") and not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"warm_start=True goes on from a fit of classes {self.classes_.tolist()}; these data have "
                f"{classes.tolist()}"
            )
        self.classes_ = classes
        given = check_weights(sample_weight, X)
        weight = self._weights(given, y, codes)
        losses, n_outputs = self._outputs()
        rows = self._eval_sets(
            eval_set,
            sample_weight_eval_set,
            base_margin_eval_set,
            self._codes_of,
            base_margin is not None,
            n_outputs,
        )
        return self._boost(X, codes, weight, given, losses, rows, base_margin, n_outputs)

    def decision_function(self, X, *, base_margin=None):
        """The raw predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        base_margin : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Known parts of the raw predictions; none by default, whatever `fit` was given.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, how much speaks for ``classes_[1]``.
        """
        return self._scores(self._raw(X, base_margin))

    def staged_decision_function(self, X):
        """The raw predictions after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Yields
        ------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        for raw in self._staged_raw(X):
            yield self._scores(raw)

    def predict(self, X, *, base_margin=None):
        """The most probable labels, or those with the highest scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        base_margin : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            As in `decision_function`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._labels(self._raw(X, base_margin))

    def staged_predict(self, X):
        """Labels after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Yields
        ------
        y : ndarray of shape (n_samples,)
        """
        for raw in self._staged_raw(X):
            yield self._labels(raw)

    @available_if(_states_probabilities)
    def predict_proba(self, X, *, base_margin=None):
        """Probabilities of the classes, for losses whose mean tells them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        base_margin : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            As in `decision_function`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._probabilities(self._raw(X, base_margin))

    @available_if(_states_probabilities)
    def staged_predict_proba(self, X):
        """Probabilities after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Yields
        ------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        for raw in self._staged_raw(X):
            yield self._probabilities(raw)

    # ---------------------------------------------------------------------------------------- parts

    def _loss(self):
        """The loss, of two or of several classes."""
        several = hasattr(self, "classes_") and len(self.classes_) > 2
        if several and isinstance(self._loss_in_use, str) and self._loss_in_use == "log_loss":
            return get_loss("multinomial_log_loss")
        return get_loss(self._loss_in_use)

    def _outputs(self):
        """`(losses, n_outputs)`: one of all classes, one of two, or one for each against the rest."""
        loss, K = self._loss(), len(self.classes_)
        if hasattr(loss, "value_row"):
            return [loss], K
        if loss.domain not in LABELS:
            raise ValueError(
                f"loss must be one of labels, got {loss!r}, whose targets are {loss.domain} numbers"
            )
        if self.eval_metric in NEED_PROBABILITIES[K > 2] and not _states_probabilities(self):
            raise ValueError(f"eval_metric={self.eval_metric!r} needs probabilities, which {loss!r} has not")
        return ([loss], 1) if K == 2 else ([loss] * K, K)

    def _encoded(self, codes, losses):
        """Targets in the loss's domain: of shape (n,), or (n, K) for one against the rest."""
        if losses.by_rows:
            return codes.astype(np.float64)
        low, high = LABELS[losses.losses[0].domain]
        if losses.n_outputs == 1:
            return np.where(codes == 1, high, low)
        return np.where(codes[:, None] == np.arange(losses.n_outputs), high, low)

    def _codes_of(self, y):
        """Indices of labels; a ValueError for one that was not seen in `y`."""
        y = column_or_1d(y)
        codes = np.searchsorted(self.classes_, y)
        codes = np.minimum(codes, len(self.classes_) - 1)
        if unseen := sorted(set(np.asarray(y)[self.classes_[codes] != y].tolist())):
            raise ValueError(f"eval_set has labels that y has not: {unseen}")
        return codes

    def _weights(self, weight, y, codes):
        """Weights of the rows, times those of their classes; None where all are one."""
        if self.scale_pos_weight is not None:
            if self.class_weight is not None:
                raise ValueError("class_weight and scale_pos_weight say the same thing: give one of them")
            if len(self.classes_) > 2:
                raise ValueError(f"scale_pos_weight is for two classes, got {len(self.classes_)}")
            of_class = np.array([1.0, float(self.scale_pos_weight)])
        elif self.class_weight is not None:
            given = {} if weight is None else {"sample_weight": weight}
            with np.errstate(divide="ignore"):
                of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y, **given)
        else:
            return weight
        of_rows = of_class[codes]
        if weight is not None:
            with np.errstate(invalid="ignore"):  # a class without weight is balanced by infinity
                of_rows = np.where(weight > 0, weight * of_rows, 0.0)
        weight = of_rows
        if not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
            raise ValueError(
                "class_weight must leave weights that are finite, not negative, and not all zero, got "
                f"{self.class_weight!r}"
            )
        return weight

    def _scores(self, raw):
        if raw.shape[1] == 1:
            return raw[:, 0]
        return raw[:, 1] - raw[:, 0] if len(self.classes_) == 2 else raw

    def _labels(self, raw):
        if _states_probabilities(self):
            return self.classes_[self._probabilities(raw).argmax(axis=1)]
        scores = self._scores(raw)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    def _probabilities(self, raw):
        loss = self._loss()
        if hasattr(loss, "mean_row"):
            return pointwise.mean(loss, raw)
        p = np.asarray(loss.mean(raw))
        p = 0.5 + 0.5 * p if loss.domain == "sign" else p
        if p.shape[1] == 1:
            return np.hstack([1.0 - p, p])
        total = p.sum(axis=1, keepdims=True)
        return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])

    def _mean(self, losses, raw):
        return self._probabilities(raw) if _states_probabilities(self) else raw

    def _loss_metric(self, losses):
        def score(codes, raw, prediction, weight):
            return losses.mean(self._encoded(codes, losses), raw, weight, 1)

        return Metric("loss", score)
