"""Is a loss what it says?  Checks for the author of one."""

import dataclasses
import textwrap
import warnings

import numpy as np

from ..calculus import lift, variable
from . import pointwise
from ._contract import Loss, get_loss

STEPS = (1e-2, 1e-3, 1e-4, 1e-5)
HUGE = 1e100  # what overflows at the next point must have been as large as this
NUMBERS = ("value", "gradient", "hessian")

WRITE = "write formulas with numbers, operators, abs, NumPy's functions, and plain functions of these"
SMOOTH = "value() must be continuous, and smooth but for single points"
CORRECT = "correct derivatives(), or delete it: the jet derives both from value()"
STABLE = (
    "keep the argument of exp from growing: np.logaddexp(a, b) for log(exp(a) + exp(b)), so "
    "np.logaddexp(e, -e) - np.log(2.0) for log(cosh(e)); scipy.special.expit(x) for 1 / (1 + exp(-x)); "
    "abs(e) for sqrt(e * e)"
)


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of a report: what was checked, what was seen, and what to write instead where it failed."""

    name: str
    ok: bool
    seen: str
    advice: str = ""


@dataclasses.dataclass(frozen=True, repr=False)
class LossReport:
    """What :func:`check_loss` found; prints as a table.

    Attributes
    ----------
    loss : Loss
        What was checked.
    rows : tuple
        One for each check, with the attributes `name`, `ok`, `seen`, and `advice` where it failed.
    ok : bool
        Whether all passed.

    Examples
    --------
    >>> from calclearn.losses import check_loss
    >>> report = check_loss("log_cosh")
    >>> report.ok, [row.name for row in report.rows if not row.ok]
    (True, [])
    """

    loss: Loss
    rows: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def __repr__(self):
        failed = sum(not row.ok for row in self.rows)
        verdict = f"{failed} of {len(self.rows)} checks failed" if failed else "all right"
        lines = [f"{self.loss!r}: {verdict}"]
        width = max(len(row.name) for row in self.rows)
        for row in self.rows:
            lines.append(f"  {'ok' if row.ok else 'FAILED':6}  {row.name:{width}}  {row.seen}")
            if not row.ok:
                margin = " " * (12 + width)
                lines += textwrap.wrap(
                    "-> " + row.advice, 110, initial_indent=margin, subsequent_indent=margin
                )
        return "\n".join(lines)


def check_loss(loss, *, random_state=0) -> LossReport:
    """Check a loss: its derivatives, range, convexity, minimiser, and precision.

    Parameters
    ----------
    loss : Loss or str
        Of one output; an instance or a registered name.
    random_state : int or numpy.random.Generator, default=0
        Draws the targets and raw predictions at which the loss is looked at.

    Returns
    -------
    LossReport
        ``report.ok``, and ``report.rows``; ``print(report)`` shows a table.

    Raises
    ------
    TypeError
        If `loss` is no loss, or one of several outputs.

    Examples
    --------
    >>> from calclearn.losses import check_loss
    >>> check_loss("squared_error").ok
    True
    """
    loss = get_loss(loss)
    if hasattr(loss, "value_row"):
        raise TypeError(f"check_loss checks losses of one output; {loss!r} has several")
    rng = np.random.default_rng(random_state)
    y = _targets(loss.domain, rng, 12)
    raw = rng.normal(size=(12, 12)) * np.geomspace(0.3, 30.0, 12)
    if loss.domain == "real":
        raw += y[:, None]
    points = np.repeat(y, 12), raw.ravel()
    rows = [_interpreted(loss, *points)]
    if rows[0].ok:
        rows.append(_compiled(loss, *points))
    if all(row.ok for row in rows):
        overridden = type(loss).derivatives is not Loss.derivatives
        rows += [
            _float32(loss, *points),
            *_differentiated(loss, *points, CORRECT if overridden else SMOOTH),
            *([_jet(loss, *points)] if overridden else []),
            _far_out(loss, y),
            _convexity(loss, y),
            _minimiser(loss, _targets(loss.domain, rng, 50), rng.uniform(0.5, 2.0, 50)),
        ]
    return LossReport(loss, tuple(rows))


def _targets(domain, rng, n):
    """Valid targets, those at the boundary of the domain among them."""
    normal = rng.normal(size=n)
    if domain == "sign":
        return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    if domain == "unit":
        return np.concatenate([[0.0, 1.0], rng.uniform(size=n - 2)])
    if domain == "positive":
        return np.exp(normal)
    if domain == "nonnegative":
        return np.concatenate([[0.0], np.exp(normal[1:])])
    return np.concatenate([[0.0], 3.0 * normal[1:]])


def _first_where(failed, y, raw, text, *numbers):
    """*text* about the first failure, and where it is."""
    i = np.flatnonzero(failed)[0]
    return f"{text.format(*(float(a[i]) for a in numbers))} at y={y[i]:.6g}, raw={raw[i]:.6g}"


def _by_hand(loss, y, raw):
    """Value, gradient and Hessian as plain Python computes them, point by point."""
    return np.array([(loss.value(a, b), *loss.derivatives(a, b)) for a, b in zip(y, raw, strict=True)]).T


def _interpreted(loss, y, raw) -> Check:
    """Whether the formula runs as plain Python, silently; what truly overflows may say so."""
    name = "interpreted"
    for a, b in zip(y, raw, strict=True):
        where = f"at y={a:.6g}, raw={b:.6g}"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value, pair = loss.value(a, b), loss.derivatives(a, b)
                if value is None or not isinstance(pair, tuple) or len(pair) != 2:
                    seen = f"value returns {value!r}, derivatives {pair!r} {where}"
                    return Check(name, False, seen, "return a number, and the pair gradient, hessian")
                numbers = [float(value), *map(float, pair)]
            except Exception as error:  # whatever the author's code raises is the finding
                return Check(name, False, f"{type(error).__name__} {where}: {error}", WRITE)
        needless = [w for w in caught if "overflow" not in str(w.message) or np.isfinite(numbers).all()]
        if needless:
            return Check(name, False, f"warns {where}: {needless[0].message}", STABLE)
    return Check(name, True, f"runs at {y.size} points")


def _compiled(loss, y, raw) -> Check:
    """Whether the compiled formula is the interpreted one."""
    name = "compiled"
    try:
        compiled = pointwise.value_gradient_hessian(loss, y, raw)
    except Exception as error:  # the compiler's, of many types
        return Check(name, False, f"{type(error).__name__}: {_reason(error)}", WRITE)
    with np.errstate(all="ignore"):
        plain = _by_hand(loss, y, raw)
    for what, mine, theirs in zip(NUMBERS, compiled, plain, strict=True):
        failed = ~np.isclose(mine, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)
        if failed.any():
            text = what + " is {:.6g} compiled, {:.6g} interpreted"
            advice = "make the formula depend on y, raw and the fields alone"
            return Check(name, False, _first_where(failed, y, raw, text, mine, theirs), advice)
    return Check(name, True, "the same as interpreted")


def _reason(error) -> str:
    """The one line of Numba's pages that says why: what follows where the innermost formula failed."""
    *_, inner = str(error).split("Failed in nopython mode pipeline", 2)  # kernel, formula
    lines = [line.strip() for line in inner.splitlines()]
    return next((line for line in lines if line and not line.startswith(("(step:", "Failed"))), str(error))


