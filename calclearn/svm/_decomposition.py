"""The dual solved by decomposition: a small set of multipliers at a time, the others kept.

The set is half of those that violate optimality most, and half of the set before.  Its Gram rows are made by
one matrix product, or are still there; pairs of the set are moved until it is nearly optimal; then the rows
tell what that changed for all others.  Rows may be in float32: what has come together is computed anew from
the problem at the end, and if that is not optimal to `tol` the sets go on from there.

Joachims (1999), "Making large-scale SVM learning practical"; Wen, Shi, Li, He and Chen (2018), "ThunderSVM:
A fast SVM library on GPUs and CPUs", for large sets.
"""

from typing import NamedTuple

import numpy as np

from .._runtime import threads
from ..optimize._stopping import ITERATIONS, KKT, NOT_FINITE, VIOLATED
from ._finish import finish, to_the_minimum
from ._gram import Table
from ._pairs import MOST, solve_pairs
from ._rows import GramRows, WholeGram

MARGIN = 1e-3  # of tol, where all multipliers are in one set, and more steps of pairs are cheap
FINISHES = 5  # there, while one at its bound is found to leave it
EXACT = 1e-13  # violations relative to gradients that are no more than rounding
LEAST = 256  # multipliers of the first set: often few have anything to say
SHRINK = 0.1  # of the first violation, from which on rows are left aside
FEWER = 0.85  # of the rows, as which the others must be no more
SHARE = 0.03  # of a set's violation may be left in it: the others must be looked at again anyway
CALL = 1 << 16  # steps, after which Python may look for Ctrl-C
LIMIT = 10_000_000  # steps, or 100 to a multiplier if that is more, where there is no other: as in LIBSVM
BLOCK = 512  # rows of a block of the product that is computed anew
ROUND = 16  # blocks, before their shares are added up
FRUITLESS = 3  # products in a row that are no nearer to the optimum than the best one
PATIENCE = 10  # sets in a row of which none is nearer to the optimum, or lowers the objective
NEARER = 0.99  # of the violation
NOTHING = 1e-14  # of the objective


class Solved(NamedTuple):
    """Where the decomposition ended.

    Attributes
    ----------
    beta : ndarray of float64, shape (m,)
    raw : ndarray of float64, shape (n,)
        K times the multipliers of each row, computed anew.
    violation : float
        Of optimality.
    n_steps : int
        Pairs that were moved.
    reason : str
    """

    beta: np.ndarray
    raw: np.ndarray
    violation: float
    n_steps: int
    reason: str


def solve(dual, source, *, tol, max_steps, cache_bytes, n_threads):
    """Minimise a dual.

    Parameters
    ----------
    dual : Dual
    source : Computed or Table
    tol : float
        Largest violation.
    max_steps : int
        -1 for as many as LIBSVM takes at most.
    cache_bytes : int
    n_threads : int

    Returns
    -------
    Solved
    """
    n, whole = len(source), len(dual.linear) <= MOST
    dtype = np.float32 if n > MOST else np.float64
    beta, n_steps, goal = dual.start.copy(), 0, MARGIN * tol if whole else 0.5 * tol
    limit = max(LIMIT, 100 * len(beta)) if max_steps < 0 else max_steps
    best, lowest, fruitless, finishes, rows = None, np.inf, 0, 0, None

    square = WholeGram.of_source(source) if n <= MOST else None

    def product(beta):
        of_rows = np.bincount(dual.row, beta, n)
        if square is None:
            return times_gram(source, of_rows, n_threads)
        raw = np.zeros(n)
        square.add(np.arange(n), of_rows, raw)
        return raw

    raw = product(beta)
    while True:
        gradient = dual.gradient(raw)
        violation = dual.violation(beta, gradient)
        if not np.isfinite(raw).all():
            return Solved(beta, raw, np.nan, n_steps, NOT_FINITE)
        value = dual.value(beta, raw)
        far = best is None or best.violation > tol
        if violation <= tol or (far and value < lowest):  # pairs lower it, and the violation only in the end
            best, lowest, fruitless = Solved(beta.copy(), raw, violation, n_steps, KKT), value, 0
        else:
            fruitless += 1
        if best.violation <= tol:
            beta = finish(dual, source if square is None else Table(square.values), best.beta, best.raw)
            if beta is None:
                return best
            raw = product(beta)
            violation = dual.violation(beta, dual.gradient(raw))
            if violation <= best.violation:
                best = best._replace(beta=beta.copy(), raw=raw, violation=violation)
            finishes += 1
            if not whole or finishes == FINISHES or violation <= EXACT * (1.0 + np.abs(gradient).max()):
                return best
            goal = 0.1 * violation  # one at its bound is to leave it
        elif n_steps >= limit:
            return best._replace(n_steps=n_steps, reason=ITERATIONS)
        elif fruitless and dtype == np.float32:
            dtype, rows = np.float64, None  # its rounding is what is left
        elif fruitless == FRUITLESS:
            return best._replace(n_steps=n_steps, reason=VIOLATED)
        if rows is None or not len(rows.values):
            rows = square or GramRows(source, dtype, cache_bytes, MOST, n_threads)
        n_steps += _sets(dual, rows, beta, raw.copy(), goal, limit - n_steps)
        raw = product(beta)


