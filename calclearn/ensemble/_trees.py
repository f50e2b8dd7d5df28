"""Grown trees as arrays: what a fitted model keeps, and what checks that a stored one is a tree."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from ._layout import BINS, LEAF, NODE, SET_WORDS, Rules

DTYPES: dict[str, type] = {"starts": np.int64, "output": np.int32, "set": np.uint64, "count": np.int64}
DTYPES |= dict.fromkeys(("feature", "left", "right"), np.int32)
DTYPES |= dict.fromkeys(("missing_left", "categorical"), np.bool_)


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees one after the other; a node's index counts from its tree's root, which is 0.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_trees + 1,)
        Where each tree's nodes begin.
    output : ndarray of int32, shape (n_trees,)
        The output that a tree adds to.
    feature : ndarray of int32, shape (n_nodes,)
        That a node splits by; -1 for a leaf.
    threshold : ndarray of float64
        Values up to it go left.
    left, right : ndarray of int32
        The children; -1 for a leaf.
    missing_left : ndarray of bool
        Whether missing values go left.
    categorical : ndarray of bool
        Whether the node splits by a set of categories.
    set : ndarray of uint64, shape (n_nodes, 4)
        The bins of categories that go left, a bit each.
    value : ndarray of float64
        What a leaf adds to the raw prediction; for other nodes what they would as leaves.
    gain : ndarray of float64
        Of the split; 0 for a leaf.
    cover : ndarray of float64
        The sum of Hessians of the training rows.
    count : ndarray of int64
        The number of training rows.
    """

    starts: np.ndarray
    output: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    categorical: np.ndarray
    set: np.ndarray
    value: np.ndarray
    gain: np.ndarray
    cover: np.ndarray
    count: np.ndarray

    @classmethod
    def joined(cls, parts):
        """Many as one, in order."""
        parts = list(parts)
        arrays = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(cls)
            if f.name != "starts"
        }
        sizes = np.concatenate([np.diff(part.starts) for part in parts])
        return cls(starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), **arrays)

    @classmethod
    def none(cls):
        """No trees."""
        arrays = {f.name: np.empty(0, DTYPES.get(f.name, np.float64)) for f in fields(cls)}
        return cls(**arrays | {"starts": np.zeros(1, np.int64), "set": np.empty((0, SET_WORDS), np.uint64)})

    @property
    def n_trees(self):
        """How many trees there are."""
        return len(self.output)

    def __getitem__(self, which):
        """The trees of a slice, without a copy of their nodes."""
        first, last, step = which.indices(self.n_trees)
        if step != 1:
            raise ValueError(f"trees are taken by slices of step 1, got {which}")
        last = max(first, last)
        a, b = self.starts[first], self.starts[last]
        arrays = {f.name: getattr(self, f.name)[a:b] for f in fields(self)}
        return Trees(
            **arrays | {"starts": self.starts[first : last + 1] - a, "output": self.output[first:last]}
        )

    def depths(self):
        """The depth of each node."""
        depth = np.zeros(len(self.feature), np.int32)
        for a in self.starts[:-1]:
            at = np.zeros(1, np.intp)
            level = 0
            while at.size:
                depth[a + at] = level
                inner = a + at[self.left[a + at] != LEAF]
                at = np.concatenate([self.left[inner], self.right[inner]]).astype(np.intp)
                level += 1
        return depth

    def check(self, n_features, n_outputs):
        """Raise a ValueError unless these are trees that can be walked by compiled code.

        Each node but the root must be the child of exactly one node of its tree, with a smaller index: so
        there are no cycles, and every walk ends.
        """
        n, n_trees = np.size(self.feature), np.size(self.output)
        for f in fields(self):
            array, dtype = getattr(self, f.name), np.dtype(DTYPES.get(f.name, np.float64))
            size = {"starts": n_trees + 1, "output": n_trees}.get(f.name, n)
            shape = (size, SET_WORDS) if f.name == "set" else (size,)
            if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
                raise ValueError(f"broken trees: {f.name} must be an array of {dtype} of shape {shape}")
        sizes = np.diff(self.starts)
        if self.starts[0] != 0 or self.starts[-1] != n or (sizes < 1).any():
            raise ValueError("broken trees: starts must ascend from 0 to the number of nodes")
        if not ((self.output >= 0) & (self.output < n_outputs)).all():
            raise ValueError(f"broken trees: outputs must be from 0 to {n_outputs - 1}")
        leaf = self.left == LEAF
        if not np.isfinite(self.value[leaf]).all():
            raise ValueError("broken trees: values of leaves must be finite")
        if not ((self.right == LEAF) == leaf).all():
            raise ValueError("broken trees: a node must have two children or none")
        inner = np.flatnonzero(~leaf)
        if not ((self.feature[inner] >= 0) & (self.feature[inner] < n_features)).all():
            raise ValueError(f"broken trees: features must be from 0 to {n_features - 1}")
        if np.isnan(self.threshold[inner]).any():
            raise ValueError("broken trees: thresholds must not be NaN")
        tree = np.repeat(np.arange(self.n_trees), sizes)
        start, size = self.starts[tree[inner]], sizes[tree[inner]]
        times = np.zeros(n, np.int64)
        for child in (self.left[inner], self.right[inner]):
            if not ((child > inner - start) & (child < size)).all():
                raise ValueError("broken trees: a child must come behind its parent, in the same tree")
            np.add.at(times, start + child, 1)
        times[self.starts[:-1]] += 1
        if not (times == 1).all():
            raise ValueError("broken trees: each node must be the child of one other node")


