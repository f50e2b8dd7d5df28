"""Second-order minimisers against problems whose optimum is known.  docs/derivations/newton.md."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der, rosen_hess
from scipy.special import expit

from calclearn.optimize import LineSearchNewton, Newton, NewtonCG, explain
from calclearn.optimize._newton import _Dense

SECOND_ORDER = [Newton, LineSearchNewton, NewtonCG]


@dataclass
class Problem:
    """An objective from three functions, that counts its calls; `optimum` is its least value."""

    value: object
    gradient: object
    curvature: object
    start: object
    optimum: float
    convex: bool = False
    scale: float = 1.0
    calls: dict = field(default_factory=lambda: {"gradient": 0, "hessian": 0})

    def value_gradient(self, x):
        assert not x.flags.writeable
        self.calls["gradient"] += 1
        return self.value(x), self.gradient(x)

    def hessian(self, x):
        self.calls["hessian"] += 1
        return self.curvature(x)

    def hessian_product(self, x):
        hessian = self.hessian(x)
        return lambda v: hessian @ v


def quadratic(condition, *, size=20, rank=None):
    """½xᵀAx − bᵀx, with eigenvalues from 1 to `condition`; with a rank, all but so many of them are zero."""
    rng = np.random.default_rng(0)
    vectors, _ = np.linalg.qr(rng.standard_normal((size, size)))
    eigenvalues = np.geomspace(condition, 1.0, size)
    eigenvalues[size if rank is None else rank :] = 0.0
    matrix = (vectors * eigenvalues) @ vectors.T
    matrix = 0.5 * (matrix + matrix.T)
    best = rng.standard_normal(size)
    b = matrix @ best
    return Problem(
        value=lambda x: 0.5 * x @ matrix @ x - b @ x,
        gradient=lambda x: matrix @ x - b,
        curvature=lambda x: matrix,
        start=np.zeros(size),
        optimum=-0.5 * best @ b,
        convex=True,
        scale=condition,
    )


def rosenbrock(start):
    return Problem(rosen, rosen_der, rosen_hess, np.array(start, dtype=float), 0.0, scale=1e3)


def beale():
    """Σ (cₖ − a + abᵏ)², least at (3, ½)."""
    c, k = np.array([1.5, 2.25, 2.625]), np.arange(1, 4)

    def residual(x):
        return c - x[0] + x[0] * x[1] ** k

    def jacobian(x):
        return np.column_stack([x[1] ** k - 1.0, x[0] * k * x[1] ** (k - 1)])

    def curvature(x):
        mixed = 2.0 * residual(x) @ (k * x[1] ** (k - 1.0))
        last = 2.0 * residual(x)[1:] @ (x[0] * (k * (k - 1))[1:] * x[1] ** (k[1:] - 2))
        return 2.0 * jacobian(x).T @ jacobian(x) + np.array([[0.0, mixed], [mixed, last]])

    return Problem(
        value=lambda x: residual(x) @ residual(x),
        gradient=lambda x: 2.0 * jacobian(x).T @ residual(x),
        curvature=curvature,
        start=np.array([1.0, 1.0]),
        optimum=0.0,
        scale=10.0,
    )


def saddle():
    """x² − y² + y⁴/4: stationary at the origin, least at (0, ±√2)."""
    return Problem(
        value=lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4,
        gradient=lambda x: np.array([2 * x[0], -2 * x[1] + x[1] ** 3]),
        curvature=lambda x: np.diag([2.0, -2.0 + 3 * x[1] ** 2]),
        start=np.zeros(2),
        optimum=-1.0,
    )


def turned_saddle():
    """(x² + y²)²/4 − xy: the diagonal of the Hessian at the stationary origin is zero."""
    return Problem(
        value=lambda x: (x @ x) ** 2 / 4 - x[0] * x[1],
        gradient=lambda x: (x @ x) * x - x[::-1],
        curvature=lambda x: (x @ x) * np.eye(2) + 2 * np.outer(x, x) - np.eye(2)[::-1],
        start=np.zeros(2),
        optimum=-0.25,
    )


def plateau():
    """1 − exp(−‖x‖²/2), from where it bends the wrong way."""
    return Problem(
        value=lambda x: 1.0 - np.exp(-x @ x / 2),
        gradient=lambda x: x * np.exp(-x @ x / 2),
        curvature=lambda x: (np.eye(2) - np.outer(x, x)) * np.exp(-x @ x / 2),
        start=np.array([2.0, 3.0]),
        optimum=0.0,
    )


def flat_bottom():
    """Σx⁴: the Hessian vanishes at the optimum."""
    return Problem(
        lambda x: np.sum(x**4),
        lambda x: 4 * x**3,
        lambda x: np.diag(12 * x**2),
        np.array([5.0, 0.1]),
        0.0,
        convex=True,
    )


def barrier():
    """Σ x − log x: NaN beyond zero, where the full Newton step from 5 leads."""

    def value(x):
        return np.sum(x - np.log(x)) if (x > 0).all() else np.nan

    return Problem(
        value, lambda x: 1 - 1 / x, lambda x: np.diag(x**-2.0), np.array([5.0, 0.1]), 2.0, convex=True
    )


def cliff():
    """Σ exp(x) − x: from −20 the full Newton step overflows to infinity."""
    return Problem(
        lambda x: np.sum(np.exp(x) - x),
        lambda x: np.exp(x) - 1,
        lambda x: np.diag(np.exp(x)),
        np.full(3, -20.0),
        3.0,
        convex=True,
    )


def logistic(l2=1.0, columns=None, units=1.0):
    """Σ log(1 + eᶠ) − yf + l2/2 ‖w‖² with f = Xw."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 5))
    y = (rng.random(200) < expit(X @ [1.0, -1.0, 0.5, 0.0, 2.0])).astype(float)
    X = (X if columns is None else X[:, columns]) * units

    def curvature(w):
        p = expit(X @ w)
        return (X.T * (p * (1 - p))) @ X + l2 * np.eye(X.shape[1])

    return Problem(
        value=lambda w: np.sum(np.logaddexp(0.0, X @ w) - y * (X @ w)) + 0.5 * l2 * w @ w,
        gradient=lambda w: X.T @ (expit(X @ w) - y) + l2 * w,
        curvature=curvature,
        start=np.zeros(X.shape[1]),
        optimum=np.nan,  # strictly convex: the gradient is proof
        convex=True,
        scale=np.abs(X).sum(),
    )


