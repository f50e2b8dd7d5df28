"""What linear support vector machines share: which solver takes a problem, the certificate, predictions."""

import numpy as np
import scipy.sparse
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.dual_hinges import ROUNDING, run_dual_hinges
from .._objectives.duality import primal_dual
from .._objectives.hinges import Hinges
from .._objectives.interior_point import run_interior_point
from .._objectives.linear import LinearObjective
from .._objectives.solving import minimise
from .._runtime.threads import blas_threads
from ..base import CalculusEstimator, SparseCoefMixin, validate
from ..optimize import Optimality
from ..optimize._optimality import max_norm
from ..optimize._stopping import GAP

GRAM_COLUMNS = 1500  # up to which an iteration of interior points is dear, but there are few
LARGEST = 1e100  # of X
MARGIN = 1e-2  # below tol: one or two more iterations of interior points are cheap
ADVICE = "Liblinear failed to converge, increase the number of iterations."  # as scikit-learn says it


class Rows:
    """The rows of a linear machine, with the constant column of its intercept.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
        In float64.
    constant : float
        0 for no intercept.
    l1 : bool
        Whether the coefficients have an L1 penalty, for which the column must be there.
    n_threads : int
    """

    def __init__(self, X, constant, *, l1, n_threads):
        if (largest := float(abs(X).max())) > LARGEST:
            raise ValueError(
                f"X has a value of {largest:.3g}, whose square is too large to add up: rescale X"
            )
        self.constant, self.l1 = float(constant), l1
        if l1 and constant:
            column = np.full((X.shape[0], 1), self.constant)
            X = (
                scipy.sparse.hstack([X, column], "csr")
                if scipy.sparse.issparse(X)
                else np.hstack([X, column])
            )
        self.design = Design(X, n_threads)

    def split(self, w, *, scaled=True):
        """`(coef, intercept)` of coefficients of which the last ones may be the constant column's."""
        if not self.constant:
            return w, np.zeros(w.shape[:-1])
        return w[..., :-1], w[..., -1] * (self.constant if scaled else 1.0)

    def minimise(self, loss, y, C, *, tol, max_iter, progress):
        """The penalty plus 2 Σ C times a smooth loss: Newton's method and its kin.

        Returns
        -------
        (coef, intercept, Optimality)
        """
        scale = 2.0 * float(C.sum())
        strength, free = 1.0 / scale, self.constant and not self.l1
        objective = LinearObjective(
            loss,
            self.design,
            y,
            C,
            l1=strength if self.l1 else 0.0,
            l2=0.0 if self.l1 else strength,
            l2_intercept=strength / self.constant**2 if free else 0.0,
            intercept=bool(free),
        )
        start = np.zeros(objective.size)
        heard = progress and (lambda i, v, z: progress(i, scale * v, z))
        solution, x = minimise(objective, "auto", start, tol=tol, max_iter=max_iter, progress=heard)
        value, dual = primal_dual(objective, x)
        gradient = max_norm(solution.gradient) * scale
        record = Optimality(
            objective=scale * value,
            dual_objective=None if dual is None else scale * dual,
            duality_gap=None if dual is None else scale * max(0.0, value - dual),
            gradient_norm=gradient,
            kkt_violation=gradient,
            n_iter=solution.n_iter,
            converged=solution.converged,
            reason=solution.reason,
        )
        return *self.split(x, scaled=self.l1), record

    def part(self, sign, shift, C, *, squared, tol, max_iter, rng, progress):
        """The penalty plus hinges, through their dual.

        Returns
        -------
        (coef, intercept, Optimality)
        """
        design, kept = self.design, C > 0.0
        if not kept.all():  # as weights of classes may have it
            design, sign, shift, C = (
                Design(design.X[kept], design.n_threads),
                sign[:, kept],
                shift[:, kept],
                C[kept],
            )
        problem = Hinges(design, self.constant, sign, shift, C, squared)
        n, p = design.shape
        few = not design.sparse and p <= min(n, GRAM_COLUMNS)
        with blas_threads(1):
            if few and not squared:
                found = run_interior_point(problem, tol=MARGIN * tol, max_iter=max_iter, progress=progress)
            else:
                found = run_dual_hinges(problem, rng=rng, tol=tol, max_iter=max_iter, progress=progress)
        return *self.split(found.w), certificate(found, tol)


def certificate(found, tol):
    """The gap of the coefficients that are kept."""
    converged = found.primal - found.dual <= max(tol, ROUNDING) * found.primal
    return Optimality(
        objective=found.primal,
        dual_objective=min(found.dual, found.primal),  # but for rounding it is
        duality_gap=max(0.0, found.primal - found.dual),
        n_iter=found.n_iter,
        converged=converged,
        reason=GAP if converged else found.reason,
    )


class LinearMachine(SparseCoefMixin, CalculusEstimator):
    """Validation and raw predictions."""

    def _rows(self, X, *, l1=False, n_threads):
        if self.fit_intercept and not self.intercept_scaling > 0:
            raise ValueError(
                f"Intercept scaling is {self.intercept_scaling!r} but needs to be greater than 0. "
                "To disable fitting an intercept, set fit_intercept=False."
            )
        return Rows(X, self.intercept_scaling if self.fit_intercept else 0.0, l1=l1, n_threads=n_threads)

    def _raw(self, X):
        check_is_fitted(self)
        X = validate(self, X, reset=False)
        raw = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
