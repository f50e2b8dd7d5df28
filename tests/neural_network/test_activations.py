"""Activations: their derivatives against the jet, finite differences and SymPy, interpreted and compiled."""

from dataclasses import astuple
from typing import ClassVar

import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose

from calclearn._runtime.formulas import FormulaError
from calclearn._runtime.jit import kernel
from calclearn._runtime.links import address, call
from calclearn.calculus import derivatives
from calclearn.neural_network import Activation, activation, get_activation
from calclearn.neural_network._activations import ACTIVATIONS, REGISTRY, LeakyRelu
from calclearn.neural_network._instructions import BIAS, N_IN, N_OUT, OUT, SIZE, activate_training, arguments

POINTS = np.r_[np.linspace(-6, 6, 41) + 0.05, -30.0, 30.0]  # none at a kink
FAR = np.array([-1e4, -800.0, -50.0, 50.0, 800.0, 1e4])
x = sympy.Symbol("x", real=True)
FORMULAS = {
    "identity": x,
    "logistic": 1 / (1 + sympy.exp(-x)),
    "tanh": sympy.tanh(x),
    "relu": sympy.Max(x, 0),
    "leaky_relu": sympy.Piecewise((x, x > 0), (x / 100, True)),
    "elu": sympy.Piecewise((x, x > 0), (sympy.exp(x) - 1, True)),
    "selu": sympy.Float("1.0507009873554804934193349852946", 30)
    * sympy.Piecewise(
        (x, x > 0), (sympy.Float("1.6732632423543772848170429916717", 30) * (sympy.exp(x) - 1), True)
    ),
    "softplus": sympy.log(1 + sympy.exp(x)),
    "silu": x / (1 + sympy.exp(-x)),
    "gelu": x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
    "mish": x * sympy.tanh(sympy.log(1 + sympy.exp(x))),
}
each = pytest.mark.parametrize("name", ACTIVATIONS)


@kernel
def _run(place, fields, record, values, integers, memory):
    call(place, fields, record, 1, 1, values, values, values, values, integers, memory)


def compiled(it, points):
    """Value and slope by the instruction that trains, of one row."""
    n, record = len(points), np.zeros(SIZE, np.int64)
    record[[N_IN, N_OUT, OUT, BIAS]] = n, n, n, -1
    values = np.concatenate([points, np.empty_like(points)])
    place = address(activate_training, it, arguments(points.dtype), points.dtype)
    _run(place, np.array([*astuple(it), 0.0]), record, values, np.zeros(1, np.int64), np.zeros(1))
    return values[n:], values[:n]


@each
def test_values_and_derivatives_are_those_of_the_formula(name):
    assert set(FORMULAS) == set(ACTIVATIONS)
    it = get_activation(name)
    value = [float(FORMULAS[name].evalf(30, subs={x: sympy.Float(p, 30)})) for p in POINTS]
    slope = FORMULAS[name].diff(x)
    derivative = [float(sympy.N(slope.subs(x, sympy.Float(p, 30)), 30)) for p in POINTS]
    assert_allclose(it.value(POINTS), value, rtol=1e-13, atol=1e-15)
    assert_allclose(it.derivative(POINTS), derivative, rtol=1e-11, atol=1e-15)


@each
def test_derivatives_are_those_of_the_jet(name):
    it = get_activation(name)
    assert_allclose(it.derivative(POINTS), derivatives(it.value, POINTS)[1], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, np.float64) for name in ACTIVATIONS),
        *((name, np.float32) for name in ("tanh", "elu", "mish")),
    ],
)
def test_compiled_they_are_the_same(name, dtype):
    it, points = get_activation(name), POINTS.astype(dtype)
    value, derivative = compiled(it, points)
    assert value.dtype == dtype
    tolerance = {"rtol": 64 * np.finfo(dtype).eps, "atol": 16 * np.finfo(dtype).eps}
    assert_allclose(value, it.value(points), **tolerance)
    assert_allclose(derivative, it.derivative(points), **tolerance)


@each
def test_far_out_nothing_overflows_and_slopes_are_those_of_lines(name):
    it = get_activation(name)
    for value, derivative in (compiled(it, FAR), (it.value(FAR), it.derivative(FAR))):
        assert np.isfinite(value).all()
        assert_allclose(derivative[-2:], (value[-1] - value[-2]) / (FAR[-1] - FAR[-2]), atol=1e-12)
        assert_allclose(derivative[:2], (value[1] - value[0]) / (FAR[1] - FAR[0]), atol=1e-12)


def test_the_slope_of_relu_at_its_kink_is_zero_and_nan_stays():
    it = get_activation("relu")
    assert it.derivative(0.0) == 0
    assert np.isnan(it.value(np.nan))
    assert np.isnan(compiled(it, np.array([np.nan]))[0]).all()


@pytest.fixture
def square():
    before = dict(REGISTRY)

    @activation("bent_square")
    class BentSquare:
        bend: float = 0.5
        offset: ClassVar[float] = 1.0

        def value(self, x):
            return np.sqrt(x * x + self.bend) - self.offset

    yield BentSquare
    REGISTRY.clear()
    REGISTRY.update(before)


def test_of_an_activation_of_ones_own_the_value_is_enough(square):
    it = get_activation("bent_square", bend=2.0)
    assert isinstance(it, Activation)
    expected = POINTS / np.sqrt(POINTS**2 + 2.0)
    assert_allclose(it.derivative(POINTS), expected, rtol=1e-12)
    assert_allclose(compiled(it, POINTS)[1], expected, rtol=1e-12)


def test_bad_activations_are_named():
    with pytest.raises(ValueError, match="swoosh"):
        get_activation("swoosh")
    with pytest.raises(TypeError, match=r"LeakyRelu\(\)"):
        get_activation(LeakyRelu)
    with pytest.raises(FormulaError, match="value"):
        activation("nothing")(type("Nothing", (), {}))
    with pytest.raises(TypeError, match="name"):
        activation(None)
