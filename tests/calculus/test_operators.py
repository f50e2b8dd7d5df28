"""Derivatives of functions of arrays, by every mode, against SymPy and against one another."""

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.calculus import (
    Jet,
    derivative,
    derivatives,
    directional_derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    log_softmax,
    logsumexp,
    softmax,
    taylor,
    value_and_gradient,
)

from ..losses.table import LOSSES, MODERATE, TARGETS
from .table import ELEMENTWISE, PAIRS, VECTOR, Numbers, Symbols, cases

m = Numbers()
MODES = ("forward", "reverse")


def assert_close(actual, expected, tolerance=1e-10):
    """By norms, relative."""
    assert np.shape(actual) == np.shape(expected)
    distance, size = np.linalg.norm(np.ravel(actual - expected)), np.linalg.norm(np.ravel(expected))
    assert distance <= tolerance * max(size, 1e-3), (actual, expected)


def numbers(expressions, symbols, values):
    """Expressions of SymPy's at a point, in 30 digits."""
    smooth = [
        sympy.sympify(e).replace(sympy.DiracDelta, lambda *_: sympy.S.Zero) for e in np.ravel(expressions)
    ]
    function = sympy.lambdify(symbols, smooth, "mpmath")
    with mpmath.workdps(30):
        answer = [float(sympy.re(number)) for number in function(*map(mpmath.mpf, np.ravel(values)))]
    return np.array(answer).reshape(np.shape(expressions))


def weights(shape):
    return np.cos(1.0 + np.arange(np.prod(shape, dtype=int))).reshape(shape)


@pytest.mark.parametrize(("f", "x"), cases())
def test_jacobians_and_hessians_are_sympys(f, x):
    """Forward, reverse and nested, for every function of the table."""
    symbols = np.array(sympy.symbols(f"x:{x.size}", real=True), dtype=object).reshape(x.shape)
    formula = np.asarray(f(Symbols(sympy), symbols), dtype=object)
    first = np.array([[sympy.diff(y, s) for s in symbols.flat] for y in formula.flat], dtype=object)
    expected = numbers(first, symbols.ravel(), x).reshape(formula.shape + x.shape)
    for mode in (*MODES, None):
        assert_close(jacobian(lambda x: f(m, x), x, mode=mode), expected)
    w = weights(formula.shape)

    def weighted(x):
        return np.sum(w * f(m, x))

    one = sum(weight * row for weight, row in zip(w.flat, first))
    second = np.array([[sympy.diff(y, s) for s in symbols.flat] for y in one], dtype=object)
    expected = numbers(second, symbols.ravel(), x).reshape(x.shape + x.shape)
    for mode in (*MODES, None):
        assert_close(hessian(weighted, x, mode=mode), expected)
    v = weights(x.shape)
    for mode in (*MODES, None):
        assert_close(hvp(weighted, x, v, mode=mode), np.tensordot(expected, v, x.ndim))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivatives_of_functions_of_one_number_are_sympys(name):
    text, points = ELEMENTWISE[name]
    function, x, s = getattr(m, name), np.array(points), sympy.Symbol("x", real=True)
    formula = sympy.sympify(text, locals={"x": s})
    for order in (1, 2, 3):
        formula = sympy.diff(formula, s)
        expected = np.array([numbers([formula], [s], [point])[0] for point in points])
        for mode in MODES:
            assert_close(derivative(function, x, order=order, mode=mode), expected)


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_of_functions_of_two_numbers_are_sympys(name):
    text, x = PAIRS[name]
    function, symbols = getattr(m, name), sympy.symbols("a b", real=True)
    formula = sympy.sympify(text, locals=dict(zip("ab", symbols)))
    first = [sympy.diff(formula, s) for s in symbols]
    second = [[sympy.diff(y, s) for s in symbols] for y in first]
    for mode in MODES:
        assert_close(gradient(lambda x: function(x[0], x[1]), x, mode=mode), numbers(first, symbols, x))
        assert_close(hessian(lambda x: function(x[0], x[1]), x, mode=mode), numbers(second, symbols, x))


