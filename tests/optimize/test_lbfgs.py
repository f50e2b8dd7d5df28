"""L-BFGS against the problems of the second-order minimisers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.optimize import LBFGS, explain

from .test_newton import PROBLEMS, Problem, barrier, logistic, quadratic, rosenbrock, saddle

FIRST_ORDER = [name for name in PROBLEMS if "saddle" not in name and name[-3:] not in ("+06", "+08")]


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_every_problem_is_solved_to_its_known_optimum(name):
    """The gradient is within a tolerance that differences of the objective could not reach."""
    problem = PROBLEMS[name]()
    tol = 1e-10 * problem.scale
    solution = LBFGS(tol=tol).minimise(problem, problem.start)
    assert solution.converged, explain(solution.reason)
    assert solution.reason == "gradient within tol"
    assert np.abs(problem.gradient(solution.x)).max() <= tol
    if not np.isnan(problem.optimum):
        assert_allclose(solution.value, problem.optimum, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_the_record_agrees_with_the_objective(name):
    problem = PROBLEMS[name]()
    solution = LBFGS().minimise(problem, problem.start)
    assert solution.value == problem.value(solution.x) == solution.curve[-1]
    assert_array_equal(solution.gradient, problem.gradient(solution.x))
    assert solution.n_evaluations == problem.calls["gradient"]
    assert len(solution.curve) == solution.n_iter + 1
    rounding = 1e-13 * np.abs(solution.curve).max()
    assert (np.diff(solution.curve) <= rounding).all()


@pytest.mark.parametrize("condition", [1e6, 1e8])
def test_an_ill_conditioned_quadratic_is_not_called_solved_before_it_is(condition):
    problem = quadratic(condition)
    solution = LBFGS(tol=1e-13 * condition, max_iter=50).minimise(problem, problem.start)
    assert (solution.converged, solution.reason, solution.n_iter) == (False, "iteration limit", 50)


def test_a_gradient_that_vanishes_at_a_saddle_is_all_that_first_order_sees():
    problem = saddle()
    solution = LBFGS().minimise(problem, problem.start)
    assert (solution.converged, solution.n_iter, solution.hessian) == (True, 0, None)


def test_without_a_tolerance_the_gradient_falls_to_its_own_rounding():
    """Far below the root of the objective's rounding, where line searches on its values end."""
    problem = logistic()
    solution = LBFGS(tol=0.0).minimise(problem, problem.start)
    assert solution.gradient_norm <= 1e-14 * problem.scale
    assert solution.reason in ("at rounding level", "gradient within tol")
    assert solution.converged


def test_a_gradient_of_another_function_is_found_out():
    problem = quadratic(10.0)
    gradient = problem.gradient
    problem.gradient = lambda x: -gradient(x)
    solution = LBFGS().minimise(problem, problem.start)
    assert (solution.converged, solution.reason) == (False, "no decrease found")
    assert_array_equal(solution.x, problem.start)


def test_an_objective_without_a_minimum_is_said_to_be_unbounded():
    cap = Problem(lambda x: -x @ x, lambda x: -2 * x, None, np.ones(2), -np.inf)
    solution = LBFGS().minimise(cap, cap.start)
    assert (solution.converged, solution.reason) == (False, "unbounded below")


def test_minus_infinity_at_a_trial_is_unbounded_at_the_last_iterate():
    def value(x):
        return -np.inf if x[0] > 3.0 else -np.exp(x[0])

    pit = Problem(value, lambda x: -np.exp(x), None, np.zeros(1), -np.inf)
    solution = LBFGS().minimise(pit, pit.start)
    assert solution.reason == "unbounded below"
    assert np.isfinite(solution.value)


def test_a_start_that_is_not_finite_is_said_so():
    solution = LBFGS().minimise(barrier(), [-1.0, 1.0])
    assert (solution.converged, solution.reason, solution.n_iter) == (False, "not finite", 0)


def test_the_callback_ends_it():
    problem = rosenbrock([-1.2, 1.0])
    seen = []

    def progress(iteration, value, x):
        seen.append((iteration, value))
        return iteration == 4

    solution = LBFGS().minimise(problem, problem.start, progress)
    assert (solution.converged, solution.reason) == (False, "stopped by the callback")
    assert [iteration for iteration, _ in seen] == [1, 2, 3, 4]
    assert [value for _, value in seen] == solution.curve[1:]


def test_what_is_missing_or_wrong_is_named():
    with pytest.raises(TypeError, match=r"LBFGS needs an objective with value_gradient\(x\); object lacks"):
        LBFGS().minimise(object(), [0.0])
    with pytest.raises(ValueError, match="memory must be an integer of at least 1, got 0"):
        LBFGS(memory=0)
    with pytest.raises(ValueError, match="tol must be a number of at least 0, got nan"):
        LBFGS(tol=float("nan"))
