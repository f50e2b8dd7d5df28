"""What a schedule is: a function of time, and a clock that runs through one minimisation."""

import math
import numbers
from typing import ClassVar


class Schedule:
    """How a learning rate changes: a frozen dataclass with one method, `factor`.

    Attributes
    ----------
    name : str
        The name by which :func:`get_schedule` and estimators know it; a subclass that has one is registered.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Sawtooth(Schedule):
    ...     period: float = 10.0
    ...
    ...     def factor(self, time, total=None):
    ...         return 1.0 - time % self.period / self.period
    >>> Sawtooth(period=4.0).factor(5)
    0.75
    """

    name: ClassVar[str] = ""

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        if "name" in vars(cls):
            REGISTRY[cls.name] = cls

    def factor(self, time, total=None):
        """What the rule's learning rate is multiplied by.

        Parameters
        ----------
        time : float
            Iterations done: 0 at the first step.
        total : float, optional
            The most iterations that there will be; some schedules cannot do without it.

        Returns
        -------
        float
            Not negative.
        """
        raise NotImplementedError(f"{type(self).__name__} must define factor(time, total)")

    def start(self, total=None):
        """Return the `Clock` of one minimisation of at most `total` iterations."""
        return Clock(self, total)


class Clock:
    """A schedule at work.

    Parameters
    ----------
    schedule : Schedule
    total : float, optional
        The most iterations that there will be.

    Examples
    --------
    >>> from calclearn.optimize.schedules import Cosine
    >>> clock = Cosine().start(total=10)
    >>> clock.factor(0), clock.factor(5)
    (1.0, 0.5)
    """

    def __init__(self, schedule, total=None):
        self.schedule, self.total = schedule, total

    def factor(self, time):
        """What the rule's learning rate is multiplied by after `time` iterations."""
        return self.schedule.factor(time, self.total)

    def tell(self, loss):
        """Take note of the loss, at the start and after each iteration; most schedules do not look at it."""


REGISTRY: dict[str, type[Schedule]] = {}


def get_schedule(schedule, **parameters) -> Schedule:
    """The schedule called `schedule`, or `schedule` itself if it is one.

    Parameters
    ----------
    schedule : str, Schedule or None
        A name, an instance, or None for a constant rate.
    **parameters
        Fields of the schedule, with a name only.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        For a name that is not known; the message lists those that are.
    TypeError
        For something that is neither a name nor a schedule, such as a class that was not instantiated.

    Examples
    --------
    >>> get_schedule("cosine", last=0.1)
    Cosine(last=0.1)
    """
    if isinstance(schedule, Schedule):
        if parameters:
            raise TypeError(f"{schedule!r} has its parameters already; got {parameters} too")
        return schedule
    if isinstance(schedule, type) and issubclass(schedule, Schedule):
        raise TypeError(
            f"schedule must be an instance: write {schedule.__name__}() instead of {schedule.__name__}"
        )
    name = "constant" if schedule is None else schedule
    if not isinstance(name, str):
        raise TypeError(f"schedule must be a name or a Schedule, got {schedule!r}")
    if name not in REGISTRY:
        raise ValueError(f"schedule is {name!r}; the known ones are {sorted(REGISTRY)}")
    return REGISTRY[name](**parameters)


def check_numbers(schedule, names, above=None, least=None, below=math.inf, most=math.inf):
    """Raise a ValueError unless each of these fields is a number in the interval."""
    low = f"above {above}" if least is None else f"of at least {least}"
    high = f" and below {below}" if below < math.inf else f" and at most {most}" if most < math.inf else ""
    for name in names:
        number = getattr(schedule, name)
        real = isinstance(number, numbers.Real) and not isinstance(number, bool) and math.isfinite(number)
        if not (real and (number > above if least is None else number >= least) and below > number <= most):
            raise ValueError(
                f"{type(schedule).__name__}: {name} must be a number {low}{high}, got {number!r}"
            )


def elapsed(schedule, time, total):
    """The share of the whole that is done, at most 1."""
    if total is None:
        raise ValueError(
            f"{type(schedule).__name__} needs to know how many iterations there will be: total is None"
        )
    return min(time / total, 1.0) if total > 0 else 1.0
