"""The formulas of losses as SymPy expressions: they are what the code computes."""

import math
import sys

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy as sp

from calclearn.calculus import symbolic
from calclearn.losses import LogLoss, Loss, TweedieIdentity
from calclearn.losses._contract import REGISTRY
from calclearn.neural_network import get_activation
from calclearn.neural_network._activations import ACTIVATIONS

from ..losses.table import LOSSES, MODERATE, points


def computed(record, *symbols):
    """Value, first and second as functions that compute with sixty digits."""
    functions = [sp.lambdify(symbols, part, "mpmath") for part in (record.value, record.first, record.second)]

    def at(*numbers):
        with mpmath.workdps(60):
            return [float(function(*map(mpmath.mpf, numbers))) for function in functions]

    return at


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_every_loss_is_its_symbolic_formula_with_its_derivatives(loss):
    record = symbolic(loss)
    at = computed(record, record.symbols["y"], record.symbols["f"])
    for y, raw in zip(*points(loss, MODERATE)):
        expected = [float(number) for number in (loss.value(y, raw), *loss.derivatives(y, raw))]
        np.testing.assert_allclose(at(float(y), float(raw)), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_deviances_of_means_too(power):
    loss = TweedieIdentity(power)
    record = symbolic(loss)
    at = computed(record, record.symbols["y"], record.symbols["f"])
    for raw in (0.25, 3.0):
        expected = [float(number) for number in (loss.value(2.0, raw), *loss.derivatives(2.0, raw))]
        np.testing.assert_allclose(at(2.0, raw), expected, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"mish"}))  # whose simplification takes seconds
def test_activations_and_their_derivative(name):
    activation = get_activation(name)
    record = symbolic(activation)
    at = computed(record, record.symbols["x"])
    for x in (-3.0, -0.5, 0.75, 4.0):
        expected = [float(activation.value(x)), float(activation.derivative(x))]
        np.testing.assert_allclose(at(x)[:2], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in sorted(REGISTRY) if REGISTRY[name].__module__.startswith("calclearn")]
)
def test_names_and_classes_leave_their_fields_open(name):
    cls = REGISTRY[name]
    if hasattr(cls, "value_row"):
        with pytest.raises(TypeError, match="symbolic is for one output"):
            symbolic(name)
        return
    record = symbolic(name)
    fields = set(record.symbols) - {"y", "f"}
    assert fields == set(vars(cls())) - {"domain", "convex"}
    default = symbolic(cls())
    numbers = {record.symbols[field]: sp.Rational(repr(getattr(cls(), field))) for field in fields}
    y, f = (default.symbols[key] for key in ("y", "f"))
    renamed = {record.symbols["y"]: y, record.symbols["f"]: f}
    for part in ("value", "first", "second"):
        filled = getattr(record, part).subs(numbers).subs(renamed)
        difference = filled - getattr(default, part)
        target = 1.0 if cls.domain != "unit" else 0.25
        for raw in (-2.5, 0.375):
            there = difference.subs({y: target, f: raw})
            assert there is sp.nan or abs(float(there)) < 1e-12  # infinity less infinity


def test_formulas_are_the_textbooks():
    y, f = sp.Symbol("y", real=True), sp.Symbol("f", real=True)
    record = symbolic(LogLoss())
    assert record.value == sp.log(sp.exp(f) + 1) - f * y
    assert sp.simplify(record.second - sp.exp(f) / (1 + sp.exp(f)) ** 2) == 0
    huber = symbolic("huber")
    delta = huber.symbols["delta"]
    assert delta.is_positive  # as its check demands
    assert huber.first == sp.Piecewise((-delta, f < y - delta), (f - y, f <= y + delta), (delta, True))
    assert symbolic("tweedie").first.free_symbols == {
        f,
        sp.Symbol("power", real=True),
        sp.Symbol("y", nonnegative=True),
    }


class Pseudo(Loss):
    """A user's loss, with each way to branch and a helper."""

    def value(self, y, raw):
        e = raw - y
        if e > 2.0:
            return self.far(e)
        return max(0.0, abs(e) - 0.5) if np.abs(e) > 0.25 else 0.0 * e

    def far(self, e):
        return 2.0 * e - 2.5


def test_branches_of_a_users_loss_become_pieces():
    record = symbolic(Pseudo())
    f, y = record.symbols["f"], record.symbols["y"]
    half = sp.Rational(1, 2)
    assert record.first == sp.Piecewise((-1, f < y - half), (0, f <= y + half), (1, f <= y + 2), (2, True))
    assert record.second == 0
    at = computed(record, y, f)
    for raw in (-1.75, 0.25, 1.25, 3.5):
        assert at(0.0, raw)[0] == Pseudo().value(0.0, raw)


def test_functions_of_one_number():
    x = sp.Symbol("x", real=True)
    assert symbolic(np.tanh).second.equals(sp.diff(sp.tanh(x), x, 2))
    assert symbolic(lambda x: np.sign(x) * np.clip(x, -1.0, 1.0)).first == sp.Piecewise(
        (0, x < -1), (-1, x <= 0), (1, x <= 1), (0, True)
    )
    assert symbolic(lambda x: scipy.special.xlogy(x, x)).first.subs(x, 1) == 1
    assert symbolic(lambda x: scipy.special.erf(np.sqrt(0.5) * x)).first.equals(
        sp.sqrt(2 / sp.pi) * sp.exp(-(x**2) / 2)
    )


def test_records_print_as_text_and_as_mathematics():
    record = symbolic("squared_error")
    assert repr(record).splitlines()[0] == "squared_error, differentiated in f"
    latex = record._repr_latex_()
    assert latex.startswith("$")
    assert r"\frac{\partial^2 \ell}{\partial f^2} &= 1" in latex
    assert "a''" in symbolic(np.exp)._repr_latex_()


def test_what_has_no_symbolic_form_is_an_error_that_names_it():
    with pytest.raises(TypeError, match="cbrt has no symbolic form"):
        symbolic(lambda x: np.cbrt(x))
    with pytest.raises(TypeError, match="add has no symbolic form"):
        symbolic(lambda x: np.add.reduce(x))
    with pytest.raises(TypeError, match=r"math\.exp, or float\(\), on a symbol"):
        symbolic(lambda x: math.exp(x))
    with pytest.raises(TypeError, match="neither true nor false"):
        symbolic(lambda x: 1.0 if x else 0.0)
    with pytest.raises(TypeError, match="more than 64 branches"):
        symbolic(lambda x: sum(1.0 if x > k else 0.0 for k in range(100)))
    with pytest.raises(ValueError, match="'hubber'; the known losses are"):
        symbolic("hubber")
    with pytest.raises(TypeError, match="must have a method value"):
        symbolic(3.0)
    with pytest.raises(TypeError, match="got 3 arguments"):
        symbolic(lambda x, y, z: x)


def test_without_sympy_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match="needs SymPy: python -m pip install sympy"):
        symbolic("huber")
