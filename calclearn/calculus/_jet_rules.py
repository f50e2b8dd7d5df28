r"""The calculus of second-order jets, written once and registered for both worlds.

A rule takes jets and returns a jet.  Interpreted it runs as it stands, on NumPy floats and arrays;
compiled it is the overload, for jets only, of our own functions (:mod:`._functions`), of operators and of
``abs``, ``max``, ``min``, ``pow``.  Numbers among the operands are lifted to constants first.  Equation
numbers are those of docs/derivations/jets.md.

Rules are written in the form that overflows last: the rule for the logarithm, say, divides
:math:`u''` and :math:`u'` by :math:`u` before it subtracts, so that :math:`\log\cosh u` is right as long as
:math:`\cosh u` is finite.
"""

import math
import operator

import numpy as np
import scipy.special
from numba import types
from numba.extending import overload, register_jitable

from . import _functions as f
from ._functions import COMPILES, REAL
from ._jet_compiled import JetType
from .jets import RULES, Jet, lift, times, weak

LOG_2, LOG_10, TWO_OVER_ROOT_PI = math.log(2.0), math.log(10.0), 2.0 / math.sqrt(math.pi)

jitable = register_jitable(**COMPILES)


# ---------------------------------------------------------------------------------------- registration


def unary(*functions):
    """Register a rule ``rule(u)`` for *functions*: ufuncs are interpreted, all others compiled."""

    def register(rule):
        rule = jitable(rule)

        def compiled(u):
            return rule if isinstance(u, JetType) else None

        _register(functions, rule, compiled)
        return rule

    return register


def binary(*functions):
    """Register a rule ``rule(a, b)`` of two jets, for jets and numbers on either side."""

    def register(rule):
        rule = jitable(rule)

        def lifted(a, b):
            like = a if isinstance(a, Jet) else b
            return rule(lift(a, like), lift(b, like))

        def compiled(a, b):
            if isinstance(a, JetType) and isinstance(b, (JetType, *REAL)):
                return lambda a, b: rule(a, lift(b, a))
            if isinstance(a, REAL) and isinstance(b, JetType):
                return lambda a, b: rule(lift(a, b), b)

        _register(functions, lifted, compiled)
        return rule

    return register


def _register(functions, interpreted, compiled):
    for function in functions:
        if isinstance(function, np.ufunc):
            RULES[function] = interpreted
        else:
            overload(function, jit_options=COMPILES)(compiled)


# ------------------------------------------------------------------------------------------ arithmetic


@jitable
def chain(u, value, slope, curvature):
    """Equation (2): a function of the jet *u*, from its value and derivatives at ``u.value``."""
    bend = times(times(curvature, u.first), u.first)
    return Jet(value, times(slope, u.first), bend + times(slope, u.second))


@unary(np.positive, operator.pos)
def positive(u):
    return u


@unary(np.negative, operator.neg)
def negative(u):
    return Jet(-u.value, -u.first, -u.second)


@binary(np.add, operator.add, operator.iadd)
def add(a, b):
    return Jet(a.value + b.value, a.first + b.first, a.second + b.second)


@binary(np.subtract, operator.sub, operator.isub)
def subtract(a, b):
    return Jet(a.value - b.value, a.first - b.first, a.second - b.second)


@binary(np.multiply, operator.mul, operator.imul)
def multiply(a, b):
    """Equation (3)."""
    cross = times(a.first, b.first)
    return Jet(
        a.value * b.value,
        times(b.value, a.first) + times(a.value, b.first),
        times(b.value, a.second) + (cross + cross) + times(a.value, b.second),
    )


@binary(np.divide, operator.truediv, operator.itruediv)
def divide(a, b):
    """Equation (4): the quotient's own derivatives, solved from those of quotient × b = a."""
    value = a.value / b.value
    first = (a.first - times(value, b.first)) / b.value
    cross = times(first, b.first)
    return Jet(value, first, (a.second - (cross + cross) - times(value, b.second)) / b.value)


@unary(np.square, f.square)
def square(u):
    return multiply(u, u)


@jitable
def power(a, b):
    """Equation (6), the partial derivatives of :math:`a^b`; with a constant exponent it is equation (5)."""
    v, p = a.value, b.value
    one = weak(1.0, p)
    log_v, lower, lowest = f.log(v), v ** (p - one), v ** (p - one - one)
    value = v**p
    by_a, by_b = times(lower, p), times(log_v, value)
    by_aa, by_ab, by_bb = times(lowest, p * (p - one)), lower + times(log_v, by_a), times(log_v, by_b)
    cross = times(times(by_ab, a.first), b.first)
    # Where the slope is infinite, at v = 0 with p < 1, the curvature outgrows it: its share of u'' is nil.
    finite = f.where((v == 0) & (abs(by_a) == math.inf), weak(0.0, by_a), by_a)
    return Jet(
        value,
        times(by_a, a.first) + times(by_b, b.first),
        times(times(by_aa, a.first), a.first)
        + (cross + cross)
        + times(times(by_bb, b.first), b.first)
        + times(finite, a.second)
        + times(by_b, b.second),
    )


