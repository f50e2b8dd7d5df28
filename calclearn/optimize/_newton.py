"""Newton's method in a trust region, with dense Hessians or with products.

Derivation: docs/derivations/newton.md.

Each iterate has a *model*, the quadratic that shares value, gradient and Hessian with the objective there.
The loop, `SecondOrder.minimise`, is the same for both methods: it asks the model for its best step within a
radius, tries it, and widens or narrows the radius by how well the model foretold the objective.  What differs
is how the model is minimised: by factorisation (`_Dense`), or by conjugate gradients (`_Krylov`).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from ._minimiser import Minimiser
from ._stopping import (
    EPS,
    GRADIENT,
    NO_DECREASE,
    NOT_FINITE,
    ROUNDING,
    frozen,
    noise_of,
    require,
    starting_point,
)

ACCEPT, POOR, GOOD = 1e-4, 0.25, 0.75  # actual over predicted decrease (6)
WIDEN = 4.0
NEGATIVE = 1e-8  # curvature below minus this, relative to the largest, is no rounding error
FLAT = 1e-3  # of the largest curvature, in the place of none, for line searches
FORGET = 0.1  # how fast the scales of the variables may shrink from one iterate to the next


class _Step(NamedTuple):
    vector: np.ndarray
    length: float  # in the norm of the region
    gain: float  # the decrease that the model predicts (10)
    inside: bool  # whether it is the model's own minimiser, not held back by the region


class _Path(NamedTuple):
    """Where conjugate gradients ended."""

    vector: np.ndarray
    direction: np.ndarray | None  # of unit length, out of the region or not curved upwards; if one was met
    solved: bool  # whether the residual became small enough


@dataclass(frozen=True)
class SecondOrder(Minimiser):
    """The loop; what is tried and accepted is `_advance`'s business, by default in a trust region."""

    tol: float = 1e-8
    max_iter: int = 100

    def minimise(self, objective, x0, progress=None):
        """Minimise `objective` from `x0`.

        Parameters
        ----------
        objective : object
            With the methods in `requires`.  If its attribute `convex` is true, a small gradient is proof
            enough; otherwise the curvature there is looked at too, and saddles are left.
        x0 : array-like of shape (p,)
            Where to start.
        progress : callable, optional
            ``progress(iteration, value, x)`` after each step; a true answer stops.

        Returns
        -------
        Solution

        Raises
        ------
        TypeError
            If `objective` lacks a method.
        ValueError
            If `x0` is no finite vector.
        """
        require(objective, self.requires, type(self).__name__)
        watch = self._stopping().watch(progress, objective)
        x = starting_point(x0)
        convex = x.size == 0 or bool(getattr(objective, "convex", False))
        value, gradient = watch.evaluate(objective, x)
        reason = watch.see(x, value, gradient)
        radius, model = np.inf, None
        while reason is None or (reason == GRADIENT and not convex):
            with np.errstate(over="ignore", invalid="ignore"):
                model = self._model(objective, x, gradient, model)
            if not model.finite:
                reason = NOT_FINITE
                break
            if reason == GRADIENT and (watch.n_iter >= self.max_iter or not model.indefinite()):
                break
            escaping = reason == GRADIENT
            accepted, radius, failure = self._advance(objective, watch, model, radius, escaping)
            if accepted is None:
                reason = reason or failure
                break
            x, value, gradient = accepted
            reason = watch.see(x, value, gradient)
        known = model is not None and model.x is watch.last[0]
        return watch.solution(reason, hessian=model.hessian if known else None)

    def _advance(self, objective, watch, model, radius, escaping):
        return _advance(objective, watch, model, radius, escaping)


