"""The mean squared error of a line by its parameters: gradients are at right angles to level curves."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.losses import SquaredError

x, y = np.array([-0.4, 0.3, 1.0, 1.9]), np.array([-0.3, 0.6, 0.9, 1.9])
loss = SquaredError()


def mean_square(w, b):
    return 2.0 * loss.value(y, w[..., None] * x + b[..., None]).mean(axis=-1)


def gradient(w, b):
    slope, _ = loss.derivatives(y, w[..., None] * x + b[..., None])
    return 2.0 * (slope * x).mean(axis=-1), 2.0 * slope.mean(axis=-1)


w, b = np.meshgrid(np.linspace(-0.9, 2.7, 200), np.linspace(-1.5, 1.9, 200))
best = np.polyfit(x, y, 1)
angle = np.arange(8) * np.pi / 4
step = np.stack([np.cos(angle), np.sin(angle)])
height = mean_square(*(best[:, None] + step)) - mean_square(*best)
at = best[:, None] + step * np.sqrt(0.6 / height)  # on one level curve

figure, axes = plt.subplots(figsize=(4.8, 4.6))
axes.contour(
    w,
    b,
    mean_square(w, b) - mean_square(*best),
    levels=[0.1, 0.3, 0.6, 1, 1.5, 2.1, 2.8],
    colors="C0",
    linewidths=0.9,
)
axes.quiver(*at, *gradient(*at), color="C1", angles="xy", scale_units="xy", scale=3.5, width=0.009)
axes.plot(*best, "x", color="0.1", ms=8)
axes.set(xlabel="slope w", ylabel="intercept b", aspect="equal", title="gradients of the mean squared error")
