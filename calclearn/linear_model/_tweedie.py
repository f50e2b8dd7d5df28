"""Generalised linear models of deviances: Poisson, gamma and Tweedie regression."""

import contextlib
from typing import ClassVar

from sklearn.base import RegressorMixin
from sklearn.metrics import d2_tweedie_score
from sklearn.utils import check_array
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.linear import LinearObjective
from .._objectives.solving import certify, minimise
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    Real,
    StrOptions,
    check_weights,
    drop_weightless,
    fitting,
    thread_count,
    validate,
)
from ..losses import Gamma, Loss, Poisson, SquaredError, Tweedie, TweedieIdentity
from ._inference import InferenceMixin


class _DevianceRegressor(RegressorMixin, InferenceMixin, CalculusEstimator):
    """The mean half deviance of a loss, and half a squared norm; a subclass names the loss."""

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0.0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "lbfgs", "newton-cg", "newton-cholesky"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        fit_intercept=True,
        solver="auto",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        n_jobs=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _loss(self) -> Loss:
        raise NotImplementedError

    def _power(self) -> float:
        """Of the mean, to which the variance is proportional."""
        raise NotImplementedError

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the mean half deviance under the penalty.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Targets in the range of the distribution.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or targets out of the range.
        """
        X, y = validate(self, X, y, y_numeric=True)
        loss = self._loss()
        self._check_targets(loss, y)
        weight, X, y = drop_weightless(check_weights(sample_weight, X), X, y)
        objective = LinearObjective(
            loss,
            X,
            y,
            weight,
            l2=self.alpha,
            intercept=self.fit_intercept,
            n_threads=thread_count(self.n_jobs),
        )
        if self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(objective.p)
            start = objective.pack(self.coef_, self.intercept_)
        else:
            start = objective.start()
        with self._progress(self.max_iter, lambda x: self._fitted(objective, x), X=X, y=y) as progress:
            solution, x = minimise(
                objective, self.solver, start, tol=self.tol, max_iter=self.max_iter, progress=progress
            )
        for name, value in self._fitted(objective, x).items():
            setattr(self, name, value)
        self.n_iter_ = solution.n_iter
        self.optimality_ = certify(objective, solution, x)
        self.loss_curve_ = list(solution.curve)
        self._warn_unless_converged(self.optimality_)
        return self

    def predict(self, X):
        """Predict the mean of `y`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = validate(self, X, sparse=("csr", "csc", "coo"), reset=False)
        return self._loss().mean(safe_sparse_dot(X, self.coef_) + self.intercept_)

    def score(self, X, y, sample_weight=None):
        r"""D², the share of the deviance that the model explains: 1 - D(y, prediction) / D(y, mean of y).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            1 for a perfect model, 0 for the mean of `y`, negative for what is worse.
        """
        prediction = self.predict(X)
        y = check_array(y, dtype=prediction.dtype, order="C", ensure_2d=False, input_name="y")
        loss = self._loss()
        self._check_targets(loss, y)
        return d2_tweedie_score(
            y, prediction, sample_weight=check_weights(sample_weight, prediction), power=self._power()
        )

    @staticmethod
    def _check_targets(loss, y):
        try:
            loss.check_targets(y)
        except ValueError as error:
            raise ValueError(f"Some value(s) of y are out of the valid range of the loss: {error}") from None

    def _fitted(self, objective, x):
        """The fitted attributes that belong to the flat vector x."""
        coef, intercept = objective.unpack(x)
        dtype = objective.design.dtype
        return {"coef_": coef.astype(dtype), "intercept_": intercept.astype(dtype)[()]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        with contextlib.suppress(TypeError, ValueError):  # invalid parameters are reported by fit
            tags.target_tags.positive_only = self._loss().domain in ("positive", "nonnegative")
        return tags


class PoissonRegressor(_DevianceRegressor):
    r"""Poisson regression of counts, with a log link: the mean of `y` is :math:`e^{x^T w + b}`.

    Minimises, over `w` and the free `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i \left( e^{f_i} - y_i f_i \right)
        + \frac{\alpha}{2} \|w\|_2^2, \qquad f_i = x_i^T w + b .

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the L2 penalty on the coefficients; the intercept is not penalised.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    solver : {"auto", "lbfgs", "newton-cg", "newton-cholesky"}, default="auto"
        "auto" chooses by the shape of X; all have the same optimum.
    max_iter : int, default=100
        Most iterations of the solver.
    tol : float, default=1e-4
        The fit ends when no component of the objective's gradient is larger in absolute value.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    verbose : int, default=0
        Print the objective after each iteration.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the raw prediction.
    intercept_ : float
        Its constant.
    n_iter_ : int
        Iterations taken.
    optimality_ : Optimality
        How far from the optimum the fit stopped: the gradient's norm, and with a penalty a bound on
        the objective's distance to its minimum.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    TweedieRegressor : Other powers of the mean as variance, and other links.
    GeneralizedLinearRegressor : Any loss, with L1 penalties, bounds and offsets.

    Examples
    --------
    >>> from calclearn.linear_model import PoissonRegressor
    >>> X = [[1, 2], [2, 3], [3, 4], [4, 3]]
    >>> model = PoissonRegressor().fit(X, [12, 17, 22, 21])
    >>> model.coef_.round(3).tolist(), round(model.score(X, [12, 17, 22, 21]), 3)
    ([0.121, 0.158], 0.99)
    """

    def _loss(self):
        return Poisson()

    def _power(self):
        return 1.0


class GammaRegressor(_DevianceRegressor):
    r"""Gamma regression of positive sizes, with a log link: the mean of `y` is :math:`e^{x^T w + b}`.

    Minimises, over `w` and the free `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i \left( f_i + y_i e^{-f_i} \right)
        + \frac{\alpha}{2} \|w\|_2^2, \qquad f_i = x_i^T w + b .

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the L2 penalty on the coefficients; the intercept is not penalised.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    solver : {"auto", "lbfgs", "newton-cg", "newton-cholesky"}, default="auto"
        "auto" chooses by the shape of X; all have the same optimum.
    max_iter : int, default=100
        Most iterations of the solver.
    tol : float, default=1e-4
        The fit ends when no component of the objective's gradient is larger in absolute value.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    verbose : int, default=0
        Print the objective after each iteration.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the raw prediction.
    intercept_ : float
        Its constant.
    n_iter_ : int
        Iterations taken.
    optimality_ : Optimality
        How far from the optimum the fit stopped: the gradient's norm, and with a penalty a bound on
        the objective's distance to its minimum.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    PoissonRegressor : For counts.
    TweedieRegressor : Other powers of the mean as variance, and other links.

    Examples
    --------
    >>> from calclearn.linear_model import GammaRegressor
    >>> X = [[1, 2], [2, 3], [3, 4], [4, 3]]
    >>> model = GammaRegressor().fit(X, [19, 26, 33, 30])
    >>> model.coef_.round(3).tolist(), round(model.score(X, [19, 26, 33, 30]), 3)
    ([0.073, 0.067], 0.773)
    """

    def _loss(self):
        return Gamma()

    def _power(self):
        return 2.0


class TweedieRegressor(_DevianceRegressor):
    r"""Regression under a Tweedie deviance: the variance of `y` is proportional to its mean to a power.

    Minimises the mean half deviance of `y` from the mean :math:`\mu_i`, which is :math:`f_i = x_i^T w + b` or
    :math:`e^{f_i}`, and :math:`\tfrac{\alpha}{2} \|w\|_2^2`.

    Parameters
    ----------
    power : float, default=0.0
        The exponent of the variance: 0 normal, 1 Poisson, between 1 and 2 compound Poisson-gamma, 2 gamma,
        3 inverse Gaussian.  No distribution has a power between 0 and 1.
    alpha : float, default=1.0
        Strength of the L2 penalty on the coefficients; the intercept is not penalised.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    link : {"auto", "identity", "log"}, default="auto"
        What the raw prediction is of the mean; "auto" is the identity for powers up to 0, else the log.
    solver : {"auto", "lbfgs", "newton-cg", "newton-cholesky"}, default="auto"
        "auto" chooses by the shape of X; all have the same optimum.
    max_iter : int, default=100
        Most iterations of the solver.
    tol : float, default=1e-4
        The fit ends when no component of the objective's gradient is larger in absolute value.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    verbose : int, default=0
        Print the objective after each iteration.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the raw prediction.
    intercept_ : float
        Its constant.
    n_iter_ : int
        Iterations taken.
    optimality_ : Optimality
        How far from the optimum the fit stopped: the gradient's norm, and where the objective
        is convex with a penalty a bound on its distance to its minimum, else its smallest curvature.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    PoissonRegressor : The power 1.
    GammaRegressor : The power 2.

    Examples
    --------
    >>> from calclearn.linear_model import TweedieRegressor
    >>> X = [[1, 2], [2, 3], [3, 4], [4, 3]]
    >>> model = TweedieRegressor().fit(X, [2, 3.5, 5, 5.5])
    >>> model.coef_.round(3).tolist(), round(model.score(X, [2, 3.5, 5, 5.5]), 3)
    ([0.6, 0.3], 0.84)
    """

    _parameter_constraints: ClassVar[dict] = {
        **_DevianceRegressor._parameter_constraints,
        "power": [Interval(Real, None, None, closed="neither")],
        "link": [StrOptions({"auto", "identity", "log"})],
    }

    def __init__(
        self,
        *,
        power=0.0,
        alpha=1.0,
        fit_intercept=True,
        link="auto",
        solver="auto",
        max_iter=100,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        n_jobs=None,
    ):
        super().__init__(
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
            n_jobs=n_jobs,
        )
        self.power = power
        self.link = link

    def _loss(self):
        if self.link == "log" or (self.link == "auto" and self.power > 0):
            return Tweedie(self.power)
        return SquaredError() if self.power == 0 else TweedieIdentity(self.power)

    def _power(self):
        return self.power
