"""The matrix X as objectives see it: blocks of rows, dense or sparse, behind three products.

An objective needs `X w`, `Xᵀ g` and the weighted Gram matrix `Xᵀ diag(h) X`.  Each is a sum over
blocks of rows that fit the processor's cache, so one pass over memory serves all three.  The blocks,
and the lanes that add them up, depend on the shape of X alone: the same bits for any number of
threads, as long as BLAS runs on one thread inside a block.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import kernel

BLOCK_BYTES = 1 << 20  # the share of a core's cache that a block of X may take
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
            view = X.view()
            view.flags.writeable = False
            _scale_rows(view, scale, scaled)
        else:
            np.multiply(X, scale[:, None], out=scaled)
        return scaled


class SparseBlock:
    """Rows start:stop of a CSR X; views of its arrays."""

    __slots__ = ("X", "start", "stop")

    def __init__(self, X, start, stop):
        first, last = X.indptr[start], X.indptr[stop]
        parts = (X.data[first:last], X.indices[first:last], X.indptr[start : stop + 1] - first)
        self.X = type(X)(parts, shape=(stop - start, X.shape[1]), copy=False)
        self.start, self.stop = start, stop

    def times(self, coef):
        return self.X @ coef

    def transposed_times(self, g):
        return self.X.T @ g

    def gram(self, h):
        scaled = self.X.copy()
        scaled.data *= np.repeat(h, np.diff(self.X.indptr))
        return (self.X.T @ scaled).toarray()

    def squares(self, h):
        """The diagonal of :meth:`gram`."""
        return self.X.power(2).T @ h


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
        elif not (X.flags.c_contiguous or X.flags.f_contiguous):
            X = np.ascontiguousarray(X)
        self.X, self.n_threads = X, n_threads
        self.shape, self.dtype = X.shape, X.dtype
        n, p = X.shape
        row_bytes = X.dtype.itemsize * max(p, 1)
        if self.sparse:
            row_bytes = max(12.0 * X.nnz / max(n, 1), 1.0)
        rows = int(min(max(BLOCK_BYTES // row_bytes, 64), 16384))
        block = SparseBlock if self.sparse else DenseBlock
        self.blocks = [block(X, i, j) for i, j in threads.chunks(n, rows)]
        gram_bytes = 8 * (p + 1) ** 2
        n_lanes = max(1, min(LANES, int(LANE_BYTES // gram_bytes)))
        self.lanes = [
            self.blocks[i:j] for i, j in threads.chunks(len(self.blocks), -(-len(self.blocks) // n_lanes))
        ]

    def reduce(self, part: Callable[[Iterable[Any]], Any]) -> Any:
        """The sum of ``part(blocks)`` over the lanes, in their order; `part` returns a list of arrays."""
        with threads.blas_threads(1):
            partial = threads.run(part, self.lanes, self.n_threads)
        total = list(partial[0])
        for other in partial[1:]:
            for k, array in enumerate(other):
                total[k] = total[k] + array
        return total

    def times(self, coef):
        """`X coef` for coef of shape (p,) or (p, K)."""
        coef = np.asarray(coef, self.dtype)
        out = np.empty((self.shape[0], *coef.shape[1:]), self.dtype)

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

        total = self.reduce(part)[0]
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
