"""What a fitted estimator minimised, stated again: a function of its parameters as one flat vector.

Nothing of the data is kept by `fit`, so they are handed in again.  Of linear models the objective and its
derivatives are exact; of networks the gradient is, and Hessians come from differences of it.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import issparse
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from .._objectives.design import Design
from .._objectives.huber import HuberObjective
from .._objectives.linear import LinearObjective
from .._objectives.proximal import smallest_subgradient
from ..base import check_weights, classes_and_codes, drop_weightless, thread_count, validate
from ..linear_model import (
    ElasticNet,
    ElasticNetCV,
    GeneralizedLinearClassifier,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    QuantileRegressor,
    Ridge,
    RidgeCV,
)
from ..linear_model._generalized import GeneralizedLinearModel, check_offset
from ..linear_model._logistic_problem import LogisticProblem, row_weights
from ..linear_model._tweedie import _DevianceRegressor
from ..losses import (
    EpsilonInsensitive,
    Hinge,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
)
from ..svm import LinearSVC, LinearSVR
from ._display import before_last_step, last_step

STEP = float(np.finfo(np.float64).eps) ** (1 / 3)  # of differences of gradients to both sides
KNOWN = (
    "a network of calclearn.neural_network, a linear model of calclearn.linear_model, or a LinearSVC or "
    "LinearSVR of calclearn.svm"
)


class Problem(NamedTuple):
    """One of the functions whose sum was minimised, each of its own parameters."""

    function: Any  # with value_gradient(x), hessian(x)
    x: np.ndarray  # as fitted
    scale: float  # the documented objective is that many times the function


class LinearProblems:
    """The objective of a linear model: a sum over outputs, or over classes that were told from the rest."""

    exact = True  # its Hessian is no difference

    def __init__(self, problems):
        self.problems = list(problems)
        sizes = [len(problem.x) for problem in self.problems]
        self.bounds = list(itertools.pairwise(np.cumsum([0, *sizes])))
        self.x = np.concatenate([problem.x for problem in self.problems]).astype(np.float64)
        self.parts = {f"output {k + 1}": bounds for k, bounds in enumerate(self.bounds)}
        self.names = self._names()

    def _names(self):
        names = []
        for k, (function, x, _) in enumerate(self.problems):
            n_rows = getattr(function, "n_outputs", None) or 1
            width = len(x) // n_rows
            own = [f"coefficient {j + 1}" for j in range(width - function.intercept)]
            own += ["intercept"] * function.intercept
            several = n_rows > 1 or len(self.problems) > 1
            for row in range(n_rows):
                output = f" of output {(row if n_rows > 1 else k) + 1}" if several else ""
                names += [name + output for name in own]
        return names

    def _pieces(self, x):
        """Of each problem its function, its own parameters among `x`, and its scale."""
        return [(f, x[a:b], scale) for (f, _, scale), (a, b) in zip(self.problems, self.bounds)]

    @property
    def free(self):
        """Whether each parameter can move both ways without meeting a kink or a bound."""
        free = []
        for function, x, _ in self._pieces(self.x):
            inside = np.ones(len(x), bool)
            if getattr(function, "kinked", False):
                coef, intercept = function.unpack(x)
                inside = function.pack(coef != 0.0, np.ones_like(intercept)) > 0.0
            free.append(inside)
        return np.concatenate(free)

    def value(self, x):
        """The documented objective, with penalties that have kinks."""
        return sum(scale * (f.value(z) + _kinks(f, z)) for f, z, scale in self._pieces(x))

    def value_gradient(self, x):
        """The objective and its gradient; at kinks of the penalty the subgradient that is nearest to zero."""
        total, gradients = 0.0, []
        for function, z, scale in self._pieces(x):
            value, gradient = function.value_gradient(z)
            if getattr(function, "kinked", False):
                gradient = smallest_subgradient(function, z, gradient)
            total += scale * (value + _kinks(function, z))
            gradients.append(scale * gradient)
        return total, np.concatenate(gradients)

    def hessian(self, x):
        """The Hessian of what has no kink, dense."""
        return block_diag(*(scale * f.hessian(z) for f, z, scale in self._pieces(x)))

    def hessian_product(self, x):
        """The function ``v -> H(x) v``."""
        products = [(f.hessian_product(z), scale) for f, z, scale in self._pieces(x)]

        def product(v):
            pieces = zip(products, self.bounds)
            return np.concatenate([scale * times(v[a:b]) for (times, scale), (a, b) in pieces])

        return product


class NetworkProblem:
    """The objective of a network: the mean loss of all rows as one batch and the penalty, without dropout."""

    exact = False

    def __init__(self, function, x, parts):
        self.value_gradient, self.x, self.parts = function, x, parts
        self.names = [f"{name}, number {j + 1}" for name, (a, b) in parts.items() for j in range(b - a)]
        self.free = np.ones(len(x), bool)

    def value(self, x):
        """The objective."""
        return self.value_gradient(x)[0]

    def hessian(self, x):
        """The Hessian by differences of the gradient, symmetrised."""
        times = self.hessian_product(x)
        H = np.column_stack([times(unit) for unit in np.eye(len(x))])
        return 0.5 * (H + H.T)

    def hessian_product(self, x):
        """The function ``v -> H(x) v``: how the gradient differs on both sides of x along v."""

        def product(v):
            v = np.ravel(v)
            length = np.linalg.norm(v)
            if not length > 0.0:
                return np.zeros_like(v)
            # the step is of the size of a single parameter, as rounding is
            step = STEP * max(1.0, np.linalg.norm(x) / np.sqrt(len(x))) / np.abs(v).max()
            ahead, behind = self.value_gradient(x + step * v)[1], self.value_gradient(x - step * v)[1]
            return (ahead - behind) / (2.0 * step)

        return product


def objective_of(estimator, X, y, sample_weight=None, offset=None):
    """What `estimator`, fitted to these data, minimised.

    Raises
    ------
    TypeError
        If it is none of those whose objective is known here, or has no offset and one is given.
    """
    check_is_fitted(estimator)
    X = before_last_step(estimator, X)
    estimator = last_step(estimator)
    if offset is not None and not isinstance(estimator, GeneralizedLinearModel):
        raise TypeError(
            "offset is of a GeneralizedLinearRegressor or GeneralizedLinearClassifier, "
            f"got one with {type(estimator).__name__}"
        )
    if hasattr(estimator, "_objective_of"):
        return NetworkProblem(*estimator._objective_of(X, y, sample_weight))
    for kinds, problems in OF_KINDS.items():
        if isinstance(estimator, kinds):
            options = {} if offset is None else {"offset": offset}
            return LinearProblems(problems(estimator, X, y, sample_weight, **options))
    raise TypeError(f"estimator must be {KNOWN}, got {type(estimator).__name__}")


def flat_parameters(estimator):
    """The parameters of a fitted estimator in the order of `objective_of`; None where they are not known."""
    estimator = last_step(estimator)
    if hasattr(estimator, "_objective_of"):
        return estimator._pack(estimator._network_of_weights(), np.dtype(np.float64))[0]
    if not hasattr(estimator, "coef_"):
        return None
    coef = np.atleast_2d(_dense(estimator.coef_)).astype(np.float64)
    if not getattr(estimator, "fit_intercept", False):
        return coef.ravel()
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, np.float64).reshape(-1), (len(coef),))
    return np.column_stack([coef, intercept]).ravel()


# -------------------------------------------------------------------------------------------- linear models


def _validated(estimator, X, y, sample_weight, **options):
    """`(weight, X, y)` in float64, without the rows of no weight."""
    X, y = validate(estimator, X, y, reset=False, **options)
    weight = check_weights(sample_weight, X)
    return drop_weightless(weight, X.astype(np.float64, copy=False), y)


def _total(weight, n):
    return float(n) if weight is None else float(weight.sum())


def _of_squares(estimator, X, y, sample_weight):
    """Least squares, ridge, lasso and the elastic net: one problem for each target."""
    weight, X, y = _validated(estimator, X, y, sample_weight, y_numeric=True, multi_output=True)
    Y = np.asarray(y, np.float64).reshape(len(y), -1)
    total, design = _total(weight, len(Y)), Design(X, thread_count(None))
    coefs, intercepts = np.atleast_2d(_dense(estimator.coef_)), np.ravel(estimator.intercept_)
    if Y.shape[1] != len(coefs):
        raise ValueError(f"y must have the {len(coefs)} targets of the fit, got {Y.shape[1]}")
    alphas = np.broadcast_to(getattr(estimator, "alpha_", getattr(estimator, "alpha", 0.0)), Y.shape[1])
    for k, alpha in enumerate(alphas):
        if isinstance(estimator, (LinearRegression, Ridge, RidgeCV)):  # sums of squares
            strength, scale = {"l2": alpha / total}, 2.0 * total
        else:
            ratio = getattr(estimator, "l1_ratio_", getattr(estimator, "l1_ratio", 1.0))
            strength, scale = {"l1": alpha * ratio, "l2": alpha * (1.0 - ratio)}, 1.0
        function = LinearObjective(
            SquaredError(),
            design,
            Y[:, k],
            weight,
            positive=getattr(estimator, "positive", False),
            intercept=estimator.fit_intercept,
            **strength,
        )
        yield Problem(function, function.pack(coefs[k], intercepts[min(k, len(intercepts) - 1)]), scale)


def _of_means(estimator, X, y, sample_weight, offset=None):
    """Any loss of one output, as the generalized linear models have it."""
    loss, X, y, weight = estimator._rows_of_inference(X, y, sample_weight)
    offset = np.zeros(len(y)) if offset is None else check_offset(offset, X)
    weight, X, y, offset = drop_weightless(weight, X.astype(np.float64, copy=False), y, offset)
    return [_packed(estimator, loss, X, y, weight, estimator.coef_, estimator.intercept_, offset)]


def _of_labels(estimator, X, y, sample_weight, offset=None):
    """The same of labels: of two classes, of all in one problem, or of each against the rest."""
    loss, X, _, weight = estimator._rows_of_inference(X, y, sample_weight)
    codes = np.searchsorted(estimator.classes_, np.asarray(y).ravel())
    offset = estimator._offset_of_two(offset, X, len(estimator.classes_))
    offset = np.zeros(len(codes)) if offset is None else offset
    weight, X, codes, offset = drop_weightless(weight, X.astype(np.float64, copy=False), codes, offset)
    K = len(estimator.classes_) if hasattr(loss, "value_row") else None
    targets = [codes] if K else list(estimator._one_against_the_rest(codes, len(estimator.classes_)))
    for k, target in enumerate(targets):
        rows = slice(None) if K else k
        fitted = estimator.coef_[rows], estimator.intercept_[rows]
        yield _packed(estimator, loss, X, target, weight, *fitted, offset, n_outputs=K)


def _packed(estimator, loss, X, y, weight, coef, intercept, offset, n_outputs=None):
    ratio = getattr(estimator, "l1_ratio", 0.0)
    function = LinearObjective(
        loss,
        Design(X, thread_count(estimator.n_jobs)),
        y,
        weight,
        l1=estimator.alpha * ratio,
        l2=estimator.alpha * (1.0 - ratio),
        positive=getattr(estimator, "positive", False),
        offset=offset if offset.any() else None,
        intercept=estimator.fit_intercept,
        n_outputs=n_outputs,
    )
    return Problem(function, function.pack(coef, intercept), 1.0)


def _of_logistic(estimator, X, y, sample_weight):
    """Logistic regression, with the intercept as its solver penalises it."""
    X, y = validate(estimator, X, y, reset=False)
    classes, codes = classes_and_codes(y)
    if not np.array_equal(classes, estimator.classes_):
        raise ValueError(f"y must have the classes of the fit, {estimator.classes_}, got {classes}")
    weight = row_weights(sample_weight, estimator.class_weight, X, y, classes, codes)
    C, l1_ratio = estimator._strength()
    X = X.astype(np.float64, copy=False)
    options = {"l1": l1_ratio > 0, "n_threads": thread_count(estimator.n_jobs)}
    problem = LogisticProblem(X, codes, weight, len(classes), estimator, **options)
    function = problem.objective(C, l1_ratio)
    fitted = _dense(estimator.coef_).astype(np.float64), np.asarray(estimator.intercept_, np.float64)
    return [Problem(function, problem.pack(function, *fitted), problem.scale(C))]


def _of_huber(estimator, X, y, sample_weight):
    """Huber's regression at the scale that is best for its coefficients."""
    weight, X, y = _validated(estimator, X, y, sample_weight, y_numeric=True)
    options = {"epsilon": estimator.epsilon, "alpha": estimator.alpha, "intercept": estimator.fit_intercept}
    function = HuberObjective(X, y, weight, **options)
    x = np.r_[estimator.coef_, estimator.intercept_][: function.size].astype(np.float64)
    return [Problem(function, x, 1.0)]


