"""The exact values of leaves where the loss has no curvature: Newton's step says nothing there."""

import numpy as np

from ..losses import AbsoluteError, Quantile, pointwise
from ._histogram import ROW

STEPS = 100  # of bisection; each halves the interval


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
