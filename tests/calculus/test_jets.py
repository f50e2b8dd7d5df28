"""Jets against SymPy, and the two worlds, interpreted and compiled, against each other.

One table of operations serves every test.  Each entry is what an author writes, and what SymPy reads.  The
text of all of them together is one function, so that one kernel compiles the whole table.
"""

import copy
import math

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy
from numba import types
from numba.core.errors import TypingError
from numba.extending import register_jitable
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._runtime.jit import kernel
from calclearn.calculus import COMPILED, Jet, derivatives, lift, variable
from calclearn.calculus import _functions as f

OPERATIONS = {
    # what an author writes: what SymPy reads, where that differs
    "+x": "x",
    "-x": None,
    "x + 2": None,
    "2.5 + x": None,
    "x + x * x": None,
    "x - 2.5": None,
    "3 - x": None,
    "x - x * x": None,
    "x * 3": None,
    "2.5 * x": None,
    "x * f.sin(x)": "x*sin(x)",
    "x / 4": None,
    "4.5 / x": None,
    "f.exp(x) / x": "exp(x)/x",
    "x / 1e308": None,
    "x / (1e150 * x * x)": "1e-150/x",
    "f.square(x)": "x**2",
    "x**0": "x**0",
    "x**1": None,
    "x**2": None,
    "x**3": None,
    "x**4": None,
    "x**7": None,
    "x**-2": None,
    "x**2.0": "x**2",
    "x**0.5": "sqrt(x)",
    "x**1.5": "x**Rational(3, 2)",
    "abs(x) ** 1.5": "Abs(x)**Rational(3, 2)",
    "pow(x, 2)": "x**2",
    "f.power(x, 3)": "x**3",
    "f.power(x, -0.5)": "1/sqrt(x)",
    "2**x": None,
    "0.5**x": "Rational(1, 2)**x",
    "x**x": None,
    "abs(x)": "Abs(x)",
    "f.absolute(x)": "Abs(x)",
    "f.sign(x)": "sign(x)",
    "max(x, 0.5)": "Max(x, Rational(1, 2))",
    "max(0.5, x)": "Max(x, Rational(1, 2))",
    "max(x, x * x)": "Max(x, x**2)",
    "max(0.0, x, 1 - x)": "Max(0, x, 1 - x)",
    "min(x, 0.5)": "Min(x, Rational(1, 2))",
    "min(0.5, x)": "Min(x, Rational(1, 2))",
    "min(x, 0.5, x * x)": "Min(x, Rational(1, 2), x**2)",
    "f.maximum(0.5, x)": "Max(x, Rational(1, 2))",
    "f.minimum(x, x * x)": "Min(x, x**2)",
    "f.clip(x, -1.0, 1)": "Min(Max(x, -1), 1)",
    "f.where(x > 0, x * x, 0.0)": "Max(x, 0)**2",
    "f.where(1 >= x, 1, x)": "Max(x, 1)",
    "f.where(x != x * x, x, x * x)": "x",
    "f.sqrt(x)": "sqrt(x)",
    "f.sqrt(x * x)": "Abs(x)",
    "f.sqrt(1 + x * x)": "sqrt(1 + x**2)",
    "f.exp(x)": "exp(x)",
    "f.exp(-x * x)": "exp(-x**2)",
    "f.expm1(x)": "expm1(x)",
    "f.log(x)": "log(x)",
    "f.log(f.cosh(x))": "log(cosh(x))",
    "f.log(f.sinh(x))": "log(sinh(x))",
    "f.log1p(x)": "log1p(x)",
    "f.log2(x)": "log(x)/log(2)",
    "f.log10(x)": "log(x)/log(10)",
    "f.xlogy(x, x)": "x*log(x)",
    "f.xlogy(0.0, x)": "0*x",
    "f.xlogy(2.5, x)": "5*log(x)/2",
    "f.xlogy(x, 2.5)": "x*log(Rational(5, 2))",
    "f.sigmoid(x)": "1/(1 + exp(-x))",
    "f.softplus(x)": "log1p(exp(x))",
    "f.logaddexp(x, -x)": "log(2*cosh(x))",
    "f.logaddexp(0.0, x)": "log1p(exp(x))",
    "f.logaddexp(2 * x, 1.5)": "log(exp(2*x) + exp(Rational(3, 2)))",
    "f.tanh(x)": "tanh(x)",
    "f.sinh(x)": "sinh(x)",
    "f.cosh(x)": "cosh(x)",
    "f.sin(x)": "sin(x)",
    "f.cos(x)": "cos(x)",
    "f.tan(x)": "tan(x)",
    "f.arctan(x)": "atan(x)",
    "f.erf(x)": "erf(x)",
}
POINTS = np.array([-21.5, -3.2, -1.3, -0.4, -0.02, 0.02, 0.3, 0.9, 1.7, 4.1, 25.0])  # never on a kink
EXTREMES = np.array([-1e300, -1e4, -800.0, -0.0, 0.0, 1e-300, 800.0, 1e4, 1e300])
SEED = (0.75, -1.375)  # the inner derivatives: not (1, 0), so that every term of the chain rule counts