# Integer exponents as products: exact, fast, and right for negative bases at any precision.
PRODUCTS = {
    1: lambda a, b: a,
    2: lambda a, b: a * a,
    3: lambda a, b: a * a * a,
    4: lambda a, b: (a * a) * (a * a),
}


def _interpreted_power(a, b):
    if isinstance(a, Jet) and isinstance(b, int) and b in PRODUCTS:
        return PRODUCTS[b](a, b)
    like = a if isinstance(a, Jet) else b
    return power(lift(a, like), lift(b, like))


def _compiled_power(a, b):
    if isinstance(a, JetType) and isinstance(b, types.IntegerLiteral):
        return PRODUCTS.get(b.literal_value)
    if isinstance(a, JetType) and isinstance(b, (JetType, *REAL)):
        return lambda a, b: power(a, lift(b, a))
    if isinstance(a, REAL) and isinstance(b, JetType):
        return lambda a, b: power(lift(a, b), b)


RULES[np.power] = _interpreted_power
for _function in (operator.pow, operator.ipow, pow, f.power):
    overload(_function, prefer_literal=True, jit_options=COMPILES)(_compiled_power)


# --------------------------------------------------------------------------------- comparisons, choices


def _compare(ufunc, compare):
    """Jets compare by their values."""

    def interpreted(a, b):
        return ufunc(a.value if isinstance(a, Jet) else a, b.value if isinstance(b, Jet) else b)

    def compiled(a, b):
        if isinstance(a, JetType) and isinstance(b, JetType):
            return lambda a, b: compare(a.value, b.value)
        if isinstance(a, JetType) and isinstance(b, REAL):
            return lambda a, b: compare(a.value, weak(b, a.value))
        if isinstance(a, REAL) and isinstance(b, JetType):
            return lambda a, b: compare(weak(a, b.value), b.value)

    _register((ufunc, compare), interpreted, compiled)


_compare(np.less, operator.lt)
_compare(np.less_equal, operator.le)
_compare(np.greater, operator.gt)
_compare(np.greater_equal, operator.ge)
_compare(np.equal, operator.eq)
_compare(np.not_equal, operator.ne)


@jitable
def choose(condition, a, b):
    """The jet *a* where *condition* holds, else *b*."""
    return Jet(
        f.where(condition, a.value, b.value),
        f.where(condition, a.first, b.first),
        f.where(condition, a.second, b.second),
    )


@binary(np.maximum, f.maximum, max)
def maximum(a, b):
    """The greater one; at a tie the first, as Python's max; NaN where either is."""
    return choose((a.value >= b.value) | (a.value != a.value), a, b)


@binary(np.minimum, f.minimum, min)
def minimum(a, b):
    """The smaller one; at a tie the first, as Python's min; NaN where either is."""
    return choose((a.value <= b.value) | (a.value != a.value), a, b)


def _of_three(builtin):
    @overload(builtin, jit_options=COMPILES)
    def compiled(a, b, c):
        if any(isinstance(t, JetType) for t in (a, b, c)):
            return lambda a, b, c: builtin(builtin(a, b), c)


_of_three(max)
_of_three(min)


def _where(condition, x, y):
    if isinstance(condition, Jet):
        raise TypeError("np.where on the condition of a Jet: write a comparison such as x > 0")
    return choose(condition, lift(x, y), lift(y, x))


def _clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


RULES[np.where], RULES[np.clip] = _where, _clip


@overload(f.where, jit_options=COMPILES)
def _compiled_where(condition, x, y):
    if isinstance(condition, types.Boolean) and (isinstance(x, JetType) or isinstance(y, JetType)):
        return lambda condition, x, y: choose(condition, lift(x, y), lift(y, x))


@overload(f.clip, jit_options=COMPILES)
def _compiled_clip(x, low, high):
    if any(isinstance(t, JetType) for t in (x, low, high)):
        return lambda x, low, high: f.minimum(f.maximum(x, low), high)


@unary(np.absolute, np.fabs, f.absolute, abs)
def absolute(u):
    """At 0 the slope is 0, the mean of those on both sides."""
    slope = f.sign(u.value)
    return Jet(abs(u.value), slope * u.first, slope * u.second)


@unary(np.sign, f.sign)
def sign(u):
    """Constant on both sides of its jump."""
    return Jet(f.sign(u.value), weak(0.0, u.value), weak(0.0, u.value))


# -------------------------------------------------------------------------------- powers and logarithms


@unary(np.sqrt, f.sqrt)
def sqrt(u):
    """Equation (7). At 0: infinite slope, or (0, 0, 0) where u touches 0 without crossing it."""
    root = f.sqrt(u.value)
    half, steep = weak(0.5, root), weak(1.0, root) / root
    first = times(half * steep, u.first)
    own = f.where(u.value == 0, weak(0.0, root), half * u.second)
    return Jet(root, first, times(steep, own - first * first))


