"""Support vector regression with a bound on the share of errors in the place of a width."""

from typing import ClassVar

import numpy as np

from ..base import Interval, Real, thread_count
from ._dual import nu_regression
from ._regression import SupportVectorRegressor
from ._support_vectors import MOST_C, certificate


class NuSVR(SupportVectorRegressor):
    r"""Support vector regression in which :math:`\nu` bounds the share of rows outside of the tube.

    It minimises over w, b and the tube's half width :math:`\varepsilon`

    .. math:: \tfrac12 \|w\|^2 + \sum_i C_i \left( \nu \varepsilon
        + \max(0, |y_i - w^T \phi(x_i) - b| - \varepsilon) \right).

    At most the share :math:`\nu` of the rows is outside, and at least as many are support vectors.

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
        Above 0, up to 1.
    C : float, default=1.0
        Penalty of what is outside of the tube; infinite is as much as 1e10.
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
    B. Schölkopf, A. Smola, R. Williamson, P. Bartlett, "New support vector algorithms", Neural Computation
    12, 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.svm import NuSVR
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NuSVR(C=100.0).fit(X, y)
    >>> model.score(X, y) > 0.4, model.optimality_.converged
    (True, True)
    """

    _parameter_constraints: ClassVar[dict] = SupportVectorRegressor._parameter_constraints | {
        "C": [Interval(Real, 0.0, None, closed="right")],
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    def __init__(
        self,
        *,
        nu=0.5,
        C=1.0,
        kernel="rbf",
        degree=3,
        gamma="scale",
        coef0=0.0,
        shrinking=True,
        tol=0.001,
        cache_size=200,
        verbose=False,
        max_iter=-1,
        n_jobs=None,
    ):
        self.nu = nu
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.tol = tol
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def _solve_rows(self, source, y, weight):
        """The multipliers of the rows, the intercept, and the certificate."""
        C, n = min(self.C, MOST_C) * weight, len(y)
        dual = nu_regression(y, C, self.nu)
        found = self._solve(dual, source, thread_count(self.n_jobs))
        above, below = dual.offsets(found.beta, dual.gradient(found.raw))
        intercept, epsilon = 0.5 * (above + below), max(0.0, 0.5 * (above - below))
        beta = found.beta[:n] + found.beta[n:]
        outside = np.maximum(0.0, np.abs(y - found.raw - intercept) - epsilon)
        primal = 0.5 * beta @ found.raw + C @ (self.nu * epsilon + outside)
        return beta, intercept, certificate(primal, -dual.value(found.beta, found.raw), found, source)
