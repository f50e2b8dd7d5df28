"""Jets in compiled code: a by-value struct of three floats of one precision."""

from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.extending import (
    lower_builtin,
    lower_cast,
    make_attribute_wrapper,
    models,
    overload,
    register_model,
    type_callable,
)

from ._functions import COMPILED, COMPILES, REAL
from .jets import Jet, lift, times, variable, weak

PARTS = ("value", "first", "second")

COMPILED.update({Jet: Jet, lift: lift, variable: variable})  # they mean themselves


class JetType(types.Type):
    """The Numba type of a jet whose parts are *dtype*."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Jet({dtype})")

    # A function may return a number in one branch and a jet in another: together they are a jet.

    def unify(self, context, other):
        if isinstance(other, JetType):
            return max(self, other, key=lambda jet: jet.dtype.bitwidth)
        return self if isinstance(other, REAL) else None

    def can_convert_from(self, context, other):
        if isinstance(other, REAL):
            return Conversion.safe
        if isinstance(other, JetType):
            return Conversion.promote if other.dtype.bitwidth < self.dtype.bitwidth else Conversion.unsafe
        return None


def precision(t):
    """The float type that a number, or a jet of it, is computed in."""
    if isinstance(t, JetType):
        return t.dtype
    return types.float32 if t == types.float32 else types.float64


@register_model(JetType)
class _JetModel(models.StructModel):
    def __init__(self, manager, t):
        super().__init__(manager, t, [(part, t.dtype) for part in PARTS])


for _part in PARTS:
    make_attribute_wrapper(JetType, _part, _part)


@type_callable(Jet)
def _type_jet(context):
    def typer(value, first, second):
        if all(isinstance(part, REAL) for part in (value, first, second)):
            return JetType(precision(value))

    return typer


@lower_builtin(Jet, types.Any, types.Any, types.Any)
def _make_jet(context, builder, signature, parts):
    return _struct(context, builder, signature.return_type, parts, signature.args)


@lower_cast(types.Integer, JetType)
@lower_cast(types.Float, JetType)
@lower_cast(types.Boolean, JetType)
def _number_to_jet(context, builder, source, target, number):
    zero = context.get_constant(target.dtype, 0.0)
    return _struct(context, builder, target, (number, zero, zero), (source, target.dtype, target.dtype))


@lower_cast(JetType, JetType)
def _jet_to_jet(context, builder, source, target, jet):
    struct = cgutils.create_struct_proxy(source)(context, builder, value=jet)
    return _struct(context, builder, target, [getattr(struct, part) for part in PARTS], [source.dtype] * 3)


def _struct(context, builder, jet_type, parts, part_types):
    struct = cgutils.create_struct_proxy(jet_type)(context, builder)
    for name, part, t in zip(PARTS, parts, part_types):
        setattr(struct, name, context.cast(builder, part, t, jet_type.dtype))
    return struct._getvalue()


# --------------------------------------------------------------------- what the rules are written with


@overload(variable, jit_options=COMPILES)
def _variable(x):
    if isinstance(x, REAL):
        return lambda x: Jet(x, 1.0, 0.0)


@overload(lift, jit_options=COMPILES)
def _lift(x, like):
    if isinstance(x, JetType):
        return lambda x, like: x
    if isinstance(x, REAL) and isinstance(like, (JetType, *REAL)):
        t = precision(like)
        return lambda x, like: Jet(t(x), 0.0, 0.0)


@overload(weak, jit_options=COMPILES)
def _weak(number, like):
    t = like
    return lambda number, like: t(number)


@overload(times, jit_options=COMPILES)
def _times(slope, derivative):
    return lambda slope, derivative: slope * derivative if derivative != 0 else derivative
