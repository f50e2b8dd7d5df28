"""A parabola and an absolute value: where the kink holds the minimum at zero."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.penalties import L1

penalty = L1(1.0)
w = np.linspace(-2.2, 3.4, 561)
figure, panels = plt.subplots(1, 3, figsize=(8.4, 2.9), sharex=True, sharey=True)
for axes, v in zip(panels, (0.6, 1.0, 2.2), strict=True):
    smooth = 0.5 * (w - v) ** 2
    best = float(penalty.prox(np.array([v]))[0])
    axes.plot(w, smooth, "--", color="C0", label="½ (w − v)²")
    axes.plot(w, smooth + abs(w), color="C1", lw=2, label="with |w|")
    axes.plot(best, 0.5 * (best - v) ** 2 + abs(best), "o", color="0.1")
    axes.axvline(0, color="0.7", lw=0.8, zorder=0)
    axes.set(title=f"v = {v:g}: minimum at {best:g}", xlabel="w", ylim=(-0.1, 4))
panels[0].legend(loc="upper center")
