"""The log-loss of several classes.  Derivation: docs/derivations/losses.md, equations (32) to (34)."""

from typing import ClassVar

import numpy as np

from ._conjugate import negative_entropy
from ._contract import Loss, loss
from ._minimiser import EPSILON, checked


@loss("multinomial_log_loss")
class MultinomialLogLoss(Loss):
    r"""Minus the log-likelihood of class `y`, :math:`\ell(y, f) = \log \sum_k e^{f_k} - f_y`.

    A loss of several outputs: `raw` is a row of K raw predictions, `y` an integer from 0 to K - 1 (the
    compiled loops do not check it), and the methods are those for rows.  Each keeps its relative
    precision however sure the prediction is.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import MultinomialLogLoss
    >>> gradient, hessian = np.empty(4), np.empty(4)
    >>> MultinomialLogLoss().derivatives_row(0, np.zeros(4), gradient, hessian)
    >>> gradient.tolist()
    [-0.75, 0.25, 0.25, 0.25]
    """

    domain: ClassVar[str] = "nonnegative"
    convex: ClassVar[bool] = True

    def value_row(self, y, raw):
        """The loss of one row."""
        top = self.top(raw)
        others = 0.0 * raw[top]
        for k in range(raw.shape[0]):
            others += 0.0 * raw[top] if k == top else np.exp(raw[k] - raw[top])
        return np.log1p(others) + (raw[top] - raw[int(y)])  # (32)

    def derivatives_row(self, y, raw, gradient, hessian):
        """Write the gradient and the diagonal of the Hessian, both of shape (K,)."""
        top, others = self.odds_row(raw, gradient)
        scale = 1.0 / (1.0 + others)
        for k in range(raw.shape[0]):
            odds = gradient[k]
            p = odds * scale
            q = (others if k == top else 1.0 - odds + others) * scale  # 1 - p, without cancellation
            gradient[k] = -q if k == int(y) else p  # (33)
            hessian[k] = p * q  # (34)

    def value_gradient_row(self, y, raw, gradient):
        """Write the gradient, of shape (K,), and return the loss of the row."""
        top = self.top(raw)
        for k in range(raw.shape[0]):
            gradient[k] = np.exp(raw[k] - raw[top])
        others = 0.0 * raw[top]
        for k in range(raw.shape[0]):
            others += 0.0 * raw[top] if k == top else gradient[k]
        scale = 1.0 / (1.0 + others)
        own = gradient[int(y)]
        rest = others if top == int(y) else 1.0 - own + others
        for k in range(raw.shape[0]):
            gradient[k] *= scale
        gradient[int(y)] = -rest * scale  # (33)
        return np.log1p(others) + (raw[top] - raw[int(y)])  # (32)

    def hessian_product_row(self, y, raw, direction, out):
        """Write the Hessian times `direction`, both of shape (K,); it does not depend on `y`."""
        self.mean_row(raw, out)
        self.curvature_product_row(y, out, direction, out)

    def curvature_row(self, y, raw, curvature):
        """Write the probabilities, which say all about the Hessian."""
        self.mean_row(raw, curvature)

    def curvature_product_row(self, y, curvature, direction, out):
        """Write the Hessian times `direction`, from the probabilities."""
        average = 0.0 * direction[0]
        for k in range(direction.shape[0]):
            average += curvature[k] * direction[k]
        for k in range(direction.shape[0]):
            out[k] = curvature[k] * (direction[k] - average)  # (34)

    def mean_row(self, raw, out):
        """Write the probabilities of the classes, of shape (K,)."""
        _, others = self.odds_row(raw, out)
        scale = 1.0 / (1.0 + others)
        for k in range(raw.shape[0]):
            out[k] *= scale

    def top(self, raw):
        """The most likely class."""
        top = 0
        for k in range(raw.shape[0]):
            top = k if raw[k] > raw[top] else top
        return top

    def odds_row(self, raw, out):
        """Write the odds against the most likely class; return that class, and the sum of the others."""
        top = self.top(raw)
        others = 0.0 * raw[top]
        for k in range(raw.shape[0]):
            out[k] = np.exp(raw[k] - raw[top])
            others += 0.0 * raw[top] if k == top else out[k]
        return top, others

    def check_targets(self, y) -> None:
        """Raise a ValueError that names the first target that is not an integer >= 0."""
        Loss.check_targets(self, y)
        y = np.asarray(y)
        if (y != np.floor(y)).any():
            raise ValueError(f"{self.name}: y must be indices of classes, got {y[y != np.floor(y)][0]}")

    def minimiser(self, y, weight=None, n_classes=None):
        r"""The logarithms of the classes' weighted shares, of mean 0; shape (n_classes,).

        Parameters
        ----------
        y : ndarray of shape (n,)
            Indices of classes.
        weight : ndarray of shape (n,), optional
            Non-negative weights; all equal by default.
        n_classes : int, optional
            By default one more than the greatest `y`.

        Returns
        -------
        ndarray of shape (n_classes,)
            A class that does not occur counts with a share of :math:`10\varepsilon`.
        """
        y, weight = checked(y, weight)
        shares = np.bincount(y.astype(np.intp), weight, minlength=n_classes or 0)
        shares = np.maximum(shares / shares.sum(), 10 * EPSILON)
        return np.log(shares) - np.log(shares).mean()

    def conjugate(self, y, u):
        """Sup of u·f - loss over all rows f, for u of shape (n, K); shape (n,)."""
        p = u.copy()
        p[np.arange(len(y)), y.astype(np.intp)] += 1.0
        return negative_entropy(p).sum(axis=1)  # rows of u add up to zero
