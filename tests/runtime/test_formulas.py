"""Formulas: fields, equality, and methods that mean the same interpreted and compiled."""

import enum
import pickle

import numpy as np
import pytest
import scipy.special as special
from numpy.testing import assert_allclose

from calclearn._runtime.fingerprint import Fingerprint, Unknown, digest
from calclearn._runtime.formulas import Formula, FormulaError, formula, formula_type
from calclearn._runtime.jit import kernel


@kernel
def evaluate(f, x, out):
    for i in range(x.shape[0]):
        out[i] = f.value(x[i])


def compiled(f, x, dtype=np.float64):
    out = np.empty(len(x), dtype)
    evaluate(f.at(dtype), np.asarray(x, dtype), out)
    return out


RATE = 2.0


def helper(x, rate=RATE, *, power=2):
    return rate * x**power


@formula
class Wave:
    height: float = 1.0
    offset: float = 0.0
    octave = 2.0  # a constant of the class, not a field

    def __post_init__(self):
        if self.height <= 0:
            raise ValueError(f"Wave: height must be positive, got {self.height}")

    def inner(self, x):
        return np.tanh(self.octave * x) + special.expit(x) + np.sin(x) + np.pi

    def value(self, x):
        return self.height * self.inner(x) + helper(x) + helper(x, 3.0, power=1) + self.offset


X = np.linspace(-3, 3, 13)


def test_methods_mean_the_same_interpreted_and_compiled():
    f = Wave(height=1.5, offset=-2)
    assert_allclose(compiled(f, X), [f.value(x) for x in X], rtol=1e-14)


def test_float32_work_stays_float32():
    f = Wave(height=1.5)
    assert_allclose(compiled(f, X, np.float32), f.value(X), rtol=2e-6)
    code = formula_type(Wave)
    assert f.at(np.float64) is f
    assert code.fields == ("height", "offset")


def test_fields_are_finite_floats():
    assert Wave(height=2) == Wave(2.0)
    assert isinstance(Wave(height=np.float32(2)).height, float)
    for bad, error in ((None, TypeError), ("1", TypeError), (True, TypeError), (np.nan, ValueError)):
        with pytest.raises(error, match="Wave: height must be"):
            Wave(height=bad)
    with pytest.raises(ValueError, match="height must be positive, got -1"):
        Wave(height=-1)
    with pytest.raises(AttributeError):
        Wave().height = 2.0


def test_equality_and_hash_are_by_type_and_fields():
    @formula
    class Other:
        height: float = 1.0
        offset: float = 0.0

        def value(self, x):
            return x

    assert Wave() == Wave()
    assert hash(Wave()) == hash(Wave())
    assert Wave() != Other()
    assert Wave(2.0) != Wave(3.0)
    assert repr(Wave(2)) == "Wave(height=2.0, offset=0.0)"
    assert pickle.loads(pickle.dumps(Wave(2.0))) == Wave(2.0)


def test_fields_and_checks_are_inherited_and_an_undecorated_subclass_runs_its_own_formula():
    @formula
    class Higher(Wave):
        extra: float = 1.0

        def inner(self, x):
            return x + self.extra

    class Plain(Wave):
        def inner(self, x):
            return 0.0 * x

    with pytest.raises(ValueError, match="positive"):
        Higher(height=-1)
    for f in (Higher(2.0, extra=5), Plain(2.0), Wave(2.0)):
        assert_allclose(compiled(f, X), f.value(X), rtol=1e-14)
    assert issubclass(Higher, Formula)


def test_a_patched_method_a_changed_constant_and_a_changed_global_are_seen(monkeypatch):
    @formula
    class Patched:
        def value(self, x):
            return RATE * x + 0.0 * helper(x)

    assert_allclose(compiled(Patched(), X), 2 * X)
    monkeypatch.setitem(globals(), "RATE", 5.0)
    assert_allclose(compiled(Patched(), X), 5 * X)
    Patched.value = lambda self, x: 7.0 * x
    assert_allclose(compiled(Patched(), X), 7 * X)
    Patched.slope = 9.0
    Patched.value = lambda self, x: self.slope * x
    assert_allclose(compiled(Patched(), X), 9 * X)
    Patched.slope = 10.0
    assert_allclose(compiled(Patched(), X), 10 * X)


def test_two_formulas_with_the_same_text_are_the_same_type():
    def make():
        @formula
        class Same:
            def value(self, x):
                return x + 1.0

        return Same

    assert formula_type(make()) == formula_type(make())


def test_no_fields_and_closures_work():
    slope = 4.0

    @formula
    class Bare:
        def value(self, x):
            return slope * x

    assert_allclose(compiled(Bare(), X), 4 * X)
    slope = 5.0
    assert_allclose(compiled(Bare(), X), 5 * X)


def test_super_properties_and_static_methods_are_errors_that_say_what_to_write():
    @formula
    class Calls(Wave):
        def value(self, x):
            return super().value(x)

    @formula
    class Uses:
        @property
        def rate(self):
            return 2.0

        def value(self, x):
            return self.rate * x

    with pytest.raises(FormulaError, match=r"Calls.value calls super\(\)"):
        compiled(Calls(), X)
    with pytest.raises(FormulaError, match=r"Uses\.value uses the property rate: write a method"):
        compiled(Uses(), X)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def first(x, c=Colour.RED):
    return x + np.float32(1.5)


def fingerprint(function):
    return digest(Fingerprint().of(function))


def test_fingerprints_see_defaults_closures_enums_and_numpy_scalars():
    def make(constant, default=1.0):
        def f(x, d=default):
            return x + constant * d

        return f

    assert fingerprint(make(1.0)) == fingerprint(make(1.0))
    different = [make(1.0), make(2.0), make(1), make(np.float32(1)), make(1.0, 2.0), make(Colour.RED)]
    different += [
        make(Colour.BLUE),
        make(len),
        make(np.exp),
        make(np.log),
        make(make),
        make(first),
        make((1, 2)),
    ]
    digests = [fingerprint(f) for f in different]
    assert len(set(digests)) == len(digests)
    for unknown in ([1.0], {}, np.ones(2), object()):
        with pytest.raises(Unknown):
            fingerprint(make(unknown))


def test_a_formula_that_cannot_be_fingerprinted_runs_and_has_a_type_of_its_own():
    table = np.array([1.0, 2.0])

    @formula
    class Table:
        def value(self, x):
            return table[1] * x

    assert formula_type(Table).digest is None
    assert_allclose(compiled(Table(), X), 2 * X)
