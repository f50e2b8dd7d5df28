"""What a growing tree is made of: the rows, the rules, the nodes, and the memory to work in.

Sums of gradients and Hessians are integers in units of `Rules.unit_g` and `unit_h` (see `_quantisation`),
so they are the same in whichever order the rows come.
"""

from typing import NamedTuple

import numpy as np

from .._runtime import struct

BINS = 256  # to a feature: at most 255 of values, then one of missing ones
SET_WORDS = BINS // 64  # of a set of bins, one bit each
LEAF = -1
TAME = 1e40  # units within it have sums below 2**63 of them whose products are neither 0 nor infinite
TILE = 16  # features whose packed histograms a core's first cache holds
FEW = 128  # rows of a node that needs no histogram

# The job that is being done, or was done last.
START, ROOT, PARTITION, GATHER, SEARCH, CHOOSE, WEIGH = range(7)

# The state of a tree that grows: the last two are the job and its node.
N_NODES, N_LEAVES, CURSOR, N_HEAP, N_FREE, WORK, ENDED, JOB, NODE_OF = range(9)
FINISHED, INTERRUPTED, FULL = range(3)


class Data(NamedTuple):
    """The binned features; read-only.

    Attributes
    ----------
    rows : ndarray of uint8, shape (n, at least p)
        Bins, row by row, padded so that a row does not straddle more cache lines than it must.
    columns : ndarray of uint8, shape (p, n)
        The same, feature by feature.
    offsets : ndarray of int64, shape (p + 1,)
        Where a feature's bins begin in a histogram; its last bin is that of missing values.
    categorical : ndarray of bool, shape (p,)
        Whether bins are categories, without an order.
    monotone : ndarray of int8, shape (p,)
        -1, 0 or 1: how the prediction must go with the feature.
    groups : ndarray of bool, shape (n_groups, p)
        Sets of features that may meet on a path; none where all may.
    """

    rows: np.ndarray
    columns: np.ndarray
    offsets: np.ndarray
    categorical: np.ndarray
    monotone: np.ndarray
    groups: np.ndarray


class Rules(NamedTuple):
    """What may be split, and what a split is worth; in XGBoost's terms."""

    reg_lambda: float
    reg_alpha: float
    gamma: float
    min_child_weight: float
    max_delta_step: float
    min_child_samples: int
    max_depth: int  # 0: no limit
    max_leaves: int  # 0: no limit
    best_first: bool  # the leaf of the largest gain is split next, instead of level by level
    colsample_bylevel: float
    colsample_bynode: float
    seed: int
    unit_g: float
    unit_h: float
    bounded: bool  # whether there are monotone features
    plain: bool  # whether a leaf's weight is -G/(H + lambda), no more, and products of such sums are finite

    @classmethod
    def of(cls, *, bounded, **parameters):
        """The rules that an estimator's parameters state, for any units."""
        plain = not (bounded or parameters["reg_alpha"] or parameters["max_delta_step"])
        return cls(**parameters, seed=0, unit_g=1.0, unit_h=1.0, bounded=bounded, plain=plain)

    def of_tree(self, unit_g, unit_h, seed):
        """The same for the units and the seed of one tree."""
        factors = [unit_g, unit_h, self.reg_lambda or 1.0]
        tame = min(factors) > 1.0 / TAME and max(factors) < TAME
        return self._replace(unit_g=unit_g, unit_h=unit_h, seed=seed, plain=self.plain and tame)


# A node of a tree that grows.  `feature` to `set` describe its split, or while it is a leaf the best one that
# was found; `gain` is 0 where none is allowed.
NODE = np.dtype(
    [
        ("begin", np.int64),  # its rows, a range of the words
        ("end", np.int64),
        ("G", np.int64),
        ("H", np.int64),
        ("gain", np.float64),
        ("value", np.float64),  # what it predicts, or would as a leaf; when the tree has grown
        ("lower", np.float64),  # bounds of its weight, where features are monotone
        ("upper", np.float64),
        ("left_G", np.int64),
        ("left_H", np.int64),
        ("left", np.int32),  # LEAF, or the child; the right one follows it
        ("parent", np.int32),
        ("depth", np.int32),
        ("feature", np.int32),
        ("bin", np.int32),  # the last one that goes left
        ("slot", np.int32),  # of its histogram, or -1
        ("missing_left", np.bool_),
        ("categorical", np.bool_),
        ("set", np.uint64, (SET_WORDS,)),  # the bins that go left
    ],
    align=True,
)

# The best split of a node by the features of one tile.
SPLIT = np.dtype(
    [
        ("gain", np.float64),
        ("left_G", np.int64),
        ("left_H", np.int64),
        ("feature", np.int32),
        ("bin", np.int32),
        ("missing_left", np.bool_),
        ("categorical", np.bool_),
        ("set", np.uint64, (SET_WORDS,)),
    ],
    align=True,
)


class Memory(NamedTuple):
    """What a tree works in; made once for all trees of a fit."""

    words: np.ndarray  # int64 (n,): the rows in the order of the leaves
    spare: np.ndarray  # int64 (n,)
    low: np.ndarray  # int32 (n,) or (0,): see `_histogram`
    histograms: np.ndarray  # int64 (slots, bins, 2 or 3)
    free: np.ndarray  # int32 (slots,): slots that are nobody's
    packed: np.ndarray  # int64 (threads, TILE * BINS)
    by_bin: np.ndarray  # int64 (threads, BINS, 3): sums of one feature's bins
    marks: np.ndarray  # uint8 (threads, BINS): which of them have rows
    cumulated: np.ndarray  # int64 (threads, 3, BINS): sums of its bins up to each
    labels: np.ndarray  # int64 (threads, 3, BINS): which bins they are, and the like
    few: np.ndarray  # int64 (threads, FEW, 3): row, gradient, Hessian
    scratch: np.ndarray  # float64 (threads, 2, BINS)
    splits: np.ndarray  # SPLIT (2, tiles)
    allowed: np.ndarray  # bool (2, p): features that either child may split by
    chosen: np.ndarray  # int32 (p,)
    counts: np.ndarray  # int64 (chunks, 2): rows of each chunk that go left, and where they go
    goes_left: np.ndarray  # uint8 (BINS,)
    state: np.ndarray  # int64
    board: np.ndarray


OF_TREE = ("g", "h", "column", "n", "total_g", "total_h", "features", "tile", "nodes", "members", "heap")
Tree = struct.maker((*Data._fields, *Rules._fields, *Memory._fields, *OF_TREE))  # all that kernels know
