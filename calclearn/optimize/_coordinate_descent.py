"""Coordinate descent.  Derivation: docs/derivations/optimisers.md, equations (27) and (28)."""

from dataclasses import dataclass

import numpy as np

from ._minimiser import Minimiser
from ._stopping import NO_DECREASE, ROUNDING, frozen, noise_of, require, starting_point

SHORTEST, LONGEST = 0.1, 0.5  # of a step that did not lead down, for the next trial
FARTHEST = 1e100  # a step; where there is no curvature it would be infinite
SHARE = 1e-4  # of the decrease that the slope promises


@dataclass(frozen=True)
class CoordinateDescent(Minimiser):
    r"""One parameter after the other, each by a secant step of its partial derivative.

    .. math::
        x_j \leftarrow x_j - \frac{g_j}{h_j}, \qquad
        h_j = \frac{g_j(x + \delta e_j) - g_j(x)}{\delta}

    with :math:`h_j` from the last step along that coordinate.

    Parameters
    ----------
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=1000
        Most sweeps, of as many steps as there are parameters.
    selection : {"cyclic", "greedy"}, default="cyclic"
        Which coordinate is next: they take turns, or it is the one where :math:`g_j^2 / h_j` is largest.
    stall_tol, patience, step_tol : optional
        Keyword-only: other reasons to stop, as in :func:`descend`, for sweeps.

    Notes
    -----
    Each step asks for a value and a whole gradient, so a sweep costs p of them: this is for few parameters,
    or for parameters that hardly depend on one another.  Linear models with kinks have coordinate descents of
    their own, where a step costs one column.

    Source: Nutini et al. (2015), *Coordinate descent converges faster with the Gauss-Southwell rule than
    random selection*.

    Examples
    --------
    >>> import numpy as np
    >>> class Bowl:
    ...     def value_gradient(self, x):
    ...         return float(np.sum(np.cosh(x - 1))), np.sinh(x - 1)
    >>> solution = CoordinateDescent().minimise(Bowl(), [0.0, 3.0])
    >>> solution.reason, solution.x.round(6).tolist()
    ('gradient within tol', [1.0, 1.0])
    """

    selection: str = "cyclic"

    def __post_init__(self):
        super().__post_init__()
        if self.selection not in ("cyclic", "greedy"):
            raise ValueError(f"selection must be 'cyclic' or 'greedy', got {self.selection!r}")

    def minimise(self, objective, x0, progress=None):
        """Minimise `objective` from `x0`.

        Parameters
        ----------
        objective : object
            With ``value_gradient(x)``; it should be smooth: at a kink that no coordinate leads away from,
            coordinate descent stays.
        x0 : array-like of shape (p,)
            Where to start.
        progress : callable, optional
            ``progress(sweep, value, x)`` after each sweep; a true answer stops.

        Returns
        -------
        Solution

        Raises
        ------
        TypeError
            If `objective` lacks ``value_gradient``.
        ValueError
            If `x0` is no finite vector.
        """
        require(objective, self.requires, type(self).__name__)
        watch = self._stopping().watch(progress, objective)
        x = starting_point(x0)
        point = x, *watch.evaluate(objective, x)
        reason = watch.see(*point)
        curvature = np.full(x.size, np.nan)  # not known yet
        while reason is None:
            floor = noise_of(objective) * np.abs(watch.curve).max()
            ahead = self._sweep(objective, watch, point, curvature, floor)
            if ahead is point:
                reason = ROUNDING if _promise(point[2], curvature) <= floor else NO_DECREASE
                break
            point = ahead
            reason = watch.see(*point)
        return watch.solution(reason)

    def _sweep(self, objective, watch, point, curvature, floor):
        """The point after as many steps as there are coordinates, or `point` itself if none leads down."""
        stuck = np.zeros(curvature.size, bool)  # those wait for the next sweep, others may lead down
        for k in range(curvature.size):
            j = k if self.selection == "cyclic" else _best(point[2], curvature, stuck)
            ahead = _along(objective, watch, point, j, curvature, floor)
            stuck[j] |= ahead is point
            point = ahead
            if point[1] == -np.inf:  # the end; the gradient may be NaN
                break
        return point


@np.errstate(over="ignore")
def _best(gradient, curvature, stuck):
    """The coordinate along which the objective falls most; those never tried come first."""
    gain = np.where(np.isnan(curvature), np.inf, gradient**2 / curvature)
    return int(np.argmax(np.where(stuck | (gradient == 0.0), -1.0, gain)))


@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def _promise(gradient, curvature):
    """What a sweep would gain, where the coordinates do not depend on one another."""
    curvature = np.where(np.isnan(curvature), 0.0, curvature)  # not known: much
    return float(np.sum(0.5 * gradient**2 / curvature, where=gradient != 0.0))


@np.errstate(over="ignore", invalid="ignore")
def _along(objective, watch, point, j, curvature, floor):
    """The point after a step along coordinate `j`, or `point` itself if no step leads down."""
    x, value, gradient = point
    slope = gradient[j]
    known = not np.isnan(curvature[j])
    step = -slope / curvature[j] if known else -slope / max(1.0, abs(slope))
    step = float(np.clip(step, -FARTHEST, FARTHEST))
    before = np.inf
    while True:
        trial = x.copy()
        trial[j] += step
        step = trial[j] - x[j]
        if not 0.0 < abs(step) < before:  # half of the last digit may be rounded up to all of it again
            return point
        before = abs(step)
        ahead = frozen(trial), *watch.evaluate(objective, trial)
        if ahead[1] == -np.inf:
            return ahead
        if not (np.isfinite(ahead[1]) and np.isfinite(ahead[2]).all()):
            step *= SHORTEST
            continue
        bend = (ahead[2][j] - slope) / step  # (27)
        fell = value > ahead[1] and value - ahead[1] >= -SHARE * slope * step  # which may underflow
        rounded = abs(value - ahead[1]) <= floor and abs(ahead[2][j]) < abs(slope)
        if fell or rounded:
            # Where the slope bends downwards, the minimum is farther away: next time, four times as far.
            curvature[j] = bend if bend > 0.0 else 0.25 * abs(slope / step)
            return ahead
        step *= float(np.clip(-slope / (bend * step), SHORTEST, LONGEST)) if bend > 0.0 else LONGEST
