"""The values of nodes where Newton's step is not to be trusted.

Where a loss has no curvature at all, the step says nothing: the exact best constants take its place.  Where
the curvature may vanish on the way, or change much, the step may be far too long: then it is halved.  Either
way the bounds of monotone features, which Newton's steps have set, are set anew.
"""

import numpy as np

from ..losses import AbsoluteError, LogLoss, Quantile, SquaredError, pointwise
from ._histogram import ROW
from ._layout import LEAF

STEPS = 100  # of bisection; each halves the interval
HALVINGS = 60  # of a leaf's value, before it is none
TRUSTED = (
    SquaredError,
    LogLoss,
)  # exact, and held back by `min_child_weight`: a look would cost time for nothing


def renew(loss, y, raw, weight, words, begin, end):
    """The constant that each node's rows do best with, added to their raw predictions.

    Parameters
    ----------
    loss : Loss
        Piecewise linear and convex.
    y, raw : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
    words : ndarray of int64
        Those of the tree.
    begin, end : ndarray of int64, shape (n_nodes,)
        The words of each node: of leaves, or of nodes within others too.

    Returns
    -------
    values : ndarray of float64, shape (n_nodes,)
    """
    values = np.zeros(len(begin))
    for node, (i, j) in enumerate(zip(begin, end)):
        rows = words[i:j] & ROW
        of_y, of_raw, of_weight = y[rows], raw[rows], None if weight is None else weight[rows]
        if isinstance(loss, AbsoluteError | Quantile):  # which depend on y - raw alone
            values[node] = loss.minimiser(*_in_order(of_y - of_raw, of_weight))
        else:
            values[node] = _flat(loss, *_in_order(of_y, of_raw, of_weight))
    return values


def _in_order(*of_rows):
    """Rows sorted, as sums of floating-point numbers must not depend on their order; None stays None."""
    keys = [array for array in of_rows if array is not None]
    order = np.lexsort(keys[::-1])
    return [None if array is None else array[order] for array in of_rows]


def needs_damping(loss):
    """Whether Newton's steps are looked at, lest they raise the loss."""
    return not isinstance(loss, TRUSTED)


def damp(loss, y, raw, weight, words, begin, end, values, n_threads):
    """By which nodes' values must be multiplied lest they raise the loss of their rows: 1, 1/2, 1/4, ...

    Parameters
    ----------
    loss, y, raw, weight, words, begin, end :
        As in :func:`renew`.
    values : ndarray of float64, shape (n_nodes,)
        What the nodes would add.
    n_threads : int

    Returns
    -------
    shares : ndarray of float64, shape (n_nodes,)
    """
    shares, nodes, sizes = np.ones(len(begin)), np.arange(len(begin)), end - begin
    rows = np.concatenate([words[i:j] for i, j in zip(begin, end)]) & ROW
    y, raw, weight = y[rows], raw[rows], None if weight is None else weight[rows]
    before = pointwise.value(loss, y, raw, weight, n_threads=n_threads)
    for _ in range(HALVINGS):
        steps = np.repeat(values[nodes] * shares[nodes], sizes)
        after = pointwise.value(loss, y, raw + steps, weight, n_threads=n_threads)
        rises = _rises(before, after, sizes)
        nodes, kept, sizes = nodes[rises], np.repeat(rises, sizes), sizes[rises]
        if not len(nodes):
            return shares
        shares[nodes] *= 0.5
        y, raw, before = y[kept], raw[kept], before[kept]
        weight = None if weight is None else weight[kept]
    shares[nodes] = 0.0
    return shares


def fence(nodes, values, monotone):
    """Bring nodes' values within bounds that make the tree monotone; equation (11).

    The tree has grown within bounds made of Newton's steps, which may be of quite another size: where weights
    stand for the curvature they are no longer than 1.  These bounds are made of the values that are in use.

    Parameters
    ----------
    nodes : ndarray of NODE
    values : ndarray of float64, shape (n_nodes,)
        Only those of :func:`fencing` are looked at.
    monotone : ndarray of int8, shape (p,)

    Returns
    -------
    values : ndarray of float64, shape (n_nodes,)
    """
    lower, upper = np.full(len(nodes), -np.inf), np.full(len(nodes), np.inf)
    for i in np.flatnonzero(nodes["left"] != LEAF):
        left = nodes["left"][i]
        sides, direction = [left, left + 1], monotone[nodes["feature"][i]]
        lower[sides], upper[sides] = lower[i], upper[i]
        if direction:
            a, b = np.clip(values[sides], lower[i], upper[i])
            below, above = sides[::direction]
            upper[below] = lower[above] = 0.5 * a + 0.5 * b  # in either order, and within the parent's
    return np.clip(values, lower, upper)


def fencing(nodes, monotone):
    """Which nodes' values are asked for: leaves, and the sides of splits by monotone features."""
    asked = nodes["left"] == LEAF
    sides = nodes["left"][~asked & (monotone[nodes["feature"]] != 0)]
    asked[sides] = asked[sides + 1] = True
    return asked


def _rises(before, after, sizes):
    """Whether the sums of parts of these sizes become more; the same for any order of rows."""
    starts = np.cumsum(sizes) - sizes
    with np.errstate(invalid="ignore"):
        change = np.where(after == before, 0.0, after - before)  # inf may stay inf
    finite = np.isfinite(change)
    worst = np.maximum.reduceat(np.where(finite, -np.inf, change), starts)  # inf, or NaN, or less than that
    change = np.where(finite, change, 0.0)
    # in units of each part's own: one for all would leave nothing of a part beside a much larger one
    exponent = np.frexp(np.maximum.reduceat(np.abs(change), starts))[1]
    whole = np.rint(np.ldexp(change, np.repeat(52 - np.int32(np.ceil(np.log2(sizes))) - exponent, sizes)))
    sums = np.add.reduceat(whole, starts)
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
