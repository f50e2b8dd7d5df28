"""SHAP values: against their definition, over all sets of features."""

from fractions import Fraction
from itertools import combinations
from math import factorial

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.ensemble._explaining import contributions
from calclearn.ensemble._trees import Trees

P = 5
CATEGORICAL = 4  # the feature that is one, of six categories in bins that are not their codes
CODES = {CATEGORICAL: np.array([3, 0, 70, 1, 2, 200], np.int16)}


def random_tree(rng, n_leaves, output=0, cover=None):
    """A tree of random splits; features come again on many paths."""
    feature, threshold, left, right, categorical, bits = (
        [-1],
        [0.0],
        [-1],
        [-1],
        [False],
        [np.zeros(4, np.uint64)],
    )
    for _ in range(n_leaves - 1):
        node = rng.choice([i for i, child in enumerate(left) if child < 0])
        f = int(rng.integers(P))
        feature[node], categorical[node] = f, f == CATEGORICAL
        threshold[node] = float(rng.normal())
        if f == CATEGORICAL:
            for b in rng.choice(CODES[f], 3, replace=False):
                bits[node][b // 64] |= np.uint64(1 << (int(b) % 64))
        left[node], right[node] = len(feature), len(feature) + 1
        for column, empty in ((feature, -1), (threshold, 0.0), (left, -1), (right, -1), (categorical, False)):
            column += [empty, empty]
        bits += [np.zeros(4, np.uint64), np.zeros(4, np.uint64)]
    n, count = len(feature), np.zeros(len(feature), np.int64)
    for i in reversed(range(n)):
        count[i] = rng.integers(1, 50) if left[i] < 0 else count[left[i]] + count[right[i]]
    return Trees(
        starts=np.array([0, n]),
        output=np.array([output], np.int32),
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        missing_left=rng.random(n) < 0.5,
        categorical=np.array(categorical),
        set=np.array(bits),
        value=rng.normal(size=n),
        gain=np.zeros(n),
        cover=count * rng.uniform(0.1, 0.3) if cover is None else np.full(n, cover),
        count=count,
    )


def random_rows(rng, n):
    X = rng.normal(size=(n, P))
    X[:, CATEGORICAL] = rng.integers(-1, 7, n)  # of codes 0 to 5; others were not seen
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


def goes_left(trees, node, x):
    f = trees.feature[node]
    if trees.categorical[node]:
        if not 0 <= x[f] < len(CODES[f]):
            return bool(trees.missing_left[node])
        b = int(CODES[f][int(x[f])])
        return bool(int(trees.set[node, b // 64]) >> (b % 64) & 1)
    return bool(trees.missing_left[node] if np.isnan(x[f]) else x[f] <= trees.threshold[node])


def expectation(trees, x, known, node=0):
    """What a tree predicts where some features are known, and the others go both ways."""
    if trees.left[node] < 0:
        return trees.value[node]
    l, r = trees.left[node], trees.right[node]
    if trees.feature[node] in known:
        return expectation(trees, x, known, l if goes_left(trees, node, x) else r)
    size = trees.cover if trees.cover[l] + trees.cover[r] > 0 else trees.count
    share = size[l] / (size[l] + size[r])
    return share * expectation(trees, x, known, l) + (1 - share) * expectation(trees, x, known, r)


def by_definition(trees, x):
    """The mean over all orders of the features of what each adds; last what is expected of nothing known."""
    phi = np.zeros(P + 1)
    phi[P] = expectation(trees, x, ())
    for f in range(P):
        others = [j for j in range(P) if j != f]
        for size in range(P):
            weight = factorial(size) * factorial(P - size - 1) / factorial(P)
            for known in combinations(others, size):
                phi[f] += weight * (expectation(trees, x, (*known, f)) - expectation(trees, x, known))
    return phi


@pytest.mark.parametrize("n_leaves", [1, 2, 3, 8, 25])
@pytest.mark.parametrize("seed", range(4))
def test_they_are_shapley_values_of_what_a_tree_expects(seed, n_leaves):
    rng = np.random.default_rng(seed)
    tree, X = random_tree(rng, n_leaves), random_rows(rng, 6)
    phi = contributions(tree, CODES, X, np.zeros(1), 1, P)
    assert_allclose(phi[:, 0], [by_definition(tree, x) for x in X], atol=1e-13)


def test_without_any_hessian_rows_are_counted(rng):
    tree, X = random_tree(rng, 12, cover=0.0), random_rows(rng, 6)
    phi = contributions(tree, CODES, X, np.zeros(1), 1, P)
    assert_allclose(phi[:, 0], [by_definition(tree, x) for x in X], atol=1e-13)


def test_a_side_that_no_row_took_counts_nothing_and_harms_nothing(rng):
    tree, X = random_tree(rng, 12), random_rows(rng, 40)
    for node in np.flatnonzero(tree.left >= 0)[::2]:
        tree.cover[tree.left[node]] = 0.0
    phi = contributions(tree, CODES, X, np.zeros(1), 1, P)
    assert_allclose(phi[:, 0], [by_definition(tree, x) for x in X], atol=1e-13)


@pytest.mark.parametrize("cover", [np.nan, np.inf, -1.0])
def test_a_cover_that_is_none_is_not_believed(rng, cover):
    tree, X = random_tree(rng, 12, cover=cover), random_rows(rng, 6)
    tree.count[:] = 0
    assert np.isfinite(contributions(tree, CODES, X, np.zeros(1), 1, P)).all()


def test_trees_add_up_and_outputs_stay_apart(rng):
    parts = [
        random_tree(rng, int(n), output=k) for n, k in zip(rng.integers(1, 20, 8), [0, 2, 2, 0, 2, 0, 0, 2])
    ]
    X, base = random_rows(rng, 5), np.array([1.0, -2.0, 0.5])
    phi = contributions(Trees.joined(parts), CODES, X, base, 3, P)
    expected = np.zeros((5, 3, P + 1))
    expected[:, :, P] = base
    for tree in parts:
        expected[:, tree.output[0]] += [by_definition(tree, x) for x in X]
    assert_allclose(phi, expected, atol=1e-12)


def test_a_feature_that_no_tree_asks_for_contributes_nothing(rng):
    tree, X = random_tree(rng, 20), random_rows(rng, 9)
    wider = np.hstack([X, rng.normal(size=(9, 3))])
    phi = contributions(tree, CODES, wider, np.zeros(1), 1, P + 3)
    assert (phi[:, :, P : P + 3] == 0.0).all()
    assert_array_equal(
        np.delete(phi, [P, P + 1, P + 2], axis=2), contributions(tree, CODES, X, np.zeros(1), 1, P)
    )


def chain(rng, p):
    """A tree that asks for each feature once: below zero is a leaf, else the next question."""
    n, inner = 2 * p + 1, np.arange(p) * 2
    none, zeros = np.full(n, -1, np.int32), np.zeros(n)
    tree = Trees(
        starts=np.array([0, n]),
        output=np.zeros(1, np.int32),
        feature=none.copy(),
        threshold=zeros,
        left=none.copy(),
        right=none.copy(),
        missing_left=np.zeros(n, bool),
        categorical=np.zeros(n, bool),
        set=np.zeros((n, 4), np.uint64),
        value=rng.normal(size=n),
        gain=zeros,
        cover=rng.integers(1, 100, n).astype(np.float64),
        count=np.ones(n, np.int64),
    )
    tree.feature[inner], tree.left[inner], tree.right[inner] = np.arange(p), inner + 1, inner + 2
    return tree


def of_chain(tree, x):
    """The definition, set size by set size, in fractions."""
    p = len(x)
    phi = [Fraction(0)] * p
    z, o = [], []
    for f in range(p):
        left, right = (Fraction(int(tree.cover[2 * f + side])) for side in (1, 2))
        for share, agrees, leaf in ((left, x[f] <= 0, 2 * f + 1), (right, x[f] > 0, 2 * f + 2)):
            at_leaf = [*z, share / (left + right)], [*o, int(agrees)]
            if tree.left[leaf] < 0:
                for i, more in enumerate(of_leaf(*at_leaf)):
                    phi[i] += more * Fraction(float(tree.value[leaf]))
        z, o = at_leaf
    return [float(value) for value in phi]


def of_leaf(z, o):
    """What each feature of a path adds to the factor of a leaf."""
    d = len(z)
    for i in range(d):
        of_size = [Fraction(1)]  # by how many of the others are known
        for j in range(d):
            if j != i:
                known, unknown = [0, *(c * o[j] for c in of_size)], [*(c * z[j] for c in of_size), 0]
                of_size = [a + b for a, b in zip(known, unknown)]
        weights = (Fraction(factorial(s) * factorial(d - 1 - s), factorial(d)) for s in range(d))
        yield (o[i] - z[i]) * sum(c * w for c, w in zip(of_size, weights))


def test_long_paths_of_many_features_are_as_exact(rng):
    tree, X = chain(rng, 24), rng.normal(size=(2, 24)) + 2.0
    phi = contributions(tree, {}, X, np.zeros(1), 1, 24)[:, 0]
    assert_allclose(phi[:, :24], [of_chain(tree, x) for x in X], rtol=1e-12, atol=1e-15)


def test_very_long_paths_add_up(rng):
    p = 300
    tree, X = chain(rng, p), rng.normal(size=(70, p)) + 2.5
    phi = contributions(tree, {}, X, np.zeros(1), 1, p)[:, 0]
    leaf = np.where((X <= 0).any(axis=1), 2 * (X <= 0).argmax(axis=1) + 1, 2 * p)
    assert_allclose(phi.sum(axis=1), tree.value[leaf], atol=1e-12)


def test_any_number_of_threads_and_any_blocks_give_the_same_bits(rng, monkeypatch):
    trees = Trees.joined(random_tree(rng, 30) for _ in range(20))
    X = random_rows(rng, 5000)
    one = contributions(trees, CODES, X, np.zeros(1), 1, P)
    assert_array_equal(contributions(trees, CODES, X, np.zeros(1), 1, P, n_threads=2), one)
    assert_array_equal(contributions(trees, CODES, X[4321:4322], np.zeros(1), 1, P), one[4321:4322])
    monkeypatch.setattr("calclearn.ensemble._explaining.NUMBERS", 1)
    monkeypatch.setattr("calclearn.ensemble._explaining.WORK", 1)
    assert_array_equal(contributions(trees, CODES, X, np.zeros(1), 1, P, n_threads=2), one)


def test_sparse_rows_and_float32_are_read_as_they_are(rng):
    trees, X = random_tree(rng, 30), np.where(rng.random((50, P)) < 0.5, 0.0, random_rows(rng, 50))
    dense = contributions(trees, CODES, X, np.zeros(1), 1, P)
    assert_array_equal(contributions(trees, CODES, scipy.sparse.csr_array(X), np.zeros(1), 1, P), dense)
    X = X.astype(np.float32)
    wide = contributions(trees, CODES, X.astype(np.float64), np.zeros(1), 1, P)
    assert_array_equal(contributions(trees, CODES, np.asfortranarray(X), np.zeros(1), 1, P), wide)


def test_no_rows_and_no_trees_are_allowed(rng):
    assert contributions(random_tree(rng, 3), CODES, np.empty((0, P)), np.zeros(1), 1, P).shape == (
        0,
        1,
        P + 1,
    )
    phi = contributions(Trees.none(), {}, np.ones((2, P)), np.array([3.0]), 1, P)
    assert_array_equal(phi[:, 0], [[0.0] * P + [3.0]] * 2)
