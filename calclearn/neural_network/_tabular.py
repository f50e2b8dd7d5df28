"""Networks for tables: multilayer perceptrons with embeddings and defaults that need no tuning.

Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and boosted trees on
tabular data", describe the recipe.  What differs here: weights have their usual scale and one learning rate,
in the place of a scale of one and rates by layer, and the rate falls along one half wave instead of four
waves.
"""

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_y

from .._categories import validate_table
from ..base import Integral, Interval, Real, StrOptions, fitting
from ..losses import Loss, get_loss
from ..optimize.schedules import Schedule
from ._classifier import MLPClassifier
from ._columns import count_columns, encode_columns, learn_columns
from ._documentation import documented
from ._estimator import MultilayerPerceptron
from ._inputs import Inputs
from ._regressor import MLPRegressor

SAME = 1e-6  # scores that differ by less


class Tabular(MultilayerPerceptron):
    """Columns of a table in, and what is fixed of a multilayer perceptron's parameters."""

    _parameter_constraints: ClassVar[dict] = MultilayerPerceptron._parameter_constraints | {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "n_waves": [Interval(Integral, 0, None, closed="left")],
        "number_size": [Interval(Integral, 1, None, closed="left")],
        "category_size": [Interval(Integral, 1, None, closed="left")],
        "max_indicators": [Interval(Integral, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "schedule": [str, Schedule],
    }

    solver, alpha, learning_rate, power_t, optimizer = "adam", 0.0, "constant", 0.5, None
    beta_1, beta_2, epsilon = 0.9, 0.95, 1e-8
    momentum, nesterovs_momentum, max_fun = 0.9, True, 15000
    tol, shuffle, warm_start = -SAME, True, False
    early_stopping, restore_best, init, dtype = True, True, "lecun", "float32"
    batch_norm, layer_norm, residual = False, False, False
    _slack = SAME  # with few rows set apart, many epochs score alike, and the first have learned little

    @property
    def partial_fit(self):
        """There is none: the columns are learned from all rows."""
        raise AttributeError(f"{type(self).__name__} has no partial_fit: it learns the columns from all rows")

    @fitting
    def fit(self, X, y, *, X_val=None, y_val=None):
        """Train the network, and keep the weights of the epoch that scores best on rows set apart.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            Numbers, which may be missing, and categories.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        X_val, y_val : array-like, default=None
            Rows to score after each epoch, in the place of those that would be set apart.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, or so few rows that none can be set apart.
        """
        return self._fit(X, y, None, X_val, y_val, incremental=False)

    def _rows(self, X, y="no_validation", *, reset, multi_output=False, y_numeric=False):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X = validate_table(self, X, reset=reset, accept_sparse=False, ensure_all_finite="allow-nan")
        if reset:
            mask = np.zeros(X.shape[1], bool) if self._categorical is None else self._categorical
            levels = {f: len(known) for f, known in self.categories_.items()}
            self._columns = learn_columns(X, mask, levels, self.max_indicators)
            self._sizes = self.n_waves, self.number_size, self.category_size
        X = encode_columns(X, self._columns, self.dtype)
        if isinstance(y, str):
            return X
        y = _check_y(y, multi_output=multi_output, y_numeric=y_numeric, estimator=self)
        check_consistent_length(X, y)
        return X, y

    def _rows_of_batch(self, n):
        return min(self.batch_size, n)

    def _inputs(self) -> Inputs:
        numbers, indicators, levels = count_columns(self._columns)
        return Inputs(numbers, indicators, levels, *self._sizes)

    def _network(self, units, form):
        inputs = self._inputs()
        if inputs.n_embedded == 0:
            raise ValueError(
                "X has no column with values: each is of categories, and all of them are missing"
            )
        units = (inputs.n_embedded, *units[1:])
        return dataclasses.replace(super()._network(units, form), inputs=inputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = self.categorical_features is not None
        return tags


@documented
class TabularMLPClassifier(Tabular, MLPClassifier):
    """A network for classes of rows of a table, with defaults that need no tuning.

    Numbers are embedded by waves of them, categories by tables; Adam trains on the log-loss with softened
    labels, at a rate that falls along a cosine, and the epoch that scores best on rows set apart is kept.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(256, 256, 256)
        Units of each hidden layer.
    activation : str or Activation, default="selu"
        Of the hidden units, as in :class:`MLPClassifier`.
    {table_parameters}
    label_smoothing : float, default=0.1
        Share of the targets that is given to all classes alike.
    {table_fitting}

    Attributes
    ----------
    {table_attributes}
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    {seen}

    See Also
    --------
    MLPClassifier : Without embeddings, with scikit-learn's defaults.

    Notes
    -----
    {table_notes}  Scores are accuracies.

    {table_source}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.neural_network import TabularMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> TabularMLPClassifier((32, 32), max_iter=50, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = (
        MLPClassifier._parameter_constraints | Tabular._parameter_constraints
    )

    loss, class_weight = None, None

    def __init__(
        self,
        hidden_layer_sizes=(256, 256, 256),
        activation="selu",
        *,
        categorical_features="from_dtype",
        n_waves=16,
        number_size=3,
        category_size=8,
        max_indicators=8,
        learning_rate_init=0.0025,
        schedule="cosine",
        batch_size=256,
        max_iter=256,
        dropout=0.15,
        weight_decay=0.1,
        clip_norm=None,
        validation_fraction=0.2,
        n_iter_no_change=np.inf,
        label_smoothing=0.1,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.categorical_features = categorical_features
        self.n_waves = n_waves
        self.number_size = number_size
        self.category_size = category_size
        self.max_indicators = max_indicators
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.label_smoothing = label_smoothing
        self.random_state = random_state
        self.verbose = verbose

    def _strata(self, y):
        """The labels, where there are enough of each."""
        if self._is_multilabel:
            return None
        least = np.unique(y, return_counts=True)[1].min()
        held = int(np.ceil(self.validation_fraction * len(y)))
        return y if least >= 2 and min(held, len(y) - held) >= len(self.classes_) else None


@documented
class TabularMLPRegressor(Tabular, MLPRegressor):
    """A network for numbers of rows of a table, with defaults that need no tuning.

    Numbers are embedded by waves of them, categories by tables; Adam trains at a rate that falls along a
    cosine, and the epoch that scores best on rows set apart is kept.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What is minimised: any loss of one output of :mod:`calclearn.losses`, or your own.
    hidden_layer_sizes : array-like of int, default=(256, 256, 256)
        Units of each hidden layer.
    activation : str or Activation, default="mish"
        Of the hidden units, as in :class:`MLPRegressor`.
    {table_parameters}
    {table_fitting}

    Attributes
    ----------
    {table_attributes}
    {seen}

    See Also
    --------
    MLPRegressor : Without embeddings, with scikit-learn's defaults.

    Notes
    -----
    {table_notes}  Where the loss's prediction is the raw number
    itself, targets are brought to mean 0 and deviation 1, in which `loss_curve_` is counted, and predictions
    stay within what was seen.  Scores are coefficients of determination.

    {table_source}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.neural_network import TabularMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = TabularMLPRegressor(hidden_layer_sizes=(32, 32), max_iter=50, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.4
    True
    """

    _parameter_constraints: ClassVar[dict] = (
        MLPRegressor._parameter_constraints | Tabular._parameter_constraints
    )

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(256, 256, 256),
        activation="mish",
        *,
        categorical_features="from_dtype",
        n_waves=16,
        number_size=3,
        category_size=8,
        max_indicators=8,
        learning_rate_init=0.0025,
        schedule="cosine",
        batch_size=256,
        max_iter=256,
        dropout=0.15,
        weight_decay=0.1,
        clip_norm=None,
        validation_fraction=0.2,
        n_iter_no_change=np.inf,
        random_state=None,
        verbose=False,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.categorical_features = categorical_features
        self.n_waves = n_waves
        self.number_size = number_size
        self.category_size = category_size
        self.max_indicators = max_indicators
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    def _targets(self, y):
        targets = super()._targets(y)
        self._shift, self._unit, self._bounds = np.zeros(1), np.ones(1), (-np.inf, np.inf)
        loss = get_loss(self.loss)
        if type(loss).mean is Loss.mean and loss.domain == "real":
            self._shift, self._unit = targets.mean(axis=0), targets.std(axis=0)
            self._unit[self._unit == 0] = 1.0
            self._bounds = targets.min(axis=0), targets.max(axis=0)
        return (targets - self._shift) / self._unit

    def _means(self, raw):
        means = super()._means(raw)
        shaped = means.reshape(raw.shape) * self._unit + self._shift
        return np.clip(shaped, *self._bounds).reshape(means.shape)
