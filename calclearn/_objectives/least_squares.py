r"""Least squares by the normal equations, and by an orthogonal factorisation where those are too weak.

The centred Gram matrix :math:`G = \sum_i s_i (x_i - \bar x)(x_i - \bar x)^T` is gathered in one pass
over X, at the speed of a symmetric product.  Its columns are equilibrated, so that units do not
matter, and refinement steps with residuals taken from X itself give back the accuracy that squaring
the condition number cost.  Where the equilibrated Gram matrix is nearly singular, or X has fewer rows
than columns, a blocked QR factorisation decides the rank and gives the solution of least norm.

Sources: Björck (1987), Stability analysis of the method of seminormal equations; Demmel, Grigori,
Hoemmen and Langou (2012), Communication-optimal parallel and sequential QR.
Derivation: docs/derivations/least-squares.md, equations (1) to (13).
"""

import contextlib
import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg

from .._runtime.threads import blas_threads
from ..optimize._optimality import max_norm
from .design import Design

WEAKEST = 1e-9  # reciprocal condition of the equilibrated Gram matrix below which QR takes over
REFINEMENTS = 4
FEW = 1 << 16  # entries of a dense X that are centred exactly at once
SAMPLE = 1024  # rows that tell roughly where a column's centre is
EPS = 4 * float(np.finfo(np.float64).eps)
SMALL = 500  # columns for whose factorisations one BLAS thread is the fastest
DENSE_COLUMNS = 4000  # a sparse X with more has no Gram matrix made of it


@dataclass(frozen=True)
class LeastSquares:
    """The solution and what is known about it; for K targets `coef` is (K, p), `intercept` (K,)."""

    coef: np.ndarray
    intercept: np.ndarray
    rank: int
    singular: np.ndarray | None  # of the centred X, in falling order
    residual: float  # sum of squares
    gradient: np.ndarray  # of half the sum of squares, (K, p)
    excess: float | None  # half the sum of squares above its minimum; None without a Gram matrix
    n_refinements: int
    kkt_violation: float | None = None  # of the gradient, under constraints
    details: dict[str, float] = field(default_factory=dict)


def least_squares(X: Design, y, weight=None, *, intercept=True, l2=0.0) -> LeastSquares:
    r"""Minimise :math:`\tfrac12\sum_i s_i (y_i - x_i^T w - b)^2 + \tfrac{\alpha}{2}\|w\|^2`.

    Parameters
    ----------
    X : Design
        n rows, p columns.
    y : ndarray of shape (n, K)
    weight : ndarray of shape (n,), optional
        Non-negative.
    intercept : bool
        Whether `b` is free (and not penalised) or zero.
    l2 : float
        :math:`\alpha`.

    Returns
    -------
    LeastSquares
        Of least norm where the minimiser is not unique.
    """
    n, p = X.shape
    if X.sparse and p > DENSE_COLUMNS:
        return _iterative(X, y, weight, intercept, l2)
    rows = _CentredRows(X, y, weight, intercept)
    if n > p or l2 > 0:
        rows.gather()
        with blas_threads(1) if p <= SMALL else contextlib.nullcontext():
            solved = _by_gram(rows, l2)
        if solved is not None:
            return solved
    return _by_qr(rows, l2)


