"""Is backpropagation what it says?  The gradient of a whole network against finite differences."""

import dataclasses

import numpy as np

STEP = 1e-5  # of a parameter, relative to its size: cubic and rounding errors are about 1e-10 of the loss
MOST = 2000  # parameters that are looked at one by one; of larger networks as many, drawn


@dataclasses.dataclass(frozen=True)
class GradientCheck:
    """What :func:`check_gradients` found.

    Attributes
    ----------
    error : float
        Norm of the difference of both gradients, relative to the norm of theirs.
    layers : dict of str to float
        The same of each layer's parameters, by name.
    tolerance : float
        What `error` may be.
    n_parameters : int
        How many components were compared.

    Examples
    --------
    >>> from calclearn.inspection import GradientCheck
    >>> report = GradientCheck(2e-3, {"weights of layer 1": 2e-3}, tolerance=1e-6, n_parameters=12)
    >>> report.ok
    False
    """

    error: float
    layers: dict[str, float]
    tolerance: float
    n_parameters: int

    @property
    def ok(self) -> bool:
        """Whether all errors are within the tolerance."""
        return bool(max(self.error, *self.layers.values()) <= self.tolerance)

    def raise_if_failed(self) -> "GradientCheck":
        """Return the report, or raise an AssertionError that names the worst layer."""
        if not self.ok:
            worst = max(self.layers, key=lambda name: self.layers[name])
            raise AssertionError(
                f"the gradient is off by {self.error:.2g} of its norm (tolerance {self.tolerance:.2g}); "
                f"worst in {worst}, by {self.layers[worst]:.2g}"
            )
        return self


def check_gradients(estimator, X, y, sample_weight=None, *, tolerance=1e-6, random_state=0):
    """Compare a network's gradient with central differences of its loss, in float64.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted: the gradient is looked at where the fit ended.  Not fitted: at the weights before the first
        step.  It is not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    tolerance : float, default=1e-6
        The largest error, relative to the norm of the gradient.
    random_state : int or numpy.random.Generator, default=0
        Draws the parameters to look at, where there are more than 2000.

    Returns
    -------
    GradientCheck
        ``report.ok``, ``report.error``, and ``report.raise_if_failed()``.

    Raises
    ------
    TypeError
        If the estimator is no network.

    Notes
    -----
    The loss is that of all rows as one batch, penalty included, without dropout.  Where it has kinks (relu,
    the absolute error), differences across one are not derivatives, and an error need not be a fault.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.inspection import check_gradients
    >>> from calclearn.neural_network import MLPRegressor
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> check_gradients(MLPRegressor(hidden_layer_sizes=(5, 4), activation="tanh"), X, X[:, 0]).ok
    True
    """
    from sklearn.base import clone  # which imports pandas: a picture needs neither

    if not hasattr(estimator, "_objective_of"):
        raise TypeError(f"check_gradients checks networks, got {type(estimator).__name__}")
    fitted = hasattr(estimator, "coefs_")
    estimator = estimator if fitted else clone(estimator).set_params(random_state=random_state)
    objective, x, parts = estimator._objective_of(X, y, sample_weight)
    _, gradient = objective(x)
    rng = np.random.default_rng(random_state)
    chosen = np.arange(len(x)) if len(x) <= MOST else np.sort(rng.choice(len(x), MOST, replace=False))
    numerical = np.array([_difference(objective, x, j) for j in chosen])
    compared = gradient[chosen]
    scale = max(np.linalg.norm(compared), np.linalg.norm(numerical), np.finfo(float).tiny)
    layers = {}
    for name, (start, stop) in parts.items():
        inside = (chosen >= start) & (chosen < stop)
        layers[name] = float(np.linalg.norm((compared - numerical)[inside]) / scale)
    error = float(np.linalg.norm(compared - numerical) / scale)
    return GradientCheck(error, layers, float(tolerance), len(chosen))


def _difference(objective, x, j):
    """The central difference along one parameter."""
    step = STEP * max(1.0, abs(x[j]))
    values = []
    for side in (1.0, -1.0):
        moved = x.copy()
        moved[j] += side * step
        values.append(objective(moved)[0])
    return (values[0] - values[1]) / (2.0 * step)
