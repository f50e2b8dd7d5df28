r"""Ridge regression for many penalties at once, with the errors of leaving one row out.

One decomposition serves all :math:`\alpha`: of the centred :math:`A^T A = V L V^T` where X has more rows
than columns, else of :math:`A A^T = Q L Q^T`.  A row that was left out is predicted without fitting again,

.. math::
    y_i - \hat y_i^{(-i)} = \frac{y_i - \hat y_i}{1 - h_i},\qquad
    h_i = \frac{s_i}{\sum_k s_k} + s_i\,(x_i - \bar x)^T (A^T A + \alpha I)^{-1} (x_i - \bar x),

where the first term of the leverage is the free intercept's.  In the rows both sides of the fraction are
found without subtraction, as :math:`\alpha (A A^T + \alpha I)^{-1}` applied to the targets, and its diagonal.

Source: Rifkin and Lippert (2007), *Notes on regularized least squares*.
Derivation: docs/derivations/least-squares.md, equations (17) to (20).
"""

import copy

import numpy as np

from .._runtime.threads import blas_threads, run
from .design import Design
from .least_squares import _CentredRows, _triangular
from .ridge import Centred, RidgeFit, _by_groups, dual, solve_gathered

WEAK = 1e-10  # smallest over largest eigenvalue below which the singular values are taken instead
LOST = 1e-4  # of a sum of squares, what a subtraction must leave


def ridge_path(X: Design, Y, weight, alphas, *, intercept=True, mode="eigen"):
    """The decomposition for these penalties: of the columns where there are fewer of them, or of the rows.

    Parameters
    ----------
    X : Design
        n rows, p columns.
    Y : ndarray of shape (n, K)
    weight : ndarray of shape (n,) or None
    alphas : ndarray of shape (m,)
        Not negative.
    intercept : bool
    mode : {"eigen", "svd"}
        Whether the Gram matrix is decomposed, or X; "svd" is for dense X.

    Returns
    -------
    Tall or Wide
    """
    if X.shape[0] <= X.shape[1]:
        return Wide(Centred(X, Y, weight, intercept), mode)
    rows = _CentredRows(X, Y, weight, intercept)
    rows.gather()
    return Tall(rows, alphas, mode)


class Tall:
    """n > p: from the eigenvectors of the centred Gram matrix."""

    def __init__(self, rows, alphas, mode="eigen"):
        self.rows, weak = rows, mode == "svd"
        if not weak:
            self.values, self.V = np.linalg.eigh(rows.gram)
            largest = self.values.max(initial=0.0)
            weak = self.values.min(initial=largest) + alphas.min() < WEAK * largest
        if weak:
            T = _triangular(copy.copy(rows), 0.0)[0]
            s, Vt = np.linalg.svd(T, full_matrices=False)[1:]
            self.values, self.V = s**2, Vt.T
        self.cross = self.V.T @ rows.cross

    def coefficients(self, alphas):
        """`(W, b)` of shapes (m, p, K) and (m, K)."""
        rows = self.rows
        shrunk = _inverse(self.values, alphas).T[:, :, None] * self.cross
        W = self.V @ shrunk
        b = rows.y_shift + rows.y_mean - (rows.shift + rows.mean) @ W
        return W, b if rows.intercept else np.zeros_like(b)

    def errors(self, alphas):
        """What is wrong with the prediction of each row that was left out: (n, K, m)."""
        rows, m = self.rows, len(alphas)
        inverse = _inverse(self.values, alphas)
        shrunk = (self.cross[:, :, None] * inverse[:, None, :]).reshape(rows.p, -1)
        mean = rows.mean @ self.V
        out = np.empty((rows.n, rows.K, m))

        def part(blocks):
            for block in blocks:
                Z, Y = rows.block(block)
                P = Z @ self.V - mean
                residual = (Y - rows.y_mean)[:, :, None] - (P @ shrunk).reshape(len(P), rows.K, m)
                leverage = np.square(P) @ inverse
                if rows.intercept:
                    leverage += 1.0 / rows.total
                if rows.weight is not None:
                    leverage *= rows.weights(block)
                left = np.maximum(1.0 - leverage, np.finfo(np.float64).eps)
                out[block.start : block.stop] = residual / left[:, None, :]

        with blas_threads(1):
            run(part, rows.X.lanes, rows.X.n_threads)
        return out

    def fit(self, alpha) -> RidgeFit:
        """The fit for one alpha a target."""
        return solve_gathered(self.rows, alpha)


