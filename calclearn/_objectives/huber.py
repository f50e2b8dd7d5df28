r"""Huber's regression with its scale: coefficients and scale are found together, by one convex function.

With residuals :math:`r_i = y_i - x_i^T w - b`, weights s and :math:`H(z) = z^2` up to ε and
:math:`2\varepsilon|z| - \varepsilon^2` beyond,

.. math::
    F(w, b, \sigma) = \sum_i s_i \bigl(\sigma + H(r_i / \sigma)\,\sigma\bigr) + \alpha \|w\|^2,
    \qquad \sigma \ge 0 .

The best scale for given residuals solves :math:`\sum_i s_i \min(r_i^2/\sigma^2, \varepsilon^2) = \sum_i s_i`,
one number, so Newton's method works on :math:`G(w, b) = \min_\sigma F`, which is convex too.  Its dual,

.. math::
    \max_u\; \sum_i s_i u_i y_i - \frac{1}{4\alpha}\Bigl\|\sum_i s_i u_i x_i\Bigr\|^2, \quad
    |u_i| \le 2\varepsilon,\; \sum_i s_i u_i^2 \le 4 \sum_i s_i,\; \sum_i s_i u_i = 0,

bounds it from below.  Source: Huber and Ronchetti (2009), *Robust Statistics*, 7.8; Owen (2007), *A robust
hybrid of lasso and ridge regression*, for the convexity.
"""

import copy
import dataclasses
from functools import partial

import numpy as np
from scipy.linalg import lstsq, qr

from .._runtime.jit import kernel, readonly
from ..optimize import Newton, NewtonCG
from ..optimize._stopping import CALLBACK, CONVERGED, ITERATIONS
from .design import Design

SCALE_STEPS = 100  # for the scale alone, which takes about five
SINK = 0.1  # from one floor of the scale to the next
ROWS_PER_COLUMN = 4  # with more rows than that they may be taken to span all directions
LARGE = 1 << 22  # entries of a sparse X that is not made dense
EXACT_COLUMNS = 2000  # up to here the dual point is moved onto the equations that it has to satisfy


@kernel
def _inside(residual, weight, bound):
    """Σ s r² over the rows with |r| <= bound, and Σ s over the others."""
    squares, outside = 0.0, 0.0
    for i in range(residual.shape[0]):
        r = residual[i]
        if abs(r) <= bound:
            squares += weight[i] * r * r
        else:
            outside += weight[i]
    return squares, outside


