"""Support vector regression: the epsilon-insensitive loss, in the dual."""

from typing import ClassVar

import numpy as np

from ..base import Interval, Real, thread_count
from ._dual import regression
from ._regression import SupportVectorRegressor
from ._support_vectors import MOST_C, certificate


class SVR(SupportVectorRegressor):
    r"""Support vector regression with any Gram function, by its Lagrangian dual.

    It minimises over w and b

    .. math:: \tfrac12 \|w\|^2 + \sum_i C_i \max(0, |y_i - w^T \phi(x_i) - b| - \varepsilon)

    where :math:`\phi(x)^T \phi(z) = k(x, z)`.

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
    C : float, default=1.0
        Penalty of what is outside of the tube; infinite is as much as 1e10.
    epsilon : float, default=0.1
        Half the width of the tube, in the units of `y`.
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
    A. Smola, B. Schölkopf, "A tutorial on support vector regression", Statistics and Computing 14, 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.svm import SVR
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SVR(C=100.0, epsilon=10.0).fit(X, y)
    >>> model.score(X, y) > 0.4, model.optimality_.converged
    (True, True)
    """

    _parameter_constraints: ClassVar[dict] = SupportVectorRegressor._parameter_constraints | {
        "C": [Interval(Real, 0.0, None, closed="right")],
        "epsilon": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        kernel="rbf",
        degree=3,
        gamma="scale",
        coef0=0.0,
        tol=0.001,
        C=1.0,
        epsilon=0.1,
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
        self.C = C
        self.epsilon = epsilon
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def _solve_rows(self, source, y, weight):
        """The multipliers of the rows, the intercept, and the certificate."""
        C, n = min(self.C, MOST_C) * weight, len(y)
        dual = regression(y, C, self.epsilon)
        found = self._solve(dual, source, thread_count(self.n_jobs))
        (intercept,) = dual.offsets(found.beta, dual.gradient(found.raw))
        beta = found.beta[:n] + found.beta[n:]
        outside = np.maximum(0.0, np.abs(y - found.raw - intercept) - self.epsilon)
        primal = 0.5 * beta @ found.raw + C @ outside
        return beta, intercept, certificate(primal, -dual.value(found.beta, found.raw), found, source)