def _of_quantile(estimator, X, y, sample_weight):
    weight, X, y = _validated(estimator, X, y, sample_weight, y_numeric=True)
    function = LinearObjective(
        Quantile(float(estimator.quantile)),
        X,
        y,
        weight,
        l1=estimator.alpha,
        intercept=estimator.fit_intercept,
    )
    return [Problem(function, function.pack(estimator.coef_, estimator.intercept_), 1.0)]


def _of_machine(estimator, X, y, sample_weight):
    """Linear support vector machines: half the squared norm, or the L1 norm, and C times the losses."""
    classes = getattr(estimator, "classes_", None)
    if getattr(estimator, "multi_class", "ovr") != "ovr":
        raise TypeError("the objective of LinearSVC with multi_class='crammer_singer' is not known here")
    X, y = validate(estimator, X, y, reset=False, sparse="csr", dtype=np.float64)
    of_class = None
    if classes is not None:  # of all rows, those without a weight too
        of_class = compute_class_weight(estimator.class_weight, classes=classes, y=y)
    weight, X, y = drop_weightless(check_weights(sample_weight, X), X, y)
    C = np.full(len(y), estimator.C) if weight is None else estimator.C * weight
    l1 = getattr(estimator, "penalty", "l2") == "l1"
    rows = estimator._rows(X, l1=l1, n_threads=thread_count(getattr(estimator, "n_jobs", None)))
    squared = estimator.loss.startswith("squared")
    if classes is None:
        epsilon = float(estimator.epsilon)
        loss = SquaredEpsilonInsensitive(epsilon) if squared else EpsilonInsensitive(epsilon)
        targets = [(y, C)]
    else:
        loss = SquaredHinge() if squared else Hinge()
        targets = _against_the_rest(classes, of_class, y, C)
    coefs, intercepts = np.atleast_2d(_dense(estimator.coef_)), np.ravel(estimator.intercept_)
    for k, (target, strengths) in enumerate(targets):
        scale = (2.0 if squared else 1.0) * float(strengths.sum())
        free = bool(rows.constant and not l1)
        function = LinearObjective(
            loss,
            rows.design,
            target,
            strengths,
            l1=1.0 / scale if l1 else 0.0,
            l2=0.0 if l1 else 1.0 / scale,
            l2_intercept=1.0 / (scale * rows.constant**2) if free else 0.0,
            intercept=free,
        )
        coef, intercept = coefs[k], intercepts[min(k, len(intercepts) - 1)]
        column = [intercept / rows.constant] if rows.constant and l1 else []
        yield Problem(function, function.pack(np.r_[coef, column], intercept), scale)


def _against_the_rest(classes, of_class, y, C):
    """`(signs, C of each row)` of each problem of a LinearSVC."""
    codes = np.searchsorted(classes, y)
    if len(classes) == 2:
        yield np.where(codes == 1, 1.0, -1.0), C * of_class[codes]
        return
    for k in range(len(classes)):
        inside = codes == k
        yield np.where(inside, 1.0, -1.0), np.where(inside, of_class[k] * C, C)


def _kinks(function, x):
    """The part of the penalty that `function` leaves out."""
    return function.kinks(x) if hasattr(function, "kinks") else 0.0


def _dense(array):
    return array.toarray() if issparse(array) else np.asarray(array)


OF_KINDS: dict[Any, Any] = {
    (LinearRegression, Ridge, RidgeCV, ElasticNet, ElasticNetCV, LassoCV): _of_squares,
    (GeneralizedLinearClassifier,): _of_labels,
    (GeneralizedLinearModel, _DevianceRegressor): _of_means,
    (LogisticRegression,): _of_logistic,
    (HuberRegressor,): _of_huber,
    (QuantileRegressor,): _of_quantile,
    (LinearSVC, LinearSVR): _of_machine,
}
