"""Support vector classification: the hinge, in the dual."""

from typing import ClassVar

import numpy as np

from ..base import Interval, Real
from ._dual import classification
from ._pairwise import PairwiseClassifier
from ._support_vectors import MOST_C, certificate


class SVC(PairwiseClassifier):
    r"""Support vector classification with any Gram function, by its Lagrangian dual.

    Of two classes, y = -1 and 1, it minimises over w and b

    .. math:: \tfrac12 \|w\|^2 + \sum_i C_i \max(0, 1 - y_i (w^T \phi(x_i) + b))

    where :math:`\phi(x)^T \phi(z) = k(x, z)`.  Several classes are told apart in pairs.

    Parameters
    ----------
    C : float, default=1.0
        Penalty of a violated margin; infinite for a hard one, which is as much as 1e10.
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
        By what C is multiplied for each class.
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
    C. Cortes, V. Vapnik, "Support-vector networks", Machine Learning 20, 1995.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.svm import SVC
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SVC().fit(X, y)
    >>> model.predict(X[:2]).tolist(), model.optimality_.duality_gap < 0.1
    ([0, 0], True)
    """

    _parameter_constraints: ClassVar[dict] = PairwiseClassifier._parameter_constraints | {
        "C": [Interval(Real, 0.0, None, closed="right")],
    }

    def __init__(
        self,
        *,
        C=1.0,
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
        self.C = C
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
        """The multipliers of two classes, the intercept, the certificate, and which multipliers are at C."""
        C = min(self.C, MOST_C) * weight
        dual = classification(sign, C)
        found = self._solve(dual, source, n_threads)
        (intercept,) = dual.offsets(found.beta, dual.gradient(found.raw))
        hinge = np.maximum(0.0, 1.0 - sign * (found.raw + intercept))
        primal = 0.5 * found.beta @ found.raw + C @ hinge
        record = certificate(primal, -dual.value(found.beta, found.raw), found, source)
        return found.beta, intercept, record, np.abs(found.beta) == C
