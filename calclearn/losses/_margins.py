"""Losses of the margin of two classes.  Derivation: docs/derivations/losses.md, equations (18) to (23)."""

from typing import ClassVar

import numpy as np

from ._conjugate import negative_entropy, within
from ._contract import loss
from ._exponential import exp
from ._minimiser import finite_logit, weighted_mean


@loss("exponential")
class Exponential:
    r"""The loss of AdaBoost, :math:`\ell(y, f) = e^{-y f}`.

    The raw prediction is half the log-odds of class +1.  Infinite beyond a margin of about -709.

    References
    ----------
    J. Friedman, T. Hastie, R. Tibshirani, "Additive Logistic Regression", Ann. Statist. 28 (2000), section 4.

    Examples
    --------
    >>> from calclearn.losses import Exponential
    >>> gradient, hessian = Exponential().derivatives(y=1.0, raw=0.0)
    >>> float(gradient), float(hessian)
    (-1.0, 1.0)
    """

    domain: ClassVar[str] = "sign"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return exp(-y * raw)  # (18)

    def derivatives(self, y, raw):
        value = exp(-y * raw)
        return -y * value, value  # (19), with y² = 1

    def mean(self, raw):
        """The expectation of `y`; the probability of class +1 is ``(1 + mean) / 2``."""
        return np.tanh(raw)

    def minimiser(self, y, weight=None):
        """Half the log-odds of class +1; where only one class occurs about ±16.8, as in LogLoss."""
        return 0.5 * finite_logit(0.5 + 0.5 * weighted_mean(y, weight))

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return negative_entropy(-y * u) + y * u


@loss("hinge")
class Hinge:
    r"""The loss of support vector machines, :math:`\ell(y, f) = \max(0, 1 - y f)`.

    Piecewise linear, so that the Hessian is 0 wherever there is one.  The gradient at the kink is 0.

    References
    ----------
    C. Cortes, V. Vapnik, "Support-Vector Networks", Machine Learning 20 (1995), section 3.

    Examples
    --------
    >>> from calclearn.losses import Hinge
    >>> float(Hinge().value(y=-1.0, raw=0.25)), float(Hinge().value(y=-1.0, raw=-2.0))
    (1.25, 0.0)
    """

    domain: ClassVar[str] = "sign"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return np.maximum(1.0 - y * raw, 0.0)  # (20)

    def derivatives(self, y, raw):
        return np.where(y * raw < 1.0, -y, 0.0), 0.0  # (21)

    def minimiser(self, y, weight=None):
        """The class with more weight; 0, the middle of the interval, at a tie."""
        return float(np.sign(weighted_mean(y, weight)))

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within((y * u <= 0.0) & (y * u >= -1.0), y * u)


@loss("squared_hinge")
class SquaredHinge:
    r"""Half the squared hinge, :math:`\ell(y, f) = \tfrac12 \max(0, 1 - y f)^2`.

    The Hessian at the kink is 1.

    Examples
    --------
    >>> from calclearn.losses import SquaredHinge
    >>> gradient, hessian = SquaredHinge().derivatives(y=1.0, raw=-1.0)
    >>> float(gradient), float(hessian)
    (-2.0, 1.0)
    """

    domain: ClassVar[str] = "sign"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        short = np.maximum(1.0 - y * raw, 0.0)
        return 0.5 * short * short  # (22)

    def derivatives(self, y, raw):
        margin = y * raw
        return -y * np.maximum(1.0 - margin, 0.0), np.where(margin <= 1.0, 1.0, 0.0)  # (23), with y² = 1

    def minimiser(self, y, weight=None):
        """The weighted mean."""
        return weighted_mean(y, weight)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return within(y * u <= 0.0, y * u + 0.5 * u * u)
