r"""Ridge regression: least squares under a squared norm, by every way there is.

.. math::
    F(w, b) = \sum_i s_i (y_i - x_i^T w - b)^2 + \alpha \|w\|^2

for each of K targets, each with an :math:`\alpha` of its own.  With the rows of A the centred and weighted
:math:`\sqrt{s_i}\,(x_i - \bar x)`, and B the same of the targets, the optimum is in two forms

.. math::
    w = (A^T A + \alpha I)^{-1} A^T B = A^T (A A^T + \alpha I)^{-1} B,

of which the smaller matrix is the cheaper.  The iterative ways need products with A alone, which is never
made.

Sources: Hoerl and Kennard (1970), *Ridge regression*; Paige and Saunders (1982), *LSQR*; Saunders,
Gammerman and Vovk (1998), *Ridge regression learning algorithm in dual variables*.
Derivation: docs/derivations/least-squares.md, equations (14) to (17).
"""

import contextlib
import copy
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg

from .._runtime.threads import blas_threads, chunks, run
from ..losses import SquaredError
from ..optimize import Optimality
from ..optimize._optimality import max_norm
from ..optimize._stopping import CONVERGED, DIRECT, GRADIENT, ITERATIONS, NO_DECREASE
from .design import Design
from .least_squares import (
    EPS,
    REFINEMENTS,
    SMALL,
    WEAKEST,
    LeastSquares,
    _by_gram,
    _by_qr,
    _CentredRows,
    _triangular,
)
from .linear import LinearObjective
from .quadratic import minimise_quadratic
from .sag import run_sag

GRAM_SIZE = 2000  # the largest Gram matrix made of a sparse X, or for constraints
GRAM_SHARE = 16_000  # p² for each stored entry of a row, up to which a Gram matrix beats iterations
AUTO_TOL = 1e-8  # "auto" is exact where it factorises, and nearly so where it iterates
CHUNK = 256  # columns of a wide X to a product
SAG_EPOCHS = 1000
DENSE_SHARE = 0.1  # of the entries stored: from here a centred epoch is worth that it is dense


class RidgeFit(NamedTuple):
    """Coefficients (K, p), intercepts (K,), the certificate, iterations a target, and the solver used."""

    coef: np.ndarray
    intercept: np.ndarray
    optimality: Optimality
    n_iter: np.ndarray
    solver: str


def ridge(
    X: Design,
    Y,
    weight,
    alpha,
    *,
    intercept=True,
    solver="auto",
    positive=False,
    tol=1e-4,
    max_iter=None,
    rng=np.random.default_rng,
) -> RidgeFit:
    """Minimise F for each target.

    Parameters
    ----------
    X : Design
        n rows, p columns.
    Y : ndarray of shape (n, K)
    weight : ndarray of shape (n,) or None
        Non-negative.
    alpha : ndarray of shape (K,)
        Non-negative.
    intercept : bool
        Whether `b` is free or zero.
    solver : str
        A name of scikit-learn's, or "coordinate_descent" for `positive`.
    positive : bool
        Whether the coefficients must not be negative.
    tol : float
        Relative, of the iterative solvers.
    max_iter : int, optional
        Most iterations of the iterative solvers.
    rng : callable
        Makes the generator that draws the rows of "sag" and "saga", once a target.

    Returns
    -------
    RidgeFit
    """
    if solver == "auto":
        solver = _fastest(X, positive)
        tol = min(tol, AUTO_TOL)
    if solver in ("cholesky", "coordinate_descent") and (X.shape[1] <= X.shape[0] or positive):
        return _by_gram_matrix(_CentredRows(X, Y, weight, intercept), alpha, solver, tol, max_iter)
    A = Centred(X, Y, weight, intercept)
    if solver == "cholesky":
        return _by_groups(A, alpha, lambda columns, strength: dual(A.only(columns), strength))
    if solver == "svd":
        return _by_svd(A, alpha)
    options: dict[str, Any] = {"sag": {"rng": rng}, "saga": {"rng": rng, "saga": True}}.get(solver, {})
    found = [ITERATIVE[solver](A.only([k]), float(alpha[k]), tol, max_iter, **options) for k in range(A.K)]
    W = np.column_stack([each.w for each in found])
    reasons = sorted((each.reason for each in found), key=CONVERGED.__contains__)  # a failure first
    return A.fit(
        W,
        alpha,
        alpha,
        solver,
        positive=positive,
        n_iter=np.array([each.n_iter for each in found], np.int32),
        reason=reasons[0],
        details={"condition_number": max(each.condition for each in found)} if solver == "lsqr" else {},
    )


