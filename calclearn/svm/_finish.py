r"""The last step: Newton's, over the multipliers that are between their bounds.

Where no multiplier leaves its bound any more, the dual is a quadratic of the free ones, :math:`\beta_F`,
whose sums are kept.  With E telling the groups, its minimum solves

.. math::
    \begin{pmatrix} K_{FF} & E \\ E^T & 0 \end{pmatrix} \begin{pmatrix} d \\ b \end{pmatrix}
        = \begin{pmatrix} -g_F \\ 0 \end{pmatrix},

one linear system where pairs would take thousands of steps, and exact where they would end within `tol`.
Those that meet a bound on the way stay there, and the others go on.  Derivation:
docs/derivations/svm.md, (12).
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

MOST = 1024  # free multipliers, up to which the system is no work beside the rest
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
    beta, gradient = beta.copy(), dual.gradient(raw)[free]
    K = source.block(dual.row[free], dual.row[free])
    for _ in range(ROUNDS):
        if len(free) < 2:
            break
        step = _step(K, gradient, dual.group[free], dual.n_groups)
        if step is None:
            return None
        room = np.where(step > 0.0, dual.upper[free] - beta[free], dual.lower[free] - beta[free])
        with np.errstate(divide="ignore", invalid="ignore"):
            lengths = np.where(step != 0.0, room / step, np.inf)
        length = min(1.0, float(lengths.min()))
        beta[free] = np.clip(beta[free] + length * step, dual.lower[free], dual.upper[free])
        if length == 1.0:
            break
        hit = int(lengths.argmin())
        beta[free[hit]] = dual.upper[free[hit]] if step[hit] > 0.0 else dual.lower[free[hit]]
        gradient = np.delete(gradient + length * (K @ step), hit)
        free, K = np.delete(free, hit), np.delete(np.delete(K, hit, axis=0), hit, axis=1)
    return _snapped(dual, beta)


def _snapped(dual, beta):
    """Multipliers that are at a bound but for rounding, at it."""
    near = ROUNDING * float(np.abs(beta).max())
    beta = np.where(beta - dual.lower <= near, dual.lower, beta)
    return np.where(dual.upper - beta <= near, dual.upper, beta)


def _step(K, gradient, group, n_groups):
    """The way to the minimum, along which the groups' sums stay; None where K is not positive."""
    A = K.copy()
    A[np.diag_indices_from(A)] += RIDGE * float(np.diagonal(K).mean())
    factor, failed = dpotrf(A, overwrite_a=1)
    if failed:
        return None
    E = np.equal.outer(group, np.arange(n_groups)).astype(np.float64)
    E = E[:, E.any(axis=0)]
    of_E = dpotrs(factor, E)[0]
    step, offset, of_sums = np.zeros(len(K)), np.zeros(E.shape[1]), np.linalg.inv(E.T @ of_E)
    for _ in range(REFINEMENTS):
        left = -gradient - K @ step - E @ offset
        d = dpotrs(factor, left)[0]
        b = of_sums @ (E.T @ (step + d))
        d -= of_E @ b
        step, offset = step + d, offset + b
        if np.abs(d).max() <= REFINED * np.abs(step).max():
            break
    return step if np.isfinite(step).all() else None
