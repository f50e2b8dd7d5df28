"""Gradients in fixed point, their histograms, and the rows of the nodes, against NumPy's sums of integers."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._runtime.jit import readonly
from calclearn.ensemble._binning import Bins, apply_bins, learn_bins
from calclearn.ensemble._growing import grow, memory_for
from calclearn.ensemble._histogram import LOW_BITS, ROW
from calclearn.ensemble._layout import LEAF, Data, Memory, Rules
from calclearn.ensemble._leaves import add_values
from calclearn.ensemble._quantisation import PRECISE_ROWS, quantise

DEFAULTS = {
    "reg_lambda": 1.0,
    "reg_alpha": 0.0,
    "gamma": 0.0,
    "min_child_weight": 0.0,
    "max_delta_step": 0.0,
    "min_child_samples": 0,
    "max_depth": 0,
    "max_leaves": 0,
    "best_first": True,
    "colsample_bylevel": 1.0,
    "colsample_bynode": 1.0,
}


class Grown(NamedTuple):
    """A tree, and all that it was grown from."""

    nodes: np.ndarray
    bins: Bins
    data: Data
    rules: Rules
    memory: Memory
    totals: tuple

    @property
    def units(self):
        """Gradients and Hessians of all rows of the tree, as whole numbers, and the rows."""
        words, low = self.memory.words[: self.nodes["end"][0]], self.memory.low
        rows = words & ROW
        g, h = words >> 48, (words >> 32) & 0xFFFF
        if len(low):
            g, h = (g << LOW_BITS) + (low[rows] >> 16), (h << LOW_BITS) + (low[rows] & 0xFFFF)
        return g, h, rows

    def leaf_of_rows(self, field):
        """A field of the leaf of each row."""
        leaves = self.nodes[self.nodes["left"] == LEAF]
        leaves = leaves[np.argsort(leaves["begin"])]
        out = np.empty(len(self.memory.words))
        out[self.memory.words & ROW] = np.repeat(leaves[field], leaves["end"] - leaves["begin"])
        return out

    def sums(self, begin, end):
        """G, H and number of rows in all bins, over a range of the words."""
        g, h, rows = (a[begin:end] for a in self.units)
        out = np.zeros((self.data.offsets[-1], 3), np.int64)
        for f, offset in enumerate(self.data.offsets[:-1]):
            at = offset + self.data.columns[f, rows]
            np.add.at(out, at, np.stack([g, h, np.ones_like(g)], axis=1))
        return out


def grow_tree(
    X,
    g,
    h,
    *,
    weight=None,
    max_bin=256,
    categorical=None,
    monotone=None,
    groups=None,
    features=None,
    rows=None,
    n_threads=1,
    seed=0,
    **rules,
):
    """Grow a tree on gradients and Hessians of shape (n,); see `Grown`."""
    n, p = X.shape
    bins = learn_bins(X, weight, max_bin=max_bin, categorical=categorical)
    monotone = np.zeros(p, np.int8) if monotone is None else np.array(monotone, np.int8)
    groups = np.empty((0, p), bool) if groups is None else np.array(groups, bool)
    data = Data(*apply_bins(bins, X), bins.offsets, bins.categorical, monotone, groups)
    n_rows = n if rows is None else len(rows)
    of_tree = np.empty(0, np.int32) if rows is None else np.asarray(rows, np.int32)
    rules = DEFAULTS | rules
    counted = rules["min_child_samples"] > 1
    memory = memory_for(data, n, max_nodes=1 << 20, counted=counted, n_threads=n_threads)
    g, h = (np.ascontiguousarray(a, np.float64)[:, None] for a in (g, h))
    unit_g, unit_h, totals, low = quantise(
        g, h, 0, of_tree, n_rows, memory.words[:n_rows], None, 0.0, n_threads
    )
    memory = memory._replace(low=low)
    rules = Rules.of(bounded=bool(monotone.any()), **rules).of_tree(unit_g, unit_h, seed)
    features = readonly(np.arange(p) if features is None else features, np.int32)
    nodes = grow(data, rules, memory, g, h, 0, n_rows, totals, features, n_threads)
    return Grown(nodes, bins, data, rules, memory, totals)


@pytest.fixture(scope="module")
def X():
    """20 features of few and many values, some missing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 20))
    X[:, 5:8] = X[:, 5:8].round(1)
    X[:, 8:11] = X[:, 8:11] > 0
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


