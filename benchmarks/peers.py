"""Who is measured: for every contestant, the estimator that minimises a case's objective at a tolerance.

liblinear takes part where there is no intercept alone: it penalises it, which is another objective.
oneDAL is used through scikit-learn-intelex's own classes; scikit-learn is never patched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import THREADS, neural
from .sparse_optima import N_FOLDS

OURS = "calclearn"
LADDER = tuple(10.0**-k for k in range(1, 13))  # of tolerances, loosest first, the same for everybody
LOGISTIC_SOLVERS = ("lbfgs", "newton-cholesky", "newton-cg", "sag", "saga")
MOST = 100_000  # iterations: a fit is to end by its tolerance


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
        """Return why the estimator is not to be had, or None."""
        try:
            self.estimator(case, 1)
        except ImportError as error:
            return f"missing: {error}"

    def default_tolerance(self, case):
        return self.tolerance and getattr(self.estimator(case, 1), self.tolerance)

    def fit(self, case, X, y, tol=None):
        """Return the fitted model.  This, and no more, is what is timed."""
        return self.estimator(case, X.shape[0], tol).fit(X, y)

    def ladder(self, case):
        if self.tolerance is None or case.tolerance is None:
            return (None,)
        return LADDER[2:] if case.family == "lasso-cv" else LADDER  # looser ones cost minutes and fail


def contestants(case):
    """Return everybody who minimises this case's objective, ourselves first."""
    return [Contestant(OURS, "calclearn", ours, tolerance(case)), *peers(case)]


def tolerance(case):
    """Return the usual name of the parameter that asks for accuracy; direct solvers have none."""
    return None if case.family in ("ols", "ridge", "boosting", "mlp") else "tol"


def peers(case):
    family = case.family
    if family == "ols":
        yield Contestant("scikit-learn", "scikit-learn", least_squares, None)
    elif family == "ridge":
        yield Contestant("scikit-learn", "scikit-learn", ridge, None)
        yield Contestant("scikit-learn lsqr", "scikit-learn", partial(ridge, solver="lsqr"))
    elif family == "lasso":
        yield Contestant("scikit-learn", "scikit-learn", lasso)
        if not case.wide:
            yield Contestant("scikit-learn Gram", "scikit-learn", partial(lasso, precompute=True))
    elif family == "lasso-cv":
        yield Contestant("scikit-learn", "scikit-learn", lasso_cv)
        yield Contestant("scikit-learn n_jobs", "scikit-learn", partial(lasso_cv, n_jobs=THREADS))
    elif family == "boosting":
        yield Contestant("XGBoost", "xgboost", xgboost, None)
        yield Contestant("LightGBM", "lightgbm", lightgbm, None)
        if case.key == "boost-1m":
            quantised = partial(lightgbm, use_quantized_grad=True)
            yield Contestant("quantised LightGBM", "lightgbm", quantised, None)
        yield Contestant("HistGradientBoosting", "scikit-learn", hist_gradient_boosting, None)
    elif family in ("svc", "svr"):
        yield Contestant("LIBSVM", "scikit-learn", libsvm)
        yield Contestant("oneDAL", "scikit-learn-intelex", onedal_svm)
    elif family == "linsvc":
        if case.loss == "squared_hinge":
            yield Contestant("liblinear primal", "scikit-learn", partial(liblinear, dual=False))
        yield Contestant("liblinear dual", "scikit-learn", partial(liblinear, dual=True))
    elif family == "mlp":
        yield Contestant("scikit-learn", "scikit-learn", neural.scikit_learn, None)
        yield Contestant("PyTorch", "torch", neural.pytorch, None)
    else:
        for solver in solvers(family):
            build = partial(poisson if family == "poisson" else logistic, solver=solver)
            yield Contestant(f"scikit-learn {solver}", "scikit-learn", build)
    if family in ("ols", "ridge", "binary", "multinomial", "lasso"):
        yield Contestant("oneDAL", "scikit-learn-intelex", onedal, tolerance(case))
    if family in ("lasso", "binary-l1"):
        yield Contestant("skglm", "skglm", skglm)
        yield Contestant("celer", "celer", celer)
    if family in ("poisson", "binary", "ridge", "lasso", "binary-l1") and not case.wide:
        yield Contestant("glum", "glum", glum, "gradient_tol")


def solvers(family):
    if family == "poisson":
        return ("lbfgs", "newton-cholesky")
    return ("saga", "liblinear") if family == "binary-l1" else LOGISTIC_SOLVERS


def ours(case, n_rows, **parameters):
    if case.family == "ols":
        from calclearn.linear_model import LinearRegression

        return LinearRegression()
    if case.family == "ridge":
        from calclearn.linear_model import Ridge

        return Ridge(alpha=case.alpha)
    if case.family == "lasso":
        from calclearn.linear_model import Lasso

        return Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, max_iter=MOST, **parameters)
    if case.family == "lasso-cv":
        from calclearn.linear_model import LassoCV

        return LassoCV(alphas=100, cv=N_FOLDS, max_iter=MOST, **parameters)
    if case.family == "poisson":
        from calclearn.linear_model import PoissonRegressor

        return PoissonRegressor(alpha=case.alpha, max_iter=10_000, **parameters)
    if case.family == "boosting":
        from calclearn.ensemble import NewtonBoostingClassifier

        return NewtonBoostingClassifier(max_bin=256, **growth(case))  # 255 of values, one of missing ones
    if case.family == "svc":
        from calclearn.svm import SVC

        return SVC(C=case.C, **parameters)
    if case.family == "svr":
        from calclearn.svm import SVR

        return SVR(C=case.C, **parameters)
    if case.family == "linsvc":
        from calclearn.svm import LinearSVC

        return LinearSVC(C=case.C, loss=case.loss, max_iter=MOST, **parameters)
    if case.family == "mlp":
        return neural.ours(case, n_rows)
    from calclearn.linear_model import LogisticRegression

    return LogisticRegression(
        C=case.C, fit_intercept=case.fit_intercept, max_iter=10_000, **l1_ratio(case), **parameters
    )


