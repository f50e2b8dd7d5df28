r"""Least squares with L1 and L2 penalties: working sets over Gram matrices, and the duality gap.

.. math::
    F(w) = \tfrac12 \|z - Z w\|^2 + \lambda \|w\|_1 + \tfrac{\mu}{2} \|w\|^2,

optionally over :math:`w \ge 0`, with centred and weighted columns (see `columns`): the documented objective
of the estimators, after the free intercept is minimised away.

Only a working set of columns enters a quadratic problem, which `minimise_quadratic` solves; the correlations
of all columns with the residual are looked at once it is solved.  They give the duality gap, and the
columns to add.  Each round solves for the *change*, with correlations taken from the rows: what a Gram
matrix loses to rounding is found again, as by iterative refinement.

Sources: Massias, Gramfort and Salmon (2018), *Celer*; Fercoq, Gramfort and Salmon (2015), *Mind the duality
gap*; Dünner, Forte, Takáč and Jaggi (2016), section 5.2; Tibshirani et al. (2012), *Strong rules*.
Derivation: docs/derivations/l1.md.
"""

from typing import NamedTuple

import numpy as np

from .._runtime.jit import kernel, readonly
from ..optimize import Optimality
from ..optimize._stopping import CONVERGED, EPS, GAP, ITERATIONS, NOT_FINITE, ROUNDING
from .columns import CentredColumns, CentredGram
from .quadratic import minimise_quadratic

FIRST = 128  # columns of the first working set; it doubles afterwards
SWEEPS = 40  # for a working set at first; twice as many each time no column was added
MARGIN = (
    1e-4  # of one fit, aim at this share of the tolerance: once the working set is right, it costs little
)
INNER = 0.3  # of that share, for the gap among the columns of the working set
RESOLVED = 1e-10  # gaps below this share of the square of y are not told from sums in a Gram matrix
SLACK = 1.5  # a working set may be so much larger than wanted, if it is that of the last penalty
STALLS = 3  # rounds without progress, at rounding level, after which to stop


class Point(NamedTuple):
    """Coefficients with what one look at all columns tells about them."""

    w: np.ndarray
    correlation: np.ndarray  # Zᵀ r
    square: float  # rᵀ r


class Fit(NamedTuple):
    """Where the minimisation stopped; `gap` is None without a penalty."""

    point: Point
    gap: float
    n_iter: int
    reason: str

    @property
    def converged(self):
        return self.reason in CONVERGED


def start(problem: CentredColumns | CentredGram, coef=None):
    """Generator: the `Point` at `coef`, or at zero."""
    correlation = yield from problem.begin()
    if coef is None or not np.any(coef):
        return Point(np.zeros(problem.p), correlation, problem.y_square)
    w = np.array(coef, np.float64)
    problem.gram(np.flatnonzero(w))  # caches the columns
    return Point(w, *(yield from problem.look(w)))


def minimise(
    problem: CentredColumns | CentredGram,
    point: Point,
    l1: float,
    l2: float,
    *,
    positive=False,
    tol=1e-4,
    max_iter=1000,
    l1_before=None,
    margin=MARGIN,
    rng=None,
):
    """Generator: minimise F from `point`, until its duality gap is `tol` times the mean square of y.

    Parameters
    ----------
    problem : CentredColumns or CentredGram
    point : Point
    l1, l2 : float
    positive : bool
    tol : float
    max_iter : int
        Most sweeps of coordinate descent, over all working sets.
    l1_before : float, optional
        The penalty of which `point` is the minimiser: columns that its correlations make likely are taken at
        once (the sequential strong rule).
    margin : float
        The share of the tolerance to aim at.
    rng : RandomState, optional
        Takes the coordinates in random order.

    Returns
    -------
    Fit
    """
    enough = tol * problem.y_square
    done, stalls, limit, before, working, settled = 0, 0, SWEEPS, np.inf, None, False
    while True:
        gap = duality_gap(problem, point, l1, l2, positive)
        if not np.isfinite(gap):
            return Fit(point, gap, done, NOT_FINITE)
        if gap <= margin * enough:
            return Fit(point, gap, done, GAP)
        if done >= max_iter:
            return Fit(point, gap, done, GAP if gap <= enough else ITERATIONS)
        stalls = stalls + 1 if gap > 0.5 * before else 0
        before = min(before, gap)
        grown = _working_set(problem, point, l1, l2, positive, working, l1_before)
        if grown is working:
            if stalls >= STALLS and settled:
                return Fit(point, gap, done, GAP if gap <= enough else ROUNDING)
            limit *= 2
        else:
            working, limit, stalls = grown, SWEEPS, 0
            Q = _gram(problem, working)
            if not np.isfinite(np.diag(Q)).all():
                return Fit(point, gap, done, NOT_FINITE)
            if l2 > 0:
                Q = Q + l2 * np.eye(len(Q))
            penalty = np.full(len(Q), float(l1))
        w = point.w.copy()
        c = point.correlation[working] - l2 * w[working] + Q @ w[working]
        scale = np.abs(c).max()
        target = c + point.correlation[working] - l2 * w[working]  # with w: squares of the augmented y
        minimum = minimise_quadratic(
            Q,
            c,
            penalty,
            w[working],
            positive=np.full(len(Q), positive),
            tol=max(1e-13 * scale, _loosest(w, margin * enough)),
            max_sweeps=min(limit, max_iter - done),
            rng=rng,
            enough=INNER * margin * enough if margin * tol >= RESOLVED else 0.0,
            square=point.square + l2 * float(w @ w) + float(target @ w[working]),
        )
        settled = minimum.violation <= 1e-10 * scale
        done += minimum.n_sweeps
        w[working] = minimum.w
        point = Point(w, *(yield from problem.look(w)))


