"""Walking trees: raw predictions of many rows, and the leaves they reach.

Rows are taken in blocks, whose memory is in the cache for all trees.  Eight rows walk at once, without a
branch that could be foretold wrongly: a leaf is its own child, and they walk until nobody moves.  So the
processor has independent steps to overlap.  Where nodes split by sets of categories, a whole block takes one
step after the other, and keeps a list of the rows that are not at a leaf yet.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import inlined, inner, kernel, readonly
from ._binning import recode
from ._layout import LEAF
from ._trees import Trees

ROWS = 256  # to a block
DENSE = 1 << 22  # entries of a sparse X that are made dense at a time
ONE_CALL = 4096  # walks of a row through a tree, up to which threads are not worth their dispatch

MISSING_LEFT, BY_SET = 1, 2  # flags of a step

STEP = {
    dtype: np.dtype(
        [("threshold", dtype), ("feature", np.int32), ("left", np.int32), ("flags", np.int32)], align=True
    )
    for dtype in (np.float32, np.float64)
}


@dataclass(frozen=True, eq=False)
class Walk:
    """Trees laid out to be walked: siblings are neighbours, so that a step is an addition.

    Parameters
    ----------
    trees : Trees
    codes : dict of int to ndarray
        For each categorical feature the bin of each code.
    """

    trees: Trees
    codes: dict

    @cached_property
    def _order(self):
        """For each place the node that stands there, and for each node its place: level by level."""
        trees = self.trees
        order = np.empty(len(trees.feature), np.int64)
        for a, b in zip(trees.starts[:-1], trees.starts[1:]):
            left, right = trees.left[a:b], trees.right[a:b]
            if ((left == LEAF) | (right == left + 1)).all():
                order[a:b] = np.arange(a, b)
                continue
            level, at = np.zeros(1, np.intp), a
            while level.size:
                order[at : at + level.size] = a + level
                at += level.size
                inner = level[left[level] != LEAF]
                level = np.stack([left[inner], right[inner]], axis=1).ravel().astype(np.intp)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return order, place

    @cached_property
    def categorical(self):
        """Whether some node splits by a set of categories."""
        return bool(self.trees.categorical.any())

    @cached_property
    def sets(self):
        """The bins that go left, of each place."""
        return readonly(self.trees.set[self._order[0]])

    @cached_property
    def values(self):
        """What is added at each place."""
        return readonly(self.trees.value[self._order[0]])

    def steps(self, dtype):
        """The places' splits, for X of this dtype; kept."""
        made = self.__dict__.setdefault("_steps", {})
        if dtype not in made:
            trees, (order, place) = self.trees, self._order
            steps = np.zeros(len(order), STEP[dtype])
            with np.errstate(over="ignore"):
                threshold = trees.threshold[order].astype(dtype)
            above = threshold.astype(np.float64) > trees.threshold[order]
            threshold[above] = np.nextafter(threshold[above], dtype(-np.inf))  # x <= it means the same
            start = np.repeat(trees.starts[:-1], np.diff(trees.starts))[order]
            left = trees.left[order]
            inner = left != LEAF
            flags = MISSING_LEFT * trees.missing_left[order] + BY_SET * trees.categorical[order]
            steps["threshold"] = np.where(inner, threshold, np.inf)  # nobody leaves a leaf
            steps["left"] = np.where(inner, place[start + np.maximum(left, 0)], np.arange(len(order)))
            steps["feature"] = np.where(inner, trees.feature[order], 0)
            steps["flags"] = np.where(inner, flags, MISSING_LEFT)
            made[dtype] = readonly(steps)
        return made[dtype]

    def add_to(self, raw, X, n_threads=1):
        """Add what the trees predict for X, an array or CSR of shape (n, p), to `raw`, (n, n_outputs)."""
        steps, trees = self.steps(X.dtype.type), self.trees
        arrays = (steps, self.sets, self.values, readonly(trees.starts), readonly(trees.output))

        def part(bounds):
            i, j = bounds
            _add(*arrays, self.categorical, self._block(X, i, j), raw[i:j])

        self._run(part, X, n_threads)
        return raw

    def leaves(self, X, n_threads=1):
        """The index of the leaf that each row reaches in each tree; shape (n, n_trees)."""
        steps, trees = self.steps(X.dtype.type), self.trees
        order = readonly(self._order[0])
        out = np.empty((X.shape[0], trees.n_trees), np.int32)

        def part(bounds):
            i, j = bounds
            block = self._block(X, i, j)
            _reach(steps, self.sets, readonly(trees.starts), order, self.categorical, block, out[i:j])

        self._run(part, X, n_threads)
        return out

    def _run(self, part, X, n_threads):
        n, p = X.shape
        size = max(ROWS, min(16 * ROWS, DENSE // p)) if scipy.sparse.issparse(X) else 16 * ROWS
        if n * self.trees.n_trees <= ONE_CALL and n <= size:
            part((0, n))
        else:
            threads.run(part, threads.chunks(n, size), n_threads)

    def _block(self, X, i, j):
        """Some rows as kernels take them: dense, with categories as bins."""
        block = X[i:j].toarray() if scipy.sparse.issparse(X) else X[i:j]
        if self.codes:
            block = np.array(block)
            for f, codes in self.codes.items():
                block[:, f] = recode(block[:, f], codes)
        return readonly(block)


@inlined
def _step(steps, X, row, at, missing):
    """From one node to the next, by a number; `missing` says whether there may be NaN."""
    step = steps[at]
    x = X[row, np.uintp(step.feature)]
    right = x > step.threshold
    if missing:
        right |= (x != x) & ((step.flags & MISSING_LEFT) == 0)
    return np.uintp(step.left) + np.uintp(right)


@inlined
def _walk_eight(steps, root, X, row, missing, at):
    """Take eight rows through one tree: `at` is where each ends."""
    r0, one = np.uintp(row), np.uintp(1)
    r1, r2, r3, r4 = r0 + one, r0 + np.uintp(2), r0 + np.uintp(3), r0 + np.uintp(4)
    r5, r6, r7 = r4 + one, r4 + np.uintp(2), r4 + np.uintp(3)
    a = b = c = d = e = f = g = h = np.uintp(root)
    before, now = np.uintp(0), np.uintp(1)  # no sum of eight is 1: all are leaves at 0, or none is
    while now != before:  # children come behind their parents: if the sum stays, all do
        before = now
        a, b = _step(steps, X, r0, a, missing), _step(steps, X, r1, b, missing)
        c, d = _step(steps, X, r2, c, missing), _step(steps, X, r3, d, missing)
        e, f = _step(steps, X, r4, e, missing), _step(steps, X, r5, f, missing)
        g, h = _step(steps, X, r6, g, missing), _step(steps, X, r7, h, missing)
        now = (a + b + c + d) + (e + f + g + h)
    at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7] = a, b, c, d, e, f, g, h


@inner
def _walk_by_number(steps, root, X, first, n, missing, at):
    """Take rows first .. first + n - 1 through one tree without categories: `at` is where each ends."""
    for r in range(0, n - 7, 8):
        _walk_eight(steps, root, X, first + r, missing, at[r : r + 8])
    for r in range(n - n % 8, n):
        node = np.uintp(root)
        while np.uintp(steps[node].left) != node:
            node = _step(steps, X, np.uintp(first + r), node, True)
        at[r] = node


@inner
def _any_missing(X, first, n):
    found = False
    for r in range(np.uintp(first), np.uintp(first + n)):
        for f in range(X.shape[1]):
            found |= X[r, f] != X[r, f]
    return found


@inner
def _walk(steps, sets, root, X, first, n, at, active):
    """The same where nodes may split by categories."""
    for r in range(n):
        at[r] = root
        active[r] = r
    m = n if steps[root].left != root else 0
    while m > 0:
        k = 0
        for j in range(m):
            r = np.uintp(active[j])
            step = steps[np.uintp(at[r])]
            x = X[np.uintp(first) + r, np.uintp(step.feature)]
            missing_right = (step.flags & MISSING_LEFT) ^ MISSING_LEFT
            if step.flags & BY_SET:
                if x >= 0:
                    b = np.int64(x)
                    right = 1 - np.int64((sets[at[r], b >> 6] >> np.uint64(b & 63)) & np.uint64(1))
                else:
                    right = np.int64(missing_right)
            else:
                right = np.int64((x > step.threshold) | ((x != x) & (missing_right == 1)))
            child = step.left + right
            at[r] = child
            active[k] = r
            k += steps[np.uintp(child)].left != child
        m = k


@kernel
def _add(steps, sets, values, starts, output, categorical, X, raw):
    at, active = np.empty(ROWS, np.int32), np.empty(ROWS, np.int32)
    for first in range(0, X.shape[0], ROWS):
        n = min(ROWS, X.shape[0] - first)
        missing = not categorical and _any_missing(X, first, n)
        for t in range(output.shape[0]):
            if categorical:
                _walk(steps, sets, starts[t], X, first, n, at, active)
            else:
                _walk_by_number(steps, starts[t], X, first, n, missing, at)
            k = output[t]
            for r in range(n):
                raw[first + r, k] += values[np.uintp(at[r])]


@kernel
def _reach(steps, sets, starts, order, categorical, X, out):
    at, active = np.empty(ROWS, np.int32), np.empty(ROWS, np.int32)
    for first in range(0, X.shape[0], ROWS):
        n = min(ROWS, X.shape[0] - first)
        for t in range(out.shape[1]):
            if categorical:
                _walk(steps, sets, starts[t], X, first, n, at, active)
            else:
                _walk_by_number(steps, starts[t], X, first, n, True, at)
            for r in range(n):
                out[first + r, t] = order[at[r]] - starts[t]
