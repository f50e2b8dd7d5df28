"""Adagrad.  Derivation: docs/derivations/optimisers.md, equations (4) and (5)."""

from typing import ClassVar

import numpy as np

from ._contract import check_positive, check_rates, falling, update_rule


@update_rule("adagrad")
class Adagrad:
    r"""Each parameter has its own rate, which falls with the gradients that it has seen.

    .. math::
        s \leftarrow s + g^2, \quad \theta \leftarrow \theta - \eta_t\,\frac{g}{\sqrt s + \varepsilon}

    For gradients that are rarely not zero, as those of words or categories are.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, the size of the first step, in units of the parameter.
    epsilon : float, default=1e-10
        Keeps the ratio finite where gradients vanish; in units of the gradient, positive.
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.

    Notes
    -----
    Source: Duchi, Hazan and Singer (2011), *Adaptive subgradient methods for online learning and stochastic
    optimization*.

    Examples
    --------
    >>> rule = Adagrad(learning_rate=0.5, epsilon=1e-300)
    >>> parameter, total = rule.update(1, parameter=2.0, gradient=3.0, total=16.0)
    >>> float(parameter), total
    (1.7, 25.0)
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10
    decay: float = 0.0
    state: ClassVar = ("total",)

    def __post_init__(self):
        check_rates(self)
        check_positive(self, "epsilon")

    def update(self, step, parameter, gradient, total):
        total = total + gradient * gradient  # (4)
        rate = falling(self.learning_rate, self.decay, step)
        return parameter - rate * gradient / (np.sqrt(total) + self.epsilon), total  # (5)
