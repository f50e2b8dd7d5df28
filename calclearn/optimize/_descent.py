"""The data loop of first-order methods: which gradient is taken next, and when to stop.

What a parameter does with its gradient is an update rule's business (:mod:`.rules`).  The loop, `iterate`, is
the same for one step on all rows and for a pass over batches: an advance, and a look at the objective.

Derivation: docs/derivations/gradient-descent.md.
"""

import numbers

import numpy as np

from ._stepping import Stepper
from ._stopping import CONVERGED, UNBOUNDED, Stopping, frozen, require, starting_point


def iterate(objective, x0, advance, stopping, progress=None, tell=None, mean=None):
    """Repeat ``x = advance(x, gradient)`` until there is a reason to stop.

    Parameters
    ----------
    objective : object
        With ``value_gradient(x)``; asked once for each iterate, if it is finite.
    x0 : array-like of shape (p,)
        Where to start.
    advance : callable
        ``advance(x, gradient)`` returns the next iterate, a new float64 array.
    stopping : Stopping
    progress : callable, optional
        ``progress(iteration, value, x)`` after each iteration; a true answer stops.
    tell : callable, optional
        ``tell(value)`` at the start and after each iteration.
    mean : ndarray of shape (p,), optional
        An average of the iterates, kept by `advance`.

    Returns
    -------
    Solution
        The last iterate; or `mean`, where the objective is lower there and the iterates have not converged.
    """
    watch = stopping.watch(progress, objective)
    x = starting_point(x0)
    value, gradient = watch.evaluate(objective, x)
    reason = watch.see(x, value, gradient)
    while reason is None:
        if tell is not None:
            tell(value)
        with np.errstate(all="ignore"):  # a step out of range is reported as divergence
            x = frozen(advance(x, gradient))
        if np.isfinite(x).all():
            value, gradient = watch.evaluate(objective, x)
        else:  # an objective need not answer here, and could call its limit a minimum
            value, gradient = np.nan, np.full_like(x, np.nan)
        reason = watch.see(x, value, gradient)
    if mean is not None and watch.n_iter and reason not in {*CONVERGED, UNBOUNDED}:
        reason = watch.offer(objective, frozen(mean), reason)
    return watch.solution(reason)


def descend(
    objective,
    x0,
    rule,
    *,
    max_iter=1000,
    tol=1e-6,
    stall_tol=None,
    patience=5,
    step_tol=0.0,
    schedule=None,
    clip_norm=None,
    clip_value=None,
    weight_decay=0.0,
    averaging=None,
    progress=None,
):
    """Minimise by steps of `rule` along the gradient of the whole objective.

    Parameters
    ----------
    objective : object
        With ``value_gradient(x)``.
    x0 : array-like of shape (p,)
        Where to start.
    rule : UpdateRule or str
    max_iter : int, default=1000
        Most steps.
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value.
    stall_tol, patience : float and int, optional
        Stop when the objective has not fallen by more than `stall_tol` below its best for `patience` steps;
        None never does.
    step_tol : float, default=0.0
        Stop when no component of a step is as large in absolute value; 0 never does.
    schedule : Schedule or str, optional
        How the learning rate changes (:mod:`calclearn.optimize.schedules`), on a clock that counts steps;
        None leaves it to the rule.
    clip_norm, clip_value : float, optional
        Gradients are shortened to this Euclidean norm, and their components cut at this size.
    weight_decay : float, default=0.0
        Before each step the parameters shrink by this times the learning rate, with the rule's `decay` if it
        has one.  What stops the descent is still the gradient of the objective alone.
    averaging : Polyak, EMA, "polyak" or "ema", optional
        Keep a mean of the iterates, and answer with it where it is better than the last one.
    progress : callable, optional
        ``progress(iteration, value, x)`` after each step; a true answer stops.

    Returns
    -------
    Solution
        The last iterate; the best one, and the reason "diverged", where the steps were too long; the mean,
        where it is asked for, the iterates have not converged, and the objective is lower there.

    Raises
    ------
    TypeError
        If `objective` lacks ``value_gradient``.
    ValueError
        If `x0` is no finite vector, or an option has no such value.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize.rules import GradientDescent
    >>> class Bowl:
    ...     def value_gradient(self, x):
    ...         return 0.5 * float(x @ x), x
    >>> solution = descend(Bowl(), [2.0, -4.0], GradientDescent(learning_rate=0.5))
    >>> solution.reason, solution.curve[:3]
    ('gradient within tol', [10.0, 2.5, 0.625])
    """
    require(objective, ["value_gradient"], "descend")
    stopping = Stopping(tol, max_iter, stall_tol, patience, step_tol)
    x0 = starting_point(x0)
    step = Stepper(rule, x0.shape, max_iter, schedule, clip_norm, clip_value, weight_decay, averaging)

    def advance(x, gradient):
        x = x.copy()
        step(x, gradient)
        return x

    return iterate(objective, x0, advance, stopping, progress, step.tell, step.mean)


