"""Networks that predict numbers."""

from typing import ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from ..base import fitting
from ..losses import Loss, Poisson, SquaredError, get_loss, pointwise
from ._classifier import _is_stochastic
from ._documentation import documented
from ._estimator import MultilayerPerceptron
from ._losses import PoissonDeviance


@documented
class MLPRegressor(RegressorMixin, MultilayerPerceptron):
    """A multilayer perceptron for numbers: scikit-learn's, under any loss.

    Minimises the mean loss of the rows and an L2 penalty of the weights, by steps on batches or by L-BFGS.
    From the same `random_state` it draws the weights and batches that scikit-learn draws.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What is minimised: any loss of one output of :mod:`calclearn.losses`, or your own; of several outputs,
        the sum over them.  Predictions are its means: under "poisson", exponentials.
    {parameters}
    {extras}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    MLPClassifier : The same for classes.
    calclearn.inspection.check_gradients : Holds backpropagation against finite differences.

    Notes
    -----
    {notes}

    Of several outputs under the squared error `loss_` is the mean over them, as scikit-learn reports it, and
    what is minimised the sum.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.neural_network import MLPRegressor
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> y = np.sin(2 * X.ravel())
    >>> model = MLPRegressor("huber", (30, 30), "tanh", solver="lbfgs", random_state=0, max_iter=500)
    >>> model.fit(X, y).score(X, y) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict] = {**MultilayerPerceptron._parameter_constraints}

    def __init__(
        self,
        loss="squared_error",
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
        self.loss = loss
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

    @property
    def _reported(self):
        """By what the sum over outputs is multiplied in `loss_`."""
        return 1.0 / self.n_outputs_ if isinstance(get_loss(self.loss), SquaredError) else 1.0

    def _validate_targets(self, X, y, *, incremental, reset):
        X, y = self._rows(X, y, reset=reset, multi_output=True, y_numeric=True)
        y = y.toarray() if issparse(y) else y
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y must hold numbers, got dtype {y.dtype}")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _loss(self):
        """The loss of the parameters, as it is reported."""
        loss = get_loss(self.loss)
        if hasattr(loss, "value_row"):
            raise ValueError(f"loss={self.loss!r} is of classes, not of numbers")
        return PoissonDeviance() if type(loss) is Poisson else loss

    def _targets(self, y):
        get_loss(self.loss).check_targets(y)
        return y.reshape(len(y), -1)

    def _check_validation_targets(self, y):
        if y.size // max(len(y), 1) != self.n_outputs_:
            raise ValueError(f"y_val must have {self.n_outputs_} outputs as y has, got shape {y.shape}")
        if y.dtype.kind not in "fiub" or not np.isfinite(y).all():
            raise ValueError("y_val must hold finite numbers")
        if len(y) < 2:
            raise ValueError(f"X_val must have at least 2 rows, got {len(y)}: one alone has no variance")

    def _count_outputs(self, targets):
        return targets.shape[1]

    def _out_activation(self):
        mean = type(get_loss(self.loss)).mean
        if mean is Loss.mean:
            return "identity"
        return "exp" if abs(float(mean(get_loss(self.loss), 1.0)) - np.e) < 1e-12 else self._loss().name

    def _strata(self, y):
        return None

    # ----------------------------------------------------------------------------------------- fit, and more

    @available_if(_is_stochastic)
    @fitting
    def partial_fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train for one epoch, and go on from where the last call ended.

        No rows are set apart, and no weights put back: early stopping is for who calls it to decide, by the
        scores of `X_val`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        X_val, y_val : array-like, default=None
            Rows to score afterwards; the score is added to `validation_scores_`.  Needed where
            ``early_stopping=True``.

        Returns
        -------
        self : object
            The estimator.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, incremental=True)

    def predict(self, X):
        """Predict numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._means(self._raw(X))

    def _means(self, raw):
        """What raw predictions stand for."""
        loss = get_loss(self._loss_in_use)
        mean = raw if type(loss).mean is Loss.mean else pointwise.mean(loss, raw.ravel()).reshape(raw.shape)
        return mean.ravel() if mean.shape[1] == 1 else mean

    def _score_raw(self, y, raw, weight):
        mean = self._means(raw)
        return float(r2_score(y, mean, sample_weight=weight)) if np.isfinite(mean).all() else float("nan")