@np.errstate(over="ignore", invalid="ignore")
def _advance(objective, watch, model, radius, escaping):
    """Narrow the region until a step is accepted: ``((x, value, gradient), radius, None)``.

    Where none is, ``(None, radius, reason)``.  Below the rounding error of the objective its differences say
    nothing, and the gradient alone judges (12).
    """
    x, value, gradient = watch.last
    noise = noise_of(objective)
    local, overall = noise * abs(value), noise * np.abs(watch.curve).max()
    promised = np.inf  # what the model's own minimiser, if it has one, would gain
    longest = 0.0
    while True:
        step = model.step(radius, overall)
        if not np.isfinite(step.length) or np.isnan(step.gain):
            return None, radius, NOT_FINITE
        if step.inside:
            promised = step.gain
        trial = frozen(x + step.vector)
        longest = max(longest, step.length)
        collapsed = np.array_equal(trial, x) or step.length <= EPS**2 * longest
        if collapsed or (step.inside and not step.gain > 0.0):
            return None, radius, ROUNDING if promised <= overall else NO_DECREASE
        if escaping and step.gain <= local:
            return None, radius, GRADIENT
        new_value, new_gradient = np.nan, gradient
        if np.isfinite(trial).all() and step.gain > 0.0:
            new_value, new_gradient = watch.evaluate(objective, trial)
        point = trial, new_value, new_gradient
        if new_value == -np.inf:
            return point, radius, None
        if not (np.isfinite(new_value) and np.isfinite(new_gradient).all()):
            radius = 0.1 * step.length
            continue
        actual = value - new_value
        at_rounding = step.gain <= overall and actual >= -overall
        if at_rounding and model.norm(new_gradient) <= 0.5 * model.norm(gradient):
            return point, radius, None
        if step.inside and step.gain <= local:
            return None, radius, ROUNDING
        ratio = actual / step.gain
        if ratio > ACCEPT:
            return point, _next_radius(radius, step, ratio), None
        # The parabola through both values and the slope has its minimum at this fraction of the step.
        slope = gradient @ step.vector
        bend = -actual - slope
        radius = step.length * (np.clip(-0.5 * slope / bend, 0.1, 0.5) if bend > 0.0 else 0.5)


def _next_radius(radius, step, ratio):
    if ratio < POOR:
        return 0.5 * step.length
    if ratio > GOOD:
        return max(radius, (2.0 if step.inside else WIDEN) * step.length)
    return radius


@dataclass(frozen=True)
class Newton(SecondOrder):
    r"""Newton's method with dense Hessians in a trust region.

    Each step minimises :math:`g^\top s + \tfrac12 s^\top H s` over :math:`\|Ds\| \le \Delta`, whatever the
    signs of the curvatures.  A positive definite Hessian costs one Cholesky factorisation an iteration; an
    indefinite or singular one, an eigendecomposition.  A step that is accepted at once costs one value and
    gradient and one Hessian, asked for at the same array.

    Parameters
    ----------
    tol : float, default=1e-8
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=100
        Most steps.
    stall_tol, patience, step_tol : optional
        Keyword-only: other reasons to stop, as in :func:`descend`.

    See Also
    --------
    NewtonCG : The same with Hessian-vector products, for many parameters.

    Notes
    -----
    The region is a ball in variables that give the Hessian a unit diagonal, so the iterates do not depend on
    the units of the parameters.  Source: Moré and Sorensen (1983), *Computing a trust region step*; Moré
    (1978) for the scaling; equations (4)-(12) of docs/derivations/newton.md.

    Examples
    --------
    >>> import numpy as np
    >>> class Bowl:
    ...     convex = True
    ...     def value_gradient(self, x):
    ...         return float(np.sum(np.cosh(x - 1))), np.sinh(x - 1)
    ...     def hessian(self, x):
    ...         return np.diag(np.cosh(x - 1))
    >>> solution = Newton().minimise(Bowl(), [0.0, 3.0])
    >>> solution.reason, solution.x.round(6).tolist()
    ('gradient within tol', [1.0, 1.0])
    """

    requires: ClassVar[tuple[str, ...]] = ("value_gradient", "hessian")

    def _model(self, objective, x, gradient, before):
        return _Dense(x, gradient, objective.hessian(x), before)


