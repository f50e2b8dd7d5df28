r"""Hinges by interior points: for any number of rows, and not too many columns.

Each multiplier of the dual keeps away from both ends of its box, :math:`0 < \alpha < C`, and so do the
prices :math:`\lambda, \mu > 0` of the ends.  Where :math:`g = s f + c` is the gradient of the dual, the
optimum has :math:`g = \lambda - \mu`, :math:`\lambda \alpha = 0` and :math:`\mu (C - \alpha) = 0`.  Newton's
method aims at products that are not 0 but a small share of their mean, and shrinks that.  With
:math:`D = \lambda / \alpha + \mu / (C - \alpha)` a step solves

.. math:: (I + X^T W X)\, dw = X^T h, \qquad W = \sum_k 1 / D_k, \quad h = \sum_k s_k r_k / D_k,

of as many unknowns as there are columns: one weighted Gram matrix an iteration, of some twenty.

Mehrotra (1992), *On the implementation of a primal-dual interior point method*; Fine and Scheinberg (2001),
*Efficient SVM training using low-rank kernel representations*.  Derivation:
docs/derivations/svm.md, (15) to (17).
"""

from typing import Any

import numpy as np
import scipy.linalg

from ..optimize._stopping import CALLBACK, GAP, ITERATIONS, NO_DECREASE
from .hinges import Hinges, Parted

STEP = 0.995  # of the way to the nearest bound
STALL = 15  # iterations without a smaller gap


def run_interior_point(problem: Hinges, *, tol, max_iter, progress=None) -> Parted:
    """Minimise plain hinges.

    Parameters
    ----------
    problem : Hinges
        Not squared.
    tol : float
        Largest gap, relative to the objective.
    max_iter : int
    progress : callable, optional
        ``progress(iteration, value, w)`` after each iteration; a true answer stops.

    Returns
    -------
    Parted
    """
    sign, shift, C = problem.sign, problem.shift, np.broadcast_to(problem.C, problem.sign.shape)
    alpha = 0.5 * C  # as far from both bounds as can be
    w = of_alpha = problem.transposed_times(problem.signed(alpha))
    g = sign * problem.times(w) + shift
    away = max(1.0, float(np.abs(g).mean()))  # both prices may be larger by the same: all products alike
    low, high = np.maximum(g, 0.0) + away, np.maximum(-g, 0.0) + away
    best: Any = None
    since, n_iter, reason = 0, 0, None
    while True:
        f = problem.times(w)
        g = sign * f + shift
        found = Parted(w, alpha, problem.primal(w, f), problem.dual(of_alpha, alpha), n_iter, ITERATIONS)
        nearer = best is None or found.primal - found.dual < best.primal - best.dual
        best, since = (found, 0) if nearer else (best, since + 1)
        if best.primal - best.dual <= tol * best.primal:
            reason = GAP
        elif n_iter and progress is not None and progress(n_iter, found.primal, w):
            reason = CALLBACK
        elif n_iter >= max_iter:
            reason = ITERATIONS
        elif since >= STALL:
            reason = NO_DECREASE
        else:
            step = _step(problem, C, alpha, g, low, high, of_alpha - w)
            reason = NO_DECREASE if step is None else None
        if reason is not None:
            return best._replace(n_iter=n_iter, reason=reason)
        length, d_alpha, d_low, d_high, dw = step
        alpha, w = alpha + length * d_alpha, w + length * dw
        low, high = low + length * d_low, high + length * d_high
        of_alpha = problem.transposed_times(problem.signed(alpha))
        n_iter += 1


def _step(problem, C, alpha, g, low, high, apart):
    """Mehrotra's predictor and corrector: the length and the directions, or None where there is no step.

    `apart` is what the coefficients of the multipliers have more than w: rounding, which is taken out.
    """
    sign, room = problem.sign, C - alpha
    with np.errstate(all="ignore"):
        D = low / alpha + high / room
        gram = problem.gram((1.0 / D).sum(axis=0))
    gram[np.diag_indices_from(gram)] += 1.0
    # columns of any scale: a diagonal of ones loses least
    size = 1.0 / np.sqrt(np.diagonal(gram))
    try:
        factor = scipy.linalg.cho_factor(size[:, None] * gram * size)
    except (np.linalg.LinAlgError, ValueError):  # singular but for rounding, or not finite
        return None

    def solve(toward_low, toward_high):
        """The directions in which the products of prices and rooms change by so much."""
        r = toward_low / alpha - toward_high / room - (g - low + high)
        h = problem.transposed_times(problem.signed(r / D))
        dw = size * scipy.linalg.cho_solve(factor, size * (h + apart), check_finite=False)
        d_alpha = (r - sign * problem.times(dw)) / D
        return d_alpha, (toward_low - low * d_alpha) / alpha, (toward_high + high * d_alpha) / room, dw

    def longest(d_alpha, d_low, d_high, dw):
        pairs = (alpha, d_alpha), (room, -d_alpha), (low, d_low), (high, d_high)
        return 1.0 / max(1.0, *(float((-d / x).max()) for x, d in pairs))

    with np.errstate(all="ignore"):
        products = alpha * low, room * high
        mean = 0.5 * float(products[0].mean() + products[1].mean())
        d_alpha, d_low, d_high, dw = solve(-products[0], -products[1])
        t = longest(d_alpha, d_low, d_high, dw)
        left = (alpha + t * d_alpha) * (low + t * d_low) + (room - t * d_alpha) * (high + t * d_high)
        aim = mean * (0.5 * float(left.mean()) / mean) ** 3
        direction = solve(aim - products[0] - d_alpha * d_low, aim - products[1] + d_alpha * d_high)
    if not all(np.isfinite(d).all() for d in direction):
        return None
    return (STEP * longest(*direction), *direction)
