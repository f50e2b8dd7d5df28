"""Ascending floating-point numbers, a byte of them after another.

The bits of a number, with the sign's turned, or all of them if it is negative, are a whole number of the same
order; and whole numbers are in order when they have been put in order by each of their bytes in turn, the
lowest first, if equals stay as they are.  That is a fifth of the time of a sort by comparisons.
"""

import numpy as np

from .._runtime.jit import kernel

FEW = 1 << 15  # numbers that comparisons sort in less time than it takes to compile this
BYTE = 256


def ascending(x):
    """The numbers in order, NaN last.

    Parameters
    ----------
    x : ndarray of float32, float64 or whole numbers, shape (n,), contiguous
        Its memory is used, and may be that of what is returned.

    Returns
    -------
    ndarray of shape (n,)
    """
    if len(x) < FEW or x.dtype not in (np.float32, np.float64):
        return np.sort(x)
    keys = x.view(np.uint32 if x.dtype == np.float32 else np.uint64)
    spare, sizes = np.empty_like(keys), np.zeros((x.itemsize, BYTE), np.int64)
    sign, infinity = keys.dtype.type(1 << (8 * x.itemsize - 1)), x.dtype.type(np.inf).view(keys.dtype)
    _to_keys(keys, sign, infinity, sizes)
    for byte in range(x.itemsize):
        starts = np.cumsum(sizes[byte]) - sizes[byte]
        _by_byte(keys, keys.dtype.type(8 * byte), starts, spare)
        keys, spare = spare, keys
    _to_bits(keys, sign)
    return keys.view(x.dtype)


@kernel
def _to_keys(keys, sign, infinity, sizes):
    """Make whole numbers of bits, in place; count how many have each value of each byte."""
    byte, width, size = keys.dtype.type(BYTE - 1), keys.dtype.type(8), ~sign
    for i in range(np.uintp(len(keys))):
        b = keys[i]
        b = size if b & size > infinity else b  # all that are not numbers are one, behind infinity
        key = ~b if b & sign else b | sign
        keys[i] = key
        for k in range(np.uintp(sizes.shape[0])):
            sizes[k, np.uintp(key & byte)] += 1
            key >>= width


@kernel
def _by_byte(keys, shift, starts, out):
    byte = keys.dtype.type(BYTE - 1)
    for i in range(np.uintp(len(keys))):
        key = keys[i]
        value = np.uintp((key >> shift) & byte)
        out[np.uintp(starts[value])] = key
        starts[value] += 1


@kernel
def _to_bits(keys, sign):
    for i in range(np.uintp(len(keys))):
        keys[i] = keys[i] ^ sign if keys[i] & sign else ~keys[i]
