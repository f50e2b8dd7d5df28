"""Kinks and jumps of functions of one number.

Over a short interval the slope of a smooth function changes in proportion to the interval's length, and as it
does next to it; across a kink it changes by the same amount however short the interval is.  So cells whose
change of slope, beyond their neighbours', does not shrink with them are halved, again and again, and what is
still there at the end is a kink; or a jump, where the value itself does not shrink.

Derivation: docs/derivations/limits.md, equation (11).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import copysign, floor, inf, isfinite, log10

import numpy as np

from .limits import evaluate

CELLS = 256  # of the interval, at first
HALVINGS = 15  # of each that lives
SLACK = 2.5  # how far a cell may fall behind what a kink would do before it is dropped
MOST = 64  # cells alive in one of the first cells: more is no function with single kinks
VISIBLE = 1e-4  # the least change of slope, relative to the steepest slope
DIGITS = 13  # to which a location is rounded, relative to the interval
EPSILON = 2.0**-52


@dataclass(frozen=True)
class Kink:
    """A point where the slope of a function jumps, or the function itself.

    Attributes
    ----------
    location : float
        Where.
    left, right : float
        The slopes on both sides; infinite at a cusp.
    jump : float
        By how much the value itself jumps there; 0 at a kink, infinite at a pole.

    Examples
    --------
    >>> from calclearn.calculus import find_kinks
    >>> (kink,) = find_kinks(abs, (-1.0, 2.0))
    >>> kink.location, kink.kind
    (0.0, 'kink')
    """

    location: float
    left: float
    right: float
    jump: float = 0.0

    @property
    def kind(self) -> str:
        """Either "kink" or "jump"."""
        return "jump" if self.jump else "kink"

    def __str__(self):
        by = f" by {self.jump:.6g}" if self.jump else ""
        return f"{self.kind} at {self.location:.10g}{by}: slopes {self.left:.6g} and {self.right:.6g}"


def find_kinks(f, interval) -> list[Kink]:
    """The points of an open interval where the slope of a function, or its value, jumps.

    Parameters
    ----------
    f : callable
        Takes and returns a float; called some thousand times.
    interval : tuple of two floats
        Finite ends, the lower one first.

    Returns
    -------
    list of Kink
        In their order, with `location`, the slopes `left` and `right`, and `jump`, which is 0 at kinks.

    Raises
    ------
    ValueError
        If the interval is no interval, or if there are kinks without end in a 256th of it, as of a function
        that oscillates.

    Notes
    -----
    A kink is seen if it changes the slope by 1e-4 of the steepest slope in the interval.  Kinks nearer to
    each other than a 256th of the interval may hide one another, and what is smooth only on a scale below
    1e-7 of the interval is a kink, or a jump, for the purpose.

    Examples
    --------
    >>> from calclearn.calculus import find_kinks
    >>> for kink in find_kinks(lambda x: max(0.0, 1.0 - x) + abs(x), (-3.0, 3.0)):
    ...     print(kink)
    kink at 0: slopes -2 and 0
    kink at 1: slopes 0 and 1
    >>> find_kinks(lambda x: x**3, (-3.0, 3.0))
    []
    """
    low, high = _interval(interval)
    points = np.linspace(low, high, CELLS + 1)
    known: dict[float, float] = {}

    def at(x):
        if x not in known:
            known[x] = evaluate(f, x)
        return known[x]

    values = np.array([at(float(x)) for x in points])
    finite = values[np.isfinite(values)]
    steps = np.abs(np.diff(values))
    rounding = 8.0 * EPSILON * np.abs(finite).max(initial=0.0)
    steepest = steps[np.isfinite(steps)].max(initial=0.0) * CELLS / (high - low)
    alive = []
    for a, b in pairwise(map(float, points)):
        alive += _short_cells(at, a, b, low, high, rounding, VISIBLE * steepest)
    kinks = (_examine(at, a, b, low, high, rounding, VISIBLE * steepest) for a, b in _merged(alive))
    return [kink for kink in kinks if kink is not None]


def _interval(interval):
    try:
        low, high = (float(end) for end in interval)
    except (TypeError, ValueError) as error:
        raise ValueError(f"interval must be two numbers, got {interval!r}") from error
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ValueError(f"interval must be two finite numbers, the lower one first, got {interval!r}")
    return low, high


def _short_cells(at, a, b, low, high, rounding, visible):
    """What is left of a cell after all halvings."""
    cells = [(a, b, 0.0)]
    for _ in range(HALVINGS):
        following = []
        for left, right, bar in cells:
            middle = 0.5 * (left + right)
            for c, d in ((left, middle), (middle, right)):
                change = _change_of_slope(at, c, d, low, high)
                expected = (
                    bar / 2**0.5
                )  # between a kink's, which stays, and a smooth function's, which halves
                if SLACK * change > expected and change > visible + 4.0 * rounding / (d - c):
                    following.append((c, d, expected if change == inf else max(change, expected)))
        if len(following) > MOST:
            raise ValueError(f"f has too many kinks near {a:.6g}: it oscillates there, or is noise")
        cells = following
    return [(c, d) for c, d, _ in cells]


def _change_of_slope(at, a, b, low, high):
    """By how much the slope changes inside of a cell, beyond what its changes outside let one expect.

    Infinite where there is no room to see.
    """
    width = b - a
    if a - width < low or b + width > high:
        return inf
    values = np.array([at(a + 0.5 * k * width) for k in range(-2, 5)])
    if not np.isfinite(values).all():
        return 0.0
    first, *inside, last = np.diff(values, 2) / (0.5 * width)
    expected = first + (last - first) * np.array([0.25, 0.5, 0.75])
    return float(np.abs(inside - expected).sum())


def _merged(cells):
    """Neighbouring cells as one."""
    merged: list[tuple[float, float]] = []
    for a, b in sorted(cells):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], b)
        else:
            merged.append((a, b))
    return merged


def _examine(at, a, b, low, high, rounding, visible):
    """The kink or jump between *a* and *b*, or None."""
    h = 4.0 * (b - a)
    if a - 8.0 * h < low or b + 8.0 * h > high:
        return None
    left, far_left = (_slope(at, a, -step) for step in (h, 4.0 * h))
    right, far_right = (_slope(at, b, step) for step in (h, 4.0 * h))
    change, far = right - left, far_right - far_left
    jump = at(b) - at(a) - 0.5 * (left + right) * (b - a)
    width, location = _narrowed(at, a, b)
    if abs(jump) > 1e3 * rounding and width > 0.4 * abs(jump):
        pole = width > 1.5 * abs(jump)  # it grew while the cell shrank
        return Kink(_rounded(location, high - low), left, right, copysign(inf, jump) if pole else jump)
    if not (abs(change) > visible + 100.0 * rounding / h and abs(change) > 0.8 * abs(far)):
        return None
    if abs(change) < 1.5 * abs(far):
        location = a + (at(b) - at(a) - right * (b - a)) / (left - right)  # where both tangents meet
    slopes = (
        copysign(inf, slope) if abs(slope) > 1.5 * abs(farther) and abs(slope) > visible else slope
        for slope, farther in ((left, far_left), (right, far_right))
    )
    return Kink(_rounded(location, high - low), *slopes)


def _slope(at, x, h):
    """The one-sided slope, from three values."""
    return (-3.0 * at(x) + 4.0 * at(x + h) - at(x + 2.0 * h)) / (2.0 * h) + 0.0  # without a minus zero


def _narrowed(at, a, b):
    """The change of value that is left of that between *a* and *b* when it is followed by halving; where."""
    for _ in range(60):
        middle = 0.5 * (a + b)
        if not a < middle < b:
            break
        if abs(at(middle) - at(a)) >= abs(at(b) - at(middle)):
            b = middle
        else:
            a = middle
    return abs(at(b) - at(a)), 0.5 * (a + b)


def _rounded(x, span):
    return round(x, DIGITS - 1 - floor(log10(span))) + 0.0  # without a minus zero
