"""Least squares by gradient descent: step sizes from the curvature of the problem, and the passes."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from sklearn.utils import check_random_state

from .._objectives.design import Design
from .._objectives.epochs import run_epochs
from .._objectives.linear import LinearObjective
from .._objectives.sag import squared_norms
from .._objectives.solving import certify
from ..losses import SquaredError
from ..optimize import Optimality, descend
from ..optimize.rules import GradientDescent, Momentum

EIGEN_COLUMNS = 2000  # beyond, only the largest curvature is computed


class Fitted(NamedTuple):
    coef: np.ndarray  # (K, p)
    intercept: np.ndarray  # (K,)
    optimality: Optimality
    curve: list[float]


def descend_least_squares(estimator, design: Design, Y, weight, progress) -> Fitted:
    """One descent for each column of Y; the objective of the record is the sum of squares."""
    step = step_size(estimator, design, weight)
    rng = check_random_state(estimator.random_state)
    coefs, intercepts, records, curves = [], [], [], []
    for k in range(Y.shape[1]):
        objective = LinearObjective(
            SquaredError(), design, Y[:, k], weight, intercept=estimator.fit_intercept
        )
        x = _start(estimator, objective, k)
        if estimator.solver == "gd":
            solution = descend(
                objective,
                x,
                _rule(estimator, *step),
                max_iter=estimator.max_iter,
                tol=estimator.tol,
                progress=progress,
            )
        else:
            solution = run_epochs(
                SquaredError(),
                _rule(estimator, *step),
                design.X,
                objective.y,
                weight,
                x,
                rng=rng,
                intercept=estimator.fit_intercept,
                batch_size=estimator.batch_size or 1,
                max_epochs=estimator.max_iter,
                tol=estimator.tol,
                progress=progress,
                n_threads=design.n_threads,
            )
        scale = 2.0 * objective.total_weight  # F is half the mean
        coef, intercept = objective.unpack(solution.x)
        coefs.append(coef)
        intercepts.append(float(intercept))
        records.append(certify(objective, solution, solution.x, scale=scale))
        curves.append(scale * np.array(solution.curve))
    length = max(map(len, curves))
    total = np.sum([np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves], axis=0)
    return Fitted(np.array(coefs), np.array(intercepts), Optimality.merge(records), total.tolist())


def step_size(estimator, design: Design, weight) -> tuple[float, float]:
    r"""`(learning_rate, decay)` of the descent of half the mean squared error.

    On all rows the gradient has the Lipschitz constant L, the largest eigenvalue of the mean of
    :math:`(x_i, 1)(x_i, 1)^T`.  Over batches of b of n rows the expected smoothness
    :math:`\frac{n(b-1)}{b(n-1)} L + \frac{n-b}{b(n-1)} \max_i L_i` takes its place, and steps must fall for
    the noise to die out: as 1/t at the rate of the smallest curvature.

    Source: Gower et al. (2019), *SGD: general analysis and improved rates*, equation (8).
    """
    stochastic = estimator.solver == "sgd"
    if estimator.learning_rate != "auto":
        return float(estimator.learning_rate), 0.0
    n = design.shape[0]
    s = np.full(n, 1.0 / n) if weight is None else weight / weight.sum(dtype=np.float64)
    largest, smallest = _curvatures(design, s, estimator.fit_intercept)
    if not largest > 0:
        return 1.0, 0.0
    if not stochastic:
        return 1.0 / largest, 0.0
    b = min(estimator.batch_size or 1, n)
    of_row = float(np.max(n * s * (squared_norms(design) + estimator.fit_intercept)))
    smoothness = largest if b == n else (n * (b - 1) * largest + (n - b) * of_row) / (b * (n - 1))
    rate = 0.5 / smoothness
    return rate, 0.5 * smallest * rate


def _curvatures(design, s, intercept):
    """The largest and the smallest positive eigenvalue of Σ s (x, 1)(x, 1)ᵀ; 0 for one not known."""
    keep = design.shape[1] + bool(intercept)
    if keep <= EIGEN_COLUMNS:
        values = scipy.linalg.eigvalsh(design.bordered_gram(s)[:keep, :keep]) if keep else np.zeros(1)
        positive = values[values > 1e-10 * values[-1]]
        return float(values[-1]), float(positive[0]) if positive.size else 0.0

    def product(v):
        raw = s * (design.times(v[: design.shape[1]]) + (v[-1] if intercept else 0.0))
        return np.r_[design.transposed_times(raw), [raw.sum()] * bool(intercept)]

    operator = scipy.sparse.linalg.LinearOperator((keep, keep), matvec=product, dtype=np.float64)
    largest = scipy.sparse.linalg.eigsh(operator, k=1, v0=np.ones(keep), return_eigenvectors=False)
    return float(largest[0]), 0.0


def _rule(estimator, learning_rate, decay):
    if estimator.momentum:
        return Momentum(learning_rate=learning_rate, momentum=estimator.momentum, decay=decay)
    return GradientDescent(learning_rate=learning_rate, decay=decay)


def _start(estimator, objective, k):
    if estimator.warm_start and hasattr(estimator, "coef_"):
        coef = np.atleast_2d(estimator.coef_)[k]
        return objective.pack(
            coef, np.atleast_1d(estimator.intercept_)[k if np.size(estimator.intercept_) > 1 else 0]
        )
    return np.zeros(objective.size)
