"""Quantile regression under an L1 penalty, as a linear programme."""

import warnings
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.quantile import QuantileProblem, dual_objective, minimise_quantile
from ..base import (
    CalculusEstimator,
    Interval,
    Real,
    StrOptions,
    check_weights,
    drop_weightless,
    fitting,
    validate,
)
from ..optimize import Optimality
from ..optimize._stopping import FAILED, VERTEX

GONE = ("interior-point", "revised simplex")  # from SciPy


class QuantileRegressor(RegressorMixin, CalculusEstimator):
    r"""Linear regression of a quantile: the share `quantile` of the targets lies below the prediction.

    Minimises, over `w` and the free `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i\, \rho_q(y_i - x_i^T w - b) + \alpha \|w\|_1, \qquad
        \rho_q(r) = \max(q r, (q - 1) r) .

    The solution is exact, a vertex: as many residuals are zero as coefficients are not.

    Parameters
    ----------
    quantile : float, default=0.5
        The level q, strictly between 0 and 1; 0.5 is the median.
    alpha : float, default=1.0
        Strength of the L1 penalty on the coefficients; the intercept is not penalised.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    solver : {"highs-ds", "highs-ipm", "highs", "interior-point", "revised simplex"}, default="highs"
        Method of :func:`scipy.optimize.linprog`, to which the dual programme over the rows near the solution
        goes (the primal, where there are more columns than rows).  The last two left SciPy with version 1.11.
    solver_options : dict, default=None
        Options of :func:`scipy.optimize.linprog`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        The constant `b`.
    n_iter_ : int
        Iterations of the solver, over all programmes.
    optimality_ : Optimality
        The objective, a lower bound of its minimum from the dual problem and the gap between them (None where
        a programme without penalty failed).
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    HuberRegressor : Robust too, with a squared error for most rows.

    References
    ----------
    Koenker (2005), *Quantile Regression*; Portnoy and Koenker (1997), *The Gaussian hare and the Laplacian
    tortoise*, for leaving out rows of known sign.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import QuantileRegressor
    >>> X = np.arange(10.0)[:, None]
    >>> y = 2 * X.ravel() + np.tile([0.0, 1.0], 5)
    >>> model = QuantileRegressor(quantile=0.8, alpha=0.0).fit(X, y)
    >>> model.coef_.round(6).tolist(), round(float(model.intercept_), 6)
    ([2.0], 1.0)
    """

    _parameter_constraints: ClassVar[dict] = {
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"highs-ds", "highs-ipm", "highs", *GONE})],
        "solver_options": [dict, None],
    }

    def __init__(self, *, quantile=0.5, alpha=1.0, fit_intercept=True, solver="highs", solver_options=None):
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Solve the linear programme.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or a solver that SciPy has no more.
        """
        X, y = validate(self, X, y, sparse=("csc", "csr", "coo"), y_numeric=True)
        weight, rows, targets = drop_weightless(check_weights(sample_weight, X), X, y)
        if self.solver in GONE:
            raise ValueError(f"Solver {self.solver} is not anymore available in SciPy >= 1.11.0.")
        problem = QuantileProblem(
            rows,
            targets,
            weight,
            quantile=self.quantile,
            alpha=self.alpha,
            intercept=self.fit_intercept,
        )
        with self._progress(0, X=X, y=y):
            solved = minimise_quantile(problem, self.solver, self.solver_options)
        self.coef_, self.intercept_ = solved.coef.astype(X.dtype), X.dtype.type(solved.intercept)
        self.n_iter_ = solved.n_iter
        self.optimality_ = _certify(problem, solved, self.coef_.astype(np.float64), float(self.intercept_))
        if solved.status != 0:
            warnings.warn(
                "Linear programming for QuantileRegressor did not succeed.\n"
                f"Status is {solved.status}: {solved.message}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def predict(self, X):
        """Predict `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = validate(self, X, sparse=("csr", "csc", "coo"), reset=False)
        return safe_sparse_dot(X, self.coef_) + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _certify(problem, solved, coef, intercept):
    objective = problem.objective(coef, intercept)
    dual = dual_objective(problem, coef, intercept, solved.d)
    return Optimality(
        objective=objective,
        dual_objective=dual,
        duality_gap=None if dual is None else max(objective - dual, 0.0),
        n_iter=solved.n_iter,
        converged=solved.status == 0,
        reason=VERTEX if solved.status == 0 else FAILED,
    )
