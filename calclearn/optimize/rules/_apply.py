"""The loop over parameters, for every rule: one pass over parameters, gradient and state together."""

import numpy as np
from numba import types
from numba.core.errors import NumbaError, TypingError
from numba.extending import overload, register_jitable

from ..._runtime.jit import kernel
from ..._runtime.threads import chunks, run, thread_count
from ._contract import check_answer

ALONE = 1 << 17  # so many parameters take no longer than waking a thread does
LONGEST = 1 << 22  # to a turn: a few milliseconds
TURNS = 2  # for each thread: one that comes late leaves the rest to others


def _entries(arrays, j):
    """Entry `j` of each array, as a tuple."""
    return tuple(array[j] for array in arrays)


@overload(_entries)
def _(arrays, j):
    if len(arrays) == 0:
        return lambda arrays, j: ()
    return lambda arrays, j: (arrays[0][j], *_entries(arrays[1:], j))


def _store(arrays, j, entries):
    """Set entry `j` of each array."""
    for array, entry in zip(arrays, entries, strict=True):
        array[j] = entry


@overload(_store)
def _(arrays, j, entries):
    if len(arrays) == 0:
        if len(entries):
            raise TypingError("update returns more than the parameter and its state")
        return lambda arrays, j, entries: None

    def store(arrays, j, entries):
        arrays[0][j] = entries[0]
        _store(arrays[1:], j, entries[1:])

    return store


def _tuple(result):
    """What a rule answers, as a tuple also where it has no state."""
    return result if isinstance(result, tuple) else (result,)


@overload(_tuple)
def _(result):
    return (lambda result: result) if isinstance(result, types.BaseTuple) else (lambda result: (result,))


def _rounded(numbers, parameters):
    """What a rule has prepared, in the precision of the parameters."""
    if isinstance(numbers, tuple):
        return tuple(_rounded(number, parameters) for number in numbers)
    return parameters.dtype.type(numbers)


@overload(_rounded)
def _(numbers, parameters):
    precision = np.float32 if parameters.dtype == types.float32 else np.float64
    if not isinstance(numbers, types.BaseTuple):
        return lambda numbers, parameters: precision(numbers)
    if len(numbers) == 0:
        return lambda numbers, parameters: ()
    return lambda numbers, parameters: (precision(numbers[0]), *_rounded(numbers[1:], parameters))


@register_jitable
def update_all(rule, step, parameters, gradient, state):
    """What :func:`apply` does, for use in kernels: arrays are 1-d, `step` is a float."""
    prepared = _rounded(rule.prepare(np.float64(step)), parameters)
    for j in range(parameters.shape[0]):
        result = _tuple(rule.update(prepared, parameters[j], gradient[j], *_entries(state, j)))
        parameters[j] = result[0]
        _store(state, j, result[1:])


@kernel
def _apply(rule, step, parameters, gradient, state):
    update_all(rule, step, parameters, gradient, state)


def apply(rule, step, parameters, gradient, state, *, n_threads=None):
    """Take one step with all parameters, in place.

    Parameters
    ----------
    rule : UpdateRule
    step : int
        Counts from 1.
    parameters : ndarray of float32 or float64, C-contiguous
        Overwritten.
    gradient : ndarray of the same shape
    state : tuple of ndarray of the same shape and dtype
        ``rule.start(parameters)`` before the first step; overwritten.
    n_threads : int, optional
        Threads for more than 100 000 parameters; None takes this process's share of the machine.  The result
        has the same bits for any number.

    Raises
    ------
    ValueError
        If `step` is less than 1, the shapes or dtypes differ, or an array to overwrite is read-only or not
        C-contiguous.
    TypeError
        If the parameters are no floats.
    FormulaError
        If ``rule.update`` answers anything but the parameter and its state.

    Notes
    -----
    The same, without compiling, is
    ``parameters, *state = rule.update(rule.prepare(step), parameters, gradient, *state)``
    (of a rule without state, ``parameters = rule.update(rule.prepare(step), parameters, gradient)``).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize.rules import Momentum, apply
    >>> rule, parameters = Momentum(learning_rate=0.1), np.array([1.0, -1.0])
    >>> velocity = rule.start(parameters)
    >>> for step in (1, 2):
    ...     apply(rule, step, parameters, gradient=parameters.copy(), state=velocity)
    >>> parameters.round(3).tolist()
    [0.72, -0.72]
    """
    if parameters.dtype not in (np.float32, np.float64):
        raise TypeError(f"parameters must be float32 or float64, got {parameters.dtype}")
    if not step >= 1:
        raise ValueError(f"step must be at least 1, got {step!r}")
    gradient = np.asarray(gradient, parameters.dtype, order="C")
    if len(state) != len(rule.state):
        raise ValueError(f"state must hold {len(rule.state)} arrays, {rule.state}, got {len(state)}")
    for name, array in zip(("gradient", *rule.state), (gradient, *state), strict=True):
        if array.shape != parameters.shape:
            raise ValueError(f"{name} has shape {array.shape}, parameters have {parameters.shape}")
    for name, array in zip(("parameters", *rule.state), (parameters, *state), strict=True):
        if not array.flags.carray or array.dtype != parameters.dtype:
            raise ValueError(f"{name} must be {parameters.dtype}, C-contiguous and writeable")
    gradient = gradient.reshape(-1)
    gradient.flags.writeable = False
    flat = tuple(array.reshape(-1) for array in state)
    typed, parameters = rule.at(parameters.dtype), parameters.reshape(-1)
    try:
        _in_parts(typed, float(step), parameters, gradient, flat, n_threads)
    except NumbaError:
        check_answer(rule)
        raise


def _in_parts(rule, step, parameters, gradient, state, n_threads):
    if parameters.size < ALONE:
        _apply(rule, step, parameters, gradient, state)
        return

    def part(bounds):
        some = slice(*bounds)
        _apply(rule, step, parameters[some], gradient[some], tuple(array[some] for array in state))

    n_threads = thread_count(n_threads)
    size = min(-(-parameters.size // (TURNS * n_threads)), LONGEST)  # no sums: any parts give the same bits
    run(part, chunks(parameters.size, size), n_threads)
