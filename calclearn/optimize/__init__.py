"""Minimisers and update rules, and what they certify.

A minimiser is a small frozen record of its parameters with one method, ``minimise(objective, x0, progress)``,
that returns a `Solution`.  An *objective* is any object with pure methods over a float64 vector:
``value_gradient(x)``, and for second-order minimisers ``hessian(x)``, or ``hessian_product(x)`` which returns
a function of a vector.  Each minimiser lists what it needs in `requires`.

An update rule is the formula of a first-order method for one parameter; `descend` takes its steps.

Instances of both can be handed to :func:`scipy.optimize.minimize` as its ``method``; `minimize` is the same
with derivatives that need not be given.
"""

from . import rules, schedules
from ._averaging import EMA, Polyak, average_into
from ._clipping import clip_by_norm, clip_by_value
from ._coordinate_descent import CoordinateDescent
from ._descent import descend, descend_in_batches
from ._lbfgs import LBFGS
from ._line_search import LineSearchNewton
from ._minimiser import Minimiser
from ._minimize import minimize
from ._newton import Newton, NewtonCG
from ._optimality import Optimality, Solution
from ._stopping import Stopping, explain
from ._weight_decay import decay_weights
from .rules import (
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSprop,
)

__all__ = [
    "EMA",
    "LBFGS",
    "AMSGrad",
    "Adagrad",
    "Adam",
    "AdamW",
    "CoordinateDescent",
    "GradientDescent",
    "LineSearchNewton",
    "Lion",
    "Minimiser",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "Optimality",
    "Polyak",
    "RMSprop",
    "Solution",
    "Stopping",
    "average_into",
    "clip_by_norm",
    "clip_by_value",
    "decay_weights",
    "descend",
    "descend_in_batches",
    "explain",
    "minimize",
    "rules",
    "schedules",
]
