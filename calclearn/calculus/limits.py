r"""Limits, continuity, and kinks of functions of one number, from their values alone.

A limit is read off from values at distances :math:`h_k = 2^{-k}` (towards infinity, at :math:`2^k`),
accelerated by Wynn's epsilon algorithm, which needs not know the powers of :math:`h` in the error.  Three
things can deceive: features finer than the steps, rounding, and growth.  So the finest steps count most, a
step counts only down to where rounding noise, which is measured beside it, begins, and values that keep
growing diverge whatever their extrapolation says.  Nothing finite proves a limit: what differs only nearer
than the last step stays unseen.

Derivation: docs/derivations/limits.md.
"""

from dataclasses import dataclass
from math import inf, isfinite, isinf, nan

import numpy as np

SIDES = ("both", "left", "right")
DEEPEST = 50  # halvings of the step towards 0
FARTHEST = 60  # doublings towards infinity
WINDOW = 9  # values that one extrapolation sees
JITTER = 2.0**-4  # of the step: how far apart the values are in which its noise is measured
SIXTH = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0])
ROOT_924 = 924**0.5  # noise of deviation 1 has sixth differences of this deviation
RUN = 6  # steps over which rounding noise is heard before it is rounded away
EPSILON = 2.0**-52
GROWING = 8  # last steps that must all grow, for a divergence
LEAST_GROWTH = 1.15  # over these steps; that of a logarithm is 1.2
MATH_ERRORS = ("math domain error", "expected a ")  # of Python's math, since 3.14 the second
CONVERGED = 1e-4  # the error, relative to 1 and the values, up to which a limit is believed to exist


@dataclass(frozen=True, repr=False)
class Limit:
    """What :func:`limit` found.

    Attributes
    ----------
    value : float
        The limit; ±inf where the function diverges so; NaN where there is none.
    error : float
        Estimate of its absolute error; NaN where there is no finite limit.
    exists : bool
        Whether there is a finite limit, as far as can be seen.
    left, right : float
        The limits from below and from above; NaN where there is none, or where it was not asked for.
    reason : str
        "converges", or why the limit does not exist.

    Examples
    --------
    >>> from calclearn.calculus import limit
    >>> found = limit(lambda x: abs(x) / x, 0.0)
    >>> found.exists, found.left, found.right
    (False, -1.0, 1.0)
    """

    value: float
    error: float
    exists: bool
    left: float
    right: float
    reason: str

    def __repr__(self):
        if self.exists:
            return f"{self.value:.10g} (error about {self.error:.0e})"
        return f"no finite limit: {self.reason}"

    def __float__(self):
        return self.value


def limit(f, a, *, side="both") -> Limit:
    """The limit of a function as its argument approaches a point.

    Parameters
    ----------
    f : callable
        Takes and returns a float.  It is not called at `a` itself.  NaN, and the exceptions of Python's
        arithmetic (a division by zero, an overflow, math's "math domain error"), mean that it is not defined
        there.
    a : float
        Where; may be ``inf`` or ``-inf``.
    side : {"both", "left", "right"}, default="both"
        From where `a` is approached.  ``inf`` is approached from the left only, ``-inf`` from the right.

    Returns
    -------
    Limit
        With `value`, `error`, `exists`, `left`, `right`, `reason`; it prints in one line.

    Raises
    ------
    ValueError
        If `a` is NaN, or cannot be approached from `side`.

    Notes
    -----
    The error is an estimate, not a bound: a function that changes only nearer to `a` than the last step
    (:math:`2^{-51}` towards 0, four times the spacing of floats elsewhere) is taken for what it seems.

    References
    ----------
    P. Wynn, "On a device for computing the e_m(S_n) transformation", MTAC 10 (1956).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import limit
    >>> limit(lambda x: np.sin(x) / x, 0.0).value
    1.0
    >>> limit(lambda x: abs(x) / x, 0.0)
    no finite limit: left limit -1, right limit 1
    >>> limit(lambda x: (1 + 1 / x) ** x, np.inf)
    2.718281828 (error about ...)
    """
    a = _point(a)
    sides = _sides(a, side)
    found = {name: _one_sided(f, a, name) for name in sides}
    left, right = (found[name][0] if name in found else nan for name in ("left", "right"))
    if len(sides) == 1:
        value, error, reason = found[sides[0]]
        return Limit(value, error, isfinite(value), left, right, reason)
    for name, (value, _, reason) in found.items():
        if np.isnan(value):
            return Limit(nan, nan, False, left, right, f"{reason} on the {name}")
    if isinf(left) and left == right:
        return Limit(left, nan, False, left, right, found["left"][2])
    error = max(found["left"][1], found["right"][1])
    if not abs(left - right) <= 10 * error + 1e-9 * max(1.0, abs(left), abs(right)):
        return Limit(nan, nan, False, left, right, f"left limit {left:.6g}, right limit {right:.6g}")
    better = min(found.values(), key=lambda one: one[1])[0]
    return Limit(better, max(error, abs(left - right)), True, left, right, "converges")


