"""Who is measured: for every contestant, the estimator that minimises a case's objective at a tolerance.

liblinear is absent: it penalises the intercept, which is another objective.  oneDAL is used through
scikit-learn-intelex's own classes; scikit-learn is never patched.  skglm joins with the l1 cases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import THREADS

OURS = "calclearn"
LADDER = tuple(10.0**-k for k in range(1, 13))  # of tolerances, loosest first, the same for everybody
LOGISTIC_SOLVERS = ("lbfgs", "newton-cholesky", "newton-cg", "sag", "saga")


@dataclass(frozen=True)
class Contestant:
    """A name, and `build(case, n_rows, **tolerance)`, which imports its package and returns an estimator."""

    name: str
    package: str
    build: Callable
    tolerance: str | None = "tol"  # the name of its parameter; None where accuracy cannot be asked for

    def estimator(self, case, n_rows, tol=None):
        return self.build(case, n_rows, **({} if tol is None else {self.tolerance: tol}))

    def missing(self, case):
        """Return why the estimator cannot be imported, or None."""
        try:
            self.estimator(case, 1)
        except ImportError as error:
            return f"not installed: {error}"

    def default_tolerance(self, case):
        return self.tolerance and getattr(self.estimator(case, 1), self.tolerance)

    def fit(self, case, X, y, tol=None):
        """Fit and return coefficients and intercept.  This, and no more, is what is timed."""
        model = self.estimator(case, X.shape[0], tol).fit(X, y)
        return model.coef_, model.intercept_

    def ladder(self, case):
        return (None,) if self.tolerance is None or case.tolerance is None else LADDER


def contestants(case):
    """Return everybody who minimises this case's objective, ourselves first."""
    tolerance = None if case.family == "ols" else "tol"
    everybody = [Contestant(OURS, "calclearn", ours, tolerance)]
    if case.family == "ols":
        everybody.append(Contestant("scikit-learn", "scikit-learn", least_squares, None))
    elif case.family == "poisson":
        for solver in ("lbfgs", "newton-cholesky"):
            build = partial(poisson, solver=solver)
            everybody.append(Contestant(f"scikit-learn {solver}", "scikit-learn", build))
    else:
        for solver in LOGISTIC_SOLVERS:
            build = partial(logistic, solver=solver)
            everybody.append(Contestant(f"scikit-learn {solver}", "scikit-learn", build))
    if case.family != "poisson":
        everybody.append(Contestant("oneDAL", "scikit-learn-intelex", onedal, tolerance))
    if case.family in ("poisson", "binary"):
        everybody.append(Contestant("glum", "glum", glum, "gradient_tol"))
    return everybody


def ours(case, n_rows, **parameters):
    if case.family == "ols":
        from calclearn.linear_model import LinearRegression

        return LinearRegression()
    if case.family == "poisson":
        from calclearn.linear_model import GeneralizedLinearRegressor

        return GeneralizedLinearRegressor(loss="poisson", alpha=case.alpha, max_iter=10_000, **parameters)
    from calclearn.linear_model import LogisticRegression

    return LogisticRegression(C=case.C, fit_intercept=case.fit_intercept, max_iter=10_000, **parameters)


def least_squares(case, n_rows):
    from sklearn.linear_model import LinearRegression

    return LinearRegression()  # its tol is the cut-off of the rank, not an accuracy


def logistic(case, n_rows, solver, **parameters):
    from sklearn.linear_model import LogisticRegression

    max_iter = 1000 if solver.startswith("sag") else 10_000
    return LogisticRegression(
        C=case.C,
        fit_intercept=case.fit_intercept,
        solver=solver,
        max_iter=max_iter,
        random_state=0,
        **parameters,
    )


def poisson(case, n_rows, solver, **parameters):
    from sklearn.linear_model import PoissonRegressor

    return PoissonRegressor(alpha=case.alpha, solver=solver, max_iter=10_000, **parameters)


def onedal(case, n_rows, **parameters):
    import daal4py
    from sklearnex import linear_model

    daal4py.daalinit(THREADS)
    if case.family == "ols":
        return linear_model.LinearRegression()
    return linear_model.LogisticRegression(
        C=case.C, fit_intercept=case.fit_intercept, max_iter=10_000, **parameters
    )


def glum(case, n_rows, **parameters):
    from glum import GeneralizedLinearRegressor

    family, alpha = "poisson", case.alpha
    if case.family == "binary":
        family, alpha = "binomial", 1.0 / (case.C * n_rows)
    return GeneralizedLinearRegressor(
        family=family, alpha=alpha, fit_intercept=case.fit_intercept, max_iter=1000, **parameters
    )


def our_loss_kernel():
    """Return f(y, raw, gradient, hessian), which fills the last two with the logistic loss's derivatives."""
    from calclearn.losses import get_loss, pointwise

    loss = get_loss("log_loss")
    return lambda y, raw, gradient, hessian: pointwise.gradient_hessian(
        loss, y, raw, gradient=gradient, hessian=hessian, n_threads=1
    )


def their_loss_kernel():
    from sklearn._loss import HalfBinomialLoss

    loss = HalfBinomialLoss()
    return lambda y, raw, gradient, hessian: loss.gradient_hessian(
        y, raw, gradient_out=gradient, hessian_out=hessian, n_threads=1
    )
