"""Bins: where they are cut, what falls into them, and that bins and raw values are routed alike."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from calclearn.ensemble._binning import apply_bins, between, learn_bins, recode
from calclearn.ensemble._layout import SET_WORDS
from calclearn.ensemble._predicting import Walk
from calclearn.ensemble._rounds import walk_bins
from calclearn.ensemble._trees import Trees


def neighbours(x, n, dtype):
    """The n values of a dtype on either side of x, and x."""
    values = [dtype(x)]
    with np.errstate(over="ignore"):
        for _ in range(n):
            below, above = np.nextafter(values[0], dtype(-np.inf)), np.nextafter(values[-1], dtype(np.inf))
            values = [below, *values, above]
    return np.array(values, dtype)


def columns(dtype):
    """Columns of values that are hard to keep apart, of one length; each with missing ones."""
    top, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    rows = {
        "neighbours of 1": neighbours(1.0, 40, dtype),
        "neighbours of a power of two": neighbours(2.0**20, 40, dtype),
        "neighbours of a third, and floats": np.r_[
            neighbours(1 / 3, 20, dtype), neighbours(np.float32(1 / 3), 20, dtype)
        ],
        "subnormal": tiny * np.arange(-40, 41).astype(dtype),
        "zeros": np.r_[np.zeros(20), -np.zeros(20), neighbours(0.0, 20, dtype)],
        "infinite": np.r_[-np.inf, -top, neighbours(top, 3, dtype)[:4], np.inf, -np.inf, np.inf, [0.0] * 5],
        "huge": top * np.linspace(-1, 1, 41).astype(dtype),
        "at float32's end": neighbours(np.finfo(np.float32).max, 40, dtype),
        "-inf first": np.r_[[-np.inf] * 10, np.arange(30)],
        "inf last": np.r_[[np.inf] * 10, np.arange(30)],
        "spread over all sizes": np.geomspace(tiny * 4, top / 4, 80).astype(dtype),
    }
    return {
        name: np.r_[np.resize(np.asarray(values, dtype), 99), dtype(np.nan)] for name, values in rows.items()
    }


def stumps(bins):
    """A tree of one split for each edge of each feature, which says by 0 or 1 where a row goes."""
    splits = [(f, b) for f, m in enumerate(bins.n_values) for b in range(m)]
    n = len(splits)
    arrays = {field: getattr(Trees.none(), field).dtype for field in Trees.__dataclass_fields__}
    arrays = {field: np.zeros(3 * n, dtype) for field, dtype in arrays.items()}
    arrays["set"] = np.zeros((3 * n, SET_WORDS), np.uint64)
    arrays["starts"], arrays["output"] = np.arange(n + 1) * 3, np.zeros(n, np.int32)
    for field, root, leaf in (("feature", [f for f, _ in splits], -1), ("left", 1, -1), ("right", 2, -1)):
        arrays[field][:] = leaf
        arrays[field][::3] = root
    arrays["threshold"][::3] = [bins.edges[s] for s in splits]
    arrays["missing_left"][::6] = True
    arrays["value"][1::3] = 1.0
    return splits, Trees(**arrays)


class Rows:
    """What `walk_bins` wants to know of the data."""

    def __init__(self, columns):
        self.columns = columns


@pytest.mark.parametrize("max_bin", [256, 9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bins_and_raw_values_are_routed_alike_at_every_edge(dtype, max_bin):
    """However close the values: or a row would not reach the leaf that it was trained in."""
    X = np.stack(list(columns(dtype).values()), axis=1)
    bins = learn_bins(X, max_bin=max_bin)
    rows, by_column = apply_bins(bins, X)
    splits, trees = stumps(bins)
    reached = Walk(trees, {}).leaves(X)
    for t, (f, b) in enumerate(splits):
        of_rows = by_column[f].astype(int)
        left = np.where(of_rows == bins.n_values[f], trees.missing_left[3 * t], of_rows <= b)
        assert_array_equal(reached[:, t], np.where(left, 1, 2))
        assert_array_equal(walk_bins(trees[t : t + 1], Rows(by_column), bins, np.arange(len(X))), left)
    assert_array_equal(rows[:, : X.shape[1]].T, by_column)


def test_rows_of_either_precision_reach_the_same_leaf_in_trees_of_the_other():
    """Thresholds in float32 are rounded down: x <= threshold means the same for every float32."""
    X = np.stack(list(columns(np.float64).values()), axis=1)
    _, trees = stumps(learn_bins(X))
    with np.errstate(over="ignore"):
        single = np.r_[X.astype(np.float32), np.stack(list(columns(np.float32).values()), axis=1)]
    assert_array_equal(Walk(trees, {}).leaves(single), Walk(trees, {}).leaves(single.astype(np.float64)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_distinct_values_have_a_bin_each_where_bins_are_enough(dtype):
    for name, column in columns(dtype).items():
        bins = learn_bins(column[:, None])
        distinct = np.unique(column[:-1])
        assert bins.n_values[0] == len(distinct), name
        edges = bins.edges[0, : len(distinct) - 1]
        assert ((distinct[:-1] <= edges) & (edges < distinct[1:])).all(), name
        assert np.isinf(bins.edges[0, len(distinct) - 1 :]).all(), name


def test_an_edge_is_the_middle_of_two_values():
    bins = learn_bins(np.array([[3.0], [1.0], [1.0], [7.0]]))
    assert_array_equal(bins.edges[0, :3], [2.0, 5.0, np.inf])


@pytest.mark.parametrize(
    ("low", "high"), [(1e308, 1.7e308), (-1.7e308, 1.7e308), (-np.inf, np.inf), (-np.inf, 0.0), (1.0, np.inf)]
)
def test_the_edge_is_not_below_the_lower_value_and_below_the_higher_one(low, high):
    edge = between(low, high)
    assert low <= edge < high


@pytest.mark.parametrize("max_bin", [256, 17, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_bins_have_about_equal_weight(max_bin, weighted, rng):
    x = rng.standard_cauchy(size=(5000, 1))
    weight = rng.exponential(size=5000) if weighted else None
    bins = learn_bins(x, weight, max_bin=max_bin)
    assert bins.n_values[0] == max_bin - 1
    of_bins = np.bincount(apply_bins(bins, x)[1][0], weight, minlength=max_bin)
    share = of_bins[:-1].sum() / (max_bin - 1)
    heaviest = 1.0 if weight is None else weight.max()
    assert np.abs(of_bins[:-1] - share).max() <= heaviest + 1e-9
    assert of_bins[-1] == 0


def test_weights_cut_like_repetitions(rng):
    x = rng.normal(size=(400, 1))
    times = rng.integers(1, 6, size=400)
    weighted = learn_bins(x, times.astype(float), max_bin=20)
    assert_array_equal(weighted.edges, learn_bins(np.repeat(x, times, axis=0), max_bin=20).edges)
    assert_array_equal(weighted.edges, learn_bins(x, 0.125 * times, max_bin=20).edges)


def test_edges_do_not_depend_on_the_order_of_weighted_ties(rng):
    x = rng.integers(30, size=(3000, 1)).astype(float)
    weight = rng.exponential(size=3000)
    edges = learn_bins(x, weight, max_bin=12).edges
    for _ in range(20):
        order = rng.permutation(len(x))
        assert_array_equal(learn_bins(x[order], weight[order], max_bin=12).edges, edges)


def test_a_value_of_most_rows_leaves_the_other_bins_to_the_others():
    x = np.r_[np.zeros(10_000), np.arange(1, 1001)][:, None]
    bins = learn_bins(x, max_bin=101)
    assert bins.n_values[0] == 100
    assert np.bincount(apply_bins(bins, x)[1][0])[1:].max() < 15


@pytest.mark.parametrize("value", [1.5, np.inf, -np.inf, np.nan])
def test_a_column_of_one_value_has_one_bin(value):
    X = np.full((5, 1), value)
    bins = learn_bins(X)
    assert bins.n_values[0] == 1
    assert_array_equal(apply_bins(bins, X)[1], np.full((1, 5), int(np.isnan(value))))


def test_sparse_rows_have_the_bins_of_dense_ones(rng):
    dense = np.where(rng.random((300, 7)) < 0.7, 0.0, rng.normal(size=(300, 7)).round(1))
    dense[rng.random((300, 7)) < 0.05] = np.nan
    expected = learn_bins(dense, max_bin=12)
    doubled = scipy.sparse.coo_array(dense / 2)  # each entry twice, which means their sum
    doubled = scipy.sparse.coo_array(
        (np.tile(doubled.data, 2), tuple(np.tile(c, 2) for c in doubled.coords)), dense.shape
    )
    wide = scipy.sparse.csc_array(dense)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for sparse in (scipy.sparse.csc_array(dense), wide, _unsummed(doubled)):
        bins = learn_bins(sparse, max_bin=12)
        assert_array_equal(bins.edges, expected.edges)
        for one, other in zip(apply_bins(bins, sparse.tocsr()), apply_bins(expected, dense)):
            assert_array_equal(one, other)


def _unsummed(coo):
    """A CSC array that keeps duplicates."""
    order = np.argsort(coo.coords[1], kind="stable")
    indptr = np.searchsorted(coo.coords[1][order], np.arange(coo.shape[1] + 1))
    return scipy.sparse.csc_array((coo.data[order], coo.coords[0][order], indptr), coo.shape)


def test_every_layout_in_memory_has_the_same_bins(rng):
    X = rng.normal(size=(200, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    frozen = X.copy()
    frozen.flags.writeable = False
    expected = learn_bins(X)
    for same in (
        np.asfortranarray(X),
        frozen,
        np.repeat(X, 2, axis=0)[::2],
        np.repeat(X, 3, axis=1)[:, ::3],
        X[::-1][::-1],
    ):
        bins = learn_bins(same, n_threads=2)
        assert_array_equal(bins.edges, expected.edges)
        for one, other in zip(apply_bins(bins, same, 2), apply_bins(expected, X)):
            assert_array_equal(one, other)


@pytest.mark.parametrize("p", [1, 3, 4, 5, 28, 64, 65, 130])
def test_rows_are_padded_with_zeros_and_begin_on_a_cache_line(p, rng):
    X = rng.normal(size=(10, p))
    rows, by_column = apply_bins(learn_bins(X), X)
    assert_array_equal(rows[:, :p], by_column.T)
    assert not rows[:, p:].any()
    assert rows.ctypes.data % 64 == 0
    assert rows.shape[1] <= max(4, 1.25 * p + 4)


@pytest.mark.parametrize("n_seen", [3, 254, 255, 256, 300])
def test_codes_without_rows_have_a_bin_without_rows(n_seen):
    """Which goes where missing values go, however many codes there are."""
    column = np.repeat(np.arange(n_seen) * 2.0, 3)
    (codes,) = learn_bins(
        np.r_[column, 700.0][:, None], np.r_[np.ones(len(column)), 0.0], categorical=[True]
    ).codes.values()
    seen, unseen = codes[: 2 * n_seen : 2], np.r_[codes[1 : 2 * n_seen : 2], codes[2 * n_seen :]]
    assert len(np.unique(seen)) == min(n_seen, 254)
    assert not np.intersect1d(seen, unseen).size
    assert codes.max() < 255


def test_categories_have_a_bin_each_and_the_rarest_one_together():
    sizes = [5, 1, 9, 2, 7, 2]
    column = np.repeat(np.arange(6.0), sizes)[:, None]
    categorical = np.ones(1, bool)
    assert_array_equal(learn_bins(column, categorical=categorical).codes[0], np.arange(6))
    few = learn_bins(column, max_bin=5, categorical=categorical)
    assert few.n_values[0] == 4
    assert_array_equal(few.codes[0], [2, 3, 0, 3, 1, 3])  # 9, 7 and 5 rows; the others
    weight = np.where(column[:, 0] == 1, 100.0, 1.0)
    assert learn_bins(column, weight, max_bin=5, categorical=categorical).codes[0][1] == 0
    narrow = {0: np.arange(128, dtype=np.int8)}  # whose largest code has none above it in that type
    assert learn_bins(column, categorical=categorical, codes=narrow).n_values[0] == 128


def test_what_is_no_category_is_missing():
    assert_array_equal(
        recode(np.array([0.0, 2.0, np.nan, -1.0, 3.0]), np.array([1, 0, 1])), [1, 1, np.nan, np.nan, np.nan]
    )
    X = np.array([[0.0], [1.0], [np.nan]])
    bins = learn_bins(X, categorical=np.ones(1, bool))
    assert_array_equal(apply_bins(bins, np.array([[1.0], [7.0], [np.nan]]))[1], [[1, 2, 2]])
    assert_array_equal(X, [[0.0], [1.0], [np.nan]])  # is not ours to write to


def test_categories_that_are_all_missing_have_a_bin():
    X = np.full((4, 1), np.nan)
    bins = learn_bins(X, categorical=np.ones(1, bool))
    assert bins.n_values[0] == 1
    assert_array_equal(apply_bins(bins, X)[1], [[1, 1, 1, 1]])
