"""How a minimisation begins, is watched, and ends: the same for every minimiser.

A minimiser hands each iterate to a `Watch`, which answers with None, or with the reason to stop.  Reasons
are short strings that never change, so that programs can compare them; `explain` gives the sentence for
people.  Nothing here warns: that is the estimator's decision.
"""

import numbers
from dataclasses import dataclass

import numpy as np

from ._optimality import Solution, max_norm

GRADIENT = "gradient within tol"
ROUNDING = "at rounding level"
STALLED = "objective stalled"
STEP = "step within tol"
NO_DECREASE = "no decrease found"
ITERATIONS = "iteration limit"
UNBOUNDED = "unbounded below"
DIVERGED = "diverged"
NOT_FINITE = "not finite"
CALLBACK = "stopped by the callback"
DIRECT = "solved directly"
KINK = "at a kink"
GAP = "duality gap within tol"
KKT = "optimality conditions within tol"
VIOLATED = "violation stalled"
VERTEX = "at a vertex"
FAILED = "linear programme failed"

ALL_ROUNDS = "all rounds done"
STOPPED_EARLY = "stopped early"

CONVERGED = frozenset({GRADIENT, ROUNDING, STALLED, STEP, DIRECT, GAP, KKT, VERTEX})
SENTENCES = {
    ALL_ROUNDS: "As many rounds of boosting as were asked for are done; more could lower the training loss.",
    STOPPED_EARLY: "The score of the evaluation set had not become better for early_stopping_rounds rounds.",
    GRADIENT: "Every component of the gradient is at most tol.",
    ROUNDING: "The full Newton step promises less than the rounding error of the objective; "
    "the gradient cannot be brought closer to zero in this arithmetic.",
    STALLED: "The objective has not improved by more than its tolerance for several iterations.",
    STEP: "The last step was shorter than its tolerance.",
    NO_DECREASE: "No step lowers the objective, although the gradient is above tol; either tol is below what "
    "the objective's rounding allows, or the gradient does not belong to the objective.",
    ITERATIONS: "The iteration limit was reached before the gradient was within tol; "
    "raise max_iter, scale the data, or use a second-order solver.",
    UNBOUNDED: "The objective falls without end: it has no minimum. Adding a penalty gives it one.",
    DIVERGED: "The objective became NaN or infinite, or grew far beyond its value at the start; "
    "the best iterate is returned. A smaller learning rate may help.",
    NOT_FINITE: "The objective, its gradient or its Hessian is NaN or infinite at the returned point.",
    CALLBACK: "A callback asked to stop.",
    KINK: "The loss has kinks and no curvature: gradients do not tell how far the minimum is, "
    "and no step along them lowers the objective further.",
    GAP: "The duality gap, and with it the distance to the minimum, is within tol.",
    KKT: "No pair of multipliers violates the optimality conditions by more than tol.",
    VIOLATED: "The largest violation of the optimality conditions is above tol, and has long not become "
    "less: tol is below what rounding allows, or the Gram matrix is not positive semidefinite.",
    VERTEX: "The linear programme was solved: its solution is a vertex, exact but for rounding.",
    FAILED: "The linear programme was not solved; the solver's message says why.",
    DIRECT: "A factorisation solved the problem; nothing was iterated.",
}

EPS = float(np.finfo(np.float64).eps)
NOISE = 64 * EPS  # rounding error of an objective, relative to its value
GROWTH = 1e6  # in units of the first value: beyond it, growth is divergence
FALL = EPS**-2  # the same downwards: nothing that has a minimum falls by 32 digits


def noise_of(objective):
    """Rounding error of the objective's values, relative to them: its attribute `noise`, if it has one."""
    return getattr(objective, "noise", NOISE)


