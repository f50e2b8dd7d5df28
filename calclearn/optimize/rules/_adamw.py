"""AdamW.  Derivation: docs/derivations/optimisers.md, equation (8)."""

from typing import ClassVar

import numpy as np

from ._contract import (
    check_fractions,
    check_not_negative,
    check_positive,
    check_rates,
    falling,
    update_rule,
)


@update_rule("adamw")
class AdamW:
    r"""Adam, with parameters that shrink by themselves.

    .. math::
        \theta \leftarrow (1 - \eta_t \lambda)\,\theta
        - \eta_t\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon}

    :math:`\hat m` and :math:`\hat v` are Adam's.  An L2 penalty in the loss would be divided by
    :math:`\sqrt{\hat v}` with the rest of the gradient; this decay is the same for all parameters.

    Parameters
    ----------
    learning_rate : float, default=0.001
        :math:`\eta`, about the size of a step, in units of the parameter.
    beta_1, beta_2 : float, default=0.9, 0.999
        How much of the running means stays from one step to the next; in [0, 1).
    epsilon : float, default=1e-8
        Keeps the ratio finite where gradients vanish; in units of the gradient, positive.
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.
    weight_decay : float, default=0.01
        :math:`\lambda`, not negative.

    Notes
    -----
    Source: Loshchilov and Hutter (2019), *Decoupled weight decay regularization*.

    Examples
    --------
    >>> rule = AdamW(learning_rate=0.5, weight_decay=0.2)
    >>> parameter, *_ = rule.update(rule.prepare(1), 2.0, gradient=1e-3, mean=0.0, square=0.0)
    >>> round(float(parameter), 4)
    1.3
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    weight_decay: float = 0.01
    state: ClassVar = ("mean", "square")

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta_1", "beta_2")
        check_positive(self, "epsilon")
        check_not_negative(self, "weight_decay")

    def prepare(self, step):
        rate = falling(self.learning_rate, self.decay, step)
        unbiased = (1.0 - self.beta_2**step) ** -0.5
        return rate / (1.0 - self.beta_1**step), unbiased, 1.0 - rate * self.weight_decay

    def update(self, step, parameter, gradient, mean, square):
        rate, unbiased, kept = step
        mean = self.beta_1 * mean + (1.0 - self.beta_1) * gradient
        square = self.beta_2 * square + (1.0 - self.beta_2) * gradient * gradient
        size = unbiased * np.sqrt(square) + self.epsilon
        return kept * parameter - rate * mean / size, mean, square  # (8)
