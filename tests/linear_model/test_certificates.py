"""Certificates against optima found by others, over a random grid of problems.

A problem is drawn by its seed: its shape, the scales of its columns, their correlation, weights, the
penalty, and a tolerance that may be so loose that fits end short of the optimum.  The optimum comes from
SciPy: a linear program, least squares, or L-BFGS-B over coefficients split into their positive and negative
parts, in columns of size one.  No certificate may promise less than the true distance.
"""

import os
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.special import expit, logsumexp
from sklearn.exceptions import ConvergenceWarning

from calclearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    GeneralizedLinearRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)

SEEDS = range(int(os.environ.get("CERTIFICATE_SEEDS", 6)))  # more of them: a longer look
ROUNDING = 1e-9  # relative: how near SciPy comes to the optimum, and sums to one another


class Problem(NamedTuple):
    X: np.ndarray
    linear: np.ndarray
    weight: np.ndarray | None
    strength: float
    tol: float
    rng: np.random.Generator


def problem(seed):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(20, 90)), int(rng.integers(1, 15))
    shared = rng.choice([0.0, 0.5, 0.95]) * rng.standard_normal((n, 1))
    X = (rng.standard_normal((n, p)) + shared) * 10.0 ** rng.uniform(-2, 2, p)
    linear = X @ (rng.standard_normal(p) / X.std(axis=0)) / np.sqrt(p)
    weight = rng.integers(0, 4, n).astype(float) + (rng.random(n) < 0.5) if seed % 2 else None
    return Problem(X, linear, weight, 10.0 ** rng.uniform(-3, 0), 10.0 ** rng.uniform(-8, -1), rng)


