r"""Stochastic average gradients of linear models: SAG and SAGA, compiled.

What is minimised is F of :class:`.linear.LinearObjective`, with its L1 penalty :math:`\lambda\|w\|_1`.  A
table keeps for each row the slope of its loss (K slopes with K outputs) when it was last drawn.  A step
draws a row i, renews its slope, and follows

.. math::
    \tilde g = c\,\Delta_i\,(x_i, 1) + \frac1n \sum_j s_j\,(x_j, 1) + \alpha\,(w, 0),
    \qquad w \leftarrow S(w - \gamma \tilde g, \gamma\lambda),

where :math:`s_j` are the slopes of the table, i's renewed, :math:`\Delta_i` is the change of i's, and S
moves each coefficient by :math:`\gamma\lambda` towards zero, where it stops.  With `c = 0` that is SAG;
with :math:`c = 1 - 1/n` the estimate is unbiased, and that is SAGA.  The table starts at zero.

**Deferred steps.**  Between two draws that touch a column its average gradient a stays the same, so where X is
sparse its steps are taken together when it is touched next: a step costs as much as its row has entries.
With `w = scale · v` the L2 penalty shrinks the scale alone, and step k moves v by
:math:`S(v - \tau_k a, \tau_k\lambda)` with :math:`\tau_k = \gamma / scale_k`; let :math:`t_k` be the sum of
:math:`\tau` up to k, and T that over the steps deferred.  As long as v > 0 each of them subtracts
:math:`\tau_k (a + \lambda)`, so

- if :math:`v - T(a + \lambda) \ge 0`, that is where they end: on one side of zero, in one step;
- otherwise, if :math:`a \le \lambda`, they end at 0: the step that would pass it has
  :math:`v - \tau a \ge -\tau\lambda`, and none leaves it;
- otherwise v passes zero in the first step with :math:`t_k \ge t + v / (a + \lambda)`, found by bisection in
  the :math:`t_k` of the call; from there on each step subtracts :math:`\tau_k (a - \lambda)`.

For v < 0 the signs are mirrored, and v = 0 leaves to the side where -a points, if at all.  So a settlement
has the value of the steps it stands for, at the cost of one of them, and of a bisection where zero is passed.

Source: Schmidt, Le Roux and Bach (2017), *Minimizing finite sums with the stochastic average gradient*,
section 4 for the table, the exact penalty and the deferred steps; Defazio, Bach and Lacoste-Julien
(2014), *SAGA*, equations (1) and (2).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .._runtime.jit import kernel
from ..losses import LogLoss, MultinomialLogLoss, SquaredError
from ..optimize._descent import iterate
from ..optimize._stopping import Stopping, starting_point
from .epochs import ENTRIES, _input, _rows, row_dot

# the largest second derivative of a loss; with K outputs, the largest eigenvalue of its Hessian
CURVATURE = {SquaredError: 1.0, LogLoss: 0.25, MultinomialLogLoss: 0.5}
SMALLEST_SCALE = 1e-6  # then v is written out: 1 / scale must not lose digits
EPS = float(np.finfo(np.float64).eps)


class Problem(NamedTuple):
    """What stays the same from step to step."""

    X: Any  # ndarray of shape (n, p), or CSR
    y: np.ndarray
    weight: np.ndarray  # of mean 1 over the rows that are drawn
    offset: np.ndarray  # (n,), or (0,) where there is none
    share: float  # 1 / number of those rows
    step: float
    decay: float  # of the coefficients in a step: 1 - step * alpha
    intercept_step: float  # 0 where there is none
    intercept_decay: float
    correction: float  # c
    l1: float


class Walk(NamedTuple):
    """What changes: coefficients and intercepts, each with its average gradient, and the table of slopes."""

    columns: np.ndarray  # dense: (2, K, p); sparse, what a draw reads side by side: (p, [v, average, t])
    intercept: np.ndarray  # (2, K)
    slopes: np.ndarray  # (n, K)


# ---------------------------------------------------------------------------------- one row: what it reads


@kernel
def deferred(v, average, since, t, l1, times):
    """Where the steps from `since` to `t` lead a coefficient of constant average gradient: see the module."""
    end = v - (t - since) * (average + math.copysign(l1, v))
    if end * v > 0.0 or l1 == 0.0:
        return end
    return _to_zero(v, average, since, l1, times)


@kernel
def _to_zero(v, average, since, l1, times):
    """The same where v reaches zero on the way, or starts there; `times` ends with `t`."""
    sign = 1.0 if v > 0.0 or (v == 0.0 and average < 0.0) else -1.0
    v, average, last = sign * v, sign * average, len(times) - 1
    if v == 0.0:
        return sign * max(-(times[last] - since) * (average + l1), 0.0)
    if average <= l1:
        return 0.0
    k = min(np.searchsorted(times, since + v / (average + l1), side="right"), last)
    v -= (times[k - 1] - since) * (average + l1)
    v = min(v - (times[k] - times[k - 1]) * (average - l1), 0.0)
    return sign * (v - (times[last] - times[k]) * (average - l1))


def _read_dense(X, i, l1, times, columns, raw):
    for k in range(raw.shape[0]):
        raw[k] = row_dot(X, i, columns[0, k])


def _read_sparse(X, i, l1, times, columns, raw):
    K, t = raw.shape[0], times[-1]
    raw[:] = 0.0
    for e in range(np.uintp(X.indptr[i]), np.uintp(X.indptr[i + 1])):
        j, entry = np.uintp(X.indices[e]), X.data[e]
        since = columns[j, 2 * K]
        for k in range(K):
            v = deferred(columns[j, k], columns[j, K + k], since, t, l1, times)
            columns[j, k] = v
            raw[k] += entry * v
        columns[j, 2 * K] = t


def read_row(X, i, l1, times, columns, raw):
    """Write row `i` of X times v to `raw`, after the steps that its columns have not taken yet."""
    dense = isinstance(X, np.ndarray)
    (_read_dense if dense else _read_sparse)(X, i, l1, times, columns, raw)


@overload(read_row)
def _(X, i, l1, times, columns, raw):
    return _read_dense if isinstance(X, types.Array) else _read_sparse


# ---------------------------------------------------------------------------------- one row: what it moves


def _move_dense(problem, i, change, scale, columns):
    X, share, step, decay = problem.X, problem.share, problem.step, problem.decay
    threshold, correction = step * problem.l1, problem.correction
    for k in range(change.shape[0]):
        v, average, delta = columns[0, k], columns[1, k], change[k]
        for j in range(X.shape[1]):
            part = delta * X[i, j]
            a = average[j] + share * part
            average[j] = a
            moved = decay * v[j] - step * (correction * part + a)
            v[j] = moved - min(max(moved, -threshold), threshold)
    return scale


def _move_sparse(problem, i, change, scale, columns):
    X, share, K = problem.X, problem.share, change.shape[0]
    scale *= problem.decay
    length = problem.step / scale * problem.correction
    for e in range(np.uintp(X.indptr[i]), np.uintp(X.indptr[i + 1])):
        j, entry = np.uintp(X.indices[e]), X.data[e]
        for k in range(K):
            part = change[k] * entry
            columns[j, K + k] += share * part
            columns[j, k] -= length * part
    return scale


def move_row(problem, i, change, scale, columns):
    """Renew the average by row `i` and take its step; what columns share in is deferred where X is sparse."""
    dense = isinstance(problem.X, np.ndarray)
    return (_move_dense if dense else _move_sparse)(problem, i, change, scale, columns)


@overload(move_row)
def _(problem, i, change, scale, columns):
    return _move_dense if isinstance(problem.types[0], types.Array) else _move_sparse


def _settle_dense(X, l1, scale, times, columns):
    pass


def _settle_sparse(X, l1, scale, times, columns):
    K, t = columns.shape[1] // 2, times[-1]
    for j in range(columns.shape[0]):
        for k in range(K):
            end = deferred(columns[j, k], columns[j, K + k], columns[j, 2 * K], t, l1, times)
            columns[j, k] = scale * end
        columns[j, 2 * K] = 0.0


def settle(X, l1, scale, times, columns):
    """Take the steps of all columns, and write out the coefficients."""
    dense = isinstance(X, np.ndarray)
    (_settle_dense if dense else _settle_sparse)(X, l1, scale, times, columns)


@overload(settle)
def _(X, l1, scale, times, columns):
    return _settle_dense if isinstance(X, types.Array) else _settle_sparse


def _one_slope(loss, y, raw, slope, second):
    slope[0] = loss.derivatives(y, raw[0])[0]


def _all_slopes(loss, y, raw, slope, second):
    loss.derivatives_row(y, raw, slope, second)


def slopes_of(loss, y, raw, slope, second):
    """Write the derivatives of a row's loss in its raws; `second` is None for a loss of one output."""
    (_one_slope if second is None else _all_slopes)(loss, y, raw, slope, second)