def descend_in_batches(
    objective,
    x0,
    rule,
    *,
    n_rows,
    rng,
    batch_size=32,
    shuffle=True,
    max_epochs=100,
    tol=1e-6,
    stall_tol=None,
    patience=5,
    step_tol=0.0,
    schedule=None,
    clip_norm=None,
    clip_value=None,
    weight_decay=0.0,
    averaging=None,
    progress=None,
):
    """Minimise by steps of `rule` along the gradients of batches of rows.

    An iteration is an epoch, one pass over all rows.  At its end the whole objective is computed: the curve
    and the decision to stop rest on it, not on batches.

    Parameters
    ----------
    objective : object
        With ``value_gradient(x)``, and ``gradient_of_batch(x, rows)`` for an int64 array of row numbers.
    x0 : array-like of shape (p,)
        Where to start.
    rule : UpdateRule or str
    n_rows : int
        Rows there are.
    rng : numpy.random.Generator or RandomState
        Orders the rows anew for each epoch.
    batch_size : int, default=32
        Rows to a step, at most `n_rows` of them; the last batch of an epoch may be smaller.
    shuffle : bool, default=True
        Whether to order the rows anew for each epoch, or take them as they come.
    max_epochs, tol, stall_tol, patience, step_tol, progress
        As in :func:`descend`, for epochs.
    schedule, clip_norm, clip_value, weight_decay, averaging
        As in :func:`descend`, for steps; the schedule's clock counts epochs, and goes on inside of them.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError
        If `objective` lacks a method, or `rng` is no source of permutations.
    ValueError
        If `x0` is no finite vector, or `n_rows`, `batch_size` or `max_epochs` is no such integer.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import GradientDescent, descend_in_batches
    >>> a = np.array([1.0, 2.0, 3.0])
    >>> class Mean:
    ...     def value_gradient(self, x):
    ...         return 0.5 * float(((x - a) ** 2).mean()), np.array([(x - a).mean()])
    ...
    ...     def gradient_of_batch(self, x, rows):
    ...         return np.array([(x - a[rows]).mean()])
    >>> rule, rng = GradientDescent(learning_rate=0.5), np.random.default_rng(0)
    >>> solution = descend_in_batches(
    ...     Mean(), [0.0], rule, n_rows=3, rng=rng, batch_size=1, schedule="invscaling", max_epochs=200
    ... )
    >>> abs(float(solution.x[0]) - 2.0) < 0.1
    True
    """
    require(objective, ["value_gradient"], "descend_in_batches")
    require(objective, ["gradient_of_batch"], "descend_in_batches")
    for name, number, least in (("n_rows", n_rows, 1), ("max_epochs", max_epochs, 0)):
        if not isinstance(number, numbers.Integral) or number < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")
    if shuffle and not callable(getattr(rng, "permutation", None)):
        raise TypeError(f"rng must be a numpy.random.Generator or RandomState, got {rng!r}")
    batch_size = checked_batch_size(batch_size, n_rows)
    stopping = Stopping(tol, max_epochs, stall_tol, patience, step_tol)
    x0 = starting_point(x0)
    step = Stepper(rule, x0.shape, max_epochs, schedule, clip_norm, clip_value, weight_decay, averaging)
    starts = range(0, n_rows, batch_size)

    def advance(x, gradient):
        x = x.copy()
        order = row_order(n_rows, rng, shuffle)
        for first in starts:
            rows = order[first : first + batch_size]
            step(x, objective.gradient_of_batch(x, rows), time=step.n_steps / len(starts))
        return x

    return iterate(objective, x0, advance, stopping, progress, step.tell, step.mean)


def checked_batch_size(batch_size, n_rows):
    """`batch_size`, at most `n_rows`; a ValueError if it is no positive integer."""
    if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
        raise ValueError(f"batch_size must be an integer of at least 1, got {batch_size!r}")
    return min(int(batch_size), n_rows)


def row_order(n_rows, rng, shuffle):
    """The order of rows in an epoch, int64."""
    return rng.permutation(n_rows).astype(np.int64) if shuffle else np.arange(n_rows, dtype=np.int64)
