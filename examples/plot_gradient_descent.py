r"""
Gradient descent on a loss surface
==================================

A straight line has two parameters, so its loss is a surface that can be drawn.  Here are the paths over
it: with the gradient of all rows, of a few, of a single one; then those of three update rules.  The
theory is in ``docs/derivations/gradient-descent.md``; the numbers in brackets are its equations.
"""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.optimize import descend, descend_in_batches
from calclearn.optimize.rules import Adam, GradientDescent, Momentum


# %%
# The objective
# -------------
# Half the mean squared error of :math:`y \approx w x + b`.  An objective is any object with
# ``value_gradient``; descent in batches also asks for ``gradient_of_batch``.  It is asked once a step, so
# this is where the path can be written down.
class Line:
    """Half the mean squared error of slope and intercept, and where its batches were asked for."""

    def __init__(self, x, y):
        self.Z, self.y, self.path = np.column_stack([x, np.ones_like(x)]), y, []

    def value_gradient(self, parameters):
        """Of all rows."""
        residual = self.Z @ parameters - self.y
        return 0.5 * np.mean(residual**2), self.Z.T @ residual / len(residual)

    def gradient_of_batch(self, parameters, rows):
        """Of some rows: on average the gradient of all."""
        self.path.append(parameters.copy())
        Z = self.Z[rows]
        return Z.T @ (Z @ parameters - self.y[rows]) / len(rows)


rng = np.random.default_rng(4)
n = 64
x = rng.uniform(0.5, 2.5, n)
y = 1.0 + 2.0 * x + rng.normal(scale=0.7, size=n)
line = Line(x, y)
start = np.array([1.7, -1.9])  # slope, intercept

# The feature is not centred: along its valley the surface is much flatter than across.
flattest, steepest = np.linalg.eigvalsh(line.Z.T @ line.Z / n)
best = np.linalg.lstsq(line.Z, y)[0]
lowest = line.value_gradient(best)[0]
print(f"curvatures {flattest:.3f} and {steepest:.2f}: a condition number of {steepest / flattest:.0f}")


# %%
# How to draw it
# --------------
# Each path over contours of the surface, at equal ratios of the height above the minimum; below, that
# height itself.
def draw(paths, colours, steps_per_point, unit, lowest_shown):
    """`paths` maps names to lists of (slope, intercept); heights are shown every so many steps."""
    names = list(paths)
    _, axes = plt.subplot_mosaic(
        [names, ["heights"] * len(names)], figsize=(9.5, 6.4), height_ratios=[1.25, 1], layout="constrained"
    )
    slope, intercept = np.meshgrid(np.linspace(0.8, 4.2, 160), np.linspace(-2.4, 2.2, 160))
    residual = slope[..., None] * x + intercept[..., None] - y
    height = 0.5 * np.mean(residual**2, axis=-1) - lowest
    levels = [0.0, *np.geomspace(1e-2, 10, 7), np.inf]
    shades = plt.get_cmap("bone")(np.linspace(0.6, 1.0, len(levels) - 1))
    for name, colour in zip(names, colours, strict=True):
        surface, path = axes[name], np.array(paths[name])
        surface.contourf(slope, intercept, height, levels, colors=shades)
        surface.contour(slope, intercept, height, levels[1:-1], colors="white", linewidths=0.7)
        surface.plot(*path.T, color=colour, lw=1.2, marker="." if len(path) < 200 else None, ms=4)
        surface.plot(*start, "o", color="black", ms=5)
        surface.plot(*best, "*", color="black", ms=12, mec="white", zorder=3)
        surface.set(title=name, xlabel="slope", xlim=slope[0, [0, -1]], ylim=intercept[[0, -1], 0])
        surface.tick_params(labelleft=surface is axes[names[0]])
        above = [line.value_gradient(point)[0] - lowest for point in path[:: steps_per_point[name]]]
        axes["heights"].semilogy(np.maximum(above, 1e-16), "o-", color=colour, ms=3, lw=1.3, label=name)
    axes[names[0]].set(ylabel="intercept")
    axes["heights"].set(xlabel=unit, ylabel="loss above its minimum", ylim=(lowest_shown, 40))
    axes["heights"].grid(alpha=0.3)
    axes["heights"].legend(loc="upper right", ncols=len(names))


# %%
# All rows, some, or one
# ----------------------
# All rows at once: no noise, and one step for each pass over the data.  A single row: 64 steps for the same
# work, each in a direction that is right on average only (7).  With a constant rate these end in a cloud
# around the minimum; with a rate that falls (8) they close in on it.
paths, steps = {}, {}
for name, batch_size, rule in (
    ("all 64 rows", n, GradientDescent(learning_rate=1.0 / steepest)),
    ("batches of 8", 8, GradientDescent(learning_rate=0.3 / steepest)),
    ("single rows", 1, GradientDescent(learning_rate=0.3 / steepest)),
    ("single rows, falling rate", 1, GradientDescent(learning_rate=0.3 / steepest, decay=0.003)),
):
    line.path, steps[name] = [], n // batch_size
    solution = descend_in_batches(
        line, start, rule, n_rows=n, batch_size=batch_size, max_epochs=30, rng=np.random.default_rng(0)
    )
    paths[name] = [*line.path, solution.x]
    print(f"{name}: {len(line.path)} steps, {solution.value - lowest:.1e} above the minimum")
draw(paths, ("#0072b2", "#009e73", "#d55e00", "#cc79a7"), steps, "passes over the data", 1e-4)

# %%
# Three rules
# -----------
# The gradients of all rows again.  With the rate 1/L plain descent falls to the floor of the valley in
# one step, and then creeps along it (5).  Momentum overshoots, but adds up the steps that agree (9).  Adam
# begins with steps of one length in every coordinate (14): a gain where the parameters differ in scale,
# which these two do not.
rules = {
    "gradient descent": GradientDescent(learning_rate=1.0 / steepest),
    "momentum": Momentum(learning_rate=1.0 / steepest, momentum=0.65),
    "Adam": Adam(learning_rate=0.3),
}
paths = {name: [start] for name in rules}
for name, rule in rules.items():
    solution = descend(
        line, start, rule, max_iter=80, progress=lambda step, value, x, name=name: paths[name].append(x)
    )
    print(f"{name}: {solution.n_iter} steps, {solution.value - lowest:.1e} above the minimum")
draw(paths, ("#0072b2", "#d55e00", "#009e73"), dict.fromkeys(rules, 1), "steps", 1e-6)
plt.show()
