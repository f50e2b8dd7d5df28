"""What a training step does around the layers: rows of a batch come in, the loss errs, the rule updates.

Each is linked, as layers are: one compiled function for each way X is stored, each loss and each rule.
"""

import functools

import numpy as np
from numba import types
from numba.extending import overload

from .._runtime.formulas import _BEHIND, Formula
from .._runtime.links import FormulaKind, address, formula_at, linked
from ..optimize.rules._apply import _entries, _rounded, _store, _tuple
from ._instructions import FIELDS, IN, INDPTR, KEPT, N_OUT, block
from ._layers import layer

# --------------------------------------------------------------------------------------------------- gather


@linked
def gather_dense(kind, record, chosen, data, indices, indptr, values, integers):
    """The chosen rows of X as the network's inputs."""
    k = record[N_OUT]
    for i in range(chosen.shape[0]):
        to, row = values[record[IN] + i * k :], data[chosen[i] * k :]
        for j in range(k):
            to[j] = row[j]


@linked
def gather_sparse(kind, record, chosen, data, indices, indptr, values, integers):
    """The same of CSR rows: their entries among the values, their columns and ends among the integers."""
    place = 0
    integers[INDPTR] = 0
    for i in range(chosen.shape[0]):
        for e in range(indptr[chosen[i]], indptr[chosen[i] + 1]):
            values[record[IN] + place] = data[e]
            integers[record[KEPT] + place] = indices[e]
            place += 1
        integers[INDPTR + i + 1] = place


# ---------------------------------------------------------------------------------------------------- error


@layer
def weight_of(weight, i):
    """A row's weight; 1 where none are given."""
    return weight[i] if weight.shape[0] > 0 else 1.0


@linked
def scalar_error(kind, fields, record, chosen, y, weight, scale, values, deltas, sums):
    r"""A loss of each output: :math:`\delta = s\,\partial\ell/\partial z`, (2), and the sum of losses."""
    loss = formula_at(kind, fields, record[FIELDS])
    raw = block(values, record[IN], chosen.shape[0], record[N_OUT])
    error = block(deltas, record[IN], chosen.shape[0], record[N_OUT])
    number = values.dtype.type
    total = 0.0
    for i in range(chosen.shape[0]):
        row = chosen[i]
        s = weight_of(weight, row)
        factor = number(s * scale)
        if s == 0.0:  # whatever the loss is: 0 times infinity would be NaN
            error[i] = 0
            continue
        for k in range(raw.shape[1]):
            gradient, _ = loss.derivatives(y[row, k], raw[i, k])
            error[i, k] = factor * gradient
            total += s * loss.value(y[row, k], raw[i, k])
    sums[0] = total


def _value_gradient_row(loss, y, raw, gradient, curvature):
    """The loss of a row and its gradient: in one go, where the loss knows how."""
    if hasattr(loss, "value_gradient_row"):
        return loss.value_gradient_row(y, raw, gradient)
    loss.derivatives_row(y, raw, gradient, curvature)
    return loss.value_row(y, raw)


@overload(_value_gradient_row)
def _(loss, y, raw, gradient, curvature):
    if hasattr(_BEHIND[loss].cls, "value_gradient_row"):
        return lambda loss, y, raw, gradient, curvature: loss.value_gradient_row(y, raw, gradient)

    def both(loss, y, raw, gradient, curvature):
        loss.derivatives_row(y, raw, gradient, curvature)
        return loss.value_row(y, raw)

    return both


@linked
def row_error(kind, fields, record, chosen, y, weight, scale, values, deltas, sums):
    """The same for a loss of all outputs together: softmax and cross-entropy, equation (6)."""
    loss = formula_at(kind, fields, record[FIELDS])
    raw = block(values, record[IN], chosen.shape[0], record[N_OUT])
    error = block(deltas, record[IN], chosen.shape[0], record[N_OUT])
    number = values.dtype.type
    curvature = np.empty(record[N_OUT], values.dtype)
    total = 0.0
    for i in range(chosen.shape[0]):
        row = chosen[i]
        s = weight_of(weight, row)
        factor = number(s * scale)
        if s == 0.0:
            error[i] = 0
            continue
        total += s * _value_gradient_row(loss, y[row, 0], raw[i], error[i], curvature)
        for k in range(raw.shape[1]):
            error[i, k] *= factor
    sums[0] = total


