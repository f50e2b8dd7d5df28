r"""Rounds of boosting: tree after tree on the gradients and Hessians of the loss where the last ones ended.

Each round takes a Newton step in the space of functions: of the second-order expansion

.. math:: \sum_i g_i f(x_i) + \tfrac12 h_i f(x_i)^2 + \Omega(f)

it finds a tree f that is much below zero, and adds a part of it (docs/derivations/boosting.md).
"""

from dataclasses import dataclass

import numpy as np

from .._runtime import threads
from .._runtime.jit import readonly
from ..losses import Loss, pointwise
from ._binning import Bins
from ._growing import grow, memory_for
from ._layout import LEAF, Data, Rules
from ._leaves import add_values
from ._quantisation import quantise
from ._renewal import damp, fence, fencing, needs_damping, renew
from ._trees import Grown, trees_of

CHUNK = 1 << 14
COUNTED = 1 << 12
NO_ROWS = np.empty(0, np.int32)  # stands for all of them
EPS = np.finfo(np.float64).eps


class Losses:
    """One loss, or several side by side, of the raw predictions of shape (n, K).

    Parameters
    ----------
    losses : list of Loss
        One of one output, one of K outputs, or K of one output each.
    n_outputs : int
    """

    def __init__(self, losses, n_outputs):
        self.losses, self.n_outputs = list(losses), n_outputs
        self.by_rows = hasattr(self.losses[0], "value_row")
        each = [None] * n_outputs if self.by_rows else self.losses
        self.linear = [loss is not None and _piecewise_linear(loss) for loss in each]
        self.damped = [loss is not None and needs_damping(loss) for loss in each]

    def of_outputs(self):
        """The loss of each output."""
        return self.losses * (self.n_outputs // len(self.losses))

    def start(self, y, weight):
        """The best constants, of shape (K,)."""
        if self.by_rows and type(self.losses[0]).minimiser is Loss.minimiser:  # of one output
            return np.zeros(self.n_outputs)
        if self.by_rows:
            return self.losses[0].minimiser(*_in_order(y, weight), n_classes=self.n_outputs)
        sorted_rows = (_in_order(self.target(y, k), weight) for k in range(self.n_outputs))
        return np.array([loss.minimiser(*rows) for loss, rows in zip(self.losses, sorted_rows)], np.float64)

    def target(self, y, k):
        """The targets of output k: all have the same, or one column each."""
        return y if y.ndim == 1 else np.ascontiguousarray(y[:, k])

    def mean(self, y, raw, weight, n_threads):
        """The weighted mean of the losses, summed over those side by side."""
        total = 0.0
        for k, (loss, of_loss) in enumerate(self._parts(raw)):
            values = pointwise.value(loss, self.target(y, k), of_loss, n_threads=n_threads)
            total += np.average(values, weights=weight)
        return float(total)

    def derivatives(self, y, raw, weight, g, h, n_threads):
        """Fill the gradients and Hessians, of shape (n, K); where there is no curvature, the weights."""
        for k, (loss, of_loss) in enumerate(self._parts(raw)):
            target = self.target(y, k)
            if self.by_rows or self.n_outputs == 1:
                of_g, of_h = (g, h) if self.by_rows else (g.reshape(-1), h.reshape(-1))
                options = {"gradient": of_g, "hessian": of_h, "n_threads": n_threads}
                pointwise.gradient_hessian(loss, target, of_loss, weight, **options)
            else:
                g[:, k], h[:, k] = pointwise.gradient_hessian(
                    loss, target, of_loss, weight, n_threads=n_threads
                )
            if self.linear[k]:
                h[:, k] = 1.0 if weight is None else weight

    def _parts(self, raw):
        if self.by_rows:
            return [(self.losses[0], raw)]
        return [(loss, np.ascontiguousarray(raw[:, k])) for k, loss in enumerate(self.losses)]


def _in_order(y, weight):
    """Targets and weights of which floating-point sums do not depend on the order of the rows.

    Small whole numbers, such as labels and counts, are counted, the others sorted.
    """
    if weight is None:
        if y.min() >= 0 and y.max() < COUNTED and (y == np.rint(y)).all():
            counts = np.bincount(y.astype(np.int64)).astype(np.float64)
            values = np.flatnonzero(counts)
            return values.astype(np.float64), counts[values]
        return np.sort(y), None
    order = np.lexsort((weight, y))
    return y[order], weight[order]


def _piecewise_linear(loss):
    """Whether the loss shows no curvature anywhere."""
    y = np.ones(64)
    raw = np.r_[-np.geomspace(1e-3, 1e3, 32), np.geomspace(1e-3, 1e3, 32)]
    return not pointwise.gradient_hessian(loss, y, raw)[1].any()


@dataclass
class Boosting:
    """The state between rounds: what a fit continues, and what it keeps.

    Parameters
    ----------
    losses : Losses
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,) or None
    bins : Bins
    data : Data
    raw : ndarray of shape (n, K)
        Raw predictions so far; changed in place.
    parameters : dict
        Those of `Rules`, without units.
    learning_rate, subsample, colsample_bytree : float
    seed : int
        Of all that is drawn: each round draws by itself, so that fits in parts are one fit.
    n_threads : int
    """

    losses: Losses
    y: np.ndarray
    weight: np.ndarray | None
    bins: Bins
    data: Data
    raw: np.ndarray
    parameters: dict
    learning_rate: float
    subsample: float
    colsample_bytree: float
    seed: int
    n_threads: int

    def __post_init__(self):
        n, K = self.raw.shape
        rules = self._rules = Rules.of(bounded=bool(self.data.monotone.any()), **self.parameters)
        most = 2 * rules.max_leaves or 2 ** min(rules.max_depth + 1, 40)
        self._memory = memory_for(
            self.data,
            n,
            max_nodes=most,
            counted=rules.min_child_samples > 1,
            n_threads=self.n_threads,
        )
        self._low = None
        self._features = readonly(np.arange(len(self.data.columns), dtype=np.int32))
        shares = rules.colsample_bylevel, rules.colsample_bynode, self.colsample_bytree, self.subsample
        self._draws = min(shares) < 1.0
        self._g, self._h = np.empty((n, K)), np.empty((n, K))

    def objective(self):
        """The mean loss of the rows that are learned from."""
        return self.losses.mean(self.y, self.raw, self.weight, self.n_threads)

    def total(self):
        """The sum of the losses."""
        return self.objective() * (len(self.raw) if self.weight is None else self.weight.sum())

    def round(self, number):
        """Grow one tree for each output, and add what they predict; returns them as they were grown."""
        n, K = self.raw.shape
        if self._draws:
            self._rng = np.random.default_rng([self.seed, number])
        self.losses.derivatives(self.y, self.raw, self.weight, self._g, self._h, self.n_threads)
        rows = self._draw_rows(n)
        n_rows = len(rows) if rows is not None else n
        return [self._tree(k, rows, n_rows) for k in range(K)]

    def trees(self, grown):
        """Grown trees as they are kept."""
        return trees_of(grown, self.bins)

    def remaining_gain(self, **others):
        """What the best first split of one more round would gain in all outputs, by `others` of the rules."""
        self.losses.derivatives(self.y, self.raw, self.weight, self._g, self._h, self.n_threads)
        n, K = self.raw.shape
        gain = 0.0
        for k in range(K):
            rules, totals = self._quantise(k, None, n, 0)
            rules = rules._replace(max_leaves=1, **others)
            gain += float(self._grow(rules, k, n, totals, self._features)["gain"][0])
        return gain

    def _draw_rows(self, n):
        if self.subsample >= 1.0:
            return None
        rows = np.flatnonzero(self._rng.random(n) < self.subsample).astype(np.int32)
        return rows if len(rows) else self._rng.integers(n, size=1).astype(np.int32)

    def _draw_features(self):
        if self.colsample_bytree >= 1.0:
            return self._features
        p = len(self._features)
        keep = max(1, int(np.floor(self.colsample_bytree * p + 0.5)))
        return readonly(np.sort(self._rng.permutation(p)[:keep]), np.int32)

    def _tree(self, k, rows, n):
        features = self._draw_features()
        seed = int(self._rng.integers(1 << 62)) if self._draws else 0
        rules, totals = self._quantise(k, rows, n, seed)
        nodes = self._grow(rules, k, n, totals, features)
        words = self._memory.words[:n]
        if self.losses.linear[k] or self.losses.damped[k]:
            self._mend(k, words, nodes)
        nodes["value"] *= self.learning_rate
        add_values(self.raw, k, words, nodes, self.n_threads)
        grown = Grown(nodes, rules, k)
        if rows is not None:
            self._add_to_others(self.trees([grown]), k, rows)
        return grown

    def _grow(self, rules, k, n, totals, features):
        return grow(self.data, rules, self._memory, self._g, self._h, k, n, totals, features, self.n_threads)

    def _mend(self, k, words, nodes):
        """Set the values of leaves where Newton's steps are not to be trusted: see `_renewal`."""
        monotone = self.data.monotone
        asked = fencing(nodes, monotone)
        begin, end, values = nodes["begin"][asked], nodes["end"][asked], nodes["value"][asked]
        loss, y = self.losses.losses[k], self.losses.target(self.y, k)
        rows = (loss, y, self.raw[:, k], self.weight, words, begin, end)
        if self.losses.linear[k]:
            values = renew(*rows)
        else:
            shares = damp(*rows, self.learning_rate * values, self.n_threads)
            values = np.where(shares > 0.0, values * shares, 0.0)
        nodes["value"][asked] = values
        if self._rules.bounded:
            nodes["value"] = fence(nodes, nodes["value"], monotone)

    def _quantise(self, k, rows, n, seed):
        """Put the gradients of output k in fixed point: `(rules, totals)` of a tree over n of the rows."""
        everything = NO_ROWS if rows is None else rows
        words = self._memory.words[:n]
        held_back = self._rules.reg_lambda + self._rules.min_child_weight
        unit_g, unit_h, totals, low = quantise(
            self._g, self._h, k, everything, n, words, self._low, held_back, self.n_threads
        )
        if low is not self._memory.low:
            self._memory = self._memory._replace(low=low)
        self._low = low if len(low) else self._low
        return self._rules.of_tree(unit_g, unit_h, seed), totals

    def _add_to_others(self, tree, k, rows):
        """What the tree predicts for the rows that it was not grown on."""
        others = np.ones(len(self.raw), bool)
        others[rows] = False
        others = np.flatnonzero(others)

        def part(bounds):
            some = others[bounds[0] : bounds[1]]
            self.raw[some, k] += walk_bins(tree, self.data, self.bins, some)

        threads.run(part, threads.chunks(len(others), CHUNK), self.n_threads)


def walk_bins(tree, data, bins, rows):
    """The values of the leaves that some training rows reach, by their bins."""
    at = np.zeros(len(rows), np.intp)
    active = np.flatnonzero(tree.left[at] != LEAF)
    while active.size:
        node = at[active]
        feature = tree.feature[node]
        b = data.columns[feature, rows[active]].astype(np.int64)
        missing = b == bins.n_values[feature]
        in_set = (tree.set[node, b >> 6] >> (b & 63).astype(np.uint64)) & np.uint64(1) == 1
        edge = np.where(b == 0, -np.inf, bins.edges[feature, np.maximum(b - 1, 0)])
        left = np.where(tree.categorical[node], in_set, (b == 0) | (edge < tree.threshold[node]))
        left = np.where(missing, tree.missing_left[node], left)
        at[active] = np.where(left, tree.left[node], tree.right[node])
        active = active[tree.left[at[active]] != LEAF]
    return tree.value[at]