class HuberObjective:
    r"""G and its derivatives; the flat vector is ``[w, b]``.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
        Positive.
    epsilon : float
        At least 1: where the loss turns linear, in units of the scale.
    alpha : float
        Strength of the penalty.
    intercept : bool
        Whether `b` is free.
    """

    convex = True

    def __init__(self, X, y, weight, *, epsilon, alpha, intercept=True, n_threads=1):
        self.design = Design(X, n_threads)
        self.n, self.p = self.design.shape
        self.y = np.ascontiguousarray(y, np.float64)
        self.weight = np.ones(self.n) if weight is None else np.ascontiguousarray(weight, np.float64)
        self.total = float(self.weight.sum())
        self.epsilon, self.alpha, self.intercept = float(epsilon), float(alpha), bool(intercept)
        self.size = self.p + self.intercept
        double = self.design.dtype == np.float64
        eps = float(np.finfo(self.design.dtype).eps)
        self.noise = (64 if double else 4) * eps
        # residuals are no smaller than the rounding of y: below it, neither is their scale
        typical = float(np.median(np.abs(self.y)) or np.abs(self.y).mean() or 1.0)
        self.least_scale = (1e4 if double else 16) * eps * typical
        self.floor = self.least_scale
        self._last = (None, None, 1.0)  # (x, residual, scale)

    def over(self, X):
        """The same function of other columns."""
        return HuberObjective(
            X,
            self.y,
            self.weight,
            epsilon=self.epsilon,
            alpha=self.alpha,
            intercept=self.intercept,
            n_threads=self.design.n_threads,
        )

    def above(self, floor):
        """The same function with scales from `floor` on."""
        other = copy.copy(self)
        other.floor, other._last = max(floor, self.least_scale), (None, None, 1.0)
        return other

    def unpack(self, x):
        return x[: self.p], float(x[self.p]) if self.intercept else 0.0

    def start(self):
        """Zero coefficients and the median."""
        x = np.zeros(self.size)
        if self.intercept:
            order = np.argsort(self.y)
            below = np.cumsum(self.weight[order])
            x[self.p] = self.y[order[np.searchsorted(below, 0.5 * below[-1])]]
        return x

    def residual_and_scale(self, x):
        """Of the rows, and the scale that is best for them; remembered for the last x."""
        if self._last[0] is None or not np.array_equal(self._last[0], x):
            residual = self.y - self._times(x)
            self._last = (x.copy(), residual, self._best_scale(residual))
        return self._last[1:]

    def _best_scale(self, residual):
        """The root by Newton's method in 1/σ², where the equation is concave and piecewise linear.

        After its first step it climbs to the root, in as many steps as there are pieces between.
        """
        rows = readonly(residual), readonly(self.weight)
        scale = np.sqrt(_inside(*rows, np.inf)[0] / self.total)
        for _ in range(SCALE_STEPS):
            squares, outside = _inside(*rows, self.epsilon * scale)
            inside = self.total - self.epsilon**2 * outside
            new = np.sqrt(squares / inside) if inside > 0.0 else 0.0
            if not new < scale:
                break
            scale = new
        return max(float(scale), self.floor)

    def slopes(self, x):
        """u: the derivative of each row's loss by its residual, without the weight."""
        residual, scale = self.residual_and_scale(x)
        return 2.0 * np.clip(residual / scale, -self.epsilon, self.epsilon)

    def value(self, x):
        residual, scale = self.residual_and_scale(x)
        inside, far = np.minimum(np.abs(residual), self.epsilon * scale), np.abs(residual)
        losses = inside * (2.0 * far - inside) / scale  # H(r/σ)σ on both sides of ε
        coef = self.unpack(x)[0]
        return self.total * scale + float(self.weight @ losses) + self.alpha * float(coef @ coef)

    def value_gradient(self, x):
        """G and its gradient: that of F by w and b, as F is flat in σ."""
        value = self.value(x)
        pull = -self.weight * self.slopes(x)
        return value, self._bordered(pull) + 2.0 * self.alpha * self._penalised(x)

    def _penalised(self, x):
        """X with a zero for the intercept."""
        return np.r_[x[: self.p], np.zeros(self.size - self.p)]

    def _bordered(self, rows):
        """[X, 1]ᵀ rows."""
        sums = self.design.transposed_times(rows)
        return np.r_[sums, rows.sum()] if self.intercept else sums

    def _curvatures(self, x):
        """`(h, q, c)`: the Hessian of G is [X, 1]ᵀ diag(h) [X, 1] - q qᵀ / c, and the penalty's.

        The second term is what the scale takes back where it is free to follow; else q is zero.
        """
        residual, scale = self.residual_and_scale(x)
        h = np.where(np.abs(residual) <= self.epsilon * scale, 2.0 / scale * self.weight, 0.0)
        c = float(h @ np.square(residual))
        free = scale > self.floor and c > 0.0
        return h, self._bordered(h * residual) if free else np.zeros(self.size), c if free else 1.0

    def hessian(self, x):
        h, q, c = self._curvatures(x)
        H = self._gram(h) - np.outer(q, q) / c
        H[np.arange(self.p), np.arange(self.p)] += 2.0 * self.alpha
        return H

    def hessian_product(self, x):
        """The function `v -> H(x) v`."""
        h, q, c = self._curvatures(x)
        return lambda v: (
            self._bordered(h * self._times(v))
            - q * (float(q @ v) / c)
            + 2.0 * self.alpha * self._penalised(v)
        )

    def _gram(self, h):
        return self.design.bordered_gram(h.astype(self.design.dtype))[: self.size, : self.size]

    def _times(self, v):
        """[X, 1] v."""
        coef, intercept = self.unpack(v)
        return self.design.times(coef) + intercept

    def follow(self, x, factor):
        """Where the optimum `x` moves, to first order, when the floor it lies on sinks by `factor`.

        The residuals that are not at a bound shrink in proportion.
        """
        if self.size > EXACT_COLUMNS:
            return x
        q = self._bordered(self._curvatures(x)[0] * self.residual_and_scale(x)[0])
        towards = lstsq(self.hessian(x), q, lapack_driver="gelsy")[0]
        return x + (1.0 - factor) * towards

    def dual(self, x):
        """The dual objective at a feasible point near the slopes at x; None where none is known."""
        u, s = self.slopes(x), self.weight
        wanted = 2.0 * self.alpha * self._penalised(x)
        if self.size <= EXACT_COLUMNS:
            # first the rows that are not at their bounds, which have room; then all, by what is left
            for free in (np.abs(u) < 2.0 * self.epsilon, np.ones(self.n)):
                u = u - free * self._move(free, self._bordered(s * u) - wanted)
        elif self.alpha == 0.0:
            return None
        elif self.intercept:
            u = u - (s @ u) / self.total
        steepest = max(np.abs(u).max() / (2.0 * self.epsilon), np.sqrt((s @ (u * u)) / (4.0 * self.total)))
        longest = 1.0 / max(steepest, 1.0)  # never outwards: rounding must not grow
        gain, size = float((s * u) @ self.y), self.design.transposed_times(s * u)
        cost = float(size @ size) / (4.0 * self.alpha) if self.alpha > 0.0 else 0.0
        best = min(longest, 0.5 * gain / cost) if cost > 0.0 else longest
        best = max(best, 0.0)
        return best * gain - best * best * cost

    def _move(self, free, off):
        """The least v, in the norm of the weights, with [X, 1]ᵀ (s · free · v) = off."""
        gram = self._gram(self.weight * free)
        unit = np.sqrt(np.maximum(np.diagonal(gram), np.finfo(float).tiny))
        solved = lstsq(gram / np.outer(unit, unit), off / unit, lapack_driver="gelsd")[0] / unit
        return self._times(solved)


