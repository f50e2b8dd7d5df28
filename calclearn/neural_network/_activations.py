"""What a unit does with its input: one formula each, of which the derivative follows.

Derivation: docs/derivations/backpropagation.md, equations (8) to (14).
"""

from typing import ClassVar

import numpy as np
import scipy.special

from .._runtime.formulas import Formula, FormulaError, formula
from .._runtime.registry import Registry
from ..calculus import lift, variable

ROOT_HALF = float(np.sqrt(0.5))
ROOT_TWO_PI = float(np.sqrt(2.0 * np.pi))


class Activation(Formula):
    """A function of one number, and its derivative.

    Attributes
    ----------
    name : str
        The name under which the activation is registered.

    Examples
    --------
    >>> from calclearn.neural_network import Activation, get_activation
    >>> tanh = get_activation("tanh")
    >>> isinstance(tanh, Activation), float(tanh.value(0.0)), float(tanh.derivative(0.0))
    (True, 0.0, 1.0)
    """

    name: ClassVar[str] = ""

    def value(self, x):
        """What a unit puts out whose input is `x`; a float or an array."""
        raise NotImplementedError(f"{type(self).__name__} must define value(x)")

    def derivative(self, x):
        """The first derivative of :meth:`value`; by default the first order of its jet."""
        return lift(self.value(variable(x)), x).first


REGISTRY = Registry("activation", Activation, "activation")


def activation(name: str):
    """Class decorator: make the annotated class an activation, registered as `name`.

    Parameters
    ----------
    name : str
        What estimators and :func:`get_activation` know it by.

    Returns
    -------
    decorator : callable
        Turns a class with ``value(x)`` into a frozen dataclass over :class:`Activation`.

    Raises
    ------
    FormulaError
        If the class has no ``value``.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.neural_network import activation
    >>> @activation("bent_identity")
    ... class BentIdentity:
    ...     bend: float = 0.5
    ...
    ...     def value(self, x):
    ...         return x + self.bend * (np.sqrt(x * x + 1.0) - 1.0)
    >>> float(BentIdentity().derivative(0.75))
    1.3
    """
    REGISTRY.check_name(name)

    def decorate(cls: type):
        made = formula(cls, Activation)
        if made.value is Activation.value:
            raise FormulaError(f"the activation {name!r} must define value(self, x)")
        made.name = name
        REGISTRY.add(name, made)
        return made

    return decorate


def get_activation(activation, **parameters) -> Activation:
    """The activation called `activation`, or `activation` itself if it is one.

    Parameters
    ----------
    activation : str or Activation
        A registered name, or an instance.
    **parameters : float
        Fields of the activation, with a name only.

    Raises
    ------
    ValueError
        For a name that is not registered; the message lists those that are.
    TypeError
        For something that is neither a name nor an activation, such as a class that was not instantiated.

    Examples
    --------
    >>> from calclearn.neural_network import get_activation
    >>> get_activation("relu").name
    'relu'
    """
    return REGISTRY.find(activation, parameters)


@activation("identity")
class Identity:
    """The input itself."""

    def value(self, x):
        return x

    def derivative(self, x):
        return 1.0 + 0.0 * x


@activation("logistic")
class Logistic:
    r"""The logistic function, :math:`\sigma(x) = 1 / (1 + e^{-x})`."""

    def value(self, x):
        return scipy.special.expit(x)

    def derivative(self, x):
        odds = np.exp(-abs(x))  # of the less likely side: nothing cancels in the tails
        return odds / ((1.0 + odds) * (1.0 + odds))  # (8)


@activation("tanh")
class Tanh:
    r"""The hyperbolic tangent."""

    def value(self, x):
        return np.tanh(x)

    def derivative(self, x):
        t = np.tanh(x)
        return 1.0 - t * t  # (9)


@activation("relu")
class Relu:
    r"""The rectified linear unit, :math:`\max(0, x)`; its derivative at 0 is taken as 0."""

    def value(self, x):
        return np.maximum(x, 0.0)  # NaN stays NaN

    def derivative(self, x):
        return np.where(x > 0.0, 1.0, 0.0)


@activation("leaky_relu")
class LeakyRelu:
    r""":math:`x` where that is positive, else `slope` times it.

    Parameters
    ----------
    slope : float, default=0.01
        For negative inputs.
    """

    slope: float = 0.01

    def value(self, x):
        return np.where(x > 0.0, x, self.slope * x)

    def derivative(self, x):
        return np.where(x > 0.0, 1.0, self.slope)


@activation("elu")
class Elu:
    r"""The exponential linear unit: :math:`x`, and :math:`\alpha (e^x - 1)` where that is negative.

    Source: Clevert, Unterthiner and Hochreiter (2016).

    Parameters
    ----------
    alpha : float, default=1.0
        Minus the value far on the left.
    """

    alpha: float = 1.0

    def value(self, x):
        return np.where(x > 0.0, x, self.alpha * np.expm1(np.minimum(x, 0.0)))

    def derivative(self, x):
        return np.where(x > 0.0, 1.0, self.alpha * np.exp(np.minimum(x, 0.0)))  # (10)


@activation("selu")
class Selu:
    r"""The exponential linear unit with two constants that keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter (2017).
    """

    alpha: ClassVar[float] = 1.6732632423543772
    scale: ClassVar[float] = 1.0507009873554805

    def value(self, x):
        return self.scale * np.where(x > 0.0, x, self.alpha * np.expm1(np.minimum(x, 0.0)))

    def derivative(self, x):
        return self.scale * np.where(x > 0.0, 1.0, self.alpha * np.exp(np.minimum(x, 0.0)))  # (10)


@activation("softplus")
class Softplus:
    r"""A smooth rectifier, :math:`\log(1 + e^x)`."""

    def value(self, x):
        return np.logaddexp(x, 0.0)

    def derivative(self, x):
        return scipy.special.expit(x)  # (11)


@activation("silu")
class Silu:
    r"""The input times its logistic function, :math:`x\,\sigma(x)`; also called swish."""

    def value(self, x):
        return x * scipy.special.expit(x)

    def derivative(self, x):
        s, rest = scipy.special.expit(x), scipy.special.expit(-x)
        return s * (1.0 + x * rest)  # (12)


@activation("gelu")
class Gelu:
    r"""The input times the normal distribution's function, :math:`x\,\Phi(x)`.

    Source: Hendrycks and Gimpel (2016).
    """

    def value(self, x):
        return 0.5 * x * (1.0 + scipy.special.erf(ROOT_HALF * x))

    def derivative(self, x):
        density = np.exp(-0.5 * x * x) / ROOT_TWO_PI
        return 0.5 * (1.0 + scipy.special.erf(ROOT_HALF * x)) + x * density  # (13)


@activation("mish")
class Mish:
    r""":math:`x \tanh(\log(1 + e^x))`, smooth everywhere.

    Source: Misra (2019).
    """

    def value(self, x):
        return x * np.tanh(np.logaddexp(x, 0.0))

    def derivative(self, x):
        t = np.tanh(np.logaddexp(x, 0.0))
        return t + x * (1.0 - t * t) * scipy.special.expit(x)  # (14)


ACTIVATIONS = tuple(sorted(REGISTRY))
