r"""Lower bounds of the optimum of convex linear models with an L1 penalty, or bounded coefficients.

With :math:`r_i` the normalised weights, every u in the domain gives

.. math::
    F^* \ge D(u) = \sum_i r_i (u_i o_i - \ell^*(y_i, u_i)) - \Omega^*(-X^T (r \circ u)),
    \qquad \sum_i r_i u_i = 0,

the last where the intercept is free.  The slopes of the loss at the coefficients are taken, moved until they
add up to zero, and shrunk until the conjugate of the penalty is finite.  All in float64, from the data and the
coefficients alone.  Derivation: docs/derivations/l1.md, equations (9) to (16).
"""

import numpy as np

from ..losses import MultinomialLogLoss, pointwise
from ..losses._conjugate import conjugate
from ..penalties import ElasticNet
from .linear import LinearObjective

EPS = float(np.finfo(np.float64).eps)


def primal_dual(objective: LinearObjective, x) -> tuple[float, float | None]:
    """`(penalised objective, a lower bound of its optimum)`, both in float64; None where none is known.

    Parameters
    ----------
    objective : LinearObjective
        Of a convex loss.
    x : ndarray of shape (size,)

    Returns
    -------
    (float, float or None)
    """
    y, raw = objective.y.astype(np.float64, copy=False), _raw(objective, x)
    weight = np.full(objective.n, objective.factor) if objective.weight is None else objective.weight
    weight = weight.astype(np.float64, copy=False)
    penalty = ElasticNet(objective.l1, objective.l2, objective.positive)
    coef, intercept = objective.unpack(x)
    value, u = pointwise.value_gradient(objective.loss, y, raw, n_threads=objective.n_threads)
    primal = float(weight @ value) + penalty.value(coef)
    primal += 0.5 * objective.l2_intercept * float(np.vdot(intercept, intercept))
    if not (objective.convex and np.isfinite(primal)) or (u.ndim == 2 and not _is_entropy(objective)):
        return primal, None
    if objective.intercept and not objective.l2_intercept:
        u = _without_sum(objective, y, u, weight)
    if u is None:
        return primal, None
    v = _transposed_times(objective, u * (weight if u.ndim == 1 else weight[:, None]))
    duals = [
        _dual(objective, penalty, y, raw, weight, scale, u, v) for scale in _scales(objective, penalty, v)
    ]
    best = max((d for d in duals if np.isfinite(d)), default=None)
    return primal, None if best is None else min(best, primal)


def _scales(objective, penalty, v):
    """Factors of u that may lead into the domain of the penalty's conjugate: 1, and the largest that does."""
    steepest = float((-v if objective.positive else np.abs(v)).max(initial=0.0))
    feasible = 1.0 if steepest <= penalty.l1 else penalty.l1 / steepest * (1.0 - 4 * EPS)
    return {1.0, feasible} if penalty.l2 > 0 else {feasible}


def _dual(objective, penalty, y, raw, weight, scale, u, v):
    """D of `scale` times u."""
    u = scale * u
    if u.ndim == 2:
        terms = objective.loss.conjugate(y, u)
    else:
        terms = conjugate(objective.loss, y, u, raw)
        if objective.offset is not None:
            terms = terms - u * objective.offset
    dual = -float(weight @ terms) - penalty.conjugate(-scale * v)
    if objective.intercept and objective.l2_intercept:
        slope = scale * (weight @ u)
        dual -= 0.5 * float(np.vdot(slope, slope)) / objective.l2_intercept
    return dual


def _without_sum(objective, y, u, weight):
    """U moved, within the conjugate's domain, until its weighted sum is zero; None where it cannot be.

    The domain is convex and holds 0, so any share of a slope is inside: the larger side is shrunk.  The
    slopes of several classes are moved towards probabilities that are the same for all rows.
    """
    if u.ndim == 2:
        return _towards_shares(y, u, weight)
    u = u.copy()
    for _ in range(3):  # once, but for rounding
        up, down = float(weight @ np.maximum(u, 0.0)), float(weight @ np.maximum(-u, 0.0))
        if up > down:
            u[u > 0] *= down / up
        elif down > up:
            u[u < 0] *= up / down
    return u


def _towards_shares(y, u, weight):
    K = u.shape[1]
    codes, total = y.astype(np.intp), weight.sum()
    shares = np.bincount(codes, weight, minlength=K) / total
    excess = weight @ u / total
    over = excess > 0
    mixed = float((excess[over] / (excess[over] + shares[over])).max(initial=0.0))
    if mixed == 0.0:
        return u
    target = np.maximum(shares - excess * ((1.0 - mixed) / mixed), 0.0)
    target = np.tile(target / target.sum(), (len(y), 1))
    target[np.arange(len(y)), codes] -= 1.0
    return (1.0 - mixed) * u + mixed * target


def _is_entropy(objective):
    return isinstance(objective.loss, MultinomialLogLoss)


def _raw(objective, x):
    """The raw predictions in float64, whatever the precision of X."""
    if objective.design.dtype == np.float64:
        return objective.raw(x)
    coef, intercept = objective.unpack(x)
    raw = np.empty((objective.n, *coef.shape[:-1]))
    for block in objective.design.blocks:
        raw[block.start : block.stop] = block.X.astype(np.float64) @ coef.T + intercept
    if objective.offset is not None:
        raw += objective.offset if raw.ndim == 1 else objective.offset[:, None]
    return raw


def _transposed_times(objective, g):
    """Xᵀ g in float64."""
    if objective.design.dtype == np.float64:
        return objective.design.transposed_times(g).T
    blocks = objective.design.blocks
    return sum(block.X.astype(np.float64).T @ g[block.start : block.stop] for block in blocks).T
