"""Rules of functions that move, join and sum the entries of arrays.

A handful are primitives; they are linear, so that pushing a tangent is the function itself, and pulling a
cotangent back is its transpose: equation (7) of docs/derivations/chain-rule.md.  All others are made of them.
"""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ._rules_elementwise import align, constant, times, unbroadcast
from ._tracing import RULES, Primitive, Traced, concrete, rule


def _shape(x):
    return np.shape(concrete(x))


def _ndim(x):
    return np.ndim(concrete(x))


def each(function, tangent):
    """A function of one direction, of all of them."""
    return np.stack([function(t) for t in tangent])


# ------------------------------------------------------------------------------------------ primitives

_reshape = Primitive(
    lambda x, shape: np.reshape(x, shape),
    lambda i, y, x, shape: (
        lambda tangent: np.reshape(tangent, (_shape(tangent)[0], *_shape(y))),
        lambda cotangent: np.reshape(cotangent, _shape(x)),
    ),
)

_transpose = Primitive(
    lambda x, axes: np.transpose(x, axes),
    lambda i, y, x, axes: (
        lambda tangent: np.transpose(tangent, (0, *(axis + 1 for axis in axes))),
        lambda cotangent: np.transpose(cotangent, np.argsort(axes)),
    ),
)

_broadcast_to = Primitive(
    lambda x, shape: np.broadcast_to(x, shape),
    lambda i, y, x, shape: (
        lambda tangent: np.broadcast_to(align(tangent, len(shape)), (_shape(tangent)[0], *shape)),
        lambda cotangent: unbroadcast(cotangent, _shape(x)),
    ),
)