# ------------------------------------------------------------------------------------------- in fixed point


@pytest.mark.parametrize("scale", [1e-250, 1e-30, 1.0, 3e7, 1e250])
@pytest.mark.parametrize("n", [1, 500, PRECISE_ROWS + 1])
def test_gradients_are_rounded_to_the_nearest_unit(n, scale, rng):
    g, h = scale * rng.normal(size=(n, 2)), scale * rng.exponential(size=(n, 2))
    words = np.empty(n, np.int64)
    unit_g, unit_h, totals, low = quantise(g, h, 1, np.empty(0, np.int32), n, words, None, 0.0, 2)
    assert_array_equal(words & ROW, np.arange(n))
    q, r = words >> 48, (words >> 32) & 0xFFFF
    if len(low):
        q, r = (q << LOW_BITS) + (low >> 16), (r << LOW_BITS) + (low & 0xFFFF)
    bits = 31 if len(low) else 15
    assert unit_g <= np.abs(g[:, 1]).max() * 2.0 ** (2 - bits)
    assert_array_equal(q, np.rint(g[:, 1] / unit_g))
    assert_array_equal(r, np.rint(h[:, 1] / unit_h))
    assert totals == (q.sum(), r.sum())
    assert len(low) in ((n,) if n <= PRECISE_ROWS else (0, n))


def test_what_is_far_below_the_largest_keeps_lower_bits(rng):
    n = PRECISE_ROWS + 10
    g, h = 1e-4 * rng.normal(size=(n, 1)), np.ones((n, 1))
    g[7] = 1.0
    _, _, _, low = quantise(g, h, 0, np.empty(0, np.int32), n, np.empty(n, np.int64), None, 0.0, 1)
    assert len(low) == n


@pytest.mark.parametrize(("of_g", "of_h"), [(1.0, 1e-5), (1e-7, 1.0)])
def test_a_group_of_rows_far_below_the_others_keeps_lower_bits(of_g, of_h, rng):
    """However large the means are: the whole group would be rounded to the same few units."""
    n = 2 * PRECISE_ROWS
    few, words = rng.random(n) < 0.1, np.empty(n, np.int64)
    g, h = np.where(few, of_g, 1.0)[:, None], np.where(few, of_h, 1.0)[:, None]
    unit_g, unit_h, (G, H), low = quantise(g, h, 0, np.empty(0, np.int32), n, words, None, 0.0, 1)
    assert len(low) == n
    assert_allclose([G * unit_g, H * unit_h], [g.sum(), h.sum()], rtol=1e-9)
    _, _, _, low = quantise(g, h, 0, np.empty(0, np.int32), n, words, None, 1.0, 1)
    assert len(low) == (n if of_h == 1.0 else 0)  # Hessians of a hundredth do little beside a penalty of 1


def test_negative_hessians_count_as_none(rng):
    g, h = rng.normal(size=(2, 500, 1))
    words = np.empty(500, np.int64)
    unit_g, unit_h, (G, H), _ = quantise(g, h, 0, np.empty(0, np.int32), 500, words, None, 0.0, 1)
    assert_allclose([G * unit_g, H * unit_h], [g.sum(), np.maximum(h, 0.0).sum()], rtol=1e-6)
    assert h.min() == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_gradients_that_are_not_finite_are_an_error(bad, which):
    derivatives = np.ones((2, 9, 1))
    derivatives[which, 4] = bad
    with pytest.raises(ValueError, match="not finite"):
        quantise(*derivatives, 0, np.empty(0, np.int32), 9, np.empty(9, np.int64), None, 0.0, 1)


