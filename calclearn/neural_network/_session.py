"""A network, its data and its buffers, ready for the compiled loops."""

import dataclasses
import time

import numpy as np
from scipy.sparse import issparse

from .._runtime import team, threads
from .._runtime.formulas import FormulaError
from .._runtime.jit import readonly
from ..losses import pointwise
from . import _steps as steps
from ._instructions import ADDRESS, FIELDS, IN, KEPT, MEMORY, N_OUT, NOWHERE, SEED, SIZE
from ._loops import (
    BLOCK,
    CLIP,
    DECAY,
    ERROR,
    GATHER,
    L2,
    LOSS,
    N_NUMBERS,
    N_SUMS,
    N_WEIGHTS,
    PENALTY,
    RATE,
    RATE_DECAY,
    UPDATE,
    WHOLE,
    Buffers,
    Rows,
    Tables,
    run_batches,
    run_forward,
)
from ._network import Network, compile_program

SECONDS = 0.1  # of a compiled call: between two of them Ctrl-C is heard
ROWS = 4096  # predicted by a thread before it looks for more
LARGE_FLOPS = 1 << 27  # of a batch, from which on BLAS gains by threads of its own
PART_FLOPS = (
    1 << 21
)  # of a part of a batch, some 20 to 40 microseconds: less is done before a thread has come
PART_ROWS = 96  # with fewer, products lose more than threads gain
MOST_PARTS = 8
LOOK_AGAIN, LOOK_SELDOM = 4, 64  # calls between two looks at the slower of two ways: at first, and at most
NOBODY = np.zeros(0)


def rows_of(X, y, weight, dtype) -> Rows:
    """Data as the loops read them; C-contiguous and of this dtype, copied only where they are not."""
    y = np.zeros((0, 0)) if y is None else y
    weight = NOBODY if weight is None else weight
    if issparse(X):
        X = X.tocsr()
        data, indices, indptr = X.data, X.indices, X.indptr
    else:
        data, indices, indptr = np.ascontiguousarray(X, dtype).reshape(-1), NOBODY, NOBODY
    return Rows(
        readonly(data, dtype),
        readonly(indices, np.int32),
        readonly(indptr, np.int64),
        readonly(y, dtype),
        readonly(weight, np.float64),  # of any size: their sum divides them
    )


def most_entries(X, rows) -> int | None:
    """The most entries that so many rows of a sparse X can have; None where X is dense."""
    if not issparse(X):
        return None
    lengths = np.diff(X.tocsr().indptr)
    rows = min(rows, len(lengths))
    return int(np.partition(lengths, len(lengths) - rows)[len(lengths) - rows :].sum())


def flops(network: Network, rows) -> float:
    """Of the products of one step on so many rows."""
    return 6.0 * rows * sum(a * b for a, b in zip(network.units[:-1], network.units[1:]))


