"""One tree: which leaf is split next, what has to be done for it, and who has which histogram.

Growing is a row of jobs, each of many items that threads share (see `_runtime.team`): the rows of the node
that is split move, those of the left child to the front (PARTITION, GATHER: see `_partition`); then the best
splits of both children are looked for, a tile of features an item (SEARCH: see `_candidates`).  In the end
every node gets its value (WEIGH: see `_leaves`).  Between two jobs the leader alone keeps the books
(`_next_job`).  The smaller child's histogram is summed over its rows, the larger child's is what is left of
the parent's.  Nodes of `FEW` rows have no histogram: their few bins are looked at directly.

Growth can stop after any split, when the nodes' memory is full or a second may have passed, and go on later.
"""

import numpy as np

from .._runtime import team
from .._runtime.jit import inner, kernel
from ._candidates import allow, can_split, search_tile, take_best
from ._layout import (
    BINS,
    CHOOSE,
    CURSOR,
    ENDED,
    FEW,
    FINISHED,
    FULL,
    GATHER,
    INTERRUPTED,
    JOB,
    LEAF,
    N_FREE,
    N_HEAP,
    N_LEAVES,
    N_NODES,
    NODE,
    NODE_OF,
    PARTITION,
    ROOT,
    SEARCH,
    SPLIT,
    START,
    TILE,
    WEIGH,
    WORK,
    Data,
    Memory,
    Rules,
    Tree,
)
from ._leaves import weigh
from ._partition import (
    CHUNK,
    add_up_chunks,
    gather_chunk,
    look_up,
    n_chunks,
    partition_alone,
    partition_chunk,
)
from ._splitting import weight

TOGETHER = 16  # nodes that are an item of work when they get their values
SHARED_WORK = 1 << 16  # bins looked at, below which a loop is not worth sharing
SLICE = 1 << 28  # of the same: some tenths of a second, after which Python may look for Ctrl-C
POOL_BYTES = 1 << 30  # of histograms; nodes beyond it have none to subtract from, and sum their rows anew


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
        histograms=np.empty((slots, n_bins, planes), np.int64),
        free=np.empty(slots, np.int32),
        packed=np.zeros((n_threads, TILE * BINS), np.int64),
        by_bin=np.zeros((n_threads, BINS, 3), np.int64),
        marks=np.zeros((n_threads, BINS), np.uint8),
        cumulated=np.zeros((n_threads, 3, BINS), np.int64),
        labels=np.zeros((n_threads, 3, BINS), np.int64),
        few=np.zeros((n_threads, FEW, 3), np.int64),
        scratch=np.zeros((n_threads, 2, BINS)),
        splits=np.zeros((2, -(-p // TILE) + n_threads), SPLIT),
        allowed=np.ones((2, p), np.bool_),
        chosen=np.empty(p, np.int32),
        counts=np.zeros((n // CHUNK + 2, 2), np.int64),
        goes_left=np.zeros(BINS, np.uint8),
        state=np.zeros(16, np.int64),
        board=team.new_board(),
    )


def grow(data: Data, rules: Rules, memory: Memory, g, h, column, n, totals, features, n_threads):
    """Grow a tree over the first `n` of `memory.words`.

    Parameters
    ----------
    data : Data
    rules : Rules
    memory : Memory
        Its words, and `low` where it is used, are those of the tree's rows; afterwards in the order of the
        leaves.
    g, h : ndarray of float64, shape (n_rows, K)
        Gradients and Hessians.
    column : int
        Of these; the words and `totals` are made of it.
    n : int
    totals : tuple of int
        The sums of gradients and Hessians.
    features : ndarray of int32, read-only
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
    fixed = (*data, *rules, *memory, g, h, column, n, *totals, features, tile)
    while True:
        fields = (*fixed, nodes, members, heap)
        if n_threads > 1:
            team.together(memory.board, lambda i, f=fields: _member(f, True, i), n_threads)
        else:
            _member(fields, False, 0)
        if state[ENDED] == FINISHED:
            return nodes[: state[N_NODES]].view(np.uint8).copy().view(NODE)  # faster than field by field
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


# ----------------------------------------------------------------------------------------- jobs and books


@kernel
def _member(fields, shared, thread):
    """What a member of the team does for a tree."""
    t = Tree(fields)
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
                partition_chunk(t, i, item)
            elif job == GATHER:
                gather_chunk(t, i, item)
            elif job == WEIGH:
                for node in range(item * TOGETHER, min((item + 1) * TOGETHER, t.state[N_NODES])):
                    weigh(t, node)
            else:
                search_tile(t, job, i, item, thread)
            if alone:
                item = item + 1 if item + 1 < n_items else np.int64(team.NOTHING)
            else:
                team.done(board)
                item = team.take(board)
        if thread == 0 and not alone and not team.wait(board, n_items):
            return


@inner
def _next_job(t, shared):
    """Finish the job that was done, and say what is next: how many items, and whether for one thread alone.

    There are none when the tree is finished, or is to be gone on with later: see `ENDED`.
    """
    state = t.state
    done, i = state[JOB], state[NODE_OF]
    if done == WEIGH:
        return 0, True
    if state[N_NODES] == 0:
        _plant(t)
    searchable = done == START and can_split(t, t.nodes[0])
    if done in (ROOT, SEARCH):
        _close_search(t, done, i)
    elif done == PARTITION:
        state[JOB] = GATHER
        return add_up_chunks(t, i), False
    elif done == GATHER:
        searchable = _make_children(t, i, t.counts[n_chunks(t.nodes[i]), 1])
    while not searchable:
        state[JOB] = CHOOSE
        i = _choose_leaf(t)
        if i < 0 and state[ENDED] == FINISHED:
            state[JOB] = WEIGH
            return (state[N_NODES] + TOGETHER - 1) // TOGETHER, not shared
        if i < 0:
            return 0, True
        state[NODE_OF] = i
        look_up(t, i)
        if shared and t.nodes[i].end - t.nodes[i].begin >= 2 * CHUNK:
            state[JOB] = PARTITION
            return n_chunks(t.nodes[i]), False
        searchable = _make_children(t, i, partition_alone(t, i))
    state[JOB] = ROOT if done == START and state[N_NODES] == 1 else SEARCH
    return _open_search(t, state[JOB], i, shared)


@inner
def _plant(t):
    """The root."""
    root, state, free = t.nodes[0], t.state, t.free
    root.begin, root.end, root.G, root.H = 0, t.n, t.total_g, t.total_h
    root.lower, root.upper = -np.inf, np.inf
    root.left, root.parent, root.slot = LEAF, LEAF, -1
    state[N_NODES], state[N_LEAVES], state[N_FREE] = 1, 1, free.shape[0] - 2
    for s in range(free.shape[0] - 2):
        free[s] = free.shape[0] - 1 - s


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
    searchable = not last and (can_split(t, left) or can_split(t, right))
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


# ---------------------------------------------------------------------------------------------- histograms


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
        allow(t, a + k, k)
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
        take_best(t, node, k, n_items)
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
    if min(n_left, n_right) > FEW and (can_split(t, small) or node.slot >= 0):
        small.slot = _reserve(t, np.int32(0))
    if max(n_left, n_right) > FEW and can_split(t, large):
        large.slot = node.slot if node.slot >= 0 else _reserve(t, np.int32(1))
    elif node.slot >= 0:
        _release(t, node.slot)
        node.slot = -1
