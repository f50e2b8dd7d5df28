"""What a logistic regression minimises: the same rows for any C and l1_ratio, and each solver's intercept."""

import numpy as np
import scipy.sparse
from sklearn.utils import compute_class_weight

from .._objectives.design import Design
from .._objectives.linear import LinearObjective
from ..base import check_weights, drop_weightless
from ..losses import get_loss

SOLVERS = ("auto", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
LARGEST = 1e30  # of X, for "liblinear"


class LogisticProblem:
    r"""The log loss of fixed rows: :math:`C \sum_i s_i \ell_i + \frac{1-\rho}{2}\|w\|^2 + \rho\|w\|_1`.

    The design, which is most of the memory and of the work to make, is shared by all C and ρ.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    codes : ndarray of shape (n,)
        Indices of the classes.
    weight : ndarray of shape (n,) or None
        Of the rows, class weights included.
    n_classes : int
    estimator : LogisticRegression or LogisticRegressionCV
        For its solver, fit_intercept and intercept_scaling.
    l1 : bool
        Whether any ρ is positive.
    n_threads : int
    """

    def __init__(self, X, codes, weight, n_classes, estimator, *, l1, n_threads):
        self.n_classes, self.intercept, self.l1 = n_classes, estimator.fit_intercept, bool(l1)
        weight, X, codes = drop_weightless(weight, X, codes)
        liblinear = estimator.solver == "liblinear"
        # liblinear penalises the intercept: as the coefficient of a constant column, which under l2 alone
        # need not be there
        self._constant = float(estimator.intercept_scaling) if liblinear and self.intercept else 0.0
        self._column = bool(l1 and self._constant)
        # liblinear's arithmetic, in scikit-learn, is float64 whatever X is
        self.dtype = np.dtype(np.float64) if liblinear else X.dtype
        if self._column:
            column = np.full((X.shape[0], 1), self._constant, X.dtype)
            X = (
                scipy.sparse.hstack([X, column], "csr")
                if scipy.sparse.issparse(X)
                else np.hstack([X, column])
            )
        if X.dtype != self.dtype:
            X = X.astype(self.dtype)
        self._rows = Design(X, n_threads), codes.astype(self.dtype), weight
        self.total_weight = float(len(codes)) if weight is None else float(weight.sum())

    def objective(self, C, l1_ratio=0.0):
        """The objective divided by :meth:`scale`, as the solvers take it."""
        strength = 1.0 / (C * self.total_weight)
        l1, l2 = l1_ratio * strength, (1.0 - l1_ratio) * strength
        binary, free = self.n_classes == 2, self.intercept and not self._column
        return LinearObjective(
            get_loss("log_loss" if binary else "multinomial_log_loss"),
            *self._rows,
            l2=l2,
            l1=l1,
            l2_intercept=l2 / self._constant**2 if free and self._constant else 0.0,
            intercept=free,
            n_outputs=None if binary else self.n_classes,
        )

    def scale(self, C):
        """The documented objective is that many times the one minimised."""
        return (C if np.isfinite(C) else 1.0) * self.total_weight

    def unpack(self, objective, x):
        """`(coef, intercept)` of shapes (K, p) and (K,), K = 1 for two classes, in the dtype that is kept."""
        coef, intercept = (np.atleast_1d(part) for part in objective.unpack(x))
        coef = np.atleast_2d(coef)
        if self._column:
            coef, intercept = coef[:, :-1], coef[:, -1] * self._constant
        if objective.n_outputs is not None:  # only differences matter: let them add up to zero
            intercept = intercept - intercept.mean()
            if not (objective.l2 or objective.l1):
                coef = coef - coef.mean(axis=0)
        return coef.astype(self.dtype), intercept.astype(self.dtype)

    def pack(self, objective, coef, intercept):
        """The flat vector of a `(coef, intercept)` such as :meth:`unpack` gives."""
        if self._column:
            coef = np.column_stack([coef, intercept / self._constant])
        rows = slice(None) if objective.n_outputs else 0
        return objective.pack(coef[rows], intercept[rows])


def row_weights(sample_weight, class_weight, X, y, classes, codes):
    """The weights of the rows, times those of their classes; None where both are."""
    weight = check_weights(sample_weight, X)
    if class_weight is None:
        return weight
    given = {} if weight is None else {"sample_weight": weight}
    with np.errstate(divide="ignore"):  # "balanced" divides by the weight of a class, which may be nothing
        of_class = compute_class_weight(class_weight, classes=classes, y=y, **given)[codes]
    weight = of_class if weight is None else weight * np.where(weight > 0, of_class, 0.0)
    if not (weight >= 0).all() or not weight.sum() > 0:
        raise ValueError(
            f"class_weight must leave weights that are not negative, and not all zero, got {class_weight!r}"
        )
    return weight


def check_solver(solver, penalty, dual):
    """Raise a ValueError if the solver cannot have this penalty: "l1", "l2", "elasticnet" or None."""
    if solver not in ("auto", "liblinear", "saga") and penalty not in ("l2", None):
        raise ValueError(f"Solver {solver} supports only 'l2' or None penalties, got {penalty} penalty.")
    if dual and solver != "liblinear":
        raise ValueError(f"Solver {solver} supports only dual=False, got dual={dual}")
    if solver == "liblinear":
        if penalty == "elasticnet":
            raise ValueError(
                f"Only 'saga' solver supports elasticnet penalty, got solver={solver}. (So does 'auto'.)"
            )
        if penalty is None:
            raise ValueError("C=np.inf as well as penalty=None is not supported for the liblinear solver")
        if dual and penalty == "l1":
            raise ValueError("The combination of an L1 penalty with dual=True is not supported")


def check_classes(classes, solver):
    """Raise a ValueError for one class, or for more than the solver can take."""
    if len(classes) < 2:
        raise ValueError(
            "This solver needs samples of at least 2 classes in the data, but the data contains only "
            f"one class: {classes[0]!r}"
        )
    if solver == "liblinear" and len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass. "
            "The 'liblinear' solver does not support multiclass classification (n_classes >= 3). Either "
            "use another solver or wrap the estimator in a OneVsRestClassifier to keep applying a "
            "one-versus-rest scheme."
        )


def check_range(X, solver):
    """Raise a ValueError for entries whose squares liblinear's step sizes cannot hold."""
    if solver == "liblinear" and X.max() > LARGEST:
        raise ValueError(
            "Using the 'liblinear' solver while X contains a maximum value > 1e30 results in a frozen fit. "
            "Please choose another solver or rescale the input X."
        )


def advice(solver, n_iter):
    """What scikit-learn's warning says where this solver meets its iteration limit."""
    return {
        "lbfgs": f"lbfgs failed to converge after {n_iter} iteration(s): Increase the number of iterations "
        "(max_iter) or scale the data.",
        "liblinear": "Liblinear failed to converge, increase the number of iterations.",
        "newton-cg": "newton-cg failed to converge. Increase the number of iterations.",
        "newton-cholesky": f"Newton solver did not converge after {n_iter} iterations.",
        "sag": "The max_iter was reached which means the coef_ did not converge.",
        "saga": "The max_iter was reached which means the coef_ did not converge.",
    }.get(solver, "")
