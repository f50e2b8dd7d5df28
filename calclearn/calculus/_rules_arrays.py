"""Rules of functions that move, join and sum the entries of arrays.

A handful are primitives; they are linear, so that pushing a tangent is the function itself, and pulling a
cotangent back is its transpose: equation (7) of docs/derivations/chain-rule.md.  All others are made of them.
"""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ._rules_elementwise import align, constant, unbroadcast
from ._tracing import NoRule, Primitive, Traced, concrete, ndim_of, rule, shape_of


def each(function, tangent):
    """A function of one direction, of all of them."""
    return np.stack([function(t) for t in tangent])


# ------------------------------------------------------------------------------------------ primitives

_reshape = Primitive(
    lambda x, shape: np.reshape(x, shape),
    lambda i, y, x, shape: (
        lambda tangent: np.reshape(tangent, (shape_of(tangent)[0], *shape_of(y))),
        lambda cotangent: np.reshape(cotangent, shape_of(x)),
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
        lambda tangent: np.broadcast_to(align(tangent, len(shape)), (shape_of(tangent)[0], *shape)),
        lambda cotangent: unbroadcast(cotangent, shape_of(x)),
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
    return any(isinstance(part, np.ndarray) for part in index)


def _along_directions(index):
    """The same index of an array with a leading axis; None where NumPy would put the axes elsewhere."""
    if _has_arrays(index):  # then numbers count as arrays, and what lies between two of them moves to the end
        places = [i for i, part in enumerate(index) if isinstance(part, np.ndarray | int | np.integer)]
        if places[-1] - places[0] >= len(places):
            return None
    return (slice(None), *index)


def _take(x, index):
    return x[index]


def _take_directions(tangent, index):
    inner = _along_directions(index)
    return each(lambda t: t[index], tangent) if inner is None else tangent[inner]


_getitem = Primitive(
    _take,
    lambda i, y, x, index: (
        lambda tangent: _take_directions(tangent, index),
        lambda cotangent: Scattered(cotangent, index, shape_of(x)),
    ),
)


def _scatter_directions(tangent, index, shape):
    inner = _along_directions(index)
    if inner is None:
        return each(lambda t: scatter(t, index=index, shape=shape), tangent)
    return scatter(tangent, index=inner, shape=(tangent.shape[0], *shape))


scatter = Primitive(
    _scatter,
    lambda i, y, cotangent, index, shape: (
        lambda tangent: _scatter_directions(tangent, index, shape),
        lambda outer: outer[index],
    ),
)


def _concatenate_local(i, y, *arrays, axis):
    start = sum(shape_of(x)[axis] for x in arrays[:i])
    index = (*(slice(None),) * axis, slice(start, start + shape_of(arrays[i])[axis]))
    return None, lambda cotangent: cotangent[index]


def _concatenate_tangents(tangents, y, *arrays, axis):
    directions = next(shape_of(t)[0] for t in tangents if t is not None)
    filled = [
        np.zeros((directions, *shape_of(x)), concrete(y).dtype) if t is None else t
        for t, x in zip(tangents, arrays)
    ]
    return np.concatenate(filled, axis=axis + 1)


_concatenate = Primitive(
    lambda *arrays, axis: np.concatenate(arrays, axis=axis), _concatenate_local, _concatenate_tangents
)

# -------------------------------------------------------------------------------- indices and shapes


def _plain_index(part):
    """Arrays as copies: they must still be the same when the sweep comes back."""
    if isinstance(part, Traced):
        raise NoRule("the index of an array cannot be one that is being differentiated")
    if isinstance(part, list):
        for item in part:
            _plain_index(item)
        return np.array(part, dtype=None if part else int)
    return part.copy() if isinstance(part, np.ndarray) else part


@rule("getitem")
def getitem(x, index):
    parts = index if isinstance(index, tuple) else (index,)
    return _getitem(x, index=tuple(map(_plain_index, parts)))


@rule(np.reshape)
def reshape(x, shape, order="C"):
    if order != "C":
        raise NoRule(f"np.reshape with order={order!r} has no derivative rule here; transpose instead")
    return _reshape(x, shape=shape)


@rule(np.ravel)
def ravel(x, order="C"):
    return reshape(x, -1, order)


@rule(np.transpose, np.permute_dims)
def transpose(x, axes=None):
    ndim = ndim_of(x)
    axes = tuple(reversed(range(ndim))) if axes is None else normalize_axis_tuple(axes, ndim)
    return _transpose(x, axes=axes)


@rule(np.swapaxes)
def swapaxes(x, axis1, axis2):
    axes = list(range(ndim_of(x)))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return _transpose(x, axes=tuple(axes))


@rule(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x):
    return swapaxes(x, -1, -2)


@rule(np.moveaxis)
def moveaxis(x, source, destination):
    ndim = ndim_of(x)
    source, destination = (normalize_axis_tuple(axes, ndim) for axes in (source, destination))
    axes = [axis for axis in range(ndim) if axis not in source]
    for to, axis in sorted(zip(destination, source)):
        axes.insert(to, axis)
    return _transpose(x, axes=tuple(axes))


@rule(np.squeeze)
def squeeze(x, axis=None):
    return _reshape(x, shape=np.squeeze(np.broadcast_to(0, shape_of(x)), axis).shape)


@rule(np.expand_dims)
def expand_dims(x, axis):
    return _reshape(x, shape=np.expand_dims(np.broadcast_to(0, shape_of(x)), axis).shape)


@rule(np.atleast_1d)
def atleast_1d(*arrays):
    raised = [_reshape(x, shape=shape_of(x) or (1,)) for x in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


@rule(np.atleast_2d)
def atleast_2d(*arrays):
    raised = [_reshape(x, shape=(1,) * (2 - ndim_of(x)) + shape_of(x)) for x in arrays]
    return raised[0] if len(raised) == 1 else tuple(raised)


@rule(np.broadcast_to)
def broadcast_to(x, shape):
    return _broadcast_to(x, shape=(shape,) if isinstance(shape, int | np.integer) else tuple(shape))


@rule(np.broadcast_arrays)
def broadcast_arrays(*arrays):
    shape = np.broadcast_shapes(*map(shape_of, arrays))
    return tuple(_broadcast_to(x, shape=shape) for x in arrays)


@rule(np.full_like)
def full_like(x, fill_value):
    return np.broadcast_to(fill_value, shape_of(x))


@rule(np.meshgrid)
def meshgrid(*arrays, indexing="xy"):
    axes = [i if i > 1 or indexing == "ij" or len(arrays) == 1 else 1 - i for i in range(len(arrays))]
    wide = [
        np.reshape(x, [-1 if i == axis else 1 for i in range(len(arrays))]) for x, axis in zip(arrays, axes)
    ]
    return broadcast_arrays(*wide)


@rule(np.linspace)
def linspace(start, stop, num=50, endpoint=True):
    share = np.arange(num) / max(num - 1 if endpoint else num, 1)
    share = np.reshape(share, (-1, *(1,) * max(ndim_of(start), ndim_of(stop))))
    return start * (1.0 - share) + stop * share


@rule(np.flip)
def flip(x, axis=None):
    axes = range(ndim_of(x)) if axis is None else normalize_axis_tuple(axis, ndim_of(x))
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(ndim_of(x)))]


@rule(np.flipud)
def flipud(x):
    return flip(x, 0)


@rule(np.fliplr)
def fliplr(x):
    return flip(x, 1)


@rule(np.roll)
def roll(x, shift, axis=None):
    if axis is None:
        return np.reshape(roll(np.ravel(x), shift, 0), shape_of(x))
    for places, along in np.broadcast(shift, axis):
        size = shape_of(x)[along]
        x = np.take(x, (np.arange(size) - places) % size, axis=along) if size else x
    return x


@rule(np.take)
def take(x, indices, axis=None):
    x, axis = (np.ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, ndim_of(x)))
    return x[(*(slice(None),) * axis, np.asarray(indices) if isinstance(indices, tuple) else indices)]


