"""The compiled loops over batches: gather, forward, error, backward, update, with no Python in between.

The rows of a batch are cut into parts, of which each has its own buffers and its own gradient; gradients are then
added in the order of the parts, and parameters updated, by ranges.  Threads share parts and ranges (see
`_runtime.team`).  How many there are depends on the sizes alone, and so do the bits of the result.
"""

from typing import NamedTuple

import numpy as np

from .._runtime import team
from .._runtime.jit import inner, kernel
from .._runtime.links import NOTHING, call
from .._runtime.struct import maker
from ._instructions import ADDRESS, N_OUT, OUT
from ._steps import weight_of

GATHER, ERROR, UPDATE = range(3)  # the records of what surrounds the layers
RATE = N_OUT  # of the update's record: where its learning rate is among the fields
BATCH_LOSS, LOSS, PENALTY, N_SUMS = range(4)
PART, MERGE, STEP = map(np.int64, range(3))  # jobs that threads share
PHASE, BATCH = team.FREE, team.FREE + 1  # words of the board
# The numbers of a training: what is given, and what a batch changes.  The four from N_WEIGHTS are the update's.
ROWS, CLIP, WHOLE, DECAY, SHARE, N_WEIGHTS, PENALISED, FACTOR, DECAYED, L2 = range(10)
N_NUMBERS = 10


class Tables(NamedTuple):
    """A program for loops: `around` surrounds the layers; `spans` tells where the weights of each lie."""

    around: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    spans: np.ndarray
    fields: np.ndarray
    numbers: np.ndarray