class _CentredRows:
    """Blocks of [X - c, Y - d] in float64, weighted by the square root of the weights.

    `c` starts as the mean of a sample of rows, or zero where that is as good; :meth:`gather` finds the
    exact means and takes `c` there by algebra, or by a second pass where the sample misled.
    """

    def __init__(self, X, y, weight, intercept):
        self.X, self.Y, self.weight, self.intercept = X, y, weight, intercept
        n, p = X.shape
        self.n, self.p, self.K = n, p, y.shape[1]
        self.total = float(n) if weight is None else float(weight.sum(dtype=np.float64))
        self.shift = np.zeros(p)
        self.y_shift = np.zeros(self.K)
        self.mean = np.zeros(p)  # of X - c, once gathered
        self.y_mean = np.zeros(self.K)
        if intercept:
            self.y_shift = (y.sum(axis=0) if weight is None else weight @ y) / self.total
            if not X.sparse and X.X.size <= FEW:
                sums = X.X.sum(axis=0, dtype=np.float64) if weight is None else weight @ X.X
                self.shift = np.asarray(sums / self.total, np.float64)
            elif not X.sparse:
                sample = X.X[:: max(1, n // SAMPLE)].astype(np.float64)
                centre = sample.sum(axis=0) / max(len(sample), 1)
                sample -= centre
                spread = np.sqrt(np.einsum("ij,ij->j", sample, sample) / max(len(sample), 1))
                self.shift = np.where(np.abs(centre) > 4 * spread, centre, 0.0)

    def block(self, block):
        """`(X - c, Y - d)` of one block, dense and in float64."""
        Z = block.X
        if self.X.sparse:
            Z = Z.toarray()
        if Z.dtype != np.float64 or self.shift.any():
            Z = np.subtract(Z, self.shift, dtype=np.float64)
        Y = self.Y[block.start : block.stop]
        if Y.dtype != np.float64 or self.y_shift.any():
            Y = np.subtract(Y, self.y_shift, dtype=np.float64)
        return Z, Y

    def only(self, columns):
        """The same rows, once gathered, with some of the targets alone; `columns` rise."""
        if len(columns) == self.K:
            return self
        rows = copy.copy(self)
        rows.Y, rows.K = self.Y[:, columns], len(columns)
        for name in ("y_shift", "y_mean", "y_squares"):
            setattr(rows, name, getattr(self, name)[columns])
        rows.cross = self.cross[:, columns]
        return rows

    def weights(self, block):
        return None if self.weight is None else self.weight[block.start : block.stop, None]

    def gather(self):
        """G, Xᵀ Y and the means, all centred; once more where the columns' centres were far off."""
        for _ in range(2):
            with np.errstate(over="ignore", invalid="ignore"):
                gram, cross, sums, y_sums, y_squares = self.X.reduce(self._moments, self.p**2)
            if not self.intercept:
                break
            self.mean, self.y_mean = sums / self.total, y_sums / self.total
            raw_diagonal = np.diag(gram).copy()
            weighted = self.total * self.mean[:, None]
            gram = gram - weighted * self.mean
            cross = cross - weighted * self.y_mean
            y_squares = y_squares - self.total * self.y_mean**2
            # how many digits did the subtraction cost?
            if not (np.diag(gram) < 1e-4 * raw_diagonal).any():
                break
            self.shift = self.shift + self.mean
        for name, squares in (("X", np.diag(gram)), ("y", y_squares)):
            if not np.isfinite(squares).all():
                largest = np.abs(self.X.X if name == "X" else self.Y).max()
                raise ValueError(f"{name} is too large for its squares to be numbers: up to {largest:.3g}")
        self.gram, self.cross = gram, cross
        self.squares, self.y_squares = np.diag(gram), y_squares

    def _moments(self, blocks):
        p, K = self.p, self.K
        gram, cross, sums = np.zeros((p, p)), np.zeros((p, K)), np.zeros(p)
        y_sums, y_squares = np.zeros(K), np.zeros(K)
        for block in blocks:
            Z, Y = self.block(block)
            if self.weight is not None:
                root = np.sqrt(self.weights(block), dtype=np.float64)
                Z, Y = Z * root, Y * root
                ones = root[:, 0]
            else:
                ones = np.ones(len(Z))
            gram += Z.T @ Z
            cross += Z.T @ Y
            sums += ones @ Z
            y_sums += ones @ Y
            y_squares += (Y * Y).sum(axis=0)
        return [gram, cross, sums, y_sums, y_squares]

    def sums(self, blocks):
        """Weighted column sums of X - c and Y - d."""
        total, y_total = np.zeros(self.p), np.zeros(self.K)
        for block in blocks:
            Z, Y = self.block(block)
            weight = np.ones((len(Z), 1)) if self.weight is None else self.weights(block)
            total += weight[:, 0] @ Z
            y_total += weight[:, 0] @ Y
        return [total, y_total]

    def gradient(self, W):
        """Residual sums of squares (K,), Xᵀ(X w + b - y) centred (p, K), and sums of residuals (K,)."""
        offset = self.y_mean - self.mean @ W if self.intercept else np.zeros(self.K)

        def part(blocks):
            squares, gradient, sums = np.zeros(self.K), np.zeros((self.p, self.K)), np.zeros(self.K)
            for block in blocks:
                Z, Y = self.block(block)
                R = Z @ W
                R += offset - Y
                weighted = R if self.weight is None else R * self.weights(block)
                squares += (weighted * R).sum(axis=0)
                gradient += Z.T @ weighted
                sums += weighted.sum(axis=0)
            return [squares, gradient, sums]

        squares, gradient, sums = self.X.reduce(part)
        return squares, gradient - self.mean[:, None] * sums, sums

    def details(self, condition, rank, gradient):
        """Named numbers for the certificate; the gradient in units of the columns of X and of Y."""
        norms = np.sqrt(np.maximum(self.squares[:, None] * self.y_squares, 0.0))
        scaled = np.divide(np.abs(gradient), norms, out=np.zeros_like(gradient), where=norms > 0)
        return {
            "condition_number": float(condition),
            "rank": float(rank),
            "scaled_gradient": float(scaled.max(initial=0.0)),
        }

    def solution(self, W, **facts) -> LeastSquares:
        intercept = np.zeros(self.K)
        if self.intercept:
            intercept = self.y_shift + self.y_mean - (self.shift + self.mean) @ W
        # an estimator of float32 keeps a rounded intercept, at a cost that is known
        rounding = intercept.astype(self.X.dtype) - intercept
        cost = self.total * float(rounding @ rounding)
        facts["residual"] += cost
        if facts["excess"] is not None:
            facts["excess"] += 0.5 * cost
        return LeastSquares(coef=W.T.copy(), intercept=intercept, **facts)


def _by_gram(rows: _CentredRows, l2: float, *, singular=True) -> LeastSquares | None:
    """Cholesky on the equilibrated Gram matrix, refined; None where that is too weak."""
    G = rows.gram.copy()
    G[np.diag_indices(rows.p)] += l2
    scale = np.sqrt(np.diag(G))
    if not (np.isfinite(scale).all() and scale.all()):
        return None
    G /= scale * scale[:, None]
    factor, info = scipy.linalg.lapack.dpotrf(G)
    if info:
        return None
    norm = np.abs(G).sum(axis=0).max()
    reciprocal = float(scipy.linalg.lapack.dpocon(factor, norm)[0]) if rows.p else 1.0
    if reciprocal < WEAKEST:
        return None

    def solve(right):
        return scipy.linalg.lapack.dpotrs(factor, right / scale[:, None])[0] / scale[:, None]

    W = solve(rows.cross)
    floor = np.inf
    for steps in range(REFINEMENTS + 1):
        squares, gradient, _ = rows.gradient(W)
        gradient = gradient + l2 * W
        step = solve(gradient)
        # what is left, in units of the fitted values: a step's length in the metric of the Gram matrix
        left = np.sqrt(max_norm((gradient * step).sum(axis=0)))
        fitted = np.sqrt(max_norm((W * rows.cross).sum(axis=0)))
        if left <= 1e-13 * fitted or left >= 0.5 * floor or steps == REFINEMENTS:
            break
        W, floor = W - step, left
    kept = W.astype(rows.X.dtype).astype(np.float64)
    if (kept != W).any():  # what is certified is what a float32 estimator keeps
        W = kept
        squares, gradient, _ = rows.gradient(W)
        gradient = gradient + l2 * W
        step = solve(gradient)
    values = np.zeros(0)
    if singular and rows.p:
        values = scipy.linalg.svdvals(np.triu(factor) * scale)
    excess = np.maximum((gradient * step).sum(axis=0), 0.0)
    # the gradient itself is known up to rounding; the least curvature says what that may hide
    lengths = np.sqrt(np.maximum(rows.squares, 0.0))
    rounding = EPS * (np.sqrt(np.maximum(rows.y_squares, 0.0)) + lengths @ np.abs(W))
    hidden = rows.p * rounding**2 / (reciprocal * norm) if rows.p else np.zeros(rows.K)
    return rows.solution(
        W,
        rank=rows.p,
        singular=values if singular else None,
        residual=float(squares.sum()),
        gradient=gradient.T,
        excess=0.5 * float(((np.sqrt(excess) + np.sqrt(hidden)) ** 2).sum()),
        n_refinements=steps,
        details=rows.details(1.0 / reciprocal, rows.p, gradient),
    )


def _by_qr(rows: _CentredRows, l2: float) -> LeastSquares:
    """The rank from the equilibrated triangle of X, and the solution of least norm."""
    A, B = _triangular(rows, l2)
    scale = np.where(rows.squares > 0, np.sqrt(rows.squares), 1.0)
    Q, T, pivot = scipy.linalg.qr(A / scale, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(T))
    tolerance = max(rows.n, rows.p) * np.finfo(rows.X.dtype).eps * diagonal.max(initial=0.0)
    n_rows = rows.n if rows.weight is None else int(np.count_nonzero(rows.weight))
    rank = int((diagonal > tolerance).sum())
    if not l2:
        rank = min(rank, n_rows - rows.intercept)  # centring costs one
    W = _least_norm(T[:rank], pivot, scale, Q[:, :rank].T @ B)
    squares, gradient, _ = rows.gradient(W)
    gradient = gradient + l2 * W
    condition = (diagonal.max(initial=0.0) / diagonal[rank - 1]) ** 2 if rank else 1.0
    return rows.solution(
        W,
        rank=rank,
        singular=_singular(A, rows),
        residual=float(squares.sum()),
        gradient=gradient.T,
        excess=None,
        n_refinements=0,
        details=rows.details(condition, rank, gradient),
    )


def nonnegative_least_squares(X: Design, y, weight=None, *, intercept=True) -> LeastSquares:
    """Least squares over w >= 0, dense X: Lawson and Hanson's active sets on the triangle of X."""
    rows = _CentredRows(X, y, weight, intercept)
    A, B = _triangular(rows, 0.0)
    W = np.column_stack([scipy.optimize.nnls(A, B[:, k])[0] for k in range(rows.K)])
    squares, gradient, _ = rows.gradient(W)
    violation = np.where(W > 0, np.abs(gradient), np.maximum(0.0, -gradient))
    rank = int(np.linalg.matrix_rank(A))
    return rows.solution(
        W,
        rank=rank,
        singular=_singular(A, rows),
        residual=float(squares.sum()),
        gradient=gradient.T,
        excess=None,
        n_refinements=0,
        kkt_violation=float(violation.max(initial=0.0)),
        details={"rank": float(rank)},
    )


def _triangular(rows, l2):
    """`(A, B)` with the same least-squares problem as the centred [X, Y], and at most p + K rows."""
    p, K = rows.p, rows.K
    if rows.intercept:  # a triangle cannot be centred afterwards
        sums, y_sums = rows.X.reduce(rows.sums)
        rows.shift, rows.y_shift = rows.shift + sums / rows.total, rows.y_shift + y_sums / rows.total
    rows.mean, rows.y_mean = np.zeros(p), np.zeros(K)
    stacked = list(rows.X.reduce(lambda blocks: [_Stack(_triangle(rows, blocks))], (p + K) ** 2)[0])
    if l2:
        stacked.append(np.hstack([np.sqrt(l2) * np.eye(p), np.zeros((p, K))]))
    R = np.linalg.qr(np.vstack(stacked), mode="r")
    rows.squares, rows.y_squares = (R[:, :p] ** 2).sum(axis=0), (R[:, p:] ** 2).sum(axis=0)
    return R[:, :p], R[:, p:]


def _singular(A, rows):
    """The min(n, p) singular values of the centred X."""
    values = scipy.linalg.svdvals(A) if A.size else np.zeros(0)
    wanted = min(rows.n, rows.p)
    return np.concatenate([values, np.zeros(max(0, wanted - len(values)))])[:wanted]


def _triangle(rows, blocks):
    """R of the QR factorisation of these blocks of [X - c, Y - d], one block after the other."""
    R = np.zeros((0, rows.p + rows.K))
    for block in blocks:
        Z, Y = rows.block(block)
        both = np.hstack([Z, Y])
        if rows.weight is not None:
            both *= np.sqrt(rows.weights(block), dtype=np.float64)
        R = np.linalg.qr(np.vstack([R, both]), mode="r")
    return R


class _Stack(tuple):
    """Triangles that are 'added' by standing on one another."""

    def __new__(cls, *triangles):
        return super().__new__(cls, triangles)

    def __add__(self, other):
        return _Stack(*tuple(self), *tuple(other))


def _least_norm(T, pivot, scale, right):
    """The w of least norm with T Pᵀ diag(scale) w = right, T of full row rank."""
    M = np.empty_like(T)
    M[:, pivot] = T
    M *= scale
    if M.shape[0] == M.shape[1]:  # unique: do not let the scales of the columns mix
        return _unpermute(scipy.linalg.solve_triangular(T, right), pivot) / scale[:, None]
    Q, R = np.linalg.qr(M.T)
    return Q @ scipy.linalg.solve_triangular(R, right, trans=1)


def _unpermute(u, pivot):
    out = np.empty_like(u)
    out[pivot] = u
    return out


def _iterative(X: Design, y, weight, intercept, l2) -> LeastSquares:
    """Paige and Saunders' LSQR on the centred operator, for sparse X with very many columns."""
    n, p = X.shape
    weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    root, total = np.sqrt(weight), weight.sum()
    mean = X.transposed_times(weight) / total if intercept else np.zeros(p)
    y_mean = weight @ y / total if intercept else np.zeros(y.shape[1])

    operator: Any = scipy.sparse.linalg.LinearOperator(
        (n, p),
        matvec=lambda v: root * (X.X @ v.ravel() - mean @ v.ravel()),
        rmatvec=lambda u: X.X.T @ (root * u.ravel()) - mean * (root @ u.ravel()),
        dtype=np.float64,
    )
    columns = [
        scipy.sparse.linalg.lsqr(
            operator, root * (y[:, k] - y_mean[k]), damp=np.sqrt(l2), atol=1e-12, btol=1e-12
        )
        for k in range(y.shape[1])
    ]
    W = np.column_stack([column[0] for column in columns])
    R = (X.X @ W - mean @ W) - (y - y_mean)
    gradient = X.X.T @ (weight[:, None] * R) - np.outer(mean, weight @ R) + l2 * W
    return LeastSquares(
        coef=W.T.copy(),
        intercept=y_mean - mean @ W,
        rank=min(n, p),
        singular=None,
        residual=float(np.einsum("i,ij,ij->", weight, R, R)),
        gradient=gradient.T,
        excess=None,
        n_refinements=max(int(column[2]) for column in columns),
        details={"condition_number": max(float(column[6]) for column in columns)},
    )
