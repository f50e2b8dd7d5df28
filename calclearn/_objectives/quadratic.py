r"""Quadratic functions under an L1 penalty: coordinate descent, finished by Newton's method on the support.

.. math::
    q(w) = \tfrac12 w^T Q w - c^T w + \sum_j \lambda_j |w_j|,

optionally over :math:`w_j \ge 0`.  Least squares by its Gram matrix is of this form, and so is each step
of a proximal Newton method.  A sweep of coordinate descent costs p numbers for each coordinate that moves,
whatever the number of rows.  Once two sweeps agree on the signs, what is left is a linear system on the
support: its solution is the optimum, unless a sign changes on the way.

Sources: Friedman, Hastie and Tibshirani (2010), *Regularization paths for generalized linear models via
coordinate descent*, section 2.2 ("covariance updates"); Lawson and Hanson (1974), chapter 23, for the walk
to the first coordinate that vanishes.  Derivation: docs/derivations/l1.md.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv

from .._runtime.jit import kernel

SWEEPS = 64  # of coordinate descent, at most, between two looks at the support ...
STEADY = 12  # ... which comes as soon as two in turn have changed no sign: one more for so many coordinates,
MOST = 24  # up to these, as a factorisation costs that many more sweeps
WALKS = (
    32  # times that one Newton phase may drop coordinates: first once, as sweeps do it too, then twice, ...
)
WEAKEST = 1e-10  # added to the curvature, in units of the largest, where there may be none


class Minimum(NamedTuple):
    """A minimiser, the gradient of the quadratic part there, the largest KKT violation, and sweeps taken."""

    w: np.ndarray
    gradient: np.ndarray
    violation: float
    n_sweeps: int


def minimise_quadratic(
    Q, c, l1, start=None, *, positive=None, tol=1e-10, max_sweeps=10_000, rng=None, enough=0.0, square=np.inf
) -> Minimum:
    r"""Minimise q until no coordinate violates its optimality condition by more than `tol`.

    Parameters
    ----------
    Q : ndarray of shape (p, p)
        Symmetric and positive semidefinite, float64, in C order.
    c, l1 : ndarray of shape (p,)
        `l1` is not negative; zero for a coordinate that is not penalised.
    start : ndarray of shape (p,), optional
    positive : ndarray of bool, shape (p,), optional
        Coordinates that must not be negative.
    tol : float
        In units of the gradient.
    max_sweeps : int
    rng : RandomState or Generator, optional
        Shuffles the coordinates anew for each sweep; they are taken in turn without.
    enough, square : float
        Stop also once the duality gap is at most `enough`, where q is, up to a constant,
        :math:`\tfrac12 \|z - Z w\|^2 + \lambda \|w\|_1`: :math:`Q = Z^T Z`, :math:`c = Z^T z`, all of
        `l1` and of `positive` are the same, and `square` is :math:`\|z\|^2`.

    Returns
    -------
    Minimum
    """
    p = len(c)
    w = np.zeros(p) if start is None else np.array(start, np.float64)
    positive = np.zeros(p, bool) if positive is None else positive
    gradient = Q @ w - c
    order = np.arange(p)[None, :]
    done, walks = 0, 1
    while True:
        if rng is not None:
            order = np.array([rng.permutation(p) for _ in range(SWEEPS)])
        steady = min(2 + np.count_nonzero(w) // STEADY, MOST)
        n_sweeps = min(SWEEPS, max_sweeps - done)
        swept, settled = _sweep(Q, c, l1, positive, w, gradient, tol, n_sweeps, steady, order, enough, square)
        done += swept
        if settled or done >= max_sweeps:
            break
        if _newton_on_the_support(Q, c, l1, positive, w, walks):
            gradient[:] = Q @ w - c
        walks = min(2 * walks, WALKS)
    gradient = Q @ w - c  # free of what the updates have rounded away
    return Minimum(w, gradient, kkt_violation(gradient, w, l1, positive), done)


def kkt_violation(gradient, w, l1, positive=None) -> float:
    """The largest distance of 0 from the subdifferential of q, over the coordinates.

    Parameters
    ----------
    gradient : ndarray of shape (p,)
        Of the smooth part at `w`.
    w : ndarray of shape (p,)
    l1 : float or ndarray of shape (p,)
    positive : ndarray of bool, shape (p,), optional

    Returns
    -------
    float
    """
    moving = np.abs(gradient + np.sign(w) * l1)
    resting = np.abs(gradient) - l1
    if positive is not None:
        resting = np.where(positive, -gradient - l1, resting)
    return float(np.where(w != 0, moving, np.maximum(resting, 0.0)).max(initial=0.0))


@kernel
def _gap(c, l1, positive, w, gradient, square):
    """The duality gap of least squares, by the residual scaled into the feasible set."""
    largest, along, norm = 0.0, 0.0, 0.0
    for j in range(len(w)):
        slope = -gradient[j]
        largest = max(largest, slope if positive else abs(slope))
        along += slope * w[j]
        norm += abs(w[j])
        square += (gradient[j] - c[j]) * w[j]
    share = 1.0 if largest <= l1 else l1 / largest
    return 0.5 * (1.0 - share) ** 2 * max(square, 0.0) + l1 * norm - share * along


@kernel
def _sweep(Q, c, l1, positive, w, gradient, tol, n_sweeps, steady, order, enough, square):
    """Coordinate descent in place; `(sweeps, whether the last one found nothing above tol, or a small gap)`.

    The rows of `order` say in which order the sweeps take the coordinates; `steady` sweeps in turn without a
    change of sign end it.
    """
    p = len(w)
    unchanged = 0
    for sweep in range(n_sweeps):
        worst, changes = 0.0, 0
        for j in order[sweep % len(order)]:
            curvature, old, slope = Q[j, j], w[j], gradient[j]
            up, down = slope + l1[j], slope - l1[j]  # of the penalised function to the right and the left
            if old > 0.0:
                violation = abs(up)
            elif old < 0.0:
                violation = abs(down)
            else:
                violation = max(-up, 0.0) if positive[j] else max(-up, down, 0.0)
            worst = max(worst, violation)
            if violation == 0.0 or curvature <= 0.0:
                continue
            target = curvature * old - slope
            if target > l1[j]:
                new = (target - l1[j]) / curvature
            elif target < -l1[j] and not positive[j]:
                new = (target + l1[j]) / curvature
            else:
                new = 0.0
            step = new - old
            if step != 0.0:
                w[j] = new
                changes += old * new <= 0.0
                row = Q[j]
                for k in range(p):
                    gradient[k] += step * row[k]
        if worst <= tol or (enough > 0.0 and _gap(c, l1[0], positive[0], w, gradient, square) <= enough):
            return sweep + 1, True
        unchanged = 0 if changes else unchanged + 1
        if unchanged == steady:
            return sweep + 1, False
    return n_sweeps, False


def _newton_on_the_support(Q, c, l1, positive, w, walks) -> bool:
    """Walk from `w`, in place, to the optimum on its support, dropping what vanishes on the way.

    Each piece of the walk lies in one orthant, where q is a quadratic: it cannot rise.  False, and `w` as
    it was, where the support is empty.
    """
    for walk in range(walks):
        support = np.flatnonzero((w != 0) | ((l1 == 0) & ~positive))
        if not len(support):
            return walk > 0
        signs = np.sign(w[support])
        right = c[support] - signs * l1[support]
        block = Q[np.ix_(support, support)]
        here = w[support]
        target, info = dposv(block, right)[1:]
        if info:  # dependent columns: a proximal step, long where there is no curvature
            damped = block + WEAKEST * np.diag(block).max() * np.eye(len(block))
            step, info = dposv(damped, right - block @ here)[1:]
            target = here + step
        if info or not np.isfinite(target).all():
            return walk > 0
        crosses = (signs * target < 0) & ((l1[support] > 0) | positive[support])
        if not crosses.any():
            w[support] = target
            return True
        share = here[crosses] / (here[crosses] - target[crosses])
        first = share.min()
        moved = here + first * (target - here)
        moved[np.flatnonzero(crosses)[share <= first]] = 0.0
        clipped = np.where(crosses, 0.0, target)  # drops many at once, where that is as good
        better = 0.5 * (clipped @ block @ clipped - moved @ block @ moved) <= right @ (clipped - moved)
        w[support] = clipped if better else moved
    return True
