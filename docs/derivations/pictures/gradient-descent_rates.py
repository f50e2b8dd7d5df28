"""The same valley, walked down with three learning rates."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.optimize import descend
from calclearn.optimize.rules import GradientDescent


class Valley:
    curvature = np.array([1.0, 8.0])

    def value_gradient(self, x):
        return 0.5 * float(self.curvature @ x**2), self.curvature * x


def walked(rate):
    path = [np.array([4.0, 1.0])]
    descend(
        Valley(), path[0], GradientDescent(rate), max_iter=15, progress=lambda k, value, x: path.append(x)
    )
    return np.transpose(path)


x, y = np.meshgrid(np.linspace(-1.3, 4.3, 150), np.linspace(-1.6, 1.6, 150))
rates = {"too short": 0.03, "best: 2/(L + μ)": 2 / 9, "beyond 2/L": 0.2525}
figure, panels = plt.subplots(3, 1, figsize=(6.2, 6.2), sharex=True, sharey=True)
for axes, (name, rate) in zip(panels, rates.items(), strict=True):
    axes.contour(x, y, x**2 / 2 + 4 * y**2, levels=[0.1, 0.6, 1.6, 3, 5, 8], colors="0.75", linewidths=0.8)
    axes.plot(*walked(rate), "o-", color="C0", ms=4, lw=1.2)
    axes.plot(0, 0, "+", color="0.1", ms=10)
    axes.set(title=f"η = {rate:.3g}, {name}", ylabel="steep")
axes.set(xlabel="flat", ylim=(-1.6, 1.6))