def _fastest(X: Design, positive) -> str:
    n, p = X.shape
    if positive:
        return "coordinate_descent" if p <= GRAM_SIZE else "lbfgs"
    if X.sparse:
        a_row = X.X.nnz / max(n, 1)
        gram = p <= n and p <= GRAM_SIZE and p * p <= GRAM_SHARE * a_row
        return "cholesky" if gram or (n < p and n <= GRAM_SIZE) else "sparse_cg"
    return "cholesky"


# ------------------------------------------------------------------------------------- direct solutions


def _by_groups(rows, alpha, solve) -> RidgeFit:
    """Solve the targets of each alpha together, and put them side by side again."""
    if (alpha == alpha[0]).all():
        return solve(np.arange(rows.K), float(alpha[0]))
    values = np.unique(alpha)
    groups = [np.flatnonzero(alpha == value) for value in values]
    fits = [solve(columns, float(value)) for columns, value in zip(groups, values, strict=True)]
    order = np.argsort(np.concatenate(groups), kind="stable")
    return RidgeFit(
        coef=np.concatenate([fit.coef for fit in fits])[order],
        intercept=np.concatenate([fit.intercept for fit in fits])[order],
        optimality=Optimality.merge([fit.optimality for fit in fits]),
        n_iter=np.concatenate([fit.n_iter for fit in fits])[order],
        solver=fits[0].solver,
    )


def _by_gram_matrix(rows: _CentredRows, alpha, solver, tol, max_iter) -> RidgeFit:
    rows.gather()
    if solver == "coordinate_descent":
        return _descend(rows, alpha, tol, max_iter)
    return solve_gathered(rows, alpha)


def solve_gathered(rows: _CentredRows, alpha) -> RidgeFit:
    """Cholesky on a Gram matrix that is there; where that is too weak, the QR factorisation of X."""

    def solve(columns, strength):
        some = rows.only(columns)
        with blas_threads(1) if rows.p <= SMALL else contextlib.nullcontext():
            solved = _by_gram(some, strength, singular=False)
        return _of_least_squares(solved or _by_qr(copy.copy(some), strength), strength)

    return _by_groups(rows, alpha, solve)


def _of_least_squares(solved: LeastSquares, alpha) -> RidgeFit:
    bound = None if solved.excess is None else 2.0 * solved.excess
    if bound is None and alpha > 0:
        bound = float((solved.gradient**2).sum()) / alpha
    penalty = alpha * float((solved.coef**2).sum())
    optimality = Optimality(
        objective=solved.residual + penalty,
        gradient_norm=2.0 * max_norm(solved.gradient),
        suboptimality_bound=bound,
        n_iter=solved.n_refinements + 1,
        converged=True,
        reason=DIRECT,
        details=solved.details,
    )
    n_iter = np.full(len(solved.coef), solved.n_refinements + 1, np.int32)
    return RidgeFit(solved.coef, solved.intercept, optimality, n_iter, "cholesky")


def dual(A: "Centred", alpha: float, K=None) -> RidgeFit:
    """Cholesky on the n x n matrix, refined; the SVD where that is too weak."""
    alphas = np.full(A.K, alpha)
    K = A.outer_gram() if K is None else K.copy()
    n = len(K)
    if A.intercept:  # the rows are centred: a direction without coefficients, made harmless
        null = A.root / np.sqrt(A.total) if A.root is not None else np.full(n, n**-0.5)
        K += max(np.trace(K) / n, alpha) * np.outer(null, null)
    K[np.diag_indices(n)] += alpha
    scale = np.sqrt(np.diag(K))
    if not (np.isfinite(scale).all() and scale.all()):
        return _by_svd(A, alphas)
    K /= np.outer(scale, scale)
    norm = np.abs(K).sum(axis=0).max()
    with blas_threads(1) if n <= SMALL else contextlib.nullcontext():
        factor, info = scipy.linalg.lapack.dpotrf(K)
        reciprocal = 0.0 if info else float(scipy.linalg.lapack.dpocon(factor, norm)[0])
    if reciprocal < WEAKEST:
        return _by_svd(A, alphas)

    def solve(right):
        return scipy.linalg.lapack.dpotrs(factor, right / scale[:, None])[0] / scale[:, None]

    c, floor = solve(A.B), np.inf
    for steps in range(REFINEMENTS + 1):
        W = A.transposed_times(c)
        left = A.B - A.times(W) - alpha * c
        size = max_norm(left)
        if size <= EPS * max_norm(A.B) or size >= 0.5 * floor or steps == REFINEMENTS:
            break
        c, floor = c + solve(left), size
    return A.fit(
        W,
        alphas,
        alphas,
        "cholesky",
        n_iter=np.full(A.K, steps + 1, np.int32),
        reason=DIRECT,
        details={"condition_number": 1.0 / reciprocal},
    )


