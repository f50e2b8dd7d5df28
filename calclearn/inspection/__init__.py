"""Pictures and checks of losses and of fitted estimators.

A picture is a Display, as scikit-learn has them: it is made of plain data or by ``from_estimator`` and its
kin, drawn by ``plot(ax=...)`` on axes of yours or its own, and can be drawn again.
"""

from ._convergence import ConvergenceDisplay
from ._curvature import curvature
from ._derivative_check import DerivativeCheckDisplay
from ._derivatives import DerivativeDisplay
from ._gradient_flow import GradientFlowDisplay
from ._gradients import GradientCheck, check_gradients
from ._loss_surface import LossSurfaceDisplay
from ._margin import MarginDisplay
from ._recorder import ConvergenceRecorder
from ._trees import TreeDisplay

__all__ = [
    "ConvergenceDisplay",
    "ConvergenceRecorder",
    "DerivativeCheckDisplay",
    "DerivativeDisplay",
    "GradientCheck",
    "GradientFlowDisplay",
    "LossSurfaceDisplay",
    "MarginDisplay",
    "TreeDisplay",
    "check_gradients",
    "curvature",
]
