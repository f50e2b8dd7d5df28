"""A convex objective, and the parabola below it that its penalty guarantees."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.losses import LogLoss

x, y, alpha = np.array([-2.0, -1.0, 0.5, 1.0, 2.5]), np.array([0.0, 1.0, 0.0, 1.0, 1.0]), 0.4
loss = LogLoss()


def objective(w):
    return loss.value(y, np.multiply.outer(w, x)).mean(axis=-1) + alpha / 2 * w**2


at = 0.9
gradient = (loss.derivatives(y, at * x)[0] * x).mean() + alpha * at
w = np.linspace(-1.0, 2.2, 400)
below = objective(at) + gradient * (w - at) + alpha / 2 * (w - at) ** 2
lowest, bound = objective(w).min(), objective(at) - gradient**2 / (2 * alpha)

figure, axes = plt.subplots(figsize=(5.8, 3.6))
axes.plot(w, objective(w), color="C0", lw=2, label="objective F")
axes.plot(w, below, "--", color="C1", lw=2, label="parabola of curvature α")
axes.plot(at, objective(at), "o", color="0.1", label="iterate")
for level, name in ((lowest, "minimum of F"), (bound, "what F cannot fall below")):
    axes.axhline(level, color="0.6", lw=0.8, zorder=0)
    axes.text(2.2, level, name, ha="right", va="bottom", color="0.35")
axes.set(xlabel="w", ylabel="objective", ylim=(bound - 0.06, 1.2))
axes.legend(loc="upper center")
