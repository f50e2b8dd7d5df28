r"""Rules of functions that act element by element: each is known by its partial derivatives alone.

With :math:`y = f(a, b)`, tangents and cotangents are both *multiplied* by :math:`\partial f/\partial a` and
:math:`\partial f/\partial b`; equation (6) of docs/derivations/chain-rule.md.  Conventions at kinks, and what
zero times infinity is, are those of jets (docs/derivations/jets.md).
"""

import math

import numpy as np
import scipy.special as special

from ._tracing import RULES, NoRule, Primitive, Traced, concrete, rule, shape_of

LOG_2, LOG_10, ROOT_PI = math.log(2.0), math.log(10.0), math.sqrt(math.pi)
SAME, OPPOSITE = object(), object()  # the slopes 1 and -1, by which nothing needs to be multiplied


def times(slope, moved):
    """*slope* × *moved*, where a zero annihilates even what is infinite: equation (11) of jets.md.

    A slope of booleans selects.
    """
    if slope is SAME:
        return moved
    if slope is OPPOSITE:
        return -moved
    if isinstance(slope, np.ndarray | np.bool_) and slope.dtype == bool:
        return np.where(slope, moved, 0.0)
    product = slope * moved
    if np.isnan(np.add.reduce(concrete(product), axis=None)):  # one cheap pass; the rest is rare
        still, steep = concrete(moved), concrete(slope)
        slope = np.where((still == 0) & ~np.isfinite(steep), 0.0, slope)
        moved = np.where((steep == 0) & np.isinf(still), 0.0, moved)
        product = slope * moved
    return product


def align(tangent, ndim):
    """A tangent with ones between its leading axis of directions and the rest, to broadcast in *ndim*."""
    missing = ndim + 1 - tangent.ndim
    if missing <= 0:
        return tangent
    return np.reshape(tangent, (tangent.shape[0], *(1,) * missing, *tangent.shape[1:]))


def unbroadcast(cotangent, shape):
    """The transpose of broadcasting: the sum over the axes along which an operand was repeated."""
    wide = cotangent.shape
    if wide == shape:
        return cotangent
    lead = len(wide) - len(shape)
    repeated = [lead + axis for axis, size in enumerate(shape) if size == 1 and wide[lead + axis] != 1]
    summed = np.sum(cotangent, axis=(*range(lead), *repeated))
    return np.reshape(summed, shape)


def elementwise(*functions, value=None):
    """Register functions by their partial derivatives: ``partial(y, *operands)``, one for each operand.

    The first function computes the value, unless there is another one for it.  None stands for an operand in
    which there is no derivative.
    """

    def register(*partials):
        def local(i, y, *operands):
            partial = partials[i]
            if partial is None:
                raise NoRule(f"{functions[0].__name__} has no derivative in its operand {i + 1}")
            known = []

            def slope():
                if not known:
                    known.append(partial(y, *operands))
                return known[0]

            return (
                lambda tangent: times(slope(), align(tangent, y.ndim)),
                lambda cotangent: unbroadcast(times(slope(), cotangent), operands[i].shape),
            )

        primitive = Primitive(value or functions[0], local)
        RULES.update(dict.fromkeys(functions, primitive))
        return primitive

    return register


def constant(*functions):
    """Register functions that do not move: comparisons, signs, steps, positions, shapes."""

    def register(function):
        def plain(*arguments, **keywords):
            return function(*_plain(arguments), **_plain(keywords))

        RULES[function] = plain

    for function in functions:
        register(function)


def _plain(x):
    """Everything traced inside, as plain arrays."""
    if isinstance(x, Traced):
        return concrete(x)
    if isinstance(x, list | tuple):
        return [_plain(item) for item in x]
    return {key: _plain(item) for key, item in x.items()} if isinstance(x, dict) else x