def _by_svd(A: "Centred", alpha) -> RidgeFit:
    """One singular value decomposition, of the triangle of A, for all alphas."""
    T, right = _triangular(A.rows, 0.0)
    U, s, Vt = np.linalg.svd(T, full_matrices=False)
    s = np.where(s > max(A.n, A.p) * np.finfo(np.float64).eps * s.max(initial=0.0), s, 0.0)
    denominator = s[:, None] ** 2 + alpha
    shrunk = np.divide(s[:, None], denominator, out=np.zeros_like(denominator), where=s[:, None] > 0)
    W = Vt.T @ (shrunk * (U.T @ right))
    weakest = s[-1] ** 2 if len(s) == A.p and A.p else 0.0
    largest = (s.max(initial=0.0) ** 2 + alpha).max()
    strength = weakest + alpha
    details = {"condition_number": largest / strength.min()} if strength.min() > 0 else {}
    fresh = A.only(np.arange(A.K))  # whose means the triangle has not moved
    return fresh.fit(W, alpha, strength, "svd", n_iter=np.ones(A.K, np.int32), reason=DIRECT, details=details)


def _descend(rows: _CentredRows, alpha, tol, max_iter) -> RidgeFit:
    """Coordinate descent on the Gram matrix, over coefficients that are not negative."""
    W, sweeps, converged = np.empty((rows.p, rows.K)), np.empty(rows.K, np.int32), True
    scale = np.sqrt(np.where(rows.squares > 0, rows.squares, 1.0))
    for k in range(rows.K):
        # in units of the columns: w = u / scale
        Q = rows.gram / np.outer(scale, scale)
        Q[np.diag_indices(rows.p)] += alpha[k] / scale**2
        c = rows.cross[:, k] / scale
        goal = min(tol, 1e-12) * max_norm(c)
        most = 10_000 if max_iter is None else max_iter
        found = minimise_quadratic(
            np.ascontiguousarray(Q),
            c,
            np.zeros(rows.p),
            positive=np.ones(rows.p, bool),
            tol=goal,
            max_sweeps=most,
        )
        W[:, k], sweeps[k] = found.w / scale, max(1, found.n_sweeps)
        converged &= found.violation <= 10 * max(goal, EPS * max_norm(c))
    A = Centred(rows.X, rows.Y, rows.weight, rows.intercept)
    reason = GRADIENT if converged else ITERATIONS
    return A.fit(W, alpha, alpha, "coordinate_descent", positive=True, n_iter=sweeps, reason=reason)


# ------------------------------------------------------------------------------------------ products with A


