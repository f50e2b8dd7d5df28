"""Linear classification under any loss: of the margin, of the probability, or over all classes at once."""

from typing import ClassVar

import numpy as np
import scipy.optimize
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.solving import certify
from ..base import StrOptions, classes_and_codes, drop_weightless, fitting, thread_count, validate
from ..losses import Loss, MultinomialLogLoss, get_loss, pointwise
from ..optimize import Optimality
from ._generalized import GeneralizedLinearModel, check_offset, with_offset
from ._inference import ClassifierInferenceMixin
from ._logistic_problem import check_classes, row_weights
from ._separation import warn_if_separated

LABELS = {"unit": (0.0, 1.0), "sign": (-1.0, 1.0), "real": (-1.0, 1.0)}  # of the two classes, by domain
FAR = 1e3  # where the link of a probability must have left one half behind


def _states_probabilities(estimator) -> bool:
    """Whether the loss's mean is a probability: then there is ``predict_proba``."""
    loss = get_loss(estimator.loss)
    if hasattr(loss, "value_row"):
        return hasattr(loss, "mean_row")
    return loss.domain in ("unit", "sign") and type(loss).mean is not Loss.mean


class GeneralizedLinearClassifier(ClassifierMixin, ClassifierInferenceMixin, GeneralizedLinearModel):
    r"""Linear classification under any loss: the package's, or one formula of your own.

    Minimises, over the coefficients `w` and the free intercept `b`,

    .. math::
        \frac{1}{\sum_i s_i} \sum_i s_i\,\ell(y_i, x_i^T w + b + o_i)
        + \alpha \left( \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|_2^2 \right),

    with weights `s` and offsets `o` of the rows, and :math:`\rho` the `l1_ratio`.  Two classes are encoded as
    the loss's domain has them: 0 and 1 where it is "unit", else -1 and +1.  Several classes are fitted at
    once by a loss of several outputs, such as "multinomial_log_loss", and by any other each against the rest.

    Parameters
    ----------
    loss : str or Loss, default="log_loss"
        A name that :func:`calclearn.losses.get_loss` knows, or a loss: of the package with its parameters, or
        of your own, of which ``value(y, raw)`` alone is written.
    alpha : float, default=0.0
        Strength of the penalty on the coefficients; the intercept is not penalised.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, which makes coefficients zero, from 0 to 1; the rest is L2.
    positive : bool, default=False
        Whether the coefficients, not the intercept, must not be negative.
    fit_intercept : bool, default=True
        Whether `b` is free, or zero.
    class_weight : dict or "balanced", default=None
        Weights of the classes, which multiply the sample weights.
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs", "proximal-newton"}, default="auto"
        Newton's method in a trust region, with dense Hessians or with products; L-BFGS; or Newton's method
        with the kinks of the penalty in its model, the only one of them for an L1 penalty or `positive`.
        "auto" chooses by the penalty and the shape of X.
    max_iter : int, default=1000
        Most iterations of the solver, for each problem.
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
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients of the decision function; one row for two classes and a loss of one output.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Its constants.
    optimality_ : Optimality
        How far from the optimum the fit stopped, as for :class:`GeneralizedLinearRegressor`; of several
        classes, each against the rest, the sum of the objectives and the worst of all else, with a record
        each in `problems`.
    loss_curve_ : list of float, or list of such lists
        The objective at the start and after each iteration; for each class, where each has its own problem.
    n_iter_ : ndarray of shape (n_problems,)
        Iterations taken.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where all are strings.

    See Also
    --------
    LogisticRegression : The log loss, as scikit-learn has it.
    GeneralizedLinearRegressor : The same for numbers.
    calclearn.losses.loss : Makes a formula a loss.

    Notes
    -----
    ``predict_proba`` exists where the loss says what a raw prediction is: if its domain is "unit", ``mean``
    is the probability of the second class; if it is "sign", the expectation of -1 and +1.  A loss without a
    ``mean`` of its own, such as the hinge, has none.  Of several classes, each against the rest, the
    probabilities are divided by their sum.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.linear_model import GeneralizedLinearClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = GeneralizedLinearClassifier("squared_hinge", alpha=0.01).fit(X, y)
    >>> round(model.score(X, y), 2), model.optimality_.converged
    (0.96, True)
    >>> hasattr(model, "predict_proba")
    False
    """

    _parameter_constraints: ClassVar[dict] = {
        **GeneralizedLinearModel._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss="log_loss",
        *,
        alpha=0.0,
        l1_ratio=0.0,
        positive=False,
        fit_intercept=True,
        class_weight=None,
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
        self.class_weight = class_weight
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
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; a weight of two counts a row twice.
        offset : array-like of shape (n_samples,), default=None
            Known parts of the raw predictions, such as prior log odds; for two classes and a loss of one
            output.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, one class only, a loss that cannot take labels, an offset for
            several classes, or a solver that cannot have the penalty.
        """
        self._check_solver()
        loss = self._loss()
        X, y = validate(self, X, y)
        classes, codes = classes_and_codes(y)
        check_classes(classes, self.solver)
        K = len(classes) if hasattr(loss, "value_row") else None
        offset = self._offset_of_two(offset, X, len(classes))
        weight = row_weights(sample_weight, self.class_weight, X, y, classes, codes)
        known = np.zeros(len(codes)) if offset is None else offset
        weight, X, codes, known = drop_weightless(weight, X, codes, known)
        design = Design(X, thread_count(self.n_jobs))
        targets = [codes] if K else list(self._one_against_the_rest(codes, len(classes)))
        objectives = [
            self._objective(loss, design, target, weight, known if known.any() else None, K)
            for target in targets
        ]
        coef, intercept, started = self._previous(classes, K or len(objectives), design)
        solutions = []

        def fitted(x):
            """The attributes while the objective of the next class stands at x."""
            rows, objective = self._rows_of(len(solutions), K), objectives[len(solutions)]
            coef[rows], intercept[rows] = self._unpack(objective, x)
            return {"classes_": classes, "coef_": coef.copy(), "intercept_": intercept.copy()}

        with self._progress(self.max_iter * len(objectives), fitted, X=X, y=y) as progress:
            for k, objective in enumerate(objectives):
                rows = self._rows_of(k, K)
                previous = (coef[rows], intercept[rows]) if started else None
                solution, x = self._minimise(objective, previous, progress)
                attributes = fitted(x)
                solutions.append(solution)
        for name, value in attributes.items():
            setattr(self, name, value)
        kept = [
            objective.pack(self.coef_[self._rows_of(k, K)], self.intercept_[self._rows_of(k, K)])
            for k, objective in enumerate(objectives)
        ]
        self.optimality_ = Optimality.merge(map(certify, objectives, solutions, kept))
        curves = [list(solution.curve) for solution in solutions]
        self.loss_curve_ = curves if len(curves) > 1 else curves[0]
        self.n_iter_ = np.array([solution.n_iter for solution in solutions], dtype=np.int32)
        for objective, x in zip(objectives, kept):
            if warn_if_separated(self, objective, x):
                return self
        self._warn_unless_converged(self.optimality_)
        return self

    def decision_function(self, X, *, offset=None):
        """The raw predictions `X w + b`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            Known parts of the raw predictions of two classes; none by default, whatever `fit` was given.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, how much speaks for ``classes_[1]``.
        """
        scores = self._scores(X, offset)
        if scores.ndim == 1 or len(self.classes_) > 2:
            return scores
        return scores[:, 1] - scores[:, 0]

    def predict(self, X, *, offset=None):
        """The most probable labels, or those with the highest scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X, offset=offset)
        if scores.ndim == 2:
            return self.classes_[scores.argmax(axis=1)]
        return self.classes_[(scores > self._threshold()).astype(np.intp)]

    @available_if(_states_probabilities)
    def predict_proba(self, X, *, offset=None):
        """Probabilities of the classes, for losses whose mean tells them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        loss, scores = self._loss(), self._scores(X, offset)
        if hasattr(loss, "mean_row"):
            return pointwise.mean(loss, np.ascontiguousarray(scores))
        p = np.asarray(loss.mean(scores))
        p = 0.5 + 0.5 * p if loss.domain == "sign" else p
        if p.ndim == 1:
            return np.column_stack([1.0 - p, p])
        total = p.sum(axis=1, keepdims=True)
        return np.where(total > 0, p / np.where(total > 0, total, 1.0), 1.0 / p.shape[1])

    @available_if(_states_probabilities)
    def predict_log_proba(self, X, *, offset=None):
        """Logarithms of the probabilities; -inf where one underflows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, offset=offset))

    def score(self, X, y, sample_weight=None, *, offset=None):
        """The share of rows whose label is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            As in `decision_function`.

        Returns
        -------
        score : float
        """
        return accuracy_score(y, self.predict(X, offset=offset), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ---------------------------------------------------------------------------------------- parts

    def _scores(self, X, offset):
        check_is_fitted(self)
        X = validate(self, X, reset=False)
        offset = self._offset_of_two(offset, X, len(self.classes_))
        scores = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return with_offset(scores[:, 0], offset) if scores.shape[1] == 1 else scores

    def _offset_of_two(self, offset, X, n_classes):
        offset = check_offset(offset, X)
        if offset is not None and (n_classes > 2 or hasattr(self._loss(), "value_row")):
            raise ValueError(
                f"offset is one number a row, for two classes and a loss of one output; got {n_classes} "
                "classes "
                f"and {self._loss()!r}"
            )
        return offset

    def _threshold(self):
        """The score from which on ``classes_[1]`` is the more probable."""
        loss = self._loss()
        if hasattr(loss, "value_row") or not _states_probabilities(self):
            return 0.0
        half = 0.5 if loss.domain == "unit" else 0.0
        if loss.mean(0.0) == half:
            return 0.0
        return float(scipy.optimize.brentq(lambda raw: loss.mean(raw) - half, -FAR, FAR))

    def _targets(self, codes):
        return codes if hasattr(self._loss(), "value_row") else self._encoded(codes == 1)

    def _encoded(self, second):
        """The targets of two classes, `second` telling which rows are of the second."""
        loss = self._loss()
        if loss.domain not in LABELS:
            raise ValueError(
                f"loss must be one of labels, got {loss!r}, whose targets are {loss.domain} numbers"
            )
        return np.where(second, *LABELS[loss.domain][::-1])

    def _one_against_the_rest(self, codes, n_classes):
        return (self._encoded(codes == k) for k in (range(n_classes) if n_classes > 2 else [1]))

    @staticmethod
    def _rows_of(k, K):
        """Where the coefficients of objective k are."""
        return slice(None) if K else k

    def _unpack(self, objective, x):
        coef, intercept = objective.unpack(x)
        if objective.n_outputs is not None:  # only differences matter: let them add up to zero
            intercept = intercept - np.mean(intercept)
            if not (objective.l2 or objective.l1 or objective.positive):
                coef = coef - coef.mean(axis=0)
        return coef, intercept

    def _previous(self, classes, n_rows, design):
        """`(coef, intercept, whether they are those of a fit to continue)`; else zeros, to be written to."""
        shape, dtype = (n_rows, design.shape[1]), design.dtype
        if self.warm_start and hasattr(self, "coef_") and np.array_equal(self.classes_, classes):
            self._check_warm_start(design.shape[1], n_rows)
            return self.coef_.astype(dtype), self.intercept_.astype(dtype), True
        return np.zeros(shape, dtype), np.zeros(n_rows, dtype), False

    def _no_inference(self):
        loss = self._loss()
        if hasattr(loss, "value_row") and type(loss) is not MultinomialLogLoss:
            return f"losses of several outputs have none but the multinomial log loss, got {loss!r}"
        if len(self.classes_) > 2 and len(np.atleast_1d(self.n_iter_)) > 1:
            return "classes fitted each against the rest have no joint distribution; take two at a time"
        return super()._no_inference()
