"""Formulas: small frozen classes of numbers whose methods run interpreted and compiled alike.

A loss and an update rule are formulas.  :func:`formula` makes an annotated class a frozen dataclass
of float fields; handed to a kernel, an instance is a by-value struct whose Numba type is named by a
digest of all that its methods reach (:mod:`.fingerprint`).  An edited formula is therefore another
type, and no cache can serve the old one.

Before a method is compiled it is cloned.  In the clone NumPy's functions are replaced by ours
(`SUBSTITUTES`: branch-free, and with rules for jets), helper functions of the user's by their own
clones, and, where the formula works on float32, its constants by float32 ones.  The originals are
never touched, and nothing is registered on functions that belong to somebody else.
"""

import contextlib
import dataclasses
import inspect
import itertools
import math
import types as pytypes
from typing import Any

import numba
import numpy as np
import scipy.special
from numba import types
from numba.core import cgutils, utils
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr
from numba.extending import NativeValue, models, register_jitable, register_model, typeof_impl, unbox

from . import elementary
from .fingerprint import MISSING, Fingerprint, Unknown, contents, digest, is_trusted, set_of_paths

# What a NumPy or SciPy function means in compiled formulas; calculus.jets adds its own.
SUBSTITUTES: dict[Any, Any] = {
    np.exp: elementary.exp,
    np.expm1: elementary.expm1,
    np.log: elementary.log,
    np.log1p: elementary.log1p,
    np.tanh: elementary.tanh,
    np.logaddexp: elementary.logaddexp,
    scipy.special.expit: elementary.sigmoid,
    scipy.special.erf: elementary.erf,
}


class FormulaError(TypeError):
    """A formula is written in a way that cannot be differentiated or compiled; says what to write.

    Examples
    --------
    >>> from calclearn.losses import FormulaError, loss
    >>> try:
    ...     @loss("nothing")
    ...     class Nothing:
    ...         scale: float = 1.0
    ... except FormulaError as error:
    ...     print(error)
    the loss 'nothing' must define value(self, y, raw)
    """


def reason_of(error) -> str:
    """The line of Numba's pages that says why: the first that is not about what was called inside."""
    _, *parts = ("\n" + str(error)).split("Failed in nopython mode pipeline")
    line = str(error)
    for part in parts:
        lines = [line.strip() for line in part.splitlines()[1:] if line.strip()]
        outer = lines[0].startswith("- Resolution failure")
        line = lines[outer]
        if not outer:
            break
    return line.splitlines()[0]


class Formula:
    """Base of all formulas: equality, hash and repr by type and fields; fields are finite floats."""

    def __repr__(self):
        fields = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(fields)})"

    def at(self, dtype) -> "Formula | SinglePrecision":
        """The formula with its numbers in *dtype*, to hand to a kernel: float32 work stays float32."""
        single = np.dtype(dtype) == np.float32 and not getattr(numba.config, "DISABLE_JIT", False)
        return SinglePrecision(self) if single else self


@dataclasses.dataclass(frozen=True)
class SinglePrecision:
    """A formula on its way into a float32 kernel."""

    formula: Formula


def formula(cls, base: type = Formula):
    """Make the annotated class *cls* a frozen dataclass over *base*.

    Every annotated name that is not a ``ClassVar`` is a field: a number, kept as a float.  A
    ``__post_init__`` of the class checks them.

    Raises
    ------
    TypeError, ValueError
        On construction, for a field that is not a finite number.
    FormulaError
        If *cls* is no class, or has an ``__init__``; on construction, if ``__post_init__`` gives an instance
        its own value of a class constant that a method reads: compiled, that would be the class's.
    """
    if not isinstance(cls, type):
        raise FormulaError(f"a formula is a class with methods, got {cls!r}")
    if "__init__" in vars(cls):
        raise FormulaError(f"{cls.__name__} has an __init__: write its parameters as fields, c: float = 1.0")
    bases = cls.__bases__ if issubclass(cls, base) else (*(b for b in cls.__bases__ if b is not object), base)
    body = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
    check = body.pop("__post_init__", None) or getattr(cls, "__post_init__", None)
    check = getattr(check, "_check", check)  # one inherited from another formula coerces already

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _number(type(self), field.name, getattr(self, field.name)))
        if check is not None:
            check(self)
            _refuse_constants_of_an_instance(self)

    __post_init__._check = check  # type: ignore[attr-defined]
    made = type(cls)(cls.__name__, bases, body | {"__post_init__": __post_init__})
    made.__module__, made.__qualname__ = cls.__module__, cls.__qualname__
    for value in (check, *body.values()):
        _let_super_mean(made, cls, getattr(value, "__func__", getattr(value, "fget", value)))
    return dataclasses.dataclass(frozen=True, repr=False)(made)


