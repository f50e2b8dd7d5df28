"""Update rules as scikit-learn's networks have them; not registered, as they are for those alone.

Derivation: docs/derivations/gradient-descent.md.
"""

from typing import Any, ClassVar

import numpy as np

from .._runtime.formulas import formula
from ..optimize.rules import UpdateRule


def rule(cls) -> Any:
    """Make the annotated class an update rule."""
    return formula(cls, UpdateRule)


@rule
class PaperAdam:
    r"""Adam with :math:`\varepsilon` beside an uncorrected :math:`\sqrt v`: the paper's faster variant."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    state: ClassVar = ("mean", "square")

    def prepare(self, step):
        return self.learning_rate * np.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)

    def update(self, rate, parameter, gradient, mean, square):
        mean = self.beta_1 * mean + (1.0 - self.beta_1) * gradient
        square = self.beta_2 * square + (1.0 - self.beta_2) * gradient * gradient
        return parameter - rate * mean / (np.sqrt(square) + self.epsilon), mean, square


@rule
class HeavyBall:
    r"""Momentum; Nesterov's variant takes the step that the next one would take with this gradient."""

    learning_rate: float = 0.001
    momentum: float = 0.9
    nesterov: float = 1.0
    state: ClassVar = ("velocity",)

    def update(self, step, parameter, gradient, velocity):
        velocity = self.momentum * velocity - self.learning_rate * gradient
        ahead = self.momentum * velocity - self.learning_rate * gradient
        return parameter + np.where(self.nesterov > 0.0, ahead, velocity), velocity
