"""Newton's method with a line search.  Derivation: docs/derivations/newton.md, equations (15) to (17)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ._newton import ACCEPT, SecondOrder, _Dense
from ._stopping import GRADIENT, NO_DECREASE, NOT_FINITE, ROUNDING, frozen, noise_of

SHORTEST, LONGEST = 0.1, 0.5  # of a step that was too long, for the next trial


@dataclass(frozen=True)
class LineSearchNewton(SecondOrder):
    r"""Newton's method with dense Hessians and a line search.

    The direction solves :math:`|H| d = -g`, where :math:`|H|` is the Hessian with every curvature made
    positive, and is followed as far as the objective falls enough: the whole way first, then less.

    Parameters
    ----------
    tol : float, default=1e-8
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=100
        Most steps.
    stall_tol, patience, step_tol : optional
        Keyword-only: other reasons to stop, as in :func:`descend`.

    See Also
    --------
    Newton : In a trust region, which also looks for better directions when a step must be short.

    Notes
    -----
    Source: Armijo (1966), *Minimization of functions having Lipschitz continuous first partial derivatives*;
    Nocedal and Wright (2006), *Numerical Optimization*, chapter 3; Dauphin et al. (2014) for :math:`|H|`.

    Examples
    --------
    >>> import numpy as np
    >>> class Bowl:
    ...     convex = True
    ...     def value_gradient(self, x):
    ...         return float(np.sum(np.cosh(x - 1))), np.sinh(x - 1)
    ...     def hessian(self, x):
    ...         return np.diag(np.cosh(x - 1))
    >>> solution = LineSearchNewton().minimise(Bowl(), [0.0, 3.0])
    >>> solution.reason, solution.x.round(6).tolist()
    ('gradient within tol', [1.0, 1.0])
    """

    requires: ClassVar[tuple[str, ...]] = ("value_gradient", "hessian")

    def _model(self, objective, x, gradient, before):
        return _Dense(x, gradient, objective.hessian(x), before)

    def _advance(self, objective, watch, model, radius, escaping):
        _, _, gradient = watch.last
        bend = 0.0
        if escaping:
            direction, bend = model.escape()
        else:
            direction = model.descent(noise_of(objective) * np.abs(watch.curve).max())
        line = _Line(direction, -float(gradient @ direction), -0.5 * float(bend))
        accepted, failure = _backtrack(objective, watch, model, line)
        if accepted is not None and model.factor is None:
            accepted = _go_on(objective, watch, line, accepted)
        return accepted, radius, GRADIENT if escaping and accepted is None else failure


class _Line(NamedTuple):
    direction: np.ndarray
    slope: float  # down, along the direction
    bend: float  # half the curvature downwards, where it is what leads down

    def gain(self, along):
        """What is promised (16)."""
        return along * self.slope + along * along * self.bend


@np.errstate(over="ignore", invalid="ignore")
def _go_on(objective, watch, line, point):
    """Double the step as long as the objective falls: no curvature upwards has said how far to go."""
    x, value, _ = watch.last
    moved = point[0] - x
    if not np.array_equal(point[0], x + line.direction):
        return point  # it had to be shortened
    along = 2.0
    while np.isfinite(point[1]):
        trial = frozen(x + along * moved)
        if not np.isfinite(trial).all():
            break
        ahead = trial, *watch.evaluate(objective, trial)
        better = ahead[1] < point[1] and value - ahead[1] >= ACCEPT * line.gain(along)
        if not better or not np.isfinite(ahead[2]).all():
            break
        point, along = ahead, 2.0 * along
    return point


@np.errstate(over="ignore", invalid="ignore")
def _backtrack(objective, watch, model, line):
    """Shorten the step until the objective falls enough: ``((x, value, gradient), None)``.

    Where it does not, ``(None, reason)``.  Below the rounding error of the objective the gradient alone
    judges, as in a trust region.
    """
    x, value, gradient = watch.last
    noise = noise_of(objective)
    local, overall = noise * abs(value), noise * np.abs(watch.curve).max()
    if not (np.isfinite(line.direction).all() and np.isfinite(line.slope)):
        return None, NOT_FINITE
    along = 1.0
    while True:
        trial = frozen(x + along * line.direction)
        gain = line.gain(along)
        if np.array_equal(trial, x) or not gain > 0.0:
            return None, ROUNDING if line.gain(1.0) <= overall else NO_DECREASE
        if not np.isfinite(trial).all():
            along *= SHORTEST
            continue
        new_value, new_gradient = watch.evaluate(objective, trial)
        point = trial, new_value, new_gradient
        if new_value == -np.inf:
            return point, None
        if not (np.isfinite(new_value) and np.isfinite(new_gradient).all()):
            along *= SHORTEST
            continue
        actual = value - new_value
        at_rounding = gain <= overall and actual >= -overall
        if at_rounding and model.norm(new_gradient) <= 0.5 * model.norm(gradient):
            return point, None
        if along == 1.0 and gain <= local:
            return None, ROUNDING
        if actual > 0.0 and actual >= ACCEPT * gain:  # (17); the right side may underflow
            return point, None
        # The parabola through both values and the slope has its minimum at this fraction of the step.
        bend = along * line.slope - actual
        fraction = 0.5 * along * line.slope / bend if bend > 0.0 else LONGEST  # from a saddle
        along *= float(np.clip(fraction, SHORTEST, LONGEST))