def test_gradients_of_zero_have_sums_of_zero():
    unit_g, _, totals, _ = quantise(
        np.zeros((3, 1)), np.zeros((3, 1)), 0, np.empty(0, np.int32), 3, np.empty(3, np.int64), None, 0.0, 1
    )
    assert totals == (0, 0)
    assert unit_g > 0


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_values_of_leaves_have_the_precision_of_floats_and_know_no_order(n_threads, rng):
    n = 9000
    X = rng.normal(size=(n, 16))
    g, h = rng.normal(size=n) * 1e5 + 1e4 * X[:, 0], rng.exponential(size=n)
    order = rng.permutation(n)
    tree = grow_tree(X, g, h, max_leaves=9, n_threads=n_threads)
    other = grow_tree(X[order], g[order], h[order], max_leaves=9)
    assert_array_equal(tree.nodes["value"], other.nodes["value"])
    words = tree.memory.words
    for node in tree.nodes[tree.nodes["left"] == LEAF]:
        rows = words[node["begin"] : node["end"]] & ROW
        assert_allclose(node["value"], -g[rows].sum() / (h[rows].sum() + 1.0), rtol=1e-11, atol=1e-9)
    raw = np.zeros((n, 2))
    add_values(raw, 1, words, tree.nodes, n_threads)
    assert_array_equal(raw[:, 1], tree.leaf_of_rows("value"))
    assert not raw[:, 0].any()