def explain(reason):
    """Return the sentence that belongs to a reason for stopping.

    Parameters
    ----------
    reason : str
        The `reason` of a `Solution` or of an `Optimality`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such reason.

    Examples
    --------
    >>> from calclearn.optimize import explain
    >>> explain("gradient within tol")
    'Every component of the gradient is at most tol.'
    """
    if reason not in SENTENCES:
        raise ValueError(f"reason must be one of {sorted(SENTENCES)}, got {reason!r}")
    return SENTENCES[reason]


def require(objective, names, user):
    """Raise a TypeError that names what `objective` lacks of the methods that `user` needs.

    Parameters
    ----------
    objective : object
        Whatever was handed to the minimiser.
    names : sequence of str
        Methods it must have.
    user : str
        The minimiser, for the message.
    """
    missing = [name for name in names if not callable(getattr(objective, name, None))]
    if missing:
        raise TypeError(
            f"{user} needs an objective with {', '.join(f'{name}(x)' for name in names)}; "
            f"{type(objective).__name__} lacks {', '.join(missing)}"
        )


def starting_point(x0):
    """Return `x0` as a read-only float64 vector of shape (p,) that is no one else's.

    Read-only, so that an objective may recognise an iterate by identity and keep what it computed there.
    """
    try:
        given = np.asarray(x0)
        casting = "unsafe" if given.dtype == object else "same_kind"  # no text, no imaginary part lost
        x = given.astype(np.float64, order="C", casting=casting)
    except (TypeError, ValueError) as error:
        raise ValueError(f"x0 must be a vector of finite numbers, got {x0!r}") from error
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"x0 must be a vector of finite numbers, got {x0!r}")
    return frozen(x)


def frozen(array):
    """Return the same array, marked read-only."""
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Stopping:
    """When a minimisation ends.

    Parameters
    ----------
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value, in units of the objective over
        those of the parameter.
    max_iter : int, default=100
        Most steps.
    stall_tol : float, optional
        Stop when the objective has not fallen by more than this below its best for `patience` steps.
        None never stalls.
    patience : int, default=1
        See `stall_tol`.
    step_tol : float, default=0.0
        Stop when the largest component of a step is below this; 0 never does.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import Stopping
    >>> watch = Stopping(tol=1e-3, max_iter=100).watch()
    >>> x, steep, flat = np.array([0.5]), np.array([0.1]), np.array([1e-4])
    >>> watch.see(x, 4.0, steep), watch.see(x, 4.0, flat)
    (None, 'gradient within tol')
    """

    tol: float = 1e-6
    max_iter: int = 100
    stall_tol: float | None = None
    patience: int = 1
    step_tol: float = 0.0

    def __post_init__(self):
        for name in ("tol", "step_tol", "stall_tol"):
            number = getattr(self, name)
            optional = name == "stall_tol" and number is None
            if not optional and not (isinstance(number, numbers.Real) and number >= 0):
                raise ValueError(f"{name} must be a number of at least 0, got {number!r}")
        for name, least in (("max_iter", 0), ("patience", 1)):
            number = getattr(self, name)
            if not (isinstance(number, numbers.Integral) and number >= least):
                raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")

    def watch(self, progress=None, objective=None):
        """Return the `Watch` of one minimisation; an objective may have `units` for its gradient."""
        if progress is not None and not callable(progress):
            raise TypeError(f"progress must be callable or None, got {progress!r}")
        return Watch(self, progress, getattr(objective, "units", 1.0))