def check_state(state):
    """Raise a ValueError unless the attributes of a fitted estimator can be walked by compiled code."""
    try:
        p, n_outputs, base, codes, mask = (
            state[name] for name in ("n_features_in_", "_n_outputs", "base_", "_codes", "_categorical")
        )
        trees = Trees(**state["trees_"])
        if np.shape(base) != (n_outputs,) or not np.isfinite(base).all():
            raise ValueError(f"broken state: base_ must be {n_outputs} finite numbers, got {base!r}")
        trees.check(p, n_outputs)
        if mask is not None and (mask.shape != (p,) or mask.dtype != bool):
            raise ValueError(f"broken state: _categorical must be a mask of {p} features, got {mask!r}")
        if set(codes) != set([] if mask is None else np.flatnonzero(mask).tolist()):
            raise ValueError("broken state: there must be codes of each categorical feature, and no others")
        for f, bins in codes.items():
            if bins.ndim != 1 or bins.dtype.kind != "i" or ((bins < 0) | (bins >= BINS)).any():
                raise ValueError(
                    f"broken state: the bins of categories of feature {f} are not bins: {bins!r}"
                )
        if unknown := set(trees.feature[trees.categorical].tolist()) - set(codes):
            raise ValueError(f"broken trees: features {sorted(unknown)} are not categorical")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"broken state: {error!r}") from error


class Grown(NamedTuple):
    """A tree as it was grown: its nodes, its rules, and the output it adds to."""

    nodes: np.ndarray
    rules: Rules
    output: int


def trees_of(grown, bins):
    """Grown trees as they are kept.

    Parameters
    ----------
    grown : list of Grown
    bins : Bins
    """
    if not grown:
        return Trees.none()
    nodes = np.concatenate([tree.nodes.view(np.uint8) for tree in grown]).view(NODE)
    sizes = np.array([len(tree.nodes) for tree in grown])
    inner = nodes["left"] != LEAF
    feature = np.where(inner, nodes["feature"], LEAF).astype(np.int32)
    edge = bins.edges[np.maximum(feature, 0), np.clip(nodes["bin"], 0, bins.edges.shape[1] - 1)]
    return Trees(
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        output=np.array([tree.output for tree in grown], np.int32),
        feature=feature,
        threshold=np.where(inner & ~nodes["categorical"], edge, 0.0),
        left=nodes["left"].copy(),
        right=np.where(inner, nodes["left"] + 1, LEAF).astype(np.int32),
        missing_left=nodes["missing_left"] & inner,
        categorical=nodes["categorical"] & inner,
        set=np.where((inner & nodes["categorical"])[:, None], nodes["set"], np.uint64(0)),
        value=nodes["value"].copy(),
        gain=np.where(inner, nodes["gain"], 0.0),
        cover=nodes["H"] * np.repeat([tree.rules.unit_h for tree in grown], sizes),
        count=nodes["end"] - nodes["begin"],
    )
