"""Sums of gradients and Hessians by bin: where a boosted tree spends its time.

A row's gradient and Hessian are one word each of 16 bits, and both are added by one addition of 64 bits:
the gradient's sum in the upper half, the Hessian's in the lower.  A half holds 2¹⁶ rows; after as many,
what has come together is added to wide sums.  Integers have no rounding: sums do not depend on the order of
the rows, and a sibling's are a difference.

A *word* is a row of the tree: gradient, Hessian, and the row's number.  Where 16 bits are too few, `low`
holds 16 more of each, by the row's number, and rows are added to the wide sums one by one.
"""

import numpy as np

from .._runtime.instructions import prefetch
from .._runtime.jit import inner
from ._layout import BINS, TILE

BLOCK = 1 << 16  # rows, after which the halves may be full
ROW = 0xFFFFFFFF  # of a word, its lower half
AHEAD = 16  # rows of which the memory is asked for in advance
LOW_BITS = 16


@inner
def unpack(word):
    """The gradient in the upper half and the Hessian in the lower, as they are added up."""
    return ((word >> 48) << 32) + ((word >> 32) & 0xFFFF)


@inner
def sum_rows(t, begin, end, first, last, histogram, packed):
    """Fill a histogram with sums over rows `begin:end` of the words, for the tree's features `first:last`.

    Parameters
    ----------
    t : Tree
    begin, end : int
    first, last : int
        Into `t.features`.
    histogram : ndarray of int64, shape (n_bins, 2 or 3)
        Wide sums of g, of h and, if there is a third column, the numbers of rows.
    packed : ndarray of int64
        Memory for ``last - first`` times 256 sums, all zero, which it is again afterwards.
    """
    rows, words, features = t.rows, t.words, t.features
    if t.low.shape[0]:
        _clear(t, first, last, histogram)
        add_exactly(t, begin, end, first, last, histogram, np.int64(1))
        return
    together = features[last - 1] - features[first] == last - 1 - first
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        if together:
            _pack_neighbours(rows, words, start, stop, features[first], last - first, packed)
        else:
            _pack(rows, words, start, stop, features, first, last, packed)
        _flush(t, first, last, packed, histogram, start == begin)
        if histogram.shape[1] > 2:
            _count(t, start, stop, first, last, histogram)


@inner
def _pack_neighbours(rows, words, begin, end, feature, n_features, packed):
    """For features in a row, at most `TILE`; their bins are asked for before they are needed.

    The inner loop's length is known to the compiler, which writes it out; the way out of it is the same for
    every row, and foretold.  Indices without a sign need no look at what they are.
    """
    feature, n_features, last = np.uintp(feature), np.uintp(n_features), np.uintp(end - 1)
    for i in range(np.uintp(begin), np.uintp(end)):
        prefetch(rows, np.intp(words[min(i + np.uintp(AHEAD), last)] & ROW))
        word = words[i]
        row, value = np.uintp(word & ROW), unpack(word)
        for j in range(np.uintp(TILE)):
            if j >= n_features:
                break
            packed[(j << np.uintp(8)) | np.uintp(rows[row, feature + j])] += value


@inner
def _pack(rows, words, begin, end, features, first, last, packed):
    """For any features."""
    first, n_features, last = np.uintp(first), np.uintp(last - first), np.uintp(end - 1)
    for i in range(np.uintp(begin), np.uintp(end)):
        prefetch(rows, np.intp(words[min(i + np.uintp(AHEAD), last)] & ROW))
        word = words[i]
        row, value = np.uintp(word & ROW), unpack(word)
        for j in range(np.uintp(TILE)):
            if j >= n_features:
                break
            packed[(j << np.uintp(8)) | np.uintp(rows[row, np.uintp(features[first + j])])] += value


@inner
def _flush(t, first, last, packed, histogram, fresh):
    """Set the wide sums to the packed ones, or add these to them; they are zero afterwards."""
    offsets, features = t.offsets, t.features
    for j in range(first, last):
        offset, base = offsets[features[j]], (j - first) * BINS
        for b in range(offsets[features[j] + 1] - offset):
            value = packed[base + b]
            h = value & ROW
            g = (value - h) >> 32
            packed[base + b] = 0
            if fresh:
                histogram[offset + b, 0], histogram[offset + b, 1] = g, h
                if histogram.shape[1] > 2:
                    histogram[offset + b, 2] = 0
            else:
                histogram[offset + b, 0] += g
                histogram[offset + b, 1] += h


@inner
def _count(t, begin, end, first, last, histogram):
    rows, words, offsets, features = t.rows, t.words, t.offsets, t.features
    for i in range(np.uintp(begin), np.uintp(end)):
        row = np.uintp(words[i] & ROW)
        for j in range(np.uintp(first), np.uintp(last)):
            f = np.uintp(features[j])
            histogram[np.uintp(offsets[f]) + np.uintp(rows[row, f]), 2] += 1


@inner
def subtract(t, first, last, histogram, other):
    """Take one histogram from another, for some features: what is left is the sibling's."""
    offsets, features = t.offsets, t.features
    for j in range(first, last):
        for b in range(np.uintp(offsets[features[j]]), np.uintp(offsets[features[j] + 1])):
            histogram[b, 0] -= other[b, 0]
            histogram[b, 1] -= other[b, 1]
            if histogram.shape[1] > 2:
                histogram[b, 2] -= other[b, 2]


@inner
def _clear(t, first, last, histogram):
    offsets, features = t.offsets, t.features
    for j in range(first, last):
        for b in range(np.uintp(offsets[features[j]]), np.uintp(offsets[features[j] + 1])):
            histogram[b, 0], histogram[b, 1] = 0, 0
            if histogram.shape[1] > 2:
                histogram[b, 2] = 0


@inner
def exact(word, low, row):
    """A row's gradient and Hessian in the units of the wide sums."""
    g, h = word >> 48, (word >> 32) & 0xFFFF
    if low.shape[0]:
        bits = np.int64(low[row])
        g, h = (g << LOW_BITS) + (bits >> 16), (h << LOW_BITS) + (bits & 0xFFFF)
    return g, h


@inner
def add_exactly(t, begin, end, first, last, histogram, times):
    """Add rows to the wide sums as they are; or with `times` -1 take them out: a small sibling's, say."""
    rows, words, low, offsets, features = t.rows, t.words, t.low, t.offsets, t.features
    counted, final = histogram.shape[1] > 2, np.uintp(end - 1)
    for i in range(np.uintp(begin), np.uintp(end)):
        prefetch(rows, np.intp(words[min(i + np.uintp(AHEAD), final)] & ROW))
        word = words[i]
        row = np.uintp(word & ROW)
        g, h = exact(word, low, row)
        g, h = times * g, times * h
        for j in range(np.uintp(first), np.uintp(last)):
            f = np.uintp(features[j])
            b = np.uintp(offsets[f]) + np.uintp(rows[row, f])
            G, H = histogram[b, 0] + g, histogram[b, 1] + h
            histogram[b, 0], histogram[b, 1] = G, H
            if counted:
                histogram[b, 2] += times
