"""The penalty of the lasso and the elastic net by cross-validation."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn import get_config
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, check_scalar, column_or_1d
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from .._objectives.columns import FEW, CentredColumns, CentredGram, Columns, answer
from .._objectives.design import Design
from .._objectives.least_squares import _CentredRows
from .._runtime import threads
from ..base import Integral, Interval, Real, StrOptions, check_weights, fitting, thread_count, validate
from ._elastic_net import GRAM_COLUMNS, NOT_FINITE, ElasticNet, Lasso, PenalisedLeastSquares
from ._elastic_net_path import enet_path, grid, lasso_path, path, report_on, warn_of_path

WEAKEST = 1e-6  # share of a total that must be left, for a difference to be taken


@dataclass
class Fold:
    """The rows of one split, and what is learnt from them."""

    train: np.ndarray
    test: np.ndarray
    seed: int
    mean: np.ndarray | None = None
    y_mean: float = 0.0
    held_out: tuple | None = None  # moments of the rows left out, and what is subtracted from them first


class LinearModelCV(PenalisedLeastSquares):
    """What the two estimators share: folds, paths and the choice."""

    _parameter_constraints: ClassVar[dict] = {
        "eps": [Interval(Real, 0, None, closed="neither")],
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "precompute": [StrOptions({"auto"}), "array-like", "boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "copy_X": ["boolean"],
        "cv": ["cv_object"],
        "verbose": ["verbose"],
        "n_jobs": [Integral, None],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    @fitting
    def fit(self, X, y, sample_weight=None, **params):
        """Choose the penalty by cross-validation, and fit it to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in the fits and in the errors of the rows left out.
        **params : dict
            For the splitter, such as ``groups``; with scikit-learn's metadata routing enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or a split whose rows all weigh nothing.
        """
        routing = get_config()["enable_metadata_routing"]
        if params and not routing:
            raise ValueError(
                f"Passing {sorted(params)} to {type(self).__name__}.fit is only supported if "
                "enable_metadata_routing=True, which can be set by sklearn.set_config"
            )
        X, y = validate(self, X, y, y_numeric=True, multi_output=True)
        if y.ndim > 1 and y.shape[1] > 1:
            raise ValueError(f"For multi-task outputs, use MultiTask{type(self).__name__}")
        y = column_or_1d(y, warn=True).astype(np.float64)
        if isinstance(sample_weight, Real):
            sample_weight = None
        weight = check_weights(sample_weight, X)
        l1_ratios = np.atleast_1d(getattr(self, "l1_ratio", 1.0))
        splitting = {}
        if routing:
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            splitting = routed.splitter.split
        folds = self._folds(X, y, splitting)
        check_folds(weight, folds)
        with self._progress(0, X=X, y=y), np.errstate(all="ignore"):
            alphas, errors, total = self._errors(X, y, weight, l1_ratios, folds)
        mean = errors.mean(axis=1)
        best, chosen = np.unravel_index(np.argmin(mean), mean.shape)
        self.mse_path_ = np.squeeze(np.moveaxis(errors, 2, 1))
        self.alpha_ = alphas[best][chosen]
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = l1_ratios[best]
        shared = len(l1_ratios) == 1 or not isinstance(self.alphas, Integral)
        self.alphas_ = np.asarray(alphas[0] if shared else alphas)
        self._fit_chosen(X, y, weight, l1_ratios[best], total)
        return self

    def _fit_chosen(self, X, y, weight, l1_ratio, total):
        model = self._get_estimator()
        of_model = model.get_params()
        model.set_params(**{name: value for name, value in self.get_params().items() if name in of_model})
        model.alpha, model.l1_ratio = self.alpha_, l1_ratio
        if isinstance(self.precompute, str):
            model.precompute = False
        if model.precompute is False or model.precompute is True:
            model._rows = total  # not gathered again
        model.fit(X, y, sample_weight=weight)
        for name in ("coef_", "intercept_", "dual_gap_", "n_iter_", "optimality_"):
            setattr(self, name, getattr(model, name))

    def _folds(self, X, y, splitting):
        rng = check_random_state(self.random_state)
        every = np.arange(X.shape[0])
        splits = check_cv(self.cv).split(X, y, **splitting)
        # what a splitter yields may be a mask
        return [Fold(every[train], every[test], rng.randint(2**31 - 1)) for train, test in splits]

    def _errors(self, X, y, weight, l1_ratios, folds):
        """Penalties for each l1_ratio, errors of shape (l1_ratios, folds, penalties), moments of all rows."""
        n_threads = thread_count(self.n_jobs)
        columns = Columns(X, n_threads)
        smallest = min(len(fold.train) for fold in folds)
        p = X.shape[1]
        tall = smallest > p and p <= GRAM_COLUMNS
        if (tall or self.precompute is True) and not columns.sparse:
            try:
                problems, total = gram_folds(X, y, weight, self.fit_intercept, folds, n_threads)
            except ValueError as error:
                raise ValueError(NOT_FINITE) from error
            cross = total.cross[:, 0] / total.total
        else:
            total = None
            problems, cross = column_folds(columns, y, weight, self.fit_intercept, folds)
            if tall and p <= FEW:
                problems = whole_gram(columns, folds, problems)
        alphas = self._penalties(cross, l1_ratios)
        paths = [self._paths(fold, problem, l1_ratios, alphas) for fold, problem in zip(folds, problems)]
        fits = answer(columns, paths)
        self._warn_of_paths(problems, fits)
        by_rows = X.tocsr() if columns.sparse else X
        held_out = threads.run(
            lambda both: _squared_errors(by_rows, y, weight, self.fit_intercept, *both),
            zip(folds, problems, fits),
            n_threads,
        )
        return alphas, np.array(held_out).swapaxes(0, 1), total

    def _penalties(self, correlation, l1_ratios):
        if isinstance(self.alphas, Integral):
            return [grid(correlation, r, self.eps, self.alphas, self.positive) for r in l1_ratios]
        for i, alpha in enumerate(self.alphas):
            check_scalar(alpha, f"alphas[{i}]", Real, min_val=0.0, include_boundaries="left")
        return [np.sort(self.alphas)[::-1]] * len(l1_ratios)

    def _paths(self, fold, problem, l1_ratios, alphas):
        """Generator: for each l1_ratio the fits along its penalties."""
        fits = []
        for l1_ratio, of_ratio in zip(l1_ratios, alphas):
            random = self.selection == "random"
            _, along = yield from path(
                problem,
                of_ratio,
                l1_ratio,
                positive=self.positive,
                tol=self.tol,
                max_iter=self.max_iter,
                rng=np.random.RandomState(fold.seed) if random else None,
                report=report_on(self.verbose),
            )
            fits.append(along)
        return fits

    def _warn_of_paths(self, problems, fits):
        every = [fit for of_fold in fits for along in of_fold for fit in along]
        warn_of_path(every, self.tol * max(problem.y_square for problem in problems), 7)

    def get_metadata_routing(self):
        """How scikit-learn's metadata routing reaches the splitter.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=check_cv(self.cv), method_mapping=mapping)