PROBLEMS = {
    **{f"quadratic of condition {c:g}": lambda c=c: quadratic(c) for c in (1, 1e2, 1e4, 1e6, 1e8)},
    "singular quadratic": lambda: quadratic(100.0, rank=10),
    "Rosenbrock in 2": lambda: rosenbrock([-1.2, 1.0]),
    "Rosenbrock in 20": lambda: rosenbrock(np.linspace(0.0, 2.0, 20)),
    "Beale": beale,
    "saddle": saddle,
    "turned saddle": turned_saddle,
    "plateau": plateau,
    "flat bottom": flat_bottom,
    "NaN beyond a barrier": barrier,
    "overflow beyond a cliff": cliff,
    "logistic": logistic,
    "logistic with collinear columns": lambda: logistic(l2=0.0, columns=[0, 1, 2, 0, 1]),
}


@pytest.mark.parametrize("solver", SECOND_ORDER)
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_solved_to_its_known_optimum(solver, name):
    """Gradient, value and curvature at the solution are those of a minimum."""
    problem = PROBLEMS[name]()
    tol = 1e-12 * problem.scale
    solution = solver(tol=tol).minimise(problem, problem.start)
    assert solution.converged, explain(solution.reason)
    assert np.abs(problem.gradient(solution.x)).max() <= tol
    curvature = np.linalg.eigvalsh(problem.curvature(solution.x))
    assert curvature[0] >= -1e-12 * curvature[-1]
    if not np.isnan(problem.optimum):
        assert_allclose(solution.value, problem.optimum, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("solver", SECOND_ORDER)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_record_agrees_with_the_objective(solver, name):
    """What a solution says of its point is what the objective says; its curve descends to it."""
    problem = PROBLEMS[name]()
    solution = solver().minimise(problem, problem.start)
    assert solution.value == problem.value(solution.x) == solution.curve[-1]
    assert_array_equal(solution.gradient, problem.gradient(solution.x))
    assert solution.n_evaluations == problem.calls["gradient"]
    assert len(solution.curve) == solution.n_iter + 1
    rounding = 1e-13 * np.abs(solution.curve).max()
    assert (np.diff(solution.curve) <= rounding).all()
    if solution.hessian is not None:
        assert_array_equal(solution.hessian, problem.curvature(solution.x))


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6, 1e8])
def test_a_quadratic_is_minimised_by_one_newton_step(condition):
    """Equation (2) is exact where the model is; one more step may repair the rounding of the first."""
    problem = quadratic(condition)
    solution = Newton(tol=1e-12 * condition).minimise(problem, problem.start)
    assert solution.n_iter <= 2


