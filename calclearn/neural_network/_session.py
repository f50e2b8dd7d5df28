"""A network, its data and its buffers, ready for the compiled loops."""

import dataclasses
import time

import numpy as np
from numba.core.errors import NumbaError
from scipy.sparse import issparse

from .._runtime import team, threads
from .._runtime.formulas import FormulaError
from .._runtime.jit import readonly
from ..losses import pointwise
from . import _steps as steps
from ._instructions import ADDRESS, FIELDS, IN, KEPT, N_OUT, SEED, SIZE
from ._loops import (
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
    ROWS,
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
CHUNK = 4096  # rows predicted by a thread before it looks for more
PART_FLOPS = 3e6  # least work of a part: some 50 microseconds
PART_ROWS = 64  # fewer, and products are slow
MOST_PARTS = 16
SEEDS_APART = 0x9E3779B1
LARGE_FLOPS = 1 << 25  # of a batch, from which on BLAS gains by threads
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
        readonly(weight, dtype),
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


def n_parts(network: Network, rows) -> int:
    """Into how many parts the rows of a batch are cut; batch norm must see them all."""
    if network.norm == "batch":
        return 1
    most = min(flops(network, rows) / PART_FLOPS, rows / PART_ROWS, MOST_PARTS)
    return 1 << max(int(np.log2(max(most, 1.0))), 0)


def block_rows(network: Network) -> int:
    """Rows of a block where no batch says how many: enough for BLAS, and few enough for a core's cache."""
    return min(max((1 << 15) // max(network.units), 32), 512)


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
        dtype = parameters.dtype
        self.network, self.n, self.size, self.loss = network, X.shape[0], size, loss
        predicts, n_parameters = y is None, len(parameters)
        parts = 1 if predicts else n_parts(network, size)
        size_of_part = -(-size // parts)
        most = most_entries(X, size_of_part)
        program = compile_program(
            network,
            dtype,
            size_of_part,
            training=not predicts,
            sparse_entries=most,
            statistics=rule is not None,
        )
        fields = list(program.fields)
        around = np.zeros((3, SIZE), np.int64)
        around[GATHER, [ADDRESS, N_OUT, IN, KEPT]] = (
            steps.gather_address(dtype, sparse=most is not None),
            network.units[0],
            0,
            program.keeps,
        )
        if not predicts:
            around[ERROR, [ADDRESS, N_OUT, IN, FIELDS]] = (
                _error_address(loss, dtype),
                network.units[-1],
                program.raw,
                len(fields),
            )
            fields += dataclasses.astuple(loss)
        if rule is not None:
            names = [field.name for field in dataclasses.fields(rule)]
            around[UPDATE, [ADDRESS, FIELDS, RATE]] = (
                steps.update_address(rule, dtype),
                len(fields),
                len(fields) + names.index("learning_rate"),
            )
            fields += dataclasses.astuple(rule)
        starts = network.starts
        spans = np.array([starts[: network.n_dense], starts[1 : network.n_dense + 1]], np.int64).T.copy()
        numbers = np.zeros(N_NUMBERS)
        given = size, network.n_weights, l2, weight_decay, clip_norm
        numbers[[ROWS, N_WEIGHTS, L2, DECAY, CLIP]] = given
        self.tables = Tables(
            around, program.forward, program.backward, spans, np.array([*fields, 0.0], np.float64), numbers
        )
        self.rows = rows_of(X, y, weight, dtype)
        writes = 0 if predicts else program.n_values
        self.buffers = Buffers(
            clock=np.array([clock], np.int64),
            parameters=parameters,
            moments=np.zeros((0, n_parameters), dtype) if moments is None else moments,
            memory=memory,
            gradients=np.zeros((parts, 0 if predicts else n_parameters), dtype),
            values=np.zeros((parts, program.n_values), dtype),
            deltas=np.zeros((parts, writes), dtype),
            integers=np.zeros((parts, program.keeps + (most or 0)), np.int64),
            sums=np.zeros((parts, N_SUMS)),
            norms=np.zeros(network.n_dense),
            total=np.zeros(0 if rule is not None or predicts else n_parameters),
        )
        self.buffers.integers[:, SEED] = seed + np.arange(parts) * SEEDS_APART
        self._n_threads = min(threads.thread_count(None), parts)
        self._board = team.new_board()
        self._per_call = 1

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
        return float(sums[0, LOSS]) / len(order), float(sums[0, PENALTY]) / len(order), norms / len(rates)

    def evaluate(self, l2=0.0):
        """The mean loss of all rows, the penalty, and the gradient of their sum in float64."""
        buffers, weight = self.buffers, self.rows.weight
        buffers.sums[:], buffers.total[:] = 0.0, 0.0
        whole = float(np.sum(weight, dtype=np.float64)) if len(weight) else float(self.n)
        self.tables.numbers[WHOLE] = whole
        self._run(np.arange(self.n), np.zeros(self.n_batches))
        weights = buffers.parameters[: self.network.n_weights].astype(np.float64)
        gradient = buffers.total.copy()
        gradient[: len(weights)] += l2 / whole * weights
        return float(buffers.sums[0, LOSS]), float(0.5 * l2 / whole * (weights @ weights)), gradient

    def _run(self, order, rates):
        """All batches, in calls of `SECONDS` or one batch."""
        done = 0
        while done < len(rates):
            count = min(self._per_call, len(rates) - done)
            part = slice(done * self.size, (done + count) * self.size)
            began = time.perf_counter()
            self._call(order[part], rates[done : done + count])
            took = max(time.perf_counter() - began, 1e-7) / count
            self._per_call = int(min(max(1, SECONDS / took), 16 * count + 16))
            done += count

    def _call(self, order, rates):
        """One compiled call, of all members of a team where there are several."""
        shared = self._n_threads > 1
        arguments = shared, self._board, self.tables, self.rows, self.buffers, order, rates
        if shared:
            team.together(self._board, lambda i: run_batches(i, *arguments), self._n_threads)
        else:
            run_batches(0, *arguments)

    def predict(self):
        """Raw predictions of all rows, of shape (n, n_outputs)."""
        raw = np.empty((self.n, self.network.units[-1]), self.buffers.parameters.dtype)
        chosen = np.arange(self.n)

        def part(bounds):
            some = slice(*bounds)
            values = np.empty_like(self.buffers.values)  # a thread's own
            integers = np.zeros_like(self.buffers.integers)
            buffers = self.buffers._replace(values=values, integers=integers)
            run_forward(self.tables, self.rows, buffers, chosen[some], raw[some])

        with threads.blas_threads(1):
            threads.run(part, threads.chunks(self.n, CHUNK), threads.thread_count(None))
        return raw

    @property
    def blas(self):
        """The context in which BLAS has one thread, but where products are large and nothing else is shared."""
        large = len(self.buffers.gradients) == 1 and flops(self.network, self.size) >= LARGE_FLOPS
        return threads.blas_threads(threads.thread_count(None) if large else 1)


def _error_address(loss, dtype):
    try:
        return steps.error_address(loss, dtype)
    except NumbaError as error:
        row = np.ones(1, dtype)
        if not hasattr(loss, "value_row"):
            pointwise.value_gradient(loss, row, row)  # says in one line why the loss does not compile
        raise FormulaError(f"{loss!r} does not compile") from error
