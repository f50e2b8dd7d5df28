r"""The objective of linear models: the mean loss of X w + b, plus half a squared norm.

.. math::
    F(w, b) = \frac{1}{\sum_i s_i} \sum_i s_i\,\ell(y_i, x_i^T w + b + o_i)
              + \frac{\alpha}{2} \lVert w \rVert^2 + \frac{\beta}{2} b^2

with sample weights `s`, offsets `o` and, for the few solvers that penalise the intercept, :math:`\beta`.
With K outputs `w` has K rows.  The flat vector of the optimisers is ``[w, b]``, or K such rows in a row.
An L1 penalty, which has kinks, and :math:`w \ge 0` are kept beside F: ``penalised_value`` adds the former.
Derivation: docs/derivations/linear-models.md, equations (1) to (4); docs/derivations/l1.md.
"""

import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.lapack import dtrtrs

from .._runtime import threads
from .._runtime.jit import readonly
from ..losses import Loss, pointwise
from . import fused
from .design import Design

GRAM_COLUMNS = 300  # the most for which a Gram matrix is worth its cost as a preconditioner
SAMPLE = 1024  # rows that tell how large a column is
ROWS = 1 << 14  # to a slice
NEWTON_STEPS = 60  # for the intercept alone


class Seen(NamedTuple):
    """What is known where the objective was last asked: raw predictions, F, its gradient, H of the losses."""

    x: Any = None
    raw: Any = None
    value: Any = None
    gradient: Any = None
    hessian: Any = None


class Scaling:
    """A factor L for which :math:`LL^T` is near the Hessian: preconditions conjugate gradients.

    All K outputs share one Gram matrix of [X, 1], weighted by their mean curvature, and each scales it by
    its own; with many columns its diagonal stands for it.
    """

    def __init__(self, objective, h, *, dense=True):
        design, p = objective.design, objective.p
        self._keep = p + objective.intercept
        of_output = h.sum(axis=0, dtype=np.float64)
        mean = np.ascontiguousarray(h.mean(axis=1))
        root = np.sqrt(np.where(of_output > 0, of_output / max(of_output.mean(), 1e-300), 1.0))
        self._root = np.maximum(root, 0.1)  # which scales the penalty too, and that does not vanish
        penalty = np.r_[np.full(p, objective.l2), objective.l2_intercept][: self._keep]
        self._dense = dense and p <= GRAM_COLUMNS and p < objective.n
        gram = objective.factor * design.bordered_gram(mean, diagonal=not self._dense)
        if not mean.any() and not penalty.any():  # nothing to scale by: the variables as they are
            self._dense, gram = False, np.ones(p + 1)
        if self._dense:
            gram = gram[: self._keep, : self._keep] + np.diag(penalty)
            gram[np.diag_indices_from(gram)] += 1e-10 * np.diag(gram).max(initial=1e-300)
            self._factor = np.linalg.cholesky(gram)
        else:
            gram = gram[: self._keep] + penalty
            self._factor = np.sqrt(np.maximum(gram, 1e-10 * gram.max(initial=1e-300)))

    def solve(self, vector):
        """:math:`L^{-1} v`."""
        return self._solve(vector, 0)

    def solve_transposed(self, vector):
        """:math:`L^{-T} v`."""
        return self._solve(vector, 1)

    def _solve(self, vector, transposed):
        rows = vector.reshape(-1, self._keep) / self._root[:, None]
        if not self._dense:
            return (rows / self._factor).ravel()
        return dtrtrs(self._factor, rows.T, lower=1, trans=transposed)[0].T.ravel()


def _runs(blocks):
    """The rows of blocks as slices, neighbours together."""
    starts = [block.start for block in blocks]
    stops = [block.stop for block in blocks]
    firsts = [k for k in range(len(starts)) if k == 0 or starts[k] != stops[k - 1]]
    return [slice(starts[k], stops[last - 1]) for k, last in zip(firsts, [*firsts[1:], len(starts)])]