@dataclass(frozen=True)
class NewtonCG(SecondOrder):
    r"""Newton's method by truncated conjugate gradients in a trust region.

    Needs products of the Hessian with vectors only.  Conjugate gradients run on :math:`Hs = -g` until the
    residual is small enough for superlinear convergence, the region's boundary is met, or a direction of
    negative curvature is found and followed to the boundary.

    An objective may have a method ``scaling(x)``, asked once, at the start: an object with ``solve(v)``,
    :math:`L^{-1}v`, and ``solve_transposed(v)``, :math:`L^{-T}v`, for some :math:`LL^\top` near the Hessian.
    The method then works in the variables :math:`L^\top s`, where few iterations suffice.

    Parameters
    ----------
    tol : float, default=1e-8
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=200
        Most (outer) steps.
    stall_tol, patience, step_tol : optional
        Keyword-only: other reasons to stop, as in :func:`descend`.

    See Also
    --------
    Newton : The same with dense Hessians.

    Notes
    -----
    Source: Steihaug (1983), *The conjugate gradient method and trust regions in large scale optimization*;
    equations (13)-(14) of docs/derivations/newton.md.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import NewtonCG
    >>> scales = np.arange(1.0, 101.0)
    >>> class Bowl:
    ...     def value_gradient(self, x):
    ...         return 0.5 * float(x @ (scales * x)) - float(x.sum()), scales * x - 1.0
    ...
    ...     def hessian_product(self, x):
    ...         return lambda v: scales * v
    >>> solution = NewtonCG().minimise(Bowl(), np.zeros(100))
    >>> solution.converged, bool(np.allclose(solution.x, 1.0 / scales))
    (True, True)
    """

    max_iter: int = 200
    requires: ClassVar[tuple[str, ...]] = ("value_gradient", "hessian_product")

    def _model(self, objective, x, gradient, before):
        if before is not None:
            scaling = before.scaling
        else:
            scaling = getattr(objective, "scaling", _Unscaled)(x)
        return _Krylov(x, gradient, objective.hessian_product(x), before, scaling, noise_of(objective))