class Centred:
    """A and B of the module's text; products with A in float64, without making it.

    A dense X is centred block by block where its means are large beside the spread, else by algebra.
    """

    def __init__(self, X: Design, Y, weight, intercept):
        self.rows = _CentredRows(X, Y, weight, intercept)
        self.X, self.weight, self.intercept = X, weight, intercept
        self.n, self.p = X.shape
        self.K, self.total = Y.shape[1], self.rows.total
        self.root: Any = None if weight is None else np.sqrt(weight, dtype=np.float64)
        self.matrix: Any = None
        if X.sparse:
            self.matrix = X.X.astype(np.float64, copy=False)
        if intercept:
            if X.sparse:
                of_rows = np.ones(self.n) if weight is None else np.asarray(weight, np.float64)
                sums, y_sums = self.matrix.T @ of_rows, of_rows @ (Y - self.rows.y_shift)
            else:
                sums, y_sums = X.reduce(self.rows.sums)
            self.rows.mean, self.rows.y_mean = sums / self.total, y_sums / self.total
        self.mean, self.y_mean = self.rows.mean, self.rows.y_mean  # beyond the shifts
        self.shift, self.y_shift = self.rows.shift, self.rows.y_shift
        self.B = np.subtract(Y, self.y_shift + self.y_mean, dtype=np.float64)
        if self.root is not None:
            self.B *= self.root[:, None]

    def only(self, columns):
        """The same A with some of the targets."""
        some = object.__new__(Centred)
        some.__dict__.update(self.__dict__)
        some.rows = _CentredRows.__new__(_CentredRows)
        some.rows.__dict__.update(self.rows.__dict__)
        some.rows.Y, some.rows.K = self.rows.Y[:, columns], len(columns)
        some.K, some.B = len(columns), self.B[:, columns]
        some.y_mean, some.y_shift = self.y_mean[columns], self.y_shift[columns]
        some.rows.mean, some.rows.shift = self.mean, self.shift
        some.rows.y_mean, some.rows.y_shift = some.y_mean, some.y_shift
        return some

    def times(self, V):
        """A V for V of shape (p,) or (p, k)."""
        if self.matrix is not None:
            out = self.matrix @ V
        else:
            out = np.empty((self.n, *V.shape[1:]))

            def part(blocks):
                for block in blocks:
                    out[block.start : block.stop] = self._block(block) @ V
                return []

            with blas_threads(1):
                run(part, self.X.lanes, self.X.n_threads)
        out -= self.mean @ V
        return out if self.root is None else (out.T * self.root).T

    def transposed_times(self, U):
        """Aᵀ U for U of shape (n,) or (n, k)."""
        U = U if self.root is None else (U.T * self.root).T
        if self.matrix is not None:
            out = self.matrix.T @ U
        else:

            def part(blocks):
                total = np.zeros((self.p, *U.shape[1:]))
                for block in blocks:
                    total += self._block(block).T @ U[block.start : block.stop]
                return [total]

            out = self.X.reduce(part)[0]
        return out - np.multiply.outer(self.mean, U.sum(axis=0))

    def _block(self, block):
        Z = block.X
        return (
            np.subtract(Z, self.shift, dtype=np.float64) if self.shift.any() else Z.astype(float, copy=False)
        )

    def outer_gram(self):
        """A Aᵀ, of shape (n, n): a dense X is centred a few columns at a time."""
        mean = self.shift + self.mean
        if self.matrix is not None:
            K = (self.matrix @ self.matrix.T).toarray()
            of_mean = self.matrix @ mean
            K += mean @ mean - of_mean - of_mean[:, None]
            return K if self.root is None else K * np.outer(self.root, self.root)

        def part(columns):
            Z = np.subtract(self.X.X[:, slice(*columns)], mean[slice(*columns)], dtype=np.float64)
            if self.root is not None:
                Z *= self.root[:, None]
            return Z @ Z.T

        K = np.zeros((self.n, self.n))
        pieces = chunks(self.p, CHUNK)
        with blas_threads(1):
            for first in range(0, len(pieces), self.X.n_threads):  # one matrix a thread at a time
                for piece in run(part, pieces[first : first + self.X.n_threads], self.X.n_threads):
                    K += piece
        return K

    def operator(self):
        """A as SciPy's iterative solvers take it."""
        return scipy.sparse.linalg.LinearOperator(
            (self.n, self.p),
            matvec=lambda v: self.times(v.ravel()),
            rmatvec=lambda u: self.transposed_times(u.ravel()),
            dtype=np.float64,
        )

    def fit(
        self,
        W,
        alpha,
        strength,
        solver,
        *,
        n_iter,
        reason,
        positive=False,
        details=None,
    ) -> RidgeFit:
        r"""The fit that keeps W, with its certificate, computed from X and what is kept.

        F is strongly convex once the free intercept is minimised away: with g half its gradient and a lower
        bound :math:`\sigma` on the curvature of half of it, for any feasible v

        .. math::
            F(v) - F(w) \ge \sum_j 2 g_j (v_j - w_j) + \sigma (v_j - w_j)^2,

        and the least of the right side over the feasible v is how far w can be from the optimum.
        """
        dtype = self.X.dtype
        W = W.astype(dtype).astype(np.float64)
        intercept = np.zeros(self.K)
        if self.intercept:
            intercept = self.y_shift + self.y_mean - (self.shift + self.mean) @ W
        rounding = intercept.astype(dtype) - intercept
        R = self.times(W) - self.B
        g = self.transposed_times(R) + alpha * W
        cost = self.total * float(rounding @ rounding)
        bound, strength = None, np.asarray(strength, np.float64)
        if (strength > 0).all():
            down = -g / strength
            step = np.maximum(down, -W) if positive else down
            promised = -(2.0 * g * step + strength * step**2).sum(axis=0)
            hidden = self._rounding(W) ** 2 / strength
            bound = float(((np.sqrt(np.maximum(promised, 0.0)) + np.sqrt(hidden)) ** 2).sum()) + cost
        violation = np.where(W > 0, np.abs(g), np.maximum(-g, 0.0)) if positive else None
        optimality = Optimality(
            objective=float((R * R).sum()) + float((alpha * W**2).sum()) + cost,
            gradient_norm=None if positive else 2.0 * max_norm(g),
            kkt_violation=None if violation is None else 2.0 * max_norm(violation),
            suboptimality_bound=bound,
            n_iter=int(np.max(n_iter)),
            converged=reason in CONVERGED,
            reason=reason,
            details=details or {},
        )
        return RidgeFit(W.T.copy(), intercept, optimality, n_iter, solver)

    def _rounding(self, W):
        """How far rounding may have taken the gradient of each target, in the Euclidean norm."""
        if self.matrix is not None:
            squares = self.matrix.power(2).sum(axis=1)
        else:
            squares = np.zeros(self.n)

            def part(blocks):
                for block in blocks:
                    Z = self._block(block)
                    squares[block.start : block.stop] = np.einsum("ij,ij->i", Z, Z)
                return []

            run(part, self.X.lanes, self.X.n_threads)
        squares = np.asarray(squares).ravel()
        size = np.sqrt(squares.sum() if self.weight is None else squares @ self.weight)
        return EPS * size * (np.linalg.norm(self.B, axis=0) + size * np.linalg.norm(W, axis=0))


