r"""
Optimisers on a loss surface
============================

Ten update rules and four minimisers walk over two surfaces: Rosenbrock's valley, which is curved and almost
flat along its floor, and a saddle, where the gradient all but vanishes far from any minimum.  The rules are
derived in ``docs/derivations/optimisers.md``; all are called the same way, as SciPy's methods.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess

from calclearn.inspection import ConvergenceDisplay, LossSurfaceDisplay
from calclearn.optimize import (
    LBFGS,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    GradientDescent,
    LineSearchNewton,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Newton,
    NewtonCG,
    RMSprop,
)


# %%
# Two surfaces
# ------------
# Rosenbrock's function, least at (1, 1), and :math:`x^2 - y^2 + y^4/4`, least at :math:`(0, \pm\sqrt 2)`,
# from a start where the gradient leads to the saddle first.
def saddle(x):
    """Down in one direction, up in the other, and a floor further out."""
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4


def saddle_gradient(x):
    """Zero at the origin."""
    return np.array([2 * x[0], -2 * x[1] + x[1] ** 3])


def saddle_hessian(x):
    """Of both signs at the origin."""
    return np.diag([2.0, -2.0 + 3 * x[1] ** 2])


SURFACES = {
    "Rosenbrock": (rosen, rosen_der, rosen_hess, [-1.2, 1.0], [[1.0, 1.0]]),
    "saddle": (saddle, saddle_gradient, saddle_hessian, [1.0, 1e-3], [[0.0, 2**0.5], [0.0, -(2**0.5)]]),
}
STEPS = 1000


def walk(surface, method):
    """The path, the heights along it, and why it ended."""
    fun, jac, hess, start, _ = SURFACES[surface]
    second = {"hess": hess} if "hessian" in "".join(getattr(method, "requires", ())) else {}
    rule = not hasattr(method, "requires")
    options = {"max_iter": STEPS, "return_path": True} | ({"schedule": "cosine"} if rule else {})
    result = minimize(fun, start, jac=jac, method=method, tol=1e-8, options=options, **second)
    print(
        f"{surface:10}  {type(method).__name__:16}  {result.nit:4} steps  {result.fun: .2e}  {result.reason}"
    )
    return result


# %%
# How to draw it
# --------------
# Each path over contours, with crosses where the surface is lowest; and below, the height above the minimum,
# in the same colour.
GRIDS = {"Rosenbrock": ((-1.7, 1.7), (-0.7, 2.2)), "saddle": ((-1.3, 1.3), (-2.1, 2.1))}


def draw(surface, results, columns):
    """A panel for each result."""
    fun, *_, minima = SURFACES[surface]
    rows = -(-len(results) // columns)
    figure = plt.figure(figsize=(2.3 * columns, 2.2 * rows + 2.6), layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[1] * rows + [1.2])
    heights = figure.add_subplot(grid[rows, :])
    curves = ConvergenceDisplay.from_result(results, quantity="gap", minimum=fun(minima[0]), ax=heights)
    heights.set(xlabel="steps", ylabel="height above the minimum", xscale="symlog")
    heights.set(xlim=(0, None), ylim=(1e-16, None))
    heights.grid(alpha=0.3)
    heights.legend(ncols=columns, fontsize="small")
    xlim, ylim = GRIDS[surface]
    for number, (name, result) in enumerate(results.items()):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        LossSurfaceDisplay.from_function(
            fun,
            path=result,
            xlim=xlim,
            ylim=ylim,
            ax=axes,
            colorbar=False,
            grid_resolution=40,
            cmap="Greys",
            path_options={"color": curves.lines_[number].get_color()},
        )
        axes.plot(*np.transpose(minima), "x", color="black", zorder=5)
        axes.set(title=name, xticks=[], yticks=[], xlabel="", ylabel="")
    figure.suptitle(surface)


# %%
# The rules
# ---------
# One formula each, with a rate that suits it and falls along a cosine.  On Rosenbrock's valley, plain descent
# creeps; rules that remember their direction go on.  On the saddle, rules that divide the gradient by its
# size are not slow where it is small.
RULES = {
    "Rosenbrock": [
        GradientDescent(1e-3),
        Momentum(1e-3),
        Nesterov(1e-3),
        RMSprop(0.03),
        Adagrad(0.5),
        Adam(0.2),
        AdamW(0.2, weight_decay=1e-3),
        NAdam(0.2),
        AMSGrad(0.2),
        Lion(0.03),
    ],
    "saddle": [
        GradientDescent(0.1),
        Momentum(0.02),
        Nesterov(0.02),
        RMSprop(0.03),
        Adagrad(0.5),
        Adam(0.1),
        AdamW(0.1, weight_decay=1e-3),
        NAdam(0.1),
        AMSGrad(0.1),
        Lion(0.03),
    ],
}
for surface, rules in RULES.items():
    draw(surface, {type(rule).__name__: walk(surface, rule) for rule in rules}, columns=5)

# %%
# The minimisers
# --------------
# Curvature tells how far to go: tens of steps instead of hundreds, and the last ones square the distance.
for surface in SURFACES:
    methods = [Newton(), LineSearchNewton(), NewtonCG(), LBFGS()]
    draw(surface, {type(method).__name__: walk(surface, method) for method in methods}, columns=4)
plt.show()
