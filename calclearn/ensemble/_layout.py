"""What a growing tree is made of: the rows, the rules, the nodes, and the memory to work in.

Sums of gradients and Hessians are integers in units of `Rules.unit_g` and `unit_h` (see `_quantisation`),
so they are the same in whichever order the rows come.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.experimental import structref

BINS = 256  # to a feature: at most 255 of values, then one of missing ones
SET_WORDS = BINS // 64  # of a set of bins, one bit each
LEAF = -1
FEW = 128  # rows of a node that needs no histogram

# The job that is being done, or was done last.
START, ROOT, PARTITION, GATHER, SEARCH, CHOOSE = range(6)

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
    plain: bool  # whether a leaf's weight is -G/(H + lambda), and no more

    @classmethod
    def of(cls, *, unit_g, unit_h, seed, bounded, **parameters):
        """The rules that an estimator's parameters state."""
        plain = not (bounded or parameters["reg_alpha"] or parameters["max_delta_step"])
        return cls(**parameters, seed=seed, unit_g=unit_g, unit_h=unit_h, bounded=bounded, plain=plain)


# A node of a tree that grows.  `feature` to `set` describe its split, or while it is a leaf the best one that
# was found; `gain` is 0 where none is allowed.
NODE = np.dtype(
    [
        ("begin", np.int64),  # its rows, a range of the words
        ("end", np.int64),
        ("G", np.int64),
        ("H", np.int64),
        ("gain", np.float64),
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
    histograms: np.ndarray  # int64 (slots, 2 or 3, bins)
    free: np.ndarray  # int32 (slots,): slots that are nobody's
    packed: np.ndarray  # int64 (threads, TILE * BINS)
    small: np.ndarray  # int64 (threads, 8, BINS)
    few: np.ndarray  # int64 (threads, 3, FEW)
    scratch: np.ndarray  # float64 (threads, 4, BINS)
    splits: np.ndarray  # SPLIT (2, tiles)
    allowed: np.ndarray  # bool (2, p): features that either child may split by
    chosen: np.ndarray  # int32 (p,)
    counts: np.ndarray  # int64 (chunks, 2): rows of each chunk that go left, and where they go
    goes_left: np.ndarray  # uint8 (BINS,)
    state: np.ndarray  # int64
    board: np.ndarray


@structref.register
class TreeType(types.StructRef):
    """All that compiled code knows of a tree that grows, behind one pointer.

    Tuples would be handed from function to function entry by entry, which takes the compiler many times as
    long.
    """


class Tree:
    """The constructor, in compiled code alone: the fields of `Data`, `Rules`, `Memory`, and five more."""


FIELDS = (*Data._fields, *Rules._fields, *Memory._fields, "nodes", "members", "heap", "features", "tile")
structref.define_constructor(Tree, TreeType, FIELDS)
