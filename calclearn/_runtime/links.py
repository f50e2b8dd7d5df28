"""Functions that compiled code calls by their address.

A kernel that calls another function has it compiled in: with ten formulas here and seven there, that would be
seventy kernels.  Functions that are *linked* are compiled and kept on disk apart, one for each formula, and
meet at run time: their addresses are numbers in a table, and whoever reads the table calls them, for a few
nanoseconds a call, knowing of them nothing but what they take.

The formula that a linked function is compiled for is known by its type alone, the first argument.  Its fields
are numbers in an array, which may change from call to call, and `formula_at` puts them together.
"""

import functools
import itertools
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.extending import intrinsic, models, overload, register_model

from .fingerprint import is_trusted
from .formulas import Formula, FormulaError, formula_type, reason_of
from .jit import KernelCache, _numba_is_as_known

NOTHING = 0  # the address of what is not there


class FormulaKind(types.Opaque):
    """The type of the first argument: says for which formula, and in which precision; has no content."""

    def __init__(self, formula):
        self.formula, self.digest, self.kind = formula, formula.digest, f"FormulaKind({formula.kind})"
        super().__init__(f"FormulaKind({formula})")


class NoFormula(types.Opaque):
    """The type of the first argument of a function for no formula."""


register_model(FormulaKind)(models.OpaqueModel)
register_model(NoFormula)(models.OpaqueModel)
_no_formula = NoFormula("NoFormula")


def linked(function):
    """A function that can have an address: ``function(kind, *arguments)``, which returns nothing.

    With fields, the arguments hold an array of them: ``formula_at(kind, fields, start)`` is the formula.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if isinstance(compiled, Dispatcher) and _numba_is_as_known():
        compiled._cache = KernelCache(function)
    return compiled


_interpreted: dict[int, Any] = {}  # with NUMBA_DISABLE_JIT: what stands at an address
_numbers = itertools.count(1)


def address(function, formula: Formula | None, arguments: tuple, dtype=np.float64) -> int:
    """The address of a linked function for this formula; compiled where it is not on disk.

    Parameters
    ----------
    function : callable
        Decorated with :func:`linked`.
    formula : Formula, optional
        For which: its class counts, and its fields do not.
    arguments : tuple of Numba types
        Of all arguments but the first.
    dtype : dtype
        The precision of the formula.

    Raises
    ------
    FormulaError
        If the formula does not compile; says why in one line.

    Returns
    -------
    int
        Valid in this process, and in those forked from it, to its end.
    """
    if not isinstance(function, Dispatcher):
        place = next(_numbers)
        _interpreted[place] = functools.partial(function, formula)
        return place
    single = np.dtype(dtype) == np.float32
    if formula is None or is_trusted(type(formula).__module__):  # nobody edits those while they run
        return _address_for_good(function, None if formula is None else type(formula), arguments, single)
    return _address(function, type(formula), arguments, single)


def _address(function, of, arguments, single):
    kind: Any = _no_formula
    if of is not None:
        kind = _kind(formula_type(of, types.float32 if single else types.float64))
    signature = (kind, *arguments)
    if signature not in function.overloads:
        try:
            function.compile(signature)
        except NumbaError as error:
            if of is None:
                raise
            raise FormulaError(f"{of.__name__} does not compile: {reason_of(error)}") from error
    compiled: Any = function.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


_address_for_good: Any = functools.cache(_address)


@functools.cache
def _kind(formula):
    return FormulaKind(formula)


def call(place, *arguments):
    """Call what stands at an address, with the arguments that it was compiled for but the first."""
    _interpreted[int(place)](*arguments)


@overload(call)
def _(place, *arguments):
    return lambda place, *arguments: _call(place, arguments)


@intrinsic
def _call(typingctx, place, arguments):
    def generate(context, builder, signature, values):
        kinds = (_no_formula, *signature.args[1])
        function = context.call_conv.get_function_type(types.none, kinds)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        nobody = ir.Constant(ir.IntType(8).as_pointer(), None)
        handed = [nobody, *cgutils.unpack_tuple(builder, values[1])]
        status, _ = context.call_conv.call_function(builder, pointer, types.none, kinds, handed)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(place, arguments), generate


def formula_at(kind, fields, start):
    """The formula of a linked function whose fields are ``fields[start:]``."""
    made = object.__new__(type(kind))
    for name, value in zip(kind.__dataclass_fields__, fields[start:]):
        object.__setattr__(made, name, float(value))
    return made


@overload(formula_at)
def _(kind, fields, start):
    if isinstance(kind, FormulaKind):
        return lambda kind, fields, start: _formula_at(kind, fields, start)
    return None


@intrinsic
def _formula_at(typingctx, kind, fields, start):
    made = kind.formula

    def generate(context, builder, signature, values):
        array = context.make_array(signature.args[1])(context, builder, values[1])
        struct = cgutils.create_struct_proxy(made)(context, builder)
        for number, name in enumerate(made.fields):
            place = builder.add(values[2], ir.Constant(values[2].type, number))
            field = builder.load(builder.gep(array.data, [place]))
            setattr(struct, name, context.cast(builder, field, types.float64, made.precision))
        return struct._getvalue()

    return made(kind, fields, start), generate