class LinearObjective:
    r"""F and its derivatives, in one pass over the rows of X each.

    Parameters
    ----------
    loss : Loss
    X : Design, ndarray or sparse array of shape (n, p)
    y : ndarray of shape (n,)
        Targets in the loss's domain; class indices for losses of several outputs.
    weight : ndarray of shape (n,), optional
        Non-negative, not all zero.
    l2, l2_intercept : float
        Strengths :math:`\alpha` and :math:`\beta` of the penalty.
    l1 : float
        Strength of the L1 penalty on the coefficients, which F and its derivatives leave out.
    positive : bool
        Whether the coefficients must not be negative: for the solver to heed.
    offset : ndarray of shape (n,), optional
        Added to the raw predictions.
    intercept : bool
        Whether `b` is free.
    n_outputs : int, optional
        K, for losses over rows of K raws.
    """

    def __init__(
        self,
        loss,
        X,
        y,
        weight=None,
        *,
        l2=0.0,
        l2_intercept=0.0,
        l1=0.0,
        positive=False,
        offset=None,
        intercept=True,
        n_outputs=None,
        n_threads=1,
    ):
        self.loss = loss
        self.design = X if isinstance(X, Design) else Design(X, n_threads)
        self.n, self.p = self.design.shape
        self.n_threads = self.design.n_threads
        self.y = np.ascontiguousarray(y, self.design.dtype)
        total = float(self.n) if weight is None else float(np.sum(weight, dtype=np.float64))
        self.total_weight = total
        # normalised once, so that every sum over rows is a mean; without weights the mean is one factor
        self.weight = None if weight is None else np.ascontiguousarray(weight / total, self.design.dtype)
        self.factor = 1.0 / total if weight is None else 1.0
        self.l2, self.l2_intercept, self.intercept = float(l2), float(l2_intercept), bool(intercept)
        self.l1, self.positive = float(l1), bool(positive)
        self.offset = None if offset is None else np.ascontiguousarray(offset, self.design.dtype)
        self.n_outputs = n_outputs
        self.convex = bool(loss.convex)
        self.noise = (64 if self.design.dtype == np.float64 else 4) * float(np.finfo(self.design.dtype).eps)
        self.size = (self.p + self.intercept) * (n_outputs or 1)
        self._fused = offset is None and fused.fits(self.design, n_outputs)
        self._last = Seen()  # solvers ask for H where they asked for g, and certificates again for g

    @property
    def kinked(self):
        """Whether the coefficients have an L1 penalty or a bound: then F alone is not what is minimised."""
        return self.l1 > 0 or self.positive

    def with_rows(self, X, y, weight, offset):
        """The same loss and penalty over other rows."""
        return LinearObjective(
            self.loss,
            X,
            y,
            weight,
            l2=self.l2,
            l2_intercept=self.l2_intercept,
            l1=self.l1,
            positive=self.positive,
            offset=offset,
            intercept=self.intercept,
            n_outputs=self.n_outputs,
            n_threads=self.n_threads,
        )

    def every(self, step):
        """The same problem, which must have no weights, over every `step`-th block of rows; no copy."""
        some = copy.copy(self)
        some.design = self.design.every(step)
        some.factor = 1.0 / sum(block.stop - block.start for block in some.design.blocks)
        some._fused, some._last = False, Seen()
        return some

    def with_columns(self, X):
        """The same rows with other columns."""
        return self.with_rows(X, self.y, self.weight, self.offset)

    @cached_property
    def units(self):
        """Factors of the gradient where it is held against a tolerance, of the flat vector's shape.

        A column in small units has a small gradient wherever it is: the tolerance counts as if each column
        were of size one at least, by the root mean square of a sample of its rows.
        """
        rows = self.design.X[:: max(1, self.n // SAMPLE)]
        if self.design.sparse:
            squares = np.asarray(rows.power(2).mean(axis=0), np.float64).ravel()
        else:
            squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64) / len(rows)
        size = np.sqrt(squares)
        factors = np.ones((self.n_outputs or 1, self.p + self.intercept))
        factors[:, : self.p] = 1.0 / np.where(size > 0, np.minimum(size, 1.0), 1.0)
        return factors.ravel()

    # ------------------------------------------------------------------------------- the flat vector

    def unpack(self, x):
        """`(coef, intercept)` as views of x: shapes (p,) and (), or (K, p) and (K,)."""
        rows = x if self.n_outputs is None else x.reshape(self.n_outputs, -1)
        if self.intercept:
            return rows[..., : self.p], rows[..., self.p]
        return rows, np.zeros(rows.shape[:-1])

    def pack(self, coef, intercept=0.0):
        """The flat vector of `coef` and `intercept`."""
        coef = np.asarray(coef, np.float64)
        if not self.intercept:
            return coef.ravel().copy()
        intercept = np.broadcast_to(np.asarray(intercept, np.float64), coef.shape[:-1])
        return np.concatenate([coef, intercept[..., None]], axis=-1).ravel()

    def start(self):
        """Zero coefficients, and the intercept that is best for them."""
        coef = np.zeros((self.p,) if self.n_outputs is None else (self.n_outputs, self.p))
        if not self.intercept or self.l2_intercept:
            return self.pack(coef)
        searches = self.n_outputs is not None and type(self.loss).minimiser is Loss.minimiser  # one output's
        if searches or (self.offset is not None and self.convex):
            return self.minimise_intercept(self.pack(coef))
        of_rows = {} if self.n_outputs is None else {"n_classes": self.n_outputs}
        return self.pack(coef, self.loss.minimiser(self.y, self.weight, **of_rows))

    # -------------------------------------------------------------------------- F and its derivatives

    def value(self, x):
        coef, intercept = self._typed(x)
        self._last = Seen()  # lest both take memory
        raw = self._fresh_raw()

        def part(blocks):
            total = 0.0
            for block in blocks:
                rows = slice(block.start, block.stop)
                raw[rows] = self._raw_of(block, coef, intercept)
                total += self._sum(pointwise.value(self.loss, self.y[rows], raw[rows], self._weights(rows)))
            return [total]

        total = self.design.reduce(part)[0]
        self._last = Seen(x.copy(), raw)
        return total * self.factor + self._penalty(x)

    def penalised_value(self, x):
        """F with the L1 penalty: all that is minimised."""
        return self.value(x) + self.kinks(x)

    def kinks(self, x):
        """The L1 penalty, which F leaves out."""
        return self.l1 * float(np.abs(self.unpack(x)[0]).sum()) if self.l1 else 0.0

    def value_gradient(self, x):
        """F and its gradient, in one pass over X."""
        if self._last.gradient is not None and np.array_equal(self._last.x, x):
            return self._last.value, self._last.gradient.copy()
        self._last = Seen()  # lest the raw predictions of both take memory
        coef, intercept = self._typed(x)
        if self._fused:
            weight = None if self.weight is None else readonly(self.weight)
            rows = readonly(self.design.X), readonly(self.y), weight
            value, gradient, H, raw = fused.derivatives(self.loss, *rows, readonly(coef), intercept)
            return self._see(x, raw, value, gradient[None], H)
        raw = self._fresh_raw()
        add, pieces = self._way_over_rows()

        def part(blocks):
            gradient = np.zeros((self.n_outputs or 1, self.p + 1))
            return [sum(add(piece, coef, intercept, raw, gradient) for piece in pieces(blocks)), gradient]

        return self._see(x, raw, *self.design.reduce(part))

    def _way_over_rows(self):
        """`(add, pieces)`: what sums losses and gradient of a piece, and what pieces blocks are cut into.

        One output without offsets takes a row of X from memory once, for its raw prediction and its gradient.
        """
        if self.n_outputs is not None or self.offset is not None:
            return self._add_block, list
        if self.design.sparse:
            return self._add_sparse_block, list
        return (self._add_rows, _runs) if self.design.X.flags.c_contiguous else (self._add_block, list)

    def _add_rows(self, rows, coef, intercept, raw, gradient):
        inputs = self.loss, self.design.X[rows], self.y[rows], self._weights(rows), coef, intercept
        return fused.dense_derivatives(*inputs, raw[rows], gradient[0])

    def _add_sparse_block(self, block, coef, intercept, raw, gradient):
        rows = slice(block.start, block.stop)
        inputs = self.loss, block, self.y[rows], self._weights(rows), coef, intercept
        return fused.sparse_derivatives(*inputs, raw[rows], gradient[0])

    def _add_block(self, block, coef, intercept, raw, gradient):
        rows = slice(block.start, block.stop)
        raw[rows] = self._raw_of(block, coef, intercept)
        v, g = pointwise.value_gradient(self.loss, self.y[rows], raw[rows], self._weights(rows))
        self._add_gradient(gradient, block, g)
        return self._sum(v)

    def value_gradient_from(self, x, raw):
        """F and its gradient where the raw predictions of `x` are known: one product with X."""
        inputs = (self.loss, self.y, raw, self.weight)
        v, g = pointwise.value_gradient(*inputs, n_threads=self.n_threads)
        gradient = np.zeros((self.n_outputs or 1, self.p + 1))
        gradient[:, : self.p] = self.design.transposed_times(g).T
        gradient[:, self.p] = self._column_sums(g)
        return self._see(x, raw, self._sum(v), gradient)

    def _see(self, x, raw, total, gradient, hessian=None):
        """F and its gradient from the sums over rows; remembered."""
        value, gradient = total * self.factor + self._penalty(x), self._finish_gradient(gradient, x)
        self._last = Seen(x.copy(), raw, value, gradient, hessian)
        return value, gradient.copy()

    def hessian(self, x):
        """The symmetric matrix of second derivatives, in the order of the flat vector.

        Block (k, m) of K outputs is the Gram matrix of [X, 1] weighted by the second derivative of the
        loss in raws k and m.
        """
        raw, p, K = self.raw(x), self.p, self.n_outputs or 1
        if self._last.hessian is not None:
            return self._finish_hessian(self._last.hessian.reshape(K, p + 1, K, p + 1))

        def part(blocks):
            total = np.zeros((K, p + 1, K, p + 1))
            for block in blocks:
                rows = slice(block.start, block.stop)
                for k, m, h in self._curvatures(rows, raw[rows]):
                    total[k, :p, m, :p] += block.gram(h)
                    total[k, p, m, :p] += block.transposed_times(h)
                    total[k, p, m, p] += self._sum(h)
            return [total]

        H = self.design.reduce(part, (K * (p + 1)) ** 2)[0]
        for k in range(K):
            for m in range(k + 1):
                H[k, :p, m, p] = H[k, p, m, :p]
                H[m, :, k, :] = H[k, :, m, :]
        return self._finish_hessian(H)

    def _finish_hessian(self, total):
        K, p, keep = len(total), self.p, self.p + self.intercept
        H = (total * self.factor)[:, :keep, :, :keep].reshape(self.size, self.size)
        penalty = np.full((K, keep), self.l2)
        penalty[:, p:] = self.l2_intercept
        H.flat[:: self.size + 1] += penalty.ravel()
        return H

    def minimise_intercept(self, x):
        """`x` with the free intercepts at their best for its coefficients; no pass over X.

        Newton's method on K numbers, as long as it lowers F, or within rounding its slope; the Hessian is
        computed again only where the last one did little.
        """
        if not self.intercept or self.l2_intercept or not self.convex:
            return x
        raw, K = self.raw(x), self.n_outputs or 1
        best, shift, lowest, flattest = np.zeros(K), np.zeros(K), np.inf, np.inf
        inverse, step, longest = None, np.zeros(K), 1.0 + np.abs(raw).max(initial=0.0)
        for _ in range(NEWTON_STEPS):
            with np.errstate(all="ignore"):  # a step may lead too far
                value, gradient = self._shifted(raw, shift)
            slope, rounding = np.abs(gradient).max(), 1e-12 * abs(lowest)
            if value < lowest or (value <= lowest + rounding and slope < 0.5 * flattest):
                if inverse is None or slope > 0.1 * flattest:
                    inverse = self._inverse_intercept_hessian(raw, shift)
                best, lowest, flattest, downhill = shift, value, slope, -gradient
                step = np.clip(inverse @ downhill, -longest, longest)
            elif not 0.5 * (step @ downhill) > rounding:  # nothing is left to gain
                break
            else:
                step = 0.25 * step
            shift = best + step
        coef, intercept = self.unpack(x)
        return self.pack(coef, intercept + (best if self.n_outputs else best[0]))

    def _shifted(self, raw, shift):
        """The sum of losses, and its gradient by the intercepts, where those are `shift` further on."""

        def part(rows):
            moved = raw[rows] + self._per_row(shift)
            v, g = pointwise.value_gradient(self.loss, self.y[rows], moved, self._weights(rows))
            return self._sum(v), self._column_sums(g).reshape(-1)

        values, gradients = zip(*self._by_rows(part), strict=True)
        return sum(values), sum(gradients)

    def _inverse_intercept_hessian(self, raw, shift):
        K = self.n_outputs or 1

        def part(rows):
            H = np.zeros((K, K))
            for k, m, h in self._curvatures(rows, raw[rows] + self._per_row(shift)):
                H[k, m] = H[m, k] = self._sum(h)
            return H

        H = sum(self._by_rows(part))
        return np.linalg.pinv(H, rcond=K * np.finfo(np.float64).eps, hermitian=True)

    def _per_row(self, shift):
        return (shift if self.n_outputs else shift[0]).astype(self.design.dtype)

    def _by_rows(self, part):
        """What `part` answers for one slice of rows after the other; no array of them all is needed."""
        ranges = threads.chunks(self.n, ROWS)
        return threads.run(lambda bounds: part(slice(*bounds)), ranges, self.n_threads)

    def hessian_product(self, x):
        """The function `v -> H(x) v`."""
        raw, n_threads = self.raw(x), self.n_threads
        if self.n_outputs is None:
            inputs = (self.loss, self.y, raw, self.weight)
            _, curvature = pointwise.gradient_hessian(*inputs, n_threads=n_threads)
        else:
            curvature = pointwise.curvature(self.loss, self.y, raw, n_threads=n_threads)

        def product(v):
            coef, intercept = self._typed(v)

            def part(blocks):
                total = np.zeros((self.n_outputs or 1, self.p + 1))
                for block in blocks:
                    rows = slice(block.start, block.stop)
                    direction = block.times(coef.T) + intercept
                    if self.n_outputs is None:
                        weighted = curvature[rows] * direction
                    else:
                        weighted = pointwise.hessian_product(
                            self.loss, self.y[rows], curvature[rows], direction, self._weights(rows)
                        )
                    self._add_gradient(total, block, weighted)
                return [total]

            return self._finish_gradient(self.design.reduce(part)[0], v)

        return product

    def scaling(self, x, *, dense=True):
        """Variables in which the Hessian at `x` is near the identity (see :class:`Scaling`)."""
        inputs = (self.loss, self.y, self.raw(x), self.weight)
        _, h = pointwise.gradient_hessian(*inputs, n_threads=self.n_threads)
        return Scaling(self, np.maximum(h.reshape(self.n, -1), 0.0), dense=dense)

    def raw(self, x):
        """`X w + b`; remembered for the last x."""
        if self._last.x is None or not np.array_equal(self._last.x, x):
            coef, intercept = self._typed(x)
            raw = self.design.times(coef.T) + intercept
            if self.offset is not None:
                raw += self.offset if self.n_outputs is None else self.offset[:, None]
            self._last = Seen(x.copy(), raw)
        return self._last.raw

    # ------------------------------------------------------------------------------------------ parts

    def _raw_of(self, block, coef, intercept):
        raw = block.times(coef.T) + intercept
        if self.offset is not None:
            offset = self.offset[block.start : block.stop]
            raw += offset if self.n_outputs is None else offset[:, None]
        return raw

    def _typed(self, x):
        coef, intercept = self.unpack(x)
        return coef.astype(self.design.dtype), np.asarray(intercept, self.design.dtype)

    def _curvatures(self, rows, raw, n_threads=1):
        """`(k, m, h)` for k >= m: each row's second derivative of the loss in its raws k and m."""
        y, weight = self.y[rows], self._weights(rows)
        if self.n_outputs is None:
            yield 0, 0, pointwise.gradient_hessian(self.loss, y, raw, weight, n_threads=n_threads)[1]
            return
        curvature = pointwise.curvature(self.loss, y, raw, n_threads=n_threads)
        for k in range(self.n_outputs):
            unit = np.zeros_like(raw)
            unit[:, k] = 1
            column = pointwise.hessian_product(self.loss, y, curvature, unit, weight, n_threads=n_threads)
            for m in range(k + 1):
                yield k, m, np.ascontiguousarray(column[:, m])

    def _fresh_raw(self):
        shape = (self.n,) if self.n_outputs is None else (self.n, self.n_outputs)
        return np.zeros(shape, self.design.dtype)

    def _weights(self, rows):
        return None if self.weight is None else self.weight[rows]

    @staticmethod
    def _sum(array):
        return float(np.sum(array, dtype=np.float64))

    @staticmethod
    def _column_sums(array):
        """Sums over rows, in float64; by BLAS, the faster for a few columns, where it adds in float64."""
        if array.dtype == np.float64 and array.ndim == 2:
            return np.ones(len(array)) @ array
        return np.sum(array, axis=0, dtype=np.float64)

    def _add_gradient(self, total, block, g):
        total[:, : self.p] += block.transposed_times(g).T
        total[:, self.p] += self._column_sums(g)

    def _finish_gradient(self, total, x):
        keep = self.p + self.intercept
        gradient = total[:, :keep] * self.factor
        rows = x.reshape(gradient.shape)
        gradient[:, : self.p] += self.l2 * rows[:, : self.p]
        if self.intercept:
            gradient[:, self.p] += self.l2_intercept * rows[:, self.p]
        return gradient.ravel()

    def _penalty(self, x):
        if self.l2 == 0.0 and self.l2_intercept == 0.0:
            return 0.0
        coef, intercept = self.unpack(x)
        return 0.5 * self.l2 * float(np.vdot(coef, coef)) + 0.5 * self.l2_intercept * float(
            np.vdot(intercept, intercept)
        )
