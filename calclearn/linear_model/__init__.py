"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._elastic_net import ElasticNet, Lasso
from ._elastic_net_cv import ElasticNetCV, LassoCV
from ._elastic_net_path import enet_path, lasso_path
from ._generalized import GeneralizedLinearRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "GeneralizedLinearRegressor",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LogisticRegression",
    "enet_path",
    "lasso_path",
]
