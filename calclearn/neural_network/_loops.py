"""The compiled loops over batches: gather, forward, error, backward, update, with no Python in between.

A batch is taken in *parts*, each with buffers of its own, and the parameters in *blocks*: how many there are follows
from sizes alone, and what they give is added up in their order, so results have the same bits for any number of
threads.  A step is two jobs of a team (:mod:`.._runtime.team`): the parts forward and backward; then the blocks,
for each of which the gradients of the parts are added up and the rule is applied.  Clipping, which must know the
whole gradient, makes three of them.
"""

from typing import NamedTuple

import numpy as np

from .._runtime import team
from .._runtime.jit import kernel
from .._runtime.links import NOTHING, call
from ._instructions import ADDRESS, FIRST, N_OUT, OUT
from ._layers import layer
from ._steps import N_SHAPE, weight_of

GATHER, ERROR, UPDATE = range(3)  # the records of what surrounds the layers
RATE = N_OUT  # of the update's record: where its learning rate is among the fields
N_WEIGHTS, L2, DECAY, CLIP, WHOLE, SHARE, RATE_NOW, FACTOR, N_NUMBERS = range(9)  # the numbers of a training
BATCH_LOSS, LOSS, PENALTY, N_SUMS = range(4)
PARTS, COLLECT, STEP, COLLECT_AND_STEP = range(4)  # jobs
BLOCK = 1 << 14  # parameters
ALONE = 2  # blocks, up to which a thread is done before another one has come


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
    """All that is written to; `clock` counts steps.

    `gradient`, `values`, `deltas`, `integers` and `sums` have a row for each part, `squares` for each block.
    """

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
    squares: np.ndarray


@kernel
def run_batches(tables, rows, buffers, numbers, order, size, rates, board, member, n_members):
    """Train on the rows in `order`, `size` at a time; without an update, add gradients up in `total`.

    What a member of a team does; number 0 leads, and needs no others.
    """
    around = tables.around
    learns = around[UPDATE, ADDRESS] != NOTHING
    n_parts, n_blocks = buffers.values.shape[0], buffers.squares.shape[0]
    if member > 0:
        while team.job_comes(board):
            _work(tables, rows, buffers, numbers, order, size, board)
        return
    shared = n_members > 1
    n, clock, sums = order.shape[0], buffers.clock, buffers.sums
    for b in range(rates.shape[0]):
        m = min(size, n - b * size)
        share = numbers[WHOLE]  # the weight of all rows, or else of the batch
        if share <= 0.0:
            for i in range(m):
                share += weight_of(rows.weight, order[b * size + i])
            if share <= 0.0:  # of rows without weight there is nothing to learn
                continue
        clock[0] += 1
        numbers[SHARE], numbers[RATE_NOW], numbers[FACTOR] = share, rates[b], 1.0
        every = (tables, rows, buffers, numbers, order, size, board, b)
        if not _job(every, PARTS, n_parts, shared and n_parts > 1):
            return
        loss = 0.0
        for p in range(n_parts):
            loss += sums[p, BATCH_LOSS]
        sums[0, LOSS] += loss / share * m if learns else loss / share
        if not learns:
            for p in range(n_parts):
                for j in range(buffers.total.shape[0]):
                    buffers.total[j] += buffers.gradient[p, j]
            continue
        tables.fields[around[UPDATE, RATE]] = rates[b]
        among = shared and n_blocks > ALONE
        clips = numbers[CLIP] > 0.0
        if not _job(every, COLLECT if clips else COLLECT_AND_STEP, n_blocks, among):
            return
        squares = _account(buffers, numbers, share, m)
        if clips:
            numbers[FACTOR] = numbers[CLIP] / squares if squares > numbers[CLIP] else 1.0
            if not _job(every, STEP, n_blocks, among):
                return
    if shared:
        team.close(board)


@layer
def _job(every, kind, n_items, among):
    """Lead a job, among the team or alone; False where a member has failed."""
    tables, rows, buffers, numbers, order, size, board, b = every
    if not among:
        for item in range(n_items):
            _item(tables, rows, buffers, numbers, order, size, kind, b, item)
        return True
    team.store(board, team.FREE, kind)
    team.store(board, team.FREE + 1, b)
    team.post(board, n_items)
    _work(tables, rows, buffers, numbers, order, size, board)
    return team.wait(board, n_items)


@layer
def _work(tables, rows, buffers, numbers, order, size, board):
    """Do items of the job on the board until there are none."""
    item = team.take(board)
    while item != team.NOTHING:
        kind, b = team.load(board, team.FREE), team.load(board, team.FREE + 1)
        _item(tables, rows, buffers, numbers, order, size, kind, b, item)
        team.done(board)
        item = team.take(board)


