r"""What each feature contributes to a prediction: exact path-dependent SHAP values, by quadrature.

A tree plays a game with the features: of a set of features the values are known, and at a split by another
one the row goes both ways, in the shares of the training rows' cover.  To what a leaf is worth this gives the
factor

.. math:: \prod_{j \in S} o_j \prod_{j \notin S} z_j

over the features of its path, where :math:`o_j` is 1 if the row agrees with all splits by feature j and 0
otherwise, and :math:`z_j` is the product of their shares.  Let each feature be known with probability t,
independently: the expected factor is :math:`\prod_j f_j(t)` with :math:`f_j = z_j (1 - t) + o_j t`, and the
Shapley value of a feature is the integral of its partial derivative along the diagonal (Owen 1972),

.. math:: \phi_i = (o_i - z_i) \int_0^1 \prod_{j \ne i} f_j(t) \, dt.  \tag{1}

For d features the integrand is a polynomial of degree d - 1, of terms that are never negative: the
Gauss-Legendre rule of d/2 points is exact, and nothing cancels.  The values are those of Lundberg et al.'s
TreeSHAP (2018, algorithm 2).

The products grow by a factor at each edge on the way down.  On the way up, all leaves below an edge are taken
together: with s the sum of their value times :math:`\prod_j f_j`, the edge tells (1) for its feature as
:math:`\sum_q w_q s(t_q) (o - z) / f(t_q)`, less what an edge by the same feature further up says of the same
leaves.  With a dash for that one, the difference of the two is

.. math::
    \frac{1 - z}{f} - \frac{1 - z'}{f'} = \frac{z' - z}{f f'}, \qquad
    -\frac{1}{1 - t} - \frac{1 - z'}{f'} = -\frac{1}{(1 - t) f'}, \qquad 0  \tag{2}

where the row agrees with both edges, with the upper one alone, and with neither.  So a tree takes
one pass and d/2 multiplications an edge, not d for each edge on the path to each leaf.

References
----------
G. Owen, "Multilinear Extensions of Games", Management Science 18, 1972.
S. M. Lundberg, G. G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for Tree Ensembles",
arXiv:1802.03888, 2018.
P. Yu, A. Bifet, J. Read, C. Xu, "Linear tree Shap", NeurIPS 2022.
"""

import numpy as np
import scipy.sparse

from .._runtime import threads
from .._runtime.jit import kernel, readonly
from ._binning import recode
from ._layout import BINS, LEAF

ROWS = 64  # at most that go through a tree together
NUMBERS = 1 << 18  # of such rows that are kept on the way down, about, and as many on the way up
WORK = 1 << 26  # multiplications of one compiled call, about: it cannot be interrupted

NODE = np.dtype(
    [
        ("threshold", np.float64),
        ("value", np.float64),
        ("share", np.float64),  # of its parent's cover; 1 for roots
        ("feature", np.int32),
        ("left", np.int32),  # from the tree's root, as in `Trees`
        ("right", np.int32),
        ("missing_left", np.bool_),
        ("categorical", np.bool_),
    ],
    align=True,
)