# ------------------------------------------------------------------------------------- what modes promise


@pytest.mark.parametrize(("f", "x"), cases())
def test_differences_agree_to_seven_digits(f, x):
    if f(m, x).ndim == 0 or x.size <= 3:
        exact = jacobian(lambda x: f(m, x), x)
        assert_close(jacobian(lambda x: f(m, x), x, mode="numerical"), exact, 1e-7)


def test_second_differences_agree_to_four_digits():
    def f(x):
        return np.sum(np.exp(np.sin(x))) * x[0]

    assert_close(hessian(f, VECTOR, mode="numerical"), hessian(f, VECTOR), 1e-4)
    assert_close(hvp(f, VECTOR, VECTOR, mode="numerical"), hvp(f, VECTOR, VECTOR), 1e-4)
    assert_close(derivative(np.sin, VECTOR, order=2, mode="numerical"), -np.sin(VECTOR), 1e-4)


def test_differences_take_functions_of_any_kind():
    import math

    assert_close(
        gradient(lambda x: math.exp(float(x[0])) * x[1], [0.5, 2.0], mode="numerical"),
        np.exp(0.5) * np.array([2.0, 1.0]),
        1e-9,
    )
    assert_close(
        derivative(lambda x: np.array([math.sin(t) for t in x]), VECTOR, mode="numerical"),
        np.cos(VECTOR),
        1e-9,
    )


def test_differences_that_do_not_converge_say_so():
    with pytest.warns(RuntimeWarning, match="did not converge"):
        derivative(lambda x: np.sqrt(np.abs(x)), 1e-9, mode="numerical")


def test_jets_agree():
    """The second-order jets of losses, on formulas that both can read."""
    points = np.array([-2.0, -0.3, 0.0, 0.7, 30.0])
    for f in (
        lambda x: np.logaddexp(0.0, x) - 0.3 * x,
        lambda x: np.log(np.cosh(x)),
        lambda x: np.where(x > 1.0, x - 0.5, 0.5 * x * x),
        lambda x: np.maximum(0.0, 1.0 - x) ** 2,
        lambda x: np.abs(x) * np.tanh(x) + np.clip(x, -1.0, 1.0),
        lambda x: scipy.special.erf(x) * scipy.special.expit(x) + scipy.special.xlogy(2.0, 1.0 + x * x),
        lambda x: np.arctan(x) / (2.0 + np.sin(x)) + 2.0 ** (x / 10.0) + (x * x + 1.0) ** 1.5,
    ):
        _, first, second = derivatives(f, points)
        for mode in MODES:
            assert_allclose(derivative(f, points, mode=mode), first, rtol=1e-13, atol=1e-15)
            assert_allclose(derivative(f, points, order=2, mode=mode), second, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_losses_are_functions_like_any_other(loss):
    """Their values, differentiated by both modes, are what their own derivatives are."""
    for y in TARGETS[loss.domain]:
        for raw in MODERATE:
            expected = loss.derivatives(y, raw)
            for mode in MODES:
                for order in (1, 2):
                    slope = derivative(lambda raw: loss.value(y, raw), raw, order=order, mode=mode)  # noqa: B023
                    assert_allclose(slope, expected[order - 1], rtol=1e-10, atol=1e-14)


KINKS = [  # as docs/derivations/jets.md says, in every mode
    ("relu", lambda x: np.maximum(0.0, x), 0.0, 0.0),
    ("relu of the other order", lambda x: np.maximum(x, 0.0), 0.0, 1.0),
    ("minimum", lambda x: np.minimum(2.0 * x, x), 0.0, 2.0),
    ("absolute", np.abs, 0.0, 0.0),
    ("sign", np.sign, 0.0, 0.0),
    ("clip", lambda x: np.clip(x, 0.0, 1.0), 0.0, 1.0),
    ("where", lambda x: np.where(x > 0.0, x, 3.0 * x), 0.0, 3.0),
    ("root of a square", lambda x: np.sqrt(x * x), 0.0, 0.0),
    ("root", np.sqrt, 0.0, np.inf),
    ("power", lambda x: np.abs(x) ** 1.5, 0.0, 0.0),
    ("what is not taken", lambda x: np.where(x > 0.0, np.sqrt(x), 0.0), 0.0, 0.0),
    ("what is not taken, undefined", lambda x: np.where(x > 0.0, np.log(x), 0.0), -1.0, 0.0),
    ("zero times log", lambda x: scipy.special.xlogy(0.0, x), 0.0, 0.0),
]


@pytest.mark.parametrize(("f", "at", "slope"), [kink[1:] for kink in KINKS], ids=[kink[0] for kink in KINKS])
def test_kinks_follow_the_conventions_of_jets(f, at, slope):
    for mode in MODES:
        assert derivative(f, at, mode=mode) == slope
    with np.errstate(invalid="ignore", divide="ignore"):
        assert f(Jet(at, 1.0, 0.0)).first == slope


def test_extremes_that_tie_share_the_slope():
    for mode in MODES:
        assert_array_equal(gradient(np.max, [1.0, 3.0, 3.0], mode=mode), [0.0, 0.5, 0.5])
        assert_array_equal(gradient(np.min, [1.0, 1.0, 1.0, 3.0], mode=mode), [1 / 3, 1 / 3, 1 / 3, 0.0])
        assert_array_equal(gradient(np.linalg.norm, [0.0, 0.0], mode=mode), [0.0, 0.0])
        assert_array_equal(gradient(lambda x: np.sqrt(x @ x), [0.0, 0.0], mode=mode), [0.0, 0.0])
        assert_array_equal(gradient(lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], mode=mode), [0.0, 0.0])
        assert_array_equal(hessian(lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], mode=mode), np.zeros((2, 2)))


