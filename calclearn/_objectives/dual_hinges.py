r"""Hinges by coordinate descent in the dual: for sparse rows, and for more columns than a Gram matrix takes.

Along one multiplier the dual of :mod:`.hinges` is a parabola, whose minimum within the box is

.. math::
    \alpha \leftarrow \min\Bigl(C, \max\Bigl(0, \alpha - \frac{s\,x^T w + c}{\lVert x \rVert^2}\Bigr)\Bigr),

for squared hinges with :math:`\alpha / 2C` more in the numerator, 1/2C more in the denominator, and no C.
The coefficients follow, :math:`w \leftarrow w + s\,(\text{change})\,x`.  Rows whose multipliers stay at an
end of the box are left out until the others are done.

Hsieh, Chang, Lin, Keerthi and Sundararajan (2008), *A dual coordinate descent method for large-scale linear
SVM*; Ho and Lin (2012), *Large-scale linear support vector regression*, for two multipliers a row.
"""

import numpy as np

from .._runtime.jit import kernel
from ..optimize._stopping import CALLBACK, GAP, ITERATIONS
from .epochs import _input, _rows, add_row, row_dot
from .hinges import Hinges, Parted, parted
from .sag import rows_to_a_call, squared_norms

TIGHTER = 0.1  # violations that are let pass, from one look at all rows to the next
FIRST = 0.1  # of these
ROUNDING = 1e-14  # of the objectives


@kernel
def _walk(X, constant, sign, shift, C, norms, squared, w, alpha, order, left_out, most, least):
    """Minimise along the multipliers of rows in `order`; the largest and the least slope that may move.

    Notes in `left_out` which rows' multipliers stay at their ends, as slopes beyond `most` and `least` say.
    """
    p, n_hinges = w.shape[0] - (1 if constant != 0.0 else 0), sign.shape[0]
    top, bottom = -np.inf, np.inf
    for at in range(order.shape[0]):
        i = order[at]
        f = row_dot(X, i, w) + (constant * w[p] if constant != 0.0 else 0.0)
        bend, upper = norms[i], np.inf if squared else C[i]
        soft = 0.5 / C[i] if squared else 0.0
        change, stays = 0.0, True
        for k in range(n_hinges):
            s, old = sign[k, i], alpha[k, i]
            slope = s * f + shift[k, i] + soft * old
            if old <= 0.0:
                movable = min(slope, 0.0)
                stays &= slope > most
            elif old >= upper:
                movable = max(slope, 0.0)
                stays &= slope < least
            else:
                movable, stays = slope, False
            top, bottom = max(top, movable), min(bottom, movable)
            if movable == 0.0 or bend + soft == 0.0:
                continue
            new = min(max(old - slope / (bend + soft), 0.0), upper)
            alpha[k, i] = new
            f += s * (new - old) * bend
            change += s * (new - old)
        left_out[at] = stays
        if change != 0.0:
            add_row(X, i, change, w)
            if constant != 0.0:
                w[p] += constant * change
    return top, bottom


def run_dual_hinges(problem: Hinges, *, rng, tol, max_iter, progress=None) -> Parted:
    """Minimise hinges, squared or not.

    Parameters
    ----------
    problem : Hinges
    rng : RandomState
        Orders the rows anew for each epoch.
    tol : float
        Largest gap, relative to the objective; its root is the largest difference of slopes.
    max_iter : int
        Most epochs.
    progress : callable, optional
        ``progress(epoch, value, w)`` after each look at all rows; a true answer stops.

    Returns
    -------
    Parted
    """
    X, rows_a_call = _rows(problem.design.X), rows_to_a_call(problem.design)
    norms = squared_norms(problem.design) + problem.constant**2
    inputs = [_input(array) for array in (problem.sign, problem.shift, problem.C, norms)]
    alpha, w = np.zeros(problem.sign.shape), np.zeros(problem.size)
    everything, empty = np.flatnonzero(norms > 0.0), norms == 0.0
    missed = np.maximum(-problem.shift[:, empty], 0.0)  # rows without entries have no say in w
    alpha[:, empty] = problem.C[empty] * (2.0 * missed if problem.squared else missed > 0.0)
    active, most, least, pass_by, epoch = everything, np.inf, -np.inf, FIRST, 0
    reason = ITERATIONS
    while epoch < max_iter:
        epoch += 1
        order, top, bottom = _input(rng.permutation(active), np.int64), -np.inf, np.inf
        left_out = np.zeros(len(order), bool)
        for first in range(0, len(order), rows_a_call):
            some = slice(first, first + rows_a_call)
            t, b = _walk(
                X,
                problem.constant,
                *inputs,
                problem.squared,
                w,
                alpha,
                order[some],
                left_out[some],
                most,
                least,
            )
            top, bottom = max(top, t), min(bottom, b)
        if top - bottom <= pass_by or not len(order):
            found = parted(problem, alpha, epoch, GAP)
            w = found.w.copy()  # without what rounding has added up to
            gap = found.primal - found.dual
            # a gap is the square of slopes, and soon no more than rounding
            if gap <= max(tol, ROUNDING) * found.primal and pass_by <= np.sqrt(tol):
                reason = GAP
                break
            if progress is not None and progress(epoch, found.primal, found.w):
                reason = CALLBACK
                break
            if len(active) == len(everything):
                pass_by *= TIGHTER
            active, most, least = everything, np.inf, -np.inf
            continue
        active = order[~left_out]
        most, least = top if top > 0.0 else np.inf, bottom if bottom < 0.0 else -np.inf
    return parted(problem, alpha, epoch, reason)
