"""The best split of a node, against all splits that there are."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.ensemble._splitting import NAMED, SMOOTH

from .test_histogram import grow_tree


def leaf_weight(G, H, rules, lower=-np.inf, upper=np.inf):
    """The best weight of a leaf."""
    if not H + rules.reg_lambda > 0:
        return float(np.clip(0.0, lower, upper))
    w = -np.sign(G) * max(abs(G) - rules.reg_alpha, 0.0) / (H + rules.reg_lambda)
    if rules.max_delta_step > 0:
        w = np.clip(w, -rules.max_delta_step, rules.max_delta_step)
    return float(np.clip(w, lower, upper))


def score(G, H, w, rules):
    """Twice what a leaf of weight w takes off the objective."""
    return -(2 * G * w + (H + rules.reg_lambda) * w * w + 2 * rules.reg_alpha * abs(w))


def gain(left, right, rules, direction=0, bounds=(-np.inf, np.inf)):
    """What a split of `(G, H, n)` into two gains; -inf where it is not allowed."""
    (GL, HL, nL), (GR, HR, nR) = left, right
    if min(nL, nR) < max(1, rules.min_child_samples) or min(HL, HR) < rules.min_child_weight:
        return -np.inf
    a, b = leaf_weight(GL, HL, rules, *bounds), leaf_weight(GR, HR, rules, *bounds)
    if direction * (b - a) < 0 or not min(HL, HR) + rules.reg_lambda > 0:
        return -np.inf
    G, H = GL + GR, HL + HR
    before = score(G, H, leaf_weight(G, H, rules, *bounds), rules)
    better = score(GL, HL, a, rules) + score(GR, HR, b, rules) - before
    return better if better > rules.gamma else -np.inf


def sums_of(tree, f):
    """Sums of the bins of feature f, and of its missing values, of all rows: as `(G, H, n)`."""
    part = slice(*tree.data.offsets[f : f + 2])
    sums = tree.sums(0, tree.nodes["end"][0])[part].T * np.array(
        [[tree.rules.unit_g], [tree.rules.unit_h], [1.0]]
    )
    return sums[:, :-1], sums[:, -1]


def all_splits(tree):
    """`{(feature, bins that go left, missing_left): gain}` of every cut of every numeric feature."""
    found = {}
    for f in range(len(tree.data.columns)):
        bins, missing = sums_of(tree, f)
        total = bins.sum(axis=1) + missing
        for cut in range(bins.shape[1]):
            for missing_left in (False, True):
                left = bins[:, : cut + 1].sum(axis=1) + missing_left * missing
                found[f, cut, missing_left] = gain(left, total - left, tree.rules, tree.data.monotone[f])
    return found


def check_best(tree):
    """The root's candidate is the best of all splits, or none where none is allowed."""
    splits, root = all_splits(tree), tree.nodes[0]
    best = max(splits.values())
    if best == -np.inf:
        assert root["gain"] == 0
        return None
    assert_allclose(root["gain"], best, rtol=1e-9)
    chosen = splits[int(root["feature"]), int(root["bin"]), bool(root["missing_left"])]
    assert_allclose(chosen, best, rtol=1e-9)
    return best


RULES = [
    {},
    {"reg_lambda": 0.0},
    {"reg_lambda": 30.0},
    {"reg_alpha": 4.0},
    {"reg_alpha": 1e9},
    {"max_delta_step": 0.05},
    {"max_delta_step": 0.05, "reg_alpha": 2.0, "reg_lambda": 0.0},
    {"gamma": 3.0},
    {"gamma": 1e9},
    {"min_child_weight": 30.0},
    {"min_child_weight": 60.5, "reg_alpha": 1.0},
    {"min_child_samples": 40},
    {"min_child_samples": 75},
    {"min_child_samples": 20, "min_child_weight": 25.0, "reg_alpha": 0.5},
]


@pytest.mark.parametrize("n", [100, 160], ids=["by rows", "by histogram"])
@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.9])
def test_the_best_split_is_the_best_of_all(missing, rules, n):
    allowed = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 3)).round(1)
        g = X[:, 1] * rng.choice([-1.0, 1.0]) + rng.normal(size=n)
        X[rng.random(X.shape) < missing] = np.nan
        tree = grow_tree(X, g, rng.exponential(size=n), max_leaves=1, **rules)
        allowed += check_best(tree) is not None
    if missing == 0 and not {"gamma", "reg_alpha"} & set(rules) and rules != {"min_child_weight": 60.5}:
        assert allowed or n == 100


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("n", [100, 160])
def test_a_monotone_feature_is_split_in_its_direction_or_not_at_all(n, direction):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 2)).round(1)
        X[rng.random(X.shape) < 0.1] = np.nan
        g = np.nan_to_num(X[:, 0]) + 0.5 * rng.normal(size=n)
        check_best(grow_tree(X, g, np.ones(n), monotone=[direction, 0], max_leaves=1))


