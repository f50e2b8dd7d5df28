"""Instructions of the processor for which Python has no word; in compiled code alone."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def prefetch(typingctx, array, index):
    """Ask for the memory of ``array[index]``, which will be read soon: a hint, which cannot fail."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = builder.extract_value(array.strides, 0)
        start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        address = builder.gep(start, [builder.mul(arguments[1], stride)])
        word = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [address.type],
            ir.FunctionType(ir.VoidType(), [address.type, word, word, word]),
        )
        builder.call(hint, [address, word(0), word(3), word(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def trailing_zeros(typingctx, bits):
    """How many bits below the lowest one that is set; of anything but 0, as an index."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), generate


@intrinsic
def nonzero_bytes(typingctx, array, start):
    """Which of 64 bytes from `start` on are not 0, a bit each, the first one's lowest; sets them to 0."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.IntType(8), 64)
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
        zeros = ir.Constant(vector, None)
        found = builder.bitcast(
            builder.icmp_unsigned("!=", builder.load(address, align=1), zeros), ir.IntType(64)
        )
        builder.store(zeros, address, align=1)
        return found

    return types.uint64(array, types.intp), generate
