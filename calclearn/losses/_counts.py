"""Deviances of counts, sizes, sums of both.

Raw predictions are logarithms of means, but for `TweedieIdentity`, where they are the means.
Derivation: docs/derivations/losses.md, equations (24) to (31).
"""

from typing import ClassVar

import numpy as np

from ._conjugate import negative_entropy
from ._contract import loss
from ._exponential import exp
from ._minimiser import log_of_mean, weighted_mean


@loss("poisson")
class Poisson:
    r"""Half the Poisson deviance of counts, :math:`\ell(y, f) = e^f - y f`, less what depends on `y` only.

    Variance proportional to the mean.  Infinite beyond a raw prediction of about 709.

    Examples
    --------
    >>> from calclearn.losses import Poisson
    >>> gradient, hessian = Poisson().derivatives(y=3.0, raw=0.0)  # a mean of 1
    >>> float(gradient), float(hessian)
    (-2.0, 1.0)
    """

    domain: ClassVar[str] = "nonnegative"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return exp(raw) - y * raw  # (24)

    def derivatives(self, y, raw):
        mean = exp(raw)
        return mean - y, mean  # (25)

    def mean(self, raw):
        """The expectation of `y`."""
        return exp(raw)

    def minimiser(self, y, weight=None):
        """The logarithm of the weighted mean; about -33.7 where all targets are 0."""
        return log_of_mean(y, weight)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return negative_entropy(y + u) - (y + u)


@loss("gamma")
class Gamma:
    r"""Half the gamma deviance of sizes, :math:`\ell(y, f) = f + y e^{-f}`, less what depends on `y` only.

    Variance proportional to the square of the mean.  Infinite below a raw prediction of about -709.

    Examples
    --------
    >>> from calclearn.losses import Gamma
    >>> gradient, hessian = Gamma().derivatives(y=3.0, raw=0.0)  # a mean of 1
    >>> float(gradient), float(hessian)
    (-2.0, 3.0)
    """

    domain: ClassVar[str] = "positive"
    convex: ClassVar[bool] = True

    def value(self, y, raw):
        return raw + y * exp(-raw)  # (26)

    def derivatives(self, y, raw):
        ratio = y * exp(-raw)
        return 1.0 - ratio, ratio  # (27)

    def mean(self, raw):
        """The expectation of `y`."""
        return exp(raw)

    def minimiser(self, y, weight=None):
        """The logarithm of the weighted mean."""
        return log_of_mean(y, weight)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return negative_entropy(1.0 - u) - (1.0 - u) * (1.0 + np.log(y))


@loss("tweedie")
class Tweedie:
    r"""Half the Tweedie deviance, less what depends on `y` only: variance proportional to mean\ :sup:`power`.

    .. math:: \ell(y, f) = \frac{e^{(2-p) f}}{2 - p} - y \frac{e^{(1-p) f}}{1 - p}

    and its limits at :math:`p = 1`, the Poisson, and :math:`p = 2`, the gamma deviance.

    Parameters
    ----------
    power : float, default=1.5
        The exponent :math:`p`, not between 0 and 1 (no distribution has it).

        - Between 1 and 2: sums of a random number of sizes, with zeros.  Targets must be >= 0.
        - 2 and more: Targets must be > 0.
        - 0 and less: any target.

        The loss is convex for powers from 1 to 2 only.

    References
    ----------
    B. Jørgensen, "Exponential Dispersion Models", J. R. Statist. Soc. B 49 (1987), section 4.

    Examples
    --------
    >>> from calclearn.losses import Tweedie
    >>> gradient, hessian = Tweedie(power=1.5).derivatives(y=0.0, raw=0.0)  # a mean of 1
    >>> float(gradient), float(hessian)
    (1.0, 0.5)
    """

    power: float = 1.5
    domain: ClassVar[str] = "nonnegative"  # the default power's; __post_init__ sets the instance's
    convex: ClassVar[bool] = True

    def __post_init__(self):
        if 0 < self.power < 1:
            raise ValueError(f"Tweedie: power must be <= 0 or >= 1, got {self.power}")
        domain = "positive" if self.power >= 2 else "nonnegative" if self.power >= 1 else "real"
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "convex", 1 <= self.power <= 2)

    def value(self, y, raw):
        if self.power == 1.0:
            return exp(raw) - y * raw  # (24)
        if self.power == 2.0:
            return raw + y * exp(-raw)  # (26)
        lead, a, b = self.terms(y, raw)
        return lead * (a / (2.0 - self.power) - b / (1.0 - self.power))  # (28)

    def derivatives(self, y, raw):
        lead, a, b = self.terms(y, raw)
        return lead * (a - b), lead * ((2.0 - self.power) * a - (1.0 - self.power) * b)  # (29), (30)

    def terms(self, y, raw):
        """Both terms with the larger exponential taken out, so that never 0·∞ or ∞ - ∞; equation (31)."""
        ahead = raw > 0.0
        fading = exp(np.where(ahead, -raw, raw))
        first = ahead | (y == 0.0)  # a term of y = 0 must not be taken out
        lead = exp(np.where(first, 2.0 - self.power, 1.0 - self.power) * raw)
        return lead, np.where(first, 1.0, fading), y * np.where(ahead, fading, 1.0)

    def mean(self, raw):
        """The expectation of `y`."""
        return exp(raw)

    def minimiser(self, y, weight=None):
        """The logarithm of the weighted mean; about -33.7 where that is not positive."""
        return log_of_mean(y, weight)


@loss("tweedie_identity")
class TweedieIdentity:
    r"""Half the Tweedie deviance with the mean itself as raw prediction, less what depends on `y` only.

    .. math:: \ell(y, f) = \frac{f^{2-p}}{2 - p} - y \frac{f^{1-p}}{1 - p}

    and its limits :math:`f - y\log f` at :math:`p = 1` and :math:`\log f + y/f` at :math:`p = 2`; infinite
    for :math:`f \le 0`, but for :math:`p = 0`, where it is the squared error.  Convex for the powers 0 and 1
    only.

    Parameters
    ----------
    power : float, default=1.0
        As in :class:`Tweedie`.

    Examples
    --------
    >>> from calclearn.losses import TweedieIdentity
    >>> loss = TweedieIdentity(power=1.0)
    >>> float(loss.value(y=2.0, raw=1.0)), float(loss.value(y=2.0, raw=-1.0))
    (1.0, inf)
    """

    power: float = 1.0
    domain: ClassVar[str] = "nonnegative"  # the default power's; __post_init__ sets the instance's
    convex: ClassVar[bool] = True

    def __post_init__(self):
        object.__setattr__(self, "domain", Tweedie(self.power).domain)
        object.__setattr__(self, "convex", self.power in (0.0, 1.0))

    def value(self, y, raw):
        if self.power == 0.0:
            return 0.5 * (raw - y) * (raw - y)
        mean = np.where(raw > 0.0, raw, 1.0)
        if self.power == 1.0:
            inside = mean - y * np.log(mean)
        elif self.power == 2.0:
            inside = np.log(mean) + y / mean
        else:
            p = self.power
            inside = mean ** (1.0 - p) * (mean / (2.0 - p) - y / (1.0 - p))
        return np.where(raw > 0.0, inside, np.inf)

    def minimiser(self, y, weight=None):
        """The weighted mean."""
        return weighted_mean(y, weight)