@pytest.mark.parametrize("n", [100, 160])
def test_missing_values_alone_can_be_split_off(n, rng):
    x = rng.normal(size=(n, 1))
    x[::3] = np.nan
    g = np.where(np.isnan(x[:, 0]), -1.0, 1.0)
    tree = grow_tree(x, g, np.ones(n), max_leaves=2, reg_lambda=0.0)
    assert tree.nodes["bin"][0] == tree.bins.n_values[0] - 1
    assert not tree.nodes["missing_left"][0]
    assert_allclose(tree.nodes["G"][1:] * tree.rules.unit_g, [(g > 0).sum(), -(g < 0).sum()])


@pytest.mark.parametrize("n", [100, 300])
def test_where_nothing_is_missing_it_goes_with_the_heavier_side(n, rng):
    for share in (0.3, 0.7):
        x = np.arange(n, dtype=float)[:, None] / n
        tree = grow_tree(x, np.where(x[:, 0] < share, 1.0, -1.0), np.ones(n), max_leaves=1)
        assert tree.nodes["missing_left"][0] == (share > 0.5)


def test_of_equal_splits_the_first_feature_and_cut_is_taken():
    x = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    X = np.stack([np.zeros(200), x, x, -x], axis=1)
    g = np.array([1.0, -1.0, 1.0, -1.0]).repeat(50)
    for n_threads in (1, 2, 4):
        root = grow_tree(X, g, np.ones(200), max_leaves=1, n_threads=n_threads).nodes[0]
        assert (root["feature"], root["bin"]) == (1, 0)


def test_sides_without_curvature_are_not_made_unless_regularised(rng):
    x = np.r_[np.zeros(50), np.ones(50)][:, None]
    g, h = np.r_[np.ones(50), -np.ones(50)], np.r_[np.zeros(50), np.ones(50)]
    assert grow_tree(x, g, h, reg_lambda=0.0, max_leaves=1).nodes["gain"][0] == 0
    assert_allclose(grow_tree(x, g, h, reg_lambda=1.0, max_leaves=1).nodes["gain"][0], 2500 + 2500 / 51)


# ------------------------------------------------------------------------------------------------- categories


def left_categories(tree):
    """The bins that go left at the root."""
    root = tree.nodes[0]
    return {b for b in range(tree.bins.n_values[0]) if int(root["set"][b >> 6]) >> (b & 63) & 1}