def is_continuous(f, a, *, side="both", tol=1e-8) -> bool:
    """Whether a function is continuous at a point: defined there, with a limit, which is its value.

    Parameters
    ----------
    f : callable
        Takes and returns a float.
    a : float
        A finite point.
    side : {"both", "left", "right"}, default="both"
        With "left" or "right", continuity from that side.
    tol : float, default=1e-8
        How far value and limit may be apart, relative to the larger of 1 and the value, beside ten times
        the estimated error of the limit.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If `a` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import is_continuous
    >>> is_continuous(abs, 0.0), is_continuous(np.sign, 0.0)
    (True, False)
    >>> is_continuous(np.ceil, 1.0, side="left")
    True
    """
    a = _point(a)
    if isinf(a):
        raise ValueError(f"a must be finite, got {a}")
    value = evaluate(f, a)
    if not isfinite(value):
        return False
    found = limit(f, a, side=side)
    return found.exists and abs(found.value - value) <= 10 * found.error + tol * max(1.0, abs(value))


# ----------------------------------------------------------------------------------------------- one side


def _point(a):
    try:
        a = float(a)
    except TypeError as error:
        raise TypeError(f"a must be a number, got {a!r}") from error
    if np.isnan(a):
        raise ValueError(f"a must be a number, got {a}")
    return a


def _sides(a, side):
    if side not in SIDES:
        raise ValueError(f"side must be one of {list(SIDES)}, got {side!r}")
    if isinf(a):
        only = "left" if a > 0 else "right"
        if side not in ("both", only):
            raise ValueError(f"{a} can be approached from the {only} only, got side={side!r}")
        return (only,)
    return ("left", "right") if side == "both" else (side,)


def evaluate(f, x):
    """f(x) as a float, NaN where arithmetic fails."""
    try:
        with np.errstate(all="ignore"):
            value = f(x)
    except ArithmeticError:
        return nan
    except ValueError as error:
        if str(error).startswith(MATH_ERRORS):
            return nan
        raise
    value = np.asarray(value)
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise TypeError(f"f must return a real number, got {value!r} at {x}")
    return float(value.reshape(())[()])


def _approach(a, side):
    """Points that come nearer to *a* by factors of two, as functions of a jitter."""
    if isinf(a):
        return [lambda jitter, k=k: np.sign(a) * 2.0**k * (1.0 + jitter) for k in range(FARTHEST + 1)]
    sign = -1.0 if side == "left" else 1.0
    first = 2.0 ** max(-1, np.frexp(a)[1] - 3)  # steps of a tenth of a large number, a half of a small one
    last = 4.0 * np.spacing(abs(a)) if a else first * 2.0**-DEEPEST
    n = int(np.log2(first) - np.log2(last)) + 1
    return [lambda jitter, k=k: a + sign * first * 2.0**-k * (1.0 + jitter) for k in range(n)]


def _one_sided(f, a, side):
    """Value, error and reason of the limit from one side."""
    steps = _approach(a, side)
    values = np.array([evaluate(f, x(0.0)) for x in steps])
    defined = ~np.isnan(values)
    if not defined[-WINDOW:].any():
        values = values[: np.flatnonzero(defined).max(initial=-1) + 1]  # an overflow may end it half-way
        if len(values) < len(steps) // 2:
            return nan, nan, "not defined"
    noise = _without_silence(np.array([_noise(f, x, value) for x, value in zip(steps, values)]), values)
    clean = noise <= 1e-3 * np.maximum(1.0, np.abs(values))
    overflown = np.isinf(values[-GROWING:]).all() and len(set(values[-GROWING:])) == 1
    usable = len(clean) if clean.all() else int(clean.argmin())
    sign = int(np.sign(values[-1])) if overflown else _divergence(values[:usable])
    if sign:
        return sign * inf, nan, f"diverges to {sign * inf:+}"
    guesses, errors = _guesses(values, noise)
    if np.isfinite(errors).any():
        value, error = _choose(guesses, errors)
        if error <= CONVERGED * max(1.0, abs(value)):
            return value + 0.0, error, "converges"  # without a minus zero
    late = values[-4 * WINDOW :]
    turns = np.diff(np.sign(np.diff(late[np.isfinite(late)])))
    return nan, nan, "oscillates" if np.sum(turns != 0) > WINDOW else "changes too slowly to tell"


