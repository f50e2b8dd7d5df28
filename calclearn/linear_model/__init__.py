"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._generalized import GeneralizedLinearRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression
from ._logistic_cv import LogisticRegressionCV

__all__ = ["GeneralizedLinearRegressor", "LinearRegression", "LogisticRegression", "LogisticRegressionCV"]
