"""Losses that forgive outliers.  Derivation: docs/derivations/losses.md, equations (3) to (10)."""

from typing import ClassVar

import numpy as np

from ._conjugate import negative_entropy, within
from ._contract import loss
from ._minimiser import weighted_quantile

LOG_2 = float(np.log(2.0))


@loss("absolute_error")
class AbsoluteError:
    r"""The absolute error, :math:`\ell(y, f) = |f - y|`: its minimiser is the median.

    Piecewise linear, so that the Hessian is 0 wherever there is one.  The gradient at the kink is 0.

    Examples
    --------
    >>> from calclearn.losses import AbsoluteError
    >>> AbsoluteError().minimiser([1.0, 2.0, 90.0])
    2.0
    """

    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return abs(raw - y)  # (3)

    def derivatives(self, y, raw):
        return np.sign(raw - y), 0.0  # (4)

    def minimiser(self, y, weight=None):
        """The weighted median; the middle of the interval where there are many."""
        return weighted_quantile(y, weight, 0.5)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within(np.abs(u) <= 1.0, u * y)


@loss("quantile")
class Quantile:
    r"""The pinball loss, :math:`\ell(y, f) = \max\{q\,(y - f),\ (1 - q)(f - y)\}`.

    Its minimiser is a `quantile` of the targets.  Piecewise linear, so that the Hessian is 0 wherever
    there is one.  The gradient at the kink is that on its left.

    Parameters
    ----------
    quantile : float, default=0.5
        The share :math:`q` of targets that should lie below the prediction, in the open interval (0, 1).

    References
    ----------
    R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 46 (1978), equation (1.1).

    Examples
    --------
    >>> from calclearn.losses import Quantile
    >>> ninth = Quantile(quantile=0.9)
    >>> float(ninth.value(y=1.0, raw=0.0)), round(float(ninth.value(y=0.0, raw=1.0)), 12)
    (0.9, 0.1)
    """

    quantile: float = 0.5
    convex: ClassVar[bool] = True

    def __post_init__(self):
        if not 0 < self.quantile < 1:
            raise ValueError(
                f"Quantile: quantile must be between 0 and 1, both excluded, got {self.quantile}"
            )

    def value(self, y, raw):
        e = raw - y
        return np.maximum(-self.quantile * e, (1.0 - self.quantile) * e)  # (5)

    def derivatives(self, y, raw):
        return np.where(raw > y, 1.0 - self.quantile, -self.quantile), 0.0  # (6)

    def minimiser(self, y, weight=None):
        """The weighted quantile; the middle of the interval where there are many."""
        return weighted_quantile(y, weight, self.quantile)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within((u >= -self.quantile) & (u <= 1.0 - self.quantile), u * y)


@loss("huber")
class Huber:
    r"""Squared error up to `delta`, and linear beyond.

    .. math::
        \ell(y, f) = \tfrac12 e^2 \text{ where } |e| \le \delta, \text{ else }
        \delta\,(|e| - \tfrac12 \delta)

    with :math:`e = f - y`.  The Hessian at the kinks is 1.

    Parameters
    ----------
    delta : float, default=1.0
        Where the loss becomes linear, in the units of `y`.  Must be positive.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35 (1964), section 4.

    Examples
    --------
    >>> from calclearn.losses import Huber
    >>> gradient, hessian = Huber(delta=2.0).derivatives(y=0.0, raw=50.0)
    >>> float(gradient), float(hessian)
    (2.0, 0.0)
    """

    delta: float = 1.0
    convex: ClassVar[bool] = True

    def __post_init__(self):
        if not self.delta > 0:
            raise ValueError(f"Huber: delta must be positive, got {self.delta}")

    def value(self, y, raw):
        size = abs(raw - y)
        inner = np.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)  # (7)

    def derivatives(self, y, raw):
        e = raw - y
        gradient = np.clip(e, -self.delta, self.delta)
        return gradient, np.where(abs(e) <= self.delta, 1.0, 0.0)  # (8)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within(np.abs(u) <= self.delta, u * y + 0.5 * u * u)


@loss("log_cosh")
class LogCosh:
    r"""Smooth absolute error, :math:`\ell(y, f) = s \log\cosh\frac{f - y}{s}`.

    Quadratic within about one `scale` of the target and linear beyond it, with a continuous second
    derivative, which Huber's lacks.

    Parameters
    ----------
    scale : float, default=1.0
        Width :math:`s` of the quadratic region, in the units of `y`.  Must be positive.

    Examples
    --------
    >>> gradient, hessian = LogCosh().derivatives(y=0.0, raw=1e4)
    >>> float(gradient), float(hessian)
    (1.0, 0.0)
    """

    scale: float = 1.0
    convex: ClassVar[bool] = True

    def __post_init__(self):
        if not self.scale > 0:
            raise ValueError(f"LogCosh: scale must be positive, got {self.scale}")

    def value(self, y, raw):
        e = (raw - y) / self.scale
        return self.scale * (np.logaddexp(e, -e) - LOG_2)  # (9), log cosh e that cannot overflow

    def derivatives(self, y, raw):
        e = (raw - y) / self.scale
        decay = np.exp(-2.0 * abs(e))  # 1 - tanh² would lose its tail
        return np.tanh(e), 4.0 * decay / (self.scale * (1.0 + decay) ** 2)  # (10)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return u * y + 0.5 * self.scale * (negative_entropy(1.0 + u) + negative_entropy(1.0 - u))
