r"""Elementary functions without branches, which LLVM turns into vector instructions.

Interpreted, `exp` and the others are NumPy's and SciPy's functions, for floats and arrays.  In code compiled
by Numba they are the scalar formulas of this file: as there is not a branch, a table or a call in them, a
plain loop over an array runs on whole vectors, where the C library's functions take one element after the
other.  float32 stays float32; an integer or a boolean counts as float64.

Each function is right within a few units of the last place (two for `exp` and `log`, four for the others)
and exact at zeros of both signs, infinities, NaN and where it overflows; results below the smallest normal
number underflow gradually.  `logaddexp` may cancel: its four units are those of its larger argument.

Two identities carry everything, with integers :math:`k` and the rest in a short interval around zero:

.. math::
    e^x = 2^k (1 + q), \quad q = e^r - 1, \quad r = x - k \log 2, \quad |r| \le \tfrac12 \log 2

    \log 2^k(1 + f) = k \log 2 + 2 \operatorname{artanh} \frac{f}{2 + f},
    \quad \sqrt{\tfrac12} \le 1 + f < \sqrt 2

Sources: Cody and Waite, Software Manual for the Elementary Functions (1980), for the subtraction of
:math:`k \log 2` in two parts; Muller, Elementary Functions (3rd ed., 2016), chapters 3 and 11, for minimax
polynomials and range reduction.
"""

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable
from scipy import special

__all__ = ["erf", "exp", "expm1", "log", "log1p", "logaddexp", "sigmoid", "softplus", "tanh"]


# What they are interpreted ---------------------------------------------------------------------------------


def exp(x):
    """Exponential function."""
    return np.exp(x)


def expm1(x):
    """exp(x) - 1, without cancellation near zero."""
    return np.expm1(x)


def log(x):
    """Natural logarithm: -inf at zero, NaN below."""
    return np.log(x)


def log1p(x):
    """log(1 + x), without cancellation near zero."""
    return np.log1p(x)


def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


def sigmoid(x):
    """Logistic function 1 / (1 + exp(-x)), to full relative precision in both tails."""
    return special.expit(x)


def softplus(x):
    """log(1 + exp(x)), to full relative precision in both tails: the integral of `sigmoid`."""
    return np.logaddexp(0, x)  # a bare 0 widens no float32


def logaddexp(a, b):
    """log(exp(a) + exp(b)), which overflows only where the result does."""
    return np.logaddexp(a, b)


def erf(x):
    """Error function."""
    return special.erf(x)


# Floating-point formats ------------------------------------------------------------------------------------


class _Constants(NamedTuple):
    """Numbers that the formulas need, all in one format (a bare literal would widen float32)."""

    zero: np.floating
    quarter: np.floating
    half: np.floating
    one: np.floating
    two: np.floating
    inf: np.floating
    nan: np.floating
    rounder: np.floating  # x + rounder: round(x) in the last bits, plus twice the exponent's bias
    log2_e: np.floating
    log_2_high: np.floating  # few enough bits that k times it is exact
    log_2_low: np.floating
    exp_lowest: np.floating  # below: exp is zero
    exp_highest: np.floating  # above: exp is infinite
    saturation: np.floating  # exp(-saturation) is far below the precision of 1
    erf_highest: np.floating  # above: erf is 1
    tiny: np.floating  # below: expm1(x) = log1p(x) = x in this precision
    smallest_normal: np.floating
    subnormal_scale: np.floating  # makes a subnormal number normal
    unsplit: np.floating  # what `_split` adds to k
    unsplit_subnormal: np.floating  # the same after scaling
    root_two_minus_one: np.floating


