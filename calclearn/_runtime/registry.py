"""Formulas of one kind, losses or update rules, by the names under which they were written."""

from typing import Any

from .formulas import Formula, FormulaError


class Registry(dict[str, type]):
    """A dictionary from names to classes.

    Parameters
    ----------
    kind : str
        What the formulas are, for messages: "loss".
    base : type
        Their base class.
    decorator : str
        The decorator that registers one: "loss".
    """

    def __init__(self, kind: str, base: type[Formula], decorator: str):
        super().__init__()
        self.kind, self.base, self.decorator = kind, base, decorator

    def check_name(self, name: Any) -> None:
        """Raise a TypeError unless `name` can be one."""
        if not isinstance(name, str) or not name:
            raise TypeError(
                f"a {self.kind} needs a name: write @{self.decorator}('name') above the class, got {name!r}"
            )

    def add(self, name: str, cls: type) -> None:
        """Register a class; a later one replaces an earlier one, unless that is the package's own."""
        package = __name__.partition(".")[0] + "."
        taken = self.get(name)
        if taken is not None and taken.__module__.startswith(package) and taken.__module__ != cls.__module__:
            raise FormulaError(
                f"the name {name!r} is that of the package's own {taken.__name__}: take another"
            )
        self[name] = cls

    def find(self, thing: Any, parameters: dict[str, float]) -> Any:
        """The formula called `thing`, made with these fields; or `thing` itself if it is one."""
        kind, base = self.kind, self.base.__name__
        if isinstance(thing, self.base):
            if parameters:
                raise TypeError(f"{thing!r} has its parameters already; got {parameters} too")
            return thing
        if isinstance(thing, type) and issubclass(thing, self.base):
            raise TypeError(
                f"{kind} must be an instance: write {thing.__name__}() instead of {thing.__name__}"
            )
        if not isinstance(thing, str):
            raise TypeError(
                f"{kind} must be a name or a {base}, got {thing!r}: decorate its class with "
                f"@{self.decorator}('name')"
            )
        if thing not in self:
            raise ValueError(
                f"{kind} is {thing!r}; the known ones are {sorted(self)}; a name is known to the process "
                f"that defined it: hand workers the {kind} itself"
            )
        return self[thing](**parameters)
