"""Ordinary least squares: the normal equations, or gradient descent to watch it at work."""

from typing import ClassVar

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.least_squares import LeastSquares, least_squares, nonnegative_least_squares
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
from ..losses import SquaredError
from ..optimize import Optimality
from ..optimize._optimality import max_norm
from ._descent import descend_least_squares
from ._inference import InferenceMixin


class LinearRegression(MultiOutputMixin, RegressorMixin, InferenceMixin, CalculusEstimator):
    r"""Ordinary least squares.

    Minimises :math:`\|y - Xw - b\|^2` (weighted: :math:`\sum_i s_i (y_i - x_i^T w - b)^2`).  The
    default solves the normal equations on equilibrated columns and refines the solution with residuals
    taken from X, so neither units nor offsets of the columns matter; where the columns are dependent, or
    more than the rows, it is the solution of least norm.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    tol : float, default=1e-6
        For the descent solvers: stop when no component of the gradient of half the mean squared error is
        larger in absolute value.  The normal equations are solved to rounding.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.
    positive : bool, default=False
        Restrict the coefficients to be non-negative; dense X only.
    solver : {"auto", "normal", "gd", "sgd"}, default="auto"
        "normal" (and "auto"): the normal equations.  "gd": gradient descent on all rows at once.  "sgd":
        on `batch_size` rows after another, in random order.
    learning_rate : float or "auto", default="auto"
        Step size of the descent.  "auto" is 1/L with L the Lipschitz constant of the gradient: the largest
        curvature of the mean over all rows ("gd"), or over any batch, falling as 1/t ("sgd").
    batch_size : int or None, default=None
        Rows to a step of "sgd"; None is one.
    momentum : float, default=0.0
        Of the descent: the part of the last step that is taken again.
    max_iter : int, default=1000
        Most passes over the rows of the descent.
    random_state : int, RandomState instance or None, default=None
        The order of rows in "sgd".
    warm_start : bool, default=False
        The descent starts from the previous fit.
    verbose : int, default=0
        Print the objective after each pass of the descent.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    rank_ : int
        Rank of the centred X; for the normal equations.
    singular_ : ndarray of shape (min(n_samples, n_features),)
        Singular values of the centred X, in falling order; for the normal equations on dense X.
    optimality_ : Optimality
        The sum of squares, the largest component of its gradient, how far it can be above its minimum, and
        in `details` the condition number of the equilibrated normal equations, the rank, and the gradient
        in units of the data (the largest cosine between the residual and a column).
    loss_curve_ : list of float
        The sum of squares at the start and after each pass; for the descent.
    n_iter_ : int
        Passes of the descent; of the normal equations one, and one for each refinement.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    Ridge : With an L2 penalty.
    Lasso : With an L1 penalty.
    HuberRegressor : For targets with outliers.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import LinearRegression
    >>> X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
    >>> model = LinearRegression().fit(X, X @ [1, 2] + 3)
    >>> model.coef_.round(6).tolist(), round(float(model.intercept_), 6)
    ([1.0, 2.0], 3.0)
    """

    _parameter_constraints: ClassVar[dict] = {
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, Integral],
        "positive": ["boolean"],
        "solver": [StrOptions({"auto", "normal", "gd", "sgd"})],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "batch_size": [None, Interval(Integral, 1, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        fit_intercept=True,
        copy_X=True,
        tol=1e-6,
        n_jobs=None,
        positive=False,
        solver="auto",
        learning_rate="auto",
        batch_size=None,
        momentum=0.0,
        max_iter=1000,
        random_state=None,
        warm_start=False,
        verbose=0,
    ):
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.momentum = momentum
        self.max_iter = max_iter
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the sum of squares.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
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
            For invalid parameters, data that are not finite, or `positive` with a descent solver.
        """
        accepted = False if self.positive else ("csr", "csc")
        X, y = validate(
            self,
            X,
            y,
            sparse=accepted,
            y_numeric=True,
            multi_output=True,
        )
        weight, X, y = drop_weightless(check_weights(sample_weight, X), X, y)
        descent = self.solver in ("gd", "sgd")
        if descent and self.positive:
            raise ValueError(f"positive=True needs solver='normal' or 'auto', got solver={self.solver!r}")
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        design = Design(X, thread_count(self.n_jobs))
        if descent and self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(X.shape[1], Y.shape[1] if np.ndim(y) == 2 else None)
        for name in ("rank_", "singular_", "loss_curve_"):  # of a previous fit by another solver
            self.__dict__.pop(name, None)
        if descent:
            as_fitted = self._as_fitted(design) if np.ndim(y) == 1 else None
            squares = 2.0 * (len(Y) if weight is None else float(weight.sum()))  # of half the mean
            with self._progress(self.max_iter * Y.shape[1], as_fitted, X=X, y=y, scale=squares) as progress:
                fitted = descend_least_squares(self, design, Y, weight, progress)
            self.coef_, self.intercept_ = fitted.coef, fitted.intercept
            self.optimality_, self.loss_curve_ = fitted.optimality, fitted.curve
            self.n_iter_ = fitted.optimality.n_iter
        else:
            with self._progress(0, X=X, y=y):
                solve = nonnegative_least_squares if self.positive else least_squares
                solved = solve(design, Y, weight, intercept=self.fit_intercept)
            self.coef_, self.intercept_ = solved.coef, solved.intercept
            self.rank_, self.n_iter_ = solved.rank, solved.n_refinements + 1
            if solved.singular is not None:
                self.singular_ = solved.singular.astype(design.dtype)
            self.optimality_ = certificate(solved)
        self.coef_ = self.coef_.astype(design.dtype)
        self.intercept_ = self.intercept_.astype(design.dtype)
        if np.ndim(y) == 1:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        if not self.fit_intercept:
            self.intercept_ = 0.0
        self._warn_unless_converged(self.optimality_)
        return self

    def predict(self, X):
        """Predict `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        check_is_fitted(self)
        X = validate(self, X, sparse=("csr", "csc", "coo"), reset=False)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_

    _least_squares = True

    def _loss(self):
        return SquaredError()

    def _no_inference(self):
        if self.positive:
            return "positive must be False, got True"
        return "" if np.ndim(self.coef_) == 1 else "fit one target at a time"

    def _as_fitted(self, design):
        """The function from the flat vector of the descent to the fitted attributes that belong to it."""
        p, dtype = design.shape[1], design.dtype
        return lambda x: {"coef_": x[:p].astype(dtype), "intercept_": x[p:].sum(dtype=dtype)}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.positive
        return tags


def certificate(solved: LeastSquares) -> Optimality:
    """The record of a direct solution: the objective is the sum of squares, twice its half."""
    return Optimality(
        objective=solved.residual,
        gradient_norm=None if solved.kkt_violation is not None else 2.0 * max_norm(solved.gradient),
        kkt_violation=None if solved.kkt_violation is None else 2.0 * solved.kkt_violation,
        suboptimality_bound=None if solved.excess is None else 2.0 * solved.excess,
        n_iter=solved.n_refinements + 1,
        converged=True,
        reason="solved directly",
        details=solved.details,
    )