@overload(slopes_of)
def _(loss, y, raw, slope, second):
    return _one_slope if isinstance(second, types.NoneType) else _all_slopes


# ------------------------------------------------------------------------------------------- the kernel


@kernel
def _walk(loss, problem, walk, order, second):
    """A step for each row in `order`; `second` is None for a loss of one output, else room for K numbers."""
    X, y, weight, offset, share, step, _, intercept_step, intercept_decay, correction, l1 = problem
    columns, intercept, slopes = walk
    K = slopes.shape[1]
    raw, slope = np.empty(K), np.empty(K)
    times, scale, now = np.zeros(len(order) + 1), 1.0, 0  # times[k] is t after k steps
    for i in order:
        read_row(X, i, l1, times[: now + 1], columns, raw)
        shift = offset[i] if len(offset) else 0.0
        for k in range(K):
            raw[k] = scale * raw[k] + intercept[0, k] + shift
        slopes_of(loss, y[i], raw, slope, second)
        for k in range(K):
            slope[k] = weight[i] * slope[k] - slopes[i, k]
            slopes[i, k] += slope[k]
        scale = move_row(problem, i, slope, scale, columns)
        for k in range(K):
            intercept[1, k] += share * slope[k]
            estimate = correction * slope[k] + intercept[1, k]
            intercept[0, k] = intercept_decay * intercept[0, k] - intercept_step * estimate
        times[now + 1] = times[now] + step / scale
        now += 1
        if scale < SMALLEST_SCALE:
            settle(X, l1, scale, times[: now + 1], columns)
            scale, now = 1.0, 0
    settle(X, l1, scale, times[: now + 1], columns)