def test_a_full_step_costs_one_gradient_and_one_hessian():
    """A convex objective needs no Hessian at the solution."""
    problem = logistic()
    solution = Newton().minimise(problem, problem.start)
    assert problem.calls == {"gradient": solution.n_iter + 1, "hessian": solution.n_iter}
    assert solution.hessian is None


def test_a_start_at_the_optimum_costs_no_hessian_where_convex_and_one_where_not():
    for problem, expected in ((quadratic(10.0), 0), (rosenbrock([1.0, 1.0]), 1)):
        start = problem.start if not problem.convex else Newton().minimise(problem, problem.start).x
        problem.calls["hessian"] = 0
        solution = Newton(tol=1e-6).minimise(problem, start)
        assert (solution.n_iter, problem.calls["hessian"]) == (0, expected)


def test_the_hessian_is_asked_for_at_the_very_array_whose_gradient_was_taken():
    """So an objective can keep Xw by identity."""
    problem = rosenbrock([-1.2, 1.0])
    seen = []
    gradient, curvature = problem.gradient, problem.curvature
    problem.gradient = lambda x: seen.append(x) or gradient(x)

    def checked(x):
        assert x is seen[-1]
        return curvature(x)

    problem.curvature = checked
    assert Newton().minimise(problem, problem.start).converged


def test_convergence_is_quadratic():
    """Equation (3): near the optimum each gradient is of the order of the last one's square."""
    problem = logistic()
    norms = []
    Newton(tol=1e-11).minimise(
        problem, problem.start, lambda i, f, x: norms.append(np.abs(problem.gradient(x)).max())
    )
    constants = [after / before**2 for before, after in pairwise(norms) if after > 1e-10]
    assert len(constants) >= 2
    assert max(constants) < 1.0


def test_units_of_the_parameters_do_not_matter():
    """The region is a ball in scaled variables (7): the same iterates, in other units."""
    units = np.array([1e7, 1.0, 1e-6, 1e3, 1.0])
    plain, scaled = logistic(l2=0.0), logistic(l2=0.0, units=units)
    expected = Newton(tol=1e-6).minimise(plain, plain.start)
    # A gradient in units of 1e7 cannot come within tol; the iterates are the same all the same.
    found = Newton(tol=1e-6, max_iter=expected.n_iter).minimise(scaled, scaled.start)
    assert_allclose(found.curve[: len(expected.curve)], expected.curve, rtol=1e-12)
    assert_allclose(found.x * units, expected.x, rtol=1e-9)


def test_duplicated_columns_share_the_coefficient():
    """A flat direction is not walked along: the solution stays as symmetric as the start."""
    problem = logistic(l2=0.0, columns=[0, 1, 2, 3, 4, 0])
    x = Newton().minimise(problem, problem.start).x
    single = logistic(l2=0.0)
    assert_allclose(x[0], x[5], rtol=1e-9)
    expected = Newton().minimise(single, single.start).x
    assert_allclose([x[0] + x[5], *x[1:5]], expected, rtol=1e-9)


