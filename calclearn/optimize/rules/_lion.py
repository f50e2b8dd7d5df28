"""Lion.  Derivation: docs/derivations/optimisers.md, equations (13) and (14)."""

from typing import ClassVar

import numpy as np

from ._contract import check_fractions, check_not_negative, check_rates, falling, update_rule


@update_rule("lion")
class Lion:
    r"""Steps of one size: the sign of a running mean of the gradient.

    .. math::
        \theta \leftarrow (1 - \eta_t \lambda)\,\theta - \eta_t \operatorname{sign}
        \left(\beta_1 m + (1 - \beta_1) g\right), \quad m \leftarrow \beta_2 m + (1 - \beta_2) g

    It remembers one number of each parameter, where Adam remembers two.

    Parameters
    ----------
    learning_rate : float, default=0.0001
        :math:`\eta`, the size of a step, in units of the parameter; a third to a tenth of Adam's.
    beta_1 : float, default=0.9
        The mean's share in the direction; in [0, 1).
    beta_2 : float, default=0.99
        How much of the mean stays from one step to the next; in [0, 1).
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.
    weight_decay : float, default=0.0
        :math:`\lambda`, not negative.

    Notes
    -----
    With a constant rate the parameters end up swinging, one step wide: let the rate fall.  Source: Chen et
    al. (2023), *Symbolic discovery of optimization algorithms*.

    Examples
    --------
    >>> parameter, mean = Lion(learning_rate=0.5).update(1, parameter=2.0, gradient=1e-3, mean=0.0)
    >>> float(parameter)
    1.5
    """

    learning_rate: float = 0.0001
    beta_1: float = 0.9
    beta_2: float = 0.99
    decay: float = 0.0
    weight_decay: float = 0.0
    state: ClassVar = ("mean",)

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta_1", "beta_2")
        check_not_negative(self, "weight_decay")

    def update(self, step, parameter, gradient, mean):
        rate = falling(self.learning_rate, self.decay, step)
        direction = np.sign(self.beta_1 * mean + (1.0 - self.beta_1) * gradient)  # (13)
        mean = self.beta_2 * mean + (1.0 - self.beta_2) * gradient  # (14)
        return (1.0 - rate * self.weight_decay) * parameter - rate * direction, mean