class ElasticNetCV(LinearModelCV):
    r"""Elastic net, `alpha` and `l1_ratio` chosen by cross-validation.

    The objective is that of :class:`ElasticNet`.  For each `l1_ratio` and each split of the rows the
    whole path of penalties is computed, each from the last; the pair with the smallest mean squared error
    on the rows left out, averaged over the splits, is fitted to all rows.

    Parameters
    ----------
    l1_ratio : float or array-like of float, default=0.5
        The shares of the L1 penalty to try.
    eps : float, default=1e-3
        The smallest penalty, as a share of the largest.
    alphas : int or array-like, default=100
        The penalties to try, or how many to place on a logarithmic grid below the smallest that sets all
        coefficients to zero.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    precompute : "auto", bool or array-like of shape (n_features, n_features), default="auto"
        True gathers the whole Gram matrix of each split, also where that is not the fastest; an array is that
        of all rows, for the last fit.
    max_iter : int, default=1000
        Most sweeps of coordinate descent for a penalty.
    tol : float, default=1e-4
        A fit ends when the duality gap is at most `tol` times the (weighted) mean square of the centred y.
    cv : int, cross-validation generator or iterable, default=None
        The splits; None for five folds.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    verbose : bool or int, default=0
        Report each penalty.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Shuffles the coordinates where `selection` is "random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order of the coordinates in a sweep: in turn, or shuffled anew for each.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    l1_ratio_ : float
        The share of the L1 penalty chosen.
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        The constant `b`.
    mse_path_ : ndarray of shape (n_l1_ratio, n_alpha, n_folds)
        Mean squared errors on the rows left out; a single `l1_ratio` has no axis.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratio, n_alphas)
        The penalties tried, the largest first.
    dual_gap_ : float
        The duality gap of the last fit.
    n_iter_ : int
        Its sweeps of coordinate descent.
    optimality_ : Optimality
        How far from its optimum it stopped.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    ElasticNet : With given penalties.
    LassoCV : The L1 penalty alone.

    Notes
    -----
    With more rows than columns, the Gram matrix of each split is that of all rows less that of the rows left
    out: two passes over X serve all splits.  With more columns, the splits ask at the same time for the
    correlations of all columns with their residuals, and one pass answers all.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import ElasticNetCV
    >>> X = np.random.default_rng(0).normal(size=(100, 5))
    >>> model = ElasticNetCV(l1_ratio=[0.5, 1.0]).fit(X, X[:, 0] + 1.0)
    >>> float(model.l1_ratio_), model.coef_.round(2).tolist()
    (1.0, [1.0, 0.0, 0.0, 0.0, 0.0])
    """

    _parameter_constraints: ClassVar[dict] = {
        **LinearModelCV._parameter_constraints,
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
    }

    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        cv=None,
        copy_X=True,
        verbose=0,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def _get_estimator(self):
        return ElasticNet()