def _let_super_mean(made, cls, function):
    """Point ``super()`` of a method of *cls*, the class under the decorator, at the class that was made."""
    for cell in getattr(function, "__closure__", None) or ():
        if contents(cell) is cls:
            cell.cell_contents = made


def _refuse_constants_of_an_instance(made: Formula) -> None:
    """A class constant that one instance changes would silently compile as the class's."""
    own = vars(made).keys() - {field.name for field in dataclasses.fields(made)}  # type: ignore[arg-type]
    if not own:
        return
    cls = type(made)
    members = _members(cls)
    for method in members.values():
        for name in own & members.keys() & set(getattr(getattr(method, "__code__", None), "co_names", ())):
            raise FormulaError(
                f"{cls.__name__}.__post_init__ sets {name}, a constant of the class that "
                f"{method.__name__} reads: make it a field, or compute it in {method.__name__}"
            )


def _number(cls, name, value) -> float:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{cls.__name__}: {name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{cls.__name__}: {name} must be a number, got {value!r}") from error
    if not math.isfinite(number):
        raise ValueError(f"{cls.__name__}: {name} must be finite, got {value!r}")
    return number


# --------------------------------------------------------------------------------- the Numba type


class FormulaType(types.Type):
    """A formula as a kernel sees it: `kind` says which class and fields, `digest` which text.

    `digest` is None where the text could not be fingerprinted; `serial` then keeps the type unique.
    """

    def __init__(self, name, digest, fields, precision, serial=0):
        self.digest, self.fields, self.precision = digest, fields, precision
        self.kind = f"Formula({name}, {fields}, {precision})"
        self.serial = serial
        super().__init__(f"{self.kind[:-1]}, {digest}, {serial})")


class _Known:
    """What is known of a formula's class: its types, and whether they still describe it."""

    def __init__(self, cls):
        self.cls = cls
        self.of_package = is_trusted(cls.__module__)  # nobody edits those while they run
        self.members = _members(cls)
        _refuse_what_cannot_compile(cls, self.members)
        self.sizes = self._sizes()
        self.walk = Fingerprint()
        text, serial = None, 0
        try:
            text = digest(self.walk.of(tuple(sorted(self.members.items()))))
        except Unknown:
            serial = next(_SERIAL)
        fields = tuple(field.name for field in dataclasses.fields(cls))
        self.types = {
            precision: FormulaType(cls.__qualname__, text, fields, precision, serial)
            for precision in (types.float64, types.float32)
        }
        _BEHIND.update(dict.fromkeys(self.types.values(), self))

    def _sizes(self) -> list[int]:
        """They change when a member comes or goes."""
        return [len(owner.__dict__) for owner in self.cls.__mro__]

    def is_current(self) -> bool:
        """Whether the class still has these members; asked at every call of a kernel, so it is quick."""
        for name, value in self.members.items():
            for owner in self.cls.__mro__:
                if name in owner.__dict__:
                    if owner.__dict__[name] is not value:
                        return False
                    break
        return self.sizes == self._sizes() and self.walk.is_current()


_SERIAL = itertools.count(1)
_KNOWN: dict[type, _Known] = {}
_BEHIND: dict[FormulaType, _Known] = {}  # what a type's methods and constants are
_CLONES: dict[tuple[FormulaType, Any], pytypes.FunctionType] = {}


def formula_type(cls: type, precision=types.float64) -> FormulaType:
    """The Numba type of the instances of *cls*, computed at first use and again after an edit."""
    known = _KNOWN.get(cls)
    if known is None or not (known.of_package or known.is_current()):
        known = _KNOWN[cls] = _Known(cls)
    return known.types[precision]


def _members(cls: type) -> dict[str, Any]:
    """The public methods and numeric class constants of *cls*, inherited ones too, by name."""
    found: dict[str, Any] = {}
    fields = {field.name for field in dataclasses.fields(cls)}
    for owner in reversed([c for c in cls.__mro__ if c not in (object, Formula)]):
        for name, value in vars(owner).items():
            if name.startswith("__") or name in fields:
                continue
            if (
                isinstance(value, (pytypes.FunctionType, property, staticmethod, classmethod))
                or type(value) in (bool, int, float)
                or isinstance(value, np.generic)
            ):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def _refuse_what_cannot_compile(cls: type, members: dict[str, Any]) -> None:
    """Clear errors for what Numba would answer with pages."""
    for name, value in list(members.items()):
        if isinstance(value, (property, staticmethod, classmethod)):
            del members[name]
    for name, value in members.items():
        if not isinstance(value, pytypes.FunctionType) or is_trusted(value.__module__):
            continue
        where = f"{cls.__name__}.{name}"
        if "__class__" in value.__code__.co_freevars or "super" in value.__code__.co_names:
            raise FormulaError(f"{where} calls super(): write the parent's formula out, or name a helper")
        for used in value.__code__.co_names:
            kind = inspect.getattr_static(cls, used, None)
            if isinstance(kind, (property, staticmethod, classmethod)):
                raise FormulaError(
                    f"{where} uses the {type(kind).__name__} {used}: write a method with self, or a function"
                )


@typeof_impl.register(Formula)
def _typeof_formula(value, context):
    return formula_type(type(value))


@typeof_impl.register(SinglePrecision)
def _typeof_single(value, context):
    return formula_type(type(value.formula), types.float32)


@register_model(FormulaType)
class _FormulaModel(models.StructModel):
    def __init__(self, manager, t):
        super().__init__(manager, t, [(name, t.precision) for name in t.fields or ("nothing",)])


@unbox(FormulaType)
def _unbox_formula(t, thing, c):
    struct = cgutils.create_struct_proxy(t)(c.context, c.builder)
    single = t.precision == types.float32
    owner = c.pyapi.object_getattr_string(thing, "formula") if single and t.fields else thing
    for name in t.fields:
        attribute = c.pyapi.object_getattr_string(owner, name)
        number = c.pyapi.float_as_double(attribute)
        setattr(struct, name, c.context.cast(c.builder, number, types.float64, t.precision))
        c.pyapi.decref(attribute)
    if single and t.fields:
        c.pyapi.decref(owner)
    error = cgutils.is_not_null(c.builder, c.pyapi.err_occurred())
    return NativeValue(struct._getvalue(), is_error=error)


@lower_getattr_generic(FormulaType)
def _get_field(context, builder, t, value, name):
    if name in t.fields:
        return getattr(cgutils.create_struct_proxy(t)(context, builder, value=value), name)
    constant = _constant_type(t, name)
    return context.get_constant(constant, _BEHIND[t].members[name])


def _constant_type(t, name):
    value = _BEHIND[t].members.get(name)
    if isinstance(value, (bool, np.bool_)):
        return types.boolean
    if isinstance(value, (int, np.integer)):
        return types.intp
    return t.precision if isinstance(value, (float, np.floating)) else None


# Numba asks for an implementation by (type, attribute): one for each method name, shared by all formulas.
_lowered: set[str] = set()


@infer_getattr
class _FormulaAttributes(AttributeTemplate):
    key = FormulaType

    def generic_resolve(self, t, name):
        if name in t.fields:
            return t.precision
        member = _BEHIND[t].members.get(name)
        if not isinstance(member, pytypes.FunctionType):
            return _constant_type(t, name)
        _lower_method(name)

        class Method(AbstractTemplate):
            key = (FormulaType, name)

            def generic(self, args, kws):
                return _call(self.context, t, name, args, kws)[1].as_method()

        return types.BoundFunction(Method, t)


def _call(context, t, name, args, kws):
    """The clone of method *name* as a typed function, and its signature for these arguments."""
    key = (t, name)
    if key not in _CLONES:
        member = _BEHIND[t].members[name]
        _CLONES[key] = _Cloner(t.precision).function(member)
        context.refresh()
    clone = _CLONES[key]
    function_type = context.resolve_value_type(clone)
    signature = function_type.get_call_type(context, (t, *args), kws)
    return function_type, signature.replace(pysig=utils.pysignature(clone))


def _lower_method(name):
    if name in _lowered:
        return
    _lowered.add(name)

    @lower_builtin((FormulaType, name), FormulaType, types.VarArg(types.Any))
    def lower(context, builder, sig, args):
        function_type, signature = _call(context.typing_context, sig.args[0], name, sig.args[1:], {})
        implementation = context.get_function(function_type, signature)
        context.add_linking_libs(getattr(implementation, "libs", ()))
        return implementation(builder, args)


# ------------------------------------------------------------------------------------------- clones


class _Cloner:
    """Copies of functions in which names mean what they should mean in compiled code."""

    def __init__(self, precision):
        self.single = precision == types.float32
        self.made: dict[Any, Any] = {}  # by function or module: each is cloned once

    def meaning(self, value):
        """What *value*, reached from a formula, is in compiled code."""
        if isinstance(value, float) and self.single:
            return np.float32(value)
        if isinstance(value, pytypes.ModuleType):
            return self.module(value)
        with contextlib.suppress(KeyError, TypeError):  # not all that can be called can be hashed
            return SUBSTITUTES[value]
        return self.function(value) if _is_helper(value) else value

    def module(self, module):
        """A stand-in for *module* whose attributes are what they mean."""
        if module not in self.made:
            self.made[module] = _StandIn(module, self.meaning)
        return self.made[module]

    def function(self, function):
        if function in self.made:
            return self.made[function]
        code, defaults = _positional(function)
        if self.single:
            code = code.replace(
                co_consts=tuple(np.float32(c) if type(c) is float else c for c in code.co_consts)
            )
        cells = tuple(pytypes.CellType() for _ in function.__closure__ or ())
        clone = pytypes.FunctionType(code, {}, function.__name__, None, cells or None)
        self.made[function] = clone  # before its globals: a function may call itself
        names = {path[0] for path in set_of_paths(function)} & function.__globals__.keys()
        clone.__globals__.update({n: self.meaning(function.__globals__[n]) for n in names})
        clone.__globals__["__builtins__"] = function.__globals__.get("__builtins__", __builtins__)
        clone.__defaults__ = tuple(self.meaning(value) for value in defaults) or None
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            if contents(original) is not MISSING:
                cell.cell_contents = self.meaning(contents(original))
        clone.__module__, clone.__qualname__ = function.__module__, function.__qualname__
        return register_jitable(forceinline=True)(clone)  # or nothing around it vectorises


def _positional(function):
    """Code and defaults in which keyword-only parameters are ordinary ones: Numba has no others."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    bare = [name for name in names if name not in given]
    if bare or (names and code.co_flags & inspect.CO_VARARGS):
        raise FormulaError(f"{function.__qualname__}: give the keyword-only {bare or list(names)} a default")
    code = code.replace(co_argcount=code.co_argcount + len(names), co_kwonlyargcount=0)
    return code, (*defaults, *(given[name] for name in names))


def _is_helper(value) -> bool:
    """A plain function that a formula's author wrote, in this package or outside."""
    if not isinstance(value, pytypes.FunctionType) or value in SUBSTITUTES.values():
        return False
    return value.__module__.partition(".")[0] == "calclearn" or not is_trusted(value.__module__)


class _StandIn(pytypes.ModuleType):
    def __init__(self, module, meaning):
        super().__init__(module.__name__)
        self.__dict__["_original"], self.__dict__["_meaning"] = module, meaning

    def __getattr__(self, name):
        return self._meaning(getattr(self._original, name))
