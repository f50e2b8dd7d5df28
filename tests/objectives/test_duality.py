"""A lower bound of the optimum is one: against an optimum that another method finds, for any point."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from calclearn._objectives.duality import primal_dual
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.proximal import ProximalNewton
from calclearn.losses import get_loss
from calclearn.losses._contract import REGISTRY


@pytest.fixture(autouse=True)
def _registry():
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def optimum(objective, x0):
    """The least penalised value, by L-BFGS-B on the positive and negative parts of the coefficients."""
    is_coef = np.zeros(objective.size, bool)
    objective.unpack(marks := np.zeros(objective.size))[0][...] = 1.0
    is_coef = marks > 0
    p = int(is_coef.sum())

    def split(z):
        x = z[p:].copy()
        x[is_coef] -= z[:p]
        return x

    def f(z):
        value, gradient = objective.value_gradient(split(z))
        parts = np.r_[-gradient[is_coef], gradient]
        parts[:p] += objective.l1
        parts[p:][is_coef] += objective.l1
        return value + objective.l1 * (z[:p].sum() + z[p:][is_coef].sum()), parts

    bounds = [(0, 0 if objective.positive else None)] * p
    bounds += [(0, None) if coef else (None, None) for coef in is_coef]
    start = np.r_[np.maximum(-x0[is_coef], 0), np.where(is_coef, np.maximum(x0, 0), x0)]
    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 30}
    return scipy.optimize.minimize(f, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun


LOSSES = ["squared_error", "log_loss", "poisson", "multinomial_log_loss", "huber", "squared_hinge", "gamma"]
LOSSES += ["tweedie", "log_cosh", "exponential"]


def problem(seed):
    """A random problem: its loss, shape, scale, correlation, weights and penalties."""
    rng = np.random.default_rng(seed)
    name = LOSSES[seed % len(LOSSES)]
    n, p = int(rng.integers(8, 50)), int(rng.integers(1, 40))
    X = rng.normal(size=(n, p)) + rng.choice([0, 2]) * rng.normal(size=(n, 1))
    signal = X[:, 0] - 0.5 * X[:, -1] + rng.normal(size=n)
    X = X * 10.0 ** rng.integers(-1, 2)
    K = 3 if name == "multinomial_log_loss" else None
    if name in ("log_loss",):
        y = (signal > 0).astype(float)
        y[:2] = 0, 1
    elif K:
        y = np.digitize(signal, [-0.5, 0.8]).astype(float)
        y[:3] = 0, 1, 2
    elif name in ("squared_hinge", "exponential"):
        y = np.where(signal > 0, 1.0, -1.0)
        y[:2] = -1, 1
    elif name in ("poisson", "gamma", "tweedie"):
        y = np.round(np.exp(np.clip(signal, -3, 3)), 1) + (0.1 if name == "gamma" else 0.0)
    else:
        y = 3 * signal + 5
    weight = rng.integers(1, 4, size=n).astype(float) if rng.random() < 0.5 else None
    objective = LinearObjective(get_loss(name), X, y, weight, n_outputs=K)
    slope = np.abs(objective.unpack(objective.value_gradient(objective.start())[1])[0]).max()
    return LinearObjective(
        get_loss(name),
        X,
        y,
        weight,
        l1=float(slope * rng.choice([0.5, 0.1, 0.02])),
        l2=float(slope * rng.choice([0.0, 0.0, 0.1])),
        positive=bool(rng.random() < 0.3),
        intercept=bool(rng.random() < 0.7),
        offset=0.3 * rng.normal(size=n) if rng.random() < 0.4 else None,
        n_outputs=K,
    )


@pytest.mark.parametrize("seed", range(60))
def test_the_gap_is_never_below_the_distance_to_the_optimum_and_small_at_it(seed):
    objective = problem(seed)
    solution = ProximalNewton(tol=1e-12, max_iter=300).minimise(objective, objective.start())
    best, dual = primal_dual(objective, solution.x)
    scale = max(1.0, abs(best))
    other = optimum(objective, solution.x)
    assert solution.converged
    assert best <= other + 1e-12 * scale
    assert best - dual <= 1e-8 * scale
    rng = np.random.default_rng(seed)
    for spread in (1e-6, 1e-3, 0.1, 1.0):
        x = solution.x + spread * rng.normal(size=objective.size) * (rng.random(objective.size) < 0.5)
        if objective.positive:
            coef = objective.unpack(x)[0]
            coef[...] = np.maximum(coef, 0.0)
        x = objective.minimise_intercept(x) if rng.random() < 0.5 else x
        value, dual = primal_dual(objective, x)
        if dual is not None:
            assert value - dual >= value - best - 1e-12 * max(1.0, abs(value))
