r"""Probabilities of classes from decision values.

Of a pair of classes the first one's is a sigmoid of its decision value,
:math:`1 / (1 + \exp(A f + B))`, fitted to values of rows that the fit had not seen.  Of several classes, the
probabilities are those that the pairs' contradict least:

.. math:: \min_p \; \sum_i \sum_{j \ne i} (r_{ji} p_i - r_{ij} p_j)^2 \quad\text{with}\quad \sum_i p_i = 1.

Platt (2000), "Probabilistic outputs for support vector machines"; Wu, Lin and Weng (2004), "Probability
estimates for multi-class classification by pairwise coupling", their second method.
"""

import itertools

import numpy as np
from scipy.special import expit

from .._objectives.linear import LinearObjective
from ..losses import get_loss
from ..optimize import Newton

FOLDS = 5
PRECISE = 1e-12  # of the sigmoids' gradients
CERTAIN = 1e-7  # a pair's probabilities stay so far from 0 and 1


def sigmoid_of_pair(solve_pair, source, sign, weight, seed):
    """A and B of a pair of classes, from decision values that are not of the rows they were fitted to.

    Parameters
    ----------
    solve_pair : callable
        From Gram values, signs and weights to multipliers and an intercept.
    source : Computed or Table
    sign, weight : ndarray of float64, shape (n,)
    seed : int
        Of the folds.

    Returns
    -------
    (A, B)
    """
    n, values = len(sign), np.empty(len(sign))
    rng, fold = np.random.RandomState(seed), np.empty(n, np.intp)
    for side in (sign > 0, sign < 0):  # each fold has its share of both
        fold[side] = rng.permutation(np.count_nonzero(side)) % FOLDS
    for k in range(FOLDS):
        rest, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(held):
            continue
        signs = sign[rest]
        if len(signs) == 0 or (signs == signs[0]).all():
            values[held] = signs[0] if len(signs) else 0.0
            continue
        beta, intercept, *_ = solve_pair(source.of(rest), signs, weight[rest])
        support = np.flatnonzero(beta)
        values[held] = source.block(held, rest[support]) @ beta[support] + intercept
    return _sigmoid(values, sign > 0)


def _sigmoid(values, first):
    """A and B by a logistic regression, whose targets keep away from 0 and 1 as Platt's prior has them."""
    n_first = int(first.sum())
    target = np.where(first, (n_first + 1.0) / (n_first + 2.0), 1.0 / (len(first) - n_first + 2.0))
    scale = max(1.0, float(np.abs(values).max()))
    objective = LinearObjective(get_loss("log_loss"), (values / scale)[:, None], target)
    found = Newton(tol=PRECISE).minimise(objective, objective.start())
    (slope,), offset = objective.unpack(found.x)
    return -slope / scale, -offset


def couple(values, A, B):
    """Probabilities of all classes.

    Parameters
    ----------
    values : ndarray of shape (n, n_pairs)
        Decision values, positive for the first class of a pair.
    A, B : ndarray of shape (n_pairs,)

    Returns
    -------
    p : ndarray of shape (n, n_classes)
    """
    first = np.clip(expit(-(values * A + B)), CERTAIN, 1.0 - CERTAIN)
    n, n_pairs = first.shape
    K = round((1.0 + np.sqrt(1.0 + 8.0 * n_pairs)) / 2.0)
    if K == 2:
        return np.hstack([first, 1.0 - first])
    r = np.zeros((n, K, K))
    for pair, (i, j) in enumerate(itertools.combinations(range(K), 2)):
        r[:, i, j], r[:, j, i] = first[:, pair], 1.0 - first[:, pair]
    # the minimum, with a multiplier for the sum: one linear system a row
    system = np.zeros((n, K + 1, K + 1))
    system[:, :K, :K] = -r * r.transpose(0, 2, 1)
    system[:, range(K), range(K)] = (r**2).sum(axis=1)
    system[:, K, :K] = system[:, :K, K] = 1.0
    one = np.zeros((n, K + 1, 1))
    one[:, K] = 1.0
    p = np.maximum(np.linalg.solve(system, one)[:, :K, 0], 0.0)
    return p / p.sum(axis=1, keepdims=True)
