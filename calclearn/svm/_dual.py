r"""The dual of all support vector machines, and how far from its optimum a point is.

One formulation serves them all, in signed multipliers :math:`\beta`:

.. math::
    \min_\beta \; \tfrac12 \beta^T K \beta + q^T \beta \quad\text{with}\quad
    \ell \le \beta \le u, \quad \sum_{i \in s} \beta_i = \text{const for each group } s,

where K holds the Gram values of the multipliers' rows.  What differs is q, the box, and the sums:
docs/derivations/svm.md, (5) to (8).
"""

from typing import NamedTuple

import numpy as np

from .._runtime.jit import kernel

ROUNDING = 1e-12  # by which a sum of weights may miss what it must be


class Dual(NamedTuple):
    """A problem of m multipliers over n rows.

    Attributes
    ----------
    linear : ndarray of float64, shape (m,)
        q.
    lower, upper : ndarray of float64, shape (m,)
    start : ndarray of float64, shape (m,)
        A feasible point: its sums are those to keep.
    row : ndarray of int64, shape (m,)
        The row that each multiplier is of; several may be of one.
    group : ndarray of int8, shape (m,)
        0, or 0 and 1: whose sums are kept.
    """

    linear: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    start: np.ndarray
    row: np.ndarray
    group: np.ndarray

    @property
    def n_groups(self):
        """How many sums are kept."""
        return int(self.group.max(initial=0)) + 1

    def value(self, beta, raw):
        """The objective, with `raw` = K times the multipliers of each row."""
        return float(0.5 * beta @ raw[self.row] + self.linear @ beta)

    def gradient(self, raw):
        """The gradient by each multiplier."""
        return raw[self.row] + self.linear

    def violation(self, beta, gradient):
        """By how much the worst pair of a group violates optimality: at an optimum it is not positive.

        A multiplier that may grow has no smaller gradient there than one that may fall.
        """
        return _violation(beta, gradient, self.lower, self.upper, self.group, self.n_groups)

    def in_doubt(self, beta, gradient, slack):
        """The rows that have a multiplier between its bounds, or one that is not at its bound by `slack`."""
        doubt = np.zeros(len(beta), bool)
        for s in range(self.n_groups):
            here = self.group == s
            falling, growing = here & (beta > self.lower), here & (beta < self.upper)
            most = gradient[falling].max(initial=-np.inf)
            least = gradient[growing].min(initial=np.inf)
            doubt |= falling & (gradient > least - slack)
            doubt |= growing & (gradient < most + slack)
        return np.unique(self.row[doubt])

    def of(self, rows, start):
        """`(dual, multipliers)`: the problem over some rows from `start`; which multipliers they have."""
        place = np.full(int(self.row.max(initial=-1)) + 1, -1)
        place[rows] = np.arange(len(rows))
        some = np.flatnonzero(place[self.row] >= 0)
        parts = [array[some] for array in (self.linear, self.lower, self.upper, start)]
        return Dual(*parts, place[self.row[some]], self.group[some]), some

    def offsets(self, beta, gradient):
        """For each group the multiplier of its sum: minus the gradient of what is free to move.

        Where nothing is, the middle of what optimality allows.
        """
        found = np.zeros(self.n_groups)
        for s in range(self.n_groups):
            here = self.group == s
            free = here & (beta > self.lower) & (beta < self.upper)
            if free.any():
                found[s] = -gradient[free].mean()
                continue
            low = gradient[here & (beta > self.lower)].max(initial=-np.inf)
            high = gradient[here & (beta < self.upper)].min(initial=np.inf)
            found[s] = (
                -0.5 * (low + high) if np.isfinite(low + high) else -(low if np.isfinite(low) else high)
            )
        return found


def classification(sign, C):
    """C-SVC: the hinge of each row, C_i times.

    Parameters
    ----------
    sign : ndarray of float64, shape (n,)
        -1 or 1.
    C : ndarray of float64, shape (n,)
    """
    n = len(sign)
    box = np.minimum(sign * C, 0.0), np.maximum(sign * C, 0.0)
    return Dual(-sign, *box, np.zeros(n), np.arange(n), np.zeros(n, np.int8))


def nu_classification(sign, weight, nu):
    """Nu-SVC: each class's multipliers have the sum of half the share nu of all weights.

    Parameters
    ----------
    sign : ndarray of float64, shape (n,)
    weight : ndarray of float64, shape (n,)
    nu : float

    Raises
    ------
    ValueError
        If a class's weights are less than that.
    """
    group = (sign < 0).astype(np.int8)
    half = 0.5 * nu * weight.sum()
    if min(weight[group == s].sum() for s in (0, 1)) < half * (1.0 - ROUNDING):
        raise ValueError("specified nu is infeasible")
    dual = classification(sign, weight)._replace(linear=np.zeros(len(sign)), group=group)
    return dual._replace(start=sign * _filled(weight, group, half))


def regression(y, C, epsilon):
    """Epsilon-SVR: two multipliers a row, one for each side of the tube.

    Parameters
    ----------
    y, C : ndarray of float64, shape (n,)
    epsilon : float
    """
    n = len(y)
    zeros, row = np.zeros(n), np.tile(np.arange(n), 2)
    box = np.r_[zeros, -C], np.r_[C, zeros]
    return Dual(np.r_[epsilon - y, -epsilon - y], *box, np.zeros(2 * n), row, np.zeros(2 * n, np.int8))


def nu_regression(y, C, nu):
    """Nu-SVR: the same, with a sum for each side in the place of a width.

    Parameters
    ----------
    y, C : ndarray of float64, shape (n,)
    nu : float
    """
    dual, group = regression(y, C, 0.0), np.repeat(np.int8([0, 1]), len(y))
    sign = np.where(group == 0, 1.0, -1.0)
    return dual._replace(group=group, start=sign * _filled(np.r_[C, C], group, 0.5 * nu * C.sum()))


def one_class(weight, nu):
    """One-class SVM: multipliers up to the weights, the share nu of them in sum.

    Parameters
    ----------
    weight : ndarray of float64, shape (n,)
    nu : float
    """
    n, zeros, group = len(weight), np.zeros(len(weight)), np.zeros(len(weight), np.int8)
    start = _filled(weight, group, nu * weight.sum())
    return Dual(zeros, zeros, weight, start, np.arange(n), group)


def _filled(most, group, total):
    """Numbers up to `most` of which each group's sum is `total`: as large as can be, the first ones first."""
    filled = np.zeros(len(most))
    for s in range(int(group.max(initial=0)) + 1):
        here = np.flatnonzero(group == s)
        before = np.cumsum(most[here]) - most[here]
        filled[here] = np.clip(total - before, 0.0, most[here])
    return filled


@kernel
def _violation(beta, gradient, lower, upper, group, n_groups):
    worst = -np.inf
    for s in range(n_groups):
        most, least = -np.inf, np.inf  # of the gradients that may fall, and of those that may grow
        for t in range(beta.shape[0]):
            if group[t] == s:
                most = gradient[t] if beta[t] > lower[t] and gradient[t] > most else most
                least = gradient[t] if beta[t] < upper[t] and gradient[t] < least else least
        if most > -np.inf and least < np.inf:
            worst = max(worst, most - least)
    return worst