def test_a_zero_column_keeps_its_coefficient():
    problem = logistic(l2=0.0, units=np.array([1.0, 0.0, 1.0, 1.0, 1.0]))
    solution = Newton().minimise(problem, problem.start)
    assert solution.converged
    assert abs(solution.x[1]) <= 1e-13


@pytest.mark.parametrize("solver", SECOND_ORDER)
def test_without_a_tolerance_it_ends_at_rounding_level(solver):
    """Below the rounding of the objective the gradient judges (12), to its own rounding."""
    problem = logistic()
    solution = solver(tol=0.0).minimise(problem, problem.start)
    assert solution.reason in ("at rounding level", "gradient within tol")
    assert solution.converged
    assert solution.gradient_norm <= 1e-15 * problem.scale


@pytest.mark.parametrize("solver", SECOND_ORDER)
@pytest.mark.parametrize(
    ("value", "gradient", "curvature", "start"),
    [
        (lambda x: -x @ x, lambda x: -2 * x, lambda x: -2 * np.eye(2), [0.0, 0.0]),
        (lambda x: -x @ x, lambda x: -2 * x, lambda x: -2 * np.eye(2), [1.0, 1.0]),
        (lambda x: x[0], lambda x: np.array([1.0]), lambda x: np.zeros((1, 1)), [0.0]),
        (
            lambda x: x[0] + x[1] ** 2,
            lambda x: np.array([1.0, 2 * x[1]]),
            lambda x: np.diag([0.0, 2.0]),
            [0.0, 1.0],
        ),
    ],
    ids=["cap from its top", "cap", "ramp", "valley"],
)
def test_an_objective_without_a_minimum_is_said_to_be_unbounded(solver, value, gradient, curvature, start):
    solution = solver(max_iter=200).minimise(Problem(value, gradient, curvature, start, -np.inf), start)
    assert (solution.converged, solution.reason) == (False, "unbounded below")


def test_a_start_or_a_hessian_that_is_not_finite_is_said_so():
    problem = barrier()
    outside = Newton().minimise(problem, [-1.0, 1.0])
    assert (outside.converged, outside.reason, outside.n_iter) == (False, "not finite", 0)
    problem.curvature = lambda x: np.full((2, 2), np.nan)
    for solver in SECOND_ORDER:
        assert solver().minimise(problem, problem.start).reason == "not finite"


@pytest.mark.parametrize("solver", SECOND_ORDER)
def test_a_gradient_of_another_function_is_found_out(solver):
    """No radius is small enough for it, so the search ends, in finite time, unconverged."""
    problem = quadratic(10.0)
    gradient = problem.gradient
    problem.gradient = lambda x: -gradient(x)
    solution = solver().minimise(problem, problem.start)
    assert (solution.converged, solution.reason) == (False, "no decrease found")


@pytest.mark.parametrize("solver", SECOND_ORDER)
def test_the_iteration_limit_and_the_callback_end_it(solver):
    problem = rosenbrock([-1.2, 1.0])
    limited = solver(max_iter=3).minimise(problem, problem.start)
    assert (limited.n_iter, limited.converged, limited.reason) == (3, False, "iteration limit")
    seen = []

    def progress(iteration, value, x):
        seen.append((iteration, value, x))
        return iteration == 4

    stopped = solver().minimise(problem, problem.start, progress)
    assert (stopped.converged, stopped.reason) == (False, "stopped by the callback")
    assert [iteration for iteration, _, _ in seen] == [1, 2, 3, 4]
    assert [value for _, value, _ in seen] == stopped.curve[1:]
    assert seen[-1][2] is stopped.x


def test_an_objective_of_no_variables_is_at_its_minimum():
    empty = Problem(lambda x: 1.5, lambda x: x.copy(), lambda x: np.empty((0, 0)), [], 1.5)
    solution = Newton().minimise(empty, [])
    assert (solution.value, solution.converged, solution.n_iter) == (1.5, True, 0)


