"""The compiled loops over batches: gather, forward, error, backward, update, with no Python in between.

A batch is taken in *parts*, each with buffers of its own, and the parameters in *blocks*: how many there are
follows from sizes alone, and what they give is added up in their order, so results have the same bits for
any number of threads.  A step is two jobs of a team (:mod:`.._runtime.team`): the parts forward and backward;
then the blocks, for each of which the gradients of the parts are added up and the rule is applied.  Clipping,
which must know the whole gradient, makes three of them.
"""

from typing import NamedTuple

import numpy as np

from .._runtime import team
from .._runtime.jit import inner, kernel
from .._runtime.links import NOTHING, call
from .._runtime.struct import maker
from ._instructions import ADDRESS, FIRST, N_OUT, OUT
from ._steps import weight_of

GATHER, ERROR, UPDATE = range(3)  # the records of what surrounds the layers
RATE = N_OUT  # of the update's record: where its learning rate is among the fields
N_WEIGHTS, L2, DECAY, CLIP, WHOLE, SHARE, RATE_NOW, FACTOR, SIZE, RATE_DECAY, N_NUMBERS = range(
    11
)  # the numbers of a training
BATCH_LOSS, LOSS, PENALTY, N_SUMS = range(4)
PARTS, COLLECT, STEP, COLLECT_AND_STEP = map(np.int64, range(4))  # jobs; literals would be compiled apart
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

    `gradient`, `values`, `deltas`, `integers` and `sums` have a row for each part, `squares` and `shapes` for
    each block.
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
    shapes: np.ndarray


_struct = maker((*Tables._fields, *Rows._fields, *Buffers._fields, "numbers", "order", "board"))


@kernel
def run_batches(tables, rows, buffers, numbers, order, size, rates, board, member, n_members):
    """Train on the rows in `order`, `size` at a time; without an update, add gradients up in `total`.

    What a member of a team does; number 0 leads, and needs no others.
    """
    around, forward, backward, spans, fields = tables
    data, indices, indptr, y, weight = rows
    clock, parameters, gradient, moments, values, deltas, integers, memory = buffers[:8]
    sums, norms, total, squares, shapes = buffers[8:]
    read = around, forward, backward, spans, fields, data, indices, indptr, y, weight
    to = clock, parameters, gradient, moments, values, deltas, integers, memory
    it = _struct(read + to + (sums, norms, total, squares, shapes, numbers, order, board))
    numbers[SIZE] = size
    if member > 0:
        while team.job_comes(board):
            _work(it)
        return
    for b in range(rates.shape[0]):
        if _share_of(it, b):
            clock[0] += 1
            if not _batch(it, b, rates[b], n_members > 1):
                return
    if n_members > 1:
        team.close(board)


@inner
def _share_of(it, b):
    """Note the weight of the batch, or that of all rows where losses add up; whether there is any."""
    share, size = it.numbers[WHOLE], int(it.numbers[SIZE])
    if share <= 0.0:
        share = 0.0
        for i in range(b * size, min((b + 1) * size, it.order.shape[0])):
            share += weight_of(it.weight, it.order[i])
    it.numbers[SHARE] = share
    return share > 0.0  # of rows without weight there is nothing to learn


@inner
def _batch(it, b, rate, shared):
    """Lead the jobs of a batch; False where a member has failed."""
    numbers, sums, size = it.numbers, it.sums, int(it.numbers[SIZE])
    n_parts, n_blocks = it.values.shape[0], it.squares.shape[0]
    m, share = min(size, it.order.shape[0] - b * size), numbers[SHARE]
    numbers[RATE_NOW], numbers[FACTOR] = rate, 1.0
    if not _job(it, PARTS, b, n_parts, shared and n_parts > 1):
        return False
    loss = 0.0
    for p in range(n_parts):
        loss += sums[p, BATCH_LOSS]
    if it.around[UPDATE, ADDRESS] == NOTHING:
        sums[0, LOSS] += loss / share
        for p in range(n_parts):
            gradient, total = it.gradient[p], it.total
            for j in range(total.shape[0]):
                total[j] += gradient[j]
        return True
    sums[0, LOSS] += loss / share * m
    it.fields[it.around[UPDATE, RATE]] = rate
    among, clips = shared and n_blocks > ALONE, numbers[CLIP] > 0.0
    if not _job(it, COLLECT if clips else COLLECT_AND_STEP, b, n_blocks, among):
        return False
    norm = _account(it, m)
    if clips:
        numbers[FACTOR] = numbers[CLIP] / norm if norm > numbers[CLIP] else 1.0
        return _job(it, STEP, b, n_blocks, among)
    return True


@inner
def _job(it, kind, b, n_items, among):
    """Lead a job, among the team or alone; False where a member has failed."""
    if not among:
        for item in range(n_items):
            _item(it, kind, b, item)
        return True
    team.store(it.board, team.FREE, kind)
    team.store(it.board, team.FREE + 1, b)
    team.post(it.board, n_items)
    _work(it)
    return team.wait(it.board, n_items)