class LassoCV(LinearModelCV):
    r"""Lasso, `alpha` chosen by cross-validation.

    The objective is that of :class:`Lasso`.  For each split of the rows the whole path of penalties is
    computed, each from the last; the one with the smallest mean squared error on the rows left out, averaged
    over the splits, is fitted to all rows.

    Parameters
    ----------
    eps : float, default=1e-3
        The smallest penalty, as a share of the largest.
    alphas : int or array-like, default=100
        The penalties to try, or how many to place on a logarithmic grid below the smallest that sets all
        coefficients to zero.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    precompute : "auto", bool or array-like of shape (n_features, n_features), default="auto"
        True gathers the whole Gram matrix of each split, also where that is not the fastest; an array is that
        of all rows, for the last fit.
    max_iter : int, default=1000
        Most sweeps of coordinate descent for a penalty.
    tol : float, default=1e-4
        A fit ends when the duality gap is at most `tol` times the (weighted) mean square of the centred y.
    cv : int, cross-validation generator or iterable, default=None
        The splits; None for five folds.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    verbose : bool or int, default=False
        Report each penalty.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Shuffles the coordinates where `selection` is "random".
    selection : {"cyclic", "random"}, default="cyclic"
        The order of the coordinates in a sweep: in turn, or shuffled anew for each.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        The constant `b`.
    mse_path_ : ndarray of shape (n_alpha, n_folds)
        Mean squared errors on the rows left out.
    alphas_ : ndarray of shape (n_alphas,)
        The penalties tried, the largest first.
    dual_gap_ : float
        The duality gap of the last fit.
    n_iter_ : int
        Its sweeps of coordinate descent.
    optimality_ : Optimality
        How far from its optimum it stopped.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    Lasso : With a given penalty.
    ElasticNetCV : A mix with the L2 penalty.

    Notes
    -----
    With more rows than columns, the Gram matrix of each split is that of all rows less that of the rows left
    out: two passes over X serve all splits.  With more columns, the splits ask at the same time for the
    correlations of all columns with their residuals, and one pass answers all.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import LassoCV
    >>> X = np.random.default_rng(0).normal(size=(100, 5))
    >>> LassoCV().fit(X, X[:, 0] + 1.0).coef_.round(2).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0]
    """

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        cv=None,
        copy_X=True,
        verbose=False,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
    ):
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def _get_estimator(self):
        return Lasso()


def column_folds(columns, y, weight, intercept, folds):
    """Problems by columns, that share the passes over X, and the correlations of all rows with y."""
    n = columns.shape[0]
    problems = []
    for fold in folds:
        own = np.zeros(n)
        own[fold.train] = 1.0 if weight is None else weight[fold.train]
        problems.append(CentredColumns(columns, y, own, intercept=intercept))
    (correlation,) = answer(columns, [CentredColumns(columns, y, weight, intercept=intercept).begin()])
    return problems, correlation


def whole_gram(columns, folds, problems):
    """The same problems by Gram matrices, whose paths need no pass over X."""
    crosses = answer(columns, [problem.begin() for problem in problems])
    for fold, problem in zip(folds, problems):
        fold.mean, fold.y_mean = problem.mean, problem.y_mean
    every = np.arange(columns.shape[1])
    return [
        CentredGram(problem.gram(every), cross, problem.y_square, problem.total)
        for problem, cross in zip(problems, crosses)
    ]


def gram_folds(X, y, weight, intercept, folds, n_threads):
    """Problems by Gram matrices, and the moments of all rows."""
    Y = y[:, None]
    total = _CentredRows(Design(X, n_threads), Y, weight, intercept)
    total.gather()
    problems = threads.run(lambda fold: _gram_fold(total, X, Y, weight, fold), folds, n_threads)
    return problems, total


