"""NAdam.  Derivation: docs/derivations/optimisers.md, equations (11) and (12)."""

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

WARMING = 0.96  # how fast the momentum nears its final value, to the power of `momentum_decay`, a step
FORGOTTEN = 1e-17  # less than the rounding error of one: later factors of the product do not count


@update_rule("nadam")
class NAdam:
    r"""Adam with Nesterov's look ahead, and a momentum that warms up.

    .. math::
        \theta \leftarrow \theta - \frac{\eta_t}{\sqrt{\hat v} + \varepsilon} \left(
        \frac{\mu_{t+1}\,m}{1 - \prod_{i \le t+1} \mu_i} + \frac{(1 - \mu_t)\,g}{1 - \prod_{i \le t} \mu_i}
        \right), \quad \mu_t = \beta_1 \left(1 - \tfrac12\,0.96^{t\psi}\right)

    :math:`m` and :math:`\hat v` are Adam's.

    Parameters
    ----------
    learning_rate : float, default=0.002
        :math:`\eta`, about the size of a step, in units of the parameter.
    beta_1, beta_2 : float, default=0.9, 0.999
        How much of the running means stays from one step to the next; in [0, 1).
    epsilon : float, default=1e-8
        Keeps the ratio finite where gradients vanish; in units of the gradient, positive.
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.
    momentum_decay : float, default=0.004
        :math:`\psi`, how fast the momentum rises from :math:`\beta_1 / 2` to :math:`\beta_1`; not negative.

    Notes
    -----
    Source: Dozat (2016), *Incorporating Nesterov momentum into Adam*.

    Examples
    --------
    >>> rule = NAdam(learning_rate=0.5, beta_1=0.0)
    >>> parameter, *_ = rule.update(rule.prepare(1), 2.0, gradient=1e-3, mean=0.0, square=0.0)
    >>> round(float(parameter), 4)
    1.5
    """

    learning_rate: float = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    momentum_decay: float = 0.004
    state: ClassVar = ("mean", "square")

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta_1", "beta_2")
        check_positive(self, "epsilon")
        check_not_negative(self, "momentum_decay")

    def momentum(self, step):
        return self.beta_1 * (1.0 - 0.5 * WARMING ** (step * self.momentum_decay))  # (11)

    def prepare(self, step):
        product, i = 1.0, 1.0
        while i <= step and product > FORGOTTEN:  # some fifty factors by default, however many steps
            product, i = product * self.momentum(i), i + 1.0
        now, ahead = self.momentum(step), self.momentum(step + 1.0)
        rate = falling(self.learning_rate, self.decay, step)
        of_mean = rate * ahead / (1.0 - product * ahead)
        of_gradient = rate * (1.0 - now) / (1.0 - product)
        return of_mean, of_gradient, (1.0 - self.beta_2**step) ** -0.5

    def update(self, step, parameter, gradient, mean, square):
        of_mean, of_gradient, unbiased = step
        mean = self.beta_1 * mean + (1.0 - self.beta_1) * gradient
        square = self.beta_2 * square + (1.0 - self.beta_2) * gradient * gradient
        direction = of_mean * mean + of_gradient * gradient
        return parameter - direction / (unbiased * np.sqrt(square) + self.epsilon), mean, square  # (12)
