"""Gram functions against scikit-learn's kernels; rows that are kept; products computed anew."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import pairwise_kernels

from calclearn.svm._decomposition import times_gram
from calclearn.svm._gram import LINEAR, POLY, RBF, SIGMOID, Computed, Gram, Points, Table, centre
from calclearn.svm._rows import GramRows

FUNCTIONS = {
    "linear": (Gram(LINEAR), {}),
    "rbf": (Gram(RBF, 0.3), {"gamma": 0.3}),
    "poly": (Gram(POLY, 0.5, 1.0, 3.0), {"gamma": 0.5, "coef0": 1.0, "degree": 3}),
    "polynomial": (Gram(POLY, 0.5, 9.0, 2.5), {"gamma": 0.5, "coef0": 9.0, "degree": 2.5}),
    "sigmoid": (Gram(SIGMOID, 0.1, -0.5), {"gamma": 0.1, "coef0": -0.5}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_a_block_is_what_scikit_learns_kernel_gives(name, dtype, rtol, rng):
    gram, options = FUNCTIONS[name]
    A, B = rng.normal(size=(37, 5)), rng.normal(size=(70, 5))
    expected = pairwise_kernels(A, B, metric=name, **options)
    block = gram.block(Points(A.astype(dtype)), Points(B.astype(dtype)))
    assert block.dtype == dtype
    assert_allclose(block, expected, rtol=rtol, atol=rtol)
    sparse = gram.block(
        Points(scipy.sparse.csr_array(A.astype(dtype))), Points(scipy.sparse.csr_array(B.astype(dtype)))
    )
    assert_allclose(sparse, expected, rtol=rtol, atol=rtol)


def test_a_row_has_no_distance_from_itself_in_either_precision(rng):
    X = rng.normal(size=(50, 7)) * 1e3
    for dtype in (np.float64, np.float32):
        values = Computed(Gram(RBF, 1e-3), X).block(slice(None), slice(None), dtype)
        assert (values <= 1.0).all()
        assert_allclose(np.diagonal(values), 1.0, rtol=1e-2 if dtype == np.float32 else 1e-9)


def test_only_what_changes_nothing_is_taken_off(rng):
    X = rng.normal(size=(20, 3)) + 5.0
    assert_allclose(centre(X, RBF, False), X.mean(axis=0))
    assert_allclose(centre(X, LINEAR, True), X.mean(axis=0))
    for kind, sum_is_zero in ((LINEAR, False), (POLY, True), (SIGMOID, True)):
        assert not centre(X, kind, sum_is_zero).any()
    assert not centre(scipy.sparse.csr_array(X), RBF, True).any()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_rows_are_kept_while_there_is_room_and_right_in_any_case(n_threads, rng):
    X = rng.normal(size=(600, 4))
    source = Computed(Gram(RBF, 0.5), X)
    expected = source.block(slice(None), slice(None))
    rows = GramRows(source, np.float64, 300 * 600 * 8, 50, n_threads)
    assert (len(rows.values), rows.most) == (300, 50)
    for _ in range(50):
        asked = rng.choice(600, size=50)  # one may be asked for twice
        slots = rows.fetch(asked)
        assert_allclose(rows.values[slots], expected[asked], rtol=1e-12)
        assert_allclose(rows.among(slots, asked), expected[np.ix_(asked, asked)], rtol=1e-12)
    made = rows.n_made
    rows.fetch(asked)
    assert rows.n_made == made
    raw, times = np.zeros(600), rng.normal(size=50)
    rows.add(slots, times, raw)
    assert_allclose(raw, expected[:, asked] @ times, rtol=1e-10, atol=1e-12)


def test_there_is_always_room_for_two_sets(rng):
    rows = GramRows(Computed(Gram(LINEAR), rng.normal(size=(500, 3))), np.float32, 0, 1024, 1)
    assert (len(rows.values), rows.most) == (256, 128)
    assert len(GramRows(Table(np.eye(9)), np.float32, 1e9, 8, 1).values) == 9


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_product_with_a_vector_is_computed_anew(n_threads, rng):
    X, beta = rng.normal(size=(700, 4)), np.where(rng.random(700) < 0.8, rng.normal(size=700), 0.0)
    source = Computed(Gram(RBF, 0.5), X)
    assert_allclose(times_gram(source, beta, n_threads), source.table(2).values @ beta, rtol=1e-9, atol=1e-12)
    assert_array_equal(times_gram(source, beta, n_threads), times_gram(source, beta, 1))
    assert not times_gram(source, np.zeros(700), n_threads).any()


def test_what_is_known_to_have_an_inner_product():
    X = np.arange(6.0)[:, None]
    assert Computed(Gram(RBF), X).positive
    assert Computed(Gram(POLY, 1.0, 0.0, 3.0), X).positive
    assert not Computed(Gram(POLY, 1.0, -1.0, 3.0), X).positive
    assert not Computed(Gram(SIGMOID), X).positive
    assert Table(np.eye(3)).positive
    assert Table(X @ X.T).positive
    assert not Table(-np.eye(3)).positive
    assert not Table(np.full((2, 2), np.nan)).positive
    assert Table(np.eye(3), False).of(np.array([0, 1])).positive is False
