"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._generalized import GeneralizedLinearRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression
from ._ridge import Ridge, RidgeClassifier, ridge_regression
from ._ridge_cv import RidgeClassifierCV, RidgeCV

__all__ = [
    "GeneralizedLinearRegressor",
    "LinearRegression",
    "LogisticRegression",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "ridge_regression",
]
