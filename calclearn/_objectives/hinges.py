r"""Linear support vector machines: hinges of linear predictions, their dual, and the gap between the two.

.. math::
    P(w) = \tfrac12 \lVert w \rVert^2 + \sum_i C_i \sum_k \max(0, -(s_{ki} f_i + c_{ki}))^{1 \text{ or } 2},
    \qquad f = X w

where the intercept, if there is one, is the coefficient of a constant column and penalised like the others.
A classifier has one hinge a row, s = y and c = -1; the tube of a regression has two, s = ±1 and
:math:`c = \varepsilon \mp y`.  The dual has a multiplier for each hinge,

.. math::
    D(\alpha) = -\tfrac12 \Bigl\lVert \sum_{ki} s_{ki} \alpha_{ki} x_i \Bigr\rVert^2
        - \sum_{ki} c_{ki} \alpha_{ki} \Bigl[ - \sum_{ki} \tfrac{\alpha_{ki}^2}{4 C_i} \Bigr],
    \qquad 0 \le \alpha_{ki} \; [\le C_i],

the square for squared hinges, the upper bound for plain ones.  Derivation: docs/derivations/svm.md, (13) and
(14).
"""

from typing import Any, NamedTuple

import numpy as np

from .design import Design


class Hinges(NamedTuple):
    """A problem over n rows, with K hinges to a row.

    Attributes
    ----------
    design : Design
        X in float64.
    constant : float
        Of the column whose coefficient is the intercept; 0 for none.
    sign, shift : ndarray of float64, shape (K, n)
        s and c.
    C : ndarray of float64, shape (n,)
        Positive.
    squared : bool
    """

    design: Design
    constant: float
    sign: np.ndarray
    shift: np.ndarray
    C: np.ndarray
    squared: bool

    @property
    def size(self):
        """Coefficients, with that of the constant column."""
        return self.design.shape[1] + bool(self.constant)

    def times(self, w):
        """The predictions f of the rows."""
        p = self.design.shape[1]
        return self.design.times(w[:p]) + (self.constant * w[p] if self.constant else 0.0)

    def transposed_times(self, beta):
        """The coefficients that belong to signed multipliers, of shape (n,)."""
        w = self.design.transposed_times(beta)
        return np.append(w, self.constant * beta.sum()) if self.constant else w

    def gram(self, weight):
        """The weighted Gram matrix of the columns, the constant one included."""
        gram, p = self.design.bordered_gram(weight), self.design.shape[1]
        gram[p] *= self.constant
        gram[:, p] *= self.constant
        return gram[: self.size, : self.size]

    def signed(self, alpha):
        """The sum of each row's multipliers, with their signs."""
        return (self.sign * alpha).sum(axis=0)

    def slack(self, f):
        """By how much each hinge is missed."""
        return np.maximum(-(self.sign * f + self.shift), 0.0)

    def primal(self, w, f):
        """P of coefficients whose predictions are f."""
        slack = self.slack(f)
        return 0.5 * float(w @ w) + float((self.C * (slack * slack if self.squared else slack)).sum())

    def dual(self, w, alpha):
        """D of multipliers to which the coefficients w belong."""
        value = -0.5 * float(w @ w) - float((self.shift * alpha).sum())
        return value - 0.25 * float((alpha * alpha / self.C).sum()) if self.squared else value


class Parted(NamedTuple):
    """Where a solver ended.

    Attributes
    ----------
    w : ndarray of float64, shape (size,)
        The coefficients: those that belong to `alpha`, or nearer to the optimum than these.
    alpha : ndarray of float64, shape (K, n), or for Crammer and Singer's problem (n, K)
    primal, dual : float
    n_iter : int
    reason : str
    """

    w: np.ndarray
    alpha: np.ndarray
    primal: float
    dual: float
    n_iter: int
    reason: str


def parted(problem: Any, alpha, n_iter, reason) -> Parted:
    """Where a solver of `Hinges` ended, computed anew from its multipliers."""
    w = problem.transposed_times(problem.signed(alpha))
    return Parted(w, alpha, problem.primal(w, problem.times(w)), problem.dual(w, alpha), n_iter, reason)
