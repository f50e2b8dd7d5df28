"""AMSGrad.  Derivation: docs/derivations/optimisers.md, equations (9) and (10)."""

from typing import ClassVar

import numpy as np

from ._contract import check_fractions, check_positive, check_rates, falling, update_rule


@update_rule("amsgrad")
class AMSGrad:
    r"""Adam that forgets no large gradient, so that its rates never rise.

    .. math::
        \bar v \leftarrow \max(\bar v, v), \quad
        \theta \leftarrow \theta - \eta_t\,\frac{\hat m}{\sqrt{\bar v / (1 - \beta_2^t)} + \varepsilon}

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

    Notes
    -----
    Source: Reddi, Kale and Kumar (2018), *On the convergence of Adam and beyond*, algorithm 2, with the
    corrections of Adam for the start at zero.

    Examples
    --------
    >>> rule = AMSGrad(learning_rate=0.5)
    >>> *_, largest = rule.update(rule.prepare(1), 2.0, gradient=0.0, mean=0.0, square=0.5, largest=4.0)
    >>> float(largest)
    4.0
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    state: ClassVar = ("mean", "square", "largest")

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta_1", "beta_2")
        check_positive(self, "epsilon")

    def prepare(self, step):
        rate = falling(self.learning_rate, self.decay, step)
        return rate / (1.0 - self.beta_1**step), (1.0 - self.beta_2**step) ** -0.5

    def update(self, step, parameter, gradient, mean, square, largest):
        rate, unbiased = step
        mean = self.beta_1 * mean + (1.0 - self.beta_1) * gradient
        square = self.beta_2 * square + (1.0 - self.beta_2) * gradient * gradient
        largest = np.maximum(largest, square)  # (9)
        size = unbiased * np.sqrt(largest) + self.epsilon
        return parameter - rate * mean / size, mean, square, largest  # (10)
