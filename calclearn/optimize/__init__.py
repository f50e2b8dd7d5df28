"""Minimisers, and what they certify.

A minimiser is a small frozen record of its parameters with one method, ``minimise(objective, x0, progress)``,
that returns a `Solution`.  An *objective* is any object with pure methods over a float64 vector:
``value_gradient(x)``, and for second-order minimisers ``hessian(x)``, or ``hessian_product(x)`` which returns
a function of a vector.  Each minimiser lists what it needs in `requires`.
"""

from . import rules
from ._descent import descend, descend_in_batches
from ._lbfgs import LBFGS
from ._newton import Newton, NewtonCG
from ._optimality import Optimality, Solution
from ._stopping import Stopping, explain

__all__ = [
    "LBFGS",
    "Newton",
    "NewtonCG",
    "Optimality",
    "Solution",
    "Stopping",
    "descend",
    "descend_in_batches",
    "explain",
    "rules",
]
