r"""Stochastic average gradients of linear models: SAG and SAGA, compiled.

What is minimised is F of :class:`.linear.LinearObjective`.  A table keeps for each row the slope of its loss
(K slopes with K outputs) when it was last drawn.  A step draws a row i, renews its slope, and follows

.. math::
    \tilde g = c\,\Delta_i\,(x_i, 1) + \frac1n \sum_j s_j\,(x_j, 1) + \alpha\,(w, 0),

where :math:`s_j` are the slopes of the table, i's renewed, and :math:`\Delta_i` is the change of i's.  With
`c = 0` that is SAG; with :math:`c = 1 - 1/n` the estimate is unbiased, and that is SAGA.  The table
starts at zero.

Between two draws that touch a column its average gradient stays the same, so its steps are taken together
when it is touched next: a step costs as much as its row has entries, also where X is sparse.  With
`w = scale · v` the penalty shrinks the scale alone, and `travelled` adds up the lengths of steps in v.

Source: Schmidt, Le Roux and Bach (2017), *Minimizing finite sums with the stochastic average gradient*,
section 4 for the table, the exact penalty and the deferred steps; Defazio, Bach and Lacoste-Julien
(2014), *SAGA*, equation (1).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .._runtime.jit import kernel
from ..losses import LogLoss, MultinomialLogLoss, SquaredError
from ..optimize._descent import iterate
from ..optimize._stopping import Stopping
from .epochs import ENTRIES, _input, _rows, add_row, row_dot

# the largest second derivative of a loss; with K outputs, the largest eigenvalue of its Hessian
CURVATURE = {SquaredError: 1.0, LogLoss: 0.25, MultinomialLogLoss: 0.5}
SMALLEST_SCALE = 1e-6  # then v is written out: 1 / scale must not lose digits
EPS = float(np.finfo(np.float64).eps)


class Problem(NamedTuple):
    """What stays the same from step to step."""

    X: Any  # ndarray of shape (n, p), or CSR
    y: np.ndarray
    weight: np.ndarray  # of mean 1 over the rows that are drawn
    p: int
    share: float  # 1 / number of those rows
    step: float
    decay: float  # of the coefficients in a step: 1 - step * alpha
    intercept_decay: float
    correction: float  # c


class Walk(NamedTuple):
    """What changes: `[w, b]` of each output, the average gradient of the losses, the table of slopes."""

    x: np.ndarray  # (K, p) or (K, p + 1)
    average: np.ndarray
    slopes: np.ndarray  # (n, K)


# ------------------------------------------------------------------------------- steps that were deferred


def _settle_dense(X, i, travelled, settled, average, v):
    for k in range(v.shape[0]):
        for j in range(X.shape[1]):
            v[k, j] -= (travelled - settled[j]) * average[k, j]
    settled[:] = travelled


def _settle_sparse(X, i, travelled, settled, average, v):
    for e in range(X.indptr[i], X.indptr[i + 1]):
        j = X.indices[e]
        for k in range(v.shape[0]):
            v[k, j] -= (travelled - settled[j]) * average[k, j]
        settled[j] = travelled


def settle_row(X, i, travelled, settled, average, v):
    """Take the steps that the columns of row `i` have not taken yet."""
    (_settle_dense if isinstance(X, np.ndarray) else _settle_sparse)(X, i, travelled, settled, average, v)


@overload(settle_row)
def _(X, i, travelled, settled, average, v):
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


@kernel
def _settle(scale, travelled, settled, average, x):
    """Take the steps of all columns, and write out the coefficients."""
    for j in range(settled.shape[0]):
        for k in range(x.shape[0]):
            x[k, j] = scale * (x[k, j] - (travelled - settled[j]) * average[k, j])
    settled[:] = 0.0


# ------------------------------------------------------------------------------------------- the kernel


@kernel
def _walk(loss, problem, walk, order, second):
    """A step for each row in `order`; `second` is None for a loss of one output, else room for K numbers."""
    X, y, weight, p, share, step, decay, intercept_decay, correction = problem
    x, average, slopes = walk
    K, intercept = x.shape[0], x.shape[1] > p
    raw, slope, settled = np.empty(K), np.empty(K), np.zeros(p)
    scale, travelled = 1.0, 0.0
    for i in order:
        settle_row(X, i, travelled, settled, average, x)
        for k in range(K):
            raw[k] = scale * row_dot(X, i, x[k]) + (x[k, p] if intercept else 0.0)
        slopes_of(loss, y[i], raw, slope, second)
        scale *= decay
        for k in range(K):
            change = weight[i] * slope[k] - slopes[i, k]
            slopes[i, k] += change
            add_row(X, i, share * change, average[k])
            if correction > 0.0:
                add_row(X, i, -step / scale * correction * change, x[k])
            if intercept:
                average[k, p] += share * change
                x[k, p] = intercept_decay * x[k, p] - step * (correction * change + average[k, p])
        travelled += step / scale
        if scale < SMALLEST_SCALE:
            _settle(scale, travelled, settled, average, x)
            scale, travelled = 1.0, 0.0
    _settle(scale, travelled, settled, average, x)


# ------------------------------------------------------------------------------------------- the epochs


def run_sag(objective, x0, *, rng, saga=False, tol=1e-6, max_iter=100, progress=None):
    r"""Minimise by SAG or SAGA: n draws to an epoch, with replacement.

    The step is :math:`1/L` for SAG and :math:`\max(1/3L,\ 1/2(L + n\alpha))` for SAGA, with L the largest
    curvature of one row's term, :math:`\max_i s_i \ell'' (\|x_i\|^2 + 1) + \alpha`.

    Parameters
    ----------
    objective : LinearObjective
        Of a loss in :data:`CURVATURE`.
    x0 : array-like of shape (size,)
        Where to start.
    rng : numpy.random.Generator or RandomState
        Draws the rows.
    saga : bool, default=False
        SAGA, or SAG.
    tol : float, default=1e-6
        Stop when no component of the gradient, computed over all rows after each epoch, is larger in
        absolute value.
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

    Notes
    -----
    The same `rng` gives the same bits.  Rows of no weight are not drawn.  Rows are drawn with replacement,
    since over permutations SAG need not converge: with iris it circles.
    """
    bound = CURVATURE.get(type(objective.loss))
    if bound is None:
        known = ", ".join(sorted(cls.__name__ for cls in CURVATURE))
        raise TypeError(f"sag and saga need a loss of bounded curvature ({known}), got {objective.loss!r}")
    K, n = objective.n_outputs or 1, objective.n
    weight = np.full(n, 1.0 / n) if objective.weight is None else objective.weight.astype(np.float64)
    drawn = np.flatnonzero(weight)
    weight = len(drawn) * weight
    steepest = bound * np.max(weight * (squared_norms(objective.design) + objective.intercept))
    L = max(steepest + max(objective.l2, objective.l2_intercept), np.finfo(np.float64).tiny)
    step = max(1.0 / (3.0 * L), 0.5 / (L + objective.l2 * len(drawn))) if saga else 1.0 / L
    problem = Problem(
        X=_rows(objective.design.X),
        y=_input(objective.y),
        weight=_input(weight),
        p=objective.p,
        share=1.0 / len(drawn),
        step=step,
        decay=max(1.0 - step * objective.l2, EPS),  # 0 where the penalty is all there is
        intercept_decay=1.0 - step * objective.l2_intercept,
        correction=1.0 - 1.0 / len(drawn) if saga else 0.0,
    )
    loss, second = objective.loss.at(np.float64), None if objective.n_outputs is None else np.empty(K)
    average, slopes = np.zeros((K, objective.size // K)), np.zeros((n, K))
    stride = rows_to_a_call(objective.design, K)

    def advance(x, _):
        x = x.copy()
        walk = Walk(x.reshape(average.shape), average, slopes)
        order = _input(rng.choice(drawn, len(drawn)), np.int64)
        for first in range(0, len(order), stride):
            _walk(loss, problem, walk, order[first : first + stride], second)
        return x

    return iterate(objective, x0, advance, Stopping(tol, max_iter), progress)


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