def contributions(trees, codes, X, base, n_outputs, n_features, n_threads=1):
    """What each feature adds to each raw prediction, and the base value.

    Parameters
    ----------
    trees : Trees
    codes : dict of int to ndarray
        For each categorical feature the bin of each code.
    X : ndarray or CSR array of shape (n, n_features)
        NaN is missing.
    base : ndarray of shape (n_outputs,)
        What the trees are added to.
    n_outputs, n_features : int
    n_threads : int

    Returns
    -------
    phi : ndarray of float64, shape (n, n_outputs, n_features + 1)
        The last column is the base and the leaves' mean value in their shares of the cover; the sum over the
        last axis is the raw prediction.
    """
    survey = Survey(trees, n_features)
    n = X.shape[0]
    out = np.zeros((n, n_outputs, n_features + 1))
    out[:, :, n_features] = base + np.bincount(trees.output, survey.expected, minlength=n_outputs)
    times, weights, n_points = survey.quadrature()
    arrays = (survey.nodes, trees.set, trees.starts, trees.output, times, weights, n_points)
    arrays = tuple(map(readonly, arrays))
    height = int(survey.height.max(initial=0))
    width = int(np.clip(NUMBERS // ((height + 1) * times.shape[1]), 4, ROWS))

    def part(bounds):
        i, j = bounds
        _explain(*arrays, height, width, _columns(X[i:j], codes), out[i:j])

    threads.run(part, threads.chunks(n, _rows_at_once(trees, n_points)), n_threads)
    return out


def _rows_at_once(trees, n_points):
    """How many rows one compiled call takes."""
    of_row = 1 + 8 * int(np.diff(trees.starts) @ n_points)
    return int(np.clip(ROWS * (WORK // (of_row * ROWS)), 8, 64 * ROWS))


def _columns(X, codes):
    """Some rows as kernels take them: feature by feature, in float64, categories as bins."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
    columns = np.array(X.T, np.float64, order="C")
    for f, bins in codes.items():
        columns[f] = recode(columns[f], bins)
    return readonly(columns)


class Survey:
    """What of the trees does not depend on the rows.

    Attributes
    ----------
    nodes : ndarray of NODE
    height : ndarray of int64, shape (n_trees,)
        The most edges of a path.
    distinct : ndarray of int64, shape (n_trees,)
        How many features there are splits by.
    expected : ndarray of float64, shape (n_trees,)
        The leaves' mean value, in their shares of the cover.
    """

    def __init__(self, trees, n_features):
        n = trees.n_trees
        self.nodes = np.empty(len(trees.feature), NODE)
        self.nodes["share"] = 1.0
        for name in ("threshold", "value", "feature", "left", "right", "missing_left", "categorical"):
            self.nodes[name] = getattr(trees, name)
        self.height, self.distinct, self.expected = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
        arrays = map(readonly, (trees.starts, trees.cover, trees.count))
        seen = np.full(n_features, LEAF, np.int64)
        _survey(*arrays, seen, self.nodes, self.height, self.distinct, self.expected)

    def quadrature(self):
        """Gauss-Legendre rules on [0, 1], a row for each number of points, and each tree's number."""
        n_points = np.maximum(1, (np.minimum(self.height, self.distinct) + 1) // 2)
        most = int(n_points.max(initial=1))
        times, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
        for q in np.unique(n_points):
            points, of_points = np.polynomial.legendre.leggauss(int(q))
            times[q, :q], weights[q, :q] = 0.5 + 0.5 * points, 0.5 * of_points
        return times, weights, n_points


@kernel
def _survey(starts, cover, count, seen, nodes, height, distinct, expected):
    for t in range(starts.shape[0] - 1):
        tree = nodes[starts[t] : starts[t + 1]]
        depth, reach = np.zeros(tree.shape[0], np.int64), np.ones(tree.shape[0])
        for i in range(tree.shape[0]):  # a parent comes before its children
            l, r, f = tree[i].left, tree[i].right, tree[i].feature
            if l == LEAF:
                expected[t] += tree[i].value * reach[i]
                height[t] = max(height[t], depth[i])
                continue
            distinct[t] += seen[f] != t
            seen[f] = t
            a, b = cover[starts[t] + l], cover[starts[t] + r]
            if not (a >= 0.0 and b >= 0.0 and 0.0 < a + b < np.inf):  # no Hessian: by the number of rows
                a, b = np.float64(count[starts[t] + l]), np.float64(count[starts[t] + r])
            of_left = a / (a + b) if a >= 0.0 and b >= 0.0 and a + b > 0.0 else 0.5
            tree[l].share, tree[r].share = of_left, 1.0 - of_left
            depth[l] = depth[r] = depth[i] + 1
            reach[l], reach[r] = reach[i] * of_left, reach[i] * (1.0 - of_left)


@kernel
def _explain(nodes, sets, starts, output, times, weights, n_points, height, width, X, out):
    """Add up what the trees say of the rows of X, which is feature by feature."""
    memory = (
        np.empty((height + 1, times.shape[1], width)),
        np.empty((height + 1, times.shape[1], width)),
        np.empty((height + 1, width)),
        np.empty((height + 1, width)),
        np.empty(height + 1),
        np.empty(height + 1, np.int64),
        np.empty(height + 1, np.int64),
        np.empty(height + 1, np.int64),
    )
    phi = np.empty((X.shape[0], width))
    for first in range(0, X.shape[1], width):
        n = min(width, X.shape[1] - first)
        x = X[:, first : first + n]
        for k in range(out.shape[1]):
            for f in range(phi.shape[0]):
                for r in range(n):
                    phi[f, r] = 0.0
            for t in range(output.shape[0]):
                if output[t] == k:
                    i, j, points = starts[t], starts[t + 1], n_points[t]
                    at, weight = times[points, :points], weights[points, :points]
                    _explain_tree(nodes[i:j], sets[i:j], at, weight, x, n, memory, phi)
            for f in range(phi.shape[0]):
                for r in range(n):
                    out[first + r, k, f] = phi[f, r]


@kernel
def _explain_tree(tree, sets, times, weights, x, n, memory, phi):
    """Down to each leaf and up again, from left to right; in memory are the depths of one path."""
    product, total, agrees, goes_left, z, path, before, waiting = memory
    node, depth, z[0] = 0, 0, 1.0
    for r in range(n):
        agrees[0, r] = 1.0
    for q in range(times.shape[0]):
        for r in range(n):
            product[0, q, r] = 1.0
    while True:
        path[depth] = node
        f = tree[node].feature
        if tree[node].left != LEAF:
            _start(total[depth], product[depth], 0.0, times.shape[0], n)
            _split(tree[node], sets[node], x[f], n, goes_left[depth])
            b = depth  # where the last edge by this feature ends; the root where there is none
            while b > 0 and tree[path[b - 1]].feature != f:
                b -= 1
            depth += 1
            before[depth], waiting[depth], node = b, tree[node].right, tree[node].left
        else:
            _start(total[depth], product[depth], tree[node].value, times.shape[0], n)
            while depth > 0:
                of_feature = phi[tree[path[depth - 1]].feature]
                _leave(depth, before[depth], total, agrees, z, times, weights, n, of_feature)
                if waiting[depth] != LEAF:
                    break
                depth -= 1
            if depth == 0:
                return
            node, waiting[depth] = waiting[depth], LEAF
        z[depth] = z[before[depth]] * tree[node].share
        is_left = waiting[depth] != LEAF
        _enter(depth, before[depth], is_left, tree[node].share, product, agrees, goes_left, z, times, n)


@kernel
def _start(total, product, value, points, n):
    """What a node says by itself: a leaf its value, others nothing."""
    for q in range(points):
        for r in range(n):
            total[q, r] = value * product[q, r]


@kernel
def _split(node, left_set, x, n, goes_left):
    """Whether each row goes left, as a float."""
    missing = 1.0 if node.missing_left else 0.0
    if node.categorical:
        for r in range(n):
            goes_left[r] = missing
            if 0 <= x[r] < BINS:
                b = np.int64(x[r])
                goes_left[r] = np.float64((left_set[b >> 6] >> np.uint64(b & 63)) & np.uint64(1))
    else:
        threshold = node.threshold
        for r in range(n):
            goes_left[r] = missing if x[r] != x[r] else (1.0 if x[r] <= threshold else 0.0)


@kernel
def _enter(depth, before, is_left, share, product, agrees, goes_left, z, times, n):
    """Down an edge: whether the rows agree with it and those above by its feature, and the products."""
    agree, agreed, goes_left, side = (
        agrees[depth],
        agrees[before],
        goes_left[depth - 1],
        1.0 if is_left else 0.0,
    )
    for r in range(n):
        agree[r] = agreed[r] if goes_left[r] == side else 0.0
    for q in range(times.shape[0]):
        below, above = product[depth, q], product[depth - 1, q]
        known, averaged = times[q], 1.0 - times[q]
        f = z[before] * averaged + known
        if_both, if_upper = (z[depth] * averaged + known) / f, z[depth] * averaged / f
        for r in range(n):
            below[r] = above[r] * (if_both if agree[r] > 0.0 else (if_upper if agreed[r] > 0.0 else share))


@kernel
def _leave(depth, before, total, agrees, z, times, weights, n, phi):
    """Up an edge: what it says of its feature, by (2)."""
    agree, agreed = agrees[depth], agrees[before]
    for q in range(times.shape[0]):
        below, above = total[depth, q], total[depth - 1, q]
        known, averaged = times[q], 1.0 - times[q]
        f, f_before = z[depth] * averaged + known, z[before] * averaged + known
        if_both, if_upper = (
            weights[q] * (z[before] - z[depth]) / (f * f_before),
            -weights[q] / (averaged * f_before),
        )
        for r in range(n):
            phi[r] += below[r] * (if_both if agree[r] > 0.0 else (if_upper if agreed[r] > 0.0 else 0.0))
            above[r] += below[r]
