r"""Stochastic descent of linear models, compiled: one row after the other, a step after each batch of them.

What is minimised is F of :class:`.linear.LinearObjective`, the weighted mean loss plus half the squared norm
of the coefficients.  A step follows the batch's unbiased estimate of its gradient,

.. math::
    \tilde g = \frac{1}{|B|} \sum_{i \in B} s_i\,\ell'(y_i, x_i^T w + b)\,(x_i, 1) + \alpha\,(w, 0),

with weights `s` scaled to mean 1.  Derivation: docs/derivations/gradient-descent.md, equation (7).

The kernel reads X by rows, through `row_dot` and `add_row`, which Numba selects by the type of X: dense in
either order, or CSR.  With shuffled rows, C order and CSR touch memory once a row; Fortran order once an
entry.  A step costs O(p) for the rule and the penalty also where rows are sparse: take larger batches there.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numba import types
from numba.extending import overload

from .._runtime.jit import kernel
from ..optimize._descent import checked_batch_size, iterate, row_order
from ..optimize._stopping import Stopping, starting_point
from ..optimize.rules import get_rule
from ..optimize.rules._apply import update_all
from .linear import LinearObjective

ENTRIES = 1 << 24  # of X and of parameters to a call of the kernel: some tenths of a second at most


class CSR(NamedTuple):
    """A sparse X as kernels take it; int32 or int64 indices."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray


class Problem(NamedTuple):
    """What stays the same from step to step."""

    X: Any  # ndarray of shape (n, p), or CSR
    y: np.ndarray
    weight: np.ndarray  # of mean 1
    p: int
    l2: float


class Walk(NamedTuple):
    """What changes: the flat vector `[w, b]`, the unfinished batch's sum of gradients, the rule's state."""

    x: np.ndarray
    gradient: np.ndarray
    state: tuple[np.ndarray, ...]


# ------------------------------------------------------------------------------------- one row of X


def _dense_dot(X, i, w):
    a = b = c = d = 0.0  # four sums: one alone would wait for each addition to end
    whole = X.shape[1] - X.shape[1] % 4
    for j in range(0, whole, 4):
        a += X[i, j] * w[j]
        b += X[i, j + 1] * w[j + 1]
        c += X[i, j + 2] * w[j + 2]
        d += X[i, j + 3] * w[j + 3]
    for j in range(whole, X.shape[1]):
        a += X[i, j] * w[j]
    return (a + b) + (c + d)


def _sparse_dot(X, i, w):
    total = 0.0
    for k in range(np.uintp(X.indptr[i]), np.uintp(X.indptr[i + 1])):  # unsigned: no index is from the end
        total += X.data[k] * w[np.uintp(X.indices[k])]
    return total


def _dense_add(X, i, scale, out):
    for j in range(X.shape[1]):
        out[j] += scale * X[i, j]


def _sparse_add(X, i, scale, out):
    for k in range(np.uintp(X.indptr[i]), np.uintp(X.indptr[i + 1])):
        out[np.uintp(X.indices[k])] += scale * X.data[k]


def row_dot(X, i, w):
    """Row `i` of X times the first entries of `w`, in float64."""
    return (_sparse_dot if isinstance(X, CSR) else _dense_dot)(X, i, w)


def add_row(X, i, scale, out):
    """Add `scale` times row `i` of X to the first entries of `out`."""
    (_sparse_add if isinstance(X, CSR) else _dense_add)(X, i, scale, out)


@overload(row_dot)
def _(X, i, w):
    return _dense_dot if isinstance(X, types.Array) else _sparse_dot


@overload(add_row)
def _(X, i, scale, out):
    return _dense_add if isinstance(X, types.Array) else _sparse_add


# ---------------------------------------------------------------------------------------- the kernel


@kernel
def _walk(loss, rule, problem, walk, order, first, last, batch_size, step):
    """Walk over rows `order[first:last]`; the number of the last step taken.

    A batch begins at each multiple of `batch_size`.  Its sum lives in `walk.gradient`, so that where calls
    divide an epoch changes nothing.
    """
    X, y, weight, p, l2 = problem
    x, gradient, state = walk
    intercept = x.shape[0] > p
    for k in range(first, last):
        i = order[k]
        raw = row_dot(X, i, x) + (x[p] if intercept else 0.0)
        slope = weight[i] * loss.derivatives(y[i], raw)[0]
        add_row(X, i, slope, gradient)
        if intercept:
            gradient[p] += slope
        rows = k % batch_size + 1
        if rows == batch_size or k + 1 == order.shape[0]:
            for j in range(p):
                gradient[j] = gradient[j] / rows + l2 * x[j]
            if intercept:
                gradient[p] /= rows
            step += 1.0
            update_all(rule, step, x, gradient, state)
            gradient[:] = 0.0
    return step


# ---------------------------------------------------------------------------------------- the epochs