# ------------------------------------------------------------------------------------------- the epochs


class Penalised:
    """F with its L1 penalty, as `iterate` asks for it: the value, and the subgradient nearest to zero.

    The largest component of that subgradient is the KKT violation.
    """

    def __init__(self, objective):
        self.objective, self.noise = objective, objective.noise

    def value_gradient(self, x):
        value, gradient = self.objective.value_gradient(x)
        w, l1 = self.objective.unpack(x)[0], self.objective.l1
        smooth = self.objective.unpack(gradient)[0]  # a view
        resting = smooth - np.clip(smooth, -l1, l1)
        smooth[...] = np.where(w != 0, smooth + np.sign(w) * l1, resting)
        return value + l1 * float(np.abs(w).sum()), gradient


def run_sag(objective, x0, *, rng, saga=False, tol=1e-6, max_iter=100, progress=None):
    r"""Minimise by SAG or SAGA: n draws to an epoch, with replacement.

    The step is :math:`1/L` for SAG and :math:`\max(1/3L,\ 1/2(L + n\alpha))` for SAGA, with L the largest
    curvature of one row's term, :math:`\max_i s_i \ell'' (\|x_i\|^2 + 1) + \alpha`.

    Parameters
    ----------
    objective : LinearObjective
        Of a loss in :data:`CURVATURE`; with an L1 penalty for SAGA alone.
    x0 : array-like of shape (size,)
        Where to start.
    rng : numpy.random.Generator or RandomState
        Draws the rows.
    saga : bool, default=False
        SAGA, or SAG.
    tol : float, default=1e-6
        Stop when no component of the gradient, computed over all rows after each epoch, is larger in
        absolute value; with an L1 penalty, no component of the subgradient nearest to zero.
    max_iter : int, default=100
        Most epochs.
    progress : callable, optional
        ``progress(epoch, value, x)`` after each epoch; a true answer stops.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError
        For a loss without a known bound on its curvature: no step would be safe.
    ValueError
        For coefficients that must be positive, and, without `saga`, for an L1 penalty.

    Notes
    -----
    The same `rng` gives the same bits.  Rows of no weight are not drawn.  Rows are drawn with replacement,
    since over permutations SAG need not converge: with iris it circles.
    """
    _check(objective, saga)
    K, n, p = objective.n_outputs or 1, objective.n, objective.p
    weight = np.full(n, 1.0 / n) if objective.weight is None else objective.weight.astype(np.float64)
    drawn = np.flatnonzero(weight)
    weight = len(drawn) * weight
    problem = _problem(objective, weight, len(drawn), saga)
    loss, second = objective.loss.at(np.float64), None if objective.n_outputs is None else np.empty(K)
    walk = _start(objective, starting_point(x0).reshape(K, -1))
    stride = rows_to_a_call(objective.design, K)

    def advance(x, _):
        order = _input(rng.choice(drawn, len(drawn)), np.int64)
        for first in range(0, len(order), stride):
            _walk(loss, problem, walk, order[first : first + stride], second)
        coef = walk.columns[:, :K].T if objective.design.sparse else walk.columns[0]
        return np.concatenate([coef, walk.intercept[0, :, None]], axis=1)[
            :, : p + objective.intercept
        ].ravel()

    seen = Penalised(objective) if objective.l1 > 0 else objective
    return iterate(seen, x0, advance, Stopping(tol, max_iter), progress)


