"""Walking trees, against a walk in Python; and what is no tree is found out before it is walked."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.ensemble._layout import SET_WORDS
from calclearn.ensemble._predicting import Walk
from calclearn.ensemble._trees import Trees


def random_trees(rng, n_trees, p, categorical, n_outputs=1, neighbours=True):
    """Trees of random shapes; children are neighbours, or anywhere behind their parents."""
    parts = []
    for t in range(n_trees):
        left, right = [-1], [-1]
        for _ in range(rng.integers(0, 40)):
            leaf = int(rng.choice(np.flatnonzero(np.array(left) == -1)))
            left[leaf], right[leaf] = len(left), len(left) + 1
            left += [-1, -1]
            right += [-1, -1]
        n = len(left)
        left, right = np.array(left), np.array(right)
        if not neighbours:  # levels in order, each shuffled, and sides exchanged
            place = np.r_[0, 1 + np.argsort(np.argsort(depths(left, right)[1:] + rng.random(n - 1)))]
            swap = rng.random(n) < 0.5
            left, right = np.where(swap, right, left), np.where(swap, left, right)
            shuffled = [np.empty(n, int), np.empty(n, int)]
            for new, old in zip(shuffled, (left, right)):
                new[place] = np.where(old < 0, -1, place[old])
            left, right = shuffled
        feature = np.where(left < 0, -1, rng.integers(p, size=n))
        of_set = np.isin(feature, categorical)
        parts.append(
            Trees(
                starts=np.array([0, n], np.int64),
                output=np.array([t % n_outputs], np.int32),
                feature=feature.astype(np.int32),
                threshold=np.where(of_set | (left < 0), 0.0, rng.normal(size=n).round(1)),
                left=left.astype(np.int32),
                right=right.astype(np.int32),
                missing_left=(rng.random(n) < 0.5) & (left >= 0),
                categorical=of_set,
                set=rng.integers(0, 2**63, size=(n, SET_WORDS)).astype(np.uint64) * np.uint64(2),
                value=rng.normal(size=n),
                gain=np.zeros(n),
                cover=np.ones(n),
                count=np.ones(n, np.int64),
            )
        )
    trees = Trees.joined(parts)
    trees.check(p, n_outputs)
    return trees


def depths(left, right):
    depth = np.zeros(len(left), int)
    for i in range(len(left)):
        if left[i] >= 0:
            depth[[left[i], right[i]]] = depth[i] + 1
    return depth


def leaf_of(trees, t, x, codes):
    """The leaf that a row reaches in tree t, step by step."""
    first, i = int(trees.starts[t]), 0
    while trees.left[first + i] >= 0:
        node = first + i
        f = int(trees.feature[node])
        if trees.categorical[node]:
            known = x[f] == x[f] and 0 <= x[f] < len(codes[f])
            b = int(codes[f][int(x[f])]) if known else 0
            left = bool(int(trees.set[node, b >> 6]) >> (b & 63) & 1) if known else trees.missing_left[node]
        else:
            left = trees.missing_left[node] if x[f] != x[f] else x[f] <= trees.threshold[node]
        i = int(trees.left[node] if left else trees.right[node])
    return i


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("neighbours", [True, False])
@pytest.mark.parametrize("categorical", [(), (1, 3)])
def test_every_row_reaches_the_leaf_of_a_walk_in_python(categorical, neighbours, dtype, rng):
    """Also rows of a second block, missing and infinite values, and categories that were not seen."""
    codes = {f: rng.integers(255, size=40).astype(np.int16) for f in categorical}
    trees = random_trees(rng, 12, 5, categorical, n_outputs=3, neighbours=neighbours)
    X = rng.normal(size=(300, 5)).round(1)
    X[:, list(categorical)] = rng.integers(-2, 45, size=(300, len(categorical)))
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.02] = np.inf
    X[rng.random(X.shape) < 0.02] = -np.inf
    X = X.astype(dtype)
    walk = Walk(trees, codes)
    given = X.copy()
    expected = np.array([[leaf_of(trees, t, x, codes) for t in range(12)] for x in X.astype(float)])
    raw = np.zeros((300, 3))
    for t in range(12):
        raw[:, t % 3] += trees.value[trees.starts[t] + expected[:, t]]
    for n_threads in (1, 3):
        for same in (X, np.asfortranarray(X), X[::-1][::-1], scipy.sparse.csr_array(X)):
            assert_array_equal(walk.leaves(same, n_threads), expected)
            assert_array_equal(walk.add_to(np.zeros((300, 3)), same, n_threads), raw)
    for i in (0, 7):  # a row alone
        assert_array_equal(walk.add_to(np.zeros((1, 3)), X[i : i + 1]), raw[i : i + 1])
    assert_array_equal(X, given)


def test_a_slice_of_trees_is_these_trees(rng):
    trees = random_trees(rng, 9, 4, ())
    X = rng.normal(size=(50, 4))
    leaves = Walk(trees, {}).leaves(X)
    assert_array_equal(Walk(trees[2:5], {}).leaves(X), leaves[:, 2:5])
    assert_array_equal(Walk(Trees.joined([trees[2:5], trees[:1]]), {}).leaves(X), leaves[:, [2, 3, 4, 0]])
    assert Walk(trees[5:2], {}).leaves(X).shape == (50, 0)
    assert_array_equal(Walk(Trees.none(), {}).add_to(np.ones((3, 1)), X[:3]), np.ones((3, 1)))
    assert_array_equal(trees.depths(), np.concatenate([trees[t : t + 1].depths() for t in range(9)]))
    with pytest.raises(ValueError, match="step 1"):
        trees[::2]


# -------------------------------------------------------------------------------------------- broken pickles


def _set(name, index, value):
    def change(state):
        array = state["trees_"][name].copy()
        array[index] = value
        state["trees_"][name] = array

    change.__name__ = f"{name}[{index}] = {value}"
    return change


def _replace(name, value):
    def change(state):
        state["trees_"][name] = value(state["trees_"][name]) if callable(value) else value

    change.__name__ = f"{name} replaced"
    return change


def _attribute(name, value):
    def change(state):
        state[name] = value

    change.__name__ = f"{name} = {value!r}"
    return change


def _without(name):
    def change(state):
        del state[name]

    change.__name__ = f"no {name}"
    return change


def _codes(state):
    state["_codes"] = {0: np.full_like(state["_codes"][0], 300)}


def _no_array_of_trees(state):
    del state["trees_"]["gain"]


CHANGES = [
    _set("left", 0, 0),
    _set("left", 0, 10**6),
    _set("left", 0, -1),
    _set("left", 0, -7),
    _set("right", 0, 1),
    _set("right", 2, 1),
    _set("feature", 0, 3),
    _set("feature", 0, -1),
    _set("feature", 0, -5),
    _set("threshold", slice(None), np.nan),
    _set("value", slice(None), np.nan),
    _set("value", slice(None), np.inf),
    _set("output", 0, 5),
    _set("output", 0, -1),
    _set("starts", 0, 1),
    _set("starts", 1, 10**9),
    _set("starts", 1, 0),
    _set("starts", -1, 10**9),
    _replace("left", lambda a: a[:-1]),
    _replace("left", lambda a: a.astype(float)),
    _replace("left", lambda a: a.tolist()),
    _replace("value", lambda a: a.astype(object)),
    _replace("set", lambda a: a[:, :1]),
    _replace("starts", None),
    _replace("output", None),
    _replace("feature", None),
    _replace("surplus", 1),
    _set("categorical", slice(None), True),
    _codes,
    _no_array_of_trees,
    _attribute("trees_", None),
    _attribute("trees_", 3),
    _attribute("n_features_in_", 1),
    _attribute("n_features_in_", "two"),
    _attribute("base_", np.zeros(3)),
    _attribute("base_", np.array([np.nan])),
    _attribute("base_", None),
    _attribute("_n_outputs", 0),
    _attribute("_n_outputs", None),
    _attribute("_codes", {}),
    _attribute("_codes", {0: np.array([0.5, 1.0])}),
    _attribute("_codes", None),
    _without("_codes"),
    _without("_n_outputs"),
    _without("n_features_in_"),
    _without("base_"),
]


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = np.c_[rng.integers(8, size=200), rng.normal(size=200)]
    y = np.cos(X[:, 0]) + X[:, 1]
    return NewtonBoostingRegressor(n_estimators=3, categorical_features=[0]).fit(X, y), X


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_no_model_is_not_unpickled(fitted, change):
    state = copy.deepcopy(fitted[0].__getstate__())
    change(state)
    with pytest.raises(ValueError, match="broken"):
        NewtonBoostingRegressor().__setstate__(state)


def test_pickles_give_the_same_bits(fitted):
    model, X = fitted
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(X), model.predict(X))
    assert copied.get_params() == model.get_params()
    assert_array_equal(
        copied.fit(X, X[:, 1]).predict(X), pickle.loads(pickle.dumps(model)).fit(X, X[:, 1]).predict(X)
    )
    unfitted = pickle.loads(pickle.dumps(NewtonBoostingClassifier(max_depth=3)))
    assert unfitted.get_params()["max_depth"] == 3
