"""The best split of a node: which features it may use, their histograms, and of each the best cut."""

import numpy as np

from .._runtime.jit import inner
from ._histogram import ROW, add_rows, clear, exact, subtract, take_rows
from ._layout import ROOT, SET_WORDS
from ._splitting import ROUNDING, SMOOTH, best_in_order, order_categories, parent_score


@inner
def can_split(t, node):
    """Whether a node may have children at all."""
    deep = t.max_depth > 0 and node.depth >= t.max_depth
    few = node.end - node.begin < max(2, 2 * t.min_child_samples)
    light = t.unit_h * node.H < 2.0 * t.min_child_weight
    return not (deep or few or light)


@inner
def allow(t, i, which):
    """Mark the features that node i may split by."""
    node, allowed, chosen = t.nodes[i], t.allowed[which], t.chosen
    n = t.features.shape[0]
    for j in range(n):
        chosen[j] = t.features[j]
    if t.colsample_bylevel < 1.0:
        n = _draw(n, t.colsample_bylevel, t.seed, np.int64(node.depth), chosen)
    if t.colsample_bynode < 1.0:
        n = _draw(n, t.colsample_bynode, t.seed, (np.int64(1) << 32) + i, chosen)
    allowed[:] = False
    for j in range(n):
        allowed[chosen[j]] = True
    n_groups = t.groups.shape[0]
    if n_groups == 0 or node.depth == 0:
        return
    for j in range(n):
        f = chosen[j]
        inside = False
        for k in range(n_groups):
            inside |= t.members[i, k] and t.groups[k, f]
        above = node.parent  # the features of the path may come again
        while above >= 0 and not inside:
            inside = t.nodes[above].feature == f
            above = t.nodes[above].parent
        allowed[f] = inside


@inner
def _draw(n, share, seed, draw, chosen):
    """Move a share of the first n features to the front, at least one; how many."""
    keep = max(1, np.int64(np.floor(share * n + 0.5)))
    for j in range(keep):
        k = j + np.int64(_random(seed, draw, j) % np.uint64(n - j))
        chosen[j], chosen[k] = chosen[k], chosen[j]
    return keep


@inner
def _random(seed, draw, item):
    """A number of 64 bits that looks random (the finaliser of Steele, Lea and Flood, 2014)."""
    z = np.uint64(seed) + np.uint64(draw) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(item) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inner
def search_tile(t, job, i, item, thread):
    """Histograms and best splits of the children of node i, for one tile of features."""
    first, last = item * t.tile, min((item + 1) * t.tile, t.features.shape[0])
    node = t.nodes[i]
    a = i if job == ROOT else np.int64(node.left)
    n_nodes = 1 if job == ROOT else 2
    for k in range(n_nodes):
        if t.nodes[a + k].slot >= 0 and (job == ROOT or t.nodes[a + k].slot != node.slot):
            _sum_rows(t, t.nodes[a + k], first, last, thread)
    for k in range(n_nodes):
        if t.nodes[a + k].slot >= 0 and job != ROOT and t.nodes[a + k].slot == node.slot:
            histogram, other = t.histograms[node.slot], t.nodes[a + 1 - k]
            if other.slot >= 0:
                subtract(t, first, last, histogram, t.histograms[other.slot])
            else:
                take_rows(t, other.begin, other.end, first, last, histogram)
    for k in range(n_nodes):
        _candidate(t, t.nodes[a + k], k, item, first, last, thread)


@inner
def _sum_rows(t, node, first, last, thread):
    histogram = t.histograms[node.slot]
    clear(t, first, last, histogram)
    add_rows(t, node.begin, node.end, first, last, histogram, t.packed[thread])


@inner
def _candidate(t, node, which, item, first, last, thread):
    """The best split of a node by the features of a tile."""
    found = t.splits[which, item]
    found.gain = 0.0
    if not can_split(t, node):
        return
    before = parent_score(t.unit_g * node.G, t.unit_h * node.H, node.lower, node.upper, t)
    least = before + max(t.gamma, ROUNDING * before)
    totals = (node.G, node.H, node.end - node.begin)
    small, scratch = t.small[thread], t.scratch[thread]
    label = small[3]
    if node.slot < 0:
        _decode(t, node, t.few[thread])
    for j in range(first, last):
        f = t.features[j]
        if not t.allowed[which, f]:
            continue
        n_values = t.offsets[f + 1] - t.offsets[f] - 1
        direct = node.slot < 0
        if direct:
            m, missing = _few_bins(t, node, f, n_values, small, t.few[thread])
            g, h, count = small[0], small[1], small[2]
        else:
            histogram, offset = t.histograms[node.slot], t.offsets[f]
            g = histogram[0, offset : offset + n_values]
            h = histogram[1, offset : offset + n_values]
            count = histogram[histogram.shape[0] - 1, offset : offset + n_values]
            b = offset + n_values
            counted = histogram[2, b] if histogram.shape[0] > 2 else 0
            m, missing = n_values, (histogram[0, b], histogram[1, b], counted)
        if t.categorical[f]:
            m, missing = _by_category(t, g, h, count, m, missing, label, direct, totals, thread)
            g, h, count = small[0], small[1], small[2]
        args = (g, h, count, m, missing, totals, t.monotone[f], node.lower, node.upper)
        scores, cut, missing_left, G, H = best_in_order(*args, t, least, scratch)
        if cut >= 0 and scores - before > found.gain:  # as `take_best` compares: tiles make no difference
            least = scores
            found.gain, found.left_G, found.left_H = scores - before, G, H
            found.feature, found.missing_left = f, missing_left
            found.categorical = t.categorical[f]
            if t.categorical[f]:
                found.bin = -1
                _fill_set(found, label, cut, m, missing_left)
            else:
                found.bin = label[cut] if direct else cut


