"""Least squares against NumPy's, on data that is easy, badly scaled, badly centred, or short of rank."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from calclearn._objectives import least_squares as module
from calclearn._objectives.design import Design
from calclearn._objectives.least_squares import least_squares, nonnegative_least_squares


def solve(X, y, weight=None, **kwargs):
    Y = np.asarray(y, np.float64).reshape(len(y), -1)
    return least_squares(Design(X, 1), Y, weight, **kwargs)


def reference(X, y, weight=None, intercept=True, l2=0.0):
    """The least-norm solution by NumPy's SVD on centred data."""
    weight = np.ones(len(y)) if weight is None else weight
    mean = np.average(X, axis=0, weights=weight) if intercept else np.zeros(X.shape[1])
    y_mean = np.average(y, weights=weight) if intercept else 0.0
    root = np.sqrt(weight)[:, None]
    A, b = root * (X - mean), root[:, 0] * (y - y_mean)
    if l2:
        A, b = np.vstack([A, np.sqrt(l2) * np.eye(X.shape[1])]), np.r_[b, np.zeros(X.shape[1])]
    w = np.linalg.lstsq(A, b, rcond=None)[0]
    return w, y_mean - mean @ w


def data(rng, n=500, p=6):
    X = rng.normal(size=(n, p))
    return X, X @ rng.normal(size=p) + 3 + rng.normal(size=n)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("l2", [0.0, 2.5])
@pytest.mark.parametrize("shape", [(500, 6), (5, 12), (6, 6)])
def test_it_is_the_least_norm_solution(rng, intercept, weighted, l2, shape):
    X, y = data(rng, *shape)
    weight = rng.random(len(y)) if weighted else None
    solved = solve(X, y, weight, intercept=intercept, l2=l2)
    w, b = reference(X, y, weight, intercept, l2)
    assert_allclose(solved.coef[0], w, rtol=1e-9, atol=1e-11)
    assert_allclose(solved.intercept[0], b, rtol=1e-9, atol=1e-11)
    assert np.abs(solved.gradient).max() < 1e-10 * np.abs(X).max() * np.abs(y).sum()


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_array, np.asfortranarray])
def test_the_form_of_x_does_not_matter(rng, form):
    X, y = data(rng)
    X *= rng.random(X.shape) < 0.5
    assert_allclose(solve(form(X), y).coef, solve(X, y).coef, rtol=1e-10)


def test_very_wide_sparse_x_is_solved_by_lsqr(rng, monkeypatch):
    monkeypatch.setattr(module, "DENSE_COLUMNS", 3)
    X, y = data(rng)
    weight = rng.random(len(y))
    solved = solve(scipy.sparse.csr_array(X), y, weight)
    assert_allclose(solved.coef[0], reference(X, y, weight)[0], rtol=1e-7)
    assert_allclose(solved.intercept[0], reference(X, y, weight)[1], rtol=1e-7)


def test_units_of_a_column_do_not_matter(rng):
    """200 x 3 without noise, one column times 1e7: the exact coefficients, and rank 3."""
    X = rng.normal(size=(200, 3))
    X[:, 0] *= 1e7
    solved = solve(X, X @ [1e-7, 2.0, 3.0] + 5)
    assert solved.rank == 3
    assert_allclose(solved.coef[0], [1e-7, 2.0, 3.0], rtol=1e-12)
    assert_allclose(solved.intercept, [5.0], rtol=1e-12)


@pytest.mark.parametrize("sorted_rows", [False, True])
def test_offsets_of_columns_do_not_matter(rng, sorted_rows):
    """Means of 1e7 deviations, also where the first rows say nothing about the last."""
    X, y = data(rng, 40_000, 3)
    X[:, 0] += 1e7
    if sorted_rows:
        X[:, 1] += 1e8 * (np.arange(len(y)) >= 39_990)  # ten rows far away: 1e8 from all others
    solved = solve(X, y)
    w, _ = reference(X, y)
    assert_allclose(solved.coef[0], w, rtol=1e-8)


def test_float32_columns_with_an_offset_are_solved_in_float64(rng):
    X, y = data(rng, 100_000, 4)
    X32 = (X + 50).astype(np.float32)
    w, b = reference(X32.astype(np.float64), y)
    solved = solve(X32, y)
    assert_allclose(solved.coef[0], w.astype(np.float32), rtol=1e-15)  # rounded once, at the end
    assert_allclose(solved.intercept[0], b, rtol=1e-6)


def test_a_nearly_singular_gram_matrix_is_left_to_the_qr_factorisation(rng):
    X, _ = data(rng, 300, 4)
    X[:, 3] = X[:, 2] + 1e-7 * rng.normal(size=300)
    y = X @ [1.0, 2.0, 3.0, 4.0]
    solved = solve(X, y, intercept=False)
    assert solved.rank == 4
    assert solved.excess is None
    assert_allclose(solved.coef[0], [1, 2, 3, 4], rtol=1e-6)


def test_dependent_columns_share_the_coefficient(rng):
    X, y = data(rng)
    X[:, 5] = X[:, 4]
    X = np.column_stack([X, np.ones(len(y))])  # a constant column beside the intercept
    solved = solve(X, y)
    assert solved.rank == 5
    assert solved.coef[0, 4] == pytest.approx(solved.coef[0, 5])
    assert_allclose(solved.coef[0], reference(X, y)[0], atol=1e-10)
    assert_allclose(solved.singular, np.linalg.svd(X - X.mean(axis=0), compute_uv=False), atol=1e-10)


def test_the_certificate_is_the_truth(rng):
    X, y = data(rng)
    solved = solve(X, y)
    residual = y - X @ solved.coef[0] - solved.intercept[0]
    assert_allclose(solved.residual, residual @ residual, rtol=1e-12)
    assert 0 <= solved.excess < 1e-20 * solved.residual
    assert solved.details["scaled_gradient"] < 1e-14
    expected = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    assert_allclose(solved.singular, expected, rtol=1e-12)


def test_several_targets_are_solved_at_once(rng):
    X, y = data(rng)
    Y = np.column_stack([y, y**2, np.ones_like(y)])
    solved = solve(X, Y)
    for k in range(3):
        assert_allclose(solved.coef[k], reference(X, Y[:, k])[0], rtol=1e-9, atol=1e-12)


def test_the_bits_do_not_depend_on_the_number_of_threads(rng):
    X, y = data(rng, 60_000, 20)
    one, two = (least_squares(Design(X, n), y[:, None]) for n in (1, 2))
    assert one.coef.tolist() == two.coef.tolist()
    assert one.residual == two.residual


@pytest.mark.parametrize("intercept", [True, False])
def test_non_negative_coefficients_satisfy_the_kkt_conditions(rng, intercept):
    X, y = data(rng)
    solved = nonnegative_least_squares(Design(X), y[:, None], intercept=intercept)
    w, g = solved.coef[0], solved.gradient[0]
    assert (w >= 0).all()
    assert (w == 0).any()
    assert np.abs(g[w > 0]).max() < 1e-9
    assert (g > -1e-9).all()
    assert solved.kkt_violation < 1e-9


def test_constant_data_has_zero_coefficients():
    solved = solve(np.ones((10, 2)), np.full(10, 4.0))
    assert solved.rank == 0
    assert_allclose(solved.coef, 0)
    assert_allclose(solved.intercept, 4)
