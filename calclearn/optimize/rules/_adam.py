"""Adam.  Derivation: docs/derivations/gradient-descent.md, equations (11) to (14)."""

from typing import ClassVar

import numpy as np

from ._contract import check_fractions, check_positive, check_rates, falling, update_rule


@update_rule("adam")
class Adam:
    r"""Steps of about one size, whatever the gradient's scale.

    .. math::
        \theta \leftarrow \theta - \eta_t\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon}

    :math:`\hat m` and :math:`\hat v` are running means of the gradient and of its square, corrected for their
    start at zero.

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
    Source: Kingma and Ba (2015), *Adam: a method for stochastic optimization*, algorithm 1.  The paper's
    faster variant, which scikit-learn computes, adds :math:`\varepsilon` to :math:`\sqrt v` before the
    correction; the two differ where gradients are as small as :math:`\varepsilon`.

    Examples
    --------
    >>> rule = Adam(learning_rate=0.5)
    >>> parameter, *_ = rule.update(rule.prepare(1), 2.0, gradient=1e-3, mean=0.0, square=0.0)
    >>> round(float(parameter), 4)
    1.5
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0
    state: ClassVar = ("mean", "square")

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "beta_1", "beta_2")
        check_positive(self, "epsilon")

    def prepare(self, step):
        rate = falling(self.learning_rate, self.decay, step)
        return rate / (1.0 - self.beta_1**step), (1.0 - self.beta_2**step) ** -0.5  # (13)

    def update(self, step, parameter, gradient, mean, square):
        rate, unbiased = step
        mean = self.beta_1 * mean + (1.0 - self.beta_1) * gradient  # (11)
        square = self.beta_2 * square + (1.0 - self.beta_2) * gradient * gradient  # (12)
        return parameter - rate * mean / (unbiased * np.sqrt(square) + self.epsilon), mean, square  # (14)
