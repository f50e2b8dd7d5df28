"""Multilayer perceptrons with backpropagation by hand."""

from ._activations import Activation, activation, get_activation
from ._classifier import MLPClassifier

__all__ = ["Activation", "MLPClassifier", "activation", "get_activation"]
