r"""The last step: Newton's, over the multipliers that are between their bounds.

Where no multiplier leaves its bound any more, the dual is a quadratic of the free ones, :math:`\beta_F`,
whose sums are kept.  With E telling the groups, its minimum solves

.. math::
    \begin{pmatrix} K_{FF} & E \\ E^T & 0 \end{pmatrix} \begin{pmatrix} d \\ b \end{pmatrix}
        = \begin{pmatrix} -g_F \\ 0 \end{pmatrix},

one linear system where pairs would take thousands of steps, and exact where they would end within `tol`.
Those that meet a bound on the way stay there, and the others go on.  Pairs that take many steps are helped
on the way, too.  Derivation:
docs/derivations/svm.md, (12).
"""

import numpy as np
from numba.extending import register_jitable

from .._runtime.jit import kernel
from ._rows import gathered

MOST = 1024  # free multipliers, up to which the system is no work beside the rest
FEW = 256  # up to which it is none beside some ten thousand pairs
ROUNDS = 20  # multipliers that may meet a bound, one after the other
RIDGE = 1e-10  # of the mean diagonal: Gram matrices may be singular
ROUNDING = 1e-13  # of the largest multiplier
REFINED = 1e-12  # of the step
REFINEMENTS = 4  # which take the ridge out again, where it matters


def finish(dual, source, beta, raw):
    """The multipliers where the free ones are at their best, or None where that is not known.

    Parameters
    ----------
    dual : Dual
    source : Computed or Table
    beta : ndarray of float64, shape (m,)
    raw : ndarray of float64, shape (n,)
        K times the multipliers of each row.

    Returns
    -------
    beta : ndarray of float64, shape (m,) or None
    """
    free = np.flatnonzero((beta > dual.lower) & (beta < dual.upper))
    if len(free) > MOST:
        return None
    beta, moved = beta.copy(), beta[free]
    if len(free) > 1:
        rows, gradient = dual.row[free], dual.gradient(raw)[free]
        K = np.ascontiguousarray(source.block(rows, rows))
        box = dual.lower[free], dual.upper[free], dual.group[free]
        if not _to_the_minimum(K, gradient, moved, *box, dual.n_groups):
            return None
        beta[free] = moved
    return _snapped(dual, beta)


def to_the_minimum(dual, K, beta, gradient):
    """The same on the way, of the Gram values of all multipliers: changes `beta` and `gradient` in place."""
    free = np.flatnonzero((beta > dual.lower) & (beta < dual.upper))
    if not 2 <= len(free) <= FEW:
        return
    moved, box = beta[free], (dual.lower[free], dual.upper[free], dual.group[free])
    if _to_the_minimum(gathered(K, free, free), gradient[free], moved, *box, dual.n_groups):
        gradient += K[:, free] @ (moved - beta[free])
        beta[free] = moved


def _snapped(dual, beta):
    """Multipliers that are at a bound but for rounding, at it."""
    near = ROUNDING * float(np.abs(beta).max())
    beta = np.where(beta - dual.lower <= near, dual.lower, beta)
    return np.where(dual.upper - beta <= near, dual.upper, beta)


@register_jitable
def _solved(L, b):
    """The solution x of ``L @ L.T @ x = b``."""
    x = b.copy()
    for i in range(x.shape[0]):
        x[i] = (x[i] - np.dot(L[i, :i], x[:i])) / L[i, i]
    for i in range(x.shape[0] - 1, -1, -1):
        x[i] /= L[i, i]
        for j in range(i):
            x[j] -= x[i] * L[i, j]
    return x


@register_jitable
def _step(K, gradient, group, n_groups):
    """The way to the minimum, along which the groups' sums stay; empty where K is not positive."""
    n = K.shape[0]
    A, mean = K.copy(), 0.0
    for t in range(n):
        mean += K[t, t] / n
    for t in range(n):
        A[t, t] += RIDGE * mean
    try:
        L = np.linalg.cholesky(A)
    except Exception:
        return np.empty(0)
    E, of_E, counts = np.zeros((n_groups, n)), np.zeros((n_groups, n)), np.zeros((n_groups, n_groups))
    for t in range(n):
        E[group[t], t] = 1.0
    for s in range(n_groups):
        of_E[s] = _solved(L, E[s])
    for s in range(n_groups):
        for r in range(n_groups):
            counts[s, r] = np.dot(E[s], of_E[r])
        if counts[s, s] == 0.0:  # nothing of this group is free
            counts[s, s] = 1.0
    of_sums = np.linalg.inv(counts)
    step, offset = np.zeros(n), np.zeros(n_groups)
    for _ in range(REFINEMENTS):
        d = _solved(L, -gradient - np.dot(K, step) - np.dot(offset, E))
        b = np.dot(of_sums, np.dot(E, step + d))
        d -= np.dot(b, of_E)
        step, offset = step + d, offset + b
        if np.abs(d).max() <= REFINED * np.abs(step).max():
            break
    for s in range(n_groups):  # with a matrix near to singular the sums stay but for much rounding
        step -= np.dot(E[s], step) / max(E[s].sum(), 1.0) * E[s]
    return step if np.isfinite(step).all() else np.empty(0)


@kernel
def _to_the_minimum(K, gradient, beta, lower, upper, group, n_groups):
    """Move free multipliers to where all that stay free are at their best; False where K is not positive."""
    free = np.arange(K.shape[0])
    for _ in range(ROUNDS):
        if free.shape[0] < 2:
            break
        step = _step(K, gradient, group[free], n_groups)
        if step.shape[0] == 0:
            return False
        length, hit = 1.0, -1
        for t in range(free.shape[0]):
            i = free[t]
            room = upper[i] - beta[i] if step[t] > 0.0 else lower[i] - beta[i]
            if step[t] != 0.0 and room / step[t] < length:
                length, hit = room / step[t], t
        for t in range(free.shape[0]):
            i = free[t]
            beta[i] = min(max(beta[i] + length * step[t], lower[i]), upper[i])
        if hit < 0:
            break
        i = free[hit]
        beta[i] = upper[i] if step[hit] > 0.0 else lower[i]
        gradient = gradient + length * np.dot(K, step)
        kept = np.arange(free.shape[0]) != hit
        free, gradient, K = free[kept], gradient[kept], K[kept][:, kept].copy()
    return True
