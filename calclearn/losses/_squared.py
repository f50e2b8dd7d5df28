"""The squared error.  Derivation: docs/derivations/losses.md, equations (1) and (2)."""

from typing import ClassVar

from ._contract import loss
from ._minimiser import weighted_mean


@loss("squared_error")
class SquaredError:
    r"""Half the squared error, :math:`\ell(y, f) = \tfrac12 (f - y)^2`: its minimiser is the mean.

    Examples
    --------
    >>> SquaredError().derivatives(y=1.0, raw=3.0)
    (2.0, 1.0)
    """

    convex: ClassVar[bool] = True

    def value(self, y, raw):
        e = raw - y
        return 0.5 * e * e  # (1)

    def derivatives(self, y, raw):
        return raw - y, 1.0  # (2)

    def minimiser(self, y, weight=None):
        """The weighted mean."""
        return weighted_mean(y, weight)

    def conjugate(self, y, u):
        """Sup of u f - loss over all f, element by element."""
        return u * y + 0.5 * u * u