def test_what_is_missing_or_wrong_is_named():
    problem = quadratic(1.0)
    with pytest.raises(
        TypeError, match=r"Newton needs .* value_gradient\(x\), hessian\(x\); object lacks value_g"
    ):
        Newton().minimise(object(), [0.0])
    problem.hessian = None
    with pytest.raises(TypeError, match="Problem lacks hessian"):
        Newton().minimise(problem, problem.start)
    for x0 in (np.zeros((2, 2)), [np.nan], 3.0):
        with pytest.raises(ValueError, match="x0 must be a vector of finite numbers"):
            NewtonCG().minimise(problem, x0)
    with pytest.raises(ValueError, match="tol must be a number of at least 0, got -1"):
        Newton(tol=-1)
    with pytest.raises(ValueError, match=r"max_iter must be an integer of at least 0, got 2\.5"):
        NewtonCG(max_iter=2.5)
    problem = quadratic(1.0)
    problem.curvature = lambda x: np.eye(3)
    with pytest.raises(ValueError, match=r"hessian\(x\) must have shape \(20, 20\), got \(3, 3\)"):
        Newton().minimise(problem, problem.start)


HESSIANS = {
    "positive definite": [4.0, 3.0, 2.0, 1.0],
    "indefinite": [4.0, 1.0, -1.0, -3.0],
    "negative definite": [-1.0, -2.0, -3.0, -4.0],
    "singular": [3.0, 2.0, 1.0, 0.0],
    "double lowest": [3.0, 1.0, -2.0, -2.0],
}


@pytest.mark.parametrize("eigenvalues", HESSIANS.values(), ids=HESSIANS)
@pytest.mark.parametrize("radius", [1e-3, 0.5, 10.0, 1e4])
@pytest.mark.parametrize("case", ["easy", "hard", "nearly hard"])
def test_the_step_meets_the_conditions_of_a_constrained_minimum(eigenvalues, radius, case):
    """Equation (5): (H + μD²)s = −g with μ ≥ 0, H + μD² semidefinite, and μ = 0 inside the region."""
    rng = np.random.default_rng(3)
    vectors, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    scale = np.array([1.0, 2.0, 5.0, 10.0])
    matrix = (vectors * eigenvalues) @ vectors.T
    model = _Dense(np.zeros(4), rng.standard_normal(4), scale[:, None] * matrix * scale, None)
    if case != "easy":
        inner = (model.hessian / model.scale) / model.scale[:, None]
        curvature, basis = np.linalg.eigh(inner)
        coefficients = basis.T @ model.gradient
        lowest = curvature - curvature[0] < 1e-9
        coefficients[lowest] *= 0.0 if case == "hard" else 1e-13
        model.gradient = basis @ coefficients
    step = model.step(radius, noise=0.0)
    inner = model.hessian / model.scale / model.scale[:, None]
    t = model.scale * step.vector
    residual = inner @ t + model.gradient
    multiplier = max(-(residual @ t) / (t @ t), 0.0)
    size = np.linalg.norm(inner) + multiplier
    assert np.linalg.norm(t) <= radius * 1.11
    assert_allclose(residual, -multiplier * t, atol=1e-9 * size * np.linalg.norm(t))
    assert np.linalg.eigvalsh(inner)[0] + multiplier >= -1e-9 * size
    if step.inside:
        assert multiplier <= 1e-12 * size
    else:
        assert_allclose(np.linalg.norm(t), radius, rtol=0.11)
    rounding = 1e-15 * np.linalg.norm(inner) * t @ t
    assert_allclose(step.gain, -(model.gradient @ t + 0.5 * t @ inner @ t), rtol=1e-9, atol=rounding)


def test_a_step_as_long_as_the_region_but_for_rounding_is_taken():
    """Else the shift of the secular equation stayed 0, and the search for it never ended."""
    from calclearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 30)), rng.integers(2, size=500)
    model = LogisticRegression(warm_start=True, solver="newton-cholesky").fit(X, y)
    best = model.optimality_.objective
    model.coef_ = np.full_like(model.coef_, 1e5)
    model.fit(X, y)
    assert model.optimality_.objective == pytest.approx(best, rel=1e-6)
