"""Linear support vector regression."""

from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state

from ..base import (
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
from ..losses import SquaredEpsilonInsensitive
from ._linear import ADVICE, LinearMachine


class LinearSVR(RegressorMixin, LinearMachine):
    r"""Linear support vector regression.

    It minimises over w

    .. math:: \tfrac12 \|w\|^2 + \sum_i C_i \max(0, |y_i - x_i^T w| - \varepsilon)

    or with a square.  The intercept is the coefficient of a constant column, and penalised like the others.

    Parameters
    ----------
    epsilon : float, default=0.0
        Half the width of the tube in which errors cost nothing, in the units of `y`.
    tol : float, default=1e-4
        The fit ends when the duality gap is no larger a share of the objective; for the squared loss with
        ``dual`` other than True, when no component of the gradient of the objective divided by ``2 Σ C`` is
        larger in absolute value.
    C : float, default=1.0
        Price of what is outside of the tube.
    loss : {"epsilon_insensitive", "squared_epsilon_insensitive"}, default="epsilon_insensitive"
    fit_intercept : bool, default=True
        Whether there is an intercept.
    intercept_scaling : float, default=1.0
        The constant: the larger, the less the intercept is penalised.
    dual : "auto" or bool, default="auto"
        Whether the dual problem is solved; the optimum is the same.  "auto" takes what is fastest: Newton's
        method for the squared loss, and for the other, which has no curvature, the dual.
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
    coef_ : ndarray of shape (n_features,)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
    optimality_ : Optimality
        The objective, the dual's, and their gap.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)

    See Also
    --------
    SVR : With any Gram function.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.svm import LinearSVR
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = LinearSVR(C=100.0).fit(X, y)
    >>> model.optimality_.duality_gap < 1e-4 * model.optimality_.objective
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0.0, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "loss": [StrOptions({"epsilon_insensitive", "squared_epsilon_insensitive"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "dual": ["boolean", StrOptions({"auto"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        *,
        epsilon=0.0,
        tol=1e-4,
        C=1.0,
        loss="epsilon_insensitive",
        fit_intercept=True,
        intercept_scaling=1.0,
        dual="auto",
        verbose=0,
        random_state=None,
        max_iter=1000,
        n_jobs=None,
    ):
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
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
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            By what C is multiplied for each row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For invalid parameters, data or weights, or a loss and `dual` that do not go together.
        """
        if self.loss == "epsilon_insensitive" and self.dual is False:
            raise ValueError(
                "Unsupported set of arguments: The combination of penalty='l2' and "
                "loss='epsilon_insensitive' are not supported when dual=False, Parameters: penalty='l2', "
                "loss='epsilon_insensitive', dual=False"
            )
        X, y = validate(self, X, y, sparse="csr", dtype=np.float64, y_numeric=True)
        weight = check_weights(sample_weight, X)
        weight, X, y = drop_weightless(weight, X, y.astype(np.float64, copy=False))
        C = self.C * (np.ones(len(y)) if weight is None else weight)
        rows = self._rows(X, n_threads=thread_count(self.n_jobs))
        options = {"tol": self.tol, "max_iter": self.max_iter}
        with self._progress(self.max_iter, X=X, y=y) as progress:
            heard = progress if progress.listening else None
            squared = self.loss == "squared_epsilon_insensitive"
            if squared and self.dual is not True:
                loss = SquaredEpsilonInsensitive(epsilon=float(self.epsilon))
                found = rows.minimise(loss, y, C, **options, progress=heard)
            else:
                sign = np.repeat([[1.0], [-1.0]], len(y), axis=1)
                shift = np.stack([self.epsilon - y, self.epsilon + y])
                rng = check_random_state(self.random_state)
                found = rows.part(sign, shift, C, squared=squared, rng=rng, **options, progress=heard)
        self.coef_, intercept, self.optimality_ = found
        self.intercept_ = np.atleast_1d(intercept) if self.fit_intercept else 0.0
        self.n_iter_ = self.optimality_.n_iter
        self._warn_unless_converged(self.optimality_, ADVICE)
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._raw(X)