def _gram_fold(total, X, Y, weight, fold):
    """The Gram matrix of the rows to fit: of all, less that of the others, where these are few."""
    with threads.blas_threads(1):
        rows = _difference(total, X, Y, weight, fold) or _gathered(total, X, Y, weight, fold.train)
    fold.mean, fold.y_mean = rows.shift + rows.mean, float(rows.y_shift[0] + rows.y_mean[0])
    size = rows.total
    return CentredGram(rows.gram / size, rows.cross[:, 0] / size, float(rows.y_squares[0]) / size, size)


def _gathered(total, X, Y, weight, index):
    own = None if weight is None else weight[index]
    rows = _CentredRows(Design(take_rows(X, index)), Y[index], own, total.intercept)
    rows.gather()
    return rows


def _difference(total, X, Y, weight, fold):
    """Moments of the rows to fit, or None where too few digits would be left."""
    others = np.zeros(len(Y), bool)
    others[fold.test] = True
    if len(fold.train) + len(fold.test) != len(Y) or others[fold.train].any() or 2 * len(fold.test) > len(Y):
        return None
    own = None if weight is None else weight[fold.test]
    rows = _CentredRows(Design(take_rows(X, fold.test)), Y[fold.test], own, False)
    rows.shift, rows.y_shift = total.shift + total.mean, total.y_shift + total.y_mean
    moments = gram, cross, sums, y_sums, y_squares = rows.X.reduce(rows._moments)
    fold.held_out = (*moments, rows.total, rows.shift, rows.y_shift)
    gram, cross, y_squares = total.gram - gram, total.cross - cross, total.y_squares - y_squares
    rows.total = total.total - rows.total
    if total.intercept:  # `sums` are those of the rows to fit, with the other sign
        rows.mean, rows.y_mean = -sums / rows.total, -y_sums / rows.total
        gram -= np.outer(sums, sums) / rows.total
        cross -= np.outer(sums, y_sums) / rows.total
        y_squares = y_squares - y_sums**2 / rows.total
    rows.gram, rows.cross, rows.y_squares = gram, cross, y_squares
    left = np.concatenate([np.diag(gram) >= WEAKEST * total.squares, y_squares >= WEAKEST * total.y_squares])
    return rows if left.all() and rows.total > WEAKEST * total.total else None


def _squared_errors(X, y, weight, intercept, fold, problem, fits):
    """Mean squared errors on the rows left out, of shape (l1_ratios, penalties)."""
    W = np.array([[fit.point.w for fit in along] for along in fits])
    used = np.flatnonzero(W.any(axis=(0, 1)))
    flat = np.concatenate(W)[:, used].T
    mean, y_mean = (fold.mean, fold.y_mean) if fold.mean is not None else (problem.mean, problem.y_mean)
    offset = y_mean - mean[used] @ flat if intercept else np.zeros(flat.shape[1])
    if fold.held_out is not None:
        errors = _errors_by_moments(*fold.held_out, used, flat, offset)
        if errors is not None:
            return errors.reshape(W.shape[:2])
    X_test = take_rows(X, fold.test)[:, used]
    with threads.blas_threads(1):
        residual = X_test @ flat
    residual += offset - y[fold.test, None]
    residual *= residual
    own = None if weight is None else weight[fold.test]
    return np.average(residual, axis=0, weights=own).reshape(W.shape[:2])


def _errors_by_moments(gram, cross, sums, y_sums, y_squares, total, shift, y_shift, used, flat, offset):
    """Mean squared errors of the columns of `flat`, or None where too few digits would be left."""
    with threads.blas_threads(1):
        fitted = np.einsum("ij,ij->j", flat, gram[np.ix_(used, used)] @ flat)
        offset = offset + shift[used] @ flat - y_shift[0]
        size = y_squares[0] + fitted + total * offset**2
        errors = size - 2 * (cross[used, 0] @ flat + offset * (y_sums[0] - sums[used] @ flat))
    return errors / total if (errors > WEAKEST * size).all() else None


def check_folds(weight, folds):
    """Raise unless some row to fit, and some row left out, of each split has weight."""
    for k, fold in enumerate(folds):
        for name, index in (("to fit", fold.train), ("left out", fold.test)):
            if weight is not None and not weight[index].any():
                raise ValueError(f"sample_weight: the rows {name} of split {k} all weigh nothing")


def take_rows(X, index):
    """`X[index]`; a view where the rows are neighbours."""
    if not scipy.sparse.issparse(X) and len(index) and (np.diff(index) == 1).all():
        return X[index[0] : index[-1] + 1]
    return X[index]
