"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._elastic_net import ElasticNet, Lasso
from ._elastic_net_cv import ElasticNetCV, LassoCV
from ._elastic_net_path import enet_path, lasso_path
from ._generalized import GeneralizedLinearRegressor
from ._generalized_classifier import GeneralizedLinearClassifier
from ._huber import HuberRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression
from ._logistic_cv import LogisticRegressionCV
from ._quantile import QuantileRegressor
from ._ridge import Ridge, RidgeClassifier, ridge_regression
from ._ridge_cv import RidgeClassifierCV, RidgeCV
from ._tweedie import GammaRegressor, PoissonRegressor, TweedieRegressor

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "GammaRegressor",
    "GeneralizedLinearClassifier",
    "GeneralizedLinearRegressor",
    "HuberRegressor",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "TweedieRegressor",
    "enet_path",
    "lasso_path",
    "ridge_regression",
]