class Watch:
    """The record of one minimisation: its curve, its last and its best iterate, and when to stop.

    Parameters
    ----------
    stopping : Stopping
    progress : callable, optional
        ``progress(iteration, value, x)`` after each step; a true answer stops the minimisation.
    units : float, ndarray of shape (p,), or callable
        Factors of the gradient's components where they are held against `tol`; or what makes of the gradient
        the numbers that are.

    Attributes
    ----------
    curve : list of float
        The objective at every iterate seen.
    n_evaluations : int
        Kept by the minimiser, or by `evaluate`.
    """

    def __init__(self, stopping, progress=None, units=1.0):
        self.stopping = stopping
        self.units = units
        self.progress = progress
        self.curve = []
        self.n_evaluations = 0
        self.last = self.best = (None, np.inf, None)
        self._record, self._idle = np.inf, 0

    @property
    def n_iter(self):
        """Steps seen so far."""
        return max(len(self.curve) - 1, 0)

    def evaluate(self, objective, x):
        """Return ``objective.value_gradient(x)`` as (float, float64 vector), counted.

        A trial may lie where the objective overflows; that is the minimiser's business, so no warning.
        """
        self.n_evaluations += 1
        with np.errstate(all="ignore"):
            answer = objective.value_gradient(x)
        try:
            value, gradient = answer
            value, gradient = float(value), np.asarray(gradient, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"value_gradient(x) must return a number and an array, got {answer!r}") from error
        if gradient.shape != x.shape:
            raise ValueError(f"value_gradient(x): the gradient has shape {gradient.shape}, x has {x.shape}")
        return value, gradient

    def see(self, x, value, gradient=None, step=None):
        """Record an iterate and answer None, or the reason to stop.

        Parameters
        ----------
        x : ndarray of shape (p,), or None
            Kept, not copied: do not change it afterwards.
        value : float
        gradient : ndarray of shape (p,), optional
            Without it (stochastic methods), the gradient is no reason.
        step : float, optional
            Largest absolute component of the step that led here; computed, where it matters and is not given.
        """
        if step is None and self.stopping.step_tol and self.curve and x is not None:
            with np.errstate(all="ignore"):
                step = max_norm(x - self.last[0])
        self.curve.append(value)
        self.last = (x, value, gradient)
        usable = np.isfinite(value) and (gradient is None or np.isfinite(gradient).all())
        if usable and (self.best[0] is None or value < self.best[1]):
            self.best = self.last
        asked = self.n_iter > 0 and self.progress is not None and self.progress(self.n_iter, value, x)
        return self._health(value, usable) or (CALLBACK if asked else self._goal(value, gradient, step))

    def _health(self, value, usable):
        scale = max(1.0, abs(self.curve[0]))
        if value < -FALL * scale or (value == -np.inf and self.n_iter):
            return UNBOUNDED
        if not usable:
            return DIVERGED if self.n_iter else NOT_FINITE
        return DIVERGED if value > self.curve[0] + GROWTH * scale else None

    def _goal(self, value, gradient, step):
        stopping = self.stopping
        if gradient is not None and self._within_tol(gradient):
            return GRADIENT
        if step is not None and step < stopping.step_tol:
            return STEP
        if stopping.stall_tol is not None:
            improved = value < self._record - stopping.stall_tol
            self._idle = 0 if improved else self._idle + 1
            self._record = min(self._record, value)
            if self._idle >= stopping.patience:
                return STALLED
        return ITERATIONS if self.n_iter >= stopping.max_iter else None

    def _within_tol(self, gradient):
        in_units = self.units(gradient) if callable(self.units) else gradient * self.units
        return max_norm(in_units) <= self.stopping.tol

    def offer(self, objective, x, reason):
        """Let `x` be the solution, if the objective is lower there; answer the reason that holds now."""
        if not np.isfinite(x).all():
            return reason
        value, gradient = self.evaluate(objective, x)
        rival = self.best if reason == DIVERGED else self.last
        if not (value < rival[1] and np.isfinite(gradient).all()):
            return reason
        self.last = self.best = (x, value, gradient)
        return GRADIENT if reason != CALLBACK and self._within_tol(gradient) else reason

    def solution(self, reason, hessian=None):
        """Return the `Solution`: the last iterate, or the best one where the minimisation diverged."""
        diverged = reason == DIVERGED and self.best[0] is not None
        x, value, gradient = self.best if diverged else self.last
        return Solution(
            x=x,
            value=value,
            gradient=gradient,
            n_iter=self.n_iter,
            converged=reason in CONVERGED,
            reason=reason,
            curve=self.curve,
            n_evaluations=self.n_evaluations,
            hessian=None if diverged else hessian,
        )
