import numpy as np
import pytest
from numpy.testing import assert_array_equal

from calclearn.ensemble import _sorting

SPECIAL = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-45, 1e300, -1e300]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["normal", "whole", "same", "special"])
def test_numbers_are_in_the_order_that_numpy_gives_them(monkeypatch, dtype, kind):
    monkeypatch.setattr(_sorting, "FEW", 0)
    rng = np.random.default_rng(0)
    x = {
        "normal": rng.standard_normal(3000) * 10.0 ** rng.integers(-30, 30, 3000),
        "whole": rng.integers(-5, 5, 3000),
        "same": np.full(3000, 1.5),
        "special": rng.permutation(np.r_[SPECIAL * 20, rng.standard_normal(500)]),
    }[kind]
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    out = _sorting.ascending(x.copy())
    assert out.dtype == dtype
    assert_array_equal(out, np.sort(x))


def test_few_numbers_whole_numbers_and_none_are_sorted_too():
    assert_array_equal(_sorting.ascending(np.array([2.0, np.nan, 1.0])), [1.0, 2.0, np.nan])
    assert_array_equal(_sorting.ascending(np.arange(40000)[::-1].copy()), np.arange(40000))
    assert len(_sorting.ascending(np.empty(0))) == 0
