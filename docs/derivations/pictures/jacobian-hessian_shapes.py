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
x, y = np.meshgrid(np.linspace(-1, 1, 120), np.linspace(-1, 1, 120))

figure, panels = plt.subplots(1, 5, figsize=(9.6, 2.5))
for axes, (name, curvatures) in zip(panels, points.items(), strict=True):

    def f(x, curvatures=np.array(curvatures, float)):
        return 0.5 * (curvatures[0] * (turn[:, 0] @ x) ** 2 + curvatures[1] * (turn[:, 1] @ x) ** 2)

    values = np.array([f(p) for p in np.stack([x, y], -1).reshape(-1, 2)]).reshape(x.shape)
    axes.contour(x, y, values, levels=9, colors="0.6", linewidths=0.8, linestyles="-")
    found, vectors = np.linalg.eigh(hessian(f, np.zeros(2)))
    for value, v in zip(found, vectors.T, strict=True):
        colour = "C0" if value > 1e-9 else "C1" if value < -1e-9 else "0.35"
        axes.plot([-0.8 * v[0], 0.8 * v[0]], [-0.8 * v[1], 0.8 * v[1]], color=colour, lw=2.5)
    axes.set(title=name, xticks=[], yticks=[], aspect="equal")
    axes.set_xlabel(f"λ = {round(found[1])}, {round(found[0])}".replace("-", "−"))
