"""Value, gradient and Hessian of a small dense problem, in one loop over its rows.

Where X has a few columns and a few thousand rows, calling BLAS costs more than it computes: an
iteration of Newton's method is one call of this kernel.
"""

import numpy as np
from numba.core.errors import NumbaError

from .._runtime.jit import kernel
from ..losses import pointwise

COLUMNS = 24  # beyond, the Gram product of BLAS is the faster
ENTRIES = 1 << 17  # a block's worth of X


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


@kernel
def _accumulate(loss, X, y, weight, coef, intercept, raw, gradient, hessian):
    """Fill `raw`, the gradient and the Hessian; the sum of the losses."""
    p = X.shape[1]
    total = 0.0
    row = np.ones(p + 1)
    for i in range(X.shape[0]):
        f = intercept
        for j in range(p):
            row[j] = X[i, j]
            f += X[i, j] * coef[j]
        raw[i] = f
        s = 1.0 if weight is None else np.float64(weight[i])
        g, h = loss.derivatives(y[i], f)
        total += s * loss.value(y[i], f)
        slope, bend = s * g, s * h
        for j in range(p + 1):
            gradient[j] += slope * row[j]
            bent = bend * row[j]
            for k in range(j + 1):
                hessian[j, k] += bent * row[k]
    for j in range(p + 1):
        for k in range(j):
            hessian[k, j] = hessian[j, k]
    return total