def _sets(dual, rows, beta, raw, tol, limit):
    """Move set after set until nothing violates optimality by more than `tol`, as far as rows tell; steps.

    On the way, rows whose multipliers are at their bounds and well so are left aside: for the others the Gram
    matrix is smaller.  What that does to those left aside is seen when `raw` is computed anew.
    """
    if len(beta) <= MOST:
        return _at_once(dual, rows.among(rows.fetch(dual.row), dual.row), beta, raw, tol, limit)
    before, n_steps, work = np.empty(0, np.intp), 0, np.empty((3, MOST))
    nearest, since, first = np.inf, 0, None
    size, most, value = min(LEAST, rows.most), rows.most, abs(dual.value(beta, raw))
    while n_steps < limit and since < PATIENCE:
        gradient = dual.gradient(raw)
        violation = dual.violation(beta, gradient)
        if violation <= tol:
            break
        first = violation if first is None else first
        if violation <= SHRINK * first:
            kept = dual.in_doubt(beta, gradient, violation)
            if len(kept) <= FEWER * len(raw):
                part, of_rows = dual.of(kept, beta)
                inside = beta[of_rows]
                n_steps += _sets(part, rows.of(kept), inside, raw[kept], tol, limit - n_steps)
                beta[of_rows] = inside
                break
            first = violation
        nearest, since = (violation, 0) if violation < NEARER * nearest else (nearest, since + 1)
        chosen = _choose(dual, beta, gradient, before, size)
        before, at = chosen, dual.row[chosen]
        slots = rows.fetch(at)
        moved, slope = beta[chosen], gradient[chosen]
        group, lower, upper = dual.group[chosen], dual.lower[chosen], dual.upper[chosen]
        of_set = dual._replace(lower=lower, upper=upper, group=group)
        goal = max(0.5 * tol, SHARE * of_set.violation(moved, slope))
        box, slope_before = (lower, upper, group, dual.n_groups), slope.copy()
        steps = solve_pairs(
            rows.among(slots, at), moved, slope, *box, goal, int(min(CALL, limit - n_steps)), work
        )
        changes = moved - beta[chosen]
        gain = -0.5 * float(changes @ (slope_before + slope))
        value += gain
        since = 0 if gain > NOTHING * value else since
        rows.add(slots, changes, raw)
        beta[chosen] = moved
        if 2 * np.count_nonzero(changes) > size:  # there is more to do than a small set can
            size = min(2 * size, most)
        n_steps += steps
        if steps == 0:
            break
    return n_steps


def _at_once(dual, K, beta, raw, tol, limit):
    """The same where all multipliers are in one set: pairs, as long as they lower the objective.

    Where they take many steps, as of rows that are nearly dependent, Newton's step goes between them.
    """
    gradient, work = dual.gradient(raw), np.empty((3, len(beta)))
    box, n_steps, since = (dual.lower, dual.upper, dual.group, dual.n_groups), 0, 0
    value = beta @ (gradient + dual.linear)
    while n_steps < limit and since < PATIENCE:
        most = int(min(CALL, limit - n_steps))
        steps = solve_pairs(K, beta, gradient, *box, tol, most, work)
        n_steps += steps
        if steps < most or n_steps >= limit:
            break
        to_the_minimum(dual, K, beta, gradient)
        before, value = value, beta @ (gradient + dual.linear)
        since = 0 if before - value > NOTHING * abs(value) else since + 1
    return n_steps


def _choose(dual, beta, gradient, before, size):
    """Half of the set before, and as many of those that violate optimality most, from both ends."""
    kept = before[len(before) // 2 :]
    grow = np.where(beta < dual.upper, gradient, np.inf)
    fall = np.where(beta > dual.lower, -gradient, np.inf)
    grow[kept], fall[kept] = np.inf, np.inf
    found, room = [kept], (size - len(kept)) // (2 * dual.n_groups)
    for s in range(dual.n_groups):
        here = dual.group == s
        for key in (grow, fall):
            of_group = np.where(here, key, np.inf)
            some = np.argpartition(of_group, room)[:room]
            some = some[np.isfinite(of_group[some])]
            grow[some], fall[some] = np.inf, np.inf
            found.append(some)
    return np.concatenate(found)


def times_gram(source, beta, n_threads):
    """K times a vector, in float64.

    Parameters
    ----------
    source : Computed or Table
    beta : ndarray of float64, shape (n,)
    n_threads : int

    Returns
    -------
    raw : ndarray of float64, shape (n,)
    """
    support, others = np.flatnonzero(beta), np.flatnonzero(beta == 0.0)
    raw, blocks = np.zeros(len(source)), _blocks(support)

    def of_others(rows):
        for some in blocks:
            raw[rows] += source.block(rows, some) @ beta[some]

    def of_support(k):
        """What block k and those after it are to one another: K is symmetric."""
        found, rows = np.zeros(len(source)), blocks[k]
        found[rows] = source.block(rows, rows) @ beta[rows]
        for some in blocks[k + 1 :]:
            K = source.block(rows, some)
            found[rows] += K @ beta[some]
            found[some] += beta[rows] @ K
        return found

    for begin in range(0, len(blocks), ROUND):
        for found in threads.run(of_support, range(len(blocks))[begin : begin + ROUND], n_threads):
            raw += found
    if len(support):
        threads.run(of_others, _blocks(others), n_threads)
    return raw


def _blocks(rows):
    """Rows by blocks."""
    return np.array_split(rows, -(-len(rows) // BLOCK)) if len(rows) else []
