"""A structure that many compiled functions look at, behind one pointer.

Tuples would be handed from function to function entry by entry, which takes the compiler many times as long.
Numba's own `structref` counts references: at every look at an array, and in memory that threads share.  This
structure owns nothing.  It lives in the frame of the kernel that makes it, as long as that runs, and what it
is made of belongs to the caller.
"""

import hashlib

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic


class Struct(types.Type):
    """The type of a structure, made of `names` and the types of what they are."""

    def __init__(self, names, kinds):
        self.names, self.kinds = tuple(names), tuple(kinds)
        digest = hashlib.sha256(repr((self.names, self.kinds)).encode()).hexdigest()
        super().__init__(f"Struct({digest[:16]})")  # short: it is part of the name of every function


@register_default(Struct)
class _Pointer(models.PrimitiveModel):
    def __init__(self, dmm, kind):
        of_fields = [dmm.lookup(field).get_value_type() for field in kind.kinds]
        super().__init__(dmm, kind, ir.LiteralStructType(of_fields).as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = Struct

    def generic_resolve(self, struct, name):
        return struct.kinds[struct.names.index(name)] if name in struct.names else None


@lower_getattr_generic(Struct)
def _field(context, builder, struct, pointer, name):
    place = struct.names.index(name)
    value = builder.load(cgutils.gep_inbounds(builder, pointer, 0, place))
    return impl_ret_borrowed(context, builder, struct.kinds[place], value)


def maker(names):
    """A function for kernels: of a tuple of fields, in the order of `names`, it makes the structure."""

    @intrinsic
    def make(typingctx, fields):
        struct = Struct(names, fields.types)

        def generate(context, builder, signature, arguments):
            pointer = cgutils.alloca_once(builder, context.get_value_type(struct).pointee)
            for place in range(len(names)):
                field = cgutils.gep_inbounds(builder, pointer, 0, place)
                builder.store(builder.extract_value(arguments[0], place), field)
            return pointer

        return struct(fields), generate

    return make
