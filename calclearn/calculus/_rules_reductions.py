"""Rules of functions that make one number of several: sums, extremes, products, sums of exponentials.

Sums are linear, like the rules of :mod:`._rules_arrays`; an extreme moves with the entries that attain it.
Products and sums of exponentials are made of other operations, so they need no rule of their own, and their
derivatives of all orders are right, also where factors are zero.
"""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ._rules_arrays import take_along_axis
from ._rules_elementwise import times
from ._tracing import RULES, Primitive, Traced, concrete, ndim_of, rule, shape_of

# ------------------------------------------------------------------------------------------ primitives


def spread(reduced, shape, axes):
    """What was reduced over *axes*, again of the full *shape*."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(np.reshape(reduced, kept), shape)


_sum = Primitive(
    lambda x, axes: np.sum(x, axis=axes),
    lambda i, y, x, axes: (
        lambda tangent: np.sum(tangent, axis=tuple(axis + 1 for axis in axes)),
        lambda cotangent: spread(cotangent, shape_of(x), axes),
    ),
)

_cumsum = Primitive(
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda i, y, x, axis: (
        lambda tangent: np.cumsum(tangent, axis=axis + 1),
        lambda cotangent: np.flip(np.cumsum(np.flip(cotangent, axis), axis=axis), axis),
    ),
)


# ------------------------------------------------------------------------------ sums, means, extremes


def _axes(x, axis):
    return tuple(range(ndim_of(x))) if axis is None else normalize_axis_tuple(axis, ndim_of(x))


def _kept(reduced, x, axes, keepdims):
    if not keepdims:
        return reduced
    return np.reshape(reduced, tuple(1 if i in axes else size for i, size in enumerate(shape_of(x))))


@rule(np.sum)
def sum_(x, axis=None, *, keepdims=False):
    axes = _axes(x, axis)
    return _kept(_sum(x, axes=axes), x, axes, keepdims)


@rule(np.nansum)
def nansum(x, axis=None, *, keepdims=False):
    return sum_(np.where(np.isnan(x), 0.0, x), axis, keepdims=keepdims)


@rule(np.mean)
def mean(x, axis=None, *, keepdims=False):
    count = math.prod(shape_of(x)[i] for i in _axes(x, axis))
    return sum_(x, axis, keepdims=keepdims) / count


@rule(np.nanmean)
def nanmean(x, axis=None, *, keepdims=False):
    return nansum(x, axis, keepdims=keepdims) / np.sum(~np.isnan(x), axis=axis, keepdims=keepdims)


@rule(np.average)
def average(x, axis=None, weights=None, *, keepdims=False):
    if weights is None:
        return mean(x, axis, keepdims=keepdims)
    if shape_of(weights) != shape_of(x):  # they are of the axes, in their order
        axes = _axes(x, axis)
        weights = np.transpose(weights, np.argsort(axes))
        weights = np.reshape(weights, [n if i in axes else 1 for i, n in enumerate(shape_of(x))])
    weights = np.broadcast_to(weights, shape_of(x))
    return np.sum(x * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


@rule(np.var)
def var(x, axis=None, *, ddof=0, keepdims=False):
    count = math.prod(shape_of(x)[i] for i in _axes(x, axis))
    return sum_(np.square(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims) / (count - ddof)


@rule(np.std)
def std(x, axis=None, *, ddof=0, keepdims=False):
    return np.sqrt(var(x, axis, ddof=ddof, keepdims=keepdims))


@rule(np.cumsum)
def cumsum(x, axis=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, ndim_of(x)))
    return _cumsum(x, axis=axis)


def _extreme_local(i, y, x, axes):
    """The slope is shared equally by those that tie; where there are NaN, by these."""
    top = spread(concrete(y), shape_of(x), axes)
    tied = np.where(np.isnan(top), np.isnan(concrete(x)), concrete(x) == top)
    share = tied / np.maximum(np.sum(tied, axis=axes, keepdims=True), 1)
    share = share.astype(concrete(x).dtype)
    return (
        lambda tangent: np.sum(times(share, tangent), axis=tuple(axis + 1 for axis in axes)),
        lambda cotangent: times(share, spread(cotangent, shape_of(x), axes)),
    )


_max = Primitive(lambda x, axes: np.max(x, axis=axes), _extreme_local)
_min = Primitive(lambda x, axes: np.min(x, axis=axes), _extreme_local)


def _extreme(primitive, pair):
    def reduced(x, axis=None, *, keepdims=False, initial=None):
        axes = _axes(x, axis)
        answer = _kept(primitive(x, axes=axes), x, axes, keepdims)
        return answer if initial is None else pair(answer, initial)

    return reduced


RULES[np.max] = _extreme(_max, np.maximum)
RULES[np.min] = _extreme(_min, np.minimum)


@rule(np.ptp)
def ptp(x, axis=None, *, keepdims=False):
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


def _last(x, axis):
    """The axes of a reduction as one, behind the others."""
    axes = _axes(x, axis)
    x = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
    lead = shape_of(x)[: ndim_of(x) - len(axes)]
    return np.reshape(x, (*lead, math.prod(shape_of(x)[len(lead) :]))), axes


@rule(np.prod)
def prod(x, axis=None, *, keepdims=False):
    """By pairs, so that its derivatives are right where some factors are zero."""
    folded, axes = _last(x, axis)
    if not shape_of(folded)[-1]:
        folded = np.ones((*shape_of(folded)[:-1], 1))
    while (size := shape_of(folded)[-1]) > 1:
        pairs = folded[..., : size - 1 : 2] * folded[..., 1::2]
        folded = np.concatenate([pairs, folded[..., -1:]], axis=-1) if size % 2 else pairs
    return _kept(folded[..., 0], x, axes, keepdims)


@rule(np.cumprod)
def cumprod(x, axis=None):
    """In as many steps as the size has digits in base 2, each a product: right where factors are zero."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, ndim_of(x)))
    x, step = np.moveaxis(x, axis, -1), 1
    while step < shape_of(x)[-1]:
        x = np.concatenate([x[..., :step], x[..., step:] * x[..., :-step]], axis=-1)
        step *= 2
    return np.moveaxis(x, -1, axis)


