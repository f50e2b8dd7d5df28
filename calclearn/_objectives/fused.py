"""Losses and their derivatives by the coefficients in one loop over rows, where passes apart cost more.

Where X has a few columns and a few thousand rows, calling NumPy costs more than it computes: an
iteration of Newton's method is one call of this kernel.
"""

import numpy as np
from numba.core.errors import NumbaError

from .._runtime.jit import kernel, readonly
from ..losses import pointwise

COLUMNS = 24  # beyond, or with more entries, larger blocks for BLAS are the faster
ROWS = 128  # to a product
ENTRIES = 1 << 15
TILE_BYTES = 1 << 17  # of rows that a core's cache holds beside the rest


def fits(design, n_outputs) -> bool:
    """Whether the loop is the quickest way to the Hessian."""
    n, p = design.shape
    small = p <= COLUMNS and n * p <= ENTRIES
    return small and n_outputs is None and not design.sparse and design.X.flags.c_contiguous


def derivatives(loss, X, y, weight, coef, intercept):
    r"""The sum of losses, and its first and second derivative by [w, b].

    Parameters
    ----------
    loss : Loss
    X : ndarray of shape (n, p)
    y, weight : ndarray of shape (n,)
        Of X's dtype; `weight` may be None.
    coef, intercept : ndarray of shape (p,) and number
        Of X's dtype.

    Returns
    -------
    (value, gradient, hessian, raw)
        float, float64 arrays of shapes (p+1,) and (p+1, p+1), and X w + b of X's dtype.
    """
    n, p = X.shape
    raw, gradient, hessian = np.empty(n, X.dtype), np.zeros(p + 1), np.zeros((p + 1, p + 1))
    try:
        sums = raw, gradient, hessian
        value = _accumulate(loss.at(X.dtype), X, y, weight, coef, X.dtype.type(intercept), *sums)
    except NumbaError:
        pointwise.value_gradient_hessian(loss, y[:1], y[:1])  # says in one line why the loss does not compile
        raise
    return value, gradient, hessian, raw


def sparse_derivatives(loss, block, y, weight, coef, intercept, raw, gradient):
    """The sum of losses over a block of a sparse X: fill `raw`, and add the gradient by [w, b] to `gradient`.

    A row's entries are read once for both products.
    """
    dtype = coef.dtype
    weight = None if weight is None else readonly(weight)
    rows = loss.at(dtype), *block.arrays, readonly(y), weight
    try:
        return _accumulate_sparse(*rows, readonly(coef), dtype.type(intercept), raw, gradient)
    except NumbaError:
        pointwise.value_gradient(loss, y[:1], y[:1])
        raise


def dense_derivatives(loss, X, y, weight, coef, intercept, raw, gradient):
    """The same for rows of a dense X in C order: a few of them come from memory at a time, once for both."""
    dtype = coef.dtype
    weight = None if weight is None else readonly(weight)
    rows = loss.at(dtype), readonly(X), readonly(y), weight
    tile = int(min(max(TILE_BYTES // (dtype.itemsize * max(X.shape[1], 1)), 8), 1024))
    try:
        return _accumulate_dense(*rows, readonly(coef), dtype.type(intercept), tile, raw, gradient)
    except NumbaError:
        pointwise.value_gradient(loss, y[:1], y[:1])
        raise


@kernel
def _accumulate_dense(loss, X, y, weight, coef, intercept, tile, raw, gradient):
    n, p = X.shape
    total, sum_of_slopes = 0.0, 0.0
    slopes, some = np.empty(tile, X.dtype), np.empty(p, X.dtype)
    for start in range(0, n, tile):
        stop = min(start + tile, n)
        rows = X[start:stop]
        np.dot(rows, coef, raw[start:stop])
        for i in range(start, stop):
            raw[i] += intercept
            g, _ = loss.derivatives(y[i], raw[i])
            s = 1.0 if weight is None else np.float64(weight[i])
            total += s * loss.value(y[i], raw[i])
            slopes[i - start] = s * g
            sum_of_slopes += s * g
        np.dot(slopes[: stop - start], rows, some)
        for j in range(p):
            gradient[j] += some[j]
    gradient[p] += sum_of_slopes
    return total


@kernel
def _accumulate_sparse(loss, data, indices, indptr, start, y, weight, coef, intercept, raw, gradient):
    total, slopes = 0.0, 0.0
    for i in range(y.shape[0]):
        first, last = np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])
        f = np.float64(intercept)
        for e in range(first, last):
            f += data[e] * coef[np.uintp(indices[e])]
        raw[i] = f
        g, _ = loss.derivatives(y[i], raw[i])
        s = 1.0 if weight is None else np.float64(weight[i])
        total += s * loss.value(y[i], raw[i])
        slope = s * g
        slopes += slope
        for e in range(first, last):
            gradient[np.uintp(indices[e])] += data[e] * slope
    gradient[gradient.shape[0] - 1] += slopes
    return total


@kernel
def _accumulate(loss, X, y, weight, coef, intercept, raw, gradient, hessian):
    """Fill `raw`, the gradient and the Hessian; the sum of the losses."""
    n, p = X.shape
    total = 0.0
    rows = np.ones((p + 1, ROWS))  # a few rows of [X, 1], as columns
    bent, slopes, bends = np.empty((p + 1, ROWS)), np.zeros(ROWS), np.zeros(ROWS)
    for start in range(0, n, ROWS):
        m = min(ROWS, n - start)
        for i in range(m):
            f = intercept
            for j in range(p):
                rows[j, i] = X[start + i, j]
                f += X[start + i, j] * coef[j]
            raw[start + i] = f
        for i in range(m):
            s = 1.0 if weight is None else np.float64(weight[start + i])
            g, h = loss.derivatives(y[start + i], raw[start + i])
            total += s * loss.value(y[start + i], raw[start + i])
            slopes[i], bends[i] = s * g, s * h
        slopes[m:], bends[m:] = 0.0, 0.0  # what is left of the rows before counts for nothing
        for j in range(p + 1):
            for i in range(ROWS):
                bent[j, i] = bends[i] * rows[j, i]
        hessian += np.dot(bent, rows.T)
        gradient += np.dot(rows, slopes)
    return total