@pytest.mark.parametrize("n", [98, 301], ids=["by rows", "by histogram"])
@pytest.mark.parametrize("missing", [False, True])
def test_categories_of_one_size_are_split_as_the_best_of_all_sets(missing, n):
    """Without a penalty: Fisher's order then has the best of all sets as one of its cuts."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = np.repeat(np.arange(7.0), n // 7)
        g = rng.normal(size=7)[x.astype(int)] + 0.3 * rng.normal(size=len(x))
        if missing:
            x[x == 3] = np.nan
        tree = grow_tree(
            x[:, None], g, np.ones(len(x)), categorical=np.ones(1, bool), reg_lambda=0.0, max_leaves=1
        )
        bins, of_missing = sums_of(tree, 0)
        total, some = bins.sum(axis=1) + of_missing, np.flatnonzero(bins[2])
        splits = {
            (left, missing_left): gain(
                side := bins[:, left].sum(axis=1) + missing_left * of_missing, total - side, tree.rules
            )
            for k in range(1, len(some) + 1)
            for left in combinations(some, k)
            for missing_left in (False, True)
        }
        assert tree.nodes["categorical"][0]
        assert_allclose(tree.nodes["gain"][0], max(splits.values()), rtol=1e-9)
        chosen = tuple(sorted(left_categories(tree) & set(some)))
        assert_allclose(splits[chosen, bool(tree.nodes["missing_left"][0])], max(splits.values()), rtol=1e-9)


@pytest.mark.parametrize(
    "rules", [{}, {"min_child_samples": 30}, {"reg_alpha": 1.0, "min_child_weight": 25.0}], ids=str
)
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("n", [120, 900, 3000])
def test_categories_of_any_size_are_cut_in_the_order_of_their_smoothed_gradients(n, missing, rules):
    most = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = (
            np.minimum(rng.geometric(0.08, size=n), 90).astype(float)
            if n < 3000
            else rng.integers(80, size=n) * 1.0
        )
        x[rng.random(n) < missing] = np.nan
        g = np.cos(np.nan_to_num(x)) + 0.3 * rng.normal(size=n)
        tree = grow_tree(
            x[:, None], g, rng.exponential(size=n), categorical=np.ones(1, bool), max_leaves=1, **rules
        )
        bins, of_missing = sums_of(tree, 0)
        total, some = bins.sum(axis=1) + of_missing, np.flatnonzero(bins[2])
        smooth = SMOOTH * total[1] / total[2]
        rare = some[bins[1, some] < smooth]  # are put with the missing ones
        of_missing, some = of_missing + bins[:, rare].sum(axis=1), np.setdiff1d(some, rare)
        order = some[np.argsort(bins[0, some] / (bins[1, some] + smooth), kind="stable")]
        splits = {}
        for k in range(1, len(order) + 1):
            for missing_left in (False, True):
                if (len(order) - k if missing_left else k) > NAMED:
                    continue
                left = bins[:, order[:k]].sum(axis=1) + missing_left * of_missing
                splits[frozenset(order[:k].tolist()), missing_left] = gain(left, total - left, tree.rules)
        most = max(most, len(order))
        best = max(splits.values())
        assert_allclose(tree.nodes["gain"][0], max(best, 0.0), rtol=1e-9)
        if best > 0:
            chosen = frozenset(left_categories(tree) & set(some.tolist()))
            sides = [bool(tree.nodes["missing_left"][0])] if of_missing[2] else [False, True]
            assert_allclose(max(splits.get((chosen, side), 0.0) for side in sides), best, rtol=1e-9)
    assert n < 3000 or most > 2 * NAMED


def test_categories_that_a_node_has_not_go_where_missing_values_go(rng):
    x = np.where(np.arange(200) % 2, 3.0, 200.0)
    g = np.where(x == 3.0, 1.0, -1.0) + 0.1 * rng.normal(size=200)
    for some_missing in (-1.0, 1.0, None):
        if some_missing is not None:
            x[:30], g[:30] = np.nan, some_missing
        tree = grow_tree(x[:, None], g, np.ones(200), categorical=np.ones(1, bool), max_leaves=1)
        left = left_categories(tree)
        assert len(left) == (200 if tree.nodes["missing_left"][0] else 1)
        assert (3 in left) != (200 in left)


def test_categories_without_gradients_count_as_rows(rng):
    """A loss may have neither slope nor curvature at some rows, but there they are."""
    x = np.repeat([0.0, 1.0, 2.0], [40, 60, 100])
    g = np.select([x == 0, x == 1], [1.0, -1.0], 0.0)
    h = np.where(x == 2, 0.0, 1.0)
    tree = grow_tree(x[:, None], g, h, categorical=np.ones(1, bool), max_leaves=2, min_child_samples=50)
    sizes = tree.nodes["end"][1:] - tree.nodes["begin"][1:]
    assert sizes.min() >= 50


@pytest.mark.parametrize("scale", [2.0**-400, 2.0**-80, 2.0**140, 2.0**300])
def test_units_far_from_one_make_no_difference(scale, rng):
    """Beyond `TAME`, products of sums would be 0 or infinite: splits are scored in another way."""
    X = rng.normal(size=(900, 5))
    g, h = rng.normal(size=900) + X[:, 0], rng.exponential(size=900)
    tree = grow_tree(X, g, h, reg_lambda=0.0, max_leaves=12)
    scaled = grow_tree(X, scale * g, h, reg_lambda=0.0, max_leaves=12)
    other = grow_tree(X, g, scale * h, reg_lambda=0.0, max_leaves=12)
    assert (tree.rules.plain, scaled.rules.plain) == (True, 2.0**-90 < scale < 2.0**150)
    for same in (scaled, other):
        for field in ("feature", "bin", "begin", "end"):
            assert_array_equal(same.nodes[field], tree.nodes[field])


@pytest.mark.parametrize("reg_lambda", [1e-250, 1e-20])
def test_a_tiny_penalty_of_leaves_without_curvature(reg_lambda, rng):
    X = rng.normal(size=(300, 2))
    tree = grow_tree(X, np.sign(X[:, 1]), np.zeros(300), reg_lambda=reg_lambda, max_leaves=2)
    assert tree.nodes["feature"][0] == 1
    n = np.count_nonzero(X[:, 1] < 0)
    assert_allclose(tree.nodes["value"][1:], [n / reg_lambda, (n - 300) / reg_lambda])
