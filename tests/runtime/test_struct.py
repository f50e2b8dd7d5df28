"""Structures of compiled code, and the instructions that Python has no word for."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from calclearn._runtime import struct
from calclearn._runtime.instructions import nonzero_bytes, prefetch, trailing_zeros
from calclearn._runtime.jit import inlined, inner, kernel

Pair = struct.maker(("values", "shift", "flag"))


@inner
def shifted(pair, i):
    return pair.values[i] + pair.shift if pair.flag else pair.values[i]


@inlined
def fill(pair, out):
    for i in range(out.shape[0]):
        out[i] = shifted(pair, i)


@kernel
def copy(fields, out):
    fill(Pair(fields), out)


@kernel
def lowest(bits):
    return trailing_zeros(bits)


@kernel
def bytes_from(array, start):
    prefetch(array, start)
    return nonzero_bytes(array, start)


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
@pytest.mark.parametrize("flag", [False, True])
def test_a_structure_has_the_fields_that_it_was_made_of(dtype, flag):
    values, out = np.arange(5, dtype=dtype), np.zeros(5)
    copy((values, 2.5, flag), out)
    assert_array_equal(out, values + 2.5 * flag)


def test_a_structure_leaves_the_references_of_its_arrays_as_they_were():
    values, out = np.arange(3.0), np.zeros(3)
    copy((values, 1.0, True), out)
    before = sys.getrefcount(values)
    for _ in range(10):
        copy((values, 1.0, True), out)
    assert sys.getrefcount(values) == before


def test_a_field_that_is_not_there_is_an_error():
    @kernel
    def wrong(fields):
        return Pair(fields).name

    with pytest.raises(Exception, match="name"):
        wrong((np.zeros(1), 1.0, True))


@pytest.mark.parametrize("k", [0, 1, 31, 32, 63])
def test_the_lowest_bit_that_is_set(k):
    assert lowest(np.uint64(1) << np.uint64(k)) == k
    assert lowest(~np.uint64(0) << np.uint64(k)) == k


def test_bytes_that_are_not_zero_are_told_and_set_to_zero(rng):
    array = np.zeros(256, np.uint8)
    where = np.flatnonzero(rng.random(256) < 0.3)
    array[where] = rng.integers(1, 256, len(where))
    for start in (0, 64, 128, 192):
        bits = int(bytes_from(array, start))
        assert [start + k for k in range(64) if bits >> k & 1] == [
            i for i in where if start <= i < start + 64
        ]
        assert not array[: start + 64].any()