constant(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
constant(np.sign, np.signbit, np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix, np.floor_divide)
constant(np.isnan, np.isinf, np.isfinite, np.isclose, np.allclose, np.array_equal, np.isneginf, np.isposinf)
constant(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.heaviside, np.any, np.all)
constant(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero)
constant(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.searchsorted)
constant(np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.digitize, np.spacing, np.array_repr)
constant(np.array_str, np.array2string, np.nanargmax, np.nanargmin, np.lexsort, np.common_type)

# ------------------------------------------------------------------------------------------ arithmetic


def _reciprocal_slope(y, x):
    return -(y * y)


elementwise(np.add)(lambda y, a, b: SAME, lambda y, a, b: SAME)
elementwise(np.subtract)(lambda y, a, b: SAME, lambda y, a, b: OPPOSITE)
elementwise(np.multiply)(lambda y, a, b: b, lambda y, a, b: a)
elementwise(np.divide)(lambda y, a, b: 1.0 / b, lambda y, a, b: -y / b)
elementwise(np.negative)(lambda y, x: OPPOSITE)
elementwise(np.square)(lambda y, x: x + x)
elementwise(np.reciprocal)(_reciprocal_slope)
elementwise(np.deg2rad, np.radians)(lambda y, x: math.pi / 180.0)
elementwise(np.rad2deg, np.degrees)(lambda y, x: 180.0 / math.pi)
elementwise(np.remainder)(lambda y, a, b: SAME, lambda y, a, b: -np.floor(a / b))
elementwise(np.fmod)(lambda y, a, b: SAME, lambda y, a, b: -np.trunc(a / b))


@rule(np.positive, np.conjugate, np.real, np.copy)
def _itself(x):
    return x


def _power_by_base(y, a, b):
    """Equation (5) of jets.md; where the exponent is 0, so is the slope."""
    if isinstance(b, int | float) and b == 2:  # a constant; one that is traced may move
        return a + a
    return times(a ** (b - 1), b)


def _power_by_exponent(y, a, b):
    return times(np.log(a), y)


_power = elementwise(np.power, np.float_power, value=lambda a, b: a**b)(_power_by_base, _power_by_exponent)
elementwise(np.sqrt)(lambda y, x: 0.5 / y)
elementwise(np.cbrt, special.cbrt)(lambda y, x: 1.0 / (3.0 * y * y))

# ------------------------------------------------------------------- choices: conventions of jets.md

elementwise(np.maximum)(
    lambda y, a, b: (a >= b) | np.isnan(a),
    lambda y, a, b: ~((a >= b) | np.isnan(a)),
)
elementwise(np.minimum)(
    lambda y, a, b: (a <= b) | np.isnan(a),
    lambda y, a, b: ~((a <= b) | np.isnan(a)),
)
elementwise(np.fmax)(
    lambda y, a, b: (a >= b) | np.isnan(b),
    lambda y, a, b: ~((a >= b) | np.isnan(b)),
)
elementwise(np.fmin)(
    lambda y, a, b: (a <= b) | np.isnan(b),
    lambda y, a, b: ~((a <= b) | np.isnan(b)),
)
elementwise(np.absolute, np.fabs)(lambda y, x: np.sign(x))
elementwise(np.copysign)(lambda y, a, b: np.sign(a) * np.sign(y), lambda y, a, b: np.zeros_like(y))
_choose = Primitive(
    lambda x, y, condition: np.where(condition, x, y),
    lambda i, value, x, y, condition: _chosen(condition if i == 0 else ~condition, (x, y)[i], value),
)


def _chosen(mask, operand, value):
    return (
        lambda tangent: np.where(mask, align(tangent, value.ndim), 0.0),
        lambda cotangent: unbroadcast(np.where(mask, cotangent, 0.0), shape_of(operand)),
    )


@rule(np.where)
def where(condition, x=None, y=None):
    condition = np.array(concrete(condition), dtype=bool)  # a copy: it must not change before the sweep
    return np.nonzero(condition) if x is None else _choose(x, y, condition=condition)


@rule(np.select)
def select(condlist, choicelist, default=0):
    answer = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        answer = where(condition, choice, answer)
    return answer


@rule(np.clip)
def clip(x, a_min=None, a_max=None, *, min=None, max=None):
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@rule(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    plain = concrete(x)
    return np.where(np.isfinite(plain), x, np.nan_to_num(plain, nan=nan, posinf=posinf, neginf=neginf))


# --------------------------------------------------------------------------- exponentials, logarithms

elementwise(np.exp)(lambda y, x: y)
elementwise(np.exp2, special.exp2)(lambda y, x: LOG_2 * y)
elementwise(np.expm1, special.expm1)(lambda y, x: np.exp(x))
elementwise(np.log)(lambda y, x: 1.0 / x)
elementwise(np.log2)(lambda y, x: 1.0 / (LOG_2 * x))
elementwise(np.log10)(lambda y, x: 1.0 / (LOG_10 * x))
elementwise(np.log1p, special.log1p)(lambda y, x: 1.0 / (1.0 + x))
elementwise(np.logaddexp)(lambda y, a, b: special.expit(a - b), lambda y, a, b: special.expit(b - a))
elementwise(np.logaddexp2)(
    lambda y, a, b: special.expit(LOG_2 * (a - b)), lambda y, a, b: special.expit(LOG_2 * (b - a))
)

elementwise(special.exp10)(lambda y, x: LOG_10 * y)
elementwise(special.xlogy)(lambda y, a, b: np.log(b), lambda y, a, b: times(1.0 / b, a))
elementwise(special.xlog1py)(lambda y, a, b: np.log1p(b), lambda y, a, b: times(1.0 / (1.0 + b), a))
elementwise(special.entr)(lambda y, x: -1.0 - np.log(x))
elementwise(special.rel_entr)(lambda y, a, b: np.log(a / b) + 1.0, lambda y, a, b: -a / b)
elementwise(special.kl_div)(lambda y, a, b: np.log(a / b), lambda y, a, b: 1.0 - a / b)

# ---------------------------------------------------------------- trigonometric and hyperbolic functions

elementwise(np.sin)(lambda y, x: np.cos(x))
elementwise(np.cos)(lambda y, x: -np.sin(x))
elementwise(np.tan)(lambda y, x: 1.0 + y * y)
elementwise(np.arcsin)(lambda y, x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)))
elementwise(np.arccos)(lambda y, x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)))
elementwise(np.arctan)(lambda y, x: 1.0 / (1.0 + x * x))
elementwise(np.arctan2)(
    lambda y, a, b: b / (a * a + b * b),
    lambda y, a, b: -a / (a * a + b * b),
)
elementwise(np.hypot)(lambda y, a, b: _over_radius(a, y), lambda y, a, b: _over_radius(b, y))


