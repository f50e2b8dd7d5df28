r"""Separation: losses that fall without end along a direction, so that no coefficients are the best.

Where the classes can be told apart without error, log-loss falls towards zero as the coefficients grow.  It is
so if some direction d moves every row's raw prediction to the side on which its loss falls, or not at all.
The coefficients themselves are such a direction once every row is on its side; the step of Newton's method
tends to one, of length one in raw predictions, where some rows lie on the boundary; and a linear program
decides the rest.

Source: Albert and Anderson (1984), *On the existence of maximum likelihood estimates in logistic regression
models*; Konis (2007), *Linear programming algorithms for detecting separated data*.  Derivation:
docs/derivations/l1.md, equations (21) to (23).
"""

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse

from ..losses import MultinomialLogLoss, pointwise
from .linear import LinearObjective

FAR = 50.0  # a raw prediction at which a loss that falls for ever still falls
LARGE = 5.0  # raw predictions from which to look closer
NEWTON_SIZE = 1000  # parameters up to which Newton's step is computed
PROGRAM_SIZE = 300_000  # entries up to which the linear program is solved
ZERO = 1e-3  # relative, of a row that lies on the boundary
STEP = 0.3  # in raw predictions: Newton's step is that long only where there is no optimum near


def separated(objective: LinearObjective, x) -> bool:
    """Whether the loss falls without end, as far as can be told at `x`; only where nothing is penalised.

    Parameters
    ----------
    objective : LinearObjective
    x : ndarray of shape (size,)
        Where a minimiser stopped.

    Returns
    -------
    bool
    """
    if not objective.convex or objective.l2 > 0 or objective.l1 > 0:
        return False
    sides = _Sides(objective)
    if not sides.any:
        return False
    raw = objective.raw(x)
    if objective.offset is not None:
        raw = raw - (objective.offset if raw.ndim == 1 else objective.offset[:, None])
    if sides.proved_by(raw, 0.0):
        return True
    if not np.abs(raw).max(initial=0.0) > LARGE:
        return False
    direction = (
        _newton_step(objective, x) if objective.size <= NEWTON_SIZE and not objective.positive else None
    )
    if direction is not None and sides.proved_by(_raw_of(objective, direction), STEP):
        return True
    return objective.n * objective.size <= PROGRAM_SIZE and _program(objective, sides)


class _Sides:
    """The side on which each row's loss falls for ever: +1, -1, or 0 for neither; or its own class."""

    def __init__(self, objective):
        y = objective.y.astype(np.float64)
        self.codes = None
        if isinstance(objective.loss, MultinomialLogLoss):
            self.codes, self.any = y.astype(np.intp), True
            return
        if objective.n_outputs is not None:
            self.any = False
            return
        up, down = (pointwise.gradient(objective.loss, y, np.full(y.shape, f)) for f in (FAR, -FAR))
        self.sign = np.where(up < 0, 1.0, 0.0) - np.where(down > 0, 1.0, 0.0)
        self.any = bool(self.sign.any())

    def margins(self, raw):
        """What must not be negative: the way of each row towards its side; and what must be zero."""
        if self.codes is None:
            return self.sign * raw, np.where(self.sign == 0, raw, 0.0)
        rows = np.arange(len(raw))
        margins = raw[rows, self.codes][:, None] - raw
        return np.delete(margins.ravel(), rows * raw.shape[1] + self.codes), np.zeros(1)

    def proved_by(self, raw, least):
        """Whether this direction separates; one of at least this length, so that rounding is none."""
        margins, still = self.margins(raw)
        largest = margins.max(initial=0.0)
        if not largest > least:
            return False
        if not least:  # every row strictly on its side
            return bool((margins > 0).all() and not still.any())
        return bool((margins >= -ZERO * largest).all() and np.abs(still).max() <= ZERO * largest)


def _newton_step(objective, x):
    gradient, hessian = objective.value_gradient(x)[1], objective.hessian(x)
    root = np.sqrt(np.diag(hessian))
    if not (np.isfinite(hessian).all() and (root > 0).all()):
        return None
    values, vectors = scipy.linalg.eigh(hessian / root / root[:, None])
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return -(vectors[:, kept] @ ((vectors[:, kept].T @ (gradient / root)) / values[kept])) / root


def _raw_of(objective, direction):
    coef, intercept = objective.unpack(direction)
    return objective.design.times(coef.T) + intercept


def _program(objective, sides) -> bool:
    """Whether some direction in the unit box has a positive sum of margins, of which none is negative."""
    X = objective.design.X
    X = (X.toarray() if objective.design.sparse else X).astype(np.float64)
    X = X / np.maximum(np.abs(X).max(axis=0, initial=0.0), 1e-300)
    Z = np.column_stack([X, np.ones(len(X))]) if objective.intercept else X
    lowest = [0.0 if objective.positive else -1.0] * objective.p + [-1.0] * objective.intercept
    if sides.codes is None:
        signed = sides.sign != 0
        rows, still = sides.sign[signed, None] * Z[signed], Z[~signed]
    else:
        K, q = objective.n_outputs, Z.shape[1]
        rows = np.zeros((len(Z), K, K, q))
        for k in range(K):
            of_class = sides.codes == k
            rows[of_class, :, k] = Z[of_class, None]
            for m in range(K):
                rows[of_class, m, m] -= Z[of_class]
        rows, still, lowest = rows.reshape(-1, K * q), np.zeros((0, K * q)), lowest * K
    found = scipy.optimize.linprog(
        -rows.mean(axis=0),
        A_ub=-rows,
        b_ub=np.zeros(len(rows)),
        A_eq=still if len(still) else None,
        b_eq=np.zeros(len(still)) if len(still) else None,
        bounds=[(low, 1.0) for low in lowest],
        method="highs",
    )
    return bool(found.success and -found.fun > 1e-9)
