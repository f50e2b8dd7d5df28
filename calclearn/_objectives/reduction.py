"""Smaller problems with the same answer, or nearly: fewer columns where p > n, fewer rows for a start."""

import contextlib
import dataclasses

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dtrtrs

from .._runtime import threads
from .linear import SAMPLE, LinearObjective

FAR = 100.0  # deviations from the origin
SMALL = 1e9  # operations for which one BLAS thread is the fastest
MANY = 10  # blocks of rows that make a sample


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
        self.small = objective.with_columns(np.ascontiguousarray(R.T))
        self.small.units = 1.0  # its columns have no units of their own

    def lift(self, x):
        """Parameters of the large problem from those of the small one."""
        v, intercept = self.small.unpack(x)
        return self._objective.pack(v @ self._Q.T, intercept)

    def project(self, x):
        """Parameters of the small problem: the part of `x` that the rows of X can see."""
        coef, intercept = self._objective.unpack(x)
        return self.small.pack(coef @ self._Q, intercept)


class Centred:
    """The same problem with columns of mean zero, for a dense X far from the origin and a free intercept.

    `X w + b = (X - c) w + (b + c w)`: a Hessian of columns of mean 1e7 and deviation 1 has no digit left.

    Attributes
    ----------
    small : LinearObjective
        The problem over X - c.
    """

    def __init__(self, objective: LinearObjective):
        self._objective = objective
        X = objective.design.X
        self._centre = X.mean(axis=0, dtype=np.float64)
        centred = (X - self._centre).astype(X.dtype, copy=False)
        self.small = objective.with_columns(centred)

    @staticmethod
    def helps(objective: LinearObjective) -> bool:
        """Whether a sample of rows finds a column whose mean is far beyond its deviation."""
        free = objective.intercept and not objective.l2_intercept
        if not free or objective.design.sparse:
            return False
        rows = objective.design.X[:: max(1, objective.n // SAMPLE)]
        mean = rows.mean(axis=0, dtype=np.float64)
        squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64) / len(rows)
        rows = rows[:, squares <= (1.0 + 2.0 * FAR**-2) * mean**2]  # which may be; the exact test is dear
        deviation = rows.std(axis=0, dtype=np.float64)
        return bool(np.any((np.abs(rows.mean(axis=0, dtype=np.float64)) > FAR * deviation) & (deviation > 0)))

    def lift(self, x):
        """Parameters of the problem over X."""
        coef, intercept = self.small.unpack(x)
        return self._objective.pack(coef, intercept - coef @ self._centre)

    def project(self, x):
        """Parameters of the problem over X - c."""
        coef, intercept = self._objective.unpack(x)
        return self.small.pack(coef, intercept + coef @ self._centre)


class Equilibrated:
    """The same problem in variables that give its Hessian at `x` a diagonal near one, for L-BFGS.

    Its gradients are held against a tolerance as those of the problem itself.
    """

    def __init__(self, objective: LinearObjective, x):
        self._objective = objective
        _, gradient = objective.value_gradient(x)
        scale = objective.scaling(x, dense=False).solve(np.ones(objective.size))
        # Newton's step, with that diagonal as the Hessian, is as long as L-BFGS makes its first one: 1
        self._scale = scale * (np.linalg.norm(scale * gradient) or 1.0)
        self._start = x, x / self._scale
        self.units = objective.units / self._scale
        self.noise, self.convex = objective.noise, objective.convex

    def value_gradient(self, z):
        value, gradient = self._objective.value_gradient(self.lift(z))
        return value, gradient * self._scale

    def lift(self, z):
        """Parameters of the problem itself; of the start without rounding, lest it be evaluated again."""
        x, start = self._start
        return x if np.array_equal(z, start) else self._scale * z

    def project(self, x):
        """Parameters in the new variables."""
        return x / self._scale

    def lifted(self, solution):
        """A solution of the problem itself."""
        x, gradient = self.lift(solution.x), solution.gradient / self._scale
        return dataclasses.replace(solution, x=x, gradient=gradient)


class Whitened:
    """The same problem in variables in which a Hessian that is near its own is the identity, for L-BFGS.

    Its gradients are held against a tolerance as those of the problem itself.

    Parameters
    ----------
    objective : LinearObjective
    x : ndarray of shape (size,)
        Where to start.
    hessian : ndarray of shape (size, size)
        Positive definite; such as that of a sample of the rows.

    Raises
    ------
    LinAlgError
        If it is not, or only by rounding.
    """

    def __init__(self, objective: LinearObjective, x, hessian):
        self._objective = objective
        self._factor = scipy.linalg.cholesky(hessian, lower=True, check_finite=False)
        rounding = (
            10 * len(hessian) * np.finfo(objective.design.dtype).eps
        )  # by whose grace a factor may exist
        if not (np.diagonal(self._factor) ** 2 > rounding * np.diagonal(hessian)).all():
            raise np.linalg.LinAlgError("the Hessian is singular, but for rounding")
        self._length: float = 1.0
        # Newton's step, with that Hessian, is as long as L-BFGS makes its first one: 1
        self._length = float(np.linalg.norm(self._solve(objective.value_gradient(x)[1], 0))) or 1.0
        if not np.isfinite(self._length):
            raise np.linalg.LinAlgError("Newton's step is not finite")
        self._start = x, self.project(x)
        self.noise, self.convex = objective.noise, objective.convex

    def _solve(self, vector, transposed):
        return self._length * dtrtrs(self._factor, vector, lower=1, trans=transposed)[0]

    def value_gradient(self, z):
        value, gradient = self._objective.value_gradient(self.lift(z))
        return value, self._solve(gradient, 0)

    def gradient(self, of_z):
        """The gradient of the problem itself."""
        return self._factor @ of_z / self._length

    def units(self, of_z):
        """What is held against a tolerance."""
        return self.gradient(of_z) * self._objective.units

    def lift(self, z):
        """Parameters of the problem itself; of the start without rounding, lest it be evaluated again."""
        x, start = self._start
        return x if np.array_equal(z, start) else self._solve(z, 1)

    def project(self, x):
        """Parameters in the new variables."""
        return self._factor.T @ x / self._length

    def lifted(self, solution):
        """A solution of the problem itself."""
        x, gradient = self.lift(solution.x), self.gradient(solution.gradient)
        return dataclasses.replace(solution, x=x, gradient=gradient)


def fewer_rows(objective: LinearObjective, step: int) -> LinearObjective | None:
    """Every `step`-th row of a dense X: its optimum is near that of all rows, up to sampling error.

    Of a large X every `step`-th block, which need not be copied.  None where those rows have no weight.
    """
    if objective.weight is None and len(objective.design.blocks) >= MANY * step:
        return objective.every(step)
    rows = slice(None, None, step)
    weight = None if objective.weight is None else objective.weight[rows]
    if weight is not None and not weight.sum() > 0:
        return None
    offset = None if objective.offset is None else objective.offset[rows]
    return objective.with_rows(objective.design.X[rows], objective.y[rows], weight, offset)
