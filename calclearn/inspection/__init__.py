"""Pictures and checks of losses and of fitted estimators."""

from ._gradient_flow import GradientFlowDisplay
from ._margin import MarginDisplay
from ._trees import TreeDisplay

__all__ = ["GradientFlowDisplay", "MarginDisplay", "TreeDisplay"]