def along(problem, point: Point, l1s, l2s, *, positive=False, tol=1e-4, max_iter=1000, margin=MARGIN):
    """By compiled sweeps over the whole Gram matrix: a `Fit` for each pair of penalties, as far as that goes.

    They end before the first whose gap is not reached within a few sweeps, or that is no number; where
    `tol` asks for more than the Gram matrix tells, there are none.
    """
    n, p = len(l1s), problem.p
    if margin * tol < RESOLVED:
        return []
    W, slopes = np.zeros((n, p)), np.zeros((n, p))
    squares, gaps, sweeps = np.zeros(n), np.zeros(n), np.zeros(n, np.intp)
    enough = margin * tol * problem.y_square
    Q, c = readonly(problem.gram(np.arange(p))), readonly(problem.cross)
    sizes = np.array([problem.y_square, enough])
    penalties = readonly(np.column_stack([l1s, l2s]), np.float64)
    most = min(SWEEPS, max_iter)
    found = W, slopes, squares, gaps, sweeps
    reached = _sweep_along(Q, c, readonly(point.w), penalties, positive, sizes, most, *found)
    points = [Point(w, slope, float(square)) for w, slope, square in zip(W, slopes, squares)]
    return [Fit(points[i], float(gaps[i]), int(sweeps[i]), GAP) for i in range(reached)]


@kernel
def _sweep_along(Q, c, start, penalties, positive, sizes, most, W, slopes, squares, gaps, sweeps):
    """Coordinate descent for each row (l1, l2) of `penalties`; how many reached a gap of `sizes[1]`."""
    p = len(c)
    y_square, enough = sizes
    w, slope = start.copy(), np.empty(p)
    for i in range(len(penalties)):
        l1, l2 = penalties[i]
        done, fresh = 0, False
        while True:
            if not fresh:
                slope[:] = c  # free of what the updates round away
                for k in range(p):
                    if w[k] != 0.0:
                        slope -= w[k] * Q[k]
                fresh = True
            gap, square = _gap_of(c, slope, w, l1, l2, positive, y_square)
            if gap <= enough:
                break
            for _ in range(most - done):
                for j in range(p):
                    old, curvature = w[j], Q[j, j] + l2
                    target = slope[j] + Q[j, j] * old
                    if curvature <= 0.0:
                        continue
                    if target > l1:
                        step = (target - l1) / curvature - old
                    elif target < -l1 and not positive:
                        step = (target + l1) / curvature - old
                    else:
                        step = -old
                    if step != 0.0:
                        w[j] = old + step
                        row = Q[j]
                        for k in range(p):
                            slope[k] -= step * row[k]
                done += 1
                fresh = False
                gap, square = _gap_of(c, slope, w, l1, l2, positive, y_square)
                if gap <= enough:
                    break
            if fresh or (done >= most and not gap <= enough):
                return i
        W[i], slopes[i], squares[i], gaps[i], sweeps[i] = w, slope, square, gap, done
    return len(penalties)


@kernel
def _gap_of(c, slope, w, l1, l2, positive, y_square):
    """`(duality gap, square of the residual)`, as `duality_gap` has the former where l2 = 0."""
    largest, dot, norm, square, ridge = 0.0, 0.0, 0.0, y_square, 0.0
    for j in range(len(w)):
        own = slope[j] - l2 * w[j]
        largest = max(largest, own if positive else abs(own))
        dot += own * w[j]
        norm += abs(w[j])
        square -= (slope[j] + c[j]) * w[j]
        ridge += w[j] * w[j]
    square = max(square, 0.0)
    share = 1.0 if largest <= l1 else l1 / largest
    return 0.5 * (1.0 - share) ** 2 * (square + l2 * ridge) + max(l1 * norm - share * dot, 0.0), square