def _over_radius(a, radius):
    """At the origin all derivatives of the radius are 0, as those of ``abs``."""
    origin = radius == 0.0
    return np.where(origin, 0.0, a / np.where(origin, 1.0, radius))


elementwise(np.sinh)(lambda y, x: np.cosh(x))
elementwise(np.cosh)(lambda y, x: np.sinh(x))
elementwise(np.arcsinh)(lambda y, x: 1.0 / np.hypot(1.0, x))
elementwise(np.arccosh)(lambda y, x: 1.0 / np.sqrt((x - 1.0) * (x + 1.0)))
elementwise(np.arctanh)(lambda y, x: 1.0 / ((1.0 - x) * (1.0 + x)))


# 1 - tanh² keeps its tail in this form.
elementwise(np.tanh)(lambda y, x: np.reciprocal(np.square(np.cosh(x))))


@rule(np.sinc)
def sinc(x):
    angle = math.pi * x
    small = np.abs(concrete(x)) < 1e-2  # there by its series, which has derivatives of any order
    safe, square = np.where(small, 1.0, angle), np.where(small, angle, 0.0) ** 2
    series = 1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0)))
    return np.where(small, series, np.sin(safe) / safe)


# ------------------------------------------------------------------------------ SciPy's special functions


def _polygamma_local(i, y, x, n):
    slope = _polygamma(x, n=n + 1)
    return (lambda tangent: times(slope, tangent)), (lambda cotangent: times(slope, cotangent))


_polygamma = Primitive(lambda x, n: special.polygamma(n, x), _polygamma_local)  # SciPy's is no ufunc


