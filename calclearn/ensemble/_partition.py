"""The rows of a node that is split: those that go left before the others, both in their order.

Indices without a sign, here and in `_histogram`, need no look at whether they count from the end: such looks
were half of the time.
"""

import numpy as np

from .._runtime.jit import inner
from ._histogram import ROW
from ._layout import WORK

CHUNK = 1 << 15  # rows of a partition's item


@inner
def n_chunks(node):
    return (node.end - node.begin + CHUNK - 1) // CHUNK


@inner
def look_up(t, i):
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
def partition_alone(t, i):
    """Put the rows of node i that go left before the others, both in their order; how many they are."""
    node = t.nodes[i]
    column, words, spare, goes_left = t.columns[node.feature], t.words, t.spare, t.goes_left
    begin, to, n_right = np.uintp(node.begin), np.uintp(node.begin), np.uintp(0)
    for k in range(begin, np.uintp(node.end)):
        word = words[k]
        left = np.uintp(goes_left[column[np.uintp(word & ROW)]])
        words[to] = word  # both are written, and one of them again: no branch to foretell
        spare[n_right] = word
        to += left
        n_right += np.uintp(1) - left
    for k in range(n_right):
        words[to + k] = spare[k]
    return np.intp(to - begin)


@inner
def partition_chunk(t, i, item):
    """The same for a chunk, into the spare words: to the left from the front, to the right from the back."""
    node = t.nodes[i]
    column, words, spare, goes_left = t.columns[node.feature], t.words, t.spare, t.goes_left
    begin = np.uintp(node.begin + item * CHUNK)
    end = min(begin + np.uintp(CHUNK), np.uintp(node.end))
    front, back = begin, end - np.uintp(1)
    for k in range(begin, end):
        word = words[k]
        left = np.uintp(goes_left[column[np.uintp(word & ROW)]])
        spare[front] = word
        spare[back] = word
        front += left
        back -= np.uintp(1) - left
    t.counts[item, 0] = front - begin


@inner
def add_up_chunks(t, i):
    """How many rows of the chunks before each go left; how many chunks there are."""
    chunks, n_left = n_chunks(t.nodes[i]), 0
    for k in range(chunks):
        t.counts[k, 1] = n_left
        n_left += t.counts[k, 0]
    t.counts[chunks, 1] = n_left
    return chunks


@inner
def gather_chunk(t, i, item):
    """And back to the words, each to its side."""
    node, words, spare, counts = t.nodes[i], t.words, t.spare, t.counts
    begin = np.uintp(node.begin + item * CHUNK)
    end = min(begin + np.uintp(CHUNK), np.uintp(node.end))
    n_left = np.uintp(counts[item, 0])
    to = np.uintp(node.begin + counts[item, 1])
    for k in range(n_left):
        words[to + k] = spare[begin + k]
    right = np.uintp(node.begin + counts[n_chunks(node), 1] + item * CHUNK - counts[item, 1])
    for k in range(end - begin - n_left):
        words[right + k] = spare[end - np.uintp(1) - k]