def run_epochs(
    loss,
    rule,
    X,
    y,
    weight,
    x0,
    *,
    rng,
    l2=0.0,
    intercept=True,
    batch_size=1,
    max_epochs=100,
    tol=1e-6,
    stall_tol=None,
    patience=5,
    shuffle=True,
    progress=None,
    path=None,
    n_threads=1,
):
    r"""Minimise the mean loss of `X w + b`, plus `l2` times half of :math:`\|w\|^2`, by steps on batches.

    At the end of each epoch the objective and its gradient over all rows are computed (in the precision of
    X): the curve and the decision to stop rest on them.

    Parameters
    ----------
    loss : Loss
        Of one output.
    rule : UpdateRule or str
    X : ndarray or sparse matrix of shape (n, p), float32 or float64
        Never written to, nor copied if it is C- or Fortran-ordered or CSR.
    y : ndarray of shape (n,)
        Targets in the loss's domain.
    weight : ndarray of shape (n,) or None
        Non-negative, not all zero.
    x0 : array-like of shape (p,) or (p + 1,)
        Where to start: the coefficients, and the intercept if there is one.
    rng : numpy.random.Generator or RandomState
        Orders the rows anew for each epoch.
    l2 : float, default=0.0
        Strength of the penalty; the intercept is free of it.
    intercept : bool, default=True
        Whether `b` is there.
    batch_size : int, default=1
        Rows to a step, at most n of them; the last batch of an epoch may be smaller, and counts like the
        others.
    max_epochs : int, default=100
        Most passes over the rows.
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value.
    stall_tol, patience : float and int, optional
        Stop when the objective has not fallen by more than `stall_tol` below its best for `patience` epochs;
        None never does.
    shuffle : bool, default=True
        Whether to order the rows anew for each epoch, or take them as they come.
    progress : callable, optional
        ``progress(epoch, value, x)`` after each epoch; a true answer stops.
    path : list, optional
        Receives `x0` and the iterate after each step.
    n_threads : int, default=1
        For the objective over all rows; steps follow one another.

    Returns
    -------
    Solution
        The last iterate, in float64; the best one, and the reason "diverged", where the steps were too long.

    Raises
    ------
    TypeError
        If `rule` is no update rule, or `loss` has several outputs.
    ValueError
        For shapes that do not fit, an `x0` that is not finite, weights that are negative or all zero, or a
        `batch_size` below 1.

    Notes
    -----
    The same `rng` gives the same bits.  Source: Robbins and Monro (1951), *A stochastic approximation
    method*; Bottou, Curtis and Nocedal (2018), *Optimization methods for large-scale machine learning*.
    """
    rule = get_rule(rule)
    _check(loss, X, y, weight, x0, intercept)
    objective = LinearObjective(loss, X, y, weight, l2=l2, intercept=intercept, n_threads=n_threads)
    n, p = objective.n, objective.p
    batch_size = checked_batch_size(batch_size, n)
    typed_loss, typed_rule = loss.at(np.float64), rule.at(np.float64)
    weight = np.ones(n) if weight is None else weight / np.mean(weight, dtype=np.float64)
    problem = Problem(_rows(objective.design.X), _input(y), _input(weight), p, float(l2))
    parameters = starting_point(x0)
    state = rule.start(np.zeros(objective.size))
    gradient = np.zeros(objective.size)
    stride = batch_size if path is not None else _rows_to_a_call(objective.design, batch_size)
    step = 0.0

    def advance(x, _):
        nonlocal step
        x = x.copy()
        walk = Walk(x, gradient, state)
        order = _input(row_order(n, rng, shuffle), np.int64)
        for first in range(0, n, stride):
            last = min(first + stride, n)
            step = _walk(typed_loss, typed_rule, problem, walk, order, first, last, batch_size, step)
            if path is not None:
                path.append(x.copy())
        return x

    if path is not None:
        path.append(parameters)
    return iterate(objective, parameters, advance, Stopping(tol, max_epochs, stall_tol, patience), progress)


def _check(loss, X, y, weight, x0, intercept):
    """Raise an error for what the kernel would only compute nonsense from."""
    if hasattr(loss, "value_row"):
        raise TypeError(f"loss must have one output; {loss!r} is a loss over rows of raws")
    n, p = np.shape(X)
    for name, array, shape in (("y", y, (n,)), ("weight", weight, (n,)), ("x0", x0, (p + bool(intercept),))):
        if array is not None and np.shape(array) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {np.shape(array)}")
    if weight is not None and not (np.min(weight) >= 0 and 0 < np.sum(weight, dtype=np.float64) < np.inf):
        raise ValueError("weight must be finite and non-negative, and not all zero")


def _rows_to_a_call(design, batch_size):
    """So many that a call ends soon, and Ctrl-C is heard: its work is entries of X, and parameters a step."""
    n, p = design.shape
    entries = design.X.nnz / max(n, 1) if design.sparse else p
    return max(1, int(ENTRIES / (1.0 + entries + p / batch_size)))


def _rows(X):
    """X as the kernel takes it."""
    if scipy.sparse.issparse(X):
        return CSR(*(_input(array, None) for array in (X.data, X.indices, X.indptr)))
    view = X.view()
    view.flags.writeable = False
    return view


def _input(array, dtype=np.float64):
    """A contiguous read-only view: one signature for all inputs."""
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view