def _noise(f, x, value):
    """The rounding noise of f near a step: what its sixth differences there have that is not smooth."""
    around = [value if j == 0 else evaluate(f, x(j * JITTER)) for j in range(-3, 4)]
    sixth = float(np.dot(SIXTH, around)) if np.isfinite(around).all() else nan
    return abs(sixth) / ROOT_924 if isfinite(sixth) else 0.0


def _without_silence(noise, values):
    """The noise, kept up where it is not heard any more because what made it is rounded away altogether.

    It was heard in step after step, and grew, before it stopped at once.  Any other noise may fade.
    """
    kept, audible = noise.copy(), noise > 4.0 * EPSILON * np.abs(values)
    silent = False
    for k in range(1, len(kept)):
        grew = k >= RUN and audible[k - RUN : k].all() and noise[k - 1] > noise[k - RUN]
        silent = silent or bool(grew and not audible[k])
        kept[k] = max(noise[k], kept[k - 1] if silent else kept[k - 1] / 2)
    return kept


def _divergence(values):
    """+1 or -1 where the last values grow, at a rate that does not slow down; else 0."""
    tail = values[np.isfinite(values)][-GROWING - 2 :]
    if len(tail) < GROWING + 2:
        return 0
    steps = np.diff(tail)
    grows = (np.sign(steps) == np.sign(tail[-1])).all()
    steady = (np.abs(steps[1:]) >= 0.995 * np.abs(steps[:-1])).all()
    far = abs(tail[-1]) > LEAST_GROWTH * abs(tail[0])  # not the rounding of a, magnified
    return int(np.sign(tail[-1])) if grows and steady and far else 0


def wynn(values):
    """The limit of a sequence by Wynn's epsilon algorithm: its last entry of highest even order.

    Exact, but for rounding, for a limit plus a sum of ``(len(values) - 1) // 2`` geometric sequences.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    float
    """
    before, now = np.zeros(len(values) + 1), np.asarray(values, np.float64)
    best = now[-1]
    for order in range(1, len(values)):
        with np.errstate(all="ignore"):
            step = np.diff(now)
            following = before[1:-1] + 1.0 / step
        if not np.isfinite(following).all():  # equal neighbours: there is nothing left to accelerate
            return now[-1] if order % 2 else best
        before, now = now, following
        if order % 2 == 0:
            best = now[-1]
    return best


def _guesses(values, noise):
    """The better of value and extrapolation at each step, and its error: how far from the steps before."""
    n = len(values)
    fast = np.full(n, nan)
    for k in range(2, n):
        window = values[max(0, k + 1 - WINDOW) : k + 1]
        if np.isfinite(window).all():
            fast[k] = wynn(window)
    guesses, errors = np.full(n, nan), np.full(n, inf)
    for sequence, lag in ((values, 4), (fast, 2)):
        for k in range(4, n):
            if not np.isfinite(sequence[k - lag : k + 1]).all():
                continue
            moved = np.abs(sequence[k - lag : k] - sequence[k]).max()
            error = moved + 10.0 * noise[k] + 2e-16 * abs(sequence[k])
            if error < errors[k]:
                guesses[k], errors[k] = sequence[k], error
    return guesses, errors


def _choose(guesses, errors):
    """The best of the guesses that agree with the finest reliable step."""
    reliable = errors <= np.maximum(100.0 * errors.min(), 1e-12 * np.maximum(1.0, np.abs(guesses)))
    finest = np.flatnonzero(reliable)[-1]
    agree = np.abs(guesses - guesses[finest]) <= errors + errors[finest]
    best = np.where(agree, errors, inf).argmin()
    return float(guesses[best]), float(errors[best])
