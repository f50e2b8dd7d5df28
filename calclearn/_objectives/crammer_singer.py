r"""Several classes by one linear machine: each row's own class is to win by a margin of 1.

.. math::
    P(W) = \tfrac12 \sum_m \lVert w_m \rVert^2
        + \sum_i C_i \max_m \bigl(f_{im} + [m \ne y_i] - f_{i y_i}\bigr), \qquad f_{im} = x_i^T w_m

The dual has K multipliers a row, :math:`w_m = \sum_i \alpha_{im} x_i`, of which each is at most
:math:`C_i [m = y_i]` and which add up to zero.  Along one row it is a quadratic of K numbers whose minimum is
found by a sort: a number :math:`\beta` with
:math:`\alpha_m = \min(C [m = y], (\beta - b_m) / \lVert x \rVert^2)`.

Crammer and Singer (2001), *On the algorithmic implementation of multiclass kernel-based vector machines*;
Keerthi, Sundararajan, Chang, Hsieh and Lin (2008), *A sequential dual method for large scale multi-class
linear SVMs*.  Derivation: docs/derivations/svm.md, (18).
"""

import numpy as np

from .._runtime.jit import kernel
from ..optimize._stopping import CALLBACK, GAP, ITERATIONS
from .epochs import _input, _rows, add_row, row_dot
from .hinges import Parted
from .sag import rows_to_a_call, squared_norms

LOOK = 10  # epochs from one look at the gap to the next


@kernel
def _walk(X, constant, code, C, norms, W, alpha, order):
    """Minimise the dual along the rows in `order`, one after the other."""
    n_classes = W.shape[0]
    p = W.shape[1] - (1 if constant != 0.0 else 0)
    b, d = np.empty(n_classes), np.empty(n_classes)
    for at in range(order.shape[0]):
        i = order[at]
        bend, own = norms[i], code[i]
        for m in range(n_classes):
            f = row_dot(X, i, W[m]) + (constant * W[m, p] if constant != 0.0 else 0.0)
            b[m] = f + (0.0 if m == own else 1.0) - bend * alpha[i, m]
            d[m] = b[m] + (bend * C[i] if m == own else 0.0)
        ordered = np.sort(d)[::-1]
        beta, r = ordered[0] - bend * C[i], 1
        while r < n_classes and beta < r * ordered[r]:
            beta += ordered[r]
            r += 1
        beta /= r
        for m in range(n_classes):
            new = min(C[i] if m == own else 0.0, (beta - b[m]) / bend)
            change = new - alpha[i, m]
            if change != 0.0:
                alpha[i, m] = new
                add_row(X, i, change, W[m])
                if constant != 0.0:
                    W[m, p] += constant * change


def run_crammer_singer(design, constant, code, C, n_classes, *, rng, tol, max_iter, progress=None) -> Parted:
    """Minimise P.

    Parameters
    ----------
    design : Design
        X in float64.
    constant : float
        Of the column whose coefficients are the intercepts; 0 for none.
    code : ndarray of int, shape (n,)
        Indices of the classes.
    C : ndarray of float64, shape (n,)
        Positive.
    n_classes : int
    rng : RandomState
        Orders the rows anew for each epoch.
    tol : float
        Largest gap, relative to the objective.
    max_iter : int
        Most epochs.
    progress : callable, optional
        ``progress(epoch, value, W)`` after each look at the gap; a true answer stops.

    Returns
    -------
    Parted
        Its `w` has the shape (n_classes, p), or one column more with the coefficients of the constant one.
    """
    X, rows_a_call = _rows(design.X), rows_to_a_call(design, n_classes)
    norms = squared_norms(design) + constant**2
    inputs = _input(code, np.int64), _input(C), _input(norms)
    rows, n = np.flatnonzero(norms), design.shape[0]
    alpha, empty = np.zeros((n, n_classes)), np.flatnonzero(norms == 0.0)
    alpha[empty, code[empty]] = C[empty]  # rows without entries lose by a margin of 1, whatever W is
    alpha[empty, (code[empty] + 1) % n_classes] = -C[empty]
    W, epoch, reason = np.zeros((n_classes, design.shape[1] + bool(constant))), 0, ITERATIONS

    def look():
        """The coefficients of the multipliers, and both objectives, computed anew."""
        columns = [design.transposed_times(alpha).T]
        if constant:
            columns.append(constant * alpha.sum(axis=0)[:, None])
        W = np.ascontiguousarray(np.hstack(columns))
        f = design.times(W[:, : design.shape[1]].T) + (constant * W[:, -1] if constant else 0.0)
        own = np.arange(n), code
        f += 1.0
        f[own] -= 1.0
        loss, squares = C @ (f.max(axis=1) - f[own]), 0.5 * float((W * W).sum())
        return W, squares + float(loss), float(alpha[own].sum()) - float(alpha.sum()) - squares

    while True:
        if epoch % LOOK == 0 or epoch >= max_iter:
            W, primal, dual = look()
            if primal - dual <= tol * primal:
                reason = GAP
                break
            if epoch and progress is not None and progress(epoch, primal, W.ravel()):
                reason = CALLBACK
                break
            if epoch >= max_iter:
                break
        epoch += 1
        order = _input(rng.permutation(rows), np.int64)
        for first in range(0, len(order), rows_a_call):
            _walk(X, constant, *inputs, W, alpha, order[first : first + rows_a_call])
    return Parted(W, alpha, primal, dual, epoch, reason)