def minimise_huber(objective, start, *, tol, max_iter, progress=None):
    """Newton's method on G under a floor of the scale, which sinks until the best scale stays above it.

    Where the best scale is zero (data fitted exactly, or by more than their share), G has an edge there;
    with the floor it is smooth, and each floor gives the next its start.  Where the rows of X may not span
    all directions, the problem is first written in those that they span.

    Returns
    -------
    Solution
    """
    basis = _row_space(objective.design)
    if basis is not None:
        small = objective.over(np.asarray(objective.design.X @ basis))
        lift = partial(_lift, basis)
        told = progress and (lambda i, value, x: progress(i, value, lift(x)))
        start = np.r_[basis.T @ start[: objective.p], start[objective.p :]]
        solution = _sink(small, start, tol, max_iter, told)
        return dataclasses.replace(solution, x=lift(solution.x), gradient=None, hessian=None)
    return _sink(objective, start, tol, max_iter, progress)


def _row_space(design):
    """An orthonormal basis of what the rows of X span, of shape (p, rank); None where it may well be all.

    Where the scale vanishes the curvature outside of it, the penalty's, is lost in rounding.
    """
    n, p = design.shape
    if ROWS_PER_COLUMN * p < n or (design.sparse and n * p > LARGE):
        return None
    X = design.X.toarray() if design.sparse else design.X
    Q, R, _ = qr(X.T.astype(np.float64), mode="economic", pivoting=True, overwrite_a=True)
    sizes = np.abs(np.diagonal(R))
    rank = int((sizes > max(n, p) * np.finfo(np.float64).eps * sizes.max(initial=0.0)).sum())
    return Q[:, :rank] if rank < p else None


def _lift(basis, x):
    rank = basis.shape[1]
    return np.r_[basis @ x[:rank], x[rank:]]


def _sink(objective, start, tol, max_iter, progress):
    method = Newton if objective.size <= EXACT_COLUMNS else NewtonCG
    solution = method(tol=tol, max_iter=0).minimise(objective, start)
    floor = SINK * float(np.abs(objective.residual_and_scale(solution.x)[0]).mean())
    n_iter, curve = 0, solution.curve
    while solution.reason == ITERATIONS and n_iter < max_iter:
        bounded = objective.above(floor)
        told = progress and (lambda i, value, x, before=n_iter: progress(before + i, value, x))
        solution = method(tol=tol, max_iter=max_iter - n_iter).minimise(bounded, solution.x, told)
        n_iter, curve = n_iter + solution.n_iter, curve + solution.curve[1:]
        scale = bounded.residual_and_scale(solution.x)[1]
        if (
            solution.reason in (ITERATIONS, CALLBACK)
            or scale > bounded.floor
            or floor <= objective.least_scale
        ):
            break
        floor *= SINK
        solution = dataclasses.replace(solution, x=bounded.follow(solution.x, SINK), reason=ITERATIONS)
    converged = solution.reason in CONVERGED
    return dataclasses.replace(solution, n_iter=n_iter, curve=curve, converged=converged)
