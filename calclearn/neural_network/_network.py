"""A network: what it is made of, where its parameters lie, and the program that computes it.

All parameters are one flat vector: the weights of all dense layers, then their biases, then what norms scale
and shift by.  Buffers are flat too: each layer has its block, and its error lies at the same place of another
buffer.
"""

import dataclasses
import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from .._runtime.fingerprint import is_trusted
from .._runtime.formulas import FormulaError
from .._runtime.links import NOTHING, address
from . import _instructions as instructions
from ._activations import Activation
from ._inputs import Inputs
from ._instructions import (
    ADDRESS,
    BIAS,
    FIELDS,
    IN,
    KEPT,
    MEMORY,
    N_IN,
    N_OUT,
    NOWHERE,
    NUMBER,
    OUT,
    SIZE,
    WANTED,
    WEIGHTS,
)

NORM_EPSILON = 1e-5  # PyTorch's, as is the share by which running statistics move
NORM_SHARE = 0.1
INPUT_GAIN = {"glorot": None, "he": 2.0, "lecun": 1.0}  # variance of a weight, times its fan-in


@dataclasses.dataclass(frozen=True)
class Network:
    """What a network is made of.

    Parameters
    ----------
    units : tuple of int
        Inputs, units of each hidden layer, outputs.
    activation : Activation
        Of the hidden layers.
    dropout : float
        Probability that a hidden unit is set to 0 in a step.
    norm : {"", "batch", "layer"}
        What stands between a hidden dense layer and its activation.
    residual : bool
        Whether there is a way past each hidden layer that is as wide as the hidden layer before.
    inputs : Inputs, optional
        Embeddings of the columns of X; by default these are the inputs of the first layer.
    """

    units: tuple[int, ...]
    activation: Activation
    dropout: float = 0.0
    norm: str = ""
    residual: bool = False
    inputs: Inputs | None = None

    @property
    def columns(self) -> int:
        """Of X."""
        return self.units[0] if self.inputs is None else self.inputs.columns

    @property
    def n_dense(self) -> int:
        return len(self.units) - 1

    @functools.cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of all parameters, in the order of the flat vector."""
        hidden = self.units[1:-1] if self.norm else ()
        pairs = zip(self.units[:-1], self.units[1:])
        embeddings = [] if self.inputs is None else self.inputs.shapes
        norms = [(n,) for n in hidden] * 2
        return [*pairs, *((n,) for n in self.units[1:]), *norms, *embeddings]

    @functools.cached_property
    def starts(self) -> list[int]:
        """Where in the flat vector each begins, and where it ends."""
        return list(itertools.accumulate(map(math.prod, self.shapes), initial=0))

    @property
    def n_weights(self) -> int:
        """How many come first that are weights, and penalised."""
        return self.starts[self.n_dense]

    def views(self, flat) -> list[np.ndarray]:
        """The parameters as arrays, which share the vector's memory."""
        return [
            flat[start:stop].reshape(shape)
            for start, stop, shape in zip(self.starts[:-1], self.starts[1:], self.shapes)
        ]

    def new_memory(self) -> np.ndarray:
        """Running mean and variance of each unit that is normalised over batches: 0 and 1."""
        hidden = self.units[1:-1] if self.norm == "batch" else ()
        return np.concatenate([np.zeros(0), *(np.repeat([0.0, 1.0], n) for n in hidden)])

    def has_way_past(self, k) -> bool:
        """Whether hidden layer k, from 0, has one."""
        return self.residual and 0 < k < self.n_dense - 1 and self.units[k] == self.units[k + 1]


class Program(NamedTuple):
    """A network as tables for the compiled loops; everything in it is valid in this process alone."""

    forward: np.ndarray
    backward: np.ndarray
    fields: list  # of formulas and layers
    raw: int  # where the outputs of the last layer are
    n_values: int  # size of the buffers
    keeps: int  # where, among the integers, the columns of a sparse batch begin