def _loosest(w, gap):
    """The gradient that leaves about a tenth of `gap`, by the norm of the coefficients."""
    norm = np.abs(w).sum()
    return 0.1 * gap / norm if norm > 0 else 0.0


def _gram(problem, working):
    """Its Gram matrix, not taken out of the cache again where it was the last."""
    if problem.last[0] is not working:
        problem.last = (working, problem.gram(working))
    return problem.last[1]


def _working_set(problem, point, l1, l2, positive, working, l1_before):
    """`working` with the columns whose correlation is too large, the largest first: it may double."""
    if problem.whole:
        return np.arange(problem.p) if working is None else working
    slope = point.correlation - l2 * point.w
    score = slope if positive else np.abs(slope)
    threshold = l1
    if working is None and l1_before is not None:
        threshold = 2 * l1 - l1_before
    chosen = point.w != 0
    if working is not None:
        chosen[working] = True
    candidates = np.flatnonzero((score > threshold) & ~chosen)
    room = max(FIRST, int(chosen.sum()))
    if len(candidates) > room:
        candidates = candidates[np.argpartition(-score[candidates], room)[:room]]
    if working is not None:
        return np.concatenate([working, candidates]) if len(candidates) else working
    chosen[candidates] = True
    wanted, last = np.flatnonzero(chosen), problem.last[0]
    if last is not None and len(last) <= SLACK * len(wanted) and chosen[last].sum() == len(wanted):
        return last
    return wanted


def duality_gap(problem, point: Point, l1, l2, positive) -> float:
    r"""F at the point, less the dual objective at the best of two feasible dual points.

    The residual scaled into the feasible set of the problem augmented by :math:`\sqrt\mu I`; and, where
    :math:`\mu > 0`, the residual itself in the dual whose conjugate is finite everywhere.  Both
    differences are sums of terms that are not negative, so neither cancels.  Without any penalty there
    is no dual: the squared norm of the gradient stands for it, as in scikit-learn.
    """
    w, correlation, square = point
    if l1 == 0 and l2 == 0:
        slope = np.where(w > 0, correlation, np.maximum(correlation, 0.0)) if positive else correlation
        return problem.total * float(slope @ slope)
    gap = np.inf
    norm1 = float(np.abs(w).sum())
    if l1 > 0:
        slope = correlation - l2 * w
        largest = (slope if positive else np.abs(slope)).max(initial=0.0)
        share = 1.0 if largest <= l1 else l1 / largest
        square = square + l2 * float(w @ w)
        gap = 0.5 * (1.0 - share) ** 2 * square + (l1 * norm1 - share * float(slope @ w))
    if l2 > 0:
        size = correlation if positive else np.abs(correlation)
        excess = np.maximum(size - l1, 0.0)
        pieces = l1 * np.abs(w) + 0.5 * l2 * w * w - correlation * w + excess * excess / (2.0 * l2)
        gap = min(gap, float(pieces.sum()))
    return gap if np.isnan(gap) else max(gap, 0.0)


def objective(point: Point, l1, l2) -> float:
    """F at the point."""
    w = point.w
    return 0.5 * point.square + l1 * float(np.abs(w).sum()) + 0.5 * l2 * float(w @ w)


def kkt_violation(point: Point, l1, l2, positive) -> float:
    """The largest distance of 0 from the subdifferential of F."""
    w = point.w
    slope = l2 * w - point.correlation
    resting = (-slope if positive else np.abs(slope)) - l1
    violation = np.where(w != 0, np.abs(slope + np.sign(w) * l1), np.maximum(resting, 0.0))
    return float(violation.max(initial=0.0))


def certificate(problem, fit: Fit, l1, l2, positive, *, excess=0.0) -> Optimality:
    """The record of `fit`, whose point holds the coefficients that are kept.

    `excess` is what a rounded intercept adds to the objective.
    """
    point = fit.point
    value = objective(point, l1, l2) + excess
    # the sums above are rounded, and so is the residual: an allowance, lest the gap be too small
    noise = 8 * EPS * (value + np.sqrt(point.square * problem.y_square))
    gap = fit.gap + excess + noise if l1 > 0 or l2 > 0 else None
    return Optimality(
        objective=value,
        dual_objective=None if gap is None else value - gap,
        duality_gap=gap,
        kkt_violation=kkt_violation(point, l1, l2, positive),
        n_iter=fit.n_iter,
        converged=fit.converged,
        reason=fit.reason,
    )
