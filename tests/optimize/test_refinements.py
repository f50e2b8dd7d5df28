"""Clipping, weight decay and averaging: the functions, and what they make of a descent."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.optimize import (
    EMA,
    Polyak,
    average_into,
    clip_by_norm,
    clip_by_value,
    decay_weights,
    descend,
    descend_in_batches,
)
from calclearn.optimize.rules import AdamW, GradientDescent, Momentum

from .test_descent import Quadratic, Rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7,), (3, 4)])
def test_a_long_gradient_is_shortened_and_keeps_its_direction(rng, dtype, shape):
    """Equation (21)."""
    gradient = rng.normal(size=shape).astype(dtype)
    for scale in (1e-3, 1.0, 1e30):
        clipped = clip_by_norm(dtype(scale) * gradient, 0.5)
        assert clipped.dtype == dtype
        assert np.linalg.norm(clipped) <= 0.5 * (1 + 1e-6)
        expected = gradient / np.linalg.norm(gradient)
        assert_allclose(clipped / np.linalg.norm(clipped), expected, rtol=1e-5)


def test_a_short_gradient_is_left_alone_and_so_is_one_that_is_not_finite():
    gradient = np.array([3.0, 4.0])
    assert clip_by_norm(gradient, 5.0) is gradient
    for bad in (np.nan, np.inf):
        assert_array_equal(clip_by_norm(np.array([bad, 1.0]), 0.5), [bad, 1.0])
    assert_array_equal(clip_by_norm(np.zeros(2), 1.0), np.zeros(2))
    assert_array_equal(clip_by_value(np.array([-3.0, 0.5, 2.0]), 1.0), [-1.0, 0.5, 1.0])


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_clipping_keeps_float32_and_refuses_what_is_no_limit(clip):
    clipped = clip(np.array([3.0, 4.0], np.float32), np.float64(2.5))
    assert clipped.dtype == np.float32
    for limit in (0, -1.0, np.nan, "1", None):
        with pytest.raises(ValueError, match="limit must be a positive number, got "):
            clip(np.array([3.0, 4.0]), limit)


def test_what_is_done_in_place_is_not_rounded_to_integers():
    with pytest.raises(TypeError, match="int64"):
        decay_weights(np.array([2, -4]), 0.5, 0.1)
    with pytest.raises(TypeError, match="int64"):
        average_into(np.zeros(2, int), np.ones(2), 0.5)


def test_a_clipped_descent_takes_short_steps_where_a_plain_one_diverges():
    class Steep:
        def value_gradient(self, x):
            return float(np.sum(x**4 + x**2)), 4 * x**3 + 2 * x

    rule = GradientDescent(0.01)
    assert descend(Steep(), [30.0, -20.0], rule, tol=1e-3).reason == "diverged"
    for clip in ({"clip_norm": 50.0}, {"clip_value": 50.0}):
        path = [np.array([30.0, -20.0])]
        solution = descend(
            Steep(), path[0], rule, tol=1e-3, progress=lambda i, f, x, path=path: path.append(x), **clip
        )
        assert solution.reason == "gradient within tol"
        steps = np.diff(path, axis=0)
        size = np.linalg.norm(steps, axis=1) if "clip_norm" in clip else np.abs(steps).max(axis=1)
        assert size.max() == pytest.approx(0.5)


def test_weight_decay_with_gradient_descent_is_half_a_squared_norm_in_the_objective(rng):
    """Equation (23)."""
    plain = Quadratic([3.0, 1.0], rng.normal(size=2))

    class Penalised:
        def value_gradient(self, x):
            value, gradient = plain.value_gradient(x)
            return value + 0.1 * x @ x, gradient + 0.2 * x

    rule = GradientDescent(0.1, decay=0.05)
    one = descend(plain, [2.0, 3.0], rule, weight_decay=0.2, max_iter=30, tol=0.0)
    other = descend(Penalised(), [2.0, 3.0], rule, max_iter=30, tol=0.0)
    assert_allclose(one.x, other.x, rtol=1e-12)


def test_weight_decay_is_that_of_adamw(rng):
    plain = Quadratic([3.0, 1.0], rng.normal(size=2))
    one = descend(plain, [2.0, 3.0], "adam", weight_decay=0.2, max_iter=30, schedule="cosine")
    other = descend(plain, [2.0, 3.0], AdamW(weight_decay=0.2), max_iter=30, schedule="cosine")
    assert_allclose(one.x, other.x, rtol=1e-12)
    x = np.array([2.0], np.float32)
    decay_weights(x, 0.5, 0.5)
    assert (x.dtype, x[0]) == (np.float32, 1.5)


def test_polyaks_average_is_the_mean_of_what_is_not_skipped(rng):
    """Equation (25)."""
    path = rng.normal(size=(20, 3))
    for skip in (0, 5):
        mean = np.zeros(3)
        for k, x in enumerate(path, 1):
            average_into(mean, x, Polyak(skip=skip).weight(k))
        assert_allclose(mean, path[skip:].mean(axis=0), rtol=1e-12)


def test_the_weights_of_an_exponential_average_add_up_to_one(rng):
    """Equation (26)."""
    path, beta = rng.normal(size=(20, 3)), 0.8
    mean = np.zeros(3)
    for k, x in enumerate(path, 1):
        average_into(mean, x, EMA(beta).weight(k))
        assert_allclose(mean, np.average(path[:k], axis=0, weights=beta ** np.arange(k - 1.0, -1.0, -1.0)))


@pytest.mark.parametrize("averaging", [Polyak(skip=200), EMA(0.99), "polyak", "ema"])
def test_the_average_of_noisy_iterates_is_nearer_to_the_optimum(averaging):
    rows = Rows(np.random.default_rng(0), n=200, noise=1.0)
    optimum = np.linalg.lstsq(rows.X, rows.y)[0]

    def distance(averaging):
        solution = descend_in_batches(
            rows,
            optimum,
            GradientDescent(0.1),
            n_rows=200,
            batch_size=1,
            max_epochs=20,
            tol=0.0,
            averaging=averaging,
            rng=np.random.default_rng(0),
        )
        assert solution.value == rows.value_gradient(solution.x)[0]
        assert_array_equal(solution.gradient, rows.value_gradient(solution.x)[1])
        return np.linalg.norm(solution.x - optimum)

    assert distance(averaging) < 0.4 * distance(None)


def test_an_average_is_not_taken_where_it_is_worse_or_the_iterates_have_converged(rng):
    quadratic = Quadratic([3.0, 1.0], rng.normal(size=2))
    for options in ({"max_iter": 20, "tol": 0.0}, {"tol": 1e-8}):
        plain = descend(quadratic, [2.0, 3.0], Momentum(0.1, momentum=0.3), **options)
        averaged = descend(quadratic, [2.0, 3.0], Momentum(0.1, momentum=0.3), averaging=Polyak(), **options)
        assert_array_equal(averaged.x, plain.x)
        assert averaged.reason == plain.reason


def test_an_average_that_is_within_tol_has_converged_though_the_iterates_have_not():
    bowl, swinging = Quadratic([1.0], [0.0]), GradientDescent(2.0)  # between 1 and -1
    assert descend(bowl, [1.0], swinging, max_iter=4).reason == "iteration limit"
    solution = descend(bowl, [1.0], swinging, max_iter=4, averaging="polyak")
    assert (solution.reason, solution.converged, solution.x[0]) == ("gradient within tol", True, 0.0)
    stopped = descend(bowl, [1.0], swinging, averaging="polyak", progress=lambda i, value, x: i == 4)
    assert (stopped.reason, stopped.x[0]) == ("stopped by the callback", 0.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"clip_norm": 0}, ValueError, "clip_norm must be a positive number, got 0"),
        ({"clip_value": "1"}, ValueError, "clip_value must be a positive number, got '1'"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be a number of at least 0, got -1"),
        ({"averaging": "mean"}, ValueError, "averaging must be None, 'polyak', 'ema', .* got 'mean'"),
        ({"averaging": EMA}, ValueError, "averaging must be None"),
        ({"schedule": "linear"}, ValueError, "schedule is 'linear'; the known ones are"),
        ({"step_tol": -1.0}, ValueError, r"step_tol must be a number of at least 0, got -1\.0"),
    ],
)
def test_what_is_wrong_is_named(options, error, message):
    with pytest.raises(error, match=message):
        descend(Quadratic([1.0], [0.0]), [1.0], "adam", **options)


def test_what_is_wrong_with_an_average_is_named():
    with pytest.raises(ValueError, match=r"EMA: beta must lie in \[0, 1\), got 1"):
        EMA(1)
    with pytest.raises(ValueError, match=r"Polyak: skip must be an integer of at least 0, got 0\.5"):
        Polyak(0.5)