def parts_of(network: Network, rows) -> int:
    """In how many parts a batch is taken, whatever the number of threads: 1, 2, 4 or 8.

    Batch norm needs all rows of a batch together.
    """
    most = min(rows // PART_ROWS, int(flops(network, rows)) // PART_FLOPS, MOST_PARTS)
    return 1 if network.norm == "batch" or most < 2 else 1 << (most.bit_length() - 1)


def block_rows(network: Network) -> int:
    """Rows of a block where no batch says how many: enough for BLAS, and few enough for a core's cache."""
    return min(max((1 << 15) // max(network.units), 32), 512)


class Pace:
    """Whether a team is faster than its leader alone: looked at now and then, as the machine may be busy.

    Results have the same bits either way.
    """

    def __init__(self):
        self.seconds: dict[int, float] = {}  # a batch, by the number of members
        self.n_calls, self.next_look, self.interval = 0, LOOK_AGAIN, LOOK_AGAIN

    def members(self, most):
        """How many to call, and whether that is a look at the slower way, which should be a short one."""
        if most == 1 or most not in self.seconds:
            return most, False
        if 1 not in self.seconds:
            return 1, True
        faster, slower = (most, 1) if self.seconds[most] <= self.seconds[1] else (1, most)
        if self.n_calls < self.next_look:
            return faster, False
        self.interval = min(2 * self.interval, LOOK_SELDOM)
        self.next_look = self.n_calls + self.interval
        return slower, True

    def note(self, n_members, seconds):
        """Take note of a call; not of the first, which may have waited for the compiler."""
        if self.n_calls > 0:
            before = self.seconds.get(n_members, seconds)
            self.seconds[n_members] = 0.5 * (before + seconds)
        self.n_calls += 1


class Session:
    """One program with its data.

    Parameters
    ----------
    network : Network
    loss : Loss
    X : ndarray or sparse matrix of shape (n, p)
    y : ndarray of shape (n, n_outputs) or (n, 1), or None to predict
    weight : ndarray of shape (n,), or None
    parameters : ndarray of float32 or float64
        The flat vector; written to by `train`.
    memory : ndarray of float64
        Running statistics; written to by `train`.
    size : int
        Rows to a batch.
    rule : UpdateRule, optional
        Without one, gradients are added up.
    moments : ndarray of shape (n_states, n_parameters), optional
        What the rule remembers; written to.
    clock : int
        Steps taken before.
    l2, weight_decay, clip_norm : float
        The penalty of the sum of losses; what decays apart; the largest norm of a gradient, 0 for any.
    seed : int
        Of dropout.
    """

    def __init__(
        self,
        network,
        loss,
        X,
        y,
        weight,
        parameters,
        memory,
        size,
        *,
        rule=None,
        moments=None,
        clock=0,
        l2=0.0,
        weight_decay=0.0,
        clip_norm=0.0,
        seed=0,
    ):
        if X.shape[1] != network.columns:  # the loops would read what lies behind X
            raise ValueError(f"coefs_[0] is of {network.columns} features, X has {X.shape[1]}")
        self.network, self.n, self.size, self.loss = network, X.shape[0], size, loss
        learns, predicts = rule is not None, y is None
        self.n_parts = 1 if predicts else parts_of(network, size)
        rows = -(-size // self.n_parts)
        entries = most_entries(X, rows)
        program = compile_program(
            network,
            parameters.dtype,
            rows,
            training=not predicts,
            sparse_entries=entries,
            statistics=learns,
        )
        self.tables = _tables(network, program, entries, None if predicts else loss, rule, parameters.dtype)
        self.rows = rows_of(X, y, weight, parameters.dtype)
        self.numbers = np.zeros(N_NUMBERS)
        self.numbers[[N_WEIGHTS, L2, DECAY, CLIP]] = network.n_weights, l2, weight_decay, clip_norm
        self.numbers[RATE_DECAY] = getattr(rule, "decay", 0.0)
        self._board = team.new_board()
        self._per_call, self._pace = 1, Pace()
        n, parts, dtype = len(parameters), self.n_parts, parameters.dtype
        self.buffers = Buffers(
            clock=np.array([clock], np.int64),
            parameters=parameters,
            gradient=np.zeros((parts, 0 if predicts else n), dtype),
            moments=np.zeros((0, n), dtype) if moments is None else moments,
            values=np.zeros((parts, program.n_values), dtype),
            deltas=np.zeros((parts, 0 if predicts else program.n_values), dtype),
            integers=np.zeros((parts, program.keeps + (entries or 0)), np.int64),
            memory=memory,
            sums=np.zeros((parts, N_SUMS)),
            norms=np.zeros(network.n_dense),
            total=np.zeros(0 if learns or predicts else n),
            squares=np.zeros((-(-n // BLOCK), network.n_dense + 2)),
            shapes=np.zeros((-(-n // BLOCK), steps.N_SHAPE)),
        )
        self.buffers.integers[:, SEED] = seed

    @property
    def n_batches(self) -> int:
        return -(-self.n // self.size)

    @property
    def clock(self) -> int:
        """Steps taken."""
        return int(self.buffers.clock[0])

    def train(self, order, rates):
        """One pass over the rows in `order`: mean loss, mean penalty, and mean norm of each layer's gradient.

        Parameters
        ----------
        order : ndarray of int64
        rates : ndarray of float64
            The learning rate of each batch.
        """
        sums, norms = self.buffers.sums, self.buffers.norms
        sums[:], norms[:] = 0.0, 0.0
        self._run(order, rates)
        loss, penalty = sums[0, [LOSS, PENALTY]] / len(order)
        return float(loss), float(penalty), norms / len(rates)

    def evaluate(self, l2=0.0, some=None):
        """The mean loss, the penalty, and the gradient of their sum in float64.

        Over some rows, by default all.  The penalty is divided by the weight of all, as in the objective.
        """
        buffers, weight = self.buffers, self.rows.weight
        some = np.arange(self.n) if some is None else some
        buffers.sums[:], buffers.total[:] = 0.0, 0.0
        whole = float(np.sum(weight, dtype=np.float64)) if len(weight) else float(self.n)
        self.numbers[WHOLE] = np.sum(weight[some], dtype=np.float64) if len(weight) else len(some)
        self._run(some, np.zeros(-(-len(some) // self.size)))
        weights = buffers.parameters[: self.network.n_weights].astype(np.float64)
        gradient = buffers.total.copy()
        gradient[: len(weights)] += l2 / whole * weights
        return float(buffers.sums[0, LOSS]), float(0.5 * l2 / whole * (weights @ weights)), gradient

    def renew_statistics(self):
        """Make the running statistics of batch norm those of all rows, which are one batch."""
        forward, fields = self.tables.forward, self.tables.fields
        shares = forward[forward[:, MEMORY] != NOWHERE, FIELDS] + 1
        before = fields[shares]
        fields[shares] = 1.0
        self.evaluate()
        fields[shares] = before

    def _run(self, order, rates):
        """All batches, in calls of `SECONDS` or one batch."""
        done = 0
        while done < len(rates):
            n_members, short = self._pace.members(self._members)
            count = min(max(self._per_call // (8 if short else 1), 1), len(rates) - done)
            part = slice(done * self.size, (done + count) * self.size)
            work = self.tables, self.rows, self.buffers, self.numbers, order[part], self.size
            some = rates[done : done + count]
            began = time.perf_counter()
            if n_members > 1:
                team.together(
                    self._board,
                    lambda i, w=work, r=some, n=n_members: run_batches(*w, r, self._board, i, n),
                    n_members,
                )
            else:
                run_batches(*work, some, self._board, 0, 1)
            took = max(time.perf_counter() - began, 1e-7) / count
            self._pace.note(n_members, took)
            self._per_call = int(min(max(1, SECONDS / took), 16 * count + 16))
            done += count

    def predict(self):
        """Raw predictions of all rows, of shape (n, n_outputs)."""
        raw = np.empty((self.n, self.network.units[-1]), self.buffers.parameters.dtype)
        chosen = np.arange(self.n)

        def part(bounds):
            some = slice(*bounds)
            values = np.empty_like(self.buffers.values)  # a thread's own
            integers = np.zeros_like(self.buffers.integers)
            buffers = self.buffers._replace(values=values, integers=integers)
            run_forward(self.tables, self.rows, buffers, chosen[some], self.size, raw[some])

        with threads.blas_threads(1):
            threads.run(part, threads.chunks(self.n, ROWS), threads.thread_count(None))
        return raw

    @property
    def _members(self) -> int:
        """Threads that share a batch."""
        return min(threads.thread_count(None), self.n_parts)

    @property
    def blas(self):
        """The context in which BLAS has one thread; more, where large batches cannot be taken in parts."""
        alone = self.n_parts == 1 and flops(self.network, self.size) >= LARGE_FLOPS
        return threads.blas_threads(threads.thread_count(None) if alone else 1)


def _tables(network, program, entries, loss, rule, dtype) -> Tables:
    """A program with what surrounds it: no loss where it predicts, no rule where gradients add up."""
    fields, around = list(program.fields), np.zeros((3, SIZE), np.int64)
    gather = steps.gather_address(dtype, sparse=entries is not None)
    around[GATHER, [ADDRESS, N_OUT, IN, KEPT]] = gather, network.columns, 0, program.keeps
    if loss is not None:
        error, n_outputs = _error_address(loss, dtype), network.units[-1]
        around[ERROR, [ADDRESS, N_OUT, IN, FIELDS]] = error, n_outputs, program.raw, len(fields)
        fields += dataclasses.astuple(loss)
    if rule is not None:
        update, start = steps.update_address(rule, dtype), len(fields)
        rate = [field.name for field in dataclasses.fields(rule)].index("learning_rate")
        around[UPDATE, [ADDRESS, FIELDS, RATE]] = update, start, start + rate
        fields += dataclasses.astuple(rule)
    starts, spread = network.starts, network.n_dense
    spans = np.array([starts[:spread], starts[1 : spread + 1]], np.int64).T.copy()
    numbers = np.array([*fields, 0.0], np.float64)  # never empty
    return Tables(around, program.forward, program.backward, spans, numbers)


def _error_address(loss, dtype):
    try:
        return steps.error_address(loss, dtype)
    except FormulaError:
        row = np.ones(1, dtype)
        if not hasattr(loss, "value_row"):
            pointwise.value_gradient(loss, row, row)  # which says more of what fails interpreted too
        raise
