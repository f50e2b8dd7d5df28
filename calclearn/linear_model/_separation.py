"""A warning of separable data, on which an unpenalised loss falls without end."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from .._objectives.separation import separated


def warn_if_separated(estimator, objective, x, *, stacklevel=5) -> bool:
    """A ConvergenceWarning where the loss falls without end, because the data are separable.

    To be called by ``fit`` itself; true where it warned, and a warning of no convergence would say less.
    """
    if not separated(objective, x):
        return False
    warnings.warn(
        f"{type(estimator).__name__}: separation. Some direction of the coefficients moves every row to the "
        "side on which its loss falls, so the loss falls without end and has no minimum: the coefficients "
        "tell where the solver stopped, and would grow for ever. A penalty gives the problem a solution.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
    return True
