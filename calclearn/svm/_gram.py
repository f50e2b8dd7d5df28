r"""Gram functions: the inner product of two rows after a map into many dimensions that is never made.

.. math::
    k(x, z) = x^T z, \quad (\gamma x^T z + c)^d, \quad \tanh(\gamma x^T z + c), \quad e^{-\gamma \|x - z\|^2}

All come from products of rows, so a block of them is one matrix product and a map of its entries.  The last
one, ``"rbf"``, depends on differences alone: rows are centred first, as
:math:`\|x\|^2 + \|z\|^2 - 2 x^T z` loses what the norms have more than the difference.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.elementary import exp, tanh
from .._runtime.jit import kernel, readonly
from ._rows import gathered

FACTORED = 2048  # rows, up to which a factorisation is no work beside the solver's
ROUNDING = 1e-12  # of a Gram value, relative to the largest
NOWHERE = np.empty(0, np.int64)
QUICK = 128  # features, up to which a value is made in some nanoseconds
ROWS = 128  # of a block that is made at once
LINEAR, POLY, SIGMOID, RBF = range(4)
KINDS = {"linear": LINEAR, "poly": POLY, "sigmoid": SIGMOID, "rbf": RBF}


class Gram(NamedTuple):
    """A Gram function with its parameters.

    Attributes
    ----------
    kind : int
        LINEAR, POLY, SIGMOID or RBF.
    gamma, coef0 : float
    degree : float
    """

    kind: int
    gamma: float = 1.0
    coef0: float = 0.0
    degree: float = 3.0

    def block(self, A, B):
        """The values for all rows of A with all rows of B.

        Parameters
        ----------
        A, B : Points
            Of one centre.

        Returns
        -------
        values : ndarray of shape (n_A, n_B)
            In the precision of A and B.
        """
        values = A.products(B)  # BLAS's, pinned to one thread by whoever runs blocks on several
        if self.kind != LINEAR:
            self._map(values, A, B, values, NOWHERE, 0)
        return values

    def put(self, A, B, out, places, start):
        """The same into rows `places` of an array, from column `start` on."""
        self._map(A.products(B), A, B, out, places, start)

    def _map(self, products, A, B, out, places, start):
        of = A.norms.dtype.type
        parameters = of(self.gamma), of(self.coef0), of(self.degree)
        norms = readonly(A.norms), readonly(B.norms)
        map_products(products, *norms, self.kind, *parameters, out, places, start)


class Points:
    """Rows that Gram functions are taken of, with their squared norms.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n, p)
        Centred where that changes nothing: see `centre`.
    """

    def __init__(self, X):
        self.X, self.sparse = X, scipy.sparse.issparse(X)
        if self.sparse:
            self.norms = np.asarray(X.multiply(X).sum(axis=1), X.dtype).ravel()
        else:
            self.norms = np.einsum("ij,ij->i", X, X)

    def __len__(self):
        return self.X.shape[0]

    def __getitem__(self, rows):
        some = object.__new__(Points)
        some.X, some.norms, some.sparse = self.X[rows], self.norms[rows], self.sparse
        return some

    def products(self, other):
        """The inner products with all rows of another, dense."""
        found = self.X @ other.X.T
        return found.toarray() if self.sparse else found


class Computed:
    """Gram values of rows with rows, computed when they are asked for.

    Parameters
    ----------
    gram : Gram
    X : ndarray or CSR array of shape (n, p)
        In float64, centred where that changes nothing.
    """

    def __init__(self, gram, X):
        self.gram, self._points = gram, {np.float64: Points(X)}

    def __len__(self):
        return len(self._points[np.float64])

    @property
    def quick(self):
        """Whether a value takes no longer than one of a large array that is not in a cache."""
        points = self._points[np.float64]
        return not points.sparse and points.X.shape[1] <= QUICK

    @property
    def positive(self):
        """Whether all matrices of the function are positive semidefinite."""
        kind, gamma, coef0, degree = self.gram
        if kind == POLY:
            return gamma >= 0.0 and coef0 >= 0.0 and degree == np.floor(degree)
        return kind != SIGMOID

    def points(self, dtype=np.float64):
        """The rows in a precision."""
        if dtype not in self._points:
            self._points[dtype] = Points(self._points[np.float64].X.astype(dtype))
        return self._points[dtype]

    def block(self, rows, columns, dtype=np.float64):
        """The values of some rows with others, both given as indices or a slice."""
        points = self.points(dtype)
        return self.gram.block(points[rows], points[columns])

    def put(self, rows, columns, out, places):
        """The values of some rows with a slice of the others, into the rows `places` of an array."""
        points = self.points(out.dtype.type)
        self.gram.put(points[rows], points[columns], out, places, columns.start)

    def of(self, rows):
        """The same of some of the rows alone."""
        return Computed(self.gram, self.points().X[rows])

    def table(self, n_threads):
        """All of them."""
        values = np.empty((len(self), len(self)))

        def part(bounds):
            rows, before = slice(*bounds), slice(0, bounds[1])
            values[rows, before] = self.block(rows, before)
            values[before, rows] = values[rows, before].T

        threads.run(part, threads.chunks(len(self), ROWS), n_threads)
        return Table(values, self.positive)


class Table:
    """Gram values that are known.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n)
    positive : bool, optional
        Whether they are positive semidefinite, if that is known.
    """

    quick = False

    def __init__(self, values, positive=None):
        self.values, self._positive = values, positive

    def __len__(self):
        return self.values.shape[1]

    @property
    def positive(self):
        """Whether they are known to be positive semidefinite, up to rounding: if few, by a factorisation."""
        if self._positive is not None:
            return self._positive
        n = len(self)
        if n > FACTORED or not np.isfinite(self.values).all():
            return False
        shift = ROUNDING * n * np.abs(self.values).max()
        try:
            np.linalg.cholesky(0.5 * (self.values + self.values.T) + shift * np.eye(n))
        except np.linalg.LinAlgError:
            return False
        return True

    def block(self, rows, columns, dtype=np.float64):
        """The values of some rows with others, both given as indices or a slice."""
        if isinstance(rows, slice) or isinstance(columns, slice):
            return self.values[rows][:, columns].astype(dtype, copy=False)
        return gathered(self.values, rows, columns).astype(dtype, copy=False)

    def put(self, rows, columns, out, places):
        """The values of some rows with a slice of the others, into the rows `places` of an array."""
        out[places, columns] = self.values[rows, columns]

    def of(self, rows):
        """The same of some of the rows alone."""
        return Table(gathered(self.values, rows, rows), self._positive)

    def table(self, n_threads):
        """All of them, as they are."""
        return self


def centre(X, kind, sum_is_zero):
    """What may be taken off all rows without a change of the problem; zeros where nothing may.

    Differences of rows stay what they are; and the linear function gains what is constant along rows or
    columns, which multipliers do not see if their sum is zero.
    """
    if scipy.sparse.issparse(X) or not (kind == RBF or (kind == LINEAR and sum_is_zero)):
        return np.zeros(X.shape[1])
    return X.mean(axis=0, dtype=np.float64)


@kernel
def map_products(products, norms_a, norms_b, kind, gamma, coef0, degree, out, places, start):
    """Turn products of rows into values of a Gram function: row i into ``out[places[i]]``, from `start` on.

    Without `places`, of length 0, in place.
    """
    zero, kept = gamma - gamma, places.shape[0] > 0
    for i in range(products.shape[0]):
        row, of_a = products[i], norms_a[i]
        if kind == RBF:
            for j in range(row.shape[0]):
                distance = of_a + norms_b[j] - (row[j] + row[j])
                distance = distance if distance > zero else zero
                row[j] = exp(-gamma * distance)
        elif kind == SIGMOID:
            for j in range(row.shape[0]):
                row[j] = tanh(gamma * row[j] + coef0)
        elif kind == POLY and degree == np.floor(degree):
            for j in range(row.shape[0]):
                row[j] = (gamma * row[j] + coef0) ** np.int64(degree)
        elif kind == POLY:
            for j in range(row.shape[0]):
                row[j] = (gamma * row[j] + coef0) ** degree
        if kept:
            place = out[places[i], start:]
            for j in range(row.shape[0]):
                place[j] = row[j]
