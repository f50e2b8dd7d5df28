"""Linear models: a loss of X w + b, a penalty, and how far from the optimum a fit stopped."""

from ._generalized import GeneralizedLinearRegressor
from ._least_squares import LinearRegression
from ._logistic import LogisticRegression
from ._logistic_cv import LogisticRegressionCV
from ._tweedie import GammaRegressor, PoissonRegressor, TweedieRegressor

__all__ = [
    "GammaRegressor",
    "GeneralizedLinearRegressor",
    "LinearRegression",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PoissonRegressor",
    "TweedieRegressor",
]
