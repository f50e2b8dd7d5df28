r"""Gradients and Hessians in fixed point: integers that can be added in any order.

A unit is a power of two, chosen so that the largest gradient fits 15 bits and a sign and the largest Hessian
16 bits; both are rounded to nearest, and kept in one word with the row's number.  Over many rows the
roundings, each at most half a unit, cancel like noise.  Where they might not, because rows are few or because
most are far below the largest, 16 more bits of each are kept beside (`low`).  Constant Hessians, such as the
squared loss's, are represented exactly.

The weights of leaves do not come from these: `Leaves.sums` adds gradients with 61 bits to their sum.
"""

from itertools import pairwise

import numpy as np

from .._runtime import threads
from .._runtime.jit import kernel
from ._histogram import ROW

LARGEST_G, LARGEST_H = (1 << 15) - 1, (1 << 16) - 1
PRECISE_ROWS = 1 << 15  # up to here the lower bits cost little
PRECISE_MEAN = 1 << 6  # a mean gradient or Hessian of fewer units would be rounded too much
CHUNK = 1 << 16
SUM_BITS = 61
EXACT_ROWS = 1 << 12  # of a leaf, up to which its gradients are added up anew, with more bits


@kernel
def _largest(g, h, column, rows, begin, end):
    """The largest absolute gradient and Hessian of some rows; NaN where there is one."""
    top_g, top_h = 0.0, 0.0
    finite = True
    for k in range(begin, end):
        i = rows[k] if rows.shape[0] else k
        a, b = abs(g[i, column]), h[i, column]
        top_g, top_h = max(top_g, a), max(top_h, b)
        finite &= a + abs(b) < np.inf
    return top_g, top_h, finite


@kernel
def _fill(g, h, column, rows, begin, end, per_g, per_h, words, low):
    """The words of some rows, and the sums of |g| and h, in units of the upper bits."""
    sum_g, sum_h, size_g = 0, 0, 0
    precise = low.shape[0] > 0
    for k in range(begin, end):
        i = np.int64(rows[k]) if rows.shape[0] else k
        q = np.int64(np.rint(g[i, column] * per_g))
        r = np.int64(np.rint(h[i, column] * per_h))
        sum_g += q
        sum_h += r
        size_g += abs(q)
        if precise:
            below = ((q + 0x8000) & 0xFFFF) - 0x8000
            low[i] = np.int32((below << 16) | (r & 0xFFFF))
            q, r = (q - below) >> 16, r >> 16
        words[k] = (q << 48) | (r << 32) | i
    return sum_g, sum_h, size_g


