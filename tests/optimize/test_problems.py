"""Every solver on problems whose optimum is known: where it arrives, not only that it says so."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from calclearn.optimize import (
    LBFGS,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    CoordinateDescent,
    GradientDescent,
    LineSearchNewton,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Newton,
    NewtonCG,
    RMSprop,
    descend,
    explain,
)

from .test_newton import Problem, barrier, beale, cliff, logistic, plateau, quadratic, rosenbrock, saddle


def himmelblau():
    """(a² + b − 11)² + (a + b² − 7)²: four minima, all of them zero."""

    def residual(x):
        return np.array([x[0] ** 2 + x[1] - 11, x[0] + x[1] ** 2 - 7])

    def jacobian(x):
        return np.array([[2 * x[0], 1.0], [1.0, 2 * x[1]]])

    return Problem(
        value=lambda x: residual(x) @ residual(x),
        gradient=lambda x: 2 * jacobian(x).T @ residual(x),
        curvature=lambda x: 2 * jacobian(x).T @ jacobian(x) + 4 * np.diag(residual(x)),
        start=np.array([0.0, 0.0]),
        optimum=0.0,
        scale=10.0,
    )


def powell():
    """Powell's singular function: the Hessian at the minimum, zero, has rank two of four."""
    A = np.array([[1.0, 10, 0, 0], [0, 0, 5**0.5, -(5**0.5)]])
    B = np.array([[0.0, 1, -2, 0], [10**0.25, 0, 0, -(10**0.25)]])

    def curvature(x):
        return 2 * A.T @ A + (B.T * (12 * (B @ x) ** 2)) @ B

    return Problem(
        value=lambda x: np.sum((A @ x) ** 2) + np.sum((B @ x) ** 4),
        gradient=lambda x: 2 * A.T @ (A @ x) + 4 * B.T @ (B @ x) ** 3,
        curvature=curvature,
        start=np.array([3.0, -1.0, 0.0, 1.0]),
        optimum=0.0,
        convex=True,
        scale=100.0,
    )


def near_saddle():
    """The saddle from beside its stationary point, as a gradient sees nothing there."""
    problem = saddle()
    problem.start = np.array([1.0, 1e-3])
    return problem


def best_of_quadratic(condition):
    problem = quadratic(condition)
    return np.linalg.solve(problem.curvature(None), -problem.gradient(np.zeros(20)))


ROOT = 2**0.5
PROBLEMS = {
    "quadratic of condition 1": (lambda: quadratic(1), lambda: [best_of_quadratic(1)]),
    "quadratic of condition 1e4": (lambda: quadratic(1e4), lambda: [best_of_quadratic(1e4)]),
    "quadratic of condition 1e8": (lambda: quadratic(1e8), lambda: [best_of_quadratic(1e8)]),
    "Rosenbrock in 2": (lambda: rosenbrock([-1.2, 1.0]), lambda: [np.ones(2)]),
    "Rosenbrock in 100": (lambda: rosenbrock(np.linspace(0.0, 2.0, 100)), lambda: [np.ones(100)]),
    "Beale": (beale, lambda: [[3.0, 0.5]]),
    "Himmelblau": (
        himmelblau,
        lambda: [
            [3.0, 2.0],
            [-2.805118086952745, 3.131312518250573],
            [-3.779310253377747, -3.283185991286170],
            [3.584428340330492, -1.848126526964404],
        ],
    ),
    "Powell": (powell, lambda: [np.zeros(4)]),
    "saddle": (near_saddle, lambda: [[0.0, ROOT], [0.0, -ROOT]]),
    "plateau": (plateau, lambda: [np.zeros(2)]),
    "logistic": (logistic, lambda: [Newton(tol=1e-10).minimise(logistic(), np.zeros(5)).x]),
}


def distance(name, x):
    """To the nearest minimum."""
    return min(np.linalg.norm(x - np.asarray(best)) for best in PROBLEMS[name][1]())


# ------------------------------------------------------------------------------------------ second order

SECOND_ORDER = [Newton, LineSearchNewton, NewtonCG, LBFGS]


# Ten pairs of gradients do not tell eight decades of curvature apart; test_lbfgs.py has what is said then.
PAIRS = [(s, n) for s in SECOND_ORDER for n in PROBLEMS if (s, n) != (LBFGS, "quadratic of condition 1e8")]


@pytest.mark.parametrize(("solver", "name"), PAIRS)
def test_second_order_minimisers_solve_every_problem(solver, name):
    problem = PROBLEMS[name][0]()
    tol = 1e-10 * problem.scale
    solution = solver(tol=tol).minimise(problem, problem.start)
    assert solution.reason == "gradient within tol", explain(solution.reason)
    assert np.abs(problem.gradient(solution.x)).max() <= tol
    # Powell's minimum is flat: a gradient of 1e-8 is a distance of its third root.
    assert distance(name, solution.x) <= {"Powell": 3e-3, "quadratic of condition 1e8": 2e-2}.get(name, 1e-6)


# ------------------------------------------------------------------------------------------- first order

