"""scikit-learn's estimator checks on every public estimator, in several configurations; none may fail."""

import inspect

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import calclearn.ensemble
import calclearn.linear_model
import calclearn.neural_network
import calclearn.svm
from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    GeneralizedLinearClassifier,
    GeneralizedLinearRegressor,
    HuberRegressor,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    TweedieRegressor,
)
from calclearn.losses import Huber
from calclearn.neural_network import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from calclearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM

ESTIMATORS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    LinearRegression(positive=True),
    LinearRegression(solver="gd", momentum=0.9, max_iter=20_000, tol=1e-8),
    LogisticRegression(),
    LogisticRegression(solver="lbfgs", max_iter=1000),
    LogisticRegression(solver="newton-cg", tol=1e-10),
    LogisticRegression(solver="newton-cholesky", C=10.0),
    LogisticRegression(solver="liblinear"),
    LogisticRegression(solver="liblinear", dual=True, tol=1e-9, max_iter=5000),
    LogisticRegression(solver="sag", tol=1e-9, max_iter=5000),
    LogisticRegression(solver="saga", tol=1e-9, max_iter=10_000),
    LogisticRegression(l1_ratio=0.5, tol=1e-8),
    LogisticRegression(l1_ratio=1, solver="liblinear", tol=1e-8),
    LogisticRegressionCV(Cs=3, cv=3, l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False),
    LogisticRegressionCV(Cs=[0.1, 1], cv=2, l1_ratios=(0, 1), scoring=None, use_legacy_attributes=True),
    GeneralizedLinearRegressor(),
    GeneralizedLinearRegressor(loss=Huber(delta=2.0), alpha=0.1),
    GeneralizedLinearRegressor(loss="log_cosh", solver="newton-cg"),
    HuberRegressor(),
    HuberRegressor(alpha=0.1, epsilon=1.05, fit_intercept=False),
    GeneralizedLinearRegressor(alpha=0.1, l1_ratio=0.5, tol=1e-9),
    GeneralizedLinearRegressor(loss="huber", alpha=0.1, positive=True),
    GeneralizedLinearClassifier(),
    GeneralizedLinearClassifier(loss="squared_hinge", alpha=0.1, class_weight="balanced"),
    GeneralizedLinearClassifier(loss="multinomial_log_loss", alpha=0.1, l1_ratio=0.5, tol=1e-9),
    PoissonRegressor(),
    PoissonRegressor(solver="lbfgs"),
    GammaRegressor(solver="newton-cholesky"),
    QuantileRegressor(),
    QuantileRegressor(quantile=0.8, alpha=0.01, solver="highs-ipm"),
    TweedieRegressor(),
    TweedieRegressor(power=1.5, alpha=0.1),
    Ridge(),
    Ridge(solver="lsqr", tol=1e-12),
    Ridge(solver="sag", tol=1e-12, max_iter=20_000),
    Ridge(positive=True),
    Ridge(positive=True, solver="lbfgs", tol=1e-14),
    RidgeClassifier(),
    RidgeCV(),
    RidgeCV(cv=3),
    RidgeClassifierCV(),
    RidgeClassifierCV(cv=3),
    Lasso(),
    Lasso(positive=True, precompute=True),
    ElasticNet(alpha=0.1, selection="random", random_state=0),
    LassoCV(alphas=5),
    ElasticNetCV(alphas=5, l1_ratio=[0.5, 0.9]),
    NewtonBoostingClassifier(n_estimators=5),
    NewtonBoostingClassifier(
        n_estimators=3, grow_policy="lossguide", max_leaves=8, colsample_bynode=0.7, random_state=0
    ),
    NewtonBoostingClassifier("squared_hinge", n_estimators=3, reg_alpha=0.1),
    NewtonBoostingClassifier("hinge", n_estimators=3, max_depth=3),
    NewtonBoostingRegressor(n_estimators=5),
    NewtonBoostingRegressor("absolute_error", n_estimators=3, max_depth=0, max_leaves=7, max_bin=16),
    NewtonBoostingRegressor("poisson", n_estimators=3, max_delta_step=0.7, gamma=0.1),
    NewtonBoostingRegressor("huber", n_estimators=3, colsample_bytree=0.5, random_state=0),
    SVC(),
    SVC(kernel="linear", C=10.0),
    SVC(kernel="poly", coef0=1.0, break_ties=True),
    NuSVC(),
    SVR(),
    SVR(kernel="linear", epsilon=0.0),
    NuSVR(),
    OneClassSVM(),
    LinearSVC(),
    LinearSVC(loss="hinge", tol=1e-9),
    LinearSVC(dual=True, tol=1e-20, max_iter=100_000),
    LinearSVC(penalty="l1", tol=1e-9),
    LinearSVC(multi_class="crammer_singer", C=0.1, tol=1e-10, max_iter=100_000),
    LinearSVR(tol=1e-9),
    LinearSVR(loss="squared_epsilon_insensitive", epsilon=0.1, tol=1e-9),
    MLPClassifier(max_iter=100),
    MLPClassifier((10,), solver="lbfgs"),
    MLPClassifier(
        (16, 16), "gelu", loss="squared_hinge", residual=True, learning_rate_init=0.01, max_iter=100
    ),
    MLPRegressor(max_iter=100),
    TabularMLPClassifier((32, 32), max_iter=60),
    TabularMLPRegressor(hidden_layer_sizes=(32, 32), max_iter=60),
    MLPRegressor("huber", (10, 10), "silu", layer_norm=True, optimizer="adamw", max_iter=100),
]


def infeasible(estimator):
    """The checks that ask a nu-SVC for more than a class's weights can give, which is an error."""
    if not isinstance(estimator, NuSVC):
        return {}
    asked = "check_class_weight_classifiers", "check_sample_weight_equivalence_on_{}_data"
    names = [name.format(kind) for name in asked for kind in ("dense", "sparse")]
    return dict.fromkeys(names, "nu=0.5 is infeasible: half of all weights are not in each of the classes")


# A descent on 15 rows of another scale may run out of iterations, and then says so.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=infeasible)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    packages = (calclearn.linear_model, calclearn.ensemble, calclearn.neural_network, calclearn.svm)
    public = [getattr(package, name) for package in packages for name in package.__all__]
    classes = {cls for cls in public if inspect.isclass(cls) and issubclass(cls, BaseEstimator)}
    assert classes == {type(estimator) for estimator in ESTIMATORS}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_parameters_are_documented_and_survive_a_clone(estimator):
    parameters = estimator.get_params()
    assert clone(estimator).get_params() == parameters
    for name in parameters:
        assert name.startswith("loss__") or f"    {name} : " in type(estimator).__doc__
