"""Classifiers that tell classes apart in pairs: the rows of both, one dual each, and their votes."""

import itertools
import warnings
from functools import partial
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, column_or_1d, compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _ovr_decision_function, check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
)

from .._runtime import threads
from .._runtime.threads import blas_threads
from ..base import StrOptions, classes_and_codes, fitting, thread_count
from ..optimize import Optimality
from ._platt import couple, sigmoid_of_pair
from ._support_vectors import MIB, SupportVectors

ROUNDING = 1e-12  # of decision values, relative to the margin and the intercept
SMALL = 2048  # rows of a class, up to which pairs are solved side by side


def _seeds(random_state, n):
    """Of the folds of each pair."""
    return check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n)


def _wants_probabilities(estimator):
    """Whether probabilities were asked for."""
    if estimator.probability in (False, "deprecated"):
        raise AttributeError("predict_proba is not available when probability=False")
    return True


class PairwiseClassifier(ClassifierMixin, SupportVectors):
    """All but which dual is solved: `_solve_pair`."""

    _parameter_constraints: ClassVar[dict] = SupportVectors._parameter_constraints | {
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "probability": ["boolean", StrOptions({"deprecated"})],
        "random_state": ["random_state"],
        "decision_function_shape": [StrOptions({"ovr", "ovo"})],
        "break_ties": ["boolean"],
    }

    _one_class_left = "Invalid input - all samples with positive weights belong to the same class."

    @fitting
    def fit(self, X, y, sample_weight=None):
        """Find the multipliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, n_samples)
            Rows; or with ``kernel="precomputed"`` their Gram values.
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
            For invalid parameters or data, one class only, or weights that leave one class only.
        """
        if self.probability != "deprecated":
            name = type(self).__name__
            warnings.warn(
                "The `probability` parameter was deprecated in scikit-learn 1.9 and will be removed in 1.11. "
                f"Use `CalibratedClassifierCV({name}(), ensemble=False)` instead of "
                f"`{name}(probability=True)`",
                FutureWarning,
                stacklevel=4,  # the line that called fit
            )
        X = self._features(X, reset=True)
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        check_consistent_length(X, y)
        self.classes_, codes = classes_and_codes(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {len(self.classes_)} class"
            )
        self.class_weight_ = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        weight = self.class_weight_[codes]
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, allow_all_zero_weights=True
            )
            weight = weight * sample_weight
            sample_weight = np.maximum(sample_weight, 0.0)  # those below have no say
        rows = np.flatnonzero(weight > 0)
        of_class = [rows[codes[rows] == k] for k in range(len(self.classes_))]
        if not len(rows):
            raise ValueError("Invalid input - all samples have zero or negative weights.")
        if sum(map(len, of_class)) == max(map(len, of_class)):
            raise ValueError(self._one_class_left)
        source = self._source(X, sample_weight)
        with blas_threads(1):
            self._solve_pairs(X, source, of_class, weight)
        return self

    def _solve_pairs(self, X, source, of_class, weight):
        """Solve the dual of each pair of classes, and set the fitted attributes."""
        K, n = len(of_class), len(source)
        pairs, n_threads = list(itertools.combinations(range(K), 2)), thread_count(self.n_jobs)
        order, place = np.concatenate(of_class), np.arange(n)
        if K > 2 and n * n * 8 <= self.cache_size * MIB:  # each value is of several pairs
            source = source.of(order).table(n_threads)
            place[order] = np.arange(len(order))  # the rows of a class are beside each other there
        beta, seeds = np.zeros((len(pairs), n)), _seeds(self.random_state, len(pairs))
        bounded = np.zeros(n, bool)  # in some pair

        def one(pair, threads_of_pair):
            i, j = pairs[pair]
            rows = np.concatenate([of_class[i], of_class[j]])
            sign = np.repeat([1.0, -1.0], [len(of_class[i]), len(of_class[j])])
            problem = source.of(place[rows]), sign, weight[rows]
            beta[pair, rows], intercept, record, at_bound = self._solve_pair(*problem, threads_of_pair)
            bounded[rows[at_bound]] = True
            intercept = self._uncentred(X, rows, beta[pair, rows], intercept)
            if self.probability is not True:
                return intercept, record, ()
            solve = partial(self._solve_pair, n_threads=threads_of_pair)
            return intercept, record, sigmoid_of_pair(solve, *problem, seeds[pair])

        # small problems go faster side by side; either way each is solved in the same steps
        beside = max(map(len, of_class)) <= SMALL
        shares = (1, n_threads) if beside else (n_threads, 1)
        found = threads.run(lambda pair: one(pair, shares[0]), range(len(pairs)), shares[1])
        intercepts, problems, sigmoids = zip(*found)
        self._probA, self._probB = np.array(sigmoids, np.float64).reshape(-1, 2).T.copy()
        support = np.concatenate([rows[beta[:, rows].any(axis=0)] for rows in of_class])
        self._keep(X, support)
        self._bounded = bounded[support]
        self.n_support_ = np.array([beta[:, rows].any(axis=0).sum() for rows in of_class], np.int32)
        dual_coef = np.zeros((K - 1, len(support)))
        ends = np.cumsum(self.n_support_)
        for pair, (i, j) in enumerate(pairs):
            for of, place in ((i, j - 1), (j, i)):
                here = slice(ends[of] - self.n_support_[of], ends[of])
                dual_coef[place, here] = beta[pair, support[here]]
        flip = -1.0 if K == 2 else 1.0  # of two classes, the second one is positive
        self.dual_coef_ = scipy.sparse.csr_matrix(flip * dual_coef) if self._sparse else flip * dual_coef
        self.intercept_ = flip * np.array(intercepts)
        self.n_iter_ = np.array([problem.n_iter for problem in problems], np.int32)
        self.optimality_ = Optimality.merge(problems)
        self._warn_if_early()

    def _coefficients(self):
        """Signed multipliers of the support vectors, of shape (n_support, n_pairs)."""
        dual_coef = self.dual_coef_.toarray() if self._sparse else self.dual_coef_
        K, ends = len(self.classes_), np.cumsum(self.n_support_)
        if K == 2:
            return dual_coef.T
        coef = np.zeros((dual_coef.shape[1], K * (K - 1) // 2))
        for pair, (i, j) in enumerate(itertools.combinations(range(K), 2)):
            for of, place in ((i, j - 1), (j, i)):
                here = slice(ends[of] - self.n_support_[of], ends[of])
                coef[here, pair] = dual_coef[place, here]
        return coef

    def _pair_values(self, X):
        check_is_fitted(self)
        values = self._products(X, self._coefficients()) + self.intercept_
        # a tie must not depend on how X is stored
        values[np.abs(values) <= ROUNDING * (1.0 + np.abs(self.intercept_))] = 0.0
        return values

    def decision_function(self, X):
        """Decision values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        values : ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_pairs)
            Of two classes, how far on the side of ``classes_[1]``; see `decision_function_shape`.
        """
        values = self._pair_values(X)
        if len(self.classes_) == 2:
            return values.ravel()
        if self.decision_function_shape == "ovr":
            return _ovr_decision_function(values < 0, -values, len(self.classes_))
        return values

    def predict(self, X):
        """The class that wins most pairs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            For ``break_ties=True`` with ``decision_function_shape="ovo"``.
        """
        check_is_fitted(self)
        if self.break_ties and self.decision_function_shape == "ovo":
            raise ValueError("break_ties must be False when decision_function_shape is 'ovo'")
        K = len(self.classes_)
        values = self._pair_values(X)
        if K == 2:
            return self.classes_[(values.ravel() > 0).astype(np.intp)]
        if self.break_ties:
            return self.classes_[_ovr_decision_function(values < 0, -values, K).argmax(axis=1)]
        votes = np.zeros((len(values), K), np.intp)
        for pair, (i, j) in enumerate(itertools.combinations(range(K), 2)):
            first = values[:, pair] > 0
            votes[:, i] += first
            votes[:, j] += ~first
        return self.classes_[votes.argmax(axis=1)]

    @available_if(_wants_probabilities)
    def predict_proba(self, X):
        """Probabilities of the classes, with ``probability=True``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        values = self._pair_values(X)
        if not self._probA.size:
            raise NotFittedError("predict_proba is not available when fitted with probability=False")
        return couple(-values if len(self.classes_) == 2 else values, self._probA, self._probB)

    @available_if(_wants_probabilities)
    def predict_log_proba(self, X):
        """Their logarithms.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        return np.log(self.predict_proba(X))

    @property
    def probA_(self):
        """Slopes of the sigmoids; deprecated."""
        return self._deprecated("probA_", self._probA)

    @property
    def probB_(self):
        """Offsets of the sigmoids; deprecated."""
        return self._deprecated("probB_", self._probB)

    def _deprecated(self, name, value):
        warnings.warn(
            f"Attribute `{name}` was deprecated in scikit-learn 1.9 and will be removed in 1.11.",
            FutureWarning,
            stacklevel=3,  # the line that looked at it
        )
        return value
