"""Pictures and checks of losses and of fitted estimators."""

from ._margin import MarginDisplay
from ._trees import TreeDisplay

__all__ = ["MarginDisplay", "TreeDisplay"]
