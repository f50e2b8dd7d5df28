"""The matrix X as objectives see it: blocks of rows, dense or sparse, behind three products.

An objective needs `X w`, `Xᵀ g` and the weighted Gram matrix `Xᵀ diag(h) X`.  Each is a sum over
blocks of rows that fit the processor's cache, so one pass over memory serves all three.  The blocks,
and the lanes that add them up, depend on the shape of X alone: the same bits for any number of
threads, as long as BLAS runs on one thread inside a block.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import kernel, readonly

BLOCK_BYTES = 1 << 19  # the share of a core's cache that a block of X may take
SPARSE_BLOCK_BYTES = 1 << 22  # less is to be gained by it where indices jump; fewer blocks are fewer calls
GRAM_COLUMNS = 2048  # beyond, nobody asks for one
LANES = 16  # partial sums; more lanes than this many threads would idle
LANE_BYTES = 1 << 28  # what the lanes' Gram matrices may take together


@kernel
def _scale_rows(X, scale, out):
    """out[i, j] = scale[i] X[i, j], X and out in C order, in the precision of `out`."""
    for i in range(X.shape[0]):
        s = scale[i]
        for j in range(X.shape[1]):
            out[i, j] = s * X[i, j]


class DenseBlock:
    """Rows start:stop of a dense X."""

    __slots__ = ("X", "start", "stop")

    def __init__(self, X, start, stop):
        self.X, self.start, self.stop = X[start:stop], start, stop

    def times(self, coef):
        return self.X @ coef

    def transposed_times(self, g):
        return self.X.T @ g

    def gram(self, h):
        """Xᵀ diag(h) X; through a symmetric product where no weight is negative."""
        if h.min() >= 0:
            Z = self._scaled(np.sqrt(h))
            return Z.T @ Z
        return self.X.T @ self._scaled(h)

    def squares(self, h):
        """The diagonal of :meth:`gram`."""
        return np.einsum("i,ij,ij->j", h, self.X, self.X)

    def _scaled(self, scale):
        X = self.X
        scaled = np.empty_like(X)  # keeps the order
        if X.flags.c_contiguous:
            _scale_rows(readonly(X), scale, scaled)
        else:
            np.multiply(X, scale[:, None], out=scaled)
        return scaled


# Unsigned indices spare the check whether they count from the end.


@kernel
def _sparse_times(data, indices, indptr, start, coef, out):
    """out[i] = X[start + i] coef, summed in float64."""
    for i in range(out.shape[0]):
        total = 0.0
        for e in range(np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])):
            total += data[e] * coef[np.uintp(indices[e])]
        out[i] = total


@kernel
def _sparse_times_rows(data, indices, indptr, start, coef, out):
    """The same for coef of shape (p, K) and out of shape (n, K)."""
    for i in range(out.shape[0]):
        out[i] = 0.0
        for e in range(np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])):
            x, row = data[e], coef[np.uintp(indices[e])]
            for k in range(out.shape[1]):
                out[i, k] += x * row[k]


@kernel
def _add_sparse_transposed(data, indices, indptr, start, g, out):
    """Add X[start : start + n]ᵀ g to `out`."""
    for i in range(g.shape[0]):
        for e in range(np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])):
            out[np.uintp(indices[e])] += data[e] * g[i]


@kernel
def _add_sparse_transposed_rows(data, indices, indptr, start, g, out):
    """The same for g of shape (n, K) and out of shape (p, K)."""
    for i in range(g.shape[0]):
        for e in range(np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])):
            x, row = data[e], out[np.uintp(indices[e])]
            for k in range(g.shape[1]):
                row[k] += x * g[i, k]


@kernel
def _add_sparse_squares(data, indices, indptr, start, h, out):
    """out[j] += Σ h[i] X[start + i, j]²."""
    for i in range(h.shape[0]):
        for e in range(np.uintp(indptr[start + i]), np.uintp(indptr[start + i + 1])):
            out[np.uintp(indices[e])] += h[i] * data[e] * data[e]


class SparseBlock:
    """Rows start:stop of a CSR X, whose arrays all blocks share; SciPy's products would hold the GIL."""

    __slots__ = ("_matrix", "arrays", "start", "stop")

    def __init__(self, X, start, stop):
        self._matrix, self.start, self.stop = X, start, stop
        self.arrays = (readonly(X.data), readonly(X.indices), readonly(X.indptr), start)

    @property
    def X(self):
        """These rows as a matrix of their own; views of the arrays."""
        X = self._matrix
        first, last = X.indptr[self.start], X.indptr[self.stop]
        parts = (X.data[first:last], X.indices[first:last], X.indptr[self.start : self.stop + 1] - first)
        return type(X)(parts, shape=(self.stop - self.start, X.shape[1]), copy=False)

    def times(self, coef):
        coef = readonly(coef)
        out = np.empty((self.stop - self.start, *coef.shape[1:]), coef.dtype)
        product = _sparse_times if coef.ndim == 1 else _sparse_times_rows
        product(*self.arrays, coef, out)
        return out

    def transposed_times(self, g):
        out = np.zeros((self._matrix.shape[1], *g.shape[1:]))
        self.add_transposed_times(g, out)
        return out

    def add_transposed_times(self, g, out):
        product = _add_sparse_transposed if g.ndim == 1 else _add_sparse_transposed_rows
        product(*self.arrays, readonly(g), out)

    def gram(self, h):
        X = self.X
        scaled = X.copy()
        scaled.data *= np.repeat(h, np.diff(X.indptr))
        return (X.T @ scaled).toarray()

    def squares(self, h):
        """The diagonal of :meth:`gram`."""
        out = np.zeros(self._matrix.shape[1])
        _add_sparse_squares(*self.arrays, readonly(h), out)
        return out