def test_tails_keep_their_digits():
    x = np.array([-40.0, 20.0])
    slopes = np.sqrt(2.0 / np.pi) / scipy.special.erfcx(np.array([20.0, 1e3]))
    assert_allclose(derivative(scipy.special.log_ndtr, -np.sqrt(2.0) * np.array([20.0, 1e3])), slopes)
    far = np.array([29.9, 30.1, 1e3, 1e8])  # -2/√π (t - 3t² + 15t³ ...), with t = 1/(2x²)
    t = 0.5 / far**2
    series = t - 3.0 * t**2 + 15.0 * t**3 - 105.0 * t**4 + 945.0 * t**5
    assert_allclose(derivative(scipy.special.erfcx, far), -2.0 / np.sqrt(np.pi) * series, rtol=2e-12)
    assert_allclose(derivative(scipy.special.log_ndtr, [-1e5, -1e8], order=2), -1.0, rtol=2e-10)
    assert_allclose(derivative(np.tanh, x), 4.0 * np.exp(-2.0 * np.abs(x)), rtol=1e-13)
    assert_allclose(derivative(scipy.special.expit, -x), np.exp(-np.abs(x)), rtol=1e-8)
    assert_array_equal(derivative(np.tanh, [-1e4, 1e4]), [0.0, 0.0])
    assert_array_equal(derivative(np.exp, [-1e4, 1e4], order=2), [0.0, np.inf])


# -------------------------------------------------------------------------------------------- operators


def test_levels_are_kept_apart():
    """A derivative inside a function that is being differentiated: d/dx x d/dy (x + y) is 1, not 2."""
    for inner in MODES:
        for outer in MODES:

            def f(x, inner=inner):
                return x * derivative(lambda y: x + y, 1.0, mode=inner)

            assert derivative(f, 1.0, mode=outer) == 1.0

            def g(x, inner=inner):
                return x * gradient(lambda y: x * y * y, x, mode=inner)

            assert derivative(g, 3.0, mode=outer) == 54.0


