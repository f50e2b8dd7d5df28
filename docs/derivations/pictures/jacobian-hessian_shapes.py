"""Five critical points, told apart by the eigenvalues of the Hessian."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.calculus import hessian

turn = np.array([[0.8, -0.6], [0.6, 0.8]])  # columns: the eigenvectors
points = {
    "minimum": (2, 1),
    "maximum": (-2, -1),
    "saddle": (2, -1),
    "flat": (2, 0),
    "ill-conditioned": (20, 1),
}
x = np.stack(np.meshgrid(np.linspace(-1, 1, 120), np.linspace(-1, 1, 120)))


def quadratic(curvatures):
    A = turn * curvatures @ turn.T
    return lambda x: 0.5 * (A[0, 0] * x[0] ** 2 + 2 * A[0, 1] * x[0] * x[1] + A[1, 1] * x[1] ** 2)


figure, panels = plt.subplots(1, 5, figsize=(9.6, 2.5))
for axes, (name, curvatures) in zip(panels, points.items(), strict=True):
    f = quadratic(curvatures)
    height = np.sign(f(x)) * np.sqrt(abs(f(x)))  # level curves at even distances
    axes.contour(*x, height, levels=11, colors="0.6", linewidths=0.8, linestyles="-")
    values, vectors = np.linalg.eigh(hessian(f, np.zeros(2)))
    for value, v in zip(values, 0.8 * vectors.T, strict=True):
        colour = "C0" if value > 1e-9 else "C1" if value < -1e-9 else "0.35"
        axes.plot([-v[0], v[0]], [-v[1], v[1]], color=colour, lw=2.5)
    axes.set(title=name, xticks=[], yticks=[], aspect="equal")
    axes.set_xlabel(f"λ = {round(values[1])}, {round(values[0])}".replace("-", "−"))