def _float32(loss, y, raw) -> Check:
    name, worst = "float32", 0.0
    y, raw = y.astype(np.float32), raw.astype(np.float32)
    double = pointwise.value_gradient_hessian(loss, y.astype(np.float64), raw.astype(np.float64))
    single = pointwise.value_gradient_hessian(loss, y, raw)
    rounding = 1e-5 * (1 + abs(raw) + abs(y))  # sums of terms of this size, or a factor e**raw, and some
    for what, narrow, wide in zip(NUMBERS, single, double, strict=True):
        in_range = abs(wide) < 1e30
        distance = np.where(in_range, abs(narrow - np.where(in_range, wide, 0.0)), 0.0) / (1 + abs(wide))
        failed = ~(distance <= rounding)
        if failed.any():
            text = what + " is {:.6g} in float32, {:.6g} in float64"
            return Check(name, False, _first_where(failed, y, raw, text, narrow, wide), STABLE)
        worst = max(worst, float(distance.max()))
    return Check(name, True, f"within {worst:.0e} of float64")


def _differentiated(loss, y, raw, advice):
    """Gradient and Hessian against differences of the order below."""
    derivatives = pointwise.gradient_hessian(loss, y, raw)
    for name, derivative, order in zip(NUMBERS[1:], derivatives, (0, 1), strict=True):
        estimate, error = _differences(
            lambda at, order=order: pointwise.value_gradient_hessian(loss, y, at)[order], raw
        )
        judged = error <= 1e-5 * (1 + abs(estimate))  # not at kinks
        distance = abs(derivative - estimate)
        failed = judged & ~(distance <= 1e-5 * (1 + abs(estimate)) + 10 * error)
        if failed.any():
            text = name + " is {:.6g}, finite differences say {:.6g}"
            yield Check(name, False, _first_where(failed, y, raw, text, derivative, estimate), advice)
            return  # differences of a wrong gradient say nothing of a Hessian
        elif 2 * judged.sum() < raw.size:
            seen = f"no finite differences at {np.sum(~judged)} of {raw.size} points"
            yield Check(name, False, seen, SMOOTH)
        else:
            worst = np.max(distance[judged] / (1 + abs(estimate[judged])))
            yield Check(name, True, f"within {worst:.0e} of finite differences")


