"""Classic machine learning from calculus, in the style of scikit-learn.

Write a loss as one formula: its gradient and Hessian are derived from it and serve every estimator.
Every fit says in ``optimality_`` how far from the optimum it stopped.
"""

import importlib

__version__ = "0.1.0.dev0"

_MODULES = (
    "calculus",
    "ensemble",
    "inspection",
    "linear_model",
    "losses",
    "neural_network",
    "optimize",
    "penalties",
    "svm",
)
__all__ = ["__version__", *_MODULES]


def __getattr__(name):
    if name in _MODULES:  # loaded at first use: importing the package costs nothing
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
