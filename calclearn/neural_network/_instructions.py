"""The instructions of which a network is a program: layers of :mod:`._layers` over places in flat buffers.

A program is a table of integers, a row an instruction: the address of its function, sizes, and where in the
buffers it finds its arrays.  All instructions take the same arguments, so that one loop can run any program.
"""

import functools

import numpy as np
from numba import types

from .._runtime.links import formula_at, linked
from . import _layers as layers
from ._layers import layer

# The entries of an instruction.  Places are indices in flat buffers; -1 where there is nothing.
ADDRESS, N_IN, N_OUT, IN, OUT, WEIGHTS, BIAS, FIELDS, KEPT, MEMORY, NUMBER, WANTED = range(12)
COLUMN, COLUMNS, PLACE, WIDTH, WAVES = range(
    12, 17
)  # of embeddings: which of X, and which of what is put out
SIZE = 17
NOWHERE = -1
SEED, FIRST, INDPTR = 0, 1, 2  # places among the integers: FIRST row of a batch's part; rows of a sparse X


@functools.cache
def arguments(dtype):
    """The Numba types of what an instruction takes, but the formula."""
    floats = types.Array(types.float32 if dtype == np.float32 else types.float64, 1, "C")
    doubles, integers = types.Array(types.float64, 1, "C"), types.Array(types.int64, 1, "C")
    return (doubles, integers, types.int64, types.int64, *[floats] * 4, integers, doubles)


@layer
def block(buffer, start, rows, columns):
    """A matrix in a flat buffer."""
    return buffer[start : start + rows * columns].reshape((rows, columns))


@layer
def vector(buffer, start, size):
    """A vector in a flat buffer; empty where it is nowhere."""
    return buffer[start : start + size] if start >= 0 else buffer[:0]