@inner
def _work(it):
    """Do items of the job on the board until there are none."""
    item = team.take(it.board)
    while item != team.NOTHING:
        _item(it, team.load(it.board, team.FREE), team.load(it.board, team.FREE + 1), item)
        team.done(it.board)
        item = team.take(it.board)


@inner
def _item(it, kind, b, item):
    if kind == PARTS:
        _part(it, b, item)
        return
    if kind != STEP:
        _collect(it, item)
    if kind != COLLECT:
        _step(it, item)


@inner
def _part(it, b, p):
    """A part of the rows of a batch, forward and backward."""
    fields, t, size, n_parts = it.fields, it.clock[0], int(it.numbers[SIZE]), it.values.shape[0]
    gradient, values, deltas, integers = it.gradient[p], it.values[p], it.deltas[p], it.integers[p]
    start, stop = b * size, min((b + 1) * size, it.order.shape[0])
    first, behind = p * (stop - start) // n_parts, (p + 1) * (stop - start) // n_parts
    chosen, m = it.order[start + first : start + behind], behind - first
    if m == 0:
        it.sums[p, BATCH_LOSS] = 0.0
        for j in range(gradient.shape[0]):
            gradient[j] = 0
        return
    integers[FIRST] = first
    gather, error = it.around[GATHER], it.around[ERROR]
    call(gather[ADDRESS], gather, chosen, it.data, it.indices, it.indptr, values, integers)
    for k in range(it.forward.shape[0]):
        _run(it, it.forward[k], m, t, gradient, values, deltas, integers)
    scale = 1.0 / it.numbers[SHARE]
    call(error[ADDRESS], fields, error, chosen, it.y, it.weight, scale, values, deltas, it.sums[p])
    for k in range(it.backward.shape[0] - 1, -1, -1):
        _run(it, it.backward[k], m, t, gradient, values, deltas, integers)


@inner
def _run(it, record, m, t, gradient, values, deltas, integers):
    """One instruction."""
    buffers = it.parameters, gradient, values, deltas, integers, it.memory
    call(record[ADDRESS], it.fields, record, m, t, *buffers)


@inner
def _collect(it, block):
    """Add up the parts' gradients of a block, and note sums of squares.

    Of each layer's weights' gradient, of the weights, and of the whole.
    """
    start, stop = block * BLOCK, min((block + 1) * BLOCK, it.parameters.shape[0])
    gradient, squares, numbers, n_layers = it.gradient[0], it.squares[block], it.numbers, it.spans.shape[0]
    whole = gradient[start:stop]
    for p in range(1, it.gradient.shape[0]):
        other = it.gradient[p, start:stop]
        for j in range(whole.shape[0]):
            whole[j] += other[j]
    for k in range(n_layers):
        part = gradient[max(start, it.spans[k, 0]) : max(start, min(stop, it.spans[k, 1]))]
        squares[k] = _square(part)
    weights = it.parameters[start : max(start, min(stop, int(numbers[N_WEIGHTS])))]
    squares[n_layers] = np.dot(weights, weights) if numbers[L2] > 0.0 else 0.0
    if numbers[CLIP] > 0.0:
        l2 = gradient.dtype.type(numbers[L2] / numbers[SHARE])
        for j in range(weights.shape[0]):
            whole[j] += l2 * weights[j]
        squares[n_layers + 1] = _square(whole)


@inner
def _square(vector):
    """The sum of squares; in float64 where a float32 does not hold it: those are what is clipped."""
    square = np.float64(np.dot(vector, vector))
    if square == np.inf:
        square = 0.0
        for j in range(vector.shape[0]):
            square += np.float64(vector[j]) * np.float64(vector[j])
    return square


@inner
def _account(it, m):
    """Add the blocks' sums up, in their order; the norm of the whole gradient, where it is asked for."""
    squares, numbers, n_layers = it.squares, it.numbers, it.norms.shape[0]
    penalty, whole = 0.0, 0.0
    for k in range(n_layers):
        square = 0.0
        for block in range(squares.shape[0]):
            square += squares[block, k]
        it.norms[k] += np.sqrt(square)
    for block in range(squares.shape[0]):
        penalty += squares[block, n_layers]
        whole += squares[block, n_layers + 1]
    it.sums[0, PENALTY] += 0.5 * numbers[L2] / numbers[SHARE] * penalty * m
    return np.sqrt(whole)


@inner
def _step(it, block):
    """Apply the rule to a block."""
    shape, numbers = it.shapes[block], it.numbers
    shape[0], shape[1] = numbers[N_WEIGHTS], 0.0 if numbers[CLIP] > 0.0 else numbers[L2] / numbers[SHARE]
    rate = numbers[RATE_NOW] / (1.0 + numbers[RATE_DECAY] * (it.clock[0] - 1))  # as the rule has it
    shape[2], shape[3] = numbers[FACTOR], numbers[DECAY] * rate
    shape[4], shape[5] = block * BLOCK, min((block + 1) * BLOCK, it.parameters.shape[0])
    update = it.around[UPDATE]
    place, gradient = update[ADDRESS], it.gradient[0]
    call(place, it.fields, update, it.clock[0], it.parameters, gradient, it.moments, shape)


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
