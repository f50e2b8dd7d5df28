r"""The pair update: two multipliers at a time, until a small set of them is optimal.

Where :math:`\beta_i` grows by t and :math:`\beta_j` falls by it, their sum stays, and the dual changes by

.. math:: t (g_i - g_j) + \tfrac12 t^2 (K_{ii} + K_{jj} - 2 K_{ij}).

The first of a pair is the one that may grow with the least gradient; the second, of those that may fall, the
one with which the whole step gains most (Fan, Chen and Lin, 2005, "Working set selection using second order
information").  docs/derivations/svm.md, (9) to (11).
"""

import numpy as np

from .._runtime.jit import inlined, kernel

MOST = 1024  # multipliers in a set: their places fit the last bits of a key
_PLACE = MOST - 1
_SIGN = 0x7FFFFFFFFFFFFFFF
FLAT = 1e-12  # a curvature of less counts as this much


@inlined
def _key(x):
    """A float's bits, as an integer of the same order; vectorises, where comparing floats does not."""
    bits = np.float64(x).view(np.int64)
    return bits ^ ((bits >> 63) & _SIGN)


@inlined
def _open(beta, lower, upper, growing, falling, t):
    """Note whether multiplier t may grow or fall: 0, or infinity to be added to its gradient."""
    growing[t] = 0.0 if beta[t] < upper[t] else np.inf
    falling[t] = 0.0 if beta[t] > lower[t] else -np.inf


@kernel
def solve_pairs(K, beta, gradient, lower, upper, group, n_groups, tol, most, work):
    """Move pairs of multipliers until no pair violates optimality by more than `tol`.

    Parameters
    ----------
    K : ndarray of shape (q, q)
        Gram values of the set; q is at most `MOST`.
    beta, gradient : ndarray of float64, shape (q,)
        Changed in place.
    lower, upper : ndarray of float64, shape (q,)
    group : ndarray of int8, shape (q,)
        Only multipliers of one group are paired: their sum is kept.
    n_groups : int
        1 or 2.
    tol : float
    most : int
        Steps.
    work : ndarray of float64, shape (3, q)

    Returns
    -------
    n_steps : int
    """
    q = K.shape[0]
    diagonal, growing, falling = work[0], work[1], work[2]
    for t in range(q):
        diagonal[t] = K[t, t]
        _open(beta, lower, upper, growing, falling, t)
    Ki, Kj, step, n_steps = K[0], K[0], 0.0, 0
    while True:
        for t in range(q):
            gradient[t] += step * (np.float64(Ki[t]) - np.float64(Kj[t]))
        i, j, best = -1, -1, 0.0
        for which in range(n_groups):
            least, largest = np.int64(_SIGN), np.int64(-_SIGN)
            for t in range(q):
                of_group = group[t] == which
                grown, fallen = gradient[t] + growing[t], gradient[t] + falling[t]
                least = min(least, (_key(grown if of_group else np.inf) & ~_PLACE) | t)
                largest = max(largest, (_key(fallen if of_group else -np.inf) & ~_PLACE) | t)
            first, last = np.int64(least) & _PLACE, np.int64(largest) & _PLACE
            low, high = gradient[first] + growing[first], gradient[last] + falling[last]
            if group[first] != which or group[last] != which or not high - low > tol:
                continue
            K_first, bend, found = K[first], diagonal[first], np.int64(-1)
            for t in range(q):
                slope = gradient[t] + falling[t] - low
                slope = slope if (slope > 0.0) & (group[t] == which) else 0.0
                curvature = bend + diagonal[t] - 2.0 * np.float64(K_first[t])
                curvature = curvature if curvature > FLAT else FLAT
                gain = np.float64(slope * slope / curvature)
                found = max(found, (gain.view(np.int64) & ~_PLACE) | t)
            second = np.int64(found) & _PLACE
            slope = gradient[second] - low
            gain = slope * slope / max(bend + diagonal[second] - 2.0 * np.float64(K_first[second]), FLAT)
            if gain > best:
                best, i, j = gain, first, second
        if i < 0 or n_steps == most:
            return n_steps
        Ki, Kj = K[i], K[j]
        curvature = max(diagonal[i] + diagonal[j] - 2.0 * np.float64(Ki[j]), FLAT)
        room_i, room_j = upper[i] - beta[i], beta[j] - lower[j]
        step = min((gradient[j] - gradient[i]) / curvature, room_i, room_j)
        beta[i] = upper[i] if step == room_i else beta[i] + step
        beta[j] = lower[j] if step == room_j else beta[j] - step
        _open(beta, lower, upper, growing, falling, i)
        _open(beta, lower, upper, growing, falling, j)
        n_steps += 1
