"""Generalised linear regression under any loss."""

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.linear import LinearObjective
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
from ..losses import Loss, get_loss, pointwise
from ..optimize._stopping import KINK, NO_DECREASE, ROUNDING
from ._common import certify, minimise

DISTANCES = np.r_[0.0, np.geomspace(1e-3, 1e3, 13)]  # from a target, at which to look for curvature


class GeneralizedLinearRegressor(RegressorMixin, CalculusEstimator):
    r"""Linear regression under any loss: the package's, or one formula of your own.

    Minimises, over the coefficients `w` and the free intercept `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i\,\ell(y_i, x_i^T w + b) + \frac{\alpha}{2} \|w\|_2^2 .

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        A name that :func:`calclearn.losses.get_loss` knows, or a loss: of the package with its
        parameters, such as ``Huber(delta=1.5)``, or of your own, of which ``value(y, raw)`` alone is
        written.
    alpha : float, default=0.0
        Strength of the L2 penalty on the coefficients; the intercept is not penalised.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs"}, default="auto"
        Newton's method in a trust region, with dense Hessians or with products; or L-BFGS. "auto" chooses
        by the shape of X.
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
        bound on the objective's distance to its minimum; for a loss that is not convex the smallest
        curvature.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_iter_ : int
        Iterations taken.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are strings.

    See Also
    --------
    LogisticRegression : Classification under the log loss.
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

    _parameter_constraints: ClassVar[dict] = {
        "loss": [str, Loss],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "newton-cholesky", "newton-cg", "lbfgs"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        loss="squared_error",
        *,
        alpha=0.0,
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
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the penalised mean loss.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Targets, in the loss's domain.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; a weight of two counts a row twice.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or targets outside the loss's domain.
        """
        loss = get_loss(self.loss)
        if hasattr(loss, "value_row"):
            raise ValueError(f"loss must have one output, got {loss!r}, which is a loss over rows of raws")
        X, y = validate(self, X, y, y_numeric=True)
        loss.check_targets(y)
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
        kinked = piecewise_linear(objective)
        start = self._start(objective, kinked)
        solver = "lbfgs" if kinked and self.solver == "auto" else self.solver
        with self._progress(self.max_iter, lambda x: self._fitted(objective, x), X=X, y=y) as progress:
            solution, x = minimise(
                objective, solver, start, tol=self.tol, max_iter=self.max_iter, progress=progress
            )
        if kinked and solution.reason in (ROUNDING, NO_DECREASE):  # neither has a part in it
            solution = dataclasses.replace(solution, converged=False, reason=KINK)
        for name, value in self._fitted(objective, x).items():
            setattr(self, name, value)
        self.optimality_ = certify(objective, solution, x)
        self.loss_curve_ = list(solution.curve)
        self.n_iter_ = solution.n_iter
        self._warn_unless_converged(self.optimality_)
        return self

    def predict(self, X):
        """Predict the mean of `y`: the loss's inverse link of the raw prediction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = validate(self, X, reset=False)
        raw = safe_sparse_dot(X, self.coef_) + self.intercept_
        return get_loss(self.loss).mean(raw)

    def get_params(self, deep=True):
        """Parameters by name; with `deep`, the fields of a loss as ``loss__name`` too.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        parameters : dict
        """
        parameters = super().get_params(deep=False)
        if deep and isinstance(self.loss, Loss):
            parameters |= {f"loss__{name}": value for name, value in dataclasses.asdict(self.loss).items()}
        return parameters

    def set_params(self, **parameters):
        """Set parameters; ``loss__name`` replaces the loss by one with that field.

        Parameters
        ----------
        **parameters : dict

        Returns
        -------
        self : object
        """
        fields = {name: parameters.pop(name) for name in list(parameters) if name.startswith("loss__")}
        super().set_params(**parameters)
        if fields:
            changed = {name.removeprefix("loss__"): value for name, value in fields.items()}
            try:
                self.loss = dataclasses.replace(get_loss(self.loss), **changed)
            except TypeError as error:
                raise ValueError(f"invalid parameters {sorted(fields)} for the loss {self.loss!r}") from error
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        try:
            domain = get_loss(self.loss).domain
        except (TypeError, ValueError):  # invalid parameters are reported by fit
            return tags
        tags.target_tags.positive_only = domain == "positive"
        return tags

    def _start(self, objective, kinked):
        if self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(objective.p)
            return objective.pack(self.coef_, self.intercept_)
        # the best constant is a kink of some rows, which would hide their slope
        return 0.99 * objective.start() if kinked else objective.start()

    def _fitted(self, objective, x):
        """The fitted attributes that belong to the flat vector x."""
        coef, intercept = objective.unpack(x)
        dtype = objective.design.dtype
        return {"coef_": coef.astype(dtype), "intercept_": intercept.astype(dtype)[()]}


def piecewise_linear(objective) -> bool:
    """Whether the loss shows no curvature, near some of the targets nor far from them."""
    some = objective.y[:16]
    y = np.tile(some, 2 * len(DISTANCES))
    raw = np.add.outer(np.r_[-DISTANCES, DISTANCES].astype(some.dtype), some).ravel()
    weight = None if objective.weight is None else np.ones_like(y)
    return not pointwise.gradient_hessian(objective.loss, y, raw, weight)[1].any()
