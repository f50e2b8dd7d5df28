"""One-class support vector machine: where most of the rows are."""

from typing import ClassVar

import numpy as np
from sklearn.base import OutlierMixin

from ..base import Interval, Real, fitting, thread_count
from ._dual import one_class
from ._regression import OneProblem
from ._support_vectors import certificate

ROUNDING = 1e-9  # of decision values, relative to the offset


class OneClassSVM(OutlierMixin, OneProblem):
    r"""A Gram function's region that holds all but a share of the rows.

    It minimises over w and :math:`\rho`

    .. math:: \tfrac12 \|w\|^2 - \nu \rho \sum_i s_i + \sum_i s_i \max(0, \rho - w^T \phi(x_i))

    with the weights s of the rows; inside is where :math:`w^T \phi(x) \ge \rho`.

    Parameters
    ----------
    kernel : {"linear", "poly", "rbf", "sigmoid", "precomputed"} or callable, default="rbf"
        The Gram function, a matrix of its values for X, or a function ``f(X, Z)`` that returns them.
    degree : int, default=3
        Of ``"poly"``.
    gamma : {"scale", "auto"} or float, default="scale"
        Of all but ``"linear"``; "scale" is ``1 / (n_features * X.var())``, "auto" ``1 / n_features``.
    coef0 : float, default=0.0
        Of ``"poly"`` and ``"sigmoid"``.
    tol : float, default=1e-3
        Largest violation of the optimality conditions.
    nu : float, default=0.5
        At most this share of the rows is outside, and at least as many are support vectors; above 0, up to 1.
    shrinking : bool, default=True
        Kept for scikit-learn's sake: which multipliers are looked at is the solver's choice.
    cache_size : float, default=200
        MiB for rows of the Gram matrix.
    verbose : int, default=False
        Whether to print the record of each problem that was solved.
    max_iter : int, default=-1
        Most pairs of multipliers that are moved; -1 for no limit.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    support_ : ndarray of int32, shape (n_support,)
        Rows that have multipliers.
    support_vectors_ : ndarray or CSR array of shape (n_support, n_features)
    n_support_ : ndarray of int32, shape (1,)
    dual_coef_ : ndarray or CSR array of shape (1, n_support)
        Signed multipliers.
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)
    offset_ : float
        Minus the intercept: the threshold of `score_samples`.
    n_iter_ : int
        Pairs of multipliers that were moved.
    fit_status_ : int
        0, or 1 if the solver stopped short.
    optimality_ : Optimality
        Primal and dual objective, their gap, and the largest violation of the optimality conditions.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
    shape_fit_ : tuple of int

    References
    ----------
    B. Schölkopf, J. Platt, J. Shawe-Taylor, A. Smola, R. Williamson, "Estimating the support of a
    high-dimensional distribution", Neural Computation 13, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.svm import OneClassSVM
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = OneClassSVM(nu=0.1).fit(X)
    >>> model.predict([[0.0, 0.0], [9.0, 9.0]]).tolist()
    [1, -1]
    """

    _parameter_constraints: ClassVar[dict] = OneProblem._parameter_constraints | {
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    _sum_is_zero = False

    def __init__(
        self,
        *,
        kernel="rbf",
        degree=3,
        gamma="scale",
        coef0=0.0,
        tol=0.001,
        nu=0.5,
        shrinking=True,
        cache_size=200,
        verbose=False,
        max_iter=-1,
        n_jobs=None,
    ):
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.nu = nu
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @fitting
    def fit(self, X, y=None, sample_weight=None):
        """Find the multipliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            Rows; or with ``kernel="precomputed"`` their Gram values.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

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
        self._fit_rows(X, np.zeros(X.shape[0] if hasattr(X, "shape") else len(X)), sample_weight)
        self.offset_ = -self.intercept_
        return self

    def _solve_rows(self, source, y, weight):
        """The multipliers of the rows, the intercept, and the certificate."""
        dual = one_class(weight, self.nu)
        found = self._solve(dual, source, thread_count(self.n_jobs))
        (intercept,) = dual.offsets(found.beta, dual.gradient(found.raw))
        squares = found.beta @ found.raw
        outside = np.maximum(0.0, -intercept - found.raw)
        primal = 0.5 * squares + self.nu * intercept * weight.sum() + weight @ outside
        return found.beta, intercept, certificate(primal, -0.5 * squares, found, source)

    def decision_function(self, X):
        """How far inside rows are: negative outside.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples,)
        """
        values = self._values(X)
        values[np.abs(values) <= ROUNDING * (1.0 + abs(float(self.offset_[0])))] = 0.0  # they hold it up
        return values

    def score_samples(self, X):
        """The same without the offset.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples,)
        """
        return self.decision_function(X) + self.offset_

    def predict(self, X):
        """1 inside, -1 outside.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of int64, shape (n_samples,)
        """
        return np.where(self.decision_function(X) >= 0.0, 1, -1).astype(np.int64)