@layer
def _item(tables, rows, buffers, numbers, order, size, kind, b, item):
    if kind == PARTS:
        _part(tables, rows, buffers, numbers[SHARE], order, b * size, min((b + 1) * size, order.shape[0]), item)
        return
    if kind != STEP:
        _collect(tables.spans, buffers, numbers, item)
    if kind != COLLECT:
        _step(tables, buffers, numbers, item)


@layer
def _part(tables, rows, buffers, share, order, start, stop, p):
    """A part of the rows of a batch, forward and backward."""
    around, forward, backward, fields = tables.around, tables.forward, tables.backward, tables.fields
    parameters, memory, t = buffers.parameters, buffers.memory, buffers.clock[0]
    gradient, values, deltas = buffers.gradient[p], buffers.values[p], buffers.deltas[p]
    integers, sums = buffers.integers[p], buffers.sums[p]
    n_parts, count = buffers.values.shape[0], stop - start
    first, behind = p * count // n_parts, (p + 1) * count // n_parts
    chosen = order[start + first : start + behind]
    m = chosen.shape[0]
    if m == 0:
        gradient[:], sums[BATCH_LOSS] = 0, 0.0
        return
    integers[FIRST] = first
    gather, error = around[GATHER], around[ERROR]
    call(gather[ADDRESS], gather, chosen, rows.data, rows.indices, rows.indptr, values, integers)
    for k in range(forward.shape[0]):
        it = forward[k]
        call(it[ADDRESS], fields, it, m, t, parameters, gradient, values, deltas, integers, memory)
    call(error[ADDRESS], fields, error, chosen, rows.y, rows.weight, 1.0 / share, values, deltas, sums)
    for k in range(backward.shape[0] - 1, -1, -1):
        it = backward[k]
        call(it[ADDRESS], fields, it, m, t, parameters, gradient, values, deltas, integers, memory)


@layer
def _collect(spans, buffers, numbers, block):
    """Add up the parts' gradients of a block, and note sums of squares: of each layer's, of the penalty's, of all."""
    start, stop = block * BLOCK, min((block + 1) * BLOCK, buffers.parameters.shape[0])
    gradient, squares = buffers.gradient[0], buffers.squares[block]
    for p in range(1, buffers.gradient.shape[0]):
        other = buffers.gradient[p]
        for j in range(np.uintp(start), np.uintp(stop)):
            gradient[j] += other[j]
    n_layers = spans.shape[0]
    for k in range(n_layers):
        part = gradient[max(start, spans[k, 0]) : max(start, min(stop, spans[k, 1]))]
        squares[k] = np.dot(part, part)
    weights = buffers.parameters[start : max(start, min(stop, int(numbers[N_WEIGHTS])))]
    squares[n_layers] = np.dot(weights, weights) if numbers[L2] > 0.0 else 0.0
    if numbers[CLIP] > 0.0:
        l2 = gradient.dtype.type(numbers[L2] / numbers[SHARE])
        for j in range(weights.shape[0]):
            gradient[start + j] += l2 * weights[j]
        whole = gradient[start:stop]
        squares[n_layers + 1] = np.dot(whole, whole)


@layer
def _account(buffers, numbers, share, m):
    """Add the blocks' sums up, in their order; the norm of the whole gradient, where it is asked for."""
    squares, n_layers = buffers.squares, buffers.norms.shape[0]
    penalty, whole = 0.0, 0.0
    for k in range(n_layers):
        square = 0.0
        for block in range(squares.shape[0]):
            square += squares[block, k]
        buffers.norms[k] += np.sqrt(square)
    for block in range(squares.shape[0]):
        penalty += squares[block, n_layers]
        whole += squares[block, n_layers + 1]
    buffers.sums[0, PENALTY] += 0.5 * numbers[L2] / share * penalty * m
    return np.sqrt(whole)


@layer
def _step(tables, buffers, numbers, block):
    """Apply the rule to a block."""
    shape = np.empty(N_SHAPE)
    shape[0], shape[1] = numbers[N_WEIGHTS], 0.0 if numbers[CLIP] > 0.0 else numbers[L2] / numbers[SHARE]
    shape[2], shape[3] = numbers[FACTOR], numbers[DECAY] * numbers[RATE_NOW]
    shape[4], shape[5] = block * BLOCK, min((block + 1) * BLOCK, buffers.parameters.shape[0])
    it, gradient = tables.around[UPDATE], buffers.gradient[0]
    parameters, t = buffers.parameters, buffers.clock[0]
    call(it[ADDRESS], tables.fields, it, t, parameters, gradient, buffers.moments, shape)


@kernel
def run_forward(tables, rows, buffers, chosen, size, raw):
    """Write the raw predictions of the chosen rows, `size` at a time."""
    gather, forward, fields = tables.around[GATHER], tables.forward, tables.fields
    parameters, memory = buffers.parameters, buffers.memory
    gradient, values, deltas = buffers.gradient[0], buffers.values[0], buffers.deltas[0]
    integers = buffers.integers[0]
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