@linked
def dense(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    outputs = block(values, record[OUT], rows, record[N_OUT])
    weights = block(parameters, record[WEIGHTS], record[N_IN], record[N_OUT])
    layers.dense_forward(block(values, record[IN], rows, record[N_IN]), weights, outputs)
    if record[BIAS] >= 0:
        layers.add_bias(outputs, vector(parameters, record[BIAS], record[N_OUT]))


@linked
def dense_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    error = block(deltas, record[OUT], rows, record[N_OUT])
    inputs = block(values, record[IN], rows, record[N_IN])
    by_weights = block(gradient, record[WEIGHTS], record[N_IN], record[N_OUT])
    layers.dense_gradient(inputs, error, by_weights)
    layers.bias_gradient(error, vector(gradient, record[BIAS], record[N_OUT]))
    if record[WANTED]:
        weights = block(parameters, record[WEIGHTS], record[N_IN], record[N_OUT])
        layers.dense_error(error, weights, block(deltas, record[IN], rows, record[N_IN]))


@linked
def sparse(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    outputs = block(values, record[OUT], rows, record[N_OUT])
    weights = block(parameters, record[WEIGHTS], record[N_IN], record[N_OUT])
    indptr, indices = integers[INDPTR : INDPTR + rows + 1], integers[record[KEPT] :]
    layers.sparse_forward(values[record[IN] :], indices, indptr, weights, outputs)
    if record[BIAS] >= 0:
        layers.add_bias(outputs, vector(parameters, record[BIAS], record[N_OUT]))


@linked
def sparse_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    error = block(deltas, record[OUT], rows, record[N_OUT])
    by_weights = block(gradient, record[WEIGHTS], record[N_IN], record[N_OUT])
    indptr, indices = integers[INDPTR : INDPTR + rows + 1], integers[record[KEPT] :]
    layers.sparse_gradient(values[record[IN] :], indices, indptr, error, by_weights)
    layers.bias_gradient(error, vector(gradient, record[BIAS], record[N_OUT]))


@linked
def activate(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    activation = formula_at(kind, fields, record[FIELDS])
    inputs = block(values, record[IN], rows, record[N_IN])
    outputs = block(values, record[OUT], rows, record[N_OUT])
    layers.activation_forward(activation, inputs, vector(parameters, record[BIAS], record[N_IN]), outputs)


@linked
def activate_training(
    kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory
):
    activation = formula_at(kind, fields, record[FIELDS])
    inputs = block(values, record[IN], rows, record[N_IN])
    outputs = block(values, record[OUT], rows, record[N_OUT])
    layers.activation_training(activation, inputs, vector(parameters, record[BIAS], record[N_IN]), outputs)


@linked
def activate_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    error = block(deltas, record[OUT], rows, record[N_OUT])
    slope = block(values, record[IN], rows, record[N_IN])
    layers.activation_error(error, slope, block(deltas, record[IN], rows, record[N_IN]))


@linked
def drop(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    """The mask falls on what a unit puts out and on its slope: going back there is nothing left to do."""
    key = layers.dropout_key(integers[SEED], step, record[NUMBER])
    rate, first = fields[record[FIELDS]], integers[FIRST]
    layers.dropout(key, rate, first, block(values, record[OUT], rows, record[N_OUT]))
    layers.dropout(key, rate, first, block(values, record[IN], rows, record[N_OUT]))


@linked
def batch_norm(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    k = record[N_OUT]
    layers.batch_norm_forward(
        block(values, record[IN], rows, k),
        vector(parameters, record[WEIGHTS], k),
        vector(parameters, record[BIAS], k),
        fields[record[FIELDS]],
        block(memory, record[MEMORY], 2, k),
        block(values, record[OUT], rows, k),
    )


@linked
def batch_norm_training(
    kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory
):
    k = record[N_OUT]
    layers.batch_norm_training(
        block(values, record[IN], rows, k),
        vector(parameters, record[WEIGHTS], k),
        vector(parameters, record[BIAS], k),
        fields[record[FIELDS]],
        vector(values, record[KEPT], k),
        block(memory, record[MEMORY], 2, k),
        fields[record[FIELDS] + 1],
        block(values, record[OUT], rows, k),
    )


@linked
def batch_norm_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    k = record[N_OUT]
    layers.batch_norm_backward(
        block(deltas, record[OUT], rows, k),
        block(values, record[IN], rows, k),
        vector(parameters, record[WEIGHTS], k),
        vector(values, record[KEPT], k),
        vector(gradient, record[WEIGHTS], k),
        vector(gradient, record[BIAS], k),
        block(deltas, record[IN], rows, k),
    )


@linked
def layer_norm(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    k = record[N_OUT]
    layers.layer_norm_forward(
        block(values, record[IN], rows, k),
        vector(parameters, record[WEIGHTS], k),
        vector(parameters, record[BIAS], k),
        fields[record[FIELDS]],
        vector(values, record[KEPT], rows),
        block(values, record[OUT], rows, k),
    )


@linked
def layer_norm_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    k = record[N_OUT]
    layers.layer_norm_backward(
        block(deltas, record[OUT], rows, k),
        block(values, record[IN], rows, k),
        vector(parameters, record[WEIGHTS], k),
        vector(values, record[KEPT], rows),
        vector(gradient, record[WEIGHTS], k),
        vector(gradient, record[BIAS], k),
        block(deltas, record[IN], rows, k),
    )


@linked
def add(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    """Where a way past a block ends, forward."""
    k = record[N_OUT]
    layers.add(block(values, record[IN], rows, k), block(values, record[OUT], rows, k))


@linked
def add_back(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    """Where it begins, backward: after all of the block."""
    k = record[N_OUT]
    layers.add(block(deltas, record[OUT], rows, k), block(deltas, record[IN], rows, k))


@linked
def pass_on(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    """Columns of X that are inputs as they are."""
    inputs = block(values, record[IN], rows, record[N_IN])
    outputs = block(values, record[OUT], rows, record[N_OUT])
    count = record[COLUMNS]
    for i in range(rows):
        for j in range(count):
            outputs[i, record[PLACE] + j] = inputs[i, record[COLUMN] + j]


@linked
def embed_codes(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    codes = block(values, record[IN], rows, record[N_IN])[:, record[COLUMN]]
    outputs = block(values, record[OUT], rows, record[N_OUT])
    table = block(parameters, record[WEIGHTS], record[COLUMNS], record[WIDTH])
    place = record[PLACE]
    layers.embedding_forward(codes, table, outputs[:, place : place + record[WIDTH]])


@linked
def embed_codes_back(
    kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory
):
    codes = block(values, record[IN], rows, record[N_IN])[:, record[COLUMN]]
    error = block(deltas, record[OUT], rows, record[N_OUT])
    by_table = block(gradient, record[WEIGHTS], record[COLUMNS], record[WIDTH])
    place = record[PLACE]
    layers.embedding_gradient(codes, error[:, place : place + record[WIDTH]], by_table)


@layer
def _periodic(vector, record):
    """Frequencies, phases, weights and biases of an embedding of numbers, out of a flat vector."""
    n, n_waves, width, start = record[COLUMNS], record[WAVES], record[WIDTH], record[WEIGHTS]
    waves = n * n_waves
    return (
        block(vector, start, n, n_waves),
        block(vector, start + waves, n, n_waves),
        block(vector, start + 2 * waves, waves, width),
        block(vector, start + (2 + width) * waves, n, width),
    )


@linked
def embed_numbers(kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory):
    frequencies, phases, weights, bias = _periodic(parameters, record)
    layers.periodic_forward(
        block(values, record[IN], rows, record[N_IN]),
        frequencies,
        phases,
        weights,
        bias,
        block(values, record[KEPT], rows, 2 * record[COLUMNS] * record[WAVES]),
        block(values, record[OUT], rows, record[N_OUT]),
    )


@linked
def embed_numbers_back(
    kind, fields, record, rows, step, parameters, gradient, values, deltas, integers, memory
):
    _, _, weights, _ = _periodic(parameters, record)
    by_frequencies, by_phases, by_weights, by_bias = _periodic(gradient, record)
    layers.periodic_gradient(
        block(values, record[IN], rows, record[N_IN]),
        weights,
        block(values, record[KEPT], rows, 2 * record[COLUMNS] * record[WAVES]),
        block(deltas, record[OUT], rows, record[N_OUT]),
        by_frequencies,
        by_phases,
        by_weights,
        by_bias,
    )