# --------------------------------------------------------------------------------------------------- update

N_SHAPE = 6


def _states(kind, moments):
    """The rows of `moments` that the rule has, as a tuple."""
    return tuple(moments[: len(kind.state)])


@overload(_states)
def _(kind, moments):
    if isinstance(kind, FormulaKind):
        return _rows_of(len(_BEHIND[kind.formula].cls.state))
    return None


def _rows_of(count):
    return {
        0: lambda kind, moments: (),
        1: lambda kind, moments: (moments[0],),
        2: lambda kind, moments: (moments[0], moments[1]),
        3: lambda kind, moments: (moments[0], moments[1], moments[2]),
        4: lambda kind, moments: (moments[0], moments[1], moments[2], moments[3]),
    }[count]


@linked
def update(kind, fields, record, step, parameters, gradient, moments, shape):
    r"""One pass over parameters, gradient and state: :math:`\theta` by the rule, of
    :math:`c\,(g + \alpha\theta)`, less :math:`d\,\theta`, with penalty and decay for the weights alone.

    `shape` holds the number of weights, :math:`\alpha`, :math:`c`, :math:`d`, and from which parameter to
    which.
    """
    rule = formula_at(kind, fields, record[FIELDS])
    prepared = _rounded(rule.prepare(np.float64(step)), parameters)
    states = _states(kind, moments)
    number = parameters.dtype.type
    n_weights, first, last = int(shape[0]), int(shape[4]), int(shape[5])
    factor = number(shape[2])
    for part in range(2):
        start, stop = (
            (first, max(first, min(last, n_weights)))
            if part == 0
            else (min(max(first, n_weights), last), last)
        )
        l2, decay = number(shape[1] * (1 - part)), number(shape[3] * (1 - part))
        for j in range(np.uintp(start), np.uintp(stop)):  # with a sign, each index is looked at
            theta = parameters[j]
            g = factor * (gradient[j] + l2 * theta)
            result = _tuple(rule.update(prepared, theta, g, *_entries(states, j)))
            parameters[j] = result[0] - decay * theta
            _store(states, j, result[1:])


# ------------------------------------------------------------------------------------------------ addresses


def _array(kind, ndim=1, *, readonly=False):
    return types.Array(kind, ndim, "C", readonly=readonly)


def _float(dtype):
    return types.float32 if np.dtype(dtype) == np.float32 else types.float64


INTEGERS = _array(types.int64)


@functools.cache
def _signatures(dtype):
    """What the three functions take, but the formula."""
    floats, doubles = _float(dtype), _array(types.float64)
    buffer = _array(floats)
    stored = [_array(kind, readonly=True) for kind in (floats, types.int32, types.int64)]
    data = _array(floats, 2, readonly=True), _array(types.float64, readonly=True)
    gather = (INTEGERS, INTEGERS, *stored, buffer, INTEGERS)
    error = (doubles, INTEGERS, INTEGERS, *data, types.float64, buffer, buffer, doubles)
    update = (doubles, INTEGERS, types.int64, buffer, buffer, _array(floats, 2), doubles)
    return gather, error, update


def gather_address(dtype, *, sparse) -> int:
    """Of the function that brings a batch in."""
    return address(gather_sparse if sparse else gather_dense, None, _signatures(dtype)[0], dtype)


def error_address(loss: Formula, dtype) -> int:
    """Of the function that computes losses and the errors of the outputs."""
    function = row_error if hasattr(loss, "value_row") else scalar_error
    return address(function, loss, _signatures(dtype)[1], dtype)


def update_address(rule: Formula, dtype) -> int:
    """Of the function that takes a step of the rule."""
    return address(update, rule, _signatures(dtype)[2], dtype)
