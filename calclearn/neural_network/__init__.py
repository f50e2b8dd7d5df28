"""Multilayer perceptrons with backpropagation by hand."""

from ._activations import Activation, activation, get_activation
from ._classifier import MLPClassifier
from ._regressor import MLPRegressor
from ._tabular import TabularMLPClassifier, TabularMLPRegressor

__all__ = [
    "Activation",
    "MLPClassifier",
    "MLPRegressor",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "activation",
    "get_activation",
]