def l1_ratio(case):
    return {"l1_ratio": 1.0} if case.family == "binary-l1" else {}


def least_squares(case, n_rows):
    from sklearn.linear_model import LinearRegression

    return LinearRegression()  # its tol is the cut-off of the rank, not an accuracy


def ridge(case, n_rows, **parameters):
    from sklearn.linear_model import Ridge

    return Ridge(alpha=case.alpha, **parameters)


def lasso(case, n_rows, **parameters):
    from sklearn.linear_model import Lasso

    return Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, max_iter=MOST, **parameters)


def lasso_cv(case, n_rows, **parameters):
    from sklearn.linear_model import LassoCV

    return LassoCV(alphas=100, cv=N_FOLDS, max_iter=MOST, **parameters)


def logistic(case, n_rows, solver, **parameters):
    from sklearn.linear_model import LogisticRegression

    stochastic = solver.startswith("sag") and case.family != "binary-l1"
    return LogisticRegression(
        C=case.C,
        fit_intercept=case.fit_intercept,
        solver=solver,
        max_iter=1000 if stochastic else 10_000,
        random_state=0,
        **l1_ratio(case),
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
    if case.family == "ridge":
        return linear_model.Ridge(alpha=case.alpha)
    if case.family == "lasso":
        from daal4py.sklearn.linear_model import Lasso

        return Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, max_iter=MOST, **parameters)
    return linear_model.LogisticRegression(
        C=case.C, fit_intercept=case.fit_intercept, max_iter=10_000, **parameters
    )


def libsvm(case, n_rows, **parameters):
    from sklearn.svm import SVC, SVR

    return (SVR if case.family == "svr" else SVC)(C=case.C, **parameters)


def onedal_svm(case, n_rows, **parameters):
    import daal4py
    from sklearnex.svm import SVC, SVR

    daal4py.daalinit(THREADS)
    return (SVR if case.family == "svr" else SVC)(C=case.C, **parameters)


def liblinear(case, n_rows, **parameters):
    from sklearn.svm import LinearSVC

    return LinearSVC(C=case.C, loss=case.loss, max_iter=MOST, random_state=0, **parameters)


def skglm(case, n_rows, **parameters):
    from skglm import Lasso, SparseLogisticRegression

    if case.family == "lasso":
        return Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, max_iter=1000, **parameters)
    return SparseLogisticRegression(
        alpha=1.0 / (case.C * n_rows), fit_intercept=case.fit_intercept, max_iter=1000, **parameters
    )


def celer(case, n_rows, **parameters):
    from celer import Lasso, LogisticRegression

    if case.family == "lasso":
        return Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, max_iter=1000, **parameters)
    return LogisticRegression(C=case.C, fit_intercept=case.fit_intercept, max_iter=1000, **parameters)


def glum(case, n_rows, **parameters):
    from glum import GeneralizedLinearRegressor

    family, alpha = {
        "poisson": ("poisson", case.alpha),
        "lasso": ("normal", case.alpha),
        "ridge": ("normal", case.alpha / n_rows),
    }.get(case.family, ("binomial", 1.0 / (case.C * n_rows)))
    return GeneralizedLinearRegressor(
        family=family,
        alpha=alpha,
        l1_ratio=float(case.family in ("lasso", "binary-l1")),
        fit_intercept=case.fit_intercept,
        max_iter=1000,
        **parameters,
    )


def growth(case):
    """Return how trees are grown, in the parameters that we share with XGBoost."""
    return {
        "n_estimators": case.trees,
        "learning_rate": 0.1,
        "max_leaves": case.leaves,
        "max_depth": case.depth,
        "grow_policy": "depthwise" if case.depth else "lossguide",
        "reg_lambda": 1.0,
        "min_child_weight": 1e-3,
        "n_jobs": THREADS,
    }


def xgboost(case, n_rows):
    from xgboost import XGBClassifier

    return XGBClassifier(tree_method="hist", max_bin=255, enable_categorical=True, **growth(case))


def lightgbm(case, n_rows, **parameters):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=case.trees,
        learning_rate=0.1,
        num_leaves=case.leaves or 2**case.depth,
        max_depth=case.depth or -1,
        max_bin=255,
        reg_lambda=1.0,
        cat_l2=0.0,  # beyond reg_lambda
        min_child_weight=1e-3,
        min_child_samples=1,
        min_data_per_group=1,
        min_data_in_bin=1,
        enable_bundle=False,
        n_jobs=THREADS,
        verbose=-1,
        **parameters,
    )


def hist_gradient_boosting(case, n_rows):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(  # its least sum of Hessians is 1e-3, its threads are OpenMP's
        max_iter=case.trees,
        learning_rate=0.1,
        max_leaf_nodes=case.leaves or None,
        max_depth=case.depth or None,
        max_bins=255,
        l2_regularization=1.0,
        min_samples_leaf=1,
        early_stopping=False,
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
