"""What the nodes of a grown tree predict, and adding it to the rows of its leaves."""

import numpy as np

from .._runtime import threads
from .._runtime.jit import inner, kernel
from ._histogram import ROW
from ._layout import LEAF
from ._splitting import weight

SUM_BITS = 61
EXACT_ROWS = 1 << 12  # of a leaf, up to which its gradients are added up anew, with more bits
CHUNK = 1 << 16


@inner
def weigh(t, i):
    """Set the value of node i; equation (6).

    The sums of a leaf are the same for any order of rows: of few rows with 61 bits, of many those of the tree
    itself.  In these each row's rounding, half a unit, counts by its root: `quantise` sees to it that few
    rows have so few units that they might all be rounded to one side.
    """
    node = t.nodes[i]
    G, H = t.unit_g * node.G, t.unit_h * node.H
    if node.left == LEAF and node.end - node.begin <= EXACT_ROWS:
        G, H = _precise_sums(t, node.begin, node.end)
    node.value = weight(G, H, node.lower, node.upper, t)


@inner
def _precise_sums(t, begin, end):
    g, h, words, column = t.g, t.h, t.words, t.column
    bits = SUM_BITS - (32 if t.low.shape[0] else 16)  # of a unit: less those that a sum of rows may need
    rows = end - begin
    while rows > 0:
        bits, rows = bits - 1, rows >> 1
    per_g, per_h = np.float64(1 << bits) / t.unit_g, np.float64(1 << bits) / t.unit_h
    G, H = np.int64(0), np.int64(0)
    for k in range(np.uintp(begin), np.uintp(end)):
        i = np.uintp(words[k] & ROW)
        G += np.int64(np.rint(g[i, column] * per_g))
        H += np.int64(np.rint(h[i, column] * per_h))
    return G / per_g, H / per_h


def add_values(raw, column, words, nodes, n_threads):
    """Add each leaf's value to the raw predictions of its rows.

    Parameters
    ----------
    raw : ndarray of float64, shape (n_rows, K)
        Changed in place.
    column : int
    words : ndarray of int64
        The tree's rows, in the order of its leaves.
    nodes : ndarray of NODE
    n_threads : int
    """
    ranges = threads.chunks(len(words), CHUNK)
    threads.run(lambda r: _add_values(raw, column, words, nodes, *r), ranges, n_threads)


@kernel
def _add_values(raw, column, words, nodes, begin, end):
    for i in range(nodes.shape[0]):
        node = nodes[i]
        if node.left == LEAF:
            for k in range(np.uintp(max(begin, node.begin)), np.uintp(max(0, min(end, node.end)))):
                raw[np.uintp(words[k] & ROW), column] += node.value
