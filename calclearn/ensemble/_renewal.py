"""The values of leaves where Newton's step is not to be trusted.

Where a loss has no curvature at all, the step says nothing: the exact best constants take its place.  Where
the curvature may vanish on the way, or change much, the step may be far too long: then it is halved.
"""

import numpy as np

from ..losses import AbsoluteError, LogLoss, Quantile, SquaredError, pointwise
from ._binning import whole_numbers
from ._histogram import ROW

STEPS = 100  # of bisection; each halves the interval
HALVINGS = 60  # of a leaf's value, before it is none
TRUSTED = (
    SquaredError,
    LogLoss,
)  # exact, and held back by `min_child_weight`: a look would cost time for nothing


def renew(loss, y, raw, weight, leaves, begin, end):
    """The constant that each leaf's rows do best with, added to their raw predictions.

    Parameters
    ----------
    loss : Loss
        Piecewise linear and convex.
    y, raw : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
    leaves : ndarray of int64
        The words of the tree.
    begin, end : ndarray of int64, shape (n_leaves,)

    Returns
    -------
    values : ndarray of float64, shape (n_leaves,)
    """
    values = np.zeros(len(begin))
    for leaf, (i, j) in enumerate(zip(begin, end)):
        rows = leaves[i:j] & ROW
        of_rows = (y[rows], raw[rows], np.ones(j - i) if weight is None else weight[rows])
        order = np.lexsort(
            of_rows[::-1]
        )  # sums of floating-point numbers must not depend on that of the rows
        of_y, of_raw, of_weight = (array[order] for array in of_rows)
        if isinstance(loss, AbsoluteError | Quantile):  # which depend on y - raw alone
            values[leaf] = loss.minimiser(of_y - of_raw, of_weight)
        else:
            values[leaf] = _flat(loss, of_y, of_raw, of_weight)
    return values


def needs_damping(loss):
    """Whether Newton's steps are looked at, lest they raise the loss."""
    return not isinstance(loss, TRUSTED)


def damp(loss, y, raw, weight, leaves, begin, end, values, n_threads):
    """By which leaves' values must be multiplied lest they raise the loss of their rows: 1, 1/2, 1/4, ...

    Parameters
    ----------
    loss, y, raw, weight, leaves, begin, end :
        As in :func:`renew`.
    values : ndarray of float64, shape (n_leaves,)
        What the leaves would add.
    n_threads : int

    Returns
    -------
    shares : ndarray of float64, shape (n_leaves,)
    """
    shares, of_leaf = np.ones(len(begin)), np.argsort(begin)
    sizes, rows = (end - begin)[of_leaf], leaves & ROW
    y, raw, weight = y[rows], raw[rows], None if weight is None else weight[rows]
    before = pointwise.value(loss, y, raw, weight, n_threads=n_threads)
    for _ in range(HALVINGS):
        steps = np.repeat(values[of_leaf] * shares[of_leaf], sizes)
        after = pointwise.value(loss, y, raw + steps, weight, n_threads=n_threads)
        rises = _rises(before, after, np.cumsum(sizes) - sizes)
        of_leaf, kept, sizes = of_leaf[rises], np.repeat(rises, sizes), sizes[rises]
        if not len(of_leaf):
            return shares
        shares[of_leaf] *= 0.5
        y, raw, before = y[kept], raw[kept], before[kept]
        weight = None if weight is None else weight[kept]
    shares[of_leaf] = 0.0
    return shares


def _rises(before, after, starts):
    """Whether the sums of the parts that begin at `starts` become more; the same for any order of rows."""
    with np.errstate(invalid="ignore"):
        change = np.where(after == before, 0.0, after - before)  # inf may stay inf
    finite = np.isfinite(change)
    sums = np.add.reduceat(whole_numbers(np.where(finite, change, 0.0)), starts)
    worst = np.maximum.reduceat(np.where(finite, -np.inf, change), starts)  # inf, or NaN, or less than that
    return np.isnan(worst) | (worst == np.inf) | (sums > 0.0)


def _flat(loss, y, raw, weight):
    """Where the sum of slopes changes its sign; the shortest such shift."""

    def slope(shift):
        return float(pointwise.gradient(loss, y, raw + shift, weight).sum())

    at_zero = slope(0.0)
    if at_zero == 0.0:
        return 0.0
    sign = -np.sign(at_zero)  # the way down
    near, far = 0.0, 1.0
    while sign * slope(sign * far) < 0.0:
        near, far = far, 2.0 * far
        if far > 1e30:
            return 0.0  # it falls for ever
    for _ in range(STEPS):
        middle = 0.5 * (near + far)
        if middle in (near, far):
            break
        if sign * slope(sign * middle) < 0.0:
            near = middle
        else:
            far = middle
    return sign * far
