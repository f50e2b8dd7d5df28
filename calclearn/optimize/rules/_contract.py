"""What an update rule is: the formula for one parameter, and the names of what it remembers."""

import dataclasses
import inspect
import numbers
from typing import Any, ClassVar

import numpy as np

from ..._runtime.formulas import Formula, FormulaError, formula
from ..._runtime.registry import Registry


class UpdateRule(Formula):
    r"""How one parameter changes from one step to the next.

    Attributes
    ----------
    name : str
        The name under which the rule is registered.
    state : tuple of str
        What the rule remembers of each parameter, in the order of `update`'s last arguments.

    Notes
    -----
    Of the fields, `learning_rate` must be there, and `decay`, where there is one, is the d of a rate that
    falls as :math:`\eta / (1 + d(t - 1))`: schedules and weight decay go by them.

    Examples
    --------
    >>> from calclearn.optimize.rules import Momentum, UpdateRule
    >>> rule = Momentum(learning_rate=0.1)
    >>> isinstance(rule, UpdateRule), rule.name, rule.state
    (True, 'momentum', ('velocity',))
    >>> rule.with_rate(0.01).learning_rate
    0.01
    """

    name: ClassVar[str] = ""
    state: ClassVar[tuple[str, ...]] = ()

    def prepare(self, step):
        """What all parameters share in this step, computed once: the first argument of `update`.

        The step itself, unless a rule has powers of it to take, say.  In kernels this is computed in float64
        also where parameters are float32, and rounded afterwards.

        Parameters
        ----------
        step : float
            Counts from 1.

        Returns
        -------
        float or tuple of float
        """
        return step

    def update(self, step, parameter, gradient, *state):
        """The parameter after this step, followed by its new state.

        Parameters
        ----------
        step : float or tuple of float
            ``prepare(step)``.
        parameter, gradient : float or ndarray
        *state : float or ndarray
            One for each name in `state`; zero before the first step.

        Returns
        -------
        new : tuple
            The parameter, and its new state; of a rule without state, the parameter alone.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update(step, parameter, gradient, ...)")

    def start(self, parameters):
        """The state before the first step: for each name in `state`, zeros like `parameters`."""
        return tuple(np.zeros_like(parameters) for _ in self.state)

    def with_rate(self, learning_rate):
        """The same rule at another learning rate, for schedules.

        Parameters
        ----------
        learning_rate : float
            Not checked, as this is called once a step; zero stands still.

        Returns
        -------
        UpdateRule
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__["learning_rate"] = learning_rate
        return other

    def __call__(self, fun, x0, args=(), **keywords):
        """Minimise `fun`, as a method of :func:`scipy.optimize.minimize`.

        Parameters
        ----------
        fun, x0, args, **keywords
            What SciPy hands to a method: ``jac``, ``callback`` and the options, which are the keywords of
            :func:`calclearn.optimize.descend`.

        Returns
        -------
        scipy.optimize.OptimizeResult

        Notes
        -----
        What is asked for and what is answered is told in docs/guide/optimize.md.
        """
        from .._scipy import descend_as_scipy  # it stands on the loop, which stands on rules

        return descend_as_scipy(self, fun, x0, args, **keywords)


REGISTRY = Registry("rule", UpdateRule, "update_rule")


