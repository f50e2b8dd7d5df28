"""Derivatives of functions: exact, by rules of calculus that run interpreted and compiled."""

from .._runtime.formulas import SUBSTITUTES
from . import _jet_rules  # noqa: F401, registers the rules
from ._functions import COMPILED
from ._rules_arrays import log_softmax, logsumexp, softmax
from .jets import Jet, derivatives, lift, variable
from .operators import (
    TaylorPolynomial,
    derivative,
    directional_derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    taylor,
    value_and_gradient,
)

SUBSTITUTES.update(COMPILED)  # in compiled formulas NumPy's names mean these

__all__ = [
    "COMPILED",
    "Jet",
    "TaylorPolynomial",
    "derivative",
    "derivatives",
    "directional_derivative",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "lift",
    "log_softmax",
    "logsumexp",
    "softmax",
    "taylor",
    "value_and_gradient",
    "variable",
]
