"""The functions that formulas are written in, as objects of our own.

Interpreted, each is NumPy's or SciPy's.  Compiled, each is an overload for floats (here, or in
:mod:`calclearn._runtime.elementary`) and one for jets (:mod:`._jet_rules`).  Registering those on
functions of ours, instead of on NumPy's, leaves everybody else's compiled code as it was; `COMPILED` says
which of ours stands for which of NumPy's.
"""

import math
import operator
from typing import Any

import numpy as np
import scipy.special
from numba import types
from numba.extending import overload

from .._runtime.elementary import erf, exp, expm1, log, log1p, logaddexp, sigmoid, softplus, tanh

COMPILES: Any = {"error_model": "numpy", "fastmath": False, "forceinline": True}  # whatever the caller does
REAL = (types.Float, types.Integer, types.Boolean)


def absolute(x):
    return np.absolute(x)


def arctan(x):
    return np.arctan(x)


def clip(x, low, high):
    return np.clip(x, low, high)


def cos(x):
    return np.cos(x)


def cosh(x):
    return np.cosh(x)


def log10(x):
    return np.log10(x)


def log2(x):
    return np.log2(x)


def maximum(a, b):
    return np.maximum(a, b)


def minimum(a, b):
    return np.minimum(a, b)


def power(a, b):
    return np.power(a, b)


def sign(x):
    return np.sign(x)


def sin(x):
    return np.sin(x)


def sinh(x):
    return np.sinh(x)


def sqrt(x):
    return np.sqrt(x)


def square(x):
    return np.square(x)


def tan(x):
    return np.tan(x)


def where(condition, x, y):
    return np.where(condition, x, y)


def xlogy(x, y):
    return scipy.special.xlogy(x, y)


# What a function of NumPy's or SciPy's means in a compiled formula.
COMPILED: dict[Any, Any] = {
    np.absolute: absolute,
    np.add: operator.add,
    np.arctan: arctan,
    np.clip: clip,
    np.cos: cos,
    np.cosh: cosh,
    np.divide: operator.truediv,
    np.equal: operator.eq,
    np.exp: exp,
    np.expm1: expm1,
    np.fabs: absolute,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.log: log,
    np.log10: log10,
    np.log1p: log1p,
    np.log2: log2,
    np.logaddexp: logaddexp,
    np.maximum: maximum,
    np.minimum: minimum,
    np.multiply: operator.mul,
    np.negative: operator.neg,
    np.not_equal: operator.ne,
    np.positive: operator.pos,
    np.power: power,
    np.sign: sign,
    np.sin: sin,
    np.sinh: sinh,
    np.sqrt: sqrt,
    np.square: square,
    np.subtract: operator.sub,
    np.tan: tan,
    np.tanh: tanh,
    np.where: where,
    scipy.special.erf: erf,
    scipy.special.expit: sigmoid,
    scipy.special.expm1: expm1,
    scipy.special.log1p: log1p,
    scipy.special.xlogy: xlogy,
    sigmoid: sigmoid,  # these mean themselves
    softplus: softplus,
}


# ----------------------------------------------------------------------------- compiled, on plain numbers


def _compiles_as(ours, implementation):
    """In compiled code *ours* is *implementation*, on numbers."""
    unary = implementation.__code__.co_argcount == 1

    def one(a):
        return implementation if isinstance(a, REAL) else None

    def two(a, b):
        return implementation if isinstance(a, REAL) and isinstance(b, REAL) else None

    overload(ours, jit_options=COMPILES)(one if unary else two)


_compiles_as(absolute, lambda a: abs(a))
_compiles_as(arctan, lambda a: math.atan(a))
_compiles_as(cos, lambda a: math.cos(a))
_compiles_as(cosh, lambda a: math.cosh(a))
_compiles_as(log10, lambda a: math.log10(a))
_compiles_as(log2, lambda a: math.log2(a))
_compiles_as(maximum, lambda a, b: a if (a >= b) | (a != a) else b)  # NaN where either is
_compiles_as(minimum, lambda a, b: a if (a <= b) | (a != a) else b)
_compiles_as(power, lambda a, b: a**b)
_compiles_as(sin, lambda a: math.sin(a))
_compiles_as(sinh, lambda a: math.sinh(a))
_compiles_as(sqrt, lambda a: math.sqrt(a))
_compiles_as(square, lambda a: a * a)
_compiles_as(tan, lambda a: math.tan(a))
_compiles_as(xlogy, lambda a, b: a if (a == 0) & (b == b) else a * log(b))


@overload(sign, jit_options=COMPILES)
def _sign(x):
    if isinstance(x, REAL):
        one = np.float32(1.0) if x == types.float32 else 1.0
        return lambda x: math.copysign(one, x) if (x < 0) | (x > 0) else one * x  # 0 and NaN are themselves


@overload(where, jit_options=COMPILES)
def _where(condition, x, y):
    if isinstance(condition, types.Boolean) and isinstance(x, REAL) and isinstance(y, REAL):
        return lambda condition, x, y: x if condition else y  # NumPy's own gives an array of no dimension


@overload(clip, jit_options=COMPILES)
def _clip(x, low, high):
    if isinstance(x, REAL) and isinstance(low, REAL) and isinstance(high, REAL):
        return lambda x, low, high: minimum(maximum(x, low), high)
