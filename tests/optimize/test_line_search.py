"""The line search of Newton's method: its direction, and how far it goes.  docs/derivations/newton.md."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.optimize import LineSearchNewton, Newton
from calclearn.optimize._newton import _Dense

from .test_newton import HESSIANS, Problem, logistic, turned_saddle


@pytest.mark.parametrize("eigenvalues", HESSIANS.values(), ids=HESSIANS)
def test_the_direction_is_newtons_with_every_curvature_made_positive(eigenvalues, rng):
    """Equation (15), in the scaled variables; it leads down, whatever the signs."""
    vectors, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    scale = np.array([1.0, 2.0, 5.0, 10.0])
    matrix = scale[:, None] * (vectors * eigenvalues) @ vectors.T * scale
    gradient = rng.standard_normal(4)
    model = _Dense(np.zeros(4), gradient, matrix, None)
    direction = model.descent(noise=0.0)
    assert gradient @ direction < 0.0
    curvature, basis = np.linalg.eigh(matrix / model.scale / model.scale[:, None])
    positive = np.abs(curvature)
    positive[positive < 1e-12] = 1e-3 * positive.max()
    residual = (basis * positive) @ basis.T @ (model.scale * direction) + gradient / model.scale
    assert_allclose(residual, 0.0, atol=1e-9)


def test_where_full_steps_pass_the_iterates_are_those_of_the_trust_region():
    paths = []
    for solver in (Newton, LineSearchNewton):
        path, problem = [], logistic()
        solver(tol=1e-10).minimise(problem, problem.start, lambda i, f, x, path=path: path.append(x))
        paths.append(path)
    assert_array_equal(*paths)


def test_a_step_that_passes_where_the_curvature_is_negative_is_doubled():
    """From the top of -x^2/2 + x^4/4000 the first guess is 1; the minimum is at the root of 1000."""
    hill = Problem(
        lambda x: float(-0.5 * x @ x + np.sum(x**4) / 4000),
        lambda x: -x + x**3 / 1000,
        lambda x: np.diag(-1 + 3 * x**2 / 1000),
        np.zeros(1),
        -250.0,
    )
    first = LineSearchNewton(max_iter=1).minimise(hill, hill.start)
    assert abs(first.x[0]) == 32.0
    solution = LineSearchNewton().minimise(hill, hill.start)
    assert solution.n_iter <= 5
    assert_allclose(solution.value, hill.optimum, rtol=1e-14)


def test_every_accepted_step_keeps_a_little_of_its_promise():
    """Equation (17)."""
    problem = turned_saddle()
    seen = []
    start = np.array([0.9, -1.3])
    LineSearchNewton().minimise(problem, start, lambda i, f, x: seen.append((f, x)))
    before = (problem.value(start), start)
    for value, x in seen:
        slope = -problem.gradient(before[1]) @ (x - before[1])
        assert before[0] - value >= 1e-4 * slope - 1e-15
        before = (value, x)


def test_from_a_hilltop_to_the_next_of_the_same_height_is_too_far():
    """No slope and no fall: the parabola through them is flat, and has no minimum."""
    w = 2 * np.pi
    hills = Problem(
        lambda x: float(np.cos(w * x[0])),
        lambda x: -w * np.sin(w * x),
        lambda x: np.array([[-w * w * np.cos(w * x[0])]]),
        np.zeros(1),
        -1.0,
    )
    solution = LineSearchNewton().minimise(hills, hills.start)
    assert solution.reason == "gradient within tol"
    assert_allclose(np.abs(solution.x), 0.5)