@rule(np.take_along_axis)
def take_along_axis(x, indices, axis=-1):
    if axis is None:
        return np.ravel(x)[indices]
    axis = normalize_axis_index(axis, ndim_of(x))
    grid = list(np.ogrid[tuple(slice(size) for size in shape_of(x))])  # the indices broadcast against it
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
    size = np.size(concrete(x)) if axis is None else shape_of(x)[axis]
    return take(x, np.delete(np.arange(size), obj), axis)


@rule(np.repeat)
def repeat(x, repeats, axis=None):
    size = np.size(concrete(x)) if axis is None else shape_of(x)[axis]
    return take(x, np.repeat(np.arange(size), repeats), axis)


@rule(np.tile)
def tile(x, reps):
    places = np.tile(np.arange(np.size(concrete(x))).reshape(shape_of(x)), reps)
    return np.ravel(x)[places]


@rule(np.diagonal)
def diagonal(x, offset=0, axis1=0, axis2=1):
    x = np.moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(x)[-2:]
    i = np.arange(max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)))
    return x[..., i - min(offset, 0), i + max(offset, 0)]


@rule(np.linalg.diagonal)
def linalg_diagonal(x, *, offset=0):
    return diagonal(x, offset, -2, -1)


@rule(np.diag)
def diag(v, k=0):
    if ndim_of(v) == 2:
        return diagonal(v, k)
    n = shape_of(v)[0]
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
    return np.where(np.tri(*shape_of(m)[-2:], k=k, dtype=bool), m, 0.0)


