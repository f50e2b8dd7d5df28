"""Accuracy against mpmath, exactness at the edges, types, and that a loop over them runs on vectors."""

import re
from functools import cache

import mpmath
import numba
import numpy as np
import pytest
from numba import types
from numba.core.registry import cpu_target
from numpy.testing import assert_array_equal

from calclearn._runtime import elementary
from calclearn._runtime.jit import kernel

# name: (true value, its domain, allowed error in units of the last place)
TRUE = {
    "exp": (mpmath.exp, lambda x: abs(x) < 800, 2),
    "expm1": (mpmath.expm1, lambda x: abs(x) < 800, 4),
    "log": (mpmath.log, lambda x: x > 0, 2),
    "log1p": (mpmath.log1p, lambda x: x > -1, 4),
    "tanh": (mpmath.tanh, lambda x: abs(x) < 800, 4),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), lambda x: abs(x) < 800, 4),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), lambda x: abs(x) < 800, 4),
    "erf": (mpmath.erf, lambda x: abs(x) < 800, 4),
}
INF, NAN = np.inf, np.nan
SPECIAL = {
    "exp": {0.0: 1, INF: INF, -INF: 0, 1e4: INF, -1e4: 0},
    "expm1": {0.0: 0, INF: INF, -INF: -1, 1e4: INF, -1e4: -1},
    "log": {0.0: -INF, 1: 0, INF: INF, -INF: NAN, -1: NAN},
    "log1p": {0.0: 0, INF: INF, -INF: NAN, -1: -INF, -2: NAN},
    "tanh": {0.0: 0, INF: 1, -INF: -1, 1e4: 1, -1e4: -1},
    "sigmoid": {0.0: 0.5, INF: 1, -INF: 0, 1e4: 1, -1e4: 0},
    "softplus": {INF: INF, -INF: 0, 1e4: 1e4, -1e4: 0},
    "erf": {0.0: 0, INF: 1, -INF: -1, 1e4: 1, -1e4: -1},
}
KEEPS_THE_SIGN_OF_ZERO = ("expm1", "log1p", "tanh", "erf")

