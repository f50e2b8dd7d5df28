"""Sums of gradients and Hessians by bin: where a boosted tree spends its time.

A row's gradient and Hessian are one word each of 16 bits, and both are added by one addition of 64 bits:
the gradient's sum in the upper half, the Hessian's in the lower.  A half holds 2¹⁶ rows; after as many,
what has come together is added to wide sums.  Integers have no rounding: sums do not depend on the order of
the rows, and a sibling's are a difference.

A *word* is a row of the tree: gradient, Hessian, and the row's number.  Where 16 bits are too few, `low`
holds 16 more of each, by the row's number, and a second pass adds those up.
"""

import numpy as np

from .._runtime.jit import inner
from .._runtime.team import prefetch
from ._layout import BINS

BLOCK = 1 << 16  # rows, after which the halves may be full
ROW = 0xFFFFFFFF  # of a word, its lower half
AHEAD = 16  # rows of which the memory is asked for in advance
LOW_BITS = 16


@inner
def unpack(word):
    """The gradient in the upper half and the Hessian in the lower, as they are added up."""
    return ((word >> 48) << 32) + ((word >> 32) & 0xFFFF)


@inner
def add_rows(t, begin, end, first, last, histogram, packed):
    """Add rows `begin:end` of the words to a histogram, for the tree's features `first:last`.

    Parameters
    ----------
    t : Tree
    begin, end : int
    first, last : int
        Into `t.features`.
    histogram : ndarray of int64, shape (2 or 3, n_bins)
        Wide sums of g, of h and, if there is a third row, the numbers of rows.
    packed : ndarray of int64
        Memory for ``last - first`` times 256 sums, all zero, which it is again afterwards.
    """
    rows, words, low, features = t.rows, t.words, t.low, t.features
    together = features[last - 1] - features[first] == last - 1 - first
    precise = low.shape[0] > 0
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        if together:
            _pack_neighbours(rows, words, start, stop, features[first], last - first, packed)
        else:
            _pack(rows, words, start, stop, features, first, last, packed)
        _flush(t, first, last, packed, histogram, np.int64(LOW_BITS if precise else 0))
        if precise:
            _pack_low(rows, words, low, start, stop, features, first, last, packed)
            _flush(t, first, last, packed, histogram, np.int64(0))
        if histogram.shape[0] > 2:
            _count(t, start, stop, first, last, histogram)


@inner
def _pack_neighbours(rows, words, begin, end, feature, n_features, packed):
    """For features in a row, four at a time; the bins are asked for before they are needed."""
    n_fours = n_features // 4
    for i in range(begin, end):
        prefetch(rows, np.intp(words[min(i + AHEAD, end - 1)] & ROW))
        word = words[i]
        row, value = np.uintp(word & ROW), unpack(word)
        for k in range(n_fours):
            f, base = np.uintp(feature + 4 * k), np.uintp(k) << np.uintp(10)
            packed[base | np.uintp(rows[row, f])] += value
            packed[(base + np.uintp(256)) | np.uintp(rows[row, f + np.uintp(1)])] += value
            packed[(base + np.uintp(512)) | np.uintp(rows[row, f + np.uintp(2)])] += value
            packed[(base + np.uintp(768)) | np.uintp(rows[row, f + np.uintp(3)])] += value
        for j in range(4 * n_fours, n_features):
            packed[(np.uintp(j) << np.uintp(8)) | np.uintp(rows[row, np.uintp(feature + j)])] += value


@inner
def _pack(rows, words, begin, end, features, first, last, packed):
    """For any features."""
    for i in range(begin, end):
        word = words[i]
        row, value = np.uintp(word & ROW), unpack(word)
        for j in range(first, last):
            bin = np.uintp(rows[row, np.uintp(features[j])])
            packed[(np.uintp(j - first) << np.uintp(8)) | bin] += value


@inner
def _pack_low(rows, words, low, begin, end, features, first, last, packed):
    """The lower bits, which a second pass adds up."""
    for i in range(begin, end):
        row = np.uintp(words[i] & ROW)
        bits = np.int64(low[row])
        value = ((bits >> 16) << 32) + (bits & 0xFFFF)
        for j in range(first, last):
            bin = np.uintp(rows[row, np.uintp(features[j])])
            packed[(np.uintp(j - first) << np.uintp(8)) | bin] += value


@inner
def _flush(t, first, last, packed, histogram, shift):
    """Add the packed sums, times 2 to the `shift`, to the wide ones; they are zero afterwards."""
    offsets, features = t.offsets, t.features
    G, H = histogram[0], histogram[1]
    for j in range(first, last):
        offset, base = offsets[features[j]], (j - first) * BINS
        for b in range(offsets[features[j] + 1] - offset):
            value = packed[base + b]
            h = value & ROW
            H[offset + b] += h << shift
            G[offset + b] += ((value - h) >> 32) << shift
            packed[base + b] = 0


@inner
def _count(t, begin, end, first, last, histogram):
    rows, words, offsets, features = t.rows, t.words, t.offsets, t.features
    for i in range(begin, end):
        row = words[i] & ROW
        for j in range(first, last):
            histogram[2, offsets[features[j]] + rows[row, features[j]]] += 1


@inner
def subtract(t, first, last, histogram, other):
    """Take one histogram from another, for some features: what is left is the sibling's."""
    offsets, features = t.offsets, t.features
    for s in range(histogram.shape[0]):
        for j in range(first, last):
            for b in range(offsets[features[j]], offsets[features[j] + 1]):
                histogram[s, b] -= other[s, b]


@inner
def clear(t, first, last, histogram):
    """Set the bins of some features to zero."""
    offsets, features = t.offsets, t.features
    for s in range(histogram.shape[0]):
        for j in range(first, last):
            for b in range(offsets[features[j]], offsets[features[j] + 1]):
                histogram[s, b] = 0


@inner
def exact(word, low, row):
    """A row's gradient and Hessian in the units of the wide sums."""
    g, h = word >> 48, (word >> 32) & 0xFFFF
    if low.shape[0]:
        bits = np.int64(low[row])
        g, h = (g << LOW_BITS) + (bits >> 16), (h << LOW_BITS) + (bits & 0xFFFF)
    return g, h


@inner
def take_rows(t, begin, end, first, last, histogram):
    """Take a few rows from a histogram: a small sibling costs no histogram of its own."""
    rows, words, low, offsets, features = t.rows, t.words, t.low, t.offsets, t.features
    for i in range(begin, end):
        row = words[i] & ROW
        g, h = exact(words[i], low, row)
        for j in range(first, last):
            b = offsets[features[j]] + rows[row, features[j]]
            histogram[0, b] -= g
            histogram[1, b] -= h
            if histogram.shape[0] > 2:
                histogram[2, b] -= 1
