r"""
Why the Hessian earns its keep
==============================

A boosted tree predicts one number in each leaf. The gradient says which sign that number has, the
Hessian how large it is. Without the Hessian, a leaf takes the mean gradient, times a learning rate that has
to suit all leaves at once. Here that is impossible: counts whose means go from a twentieth to two hundred.
The theory is in ``docs/derivations/boosting.md``; the numbers in brackets are its equations.
"""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np

from calclearn.ensemble import NewtonBoostingRegressor
from calclearn.losses import Poisson, loss


# %%
# Gradient-only leaves are a loss that says h = 1
# -----------------------------------------------
# The half deviance of counts has the gradient exp(f) - y and the Hessian exp(f). This one hides the second.
@loss("poisson_by_gradient")
class PoissonByGradient:
    """The same values and gradients; all that is known of the curvature is that there is some."""

    domain: ClassVar[str] = "nonnegative"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return np.exp(raw) - y * raw

    def derivatives(self, y, raw):
        return np.exp(raw) - y, 1.0 + 0.0 * raw

    def mean(self, raw):
        return np.exp(raw)


# %%
# Two leaves
# ----------
# All rows start from one constant. In a leaf of few counts the loss is flat, in one of many it is steep:
# Newton's parabola (3) knows, the one with h = 1 does not. What each would step to, before any learning rate:
start = np.log(20.0)
for mean in (0.05, 12.0, 200.0):
    g, h = np.exp(start) - mean, np.exp(start)
    steps = f"Newton's {-g / h:+.2f}, the gradient's {-g:+.1f}"
    print(f"mean {mean:g}: the best step is {np.log(mean) - start:+.2f}, {steps}")


# %%
# The same trees, with and without
# --------------------------------
# Gradient steps in a leaf settle only if the learning rate times the mean Hessian is below two (9). So
# the largest means set the rate, and for the smallest it is thousands of times too small.
def sample(n, seed):
    """Counts whose logarithmic mean is a wave in the first of four features."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, size=(n, 4))
    mean = np.exp(1.15 + 4.15 * np.sin(2 * np.pi * X[:, 0]))
    return X, rng.poisson(mean), mean


def deviance(y, prediction):
    """Mean deviance of counts; of the true means it is about one where counts are large."""
    prediction = np.maximum(prediction, 1e-9)  # of the fit that diverges
    log_ratio = np.log(np.where(y > 0, y, 1.0) / prediction)
    return 2 * np.mean(y * log_ratio - y + prediction)


X, y, mean = sample(4000, 0)
X_new, y_new, mean_new = sample(4000, 1)
print(f"gradient steps settle at rates below {2 / mean.max():.3f}")
models, curves = {}, {}
for name, of_loss, rate in (
    ("Newton, rate 0.3", Poisson(), 0.3),
    ("gradient, rate 0.03", PoissonByGradient(), 0.03),
    ("gradient, rate 0.01", PoissonByGradient(), 0.01),
    ("gradient, rate 0.001", PoissonByGradient(), 0.001),
):
    model = NewtonBoostingRegressor(of_loss, n_estimators=200, learning_rate=rate, max_depth=3)
    models[name] = model.fit(X, y)
    curves[name] = np.array([deviance(y_new, p) for p in model.staged_predict(X_new)])
    best = curves[name].argmin()
    print(
        f"{name}: deviance {curves[name][19]:.2f} after 20 rounds, {curves[name][best]:.2f} at best, "
        f"after {best + 1}"
    )
print(f"the true means: {deviance(y_new, mean_new):.2f}")

figure, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
blue, red, grey = "#0072b2", "#d55e00", "0.35"
w = np.linspace(-2, 1, 300)
g, h = np.exp(start) - 12.0, np.exp(start)
axes[0].plot(w, np.exp(start) * (np.exp(w) - 1) - 12.0 * w, color=grey, lw=2.5, label="loss")
axes[0].plot(w, g * w + h * w**2 / 2, color=blue, label="(3) with its Hessian")
axes[0].plot(w, g * w + w**2 / 2, color=red, label="(3) with h = 1")
axes[0].plot(0, 0, "o", color="0.1")
axes[0].set(xlabel="step of the raw prediction", title="The loss of a leaf of mean 12, at 20")
axes[0].legend()

rounds = np.arange(1, 201)
for (name, curve), colour, style in zip(
    curves.items(), (blue, red, red, red), ("-", ":", "-", "--"), strict=True
):
    axes[1].loglog(rounds, curve, style, color=colour, label=name)
axes[1].axhline(deviance(y_new, mean_new), color="0.6", lw=1, label="true means")
axes[1].set(ylim=(0.7, 3e4), xlabel="rounds", ylabel="deviance of new rows", title="One rate for all leaves")
axes[1].legend(fontsize=8)

grid = np.tile(np.linspace(0, 1, 400)[:, None], (1, 4))
grid[:, 1:] = 0.5
axes[2].semilogy(
    grid[:, 0], np.exp(1.15 + 4.15 * np.sin(2 * np.pi * grid[:, 0])), color="0.6", lw=3, label="truth"
)
for name, colour in (("Newton, rate 0.3", blue), ("gradient, rate 0.01", red)):
    after = list(models[name].staged_predict(grid))[19]
    axes[2].semilogy(grid[:, 0], after, color=colour, label=name)
axes[2].set(xlabel="first feature", ylabel="mean", title="After 20 rounds")
axes[2].legend()
plt.show()
