"""Linear support vector classification."""

from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state, compute_class_weight

from .._objectives.crammer_singer import run_crammer_singer
from .._runtime.threads import blas_threads
from ..base import (
    Integral,
    Interval,
    Real,
    StrOptions,
    check_weights,
    classes_and_codes,
    drop_weightless,
    fitting,
    thread_count,
    validate,
)
from ..losses import get_loss
from ..optimize import Optimality
from ._linear import ADVICE, LinearMachine, certificate


class LinearSVC(ClassifierMixin, LinearMachine):
    r"""Linear support vector classification.

    Of two classes, y = -1 and 1, it minimises over w

    .. math:: \tfrac12 \|w\|^2 + \sum_i C_i \max(0, 1 - y_i x_i^T w)^2

    or without the square, or with :math:`\|w\|_1` in the place of the first term.  The intercept is the
    coefficient of a constant column, and penalised like the others.  Several classes are told apart each from
    all others.

    Parameters
    ----------
    penalty : {"l1", "l2"}, default="l2"
        "l1" makes coefficients exactly zero; for the squared hinge, with ``dual=False``.
    loss : {"hinge", "squared_hinge"}, default="squared_hinge"
    dual : "auto" or bool, default="auto"
        Whether the dual problem is solved; the optimum is the same.  "auto" takes what is fastest: Newton's
        method for the squared hinge, and for the hinge, which has no curvature, the dual.
    tol : float, default=1e-4
        The fit ends when no component of the gradient of the objective divided by ``2 Σ C`` is larger in
        absolute value; through the dual, when the duality gap is no larger a share of the objective.
    C : float, default=1.0
        Price of the hinges.
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
        Each class against the others, or all in one problem, of which `penalty`, `loss` and `dual` say
        nothing.
    fit_intercept : bool, default=True
        Whether there is an intercept.
    intercept_scaling : float, default=1.0
        The constant: the larger, the less the intercept is penalised.
    class_weight : dict or "balanced", default=None
        By what C is multiplied for each class.
    verbose : int, default=0
        Print the objective after each iteration.
    random_state : int, RandomState instance or None, default=None
        Orders the rows of coordinate descent.
    max_iter : int, default=1000
        Most iterations: of Newton's method, of interior points, or passes over the rows.
    n_jobs : int or None, default=None
        Threads; None takes what the process may use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : int
        Iterations, the most of all classes.
    optimality_ : Optimality
        The objective, the dual's, and their gap.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)

    See Also
    --------
    SVC : With any Gram function.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.svm import LinearSVC
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearSVC().fit(X, y)
    >>> model.predict(X[:2]).tolist(), model.optimality_.duality_gap < 1e-3
    ([0, 0], True)
    """

    _parameter_constraints: ClassVar[dict] = {
        "penalty": [StrOptions({"l1", "l2"})],
        "loss": [StrOptions({"hinge", "squared_hinge"})],
        "dual": ["boolean", StrOptions({"auto"})],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        penalty="l2",
        loss="squared_hinge",
        *,
        dual="auto",
        tol=1e-4,
        C=1.0,
        multi_class="ovr",
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        verbose=0,
        random_state=None,
        max_iter=1000,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Find the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            By what C is multiplied for each row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters or data, one class only, or a penalty, a loss and `dual` that do not go
            together.
        """
        if self.multi_class == "ovr":
            _check_combination(self.penalty, self.loss, self.dual)
        X, y = validate(self, X, y, sparse="csr", dtype=np.float64)
        classes, codes = classes_and_codes(y)
        if len(classes) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {classes[0]!r}"
            )
        of_class = compute_class_weight(self.class_weight, classes=classes, y=y)
        if not (of_class >= 0.0).all() or not of_class.any():
            raise ValueError(
                f"class_weight must not be negative, nor 0 for all classes, got {self.class_weight!r}"
            )
        weight = check_weights(sample_weight, X)
        weight, X, codes = drop_weightless(weight, X, codes)
        C = self.C * (np.ones(len(codes)) if weight is None else weight)
        rows = self._rows(
            X,
            l1=self.penalty == "l1" and self.multi_class == "ovr",
            n_threads=thread_count(self.n_jobs),
        )
        rng = check_random_state(self.random_state)
        with self._progress(self.max_iter, X=X, y=y) as progress:
            heard = progress if progress.listening else None
            if self.multi_class == "crammer_singer":
                parts = [self._all_classes(rows, codes, C * of_class[codes], len(classes), rng, heard)]
            elif len(classes) == 2:
                parts = [self._one_class(rows, codes == 1, C * of_class[codes], rng, heard)]
            else:  # a class's weight is that of its rows where it is told from the others
                parts = [
                    self._one_class(rows, codes == k, np.where(codes == k, of_class[k] * C, C), rng, heard)
                    for k in range(len(classes))
                ]
        coefs, intercepts, problems = zip(*parts)
        self.classes_, self.coef_ = classes, np.vstack(coefs)
        self.intercept_ = np.hstack(intercepts) if self.fit_intercept else 0.0
        self.optimality_ = Optimality.merge(problems)
        self.n_iter_ = self.optimality_.n_iter
        self._warn_unless_converged(self.optimality_, ADVICE)
        return self

    def _one_class(self, rows, inside, C, rng, progress):
        """`(coef, intercept, Optimality)` of some rows against the others."""
        sign, options = np.where(inside, 1.0, -1.0), {"tol": self.tol, "max_iter": self.max_iter}
        if self.loss == "squared_hinge" and self.dual is not True:
            return rows.minimise(get_loss("squared_hinge"), sign, C, **options, progress=progress)
        squared = self.loss == "squared_hinge"
        shift = np.full((1, len(sign)), -1.0)
        return rows.part(sign[None, :], shift, C, squared=squared, rng=rng, **options, progress=progress)

    def _all_classes(self, rows, codes, C, n_classes, rng, progress):
        """The same of all classes in one problem."""
        with blas_threads(1):
            found = run_crammer_singer(
                rows.design,
                rows.constant,
                codes,
                C,
                n_classes,
                rng=rng,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress,
            )
        coef, intercept = rows.split(found.w)
        if n_classes == 2:  # the difference decides
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        return coef, intercept, certificate(found, self.tol)

    def decision_function(self, X):
        """How far rows are on the side of a class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, of ``classes_[1]``.
        """
        return self._raw(X)

    def predict(self, X):
        """The class on whose side rows are farthest.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        raw = self._raw(X)
        return self.classes_[(raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)]


def _check_combination(penalty, loss, dual):
    """Raise a ValueError where scikit-learn's `LinearSVC` has no solver."""
    said = f"Unsupported set of arguments: %s, Parameters: penalty={penalty!r}, loss={loss!r}, dual={dual!r}"
    if penalty == "l1" and loss == "hinge":
        raise ValueError(said % "The combination of penalty='l1' and loss='hinge' is not supported")
    if penalty == "l1" and dual is True:
        raise ValueError(
            said % "The combination of penalty='l1' and loss='squared_hinge' are not supported when dual=True"
        )
    if loss == "hinge" and dual is False:
        raise ValueError(
            said % "The combination of penalty='l2' and loss='hinge' are not supported when dual=False"
        )
