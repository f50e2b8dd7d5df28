"""Rows of a Gram matrix, made when they are asked for and kept while there is room."""

import numpy as np

from .._runtime import threads
from .._runtime.jit import kernel

COLUMNS = 512  # of a block that a thread makes at once: its products are to stay in a cache
RUNS = 16  # blocks, up to which they are copied as such
SQUARE = 256  # rows of a square that a thread gathers at once
LEAST = 2  # sets of rows that there is always room for
SMALLEST = 128  # rows of a set, to which it shrinks where there is room for no more


class GramRows:
    """The rows that were used last.

    Parameters
    ----------
    source : Computed or Table
    dtype : type
        In which precision rows are made.
    n_bytes : int
        Of memory.
    at_once : int
        How many rows may be asked for together, where there is room: see `most`.  So few are all there.
    n_threads : int
    """

    def __init__(self, source, dtype, n_bytes, at_once, n_threads):
        n = len(source)
        room = int(n_bytes // (n * np.dtype(dtype).itemsize))
        n_slots = min(n, max(room, LEAST * SMALLEST))
        self.most = min(at_once, max(1, n_slots // LEAST))  # rows that may be asked for together
        self.source, self.dtype, self.n_threads = source, dtype, n_threads
        self._room = n_bytes, at_once
        self.values = np.empty((n_slots, n), dtype)
        self._slot = np.full(n, -1)
        self._owner = np.full(n_slots, -1)
        self._used = np.zeros(n_slots, np.int64)
        self._time = self.n_made = 0
        self._parts = threads.chunks(n, COLUMNS)

    def of(self, rows):
        """The same for some of the rows alone; nothing of them is kept yet, and here nothing any more."""
        self.values = np.empty((0, len(self.source)), self.dtype)
        source = self.source.of(rows)
        if len(rows) <= self._room[1]:
            return WholeGram.of_source(source)
        return GramRows(source, self.dtype, *self._room, self.n_threads)

    def fetch(self, rows):
        """Where in `values` some rows are, made if they were not there; one may be asked for twice."""
        self._time += 1
        slots = self._slot[rows]
        self._used[slots[slots >= 0]] = self._time
        missing = np.unique(rows[slots < 0])
        if len(missing):
            oldest = np.argpartition(self._used, len(missing) - 1)[: len(missing)]
            gone = self._owner[oldest]
            self._slot[gone[gone >= 0]] = -1
            self._owner[oldest], self._slot[missing], self._used[oldest] = missing, oldest, self._time
            self._make(missing, oldest)
        return self._slot[rows]

    def _make(self, rows, slots):
        def part(bounds):
            self.source.put(rows, slice(*bounds), self.values, slots)

        threads.run(part, self._parts, self.n_threads)
        self.n_made += len(rows)

    def add(self, slots, times, raw):
        """Add rows, each so many times, to `raw`."""
        moved = np.flatnonzero(times)
        slots, times = slots[moved], times[moved]
        threads.run(lambda r: _add(self.values, slots, times, raw, *r), self._parts, self.n_threads)

    def among(self, slots, rows):
        """The square of Gram values of some rows, which are in these slots."""
        square = np.empty((len(slots), len(rows)), self.values.dtype)

        def part(bounds):
            some = slice(*bounds)
            if self.source.quick:  # quicker than to look them up, far from each other as they are
                square[some] = self.source.block(rows[some], rows, self.dtype)
            else:
                _gather(self.values, slots, rows, square, *bounds)

        threads.run(part, threads.chunks(len(slots), SQUARE), self.n_threads)
        return square


class WholeGram:
    """The same for so few rows that all are there at once, in float64.

    Parameters
    ----------
    values : ndarray of float64, shape (n, n)
    """

    def __init__(self, values):
        self.values, self.most = values, len(values)

    @classmethod
    def of_source(cls, source):
        """All Gram values of a `Computed` or a `Table`."""
        everything = slice(0, len(source))
        return cls(source.block(everything, everything))

    def of(self, rows):
        """The same for some of the rows alone."""
        return WholeGram(gathered(self.values, rows, rows))

    def fetch(self, rows):
        """Where in `values` some rows are."""
        return rows

    def add(self, slots, times, raw):
        """Add rows, each so many times, to `raw`."""
        moved = np.flatnonzero(times)
        _add(self.values, slots[moved], times[moved], raw, 0, len(raw))

    def among(self, slots, rows):
        """The square of Gram values of some rows."""
        if len(rows) == len(self.values) and np.array_equal(rows, np.arange(len(rows))):
            return self.values
        return gathered(self.values, slots, rows)


def gathered(values, rows, columns):
    """Some rows and columns of an array, as a new one; several times as fast as NumPy's own way."""
    square = np.empty((len(rows), len(columns)), values.dtype)
    of_rows, of_columns = _runs(rows), _runs(columns)
    if len(of_rows) * len(of_columns) > RUNS:
        _gather(values, rows, columns, square, 0, len(rows))
        return square
    for i, n in of_rows:
        for j, m in of_columns:
            a, b = rows[i], columns[j]
            square[i : i + n, j : j + m] = values[a : a + n, b : b + m]
    return square


def _runs(indices):
    """Where runs of consecutive numbers begin in an array, and how long they are."""
    ends = [*(np.flatnonzero(indices[1:] - indices[:-1] != 1) + 1).tolist(), len(indices)]
    return [(begin, end - begin) for begin, end in zip([0, *ends], ends) if end > begin]


@kernel
def _add(values, slots, times, raw, begin, end):
    for i in range(slots.shape[0]):
        row, factor = values[slots[i]], times[i]
        for j in range(np.uintp(begin), np.uintp(end)):
            raw[j] += factor * row[j]


@kernel
def _gather(values, slots, rows, square, begin, end):
    for i in range(np.uintp(begin), np.uintp(end)):
        row = values[np.uintp(slots[i])]
        for j in range(rows.shape[0]):
            square[i, j] = row[np.uintp(rows[j])]
