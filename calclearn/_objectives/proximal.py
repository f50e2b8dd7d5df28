r"""Proximal Newton: linear models with an L1 penalty, or with coefficients that may not be negative.

A step minimises the quadratic model of F at x, to which the penalty is added as it is,

.. math::
    g^T d + \tfrac12 d^T (H + \mu D)\, d + \lambda \lVert w + d \rVert_1 ,

by coordinate descent and Newton's method on the support (:mod:`.quadratic`).  It is accepted if F with the
penalty falls by a share of what the model promises; else :math:`\mu` grows, and D, the diagonal of H, keeps
the step near.  With many columns only those of a *working set* have a part: the support, and the columns that
violate their optimality conditions the most.  One product with all of X then tells which were missed.

Source: Lee, Sun and Saunders (2014), *Proximal Newton-type methods for minimizing composite functions*;
Massias, Gramfort and Salmon (2018), *Celer*, for working sets that double.  Derivation:
docs/derivations/l1.md, equations (17) to (20).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from ..optimize._optimality import max_norm
from ..optimize._stopping import (
    CALLBACK,
    NO_DECREASE,
    NOT_FINITE,
    ROUNDING,
    Stopping,
    frozen,
    noise_of,
    starting_point,
)
from ..penalties import L1
from .linear import LinearObjective
from .quadratic import minimise_quadratic

WHOLE = 100  # parameters up to which the whole Hessian is formed
WIDENED = 10  # columns of the first working set, at least
GROWTH = 1.0  # of the support, from one working set to the next
SHARE = 0.3  # of the violation, to which a working set is solved
DENSE = 1 << 24  # entries of a sparse working set up to which it is made dense
SUFFICIENT = 1e-4  # share of the promised decrease
GOOD = 0.5  # share of it from which the damping shrinks
DAMPING = 1e-3  # the first, relative to the diagonal of the Hessian
MOST_DAMPING = 1e16
ROUNDED = 1e-15  # of the curvature: what is left of one that cancels
FLAT = 1e-8  # curvature, relative to the largest, that counts as none
SWEEPS = 1000  # of coordinate descent to a model


@dataclass(frozen=True)
class ProximalNewton:
    """Minimise ``objective.penalised_value`` over coefficients within their bound.

    Parameters
    ----------
    tol : float, default=1e-8
        Stop when no component of the smallest subgradient is larger in absolute value, in the objective's
        units.
    max_iter : int, default=100
        Most Newton steps.
    """

    tol: float = 1e-8
    max_iter: int = 100

    def minimise(self, objective: LinearObjective, x0, progress=None):
        """Minimise from `x0`, by working sets where there are many columns.

        Parameters
        ----------
        objective : LinearObjective
        x0 : array-like of shape (size,)
        progress : callable, optional
            ``progress(iteration, value, x)`` after each step; a true answer stops.

        Returns
        -------
        Solution
            Its `value` includes the penalty, its `gradient` is the smallest subgradient.
        """
        x = np.array(starting_point(x0))
        if objective.positive:
            coef, _ = objective.unpack(x)
            np.maximum(coef, 0.0, out=coef)
        stopping = Stopping(self.tol, self.max_iter)
        if objective.size <= WHOLE or objective.p <= WIDENED:
            return _newton(objective, stopping, frozen(x), progress)
        return _by_working_sets(objective, stopping, frozen(x), progress)


def smallest_subgradient(objective: LinearObjective, x, gradient):
    """Of F, which has this gradient at `x`, with the penalty; the gradient itself in the intercepts."""
    out = gradient.copy()
    coef, slope = objective.unpack(x)[0], objective.unpack(out)[0]
    slope[...] = L1(objective.l1, objective.positive).subgradient(coef, slope)
    return out


# --------------------------------------------------------------------------------------- working sets


def _by_working_sets(objective, stopping, x, progress):
    watch = stopping.watch(None, objective)  # the steps are reported where they are taken
    columns, reason = _Columns(objective), None
    support = np.flatnonzero(_largest(objective, np.abs(x)))
    restricted = _Restricted(objective, columns(support), support)
    value, gradient = objective.value_gradient_from(x, restricted.small.raw(restricted.project(x)))
    watch.n_evaluations += 1
    while True:
        smallest = smallest_subgradient(objective, x, gradient)
        reason = watch.see(x, value + objective.kinks(x), smallest) or reason
        if reason:
            return watch.solution(reason)
        kept = _working_set(objective, x, np.abs(smallest) * watch.units)
        restricted = _Restricted(objective, columns(kept), kept)
        tol = max(SHARE * max_norm(smallest * watch.units), 0.5 * stopping.tol)
        inner = Stopping(tol, stopping.max_iter - watch.n_iter)
        taken = watch.n_iter
        heard = progress and (lambda i, v, z, r=restricted, t=taken: progress(t + i, v, r.lift(z)))
        solution = _newton(restricted.small, inner, restricted.project(x), heard)
        watch.n_evaluations += solution.n_evaluations
        if solution.n_iter == 0:
            return watch.solution(ROUNDING if solution.converged else solution.reason)
        watch.curve += solution.curve[1:-1]
        x = frozen(restricted.lift(solution.x))
        if solution.reason == CALLBACK:
            reason = CALLBACK
        value, gradient = objective.value_gradient_from(x, restricted.small.raw(solution.x))


def _working_set(objective, x, violations):
    """The support, and as many of the other columns: those that violate the most."""
    violations = _largest(objective, violations)
    support = _largest(objective, np.abs(x)) > 0
    room = max(WIDENED, int(np.sqrt(objective.p)), int(GROWTH * support.sum()))
    violations[support] = 0.0
    others = np.flatnonzero(violations)
    if len(others) > room:
        others = others[np.argpartition(violations[others], len(others) - room)[len(others) - room :]]
    support[others] = True
    return np.flatnonzero(support)


class _Restricted:
    """The problem in some of the columns."""

    def __init__(self, objective, X, kept):
        self._objective, self._kept = objective, kept
        self.small = objective.with_columns(X)

    def project(self, x):
        coef, intercept = self._objective.unpack(x)
        return frozen(self.small.pack(coef[..., self._kept], intercept))

    def lift(self, x):
        small, intercept = self.small.unpack(x)
        coef = np.zeros((*small.shape[:-1], self._objective.p))
        coef[..., self._kept] = small
        return self._objective.pack(coef, intercept)


class _Columns:
    """Gathers columns of X: dense where that is affordable, and of a dense X in C order each column once."""

    def __init__(self, objective):
        X = objective.design.X
        self._sparse = objective.design.sparse
        self._X = X.tocsc() if self._sparse else X
        self._place = np.full(X.shape[1], -1)
        self._gathered = [np.empty((0, X.shape[0]), X.dtype)]

    def __call__(self, kept) -> Any:
        if self._sparse:
            part = self._X[:, kept]
            return part.toarray() if part.shape[0] * len(kept) <= DENSE else part.tocsr()
        if self._X.flags.f_contiguous:
            return self._X.T[kept].T
        new = kept[self._place[kept] < 0]
        self._place[new] = sum(map(len, self._gathered)) + np.arange(len(new))
        self._gathered = [np.concatenate([*self._gathered, self._X[:, new].T])]
        return self._gathered[0][self._place[kept]].T


def _largest(objective, x):
    """For each column, the largest of its entries of `x` over the outputs."""
    coef = objective.unpack(x)[0]
    return coef if coef.ndim == 1 else coef.max(axis=0)


# --------------------------------------------------------------------------------------- Newton's steps


def _newton(objective, stopping, x, progress):
    watch = stopping.watch(progress, objective)
    penalty = _PenaltyOfModel(objective, watch.units)
    value, gradient = watch.evaluate(objective, x)
    value += objective.kinks(x)
    damping, first = 0.0, None
    while True:
        smallest = smallest_subgradient(objective, x, gradient)
        reason = watch.see(x, value, smallest)
        if reason:
            return watch.solution(reason)
        violation = max_norm(smallest * watch.units)
        first = violation if first is None else first
        hessian = objective.hessian(x)
        if not np.isfinite(hessian).all():
            return watch.solution(NOT_FINITE)
        model = _Model(penalty, x, gradient, hessian, objective.convex)
        noise = noise_of(objective) * max(abs(value), np.finfo(float).tiny)
        tol = max(min(0.1, violation / first) * violation, 1e-3 * stopping.tol)
        while True:
            trial, promised = model.minimise(damping, 0.1 * tol)
            trial = frozen(trial)
            new, new_gradient = watch.evaluate(objective, trial)
            new += objective.kinks(trial)
            usable = np.isfinite(new) and np.isfinite(new_gradient).all()
            if promised <= noise:
                flatter = usable and max_norm(
                    smallest_subgradient(objective, trial, new_gradient) * watch.units
                ) < min(0.5 * violation, np.inf)
                if not flatter or new > value + noise:
                    return watch.solution(ROUNDING)
                break
            if usable and value - new >= SUFFICIENT * promised - noise:
                if value - new >= GOOD * promised:
                    damping = 0.1 * damping if damping > DAMPING else 0.0
                break
            damping = max(10.0 * damping, DAMPING)
            if damping > MOST_DAMPING:
                return watch.solution(NO_DECREASE)
        x, value, gradient = trial, new, new_gradient


class _PenaltyOfModel:
    """The penalty and the bounds, coordinate by coordinate of the flat vector in units of size one."""

    def __init__(self, objective, units):
        self.units = np.broadcast_to(np.asarray(units, float), (objective.size,))
        of_coef = np.zeros(objective.size)
        objective.unpack(of_coef)[0][...] = 1.0
        self.coef, self.free = np.flatnonzero(of_coef), np.flatnonzero(of_coef == 0)
        self.several = objective.n_outputs is not None  # else the intercept is the last
        self.l1 = objective.l1 * self.units[self.coef]
        self.positive = np.full(len(self.coef), objective.positive)


class _Model:
    """The quadratic model of F at x plus the penalty, in variables v with x = units * v.

    The intercepts are free: they are minimised away first, or coordinate descent would crawl wherever the
    columns are far from zero.
    """

    def __init__(self, penalty, x, gradient, hessian, convex):
        self._penalty, units = penalty, penalty.units
        self._v, self._gradient = x / units, gradient * units
        self._hessian = hessian  # a new array, ours to scale
        self._hessian *= units
        self._hessian *= units[:, None]
        diagonal = np.abs(np.diag(self._hessian))
        top = diagonal.max(initial=0.0) or 1.0
        self._scale = np.maximum(diagonal, FLAT * top)
        self._shift = np.where(diagonal < FLAT * top, 1.0, 0.0)  # a slope without curvature leads far
        if not convex:
            root = np.sqrt(self._scale)
            lowest = scipy.linalg.eigvalsh(self._hessian / root / root[:, None], subset_by_index=(0, 0))[0]
            self._shift += max(0.0, DAMPING - lowest)

    def minimise(self, damping, tol):
        """`(x, decrease that the model promises)`."""
        v, penalty = self._v, self._penalty
        coef, free = penalty.coef, penalty.free
        Q = self._hessian
        if damping or self._shift.any():
            Q = Q + np.diag((damping + self._shift) * self._scale)
        c = Q @ v - self._gradient
        new, of_coef, right = np.empty_like(v), Q, c
        if len(free):
            across = Q[coef][:, free] if penalty.several else Q[:-1, -1:]
            inverse = np.linalg.pinv(Q[np.ix_(free, free)], hermitian=True)
            of_coef = Q[np.ix_(coef, coef)] if penalty.several else Q[:-1, :-1]
            rounding = ROUNDED * np.diag(of_coef)
            of_coef = of_coef - across @ (inverse @ across.T)
            of_coef[np.diag_indices_from(of_coef)] += rounding
            right = c[coef] - across @ (inverse @ c[free])
        options = {"positive": penalty.positive, "tol": tol, "max_sweeps": SWEEPS}
        new[coef] = minimise_quadratic(of_coef, right, penalty.l1, v[coef], **options).w
        if len(free):
            new[free] = inverse @ (c[free] - across.T @ new[coef])
        step = new - v
        kinks = penalty.l1 @ (np.abs(new[coef]) - np.abs(v[coef]))
        promised = -(self._gradient @ step + 0.5 * step @ (Q @ step) + kinks)
        return new * penalty.units, promised
