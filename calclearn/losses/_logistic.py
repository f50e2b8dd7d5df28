"""The log-loss of two classes.  Derivation: docs/derivations/losses.md, equations (15) to (17)."""

from typing import ClassVar

import numpy as np
from scipy.special import expit

from ._conjugate import negative_entropy
from ._contract import loss
from ._minimiser import finite_logit, weighted_mean


@loss("log_loss")
class LogLoss:
    r"""Binomial log-loss, :math:`\ell(y, f) = \log(1 + e^f) - y f`: minus the log-likelihood of `y`.

    The raw prediction is the log-odds of class 1.  Targets between 0 and 1 are shares of class 1.
    Value, gradient and Hessian keep their relative precision in both tails.

    Examples
    --------
    >>> gradient, hessian = LogLoss().derivatives(y=1.0, raw=40.0)
    >>> print(f"{gradient:.3g} {hessian:.3g}")
    -4.25e-18 4.25e-18
    """

    domain: ClassVar[str] = "unit"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return np.logaddexp(-y * raw, (1.0 - y) * raw)  # (15), without its cancellation at y = 1

    def derivatives(self, y, raw):
        odds = np.exp(-abs(raw))  # of the less likely class
        scale = 1.0 / (1.0 + odds)
        right = raw > 0.0
        p, q = np.where(right, 1.0, odds), np.where(right, odds, 1.0)  # classes 1 and 0, times 1 + odds
        return ((1.0 - y) * p - y * q) * scale, odds * scale * scale  # (16), (17)

    def mean(self, raw):
        """The probability of class 1."""
        return expit(raw)

    def minimiser(self, y, weight=None):
        r"""The log-odds of the weighted mean; finite, see Notes, where only one class occurs.

        Notes
        -----
        A mean of 0 or 1 has its minimiser at infinity.  There the answer is the logit of
        :math:`10\varepsilon` or :math:`1 - 10\varepsilon`, about ∓33.7, within
        :math:`10\varepsilon` of the infimum (:math:`\varepsilon` is the precision of float64).
        """
        return finite_logit(weighted_mean(y, weight))

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return negative_entropy(y + u) + negative_entropy((1.0 - y) - u)
