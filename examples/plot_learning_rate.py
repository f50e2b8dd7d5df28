r"""
The learning rate: too small, right, too large
==============================================

The rate decides more than the rule does.  With curvatures between :math:`\mu` and :math:`L`, gradient descent
multiplies the error along each curvature :math:`\lambda` by :math:`1 - \eta\lambda` a step: it creeps for
:math:`\eta \ll 1/L`, is fastest at :math:`2/(L + \mu)`, and beyond :math:`2/L` it diverges.  With noisy
gradients no constant rate arrives, and one that falls does.  Equations (1) to (8) of
``docs/derivations/gradient-descent.md``.
"""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.optimize import Adam, GradientDescent, Polyak, RMSprop, descend, descend_in_batches


# %%
# Three rates, and one step too far
# ---------------------------------
# A bowl of curvatures 1 and 10.  Divergence is noticed, and the best iterate is what is returned.
class Bowl:
    """Half the sum of curvature times x squared."""

    curvature = np.array([1.0, 10.0])

    def value_gradient(self, x):
        """Of the whole."""
        return 0.5 * float(self.curvature @ x**2), self.curvature * x


bowl, start = Bowl(), np.array([-1.6, 0.9])
smallest, largest = Bowl.curvature
rates = {
    "too small": 0.1 / largest,
    "one over L": 1.0 / largest,
    "the best": 2.0 / (largest + smallest),
    "too large": 2.4 / largest,
}
figure, panels = plt.subplot_mosaic(
    [list(rates), ["heights"] * 4], figsize=(9.5, 5.6), layout="constrained", height_ratios=[1, 1.1]
)
a, b = np.meshgrid(np.linspace(-1.8, 1.8, 100), np.linspace(-1.2, 1.2, 100))
for (name, rate), colour in zip(rates.items(), ("#0072b2", "#009e73", "#cc79a7", "#d55e00"), strict=True):
    path = [start]
    solution = descend(
        bowl,
        start,
        GradientDescent(learning_rate=rate),
        max_iter=60,
        tol=1e-9,
        progress=lambda step, value, x, path=path: path.append(x),
    )
    print(f"{name:10}  rate {rate:.3f}  {solution.n_iter:2} steps  {solution.value:.1e}  {solution.reason}")
    axes = panels[name]
    axes.contour(a, b, 0.5 * (smallest * a**2 + largest * b**2), 8, colors="0.75", linewidths=0.7)
    axes.plot(*np.transpose(path), ".-", color=colour, ms=4, lw=1)
    axes.set(title=f"{name}: {rate:.3f}", xlim=(-1.8, 1.8), ylim=(-1.2, 1.2), xticks=[], yticks=[])
    panels["heights"].semilogy(solution.curve, color=colour, label=name)
panels["heights"].set(xlabel="steps", ylabel="objective", ylim=(1e-14, 1e3))
panels["heights"].grid(alpha=0.3)
panels["heights"].legend()


# %%
# Every rate at once
# ------------------
# Where two hundred steps lead, over the rate.  For plain descent the right rates end at the cliff 2/L, and
# the objective's units move it.  Rules that divide the gradient by its size take steps of about their rate
# whatever the units, and nothing diverges.  But near the minimum such a step is too long: RMSprop may swing
# there, and comes to rest where its rate falls along a cosine, for two decades of rates.
def height(rule, schedule=None):
    """The objective after two hundred steps."""
    return max(descend(bowl, start, rule, max_iter=200, tol=0.0, schedule=schedule).curve[-1], 1e-16)


figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
grid = np.geomspace(1e-3, 3.0, 70)
axes.loglog(grid, [height(GradientDescent(rate)) for rate in grid], label="gradient descent")
axes.loglog(grid, [height(Adam(rate)) for rate in grid], label="Adam")
axes.loglog(grid, [height(RMSprop(rate)) for rate in grid], label="RMSprop")
axes.loglog(grid, [height(RMSprop(rate), "cosine") for rate in grid], label="RMSprop, falling along a cosine")
axes.axvline(2 / largest, color="0.6", lw=1, ls=":")
axes.annotate("2/L", (2 / largest, 1e2), ha="right")
axes.set(xlabel="learning rate", ylabel="objective after 200 steps", ylim=(1e-16, 1e4))
axes.grid(alpha=0.3)
axes.legend()


# %%
# With noise
# ----------
# Steps on single rows of a regression: at a constant rate the iterates end in a cloud, the larger the higher
# the rate; an average of them, or a rate that falls, comes nearer.
class Rows:
    """Half the mean squared error, by rows."""

    def __init__(self, rng, n=400, p=5):
        self.X = rng.normal(size=(n, p))
        self.y = self.X @ np.arange(1.0, p + 1) + rng.normal(size=n)

    def value_gradient(self, x):
        """Of all rows."""
        return 0.5 * float(np.mean((self.X @ x - self.y) ** 2)), self.gradient_of_batch(x, slice(None))

    def gradient_of_batch(self, x, rows):
        """Of some rows: on average the gradient of all."""
        e = self.X[rows] @ x - self.y[rows]
        return self.X[rows].T @ e / len(e)


rows = Rows(np.random.default_rng(0))
lowest = rows.value_gradient(np.linalg.lstsq(rows.X, rows.y)[0])[0]
figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for name, rate, options in (
    ("constant, 0.1", 0.1, {}),
    ("constant, 0.01", 0.01, {}),
    ("0.1, falling along a cosine", 0.1, {"schedule": "cosine"}),
    ("0.1, falling as one over the root of time", 0.1, {"schedule": "invscaling"}),
    ("0.01, the average of the iterates", 0.01, {"averaging": Polyak(skip=4000)}),
):
    solution = descend_in_batches(
        rows,
        np.zeros(5),
        GradientDescent(rate),
        n_rows=400,
        batch_size=1,
        max_epochs=30,
        tol=0.0,
        rng=np.random.default_rng(1),
        **options,
    )
    print(f"{name:42}  {solution.value - lowest:.1e} above the minimum")
    if "averaging" in options:
        axes.axhline(solution.value - lowest, color="0.4", lw=1, ls="--", label=name)
    else:
        axes.semilogy(np.array(solution.curve) - lowest, label=name)
axes.set(xlabel="passes over the rows", ylabel="loss above its minimum", yscale="log")
axes.grid(alpha=0.3)
axes.legend(fontsize="small")
plt.show()
