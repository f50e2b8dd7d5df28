"""Losses that ignore small errors.  Derivation: docs/derivations/losses.md, equations (11) to (14)."""

from typing import ClassVar

import numpy as np

from ._conjugate import within
from ._contract import loss
from ._minimiser import weighted_quantile


@loss("epsilon_insensitive")
class EpsilonInsensitive:
    r"""The loss of support vector regression, :math:`\ell(y, f) = \max(0, |f - y| - \varepsilon)`.

    Piecewise linear, so that the Hessian is 0 wherever there is one.  The gradient at the kinks is 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Errors up to this size cost nothing, in the units of `y`.  Must not be negative.

    References
    ----------
    V. N. Vapnik, The Nature of Statistical Learning Theory (1995), section 6.1.

    Examples
    --------
    >>> from calclearn.losses import EpsilonInsensitive
    >>> loss = EpsilonInsensitive(epsilon=0.5)
    >>> float(loss.value(y=1.0, raw=1.4)), float(loss.value(y=1.0, raw=3.0))
    (0.0, 1.5)
    """

    epsilon: float = 0.1
    convex: ClassVar[bool] = True

    def __post_init__(self):
        _check(self)

    def value(self, y, raw):
        return np.maximum(abs(raw - y) - self.epsilon, 0.0)  # (11)

    def derivatives(self, y, raw):
        e = raw - y
        return np.where(abs(e) > self.epsilon, np.sign(e), 0.0), 0.0  # (12)

    def minimiser(self, y, weight=None):
        """The weighted median of the 2n kinks; the middle of the interval where there are many."""
        y = np.asarray(y, np.float64)
        kinks = np.concatenate([y - self.epsilon, y + self.epsilon])
        return weighted_quantile(kinks, None if weight is None else np.tile(weight, 2), 0.5)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within(np.abs(u) <= 1.0, u * y + self.epsilon * np.abs(u))


@loss("squared_epsilon_insensitive")
class SquaredEpsilonInsensitive:
    r"""Its smooth relative, :math:`\ell(y, f) = \tfrac12 \max(0, |f - y| - \varepsilon)^2`.

    The Hessian at the kinks is 1, so that ``epsilon=0`` is the squared error.

    Parameters
    ----------
    epsilon : float, default=0.1
        Errors up to this size cost nothing, in the units of `y`.  Must not be negative.

    Examples
    --------
    >>> from calclearn.losses import SquaredEpsilonInsensitive
    >>> gradient, hessian = SquaredEpsilonInsensitive(epsilon=0.5).derivatives(y=1.0, raw=3.0)
    >>> float(gradient), float(hessian)
    (1.5, 1.0)
    """

    epsilon: float = 0.1
    convex: ClassVar[bool] = True

    def __post_init__(self):
        _check(self)

    def value(self, y, raw):
        excess = np.maximum(abs(raw - y) - self.epsilon, 0.0)
        return 0.5 * excess * excess  # (13)

    def derivatives(self, y, raw):
        e = raw - y
        excess = e - np.clip(e, -self.epsilon, self.epsilon)
        return excess, np.where(abs(e) >= self.epsilon, 1.0, 0.0)  # (14)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return u * y + self.epsilon * np.abs(u) + 0.5 * u * u


def _check(loss):
    if not loss.epsilon >= 0:
        raise ValueError(f"{type(loss).__name__}: epsilon must not be negative, got {loss.epsilon}")
