"""Losses: each is one formula, and everything else is its calculus."""

from .._runtime.formulas import FormulaError
from . import pointwise
from ._check import LossReport, check_loss
from ._contract import Loss, get_loss, loss
from ._counts import Gamma, Poisson, Tweedie, TweedieIdentity
from ._insensitive import EpsilonInsensitive, SquaredEpsilonInsensitive
from ._logistic import LogLoss
from ._margins import Exponential, Hinge, SquaredHinge
from ._multinomial import MultinomialLogLoss
from ._robust import AbsoluteError, Huber, LogCosh, Quantile
from ._squared import SquaredError

__all__ = [
    "AbsoluteError",
    "EpsilonInsensitive",
    "Exponential",
    "FormulaError",
    "Gamma",
    "Hinge",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "LossReport",
    "MultinomialLogLoss",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "Tweedie",
    "TweedieIdentity",
    "check_loss",
    "get_loss",
    "loss",
    "pointwise",
]
