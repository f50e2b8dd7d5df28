"""Proximal Newton: at the optimum by conditions that need no other solver, and the same by every road."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from calclearn._objectives import proximal
from calclearn._objectives.duality import primal_dual
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.proximal import ProximalNewton, smallest_subgradient
from calclearn._objectives.solving import certify, minimise
from calclearn.losses import LogLoss, MultinomialLogLoss, SquaredError, get_loss, loss
from calclearn.losses._contract import REGISTRY
from calclearn.optimize._stopping import CALLBACK, GRADIENT, ITERATIONS


def two_classes(rng, n=80, p=300, k=5):
    X = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=(n, 1))
    return X, (X[:, :k].sum(axis=1) + rng.normal(size=n) > 0).astype(float)


def objective_of(X, y, loss=None, share=0.2, **options):
    """With an L1 penalty that is this share of the one that leaves nothing."""
    plain = LinearObjective(loss or LogLoss(), X, y, **options)
    slope = plain.unpack(plain.value_gradient(plain.start())[1])[0]
    return LinearObjective(loss or LogLoss(), X, y, l1=share * float(np.abs(slope).max()), **options)


def violation(objective, x):
    return np.abs(smallest_subgradient(objective, x, objective.value_gradient(x)[1])).max()


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "poisson", "huber", "multinomial_log_loss"])
def test_many_columns_and_few_come_to_the_optimum(rng, loss):
    K = 3 if loss == "multinomial_log_loss" else None
    for n, p in ((60, 200), (400, 8)):
        X, y = two_classes(rng, n, p)
        if K:
            y = np.digitize(X[:, 0] + rng.normal(size=n), [-0.5, 0.5]).astype(float)
        objective = objective_of(X, y, get_loss(loss), n_outputs=K, l2=0.01)
        solution = ProximalNewton(tol=1e-10).minimise(objective, objective.start())
        assert solution.reason == GRADIENT
        assert violation(objective, solution.x) <= 1e-10
        assert_allclose(solution.value, objective.penalised_value(solution.x))
        assert (np.diff(solution.curve) <= 1e-12 * np.abs(solution.curve[:-1])).all()
        assert len(solution.curve) == solution.n_iter + 1
        assert (objective.unpack(solution.x)[0] == 0).sum() > 0


def test_the_form_of_X_its_precision_and_the_start_do_not_matter(rng):
    X, y = two_classes(rng)
    X *= rng.random(X.shape) < 0.3
    objective = objective_of(X, y)
    expected = ProximalNewton(tol=1e-12).minimise(objective, objective.start()).x
    for form in (np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_array):
        other = LinearObjective(LogLoss(), form(X), y, l1=objective.l1)
        assert_allclose(ProximalNewton(tol=1e-12).minimise(other, 0.1 + expected).x, expected, atol=1e-9)
    single = LinearObjective(LogLoss(), X.astype(np.float32), y, l1=objective.l1)
    found = ProximalNewton(tol=1e-6).minimise(single, single.start())
    assert found.converged
    assert_allclose(found.x, expected, atol=1e-3)


def test_sparse_working_sets_may_stay_sparse(rng, monkeypatch):
    X, y = two_classes(rng)
    X *= rng.random(X.shape) < 0.3
    objective = objective_of(scipy.sparse.csr_array(X), y)
    expected = ProximalNewton(tol=1e-11).minimise(objective, objective.start()).x
    monkeypatch.setattr(proximal, "DENSE", 0)
    assert_allclose(ProximalNewton(tol=1e-11).minimise(objective, objective.start()).x, expected, atol=1e-9)


def test_weights_are_repetitions_and_an_offset_is_a_column_of_known_coefficient(rng):
    X, y = two_classes(rng, 60, 12)
    weight = rng.integers(1, 4, size=60)
    repeated = objective_of(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    weighted = LinearObjective(LogLoss(), X, y, weight.astype(float), l1=repeated.l1)
    solver = ProximalNewton(tol=1e-12)
    x = solver.minimise(repeated, repeated.start()).x
    assert_allclose(solver.minimise(weighted, weighted.start()).x, x, atol=1e-9)
    shifted = LinearObjective(LogLoss(), X, y, weight.astype(float), l1=repeated.l1, offset=X[:, 0] + 3.0)
    raw = weighted.design.times(x[:-1]) + x[-1]
    moved = x - np.r_[1.0, np.zeros(11), 3.0]
    assert_allclose(shifted.raw(moved), raw, atol=1e-12)
    assert_allclose(shifted.value(moved), weighted.value(x))
    start = shifted.start()
    assert abs(shifted.value_gradient(start)[1][-1]) < 1e-12


def test_bounds_are_kept_and_felt(rng):
    X, y = two_classes(rng, 100, 30)
    y = 1 - y
    for l1 in (0.0, 0.01):
        objective = LinearObjective(LogLoss(), X, y, l1=l1, l2=0.01, positive=True)
        solution = ProximalNewton(tol=1e-10).minimise(objective, -np.ones(31))
        coef, slope = solution.x[:-1], objective.value_gradient(solution.x)[1][:-1]
        assert solution.converged
        assert (coef >= 0).all()
        assert (coef == 0).any()
        assert_allclose(slope[coef > 0], -l1, atol=1e-9)
        assert (slope[coef == 0] >= -l1 - 1e-9).all()
        record = certify(objective, solution, solution.x)
        assert 0 <= record.duality_gap < 1e-8


def test_the_path_begins_where_the_first_coefficient_leaves_zero(rng):
    X, y = two_classes(rng)
    nothing = objective_of(X, y, share=1.0 + 1e-9)
    assert not ProximalNewton().minimise(nothing, nothing.start()).x[:-1].any()
    little = objective_of(X, y, share=0.99)
    assert 1 <= np.count_nonzero(ProximalNewton().minimise(little, little.start()).x[:-1]) < 5


def test_a_loss_of_ones_own_that_is_not_convex_comes_to_a_stationary_point(rng):
    before = dict(REGISTRY)

    @loss("cauchy of test_proximal")
    class Cauchy:
        c: float = 1.0

        def value(self, y, raw):
            return np.log1p(((raw - y) / self.c) ** 2)

    try:
        X = rng.normal(size=(200, 150))
        y = X[:, 0] - X[:, 1] + rng.standard_cauchy(size=200)
        objective = objective_of(X, y, Cauchy(0.5))
        solution = ProximalNewton(tol=1e-8, max_iter=500).minimise(objective, objective.start())
        assert solution.converged
        assert violation(objective, solution.x) < 1e-6
        assert primal_dual(objective, solution.x)[1] is None
    finally:
        REGISTRY.clear()
        REGISTRY.update(before)


def test_units_of_the_columns_do_not_hide_a_slope(rng):
    X, y = two_classes(rng, 100, 6)
    X[:, 0] *= 1e-6
    objective = LinearObjective(LogLoss(), X, y, l1=1e-9)
    solution = ProximalNewton(tol=1e-8).minimise(objective, objective.start())
    scaled = objective.value_gradient(solution.x)[1][0] * 1e6
    assert abs(scaled + np.sign(solution.x[0]) * 1e-3) < 1e-7


def test_it_stops_when_asked_and_reports_every_step(rng):
    X, y = two_classes(rng)
    objective, seen = objective_of(X, y, share=0.02), []
    solution = ProximalNewton(tol=1e-10).minimise(
        objective, objective.start(), lambda i, value, x: seen.append((i, value, x.shape))
    )
    assert [i for i, *_ in seen] == list(range(1, solution.n_iter + 1))
    assert {shape for *_, shape in seen} == {(301,)}
    assert_allclose([value for _, value, _ in seen], solution.curve[1:])
    stopped = ProximalNewton(tol=1e-10).minimise(objective, objective.start(), lambda i, *_: i == 4)
    assert (stopped.reason, stopped.n_iter, stopped.converged) == (CALLBACK, 4, False)
    for limit in (0, 1, 5):
        short = ProximalNewton(tol=1e-12, max_iter=limit).minimise(objective, objective.start())
        assert (short.reason, short.n_iter) == (ITERATIONS, limit)


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg", "newton-cholesky", "liblinear"])
def test_the_linear_models_take_it_for_any_solver(rng, solver):
    X, y = two_classes(rng, 100, 20)
    objective = objective_of(X + 1000.0, y)  # "auto" centres the columns, which a penalty does not see
    solution, x = minimise(objective, solver, objective.start(), tol=1e-6, max_iter=100)
    assert solution.converged
    record = certify(objective, solution, x, scale=100.0)
    assert record.kkt_violation < 100 * 1e-5
    assert record.objective - record.dual_objective == pytest.approx(record.duality_gap)
    assert 0 <= record.duality_gap < 1e-4 * record.objective


def test_stochastic_solvers_refuse_an_offset(rng):
    X, y = two_classes(rng, 20, 3)
    objective = LinearObjective(LogLoss(), X, y, l2=1.0, offset=np.ones(20))
    with pytest.raises(ValueError, match="'sag' supports no offset"):
        minimise(objective, "sag", objective.start(), tol=1e-6, max_iter=10, rng=rng)


def test_several_classes_and_squared_error_against_their_definitions(rng):
    X, y = two_classes(rng, 50, 4)
    objective = LinearObjective(SquaredError(), X, y, l1=0.05, intercept=False)
    x = ProximalNewton(tol=1e-13).minimise(objective, np.zeros(4)).x
    assert_allclose(
        objective.penalised_value(x), 0.5 * np.mean((X @ x - y) ** 2) + 0.05 * np.abs(x).sum(), rtol=1e-12
    )
    several = LinearObjective(MultinomialLogLoss(), X, y, l1=0.05, n_outputs=2)
    both = ProximalNewton(tol=1e-12).minimise(several, several.start()).x
    halves = LinearObjective(LogLoss(), X, y, l1=0.05)  # w/2 and -w/2 cost as much as w
    one = ProximalNewton(tol=1e-12).minimise(halves, halves.start())
    assert_allclose(several.penalised_value(both), one.value, rtol=1e-10)
