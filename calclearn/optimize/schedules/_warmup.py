"""Warm-up.  Derivation: docs/derivations/optimisers.md, equation (19)."""

from dataclasses import dataclass
from typing import ClassVar

from ._contract import Clock, Schedule, check_numbers, elapsed, get_schedule


@dataclass(frozen=True)
class Warmup(Schedule):
    """A rate that rises in a straight line first, and then follows another schedule.

    Adam's running means have seen next to nothing in its first steps, which are long all the same.

    Parameters
    ----------
    after : Schedule or str, default="constant"
        What follows, on the clock of what is left.
    share : float, default=0.05
        Share of the iterations in which the rate rises; in (0, 1].
    first : float, default=0.01
        Factor at the start; in [0, 1].

    Examples
    --------
    >>> schedule = Warmup("cosine", share=0.5, first=0.0)
    >>> [round(schedule.factor(time, total=8), 3) for time in range(9)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    after: Schedule | str = "constant"
    share: float = 0.05
    first: float = 0.01
    name: ClassVar[str] = "warmup"

    def __post_init__(self):
        object.__setattr__(self, "after", get_schedule(self.after))
        check_numbers(self, ["share"], above=0.0, most=1.0)
        check_numbers(self, ["first"], least=0.0, most=1.0)

    def factor(self, time, total=None):
        return self.start(total).factor(time)

    def start(self, total=None):
        return _WarmingClock(self, total)


class _WarmingClock(Clock):
    def __init__(self, schedule, total):
        super().__init__(schedule, total)
        elapsed(schedule, 0.0, total)  # says so where the total is missing
        self.length = schedule.share * total
        self.n_told = 0
        self.after = schedule.after.start(total - self.length)

    def factor(self, time):
        if time < self.length:
            first = self.schedule.first
            return first + (1.0 - first) * time / self.length  # (19)
        return self.after.factor(time - self.length)

    def tell(self, loss):
        if self.n_told >= self.length:  # with a low rate the loss hardly falls: that is no plateau
            self.after.tell(loss)
        self.n_told += 1  # iterations done
