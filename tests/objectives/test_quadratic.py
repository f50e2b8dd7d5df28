"""Quadratics under L1 against conditions that hold at their optimum alone, and against SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize, nnls

from calclearn._objectives.quadratic import kkt_violation, minimise_quadratic


def problem(rng, p, *, n=None, mixing=0.0):
    X = rng.normal(size=(n or 3 * p, p)) + mixing * rng.normal(size=(n or 3 * p, 1))
    return X.T @ X / len(X), X.T @ (X @ (rng.random(p) < 0.3) + rng.normal(size=len(X))) / len(X), X


def value(Q, c, l1, w):
    return 0.5 * w @ Q @ w - c @ w + l1 @ np.abs(w)


def by_scipy(Q, c, l1, positive):
    p = len(c)

    def f(z):
        w = z[:p] - z[p:]
        g = Q @ w - c
        return 0.5 * w @ Q @ w - c @ w + l1 @ (z[:p] + z[p:]), np.r_[g + l1, l1 - g]

    bounds = [(0, None)] * p + [(0, 0 if fixed else None) for fixed in positive]
    return minimize(
        f, np.zeros(2 * p), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-16, "gtol": 1e-12}
    ).fun


@pytest.mark.parametrize("mixing", [0.0, 3.0])
@pytest.mark.parametrize("signs", ["any", "positive", "some"])
@pytest.mark.parametrize("p", [1, 7, 60])
def test_the_minimum_is_one(rng, p, signs, mixing):
    Q, c, _ = problem(rng, p, mixing=mixing)
    positive = {"any": np.zeros(p, bool), "positive": np.ones(p, bool), "some": rng.random(p) < 0.5}[signs]
    l1 = np.where(rng.random(p) < 0.2, 0.0, 0.3 * np.abs(c).max())
    start = np.abs(rng.normal(size=p))
    for begin in (None, start):
        found = minimise_quadratic(Q, c, l1, begin, positive=positive, tol=1e-12)
        assert found.violation <= 1e-12
        assert_allclose(found.gradient, Q @ found.w - c, atol=1e-13)
        assert (found.w[positive] >= 0).all()
        assert value(Q, c, l1, found.w) <= by_scipy(Q, c, l1, positive) + 1e-9


def test_without_a_penalty_it_is_a_linear_system_and_with_bounds_nnls(rng):
    Q, c, X = problem(rng, 20)
    zero = np.zeros(20)
    assert_allclose(minimise_quadratic(Q, c, zero).w, np.linalg.solve(Q, c), rtol=1e-9)
    y = rng.normal(size=len(X))
    found = minimise_quadratic(Q, X.T @ y / len(X), zero, positive=np.ones(20, bool), tol=1e-13)
    assert_allclose(found.w, nnls(X, y)[0], atol=1e-10)


def test_more_columns_than_rows_and_twins(rng):
    Q, c, _ = problem(rng, 40, n=15)
    Q = np.ascontiguousarray(np.block([[Q, Q], [Q, Q]]))  # each column twice
    c = np.r_[c, c]
    l1 = np.full(80, 0.2 * np.abs(c).max())
    found = minimise_quadratic(Q, c, l1, tol=1e-11)
    assert found.violation <= 1e-11
    half = minimise_quadratic(Q[:40, :40].copy(), c[:40], l1[:40], tol=1e-11)
    assert_allclose(value(Q, c, l1, found.w), value(Q[:40, :40], c[:40], l1[:40], half.w), rtol=1e-10)


def test_a_column_of_zeros_stays_at_zero_and_strong_penalties_leave_nothing(rng):
    Q, c, _ = problem(rng, 5)
    Q[2], Q[:, 2], c[2] = 0.0, 0.0, 0.0
    assert minimise_quadratic(Q, c, np.full(5, 0.01)).w[2] == 0.0
    assert not minimise_quadratic(Q, c, np.full(5, np.abs(c).max())).w.any()


def test_limits_on_sweeps_are_kept(rng):
    Q, c, _ = problem(rng, 60, mixing=3.0)
    l1 = np.full(60, 0.01 * np.abs(c).max())
    assert minimise_quadratic(Q, c, l1, tol=0.0, max_sweeps=3).n_sweeps == 3
    none = minimise_quadratic(Q, c, l1, max_sweeps=0)
    assert none.n_sweeps == 0
    assert none.violation == kkt_violation(-c, np.zeros(60), l1)


def test_violations_are_distances_from_the_interval_of_slopes():
    gradient, w = np.array([0.5, -1.5, -0.7, 0.2]), np.array([0.0, 0.0, 1.0, -1.0])
    assert kkt_violation(gradient, w, 1.0) == pytest.approx(0.8)
    assert kkt_violation(gradient[:2], w[:2], 1.0) == pytest.approx(0.5)
    assert kkt_violation(np.array([5.0]), np.zeros(1), 1.0, np.array([True])) == 0.0


def test_a_duality_gap_that_is_small_enough_ends_the_sweeps(rng):
    Z, z = rng.normal(size=(50, 20)), rng.normal(size=50)
    Q, c, square = Z.T @ Z, Z.T @ z, z @ z
    l1 = np.full(20, 0.1 * np.abs(c).max())
    exact = minimise_quadratic(Q, c, l1, tol=1e-12)
    loose = minimise_quadratic(Q, c, l1, tol=0.0, enough=1e-3 * square, square=square)

    def value(w):
        return 0.5 * w @ Q @ w - c @ w + l1 @ np.abs(w)

    assert loose.n_sweeps < exact.n_sweeps
    assert 0 < value(loose.w) - value(exact.w) <= 1e-3 * square