class Wide:
    """n <= p: from the eigenvectors of A Aᵀ, or the left singular vectors of A."""

    def __init__(self, A: Centred, mode="eigen"):
        self.A, self.K, null = A, None, None
        if A.intercept:  # the direction that the free intercept takes, made the largest by far
            null = (np.ones(A.n) if A.root is None else A.root) / np.sqrt(A.total)
        if mode == "svd":
            M = np.subtract(A.X.X, A.shift + A.mean, dtype=np.float64)
            M = M if A.root is None else M * A.root[:, None]
            if null is not None:
                size = np.sqrt(2.0 * np.vdot(M, M) + np.finfo(np.float64).tiny)
                M = np.column_stack([M, size * null])
            self.Q, s = np.linalg.svd(M, full_matrices=False)[:2]
            values = s**2
        else:
            self.K = A.outer_gram()
            M = self.K if null is None else self.K + 2.0 * np.trace(self.K) * np.outer(null, null)
            values, self.Q = np.linalg.eigh(M)
        self.used = np.ones(A.n, bool)
        if null is not None:
            self.used[np.argmax(np.abs(null @ self.Q))] = False
        self.values = np.where(self.used, np.maximum(values, 0.0), 0.0)
        self.targets = self.Q.T @ A.B

    def coefficients(self, alphas):
        """`(W, b)` of shapes (m, p, K) and (m, K)."""
        A = self.A
        inverse = _inverse(self.values, alphas) * self.used[:, None]
        c = self.Q @ (inverse.T[:, :, None] * self.targets)
        W = np.stack([A.transposed_times(each) for each in c])
        b = A.y_shift + A.y_mean - (A.shift + A.mean) @ W
        return W, b if A.intercept else np.zeros_like(b)

    def errors(self, alphas):
        """What is wrong with the prediction of each row that was left out: (n, K, m)."""
        A = self.A
        share = alphas / (self.values[:, None] + alphas) * self.used[:, None]
        residual = self.Q @ (self.targets[:, :, None] * share[:, None, :]).reshape(A.n, -1)
        left = np.maximum(np.square(self.Q) @ share, np.finfo(np.float64).tiny)
        out = residual.reshape(A.n, A.K, -1) / left[:, None, :]
        if A.root is None:
            return out
        absent = A.root == 0
        out[~absent] /= A.root[~absent, None, None]
        if absent.any():  # they take part in no fit
            W, b = self.coefficients(alphas)
            raw = np.moveaxis(A.X.X[absent] @ W + b[:, None, :], 0, -1) if not A.X.sparse else None
            if raw is None:
                raw = np.stack([A.X.X[absent] @ W[i] + b[i] for i in range(len(alphas))], axis=-1)
            out[absent] = A.rows.Y[absent][:, :, None] - raw
        return out

    def fit(self, alpha) -> RidgeFit:
        """The fit for one alpha a target."""
        return _by_groups(
            self.A, alpha, lambda columns, strength: dual(self.A.only(columns), strength, self.K)
        )


def _inverse(values, alphas):
    """1 / (values + alphas) of shape (len(values), m), zero where nothing but rounding would be inverted."""
    total = np.maximum(values, 0.0)[:, None] + alphas
    floor = len(values) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return np.divide(1.0, total, out=np.zeros_like(total), where=total > floor)


class Folds:
    """Fits on all rows but some, the Gram matrix of which is that of all rows less theirs.

    Parameters
    ----------
    X, Y, weight, alphas, intercept
        As of :func:`ridge_path`.
    """

    def __init__(self, X: Design, Y, weight, alphas, *, intercept):
        self.X, self.Y, self.weight, self.alphas, self.intercept = X, Y, weight, alphas, intercept
        self.rows = None
        if X.shape[0] > 2 * X.shape[1]:
            self.rows = _CentredRows(X, Y, weight, intercept)
            self.rows.gather()
            self.moments = self._moments(self.rows)

    def coefficients(self, train, test):
        """`(W, b)` of the fits on the rows `train` for each alpha; shapes (m, p, K) and (m, K)."""
        n, p = self.X.shape
        complement = len(train) + len(test) == n and len(np.union1d(train, test)) == n
        if self.rows is not None and complement and p < len(train) and len(test) <= len(train):
            rows = self._without(test)
            if rows is not None:
                return Tall(rows, self.alphas).coefficients(self.alphas)
        weight = None if self.weight is None else self.weight[train]
        path = ridge_path(
            Design(self.X.X[train], self.X.n_threads),
            self.Y[train],
            weight,
            self.alphas,
            intercept=self.intercept,
        )
        return path.coefficients(self.alphas)

    def _moments(self, rows):
        return rows.X.reduce(rows._moments)

    def _without(self, test):
        """Centred moments of the other rows; None where the subtraction costs too many digits."""
        whole = self.rows
        weight = None if self.weight is None else self.weight[test]
        some = _CentredRows(Design(self.X.X[test], self.X.n_threads), self.Y[test], weight, False)
        some.shift, some.y_shift = whole.shift, whole.y_shift
        gram, cross, sums, y_sums, _ = [
            all_rows - of_test for all_rows, of_test in zip(self.moments, self._moments(some), strict=True)
        ]
        rest = copy.copy(whole)
        rest.total = whole.total - some.total
        if not rest.total > 0:
            raise ValueError("sample_weight: all weights of a fold are zero, at least one must be positive")
        if self.intercept:
            rest.mean, rest.y_mean = sums / rest.total, y_sums / rest.total
            gram = gram - rest.total * np.outer(rest.mean, rest.mean)
            cross = cross - rest.total * np.outer(rest.mean, rest.y_mean)
        rest.gram, rest.cross = gram, cross
        kept = np.diag(gram) >= LOST * np.diag(self.moments[0])
        values = np.linalg.eigvalsh(gram) if kept.all() else np.zeros(1)
        enough = values.min(initial=0.0) + self.alphas.min() >= WEAK * values.max(initial=0.0)
        return rest if kept.all() and enough and values.any() else None
