"""Huber's robust regression, with the scale of the residuals found alongside."""

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.huber import HuberObjective, minimise_huber
from .._runtime.threads import blas_threads
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    Real,
    check_weights,
    drop_weightless,
    fitting,
    thread_count,
    validate,
)
from ..optimize import Optimality
from ..optimize._optimality import max_norm
from ..optimize._stopping import NO_DECREASE, ROUNDING


class HuberRegressor(RegressorMixin, CalculusEstimator):
    r"""Linear regression that outliers pull at with bounded force.

    Minimises, over `w`, the free `b` and the scale :math:`\sigma \ge 0` of the residuals
    :math:`r_i = y_i - x_i^T w - b`,

    .. math::
        \sum_i s_i \left( \sigma + H\!\left(\frac{r_i}{\sigma}\right) \sigma \right) + \alpha \|w\|_2^2,
        \qquad H(z) = \begin{cases} z^2 & |z| \le \varepsilon \\
        2\varepsilon |z| - \varepsilon^2 & \text{else.} \end{cases}

    The objective is convex in all of them together.  As the scale is found from the data, `y` in other units
    needs no other `epsilon`.

    Parameters
    ----------
    epsilon : float, default=1.35
        Where a residual becomes an outlier, in units of the scale; at least 1, where the absolute error is
        what is left.
    max_iter : int, default=100
        Most iterations of Newton's method.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the coefficients; the intercept is not penalised.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    tol : float, default=1e-05
        The fit ends when no component of the objective's gradient is larger in absolute value.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.
    verbose : int, default=0
        Print the objective after each iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        The constant `b`.
    scale_ : float
        :math:`\sigma`; where the data are fitted exactly, what rounding leaves of it.
    outliers_ : ndarray of shape (n_samples,)
        Whether the residual of a row is beyond `epsilon` scales.
    n_iter_ : int
        Iterations taken.
    optimality_ : Optimality
        The objective, a lower bound of its minimum from the dual problem and the gap between them (None
        without penalty for more than 2000 features), and the gradient's norm.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    GeneralizedLinearRegressor : Huber's loss with a given scale, and other robust losses.
    QuantileRegressor : The absolute error, and other quantiles.

    References
    ----------
    Huber and Ronchetti (2009), *Robust Statistics*, section 7.8; Owen (2007), *A robust hybrid of lasso and
    ridge regression*.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import HuberRegressor
    >>> X = np.arange(12.0)[:, None]
    >>> y = 2 * X.ravel() + np.tile([0.1, -0.1], 6)
    >>> y[3] = 100
    >>> model = HuberRegressor().fit(X, y)
    >>> model.coef_.round(2).tolist(), bool(model.outliers_[3])
    ([1.99], True)
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 1.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        epsilon=1.35,
        max_iter=100,
        alpha=0.0001,
        warm_start=False,
        fit_intercept=True,
        tol=1e-05,
        n_jobs=None,
        verbose=0,
    ):
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the objective in coefficients, intercept and scale.

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
            For invalid parameters or data that are not finite.
        """
        X, y = validate(self, X, y, y_numeric=True)
        weight, rows, targets = drop_weightless(check_weights(sample_weight, X), X, y)
        objective = HuberObjective(
            rows,
            targets,
            weight,
            epsilon=self.epsilon,
            alpha=self.alpha,
            intercept=self.fit_intercept,
            n_threads=thread_count(self.n_jobs),
        )
        start = objective.start()
        if self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(objective.p)
            start = np.r_[self.coef_, self.intercept_][: objective.size].astype(np.float64)
        dtype = objective.design.dtype
        with (
            blas_threads(1),
            self._progress(self.max_iter, lambda x: self._fitted(objective, x), X=X, y=y) as progress,
        ):
            solution = minimise_huber(
                objective,
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress if progress.listening else None,
            )
            kept = solution.x.astype(dtype).astype(np.float64)
            self.optimality_ = _certify(objective, solution, kept)
        for name, value in self._fitted(objective, kept).items():
            setattr(self, name, value)
        self.outliers_ = np.abs(y - self._raw(X)) > self.epsilon * self.scale_
        self.n_iter_ = solution.n_iter
        self._warn_unless_converged(self.optimality_)
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
        return self._raw(validate(self, X, sparse=("csr", "csc", "coo"), reset=False))

    def _raw(self, X):
        return safe_sparse_dot(X, self.coef_) + self.intercept_

    def _fitted(self, objective, x):
        """The fitted attributes that belong to the flat vector x."""
        dtype = objective.design.dtype
        coef, intercept = objective.unpack(x)
        scale = objective.residual_and_scale(x)[1]
        return {"coef_": coef.astype(dtype), "intercept_": dtype.type(intercept), "scale_": dtype.type(scale)}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _certify(objective, solution, x):
    """The duality gap and the gradient at `x`; a fit ended by rounding has converged if the gap is small."""
    value, gradient = objective.value_gradient(x)
    dual = objective.dual(x)
    certificate = Optimality(
        objective=value,
        dual_objective=dual,
        duality_gap=None if dual is None else max(value - dual, 0.0),
        gradient_norm=max_norm(gradient),
        n_iter=solution.n_iter,
        converged=solution.converged,
        reason=solution.reason,
    )
    rounding = np.sqrt(objective.noise) * objective.value(objective.start())
    if solution.reason == NO_DECREASE and dual is not None and value - dual <= rounding:
        certificate = dataclasses.replace(certificate, converged=True, reason=ROUNDING)
    return certificate
