r"""
Losses and activations with their derivatives
=============================================

What a loss does in training is told by its derivatives: by the slope an error pulls at the parameters, by the
curvature a second-order method knows how far to go.  A loss is one formula here, and both follow from it.
"""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.calculus import derivatives
from calclearn.inspection import DerivativeCheckDisplay, DerivativeDisplay
from calclearn.losses import Huber, LogCosh, loss

# %%
# Four ways to treat an outlier
# -----------------------------
# The target is 0.  The squared error pulls the harder the farther off a prediction is; Huber's loss and
# log-cosh pull with bounded force; the absolute error always pulls alike, and has no curvature at all, which
# is why Newton's method cannot be used on it.
figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
for ax, each in zip(axes, ["squared_error", Huber(1.0), LogCosh(), "absolute_error"]):
    DerivativeDisplay.from_loss(each, ax=ax)

# %%
# Three ways to tell two classes apart
# ------------------------------------
# For the label of the second class.  The log loss never stops to ask for more, though ever more softly; the
# squared hinge is content from 1 on; the exponential loss, which AdaBoost minimises, hardly looks at anything
# but the worst.
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for ax, each in zip(axes, ["log_loss", "squared_hinge", "exponential"]):
    DerivativeDisplay.from_loss(each, raw=np.linspace(-2.0, 3.0, 400), ax=ax)

# %%
# Units of a network
# ------------------
# The slope multiplies the error on its way back: at most 1/4 of the logistic function, which is how gradients
# vanish; 1 or nothing of relu; and of gelu something smooth between.
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for ax, each in zip(axes, ["logistic", "relu", "gelu"]):
    DerivativeDisplay.from_activation(each, ax=ax)


# %%
# One's own loss, and a check
# ---------------------------
# The value is written, the derivatives are derived.  Are they right?  Central differences agree up to their
# own errors: of truncation, which falls with the square of the step, and of rounding, which grows with its
# inverse.  A derivative that is off by a per cent is found at once: no step makes the difference small.
@loss("cauchy")
class Cauchy:
    """Grows so slowly that outliers far off lose their pull."""

    c: float = 1.0

    def value(self, y, raw):
        """The logarithm of a distance."""
        return np.log1p(((raw - y) / self.c) ** 2)


def value(raw):
    """Of the target 0."""
    return Cauchy().value(0.0, raw)


def slope(raw):
    """As it is derived."""
    return derivatives(value, raw)[1]


figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
DerivativeDisplay.from_loss("cauchy", ax=axes[0])
DerivativeCheckDisplay.from_function(value, 0.7, jac=slope, ax=axes[1])
axes[1].set_title("the derived slope")
DerivativeCheckDisplay.from_function(value, 0.7, jac=lambda raw: 1.01 * slope(raw), ax=axes[2])
axes[2].set_title("one per cent too steep")
plt.show()