def test_orders_are_any():
    x = np.array([0.3, 2.0])
    assert_allclose(derivative(np.exp, x, order=7), np.exp(x), rtol=1e-13)
    assert_allclose(derivative(lambda x: x**5, x, order=6), [0.0, 0.0])
    assert_allclose(derivative(np.log, x, order=5, mode="reverse"), 24.0 / x**5, rtol=1e-13)


def test_directional_derivatives_are_products_with_the_jacobian():
    def f(x):
        return np.stack([x[0] * x[1], np.sin(x[2]), np.sum(x)])

    v = np.array([1.0, -2.0, 0.5])
    expected = jacobian(f, VECTOR) @ v
    for mode in (*MODES, None):
        assert_allclose(directional_derivative(f, VECTOR, v, mode=mode), expected, rtol=1e-14)
    assert_allclose(directional_derivative(f, VECTOR, v, mode="numerical"), expected, rtol=1e-8)
    assert directional_derivative(np.sum, VECTOR, v) == pytest.approx(-0.5)


def test_values_come_with_gradients():
    for mode in (*MODES, None, "numerical"):
        value, slope = value_and_gradient(lambda x: np.sum(x**2), VECTOR, mode=mode)
        assert value == np.sum(VECTOR**2)
        assert_allclose(slope, 2.0 * VECTOR, rtol=1e-9)


def test_lists_and_integers_are_floats_and_float32_stays():
    assert_array_equal(gradient(lambda x: x @ x, [1, 2]), [2.0, 4.0])
    assert gradient(lambda x: x @ x, np.array([1, 2])).dtype == np.float64
    x = np.array([0.5, 2.0], dtype=np.float32)

    def f(x):
        return np.sum(np.where(x > 1, np.exp(-x), np.tanh(2 * x) ** 2) / (1 + x)) + logsumexp(x) + np.max(x)

    for mode in MODES:
        assert gradient(f, x, mode=mode).dtype == np.float32
        assert hessian(f, x, mode=mode).dtype == np.float32
        assert_allclose(gradient(f, x, mode=mode), gradient(f, x.astype(float)), rtol=1e-5)
        assert gradient(lambda x: np.sum(x * np.array([1.0, 2.0])), x, mode=mode).dtype == np.float32


def test_answers_are_arrays_of_ones_own():
    x = np.arange(3.0)
    x.flags.writeable = False
    for f in (np.sum, lambda x: x[0], lambda x: x @ x, lambda x: 1.0):
        for mode in MODES:
            slope = gradient(f, x, mode=mode)
            slope += 1.0
            assert slope.shape == (3,)
    assert isinstance(derivative(np.sin, 0.3), np.floating)


def test_what_does_not_depend_has_no_slope():
    for mode in MODES:
        assert_array_equal(gradient(lambda x: 3.0, VECTOR, mode=mode), np.zeros(3))
        assert_array_equal(gradient(lambda x: np.floor(x[0]) * 2.0, VECTOR, mode=mode), np.zeros(3))
        assert_array_equal(jacobian(lambda x: [x[0], 1.0], VECTOR, mode=mode), [[1, 0, 0], [0, 0, 0]])
        assert_array_equal(jacobian(lambda x: np.ones_like(x), VECTOR, mode=mode), np.zeros((3, 3)))


def test_jacobians_of_empty_arrays_are_empty():
    for mode in MODES:
        assert gradient(np.sum, np.zeros(0), mode=mode).shape == (0,)
        assert jacobian(lambda x: x[:0], VECTOR, mode=mode).shape == (0, 3)


def test_softmax_and_its_logarithms_are_scipys():
    x = np.random.default_rng(0).normal(size=(3, 4)) * 100.0
    for axis in (None, 0, -1):
        assert_allclose(logsumexp(x, axis), scipy.special.logsumexp(x, axis), rtol=1e-14)
        assert_allclose(softmax(x, axis), scipy.special.softmax(x, axis), rtol=1e-13)
        assert_allclose(log_softmax(x, axis), scipy.special.log_softmax(x, axis), rtol=1e-13, atol=1e-15)
    assert logsumexp([-np.inf, 0.0]) == 0.0
    assert logsumexp([np.inf, 0.0]) == np.inf
    assert logsumexp([-np.inf, -np.inf]) == -np.inf
    assert_array_equal(gradient(logsumexp, [-np.inf, -np.inf]), [0.0, 0.0])
    assert_allclose(gradient(logsumexp, [1e4, 1e4, -1e4]), [0.5, 0.5, 0.0])