def optimum(value_slope, X, l1=0.0, l2=0.0, positive=False, n_outputs=1):
    """The least of sum of losses + penalties, over coefficients and a free intercept for each output."""
    (n, p), K = X.shape, n_outputs
    size = np.sqrt((X**2).mean(axis=0))
    Z = X / size

    def function(x):
        u, v, b = x[: p * K].reshape(p, K), x[p * K : 2 * p * K].reshape(p, K), x[2 * p * K :]
        w = u - v
        value, slope = value_slope((Z @ w + b).squeeze() if K == 1 else Z @ w + b)
        slope = slope.reshape(n, K)
        by_w = Z.T @ slope + l2 * w / size[:, None] ** 2
        of_l1 = l1 / size[:, None] + np.zeros((p, K))
        value += l1 * ((u + v) / size[:, None]).sum() + 0.5 * l2 * ((w / size[:, None]) ** 2).sum()
        return value, np.concatenate([(by_w + of_l1).ravel(), (of_l1 - by_w).ravel(), slope.sum(axis=0)])

    bounds = [(0, None)] * (p * K) + [(0, 0) if positive else (0, None)] * (p * K) + [(None, None)] * K
    x = np.zeros(2 * p * K + K)
    for _ in range(4):  # each begins with a new memory
        options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-16, "gtol": 1e-13, "maxcor": 40}
        x = minimize(function, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return function(x)[0]


def weights_of(drawn):
    return np.ones(len(drawn.X)) if drawn.weight is None else drawn.weight


def check(model, drawn, y, best):
    """The objective is not below the optimum, and not further above it than the certificate says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        certificate = model.fit(drawn.X, y, sample_weight=drawn.weight).optimality_
    distance, rounding = certificate.objective - best, ROUNDING * (abs(best) + abs(certificate.objective))
    assert distance >= -rounding
    promised = certificate.duality_gap
    promised = certificate.suboptimality_bound if promised is None else promised
    assert promised is not None
    assert distance <= promised + rounding
    if certificate.dual_objective is not None:
        assert certificate.dual_objective <= best + rounding


def log_loss(y, weight, C):
    return lambda f: (
        C * (weight @ np.logaddexp(0.0, np.where(y == 1, -f, f))),
        C * weight * (expit(f) - y),
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_least_squares_and_ridge(seed, alpha):
    drawn = problem(seed)
    y = drawn.linear + drawn.rng.standard_normal(len(drawn.X))
    weight, alpha = weights_of(drawn), alpha * drawn.strength * len(y)
    Z, r = drawn.X - np.average(drawn.X, 0, weight), y - np.average(y, weights=weight)
    A = np.vstack([np.sqrt(weight)[:, None] * Z, np.sqrt(alpha) * np.eye(Z.shape[1])])
    b = np.r_[np.sqrt(weight) * r, np.zeros(Z.shape[1])]
    size = np.sqrt((A**2).sum(axis=0))
    best = ((A / size @ np.linalg.lstsq(A / size, b)[0] - b) ** 2).sum()
    models = [Ridge(alpha, solver=s, tol=drawn.tol) for s in ("auto", "lsqr", "sparse_cg", "svd")]
    for model in models if alpha else [LinearRegression()]:
        check(model, drawn, y, best)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("positive", [False, True])
def test_lasso_and_elastic_net(seed, l1_ratio, positive):
    drawn = problem(seed)
    y = drawn.linear + drawn.rng.standard_normal(len(drawn.X))
    weight = weights_of(drawn) / weights_of(drawn).sum()
    alpha = drawn.strength * np.abs(drawn.X.T @ (weight * (y - np.average(y, weights=weight)))).max()
    options = {"positive": positive, "tol": drawn.tol, "max_iter": 20}
    model = Lasso(alpha, **options) if l1_ratio == 1 else ElasticNet(alpha, l1_ratio=l1_ratio, **options)

    def squares(f):
        return 0.5 * weight @ (f - y) ** 2, weight * (f - y)

    best = optimum(squares, drawn.X, l1=alpha * l1_ratio, l2=alpha * (1 - l1_ratio), positive=positive)
    check(model, drawn, y, best)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
def test_logistic_regression(seed, l1_ratio):
    drawn = problem(seed)
    y = (drawn.rng.random(len(drawn.X)) < expit(drawn.linear)).astype(int)
    y[:2] = 0, 1
    if drawn.weight is not None:
        drawn.weight[:2] = 1.0
    C = 1.0 / (drawn.strength * len(y))
    best = optimum(log_loss(y, weights_of(drawn), C), drawn.X, l1=l1_ratio, l2=1 - l1_ratio)
    for solver in ["auto", "lbfgs", "newton-cg"] if l1_ratio == 0 else ["auto"]:
        check(LogisticRegression(C=C, l1_ratio=l1_ratio, solver=solver, tol=drawn.tol), drawn, y, best)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_multinomial_regression(seed, l1_ratio):
    drawn = problem(seed)
    y = drawn.rng.integers(0, 3, len(drawn.X))
    y[:3] = 0, 1, 2
    weight, C, unit = weights_of(drawn), 1.0 / (drawn.strength * len(y)), np.eye(3)[y]
    if drawn.weight is not None:
        drawn.weight[:3] = weight[:3] = 1.0

    def losses(f):
        total = logsumexp(f, axis=1)
        return C * (weight @ (total - (unit * f).sum(axis=1))), C * weight[:, None] * (
            np.exp(f - total[:, None]) - unit
        )

    best = optimum(losses, drawn.X, l1=l1_ratio, l2=1 - l1_ratio, n_outputs=3)
    check(LogisticRegression(C=C, l1_ratio=l1_ratio, tol=drawn.tol), drawn, y, best)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", ["poisson", "gamma", "tweedie"])
def test_deviances(seed, family):
    drawn = problem(seed)
    mean = np.exp(0.5 * drawn.linear)
    y = drawn.rng.poisson(mean) + (0.0 if family == "poisson" else mean if family == "gamma" else 0.3)
    weight = weights_of(drawn) / weights_of(drawn).sum()
    half = {  # the deviances, less what depends on y alone
        "poisson": lambda f: (weight @ (np.exp(f) - y * f), weight * (np.exp(f) - y)),
        "gamma": lambda f: (weight @ (f + y * np.exp(-f)), weight * (1.0 - y * np.exp(-f))),
        "tweedie": lambda f: (
            weight @ (2.0 * np.exp(0.5 * f) + 2.0 * y * np.exp(-0.5 * f)),
            weight * (np.exp(0.5 * f) - y * np.exp(-0.5 * f)),
        ),
    }[family]
    options = {"alpha": drawn.strength, "tol": drawn.tol}
    model = {
        "poisson": PoissonRegressor(**options),
        "gamma": GammaRegressor(**options),
        "tweedie": TweedieRegressor(power=1.5, **options),
    }[family]
    check(model, drawn, y, optimum(half, drawn.X, l2=drawn.strength))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("positive", [False, True])
def test_the_generalised_regressor_with_kinks(seed, positive):
    drawn = problem(seed)
    y = drawn.rng.poisson(np.exp(0.5 * drawn.linear)).astype(float)
    weight = weights_of(drawn) / weights_of(drawn).sum()
    alpha = drawn.strength * 0.3
    model = GeneralizedLinearRegressor("poisson", alpha=alpha, l1_ratio=0.7, positive=positive, tol=drawn.tol)

    def poisson(f):
        return weight @ (np.exp(f) - y * f), weight * (np.exp(f) - y)

    best = optimum(poisson, drawn.X, l1=0.7 * alpha, l2=0.3 * alpha, positive=positive)
    check(model, drawn, y, best)


@pytest.mark.parametrize("seed", SEEDS)
def test_huber_regression(seed):
    drawn = problem(seed)
    y = drawn.linear + drawn.rng.standard_normal(len(drawn.X)) + 20.0 * (drawn.rng.random(len(drawn.X)) < 0.1)
    weight, alpha, epsilon = weights_of(drawn), drawn.strength, 1.35
    size = np.sqrt((drawn.X**2).mean(axis=0))
    Z = drawn.X / size

    def function(x):
        w, b, sigma = x[:-2], x[-2], np.exp(x[-1])
        e = (Z @ w + b - y) / sigma
        inner = np.clip(e, -epsilon, epsilon)
        H, slope = inner * (2.0 * e - inner), 2.0 * inner
        by_w = Z.T @ (weight * slope) + 2.0 * alpha * w / size**2
        by_sigma = weight.sum() + weight @ (H - slope * e)
        value = weight @ (sigma + H * sigma) + alpha * ((w / size) ** 2).sum()
        return value, np.r_[by_w, weight @ slope, by_sigma * sigma]

    x = np.r_[np.zeros(Z.shape[1] + 1), np.log(np.abs(y).mean())]
    for _ in range(4):
        options = {"maxiter": 5000, "maxfun": 20_000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 40}
        x = minimize(function, x, jac=True, method="L-BFGS-B", options=options).x
    check(HuberRegressor(epsilon=epsilon, alpha=alpha, tol=drawn.tol), drawn, y, function(x)[0])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_quantile_regression(seed, quantile):
    drawn = problem(seed)
    n, p = drawn.X.shape
    y = drawn.linear + drawn.rng.standard_normal(n)
    weight, alpha = weights_of(drawn) / weights_of(drawn).sum(), 0.1 * drawn.strength
    A = np.hstack([drawn.X, -drawn.X, np.ones((n, 1)), -np.ones((n, 1)), np.eye(n), -np.eye(n)])
    c = np.r_[np.full(2 * p, alpha), 0.0, 0.0, quantile * weight, (1 - quantile) * weight]
    best = linprog(c, A_eq=A, b_eq=y, method="highs").fun
    check(QuantileRegressor(quantile=quantile, alpha=alpha), drawn, y, best)
