"""What both support vector regressors share: one dual over all rows."""

import numpy as np
import scipy.sparse
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
)

from .._runtime.threads import blas_threads
from ..base import fitting
from ._support_vectors import SupportVectors


class OneProblem(SupportVectors):
    """One dual, and one column of multipliers."""

    def _fit_rows(self, X, y, sample_weight):
        """Solve the dual of the rows that have weights, and set the fitted attributes."""
        weight = np.ones(X.shape[0] if hasattr(X, "shape") else len(X))
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, allow_all_zero_weights=True)
        rows = np.flatnonzero(weight > 0)
        if not len(rows):
            raise ValueError("Invalid input - all samples have zero or negative weights.")
        source = self._source(X, None if sample_weight is None else np.maximum(weight, 0.0))
        with blas_threads(1):
            some = source.of(rows) if len(rows) < len(source) else source
            beta, intercept, self.optimality_ = self._solve_rows(some, y[rows], weight[rows])
        support = np.flatnonzero(beta)
        self._keep(X, rows[support])
        self.n_support_ = np.array([len(support)], np.int32)
        coef = beta[support][None, :]
        self.dual_coef_ = scipy.sparse.csr_matrix(coef) if self._sparse else coef
        self.intercept_ = np.array([self._uncentred(X, rows, beta, intercept)])
        self.n_iter_ = self.optimality_.n_iter
        self._warn_if_early()
        return self

    def _coefficients(self):
        """Signed multipliers of the support vectors, as a column."""
        return (self.dual_coef_.toarray() if self._sparse else self.dual_coef_).T

    def _values(self, X):
        check_is_fitted(self)
        return (self._products(X, self._coefficients()) + self.intercept_).ravel()


class SupportVectorRegressor(RegressorMixin, OneProblem):
    """All but which dual is solved: `_solve_rows`."""

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Find the multipliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            Rows; or with ``kernel="precomputed"`` their Gram values.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            By what C is multiplied for each row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data or weights.
        """
        X = self._features(X, reset=True)
        y = column_or_1d(y, warn=True).astype(np.float64)
        assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        return self._fit_rows(X, y, sample_weight)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._values(X)