# ------------------------------------------------------------------------------------------------- histograms


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("features", [None, [0, 3, 4, 17, 19]])
def test_the_root_s_histogram_is_the_sum_over_its_rows(X, features, counted, rng):
    g, h = rng.normal(size=len(X)), rng.exponential(size=len(X))
    tree = grow_tree(X, g, h, features=features, max_leaves=1, min_child_samples=20 if counted else 0)
    histogram = tree.memory.histograms[tree.nodes["slot"][0]]
    expected = tree.sums(0, len(X))[:, : histogram.shape[1]]
    for f in range(20) if features is None else features:
        part = slice(*tree.data.offsets[f : f + 2])
        assert_array_equal(histogram[part], expected[part])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_more_rows_than_a_packed_sum_holds_are_summed_exactly(n_threads, rng):
    """Of 70 000 rows, with and without the lower bits: the largest gradients, all in one bin."""
    n = 70_000
    X = np.stack([np.arange(n) // (n - 500), np.arange(n) % 3], axis=1).astype(float)
    for few_far_off in (False, True):
        g = -1.0 + 0.5 * X[:, 0]
        if few_far_off:
            g[10:] = -1e-5 * rng.random(n - 10)
        tree = grow_tree(X, g, np.ones(n), max_leaves=1, n_threads=n_threads)
        assert len(tree.memory.low) == (n if few_far_off else 0)
        assert_array_equal(tree.memory.histograms[tree.nodes["slot"][0]], tree.sums(0, n)[:, :2])


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("counted", [False, True])
def test_the_larger_childs_histogram_is_what_the_smaller_one_leaves(X, counted, n_threads, rng):
    """The last split's children are not looked at: the first split's histograms are still there."""
    g = np.where(X[:, 0] > 1.0, 1.0, -0.3) + 0.1 * rng.normal(size=len(X))
    h = rng.exponential(size=len(X))
    tree = grow_tree(X, g, h, max_leaves=3, min_child_samples=20 if counted else 0, n_threads=n_threads)
    left, right = tree.nodes[1], tree.nodes[2]
    for child in (left, right):
        histogram = tree.memory.histograms[child["slot"]]
        assert_array_equal(histogram, tree.sums(child["begin"], child["end"])[:, : histogram.shape[1]])


def test_a_small_childs_rows_are_taken_from_the_parents_histogram(X, rng):
    g = 0.1 * rng.normal(size=len(X))
    few = np.argsort(-np.nan_to_num(X[:, 0]))[:60]
    g[few] += 5.0
    tree = grow_tree(X, g, np.ones(len(X)), max_leaves=3, min_child_samples=2)
    large = max(tree.nodes[1:3], key=lambda node: node["end"] - node["begin"])
    assert large["end"] - large["begin"] > len(X) - 128
    assert_array_equal(tree.memory.histograms[large["slot"]], tree.sums(large["begin"], large["end"]))


# ------------------------------------------------------------------------------------------------------ rows


def goes_left(tree, node, rows):
    """Whether rows go left at a node, by its split and their bins."""
    b = tree.data.columns[node["feature"], rows].astype(int)
    of_set = (node["set"][b >> 6] >> (b & 63).astype(np.uint64)) & np.uint64(1) == 1
    left = of_set if node["categorical"] else b <= node["bin"]
    return np.where(b == tree.bins.n_values[node["feature"]], node["missing_left"], left)


def check_same(tree, other):
    """The same bits in all that matters of two trees."""
    for field in set(tree.nodes.dtype.names) - {"slot"}:
        assert_array_equal(tree.nodes[field], other.nodes[field], field)
    assert_array_equal(tree.memory.words, other.memory.words)


def check_rows(tree, rows):
    """The rows of every node are those that its parent's split sends there, in ascending order."""
    of_node = {0: rows}
    words = tree.memory.words[: len(rows)] & ROW
    g, h, _ = tree.units
    for i, node in enumerate(tree.nodes):
        mine = of_node[i]
        part = slice(node["begin"], node["end"])
        assert_array_equal(np.sort(words[part]), mine)
        assert (node["G"], node["H"]) == (g[part].sum(), h[part].sum())
        if node["left"] == LEAF:
            assert_array_equal(words[part], mine)  # as they were
        else:
            left = goes_left(tree, node, mine)
            of_node[int(node["left"])], of_node[int(node["left"]) + 1] = mine[left], mine[~left]
            child = tree.nodes[node["left"]]
            assert (child["G"], child["H"]) == (node["left_G"], node["left_H"])
            assert 0 < left.sum() < len(left)


@pytest.mark.parametrize("best_first", [False, True])
@pytest.mark.parametrize("counted", [0, 5])
def test_each_node_has_the_rows_that_splits_send_there_and_their_sums(X, best_first, counted, rng):
    X = X.copy()
    X[:, 0] = rng.integers(30, size=len(X))
    categorical = np.arange(20) < 1
    g, h = rng.normal(size=len(X)) + np.sin(X[:, 0]), rng.exponential(size=len(X))
    tree = grow_tree(
        X, g, h, categorical=categorical, max_leaves=200, best_first=best_first, min_child_samples=counted
    )
    assert (tree.nodes["left"] == LEAF).sum() == 200
    assert tree.nodes["categorical"][tree.nodes["left"] != LEAF].any()
    check_rows(tree, np.arange(len(X)))


def test_a_tree_of_some_rows_has_these_only(X, rng):
    rows = np.flatnonzero(rng.random(len(X)) < 0.6)
    tree = grow_tree(X, rng.normal(size=len(X)), np.ones(len(X)), rows=rows, max_leaves=40)
    check_rows(tree, rows)


def test_threads_that_share_a_partition_keep_the_order_of_the_rows(rng):
    X = rng.normal(size=(70_000, 4)).astype(np.float32)
    g = rng.normal(size=len(X)) + X[:, 0]
    trees = [grow_tree(X, g, np.ones(len(X)), max_leaves=6, n_threads=k) for k in (1, 2, 3, 4)]
    check_rows(trees[1], np.arange(len(X)))
    for tree in trees[1:]:
        check_same(tree, trees[0])


def test_nodes_without_memory_for_a_histogram_are_split_all_the_same(X, monkeypatch, rng):
    g, h = rng.normal(size=len(X)) + X[:, 0].round() ** 2 % 3, np.ones(len(X))
    g = np.nan_to_num(g)
    expected = grow_tree(X, g, h, max_leaves=60)
    monkeypatch.setattr("calclearn.ensemble._growing.POOL_BYTES", 1)
    poor = grow_tree(X, g, h, max_leaves=60)
    assert len(poor.memory.histograms) < len(expected.memory.histograms)
    for field in ("feature", "bin", "gain", "left", "G", "H", "begin"):
        assert_array_equal(poor.nodes[field], expected.nodes[field])
