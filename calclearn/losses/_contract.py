"""What a loss is: one formula, from which everything else follows.

A loss is a small class over which ``@loss(name)`` puts a frozen dataclass of float fields.  Only
``value(y, raw)`` must be written.  Its calculus is derived from it by a second-order jet, unless the
author overrides it with closed forms; tests hold each override against the jet.

Derivation: docs/derivations/losses.md.
"""

import inspect
from typing import Any, ClassVar

import numpy as np

from .._runtime.formulas import Formula, FormulaError, formula
from .._runtime.registry import Registry
from ..calculus import lift, variable

DOMAINS = {
    "real": "finite numbers",
    "positive": "numbers > 0",
    "nonnegative": "numbers >= 0",
    "unit": "numbers in [0, 1]",
    "sign": "-1 and +1",
}


class Loss(Formula):
    r"""A loss of one prediction, :math:`\ell(y, f)`, and the calculus that follows from it.

    Attributes
    ----------
    name : str
        The name under which the loss is registered.
    domain : {"real", "positive", "nonnegative", "unit", "sign"}
        Which targets `y` are valid.
    convex : bool
        Whether :math:`\ell` is convex in the raw prediction for every valid `y`.

    Examples
    --------
    >>> from calclearn.losses import Huber, Loss
    >>> isinstance(Huber(), Loss), Huber().name, Huber().domain, Huber().convex
    (True, 'huber', 'real', True)
    >>> Huber(delta=2.0).check_targets([0.0, float("nan")])
    Traceback (most recent call last):
    ValueError: huber: some values of y are out of the valid range of the loss: y must be ...
    """

    name: ClassVar[str] = ""
    domain: ClassVar[str] = "real"
    convex: ClassVar[bool] = False

    def value(self, y, raw):
        """The loss of the raw prediction `raw` for the target `y`; floats or arrays of one shape."""
        raise NotImplementedError(f"{type(self).__name__} must define value(y, raw)")

    def derivatives(self, y, raw):
        """The first and second derivative of :meth:`value` in `raw`."""
        jet = lift(self.value(y, variable(raw)), raw)
        return jet.first, jet.second

    def mean(self, raw):
        """The prediction of `y` that `raw` stands for: the inverse link."""
        return raw

    def curvature_row(self, y, raw, curvature):
        """Write what products with the row's Hessian have in common, of shape (K,): by default its raws.

        Newton's method multiplies with one Hessian many times; for losses of several outputs.
        """
        for k in range(raw.shape[0]):
            curvature[k] = raw[k]

    def curvature_product_row(self, y, curvature, direction, out):
        """Write the Hessian times `direction`, from what :meth:`curvature_row` wrote."""
        self.hessian_product_row(y, curvature, direction, out)

    def minimiser(self, y, weight=None) -> float:
        """The constant raw prediction with the least weighted loss.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets in the loss's domain.
        weight : ndarray of shape (n,), optional
            Non-negative weights; all equal by default.

        Returns
        -------
        float
            A minimiser; a stationary point where the loss is not convex.
        """
        from ._minimiser import best_constant

        return best_constant(self, y, weight)

    def check_targets(self, y) -> None:
        """Raise a ValueError that names the first target outside the loss's domain."""
        y = np.asarray(y)
        inside = np.isfinite(y)
        if self.domain == "positive":
            inside &= y > 0
        elif self.domain == "nonnegative":
            inside &= y >= 0
        elif self.domain == "unit":
            inside &= (y >= 0) & (y <= 1)
        elif self.domain == "sign":
            inside &= np.abs(y) == 1
        if not inside.all():
            where = np.flatnonzero(~inside.ravel())[0]
            raise ValueError(
                f"{self.name}: some values of y are out of the valid range of the loss: y must be "
                f"{DOMAINS[self.domain]}, but y[{where}] is {y.ravel()[where]}"
            )


REGISTRY = Registry("loss", Loss, "loss")


def loss(name: str):
    """Class decorator: make the annotated class a loss, registered as `name`.

    Parameters
    ----------
    name : str
        What estimators and :func:`get_loss` know the loss by.  A later loss of the same name replaces
        an earlier one, so that a notebook cell can be run again.

    Returns
    -------
    decorator : callable
        Turns a class with ``value(y, raw)`` into a frozen dataclass over :class:`Loss`.

    Raises
    ------
    FormulaError
        If the class has no ``value(self, y, raw)``, an ``__init__``, or an unknown domain.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import loss
    >>> @loss("cauchy")
    ... class Cauchy:
    ...     c: float = 1.0
    ...
    ...     def value(self, y, raw):
    ...         return np.log1p(((raw - y) / self.c) ** 2)
    >>> gradient, hessian = Cauchy(c=2.0).derivatives(y=0.0, raw=2.0)
    >>> float(gradient), float(hessian)
    (0.5, 0.0)
    """
    REGISTRY.check_name(name)

    def decorate(cls: type) -> Any:
        made = formula(cls, Loss)
        if made.value is Loss.value and not hasattr(made, "value_row"):
            raise FormulaError(f"the loss {name!r} must define value(self, y, raw)")
        takes = list(inspect.signature(made.value).parameters)
        if len(takes) != 3:
            raise FormulaError(f"the loss {name!r}: value takes ({', '.join(takes)}), not (self, y, raw)")
        if made.domain not in DOMAINS:
            raise FormulaError(f"the loss {name!r}: domain is {made.domain!r}, not one of {list(DOMAINS)}")
        made.name = name
        REGISTRY.add(name, made)
        return made

    return decorate


def get_loss(loss, **parameters) -> Loss:
    """The loss called `loss`, or `loss` itself if it is one.

    Parameters
    ----------
    loss : str or Loss
        A registered name, or an instance.
    **parameters : float
        Fields of the loss, with a name only.

    Raises
    ------
    ValueError
        For a name that is not registered; the message lists those that are.
    TypeError
        For something that is neither a name nor a loss, such as a class that was not instantiated.

    Examples
    --------
    >>> from calclearn.losses import get_loss
    >>> get_loss("huber", delta=2.0)
    Huber(delta=2.0)
    """
    return REGISTRY.find(loss, parameters)
