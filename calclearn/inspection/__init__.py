"""Pictures and checks of losses and of fitted estimators."""

from ._trees import TreeDisplay

__all__ = ["TreeDisplay"]
