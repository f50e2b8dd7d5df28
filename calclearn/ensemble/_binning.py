"""Features in bins: at most 255 of values, and one of missing values, a byte each.

Bin b of a numeric feature holds the values from above edge b - 1 up to edge b: ``x <= edges[b]`` says
whether a row goes left, in bins and in raw values alike, in whichever precision they come.  An edge is the
middle between two neighbouring values of the training rows, or the lower one where float64 has nothing
between them.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import kernel, readonly
from ._layout import BINS
from ._sorting import ascending

VALUES = BINS - 1
LINE = 64  # bytes that come from memory together
ROWS = 8192  # to a chunk


@dataclass(frozen=True, eq=False)
class Bins:
    """How values become bins.

    Attributes
    ----------
    edges : ndarray of float64, shape (p, 255)
        Ascending, infinite behind a feature's last; of categories see `codes`.
    n_values : ndarray of int32, shape (p,)
        Bins of values; the bin of missing ones follows.
    categorical : ndarray of bool, shape (p,)
    codes : dict of int to ndarray
        For each categorical feature the bin of each code 0, 1, ...
    """

    edges: np.ndarray
    n_values: np.ndarray
    categorical: np.ndarray
    codes: dict = field(default_factory=dict)

    @property
    def offsets(self):
        """Where each feature's bins begin in a histogram, and where the last one's end."""
        return np.concatenate([[0], np.cumsum(self.n_values + 1)]).astype(np.int64)


def learn_bins(X, weight=None, *, max_bin=BINS, categorical=None, codes=None, n_threads=1):
    """Cut each feature into bins of about equal weight.

    Parameters
    ----------
    X : ndarray or CSC array of shape (n, p)
        NaN is missing; categories are codes 0, 1, ...; absent entries are zeros.
    weight : ndarray of shape (n,), optional
    max_bin : int
        From 2 to 256, the bin of missing values included.
    categorical : ndarray of bool, shape (p,), optional
    codes : dict of int to ndarray, optional
        The bins of categories, where they are known already.
    n_threads : int

    Returns
    -------
    Bins

    Raises
    ------
    ValueError
        For codes in 256 bins, as a model that was read may have: no bin is left for missing values.
    """
    p = X.shape[1]
    categorical = np.zeros(p, bool) if categorical is None else categorical
    edges, n_values, of_codes = np.full((p, VALUES), np.inf), np.ones(p, np.int32), {}
    weight = None if weight is None else whole_numbers(weight)

    def one(f):
        column = _column(X, f)
        if categorical[f]:
            of_codes[f] = codes[f] if codes else _bins_of_codes(column, weight, max_bin - 1)
            n_values[f] = most = int(of_codes[f].max(initial=0)) + 1
            if most > VALUES:
                raise ValueError(
                    f"feature {f}: the trees tell {most} groups of its categories apart, and can predict so, "
                    f"but a fit that goes on from them has bins for {VALUES}"
                )
            return
        if weight is None:
            values, of_values = ascending(column), np.empty(0)
        else:
            order = np.argsort(column, kind="stable")
            values, of_values = column[order], weight[order]
        known = values[: np.searchsorted(values, np.nan)]  # NaN is sorted behind all
        if len(known):
            n_values[f] = _cut(readonly(known), readonly(of_values), max_bin - 1, edges[f])

    threads.run(one, range(p), n_threads)
    return Bins(edges, n_values, categorical, {f: of_codes[f] for f in sorted(of_codes)})


def whole_numbers(x):
    """Numbers rounded to multiples of a unit, in that unit: their sums are exact, in whichever order."""
    spare = int(np.ceil(np.log2(len(x))))
    return np.rint(np.ldexp(x, 52 - spare - np.frexp(np.abs(x).max())[1]))


def _column(X, f):
    """Feature f of all rows, as a new contiguous array."""
    if scipy.sparse.issparse(X):
        column = np.zeros(X.shape[0], X.dtype)
        part = slice(X.indptr[f], X.indptr[f + 1])
        np.add.at(column, X.indices[part], X.data[part])
        return column
    return np.array(X[:, f])


@kernel
def _cut(values, weight, most, edges):
    """Fill the edges between at most `most` bins of ascending values; how many bins they are.

    Each bin takes the next values until it has its share of the weight that is left: so a heavy value gets a
    bin of its own, and what it has too much is not taken from the others'.
    """
    n, weighted = values.shape[0], weight.shape[0] > 0
    n_distinct, left = 1, 0.0
    for i in range(n):
        n_distinct += i > 0 and values[i] != values[i - 1]
        left += weight[i] if weighted else 1.0
    n_bins, inside = 1, 0.0
    share = left / most
    for i in range(n - 1):
        inside += weight[i] if weighted else 1.0
        if values[i + 1] == values[i]:
            continue
        if n_distinct <= most or inside >= share:
            edges[n_bins - 1] = between(np.float64(values[i]), np.float64(values[i + 1]))
            n_bins += 1
            left -= inside
            inside = 0.0
            if n_bins == most and n_distinct > most:
                break
            share = left / max(1, most - n_bins + 1)
    return n_bins


@kernel
def between(low, high):
    """The middle of two numbers, or the lower one where the middle is not below the higher one."""
    middle = 0.5 * low + 0.5 * high
    return middle if low <= middle < high else low


def _bins_of_codes(column, weight, most):
    """The bin of each code: a bin each, or the rarest together in one; codes without rows stay apart."""
    known = ~np.isnan(column)
    of_rows = None if weight is None else weight[known]
    sizes = np.bincount(column[known].astype(np.intp), of_rows)
    if len(sizes) <= most:
        return np.arange(len(sizes), dtype=np.int16)
    order = np.argsort(-sizes, kind="stable")
    n_seen = np.count_nonzero(sizes)
    last = most - 1 if n_seen == len(sizes) else most - 2  # the bin behind it is for those without rows
    bins = np.full(len(sizes), min(n_seen, most - 1), np.int16)
    bins[order[:n_seen]] = np.minimum(np.arange(n_seen), last)
    return bins


def apply_bins(bins, X, n_threads=1):
    """The bins of each row.

    Parameters
    ----------
    bins : Bins
    X : ndarray or CSR array of shape (n, p)

    Returns
    -------
    rows : ndarray of uint8, shape (n, p or a little more)
        Row by row, in memory aligned so that rows straddle as few cache lines as can be.
    columns : ndarray of uint8, shape (p, n)
        The same feature by feature.
    """
    n, p = X.shape
    width = LINE * -(-p // LINE) if p > LINE else 1 << max(2, (p - 1).bit_length())
    width = width if width * 4 <= p * 5 else 4 * -(-p // 4)  # no more than a quarter of padding
    memory = np.zeros(n * width + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    rows = memory[start : start + n * width].reshape(n, width)
    columns = np.empty((p, n), np.uint8)
    sparse = scipy.sparse.issparse(X)
    edges, n_values = readonly(bins.edges), readonly(bins.n_values)

    def part(bounds):
        i, j = bounds
        block = X[i:j].toarray() if sparse else X[i:j]
        if bins.codes:
            block = np.array(block)  # X is not ours
        for f, codes in bins.codes.items():
            block[:, f] = recode(block[:, f], codes)
        _bin_rows(readonly(block), edges, n_values, bins.categorical, rows, columns, i)

    threads.run(part, threads.chunks(n, ROWS), n_threads)
    return rows, columns


def recode(codes, bins):
    """The bin of each category's code; NaN for what was not seen."""
    out = np.full(len(codes), np.nan)
    with np.errstate(invalid="ignore"):
        seen = (codes >= 0) & (codes < len(bins))
    out[seen] = bins[codes[seen].astype(np.intp)]
    return out


@kernel
def find_bin(x, edges):
    """How many edges are below x, by halving: the same steps for any x, and no branch to foretell."""
    position = 0
    step = 128
    while step > 0:
        position += step if x > edges[position + step - 1] else 0
        step >>= 1
    return position


@kernel
def _bin_rows(X, edges, n_values, categorical, rows, columns, first):
    for f in range(X.shape[1]):
        of_feature, missing = edges[f], np.uint8(n_values[f])
        for i in range(X.shape[0]):
            x = X[i, f]
            if categorical[f]:
                b = missing if np.isnan(x) else np.uint8(x)
            else:
                b = missing if np.isnan(x) else np.uint8(find_bin(x, of_feature))
            rows[first + i, f] = b
            columns[f, first + i] = b