def _normal_density(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


elementwise(special.expit)(lambda y, x: y * special.expit(-x))
elementwise(special.log_expit)(lambda y, x: special.expit(-x))
elementwise(special.logit)(lambda y, x: 1.0 / (x * (1.0 - x)))
elementwise(special.erf)(lambda y, x: 2.0 / ROOT_PI * np.exp(-x * x))
elementwise(special.erfc)(lambda y, x: -2.0 / ROOT_PI * np.exp(-x * x))
elementwise(special.erfcx)(lambda y, x: _erfcx_slope(y, x))
elementwise(special.erfinv)(lambda y, x: 0.5 * ROOT_PI * np.exp(y * y))
elementwise(special.ndtr)(lambda y, x: _normal_density(x))
elementwise(special.ndtri)(lambda y, x: 1.0 / _normal_density(y))
elementwise(special.log_ndtr)(lambda y, x: math.sqrt(2.0 / math.pi) / special.erfcx(-math.sqrt(0.5) * x))
elementwise(special.gammaln)(lambda y, x: special.psi(x))
elementwise(special.gamma)(lambda y, x: y * special.psi(x))
elementwise(special.psi)(lambda y, x: _polygamma(x, n=1))
elementwise(special.beta)(
    lambda y, a, b: y * (special.psi(a) - special.psi(a + b)),
    lambda y, a, b: y * (special.psi(b) - special.psi(a + b)),
)
elementwise(special.betaln)(
    lambda y, a, b: special.psi(a) - special.psi(a + b),
    lambda y, a, b: special.psi(b) - special.psi(a + b),
)
elementwise(special.j0)(lambda y, x: -special.j1(x))
elementwise(special.j1)(lambda y, x: 0.5 * (special.j0(x) - special.jv(2.0, x)))
elementwise(special.jv)(None, lambda y, n, x: 0.5 * (special.jv(n - 1.0, x) - special.jv(n + 1.0, x)))
elementwise(special.i0, np.i0)(lambda y, x: special.i1(x))
elementwise(special.i1)(lambda y, x: 0.5 * (special.i0(x) + special.iv(2.0, x)))
elementwise(special.iv)(None, lambda y, n, x: 0.5 * (special.iv(n - 1.0, x) + special.iv(n + 1.0, x)))
elementwise(special.huber)(lambda y, d, r: np.maximum(np.abs(r) - d, 0.0), lambda y, d, r: np.clip(r, -d, d))
elementwise(special.pseudo_huber)(
    lambda y, d, r: 2.0 * d * (np.hypot(1.0, r / d) - 1.0) - r * r / (d * np.hypot(1.0, r / d)),
    lambda y, d, r: r / np.hypot(1.0, r / d),
)
elementwise(special.exprel)(lambda y, x: _exprel_slope(y, x))


def _erfcx_slope(y, x):
    """2 (x y - 1/√π), of which rounding leaves nothing for large x: there by its asymptotic series."""
    large = concrete(x) > 30.0
    t, series = 0.5 / np.square(np.where(large, x, 30.0)), 1.0
    for n in range(13, 1, -2):
        series = 1.0 - n * t * series
    return np.where(large, -2.0 / ROOT_PI * t * series, 2.0 * (x * y - 1.0 / ROOT_PI))


def _exprel_slope(y, x):
    """((x - 1) eˣ + 1)/x², by its series near zero."""
    small = np.abs(concrete(x)) < 0.1
    safe, s = np.where(small, 1.0, x), np.where(small, x, 0.0)
    series = 0.0 * s + 9.0 / math.factorial(10)
    for n in range(8, 0, -1):
        series = n / math.factorial(n + 1) + s * series
    return np.where(small, series, ((safe - 1.0) * np.exp(safe) + 1.0) / (safe * safe))


@rule("multiply.outer")
def _multiply_outer(a, b):
    return np.reshape(a, (*shape_of(a), *(1,) * len(shape_of(b)))) * b


@rule("subtract.outer")
def _subtract_outer(a, b):
    return np.reshape(a, (*shape_of(a), *(1,) * len(shape_of(b)))) - b


@rule("add.outer")
def _add_outer(a, b):
    return np.reshape(a, (*shape_of(a), *(1,) * len(shape_of(b)))) + b


@rule("astype")
def astype(x, dtype):
    """A change between float types is linear; to anything else there is no derivative."""
    dtype = np.dtype(dtype)
    if dtype.kind in "biu":
        return concrete(x).astype(dtype)  # a step function: constant almost everywhere
    if dtype.kind != "f":
        raise NoRule(f"astype({dtype}) of an array that is being differentiated; the types are float ones")
    return _cast(x, dtype=dtype)


def _as_type(x, dtype):
    return x.astype(dtype) if hasattr(x, "astype") else dtype.type(x)


_cast = Primitive(
    _as_type,
    lambda i, y, x, dtype: (
        lambda tangent: _as_type(tangent, dtype),
        lambda cotangent: _as_type(cotangent, np.dtype(concrete(x).dtype)),
    ),
)