@unary(np.exp, f.exp)
def exp(u):
    e = f.exp(u.value)
    return chain(u, e, e, e)


@unary(np.expm1, scipy.special.expm1, f.expm1)
def expm1(u):
    e = f.exp(u.value)
    return chain(u, f.expm1(u.value), e, e)


@jitable
def _logarithm(u, value, at):
    """Equation (8): the logarithm of something that equals *at* and moves like *u*."""
    steep = weak(1.0, at) / at
    first = times(steep, u.first)
    return Jet(value, first, times(steep, u.second - first * u.first))


@unary(np.log, f.log)
def log(u):
    return _logarithm(u, f.log(u.value), u.value)


@unary(np.log1p, scipy.special.log1p, f.log1p)
def log1p(u):
    return _logarithm(u, f.log1p(u.value), weak(1.0, u.value) + u.value)


@unary(np.log2, f.log2)
def log2(u):
    natural, scale = log(u), weak(1.0 / LOG_2, u.value)
    return Jet(f.log2(u.value), natural.first * scale, natural.second * scale)


@unary(np.log10, f.log10)
def log10(u):
    natural, scale = log(u), weak(1.0 / LOG_10, u.value)
    return Jet(f.log10(u.value), natural.first * scale, natural.second * scale)


@binary(scipy.special.xlogy, f.xlogy)
def xlogy(a, b):
    """The product rule for a log b, in which a = 0 annihilates too."""
    factor = log(b)
    cross = times(factor.first, a.first)
    return Jet(
        f.xlogy(a.value, b.value),
        times(factor.value, a.first) + times(factor.first, a.value),
        times(factor.value, a.second) + (cross + cross) + times(factor.second, a.value),
    )


# ------------------------------------------------------------------------------- the logistic function


@jitable
def _logistic(x):
    """sigmoid(x), sigmoid(-x) and their product, each to full relative precision in both tails."""
    e = f.exp(-abs(x))
    large = weak(1.0, x) / (weak(1.0, x) + e)
    small = e * large
    return f.where(x >= 0, large, small), f.where(x >= 0, small, large), large * small


@unary(scipy.special.expit, f.sigmoid)
def sigmoid(u):
    """Equation (9): slope s(1 - s) and curvature s(1 - s)(1 - 2s), where 1 - 2s = -tanh(u/2)."""
    _, _, slope = _logistic(u.value)
    return chain(u, f.sigmoid(u.value), slope, -slope * f.tanh(weak(0.5, u.value) * u.value))


@unary(f.softplus)
def softplus(u):
    """log(1 + exp u): its slope is the logistic function."""
    slope, _, curvature = _logistic(u.value)
    return chain(u, f.softplus(u.value), slope, curvature)


@binary(np.logaddexp, f.logaddexp)
def logaddexp(a, b):
    """Equation (10): the mean of the derivatives, weighted by softmax, and the variance of the slopes."""
    of_a, of_b, product = _logistic(a.value - b.value)
    gap = a.first - b.first
    return Jet(
        f.logaddexp(a.value, b.value),
        times(of_a, a.first) + times(of_b, b.first),
        times(of_a, a.second) + times(of_b, b.second) + product * gap * gap,
    )


# ------------------------------------------------------------------ hyperbolic, trigonometric, and erf


@unary(np.tanh, f.tanh)
def tanh(u):
    """Slope 1 - tanh², written as 4 e / (1 + e)² with e = exp(-2|u|), which keeps its tail."""
    t = f.tanh(u.value)
    _, _, product = _logistic(u.value + u.value)
    slope = weak(4.0, t) * product
    return chain(u, t, slope, -(t + t) * slope)


@unary(np.sinh, f.sinh)
def sinh(u):
    s = f.sinh(u.value)
    return chain(u, s, f.cosh(u.value), s)


@unary(np.cosh, f.cosh)
def cosh(u):
    c = f.cosh(u.value)
    return chain(u, c, f.sinh(u.value), c)


@unary(np.sin, f.sin)
def sin(u):
    s = f.sin(u.value)
    return chain(u, s, f.cos(u.value), -s)


@unary(np.cos, f.cos)
def cos(u):
    c = f.cos(u.value)
    return chain(u, c, -f.sin(u.value), -c)


@unary(np.tan, f.tan)
def tan(u):
    t = f.tan(u.value)
    slope = weak(1.0, t) + t * t
    return chain(u, t, slope, (t + t) * slope)


@unary(np.arctan, f.arctan)
def arctan(u):
    v = u.value
    slope = weak(1.0, v) / (weak(1.0, v) + v * v)
    return chain(u, f.arctan(v), slope, -times(v + v, slope * slope))


@unary(scipy.special.erf, f.erf)
def erf(u):
    """Slope 2/√π exp(-u²), which is 0 beyond |u| = 28 however large u is."""
    v = u.value
    slope = weak(TWO_OVER_ROOT_PI, v) * f.exp(-v * v)
    return chain(u, f.erf(v), slope, -times(v + v, slope))
