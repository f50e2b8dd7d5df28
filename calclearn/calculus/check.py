r"""Is a derivative right?  A comparison with central differences over a sweep of steps.

The error of a central difference is :math:`\tfrac16 f''' h^2` by truncation, and about
:math:`\epsilon |f| / h` by rounding, so no step is right for all functions.  All of them are taken, and for
each derivative the one counts where neighbouring steps agree best.  Kinks are told from errors by the two
one-sided slopes, which stay apart however small the step is.

Derivation: docs/derivations/limits.md, equations (7) to (11).
"""

import html
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import operators

STEPS = tuple(10.0**-k for k in range(1, 14))  # relative to the larger of 1 and |x|
RUN = 3  # so many neighbouring steps, down to where rounding begins, must see a kink for it to be at x itself
NOTHING_BUT_ROUNDING = 1e-10  # the step from which second differences hold no curvature any more
RESOLVED = 1e-3  # the largest relative uncertainty of a difference that can judge
ADVICE = "rescale x, or check at smaller numbers: f rounds off what a small entry changes in a large value"


class DerivativeError(AssertionError):
    """A derivative that is not that of its function; the message is the report."""


@dataclass(frozen=True)
class KinkAt:
    """A kink of the function at, or next to, the point of a check.

    Attributes
    ----------
    index : tuple of int
        Which derivative: the index in the Jacobian, outputs first.
    left, right : float
        The slopes on both sides of it.
    between : bool
        Whether the derivative that was checked is between both slopes: one of the subgradients.
    """

    index: tuple[int, ...]
    left: float
    right: float
    between: bool


@dataclass(frozen=True, eq=False, repr=False)
class DerivativeReport:
    """What :func:`check_derivatives` found; prints as a text, and as a table in notebooks.

    Attributes
    ----------
    order : int
        1 for gradients and Jacobians, 2 for Hessians.
    analytic, numerical : ndarray
        The derivative that was checked, and what central differences say, each entry at its best step.
    uncertainty : ndarray
        Of `numerical`: by how much neighbouring steps differ.
    absolute_error, relative_error : float
        The largest of all entries, away from kinks.  Relative to the larger of both numbers, or to
        ``atol / rtol`` where that is larger still.
    worst : tuple of int
        The entry of the largest relative error; outputs first.
    steps : ndarray of shape (n_steps,)
        From the largest to the smallest, relative to the larger of 1 and ``abs(x)``.
    errors : ndarray of shape (n_steps,)
        The largest difference between `analytic` and the central differences with each step, away from kinks.
        It falls by truncation, then grows by rounding; where it is flat, the derivative is wrong.
    best_step : float
        The step with the least of `errors`; NaN where there are none.
    observed_order : float
        The power of the step with which `errors` falls: 2 for smooth functions; NaN where truncation is
        nowhere to be seen, as for quadratics.
    kinks : tuple of KinkAt
        Entries where the function has no derivative.
    unresolved : tuple of tuple of int
        Entries that differences with these steps cannot judge: the function is too noisy, too steep, or too
        large beside what they change.
    rtol, atol : float
        The tolerances.
    wrong : tuple of tuple of int
        Entries that differ by more; the worst ones first.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import check_derivatives
    >>> report = check_derivatives(np.sin, 1.0, jac=np.cos)
    >>> report.ok, report.raise_if_failed() is report
    (True, True)
    """

    order: int
    analytic: np.ndarray
    numerical: np.ndarray
    uncertainty: np.ndarray
    absolute_error: float
    relative_error: float
    worst: tuple[int, ...]
    steps: np.ndarray
    errors: np.ndarray
    kinks: tuple[KinkAt, ...]
    unresolved: tuple[tuple[int, ...], ...]
    wrong: tuple[tuple[int, ...], ...]
    rtol: float
    atol: float

    @property
    def ok(self) -> bool:
        """Whether every entry agrees, or is one of the subgradients at a kink.

        An entry that could not be judged is not confirmed, so it is not `ok`; where nothing is wrong, the
        report says that much.
        """
        return not self.wrong and not self.unresolved and all(kink.between for kink in self.kinks)

    @property
    def best_step(self) -> float:
        return float(self.steps[_best(self.steps, self.errors)]) if self._sweep() else float("nan")

    @cached_property
    def observed_order(self) -> float:
        return _observed_order(self.steps, self.errors)

    def raise_if_failed(self):
        """Raise an AssertionError that shows the report unless all is right; else return the report."""
        if not self.ok:
            raise DerivativeError(repr(self))
        return self

    def _summary(self):
        """The name and the text of each line."""
        relative = f"{self.relative_error:.2e} relative at {_subscript(self.worst)}"
        yield "largest error", f"{self.absolute_error:.2e} absolute, {relative}"
        if np.isfinite(self.best_step):
            order = self.observed_order
            seen = f"observed order {order:.1f}" if np.isfinite(order) else "no truncation seen"
            yield "best step", f"{self.best_step:.0e}, {seen}"
        for index in self.wrong[:5]:
            found = f"{self.analytic[index]:.10g}, but differences say {self.numerical[index]:.10g}"
            yield "wrong", f"{_subscript(index)} is {found} ± {self.uncertainty[index]:.0e}"
        if len(self.wrong) > 5:
            yield "wrong", f"and {len(self.wrong) - 5} more"
        for index in self.unresolved[:5]:
            yield "unresolved", f"{_subscript(index)}: differences with these steps cannot judge it"
        if len(self.unresolved) > 5:
            yield "unresolved", f"and {len(self.unresolved) - 5} more"
        if self.unresolved:
            yield "advice", ADVICE
        for kink in self.kinks[:5]:
            side = "which is between" if kink.between else "which is NOT between"
            slopes = f"slopes {kink.left:.6g} and {kink.right:.6g}"
            yield "kink", f"{_subscript(kink.index)}: {slopes}; got {self.analytic[kink.index]:.6g}, {side}"
        if len(self.kinks) > 5:
            yield "kink", f"and {len(self.kinks) - 5} more"

    @property
    def _title(self):
        what = "second derivatives" if self.order == 2 else "derivatives"
        verdict = "all right" if self.ok else "FAILED"
        if self.unresolved and not (self.wrong or any(not kink.between for kink in self.kinks)):
            others = ", the others are right" if len(self.unresolved) < self.analytic.size else ""
            verdict = f"{len(self.unresolved)} of {self.analytic.size} could not be judged{others}"
        return f"{self.analytic.size} {what}: {verdict}"

    def __repr__(self):
        lines = [("", self._title), *self._summary()]
        lines += [("step", "largest difference"), *self._sweep()] if self._sweep() else []
        return "\n".join(f"  {name:13}  {text}" if name else text for name, text in lines)

    def _sweep(self):
        """Each step, with the largest difference, as texts."""
        pairs = zip(self.steps, self.errors)
        return [(f"{step:.0e}", f"{error:.1e}") for step, error in pairs if np.isfinite(error)]

    def _repr_html_(self):
        def row(*cells):
            return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"

        summary = "".join(row(*line) for line in self._summary())
        sweep = "".join(row(*pair) for pair in self._sweep())
        head = "<tr><th>step</th><th>largest difference</th></tr>"
        return (
            f"<div><p><b>{html.escape(self._title)}</b></p><table>{summary}</table>"
            f"<details><summary>Sweep of steps</summary><table>{head}{sweep}</table></details></div>"
        )


