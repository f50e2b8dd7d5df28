"""Nesterov's momentum.  Derivation: docs/derivations/optimisers.md, equations (1) to (3)."""

from typing import ClassVar

from ._contract import check_fractions, check_rates, falling, update_rule


@update_rule("nesterov")
class Nesterov:
    r"""Momentum that looks ahead: the gradient is taken where the velocity alone would lead.

    .. math::
        v \leftarrow \beta v - \eta_t g, \quad \theta \leftarrow \theta + \beta v - \eta_t g

    :math:`\theta` is the point ahead, so that gradients are asked for at the parameters themselves.

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
    Source: Nesterov (1983), *A method of solving a convex programming problem with convergence rate*
    :math:`O(1/k^2)`; Sutskever et al. (2013) for the form.

    Examples
    --------
    >>> Nesterov(learning_rate=0.5, momentum=0.5).update(1, parameter=2.0, gradient=1.0, velocity=-1.0)
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
        slide = falling(self.learning_rate, self.decay, step) * gradient
        velocity = self.momentum * velocity - slide  # (2)
        return parameter + self.momentum * velocity - slide, velocity  # (3)
