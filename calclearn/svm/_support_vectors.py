"""What the support vector machines of a Gram function share: the function, the rows, and predictions."""

import warnings
from numbers import Real as Number
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from .._runtime import threads
from .._runtime.threads import blas_threads
from ..base import CalculusEstimator, Integral, Interval, Real, StrOptions, thread_count
from ..optimize import Optimality
from ..optimize._stopping import CONVERGED
from ._decomposition import solve
from ._gram import KINDS, LINEAR, Computed, Gram, Points, Table, centre

ROWS = 256  # of X that are predicted together
MIB = 2**20
MOST_C = 1e10  # an infinite C is as much
NOT_FINITE = (
    "The dual coefficients or intercepts are not finite. The input data may contain large values and need to "
    "be preprocessed."
)


class SupportVectors(CalculusEstimator):
    """Gram functions, rows and predictions; the estimators say which dual is solved."""

    _parameter_constraints: ClassVar[dict] = {
        "kernel": [StrOptions({"linear", "poly", "rbf", "sigmoid", "precomputed"}), callable],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0.0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    _sum_is_zero = True  # of the multipliers

    # ---------------------------------------------------------------------------------------------- fitting

    def _solve(self, dual, source, n_threads):
        options = {"tol": self.tol, "max_steps": self.max_iter, "cache_bytes": self.cache_size * MIB}
        found = solve(dual, source, **options, n_threads=n_threads)
        if np.isnan(found.violation):
            raise ValueError(NOT_FINITE)
        return found

    def _warn_if_early(self):
        """Set `fit_status_`, say how the fit ended if asked to, and warn if the solver stopped short."""
        self.fit_status_ = int(not self.optimality_.converged)
        for record in (self.optimality_.problems or (self.optimality_,)) if self.verbose else ():
            print(f"{type(self).__name__}: {record!r}")
        if self.fit_status_:
            limit = f"max_iter={self.max_iter}" if self.max_iter >= 0 else "its own limit"
            warnings.warn(
                f"Solver terminated early ({limit}).  Consider pre-processing your data with StandardScaler "
                f"or MinMaxScaler. ({self.optimality_.reason})",
                ConvergenceWarning,
                stacklevel=6,  # the line that called fit
            )

    def _features(self, X, *, reset):
        """X as rows of numbers: dense or CSR, as in `fit`; what a callable takes is its own affair."""
        if callable(self.kernel):
            return X if reset else self._called(X, self._fitted_X)
        if self.kernel == "precomputed" and scipy.sparse.issparse(X):
            raise TypeError("Sparse precomputed kernels are not supported.")
        X = validate_data(
            self, X, reset=reset, dtype=np.float64, order="C", accept_sparse="csr", accept_large_sparse=False
        )
        if not reset and scipy.sparse.issparse(X) and not self._sparse:
            raise ValueError(f"cannot use sparse input in {type(self).__name__!r} trained on dense data")
        return X

    def _source(self, X, weight=None):
        """The Gram values of the training rows, which may have weights; sets what predictions need."""
        self._sparse = scipy.sparse.issparse(X)
        self.shape_fit_ = X.shape if hasattr(X, "shape") else (len(X),)
        self._centre = self._gram = self._fitted_X = None
        if callable(self.kernel):
            self._fitted_X = X
            values, n = self._called(X, X), self.shape_fit_[0]
            if values.shape != (n, n):
                raise ValueError(f"kernel must return an array of shape {(n, n)}, got {values.shape}")
            return Table(_symmetric(values))
        if self.kernel == "precomputed":
            if X.shape[0] != X.shape[1]:
                raise ValueError(
                    "Precomputed matrix must be a square matrix. "
                    f"Input is a {X.shape[0]}x{X.shape[1]} matrix."
                )
            return Table(_symmetric(X))
        self._gamma = self._find_gamma(X, weight)
        self._gram = Gram(KINDS[self.kernel], self._gamma, float(self.coef0), float(self.degree))
        self._centre = centre(X, self._gram.kind, self._sum_is_zero)
        source = Computed(self._gram, self._centred(X))
        if not np.isfinite(source.points().norms).all():
            raise ValueError(NOT_FINITE)
        return source

    def _called(self, X, Z):
        """The values of a callable."""
        values = self.kernel(X, Z)
        return np.asarray(values.toarray() if scipy.sparse.issparse(values) else values, np.float64)

    def _centred(self, X):
        return X - self._centre if self._centre.any() else X

    def _find_gamma(self, X, weight):
        if isinstance(self.gamma, Number):
            return float(self.gamma)
        if self.gamma == "auto":
            return 1.0 / X.shape[1]
        if weight is not None:  # a row counts as often as its weight says
            mean = weight @ np.asarray(X.mean(axis=1)).ravel() / weight.sum()
            squares = (
                X.multiply(X).mean(axis=1) if scipy.sparse.issparse(X) else ((X - mean) ** 2).mean(axis=1)
            )
            variance = weight @ np.asarray(squares).ravel() / weight.sum()
            variance -= mean**2 if scipy.sparse.issparse(X) else 0.0
        else:
            variance = X.multiply(X).mean() - X.mean() ** 2 if scipy.sparse.issparse(X) else X.var()
        return 1.0 / (X.shape[1] * variance) if variance != 0 else 1.0

    def _uncentred(self, X, rows, beta, intercept):
        """The intercept for rows that are not centred."""
        if self._gram is None or self._gram.kind != LINEAR or not self._centre.any():
            return intercept
        return intercept - self._centre @ (X[rows].T @ beta)

    def _keep(self, X, support):
        """Set the support vectors, of rows that are given by their indices."""
        self.support_ = support.astype(np.int32)
        if self._gram is None:
            self.support_vectors_ = np.empty((0, 0))
        else:
            self.support_vectors_ = X[support]

    # -------------------------------------------------------------------------------------------- predicting

    def _products(self, X, coef):
        """Gram values of the rows of X with the support vectors, times coefficients.

        Parameters
        ----------
        X : array-like
        coef : ndarray of shape (n_support, k)

        Returns
        -------
        raw : ndarray of shape (n, k)
        """
        X = self._features(X, reset=False)
        if self._gram is None:
            if X.shape[1] != self.shape_fit_[0]:
                raise ValueError(
                    f"X.shape[1] = {X.shape[1]} should be equal to {self.shape_fit_[0]}, "
                    "the number of samples at training time"
                )
            return X[:, self.support_] @ coef
        if self._gram.kind == LINEAR and not self._sparse:
            return X @ (self.support_vectors_.T @ coef)  # what was centred for the solver is in the intercept
        raw = np.zeros((X.shape[0], coef.shape[1]))
        support = Points(self._centred(self.support_vectors_))

        def part(bounds):
            rows = Points(self._centred(X[bounds[0] : bounds[1]]))
            raw[bounds[0] : bounds[1]] = self._gram.block(rows, support) @ coef

        with blas_threads(1):
            threads.run(part, threads.chunks(X.shape[0], ROWS), thread_count(self.n_jobs))
        return raw

    @property
    def coef_(self):
        """Weights of the features, of shape (n_problems, n_features): of ``kernel="linear"`` alone."""
        if self.kernel != "linear":
            raise AttributeError("coef_ is only available when using a linear kernel")
        check_is_fitted(self)
        coef = self._coefficients().T @ self.support_vectors_
        coef = scipy.sparse.csr_matrix(coef) if self._sparse else coef
        if not self._sparse:
            coef.flags.writeable = False
        return coef

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.sparse = self.kernel != "precomputed"
        return tags


def _symmetric(values):
    """The symmetric part of Gram values, which is all that the dual sees."""
    return values if np.array_equal(values, values.T) else 0.5 * (values + values.T)


def certificate(primal, dual, found, source):
    """How far from its optimum a dual was left: without a gap where the Gram matrix has no inner product."""
    positive = source.positive
    return Optimality(
        objective=float(primal),
        dual_objective=float(min(primal, dual)) if positive else None,  # but for rounding it is
        duality_gap=float(max(0.0, primal - dual)) if positive else None,
        kkt_violation=max(0.0, found.violation),
        n_iter=found.n_steps,
        converged=found.reason in CONVERGED,
        reason=found.reason,
    )
