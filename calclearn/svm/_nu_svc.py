"""Support vector classification with a bound on the share of errors in the place of a penalty."""

from typing import ClassVar

import numpy as np

from ..base import Interval, Real
from ._dual import nu_classification
from ._pairwise import PairwiseClassifier
from ._support_vectors import certificate

ROUNDING = 1e-12  # of the margin, relative to the decision values


class NuSVC(PairwiseClassifier):
    r"""Support vector classification in which :math:`\nu` bounds the share of margin errors.

    Of two classes, y = -1 and 1, it minimises over w, b and :math:`\rho`

    .. math:: \tfrac12 \|w\|^2 - \nu \rho \sum_i s_i + \sum_i s_i \max(0, \rho - y_i (w^T \phi(x_i) + b))

    with the weights s of the rows, and divides by :math:`\rho`: the solution is that of :class:`SVC` with
    ``C=1 / rho``.  At most the share :math:`\nu` of the rows violates the margin, and at least as many are
    support vectors.

    Parameters
    ----------
    nu : float, default=0.5
        Above 0, up to 1.
    kernel : {"linear", "poly", "rbf", "sigmoid", "precomputed"} or callable, default="rbf"
        The Gram function, a matrix of its values for X, or a function ``f(X, Z)`` that returns them.
    degree : int, default=3
        Of ``"poly"``.
    gamma : {"scale", "auto"} or float, default="scale"
        Of all but ``"linear"``; "scale" is ``1 / (n_features * X.var())``, "auto" ``1 / n_features``.
    coef0 : float, default=0.0
        Of ``"poly"`` and ``"sigmoid"``.
    shrinking : bool, default=True
        Kept for scikit-learn's sake: which multipliers are looked at is the solver's choice.
    probability : bool, default="deprecated"
        Whether to fit probabilities too, by decision values of five folds.  Deprecated in scikit-learn 1.9:
        use ``CalibratedClassifierCV(..., ensemble=False)``.
    tol : float, default=1e-3
        Largest violation of the optimality conditions.
    cache_size : float, default=200
        MiB for rows of the Gram matrix.
    class_weight : dict, "balanced" or None, default=None
        By what the weights of a class's rows are multiplied.
    verbose : int, default=False
        Whether to print the record of each problem that was solved.
    max_iter : int, default=-1
        Most pairs of multipliers that are moved, for each pair of classes; -1 for no limit.
    decision_function_shape : {"ovr", "ovo"}, default="ovr"
        Whether `decision_function` has a column for each class, or for each pair of them.
    break_ties : bool, default=False
        Whether `predict` breaks ties of votes by the decision values.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, with ``probability=True``.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_weight_ : ndarray of shape (n_classes,)
    support_ : ndarray of int32, shape (n_support,)
        Rows that have multipliers, class by class.
    support_vectors_ : ndarray or CSR array of shape (n_support, n_features)
    n_support_ : ndarray of int32, shape (n_classes,)
    dual_coef_ : ndarray or CSR array of shape (n_classes - 1, n_support)
        Signed multipliers: against each other class.
    coef_ : ndarray of shape (n_pairs, n_features)
    intercept_ : ndarray of shape (n_pairs,)
    probA_, probB_ : ndarray of shape (n_pairs,)
        The sigmoids of the pairs, with ``probability=True``; else empty.  Deprecated like it.
    n_iter_ : ndarray of int32, shape (n_pairs,)
        Pairs of multipliers that were moved.
    fit_status_ : int
        0, or 1 if the solver stopped short.
    optimality_ : Optimality
        Primal and dual objective, their gap, and the largest violation of the optimality conditions.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
    shape_fit_ : tuple of int

    References
    ----------
    B. Schölkopf, A. Smola, R. Williamson, P. Bartlett, "New support vector algorithms", Neural Computation
    12, 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.svm import NuSVC
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NuSVC(nu=0.1).fit(X, y)
    >>> model.predict(X[:2]).tolist(), model.optimality_.converged
    ([0, 0], True)
    """

    _parameter_constraints: ClassVar[dict] = PairwiseClassifier._parameter_constraints | {
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    _one_class_left = "specified nu is infeasible: all samples with positive weights belong to the same class"

    def __init__(
        self,
        *,
        nu=0.5,
        kernel="rbf",
        degree=3,
        gamma="scale",
        coef0=0.0,
        shrinking=True,
        probability="deprecated",
        tol=1e-3,
        cache_size=200,
        class_weight=None,
        verbose=False,
        max_iter=-1,
        decision_function_shape="ovr",
        break_ties=False,
        random_state=None,
        n_jobs=None,
    ):
        self.nu = nu
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _solve_pair(self, source, sign, weight, n_threads):
        """The multipliers of two classes, the intercept, the certificate, and which are at their bounds."""
        dual = nu_classification(sign, weight, self.nu)
        found = self._solve(dual, source, n_threads)
        positive, negative = dual.offsets(found.beta, dual.gradient(found.raw))
        rho, offset = 0.5 * (negative - positive), 0.5 * (positive + negative)
        if not rho > ROUNDING * max(np.abs(found.raw).max(), abs(offset)):
            raise ValueError(
                f"nu={self.nu} is infeasible: so many rows are on the wrong side of any surface that the "
                f"best margin is 0 (found: {rho:.3g})"
            )
        hinge = np.maximum(0.0, rho - sign * (found.raw + offset))
        squares = found.beta @ found.raw
        primal = 0.5 * squares - self.nu * rho * weight.sum() + weight @ hinge
        record = certificate(primal, -0.5 * squares, found, source)
        return found.beta / rho, offset / rho, record, np.abs(found.beta) == weight