COSINE = {"schedule": "cosine"}
EVERYWHERE = ["quadratic of condition 1", "Beale", "Himmelblau", "saddle", "plateau", "logistic"]
RATES = {  # in the order of EVERYWHERE
    GradientDescent: ((1.0, 0.02, 0.01, 0.1, 1.0, 0.01), {}),
    Momentum: ((0.01, 0.01, 0.01, 0.01, 0.01, 0.01), {}),
    Nesterov: ((0.01, 0.01, 0.001, 0.01, 0.1, 0.01), {}),
    RMSprop: ((0.3, 0.03, 0.3, 0.3, 0.03, 0.3), COSINE),
    Adagrad: ((1.0, 1.0, 1.0, 1.0, 1.0, 0.3), {}),
    Adam: ((0.03, 0.3, 0.3, 0.1, 0.1, 0.03), COSINE),
    NAdam: ((0.3, 0.3, 0.3, 0.3, 0.03, 0.3), COSINE),
    AMSGrad: ((0.03, 0.3, 0.03, 0.3, 0.3, 0.03), COSINE),
    Lion: ((0.01, 0.01, 0.1, 0.01, 0.01, 0.01), COSINE),
}


@pytest.mark.parametrize("rule", RATES)
@pytest.mark.parametrize("number", range(len(EVERYWHERE)), ids=EVERYWHERE)
def test_every_rule_solves_the_benign_problems(rule, number):
    """At a rate that suits the problem, within 1500 steps, to four digits."""
    name, (rates, options) = EVERYWHERE[number], RATES[rule]
    problem = PROBLEMS[name][0]()
    made = rule(learning_rate=rates[number])
    solution = descend(problem, problem.start, made, max_iter=1500, tol=1e-7 * problem.scale, **options)
    assert solution.reason in ("gradient within tol", "iteration limit")
    assert distance(name, solution.x) <= 1e-4


ROOT_KAPPA = 100.0
HEAVY = Momentum(4 / (ROOT_KAPPA + 1) ** 2, momentum=((ROOT_KAPPA - 1) / (ROOT_KAPPA + 1)) ** 2)
AHEAD = Nesterov(1e-4, momentum=(ROOT_KAPPA - 1) / (ROOT_KAPPA + 1))
VALLEYS = [
    ("quadratic of condition 1e4", HEAVY, {}),
    ("quadratic of condition 1e4", AHEAD, {}),
    ("Rosenbrock in 2", Momentum(1e-3, momentum=0.97), {}),
    ("Rosenbrock in 2", Nesterov(1e-3, momentum=0.97), {}),
    ("Rosenbrock in 2", Adam(0.3), COSINE),
    ("Rosenbrock in 2", AMSGrad(0.3), COSINE),
    ("Rosenbrock in 2", Lion(0.03), COSINE),
    ("Rosenbrock in 100", Momentum(5e-4, momentum=0.97), {}),
    ("Rosenbrock in 100", Lion(0.03), COSINE),
]


@pytest.mark.parametrize(("name", "rule", "options"), VALLEYS, ids=lambda value: str(value)[:40])
def test_rules_that_remember_find_the_end_of_a_valley(name, rule, options):
    problem = PROBLEMS[name][0]()
    solution = descend(problem, problem.start, rule, max_iter=3000, tol=1e-9 * problem.scale, **options)
    assert distance(name, solution.x) <= 1e-2


# ------------------------------------------------------------------------------------------- coordinates


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_coordinate_descent_solves_the_benign_problems(selection, name):
    problem = PROBLEMS[name][0]()
    solver = CoordinateDescent(tol=1e-9 * problem.scale, selection=selection)
    solution = solver.minimise(problem, problem.start)
    assert solution.reason == "gradient within tol"
    assert distance(name, solution.x) <= 1e-6
    assert (np.diff(solution.curve) <= 1e-13 * np.abs(solution.curve).max()).all()


@pytest.mark.parametrize("make", [barrier, cliff])
def test_coordinate_descent_turns_back_from_where_there_is_no_value(make):
    problem = make()
    solution = CoordinateDescent(tol=1e-9).minimise(problem, problem.start)
    assert solution.reason == "gradient within tol"
    assert_allclose(solution.value, problem.optimum, rtol=1e-12)


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
def test_coordinates_that_do_not_depend_on_one_another_take_three_sweeps_whatever_their_scales(selection):
    """The first step learns the curvature, the second is exact (27)."""
    curvature = np.geomspace(1e-3, 1e5, 6)
    problem = Problem(
        lambda x: 0.5 * curvature @ x**2, lambda x: curvature * x, None, np.linspace(1.0, 2.0, 6), 0.0
    )
    solution = CoordinateDescent(tol=1e-9, selection=selection).minimise(problem, problem.start)
    assert solution.converged
    assert solution.n_iter <= 3


