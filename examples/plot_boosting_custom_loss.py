r"""
Boosting under a loss of one's own
==================================

Trees ask for gradients and Hessians, row by row, and nothing else. So a loss that is written as one
formula, its value, can be boosted like any other. Here: one that forgives wrong numbers, Cauchy's, and one
for a shop that pays more for a missing item than for one too many.
"""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np

from calclearn.ensemble import NewtonBoostingRegressor
from calclearn.losses import check_loss, loss


# %%
# A loss that forgives
# --------------------
# The logarithm grows ever more slowly: a residual beyond `c` pulls the less the larger it is. Its Hessian is
# negative there, and counts as zero: such rows pull, and say nothing of how far.
@loss("cauchy")
class Cauchy:
    """Quadratic within about `c` of the target, a logarithm beyond."""

    c: float = 1.0

    def value(self, y, raw):
        return 0.5 * self.c**2 * np.log1p(((raw - y) / self.c) ** 2)


@loss("shortage")
class Shortage:
    """Each missing item costs `ratio` times one too many; `width` rounds the corner."""

    ratio: float = 3.0
    width: float = 1.0
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        excess = (raw - y) / self.width
        return self.width * (np.logaddexp(0.0, excess) + self.ratio * np.logaddexp(0.0, -excess))


print(check_loss(Cauchy()))

# %%
# Wrong numbers
# -------------
# One target in ten is a wrong number. Squared error must answer each of them; trees can even go after them
# one by one.
rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 600))
truth = 3 * np.sin(x) + 0.5 * x
y = truth + rng.normal(scale=0.4, size=x.size)
wrong = rng.random(x.size) < 0.1
y[wrong] += rng.choice([-1, 1], wrong.sum()) * rng.uniform(5, 25, wrong.sum())
X = x[:, None]

common = {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3, "min_child_samples": 10}
fits = {}
for name, of_loss in (
    ("squared error", "squared_error"),
    ("absolute error", "absolute_error"),
    ("Cauchy", Cauchy(c=1.0)),
):
    fits[name] = NewtonBoostingRegressor(of_loss, **common).fit(X, y)
    error = np.abs(fits[name].predict(X) - truth)
    print(f"{name}: {error.mean():.2f} from the truth, {error.max():.2f} at worst")

# %%
# An order for each day
# ---------------------
# Under the shop's loss the best order is short on about one day in ``1 + ratio``: there the slopes balance.
# Demand has a mean and a spread that differ from day to day, and no line would do. Away from the corner the
# loss is nearly straight: little curvature, long Newton steps, which ``max_delta_step`` keeps in bounds.
day = rng.uniform(0, 7, 3000)
demand = 20 + 8 * np.sin(day) + rng.gamma(2.0, 1.0 + day % 3.5)
orders = {}
for ratio in (1.0, 3.0, 10.0):
    model = NewtonBoostingRegressor(
        Shortage(ratio=ratio), n_estimators=60, learning_rate=0.2, max_depth=3, max_delta_step=3.0
    )
    orders[ratio] = model.fit(day[:2000, None], demand[:2000])
    short = np.mean(model.predict(day[2000:, None]) < demand[2000:])
    print(f"ratio {ratio:g}: short on {short:.0%} of new days, balanced at {1 / (1 + ratio):.0%}")

figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
raw = np.linspace(-6, 6, 300)
gradient, hessian = Cauchy().derivatives(0.0, raw)
for name, curve in (
    ("value (written)", Cauchy().value(0.0, raw)),
    ("gradient (derived)", gradient),
    ("Hessian (derived)", hessian),
):
    axes[0].plot(raw, curve, label=name)
axes[0].plot(raw, np.maximum(hessian, 0.0), ":", color="0.1", lw=2.5, label="Hessian that trees see")
axes[0].set(xlabel="raw prediction, y = 0", title="Cauchy's loss and its calculus")
axes[0].legend(fontsize=8)

line = np.linspace(0, 10, 500)
axes[1].plot(x, y, ".", color="0.8", ms=4)
axes[1].plot(line, 3 * np.sin(line) + 0.5 * line, color="0.5", lw=3, label="truth")
for name, colour in (("squared error", "#d55e00"), ("Cauchy", "#0072b2")):
    axes[1].plot(line, fits[name].predict(line[:, None]), color=colour, lw=1.2, label=name)
axes[1].set(ylim=(-12, 18), xlabel="x", ylabel="y", title="One target in ten is wrong")
axes[1].legend(fontsize=8)

line = np.linspace(0, 7, 400)
axes[2].plot(day, demand, ".", color="0.85", ms=2)
for (ratio, model), colour in zip(orders.items(), ("#56b4e9", "#0072b2", "#d55e00"), strict=True):
    axes[2].plot(line, model.predict(line[:, None]), color=colour, label=f"ratio {ratio:g}")
axes[2].set(xlabel="time of the week", ylabel="demand", title="The dearer a shortage, the larger the order")
axes[2].legend(fontsize=8)
plt.show()