one_number = pytest.mark.parametrize("name", TRUE)
both_formats = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@cache
def loop(name):
    """The kernel that applies a function to arrays, the last of which takes the results."""
    function = getattr(elementary, name)

    def run(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    def run_pairs(a, b, out):
        for i in range(a.shape[0]):
            out[i] = function(a[i], b[i])

    return kernel(run_pairs if name == "logaddexp" else run)


def compiled(name, *arguments):
    out = np.empty_like(arguments[0])
    loop(name)(*arguments, out)
    return out


def grid(dtype):
    """Every magnitude of the format, densely where functions bend, overflow, underflow or vanish."""
    info = np.finfo(dtype)
    magnitudes = np.geomspace(2 * float(info.smallest_subnormal), float(info.max) / 2, 300)
    overflow = np.log(float(info.max))
    underflow = np.log(float(info.smallest_subnormal))
    points = [
        *(magnitudes, -magnitudes, np.linspace(-7, 7, 702), np.linspace(-45, 45, 202)),
        *(1 + np.linspace(-1e-3, 1e-3, 102), -1 + np.geomspace(info.eps, 1, 102)),
        np.linspace(underflow - 2, underflow + 40, 302),  # subnormal results of exp
        np.linspace(overflow - 1, overflow + 1, 102),
        float(info.smallest_subnormal) * np.arange(-20, 21),
        [float(info.max) * fraction for fraction in (-1, 0.6, 0.75, 1)],
    ]
    return np.concatenate(points).astype(dtype)


def units_of_last_place(result, true, scale=None):
    """The error of `result` in the spacing of its format at `true`; infinity where only one overflows."""
    dtype, largest = type(result), float(np.finfo(type(result)).max)
    if not np.isfinite(result):
        return 0.0 if abs(true) > largest and np.sign(result) == mpmath.sign(true) else np.inf
    spacing = np.spacing(dtype(min(float(abs(true)) if scale is None else scale, largest)))
    return float(abs(mpmath.mpf(float(result)) - true) / float(spacing))


@one_number
@both_formats
def test_every_result_is_within_units_of_the_last_place(name, dtype):
    true, domain, allowed = TRUE[name]
    x = np.array([point for point in grid(dtype) if domain(point)])
    with mpmath.workprec(160):
        errors = [
            units_of_last_place(result, true(mpmath.mpf(float(point))))
            for point, result in zip(x, compiled(name, x))
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= allowed, f"{name}({x[worst]!r}) is off by {errors[worst]:.2f}"


@both_formats
def test_logaddexp_is_within_units_of_the_last_place_of_its_larger_argument(dtype, rng):
    a = np.concatenate([rng.normal(scale=s, size=400) for s in (1e-3, 1, 30, 300)]).astype(dtype)
    b = (a + rng.normal(scale=10, size=a.shape) * rng.integers(0, 2, a.shape)).astype(dtype)
    for x, y, result in zip(a, b, compiled("logaddexp", a, b)):
        with mpmath.workprec(1000):
            true = mpmath.log(mpmath.exp(float(x)) + mpmath.exp(float(y)))
        assert units_of_last_place(result, true, max(abs(float(x)), abs(float(y)), abs(float(true)))) <= 4


@one_number
@both_formats
def test_zeros_infinities_and_overflow_are_exact(name, dtype):
    x = np.array([*SPECIAL[name], NAN], dtype=dtype)
    expected = np.array([*SPECIAL[name].values(), NAN], dtype=dtype)
    with np.errstate(all="ignore"):
        interpreted = getattr(elementary, name)(x)
    assert_array_equal(compiled(name, x), expected)
    assert_array_equal(interpreted, expected)


@pytest.mark.parametrize("name", KEEPS_THE_SIGN_OF_ZERO)
@both_formats
def test_odd_at_zero_means_the_sign_of_zero_is_kept(name, dtype):
    x = np.array([0.0, -0.0], dtype=dtype)
    assert_array_equal(np.signbit(compiled(name, x)), [False, True])


@pytest.mark.parametrize("name", ["tanh", "erf"])
@both_formats
def test_odd_functions_are_odd_to_the_last_bit(name, dtype):
    x = grid(dtype)
    assert_array_equal(compiled(name, -x), -compiled(name, x))


@both_formats
def test_logistic_functions_underflow_as_slowly_as_exp(dtype):
    """Far to the left sigmoid(x), softplus(x) and exp(x) are one number, subnormal in the end."""
    x = np.linspace(np.log(np.finfo(dtype).smallest_subnormal), -40, 500, dtype=dtype)
    assert np.all(compiled("exp", x) > 0)
    assert_array_equal(compiled("sigmoid", x), compiled("exp", x))
    assert_array_equal(compiled("softplus", x), compiled("exp", x))


@both_formats
def test_logaddexp_of_infinities_is_that_of_numpy(dtype):
    values = np.array([-INF, -1e4, -1, 0, 1, 1e4, INF, NAN], dtype=dtype)
    a, b = (part.ravel() for part in np.meshgrid(values, values))
    with np.errstate(invalid="ignore"):
        expected = np.logaddexp(a, b)
        rounded = np.abs(a - b) <= 2
    result = compiled("logaddexp", a, b)
    assert_array_equal(result[~rounded], expected[~rounded])
    assert np.all(np.isfinite(result[rounded]))


@pytest.mark.parametrize("name", [*TRUE, "logaddexp"])
@both_formats
def test_interpreted_and_compiled_keep_the_format(name, dtype):
    arguments = (dtype(0.5),) * (2 if name == "logaddexp" else 1)
    function = getattr(elementary, name)
    call = kernel((lambda a, b: function(a, b)) if name == "logaddexp" else (lambda x: function(x)))
    assert function(*arguments) == pytest.approx(call(*arguments), rel=4 * float(np.finfo(dtype).eps))
    assert type(function(*arguments)) is dtype
    assert function(*(np.full(3, a) for a in arguments)).dtype == dtype
    assert call.nopython_signatures[0].return_type == numba.from_dtype(np.dtype(dtype))


def test_integers_and_booleans_count_as_float64():
    @kernel
    def literals():
        return elementary.exp(2), elementary.log1p(True), elementary.logaddexp(0, 1.0)

    @kernel
    def variables(count, flag, single):
        return elementary.exp(count), elementary.log1p(flag), elementary.logaddexp(flag, single)

    expected = pytest.approx((np.exp(2.0), np.log(2.0), np.logaddexp(0.0, 1.0)), rel=1e-15)
    assert literals() == expected
    assert variables(2, True, np.float32(1)) == pytest.approx(
        (np.exp(2.0), np.log(2.0), np.logaddexp(1.0, 1.0)), rel=1e-15
    )
    (signature,) = variables.nopython_signatures
    assert signature.return_type == types.UniTuple(types.float64, 3)


@pytest.mark.parametrize("name", ["exp", "erf"])
def test_a_complex_argument_does_not_compile(name):
    function = getattr(elementary, name)
    with pytest.raises(numba.TypingError, match=name):
        kernel(lambda x: function(x))(1j)


@pytest.mark.parametrize("name", ["expm1", "log1p", "softplus"])
def test_a_caller_with_fastmath_gets_the_same_bits(name):
    """Reassociation would cancel the rounding constant and both halves of log(2)."""
    x = np.linspace(-0.9, 20, 1001)
    out = np.empty_like(x)
    numba.njit(fastmath=True, error_model="python")(loop(name).py_func)(x, out)
    assert_array_equal(out, compiled(name, x))


@pytest.mark.parametrize("name", [*TRUE, "logaddexp"])
@both_formats
def test_a_plain_loop_runs_on_vectors(name, dtype):
    """Packed multiplications on 256 bits or more where the processor has AVX2, vectors in LLVM anywhere."""
    fresh = numba.jit(**loop(name).targetoptions)(loop(name).py_func)  # cached code cannot be inspected
    array = np.ones(64, dtype=dtype)
    fresh(*(array,) * (2 if name == "logaddexp" else 1), np.empty_like(array))
    (code,), (assembly,) = fresh.inspect_llvm().values(), fresh.inspect_asm().values()
    assert re.search(rf"fmul <\d+ x {'double' if dtype is np.float64 else 'float'}>", code)
    assert "extractelement" not in code  # no element leaves its vector for a scalar instruction
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    if "+avx2" in features.split(","):
        packed = "pd" if dtype is np.float64 else "ps"
        assert re.search(rf"v(mul|fn?m\w+){packed}\s.*%[yz]mm", assembly)