class _Writer:
    """Writes a program: keeps count of places, and translates functions to addresses."""

    def __init__(self, dtype, rows):
        self.dtype, self.rows = np.dtype(dtype), rows
        self.types = instructions.arguments(self.dtype)
        self.forward, self.backward, self.fields, self.n_values = [], [], [], 0

    def room(self, size) -> int:
        """A place in the buffers."""
        place, self.n_values = self.n_values, self.n_values + -(-size // 16) * 16
        return place

    def numbers(self, *numbers) -> int:
        """A place for numbers among the fields."""
        place = len(self.fields)
        self.fields += numbers
        return place

    def add(self, there, back, entries, formula=None) -> None:
        """One layer: its instruction forward, and the one backward, if any."""
        record = np.full(SIZE, NOWHERE, np.int64)
        for place, entry in entries.items():
            record[place] = entry
        for function, table in ((there, self.forward), (back, self.backward)):
            if function is not None:
                record[ADDRESS] = address(function, formula, self.types, self.dtype)
                table.append(record.copy())


def compile_program(network, dtype, rows, *, training, sparse_entries=None, statistics=True) -> Program:
    """The program of a network for batches of at most so many rows.

    Parameters
    ----------
    network : Network
    dtype : dtype
        float32 or float64.
    rows : int
    training : bool
        Whether there is a way back; else the program predicts.
    sparse_entries : int, optional
        Most entries in the rows of a batch, where X is sparse.
    statistics : bool
        Whether layers may draw and remember: False leaves out dropout.
    """
    write: Any = _write_program
    if not is_trusted(type(network.activation).__module__):  # it may be edited while it runs
        write = _write_program.__wrapped__
    try:
        return write(network, np.dtype(dtype), rows, training, sparse_entries, statistics)
    except FormulaError as error:
        if not (why := _interpreted_failure(network.activation)):
            raise
        raise FormulaError(f"{network.activation!r} does not compile: {why}") from error


def _interpreted_failure(activation) -> str:
    """What plain Python says: most formulas that do not compile fail there too."""
    try:
        activation.derivative(0.5)
    except Exception as failure:  # whatever the author's code raises is the diagnosis
        return f"{type(failure).__name__}: {failure}".splitlines()[0]
    return ""


@functools.lru_cache(maxsize=256)
def _write_program(network, dtype, rows, training, sparse_entries, statistics):
    to = _Writer(dtype, rows)
    units, starts = network.units, network.starts
    spread = network.n_dense
    keeps = instructions.INDPTR + rows + 1
    block = to.room(rows * network.columns if sparse_entries is None else sparse_entries)
    if network.inputs is not None:
        block = network.inputs.write(
            to, starts[len(network.shapes) - len(network.inputs.shapes) :], block, training
        )
    memory = 0
    for k in range(spread):
        n_in, n_out, hidden = units[k], units[k + 1], k < spread - 1
        outputs = to.room(rows * n_out)
        entries = {
            N_IN: n_in,
            N_OUT: n_out,
            IN: block,
            OUT: outputs,
            WANTED: k > 0 or network.inputs is not None,
            KEPT: keeps,
        }
        entries |= {WEIGHTS: starts[k], BIAS: starts[spread + k]}
        if network.has_way_past(k):
            to.add(None, instructions.add_back, {IN: block, OUT: NOWHERE, N_OUT: n_out})
            past = to.backward[-1]
        ahead = {**entries, BIAS: NOWHERE} if hidden and not network.norm else entries
        is_sparse = k == 0 and sparse_entries is not None
        there, back = (
            (instructions.sparse, instructions.sparse_back)
            if is_sparse
            else (instructions.dense, instructions.dense_back)
        )
        to.add(there, None, ahead)
        if training:
            to.add(None, back, entries)
        if hidden:
            block_before, block = block, _hidden(to, network, k, outputs, memory, training, statistics)
            memory += 2 * n_out
            if network.has_way_past(k):
                to.add(instructions.add, None, {IN: block_before, OUT: block, N_OUT: n_out})
                past[OUT] = block
        else:
            block = outputs
    forward, backward = (np.array(table, np.int64).reshape(-1, SIZE) for table in (to.forward, to.backward))
    return Program(forward, backward, to.fields, block, to.n_values, keeps)


def _hidden(to, network, k, inputs, memory, training, statistics) -> int:
    """What follows a hidden dense layer, the way past it apart; where its outputs are."""
    n, spread = network.units[k + 1], network.n_dense
    bias = network.starts[spread + k]
    if network.norm:
        outputs, n_hidden = to.room(to.rows * n), spread - 1
        scale = network.starts[2 * spread + k]
        entries = {N_IN: n, N_OUT: n, IN: inputs, OUT: outputs, WEIGHTS: scale, MEMORY: memory}
        entries |= {BIAS: network.starts[2 * spread + n_hidden + k], KEPT: to.room(max(n, to.rows))}
        entries[FIELDS] = to.numbers(NORM_EPSILON, NORM_SHARE if statistics else 0.0)
        if network.norm == "layer":
            to.add(instructions.layer_norm, instructions.layer_norm_back if training else None, entries)
        elif training:
            to.add(instructions.batch_norm_training, instructions.batch_norm_back, entries)
        else:
            to.add(instructions.batch_norm, None, entries)
        inputs, bias = outputs, NOWHERE
    outputs = to.room(to.rows * n)
    entries = {N_IN: n, N_OUT: n, IN: inputs, OUT: outputs, BIAS: bias}
    entries[FIELDS] = to.numbers(*dataclasses.astuple(network.activation))
    if training:
        to.add(instructions.activate_training, None, entries, network.activation)
        to.add(None, instructions.activate_back, entries)
        if network.dropout and statistics:
            entries = {N_OUT: n, IN: inputs, OUT: outputs, NUMBER: k, FIELDS: to.numbers(network.dropout)}
            to.add(instructions.drop, None, entries)
    else:
        to.add(instructions.activate, None, entries, network.activation)
    return outputs


def initial_parameters(network, init, random_state, dtype) -> np.ndarray:
    """The flat vector before the first step; equation (25) of docs/derivations/backpropagation.md.

    "glorot" draws uniformly as scikit-learn does, in its order, with bounds by both fans; "he" and "lecun"
    draw from a normal distribution with a variance of 2 and of 1 over the fan-in, and set biases to 0.
    """
    parameters = network.views(np.empty(network.starts[-1], dtype))
    spread = network.n_dense
    factor = 2.0 if network.activation.name == "logistic" else 6.0
    for weights, bias in zip(parameters[:spread], parameters[spread : 2 * spread]):
        if init == "glorot":
            bound = np.sqrt(factor / sum(weights.shape))
            weights[:] = random_state.uniform(-bound, bound, weights.shape)
            bias[:] = random_state.uniform(-bound, bound, bias.shape)
        else:
            deviation = np.sqrt(INPUT_GAIN[init] / weights.shape[0])
            weights[:] = deviation * random_state.standard_normal(weights.shape)
            bias[:] = 0.0
    n_norms = 2 * (spread - 1) if network.norm else 0
    for number, array in enumerate(parameters[2 * spread : 2 * spread + n_norms]):
        array[:] = 1.0 if number < spread - 1 else 0.0
    if network.inputs is not None:
        network.inputs.draw(parameters[2 * spread + n_norms :], random_state)
    return parameters[0].base if parameters[0].base is not None else parameters[0]


__all__ = ["NOTHING", "Network", "Program", "compile_program", "initial_parameters"]