def quantise(g, h, column, rows, n, words, low, n_threads):
    """Fill the words of a tree's rows from one column of gradients and Hessians.

    Parameters
    ----------
    g, h : ndarray of float64, shape (n_rows, K)
        The Hessians are not negative.
    column : int
    rows : ndarray of int32
        The tree's rows, ascending; of length 0 for all.
    n : int
        How many they are.
    words : ndarray of int64
    low : ndarray of int32, or None
        Filled where more bits are wanted.  It has one entry for each of `n_rows`, or is made when needed.

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
    top_g, top_h = max(part[0] for part in parts), max(part[1] for part in parts)
    if not all(part[2] for part in parts):
        raise ValueError("gradients of the loss are not finite: the predictions have diverged")
    unit_g, unit_h = _unit(top_g, LARGEST_G), _unit(top_h, LARGEST_H)
    nothing = np.empty(0, np.int32)

    def fill(unit_g, unit_h, low):
        parts = threads.run(
            lambda r: _fill(g, h, column, rows, *r, 1.0 / unit_g, 1.0 / unit_h, words, low),
            ranges,
            n_threads,
        )
        return [sum(column) for column in zip(*parts)]

    if n > PRECISE_ROWS:
        G, H, size_g = fill(unit_g, unit_h, nothing)
        if size_g >= PRECISE_MEAN * n and PRECISE_MEAN * n <= H:
            return unit_g, unit_h, (G, H), nothing
    if low is None:
        low = np.empty(len(g), np.int32)
    unit_g, unit_h = unit_g / 65536.0, unit_h / 65536.0
    G, H, _ = fill(unit_g, unit_h, low)
    return unit_g, unit_h, (G, H), low


def _unit(top, largest):
    """The least power of two of which `largest` make at least `top`."""
    if not top > 0.0:
        return 1.0
    return float(2.0 ** max(-900, np.ceil(np.log2(top / largest))))  # far from where 1 / unit overflows


class Leaves:
    """The ranges of the words that are the leaves of a tree, cut into pieces that threads share.

    Parameters
    ----------
    words : ndarray of int64
        A tree's rows, in the order of its leaves.
    begin, end : ndarray of int64, shape (n_leaves,)
    n_threads : int
    """

    def __init__(self, words, begin, end, n_threads):
        self.words, self.n_threads = words, n_threads
        self._begin, self._end, self._leaf = np.array(begin), np.array(end), slice(None)
        self._shares = [(0, len(begin))]
        if len(words) > CHUNK:
            self._cut(begin, end)

    def _cut(self, begin, end):
        n_pieces = np.maximum(1, -(-(end - begin) // CHUNK))
        self._leaf = np.repeat(np.arange(len(begin)), n_pieces)
        first = np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        self._begin = begin[self._leaf] + CHUNK * (np.arange(len(first)) - first)
        self._end = np.minimum(self._begin + CHUNK, end[self._leaf])
        rows = np.cumsum(self._end - self._begin)
        cuts = np.searchsorted(rows, np.arange(CHUNK, len(self.words), CHUNK)) if self.n_threads > 1 else []
        self._shares = list(pairwise(np.unique([0, *cuts, len(rows)]).tolist()))

    def sums(self, g, h, column, nodes, rules, precise):
        """The sums of gradients and Hessians of each leaf; the same for any order of rows.

        In leaves of many rows those of the tree itself are as good: each row's rounding, half a unit, counts
        by its root.

        Parameters
        ----------
        g, h : ndarray of float64, shape (n_rows, K)
        column : int
        nodes : ndarray of NODE, shape (n_leaves,)
        rules : Rules
        precise : bool
            Whether :func:`quantise` made lower bits.

        Returns
        -------
        (G, H) : ndarray of float64, shape (n_leaves,)
        """
        bits = SUM_BITS - (32 if precise else 16) - int(np.ceil(np.log2(max(len(self.words), 2))))
        per_g, per_h = 2.0**bits / rules.unit_g, 2.0**bits / rules.unit_h
        out = np.zeros((len(self._begin), 2), np.int64)
        few = (nodes["end"] - nodes["begin"] <= EXACT_ROWS)[self._leaf]

        def part(share):
            _leaf_sums(g, h, column, self.words, self._begin, self._end, few, *share, per_g, per_h, out)

        threads.run(part, self._shares, self.n_threads)
        totals = np.stack([nodes["G"], nodes["H"]], axis=1) << bits
        few = nodes["end"] - nodes["begin"] <= EXACT_ROWS
        if isinstance(self._leaf, slice):
            totals[few] = out[few]
        else:
            totals[few] = 0
            np.add.at(totals, self._leaf, out)
        return totals[:, 0] / per_g, totals[:, 1] / per_h

    def add(self, raw, column, values):
        """Add each leaf's value to the raw predictions of its rows."""
        of_piece = values[self._leaf]

        def part(share):
            _add_values(raw, column, self.words, self._begin, self._end, *share, of_piece)

        threads.run(part, self._shares, self.n_threads)


@kernel
def _leaf_sums(g, h, column, words, begin, end, wanted, first, last, per_g, per_h, out):
    for piece in range(first, last):
        if not wanted[piece]:
            continue
        G, H = np.int64(0), np.int64(0)
        for k in range(begin[piece], end[piece]):
            i = words[k] & ROW
            G += np.int64(np.rint(g[i, column] * per_g))
            H += np.int64(np.rint(h[i, column] * per_h))
        out[piece, 0], out[piece, 1] = G, H


@kernel
def _add_values(raw, column, words, begin, end, first, last, values):
    for piece in range(first, last):
        value = values[piece]
        for k in range(begin[piece], end[piece]):
            raw[words[k] & ROW, column] += value
