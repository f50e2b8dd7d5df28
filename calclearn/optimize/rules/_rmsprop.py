"""RMSprop.  Derivation: docs/derivations/optimisers.md, equations (6) and (7)."""

from typing import ClassVar

import numpy as np

from ._contract import check_fractions, check_positive, check_rates, falling, update_rule


@update_rule("rmsprop")
class RMSprop:
    r"""The gradient in units of its own size of late.

    .. math::
        s \leftarrow \beta s + (1 - \beta) g^2, \quad
        \theta \leftarrow \theta - \eta_t\,\frac{g}{\sqrt s + \varepsilon}

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, about the size of a step, in units of the parameter.
    beta : float, default=0.99
        How much of the running mean of squares stays from one step to the next; in [0, 1).
    epsilon : float, default=1e-8
        Keeps the ratio finite where gradients vanish; in units of the gradient, positive.
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.

    Notes
    -----
    The mean begins at zero and is not corrected for it: the first step is
    :math:`\eta / \sqrt{1 - \beta}` long.  Source: Tieleman and Hinton (2012), *Neural networks for machine
    learning*, lecture 6.5.

    Examples
    --------
    >>> rule = RMSprop(learning_rate=0.5, beta=0.75, epsilon=1e-300)
    >>> parameter, square = rule.update(1, parameter=2.0, gradient=4.0, square=0.0)
    >>> float(parameter), square
    (1.0, 4.0)
    """

    learning_rate: float = 0.01
    beta: float = 0.99
    epsilon: float = 1e-8
    decay: float = 0.0
    state: ClassVar = ("square",)

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta")
        check_positive(self, "epsilon")

    def update(self, step, parameter, gradient, square):
        square = self.beta * square + (1.0 - self.beta) * gradient * gradient  # (6)
        rate = falling(self.learning_rate, self.decay, step)
        return parameter - rate * gradient / (np.sqrt(square) + self.epsilon), square  # (7)
