"""Logistic regression: the log loss, binary or multinomial, under an L2, L1 or elastic-net penalty."""

import warnings
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Hidden
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._objectives.solving import certify, minimise
from ..base import (
    CalculusEstimator,
    Integral,
    Interval,
    Real,
    SparseCoefMixin,
    StrOptions,
    classes_and_codes,
    fitting,
    thread_count,
    validate,
)
from ..losses import get_loss
from ._inference import ClassifierInferenceMixin
from ._logistic_problem import (
    SOLVERS,
    LogisticProblem,
    advice,
    check_classes,
    check_range,
    check_solver,
    row_weights,
)
from ._separation import warn_if_separated


class LogisticRegression(ClassifierMixin, SparseCoefMixin, ClassifierInferenceMixin, CalculusEstimator):
    r"""Logistic regression, binary or multinomial.

    Minimises, over coefficients `w` and intercepts `b` that are not penalised,

    .. math::
        C \sum_i s_i\,\ell(y_i, x_i^T w + b) + \frac{1 - \rho}{2} \|w\|_2^2 + \rho \|w\|_1

    with the log loss :math:`\ell` of two classes, or of several, and :math:`\rho` the `l1_ratio`.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", None}, default="deprecated"
        Deprecated in scikit-learn 1.8: use `l1_ratio` and `C`.
    C : float, default=1.0
        Inverse strength of the penalty; ``C=np.inf`` is no penalty.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, from 0 to 1.  "auto" and "saga" take any, "liblinear" 0 or 1, the other
        solvers 0.
    dual : bool, default=False
        Solve the dual problem, by coordinate descent; for ``solver="liblinear"`` only.
    tol : float, default=1e-4
        The fit ends when no component of the gradient of the objective divided by ``C Σ s`` is larger in
        absolute value.  It is the same for all solvers.
    fit_intercept : bool, default=True
        Whether the intercepts are free, or zero.
    intercept_scaling : float, default=1
        With ``solver="liblinear"`` the intercept is `intercept_scaling` times the coefficient of a constant
        column, and that coefficient is penalised like the others, by L1 too.
    class_weight : dict or "balanced", default=None
        Weights of the classes, which multiply the sample weights.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of "sag" and "saga", and orders those of "liblinear" in the dual.
    solver : {"auto", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"}, default="auto"
        "auto" chooses by the shape of X; all but "liblinear", which penalises the intercept and takes two
        classes only, have the same optimum.
    max_iter : int, default=100
        Most iterations of the solver; of "sag", "saga" and "liblinear" in the dual, passes over the rows.
        With 0 all parameters stay zero.
    verbose : int, default=0
        Print the objective after each iteration.
    warm_start : bool, default=False
        Start from the coefficients of the previous fit.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients of the decision function.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Its constants.
    n_iter_ : ndarray of shape (1,)
        Iterations taken.
    optimality_ : Optimality
        How far from the optimum the fit stopped, in the scale of the objective above: its gradient's norm
        and a bound on the distance to the minimum, or with an L1 penalty the duality gap.
    loss_curve_ : list of float
        The objective at the start and after each iteration.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    LogisticRegressionCV : Chooses `C` and `l1_ratio` by cross-validation.
    GeneralizedLinearRegressor : Regression under any loss.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression().fit(X, y)
    >>> model.predict(X[:2]).tolist(), round(model.score(X, y), 2)
    ([0, 0], 0.97)
    >>> model.optimality_.suboptimality_bound < 1e-3
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), None, Hidden(StrOptions({"deprecated"}))],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions(set(SOLVERS))],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="auto",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Minimise the penalised log loss.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 is kept.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, one class only, several with ``solver="liblinear"``, or a penalty
            that the solver does not support.
        """
        C, l1_ratio = self._strength()
        X, y = validate(self, X, y)
        classes, codes = classes_and_codes(y)
        check_classes(classes, self.solver)
        check_range(X, self.solver)
        weight = row_weights(sample_weight, self.class_weight, X, y, classes, codes)
        problem = LogisticProblem(
            X, codes, weight, len(classes), self, l1=l1_ratio > 0, n_threads=thread_count(self.n_jobs)
        )
        del codes  # of which the problem has a copy in X's precision
        objective, scale = problem.objective(C, l1_ratio), problem.scale(C)
        start = self._start(problem, objective, classes)

        def fitted(x):
            return dict(zip(("coef_", "intercept_"), problem.unpack(objective, x))) | {"classes_": classes}

        with self._progress(self.max_iter, fitted, X=X, y=y, scale=scale) as progress:
            solution, x = minimise(
                objective,
                self.solver,
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress,
                dual=self.dual,
                rng=check_random_state(self.random_state),
            )
        for name, value in fitted(x).items():
            setattr(self, name, value)
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.optimality_ = certify(objective, solution, x, scale=scale)
        self.loss_curve_ = [scale * value for value in solution.curve]
        if not warn_if_separated(self, objective, x):
            self._warn_unless_converged(self.optimality_, advice(self.solver, solution.n_iter))
        return self

    def decision_function(self, X):
        """The raw predictions `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log odds of ``classes_[1]``.
        """
        check_is_fitted(self)
        X = validate(self, X, reset=False)
        scores = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X):
        """The most probable labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        raw = self.decision_function(X)
        return np.column_stack([expit(-raw), expit(raw)]) if raw.ndim == 1 else softmax(raw, axis=1)

    def predict_log_proba(self, X):
        """Logarithms of the probabilities; finite where the probability underflows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return np.column_stack([log_expit(-raw), log_expit(raw)])
        return log_softmax(raw, axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = self.solver != "liblinear"
        return tags

    # ---------------------------------------------------------------------------------------- parts

    def _strength(self):
        """`(C, l1_ratio)` as the deprecated `penalty` leaves them; warns and raises as scikit-learn does."""
        penalty, C, ratio = self.penalty, self.C, self.l1_ratio
        if penalty == "deprecated":
            if ratio is None:
                warnings.warn(
                    "'l1_ratio=None' was deprecated in version 1.8 of scikit-learn and will be an error in "
                    "1.10: use a number from 0 to 1",
                    FutureWarning,
                    stacklevel=5,
                )
            penalty = {0: "l2", None: "l2", 1: "l1"}.get(ratio, "elasticnet") if np.isfinite(C) else None
        else:
            warnings.warn(
                "'penalty' was deprecated in version 1.8 of scikit-learn and will be removed in 1.10: use "
                "l1_ratio=0 for penalty='l2', l1_ratio=1 for 'l1', a number between for 'elasticnet', and "
                "C=np.inf for penalty=None",
                FutureWarning,
                stacklevel=5,
            )
        check_solver(self.solver, penalty, self.dual)
        if penalty != "elasticnet" and ratio is not None and 0 < ratio < 1:
            warnings.warn(
                f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})",
                UserWarning,
                stacklevel=5,
            )
        if self.penalty in ("l1", "l2") and ratio != (self.penalty == "l1"):
            warnings.warn(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={ratio}. "
                "penalty is deprecated. Please use l1_ratio only.",
                UserWarning,
                stacklevel=5,
            )
        if penalty == "elasticnet" and ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        if self.penalty is None:
            if C != 1.0:
                warnings.warn(
                    "Setting penalty=None will ignore the C and l1_ratio parameters",
                    UserWarning,
                    stacklevel=5,
                )
            C = np.inf
        return C, {"l1": 1.0, "elasticnet": ratio}.get(penalty, 0.0)

    def _loss(self):
        return get_loss("log_loss" if len(self.classes_) == 2 else "multinomial_log_loss")

    def _no_inference(self):
        free = self.penalty is None or not np.isfinite(self.C)
        return "" if free else f"C must be np.inf, got {self.C!r}"

    def _start(self, problem, objective, classes):
        if self.warm_start and hasattr(self, "coef_") and np.array_equal(self.classes_, classes):
            self._check_warm_start(self.n_features_in_, objective.n_outputs or 1)
            coef = self.coef_ if isinstance(self.coef_, np.ndarray) else self.coef_.toarray()
            return problem.pack(objective, coef, self.intercept_)
        return objective.start() if self.max_iter else np.zeros(objective.size)
