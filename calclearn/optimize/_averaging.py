"""Averages of iterates, which lie nearer to the minimum than noisy iterates do.

Derivation: docs/derivations/optimisers.md, equations (24) to (26).
"""

import numbers
from dataclasses import dataclass


@dataclass(frozen=True)
class Polyak:
    r"""The mean of all iterates but the first: :math:`w_k = 1 / (k - k_0)`.

    Parameters
    ----------
    skip : int, default=0
        :math:`k_0`, first iterates that do not count: as many as it takes to come near.

    Notes
    -----
    Source: Polyak and Juditsky (1992), *Acceleration of stochastic approximation by averaging*.

    Examples
    --------
    >>> from calclearn.optimize import Polyak
    >>> [Polyak(skip=2).weight(k) for k in (1, 2, 3, 4)]
    [1.0, 1.0, 1.0, 0.5]
    """

    skip: int = 0

    def __post_init__(self):
        if not (isinstance(self.skip, numbers.Integral) and self.skip >= 0):
            raise ValueError(f"Polyak: skip must be an integer of at least 0, got {self.skip!r}")

    def weight(self, k):
        """The weight of iterate `k`, counted from 1, in the mean; 1 forgets all before it."""
        return 1.0 / max(1, k - self.skip)  # (25)


@dataclass(frozen=True)
class EMA:
    r"""The exponential moving average: :math:`w_k = (1 - \beta) / (1 - \beta^k)`.

    Parameters
    ----------
    beta : float, default=0.999
        :math:`\beta`, how much of the mean stays from one iterate to the next; in [0, 1).

    Notes
    -----
    With these weights it is, from the first iterate on, a mean whose weights add up to one.

    Examples
    --------
    >>> EMA(beta=0.5).weight(1), EMA(beta=0.5).weight(100)
    (1.0, 0.5)
    """

    beta: float = 0.999

    def __post_init__(self):
        if not (isinstance(self.beta, numbers.Real) and 0 <= self.beta < 1):
            raise ValueError(f"EMA: beta must lie in [0, 1), got {self.beta!r}")

    def weight(self, k):
        """The weight of iterate `k`, counted from 1, in the mean; 1 forgets all before it."""
        return (1.0 - self.beta) / (1.0 - self.beta**k)  # (26)


def average_into(mean, x, weight):
    """Move `mean`, in place, towards `x` by the share `weight` of the way.

    Parameters
    ----------
    mean : ndarray of float
        Overwritten; of integers, a TypeError.
    x : ndarray of the same shape
    weight : float
        ``averaging.weight(k)`` of the k-th iterate.

    Examples
    --------
    >>> import numpy as np
    >>> mean = np.zeros(1)
    >>> for k, x in enumerate([2.0, 4.0, 9.0], start=1):
    ...     average_into(mean, np.array([x]), Polyak().weight(k))
    >>> mean.tolist()
    [5.0]
    """
    mean += float(weight) * (x - mean)  # (24)


def get_averaging(averaging):
    """The averaging that this means: None, "polyak", "ema", or any object with ``weight(k)``."""
    if averaging is None or (
        callable(getattr(averaging, "weight", None)) and not isinstance(averaging, type)
    ):
        return averaging
    known = {"polyak": Polyak, "ema": EMA}
    if isinstance(averaging, str) and averaging in known:
        return known[averaging]()
    raise ValueError(f"averaging must be None, 'polyak', 'ema', Polyak(...) or EMA(...), got {averaging!r}")
