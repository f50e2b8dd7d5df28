"""Momentum.  Derivation: docs/derivations/gradient-descent.md, equations (9) and (10)."""

from typing import ClassVar

from ._contract import check_fractions, check_rates, falling, update_rule


@update_rule("momentum")
class Momentum:
    r"""Gradient descent with a velocity.

    .. math::
        v \leftarrow \beta v - \eta_t g, \quad \theta \leftarrow \theta + v

    Steps that agree add up, to :math:`1/(1 - \beta)` times their size; steps that alternate cancel.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, in units of the parameter over those of the gradient.
    momentum : float, default=0.9
        :math:`\beta`, the part of the last step that is taken again; in [0, 1).
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step.

    Notes
    -----
    Source: Polyak (1964), *Some methods of speeding up the convergence of iteration methods*.

    Examples
    --------
    >>> Momentum(learning_rate=0.5, momentum=0.5).update(1, parameter=2.0, gradient=1.0, velocity=-1.0)
    (1.0, -1.0)
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    decay: float = 0.0
    state: ClassVar = ("velocity",)

    def __post_init__(self):
        check_rates(self)
        check_fractions(self, "momentum")

    def update(self, step, parameter, gradient, velocity):
        velocity = self.momentum * velocity - falling(self.learning_rate, self.decay, step) * gradient  # (9)
        return parameter + velocity, velocity
