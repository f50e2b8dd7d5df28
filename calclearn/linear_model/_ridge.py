"""Ridge regression, and the classifier that regresses on labels of -1 and 1."""

import warnings
from typing import ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import validate_params
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.ridge import ridge
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    Real,
    StrOptions,
    check_weights,
    fitting,
    thread_count,
    validate,
)

SOLVERS = {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}
SPARSE_WITH_INTERCEPT = ("auto", "lbfgs", "lsqr", "sag", "sparse_cg")
COUNTED = ("auto", "lsqr", "sag", "saga", "lbfgs")  # solvers that state their iterations


def penalties(alpha, n_targets):
    """One penalty for each target, of shape (n_targets,); a ValueError says what is wrong with `alpha`."""
    alpha = np.asarray(alpha, dtype=np.float64).ravel()
    if len(alpha) not in (1, n_targets):
        raise ValueError(
            f"Number of targets and number of penalties do not correspond: {len(alpha)} != {n_targets}"
        )
    if not (np.isfinite(alpha).all() and (alpha >= 0).all()):
        raise ValueError(f"alpha must be finite and not negative, got {alpha.tolist()}")
    return np.broadcast_to(alpha, (n_targets,)).copy()


class LinearPredictor(CalculusEstimator):
    """What the ridge estimators share: raw predictions, and fitted arrays in the shapes of the targets."""

    def _raw(self, X):
        check_is_fitted(self)
        X = validate(self, X, sparse=("csr", "csc", "coo"), reset=False)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_

    def _keep(self, coef, intercept, one_dimensional, dtype):
        """Set ``coef_`` and ``intercept_`` from arrays of shape (K, p) and (K,)."""
        coef, intercept = coef.astype(dtype, copy=False), intercept.astype(dtype, copy=False)
        self.coef_ = coef[0] if len(coef) == 1 else coef
        self.intercept_ = intercept[0] if one_dimensional else intercept
        if not self.fit_intercept:
            self.intercept_ = 0.0


class BaseRidge(LinearPredictor):
    """The parameters of ridge regression, and the fit for targets that are numbers."""

    _parameter_constraints: ClassVar[dict] = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions(SOLVERS)],
        "positive": ["boolean"],
        "random_state": ["random_state"],
    }

    def _check_solver(self, sparse):
        solver = self.solver
        if solver == "lbfgs" and not self.positive:
            raise ValueError("'lbfgs' solver can be used only when positive=True. Please use another solver.")
        if self.positive and solver not in ("auto", "lbfgs"):
            raise ValueError(
                f"solver='{solver}' does not support positive fitting. Please set the solver to 'auto' or "
                "'lbfgs', or set `positive=False`"
            )
        if not sparse:
            return
        if self.fit_intercept and solver not in SPARSE_WITH_INTERCEPT:
            raise ValueError(
                f"solver='{solver}' does not support fitting the intercept on sparse data. Please set the "
                "solver to 'auto' or 'lsqr', 'sparse_cg', 'sag', 'lbfgs' or set `fit_intercept=False`"
            )
        if solver == "svd":
            raise TypeError("SVD solver does not support sparse inputs currently")
        if self.fit_intercept and solver == "sag" and self.max_iter is None and self.tol > 1e-4:
            warnings.warn(
                '"sag" solver requires many iterations to fit an intercept with sparse inputs. Either set '
                'the solver to "auto" or "sparse_cg", or set a low "tol" and a high "max_iter" (especially '
                "if inputs are not standardized).",
                UserWarning,
                stacklevel=7,
            )

    def _solve(self, X, y, weight):
        """Fit the targets `y` of shape (n,) or (n, K); answers what to say should it not have converged."""
        self._check_solver(issparse(X))
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        with self._progress(0, X=X, y=y):
            fit = ridge(
                Design(X, thread_count()),
                Y,
                weight,
                penalties(self.alpha, Y.shape[1]),
                intercept=self.fit_intercept,
                solver=self.solver,
                positive=self.positive,
                tol=self.tol,
                max_iter=self.max_iter,
                rng=lambda: check_random_state(self.random_state),
            )
        self._keep(fit.coef, fit.intercept, np.ndim(y) == 1, X.dtype)
        self.n_iter_ = fit.n_iter if self.solver in COUNTED else None
        self.solver_, self.optimality_ = fit.solver, fit.optimality
        return f"The {fit.solver} solver did not converge; max_iter={self.max_iter}, tol={self.tol}."

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver != "svd" and (
            self.solver != "cholesky" or not self.fit_intercept
        )
        return tags


