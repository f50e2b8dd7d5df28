"""Pictures and checks of losses and of fitted estimators."""

from ._gradient_flow import GradientFlowDisplay
from ._gradients import GradientCheck, check_gradients
from ._margin import MarginDisplay
from ._trees import TreeDisplay

__all__ = ["GradientCheck", "GradientFlowDisplay", "MarginDisplay", "TreeDisplay", "check_gradients"]
