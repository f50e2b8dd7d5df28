"""Whole trees: against an exact greedy search in NumPy, scikit-learn's grower and LightGBM."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from calclearn.ensemble import NewtonBoostingRegressor
from calclearn.ensemble._layout import LEAF

from .test_histogram import check_same, grow_tree
from .test_splitting import gain, leaf_weight

# ---------------------------------------------------------------------------------------------- exact greedy


class Greedy:
    """A tree by trying every split of every leaf: `split` by row numbers, and what leaves are worth.

    `leaves` are `(rows, depth, (lower, upper))`.
    """

    def __init__(self, X, g, h, rules, monotone):
        self.X, self.g, self.h, self.rules, self.monotone = X, g, h, rules, monotone
        self.leaves = [(np.arange(len(X)), 0, (-np.inf, np.inf))]
        self.splits = []
        while (best := self.next_leaf()) is not None:
            leaf, (_, f, value, left) = best
            rows, depth, bounds = self.leaves.pop(leaf)
            self.splits.append((f, value, len(rows)))
            sides = self.bounds(f, rows[left], rows[~left], bounds)
            self.leaves[leaf:leaf] = [
                (rows[side], depth + 1, limits) for side, limits in zip((left, ~left), sides)
            ]

    def sums(self, rows):
        return self.g[rows].sum(), self.h[rows].sum(), len(rows)

    def bounds(self, f, left, right, bounds):
        """The bounds of either side of a split."""
        lower, upper = bounds
        if not self.monotone[f]:
            return bounds, bounds
        weights = [leaf_weight(*self.sums(side)[:2], self.rules, *bounds) for side in (left, right)]
        middle = 0.5 * sum(weights)
        low, high = (lower, middle), (middle, upper)
        return (low, high) if self.monotone[f] > 0 else (high, low)

    def next_leaf(self):
        """Which leaf is split next, and how; None where none may be."""
        rules = self.rules
        if rules.max_leaves and len(self.leaves) >= rules.max_leaves:
            return None
        found = {}
        for i, (rows, depth, bounds) in enumerate(self.leaves):
            if rules.max_depth == 0 or depth < rules.max_depth:
                best = self.best_split(rows, bounds)
                if best[0] > -np.inf:
                    found[i] = best
        if not found:
            return None
        if rules.best_first:
            i = max(found, key=lambda i: found[i][0])
        else:
            i = min(found, key=lambda i: self.leaves[i][1])
        return i, found[i]

    def best_split(self, rows, bounds):
        best = (-np.inf, None, None, None)
        for f in range(self.X.shape[1]):
            x = self.X[rows, f]
            for value in np.unique(x[~np.isnan(x)]):
                for missing_left in (False, True):
                    left = (x <= value) | (np.isnan(x) & missing_left)
                    sides = self.sums(rows[left]), self.sums(rows[~left])
                    better = gain(*sides, self.rules, self.monotone[f], bounds)
                    if better > best[0]:
                        best = (better, f, value, left)
        return best

    def predict(self):
        out = np.empty(len(self.X))
        for rows, _, bounds in self.leaves:
            out[rows] = leaf_weight(self.g[rows].sum(), self.h[rows].sum(), self.rules, *bounds)
        return out


GROWTHS = [
    {"best_first": True, "max_leaves": 9},
    {"best_first": False, "max_depth": 3},
    {"best_first": True, "max_depth": 2, "max_leaves": 12},
    {"best_first": True, "max_depth": 4, "max_leaves": 6},
    {"best_first": False, "max_leaves": 7},
    {"best_first": True, "min_child_samples": 15},
    {"best_first": False, "min_child_weight": 20.0, "reg_alpha": 0.5},
    {"best_first": True, "gamma": 4.0},
    {"best_first": False, "max_depth": 4, "max_delta_step": 0.2},
    {"best_first": True, "max_leaves": 200, "reg_lambda": 0.1},
]


@pytest.mark.parametrize("growth", GROWTHS, ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_a_tree_is_the_one_of_an_exact_greedy_search(growth, missing):
    rng = np.random.default_rng(len(str(growth)))
    X = rng.normal(size=(100, 3))
    X[:, 2] = X[:, 2].round(1)
    X[rng.random(X.shape) < missing] = np.nan
    g, h = rng.normal(size=100) + np.nan_to_num(X[:, 0]), rng.exponential(size=100)
    tree = grow_tree(X, g, h, **growth)
    greedy = Greedy(X, g, h, tree.rules, [0, 0, 0])
    inner = tree.nodes[tree.nodes["left"] != LEAF]
    edges = tree.bins.edges[inner["feature"], np.minimum(inner["bin"], 254)]
    splits = sorted((f, e, n) for f, e, n in zip(inner["feature"], edges, inner["end"] - inner["begin"]))
    assert len(splits) == len(greedy.splits)
    for (f, edge, n), (feature, value, size) in zip(splits, sorted(greedy.splits)):
        assert (f, n) == (feature, size)
        assert edge >= value
        known = X[:, f][X[:, f] > value]
        assert not len(known) or edge < known.min() or edge == np.inf
    model = NewtonBoostingRegressor  # the same through the estimator: squared error has these gradients
    assert_allclose(leaf_values(tree), greedy.predict(), rtol=1e-6, atol=1e-8)
    if not growth.get("min_child_weight"):
        y = -g
        fitted = model(
            n_estimators=1,
            learning_rate=1.0,
            base_score=0.0,
            min_child_weight=0.0,
            grow_policy="lossguide" if growth["best_first"] else "depthwise",
            **{"max_depth": 0, "max_leaves": 1000} | {k: v for k, v in growth.items() if k != "best_first"},
        ).fit(X, y)
        unit = Greedy(X, g, np.ones(100), tree.rules, [0, 0, 0])
        assert_allclose(fitted.predict(X), unit.predict(), rtol=1e-10, atol=1e-10)


def leaf_values(tree):
    """What the leaves add, row by row, from the sums in fixed point."""
    out = np.empty(len(tree.memory.words))
    words = tree.memory.words & 0xFFFFFFFF
    for node in tree.nodes[tree.nodes["left"] == LEAF]:
        G, H = node["G"] * tree.rules.unit_g, node["H"] * tree.rules.unit_h
        out[words[node["begin"] : node["end"]]] = leaf_weight(G, H, tree.rules, node["lower"], node["upper"])
    return out


@pytest.mark.parametrize("best_first", [True, False])
def test_a_monotone_tree_is_that_of_an_exact_greedy_search(best_first):
    """Each side of a split keeps to its side of the middle of both weights."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(120, 3))
    y = X[:, 0] - X[:, 1] + np.sin(3 * X[:, 2]) + rng.normal(size=120)
    growth = {"best_first": best_first, "max_leaves": 14 * best_first, "max_depth": 3 * (not best_first)}
    tree = grow_tree(X, -y, np.ones(120), monotone=[1, -1, 0], **growth)
    greedy = Greedy(X, -y, np.ones(120), tree.rules, [1, -1, 0])
    assert len(greedy.splits) == (tree.nodes["left"] != LEAF).sum() > 4
    assert_allclose(leaf_values(tree), greedy.predict(), rtol=1e-6)