def _constants_of(dtype, erf_highest):
    info = np.finfo(dtype)
    fraction, bias = info.nmant, 1 - info.minexp
    log_2 = Fraction(Decimal(2).ln(Context(prec=50)))
    high_bits = fraction + 1 - info.nexp
    log_2_high = math.floor(log_2 * 2**high_bits) / 2**high_bits
    values = {
        "zero": 0.0,
        "quarter": 0.25,
        "half": 0.5,
        "one": 1.0,
        "two": 2.0,
        "inf": np.inf,
        "nan": np.nan,
        "rounder": 1.5 * 2**fraction + 2 * bias,
        "log2_e": 1 / log_2,
        "log_2_high": log_2_high,
        "log_2_low": log_2 - Fraction(log_2_high),
        "exp_lowest": -(bias + fraction + 1) * log_2,
        "exp_highest": (bias + Fraction(5, 4)) * log_2,
        "saturation": (fraction + 6) * log_2,
        "erf_highest": erf_highest,
        "tiny": info.eps / 4,
        "smallest_normal": info.smallest_normal,
        "subnormal_scale": 2.0 ** (fraction + 1),
        "unsplit": 2.0**fraction + bias,
        "unsplit_subnormal": 2.0**fraction + bias + fraction + 1,
        "root_two_minus_one": math.sqrt(2) - 1,
    }
    return _Constants(**{name: dtype(float(value)) for name, value in values.items()})


_CONSTANTS = {types.float64: _constants_of(np.float64, 5.93), types.float32: _constants_of(np.float32, 3.95)}
_OPTIONS: Any = {"error_model": "numpy", "fastmath": False, "forceinline": True}  # not the caller's


def _constants(x):
    """The constants in the format of `x`."""
    raise NotImplementedError("compiled code only")


@overload(_constants, jit_options=_OPTIONS)
def _(x):
    constants = _CONSTANTS[x]
    return lambda x: constants


# What Python cannot say: fused operations and bits ---------------------------------------------------------


def _fused(builder, a, b, c):
    kind = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [a.type], kind), [a, b, c])


@intrinsic
def _fma(context, a, b, c):
    """Multiply and add, a * b + c: rounded once where the processor can, else twice."""
    return a(a, a, a), lambda context, builder, signature, arguments: _fused(builder, *arguments)


def _polynomial(*, float64, float32):
    """Compile the polynomial with these coefficients, constant term first.

    Horner's rule on the even and the odd powers apart: two short chains wait less than one long chain.
    """
    coefficients = {types.float64: float64, types.float32: float32}

    @intrinsic
    def evaluate(context, x):
        def horner(builder, variable, terms):
            *others, total = (ir.Constant(variable.type, c) for c in terms)
            for term in reversed(others):
                total = _fused(builder, total, variable, term)
            return total

        def generate(context, builder, signature, arguments):
            (value,) = arguments
            square = builder.fmul(value, value)
            even, odd = (horner(builder, square, coefficients[x][start::2]) for start in (0, 1))
            return _fused(builder, odd, value, even)

        return x(x), generate

    return evaluate


def _on_bits(function):
    """Compile `function(builder, word, layout)`, integers out of the bits of a float, back to floats."""

    @intrinsic
    def call(context, x):
        layout = _Layout(np.finfo(x.name))

        def generate(context, builder, signature, arguments):
            word = builder.bitcast(arguments[0], layout.word)
            floats = [builder.bitcast(w, arguments[0].type) for w in function(builder, word, layout)]
            return context.make_tuple(builder, signature.return_type, floats)

        return types.UniTuple(x, 3)(x), generate

    return call


class _Layout:
    """Sizes of the fields of a float, as constants of the integer with the same bits."""

    def __init__(self, info):
        self.word = ir.IntType(info.bits)
        self.fraction, self.bias = info.nmant, 1 - info.minexp

    def __call__(self, integer):
        return ir.Constant(self.word, integer)


@_on_bits
def _power_of_two(builder, word, layout):
    """Turn `k + rounder` into factors 2**i and 2**j with i + j = k, normal as 2**k may not be, and 2**-j."""
    first = builder.lshr(word, layout(1))  # the bias of both exponents is in the rounder
    second = builder.sub(word, first)
    first, second = (builder.shl(w, layout(layout.fraction)) for w in (first, second))
    return first, second, builder.sub(layout(2 * layout.bias << layout.fraction), second)