def update_rule(name: str):
    """Class decorator: make the annotated class an update rule, registered as `name`.

    Parameters
    ----------
    name : str
        What estimators and :func:`get_rule` know the rule by.  A later rule of the same name replaces an
        earlier one.

    Returns
    -------
    decorator : callable
        Turns a class with ``update`` and a field ``learning_rate`` into a frozen dataclass over
        :class:`UpdateRule`.

    Raises
    ------
    FormulaError
        If the class has no ``update`` or no ``learning_rate``, `state` is no tuple of names, or ``update`` or
        ``prepare`` does not take what it is given.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize.rules import update_rule
    >>> @update_rule("sign")
    ... class SignDescent:
    ...     learning_rate: float = 0.1
    ...
    ...     def update(self, step, parameter, gradient):
    ...         return parameter - self.learning_rate * np.sign(gradient)
    >>> float(SignDescent().update(1, parameter=1.0, gradient=-30.0))
    1.1
    """
    REGISTRY.check_name(name)

    def decorate(cls: type) -> Any:
        made = formula(cls, UpdateRule)
        if made.update is UpdateRule.update:
            raise FormulaError(f"the rule {name!r} must define update(self, step, parameter, gradient, ...)")
        if "learning_rate" not in {field.name for field in dataclasses.fields(made)}:
            raise FormulaError(f"the rule {name!r} must have a field learning_rate: float")
        if not (isinstance(made.state, tuple) and all(isinstance(s, str) for s in made.state)):
            raise FormulaError(f"the rule {name!r}: state must be a tuple of names, got {made.state!r}")
        _check_arguments(name, made)
        made.name = name
        REGISTRY.add(name, made)
        return made

    return decorate


def _check_arguments(name, cls) -> None:
    """Compiled, a wrong number of arguments is answered with pages."""
    arguments = {"prepare": ("self", "step"), "update": ("self", "step", "parameter", "gradient", *cls.state)}
    for method, given in arguments.items():
        signature = inspect.signature(getattr(cls, method))
        try:
            signature.bind(*given)
        except TypeError as error:
            raise FormulaError(
                f"the rule {name!r}: {method} must take ({', '.join(given)}), not {signature}"
            ) from error


def check_answer(rule) -> None:
    """Raise a FormulaError unless ``update`` answers the parameter and its state: why it did not compile."""
    answer = rule.update(rule.prepare(1.0), 1.0, 1.0, *[0.0] * len(rule.state))
    entries = answer if isinstance(answer, tuple) else (answer,)
    if len(entries) != 1 + len(rule.state) or not all(isinstance(entry, numbers.Real) for entry in entries):
        expected = ", ".join(("parameter", *rule.state))
        raise FormulaError(f"{type(rule).__name__}.update must return {expected}; it returned {answer!r}")


def get_rule(rule, **parameters) -> UpdateRule:
    """The update rule called `rule`, or `rule` itself if it is one.

    Parameters
    ----------
    rule : str or UpdateRule
        A registered name, or an instance.
    **parameters : float
        Fields of the rule, with a name only.

    Raises
    ------
    ValueError
        For a name that is not registered; the message lists those that are.
    TypeError
        For something that is neither a name nor a rule, such as a class that was not instantiated.

    Examples
    --------
    >>> from calclearn.optimize.rules import get_rule
    >>> get_rule("momentum", learning_rate=0.1).learning_rate
    0.1
    """
    return REGISTRY.find(rule, parameters)


def check_rates(rule) -> None:
    """Raise a ValueError unless the learning rate is positive and its decay is not negative."""
    check_positive(rule, "learning_rate")
    check_not_negative(rule, "decay")


def check_fractions(rule, *names) -> None:
    """Raise a ValueError unless each of these fields lies in [0, 1)."""
    for name in names:
        if not 0 <= getattr(rule, name) < 1:
            raise ValueError(f"{type(rule).__name__}: {name} must lie in [0, 1), got {getattr(rule, name)}")


def check_positive(rule, *names) -> None:
    """Raise a ValueError unless each of these fields is positive."""
    for name in names:
        if getattr(rule, name) <= 0:
            raise ValueError(f"{type(rule).__name__}: {name} must be positive, got {getattr(rule, name)}")


def check_not_negative(rule, *names) -> None:
    """Raise a ValueError if one of these fields is negative."""
    for name in names:
        if getattr(rule, name) < 0:
            raise ValueError(f"{type(rule).__name__}: {name} must not be negative, got {getattr(rule, name)}")


def falling(learning_rate, decay, step):
    r"""The learning rate of step t, :math:`\eta_t = \eta / (1 + d(t - 1))`."""
    return learning_rate / (1.0 + decay * (step - 1.0))