def spread(reduced, shape, axes):
    """What was reduced over *axes*, again of the full *shape*."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(np.reshape(reduced, kept), shape)


_sum = Primitive(
    lambda x, axes: np.sum(x, axis=axes),
    lambda i, y, x, axes: (
        lambda tangent: np.sum(tangent, axis=tuple(axis + 1 for axis in axes)),
        lambda cotangent: spread(cotangent, _shape(x), axes),
    ),
)

_cumsum = Primitive(
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda i, y, x, axis: (
        lambda tangent: np.cumsum(tangent, axis=axis + 1),
        lambda cotangent: np.flip(np.cumsum(np.flip(cotangent, axis), axis=axis), axis),
    ),
)


class Scattered:
    """A cotangent that is zero but at *index*: a sweep can add it in place."""

    def __init__(self, cotangent, index, shape):
        self.cotangent, self.index, self.shape = cotangent, index, shape

    def add_to(self, total):
        """Add to an array of plain numbers, in place."""
        if _has_arrays(self.index):
            np.add.at(total, self.index, self.cotangent)  # an entry may have been taken several times
        else:
            total[self.index] += self.cotangent

    def dense(self):
        return scatter(self.cotangent, index=self.index, shape=self.shape)


def _scatter(cotangent, index, shape):
    total = np.zeros(shape, np.asarray(cotangent).dtype)
    Scattered(cotangent, index, shape).add_to(total)
    return total


def _has_arrays(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, list | np.ndarray) for part in parts)


def _along_directions(index):
    """The same index of an array with a leading axis; None where NumPy would put the axes elsewhere."""
    if _has_arrays(index):
        return None
    return (slice(None), *(index if isinstance(index, tuple) else (index,)))


def _take(x, index):
    return x[index]


def _take_directions(tangent, index):
    inner = _along_directions(index)
    return each(lambda t: t[index], tangent) if inner is None else tangent[inner]


_getitem = Primitive(
    _take,
    lambda i, y, x, index: (
        lambda tangent: _take_directions(tangent, index),
        lambda cotangent: Scattered(cotangent, index, _shape(x)),
    ),
)

scatter = Primitive(
    _scatter,
    lambda i, y, cotangent, index, shape: (
        lambda tangent: each(lambda t: scatter(t, index=index, shape=shape), tangent),
        lambda outer: outer[index],
    ),
)


def _concatenate_local(i, y, *arrays, axis):
    start = sum(_shape(x)[axis] for x in arrays[:i])
    index = (*(slice(None),) * axis, slice(start, start + _shape(arrays[i])[axis]))
    return None, lambda cotangent: cotangent[index]


def _concatenate_tangents(tangents, y, *arrays, axis):
    directions = next(_shape(t)[0] for t in tangents if t is not None)
    filled = [
        np.zeros((directions, *_shape(x)), concrete(y).dtype) if t is None else t
        for t, x in zip(tangents, arrays)
    ]
    return np.concatenate(filled, axis=axis + 1)


_concatenate = Primitive(
    lambda *arrays, axis: np.concatenate(arrays, axis=axis), _concatenate_local, _concatenate_tangents
)

# -------------------------------------------------------------------------------- indices and shapes


def _plain_index(part):
    if isinstance(part, Traced):
        raise TypeError("the index of an array cannot be one that is being differentiated")
    return part


@rule("getitem")
def getitem(x, index):
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(np.asarray(_plain_index(part)) if isinstance(part, list) else part for part in parts)
    for part in parts:
        _plain_index(part)
    return _getitem(x, index=parts)


@rule(np.reshape)
def reshape(x, shape, order="C"):
    if order != "C":
        raise TypeError(f"np.reshape with order={order!r} has no derivative rule here; transpose instead")
    return _reshape(x, shape=shape)


@rule(np.ravel)
def ravel(x, order="C"):
    return reshape(x, -1, order)


@rule(np.transpose, np.permute_dims)
def transpose(x, axes=None):
    ndim = _ndim(x)
    axes = tuple(reversed(range(ndim))) if axes is None else normalize_axis_tuple(axes, ndim)
    return _transpose(x, axes=axes)


@rule(np.swapaxes)
def swapaxes(x, axis1, axis2):
    axes = list(range(_ndim(x)))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return _transpose(x, axes=tuple(axes))


@rule(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x):
    return swapaxes(x, -1, -2)


@rule(np.moveaxis)
def moveaxis(x, source, destination):
    ndim = _ndim(x)
    source, destination = (normalize_axis_tuple(axes, ndim) for axes in (source, destination))
    axes = [axis for axis in range(ndim) if axis not in source]
    for to, axis in sorted(zip(destination, source)):
        axes.insert(to, axis)
    return _transpose(x, axes=tuple(axes))


@rule(np.squeeze)
def squeeze(x, axis=None):
    return _reshape(x, shape=np.squeeze(np.broadcast_to(0, _shape(x)), axis).shape)


@rule(np.expand_dims)
def expand_dims(x, axis):
    return _reshape(x, shape=np.expand_dims(np.broadcast_to(0, _shape(x)), axis).shape)


@rule(np.atleast_1d)
def atleast_1d(*arrays):
    raised = [_reshape(x, shape=_shape(x) or (1,)) for x in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


@rule(np.atleast_2d)
def atleast_2d(*arrays):
    raised = [_reshape(x, shape=(1,) * (2 - _ndim(x)) + _shape(x)) for x in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


@rule(np.broadcast_to)
def broadcast_to(x, shape):
    return _broadcast_to(x, shape=(shape,) if isinstance(shape, int | np.integer) else tuple(shape))


@rule(np.broadcast_arrays)
def broadcast_arrays(*arrays):
    shape = np.broadcast_shapes(*map(_shape, arrays))
    return tuple(_broadcast_to(x, shape=shape) for x in arrays)


@rule(np.flip)
def flip(x, axis=None):
    axes = range(_ndim(x)) if axis is None else normalize_axis_tuple(axis, _ndim(x))
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(_ndim(x)))]


@rule(np.flipud)
def flipud(x):
    return flip(x, 0)


@rule(np.fliplr)
def fliplr(x):
    return flip(x, 1)


@rule(np.roll)
def roll(x, shift, axis=None):
    if axis is None:
        return np.reshape(roll(np.ravel(x), shift, 0), _shape(x))
    for places, along in np.broadcast(shift, axis):
        size = _shape(x)[along]
        x = np.take(x, (np.arange(size) - places) % size, axis=along) if size else x
    return x


@rule(np.take)
def take(x, indices, axis=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, _ndim(x)))
    return x[(*(slice(None),) * axis, np.asarray(_plain_index(indices)))]


@rule(np.take_along_axis)
def take_along_axis(x, indices, axis=-1):
    if axis is None:
        return np.ravel(x)[indices]
    axis = normalize_axis_index(axis, _ndim(x))
    grid = list(np.ogrid[tuple(slice(size) for size in np.shape(indices))])
    grid[axis] = indices
    return x[tuple(grid)]


@rule(np.compress)
def compress(condition, x, axis=None):
    return take(x, np.flatnonzero(condition), axis)


@rule(np.extract)
def extract(condition, x):
    return compress(np.ravel(condition), x)


@rule(np.delete)
def delete(x, obj, axis=None):
    size = np.size(concrete(x)) if axis is None else _shape(x)[axis]
    return take(x, np.delete(np.arange(size), obj), axis)


@rule(np.repeat)
def repeat(x, repeats, axis=None):
    size = np.size(concrete(x)) if axis is None else _shape(x)[axis]
    return take(x, np.repeat(np.arange(size), repeats), axis)


@rule(np.tile)
def tile(x, reps):
    places = np.tile(np.arange(np.size(concrete(x))).reshape(_shape(x)), reps)
    return np.ravel(x)[places]


@rule(np.diagonal)
def diagonal(x, offset=0, axis1=0, axis2=1):
    x = np.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = _shape(x)[-2:]
    i = np.arange(max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)))
    return x[..., i - min(offset, 0), i + max(offset, 0)]


@rule(np.linalg.diagonal)
def linalg_diagonal(x, *, offset=0):
    return diagonal(x, offset, -2, -1)


@rule(np.diag)
def diag(v, k=0):
    if _ndim(v) == 2:
        return diagonal(v, k)
    n = _shape(v)[0]
    i = np.arange(n)
    return scatter(v, index=(i - min(k, 0), i + max(k, 0)), shape=(n + abs(k), n + abs(k)))


@rule(np.trace)
def trace(a, offset=0, axis1=0, axis2=1):
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


@rule(np.linalg.trace)
def linalg_trace(x, *, offset=0):
    return trace(x, offset, -2, -1)


@rule(np.tril)
def tril(m, k=0):
    return np.where(np.tri(*_shape(m)[-2:], k=k, dtype=bool), m, 0.0)


@rule(np.triu)
def triu(m, k=0):
    return np.where(np.tri(*_shape(m)[-2:], k=k - 1, dtype=bool), 0.0, m)


# ---------------------------------------------------------------------------------- joining, splitting


@rule(np.concatenate)
def concatenate(arrays, axis=0):
    arrays = list(arrays)
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    return _concatenate(*arrays, axis=normalize_axis_index(axis, _ndim(arrays[0])))


@rule(np.stack)
def stack(arrays, axis=0):
    arrays = list(arrays)
    axis = normalize_axis_index(axis, _ndim(arrays[0]) + 1)
    return concatenate([np.expand_dims(x, axis) for x in arrays], axis)


@rule(np.vstack)
def vstack(arrays):
    return concatenate([np.atleast_2d(x) for x in arrays], 0)


@rule(np.hstack)
def hstack(arrays):
    arrays = [np.atleast_1d(x) for x in arrays]
    return concatenate(arrays, 0 if _ndim(arrays[0]) == 1 else 1)


@rule(np.column_stack)
def column_stack(arrays):
    return concatenate([x[:, None] if _ndim(x) == 1 else x for x in map(np.atleast_1d, arrays)], 1)


@rule(np.block)
def block(arrays):
    if not isinstance(arrays, list):
        return arrays

    def depth(part):
        return 1 + max(map(depth, part)) if isinstance(part, list) else 0

    def join(part, level):
        if not isinstance(part, list):
            return part
        parts = [join(inner, level - 1) for inner in part]
        ndim = max(level, *map(_ndim, parts))
        return concatenate([np.reshape(x, (1,) * (ndim - _ndim(x)) + _shape(x)) for x in parts], -level)

    return join(arrays, depth(arrays))


@rule(np.append)
def append(arr, values, axis=None):
    return (
        concatenate([arr, values], axis)
        if axis is not None
        else concatenate([np.ravel(arr), np.ravel(values)])
    )


@rule(np.split)
def split(x, sections, axis=0):
    places = np.split(np.arange(_shape(x)[axis]), sections)
    before = (slice(None),) * normalize_axis_index(axis, _ndim(x))
    return [x[(*before, slice(p[0], p[-1] + 1) if p.size else slice(0, 0))] for p in places]


@rule(np.pad)
def pad(x, pad_width, mode="constant", constant_values=0.0):
    if mode == "constant":
        place = np.pad(np.arange(1, np.size(concrete(x)) + 1).reshape(_shape(x)), pad_width)
        padded = np.ravel(x)[np.maximum(place - 1, 0)]
        return np.where(place > 0, padded, constant_values)
    return np.ravel(x)[np.pad(np.arange(np.size(concrete(x))).reshape(_shape(x)), pad_width, mode=mode)]


@rule(np.diff)
def diff(x, n=1, axis=-1):
    axis = normalize_axis_index(axis, _ndim(x))
    before = (slice(None),) * axis
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


@rule(np.ediff1d)
def ediff1d(x):
    return diff(np.ravel(x))


# -------------------------------------------------------------------------------------------- reductions


def _axes(x, axis):
    return tuple(range(_ndim(x))) if axis is None else normalize_axis_tuple(axis, _ndim(x))


def _kept(reduced, x, axes, keepdims):
    if not keepdims:
        return reduced
    return np.reshape(reduced, tuple(1 if i in axes else size for i, size in enumerate(_shape(x))))


@rule(np.sum, "add.reduce")
def sum_(x, axis=None, keepdims=False):
    axes = _axes(x, axis)
    return _kept(_sum(x, axes=axes), x, axes, keepdims)


@rule(np.nansum)
def nansum(x, axis=None, keepdims=False):
    return sum_(np.where(np.isnan(x), 0.0, x), axis, keepdims)


@rule(np.mean)
def mean(x, axis=None, keepdims=False):
    count = math.prod(_shape(x)[i] for i in _axes(x, axis))
    return sum_(x, axis, keepdims) / count


@rule(np.average)
def average(x, axis=None, weights=None, keepdims=False):
    if weights is None:
        return mean(x, axis, keepdims)
    if _ndim(weights) == 1 and _ndim(x) > 1 and axis is not None:
        axis = normalize_axis_index(axis, _ndim(x))
        weights = np.reshape(weights, (-1, *(1,) * (_ndim(x) - axis - 1)))
    weights = np.broadcast_to(weights, _shape(x))
    return np.sum(x * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


@rule(np.var)
def var(x, axis=None, ddof=0, keepdims=False):
    count = math.prod(_shape(x)[i] for i in _axes(x, axis))
    return sum_(np.square(x - mean(x, axis, True)), axis, keepdims) / (count - ddof)


@rule(np.std)
def std(x, axis=None, ddof=0, keepdims=False):
    return np.sqrt(var(x, axis, ddof, keepdims))


@rule(np.cumsum, "add.accumulate")
def cumsum(x, axis=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, _ndim(x)))
    return _cumsum(x, axis=axis)


def _extreme_local(i, y, x, axes):
    """The slope is shared equally by those that tie."""
    tied = concrete(x) == spread(concrete(y), _shape(x), axes)
    share = tied / np.maximum(np.sum(tied, axis=axes, keepdims=True), 1)
    share = share.astype(concrete(x).dtype)
    return (
        lambda tangent: np.sum(times(share, tangent), axis=tuple(axis + 1 for axis in axes)),
        lambda cotangent: times(share, spread(cotangent, _shape(x), axes)),
    )


_max = Primitive(lambda x, axes: np.max(x, axis=axes), _extreme_local)
_min = Primitive(lambda x, axes: np.min(x, axis=axes), _extreme_local)


def _extreme(primitive, pair):
    def reduced(x, axis=None, keepdims=False, initial=None):
        axes = _axes(x, axis)
        answer = _kept(primitive(x, axes=axes), x, axes, keepdims)
        return answer if initial is None else pair(answer, initial)

    return reduced


RULES[np.max] = RULES["maximum.reduce"] = _extreme(_max, np.maximum)
RULES[np.min] = RULES["minimum.reduce"] = _extreme(_min, np.minimum)


@rule(np.ptp)
def ptp(x, axis=None, keepdims=False):
    return np.max(x, axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)


def _last(x, axis):
    """The axes of a reduction as one, behind the others."""
    axes = _axes(x, axis)
    x = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
    lead = _shape(x)[: _ndim(x) - len(axes)]
    return np.reshape(x, (*lead, math.prod(_shape(x)[len(lead) :]))), axes


@rule(np.prod, "multiply.reduce")
def prod(x, axis=None, keepdims=False):
    """By pairs, so that its derivatives are right where some factors are zero."""
    folded, axes = _last(x, axis)
    if not _shape(folded)[-1]:
        folded = np.ones((*_shape(folded)[:-1], 1))
    while (size := _shape(folded)[-1]) > 1:
        pairs = folded[..., : size - 1 : 2] * folded[..., 1::2]
        folded = np.concatenate([pairs, folded[..., -1:]], axis=-1) if size % 2 else pairs
    return _kept(folded[..., 0], x, axes, keepdims)


@rule(np.cumprod, "multiply.accumulate")
def cumprod(x, axis=None):
    """In as many steps as the size has digits in base 2, each a product: right where factors are zero."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, _ndim(x)))
    x, step = np.moveaxis(x, axis, -1), 1
    while step < _shape(x)[-1]:
        x = np.concatenate([x[..., :step], x[..., step:] * x[..., :-step]], axis=-1)
        step *= 2
    return np.moveaxis(x, -1, axis)


@rule(np.sort)
def sort(x, axis=-1, *, kind=None, stable=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    return take_along_axis(x, np.argsort(concrete(x), axis=axis, kind=kind, stable=stable), axis)


@rule(np.median)
def median(x, axis=None, keepdims=False):
    folded, axes = _last(x, axis)
    size = _shape(folded)[-1]
    middle = sort(folded)[..., (size - 1) // 2 : size // 2 + 1]
    return _kept(mean(middle, -1), x, axes, keepdims)


@rule(np.trapezoid)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    axis = normalize_axis_index(axis, _ndim(y))
    before = (slice(None),) * axis
    middle = 0.5 * (y[(*before, slice(1, None))] + y[(*before, slice(None, -1))])
    if x is None:
        return np.sum(middle * dx, axis=axis)
    step = np.diff(x)
    if _ndim(x) == 1:
        step = np.reshape(step, (-1, *(1,) * (_ndim(y) - axis - 1)))
    return np.sum(middle * step, axis=axis)


@rule(np.polyval)
def polyval(p, x):
    value = 0.0 * x
    for i in range(len(p)):
        value = value * x + p[i]
    return value


constant(np.unravel_index, np.indices, np.triu_indices_from, np.tril_indices_from, np.diag_indices_from)


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
