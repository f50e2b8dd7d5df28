r"""The elastic net and its two ends, by one set of formulas.

.. math:: \Omega(w) = \lambda \lVert w \rVert_1 + \frac{\alpha}{2} \lVert w \rVert_2^2

Derivation: docs/derivations/l1.md, equations (1) to (8).
"""

import numbers
from dataclasses import dataclass, fields

import numpy as np


class Penalty:
    r"""What the penalties share: :math:`\Omega(w) = \lambda \|w\|_1 + \frac{\alpha}{2} \|w\|_2^2`.

    Arrays keep their precision, float32 or float64; sums are float64.

    Attributes
    ----------
    l1, l2 : float
        The strengths :math:`\lambda` and :math:`\alpha`, neither negative.
    positive : bool
        Whether no coefficient may be negative: :math:`\Omega` is infinite where one is.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.penalties import L1, Penalty
    >>> isinstance(L1(), Penalty), L1(0.5).conjugate([0.4]), L1(0.5).conjugate([0.6])
    (True, 0.0, inf)
    >>> L1(1.0).violation(np.array([0.0, 2.0]), gradient=np.array([0.5, -1.0]))
    0.0
    """

    l1: float
    l2: float
    positive: bool

    def __post_init__(self):
        for field in fields(self):
            strength = getattr(self, field.name)
            if field.name != "positive" and not (
                isinstance(strength, numbers.Real) and 0 <= strength < np.inf
            ):
                raise ValueError(f"{field.name} must be a finite number of at least 0, got {strength!r}")

    def value(self, w) -> float:
        r""":math:`\Omega(w)`; infinite outside its domain."""
        w = np.asarray(w)
        if self.positive and (w < 0).any():
            return np.inf
        wide = w.astype(np.float64, copy=False)
        return self.l1 * float(np.abs(wide).sum()) + 0.5 * self.l2 * float(np.vdot(wide, wide))

    def gradient(self, w):
        """The gradient of the smooth part, half the squared norm; of the shape of `w`."""
        w = np.asarray(w)
        return w.dtype.type(self.l2) * w

    def prox(self, w, step=1.0):
        r"""The proximal operator, :math:`\arg\min_v \frac{1}{2 t} \|v - w\|^2 + \Omega(v)`.

        Parameters
        ----------
        w : ndarray
        step : float or ndarray of the shape of `w`
            The length `t`, not negative.

        Returns
        -------
        ndarray of the shape and precision of `w`
        """
        w, step = np.asarray(w), np.asarray(step)
        threshold = (step * self.l1).astype(w.dtype)
        kept = np.maximum(w - threshold, 0)
        if not self.positive:
            kept = kept + np.minimum(w + threshold, 0)
        return kept / (1 + step * self.l2).astype(w.dtype)

    def conjugate(self, v) -> float:
        r""":math:`\Omega^*(v) = \sup_w v^T w - \Omega(w)`; infinite where the supremum is."""
        excess = np.asarray(v, np.float64)
        excess = np.maximum((excess if self.positive else np.abs(excess)) - self.l1, 0.0)
        if self.l2 > 0:
            return 0.5 * float(np.vdot(excess, excess)) / self.l2
        return np.inf if excess.any() else 0.0

    def subgradient(self, w, gradient):
        r"""The smallest subgradient of f + Ω at `w`, for a smooth f with that gradient: zero at an optimum.

        Its components are the distances, with a sign, of :math:`-\nabla f(w)` from the subdifferential of Ω.

        Parameters
        ----------
        w, gradient : ndarray of one shape

        Returns
        -------
        ndarray of the shape and precision of `gradient`
        """
        gradient = gradient + self.l2 * w
        resting = np.minimum(gradient + self.l1, 0)
        if not self.positive:
            resting = resting + np.maximum(gradient - self.l1, 0)
        return np.where(w != 0, gradient + self.l1 * np.sign(w), resting).astype(gradient.dtype, copy=False)

    def violation(self, w, gradient) -> float:
        """The largest violation of the optimality conditions, in units of the gradient."""
        return float(np.abs(self.subgradient(w, gradient)).max(initial=0.0))


@dataclass(frozen=True)
class L1(Penalty):
    r"""The L1 penalty, :math:`\lambda \|w\|_1`: coefficients that earn less than λ are zero.

    Parameters
    ----------
    strength : float, default=1.0
    positive : bool, default=False
        Whether no coefficient may be negative.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", J. R. Statist. Soc. B 58 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.penalties import L1
    >>> L1(1.0).prox(np.array([-3.0, 0.5, 2.0])).tolist()
    [-2.0, 0.0, 1.0]
    """

    strength: float = 1.0
    positive: bool = False
    l2 = 0.0

    @property
    def l1(self):
        return self.strength


@dataclass(frozen=True)
class L2(Penalty):
    r"""Half the squared norm, :math:`\frac{\alpha}{2} \|w\|_2^2`.

    Parameters
    ----------
    strength : float, default=1.0
    positive : bool, default=False
        Whether no coefficient may be negative.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.penalties import L2
    >>> L2(2.0).value([3.0, 4.0]), L2(1.0).prox(np.array([3.0, 4.0])).tolist()
    (25.0, [1.5, 2.0])
    """

    strength: float = 1.0
    positive: bool = False
    l1 = 0.0

    @property
    def l2(self):
        return self.strength


@dataclass(frozen=True)
class ElasticNet(Penalty):
    r"""Both, :math:`\lambda \|w\|_1 + \frac{\alpha}{2} \|w\|_2^2`.

    Parameters
    ----------
    l1, l2 : float, default=1.0
        The strengths λ and α.
    positive : bool, default=False
        Whether no coefficient may be negative.

    References
    ----------
    H. Zou, T. Hastie, "Regularization and variable selection via the elastic net", J. R. Statist. Soc. B 67
    (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.penalties import ElasticNet
    >>> ElasticNet(l1=1.0, l2=1.0).prox(np.array([-3.0, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 0.5]
    """

    l1: float = 1.0
    l2: float = 1.0
    positive: bool = False