def test_the_order_of_growth_is_by_gain_or_by_level(rng):
    X, g = rng.normal(size=(500, 4)), rng.normal(size=500)
    by_gain = grow_tree(X, g, np.ones(500), max_leaves=20).nodes
    inner = np.flatnonzero(by_gain["left"] != LEAF)
    order = inner[np.argsort(by_gain["left"][inner])]
    seen = {0}
    for i in order:  # each is the best of the leaves of its time
        assert by_gain["gain"][i] == max(by_gain["gain"][list(seen)])
        seen = seen - {i} | {by_gain["left"][i], by_gain["left"][i] + 1}
    by_level = grow_tree(X, g, np.ones(500), max_leaves=20, best_first=False).nodes
    assert (np.diff(by_level["depth"]) >= 0).all()


@pytest.mark.parametrize("best_first", [True, False])
def test_a_tree_without_limits_separates_all_rows(best_first):
    """More nodes than there was room for at first."""
    n = 5000
    x = np.random.default_rng(0).permutation(n).astype(float)
    X = np.stack([x // 100, x % 100], axis=1)
    tree = grow_tree(X, x, np.ones(n), best_first=best_first, reg_lambda=0.0)
    leaves = tree.nodes[tree.nodes["left"] == LEAF]
    assert len(leaves) == n
    assert_array_equal(leaves["end"] - leaves["begin"], 1)


def test_growth_that_stops_now_and_then_is_the_same(rng, monkeypatch):
    """It stops when the nodes' memory is full: at first there is room for a single node."""
    X, g = rng.normal(size=(2000, 6)), rng.normal(size=2000)
    for rules in ({"best_first": True, "max_leaves": 90}, {"best_first": False, "max_depth": 7}):
        expected = grow_tree(X, g, np.ones(2000), groups=np.eye(6, dtype=bool), **rules)
        with monkeypatch.context() as context:
            context.setattr("calclearn.ensemble._growing._first_size", lambda rules, n: 1)
            slow = grow_tree(X, g, np.ones(2000), groups=np.eye(6, dtype=bool), n_threads=2, **rules)
        check_same(slow, expected)


# ------------------------------------------------------------------------------------------------ features


def paths(nodes):
    """The features on the way to each leaf."""
    found = []
    for i in np.flatnonzero(nodes["left"] == LEAF):
        path = set()
        while nodes["parent"][i] >= 0:
            i = nodes["parent"][i]
            path.add(int(nodes["feature"][i]))
        found.append(path)
    return found


def test_features_that_may_not_meet_are_on_no_path_together(rng):
    X = rng.normal(size=(1500, 6))
    g = (X[:, 0] > 0) * X[:, 1] + (X[:, 2] > 0) * X[:, 3] + X[:, 4] * (X[:, 5] > X[:, 0])
    sets = [{0, 1}, {1, 2, 3}, {4}, {5}]
    groups = [[f in s for f in range(6)] for s in sets]
    free = paths(grow_tree(X, g, np.ones(1500), max_leaves=60).nodes)
    assert any(not any(path <= s for s in sets) for path in free)
    bound = paths(grow_tree(X, g, np.ones(1500), max_leaves=60, groups=groups).nodes)
    assert all(any(path <= s for s in sets) for path in bound)
    assert any({2, 3} <= path for path in bound)


def test_only_drawn_features_are_split_by(rng):
    X, g = rng.normal(size=(1000, 12)), rng.normal(size=1000)
    of_tree = grow_tree(X, g, np.ones(1000), features=[2, 3, 7, 11], max_leaves=50).nodes
    assert set(of_tree["feature"][of_tree["left"] != LEAF]) == {2, 3, 7, 11}
    of_level = grow_tree(X, g, np.ones(1000), max_depth=6, best_first=False, colsample_bylevel=0.25).nodes
    inner = of_level[of_level["left"] != LEAF]
    sets = [set(inner["feature"][inner["depth"] == d]) for d in range(6)]
    assert max(map(len, sets)) <= 3
    assert len(set.union(*sets)) > 3
    of_node = grow_tree(X, g, np.ones(1000), max_leaves=60, colsample_bynode=1 / 12).nodes
    assert len(set(of_node["feature"][of_node["left"] != LEAF])) > 6
    both = grow_tree(
        X, g, np.ones(1000), max_depth=6, best_first=False, colsample_bylevel=0.25, colsample_bynode=0.4
    ).nodes
    inner = both[both["left"] != LEAF]
    for d in range(6):
        assert set(inner["feature"][inner["depth"] == d]) <= sets[d] or len(sets[d]) < 3


def test_draws_depend_on_the_seed_alone(rng):
    X, g = rng.normal(size=(1000, 40)), rng.normal(size=1000)
    rules = {"max_leaves": 30, "colsample_bynode": 0.3, "colsample_bylevel": 0.8}
    trees = [
        grow_tree(X, g, np.ones(1000), seed=s, n_threads=k, **rules) for s, k in ((1, 1), (1, 3), (2, 1))
    ]
    check_same(trees[0], trees[1])
    assert trees[0].nodes["feature"].tolist() != trees[2].nodes["feature"].tolist()


# ----------------------------------------------------------------------------------------------------- peers


@pytest.fixture(scope="module")
def table():
    """Features of fewer values than bins, so that every library has the same bins; some missing."""
    rng = np.random.default_rng(3)
    X = rng.integers(0, 200, size=(4000, 8)).astype(float)
    y = np.sin(X[:, 0] / 30) + X[:, 1] / 100 * (X[:, 2] > 90) + 0.3 * rng.normal(size=4000)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


@pytest.mark.parametrize("limits", [{"max_leaf_nodes": 31}, {"max_leaf_nodes": 200, "max_depth": 7}], ids=str)
def test_one_tree_predicts_like_scikit_learns(table, limits):
    X, y = table
    theirs = HistGradientBoostingRegressor(
        max_iter=1,
        learning_rate=1.0,
        min_samples_leaf=20,
        l2_regularization=0.5,
        early_stopping=False,
        **limits,
    )
    with threadpool_limits(1):
        theirs.fit(X, y)
    ours = NewtonBoostingRegressor(
        n_estimators=1,
        learning_rate=1.0,
        grow_policy="lossguide",
        max_leaves=limits["max_leaf_nodes"],
        max_depth=limits.get("max_depth", 0),
        min_child_samples=20,
        reg_lambda=0.5,
    ).fit(X, y)
    assert np.isclose(ours.predict(X), theirs.predict(X), rtol=1e-4).mean() >= 0.99


@pytest.mark.peer
@pytest.mark.parametrize("leaves", [15, 31])
def test_one_tree_predicts_like_lightgbms(table, leaves):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = table
    theirs = lightgbm.LGBMRegressor(
        n_estimators=1,
        learning_rate=1.0,
        num_leaves=leaves,
        min_child_samples=20,
        reg_lambda=0.5,
        min_data_in_bin=1,
        max_bin=255,
        verbose=-1,
        n_jobs=1,
    )
    theirs.fit(X, y)
    ours = NewtonBoostingRegressor(
        n_estimators=1,
        learning_rate=1.0,
        grow_policy="lossguide",
        max_leaves=leaves,
        max_depth=0,
        min_child_samples=20,
        reg_lambda=0.5,
    ).fit(X, y)
    assert np.isclose(ours.predict(X), theirs.predict(X), rtol=1e-4).mean() >= 0.99


@pytest.mark.peer
@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
def test_one_tree_predicts_like_xgboosts(table, policy):
    xgboost = pytest.importorskip("xgboost")
    X, y = table
    same = {
        "n_estimators": 1,
        "learning_rate": 1.0,
        "max_depth": 6,
        "max_leaves": 40 if policy == "lossguide" else 0,
        "grow_policy": policy,
        "min_child_weight": 10.0,
        "reg_alpha": 0.5,
        "gamma": 0.3,
        "base_score": 0.5,
    }
    theirs = xgboost.XGBRegressor(**same, tree_method="hist", n_jobs=1).fit(X, y)
    ours = NewtonBoostingRegressor(**same).fit(X, y)
    assert np.isclose(ours.predict(X), theirs.predict(X), rtol=1e-4).mean() >= 0.99
