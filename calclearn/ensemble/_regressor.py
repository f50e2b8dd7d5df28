"""Boosted trees that predict numbers."""

import contextlib

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_y, check_consistent_length

from ..base import check_weights, fitting
from ..losses import Loss, get_loss
from ._documentation import documented
from ._estimator import NewtonBoosting
from ._metrics import OF_REGRESSORS, Metric


@documented(OF_REGRESSORS)
class NewtonBoostingRegressor(RegressorMixin, NewtonBoosting):
    r"""Gradient-boosted trees by Newton's steps, for numbers; under any loss, also your own.

    Each round adds a tree that takes the second-order expansion of the loss down,

    .. math::
        \sum_i \left( g_i f(x_i) + \tfrac12 h_i f(x_i)^2 \right)
        + \tfrac{\lambda}{2} \sum_j w_j^2 + \alpha \sum_j |w_j| + \tfrac{\gamma}{2} T,

    with the gradients and Hessians of the loss at the predictions so far, and the weights w of its T leaves.

    Parameters
    ----------
    loss : str, Loss or list of Loss, default="squared_error"
        A name that :func:`calclearn.losses.get_loss` knows, or a loss, your own too.  A list fits one output
        for each, side by side: several quantiles, say.  Where a loss has no curvature, trees are grown on the
        gradients alone, and the values of leaves are the best constants of their rows; where the curvature is
        negative, it counts as none.  Under other losses than the squared and the log loss, a leaf's value is
        halved until it does not raise the training loss of its rows.
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    T. Chen, C. Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.ensemble import NewtonBoostingRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NewtonBoostingRegressor(n_estimators=20, max_depth=3).fit(X, y)
    >>> round(model.score(X, y), 1)
    0.7
    """

    _metrics = OF_REGRESSORS

    def __init__(
        self,
        loss="squared_error",
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
            Targets, in the loss's domain.
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
            For invalid parameters or data, or targets outside the loss's domain.
        """
        losses = self._losses()
        X = self._features(X, reset=True)
        y = self._targets(y, losses)
        check_consistent_length(X, y)
        weight = check_weights(sample_weight, X)
        rows = self._eval_sets(
            eval_set,
            sample_weight_eval_set,
            base_margin_eval_set,
            lambda y: self._targets(y, losses),
            base_margin is not None,
            len(losses),
        )
        return self._boost(X, y, weight, weight, losses, rows, base_margin, len(losses))

    def predict(self, X, *, base_margin=None):
        """Predict the mean of `y`: the loss's inverse link of the raw prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        base_margin : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Known parts of the raw predictions; none by default, whatever `fit` was given.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._prediction(self._raw(X, base_margin))

    def staged_predict(self, X):
        """Predictions after each round.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Yields
        ------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        for raw in self._staged_raw(X):
            yield self._prediction(raw)

    # ---------------------------------------------------------------------------------------- parts

    def _losses(self):
        several = isinstance(self._loss_in_use, list | tuple)
        losses = [get_loss(loss) for loss in (self._loss_in_use if several else [self._loss_in_use])]
        if not losses:
            raise ValueError("loss must hold at least one loss, got an empty list")
        for loss in losses:
            if hasattr(loss, "value_row"):
                raise ValueError(
                    f"loss must have one output, got {loss!r}, which is a loss over rows of raws"
                )
        return losses

    def _targets(self, y, losses):
        y = np.asarray(_check_y(y, y_numeric=True, estimator=self), np.float64)
        for loss in losses:
            loss.check_targets(y)
        return y

    def _prediction(self, raw):
        losses = self._losses()
        means = [np.asarray(loss.mean(raw[:, k])) for k, loss in enumerate(losses)]
        return np.stack(means, axis=1) if isinstance(self._loss_in_use, list | tuple) else means[0]

    def _mean(self, losses, raw):
        return self._prediction(raw)

    def _loss_metric(self, losses):
        def score(y, raw, prediction, weight):
            return losses.mean(y, raw, weight, 1)

        return Metric("loss", score)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if isinstance(self.loss, str | Loss):
            with contextlib.suppress(TypeError, ValueError):  # reported by fit
                tags.target_tags.positive_only = get_loss(self.loss).domain in ("positive", "nonnegative")
        return tags