class Design:
    """A matrix of n rows and p columns, dense in either order or sparse.

    Parameters
    ----------
    X : ndarray or sparse array of shape (n, p), float32 or float64
        Never written to.  CSC is converted to CSR once.
    n_threads : int
        Threads that share the blocks.
    """

    def __init__(self, X, n_threads: int = 1):
        self.sparse = scipy.sparse.issparse(X)
        if self.sparse:
            X = X.tocsr()
        elif X.nbytes <= BLOCK_BYTES or not (X.flags.c_contiguous or X.flags.f_contiguous):
            X = np.ascontiguousarray(X)
        self.X, self.n_threads = X, n_threads
        self.shape, self.dtype = X.shape, X.dtype
        n, p = X.shape
        rows = BLOCK_BYTES // (X.dtype.itemsize * max(p, 1))
        if self.sparse:
            rows = SPARSE_BLOCK_BYTES // max(12.0 * X.nnz / max(n, 1), 1.0)
        if not self.sparse and p <= GRAM_COLUMNS:  # lest adding Gram matrices up costs more than making them
            rows = max(rows, min(p, 1024))
        rows = int(min(max(rows, 64), 16384))
        block = SparseBlock if self.sparse else DenseBlock
        self.blocks = [block(X, i, j) for i, j in threads.chunks(n, rows)]
        self.lanes = self._lanes(LANES)

    def every(self, step):
        """The same matrix with every `step`-th block alone; no copy, and rows keep their numbers."""
        some = copy.copy(self)
        some.blocks = self.blocks[::step]
        some.lanes = some._lanes(LANES)
        return some

    def _lanes(self, n_lanes):
        size = -(-len(self.blocks) // n_lanes)
        return [self.blocks[i:j] for i, j in threads.chunks(len(self.blocks), max(size, 1))]

    def reduce(self, part: Callable[[Iterable[Any]], Any], entries: int = 0) -> Any:
        """The sum of ``part(blocks)`` over the lanes, in their order; `part` returns a list of arrays.

        Where those are large, of so many float64 `entries`, there are fewer lanes, lest they fill the memory.
        """
        affordable = LANE_BYTES // max(8 * entries, 1)
        lanes = self.lanes if affordable >= LANES else self._lanes(max(1, int(affordable)))
        with threads.blas_threads(1):
            partial = threads.run(part, lanes, self.n_threads)
        total = list(partial[0])
        for other in partial[1:]:
            for k, array in enumerate(other):
                total[k] = total[k] + array
        return total

    def times(self, coef):
        """`X coef` for coef of shape (p,) or (p, K)."""
        coef = np.asarray(coef, self.dtype)
        out = np.zeros((self.shape[0], *coef.shape[1:]), self.dtype)

        def part(blocks):
            for block in blocks:
                out[block.start : block.stop] = block.times(coef)

        with threads.blas_threads(1):
            threads.run(part, self.lanes, self.n_threads)
        return out

    def bordered_gram(self, h, *, diagonal=False):
        """The Gram matrix of [X, 1] weighted by h, of shape (p+1, p+1); or only its diagonal."""
        p = self.shape[1]

        def part(blocks):
            total = np.zeros(p + 1) if diagonal else np.zeros((p + 1, p + 1))
            for block in blocks:
                of_rows = h[block.start : block.stop]
                if diagonal:
                    total[:p] += block.squares(of_rows)
                    total[p] += of_rows.sum(dtype=np.float64)
                else:
                    total[:p, :p] += block.gram(of_rows)
                    total[p, :p] += block.transposed_times(of_rows)
                    total[p, p] += of_rows.sum(dtype=np.float64)
            return [total]

        total = self.reduce(part, p + 1 if diagonal else (p + 1) ** 2)[0]
        if not diagonal:
            total[:p, p] = total[p, :p]
        return total

    def transposed_times(self, g):
        """`Xᵀ g` for g of shape (n,) or (n, K), in float64."""

        def part(blocks):
            total = np.zeros((self.shape[1], *g.shape[1:]))
            for block in blocks:
                total += block.transposed_times(g[block.start : block.stop])
            return [total]

        return self.reduce(part)[0]
