"""The best split of a node: which features it may use, their histograms, and of each the best cut."""

import numpy as np

from .._runtime.instructions import nonzero_bytes, trailing_zeros
from .._runtime.jit import inlined, inner
from ._histogram import ROW, add_exactly, exact, subtract, sum_rows
from ._layout import BINS, ROOT, SET_WORDS
from ._splitting import NAMED, ROUNDING, SMOOTH, best_in_order, order_categories, parent_score


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
    n_groups = t.groups.shape[0]
    allowed[:] = False
    if n_groups == 0 or node.depth == 0:
        for j in range(n):
            allowed[chosen[j]] = True
        return
    for k in range(n_groups):
        if t.members[i, k]:
            for j in range(n):
                allowed[chosen[j]] |= t.groups[k, chosen[j]]
    above = node.parent
    while above >= 0:  # the features of the path may come again,
        allowed[t.nodes[above].feature] = True
        above = t.nodes[above].parent
    for j in range(n, t.features.shape[0]):  # but not if they are not drawn
        allowed[chosen[j]] = False


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
        child = t.nodes[a + k]
        if child.slot >= 0 and (job == ROOT or child.slot != node.slot):
            sum_rows(t, child.begin, child.end, first, last, t.histograms[child.slot], t.packed[thread])
    for k in range(n_nodes):
        if t.nodes[a + k].slot >= 0 and job != ROOT and t.nodes[a + k].slot == node.slot:
            histogram, other = t.histograms[node.slot], t.nodes[a + 1 - k]
            if other.slot >= 0:
                subtract(t, first, last, histogram, t.histograms[other.slot])
            else:  # of few rows: it costs no histogram of its own
                add_exactly(t, other.begin, other.end, first, last, histogram, np.int64(-1))
    for k in range(n_nodes):
        _candidate(t, t.nodes[a + k], k, item, first, last, thread)


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
    label, cumulated = t.labels[thread, 0], t.cumulated[thread]
    direct = node.slot < 0
    if direct:
        _decode(t, node, t.few[thread])
    for j in range(first, last):
        f = t.features[j]
        if not t.allowed[which, f]:
            continue
        n_values = t.offsets[f + 1] - t.offsets[f] - 1
        if direct:
            m, missing = _cumulate_few(t, node, f, n_values, thread)
        else:
            m, missing = n_values, _cumulate(t, t.histograms[node.slot], t.offsets[f], n_values, cumulated)
        if t.categorical[f]:
            m, missing = _by_category(t, m, missing, direct, totals, thread)
        scores, cut, missing_left, G, H = best_in_order(
            cumulated,
            m,
            NAMED if t.categorical[f] else BINS,
            missing,
            totals,
            t.monotone[f],
            node.lower,
            node.upper,
            t,
            least,
            t.scratch[thread, 0],
        )
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


@inlined
def _cumulate(t, histogram, offset, n_values, cumulated):
    """Cumulated sums of a feature's bins of values; returns those of the missing values' bin."""
    G_left, H_left, n_left = cumulated[0], cumulated[1], cumulated[2]
    G, H, n = np.int64(0), np.int64(0), np.int64(0)
    at = np.uintp(offset)
    for k in range(n_values):
        G += histogram[at, 0]
        H += histogram[at, 1]
        G_left[k], H_left[k] = G, H
        at += np.uintp(1)
    if t.min_child_samples <= 1:
        return histogram[at, 0], histogram[at, 1], np.int64(0)
    for k in range(n_values):
        n += histogram[np.uintp(offset + k), 2]
        n_left[k] = n
    return histogram[at, 0], histogram[at, 1], histogram[at, 2]


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
    begin = np.uintp(node.begin)
    for k in range(np.uintp(node.end - node.begin)):
        word = words[begin + k]
        row = word & ROW
        few[k, 0] = row
        few[k, 1], few[k, 2] = exact(word, low, row)


@inlined
def _cumulate_few(t, node, f, n_values, thread):
    """The same for a node of few rows, and only the bins that have any: how many, and the missing one's sums.

    Fills the first row of `labels` with which bins they are.  `by_bin` and `marks` are zero before and after.
    """
    cumulated, label, few = t.cumulated[thread], t.labels[thread, 0], t.few[thread]
    rows, by_bin, marks, counted = t.rows, t.by_bin[thread], t.marks[thread], t.min_child_samples > 1
    G_left, H_left, n_left = cumulated[0], cumulated[1], cumulated[2]
    for k in range(np.uintp(node.end - node.begin)):
        b = np.uintp(rows[np.uintp(few[k, 0]), np.uintp(f)])
        marks[b] = 1
        G, H = by_bin[b, 0] + few[k, 1], by_bin[b, 1] + few[k, 2]
        by_bin[b, 0], by_bin[b, 1] = G, H
        if counted:
            by_bin[b, 2] += 1
    m, G, H, n = np.uintp(0), np.int64(0), np.int64(0), np.int64(0)
    last = (G, H, n)
    for start in range(0, BINS, 64):
        bits = nonzero_bytes(marks, start)
        while bits:
            b = np.uintp(start) + trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            last = by_bin[b, 0], by_bin[b, 1], by_bin[b, 2]
            G, H, n = G + last[0], H + last[1], n + last[2]
            G_left[m], H_left[m], n_left[m], label[m] = G, H, n, b
            by_bin[b, 0], by_bin[b, 1], by_bin[b, 2] = 0, 0, 0
            m += np.uintp(1)
    if m > 0 and label[m - np.uintp(1)] == n_values:
        return np.int64(m) - 1, last
    return np.int64(m), (np.int64(0), np.int64(0), np.int64(0))


@inner
def _by_category(t, m, missing, direct, totals, thread):
    """Put the bins that have rows in order by their gradients, and cumulate their sums anew.

    Those that weigh less than `SMOOTH` rows of the node say little, and would be put in order by chance: they
    go where missing values go.
    """
    cumulated, sums, labels = t.cumulated[thread], t.by_bin[thread], t.labels[thread]
    label, order, spare = labels[0], labels[1], labels[2]
    smooth = SMOOTH * t.unit_h * totals[1] / totals[2]
    filled = np.int64(0)
    missing_g, missing_h, n_missing = missing
    before = (np.int64(0), np.int64(0), np.int64(0))
    for k in range(m):
        until = cumulated[0, k], cumulated[1, k], cumulated[2, k] if t.min_child_samples > 1 else np.int64(0)
        g, h, n = until[0] - before[0], until[1] - before[1], until[2] - before[2]
        before = until
        if h == 0 and g == 0 and n == 0:
            continue
        if t.unit_h * h < smooth:
            missing_g, missing_h, n_missing = missing_g + g, missing_h + h, n_missing + n
            continue
        spare[filled] = label[k] if direct else k
        sums[filled, 0], sums[filled, 1], sums[filled, 2] = g, h, n
        filled += 1
    order_categories(sums, filled, smooth, t, order, t.scratch[thread, 1])
    G, H, n = np.int64(0), np.int64(0), np.int64(0)
    for k in range(filled):
        which = order[k]
        G, H, n = G + sums[which, 0], H + sums[which, 1], n + sums[which, 2]
        cumulated[0, k], cumulated[1, k], cumulated[2, k], label[k] = G, H, n, spare[which]
    for k in range(filled):
        sums[k, 0], sums[k, 1], sums[k, 2] = 0, 0, 0
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
