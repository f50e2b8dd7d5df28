"""Adaptive on plateau.  Derivation: docs/derivations/optimisers.md, equation (20)."""

import numbers
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ._contract import Clock, Schedule, check_numbers


@dataclass(frozen=True)
class Adaptive(Schedule):
    """A rate that falls whenever the loss has not, for a while.

    Parameters
    ----------
    ratio : float, default=0.2
        What is left of the rate after a fall; in (0, 1).
    patience : int, default=10
        Iterations without a better loss, after which it falls.
    tol : float, default=1e-4
        How far below the best so far a loss must be to count as better, in units of the loss.
    least : float, default=1e-3
        The smallest factor; in [0, 1].

    Examples
    --------
    >>> clock = Adaptive(patience=2).start()
    >>> for loss in (3.0, 2.0, 2.0, 2.5):
    ...     clock.tell(loss)
    >>> clock.factor(4)
    0.2
    """

    ratio: float = 0.2
    patience: int = 10
    tol: float = 1e-4
    least: float = 1e-3
    name: ClassVar[str] = "adaptive"

    def __post_init__(self):
        check_numbers(self, ["ratio"], above=0.0, below=1.0)
        check_numbers(self, ["least"], least=0.0, most=1.0)
        check_numbers(self, ["tol"], least=0.0)
        if not (isinstance(self.patience, numbers.Integral) and self.patience >= 1):
            raise ValueError(f"Adaptive: patience must be an integer of at least 1, got {self.patience!r}")

    def factor(self, time, total=None):
        """1, at any time: what it falls to depends on losses, which the clock of `start` is told."""
        return 1.0

    def start(self, total=None):
        return PlateauClock(self, total)


class PlateauClock(Clock):
    """The clock of :class:`Adaptive`.

    Attributes
    ----------
    n_falls : int
        How often the rate has fallen.
    at_least : bool
        Whether it cannot fall any more: a fit may stop at the next plateau.
    """

    def __init__(self, schedule, total=None):
        super().__init__(schedule, total)
        self.n_falls, self.idle, self.best = 0, 0, np.inf

    @property
    def at_least(self):
        return self.schedule.ratio**self.n_falls <= self.schedule.least

    def factor(self, time):
        return float(max(self.schedule.ratio**self.n_falls, self.schedule.least))  # (20)

    def tell(self, loss):
        self.idle = 0 if loss < self.best - self.schedule.tol else self.idle + 1
        self.best = min(self.best, loss)
        if self.idle >= self.schedule.patience:
            self.n_falls, self.idle = self.n_falls + 1, 0
