r"""Quantile regression under an L1 penalty: a linear programme, solved by its dual over few rows.

.. math::
    \min_{w, b}\; \frac{1}{S} \sum_i s_i\, \rho_q(y_i - x_i^T w - b) + \alpha \|w\|_1, \qquad
    \rho_q(r) = \max(q r, (q - 1) r), \quad S = \sum_i s_i .

Its dual has one bounded variable for a row and one equation for a column,

.. math::
    \max_d\; \frac{1}{S} \sum_i d_i y_i, \quad s_i (q - 1) \le d_i \le s_i q, \quad
    \Bigl|\sum_i d_i x_{ij}\Bigr| \le \alpha S, \quad \sum_i d_i = 0,

and its multipliers are `w` and `b`.  A row whose residual is known to be positive has :math:`d_i = s_i q`,
and :math:`s_i (q - 1)` where it is negative: with many rows, the fit to every eighth tells the sign for most.
They leave the programme, and whoever turns out to have been misjudged comes back.  Source: Koenker (2005),
*Quantile Regression*, 6.2; Portnoy and Koenker (1997), *The Gaussian hare and the Laplacian tortoise*.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.linalg import lstsq
from scipy.linalg.lapack import dgesv
from scipy.optimize import linprog

DIRECT_ROWS = 1000  # up to here one programme is quick enough
THINNING = 8  # of the rows that tell the signs of the others
BAND = 1.0  # rows left in the programme, in units of the root of rows times columns
ON_THE_PLANE = 1e-7  # a residual that the programme's tolerance takes for zero, in units of y
INFEASIBLE = 2  # of the statuses of `linprog`
EPS = float(np.finfo(np.float64).eps)


@dataclass
class Fit:
    """What a programme answered: `d` of its rows, the multipliers, and how it ended."""

    coef: np.ndarray
    intercept: float
    d: np.ndarray
    n_iter: int
    status: int
    message: str


class QuantileProblem:
    """Rows of X and y, their weights, and the level.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
        Positive.
    quantile : float
        q, between 0 and 1.
    alpha : float
        Strength of the penalty.
    intercept : bool
        Whether `b` is free.
    """

    def __init__(self, X, y, weight, *, quantile, alpha, intercept=True):
        self.sparse = scipy.sparse.issparse(X)
        self.X = X.tocsr() if self.sparse else X
        self.n, self.p = X.shape
        self.y = np.asarray(y, np.float64)
        self.weight = np.ones(self.n) if weight is None else np.asarray(weight, np.float64)
        self.total = float(self.weight.sum())
        self.quantile, self.alpha, self.intercept = float(quantile), float(alpha), bool(intercept)
        self.lower, self.upper = (self.quantile - 1.0) * self.weight, self.quantile * self.weight

    def part(self, rows):
        """The same problem over some of the rows."""
        options = {"quantile": self.quantile, "alpha": self.alpha, "intercept": self.intercept}
        return QuantileProblem(self.X[rows], self.y[rows], self.weight[rows], **options)

    def residual(self, coef, intercept):
        return self.y - self.X @ coef - intercept

    def objective(self, coef, intercept):
        r = self.residual(coef, intercept)
        loss = float(np.maximum(self.upper * r, self.lower * r).sum()) / self.total
        return loss + self.alpha * float(np.abs(coef).sum())

    def bordered(self, d):
        """[X, 1]ᵀ d, in float64."""
        return np.r_[self.X.T @ d, d.sum()]


def minimise_quantile(problem, method="highs", options=None):
    """Solve `problem` by ``scipy.optimize.linprog`` with this method and these options.

    Returns
    -------
    Fit
        At a vertex, where the programme succeeded: as many residuals are zero as coefficients are not.
    """
    fit = _solve(problem, method, options)
    return _on_the_vertex(problem, fit) if fit.status == 0 else fit


def _solve(problem, method, options):
    n, band = problem.n, int(BAND * np.sqrt((problem.p + 1.0) * problem.n))
    if problem.p > n:
        return _primal(problem, method, options)
    everything = np.arange(n)
    if max(DIRECT_ROWS, THINNING * band // 2) >= n:
        return _dual(problem, everything, np.zeros(n), method, options)
    order = np.random.default_rng(0).permutation(n)  # rows that are sorted would be a poor sample
    fit = _solve(problem.part(np.sort(order[: n // THINNING])), method, options)
    n_iter, known = fit.n_iter, fit.status == 0
    distance = np.abs(problem.residual(fit.coef, fit.intercept))
    free, nearest, near = np.zeros(n, bool), band, ON_THE_PLANE * _level_and_unit(problem, problem.y)[1]
    while known:
        free[np.argpartition(distance, min(nearest, n - 1))[:nearest]] = True
        rows = np.flatnonzero(free)
        if 2 * len(rows) >= n:
            break
        positive = problem.residual(fit.coef, fit.intercept) > 0.0
        d = np.where(positive, problem.upper, problem.lower)
        d[rows] = 0.0
        trial = _dual(problem, rows, d, method, options)
        n_iter += trial.n_iter
        if trial.status == INFEASIBLE:  # more signs are wrong than the free rows can make good
            nearest = 2 * len(rows)
            continue
        known, trial.n_iter = trial.status == 0, n_iter
        r = problem.residual(trial.coef, trial.intercept)
        wrong = ~free & ((r > 0.0) != positive) & (np.abs(r) > near)
        if not known or not wrong.any():
            return trial
        free |= wrong
        nearest, fit = 0, trial
    fit = _dual(problem, everything, np.zeros(n), method, options)
    fit.n_iter += n_iter
    return fit


def _units(problem, X, y):
    """What to subtract from the columns and from y, and what to divide them by, for the programme's sake.

    Its tolerances are absolute.  Powers of two divide without rounding.
    """
    centred = problem.intercept and not problem.sparse
    shift = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(problem.p)
    squares = X.power(2).mean(axis=0) if problem.sparse else np.square(X - shift).mean(axis=0)
    size = np.sqrt(np.asarray(squares, np.float64)).ravel()
    size = np.exp2(np.round(np.log2(np.where(size > 0.0, size, 1.0))))
    return shift, size, *_level_and_unit(problem, y)


def _level_and_unit(problem, y):
    level = float(np.median(y)) if problem.intercept else 0.0
    return level, float(np.abs(y - level).mean()) or 1.0


def _dual(problem, rows, d, method, options):
    """The dual over `rows`, the others at their values in `d`."""
    X = problem.X[rows] if len(rows) < problem.n else problem.X
    y, p, scale = problem.y[rows], problem.p, problem.total / problem.n
    shift, size, level, unit = _units(problem, X, y)
    held = problem.bordered(d)
    held[:p] = (held[:p] - shift * held[p]) / size
    columns = (X - shift) / size if not problem.sparse else X @ scipy.sparse.diags_array(1.0 / size)
    parts = [scipy.sparse.csc_array(columns.T)]
    if problem.intercept:
        parts.append(scipy.sparse.csc_array(np.ones((1, len(rows)))))
    A, n_rows = scipy.sparse.vstack(parts, format="csc"), p + problem.intercept
    reach = problem.alpha * problem.total / scale / size if problem.alpha > 0.0 else np.zeros(0)
    if problem.alpha > 0.0:
        A = scipy.sparse.hstack([A, scipy.sparse.eye_array(n_rows, p)], format="csc")
    bounds = np.c_[np.r_[problem.lower[rows] / scale, -reach], np.r_[problem.upper[rows] / scale, reach]]
    result = linprog(
        np.r_[(level - y) / unit, np.zeros(len(reach))],
        A_eq=A,
        b_eq=-held[:n_rows] / scale,
        bounds=bounds,
        method=method,
        options=options,
    )
    if result.status != 0:
        return _failed(problem, result, d)
    multipliers = -unit * result.eqlin.marginals
    coef = multipliers[:p] / size
    intercept = level + multipliers[p] - float(shift @ coef) if problem.intercept else 0.0
    d[rows] = scale * result.x[: len(rows)]
    return Fit(coef, intercept, d, int(result.nit), result.status, result.message)


def _primal(problem, method, options):
    """The primal, where there are more columns than rows: positive and negative parts of w, b and r."""
    n, p, scale = problem.n, problem.p, problem.total / problem.n
    shift, size, level, unit = _units(problem, problem.X, problem.y)
    X = (problem.X - shift) / size if not problem.sparse else problem.X @ scipy.sparse.diags_array(1.0 / size)
    X = scipy.sparse.csc_array(X)
    cost = problem.alpha * problem.total / scale / size
    if problem.intercept:
        X = scipy.sparse.hstack([X, np.ones((n, 1))], format="csc")
        cost = np.r_[cost, 0.0]
    eye = scipy.sparse.eye_array(n, format="csc")
    result = linprog(
        np.r_[cost, cost, problem.upper / scale, -problem.lower / scale],
        A_eq=scipy.sparse.hstack([X, -X, eye, -eye], format="csc"),
        b_eq=(problem.y - level) / unit,
        method=method,
        options=options,
    )
    if result.status != 0:
        return _failed(problem, result, np.zeros(n))
    both = unit * (result.x[: len(cost)] - result.x[len(cost) : 2 * len(cost)])
    coef = both[:p] / size
    intercept = level + both[p] - float(shift @ coef) if problem.intercept else 0.0
    d = scale * result.eqlin.marginals
    return Fit(coef, intercept, d, int(result.nit), result.status, result.message)


def _failed(problem, result, d):
    """The best constant, where the programme gave nothing."""
    intercept = 0.0
    if problem.intercept:
        order = np.argsort(problem.y)
        below = np.cumsum(problem.weight[order])
        intercept = float(problem.y[order[np.searchsorted(below, problem.quantile * below[-1])]])
    return Fit(
        np.zeros(problem.p), intercept, np.zeros_like(d), int(result.nit), result.status, result.message
    )


def _on_the_vertex(problem, fit):
    """The vertex near `fit`, to rounding: what is nearly zero, residual or coefficient, becomes zero."""
    _, size, _, unit = _units(problem, problem.X, problem.y)
    active = np.flatnonzero(np.abs(fit.coef) * size > ON_THE_PLANE * unit)
    rows = np.flatnonzero(np.abs(problem.residual(fit.coef, fit.intercept)) <= ON_THE_PLANE * unit)
    if not 0 < len(rows) <= 4 * (problem.p + 1):  # a plane through very many rows is exact already
        return fit
    some = problem.X[rows][:, active]
    A = np.asarray(some.toarray() if problem.sparse else some, np.float64) / size[active]
    A = np.c_[A, np.ones(len(rows))] if problem.intercept else A
    solved = _solve_exactly(A, problem.y[rows])
    coef = np.zeros(problem.p)
    coef[active] = solved[: len(active)] / size[active]
    intercept = float(solved[-1]) if problem.intercept else 0.0
    if problem.objective(coef, intercept) <= problem.objective(fit.coef, fit.intercept) + 4.0 * EPS * unit:
        fit.coef, fit.intercept = coef, intercept
    return fit


def _solve_exactly(A, b):
    """By elimination where A is square and regular, else by least squares."""
    if A.shape[0] == A.shape[1]:
        factor, _, x, info = dgesv(A, b)
        sizes = np.abs(np.diagonal(factor))
        if info == 0 and sizes.min() > len(b) * EPS * sizes.max():
            return x
    return lstsq(A, b, lapack_driver="gelsd")[0]


def dual_objective(problem, coef, intercept, d):
    """The dual objective at a feasible point near `d`; None where none is known.

    `d` is moved onto the equations by the rows that are not at a bound, back into its bounds, into balance,
    and is shrunk until the penalty's inequalities hold.
    """
    X, inside = problem.X, (d > problem.lower) & (d < problem.upper)
    reach = problem.alpha * problem.total
    wanted = np.r_[reach * np.sign(coef), 0.0]
    exact = np.r_[(coef != 0.0) | (reach == 0.0), problem.intercept].astype(bool)
    rows = np.flatnonzero(inside)
    if 0 < len(rows) <= 4 * (problem.p + 1):
        some = X[rows].toarray() if problem.sparse else np.asarray(X[rows], np.float64)
        A = np.c_[some, np.ones(len(rows))][:, exact]
        unit = np.sqrt(np.square(A).mean(axis=0))
        unit[unit == 0.0] = 1.0
        d = d.copy()
        off = ((wanted - problem.bordered(d))[exact]) / unit
        d[rows] += lstsq((A / unit).T, off, lapack_driver="gelsd")[0]
    d = np.clip(d, problem.lower, problem.upper)
    if problem.intercept:
        surplus = d.sum()
        room = d - problem.lower if surplus > 0.0 else problem.upper - d
        d = d - surplus * room / max(room.sum(), np.finfo(float).tiny)
    sums = problem.bordered(d)[: problem.p]
    if reach > 0.0:
        d = d / max(1.0, np.abs(sums).max(initial=0.0) / reach)
        return float(d @ problem.y) / problem.total
    # without penalty the equations hold to rounding, or the point proves nothing
    size = np.abs(X).T @ np.abs(d)
    if (np.abs(sums) > 1e-10 * np.asarray(size).ravel()).any():
        return None
    return float(d @ problem.y - np.abs(sums) @ np.abs(coef)) / problem.total
