"""One tree: which leaf is split next, and what a split does to rows, histograms and candidates.

Growing is a row of jobs, each of many items that threads share (see `_runtime.team`): the rows of the node
that is split move, those of the left child to the front (PARTITION, GATHER); then the best splits of both
children are looked for, a tile of features an item (SEARCH).  Between two jobs the leader alone keeps the
books (`_next_job`).  The smaller child's histogram is summed over its rows, the larger child's is what is
left of the parent's.  Nodes of `FEW` rows have no histogram: their few bins are looked at directly.

Growth can stop after any split, when the nodes' memory is full or a second may have passed, and go on later.
"""

import numpy as np

from .._runtime import team
from .._runtime.jit import inner, kernel, readonly
from ._histogram import ROW, add_rows, clear, exact, subtract, take_rows
from ._layout import BINS, LEAF, NODE, SET_WORDS, SPLIT, Data, Memory, Rules, Tree
from ._splitting import ROUNDING, SMOOTH, best_in_order, order_categories, parent_score, weight

FEW = 128  # rows of a node that needs no histogram
TILE = 16  # features whose packed histograms a core's first cache holds
CHUNK = 1 << 15  # rows of a partition's item
SHARED_WORK = 1 << 16  # bins looked at, below which a loop is not worth sharing
SLICE = 1 << 28  # of the same: some tenths of a second, after which Python may look for Ctrl-C
POOL_BYTES = 1 << 30  # of histograms; nodes beyond it have none to subtract from, and sum their rows anew

# The job that is being done, or was done last.
START, ROOT, PARTITION, GATHER, SEARCH, CHOOSE = range(6)

# The state of a tree that grows: the last two are the job and its node.
N_NODES, N_LEAVES, CURSOR, N_HEAP, N_FREE, WORK, ENDED, JOB, NODE_OF = range(9)
FINISHED, INTERRUPTED, FULL = range(3)


