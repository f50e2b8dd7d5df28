"""Smaller problems with the same answer, or nearly: fewer columns where p > n, fewer rows for a start."""

import contextlib

import numpy as np
import scipy.linalg

from .._runtime import threads
from .linear import LinearObjective

SMALL = 1e9  # operations for which one BLAS thread is the fastest


class FewerColumns:
    """The same problem in n columns, for a dense X with p > n columns and all coefficients penalised.

    The optimal w is a combination of the rows of X (the representer theorem): with :math:`X^T = QR`,
    `w = Q v`, so that `X w = Rᵀ v` and v has the norm of w.

    Attributes
    ----------
    small : LinearObjective
        The problem in v.
    """

    def __init__(self, objective: LinearObjective):
        self._objective = objective
        X = objective.design.X.astype(np.float64, copy=False)
        small = X.shape[0] ** 2 * X.shape[1] < SMALL
        with threads.blas_threads(1) if small else contextlib.nullcontext():
            self._Q, R = scipy.linalg.qr(X.T, mode="economic", check_finite=False)
        self.small = objective.with_rows(np.ascontiguousarray(R.T), objective.y, objective.weight)

    def lift(self, x):
        """Parameters of the large problem from those of the small one."""
        v, intercept = self.small.unpack(x)
        return self._objective.pack(v @ self._Q.T, intercept)

    def project(self, x):
        """Parameters of the small problem: the part of `x` that the rows of X can see."""
        coef, intercept = self._objective.unpack(x)
        return self.small.pack(coef @ self._Q, intercept)


def fewer_rows(objective: LinearObjective, step: int) -> LinearObjective:
    """Every `step`-th row of a dense X: its optimum is near that of all rows, up to sampling error."""
    rows = slice(None, None, step)
    weight = None if objective.weight is None else objective.weight[rows]
    return objective.with_rows(objective.design.X[rows], objective.y[rows], weight)
