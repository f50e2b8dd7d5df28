"""Generalised linear regression under any loss, and what its classifier shares with it."""

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.linear import LinearObjective
from .._objectives.solving import certify, minimise
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    LossParameters,
    Real,
    StrOptions,
    check_weights,
    drop_weightless,
    fitting,
    thread_count,
    validate,
)
from ..losses import Loss, get_loss, pointwise
from ..optimize._stopping import KINK, NO_DECREASE, ROUNDING
from ._inference import InferenceMixin
from ._separation import warn_if_separated

SMOOTH_SOLVERS = ("newton-cholesky", "newton-cg", "lbfgs")
DISTANCES = np.r_[0.0, np.geomspace(1e-3, 1e3, 13)]  # from a target, at which to look for curvature


class GeneralizedLinearModel(LossParameters, InferenceMixin, CalculusEstimator):
    """Any loss of X w + b with its penalty: the parameters, the objective, and how it is minimised."""

    _parameter_constraints: ClassVar[dict] = {
        "loss": [str, Loss],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "positive": ["boolean"],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", *SMOOTH_SOLVERS, "proximal-newton"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def inference(self, X, y, sample_weight=None, *, offset=None, cov_type="nonrobust", level=0.95):
        """Standard errors, tests and confidence intervals of the coefficients of an unpenalised fit.

        Nothing is kept from `fit` for it: hand in the data of the fit again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The features that the model was fitted to.
        y : array-like of shape (n_samples,)
            Its targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Its weights: inversely proportional to the variances of the rows; not counts of rows.
        offset : array-like of shape (n_samples,), default=None
            Its offset.
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3"}, default="nonrobust"
            "nonrobust" believes in the likelihood, and needs a loss that is one: the squared error, the log
            losses, Poisson, gamma and Tweedie.  The others are sandwiches, for any smooth loss: see
            :meth:`LinearRegression.inference`.
        level : float, default=0.95
            Confidence of the intervals, between 0 and 1.

        Returns
        -------
        Inference
            With a method ``to_frame``, and a table as its string.

        Raises
        ------
        ValueError
            As :meth:`LinearRegression.inference`, and for losses without curvature.
        """
        return self._infer(X, y, sample_weight, cov_type, level, check_offset(offset, X))

    def _no_inference(self):
        if self.positive:
            return "positive must be False, got True"
        return super()._no_inference()

    def _loss(self):
        return get_loss(self._loss_in_use)

    def _check_solver(self):
        """Raise a ValueError where the solver cannot have the penalty."""
        if (self.positive or self.alpha * self.l1_ratio > 0) and self.solver in SMOOTH_SOLVERS:
            raise ValueError(
                f"solver {self.solver!r} supports neither an L1 penalty nor positive=True, got alpha="
                f"{self.alpha!r}, l1_ratio={self.l1_ratio!r}, positive={self.positive!r}: use 'auto' or "
                "'proximal-newton'"
            )

    def _objective(self, loss, design, y, weight, offset=None, n_outputs=None):
        return LinearObjective(
            loss,
            design,
            y,
            weight,
            l1=self.alpha * self.l1_ratio,
            l2=self.alpha * (1.0 - self.l1_ratio),
            positive=self.positive,
            offset=offset,
            intercept=self.fit_intercept,
            n_outputs=n_outputs,
        )

    def _minimise(self, objective, previous, progress):
        """`(solution, x)` from the coefficients and intercept `previous`, or from the best constant."""
        kinked = objective.n_outputs is None and piecewise_linear(objective)
        if previous is not None:
            coef, intercept = previous
            start = objective.pack(np.maximum(coef, 0.0) if self.positive else coef, intercept)
        else:
            # the best constant is a kink of some rows, which would hide their slope
            start = 0.99 * objective.start() if kinked else objective.start()
        solver = "lbfgs" if kinked and self.solver == "auto" and not objective.kinked else self.solver
        solution, x = minimise(
            objective, solver, start, tol=self.tol, max_iter=self.max_iter, progress=progress
        )
        if kinked and solution.reason in (ROUNDING, NO_DECREASE):  # neither has a part in it
            solution = dataclasses.replace(solution, converged=False, reason=KINK)
        return solution, x


class GeneralizedLinearRegressor(RegressorMixin, GeneralizedLinearModel):
    r"""Linear regression under any loss: the package's, or one formula of your own.

    Minimises, over the coefficients `w` and the free intercept `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i\,\ell(y_i, x_i^T w + b + o_i)
        + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|_2^2 \right),

    with sample weights `s` and offsets `o` of the rows, and :math:`\rho` the `l1_ratio`.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        A name that :func:`calclearn.losses.get_loss` knows, or a loss: of the package with its
        parameters, such as ``Huber(delta=1.5)``, or of your own, of which ``value(y, raw)`` alone is
        written.
    alpha : float, default=0.0
        Strength of the penalty on the coefficients; the intercept is not penalised.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, which makes coefficients zero, from 0 to 1; the rest is L2.
    positive : bool, default=False
        Whether the coefficients, not the intercept, must not be negative.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs", "proximal-newton"}, default="auto"
        Newton's method in a trust region, with dense Hessians or with products; L-BFGS; or Newton's method
        with the kinks of the penalty in its model, the only one of them for an L1 penalty or `positive`.
        "auto" chooses by the penalty and the shape of X.
    max_iter : int, default=1000
        Most iterations of the solver.
    tol : float, default=1e-6
        The fit ends when no component of the objective's gradient is larger in absolute value.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    random_state : int, RandomState instance or None, default=None
        Accepted for solvers that draw rows; none of the present ones does.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.
    verbose : int, default=0
        Print the objective after each iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the raw prediction.
    intercept_ : float
        Its constant.
    optimality_ : Optimality
        How far from the optimum the fit stopped: the gradient's norm; for a convex loss with a penalty a
        bound on the objective's distance to its minimum, which with an L1 penalty or `positive` is a duality
        gap; for a loss that is not convex the smallest curvature.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_iter_ : int
        Iterations taken.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    GeneralizedLinearClassifier : The same for class labels.
    calclearn.losses.loss : Makes a formula a loss.

    Notes
    -----
    Losses with a kink and no curvature, such as "absolute_error", have no gradient that could vanish: for
    them "auto" is L-BFGS, and the fit ends with a warning that tells how far it came.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import GeneralizedLinearRegressor
    >>> from calclearn.losses import loss
    >>> @loss("cauchy")
    ... class Cauchy:
    ...     c: float = 1.0
    ...
    ...     def value(self, y, raw):
    ...         return np.log1p(((raw - y) / self.c) ** 2)
    >>> X = np.arange(6.0)[:, None]
    >>> y = np.array([1.0, 3.0, 5.0, 7.0, 9.0, 100.0])  # 1 + 2 x, and an outlier
    >>> model = GeneralizedLinearRegressor(loss=Cauchy()).fit(X, y)
    >>> model.coef_.round(1).tolist(), round(float(model.intercept_), 1)
    ([2.0], 1.0)
    """

    def __init__(
        self,
        loss="squared_error",
        *,
        alpha=0.0,
        l1_ratio=0.0,
        positive=False,
        fit_intercept=True,
        solver="auto",
        max_iter=1000,
        tol=1e-6,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.loss = loss
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fitting
    def fit(self, X, y, sample_weight=None, *, offset=None):
        """Minimise the penalised mean loss.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Targets, in the loss's domain.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; a weight of two counts a row twice.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the raw predictions, such as the logarithms of exposures; no coefficient is
            fitted to them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, targets outside the loss's domain, or a solver
            that cannot have the penalty.
        """
        self._check_solver()
        loss = self._loss()
        if hasattr(loss, "value_row"):
            raise ValueError(f"loss must have one output, got {loss!r}, which is a loss over rows of raws")
        X, y = validate(self, X, y, y_numeric=True)
        loss.check_targets(y)
        weight, offset = check_weights(sample_weight, X), check_offset(offset, X)
        weight, X, y, offset = drop_weightless(weight, X, y, np.zeros(len(y)) if offset is None else offset)
        objective = self._objective(
            loss, Design(X, thread_count(self.n_jobs)), y, weight, offset if offset.any() else None
        )
        previous = None
        if self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(objective.p)
            previous = self.coef_, self.intercept_

        def fitted(x):
            coef, intercept = objective.unpack(x)
            dtype = objective.design.dtype
            return {"coef_": coef.astype(dtype), "intercept_": intercept.astype(dtype)[()]}

        with self._progress(self.max_iter, fitted, X=X, y=y) as progress:
            solution, x = self._minimise(objective, previous, progress)
        for name, value in fitted(x).items():
            setattr(self, name, value)
        x = objective.pack(self.coef_, self.intercept_)  # what is certified is what is kept
        self.optimality_ = certify(objective, solution, x)
        self.loss_curve_ = list(solution.curve)
        self.n_iter_ = solution.n_iter
        if loss.domain not in ("unit", "sign") or not warn_if_separated(self, objective, x):
            self._warn_unless_converged(self.optimality_)
        return self

    def predict(self, X, *, offset=None):
        """Predict the mean of `y`: the loss's inverse link of the raw prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            Known parts of the raw predictions; none by default, whatever `fit` was given.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = validate(self, X, reset=False)
        raw = safe_sparse_dot(X, self.coef_) + self.intercept_
        return self._loss().mean(with_offset(raw, check_offset(offset, X)))

    def score(self, X, y, sample_weight=None, *, offset=None):
        """The coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            As in `predict`.

        Returns
        -------
        score : float
        """
        return r2_score(y, self.predict(X, offset=offset), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        try:
            domain = get_loss(self.loss).domain
        except (TypeError, ValueError):  # invalid parameters are reported by fit
            return tags
        tags.target_tags.positive_only = domain in ("positive", "nonnegative")
        return tags


def check_offset(offset, X):
    """The offset as an array of shape (n,), or None; a ValueError where it is no such thing."""
    if offset is None:
        return None
    offset = check_array(offset, dtype=np.float64, ensure_2d=False, input_name="offset")
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if offset.shape != (n,):
        raise ValueError(f"offset must have shape ({n},), one number a row, got {offset.shape}")
    return offset


def with_offset(raw, offset):
    """Raw predictions and their known parts, in the precision of the former."""
    return raw if offset is None else raw + offset.astype(raw.dtype)


def piecewise_linear(objective) -> bool:
    """Whether the loss shows no curvature, near some of the targets nor far from them."""
    some = objective.y[:16]
    y = np.tile(some, 2 * len(DISTANCES))
    raw = np.add.outer(np.r_[-DISTANCES, DISTANCES].astype(some.dtype), some).ravel()
    weight = None if objective.weight is None else np.ones_like(y)
    return not pointwise.gradient_hessian(objective.loss, y, raw, weight)[1].any()
