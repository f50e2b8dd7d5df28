"""Derivatives of functions: exact, by rules of calculus that run interpreted and compiled."""

from .._runtime.formulas import SUBSTITUTES
from . import _jet_rules  # noqa: F401, registers the rules
from ._curvature import Curvature, classify, curvature
from ._expectation import Expectation, ExpectationGradient, expectation, expectation_gradient
from ._functions import COMPILED
from ._rules_reductions import log_softmax, logsumexp, softmax
from ._symbolic import Symbolic, symbolic
from .check import DerivativeReport, check_derivatives
from .jets import Jet, derivatives, lift, variable
from .kinks import Kink, find_kinks
from .limits import Limit, is_continuous, limit
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
    "Curvature",
    "DerivativeReport",
    "Expectation",
    "ExpectationGradient",
    "Jet",
    "Kink",
    "Limit",
    "Symbolic",
    "TaylorPolynomial",
    "check_derivatives",
    "classify",
    "curvature",
    "derivative",
    "derivatives",
    "directional_derivative",
    "expectation",
    "expectation_gradient",
    "find_kinks",
    "gradient",
    "hessian",
    "hvp",
    "is_continuous",
    "jacobian",
    "lift",
    "limit",
    "log_softmax",
    "logsumexp",
    "softmax",
    "symbolic",
    "taylor",
    "value_and_gradient",
    "variable",
]
