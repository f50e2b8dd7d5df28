"""The bytes that decide what a Python function compiles to: bytecode, constants, and what they reach.

Numba keys its disk cache by the type of an argument and by the file of a kernel, so that an edited
formula, an edited helper or an edited constant would be served stale machine code.  A fingerprint
follows a function to everything that its machine code depends on.  What cannot be followed raises
:class:`Unknown`, and must then never reach the disk.
"""

import dis
import enum
import hashlib
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba.core.dispatcher import Dispatcher

# Versions of these are part of every cache key already, so a name says it all.
TRUSTED = ("builtins", "math", "operator", "numpy", "scipy", "numba", "calclearn")
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME"}


class Unknown(Exception):
    """Something in a formula cannot be fingerprinted."""


class Reached(NamedTuple):
    """A global name, possibly dotted through modules, that a function's code reads."""

    path: tuple[str, ...]
    value: Any


def is_trusted(module_name: str | None) -> bool:
    return (module_name or "").partition(".")[0] in TRUSTED


def reached_globals(function: types.FunctionType) -> Iterator[Reached]:
    """Every global that *function* reads, nested code included; ``module.name`` is followed to `name`."""
    stack = [function.__code__]
    while stack:
        code = stack.pop()
        stack += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
        for position, instruction in enumerate(instructions):
            if instruction.opname not in _GLOBAL:
                continue
            path = [instruction.argval]
            if path[0] not in function.__globals__:  # a builtin, or an error that is the compiler's to report
                continue
            value = function.__globals__[path[0]]
            for after in instructions[position + 1 :]:
                if not isinstance(value, types.ModuleType) or after.opname not in _ATTRIBUTE:
                    break
                if not hasattr(value, after.argval):
                    break
                path.append(after.argval)
                value = getattr(value, after.argval)
            yield Reached(tuple(path), value)


def lookup(function: types.FunctionType, path: tuple[str, ...]) -> Any:
    """What *path* means to *function* now; raises AttributeError or KeyError where it is gone."""
    value = function.__globals__[path[0]]
    for name in path[1:]:
        value = getattr(value, name)
    return value


class Fingerprint:
    """One walk over all that a set of functions reaches.

    `globals` remembers each (function, path, value) outside the trusted packages, and `cells` what
    closures hold, so that :meth:`is_current` can tell, in about a microsecond each, whether a later
    edit in the same process (a notebook cell run again) makes the digest stale.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._keep: list[Any] = []  # an id is unique only while the object lives
        self.cells: list[tuple[Any, Any]] = []
        self.globals: list[tuple[types.FunctionType, tuple[str, ...], Any]] = []

    def of(self, thing: Any) -> Any:
        """A nested tuple of strings and numbers that is equal for equal machine code."""
        if isinstance(thing, Dispatcher):
            thing = thing.py_func
        if thing is None or thing is Ellipsis or type(thing) in (bool, int, float, complex, str, bytes):
            return (type(thing).__name__, repr(thing))
        if isinstance(thing, np.generic):
            return ("numpy scalar", thing.dtype.str, thing.tobytes().hex())
        if isinstance(thing, np.dtype):
            return ("dtype", thing.str)
        if isinstance(thing, enum.Enum):
            return ("enum", type(thing).__qualname__, thing.name, self.of(thing.value))
        if isinstance(thing, types.CodeType):
            return self._code(thing)
        if isinstance(thing, tuple):
            return ("tuple", tuple(self.of(item) for item in thing))
        if isinstance(thing, frozenset):
            return ("frozenset", tuple(sorted(repr(self.of(item)) for item in thing)))
        if isinstance(thing, np.ufunc):
            return ("ufunc", thing.__name__)
        if isinstance(thing, types.ModuleType):
            return ("module", thing.__name__)
        if is_trusted(getattr(thing, "__module__", None)) and hasattr(thing, "__qualname__"):
            return ("trusted", thing.__module__, thing.__qualname__)
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        raise Unknown(f"{thing!r} of type {type(thing).__name__}")

    def _code(self, code: types.CodeType) -> Any:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        shape = (code.co_argcount, code.co_kwonlyargcount, code.co_flags)
        return ("code", code.co_code.hex(), names, shape, tuple(self.of(c) for c in code.co_consts))

    def _function(self, function: types.FunctionType) -> Any:
        if id(function) in self._seen:  # recursion, or a helper that is used twice
            return ("seen", self._seen[id(function)])
        self._seen[id(function)] = len(self._seen)
        self._keep.append(function)
        parts = [self.of(function.__code__), self.of(function.__defaults__ or ())]
        keyword_defaults = function.__kwdefaults__ or {}
        parts += [(name, self.of(value)) for name, value in sorted(keyword_defaults.items())]
        for path, value in sorted(set_of_paths(function).items()):
            if not is_trusted(path_module(value)):
                self.globals.append((function, path, value))
            parts.append((path, self.of(value)))
        for cell in function.__closure__ or ():
            self.cells.append((cell, cell.cell_contents))
            parts.append(("cell", self.of(cell.cell_contents)))
        return ("function", tuple(parts))

    def is_current(self) -> bool:
        """Whether every global and closed-over variable that was reached is still the same object."""
        try:
            return all(cell.cell_contents is value for cell, value in self.cells) and all(
                lookup(function, path) is value for function, path, value in self.globals
            )
        except (KeyError, AttributeError):
            return False


def set_of_paths(function: types.FunctionType) -> dict[tuple[str, ...], Any]:
    """The globals that *function* reaches, each once."""
    return {reached.path: reached.value for reached in reached_globals(function)}


def path_module(value: Any) -> str | None:
    """The module that a reached object belongs to; None for plain data."""
    return value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)


def digest(parts: Any) -> str:
    """A short, stable name for nested tuples of strings and numbers."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