class Rows(NamedTuple):
    """X as CSR, or flat and dense with empty `indices` and `indptr`; targets and weights, or empty."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    y: np.ndarray
    weight: np.ndarray


class Buffers(NamedTuple):
    """All that is written to.  `clock` counts steps; what parts have of their own has a row for each."""

    clock: np.ndarray
    parameters: np.ndarray
    moments: np.ndarray
    memory: np.ndarray
    gradients: np.ndarray
    values: np.ndarray
    deltas: np.ndarray
    integers: np.ndarray
    sums: np.ndarray
    norms: np.ndarray
    total: np.ndarray


_struct = maker((*Tables._fields, *Rows._fields, *Buffers._fields, "board", "order"))


@kernel
def run_batches(member, shared, board, tables, rows, buffers, order, rates):
    """Train on the rows in `order`, batch by batch; without an update, add gradients up in `total`.

    Member 0 leads; the others help it, where the work is `shared`.
    """
    around, forward, backward, spans, fields, numbers = tables
    data, indices, indptr, y, weight = rows
    clock, parameters, moments, memory, gradients, values, deltas, integers, sums, norms, total = buffers
    t = around, forward, backward, spans, fields, numbers, data, indices, indptr, y, weight
    b = clock, parameters, moments, memory, gradients, values, deltas, integers, sums, norms, total
    it = _struct(t + b + (board, order))
    if member > 0:
        while team.job_comes(board):
            _work(it)
        return
    learns = it.around[UPDATE, ADDRESS] != NOTHING
    for b in range(rates.shape[0]):
        if _share_of(it, b):
            it.clock[0] += 1
            _batch(it, b, rates[b], learns, shared)
    if shared:
        team.close(board)


@inner
def _share_of(it, b):
    """Note the weight of the batch, or that of all rows where losses add up; whether there is any."""
    share = it.numbers[WHOLE]
    if share <= 0.0:
        start = b * int(it.numbers[ROWS])
        stop = min(start + int(it.numbers[ROWS]), it.order.shape[0])
        share = 0.0
        for i in range(start, stop):
            share += weight_of(it.weight, it.order[i])
    it.numbers[SHARE] = share
    return share > 0.0  # of rows without weight there is nothing to learn


@inner
def _batch(it, b, rate, learns, shared):
    """One batch, as the leader sees it."""
    numbers, sums, gradient = it.numbers, it.sums, it.gradients[0]
    n_weights, parts = int(numbers[N_WEIGHTS]), it.gradients.shape[0]
    share, clips = numbers[SHARE], numbers[CLIP] > 0.0
    rows = min(int(numbers[ROWS]), it.order.shape[0] - b * int(numbers[ROWS]))
    if learns and numbers[L2] > 0.0:
        weights = it.parameters[:n_weights]
        sums[0, PENALTY] += 0.5 * numbers[L2] / share * np.float64(np.dot(weights, weights)) * rows
    numbers[PENALISED], numbers[FACTOR], numbers[DECAYED] = numbers[L2] / share, 1.0, numbers[DECAY] * rate
    if learns:
        it.fields[it.around[UPDATE, RATE]] = rate
    _share(it, PART, b, shared)
    loss = 0.0
    for p in range(parts):
        loss += sums[p, BATCH_LOSS]
    sums[0, LOSS] += loss / share * rows if learns else loss / share
    _share(it, MERGE, b, shared)
    if not learns:
        return
    for k in range(it.spans.shape[0]):
        part = gradient[it.spans[k, 0] : it.spans[k, 1]]
        it.norms[k] += np.sqrt(np.float64(np.dot(part, part)))
    if clips:
        _clip(it, gradient)
        _share(it, STEP, b, shared)


@inner
def _clip(it, gradient):
    """Add the penalty to the gradient, and have the update shorten it to the norm that is allowed."""
    numbers = it.numbers
    l2 = gradient.dtype.type(numbers[PENALISED])
    for j in range(int(numbers[N_WEIGHTS])):
        gradient[j] += l2 * it.parameters[j]
    norm, limit = np.sqrt(np.float64(np.dot(gradient, gradient))), numbers[CLIP]
    numbers[PENALISED], numbers[FACTOR] = 0.0, limit / norm if norm > limit else 1.0


@inner
def _share(it, phase, b, shared):
    """Have a job of all parts done, by all threads."""
    parts = it.gradients.shape[0]
    if shared:
        team.store(it.board, PHASE, phase)
        team.store(it.board, BATCH, b)
        team.post(it.board, parts)
        _work(it)
        team.wait(it.board, parts)
    else:
        for item in range(parts):
            _do(it, phase, item, b)


@inner
def _work(it):
    """Take items of the job on the board, until there are none."""
    item = team.take(it.board)
    while item != team.NOTHING:
        _do(it, team.load(it.board, PHASE), item, team.load(it.board, BATCH))
        team.done(it.board)
        item = team.take(it.board)


@inner
def _do(it, phase, item, b):
    if phase == PART:
        _part(it, item, b)
    else:
        _range(it, phase, item)


@inner
def _part(it, p, b):
    """Forward and backward for part p of the rows of batch b."""
    size, parts = int(it.numbers[ROWS]), it.gradients.shape[0]
    rows = min(size, it.order.shape[0] - b * size)
    step = (rows + parts - 1) // parts
    start, stop = min(p * step, rows), min(p * step + step, rows)
    chosen, m, t = it.order[b * size + start : b * size + stop], stop - start, it.clock[0]
    gradient, values, deltas, integers = (
        it.gradients[p],
        it.values[p],
        it.deltas[p],
        it.integers[p],
    )
    if m == 0:
        it.sums[p, BATCH_LOSS] = 0.0
        for j in range(gradient.shape[0]):
            gradient[j] = 0
        return
    gather, error, fields = it.around[GATHER], it.around[ERROR], it.fields
    call(gather[ADDRESS], gather, chosen, it.data, it.indices, it.indptr, values, integers)
    for k in range(it.forward.shape[0]):
        _run(it, it.forward[k], m, t, gradient, values, deltas, integers)
    scale = 1.0 / it.numbers[SHARE]
    call(
        error[ADDRESS],
        fields,
        error,
        chosen,
        it.y,
        it.weight,
        scale,
        values,
        deltas,
        it.sums[p],
    )
    for k in range(it.backward.shape[0] - 1, -1, -1):
        _run(it, it.backward[k], m, t, gradient, values, deltas, integers)


@inner
def _run(it, record, m, t, gradient, values, deltas, integers):
    """One instruction."""
    buffers = it.parameters, gradient, values, deltas, integers, it.memory
    call(record[ADDRESS], it.fields, record, m, t, *buffers)


@inner
def _range(it, phase, item):
    """Add up a range of the gradients; update that of the parameters, where nothing stands in between."""
    n, parts = it.gradients.shape[1], it.gradients.shape[0]
    width = ((n + parts - 1) // parts + 15) // 16 * 16
    start, stop = min(item * width, n), min(item * width + width, n)
    gradient, update = it.gradients[0], it.around[UPDATE]
    learns = update[ADDRESS] != NOTHING
    if phase == MERGE:
        for p in range(1, parts):
            mine, other = gradient[start:stop], it.gradients[p, start:stop]
            for j in range(mine.shape[0]):
                mine[j] += other[j]
        if not learns:
            mine, total = gradient[start:stop], it.total[start:stop]
            for j in range(mine.shape[0]):
                total[j] += mine[j]
            return
        if it.numbers[CLIP] > 0.0:
            return
    place, shape = update[ADDRESS], it.numbers[N_WEIGHTS:]
    call(
        place,
        it.fields,
        update,
        it.clock[0],
        start,
        stop,
        it.parameters,
        gradient,
        it.moments,
        shape,
    )


@kernel
def run_forward(tables, rows, buffers, chosen, raw):
    """Write the raw predictions of the chosen rows."""
    gather, forward, fields, size = (
        tables.around[GATHER],
        tables.forward,
        tables.fields,
        int(tables.numbers[ROWS]),
    )
    gradient, values, deltas, integers = (
        buffers.gradients[0],
        buffers.values[0],
        buffers.deltas[0],
        buffers.integers[0],
    )
    last = forward[forward.shape[0] - 1]
    for start in range(0, chosen.shape[0], size):
        some = chosen[start : start + size]
        m = some.shape[0]
        call(gather[ADDRESS], gather, some, rows.data, rows.indices, rows.indptr, values, integers)
        for k in range(forward.shape[0]):
            place = forward[k, ADDRESS]
            where = buffers.parameters, gradient, values, deltas, integers, buffers.memory
            call(place, fields, forward[k], m, 0, *where)
        for i in range(m):
            for k in range(last[N_OUT]):
                raw[start + i, k] = values[last[OUT] + i * last[N_OUT] + k]