class _Dense:
    """The quadratic model with a dense Hessian, minimised exactly in the variables t = D s (7)."""

    def __init__(self, x, gradient, hessian, before):
        self.x = x
        self.hessian = np.asarray(hessian, dtype=np.float64)
        if self.hessian.shape != (x.size, x.size):
            raise ValueError(f"hessian(x) must have shape {(x.size, x.size)}, got {self.hessian.shape}")
        self.finite = bool(np.isfinite(self.hessian).all())
        if not self.finite:
            return
        self.scale = self._scale(before)
        self.gradient = gradient / self.scale
        self.rounding = 10 * x.size * EPS  # of a unit-diagonal matrix's smallest eigenvalue
        self.spectrum = None
        self.factor = self._cholesky(0.0)
        if self.factor is not None:
            pivots = (np.diagonal(self.factor) * self.scale) ** 2
            if (pivots <= self.rounding * np.diagonal(self.hessian)).any():
                self.factor = None  # it exists by the grace of rounding: collinear columns

    def _scale(self, before):
        scale = np.sqrt(np.abs(np.diagonal(self.hessian)))
        if before is not None:
            np.maximum(scale, FORGET * before.scale, out=scale)
        scale[scale == 0.0] = scale.max(initial=0.0) or 1.0
        return scale

    def _scaled_hessian(self):
        """D⁻¹HD⁻¹ in a new Fortran-ordered array, which LAPACK may overwrite."""
        hessian = self.hessian.T if self.hessian.flags.c_contiguous else self.hessian  # symmetric
        scaled = np.empty_like(hessian, order="F")
        np.divide(hessian, self.scale, out=scaled)
        scaled /= self.scale[:, None]
        return scaled

    def _cholesky(self, shift):
        scaled = self._scaled_hessian()
        if shift:
            scaled.T.flat[:: len(scaled) + 1] += shift  # its diagonal
        factor, info = dpotrf(scaled, lower=1, clean=0, overwrite_a=1)
        return factor if info == 0 else None

    def _eigen(self):
        if self.spectrum is None:
            self.spectrum = eigh(self._scaled_hessian(), overwrite_a=True, check_finite=False)
        return self.spectrum

    def norm(self, gradient):
        """Length of a gradient, in the norm dual to the region's."""
        return np.linalg.norm(gradient / self.scale)

    def indefinite(self):
        """Whether some curvature is negative beyond rounding."""
        if self.factor is not None:
            return False
        curvature, _ = self._eigen()
        return bool(curvature[0] < -NEGATIVE * np.abs(curvature).max())

    def step(self, radius, noise):
        """Best step within `radius`; directions where less than `noise` is to be gained may be left out."""
        t, gain, inside = self._by_eigen(radius, noise) if self.factor is None else self._by_cholesky(radius)
        return _Step(t / self.scale, float(np.linalg.norm(t)), float(gain), inside)

    def descent(self, noise):
        """Newton's direction, with every curvature made positive (15)."""
        if self.factor is not None:
            return -dpotrs(self.factor, self.gradient, lower=1)[0] / self.scale
        curvature, vectors = self._eigen()
        gradient = vectors.T @ self.gradient
        curvature, idle = self._flat(curvature, gradient, noise)
        curvature = np.where(curvature, np.abs(curvature), FLAT * np.abs(curvature).max() or 1.0)
        return vectors @ np.where(idle, 0.0, -gradient / curvature) / self.scale

    def escape(self):
        """The direction of the lowest curvature, downhill, as long as the shortest scale; that curvature."""
        curvature, vectors = self._eigen()
        lowest = vectors[:, 0]
        uphill = self.gradient @ lowest or -lowest[np.argmax(np.abs(lowest))]  # LAPACK's sign is arbitrary
        return -np.sign(uphill) * self.scale.min() * lowest / self.scale, curvature[0] * self.scale.min() ** 2

    def _flat(self, curvature, gradient, noise):
        """The curvatures without those that are rounding errors, and along which of these not to go."""
        largest = np.abs(curvature).max()
        flat = np.abs(curvature) <= self.rounding * max(largest, np.finfo(float).tiny)
        # Along a flat direction the gradient is often rounding alone; a step would wander for nothing.
        idle = flat & (gradient**2 <= 2.0 * np.sqrt(EPS) * largest * noise)
        return np.where(flat, 0.0, curvature), idle

    def _by_cholesky(self, radius):
        """Newton's iteration on the secular equation (8), which climbs to its root from the left (9)."""
        shift, factor = 0.0, self.factor
        while True:
            t = -dpotrs(factor, self.gradient, lower=1)[0]
            length = np.linalg.norm(t)
            if length <= radius * (
                1.0 + 4 * EPS if shift == 0.0 else 1.1
            ):  # else the shift might stay 0 for ever
                gain = 0.5 * (shift * length * length - self.gradient @ t)  # (10)
                return t, gain, shift == 0.0
            bend = np.linalg.norm(dtrtrs(factor, t, lower=1)[0])
            shift += (length / bend) ** 2 * (length / radius - 1.0)
            factor = self._cholesky(shift)

    def _by_eigen(self, radius, noise):
        """The same in the basis of eigenvectors, where any sign of curvature is as easy (8), (11)."""
        curvature, vectors = self._eigen()
        gradient = vectors.T @ self.gradient
        curvature, idle = self._flat(curvature, gradient, noise)
        curvature = curvature[~idle]
        if not curvature.size:
            return np.zeros_like(gradient), 0.0, True
        t = np.zeros_like(gradient)
        t[~idle], inside = self._secular(curvature, gradient[~idle], vectors[:, ~idle][:, 0], radius)
        gain = -(gradient @ t + 0.5 * curvature @ t[~idle] ** 2)
        return vectors @ t, gain, inside

    def _secular(self, curvature, gradient, direction, radius):
        """Minimise Σ gᵢtᵢ + ½λᵢtᵢ² over ‖t‖ ≤ radius, λ ascending; `direction` is the first eigenvector."""
        lowest = curvature[0]
        if lowest > 0.0 and np.linalg.norm(gradient / curvature) <= radius:
            return -gradient / curvature, True
        if radius == np.inf:  # no minimiser: a first guess of how far the model holds
            radius = max(np.linalg.norm(gradient), self.scale.min())
        above = curvature - lowest
        above[above <= self.rounding * np.abs(curvature).max()] = 0.0
        bottom = above == 0.0
        # shift = μ + λ₁, the distance to the pole: here nothing cancels, however close to the hard case.
        shift = max(lowest, np.linalg.norm(gradient[bottom]) / radius)
        for _ in range(100):
            curved = above + shift
            t = np.divide(-gradient, curved, out=np.zeros_like(gradient), where=curved > 0.0)
            length = np.linalg.norm(t)
            if length <= radius * (1.0 + 1e-10):
                break
            unit = t / length  # whose square does not underflow
            bend = np.sum(np.divide(unit * unit, curved, out=np.zeros_like(t), where=curved > 0.0))
            shift += (length / radius - 1.0) / bend
        if not shift and length < radius:  # the hard case (11): the rest of the way costs no gradient
            sign = 1.0 if direction[np.argmax(np.abs(direction))] > 0.0 else -1.0  # LAPACK's is arbitrary
            t[0] = sign * np.sqrt(radius**2 - length**2)
        return t, False


class _Unscaled:
    """The variables as they are."""

    def __init__(self, x):
        pass

    def solve(self, vector):
        return vector

    solve_transposed = solve