@_on_bits
def _split(builder, word, layout):
    """Split a positive normal 2**k m, m in [sqrt(1/2), sqrt(2)): m, k + 2**fraction + bias, 2**(2 - k)."""
    one = layout.bias << layout.fraction
    root = math.isqrt(2 << 2 * layout.fraction) + (layout.bias - 2 << layout.fraction)  # sqrt(1/2)
    word = builder.add(word, layout(one - root))
    field = builder.lshr(word, layout(layout.fraction))
    mantissa = builder.and_(word, layout((1 << layout.fraction) - 1))
    magic = (layout.bias + layout.fraction) << layout.fraction  # 2**fraction, whose last bit counts ones
    scale = builder.shl(builder.sub(layout(2 * layout.bias + 2), field), layout(layout.fraction))
    return builder.add(mantissa, layout(root)), builder.or_(field, layout(magic)), scale


# Building blocks -------------------------------------------------------------------------------------------
#
# The coefficients are minimax for the relative error of the function that they serve, found by Remez'
# exchange algorithm in 60 digits and then rounded.  Above each: what it approximates, where, and the largest
# relative error that this leaves in exp, expm1, log or erf.

# fmt: off
# (exp(r) - 1 - r) / r**2, |r| <= log(2) / 2, weighted for expm1: 1.8e-17 and 1.3e-8.
_exp_tail = _polynomial(
    float64=(
        0.5000000000000006, 0.16666666666666588, 0.04166666666657676, 0.008333333333389549,
        0.0013888888931564835, 0.00019841269719014204, 2.4801505273806856e-05, 2.7557407536205317e-06,
        2.7626037894744903e-07, 2.505377706657157e-08,
    ),
    float32=(
        0.49999997, 0.16666543, 0.0416672, 0.0083665205, 0.0013882521,
    ),
)

# (2 artanh(s) / s - 2) / s**2 in powers of s**2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1): 1.2e-18 and 8.1e-10.
_artanh_tail = _polynomial(
    float64=(
        0.6666666666666734, 0.3999999999941432, 0.2857142874247502, 0.22222198563474868,
        0.18183564867117033, 0.15314035825474295, 0.14796105529398576,
    ),
    float32=(
        0.66666776, 0.39977536, 0.29871863,
    ),
)

# -log(1 - erf(x)) / x - 1, 0 <= x <= erf_highest, weighted for erf: 2.2e-17 and 4.0e-9.  Smooth, so that one
# polynomial reaches from 0 to where erf is 1.
_erf_tail = _polynomial(
    float64=(
        0.12837916709551256, 0.6366197723675909, 0.10277260330131548, -0.019128446993095398,
        -0.0002091948539143097, 0.001696207669790744, -0.0005901324296824521, 2.59044976925714e-05,
        6.442047852643549e-05, -2.9575682293212963e-05, 3.1696958872008073e-06, 3.1329326714889643e-06,
        -2.037160767882293e-06, 5.706120803514844e-07, -1.1696284393361769e-08, -6.573911757717139e-08,
        3.4586919176083454e-08, -1.0773954224450347e-08, 2.3606511023044115e-09, -3.7609441487704763e-10,
        4.302075557112234e-11, -3.3645977100841115e-12, 1.615001219092429e-13, -3.59251133945687e-15,
    ),
    float32=(
        0.12837917, 0.6366194, 0.10277783, -0.019153064, -0.00016039574, 0.0016670271, -0.00063283666,
        0.00011764121, -9.256258e-06,
    ),
)
# fmt: on

_block = register_jitable(**_OPTIONS)


@_block
def _reduce(x):
    """Powers as in `_power_of_two`, and q, with exp(x) = 2**k (1 + q)."""
    c = _constants(x)
    shifted = _fma(x, c.log2_e, c.rounder)  # rounds to an integer, and leaves it in the last bits
    k = shifted - c.rounder
    r = _fma(-k, c.log_2_low, _fma(-k, c.log_2_high, x))
    return _power_of_two(shifted), _fma(r * r, _exp_tail(r), r)


@_block
def _exp_below(x):
    """exp(x) for x not much above zero."""
    c = _constants(x)
    x = c.exp_lowest if x < c.exp_lowest else x  # in this form NaN stays NaN
    (first, second, _), q = _reduce(x)
    return _fma(first, q, first) * second  # rounds once more where the result is subnormal


@_block
def _expm1_within(x):
    """exp(x) - 1 for x within plus and minus `saturation`."""
    (first, second, _), q = _reduce(x)
    power = first * second
    return _fma(power, q, power - _constants(x).one)


