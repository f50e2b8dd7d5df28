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
        if not _to_the_minimum(K, gradient, moved, *box):
            return None
        beta[free] = moved
    return _snapped(dual, beta)


def to_the_minimum(dual, K, beta, gradient):
    """The same on the way, of the Gram values of all multipliers: changes `beta` and `gradient` in place."""
    free = np.flatnonzero((beta > dual.lower) & (beta < dual.upper))
    if not 2 <= len(free) <= FEW:
        return
    moved, box = beta[free], (dual.lower[free], dual.upper[free], dual.group[free])
    if _to_the_minimum(gathered(K, free, free), gradient[free], moved, *box):
        gradient += K[:, free] @ (moved - beta[free])
        beta[free] = moved


def _snapped(dual, beta):
    """Multipliers that are at a bound but for rounding, at it."""
    near = ROUNDING * float(np.abs(beta).max())
    beta = np.where(beta - dual.lower <= near, dual.lower, beta)
    return np.where(dual.upper - beta <= near, dual.upper, beta)


# What follows is written entry by entry: whole-array expressions would take seconds to compile.


@register_jitable
def _solve(L, x):
    """Overwrite x by the solution of ``L @ L.T @ z = x``."""
    for i in range(x.shape[0]):
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] /= L[i, i]
    for i in range(x.shape[0] - 1, -1, -1):
        x[i] /= L[i, i]
        for j in range(i):
            x[j] -= x[i] * L[i, j]


@register_jitable
def _times(K, x):
    """K times x, by rows of the symmetric K."""
    product = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        for t in range(x.shape[0]):
            product[t] += x[i] * K[i, t]
    return product


@register_jitable
def _of_groups(x, d, group, free):
    """The sums of x + d by group, of which there are at most two."""
    sums = np.zeros(2)
    for t in range(x.shape[0]):
        sums[group[free[t]]] += x[t] + d[t]
    return sums


@register_jitable
def _step(K, gradient, group, free):
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
    of_groups, counts, C = np.zeros((2, n)), np.zeros(2), np.zeros((2, 2))
    for s in range(2):
        for t in range(n):
            of_groups[s, t] = 1.0 if group[free[t]] == s else 0.0
            counts[s] += of_groups[s, t]
        if counts[s] == 0.0:  # nothing of this group is free
            counts[s] = C[s, s] = 1.0
            continue
        _solve(L, of_groups[s])
        for t in range(n):
            C[s, group[free[t]]] += of_groups[s, t]
    determinant = C[0, 0] * C[1, 1] - C[0, 1] * C[1, 0]
    step, d, offset = np.zeros(n), np.zeros(n), np.zeros(2)
    for _ in range(REFINEMENTS):
        bend = _times(K, step)
        for t in range(n):
            d[t] = -gradient[t] - bend[t] - offset[group[free[t]]]
        _solve(L, d)
        sums = _of_groups(step, d, group, free)
        first = (C[1, 1] * sums[0] - C[0, 1] * sums[1]) / determinant
        second = (C[0, 0] * sums[1] - C[1, 0] * sums[0]) / determinant
        largest, moved = 0.0, 0.0
        for t in range(n):
            d[t] -= first * of_groups[0, t] + second * of_groups[1, t]
            step[t] += d[t]
            largest, moved = max(largest, abs(step[t])), max(moved, abs(d[t]))
        offset[0] += first
        offset[1] += second
        if moved <= REFINED * largest:
            break
    d[:] = 0.0
    sums = _of_groups(step, d, group, free)
    for t in range(n):  # with a matrix near to singular the sums stay but for much rounding
        s = group[free[t]]
        step[t] -= sums[s] / counts[s]
        if not np.isfinite(step[t]):
            return np.empty(0)
    return step


@register_jitable
def _without(K, hit):
    """A square without one of its rows and columns."""
    smaller = np.empty((K.shape[0] - 1, K.shape[0] - 1))
    for i in range(smaller.shape[0]):
        for j in range(smaller.shape[0]):
            smaller[i, j] = K[i + (i >= hit), j + (j >= hit)]
    return smaller


@kernel
def _to_the_minimum(K, gradient, beta, lower, upper, group):
    """Move free multipliers to where all that stay free are at their best; False where K is not positive."""
    free = np.arange(K.shape[0])
    for _ in range(ROUNDS):
        n = K.shape[0]
        if n < 2:
            break
        step = _step(K, gradient, group, free)
        if step.shape[0] == 0:
            return False
        length, hit = 1.0, n
        for t in range(n):
            i = free[t]
            room = upper[i] - beta[i] if step[t] > 0.0 else lower[i] - beta[i]
            if step[t] != 0.0 and room / step[t] < length:
                length, hit = room / step[t], t
        for t in range(n):
            i = free[t]
            beta[i] = min(max(beta[i] + length * step[t], lower[i]), upper[i])
        if hit == n:
            break
        i = free[hit]
        beta[i] = upper[i] if step[hit] > 0.0 else lower[i]
        bend = _times(K, step)
        for t in range(n - 1):  # the one at its bound is left out
            other = t + (t >= hit)
            free[t], gradient[t] = free[other], gradient[other] + length * bend[other]
        K = _without(K, hit)
    return True