def test_coordinate_descent_says_how_it_fails():
    ramp = Problem(lambda x: float(x[0]), lambda x: np.array([1.0]), None, [0.0], -np.inf)
    assert CoordinateDescent().minimise(ramp, [0.0]).reason == "unbounded below"
    wrong = Problem(lambda x: float(x @ x), lambda x: -2 * x, None, [1.0, 2.0], 0.0)
    assert CoordinateDescent().minimise(wrong, [1.0, 2.0]).reason == "no decrease found"
    with pytest.raises(ValueError, match="selection must be 'cyclic' or 'greedy', got 'random'"):
        CoordinateDescent(selection="random")


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
def test_a_coordinate_at_a_kink_does_not_keep_the_others_from_their_minimum(selection):
    def slope(x):
        return np.array([10.0 if x[0] >= 1.0 else -10.0, 2 * x[1], 2 * x[2]])

    kinked = Problem(lambda x: float(10 * abs(x[0] - 1) + x[1] ** 2 + x[2] ** 2), slope, None, [], 0.0)
    solution = CoordinateDescent(selection=selection).minimise(kinked, [1.0, 1.0, 3.0])
    assert solution.reason == "no decrease found"
    assert_allclose(solution.x, [1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
def test_where_the_objective_has_fallen_without_end_no_slope_is_asked(selection):
    """There the slope is NaN, and a step along it would never become short."""

    def slope(x):
        s = x.sum()
        return np.full(2, -np.exp(s) * (2 + np.cos(s)) + np.exp(s) * np.sin(s))

    falls = Problem(lambda x: float(-np.exp(x.sum()) * (2 + np.cos(x.sum()))), slope, None, [], -np.inf)
    solution = CoordinateDescent(selection=selection).minimise(falls, [300.0, 405.0])
    assert (solution.reason, solution.value) == ("unbounded below", -np.inf)


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
@pytest.mark.parametrize("start", [1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-53, -1.0 - 2.0**-52])
def test_a_step_that_cannot_become_shorter_is_the_last(selection, start):
    """Half of a number's last digit, added to it, may be rounded to a whole one."""
    wrong = Problem(lambda x: float(x[0]), lambda x: -np.ones(1), None, [], 0.0)
    assert CoordinateDescent(selection=selection).minimise(wrong, [start]).reason == "no decrease found"


@pytest.mark.parametrize("selection", ["cyclic", "greedy"])
def test_slopes_whose_squares_overflow_are_followed_all_the_same(selection):
    steep = Problem(lambda x: float(1e160 * x @ x), lambda x: 2e160 * x, None, [], 0.0)
    solution = CoordinateDescent(tol=1e150, selection=selection).minimise(steep, [1.0, 2.0])
    assert solution.converged


@pytest.mark.parametrize(
    "solver", [LineSearchNewton(), CoordinateDescent(), CoordinateDescent(selection="greedy")], ids=repr
)
def test_a_step_so_short_that_its_promise_underflows_is_no_fall(solver):
    """From zero a step can be halved a thousand times."""
    wrong = Problem(lambda x: float(x @ x), lambda x: np.ones(2), lambda x: np.eye(2), [], 0.0)
    assert solver.minimise(wrong, np.zeros(2)).reason == "no decrease found"


def test_a_gradient_whose_square_overflows_is_neither_a_warning_nor_small():
    steep = Problem(lambda x: float(1e160 * x @ x), lambda x: 2e160 * x, lambda x: 2e160 * np.eye(2), [], 0.0)
    for solver in (Newton(), LineSearchNewton(), NewtonCG()):
        solution = solver.minimise(steep, np.ones(2))
        assert solution.converged is (solution.value == 0.0)


# ----------------------------------------------------------------------------------------------- endings

MINIMISERS = [Newton, LineSearchNewton, NewtonCG, LBFGS, CoordinateDescent]
RULES = [*RATES, AdamW]


def run(method, problem, **options):
    """By a minimiser or by a rule, the same way."""
    progress = options.pop("progress", None)
    if method in RULES:
        return descend(problem, problem.start, method(learning_rate=0.001), progress=progress, **options)
    return method(**options).minimise(problem, problem.start, progress)


@pytest.mark.parametrize("method", [*MINIMISERS, *RULES])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_iter": 2}, "iteration limit"),
        ({"tol": 1e9}, "gradient within tol"),
        ({"stall_tol": 1e9, "patience": 2}, "objective stalled"),
        ({"step_tol": 1e9}, "step within tol"),
        ({"progress": lambda iteration, value, x: iteration == 2}, "stopped by the callback"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_every_reason_to_stop_is_there_for_every_method(method, options, reason):
    assert run(method, rosenbrock([-1.2, 1.0]), **options).reason == reason


@pytest.mark.parametrize("rule", RULES)
def test_a_rate_that_is_far_too_high_is_divergence_and_the_best_iterate_is_kept(rule):
    problem = himmelblau()
    solution = descend(problem, problem.start, rule(learning_rate=1e6))
    assert (solution.reason, solution.converged) == ("diverged", False)
    assert solution.value == np.nanmin(solution.curve) == problem.value(solution.x)
    assert np.isfinite(solution.gradient).all()