@_block
def _log_from(f, k):
    """Logarithm of 2**k (1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1] and an integer k."""
    c = _constants(f)
    s = f / (c.two + f)  # and 2 artanh(s) = f - f**2 / 2 + s (f**2 / 2 + s**2 tail)
    square, half_square = s * s, c.half * f * f
    correction = _fma(s, _fma(square, _artanh_tail(square), half_square), k * c.log_2_low)
    return _fma(k, c.log_2_high, f - (half_square - correction))


@_block
def _log1p_of_fraction(x):
    """log(1 + x) for x in [0, 1]."""
    c = _constants(x)
    upper = x > c.root_two_minus_one
    f = (x - c.one) * c.half if upper else x
    return _log_from(f, c.one if upper else c.zero)


@_block
def _where_log_is_finite(x, result):
    """`result`, or what the logarithm of `x` is where `x` is not both positive and finite."""
    c = _constants(x)
    result = c.nan if x < c.zero else result
    result = -c.inf if x == c.zero else result
    return result if x < c.inf else x


# The functions ---------------------------------------------------------------------------------------------


def _compiled(function):
    """Compile calls of `function` with one number as the decorated formula."""

    def register(formula):
        formula = _block(formula)

        def choose(x):
            if x in _CONSTANTS:
                return formula
            if isinstance(x, (types.Integer, types.Boolean)):
                return lambda x: formula(np.float64(x))
            return None

        overload(function, jit_options=_OPTIONS)(choose)
        return formula

    return register


@_compiled(exp)
def _exp(x):
    c = _constants(x)
    return _exp_below(c.exp_highest if x > c.exp_highest else x)


@_compiled(expm1)
def _expm1(x):
    c = _constants(x)
    y = -c.saturation if x < -c.saturation else x
    y = c.exp_highest if y > c.exp_highest else y
    (first, second, inverse), q = _reduce(y)
    result = _fma(first, q, first - inverse) * second
    return x if abs(x) < c.tiny else result  # and the sign of zero


@_compiled(log)
def _log(x):
    c = _constants(x)
    subnormal = x < c.smallest_normal
    mantissa, shifted, _ = _split(x * c.subnormal_scale if subnormal else x)
    k = shifted - (c.unsplit_subnormal if subnormal else c.unsplit)
    return _where_log_is_finite(x, _log_from(mantissa - c.one, k))


@_compiled(log1p)
def _log1p(x):
    c = _constants(x)
    total = c.one + x  # rounded: good enough for k alone
    _, shifted, scale = _split(total)
    f = _fma(c.quarter * x, scale, c.quarter * scale - c.one)  # (1 + x) / 2**k - 1; 2**-k may be subnormal
    result = _where_log_is_finite(total, _log_from(f, shifted - c.unsplit))
    return x if abs(x) < c.tiny else result


@_compiled(tanh)
def _tanh(x):
    c = _constants(x)
    double = abs(x) + abs(x)
    growth = _expm1_within(c.saturation if double > c.saturation else double)
    return math.copysign(growth / (growth + c.two), x)


@_compiled(sigmoid)
def _sigmoid(x):
    c = _constants(x)
    odds = _exp_below(-abs(x))  # of the less likely side
    return (odds if x < c.zero else c.one) / (c.one + odds)


@_compiled(softplus)
def _softplus(x):
    c = _constants(x)
    return (x if x > c.zero else c.zero) + _log1p_of_fraction(_exp_below(-abs(x)))


@_compiled(erf)
def _erf(x):
    c = _constants(x)
    size = abs(x)
    size = c.erf_highest if size > c.erf_highest else size
    return math.copysign(_expm1_within(-_fma(size, _erf_tail(size), size)), x)


@_block
def _logaddexp(a, b):
    c = _constants(a)
    gap = c.zero if a == b else -abs(a - b)  # equal infinities have no difference
    return (a if a > b else b) + _log1p_of_fraction(_exp_below(gap))


@overload(logaddexp, jit_options=_OPTIONS)
def _(a, b):
    if not all(isinstance(t, (types.Integer, types.Boolean)) or t in _CONSTANTS for t in (a, b)):
        return None
    common = types.float32 if a == b == types.float32 else types.float64
    return lambda a, b: _logaddexp(common(a), common(b))
