"""The lasso and the elastic net: least squares whose penalty sets coefficients to zero."""

import copy
import numbers
import sys
import warnings
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state, metadata_routing
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives import elastic_net
from .._objectives.columns import CentredColumns, CentredGram, Columns, answer
from .._objectives.design import Design
from .._objectives.least_squares import _CentredRows
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
from ..optimize import Optimality
from ..optimize._stopping import NOT_FINITE as NO_NUMBER
from ._elastic_net_path import check_gram, enet_path

GRAM_COLUMNS = 1000  # of a tall X: up to here the Gram matrices of splits are gathered in one pass ...
GRAM_ENTRIES = 1 << 24  # ... and that of X itself where it is so large that copies of columns hurt
NOT_FINITE = (
    "Coordinate descent iterations resulted in non-finite parameter values: the squares of X or y are too "
    "large to be numbers. Scale them."
)


class PenalisedLeastSquares(RegressorMixin, CalculusEstimator):
    """What the estimators share once they are fitted."""

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class ElasticNet(MultiOutputMixin, PenalisedLeastSquares):
    r"""Least squares with a mix of L1 and L2 penalties.

    Minimises, over the coefficients `w` and the free intercept `b`,

    .. math::
        \frac{1}{2 \sum_i s_i} \sum_i s_i (y_i - x_i^T w - b)^2
        + \alpha \rho \|w\|_1 + \frac{\alpha (1 - \rho)}{2} \|w\|_2^2

    with :math:`\rho` = `l1_ratio` and sample weights `s`; several targets are independent problems.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength :math:`\alpha` of the penalties.
    l1_ratio : float, default=0.5
        The share :math:`\rho` of the L1 penalty, in [0, 1].
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    precompute : bool or array-like of shape (n_features, n_features), default=False
        True gathers the whole Gram matrix of the (centred, weighted) columns first, also where that is not
        the fastest; an array is that matrix, with weights that sum to n_samples.  False gathers what is
        needed.  A sparse X has its products gathered as needed, always.
    max_iter : int or None, default=1000
        Most sweeps of coordinate descent; None for no limit.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    tol : float, default=1e-4
        The fit ends when the duality gap is at most `tol` times the (weighted) mean square of centred y.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Shuffles the coordinates where `selection` is "random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order of the coordinates in a sweep: in turn, or shuffled anew for each.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    sparse_coef_ : sparse matrix of shape (1, n_features) or (n_targets, n_features)
        The same, without the zeros.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    dual_gap_ : float or ndarray of shape (n_targets,)
        The duality gap: the objective is at most so far above its minimum.  Without any penalty, the sum of
        weights times the squared norm of the gradient.
    n_iter_ : int or list of int
        Sweeps of coordinate descent, over working sets of the columns.
    optimality_ : Optimality
        Objective, dual objective, duality gap and the largest violation of the optimality conditions,
        computed from the data and the coefficients that are kept.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    Lasso : The L1 penalty alone.
    ElasticNetCV : Chooses `alpha` and `l1_ratio` by cross-validation.
    enet_path : The coefficients for many `alpha`.

    Notes
    -----
    The columns most correlated with the residual make a working set; its problem is solved by its Gram
    matrix, with coordinate descent and Newton's method on the support, and the correlations of all columns
    are looked at again: they give the duality gap, and the next columns [1]_.

    References
    ----------
    .. [1] Massias, Gramfort and Salmon (2018), "Celer: a fast solver for the lasso with dual extrapolation".

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import ElasticNet
    >>> X = np.array([[-1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    >>> model = ElasticNet(alpha=0.1).fit(X, [-1.0, 0.0, 1.0])
    >>> model.coef_.round(4).tolist()
    [0.8605, 0.0]
    """

    __metadata_request__fit: ClassVar[dict] = {"check_input": metadata_routing.UNUSED}

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "precompute": ["boolean", "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    path = staticmethod(enet_path)
    _rows = None  # with their moments, where these are gathered already

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        fit_intercept=True,
        precompute=False,
        max_iter=1000,
        copy_X=True,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @fitting
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Minimise the penalised mean squared error.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; a number weighs all alike, which changes nothing.
        check_input : bool, default=True
            False skips the checks of X and y, arrays of float64 or float32.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite or too large to be squared, or a Gram matrix
            that is not that of X.
        """
        if self.alpha == 0:
            warnings.warn(
                "With alpha=0, this algorithm does not converge well. You are advised to use the "
                "LinearRegression estimator",
                stacklevel=3,
            )
        if check_input:
            X, y = validate(self, X, y, y_numeric=True, multi_output=True)
            if scipy.sparse.issparse(y):
                check_array(y, ensure_2d=False)  # refuses
        if isinstance(sample_weight, numbers.Number):
            sample_weight = None
        weight, X, y = drop_weightless(check_weights(sample_weight, X), X, y)
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        start = None
        if self.warm_start and hasattr(self, "coef_"):
            self._check_warm_start(X.shape[1], Y.shape[1] if Y.shape[1] > 1 else None)
            start = np.reshape(self.coef_, (-1, X.shape[1]))
        with self._progress(0, X=X, y=y), np.errstate(all="ignore"):
            problems = self._problems(X, Y, weight)
            kept = [self._solve(k, *problem, start) for k, problem in enumerate(problems)]
        self._keep(kept, X.dtype)
        return self

    def _problems(self, X, Y, weight):
        """`(columns, problem, intercept of w)` for each target."""
        n, p = X.shape
        given = hasattr(self.precompute, "__array__") or not isinstance(self.precompute, (bool, np.bool_))
        large = n > p and p <= GRAM_COLUMNS and n * p >= GRAM_ENTRIES
        by_gram = self.precompute is True or given or large or self._rows is not None
        n_threads = thread_count(None)
        if by_gram and not scipy.sparse.issparse(X):
            rows = self._rows or _CentredRows(Design(X, n_threads), Y, weight, self.fit_intercept)
            gram = gram_of(rows, self.precompute if given else None)
            return [gram_problem(rows, gram, k) for k in range(Y.shape[1])]
        columns = Columns(X, n_threads)
        return [column_problem(columns, y, weight, self.fit_intercept) for y in Y.T]

    def _solve(self, k, columns, problem, intercept_of, start):
        """The coefficients and intercept of target k, in X's precision, and their certificate."""
        l1, l2 = self.alpha * self.l1_ratio, self.alpha * (1.0 - self.l1_ratio)
        dtype = columns.dtype
        rng = check_random_state(self.random_state) if self.selection == "random" else None

        def solve():
            point = yield from elastic_net.start(problem, None if start is None else start[k])
            fit = yield from elastic_net.minimise(
                problem,
                point,
                l1,
                l2,
                positive=self.positive,
                tol=self.tol,
                max_iter=sys.maxsize if self.max_iter is None else self.max_iter,
                rng=rng,
            )
            w = fit.point.w.astype(dtype).astype(np.float64)
            if (w != fit.point.w).any():  # certify what is kept
                point = elastic_net.Point(w, *(yield from problem.look(w)))
                fit = fit._replace(point=point)
                fit = fit._replace(gap=elastic_net.duality_gap(problem, point, l1, l2, self.positive))
            return fit

        (fit,) = answer(columns, [solve()])
        w = fit.point.w
        intercept = intercept_of(w)
        if fit.reason == NO_NUMBER or not (np.isfinite(w).all() and np.isfinite(intercept)):
            raise ValueError(NOT_FINITE)
        shift = float(dtype.type(intercept)) - intercept
        optimality = elastic_net.certificate(problem, fit, l1, l2, self.positive, excess=0.5 * shift * shift)
        self._warn_unless_gap(fit, self.tol * problem.y_square, l1)
        return w, intercept, fit.gap + 0.5 * shift * shift, optimality

    def _keep(self, kept, dtype):
        coef, intercept, gap, optimality = zip(*kept)
        self.coef_ = np.array(coef).astype(dtype)
        self.intercept_ = np.array(intercept).astype(dtype)
        self.dual_gap_ = np.array(gap).astype(dtype)
        self.optimality_ = Optimality.merge(optimality)
        self.n_iter_ = [record.n_iter for record in optimality]
        if len(kept) == 1:
            self.coef_, self.n_iter_ = self.coef_[0], self.n_iter_[0]
            self.intercept_, self.dual_gap_ = self.intercept_[0], self.dual_gap_[0]
        if not self.fit_intercept:
            self.intercept_ = 0.0

    def _warn_unless_gap(self, fit, enough, l1):
        warn_unless_converged(fit, enough, l1, stacklevel=7)

    @property
    def sparse_coef_(self):
        """The fitted `coef_` as a sparse matrix."""
        return scipy.sparse.csr_matrix(np.atleast_2d(self.coef_))


class Lasso(ElasticNet):
    r"""Least squares with an L1 penalty, which sets coefficients to zero.

    Minimises, over the coefficients `w` and the free intercept `b`,

    .. math::
        \frac{1}{2 \sum_i s_i} \sum_i s_i (y_i - x_i^T w - b)^2 + \alpha \|w\|_1

    with sample weights `s`; several targets are independent problems.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength :math:`\alpha` of the penalty.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    precompute : bool or array-like of shape (n_features, n_features), default=False
        As of :class:`ElasticNet`.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    max_iter : int or None, default=1000
        Most sweeps of coordinate descent; None for no limit.
    tol : float, default=1e-4
        The fit ends when the duality gap is at most `tol` times the (weighted) mean square of centred y.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Shuffles the coordinates where `selection` is "random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order of the coordinates in a sweep: in turn, or shuffled anew for each.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    sparse_coef_ : sparse matrix of shape (1, n_features) or (n_targets, n_features)
        The same, without the zeros.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    dual_gap_ : float or ndarray of shape (n_targets,)
        The duality gap: the objective is at most so far above its minimum.
    n_iter_ : int or list of int
        Sweeps of coordinate descent, over working sets of the columns.
    optimality_ : Optimality
        Objective, dual objective, duality gap and the largest violation of the optimality conditions,
        computed from the data and the coefficients that are kept.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    ElasticNet : A mix with the L2 penalty.
    LassoCV : Chooses `alpha` by cross-validation.
    lasso_path : The coefficients for many `alpha`.

    Examples
    --------
    >>> from calclearn.linear_model import Lasso
    >>> model = Lasso(alpha=0.1).fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> model.coef_.round(4).tolist(), round(float(model.intercept_), 4)
    ([0.85, 0.0], 0.15)
    """

    _parameter_constraints: ClassVar[dict] = {
        name: allowed for name, allowed in ElasticNet._parameter_constraints.items() if name != "l1_ratio"
    }

    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        precompute=False,
        copy_X=True,
        max_iter=1000,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
    ):
        super().__init__(
            alpha=alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            precompute=precompute,
            copy_X=copy_X,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            positive=positive,
            random_state=random_state,
            selection=selection,
        )


