r"""Convex conjugates of losses, :math:`\ell^*(y, u) = \sup_f u f - \ell(y, f)`, never below the true ones.

A duality gap is a bound only if its conjugates are not too small.  A loss may have a method
``conjugate(y, u)`` in closed form; for any other convex loss two tangents on either side of the supremum
meet above it.  Derivation: docs/derivations/l1.md, equations (9) to (12).
"""

import numpy as np

from . import pointwise

FIRST = 1e-6  # half the width of the first bracket, relative
GROWTH = 4.0
GROWTHS = 200
CUTS = 60
EPSILON = float(np.finfo(np.float64).eps)


def conjugate(loss, y, u, near):
    """The conjugate of each row, or a bound above it that is tight to rounding; infinite where unknown.

    Parameters
    ----------
    loss : Loss
        Convex.
    y, u, near : ndarray of shape (n,), float64
        Targets, slopes, and raw predictions at which the slopes are about `u`.

    Returns
    -------
    ndarray of shape (n,)
    """
    with np.errstate(all="ignore"):
        if hasattr(loss, "conjugate"):
            return loss.conjugate(y, u)
        return _by_tangents(loss, y, u, near)


def negative_entropy(p):
    """P log p, its limit 0 at 0, and infinity where p is negative."""
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), np.where(p < 0, np.inf, 0.0))


def within(inside, value):
    """`value`, and infinity outside of a conjugate's domain."""
    return np.where(inside, value, np.inf)


def _by_tangents(loss, y, u, near):
    low, high = _bracket(loss, y, u, near)
    best = np.full(y.shape, np.inf)
    for _ in range(CUTS):
        # u f - loss lies below both tangents, hence below their crossing
        gap = low.slope - high.slope
        ahead = (high.value - low.value + high.slope * (low.f - high.f)) / np.where(gap > 0, gap, 1.0)
        ahead = np.where(gap > 0, np.clip(ahead, 0.0, high.f - low.f), 0.0)
        bound = low.value + low.slope * ahead
        rounding = 4 * EPSILON * (np.abs(low.value) + np.abs(low.slope * ahead) + np.abs(u * low.f))
        improved = np.where(np.isfinite(low.slope + high.slope), bound + rounding, np.inf)
        best = np.fmin(best, improved)
        reached = np.fmax(low.value, high.value)
        if not (best - reached > 2 * rounding).any():
            break
        middle = _Points(loss, y, u, low.f + ahead)
        left = middle.slope >= 0
        low, high = low.replaced(left, middle), high.replaced(~left, middle)
    return best


def _bracket(loss, y, u, near):
    """Points on either side of the supremum; where there are none, slopes that are not numbers."""
    low = high = _Points(loss, y, u, near)
    step = FIRST * (1.0 + np.abs(near))
    for _ in range(GROWTHS):
        short_left, short_right = low.slope < 0, high.slope > 0
        if not (short_left | short_right).any():
            break
        low = low.replaced(short_left, _Points(loss, y, u, np.where(short_left, low.f - step, low.f)))
        high = high.replaced(short_right, _Points(loss, y, u, np.where(short_right, high.f + step, high.f)))
        step = GROWTH * step
    low.slope[~(low.slope >= 0)] = np.nan
    high.slope[~(high.slope <= 0)] = np.nan
    return low, high


class _Points:
    """u f - loss and its slope at a point f of each row."""

    def __init__(self, loss, y, u, f):
        value, gradient = pointwise.value_gradient(loss, y, f)
        self.f, self.value, self.slope = f, u * f - value, u - gradient

    def replaced(self, where, other):
        """These points, and those of `other` where told."""
        new = object.__new__(_Points)
        new.f = np.where(where, other.f, self.f)
        new.value = np.where(where, other.value, self.value)
        new.slope = np.where(where, other.slope, self.slope)
        return new