# ---------------------------------------------------------------------------------------------- Taylor


def test_taylor_polynomials():
    polynomial = taylor(np.exp, 0.0, 5)
    assert_allclose(polynomial.coefficients, [1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120], rtol=1e-14)
    assert polynomial.order == 5
    assert_allclose(polynomial([-0.1, 0.1]), np.exp([-0.1, 0.1]), rtol=1e-8)
    assert repr(taylor(lambda x: x**2 - 2 * x, 1.0, 2)) == "-1 + t^2 + O(t^3)"
    assert repr(taylor(lambda x: -x, 0.0, 1)) == "-t + O(t^2)"
    assert repr(taylor(lambda x: 0.0 * x, 0.0, 3)) == "0 + O(t^4)"


def test_taylor_polynomials_of_several_variables_follow_a_direction():
    polynomial = taylor(lambda x: [x[0] * x[1], np.sin(x[0])], [1.0, 2.0], 3, direction=[1.0, -1.0])
    assert polynomial.coefficients.shape == (4, 2)
    assert_allclose(polynomial.coefficients[:, 0], [2.0, 1.0, -1.0, 0.0], atol=1e-15)
    t = 1e-3
    assert_allclose(polynomial(t), [(1 + t) * (2 - t), np.sin(1 + t)], rtol=1e-12)
    assert polynomial(np.zeros(4)).shape == (4, 2)
    assert repr(polynomial) == "TaylorPolynomial(order=3, shape=(2,))"
    with pytest.raises(ValueError, match="needs a direction"):
        taylor(np.sum, VECTOR, 2)


# ----------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradient(np.sum, 1j), TypeError, "x must be real numbers"),
        (lambda: gradient(np.sum, "abc"), TypeError, "x must be real numbers"),
        (lambda: gradient(np.sin, VECTOR), ValueError, r"one number, got shape \(3,\)"),
        (lambda: gradient(np.sin, VECTOR, mode="forward"), ValueError, r"one number, got shape \(3,\)"),
        (lambda: hessian(np.sin, VECTOR), ValueError, "one number"),
        (lambda: hvp(np.sin, VECTOR, VECTOR), ValueError, "one number"),
        (lambda: gradient(np.sum, VECTOR, mode="sideways"), ValueError, "got 'sideways'"),
        (lambda: hvp(np.sum, VECTOR, [1.0]), ValueError, r"shape of x, \(3,\), got \(1,\)"),
        (lambda: directional_derivative(np.sum, VECTOR, [1j, 0, 0]), TypeError, "direction must be real"),
        (
            lambda: derivative(np.sin, 0.0, order=0),
            ValueError,
            "order must be an integer of at least 1, got 0",
        ),
        (lambda: derivative(np.sin, 0.0, order=1.5), ValueError, "got 1.5"),
        (lambda: derivative(np.sin, 0.0, order=3, mode="numerical"), ValueError, "order must be 1 or 2"),
        (lambda: derivative(np.sum, VECTOR, mode="reverse"), ValueError, "entry by entry"),
        (lambda: derivative(np.sum, VECTOR), ValueError, "entry by entry"),
        (lambda: gradient(lambda x: None, VECTOR), TypeError, "must return real numbers, got None"),
        (lambda: jacobian(lambda x: ["a", "b"], 1.0, mode="forward"), TypeError, "return real numbers"),
        (lambda: taylor(np.sin, 0.0, -1), ValueError, "at least 0, got -1"),
        (
            lambda: gradient(lambda x: gradient(np.sum, x, mode="numerical")[0], VECTOR),
            TypeError,
            "take another mode",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