class Ridge(MultiOutputMixin, RegressorMixin, BaseRidge):
    r"""Least squares with an L2 penalty.

    Minimises, for each target with its own :math:`\alpha`, over `w` and the free intercept `b`,

    .. math::
        \sum_i s_i (y_i - x_i^T w - b)^2 + \alpha \|w\|_2^2 .

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty, not negative; of each target, if there are several.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    max_iter : int or None, default=None
        Most iterations of the iterative solvers; None takes SciPy's defaults, and 1000 epochs of "sag" and
        "saga".
    tol : float, default=1e-4
        Of the iterative solvers, relative: the residual of the normal equations ("sparse_cg"), that of the
        damped system ("lsqr"), or the gradient ("sag", "saga") to what it is at zero; for "lbfgs" SciPy's
        `tol`.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        - "cholesky": the normal equations on equilibrated columns, refined with residuals taken from X; in
          the rows where those are fewer than the columns.
        - "svd": the singular value decomposition of X, through its triangle.
        - "lsqr": Paige and Saunders' LSQR with damping.
        - "sparse_cg": conjugate gradients.
        - "sag", "saga": stochastic average gradients.
        - "lbfgs": L-BFGS-B, for `positive` alone.
        - "auto": "cholesky", or for large sparse X "sparse_cg"; with `positive` coordinate descent on the
          Gram matrix, and "lbfgs" where there are too many columns for one.

        None of the iterative solvers copies X, but for "sag" and "saga" that centre a dense one.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Draws the rows in "sag" and "saga".

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    n_iter_ : ndarray of shape (n_targets,) or None
        Iterations; of "auto" that factorises, one and one for each refinement.  None for "svd", "cholesky"
        and "sparse_cg".
    solver_ : str
        The solver that was used; "coordinate_descent" is "auto" under `positive`.
    optimality_ : Optimality
        The objective, the largest component of its gradient, and how far it can be above its minimum, by
        the factor of the normal equations or by strong convexity; in `details` the condition number where
        the solver knows it.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    RidgeCV : Chooses `alpha` by leaving rows out, or over folds.
    LinearRegression : Without a penalty.
    Lasso : With an L1 penalty, which sets coefficients to zero.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import Ridge
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = Ridge(alpha=2.0).fit(X, np.array([0.0, 2.0, 4.0]))
    >>> model.coef_.tolist(), float(model.intercept_)  # half of the slope, about the mean
    ([1.0], 1.0)
    """

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        solver="auto",
        positive=False,
        random_state=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the penalised sum of squares.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or a solver that does not fit them.
        """
        X, y = validate(self, X, y, multi_output=True, y_numeric=True)
        hint = self._solve(X, y, check_weights(sample_weight, X))
        self._warn_unless_converged(self.optimality_, hint)
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
        return self._raw(X)


class LabelsAsNumbers(ClassifierMixin, LinearPredictor):
    """Classes as targets of -1 and 1, one column a class, and back."""

    def _binarised(self, X, y, sample_weight):
        """`(X, y, Y, weight)`: validated, the targets of shape (n, K), and weights or None."""
        X, y = validate(self, X, y, multi_output=True)
        binarizer = LabelBinarizer(pos_label=1, neg_label=-1)
        Y = binarizer.fit_transform(y)
        Y = Y.toarray() if issparse(Y) else Y
        self.classes_ = binarizer.classes_
        self._multilabel = binarizer.y_type_.startswith("multilabel")
        if not self._multilabel:
            y = column_or_1d(y, warn=True)
        weight = check_weights(sample_weight, X)
        if self.class_weight:
            of_class = compute_sample_weight(self.class_weight, y)
            weight = check_weights(of_class if weight is None else weight * of_class, X)
        return X, y, Y.astype(np.float64), weight

    def decision_function(self, X):
        """The raw predictions `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, positive where ``classes_[1]`` is predicted.
        """
        scores = self._raw(X)
        return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores

    def predict(self, X):
        """The classes with the largest scores; of several labels, those with a positive score.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        scores = self.decision_function(X)
        if self._multilabel:
            return (scores > 0).astype(int).reshape(len(scores), -1)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RidgeClassifier(LabelsAsNumbers, BaseRidge):
    r"""Classification by ridge regression on labels of -1 and 1.

    Several classes, or labels, are several targets: one against the rest.  See :class:`Ridge` for what is
    minimised.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, not negative.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    max_iter : int or None, default=None
        Most iterations, as in :class:`Ridge`.
    tol : float, default=1e-4
        Of the iterative solvers, as in :class:`Ridge`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; "balanced" gives all the same total.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        As in :class:`Ridge`.
    positive : bool, default=False
        Restrict the coefficients to be non-negative.
    random_state : int, RandomState instance or None, default=None
        Draws the rows in "sag" and "saga".

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_classes, n_features)
        Coefficients; for two classes of one target.
    intercept_ : float or ndarray of shape (n_targets,)
        The constant `b`.
    n_iter_ : ndarray of shape (n_targets,) or None
        Iterations, as in :class:`Ridge`.
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    solver_ : str
        The solver that was used.
    optimality_ : Optimality
        As in :class:`Ridge`, of all targets together.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    RidgeClassifierCV : Chooses `alpha` by leaving rows out, or over folds.
    LogisticRegression : Classification with probabilities.

    Examples
    --------
    >>> from calclearn.linear_model import RidgeClassifier
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> RidgeClassifier().fit(X, ["a", "a", "b", "b"]).predict([[0.5], [2.5]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRidge._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        class_weight=None,
        solver="auto",
        positive=False,
        random_state=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Fit the regression on -1 and 1.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators of several labels.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data that are not finite, or a solver that does not fit them.
        """
        X, _, Y, weight = self._binarised(X, y, sample_weight)
        hint = self._solve(X, Y, weight)
        self._warn_unless_converged(self.optimality_, hint)
        return self


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "sample_weight": [Interval(Real, None, None, closed="neither"), "array-like", None],
        "solver": [StrOptions(SOLVERS)],
        "max_iter": [Interval(Integral, 0, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "return_n_iter": ["boolean"],
        "return_intercept": ["boolean"],
        "check_input": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def ridge_regression(
    X,
    y,
    alpha,
    *,
    sample_weight=None,
    solver="auto",
    max_iter=None,
    tol=1e-4,
    verbose=0,
    positive=False,
    random_state=None,
    return_n_iter=False,
    return_intercept=False,
    check_input=True,
):
    """The coefficients of ridge regression, without an intercept.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    alpha : float or array-like of shape (n_targets,)
        Strength of the penalty, not negative.
    sample_weight : float or array-like of shape (n_samples,), default=None
        Non-negative weights of the rows.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        As in :class:`Ridge`.
    max_iter : int or None, default=None
        Most iterations, as in :class:`Ridge`.
    tol : float, default=1e-4
        Of the iterative solvers, as in :class:`Ridge`.
    verbose : int, default=0
        Whether a solver that does not converge in its own `max_iter` says so.
    positive : bool, default=False
        Restrict the coefficients to be non-negative; by "lbfgs".
    random_state : int, RandomState instance or None, default=None
        Draws the rows in "sag" and "saga".
    return_n_iter : bool, default=False
        Return the iterations too.
    return_intercept : bool, default=False
        Fit a free intercept, and return it too; by "sag", which "auto" is then.
    check_input : bool, default=True
        Whether X and y are checked, and converted to arrays.

    Returns
    -------
    coef : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients.
    n_iter : ndarray of shape (n_targets,) or None, optional
        Iterations; with `return_n_iter`.
    intercept : float or ndarray of shape (n_targets,), optional
        With `return_intercept`.

    Raises
    ------
    ValueError
        For invalid parameters, data that are not finite, or a solver that does not fit them.

    See Also
    --------
    Ridge : The same as an estimator, with a free intercept.

    Examples
    --------
    >>> from calclearn.linear_model import ridge_regression
    >>> ridge_regression([[1.0], [2.0]], [1.0, 2.0], alpha=5.0).round(6).tolist()
    [0.5]
    """
    if solver == "auto" and return_intercept and not positive:
        solver = "sag"
    if positive and solver not in ("auto", "lbfgs"):
        raise ValueError(
            f"When positive=True, only 'lbfgs' solver can be used. Please change solver {solver} to 'lbfgs' "
            "or set positive=False."
        )
    if solver == "lbfgs" and not positive:
        raise ValueError("'lbfgs' solver can be used only when positive=True. Please use another solver.")
    if return_intercept and solver != "sag":
        raise ValueError(
            "In Ridge, only 'sag' solver can directly fit the intercept. Please change solver to 'sag' or "
            "set return_intercept=False."
        )
    if check_input:
        X = check_array(X, accept_sparse=("csr", "csc"), dtype=(np.float64, np.float32))
        y = check_array(y, dtype=X.dtype, ensure_2d=False)
    check_consistent_length(X, y)
    if y.ndim > 2:
        raise ValueError(f"Target y has the wrong shape {y.shape}")
    if solver == "svd" and issparse(X):
        raise TypeError("SVD solver does not support sparse inputs currently")
    Y = np.asarray(y, np.float64).reshape(len(y), -1)
    fit = ridge(
        Design(X, thread_count()),
        Y,
        check_weights(sample_weight, X),
        penalties(alpha, Y.shape[1]),
        intercept=return_intercept,
        solver=solver,
        positive=positive,
        tol=tol,
        max_iter=max_iter,
        rng=lambda: check_random_state(random_state),
    )
    if fit.optimality.converged is False and (verbose or fit.solver != "sparse_cg"):
        warnings.warn(
            f"{fit.solver} did not converge after {fit.optimality.n_iter} iterations.",
            ConvergenceWarning,
            stacklevel=3,
        )
    coef, intercept = fit.coef.astype(X.dtype, copy=False), fit.intercept.astype(X.dtype, copy=False)
    single = len(coef) == 1
    results = [coef[0] if single else coef]
    if return_n_iter:
        results.append(fit.n_iter if solver in COUNTED else None)
    if return_intercept:
        results.append(intercept[0] if single else intercept)
    return results[0] if len(results) == 1 else tuple(results)