class _Krylov:
    """The quadratic model with products only, minimised by conjugate gradients in a ball of t = Lᵀs."""

    hessian = None

    def __init__(self, x, gradient, product, before, scaling, noise):
        self.x = x
        self.scaling = scaling
        self.gradient = scaling.solve(gradient)
        self.product = lambda t: scaling.solve(product(scaling.solve_transposed(t)))
        size = np.linalg.norm(self.gradient)
        self.finite = bool(np.isfinite(size))  # a product that is not shows as a step that is not
        self.first = size if before is None else before.first
        ratio = size / self.first if self.first > 0.0 else 1.0
        rounding = noise / ratio if ratio > 0.0 else 1.0  # of this gradient: below it, no residual is real
        self.forcing = min(0.5, max(min(0.1, np.sqrt(ratio)), rounding))  # (14)
        self.escape = None

    def norm(self, gradient):
        return np.linalg.norm(self.scaling.solve(gradient))

    def indefinite(self):
        """Whether some curvature is negative beyond rounding, as far as a few Lanczos steps see."""
        lowest, direction, largest = _lowest_curvature(self.product, self.x.size)
        if lowest < -NEGATIVE * largest:
            self.escape = direction * (-1.0 if self.gradient @ direction > 0.0 else 1.0)
        return self.escape is not None

    def step(self, radius, noise):
        """Best step found within `radius`."""
        if self.escape is not None:
            vector, inside = self.escape * self._finite(radius), False
        else:
            path = self._conjugate_gradients(self.gradient, radius, self.forcing)
            vector, inside = path.vector, path.solved
            if path.direction is not None:
                vector = vector + _to_boundary(vector, path.direction, self._finite(radius, vector))
        gain = -(self.gradient @ vector + 0.5 * vector @ self.product(vector))
        length = float(np.linalg.norm(vector))
        return _Step(self.scaling.solve_transposed(vector), length, float(gain), inside)

    def _finite(self, radius, vector=0.0):
        """The radius, or where it is infinite and no minimiser exists, a first guess of how far to go."""
        return radius if radius < np.inf else max(1.0, np.linalg.norm(self.x), 2.0 * np.linalg.norm(vector))

    def _conjugate_gradients(self, gradient, radius, forcing):
        """Steihaug's iteration (13) on H s = -gradient, until the residual is `forcing` times the first."""
        s = np.zeros_like(gradient)
        residual = -gradient
        direction = residual.copy()
        square = start = residual @ residual
        largest = 0.0
        for _ in range(10 * gradient.size):
            if square <= forcing**2 * start:
                break
            bent = self.product(direction)
            length = np.linalg.norm(direction)
            curvature = (direction @ bent) / length**2
            largest = max(largest, np.linalg.norm(bent) / length)
            if not curvature > 10 * gradient.size * EPS * largest:
                return _Path(s, direction / length, False)
            along = square / (curvature * length**2)
            ahead = s + along * direction
            if np.linalg.norm(ahead) > radius:
                return _Path(s, direction / length, False)
            s = ahead
            residual = residual - along * bent
            square, before = residual @ residual, square
            direction = residual + (square / before) * direction
        return _Path(s, None, bool(square <= forcing**2 * start))


def _to_boundary(s, direction, radius):
    """The τ·direction, τ ≥ 0, with ‖s + τ·direction‖ = radius, for a unit direction."""
    across = s @ direction
    left = max(radius**2 - s @ s, 0.0)
    root = np.sqrt(across**2 + left)
    return (left / (across + root) if across > 0.0 else root - across) * direction


def _lowest_curvature(product, size, steps=60):
    """Lanczos from a fixed random vector: ``(lowest, its direction, largest absolute)`` of the curvatures."""
    steps = min(steps, size)
    basis, inner, links = np.zeros((steps, size)), np.zeros(steps), np.zeros(steps)
    vector = np.random.default_rng(0).standard_normal(size)
    link = np.linalg.norm(vector)
    for k in range(steps):
        basis[k] = vector / link
        vector = product(basis[k])
        inner[k] = basis[k] @ vector
        rounding = 10 * size * EPS * np.linalg.norm(vector)
        for _ in range(2):  # twice is enough to keep the basis orthogonal
            vector = vector - basis[: k + 1].T @ (basis[: k + 1] @ vector)
        links[k] = link = np.linalg.norm(vector)
        if not np.isfinite(link):
            return 0.0, basis[k], 1.0
        if link <= rounding:
            break
    curvatures, coefficients = eigh_tridiagonal(inner[: k + 1], links[:k])
    return curvatures[0], coefficients[:, 0] @ basis[: k + 1], np.abs(curvatures).max()