exec(f"def operations(x):\n    return ({', '.join(OPERATIONS)},)", globals())
operations = register_jitable(globals()["operations"])


@kernel
def evaluate(x, first, second, out):
    for i in range(x.shape[0]):
        results = operations(Jet(x[i], first, second))
        for k in range(len(results)):
            out[k, i, 0], out[k, i, 1], out[k, i, 2] = results[k].value, results[k].first, results[k].second


@kernel
def evaluate_numbers(x, out):
    for i in range(x.shape[0]):
        results = operations(x[i])
        for k in range(len(results)):
            out[k, i] = results[k]


def compiled(x, seed=SEED):
    out = np.empty((len(OPERATIONS), len(x), 3), x.dtype)
    evaluate(x, *seed, out)
    return out


def interpreted(x, seed=SEED):
    """The same numbers from the same text, point by point (max and min take no arrays)."""
    jets = [[lift(result, point) for result in operations(Jet(point, *seed))] for point in x]
    parts = [[(jet.value, jet.first, jet.second) for jet in row] for row in jets]
    return np.array(parts, x.dtype).transpose(1, 0, 2)


def by_sympy(text, points):
    """Value, and the derivatives that `SEED` makes of it, in 50 digits; NaN where it is not real."""
    x = sympy.Symbol("x", real=True)
    names = {"x": x, "expm1": lambda u: sympy.exp(u) - 1, "log1p": lambda u: sympy.log(1 + u)}
    value = sympy.sympify(text, locals=names)
    first, second = sympy.diff(value, x), sympy.diff(value, x, 2)
    zero_off_kinks = {"DiracDelta": lambda *_: mpmath.mpf(0)}
    functions = [sympy.lambdify(x, e, [zero_off_kinks, "mpmath"]) for e in (value, first, second)]
    rows = []
    with mpmath.workdps(50):
        for point in points:
            v, d, dd = (mpmath.mpmathify(function(mpmath.mpf(point))) for function in functions)
            row = (v, d * SEED[0], dd * SEED[0] ** 2 + d * SEED[1])
            rows.append([float(n) if mpmath.im(n) == 0 else np.nan for n in row])
    return np.array(rows)


@pytest.fixture(scope="module")
def at_points():
    return interpreted(POINTS)


# ---------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize("written", OPERATIONS)
def test_every_rule_is_what_sympy_derives(written, at_points):
    expected = by_sympy(OPERATIONS[written] or written, POINTS)
    real = ~np.isnan(expected).any(axis=1)
    found = at_points[list(OPERATIONS).index(written)]
    assert real.sum() >= 6
    assert_allclose(found[real], expected[real], rtol=1e-13, atol=1e-300)


