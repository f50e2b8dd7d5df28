"""Losses as networks report and soften them; not registered, as they are for networks alone.

Derivation: docs/derivations/backpropagation.md, equations (6) and (7).
"""

from typing import Any, ClassVar

import numpy as np
import scipy.special

from .._runtime.formulas import formula
from ..losses import Loss, MultinomialLogLoss, Poisson


def loss(cls) -> Any:
    """Make the annotated class a loss."""
    return formula(cls, Loss)


@loss
class PoissonDeviance(Poisson):
    """Half the Poisson deviance, what depends on `y` only included, as scikit-learn's networks report it."""

    def value(self, y, raw):
        return np.exp(raw) - y * raw + scipy.special.xlogy(y, y) - y


@loss
class SmoothedLogLoss(MultinomialLogLoss):
    r"""The log-loss of several classes against a target that gives a share `smoothing` to all alike.

    Parameters
    ----------
    smoothing : float
        From 0 to 1.
    """

    smoothing: float = 0.1
    domain: ClassVar[str] = "nonnegative"
    convex: ClassVar[bool] = True

    def value_row(self, y, raw):
        """The loss of one row."""
        top = self.top(raw)
        others, mean = 0.0 * raw[top], 0.0 * raw[top]
        for k in range(raw.shape[0]):
            others += 0.0 * raw[top] if k == top else np.exp(raw[k] - raw[top])
            mean += raw[top] - raw[k]
        own = raw[top] - raw[int(y)]
        return np.log1p(others) + (1.0 - self.smoothing) * own + self.smoothing * mean / raw.shape[0]

    def value_gradient_row(self, y, raw, gradient):
        """Write the gradient, of shape (K,), and return the loss of the row."""
        top, others = self.odds_row(raw, gradient)
        scale = 1.0 / (1.0 + others)
        mean = 0.0 * raw[top]
        for k in range(raw.shape[0]):
            gradient[k] = gradient[k] * scale - self.smoothing / raw.shape[0]  # (7)
            mean += raw[top] - raw[k]
        gradient[int(y)] -= 1.0 - self.smoothing
        own = raw[top] - raw[int(y)]
        return np.log1p(others) + (1.0 - self.smoothing) * own + self.smoothing * mean / raw.shape[0]

    def derivatives_row(self, y, raw, gradient, hessian):
        """Write the gradient and the diagonal of the Hessian, both of shape (K,)."""
        _, others = self.odds_row(raw, gradient)
        scale = 1.0 / (1.0 + others)
        for k in range(raw.shape[0]):
            p = gradient[k] * scale
            own = np.where(k == int(y), 1.0 - self.smoothing, 0.0)
            gradient[k] = p - own - self.smoothing / raw.shape[0]  # (7)
            hessian[k] = p * (1.0 - p)
