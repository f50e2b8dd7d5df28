"""The bytes that decide what a Python function compiles to: bytecode, constants, and what they reach.

Numba keys its disk cache by the type of an argument and by the file of a kernel, so that an edited
formula, an edited helper or an edited constant would be served stale machine code.  A fingerprint
follows a function to everything that its machine code depends on.  What cannot be followed raises
:class:`Unknown`, and must then never reach the disk.
"""

import dis
import enum
import hashlib
import operator
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba.core.dispatcher import Dispatcher

# Versions of these are part of every cache key already, so a name says it all.
TRUSTED = ("builtins", "math", "operator", "numpy", "scipy", "numba", "calclearn")
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME"}
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()  # where a name has no value yet
# Beyond this many bytes Numba's code points at an array instead of containing it, and must not outlive it.
LARGEST_ARRAY = 10**6


class Unknown(Exception):
    """Something in a formula cannot be fingerprinted."""


class Reached(NamedTuple):
    """A global name, possibly dotted through modules, that a function's code reads; maybe `MISSING`."""

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
            value = function.__globals__.get(path[0], MISSING)  # a builtin, or what may be defined later
            for after in instructions[position + 1 :]:
                if not isinstance(value, types.ModuleType) or after.opname not in _ATTRIBUTE:
                    break
                path.append(after.argval)
                value = getattr(value, after.argval, MISSING)
            yield Reached(tuple(path), value)


def lookup(function: types.FunctionType, path: tuple[str, ...]) -> Any:
    """What *path* means to *function* now; `MISSING` where it means nothing."""
    value = function.__globals__.get(path[0], MISSING)
    for name in path[1:]:
        value = getattr(value, name, MISSING)
    return value


def contents(cell: types.CellType) -> Any:
    """What a closure's variable holds; `MISSING` before it is assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


class Fingerprint:
    """One walk over all that a set of functions reaches.

    `texts` remembers code and defaults of each function, `globals` each (function, path, value),
    `cells` what closures hold, and `arrays` their bytes, so that :meth:`is_current` can tell, in less
    than a microsecond each, whether a later edit in the same process (a notebook cell run again) makes
    the digest stale.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._unknown: Any = None
        self.texts: list[tuple[types.FunctionType, tuple]] = []  # an id is unique only while its object lives
        self.arrays: list[tuple[np.ndarray, tuple]] = []
        self.cells: list[tuple[Any, Any]] = []
        self.globals: list[tuple[types.FunctionType, tuple[str, ...], Any]] = []

    def of(self, thing: Any) -> Any:
        """A nested tuple of strings and numbers that is equal for equal machine code.

        Raises :class:`Unknown` at the end of the walk, so that :meth:`is_current` knows of all even then.
        """
        parts = self._of(thing)
        if self._unknown is not None:
            raise Unknown(self._unknown)
        return parts

    def _of(self, thing: Any) -> Any:
        if isinstance(thing, Dispatcher):
            thing = thing.py_func
        if thing is MISSING:
            return ("missing",)
        if thing is None or thing is Ellipsis or type(thing) in (bool, int, float, complex, str, bytes):
            return (type(thing).__name__, repr(thing))
        if isinstance(thing, np.generic):
            return ("numpy scalar", thing.dtype.str, thing.tobytes().hex())
        if isinstance(thing, np.dtype):
            return ("dtype", thing.str)
        if isinstance(thing, enum.Enum):
            return ("enum", type(thing).__qualname__, thing.name, self._of(thing.value))
        if isinstance(thing, types.CodeType):
            return self._code(thing)
        if isinstance(thing, tuple):
            return ("tuple", tuple(self._of(item) for item in thing))
        if isinstance(thing, frozenset):
            return ("frozenset", tuple(sorted(repr(self._of(item)) for item in thing)))
        if isinstance(thing, np.ufunc):
            return ("ufunc", thing.__name__)
        if isinstance(thing, types.ModuleType):
            return ("module", thing.__name__)
        if is_trusted(getattr(thing, "__module__", None)) and hasattr(thing, "__qualname__"):
            return ("trusted", thing.__module__, thing.__qualname__)
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if type(thing) is np.ndarray and thing.dtype.kind in "biufc" and thing.nbytes <= LARGEST_ARRAY:
            self.arrays.append((thing, _array(thing)))
            return ("array", _array(thing))
        self._unknown = f"{thing!r} of type {type(thing).__name__}"
        return ("unknown",)

    def _code(self, code: types.CodeType) -> Any:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        shape = (code.co_argcount, code.co_kwonlyargcount, code.co_flags)
        return ("code", code.co_code.hex(), names, shape, tuple(self._of(c) for c in code.co_consts))

    def _function(self, function: types.FunctionType) -> Any:
        if id(function) in self._seen:  # recursion, or a helper that is used twice
            return ("seen", self._seen[id(function)])
        self._seen[id(function)] = len(self._seen)
        self.texts.append((function, _text(function)))
        parts = [self._of(function.__code__), self._of(function.__defaults__ or ())]
        keyword_defaults = function.__kwdefaults__ or {}
        parts += [(name, self._of(value)) for name, value in sorted(keyword_defaults.items())]
        for path, value in sorted(set_of_paths(function).items()):
            self.globals.append((function, path, value))
            parts.append((path, self._of(value)))
        for cell in function.__closure__ or ():
            self.cells.append((cell, contents(cell)))
            parts.append(("cell", self._of(contents(cell))))
        return ("function", tuple(parts))

    def is_current(self) -> bool:
        """Whether every function, name, closed-over variable and array that was reached is as it was."""
        return (
            all(_same(_text(function), text) for function, text in self.texts)
            and all(lookup(function, path) is value for function, path, value in self.globals)
            and all(contents(cell) is value for cell, value in self.cells)
            and all(_array(array) == content for array, content in self.arrays)
        )


def _text(function: types.FunctionType) -> tuple:
    """Code and defaults, to be compared by identity: both can be assigned to."""
    named = function.__kwdefaults__ or {}
    return (function.__code__, function.__defaults__, *named, *named.values())


def _same(a: tuple, b: tuple) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _array(array: np.ndarray) -> tuple:
    return (array.dtype.str, array.shape, array.tobytes())


def set_of_paths(function: types.FunctionType) -> dict[tuple[str, ...], Any]:
    """The globals that *function* reaches, each once."""
    return {reached.path: reached.value for reached in reached_globals(function)}


def digest(parts: Any) -> str:
    """A short, stable name for nested tuples of strings and numbers."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