def warn_unless_converged(fit, enough, l1, stacklevel):
    """A ConvergenceWarning that says how far the fit was."""
    if fit.converged:
        return
    hint = "" if l1 > 0 else " Without an L1 penalty, LinearRegression and Ridge solve this directly."
    warnings.warn(
        "Objective did not converge. You might want to increase the number of iterations, scale the "
        f"features or raise the penalty. Duality gap: {fit.gap:.6e}, tolerance: {enough:.3e}.{hint}",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )


def column_problem(columns, y, weight, intercept):
    """`(columns, problem, intercept of w)` by columns."""
    problem = CentredColumns(columns, y, weight, intercept=intercept)
    return columns, problem, lambda w: problem.y_mean - problem.mean @ w if intercept else 0.0


def gram_of(rows, given=None):
    """The Gram matrix of the mean squared error; `given`, where it is that of X, takes its place."""
    if given is not None:
        given = np.asarray(given)
        centre = rows.X.reduce(rows.sums)[0] / rows.total + rows.shift if rows.intercept else np.zeros(rows.p)
        if not np.allclose(centre, 0.0):
            warnings.warn(
                "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix.",
                UserWarning,
                stacklevel=6,
            )
            given = None
        else:
            check_gram(Columns(rows.X.X), centre, rows.weight, given)
    try:
        if not hasattr(rows, "gram"):
            rows.gather()
    except ValueError as error:
        raise ValueError(NOT_FINITE) from error
    if given is None:
        return rows.gram / rows.total
    return np.array(given, np.float64, order="C") / rows.n


def gram_problem(rows, gram, k):
    """`(columns, problem, intercept of w)` of target k by the Gram matrix, exact by the rows."""
    own = copy.copy(rows)
    own.Y, own.K = rows.Y[:, k : k + 1], 1
    own.y_shift, own.y_mean = rows.y_shift[k : k + 1], rows.y_mean[k : k + 1]

    def exact(w):
        squares, gradient, _ = own.gradient(w[:, None])
        return -gradient[:, 0] / rows.total, float(squares[0]) / rows.total

    def intercept(w):
        if not rows.intercept:
            return 0.0
        return float(own.y_shift[0] + own.y_mean[0] - (rows.shift + rows.mean) @ w)

    cross, square = rows.cross[:, k] / rows.total, float(rows.y_squares[k]) / rows.total
    return rows.X, CentredGram(gram, cross, square, rows.total, exact), intercept
