"""What a jet knows of a curve: the parabola that is nearest to it at a point."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.calculus import derivatives


def f(x):
    return np.sin(x) + np.exp(x / 3)


at = 1.0
value, first, second = derivatives(f, at)
x = np.linspace(-2.5, 4.0, 300)
t = x - at

figure, axes = plt.subplots(figsize=(5.4, 3.4))
axes.plot(x, f(x), color="0.3", lw=2.5, label="f")
axes.plot(x, value + first * t, ":", color="C1", lw=2, label="value and slope")
axes.plot(x, value + first * t + second * t**2 / 2, "--", color="C0", lw=2, label="and curvature")
axes.plot(at, value, "o", color="0.1")
axes.set(
    xlabel="x",
    ylim=(-1.5, 4.5),
    title=f"the jet of sin x + exp(x/3) at 1: ({value:.2f}, {first:.2f}, {second:.2f})".replace("-", "−"),
)
axes.legend(loc="upper left")
