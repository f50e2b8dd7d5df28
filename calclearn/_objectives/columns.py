r"""Centred, weighted columns of X: products with all of them, and Gram matrices of some.

Solvers that pick columns need :math:`Z^T r` over all columns now and then, and
:math:`Z_A^T Z_A` of the few in a working set A, where

.. math::  Z = \operatorname{diag}(s / \textstyle\sum s)^{1/2} (X - 1 \bar x^T)

holds the columns as the mean squared error sees them.  Z is never formed: the means are taken off the
products, and only columns of the working set are copied, where X is dense.
"""

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import kernel
from .design import Design

CHUNK_BYTES = 1 << 20  # the share of a core's cache that a group of columns may take
FEW = 256  # columns, of which all may make a working set
THREADED = 1 << 20  # entries of X from which threads share a product


@kernel
def _submatrix(gram, index):
    """gram[index][:, index] of a symmetric matrix whose lower triangle is there."""
    k = len(index)
    out = np.empty((k, k))
    for i in range(k):
        row = gram[index[i]]
        for j in range(k):
            if index[j] <= index[i]:
                out[i, j] = row[index[j]]
    for i in range(k):
        for j in range(k):
            if index[j] > index[i]:
                out[i, j] = out[j, i]
    return out


class Columns:
    """X by columns, and the products with all of them.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p), float32 or float64
        Never written to.  A sparse X is converted to CSC once.
    n_threads : int
    """

    def __init__(self, X, n_threads=1):
        self.sparse = scipy.sparse.issparse(X)
        if self.sparse:
            X = X.tocsc()
        elif not (X.flags.c_contiguous or X.flags.f_contiguous):
            X = np.ascontiguousarray(X)
        self.X, self.shape, self.dtype = X, X.shape, X.dtype
        n, p = X.shape
        self._small = n * p < THREADED
        self.n_threads = 1 if self._small else n_threads
        self._rows = None if self.sparse or p >= n else Design(X, self.n_threads)
        self._groups = threads.chunks(p, max(64, CHUNK_BYTES // (X.dtype.itemsize * max(n, 1))))

    def products(self, U):
        """`Xᵀ U` of shape (p, k), for U of shape (n, k), in float64; BLAS is to be limited to one thread."""
        if self.sparse:
            return self.X.T @ U
        if self._rows is not None:
            return self._rows.transposed_times(U)
        if self._small and self.dtype == np.float64:
            return self.X.T @ U
        out = np.empty((self.shape[1], U.shape[1]))

        def part(group):
            first, last = group
            np.matmul(self.X[:, first:last].T.astype(np.float64, copy=False), U, out=out[first:last])

        threads.run(part, self._groups, self.n_threads)
        return out


class CentredColumns:
    r"""Z, and the centred, weighted y, as a least-squares problem for working sets.

    Its methods :meth:`begin` and :meth:`look` are generators: they yield the vectors of which they need the
    products with all columns of X, and whoever runs them sends those products back.  So problems that share X
    (folds, targets) share the passes over it.

    Parameters
    ----------
    columns : Columns
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional
        Non-negative; rows of weight zero are not looked at.
    intercept : bool
        Whether to centre.
    """

    whole = False  # whether all columns may be taken for a working set
    sweepable = False  # whether paths may be computed without looking at rows

    def __init__(self, columns, y, weight=None, *, intercept=True):
        self.columns, self.intercept = columns, intercept
        n, self.p = columns.shape
        self.rows = None  # those with weight, where X is dense
        self.share, self.root = np.full(n, 1.0 / n), None
        self.total, self.scale = float(n), 1.0 / n
        if weight is not None:
            self.total, self.scale = float(weight.sum(dtype=np.float64)), 1.0
            self.share = weight.astype(np.float64) / self.total
            if not columns.sparse and not weight.all():
                self.rows = np.flatnonzero(weight)
            self.root = np.sqrt(self.share if self.rows is None else self.share[self.rows])
        y = np.asarray(y, np.float64)
        self.y_mean = float(np.average(y, weights=weight)) if intercept else 0.0
        self.target = self._weighted((y - self.y_mean)[slice(None) if self.rows is None else self.rows])
        self.y_square = self.scale * float(self.target @ self.target)
        self.last: tuple = (None, None)  # the working set of the last solution, and its Gram matrix
        self.mean = np.zeros(self.p)
        self.slot = np.full(self.p, -1)  # where a column stands in the cache
        self.cached = np.zeros(0, np.intp)
        self._gram = np.zeros((0, 0))
        self._blocks: list = []  # of cached columns, centred and weighted

    def begin(self):
        """Correlations with y, :math:`Z^T y`; finds the means on the way."""
        U = self._spread(self.target)[:, None]
        if self.intercept:
            U = np.column_stack([self.share, U])
        products = yield U
        if self.intercept:
            self.mean = products[:, 0]
        return products[:, -1] - self.mean * U[:, -1].sum()

    def look(self, w):
        """Correlations :math:`Z^T r` and :math:`r^T r` of the residual at `w`, whose support is cached."""
        if self.columns.sparse:
            support = np.flatnonzero(w)
            fitted = self.columns.X[:, support] @ w[support] - self.mean[support] @ w[support]
            residual = self.target - self._weighted(fitted)
        else:
            residual = self.target.copy()
            of_cached = w[self.cached]
            for first, block in self._blocks:
                coef = of_cached[first : first + block.shape[1]]
                if coef.any():
                    residual -= block @ coef
        u = self._spread(residual)
        products = yield u[:, None]
        return products[:, 0] - self.mean * u.sum(), self.scale * float(residual @ residual)

    def gram(self, index):
        """:math:`Z_A^T Z_A`, in C order; what was asked for before is not computed again."""
        self._fetch(index[self.slot[index] < 0])
        slots = self.slot[index]
        gram = self._gram.view()
        gram.flags.writeable = False
        return _submatrix(gram, slots)

    def _spread(self, residual):
        """The vector u with :math:`X^T u = Z^T r`, up to the means."""
        if self.root is None:
            return self.scale * residual
        weighted = self._weighted(residual)
        if self.rows is None:
            return weighted
        u = np.zeros(self.columns.shape[0])
        u[self.rows] = weighted
        return u

    def _weighted(self, rows):
        return rows if self.root is None else self.root * rows

    def _fetch(self, new):
        """Add columns to the cache, and their products with all that are there."""
        if not len(new):
            return
        k, m = len(self.cached), len(self.cached) + len(new)
        if m > len(self._gram):
            room = max(m, min(2 * m, self.p)) if k else m
            larger = np.empty((room, room))
            larger[:k, :k] = self._gram[:k, :k]
            self._gram = larger
        self.cached = np.concatenate([self.cached, new])
        self.slot[new] = np.arange(k, m)
        gram, X = self._gram, self.columns.X
        if self.columns.sparse:
            scaled = X[:, new].multiply(self.share[:, None]).tocsc()
            gram[k:m, :m] = (scaled.T @ X[:, self.cached]).toarray()
            gram[k:m, :m] -= np.outer(self.mean[new], self.mean[self.cached])
        else:
            z = self._columns(new)
            for first, block in [*self._blocks, (k, z)]:  # rows: the lower triangle
                np.multiply(z.T @ block, self.scale, out=gram[k:m, first : first + block.shape[1]])
            while self._blocks and self._blocks[-1][1].shape[1] <= 2 * z.shape[1]:  # few blocks, few copies
                k, block = self._blocks.pop()
                z = np.hstack([block, z]) if z.flags.c_contiguous else np.vstack([block.T, z.T]).T
            self._blocks.append((k, z))

    def _columns(self, index):
        """Columns of Z, in float64 and in the order of X; unweighted, without the factor n^(-1/2)."""
        X = self.columns.X
        if X.flags.c_contiguous:
            taken = X.take(index, axis=1) if self.rows is None else X[np.ix_(self.rows, index)]
            z = np.subtract(taken, self.mean[index], dtype=np.float64)
            if self.root is not None:
                z *= self.root[:, None]
            return z
        taken = X.T.take(index, axis=0) if self.rows is None else X.T[np.ix_(index, self.rows)]
        z = np.subtract(taken, self.mean[index, None], dtype=np.float64)
        if self.root is not None:
            z *= self.root
        return z.T


class CentredGram:
    """The same problem by its Gram matrix alone: nothing is yielded, no row looked at.

    Parameters
    ----------
    gram : ndarray of shape (p, p)
        :math:`Z^T Z`.
    cross : ndarray of shape (p,)
        :math:`Z^T y`.
    y_square : float
        :math:`y^T y`, centred and weighted alike.
    exact : callable, optional
        From `w` to :math:`Z^T r` and :math:`r^T r`, by the rows: free of the cancellation in the Gram matrix.
    """

    def __init__(self, gram, cross, y_square, total, exact=None):
        self._gram, self.cross, self.exact = gram, cross, exact
        self.p, self.total, self.y_square = len(cross), total, y_square
        self.whole = self.p <= FEW
        self.sweepable = self.whole and exact is None
        self.last: tuple = (None, None)

    def begin(self):
        return self.cross
        yield

    def look(self, w):
        if self.exact is not None:
            return self.exact(w)
        correlation = self.cross - self._gram @ w
        return correlation, max(self.y_square - float((self.cross + correlation) @ w), 0.0)
        yield

    def gram(self, index):
        return self._gram if len(index) == self.p else self._gram[np.ix_(index, index)]


def answer(columns, generators):
    """Run generators that yield vectors for their products with the columns; their results, in order.

    All that ask at the same time are answered by one pass over X.
    """
    results = [None] * len(generators)
    asked: list = [None] * len(generators)
    running = list(range(len(generators)))

    def advance(i):
        try:
            return generators[i].send(asked[i])
        except StopIteration as stop:
            results[i] = stop.value
            return None

    with threads.blas_threads(1):
        while running:
            wanted = threads.run(advance, running, columns.n_threads)
            running = [i for i, U in zip(running, wanted) if U is not None]
            wanted = [U for U in wanted if U is not None]
            if wanted:
                products = columns.products(wanted[0] if len(wanted) == 1 else np.hstack(wanted))
                edges = np.cumsum([0] + [U.shape[1] for U in wanted])
                for i, first, last in zip(running, edges, edges[1:]):
                    asked[i] = products[:, first:last]
    return results
