"""A rule at work: the gradient is clipped, the rate follows its schedule, a step is taken, and averaged."""

import numbers

import numpy as np

from ._averaging import average_into, get_averaging
from ._clipping import check_limit, clip_by_norm, clip_by_value
from ._weight_decay import decay_weights
from .rules import apply, get_rule
from .rules._contract import falling
from .schedules import get_schedule


class Stepper:
    """What :func:`descend` does with each gradient.

    Parameters
    ----------
    rule : UpdateRule or str
    shape : tuple of int
        Of the parameters, which are float64.
    total : float, optional
        Iterations that there will be at most, for the schedule.
    schedule : Schedule or str, optional
        What the rule's learning rate is multiplied by; None leaves it.
    clip_norm, clip_value : float, optional
        Largest Euclidean norm of the gradient, and largest absolute component; the norm comes first.
    weight_decay : float, default=0.0
        How fast the parameters shrink by themselves, in units of one over the learning rate's.
    averaging : Polyak, EMA or str, optional
        Which mean of the iterates is kept in `mean`.
    """

    def __init__(
        self,
        rule,
        shape,
        total=None,
        schedule=None,
        clip_norm=None,
        clip_value=None,
        weight_decay=0.0,
        averaging=None,
    ):
        self.rule = get_rule(rule)
        self.clock = None if schedule is None else get_schedule(schedule).start(total)
        self.clip_norm = _limit("clip_norm", clip_norm)
        self.clip_value = _limit("clip_value", clip_value)
        if not (isinstance(weight_decay, numbers.Real) and 0 <= weight_decay < np.inf):
            raise ValueError(f"weight_decay must be a number of at least 0, got {weight_decay!r}")
        self.weight_decay = weight_decay
        self.averaging = get_averaging(averaging)
        self.mean = None if self.averaging is None else np.zeros(shape)
        self.state = self.rule.start(np.zeros(shape))
        self.n_steps = 0

    def __call__(self, x, gradient, time=None):
        """Take one step, in place; `time` is in iterations, by default one a step."""
        rule = self.rule
        if self.clock is not None:
            factor = self.clock.factor(self.n_steps if time is None else time)
            if not (isinstance(factor, numbers.Real) and 0 <= factor < np.inf):
                raise ValueError(
                    f"{self.clock.schedule!r}: factor must be a number of at least 0, got {factor!r}"
                )
            rule = rule.with_rate(rule.learning_rate * factor)
        self.n_steps += 1
        if self.clip_norm is not None:
            gradient = clip_by_norm(gradient, self.clip_norm)
        if self.clip_value is not None:
            gradient = clip_by_value(gradient, self.clip_value)
        if self.weight_decay:
            rate = falling(rule.learning_rate, getattr(rule, "decay", 0.0), self.n_steps)
            decay_weights(x, rate, self.weight_decay)
        apply(rule, self.n_steps, x, gradient, self.state)
        if self.mean is not None:
            average_into(self.mean, x, self.averaging.weight(self.n_steps))

    def tell(self, loss):
        """Tell the schedule the loss, at the start and after each iteration."""
        if self.clock is not None:
            self.clock.tell(loss)


def _limit(name, number):
    return None if number is None else check_limit(name, number)