def _differences(function, raw):
    """The derivative by central differences of fourth order, at the steadiest of several steps; its error."""
    estimates = []
    with np.errstate(all="ignore"):
        for step in STEPS:
            h = step * np.maximum(1.0, abs(raw))
            near = function(raw + h) - function(raw - h)
            far = function(raw + 2 * h) - function(raw - 2 * h)
            estimates.append((8 * near - far) / (12 * h))
        errors = np.nan_to_num(abs(np.diff(estimates, axis=0)), nan=np.inf)
    best, columns = errors.argmin(axis=0), np.arange(raw.size)
    return np.array(estimates)[best + 1, columns], errors[best, columns]


def _jet(loss, y, raw) -> Check:
    """The author's derivatives against those of value() by its jet."""
    jets = [lift(loss.value(a, variable(b)), b) for a, b in zip(y, raw, strict=True)]
    derivatives = pointwise.gradient_hessian(loss, y, raw)
    for what, mine, theirs in zip(
        NUMBERS[1:], derivatives, np.array([(jet.first, jet.second) for jet in jets]).T, strict=True
    ):
        failed = ~np.isclose(mine, theirs, rtol=1e-8, atol=1e-8) & np.isfinite(theirs)
        if failed.any():
            text = what + " is {:.6g}, the jet of value() says {:.6g}"
            return Check("jet", False, _first_where(failed, y, raw, text, mine, theirs), CORRECT)
    return Check("jet", True, "derivatives() is the jet of value()")


def _far_out(loss, y) -> Check:
    """Never NaN; infinite only where the numbers before were huge already."""
    distance = np.geomspace(1.0, 1e4, 97)
    overflows = False
    for target in y:
        for raw in (distance, -distance):
            at = np.full_like(raw, target)
            for what, number in zip(NUMBERS, pointwise.value_gradient_hessian(loss, at, raw), strict=True):
                before = np.abs(np.concatenate([[0.0], number[:-1]]))
                failed = np.isnan(number) | (np.isinf(number) & (before < HUGE))
                if failed.any():
                    seen = _first_where(failed, at, raw, what + " is {}, after {:.6g}", number, before)
                    return Check("far out", False, seen, STABLE)
                overflows |= bool(np.isinf(number).any())
    seen = "infinite only where float64 ends," if overflows else "finite"
    return Check("far out", True, f"{seen} up to |raw| = 1e4")


def _convexity(loss, y) -> Check:
    far = np.geomspace(30, 1e4)
    raw = np.unique(np.concatenate([-far, np.linspace(-30, 30, 601), far]))
    for target in y:
        at = np.full_like(raw, target)
        gradient, hessian = pointwise.gradient_hessian(loss, at, raw)
        slack = 1e-9 * (1 + abs(np.nan_to_num(gradient)))
        bent = hessian < -slack
        bent[1:] |= gradient[1:] < gradient[:-1] - slack[1:] - slack[:-1]
        if bent.any():
            worst = bent & (hessian == hessian[bent].min())
            text = "not convex: hessian {:.6g}, gradient {:.6g}"
            seen = _first_where(worst, at, raw, text, hessian, gradient)
            return Check("convexity", not loss.convex, seen, "write convex: ClassVar[bool] = False")
    declared = "as declared" if loss.convex else "as far as seen; if it is, declare convex = True"
    return Check("convexity", True, f"convex, {declared}")


def _minimiser(loss, y, weight) -> Check:
    name, default = "minimiser", type(loss).minimiser is Loss.minimiser
    advice = "value() must have a least sum" if default else "delete minimiser(): the default searches"
    try:
        c = float(loss.minimiser(y, weight))
    except Exception as error:  # whatever the author's code raises is the finding
        return Check(name, False, f"{type(error).__name__}: {error}", advice)
    steps = np.array([0.0, -1.0, -1e-2, -1e-4, 1e-4, 1e-2, 1.0])
    totals = np.array([pointwise.value(loss, y, np.full_like(y, c + step), weight).sum() for step in steps])
    better = ~(totals >= totals[0] - 1e-10 * (1 + abs(totals[0])))
    if better.any():
        i = np.flatnonzero(better)[0]
        there, elsewhere = f"{totals[0]:.8g} at raw={c:.6g}", f"{totals[i]:.8g} at raw={c + steps[i]:.6g}"
        return Check(name, False, f"the total loss is {there}, but {elsewhere}", advice)
    return Check(name, True, f"no better constant around raw={c:.6g}")
