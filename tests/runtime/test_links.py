"""Functions called by address: arguments, formulas with fields in an array, errors, and the disk cache."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import types

from calclearn._runtime import links
from calclearn._runtime.formulas import Formula, formula
from calclearn._runtime.jit import kernel
from calclearn._runtime.links import address, call, formula_at, linked

DOUBLES, INTEGERS = types.Array(types.float64, 1, "C"), types.Array(types.int64, 1, "C")


@linked
def twice(kind, x, out):
    for i in range(x.shape[0]):
        out[i] = 2.0 * x[i]


@linked
def apply(kind, fields, start, x, out):
    it = formula_at(kind, fields, start)
    for i in range(x.shape[0]):
        out[i] = it.value(x[i])


@linked
def fails(kind, x, out):
    if x[0] < 0:
        raise ValueError("negative")
    out[0] = x[0]


@kernel
def run(places, x, out):
    for k in range(places.shape[0]):
        call(places[k], x, out[k])


@kernel
def run_formula(place, fields, start, x, out):
    call(place, fields, start, x, out)


@formula
class Line:
    slope: float = 1.0
    shift: float = 0.0

    def value(self, x):
        return self.slope * x + self.shift


@formula
class Square:
    def value(self, x):
        return x * x


def test_what_stands_at_an_address_is_called_with_the_arguments():
    place = address(twice, None, (DOUBLES, DOUBLES))
    assert place == address(twice, None, (DOUBLES, DOUBLES))
    out = np.zeros((2, 3))
    run(np.array([place, place]), np.arange(3.0), out)
    np.testing.assert_array_equal(out, [[0, 2, 4]] * 2)


@pytest.mark.parametrize(("dtype", "kind"), [(np.float64, types.float64), (np.float32, types.float32)])
def test_a_formula_takes_its_fields_from_the_array_at_each_call(dtype, kind):
    floats = types.Array(kind, 1, "C")
    place = address(apply, Line(), (DOUBLES, types.int64, floats, floats), dtype)
    x, out = np.array([1, 2], dtype), np.zeros(2, dtype)
    for fields in ([9.0, 2.0, 1.0], [9.0, -1.0, 0.1]):
        run_formula(place, np.array(fields), 1, x, out)
        np.testing.assert_allclose(out, dtype(fields[1]) * x + dtype(fields[2]), rtol=1e-7)


def test_each_formula_has_an_address_of_its_own_and_a_loop_does_not_see_which():
    x, out = np.array([3.0]), np.zeros(1)
    signature = (DOUBLES, types.int64, DOUBLES, DOUBLES)
    places = [address(apply, it, signature) for it in (Line(), Square())]
    compiled = len(run_formula.signatures)
    for place, expected in zip(places, (3.0 * 5 + 1, 9.0)):
        run_formula(place, np.array([5.0, 1.0]), 0, x, out)
        assert out[0] == expected
    assert len(run_formula.signatures) <= compiled + 1
    assert places[0] != places[1]


def test_an_error_comes_through():
    place = address(fails, None, (DOUBLES, DOUBLES))
    with pytest.raises(ValueError, match="negative"):
        run(np.array([place]), np.array([-1.0]), np.zeros((1, 1)))


def test_interpreted_it_is_a_plain_call():
    """As without compiling: with NUMBA_DISABLE_JIT a linked function is the function itself."""
    out = np.zeros(2)
    place = address(apply.py_func, Line(2.0), (DOUBLES, types.int64, DOUBLES, DOUBLES))
    call(place, np.array([0.0, 3.0, 1.0]), 1, np.array([1.0, 2.0]), out)
    np.testing.assert_array_equal(out, [4, 7])
    assert isinstance(formula_at(Line(), [1.0, 2.0], 0), Formula)
    assert links.NOTHING == 0


PROGRAM = """
import numpy as np
from numba import types
from calclearn.neural_network import _instructions as it
from calclearn._runtime.links import address
address(it.activate_back, None, it.arguments(np.float64))
stats = it.activate_back.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_a_second_process_finds_them_on_disk(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        said.append(done.stdout.split())
    assert said == [["0", "1"], ["1", "0"]]