# ---------------------------------------------------------------------------------------- iterative solvers


class Found(NamedTuple):
    """The coefficients of one target, iterations, why they ended; of lsqr, the condition number."""

    w: np.ndarray
    n_iter: int
    reason: str
    condition: float = np.nan


def _lsqr(A: Centred, alpha, tol, max_iter) -> Found:
    """Paige and Saunders' LSQR, damped."""
    found = scipy.sparse.linalg.lsqr(
        A.operator(), A.B[:, 0], damp=np.sqrt(alpha), atol=tol, btol=tol, iter_lim=max_iter
    )
    return Found(found[0], int(found[2]), ITERATIONS if found[1] == 7 else GRADIENT, float(found[6]))


def _conjugate_gradients(A: Centred, alpha, tol, max_iter) -> Found:
    """Conjugate gradients on the smaller of the two forms."""
    steps = 0

    def count(_):
        nonlocal steps
        steps += 1

    wide = A.p > A.n
    right = A.B[:, 0] if wide else A.transposed_times(A.B[:, 0])

    def product(v):
        v = v.ravel()
        inner = A.times(A.transposed_times(v)) if wide else A.transposed_times(A.times(v))
        return inner + alpha * v

    operator = scipy.sparse.linalg.LinearOperator((len(right),) * 2, matvec=product, dtype=np.float64)
    v, info = scipy.sparse.linalg.cg(operator, right, rtol=tol, maxiter=max_iter, callback=count)
    return Found(A.transposed_times(v) if wide else v, steps, ITERATIONS if info else GRADIENT)


def _lbfgs(A: Centred, alpha, tol, max_iter) -> Found:
    """L-BFGS-B over coefficients that are not negative."""

    def half(w):
        residual = A.times(w) - A.B[:, 0]
        value = 0.5 * (residual @ residual) + 0.5 * alpha * (w @ w)
        return value, A.transposed_times(residual) + alpha * w

    found = scipy.optimize.minimize(
        half,
        np.zeros(A.p),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, np.inf)] * A.p,
        tol=tol,
        options={} if max_iter is None else {"maxiter": max_iter},
    )
    reason = (GRADIENT, ITERATIONS, NO_DECREASE)[min(found.status, 2)]
    return Found(found.x, int(found.nit), reason)


def _stochastic(A: Centred, alpha, tol, max_iter, *, rng, saga=False) -> Found:
    """SAG or SAGA, until the gradient is `tol` times what it is at zero; a dense X is centred first."""
    y, X, intercept = A.rows.Y[:, 0], A.X.X, A.intercept
    if intercept and A.X.sparse and X.nnz >= DENSE_SHARE * A.n * A.p:
        X = X.toarray()
    if intercept and isinstance(X, np.ndarray):
        X, intercept = np.subtract(X, A.shift + A.mean, dtype=np.float64, order="C"), False
    if A.intercept:
        y = y - (A.y_shift + A.y_mean)[0]
    objective = LinearObjective(
        SquaredError(),
        Design(X, A.X.n_threads),
        y,
        A.weight,
        l2=alpha / A.total,
        intercept=intercept,
    )
    start = np.zeros(objective.size)
    at_zero = max_norm(objective.value_gradient(start)[1] * objective.units)
    solution = run_sag(
        objective,
        start,
        rng=rng(),
        saga=saga,
        tol=tol * at_zero,
        max_iter=SAG_EPOCHS if max_iter is None else max_iter,
    )
    return Found(objective.unpack(solution.x)[0].copy(), solution.n_iter, solution.reason)


ITERATIVE: dict[str, Any] = {
    "lsqr": _lsqr,
    "sparse_cg": _conjugate_gradients,
    "lbfgs": _lbfgs,
    "sag": _stochastic,
    "saga": _stochastic,
}