def memory_for(data: Data, n, *, max_nodes, counted, n_threads):
    """Memory for trees over up to `n` rows; `low` is each tree's own."""
    p, n_bins = len(data.columns), int(data.offsets[-1])
    planes = 3 if counted else 2
    most = max(4, POOL_BYTES // max(1, 8 * planes * n_bins))
    slots = int(max(2, min(most, max_nodes, n // FEW + 2))) + 2  # the first two are nobody's: see `_reserve`
    return Memory(
        words=np.empty(n, np.int64),
        spare=np.empty(n, np.int64),
        low=np.empty(0, np.int32),
        histograms=np.empty((slots, planes, n_bins), np.int64),
        free=np.empty(slots, np.int32),
        packed=np.zeros((n_threads, TILE * BINS), np.int64),
        small=np.zeros((n_threads, 8, BINS), np.int64),
        few=np.zeros((n_threads, 3, FEW), np.int64),
        scratch=np.zeros((n_threads, 4, BINS)),
        splits=np.zeros((2, -(-p // TILE) + n_threads), SPLIT),
        allowed=np.ones((2, p), np.bool_),
        chosen=np.empty(p, np.int32),
        counts=np.zeros((n // CHUNK + 2, 2), np.int64),
        goes_left=np.zeros(BINS, np.uint8),
        state=np.zeros(16, np.int64),
        board=team.new_board(),
    )


def grow(data: Data, rules: Rules, memory: Memory, n, totals, features, n_threads):
    """Grow a tree over the first `n` of `memory.words`.

    Parameters
    ----------
    data : Data
    rules : Rules
    memory : Memory
        Its words, and `low` where it is used, are those of the tree's rows; afterwards in the order of the
        leaves.
    n : int
    totals : tuple of int
        The sums of gradients and Hessians.
    features : ndarray of int32
        That the tree may split by, ascending.
    n_threads : int

    Returns
    -------
    nodes : ndarray of NODE
        In the order in which they were made: a node's children are neighbours, behind it.
    """
    nodes = np.zeros(_first_size(rules, n), NODE)
    members = np.ones((len(nodes), len(data.groups)), np.bool_)
    heap = np.empty(len(nodes), np.int32)
    state = memory.state
    state[:] = 0
    if n * len(features) < SHARED_WORK:
        n_threads = 1
    n_tiles = n_threads * -(-len(features) // (n_threads * TILE))
    tile = -(-len(features) // n_tiles)
    _plant(nodes, state, memory.free, n, *totals)
    while True:
        fields = (*data, *rules, *memory, nodes, members, heap, readonly(features), tile)
        if n_threads > 1:
            team.together(memory.board, lambda i, f=fields: _member(f, True, i), n_threads)
        else:
            _member(fields, False, 0)
        if state[ENDED] == FINISHED:
            return nodes[: state[N_NODES]].copy()
        if state[ENDED] == FULL:
            nodes = np.concatenate([nodes, np.zeros_like(nodes)])
            members = np.concatenate([members, np.ones_like(members)])
            heap = np.concatenate([heap, heap])
        state[WORK] = 0


def _first_size(rules, n):
    most = 2 * n - 1
    if rules.max_leaves:
        most = min(most, 2 * rules.max_leaves - 1)
    if 0 < rules.max_depth < 30:
        most = min(most, 2 ** (rules.max_depth + 1) - 1)
    return int(max(1, min(most, 4096)))


@kernel
def _plant(nodes, state, free, n, G, H):
    """The root."""
    root = nodes[0]
    root.begin, root.end, root.G, root.H = 0, n, G, H
    root.lower, root.upper = -np.inf, np.inf
    root.left, root.parent, root.slot = LEAF, LEAF, -1
    state[N_NODES], state[N_LEAVES], state[N_FREE] = 1, 1, free.shape[0] - 2
    for s in range(free.shape[0] - 2):
        free[s] = free.shape[0] - 1 - s


# ----------------------------------------------------------------------------------------- jobs and books


@kernel
def _member(fields, shared, thread):
    """What a member of the team does for a tree."""
    t = Tree(*fields)
    board, n_items, alone = t.board, 0, False
    while True:
        if thread > 0:
            if not team.job_comes(board):
                return
        else:
            n_items, alone = _next_job(t, shared)
            if n_items == 0:
                team.close(board)
                return
            if not alone:
                team.post(board, n_items)
        item = np.int64(0) if alone else team.take(board)
        while item != team.NOTHING:
            job, i = t.state[JOB], t.state[NODE_OF]
            if job == PARTITION:
                _partition_chunk(t, i, item)
            elif job == GATHER:
                _gather_chunk(t, i, item)
            else:
                _search_tile(t, job, i, item, thread)
            if alone:
                item = item + 1 if item + 1 < n_items else np.int64(team.NOTHING)
            else:
                team.done(board)
                item = team.take(board)
        if thread == 0 and not alone:
            team.wait(board, n_items)


@inner
def _next_job(t, shared):
    """Finish the job that was done, and say what is next: how many items, and whether for one thread alone.

    There are none when the tree is finished, or is to be gone on with later: see `ENDED`.
    """
    state = t.state
    done, i = state[JOB], state[NODE_OF]
    searchable = done == START and _can_split(t, t.nodes[0])
    if done in (ROOT, SEARCH):
        _close_search(t, done, i)
    elif done == PARTITION:
        state[JOB] = GATHER
        return _add_up_chunks(t, i), False
    elif done == GATHER:
        searchable = _make_children(t, i, t.counts[_n_chunks(t.nodes[i]), 1])
    while not searchable:
        state[JOB] = CHOOSE
        i = _choose_leaf(t)
        if i < 0:
            return 0, True
        state[NODE_OF] = i
        _look_up(t, i)
        if shared and t.nodes[i].end - t.nodes[i].begin >= 2 * CHUNK:
            state[JOB] = PARTITION
            return _n_chunks(t.nodes[i]), False
        searchable = _make_children(t, i, _partition_alone(t, i))
    state[JOB] = ROOT if done == START and state[N_NODES] == 1 else SEARCH
    return _open_search(t, state[JOB], i, shared)


@inner
def _choose_leaf(t):
    """The leaf to split: of the largest gain, or the next one level by level; -1 if there is none now."""
    state = t.state
    state[ENDED] = FINISHED
    if t.max_leaves > 0 and state[N_LEAVES] >= t.max_leaves:
        return np.int64(-1)
    if state[N_NODES] + 2 > t.nodes.shape[0] or state[WORK] > SLICE:
        state[ENDED] = FULL if state[N_NODES] + 2 > t.nodes.shape[0] else INTERRUPTED
        return np.int64(-1)
    if t.best_first:
        return _pop(t) if state[N_HEAP] else np.int64(-1)
    while state[CURSOR] < state[N_NODES]:
        i = state[CURSOR]
        state[CURSOR] += 1
        if t.nodes[i].left == LEAF and t.nodes[i].gain > 0.0:
            return i
    return np.int64(-1)


@inner
def _before(t, a, b):
    """Whether leaf a is split before leaf b."""
    return t.nodes[a].gain > t.nodes[b].gain or (t.nodes[a].gain == t.nodes[b].gain and a < b)


@inner
def _push(t, node):
    state, heap = t.state, t.heap
    at = state[N_HEAP]
    state[N_HEAP] += 1
    while at > 0 and _before(t, node, np.int64(heap[(at - 1) // 2])):
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = node


@inner
def _pop(t):
    state, heap = t.state, t.heap
    top = np.int64(heap[0])
    state[N_HEAP] -= 1
    n = state[N_HEAP]
    last, at = np.int64(heap[n]), 0
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and _before(t, np.int64(heap[child + 1]), np.int64(heap[child])):
            child += 1
        if not _before(t, np.int64(heap[child]), last):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = last
    return top


@inner
def _can_split(t, node):
    """Whether a node may have children at all."""
    deep = t.max_depth > 0 and node.depth >= t.max_depth
    few = node.end - node.begin < max(2, 2 * t.min_child_samples)
    light = t.unit_h * node.H < 2.0 * t.min_child_weight
    return not (deep or few or light)


@inner
def _make_children(t, i, n_left):
    """Give node i two children, the left one of its first rows; whether one of them may be split."""
    state, node = t.state, t.nodes[i]
    first = state[N_NODES]
    state[N_NODES] += 2
    state[N_LEAVES] += 1
    left, right = t.nodes[first], t.nodes[first + 1]
    left.begin, left.end = node.begin, node.begin + n_left
    right.begin, right.end = node.begin + n_left, node.end
    left.G, left.H = node.left_G, node.left_H
    right.G, right.H = node.G - node.left_G, node.H - node.left_H
    for child in range(first, first + 2):
        made = t.nodes[child]
        made.left, made.parent, made.depth, made.slot = LEAF, i, node.depth + 1, -1
        made.gain, made.lower, made.upper = 0.0, node.lower, node.upper
        for k in range(t.groups.shape[0]):
            t.members[child, k] = t.members[i, k] and t.groups[k, node.feature]
    node.left = first
    if t.bounded:
        _bound(t, node, left, right)
    last = t.max_leaves > 0 and state[N_LEAVES] >= t.max_leaves
    searchable = not last and (_can_split(t, left) or _can_split(t, right))
    if not searchable and node.slot >= 0:
        _release(t, node.slot)
    return searchable


@inner
def _bound(t, node, left, right):
    """Below a split by a monotone feature, the weights of either side stay on that side of the middle."""
    direction = t.monotone[node.feature]
    if direction == 0:
        return
    a = weight(t.unit_g * left.G, t.unit_h * left.H, node.lower, node.upper, t)
    b = weight(t.unit_g * right.G, t.unit_h * right.H, node.lower, node.upper, t)
    middle = 0.5 * (a + b)
    if direction > 0:
        left.upper, right.lower = middle, middle
    else:
        left.lower, right.upper = middle, middle


# ------------------------------------------------------------------------------------------------ the rows


@inner
def _n_chunks(node):
    return (node.end - node.begin + CHUNK - 1) // CHUNK


@inner
def _look_up(t, i):
    """Fill `goes_left` for the split of node i: whether the rows of each bin do."""
    node, goes_left = t.nodes[i], t.goes_left
    t.state[WORK] += 16 * (node.end - node.begin)
    missing = t.offsets[node.feature + 1] - t.offsets[node.feature] - 1
    for b in range(missing):
        if node.categorical:
            goes_left[b] = np.uint8((node.set[b >> 6] >> np.uint64(b & 63)) & np.uint64(1))
        else:
            goes_left[b] = b <= node.bin
    goes_left[missing] = node.missing_left


@inner
def _partition_alone(t, i):
    """Put the rows of node i that go left before the others, both in their order; how many they are."""
    node = t.nodes[i]
    column, words, spare, goes_left = t.columns[node.feature], t.words, t.spare, t.goes_left
    to, n_right = node.begin, 0
    for k in range(node.begin, node.end):
        word = words[k]
        left = np.intp(goes_left[column[np.uintp(word & ROW)]])
        words[to] = word  # both are written, and one of them again: no branch to foretell
        spare[n_right] = word
        to += left
        n_right += 1 - left
    for k in range(n_right):
        words[to + k] = spare[k]
    return to - node.begin


@inner
def _partition_chunk(t, i, item):
    """The same for a chunk, into the spare words: to the left from the front, to the right from the back."""
    node = t.nodes[i]
    column, words, spare, goes_left = t.columns[node.feature], t.words, t.spare, t.goes_left
    begin = node.begin + item * CHUNK
    end = min(begin + CHUNK, node.end)
    front, back = begin, end - 1
    for k in range(begin, end):
        word = words[k]
        left = np.intp(goes_left[column[np.uintp(word & ROW)]])
        spare[front] = word
        spare[back] = word
        front += left
        back -= 1 - left
    t.counts[item, 0] = front - begin


@inner
def _add_up_chunks(t, i):
    """How many rows of the chunks before each go left; how many chunks there are."""
    n_chunks, n_left = _n_chunks(t.nodes[i]), 0
    for k in range(n_chunks):
        t.counts[k, 1] = n_left
        n_left += t.counts[k, 0]
    t.counts[n_chunks, 1] = n_left
    return n_chunks


@inner
def _gather_chunk(t, i, item):
    """And back to the words, each to its side."""
    node, words, spare, counts = t.nodes[i], t.words, t.spare, t.counts
    begin = node.begin + item * CHUNK
    end = min(begin + CHUNK, node.end)
    n_left = counts[item, 0]
    to = node.begin + counts[item, 1]
    for k in range(n_left):
        words[to + k] = spare[begin + k]
    right = node.begin + counts[_n_chunks(node), 1] + item * CHUNK - counts[item, 1]
    for k in range(end - begin - n_left):
        words[right + k] = spare[end - 1 - k]


# ------------------------------------------------------------------------------ histograms and candidates


@inner
def _open_search(t, job, i, shared):
    """Make ready to look for splits of node i's children, or for ROOT of node i itself."""
    node = t.nodes[i]
    a = i if job == ROOT else np.int64(node.left)
    rows = node.end - node.begin
    if job == ROOT:
        if rows > FEW:
            node.slot = _reserve(t, np.int32(0))
    else:
        _assign_slots(t, node, t.nodes[a], t.nodes[a + 1])
        rows = min(t.nodes[a].end - t.nodes[a].begin, t.nodes[a + 1].end - t.nodes[a + 1].begin)
    for k in range(1 if job == ROOT else 2):
        _allow(t, a + k, k)
    work = (rows + 2 * BINS) * t.features.shape[0]
    t.state[WORK] += work
    n_items = (t.features.shape[0] + t.tile - 1) // t.tile
    return n_items, not shared or work < SHARED_WORK or n_items == 1


@inner
def _close_search(t, job, i):
    """Take the best of the tiles' candidates."""
    a = i if job == ROOT else np.int64(t.nodes[i].left)
    n_items = (t.features.shape[0] + t.tile - 1) // t.tile
    for k in range(1 if job == ROOT else 2):
        node = t.nodes[a + k]
        _take_best(t, node, k, n_items)
        if node.gain > 0.0 and t.best_first:
            _push(t, a + k)
        if node.slot >= 0 and (node.slot < 2 or not node.gain > 0.0):
            _release(t, node.slot)
            node.slot = -1


@inner
def _reserve(t, spare):
    """A free slot for a histogram; or if there is none, `spare`, which a node has during one search."""
    state = t.state
    if state[N_FREE] == 0:
        return spare
    state[N_FREE] -= 1
    return t.free[state[N_FREE]]


@inner
def _release(t, slot):
    if slot < 2:
        return
    t.free[t.state[N_FREE]] = slot
    t.state[N_FREE] += 1


@inner
def _assign_slots(t, node, left, right):
    """The larger child inherits the parent's histogram; the smaller one has its own if it needs one."""
    n_left, n_right = left.end - left.begin, right.end - right.begin
    small, large = (left, right) if n_left <= n_right else (right, left)
    if min(n_left, n_right) > FEW and (_can_split(t, small) or node.slot >= 0):
        small.slot = _reserve(t, np.int32(0))
    if max(n_left, n_right) > FEW and _can_split(t, large):
        large.slot = node.slot if node.slot >= 0 else _reserve(t, np.int32(1))
    elif node.slot >= 0:
        _release(t, node.slot)
        node.slot = -1


@inner
def _allow(t, i, which):
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
def _search_tile(t, job, i, item, thread):
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
    if not _can_split(t, node):
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
        if cut >= 0 and scores - before > found.gain:  # as `_take_best` compares: tiles make no difference
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
def _take_best(t, node, which, n_items):
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
