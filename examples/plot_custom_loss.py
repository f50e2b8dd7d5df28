"""
A loss of one's own
===================

Write the value; the gradient and the Hessian are derived from it by forward mode, interpreted and
compiled.  Here: a loss for a shop that pays three times as much for a missing item as for one too many,
smooth so that Newton's method can minimise it.
"""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np

from calclearn.linear_model import GeneralizedLinearRegressor
from calclearn.losses import check_loss, loss


@loss("shortage")
class Shortage:
    """Each missing item costs `ratio` times one too many; `width` rounds the corner."""

    ratio: float = 3.0
    width: float = 0.5
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        excess = (raw - y) / self.width
        return self.width * (np.logaddexp(0.0, excess) + self.ratio * np.logaddexp(0.0, -excess))


# %%
# Is the formula sound?
# ---------------------
# ``check_loss`` compares its derivatives with finite differences, goes to extreme predictions, and looks
# whether it is convex, as declared.
print(check_loss(Shortage()))

# %%
# Fit it like any other
# ---------------------
# The best order is short on one day in ``1 + ratio``: there the two slopes balance.
rng = np.random.default_rng(0)
X = rng.uniform(0, 10, size=(400, 1))
y = 5.0 + 3.0 * X[:, 0] + rng.gamma(2.0, 1.0 + 0.4 * X[:, 0])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.plot(X, y, ".", color="0.75", ms=5)
line = np.linspace(0, 10, 50)[:, None]
for ratio in (1.0, 3.0, 10.0):
    model = GeneralizedLinearRegressor(loss=Shortage(ratio=ratio)).fit(X, y)
    short = float(np.mean(model.predict(X) < y))
    left.plot(line, model.predict(line), label=f"ratio {ratio:g}: short on {short:.0%} of days")
    print(f"ratio {ratio:g}: gradient norm {model.optimality_.gradient_norm:.1e}, {model.n_iter_} iterations")
left.set(xlabel="size of the shop", ylabel="demand", title="The dearer a shortage, the larger the order")
left.legend()

raw = np.linspace(-4, 4, 300)
gradient, hessian = Shortage().derivatives(0.0, raw)
for name, curve in (
    ("value (written)", Shortage().value(0.0, raw)),
    ("gradient", gradient),
    ("Hessian", hessian),
):
    right.plot(raw, curve, label=name)
right.set(xlabel="raw prediction, y = 0", title="One formula and its calculus")
right.legend()
plt.show()
