"""The constant prediction with the least loss: Newton's method where there is no closed form.

Derivation, of the closed forms too: docs/derivations/losses.md, equations (35) to (39).
"""

import math

import numpy as np

from . import pointwise

EPSILON = float(np.finfo(np.float64).eps)
LONGEST_STEP = 1e300
MOST_STEPS = 200


def best_constant(loss, y, weight=None) -> float:
    r"""Minimise :math:`F(c) = \sum_i w_i \ell(y_i, c)` by Newton's method between two bounds.

    From the best of a few starts a step is doubled until the slope changes its sign.  Then Newton's steps
    shrink the interval, and halvings wherever Newton's leave it or do not halve the slope.  :math:`F'`
    is negative at the left bound and positive at the right one throughout: what is found is a minimum
    of a convex loss, and a stationary point (or a kink that points down) of any other.

    Parameters
    ----------
    loss : Loss
        Of one output.
    y : ndarray of shape (n,)
        Targets in the loss's domain.
    weight : ndarray of shape (n,), optional
        Non-negative weights; all equal by default.

    Returns
    -------
    float
        Where the loss decreases for ever, such as log-loss with one class, the first point of the search
        at which the slope has faded to :math:`10\varepsilon` of the start's.

    Raises
    ------
    ValueError
        If the loss has no least value, or derivatives that are not numbers.
    """
    y, weight = checked(y, weight)

    def slope_at(c):
        gradient, hessian = pointwise.gradient_hessian(loss, y, np.full(y.shape, c), weight)
        slope = float(gradient.sum())
        if math.isnan(slope):
            raise ValueError(f"{loss!r}: the gradient is not a number at raw={c}; see check_loss")
        return slope, float(hessian.sum()), float(np.abs(gradient).sum())

    start = _start(loss, y, weight)
    near = far = start
    at_near = at_far = slope_at(start)
    step, faded = -math.copysign(1.0, at_far[0]), 10 * EPSILON * at_far[2]
    while abs(at_far[0]) > faded and (at_far[0] < 0) == (step > 0):
        if abs(step) > LONGEST_STEP:
            raise ValueError(f"{loss!r}: no least value: the loss still decreases at raw={far}")
        near, far, at_near = far, start + step, at_far
        at_far, step = slope_at(far), 2 * step
    if abs(at_far[0]) <= faded:
        return far
    return _newton(slope_at, min(near, far), max(near, far), near, at_near)


def _newton(slope_at, low, high, c, at_c) -> float:
    """The point between the bounds where the slope, negative at `low`, becomes positive."""
    slope, curvature, _ = at_c
    for _ in range(MOST_STEPS):
        newton = c - slope / curvature if curvature > 0 and math.isfinite(slope) else math.nan
        following = newton if low < newton < high else 0.5 * (low + high)
        if following in (low, high):
            break
        before, c = slope, following
        slope, curvature, size = slope_at(c)
        if abs(slope) <= EPSILON * size:
            break
        low, high = (c, high) if slope < 0 else (low, c)
        if not abs(slope) <= 0.5 * abs(before):  # Newton's step was no good: halve the interval
            curvature = 0.0
    return c


def _start(loss, y, weight) -> float:
    """The best of 0 and, as raw predictions often are of the size of targets, some quantiles of `y`."""
    points = np.unique(np.append(np.quantile(y, [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), 0.0))
    totals = [pointwise.value(loss, y, np.full(y.shape, c), weight).sum() for c in points]
    return float(points[np.argmin(np.where(np.isnan(totals), np.inf, totals))])


def weighted_mean(y, weight=None) -> float:
    """The mean of `y` with these weights."""
    y, weight = checked(y, weight)
    return float(np.average(y, weights=weight))


def weighted_quantile(y, weight, share) -> float:
    """The middle of all minimisers of the quantile loss: equation (36).

    Comparisons of sums allow for rounding, so that weights are the same as repetitions.
    """
    y, weight = checked(y, weight)
    order = np.argsort(y, kind="stable")
    y, below = y[order], np.cumsum(np.ones_like(y) if weight is None else weight[order])
    target, slack = share * below[-1], 4 * EPSILON * below.size * below[-1]
    first = np.searchsorted(below, target - slack, side="left")
    last = np.searchsorted(below, target + slack, side="right")
    return float(0.5 * (y[first] + y[min(last, y.size - 1)]))


def finite_logit(p) -> float:
    """log(p / (1 - p)), and that of 10 epsilon or 1 - 10 epsilon where `p` is 0 or 1."""
    if p in (0.0, 1.0):
        p = abs(p - 10 * EPSILON)
    return math.log(p) - math.log1p(-p)


def log_of_mean(y, weight) -> float:
    """The logarithm of the weighted mean, and that of 10 epsilon where the mean is not positive."""
    mean = weighted_mean(y, weight)
    return math.log(mean if mean > 0 else 10 * EPSILON)


def checked(y, weight):
    """Both as float64 arrays, and a ValueError for what has no weighted mean."""
    y = np.asarray(y, np.float64)
    if y.ndim != 1 or y.size == 0:
        raise ValueError(f"y must have shape (n,) with n > 0, got {y.shape}")
    if weight is None:
        return y, None
    weight = np.asarray(weight, np.float64)
    if weight.shape != y.shape:
        raise ValueError(f"weight must have the shape of y, {y.shape}, got {weight.shape}")
    if not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
        raise ValueError("weight must be finite, not negative, and positive in sum")
    return y, weight