@rule(np.triu)
def triu(m, k=0):
    return np.where(np.tri(*shape_of(m)[-2:], k=k - 1, dtype=bool), 0.0, m)


# ---------------------------------------------------------------------------------- joining, splitting


@rule(np.concatenate)
def concatenate(arrays, axis=0):
    arrays = list(arrays)
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    return _concatenate(*arrays, axis=normalize_axis_index(axis, ndim_of(arrays[0])))


@rule(np.stack)
def stack(arrays, axis=0):
    arrays = list(arrays)
    axis = normalize_axis_index(axis, ndim_of(arrays[0]) + 1)
    return concatenate([np.expand_dims(x, axis) for x in arrays], axis)


@rule(np.vstack)
def vstack(arrays):
    return concatenate([np.atleast_2d(x) for x in arrays], 0)


@rule(np.hstack)
def hstack(arrays):
    arrays = [np.atleast_1d(x) for x in arrays]
    return concatenate(arrays, 0 if ndim_of(arrays[0]) == 1 else 1)


@rule(np.column_stack)
def column_stack(arrays):
    return concatenate([x[:, None] if ndim_of(x) == 1 else x for x in map(np.atleast_1d, arrays)], 1)


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
        ndim = max(level, *map(ndim_of, parts))
        return concatenate([np.reshape(x, (1,) * (ndim - ndim_of(x)) + shape_of(x)) for x in parts], -level)

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
    places = np.split(np.arange(shape_of(x)[axis]), sections)
    before = (slice(None),) * normalize_axis_index(axis, ndim_of(x))
    return [x[(*before, slice(p[0], p[-1] + 1) if p.size else slice(0, 0))] for p in places]


@rule(np.pad)
def pad(x, pad_width, mode="constant", constant_values=0.0):
    """Of the modes that repeat entries, or with one constant all around."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap") or ndim_of(constant_values):
        how = f"mode={mode!r}" if mode != "constant" else f"constant_values={constant_values!r}"
        raise NoRule(f"np.pad with {how} has no derivative rule here; write np.concatenate")
    if mode == "constant":
        place = np.pad(np.arange(1, np.size(concrete(x)) + 1).reshape(shape_of(x)), pad_width)
        padded = np.ravel(x)[np.maximum(place - 1, 0)]
        return np.where(place > 0, padded, constant_values)
    return np.ravel(x)[np.pad(np.arange(np.size(concrete(x))).reshape(shape_of(x)), pad_width, mode=mode)]


@rule(np.diff)
def diff(x, n=1, axis=-1):
    axis = normalize_axis_index(axis, ndim_of(x))
    before = (slice(None),) * axis
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


@rule(np.ediff1d)
def ediff1d(x):
    return diff(np.ravel(x))


constant(np.unravel_index, np.indices, np.triu_indices_from, np.tril_indices_from, np.diag_indices_from)
