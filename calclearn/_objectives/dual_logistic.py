r"""Logistic regression in the dual: one coordinate after the other, compiled.

Divided by the strength of the penalty, F of :class:`.linear.LinearObjective` is
:math:`\tfrac12\|w\|^2 + \sum_i C_i \log(1 + e^{-y_i x_i^T w})`, with labels :math:`y_i = \pm 1` and the
penalised intercept as the coefficient of a constant column.  Its dual is

.. math::
    \min_{0 < a_i < C_i}\ \tfrac12 \Bigl\|\sum_i a_i y_i x_i\Bigr\|^2
        + \sum_i a_i \log a_i + (C_i - a_i) \log(C_i - a_i),

and :math:`w = \sum_i a_i y_i x_i` leads from one to the other.  Along one coordinate the derivative is zero
where, with the log-odds :math:`u = \log\frac{a}{C - a}`, hence :math:`a = C\sigma(u)`,

.. math::
    h(u) = u + \|x_i\|^2 (C\sigma(u) - a_i) + y_i x_i^T w = 0.

In `a` the optimum may be nearer to an end of the box than float64 can tell from the end; in `u` it is an
ordinary number.  h rises at least as fast as u, and it is convex below 0 and concave above: Newton's method
from the side of 0 descends to the root without a safeguard.

Source: Yu, Huang and Lin (2011), *Dual coordinate descent methods for logistic regression and maximum entropy
models*; they solve for `a`, from whichever end is nearer, by a modified Newton method.
"""

from typing import Any, NamedTuple

import numpy as np

from .._runtime.elementary import sigmoid
from .._runtime.jit import kernel
from ..losses import LogLoss
from ..optimize._descent import iterate
from ..optimize._stopping import Stopping, starting_point
from .epochs import _input, _rows, add_row, row_dot
from .sag import rows_to_a_call, squared_norms

NEAR = 1e-6  # Newton's method squares the error: the last step leaves half the square of this
NEWTON_STEPS = 100  # some 5, or the logarithm of |x|² C in the first epoch


class Problem(NamedTuple):
    """What stays the same from step to step."""

    X: Any  # ndarray of shape (n, p), or CSR
    sign: np.ndarray  # y
    C: np.ndarray
    norms: np.ndarray  # squared, with the constant column
    p: int
    constant: float  # squared, of the intercept's column


class State(NamedTuple):
    """What changes: `[w, b]`, the dual variables and their log-odds."""

    x: np.ndarray
    dual: np.ndarray
    log_odds: np.ndarray


@kernel
def _root(A, r, v):
    """The root of `v + A sigmoid(v) + r`, which is not above 0; `v` is a guess."""
    v = min(v, 0.0, -r)
    for _ in range(NEWTON_STEPS):
        s = sigmoid(v)
        step = (v + A * s + r) / (1.0 + A * s * (1.0 - s))
        moved = min(v - step, 0.0)
        step, v = v - moved, moved
        if abs(step) <= NEAR:
            break
    return v


@kernel
def _walk(problem, state, order):
    """Minimise the dual along the coordinates in `order`, one after the other."""
    X, sign, C, norms, p, constant = problem
    x, dual, log_odds = state
    intercept = x.shape[0] > p
    for i in order:
        margin = sign[i] * (row_dot(X, i, x) + (x[p] if intercept else 0.0))
        r = margin - norms[i] * dual[i]
        A = norms[i] * C[i]
        if r + 0.5 * A >= 0.0:
            log_odds[i] = _root(A, r, log_odds[i])
        else:  # the same, seen from the other end
            log_odds[i] = -_root(A, -r - A, -log_odds[i])
        renewed = C[i] * sigmoid(log_odds[i])
        change = sign[i] * (renewed - dual[i])
        dual[i] = renewed
        add_row(X, i, change, x)
        if intercept:
            x[p] += constant * change


def run_dual_logistic(objective, x0, *, rng, tol=1e-6, max_iter=100, progress=None):
    r"""Minimise by coordinate descent in the dual; all coordinates to an epoch, in random order.

    Parameters
    ----------
    objective : LinearObjective
        Of the log loss of labels 0 and 1, with a penalty on the coefficients, and on the intercept if there
        is one.
    x0 : array-like of shape (size,)
        Where to start: from dual variables that belong to it, :math:`C_i \sigma(-y_i x_i^T w)`, or from
        zeros where those are better.
    rng : numpy.random.Generator or RandomState
        Orders the rows anew for each epoch.
    tol : float, default=1e-6
        Stop when no component of the (primal) gradient is larger in absolute value.
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
        For another loss.
    ValueError
        Without a penalty on both, for targets between 0 and 1, and for an L1 penalty, coefficients that
        must be positive or an offset.

    Notes
    -----
    The same `rng` gives the same bits.  Rows of no weight are left out.
    """
    _check(objective)
    n, p = objective.n, objective.p
    sign = 2.0 * objective.y.astype(np.float64) - 1.0
    weight = np.full(n, 1.0 / n) if objective.weight is None else objective.weight.astype(np.float64)
    C, drawn = weight / objective.l2, np.flatnonzero(weight)
    constant = objective.l2 / objective.l2_intercept if objective.intercept else 0.0
    norms = squared_norms(objective.design) + constant
    problem = Problem(_rows(objective.design.X), _input(sign), _input(C), _input(norms), p, constant)
    state = _start(objective, starting_point(x0), sign, C, constant)
    stride = rows_to_a_call(objective.design)

    def advance(x, _):
        order = _input(rng.permutation(drawn), np.int64)
        for first in range(0, len(order), stride):
            _walk(problem, state, order[first : first + stride])
        return state.x.copy()

    return iterate(objective, x0, advance, Stopping(tol, max_iter), progress)


def _start(objective, x0, sign, C, constant):
    """The dual variables that belong to `x0`, or zeros where those have the lower objective."""
    log_odds = -sign * objective.raw(x0)
    dual = C * sigmoid(log_odds)
    signed = sign * dual
    x = objective.pack(objective.design.transposed_times(signed), constant * signed.sum())
    zero = np.zeros(objective.size)
    if objective.value(x) < objective.value(zero):
        return State(x, dual, log_odds)
    return State(zero, np.zeros(objective.n), np.zeros(objective.n))


def _check(objective):
    """Raise an error for a problem that has another dual."""
    if type(objective.loss) is not LogLoss:
        raise TypeError(f"the dual is that of LogLoss(), got {objective.loss!r}")
    if not objective.l2 > 0:
        raise ValueError(f"the dual needs a penalty: l2 must be positive, got {objective.l2}")
    if objective.intercept and not objective.l2_intercept > 0:
        raise ValueError(
            "the dual needs a penalised intercept: l2_intercept must be positive, got "
            f"{objective.l2_intercept}"
        )
    if objective.l1 > 0 or objective.positive or objective.offset is not None:
        raise ValueError("the dual is that of the L2 penalty alone: no L1 penalty, positive=False, no offset")
    between = objective.y[(objective.y != 0) & (objective.y != 1)]
    if len(between):
        raise ValueError(f"the dual needs targets 0 and 1, got {between[0]}")
