"""Gradient descent.  Derivation: docs/derivations/gradient-descent.md, equations (1) to (8)."""

from ._contract import check_rates, falling, update_rule


@update_rule("gradient_descent")
class GradientDescent:
    r"""A step against the gradient, :math:`\theta \leftarrow \theta - \eta_t g`.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, in units of the parameter over those of the gradient.  With gradients of Lipschitz
        constant L, 1/L is safe.
    decay : float, default=0.0
        :math:`d` in :math:`\eta_t = \eta / (1 + d(t - 1))`, where t is the step; noisy gradients need it.

    Notes
    -----
    Source: Cauchy (1847); Robbins and Monro (1951) for noisy gradients.

    Examples
    --------
    >>> GradientDescent(learning_rate=0.5).update(1, parameter=2.0, gradient=1.0)
    1.5
    """

    learning_rate: float = 0.01
    decay: float = 0.0

    def __post_init__(self):
        check_rates(self)

    def update(self, step, parameter, gradient):
        return parameter - falling(self.learning_rate, self.decay, step) * gradient  # (1), (8)
