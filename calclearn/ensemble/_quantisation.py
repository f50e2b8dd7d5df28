r"""Gradients and Hessians in fixed point: integers that can be added in any order.

A unit is a power of two, chosen so that the largest gradient fits 15 bits and a sign and the largest Hessian
16 bits; both are rounded to nearest, and kept in one word with the row's number.  Over many rows the
roundings, each at most half a unit, cancel like noise.  Where they might not, because rows are few or because
many of them are far below the largest, 16 more bits of each are kept beside (`low`).  Constant Hessians, such
as the squared loss's, are represented exactly.

The weights of leaves do not come from these: see `_leaves`.
"""

import math

import numpy as np

from .._runtime import threads
from .._runtime.jit import kernel

NO_LOW = np.empty(0, np.int32)
LARGEST_G, LARGEST_H = (1 << 15) - 1, (1 << 16) - 1
PRECISE_ROWS = 1 << 12  # up to here the lower bits cost little
PRECISE_MEAN = 1 << 6  # a mean gradient or Hessian of fewer units would be rounded too much
FEW_G, FEW_H = 4.0, 16.0  # units: rows of fewer would be rounded alike, and a leaf of them too much
MOST_FEW = 1 / 256  # of the rows may have as few, or more of them whose Hessians together are
LITTLE = 64  # times what a leaf is held back by, so that they can move little
PARTS = 1 << 16  # of a unit, in which sums of few are exact
CHUNK = 1 << 16


@kernel
def _largest(g, h, column, rows, begin, end):
    """The largest absolute gradient, largest and least Hessian of some rows, and whether all are finite."""
    top_g, top_h, least_h = 0.0, 0.0, 0.0
    finite = True
    for k in range(np.uintp(begin), np.uintp(end)):
        i = np.uintp(rows[k]) if rows.shape[0] else k
        a, b = abs(g[i, column]), h[i, column]
        top_g, top_h, least_h = max(top_g, a), max(top_h, b), min(least_h, b)
        finite &= a + abs(b) < np.inf
    return top_g, top_h, least_h, finite


@kernel
def _fill(g, h, column, rows, begin, end, per_g, per_h, words, low):
    """The words of some rows; sums of g, h and |g| in units; how many rows have few, and their h's sum."""
    sum_g, sum_h, size_g, few, few_h = 0, 0, 0, 0, 0
    precise = low.shape[0] > 0
    for k in range(np.uintp(begin), np.uintp(end)):
        i = np.uintp(rows[k]) if rows.shape[0] else k
        of_g, of_h = g[i, column] * per_g, h[i, column] * per_h
        q, r = np.int64(np.rint(of_g)), np.int64(np.rint(of_h))
        has_few = ((abs(of_g) < FEW_G) & (of_g != 0.0)) | ((of_h < FEW_H) & (of_h != 0.0))
        few += has_few
        few_h += np.int64(PARTS * of_h) if has_few else 0
        sum_g += q
        sum_h += r
        size_g += abs(q)
        if precise:
            below = ((q + 0x8000) & 0xFFFF) - 0x8000
            low[i] = np.int32((below << 16) | (r & 0xFFFF))
            q, r = (q - below) >> 16, r >> 16
        words[k] = (q << 48) | (r << 32) | np.int64(i)
    return sum_g, sum_h, size_g, few, few_h


def quantise(g, h, column, rows, n, words, low, held_back, n_threads):
    """Fill the words of a tree's rows from one column of gradients and Hessians.

    Parameters
    ----------
    g, h : ndarray of float64, shape (n_rows, K)
        Negative Hessians are set to 0, in place.
    column : int
    rows : ndarray of int32
        The tree's rows, ascending; of length 0 for all.
    n : int
        How many they are.
    words : ndarray of int64
    low : ndarray of int32, or None
        Filled where more bits are wanted.  It has one entry for each of `n_rows`, or is made when needed.
    held_back : float
        What is added to a leaf's Hessian, or asked of it.

    Returns
    -------
    (unit_g, unit_h, (G, H), low)
        The units of the sums, the totals in them, and the lower bits; of length 0 where there are none.

    Raises
    ------
    ValueError
        If a gradient or Hessian is not finite.
    """
    ranges = threads.chunks(n, CHUNK)
    parts = threads.run(lambda r: _largest(g, h, column, rows, *r), ranges, n_threads)
    tops_g, tops_h, least_h, finite = zip(*parts)
    if not all(finite):
        raise ValueError("gradients of the loss are not finite: the predictions have diverged")
    if min(least_h) < 0.0:
        np.maximum(h[:, column], 0.0, out=h[:, column])
    unit_g, unit_h = _unit(max(tops_g), LARGEST_G), _unit(max(tops_h), LARGEST_H)

    def fill(unit_g, unit_h, low):
        parts = threads.run(
            lambda r: _fill(g, h, column, rows, *r, 1.0 / unit_g, 1.0 / unit_h, words, low),
            ranges,
            n_threads,
        )
        return [sum(column) for column in zip(*parts)]

    if n > PRECISE_ROWS:
        G, H, size_g, few, few_h = fill(unit_g, unit_h, NO_LOW)
        harmless = few <= MOST_FEW * n or few_h * unit_h <= LITTLE * PARTS * held_back
        if min(size_g, H) >= PRECISE_MEAN * n and harmless:
            return unit_g, unit_h, (G, H), NO_LOW
    if low is None:
        low = np.empty(len(g), np.int32)
    unit_g, unit_h = unit_g / 65536.0, unit_h / 65536.0
    G, H, *_ = fill(unit_g, unit_h, low)
    return unit_g, unit_h, (G, H), low


def _unit(top, largest):
    """The least power of two of which `largest` make at least `top`."""
    if not top > 0.0:
        return 1.0
    mantissa, exponent = math.frexp(top / largest)
    return 2.0 ** max(-900, exponent - (mantissa == 0.5))  # far from where 1 / unit overflows