def test_compiled_jets_are_interpreted_jets(at_points):
    assert_allclose(compiled(POINTS), at_points, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("seed", [(1.0, 0.0), SEED])
def test_compiled_jets_are_interpreted_jets_at_limits_and_where_things_overflow(seed):
    assert_allclose(compiled(EXTREMES, seed), interpreted(EXTREMES, seed), rtol=1e-13, atol=1e-300)


def test_the_functions_mean_the_same_to_compiled_numbers(at_points):
    out = np.empty((len(OPERATIONS), len(POINTS)))
    evaluate_numbers(POINTS, out)
    assert_allclose(out, at_points[:, :, 0], rtol=1e-13, atol=1e-300)


def test_float32_stays_float32():
    """A tuple of compiled jets is uniform, or `evaluate` does not compile: the first one stands for all."""
    points = np.float32([-3.2, -0.4, 0.3, 1.7])
    ours = [k for k, written in enumerate(OPERATIONS) if "1e150" not in written and "1e308" not in written]
    expected = interpreted(points.astype(float))
    jets = [lift(result, points[2]) for result in operations(variable(points[2]))]
    assert {part.dtype for jet in jets for part in (jet.value, jet.first, jet.second)} == {np.dtype("f4")}
    assert_allclose(compiled(points)[ours], expected[ours], rtol=3e-5, atol=1e-6)
    first_of_float32(points[0])
    (overload,) = first_of_float32.overloads.values()
    assert overload.signature.return_type == types.UniTuple(types.float32, 3)


@kernel
def first_of_float32(x):
    jet = operations(variable(x))[0]
    return jet.value, jet.first, jet.second


def test_plain_numbers_never_widen_a_float32_jet():
    x = variable(np.float32([0.5, 1.5]))
    for result in (x * np.float64(2.0), np.log(2.0) - x, x ** np.float64(1.5), np.array([1, 2]) * x, x / 3):
        assert (result.value.dtype, result.first.dtype, result.second.dtype) == (np.float32,) * 3


# ------------------------------------------------------------------------------- limits, kinks, extremes

LIMITS = [
    # right limits where there is a derivative, though a factor of the rule is infinite
    (lambda x: x**2.0, 0.0, (0, 0, 2)),
    (lambda x: x ** np.float64(1.0), 0.0, (0, 1, 0)),
    (lambda x: x**1.5, 0.0, (0, 0, np.inf)),
    (lambda x: x**0.5, 0.0, (0, np.inf, -np.inf)),
    (np.sqrt, 0.0, (0, np.inf, -np.inf)),
    (np.log, 0.0, (-np.inf, np.inf, -np.inf)),
    (lambda x: 1.0 / x, 0.0, (np.inf, -np.inf, np.inf)),
    (lambda x: 0.0**x, 2.0, (0, 0, 0)),
    (lambda x: scipy.special.xlogy(x, x), 0.0, (0, -np.inf, np.inf)),
    (lambda x: scipy.special.xlogy(0.0, x), 0.0, (0, 0, 0)),
    # kinks, where there is none: a subgradient
    (abs, 0.0, (0, 0, 0)),
    (np.sign, 0.0, (0, 0, 0)),
    (lambda x: abs(x) ** 1.5, 0.0, (0, 0, 0)),
    (lambda x: np.sqrt(x * x), 0.0, (0, 0, 0)),
    (lambda x: np.maximum(0.0, x), 0.0, (0, 0, 0)),
    (lambda x: np.maximum(x, 0.0), 0.0, (0, 1, 0)),
    (lambda x: np.minimum(x, -x), 0.0, (0, 1, 0)),
    (lambda x: max(0.0, x), 0.0, (0, 0, 0)),
    (lambda x: max(x, 0.0), 0.0, (0, 1, 0)),
    # far out: finite where the truth is, else infinite
    (np.tanh, 1e4, (1, 0, 0)),
    (np.tanh, -1e4, (-1, 0, 0)),
    (np.tanh, 300.0, (1, 4 * math.exp(-600.0), -8 * math.exp(-600.0))),
    (lambda x: np.logaddexp(x, -x), 1e4, (1e4, 1, 0)),
    (lambda x: np.logaddexp(x, -x), -1e4, (1e4, -1, 0)),
    (lambda x: np.logaddexp(0.0, x), -700.0, (math.exp(-700.0),) * 3),
    (scipy.special.expit, -1e4, (0, 0, 0)),
    (scipy.special.expit, 40.0, (1, math.exp(-40.0), -math.exp(-40.0))),
    (lambda x: np.log(np.cosh(x)), 700.0, (700 - math.log(2), 1, 0)),
    (np.cosh, 1e4, (np.inf, np.inf, np.inf)),
    (np.exp, 1e4, (np.inf, np.inf, np.inf)),
    (np.exp, -1e4, (0, 0, 0)),
    (lambda x: x * np.exp(x), 1e4, (np.inf, np.inf, np.inf)),
    (lambda x: np.exp(-x * x), 1e200, (0, 0, 0)),
    (scipy.special.erf, 1e200, (1, 0, 0)),
    (np.arctan, 1e200, (math.pi / 2, 0, 0)),
    (lambda x: x / 1.7e308, 1.7e308, (1, 1 / 1.7e308, 0)),
    (lambda x: 1.0 / (x * 1e300), 1e8, (1e-308, -1e-316, 2e-324)),
    (lambda x: np.sqrt(x * x), 1e150, (1e150, 1, 0)),
]


@pytest.mark.parametrize(("function", "x", "expected"), LIMITS)
def test_limits_kinks_and_extremes(function, x, expected):
    """The rules of docs/derivations/jets.md for where the textbook formula says 0/0, or infinity times 0."""
    assert_allclose(derivatives(function, x), expected, rtol=1e-12, atol=1e-150)


# ------------------------------------------------------------------------------------------------ formulas


def branches(x):
    if x > 1.0:
        return 0.0
    if x < -1:
        return 3
    return (1 - x) ** 2


def in_place(x):
    total = x * x
    total += 1
    total -= x
    total *= 2.0
    total /= x
    total **= 2
    return total


def never_moves(x):
    return 1.5 if x > 0 else 0.0


def three(x, n):
    return max(0.0, 1 - x, x * x), min(x, 1.0, x**n), f.where(f.maximum(x, 1.0) >= 1.5, f.absolute(x), 2)


FORMULAS = [branches, in_place, never_moves]
branches_, in_place_, never_moves_, three_ = map(register_jitable, (branches, in_place, never_moves, three))


@kernel
def evaluate_formulas(x, n, out):
    for i in range(x.shape[0]):
        jet = variable(x[i])
        first_three = lift(branches_(jet), x[i]), lift(in_place_(jet), x[i]), lift(never_moves_(jet), x[i])
        for k, result in enumerate(first_three + three_(jet, n)):
            out[k, i, 0], out[k, i, 1], out[k, i, 2] = result.value, result.first, result.second


def test_branches_of_numbers_and_jets_in_place_operators_and_integer_variables_compile():
    x = np.array([-2.0, -0.5, 0.7, 2.5])
    out = np.empty((6, 4, 3))
    evaluate_formulas(x, 3, out)
    formulas = [*FORMULAS, *(lambda x, k=k: three(x, 3)[k] for k in range(3))]
    assert_allclose(out, [[derivatives(formula, point) for point in x] for formula in formulas], rtol=1e-14)


def test_a_formula_that_returns_a_number_has_zero_derivatives():
    assert derivatives(never_moves, 2.0) == (1.5, 0.0, 0.0)
    value, first, second = derivatives(lambda x: 3, np.zeros((2, 3), np.float32))
    assert_array_equal([value, first, second], [np.full((2, 3), v) for v in (3, 0, 0)])
    assert value.dtype == first.dtype == second.dtype == np.float32


def test_a_jet_may_hold_arrays_that_cannot_be_written_to():
    x = np.linspace(-2.0, 2.0, 6).reshape(2, 3)
    y = np.arange(6).reshape(2, 3)
    x.flags.writeable = y.flags.writeable = False
    parts = derivatives(lambda x: y * np.logaddexp(0.0, x) - np.where(x > y, x, 0.0) + y / 2, x)
    points = [
        derivatives(lambda x, y=y: y * np.logaddexp(0.0, x) - np.where(x > y, x, 0.0) + y / 2, x)
        for x, y in zip(x.flat, y.flat)
    ]
    assert_allclose(np.reshape(parts, (3, 6)).T, points, rtol=1e-15)
    value, _, _ = derivatives(lambda x: x, x)
    value[...] = 0.0  # a result is its owner's: nothing of x is written to
    assert x[0, 0] == -2.0


def test_derivatives_take_integers_and_lists():
    assert derivatives(lambda x: x**-1, 2) == (0.5, -0.25, 0.25)
    assert_array_equal(derivatives(np.square, [1, 2]), [[1, 4], [2, 4], [2, 2]])


def test_arrays_and_scalars_of_numpy_on_the_left_leave_the_operation_to_the_jet():
    x = Jet(2.0, 1.0, 0.0)
    for two in (2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.array([2.0, 2.0])):
        for result in (two * x, two + x, two - x, two / x, two**x):
            assert isinstance(result, Jet)
        assert np.all(two == x)
        assert not np.any(two < x)


def test_jets_compare_by_value_and_are_immutable():
    x = Jet(np.array([1.0, 2.0]), 1.0, 0.0)
    assert_array_equal(x > 1, [False, True])
    assert_array_equal(x != x * x, [False, True])
    before = x
    x += 1
    assert_array_equal(before.value, [1.0, 2.0])
    assert_array_equal(copy.deepcopy(x).value, [2.0, 3.0])
    assert repr(Jet(1, 0.5, 0)) == "Jet(1.0, 0.5, 0.0)"


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (math.exp, r"math\.exp, or float\(\), on a Jet: write np\.exp"),
        (float, "on a Jet: write np"),
        (lambda x: np.zeros(2).__setitem__(0, x), r"instead of writing into a plain array"),
        (np.arcsinh, r"np\.arcsinh has no rule for jets; write np\.log\(x \+ np\.sqrt"),
        (np.arcsin, r"np\.arcsin has no rule for jets; .* or define derivatives\(y, raw\)"),
        (scipy.special.gammaln, r"scipy\.special\.gammaln has no rule for jets"),
        (lambda x: x % 2, r"np\.remainder has no rule"),
        (np.sum, r"np\.sum has no rule"),
        (np.max, r"np\.max has no rule for jets; write np\.maximum\(a, b\)"),
        (np.zeros_like, r"np\.zeros_like has no rule for jets; write 0\.0"),
        (np.add.reduce, r"np\.add\.reduce has no rule"),
        (lambda x: np.exp(x, out=np.zeros(1)), r"np\.exp with out= has no rule"),
        (np.asarray, "a Jet is not an array"),
        (lambda x: 1 if x else 2, r"neither true nor false: write a comparison"),
        (lambda x: np.where(x, 1.0, 2.0), r"np\.where on the condition of a Jet: write a comparison"),
        (lambda x: x + None, "real numbers or arrays of them, got None"),
        (lambda x: x * 1j, "real numbers or arrays of them, got 1j"),
        (lambda x: Jet(x, 1.0, 0.0), "a Jet is not an array"),
    ],
)
def test_an_operation_without_a_rule_names_itself_and_says_what_to_write(operation, message):
    with pytest.raises(TypeError, match=message):
        operation(variable(1.0))


def test_an_operation_without_a_rule_does_not_compile():
    @kernel
    def unknown(x):
        return np.arcsinh(variable(x)).first

    with pytest.raises(TypingError, match="arcsinh"):
        unknown(1.0)


def test_nothing_is_overloaded_on_functions_of_others():
    """Numba code elsewhere in the process compiles as if calclearn had not been imported."""
    owners = {ours.__module__.partition(".")[0] for ours in COMPILED.values()}
    assert owners == {"calclearn", "_operator"}
    assert all(isinstance(theirs, np.ufunc) or theirs.__module__ != "builtins" for theirs in COMPILED)
