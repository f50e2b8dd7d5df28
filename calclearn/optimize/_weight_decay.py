"""Decoupled weight decay.  Derivation: docs/derivations/optimisers.md, equation (23)."""


def decay_weights(x, rate, weight_decay):
    r"""Shrink the parameters, in place: :math:`\theta \leftarrow (1 - \eta \lambda)\,\theta`.

    Parameters
    ----------
    x : ndarray of float
        Overwritten; of integers, a TypeError.
    rate : float
        :math:`\eta`, the learning rate of this step.
    weight_decay : float
        :math:`\lambda`.

    Notes
    -----
    With plain gradient descent it is the step of the penalty :math:`\tfrac{\lambda}{2} \|\theta\|^2`; with a
    rule that divides gradients by their size it is not.  Source: Loshchilov and Hutter (2019), *Decoupled
    weight decay regularization*.

    Examples
    --------
    >>> import numpy as np
    >>> decay_weights(x := np.array([2.0, -4.0]), rate=0.5, weight_decay=0.1)
    >>> x.tolist()
    [1.9, -3.8]
    """
    x *= float(1.0 - rate * weight_decay)  # (23)