def _of_the_first_axis(function):
    """Methods of NumPy's ufuncs reduce the first axis, where functions reduce all."""
    return lambda x, axis=0, **keepdims: RULES[function](x, axis=axis, **keepdims)


RULES["add.reduce"], RULES["add.accumulate"] = map(_of_the_first_axis, (np.sum, np.cumsum))
RULES["multiply.reduce"], RULES["multiply.accumulate"] = map(_of_the_first_axis, (np.prod, np.cumprod))
RULES["maximum.reduce"], RULES["minimum.reduce"] = map(_of_the_first_axis, (np.max, np.min))


@rule(np.sort)
def sort(x, axis=-1, *, kind=None, stable=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    return take_along_axis(x, np.argsort(concrete(x), axis=axis, kind=kind, stable=stable), axis)


@rule(np.median)
def median(x, axis=None, *, keepdims=False):
    folded, axes = _last(x, axis)
    size = shape_of(folded)[-1]
    ordered = sort(folded)
    middle, last = mean(ordered[..., (size - 1) // 2 : size // 2 + 1], -1), ordered[..., -1]
    return _kept(np.where(np.isnan(last), last, middle), x, axes, keepdims)  # NaN is sorted last


@rule(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    step = dx if x is None else np.diff(x, axis=-1 if ndim_of(x) == 1 else axis)
    axis = normalize_axis_index(axis, ndim_of(y))
    before = (slice(None),) * axis
    middle = 0.5 * (y[(*before, slice(1, None))] + y[(*before, slice(None, -1))])
    if x is not None and ndim_of(x) == 1:
        step = np.reshape(step, (-1, *(1,) * (ndim_of(y) - axis - 1)))
    return np.sum(middle * step, axis=axis)


@rule(np.polyval)
def polyval(p, x):
    value = 0.0 * x
    for i in range(len(p)):
        value = value * x + p[i]
    return value


# ------------------------------------------------------------------- the exponentials of several numbers


def _shift(x, axis):
    """The largest entry, a constant: what is computed with it does not depend on it."""
    top = np.max(concrete(x), axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, 0.0).astype(concrete(x).dtype, copy=False)


def logsumexp(a, axis=None, *, keepdims=False):
    r"""The logarithm of a sum of exponentials, :math:`\log \sum_i e^{a_i}`, that cannot overflow.

    For plain arrays, and inside a function that is being differentiated (where SciPy's cannot be used).

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, optional
        Over which axes; None means all.
    keepdims : bool, default=False
        Whether these axes stay, with one entry.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import gradient, logsumexp
    >>> gradient(logsumexp, np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    a = _floats(a)
    top = _shift(a, axis)
    with np.errstate(divide="ignore"):  # of zeros only, it is -inf
        answer = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return answer if keepdims else np.squeeze(answer, axis)


def softmax(x, axis=None):
    r"""Exponentials as shares of their sum, :math:`e^{x_i} / \sum_j e^{x_j}`.

    For plain arrays, and inside a function that is being differentiated (where SciPy's cannot be used).

    Parameters
    ----------
    x : array-like
    axis : int or tuple of int, optional
        Along which axes the shares sum to one; None means all.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> from calclearn.calculus import softmax
    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    x = _floats(x)
    exponentials = np.exp(x - _shift(x, axis))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)


def log_softmax(x, axis=None):
    r"""The logarithm of `softmax`, :math:`x_i - \log \sum_j e^{x_j}`, to full precision.

    For plain arrays, and inside a function that is being differentiated (where SciPy's cannot be used).

    Parameters
    ----------
    x : array-like
    axis : int or tuple of int, optional
        Along which axes; None means all.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> from calclearn.calculus import log_softmax
    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    x = _floats(x)
    shifted = x - _shift(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _floats(x):
    if isinstance(x, Traced):
        return x
    if isinstance(x, list | tuple) and any(isinstance(item, Traced) for item in x):
        return np.stack(x)
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)
