"""Schedules that look at the time alone.

Derivation: docs/derivations/optimisers.md, equations (15) to (18).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from ._contract import Schedule, check_numbers, elapsed


@dataclass(frozen=True)
class Constant(Schedule):
    """The rule's own learning rate, always.

    Examples
    --------
    >>> from calclearn.optimize.schedules import Constant
    >>> Constant().factor(1000)
    1.0
    """

    name: ClassVar[str] = "constant"

    def factor(self, time, total=None):
        return 1.0


@dataclass(frozen=True)
class Step(Schedule):
    r"""A rate that falls at once, and then stays for a while: :math:`\gamma^{\lfloor t / s \rfloor}`.

    Parameters
    ----------
    every : float, default=10.0
        :math:`s`, iterations from one fall to the next.
    ratio : float, default=0.5
        :math:`\gamma`, what is left after a fall; in (0, 1].

    Examples
    --------
    >>> [Step(every=3).factor(time) for time in range(7)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """

    every: float = 10.0
    ratio: float = 0.5
    name: ClassVar[str] = "step"

    def __post_init__(self):
        check_numbers(self, ["every"], above=0.0)
        check_numbers(self, ["ratio"], above=0.0, most=1.0)

    def factor(self, time, total=None):
        return float(self.ratio ** math.floor(time / self.every))  # (15)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    r"""A rate that falls with a power of time, :math:`(1 + t)^{-p}`.

    Parameters
    ----------
    power : float, default=0.5
        :math:`p`.  Above a half and up to one, noise dies out and the walk goes on for ever (Robbins and
        Monro, 1951).

    Examples
    --------
    >>> InverseScaling(power=0.5).factor(time=3)
    0.5
    """

    power: float = 0.5
    name: ClassVar[str] = "invscaling"

    def __post_init__(self):
        check_numbers(self, ["power"], least=0.0)

    def factor(self, time, total=None):
        return float((1.0 + time) ** -self.power)  # (16)


@dataclass(frozen=True)
class Cosine(Schedule):
    """A rate that falls along half a wave, from the rule's own at the start to nearly nothing at the end.

    Parameters
    ----------
    last : float, default=0.0
        Factor after the last iteration; in [0, 1].

    Notes
    -----
    Source: Loshchilov and Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*, without
    restarts.

    Examples
    --------
    >>> [round(Cosine().factor(time, total=4), 3) for time in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    last: float = 0.0
    name: ClassVar[str] = "cosine"

    def __post_init__(self):
        check_numbers(self, ["last"], least=0.0, most=1.0)

    def factor(self, time, total=None):
        return half_wave(1.0, self.last, elapsed(self, time, total))  # (17)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A rate that first rises, to the rule's own, and then falls to nearly nothing.

    Parameters
    ----------
    rise : float, default=0.3
        Share of the iterations in which the rate rises; in (0, 1].
    first : float, default=0.04
        Factor at the start; in [0, 1].
    last : float, default=4e-6
        Factor after the last iteration; in [0, 1].

    Notes
    -----
    Both ways are half a wave; the momentum stays as it is.  Source: Smith and Topin (2018),
    *Super-convergence: very fast training of neural networks using large learning rates*.

    Examples
    --------
    >>> [round(OneCycle(rise=0.5).factor(time, total=4), 3) for time in range(5)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """

    rise: float = 0.3
    first: float = 0.04
    last: float = 4e-6
    name: ClassVar[str] = "one_cycle"

    def __post_init__(self):
        check_numbers(self, ["rise"], above=0.0, most=1.0)
        check_numbers(self, ["first", "last"], least=0.0, most=1.0)

    def factor(self, time, total=None):
        done = elapsed(self, time, total)
        if done < self.rise:
            return half_wave(self.first, 1.0, done / self.rise)  # (18)
        return half_wave(1.0, self.last, (done - self.rise) / (1.0 - self.rise)) if done < 1.0 else self.last


def half_wave(start, end, share):
    """From `start` to `end` along a cosine, of which `share` is done."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))
