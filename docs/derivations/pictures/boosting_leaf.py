"""The loss of a leaf's rows, and the parabolas of a step with and without the Hessian."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.losses import LogLoss

y, start = np.repeat([0.0, 1.0], [10, 2]), -2.3  # two rows of twelve, where the model says one
loss = LogLoss()
w = np.linspace(-1.0, 1.9, 300)
total = loss.value(y[:, None], start + w).sum(axis=0) - loss.value(y, start).sum()
g, h = (part.sum() for part in np.broadcast_arrays(*loss.derivatives(y, start)))

figure, axes = plt.subplots(figsize=(5.8, 3.6))
axes.plot(w, total, color="0.3", lw=2.5, label="loss of the leaf's rows")
for curvature, name, colour, style in (
    (h, "with its Hessian", "C0", "-"),
    (len(y), "with h = 1", "C1", "--"),
):
    axes.plot(w, g * w + curvature * w**2 / 2, style, color=colour, label=f"parabola {name}")
    axes.plot(-g / curvature, -(g**2) / (2 * curvature), "o", color=colour)
axes.plot(0, 0, "o", color="0.1")
axes.set(xlabel="weight w of the leaf", ylabel="change of the loss", ylim=(-0.75, 0.85))
axes.legend(loc="lower left")
