"""The compiled loops that every estimator shares: a loss over rows of targets and raw predictions.

Each function takes 1-d `y` and `raw` of one float dtype and writes row by row; sums are the caller's.
Losses of several outputs (``value_row`` ...) take `raw` of shape (n, K) and write (n, K).  Rows are
independent, so the results have the same bits for any number of threads.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numba.core.errors import NumbaError

from .._runtime import threads
from .._runtime.formulas import FormulaError, reason_of
from .._runtime.jit import kernel, readonly

if TYPE_CHECKING:
    from ._contract import Loss

ROWS = 16384  # a chunk: some 50 to 100 microseconds of work


@kernel
def _value(loss, y, raw, weight, value):
    for i in range(y.shape[0]):
        v = loss.value(y[i], raw[i])
        value[i] = v if weight is None else weight[i] * v


@kernel
def _gradient(loss, y, raw, weight, gradient):
    for i in range(y.shape[0]):
        g, _ = loss.derivatives(y[i], raw[i])
        gradient[i] = g if weight is None else weight[i] * g


@kernel
def _value_gradient(loss, y, raw, weight, value, gradient):
    for i in range(y.shape[0]):
        v = loss.value(y[i], raw[i])
        g, _ = loss.derivatives(y[i], raw[i])
        value[i] = v if weight is None else weight[i] * v
        gradient[i] = g if weight is None else weight[i] * g


@kernel
def _gradient_hessian(loss, y, raw, weight, gradient, hessian):
    for i in range(y.shape[0]):
        g, h = loss.derivatives(y[i], raw[i])
        gradient[i] = g if weight is None else weight[i] * g
        hessian[i] = h if weight is None else weight[i] * h


@kernel
def _value_gradient_hessian(loss, y, raw, weight, value, gradient, hessian):
    for i in range(y.shape[0]):
        v = loss.value(y[i], raw[i])
        g, h = loss.derivatives(y[i], raw[i])
        value[i] = v if weight is None else weight[i] * v
        gradient[i] = g if weight is None else weight[i] * g
        hessian[i] = h if weight is None else weight[i] * h


@kernel
def _mean(loss, raw, mean):
    for i in range(raw.shape[0]):
        mean[i] = loss.mean(raw[i])


@kernel
def _value_rows(loss, y, raw, weight, value):
    for i in range(y.shape[0]):
        v = loss.value_row(y[i], raw[i])
        value[i] = v if weight is None else weight[i] * v


@kernel
def _derivatives_rows(loss, y, raw, weight, gradient, hessian):
    for i in range(y.shape[0]):
        loss.derivatives_row(y[i], raw[i], gradient[i], hessian[i])
        if weight is not None:
            for k in range(raw.shape[1]):
                gradient[i, k] *= weight[i]
                hessian[i, k] *= weight[i]


@kernel
def _curvature_rows(loss, y, raw, weight, curvature):
    for i in range(y.shape[0]):
        loss.curvature_row(y[i], raw[i], curvature[i])


@kernel
def _curvature_product_rows(loss, y, curvature, weight, direction, product):
    for i in range(y.shape[0]):
        loss.curvature_product_row(y[i], curvature[i], direction[i], product[i])
        if weight is not None:
            for k in range(curvature.shape[1]):
                product[i, k] *= weight[i]


@kernel
def _mean_rows(loss, raw, mean):
    for i in range(raw.shape[0]):
        loss.mean_row(raw[i], mean[i])


def value(loss: "Loss", y, raw, weight=None, *, out=None, n_threads=1):
    """The loss of each row; shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import SquaredError, pointwise
    >>> pointwise.value(SquaredError(), np.array([1.0, 2.0]), np.array([3.0, 2.5])).tolist()
    [2.0, 0.125]
    """
    rows = _rows(loss, y, raw, weight)
    out = np.empty(raw.shape[0], raw.dtype) if out is None else out
    kernel_of = _value if raw.ndim == 1 else _value_rows
    _run(kernel_of, rows, (out,), n_threads)
    return out


def gradient(loss: "Loss", y, raw, weight=None, *, out=None, n_threads=1):
    """The first derivative of each row's loss; of `raw`'s shape.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import SquaredError, pointwise
    >>> pointwise.gradient(SquaredError(), np.array([1.0, 2.0]), np.array([3.0, 2.5])).tolist()
    [2.0, 0.5]
    """
    if raw.ndim == 2:
        return gradient_hessian(loss, y, raw, weight, gradient=out, n_threads=n_threads)[0]
    out = np.empty_like(raw) if out is None else out
    _run(_gradient, _rows(loss, y, raw, weight), (out,), n_threads)
    return out


def value_gradient(loss: "Loss", y, raw, weight=None, *, value=None, gradient=None, n_threads=1):
    """Loss and first derivative of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import SquaredError, pointwise
    >>> pointwise.value_gradient(SquaredError(), np.array([1.0, 2.0]), np.array([3.0, 2.5]))
    (array([2.   , 0.125]), array([2. , 0.5]))
    """
    value = np.empty(raw.shape[0], raw.dtype) if value is None else value
    gradient = np.empty_like(raw) if gradient is None else gradient
    rows = _rows(loss, y, raw, weight)
    if raw.ndim == 2:
        _run(_value_rows, rows, (value,), n_threads)
        _run(_derivatives_rows, rows, (gradient, np.empty_like(raw)), n_threads)
    else:
        _run(_value_gradient, rows, (value, gradient), n_threads)
    return value, gradient


def gradient_hessian(loss: "Loss", y, raw, weight=None, *, gradient=None, hessian=None, n_threads=1):
    """First and second derivative of each row's loss; the diagonal where there are several outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import SquaredError, pointwise
    >>> pointwise.gradient_hessian(SquaredError(), np.array([1.0, 2.0]), np.array([3.0, 2.5]))
    (array([2. , 0.5]), array([1., 1.]))
    """
    gradient = np.empty_like(raw) if gradient is None else gradient
    hessian = np.empty_like(raw) if hessian is None else hessian
    kernel_of = _gradient_hessian if raw.ndim == 1 else _derivatives_rows
    _run(kernel_of, _rows(loss, y, raw, weight), (gradient, hessian), n_threads)
    return gradient, hessian


def value_gradient_hessian(
    loss: "Loss", y, raw, weight=None, *, value=None, gradient=None, hessian=None, n_threads=1
):
    """Loss, first and second derivative of each row, in one pass.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import SquaredError, pointwise
    >>> y, raw = np.array([1.0, 2.0]), np.array([3.0, 2.5])
    >>> value, gradient, hessian = pointwise.value_gradient_hessian(SquaredError(), y, raw)
    >>> value.tolist(), gradient.tolist(), hessian.tolist()
    ([2.0, 0.125], [2.0, 0.5], [1.0, 1.0])
    """
    value = np.empty(raw.shape[0], raw.dtype) if value is None else value
    gradient = np.empty_like(raw) if gradient is None else gradient
    hessian = np.empty_like(raw) if hessian is None else hessian
    rows = _rows(loss, y, raw, weight)
    if raw.ndim == 2:
        _run(_value_rows, rows, (value,), n_threads)
        _run(_derivatives_rows, rows, (gradient, hessian), n_threads)
    else:
        _run(_value_gradient_hessian, rows, (value, gradient, hessian), n_threads)
    return value, gradient, hessian


def curvature(loss: "Loss", y, raw, *, n_threads=1):
    """What :func:`hessian_product` needs of each row's K x K Hessian; shape (n, K).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import MultinomialLogLoss, pointwise
    >>> loss, y, raw = MultinomialLogLoss(), np.array([0.0]), np.zeros((1, 2))
    >>> pointwise.curvature(loss, y, raw).tolist()
    [[0.5, 0.5]]
    """
    out = np.empty_like(raw)
    _run(_curvature_rows, _rows(loss, y, raw, None), (out,), n_threads)
    return out


def hessian_product(loss: "Loss", y, curvature, direction, weight=None, *, out=None, n_threads=1):
    """Each row's K x K Hessian, as :func:`curvature` gave it, times that row of `direction`; shape (n, K).

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import MultinomialLogLoss, pointwise
    >>> loss, y, raw = MultinomialLogLoss(), np.array([0.0]), np.zeros((1, 2))
    >>> curvature = pointwise.curvature(loss, y, raw)
    >>> pointwise.hessian_product(loss, y, curvature, np.array([[1.0, 0.0]])).tolist()
    [[0.25, -0.25]]
    """
    out = np.empty_like(curvature) if out is None else out
    rows = _rows(loss, y, curvature, weight)
    _run(_curvature_product_rows, rows, (readonly(direction), out), n_threads)
    return out


def mean(loss: "Loss", raw, *, out=None, n_threads=1):
    """The prediction of `y` that each raw prediction stands for; of `raw`'s shape.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.losses import LogLoss, pointwise
    >>> pointwise.mean(LogLoss(), np.array([0.0, np.inf])).tolist()
    [0.5, 1.0]
    """
    out = np.empty_like(raw) if out is None else out
    kernel_of = _mean if raw.ndim == 1 else _mean_rows
    typed, raw = loss.at(raw.dtype), readonly(raw)
    ranges = threads.chunks(raw.shape[0], ROWS)
    threads.run(lambda r: _call(kernel_of, typed, raw[r[0] : r[1]], out[r[0] : r[1]]), ranges, n_threads)
    return out


def _rows(loss, y, raw, weight):
    """The inputs as kernels take them: the loss in raw's precision, read-only views of raw's dtype."""
    if y.shape[0] != raw.shape[0]:
        raise ValueError(f"y has {y.shape[0]} rows, raw has {raw.shape[0]}")
    weight = None if weight is None else readonly(weight, raw.dtype)
    return loss.at(raw.dtype), readonly(y, raw.dtype), readonly(raw), weight


def _run(kernel_of, rows, outputs, n_threads):
    """The kernel on fixed ranges of rows, shared between threads."""
    loss, y, raw, weight = rows
    n = y.shape[0]
    if n <= ROWS or n_threads == 1:
        _call(kernel_of, loss, y, raw, weight, *outputs)
        return

    def part(bounds):
        i, j = bounds
        w = None if weight is None else weight[i:j]
        _call(kernel_of, loss, y[i:j], raw[i:j], w, *(a[i:j] for a in outputs))

    threads.run(part, threads.chunks(n, ROWS), n_threads)


def _call(kernel_of, loss, *arrays):
    """The kernel; where the loss does not compile, one line that says why instead of Numba's pages."""
    try:
        kernel_of(loss, *arrays)
    except NumbaError as error:
        loss = getattr(loss, "formula", loss)
        why = _interpreted_failure(kernel_of, loss, arrays) or reason_of(error)
        raise FormulaError(
            f"{loss!r} does not compile: {why}\n"
            "calclearn.losses.check_loss(...) of the loss says what to write"
        ) from error


def _interpreted_failure(kernel_of, loss, arrays) -> str:
    """What plain Python says of the first row: most formulas that do not compile fail there too."""
    row = [None if array is None else array[:1].copy() for array in arrays]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel_of.py_func(loss, *row)
    except Exception as failure:  # whatever the author's code raises is the diagnosis
        return f"{type(failure).__name__}: {failure}".splitlines()[0]
    return ""
