"""Multilayer perceptrons with backpropagation by hand."""

from ._activations import Activation, activation, get_activation
from ._classifier import MLPClassifier
from ._regressor import MLPRegressor

__all__ = ["Activation", "MLPClassifier", "MLPRegressor", "activation", "get_activation"]
