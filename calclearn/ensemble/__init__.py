"""Ensembles of trees: gradient boosting by Newton's steps, under any loss."""

from ._classifier import NewtonBoostingClassifier
from ._regressor import NewtonBoostingRegressor

__all__ = ["NewtonBoostingClassifier", "NewtonBoostingRegressor"]
