"""Derivatives of functions: exact, by rules of calculus that run interpreted and compiled."""

from .._runtime.formulas import SUBSTITUTES
from . import _jet_rules  # noqa: F401, registers the rules
from ._functions import COMPILED
from .jets import Jet, derivatives, lift, variable

SUBSTITUTES.update(COMPILED)  # in compiled formulas NumPy's names mean these

__all__ = ["COMPILED", "Jet", "derivatives", "lift", "variable"]