def check_derivatives(f, x, *, jac=None, hess=None, order=1, mode=None, rtol=1e-6, atol=1e-8, steps=STEPS):
    """Compare a gradient, a Jacobian or a Hessian with central differences.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of `x` and returns a number or an array.
    x : float or array-like
        Where.
    jac : callable, array-like or str, optional
        The derivative to check, ``jac(x)`` or its value: of the shape of ``f(x)`` followed by that of `x`, so
        that it is the gradient where `f` returns a number.  By default, or by the name of a `mode`, the one
        that :func:`calclearn.calculus.jacobian` derives.
    hess : callable or array-like, optional
        With ``order=2``, the Hessian to check, of the shape of `x` twice.  By default the one that
        :func:`calclearn.calculus.hessian` derives.
    order : {1, 2}, default=1
        With 2, `f` returns a number, and the Hessian is compared with differences of the gradient `jac`.
    mode : {"forward", "reverse", "numerical"}, optional
        How derivatives that are not given are derived.
    rtol, atol : float, default=1e-6, 1e-8
        An entry is wrong where both numbers differ by more than ``rtol`` times the larger one, by more than
        ``atol``, and by more than the differences are uncertain.
    steps : sequence of float, default=1e-1, 1e-2, ..., 1e-13
        At least four, relative to the larger of 1 and ``abs(x)``, each a tenth of the one before.

    Returns
    -------
    DerivativeReport
        ``report.ok``; ``report.raise_if_failed()`` for tests.

    Raises
    ------
    ValueError
        If a shape is not as above, or something is not finite at `x`.

    Notes
    -----
    `f` (the gradient, for ``order=2``) is evaluated ``2 * len(steps) * x.size + 1`` times.  Where the slopes
    on both sides of `x` stay apart down to the step at which rounding drowns them, there is a kink, and any
    subgradient, a number between both slopes, is right.  Steps that reach across a kink nearby are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import check_derivatives
    >>> check_derivatives(lambda x: np.sum(x**4), [1.0, 2.0], jac=lambda x: 4 * x**3).ok
    True
    >>> report = check_derivatives(lambda x: np.sum(x**4), [1.0, 2.0], jac=lambda x: 3 * x**3)
    >>> report.ok, report.worst, round(report.absolute_error, 6)
    (False, (0,), 8.0)
    >>> report = check_derivatives(abs, 0.0, jac=np.sign)
    >>> report.ok, report.kinks
    (True, (KinkAt(index=(), left=-1.0, right=1.0, between=True),))
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    if hess is not None and order == 1:
        raise ValueError("hess is checked with order=2 only, got order=1")
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    steps = _checked_steps(steps)
    if order == 2:
        function, analytic = _derived(f, jac, "gradient", mode), _value(_derived(f, hess, "hessian", mode), x)
        if not callable(function):
            raise ValueError("with order=2, jac must be callable: its differences are the Hessian")
    else:
        function, analytic = f, _value(_derived(f, jac, "jacobian", mode), x)
    at_x = np.asarray(function(x.copy()))
    epsilon = float(np.finfo(at_x.dtype).eps if at_x.dtype.kind == "f" else np.finfo(np.float64).eps)
    at_x = at_x.astype(np.float64)
    expected = at_x.shape + x.shape
    if analytic.shape != expected:
        name = "hess" if order == 2 else "jac"
        raise ValueError(f"{name} must have the shape of f(x) and x, {expected}, got {analytic.shape}")
    for name, array in (("f(x)", at_x), ("the derivative", analytic)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {array!r} at x = {x!r}")
    forward, backward = _one_sided_slopes(function, x, at_x, steps)
    rounding = _rounding(forward - backward, at_x, epsilon, steps)
    return _report(order, analytic, forward, backward, rounding, steps, rtol, atol)


def _checked_steps(steps):
    steps = np.asarray(steps, np.float64)
    if steps.ndim != 1 or len(steps) < 4 or not (steps > 0).all() or not (np.diff(steps) < 0).all():
        raise ValueError(f"steps must be at least four falling positive numbers, got {steps!r}")
    return steps


def _derived(f, given, name, mode):
    """What the user handed in, or the operator of calculus of this name."""
    if isinstance(given, str):  # a mode, as minimize takes it
        given, mode = None, given
    if given is not None:
        return given
    operator = getattr(operators, name)
    return lambda x: operator(f, x, mode=mode)


def _value(derivative, x):
    return np.asarray(derivative(x.copy()) if callable(derivative) else derivative, np.float64)


def _one_sided_slopes(function, x, at_x, steps):
    """Difference quotients to both sides, each of shape (n_steps, *outputs, *inputs)."""
    shape = (len(steps), *at_x.shape, *x.shape)
    forward, backward = np.empty(shape), np.empty(shape)
    for i in np.ndindex(x.shape):
        for k, step in enumerate(steps):
            h = step * max(1.0, abs(float(x[i])))
            for sign, slopes in ((1.0, forward), (-1.0, backward)):
                moved = x.copy()
                moved[i] += sign * h
                distance = np.float64(moved[i]) - np.float64(x[i])  # what h has become by rounding
                with np.errstate(all="ignore"):
                    change = np.asarray(function(moved), np.float64) - at_x
                    slopes[(k, ..., *i)] = change / distance
    return forward, backward


def _rounding(gap, at_x, epsilon, steps):
    """The rounding error of difference quotients, for each step: that of f, or what is seen of it if more.

    The terms of f may be larger than their sum; with the least steps nothing but rounding is left of second
    differences.
    """
    columns = (-1,) + (1,) * (gap.ndim - 1)
    of_f = 4.0 * epsilon * np.abs(at_x).reshape(at_x.shape + (1,) * (gap.ndim - 1 - at_x.ndim))
    noise = np.nan_to_num(np.abs(gap), posinf=0.0) * steps.reshape(columns)
    least = noise[steps <= NOTHING_BUT_ROUNDING]
    seen = np.median(least, axis=0) if len(least) else 0.0
    return np.maximum(of_f, seen) / steps.reshape(columns)


def _report(order, analytic, forward, backward, rounding, steps, rtol, atol):
    """Everything that follows from the one-sided slopes."""
    floor = atol / rtol
    with np.errstate(all="ignore"):
        central, gap = 0.5 * (forward + backward), np.abs(forward - backward)
    visible = 10.0 * rounding + rtol * np.maximum(floor, np.abs(central))
    at_kink, across = _kinked(gap, visible, steps)
    numerical, uncertainty = _steadiest(np.where(across & ~at_kink, np.nan, central), rounding)

    difference = np.abs(numerical - analytic)
    scale = np.fmax(np.fmax(np.abs(numerical), np.abs(analytic)), floor)
    unresolved = ~at_kink & ~(4.0 * uncertainty <= RESOLVED * np.maximum(scale, 1.0))
    judged = ~at_kink & ~unresolved
    wrong = judged & (difference > np.maximum(rtol * scale, 4.0 * uncertainty))
    relative = np.where(judged, difference / scale, 0.0)
    sweep = np.where(at_kink, np.nan, np.abs(central - analytic)).reshape(len(steps), -1)
    kinks = (_kink(i, analytic, forward, backward, rounding, rtol * scale) for i in _indices(at_kink))
    return DerivativeReport(
        order=order,
        analytic=analytic,
        numerical=numerical,
        uncertainty=uncertainty,
        absolute_error=float(np.where(judged, difference, 0.0).max(initial=0.0)),
        relative_error=float(relative.max(initial=0.0)),
        worst=_indices(relative == relative.max(initial=0.0))[0] if relative.size else (),
        steps=steps,
        errors=np.array([row[np.isfinite(row)].max() if np.isfinite(row).any() else np.nan for row in sweep]),
        kinks=tuple(kinks),
        unresolved=tuple(_indices(unresolved)),
        wrong=tuple(sorted(_indices(wrong), key=lambda index: -relative[index])),
        rtol=rtol,
        atol=atol,
    )


def _indices(mask):
    """The indices at which a mask is true, as tuples of int."""
    return [tuple(map(int, index)) for index in np.argwhere(mask)]


def _kinked(gap, visible, steps):
    """Where there is a kink at x itself; and which steps, of each entry, reach across one nearby.

    The gap between the one-sided slopes shrinks with the step where the function is smooth, and stays where
    there is a kink, until it falls below what is visible.
    """
    seen = gap > visible
    stays = np.zeros_like(seen)
    shape = (-1,) + (1,) * (gap.ndim - 1)
    least = np.sqrt(steps[1:] / steps[:-1]).reshape(shape)  # half-way, as powers, between both
    stays[1:] = seen[1:] & seen[:-1] & (gap[1:] > least * gap[:-1])
    order = np.arange(len(steps)).reshape(shape)
    last = np.where(stays, order, -1).max(axis=0)
    run = np.array([stays[np.maximum(last - back, 0), *np.indices(last.shape)] for back in range(RUN)])
    following = np.minimum(last + 1, len(steps) - 1)
    grid = np.indices(last.shape)
    drowned = visible[(following, *grid)] >= 0.5 * gap[(np.maximum(last, 0), *grid)]
    at_x = (last >= 0) & run.all(axis=0) & (drowned | (last == len(steps) - 1))
    return at_x, order <= last


def _steadiest(slopes, rounding):
    """For each entry the slope of the step that agrees best with the next one, and how well it does."""
    change = np.abs(np.diff(slopes, axis=0)) + rounding[:-1]
    change = np.where(np.isfinite(change), change, np.inf)
    best = change.argmin(axis=0)
    picked = (best, *np.indices(best.shape))
    return slopes[picked], change[picked]


def _kink(index, analytic, forward, backward, rounding, tolerance):
    """The kink of one entry."""
    inputs = (slice(None), *index)
    noise = np.broadcast_to(rounding, forward.shape)[inputs]
    (right, blur), (left, blur_left) = (_steadiest(side[inputs], noise) for side in (forward, backward))
    slack = tolerance[index] + 4.0 * max(blur, blur_left)
    between = min(left, right) - slack <= analytic[index] <= max(left, right) + slack
    return KinkAt(index, float(left) + 0.0, float(right) + 0.0, bool(between))


def _best(steps, errors):
    """The step of the least error, unless it is so by luck: rounding says the next one is that much worse."""
    errors = np.where(np.isfinite(errors), errors, np.inf)
    judged = errors.copy()
    judged[:-1] = np.maximum(errors[:-1], errors[1:] * steps[1:] / steps[:-1])
    return int(judged.argmin())


def _observed_order(steps, errors):
    """The median power of the step by which the errors fall, above the best step."""
    best = _best(steps, errors)
    orders = [
        np.log(errors[k] / errors[k + 1]) / np.log(steps[k] / steps[k + 1])
        for k in range(best)
        if errors[k] > 3.0 * errors[k + 1] > 0
    ]
    return float(np.median(orders[:-1] or orders)) if orders else float("nan")


def _subscript(index):
    return f"[{', '.join(map(str, index))}]" if index else "x"
