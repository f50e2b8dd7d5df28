"""Penalties against their definitions, which SciPy minimises."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from calclearn.penalties import L1, L2, ElasticNet

PENALTIES = [L1(0.7), L1(0.7, positive=True), L2(1.3), L2(0.4, positive=True), L1(0.0)]
PENALTIES += [ElasticNet(0.5, 2.0), ElasticNet(0.5, 2.0, positive=True), ElasticNet(0.0, 0.0)]
POINTS = np.array([-3.0, -0.8, -0.1, 0.0, 0.2, 0.7, 2.5])


def least(f, penalty):
    low = 0.0 if penalty.positive else -60.0
    found = minimize_scalar(f, bounds=(low, 60.0), method="bounded", options={"xatol": 1e-11, "maxiter": 500})
    return min(found.fun, f(0.0)), found.x if found.fun < f(0.0) else 0.0


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_prox_is_the_nearest_point_that_the_penalty_allows(penalty):
    for t in (0.2, 1.0, 3.0):
        expected = [
            least(lambda v, w=w, t=t: (v - w) ** 2 / (2 * t) + penalty.value([v]), penalty)[1] for w in POINTS
        ]
        assert_allclose(penalty.prox(POINTS, t), expected, atol=1e-6)
    steps = np.linspace(0.1, 2, len(POINTS))
    assert_allclose(penalty.prox(POINTS, steps), [penalty.prox(w, t) for w, t in zip(POINTS, steps)])


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_conjugate_is_the_supremum(penalty):
    for v in POINTS:
        inside = penalty.l2 > 0 or (v if penalty.positive else abs(v)) <= penalty.l1
        expected = -least(lambda w, v=v: penalty.value([w]) - v * w, penalty)[0] if inside else np.inf
        assert_allclose(penalty.conjugate([v]), expected, atol=1e-8)
    w = penalty.prox(POINTS)  # Fenchel's equality: POINTS - w is a subgradient there
    slopes = (1 - 1e-12) * (POINTS - w)  # which rounding must not carry out of the conjugate's domain
    assert_allclose(penalty.value(w) + penalty.conjugate(slopes), w @ slopes, atol=1e-10)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_smallest_subgradient_vanishes_at_the_optimum_and_nowhere_else(penalty):
    w = penalty.prox(POINTS)
    gradient = w - POINTS  # of half the squared distance, of which w is the optimum with the penalty
    assert penalty.violation(w, gradient) < 1e-15
    assert penalty.violation(w + 0.1, gradient + 0.1) > 0.05
    other = np.array([0.0, 1.0, 0.3]) if penalty.positive else np.array([0.0, 1.0, -0.3])
    slope = penalty.subgradient(other, np.array([2.0, 0.1, -1.0]))
    step = 1e-7  # along minus the smallest subgradient everything falls, at the rate of its square

    def value(w):
        return np.array([2.0, 0.1, -1.0]) @ w + penalty.value(w)

    moved = other - step * slope
    if penalty.positive:
        moved = np.maximum(moved, 0)
    assert_allclose((value(other) - value(moved)) / step, slope @ slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_their_precision(dtype):
    penalty, w = ElasticNet(0.5, 2.0), POINTS.astype(dtype)
    for array in (penalty.gradient(w), penalty.prox(w, 0.5), penalty.subgradient(w, w)):
        assert array.dtype == dtype
    assert isinstance(penalty.value(w), float)
    assert isinstance(penalty.conjugate(w), float)


def test_the_gradient_is_that_of_the_smooth_part():
    assert_allclose(L2(1.5).gradient(POINTS), 1.5 * POINTS)
    assert not L1(1.0).gradient(POINTS).any()
    assert L1(1.0, positive=True).value([-1e-9]) == np.inf


@pytest.mark.parametrize(
    "make", [lambda s: L1(s), lambda s: L2(s), lambda s: ElasticNet(s, 1), lambda s: ElasticNet(1, s)]
)
@pytest.mark.parametrize("strength", [-1.0, np.nan, np.inf, "1"])
def test_a_strength_is_a_finite_number_of_at_least_zero(make, strength):
    with pytest.raises(ValueError, match="must be a finite number of at least 0, got"):
        make(strength)
