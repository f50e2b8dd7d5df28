"""Networks that classify."""

from typing import ClassVar

import numpy as np
import scipy.special
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from ..base import Interval, Real, StrOptions, fitting
from ..losses import LogLoss, Loss, MultinomialLogLoss, get_loss, pointwise
from ._documentation import documented
from ._estimator import MultilayerPerceptron
from ._losses import SmoothedLogLoss

LABELS = {"unit": (0.0, 1.0), "sign": (-1.0, 1.0), "real": (-1.0, 1.0)}  # of no and yes, by domain


def _is_stochastic(estimator) -> bool:
    if not estimator._is_stochastic:
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


def _states_probabilities(estimator) -> bool:
    """Whether the loss says what raw predictions are: then there is ``predict_proba``."""
    loss = estimator._loss_in_use
    if loss is None:
        return True
    loss = get_loss(loss)
    if hasattr(loss, "value_row"):
        return hasattr(loss, "mean_row")
    return loss.domain in ("unit", "sign") and type(loss).mean is not Loss.mean


@documented
class MLPClassifier(ClassifierMixin, MultilayerPerceptron):
    """A multilayer perceptron that classifies: scikit-learn's, and more.

    Minimises the mean loss of the rows and an L2 penalty of the weights, by steps on batches or by L-BFGS.
    From the same `random_state` it draws the weights and batches that scikit-learn draws.

    Parameters
    ----------
    {parameters}
    label_smoothing : float, default=0.0
        Share of each target that is given to all classes alike; for log losses.
    class_weight : dict or "balanced", default=None
        Weights of the classes, which multiply the sample weights.
    loss : str or Loss, default=None
        What is minimised: None for the log-loss; or any loss of :mod:`calclearn.losses`, or your own.  A loss
        of one output takes several classes each against the rest.
    {extras}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    {attributes}

    See Also
    --------
    MLPRegressor : The same for numbers.
    calclearn.inspection.check_gradients : Holds backpropagation against finite differences.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from calclearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((20,), activation="gelu", learning_rate_init=0.01, tol=1e-3, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **MultilayerPerceptron._parameter_constraints,
        "loss": [str, Loss, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        label_smoothing=0.0,
        class_weight=None,
        loss=None,
        dropout=0.0,
        batch_norm=False,
        layer_norm=False,
        residual=False,
        clip_norm=None,
        weight_decay=0.0,
        init="glorot",
        optimizer=None,
        schedule=None,
        dtype=None,
        restore_best=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.loss = loss
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.residual = residual
        self.clip_norm = clip_norm
        self.weight_decay = weight_decay
        self.init = init
        self.optimizer = optimizer
        self.schedule = schedule
        self.dtype = dtype
        self.restore_best = restore_best

    # ------------------------------------------------------------------------------------------- the problem

    _reported = 1.0  # by what the loss is multiplied in `loss_`

    def _validate_targets(self, X, y, *, incremental, reset):
        """X and the labels, which may be an indicator of several."""
        X, y = self._rows(X, y, reset=reset, multi_output=True)
        y = y.toarray() if issparse(y) else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self.classes_, self._is_multilabel = _classes(y)
            return X, y
        if not hasattr(self, "_is_multilabel"):  # the first call of partial_fit
            self._is_multilabel = y.ndim == 2
        if self._is_multilabel != (y.ndim == 2):
            kinds = "one label a row", "an indicator of labels"
            before, now = kinds if y.ndim == 2 else kinds[::-1]
            raise ValueError(f"y is {now}, and was {before} in the previous call")
        classes = unique_labels(y)
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return X, y

    def _plain_loss(self):
        """The loss without smoothed labels: of the parameters in a fit, and of the fit afterwards."""
        if self._loss_in_use is not None:
            return get_loss(self._loss_in_use)
        several = len(self.classes_) > 2 and not self._is_multilabel
        return MultinomialLogLoss() if several else LogLoss()

    def _loss(self):
        """The loss that is minimised."""
        loss = self._plain_loss()
        if hasattr(loss, "value_row") and self._is_multilabel:
            raise ValueError(f"loss={self.loss!r} is of one class a row, and y of several labels")
        if not hasattr(loss, "value_row") and loss.domain not in LABELS:
            raise ValueError(f"loss={self.loss!r} is of numbers, not of classes")
        if self.label_smoothing > 0:
            if type(loss) is MultinomialLogLoss:
                return SmoothedLogLoss(self.label_smoothing)
            if not isinstance(loss, LogLoss):
                raise ValueError(
                    f"label_smoothing={self.label_smoothing} is for log losses, got loss={self.loss!r}"
                )
        return loss

    def _targets(self, y):
        """Targets of shape (n, 1) or (n, n_outputs), as the loss takes them."""
        if hasattr(self._loss(), "value_row"):
            return np.searchsorted(self.classes_, y).reshape(-1, 1).astype(np.float64)
        if self._is_multilabel:
            yes = np.asarray(y) > 0
        elif len(self.classes_) > 2:
            yes = y[:, None] == self.classes_
        else:
            yes = (y == self.classes_[-1]).reshape(-1, 1) & (len(self.classes_) > 1)
        low, high = LABELS[self._loss().domain]
        middle = self.label_smoothing * (low + high) / 2
        return np.where(yes, high, low) * (1.0 - self.label_smoothing) + middle

    def _check_validation_targets(self, y):
        expected = (len(y), len(self.classes_)) if self._is_multilabel else (len(y),)
        if y.shape != expected:
            raise ValueError(f"y_val must have shape {expected} as y has, got {y.shape}")
        if (y.dtype.kind in "fiub") != (self.classes_.dtype.kind in "fiub"):
            raise ValueError(f"y_val must hold labels such as {self.classes_[0]!r}, got {y.flat[0]!r}")

    def _count_outputs(self, targets):
        rows = hasattr(self._loss(), "value_row")
        return max(2, len(self.classes_)) if rows else targets.shape[1]

    def _out_activation(self):
        loss = self._loss()
        if isinstance(loss, MultinomialLogLoss):
            return "softmax"
        return "logistic" if isinstance(loss, LogLoss) else loss.name

    def _strata(self, y):
        """By what the rows to validate with are drawn; as scikit-learn, for one output only."""
        return (y == self.classes_[-1]).reshape(-1, 1) if self.n_outputs_ == 1 else None

    def _weights(self, sample_weight, X, y):
        weight = super()._weights(sample_weight, X, y)
        if self.class_weight is None:
            return weight
        given = self.class_weight.values() if isinstance(self.class_weight, dict) else ()
        if not all(np.isfinite(each) and each >= 0 for each in given):
            raise ValueError(f"class_weight must hold finite numbers >= 0, got {self.class_weight}")
        of_classes = compute_sample_weight(self.class_weight, y)
        weight = of_classes if weight is None else weight * of_classes
        if not weight.sum() > 0:
            raise ValueError(f"class_weight={self.class_weight!r} leaves no row a weight")
        return weight

    # ----------------------------------------------------------------------------------------- fit, and more

    @available_if(_is_stochastic)
    @fitting
    def partial_fit(self, X, y, sample_weight=None, classes=None, *, X_val=None, y_val=None):
        """Train for one epoch, and go on from where the last call ended.

        No rows are set apart, and no weights put back: early stopping is for who calls it to decide, by the
        scores of `X_val`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; the first call must be told.
        X_val, y_val : array-like, default=None
            Rows to score afterwards; the score is added to `validation_scores_`.  Needed where
            ``early_stopping=True``.

        Returns
        -------
        self : object
            The estimator.
        """
        if _check_partial_fit_first_call(self, classes):
            self.__dict__.pop("_is_multilabel", None)
            if type_of_target(y).startswith("multilabel"):
                self.classes_ = np.arange(np.shape(y)[1])
        return self._fit(X, y, sample_weight, X_val, y_val, incremental=True)

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._labels(self._raw(X))

    def _labels(self, raw):
        """The labels that raw predictions speak for."""
        if self._is_multilabel:
            return (raw > 0).astype(int)
        if raw.shape[1] == 1:
            return self.classes_[np.minimum((raw[:, 0] > 0).astype(int), len(self.classes_) - 1)]
        return self.classes_[np.minimum(raw.argmax(axis=1), len(self.classes_) - 1)]

    @available_if(_states_probabilities)
    def predict_proba(self, X):
        """Probabilities of the classes, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
        """
        raw = self._raw(X)
        loss = self._plain_loss()
        if len(self.classes_) == 1 and not self._is_multilabel:
            return np.ones((len(raw), 1), raw.dtype)
        if hasattr(loss, "mean_row"):
            return pointwise.mean(loss, raw)
        mean = pointwise.mean(loss, raw.ravel()).reshape(raw.shape)
        yes = (1.0 + mean) / 2.0 if loss.domain == "sign" else mean
        if raw.shape[1] == 1:
            return np.hstack([1.0 - yes, yes])
        if self._is_multilabel:
            return yes
        total = yes.sum(axis=1, keepdims=True)
        nobody = total[:, 0] == 0  # all are too small for a number: what is left says which is the least so
        yes[nobody] = scipy.special.softmax(raw[nobody], axis=1)
        return yes / np.where(total > 0, total, 1.0)

    @available_if(_states_probabilities)
    def predict_log_proba(self, X):
        """Logarithms of :meth:`predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        logarithms : ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _score_raw(self, y, raw, weight):
        return float(accuracy_score(y, self._labels(raw), sample_weight=weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _classes(y):
    """The classes of labels, and whether a row may have several."""
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return np.arange(y.shape[1]), True
    check_classification_targets(y)
    if "multioutput" in kind:
        raise ValueError(
            "Multioutput target data is not supported: give one label a row, or an indicator of them"
        )
    return np.unique(y), False
