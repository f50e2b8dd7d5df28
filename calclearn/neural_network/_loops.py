"""The compiled loops over batches: gather, forward, error, backward, update, with no Python in between."""

from typing import NamedTuple

import numpy as np

from .._runtime.jit import kernel
from .._runtime.links import NOTHING, call
from ._instructions import ADDRESS, N_OUT, OUT
from ._layers import layer
from ._steps import weight_of

GATHER, ERROR, UPDATE = range(3)  # the records of what surrounds the layers
RATE = N_OUT  # of the update's record: where its learning rate is among the fields
N_WEIGHTS, L2, DECAY, CLIP, WHOLE, SHAPE = range(
    6
)  # the numbers of a training; SHAPE begins the update's four
N_NUMBERS = SHAPE + 4
BATCH_LOSS, LOSS, PENALTY, N_SUMS = range(4)


class Tables(NamedTuple):
    """A program for loops: `around` surrounds the layers; `spans` tells where the weights of each lie."""

    around: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    spans: np.ndarray
    fields: np.ndarray


class Rows(NamedTuple):
    """X as CSR, or flat and dense with empty `indices` and `indptr`; targets and weights, or empty."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    y: np.ndarray
    weight: np.ndarray


class Buffers(NamedTuple):
    """All that is written to; `clock` counts steps."""

    clock: np.ndarray
    parameters: np.ndarray
    gradient: np.ndarray
    moments: np.ndarray
    values: np.ndarray
    deltas: np.ndarray
    integers: np.ndarray
    memory: np.ndarray
    sums: np.ndarray
    norms: np.ndarray
    total: np.ndarray


@kernel
def run_batches(tables, rows, buffers, numbers, order, size, rates):
    """Train on the rows in `order`, `size` at a time; without an update, add gradients up in `total`."""
    clock, parameters, gradient, moments, values, deltas, integers, memory, sums, norms, total = buffers
    around, forward, backward, spans, fields = tables
    n, n_weights = order.shape[0], int(numbers[N_WEIGHTS])
    gather, error, update, shape = around[GATHER], around[ERROR], around[UPDATE], numbers[SHAPE:]
    learns = update[ADDRESS] != NOTHING
    for b in range(rates.shape[0]):
        chosen = order[b * size : min((b + 1) * size, n)]
        m = chosen.shape[0]
        share = numbers[WHOLE]  # the weight of all rows, or else of the batch
        if share <= 0.0:
            for i in range(m):
                share += weight_of(rows.weight, chosen[i])
            if share <= 0.0:  # of rows without weight there is nothing to learn
                continue
        clock[0] += 1
        t = clock[0]
        call(gather[ADDRESS], gather, chosen, rows.data, rows.indices, rows.indptr, values, integers)
        for k in range(forward.shape[0]):
            it = forward[k]
            call(it[ADDRESS], fields, it, m, t, parameters, gradient, values, deltas, integers, memory)
        call(error[ADDRESS], fields, error, chosen, rows.y, rows.weight, 1.0 / share, values, deltas, sums)
        loss = sums[BATCH_LOSS] / share
        if learns and numbers[L2] > 0.0:
            weights = parameters[:n_weights]
            sums[PENALTY] += 0.5 * numbers[L2] / share * np.float64(np.dot(weights, weights)) * m
        sums[LOSS] += loss * m if learns else loss
        for k in range(backward.shape[0] - 1, -1, -1):
            it = backward[k]
            call(it[ADDRESS], fields, it, m, t, parameters, gradient, values, deltas, integers, memory)
        if not learns:
            for j in range(total.shape[0]):
                total[j] += gradient[j]
            continue
        for k in range(spans.shape[0]):
            part = gradient[spans[k, 0] : spans[k, 1]]
            norms[k] += np.sqrt(np.float64(np.dot(part, part)))
        fields[update[RATE]] = rates[b]
        shape[0], shape[1], shape[2], shape[3] = (
            n_weights,
            numbers[L2] / share,
            1.0,
            numbers[DECAY] * rates[b],
        )
        if numbers[CLIP] > 0.0:
            _clip(parameters, gradient, shape, numbers[CLIP])
        call(update[ADDRESS], fields, update, t, parameters, gradient, moments, shape)


@layer
def _clip(parameters, gradient, shape, limit):
    """Add the penalty to the gradient, and have the update shorten it to the norm `limit`."""
    l2 = gradient.dtype.type(shape[1])
    for j in range(int(shape[0])):
        gradient[j] += l2 * parameters[j]
    norm = np.sqrt(np.float64(np.dot(gradient, gradient)))
    shape[1], shape[2] = 0.0, limit / norm if norm > limit else 1.0


@kernel
def run_forward(tables, rows, buffers, chosen, size, raw):
    """Write the raw predictions of the chosen rows, `size` at a time."""
    gather, forward, fields = tables.around[GATHER], tables.forward, tables.fields
    _, parameters, gradient, _, values, deltas, integers, memory, _, _, _ = buffers
    last = forward[forward.shape[0] - 1]
    for start in range(0, chosen.shape[0], size):
        some = chosen[start : start + size]
        m = some.shape[0]
        call(gather[ADDRESS], gather, some, rows.data, rows.indices, rows.indptr, values, integers)
        for k in range(forward.shape[0]):
            it = forward[k]
            call(it[ADDRESS], fields, it, m, 0, parameters, gradient, values, deltas, integers, memory)
        for i in range(m):
            for k in range(last[N_OUT]):
                raw[start + i, k] = values[last[OUT] + i * last[N_OUT] + k]