def _check(objective, saga):
    """Raise an error for a problem that these steps do not solve."""
    if type(objective.loss) not in CURVATURE:
        known = ", ".join(sorted(cls.__name__ for cls in CURVATURE))
        raise TypeError(f"sag and saga need a loss of bounded curvature ({known}), got {objective.loss!r}")
    if objective.l1 > 0 and not saga:
        raise ValueError(f"sag has no step for an L1 penalty, saga has: l1 must be 0, got {objective.l1}")
    if objective.positive:
        raise ValueError("sag and saga do not keep coefficients positive")


def _problem(objective, weight, n_drawn, saga):
    bound = CURVATURE[type(objective.loss)]
    steepest = bound * np.max(weight * (squared_norms(objective.design) + objective.intercept))
    L = max(steepest + max(objective.l2, objective.l2_intercept), np.finfo(np.float64).tiny)
    step = max(1.0 / (3.0 * L), 0.5 / (L + objective.l2 * n_drawn)) if saga else 1.0 / L
    return Problem(
        X=_rows(objective.design.X),
        y=_input(objective.y),
        weight=_input(weight),
        offset=_input(np.empty(0) if objective.offset is None else objective.offset),
        share=1.0 / n_drawn,
        step=step,
        decay=max(1.0 - step * objective.l2, EPS),  # 0 where the penalty is all there is
        intercept_step=step if objective.intercept else 0.0,
        intercept_decay=1.0 - step * objective.l2_intercept,
        correction=1.0 - 1.0 / n_drawn if saga else 0.0,
        l1=objective.l1,
    )


def _start(objective, x):
    """The walk at x of shape (K, p) or (K, p + 1), where no row has been drawn."""
    K, p = len(x), objective.p
    columns = np.zeros((p, 2 * K + 1) if objective.design.sparse else (2, K, p))
    (columns[:, :K].T if objective.design.sparse else columns[0])[...] = x[:, :p]
    intercept = np.zeros((2, K))
    if objective.intercept:
        intercept[0] = x[:, p]
    return Walk(columns, intercept, np.zeros((objective.n, K)))


def squared_norms(design):
    """The squared norms of the rows of X, in float64; a sparse X may store an entry in parts."""
    X = design.X
    if design.sparse:
        X = X.astype(np.float64, copy=True)
        X.sum_duplicates()  # the square of a sum
        return np.asarray(X.power(2).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)


def rows_to_a_call(design, K=1):
    """So many that a call ends soon, and Ctrl-C is heard."""
    n, p = design.shape
    entries = design.X.nnz / max(n, 1) if design.sparse else p
    return max(1, int(ENTRIES / (K * (1.0 + entries))))
