"""The data loop: what descent promises on quadratics, how it sees batches, and how it ends."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.optimize._descent import descend, descend_in_batches
from calclearn.optimize.rules import Adam, GradientDescent, Momentum


class Quadratic:
    """Half the sum of curvature (x - centre)**2, in rotated coordinates."""

    def __init__(self, curvature, centre, rotation=None):
        self.curvature, self.centre = np.asarray(curvature, float), np.asarray(centre, float)
        self.rotation = np.eye(len(self.curvature)) if rotation is None else rotation

    def value_gradient(self, x):
        e = self.rotation.T @ x - self.centre
        return 0.5 * float(self.curvature @ e**2), self.rotation @ (self.curvature * e)


class Rows:
    """Half the mean squared error of X x, by batches; remembers which rows were asked for."""

    def __init__(self, rng, n=40, p=3, noise=0.0):
        self.X = rng.normal(size=(n, p))
        self.y = self.X @ np.arange(1.0, p + 1) + noise * rng.normal(size=n)
        self.asked = []

    def value_gradient(self, x):
        return 0.5 * float(np.mean((self.X @ x - self.y) ** 2)), self.mean_gradient(x, slice(None))

    def gradient_of_batch(self, x, rows):
        self.asked.append(rows)
        return self.mean_gradient(x, rows)

    def mean_gradient(self, x, rows):
        e = self.X[rows] @ x - self.y[rows]
        return self.X[rows].T @ e / len(e)


@pytest.fixture
def quadratic(rng):
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return Quadratic([10.0, 5.0, 2.0, 1.0, 0.5], rng.normal(size=5), rotation)


@pytest.fixture
def rows(rng):
    return Rows(rng)


def path_of(objective, x0, rule, **keywords):
    """The path of a descent, start included."""
    path = [np.asarray(x0, float)]
    solution = descend(objective, x0, rule, progress=lambda i, value, x: path.append(x), **keywords)
    return np.array(path), solution


# ------------------------------------------------------------------------------------------ quadratics


def test_each_coordinate_of_the_error_shrinks_by_one_minus_rate_times_curvature(quadratic):
    path, _ = path_of(quadratic, np.zeros(5), GradientDescent(0.1), max_iter=30, tol=0.0)
    error = path @ quadratic.rotation - quadratic.centre
    expected = (1 - 0.1 * quadratic.curvature) ** np.arange(31)[:, None] * error[0]
    assert_allclose(error, expected, rtol=1e-9, atol=1e-14)


def test_with_steps_of_one_over_l_the_objective_falls_as_theory_has_it(quadratic):
    """Equations (3), (4): a step gains the squared gradient over 2 L at least; k steps leave L r^2 / 2k."""
    L = 10.0
    path, solution = path_of(quadratic, np.zeros(5), GradientDescent(1 / L), tol=1e-9)
    assert solution.reason == "gradient within tol"
    assert np.abs(solution.gradient).max() <= 1e-9
    squared = np.array([np.sum(quadratic.value_gradient(x)[1] ** 2) for x in path[:-1]])
    rounding = 1e-15 * solution.curve[0]
    assert np.all(-np.diff(solution.curve) >= squared / (2 * L) - rounding)
    k = np.arange(1, len(path))
    assert np.all(solution.curve[1:] <= L * np.sum(quadratic.centre**2) / (2 * k))


def test_with_steps_of_two_over_l_plus_mu_the_error_shrinks_by_the_same_factor_each_step(quadratic):
    """Equation (6): the best constant rate, (kappa - 1) / (kappa + 1) a step."""
    path, _ = path_of(quadratic, np.zeros(5), GradientDescent(2 / 10.5), max_iter=60, tol=0.0)
    error = np.linalg.norm(path @ quadratic.rotation - quadratic.centre, axis=1)
    assert np.all(error <= error[0] * (9.5 / 10.5) ** np.arange(61) * (1 + 1e-12))


def test_momentum_needs_the_root_of_the_steps(rng):
    """Equation (10): with curvatures from 1 to 1000, some 500 times log(1/tol) against some 16 times."""
    valley = Quadratic(np.geomspace(1, 1000, 8), rng.normal(size=8))
    root = np.sqrt(1000.0)
    heavy = Momentum(4 / (root + 1) ** 2, momentum=((root - 1) / (root + 1)) ** 2)
    slow = descend(valley, np.zeros(8), GradientDescent(2 / 1001), max_iter=20_000)
    fast = descend(valley, np.zeros(8), heavy, max_iter=20_000)
    assert slow.converged
    assert fast.converged
    assert fast.n_iter < slow.n_iter / 10


def test_adam_does_not_see_the_units_of_the_objective(quadratic):
    class Scaled:
        def value_gradient(self, x):
            value, gradient = quadratic.value_gradient(x)
            return 1e6 * value, 1e6 * gradient

    rule = Adam(0.1, epsilon=1e-300)
    path, _ = path_of(quadratic, np.zeros(5), rule, max_iter=50)
    scaled, _ = path_of(Scaled(), np.zeros(5), rule, max_iter=50)
    assert_allclose(path, scaled, rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------ the ending


def test_steps_beyond_two_over_l_are_reported_and_the_best_iterate_returned(quadratic):
    solution = descend(quadratic, np.zeros(5), GradientDescent(0.5), max_iter=10_000)
    assert (solution.reason, solution.converged) == ("diverged", False)
    assert solution.value == min(solution.curve)
    assert quadratic.value_gradient(solution.x)[0] == solution.value


def test_an_objective_that_overflows_is_divergence_and_never_nan():
    class Quartic:
        def value_gradient(self, x):
            return float(np.sum(x**4)), 4 * x**3

    solution = descend(Quartic(), [1.0, -2.0], GradientDescent(1e3))
    assert solution.reason == "diverged"
    assert_array_equal(solution.x, [1.0, -2.0])
    assert np.isfinite(solution.gradient).all()


@pytest.mark.parametrize("averaging", [None, "polyak"])
def test_where_the_parameters_overflow_the_objective_is_not_asked_and_that_is_no_minimum(averaging):
    """The arctangent is flat at infinity: its gradient would be within any tolerance."""

    class Arctangent:
        def value_gradient(self, x):
            if not np.isfinite(x).all():
                raise ValueError("array must not contain infs or NaNs")
            return float(np.arctan(x).sum()), 100.0 / (1.0 + x * x)

    solution = descend(Arctangent(), [0.0], GradientDescent(1e307), averaging=averaging)
    assert (solution.reason, solution.x[0]) == ("diverged", 0.0)


def test_an_objective_that_stalls_ends_the_descent(quadratic):
    solution = descend(quadratic, np.zeros(5), GradientDescent(0.1), tol=0.0, stall_tol=1e-8, patience=3)
    assert solution.reason == "objective stalled"
    assert solution.curve[-4] - solution.curve[-1] <= 3e-8


def test_the_iteration_limit_is_no_convergence(quadratic):
    solution = descend(quadratic, np.zeros(5), "gradient_descent", max_iter=3)
    assert (solution.reason, solution.converged, solution.n_iter) == ("iteration limit", False, 3)
    assert len(solution.curve) == solution.n_evaluations == 4


def test_a_callback_sees_each_iterate_and_can_stop(quadratic):
    seen = []

    def progress(iteration, value, x):
        seen.append((iteration, value, quadratic.value_gradient(x)[0], x.flags.writeable))
        return iteration == 4

    solution = descend(quadratic, np.zeros(5), "adam", progress=progress)
    assert solution.reason == "stopped by the callback"
    assert seen == [(i, value, value, False) for i, value in enumerate(solution.curve)][1:]


# ------------------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("rule", [GradientDescent(0.1), Momentum(0.05), Adam(0.1)], ids=repr)
def test_one_batch_of_all_rows_is_descent_on_the_whole(rows, rng, rule):
    whole = descend(rows, np.zeros(3), rule, max_iter=50)
    batch = descend_in_batches(
        rows, np.zeros(3), rule, n_rows=40, batch_size=1000, shuffle=False, max_epochs=50, rng=rng
    )
    assert_allclose(batch.x, whole.x, rtol=1e-12)
    assert_allclose(batch.curve, whole.curve, rtol=1e-10)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_takes_each_row_once(rows, rng, shuffle):
    descend_in_batches(
        rows, np.zeros(3), "momentum", n_rows=40, batch_size=16, shuffle=shuffle, max_epochs=2, tol=0, rng=rng
    )
    assert [len(batch) for batch in rows.asked] == [16, 16, 8] * 2
    first, second = (np.concatenate(batches) for batches in (rows.asked[:3], rows.asked[3:]))
    for order in (first, second):
        assert_array_equal(np.sort(order), np.arange(40))
    assert np.array_equal(first, second) is not shuffle


def test_the_same_seed_gives_the_same_bits(rows):
    def run(seed):
        return descend_in_batches(
            rows,
            np.zeros(3),
            Adam(0.1),
            n_rows=40,
            batch_size=8,
            max_epochs=5,
            rng=np.random.default_rng(seed),
        ).x

    assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_where_every_row_can_be_fitted_single_rows_lead_to_the_optimum(rows, rng):
    solution = descend_in_batches(
        rows, np.zeros(3), GradientDescent(0.1), n_rows=40, batch_size=1, max_epochs=200, tol=1e-10, rng=rng
    )
    assert solution.reason == "gradient within tol"
    assert_allclose(solution.x, [1.0, 2.0, 3.0], rtol=1e-8)


def test_noisy_gradients_need_a_falling_rate(rng):
    """Equation (8): a constant rate stays in a cloud around the optimum; 1/t comes as near as one waits."""
    rows = Rows(rng, n=200, noise=1.0)
    optimum = np.linalg.lstsq(rows.X, rows.y)[0]

    def distance(decay):
        solution = descend_in_batches(
            rows,
            optimum,
            GradientDescent(0.1, decay=decay),
            n_rows=200,
            batch_size=1,
            max_epochs=30,
            tol=0,
            rng=np.random.default_rng(0),
        )
        return np.linalg.norm(solution.x - optimum)

    assert distance(decay=0.05) < 0.2 * distance(decay=0.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": 2.5}, ValueError, "batch_size must be an integer of at least 1, got 2.5"),
        ({"rule": Adam}, TypeError, r"write Adam\(\)"),
        ({"x0": [np.inf, 0, 0]}, ValueError, "x0 must be a vector of finite numbers"),
        ({"objective": Quadratic([1.0], [0.0])}, TypeError, "Quadratic lacks gradient_of_batch"),
        ({"max_epochs": -1}, ValueError, "max_epochs must be an integer of at least 0, got -1"),
        ({"n_rows": 0}, ValueError, "n_rows must be an integer of at least 1, got 0"),
        ({"n_rows": 2.5}, ValueError, r"n_rows must be an integer of at least 1, got 2\.5"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator or RandomState, got 0"),
        ({"progress": 3}, TypeError, "progress must be callable or None, got 3"),
    ],
)
def test_what_is_wrong_is_named(rows, rng, change, error, message):
    arguments = {"objective": rows, "x0": np.zeros(3), "rule": "adam", "n_rows": 40, "rng": rng} | change
    with pytest.raises(error, match=message):
        descend_in_batches(**arguments)


@pytest.mark.parametrize("x0", [3.0, [[1.0]], "a", ["a"], [1j], None, [np.nan], [np.inf], [[1.0], [1.0, 2]]])
def test_a_start_that_is_no_vector_of_finite_numbers_is_named(quadratic, x0):
    with pytest.raises(ValueError, match="x0 must be a vector of finite numbers, got "):
        descend(quadratic, x0, "adam")