@inner
def _fill_set(found, label, cut, m, missing_left):
    """The bins that go left: up to the cut; bins that the node has not go where missing values do."""
    nothing, one = np.uint64(0), np.uint64(1)
    for k in range(SET_WORDS):
        found.set[k] = ~nothing if missing_left else nothing
    first, last = (cut + 1, m) if missing_left else (0, cut + 1)
    for k in range(first, last):
        found.set[label[k] >> 6] ^= one << np.uint64(label[k] & 63)


@inner
def _decode(t, node, few):
    """The rows of a node of few, their gradients and their Hessians, one after the other."""
    words, low = t.words, t.low
    for k in range(node.end - node.begin):
        word = words[node.begin + k]
        row = word & ROW
        few[0, k] = row
        few[1, k], few[2, k] = exact(word, low, row)


@inner
def _few_bins(t, node, f, n_values, small, few):
    """The bins of feature f in which a node of few rows has any, in order, with their sums.

    Fills the first rows of `small`: G, H, number of rows, and which bin.  The next three are zero before and
    after: room for each bin's sums.  The last one says which of them are filled, a bit each.
    """
    g, h, count, label, filled = small[0], small[1], small[2], small[3], small[7]
    sums_g, sums_h, numbers = small[4], small[5], small[6]
    rows, one = t.rows, np.uint64(1)
    for k in range(SET_WORDS):
        filled[k] = 0
    for k in range(node.end - node.begin):
        b = np.uintp(rows[np.uintp(few[0, k]), np.uintp(f)])
        sums_g[b] += few[1, k]
        sums_h[b] += few[2, k]
        numbers[b] += 1
        filled[b >> np.uintp(6)] |= np.int64(one << np.uint64(b & np.uintp(63)))
    m = 0
    missing = (np.int64(0), np.int64(0), np.int64(0))
    for k in range(SET_WORDS):
        bits = np.uint64(filled[k])
        while bits:
            lowest = bits & (~bits + one)
            b = 64 * k + _log2(lowest)
            bits ^= lowest
            if b == n_values:
                missing = (sums_g[b], sums_h[b], numbers[b])
            else:
                g[m], h[m], count[m], label[m] = sums_g[b], sums_h[b], numbers[b], b
                m += 1
            sums_g[b], sums_h[b], numbers[b] = 0, 0, 0
    return m, missing


@inner
def _log2(power):
    """The exponent of a power of two."""
    return np.int64((np.float64(power).view(np.int64) >> 52) - 1023)


@inner
def _by_category(t, g, h, count, m, missing, label, direct, totals, thread):
    """Put the bins that have rows in order by their gradients, into the first rows of `small`.

    Those that weigh less than `SMOOTH` rows of the node say little, and would be put in order by chance: they
    go where missing values go.
    """
    small, scratch = t.small[thread], t.scratch[thread]
    smooth = SMOOTH * t.unit_h * totals[1] / totals[2]
    filled = np.int64(0)
    missing_g, missing_h, n_missing = missing
    for k in range(m):
        if h[k] == 0 and g[k] == 0 and count[k] == 0:
            continue
        if t.unit_h * h[k] < smooth:
            missing_g, missing_h, n_missing = missing_g + g[k], missing_h + h[k], n_missing + count[k]
            continue
        label[filled] = label[k] if direct else k
        small[0, filled], small[1, filled], small[2, filled] = g[k], h[k], count[k]
        filled += 1
    order = small[5]
    order_categories(small[0], small[1], filled, smooth, t, order, scratch[3])
    for row in range(4):  # by way of what is zero before and after
        for k in range(filled):
            small[4, k] = small[row, order[k]]
        for k in range(filled):
            small[row, k], small[4, k] = small[4, k], 0
    for k in range(filled):
        order[k] = 0
    return filled, (missing_g, missing_h, n_missing)


@inner
def take_best(t, node, which, n_items):
    """Of the tiles' candidates the best one, the first of equals."""
    node.gain = 0.0
    for item in range(n_items):
        found = t.splits[which, item]
        if found.gain > node.gain:
            node.gain, node.left_G, node.left_H = found.gain, found.left_G, found.left_H
            node.feature, node.bin = found.feature, found.bin
            node.missing_left, node.categorical = found.missing_left, found.categorical
            for k in range(SET_WORDS):
                node.set[k] = found.set[k]
