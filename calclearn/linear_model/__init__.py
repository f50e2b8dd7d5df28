"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._generalized import GeneralizedLinearRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression
from ._ridge import Ridge, RidgeClassifier, ridge_regression

__all__ = [
    "GeneralizedLinearRegressor",
    "LinearRegression",
    "LogisticRegression",
    "Ridge",
    "RidgeClassifier",
    "ridge_regression",
]
