"""Formulas: fields, equality, and methods that mean the same interpreted and compiled."""

import ctypes
import enum
import math
import pickle

import numba
import numpy as np
import pytest
import scipy.special as special
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._runtime.fingerprint import Fingerprint, Unknown, digest
from calclearn._runtime.formulas import Formula, FormulaError, formula, formula_type
from calclearn._runtime.jit import kernel
from calclearn.losses import get_loss, loss, pointwise
from calclearn.losses._contract import REGISTRY

from ..systems import c_library


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
        make(np.ones(2)),
        make(np.ones((1, 2))),
        make(np.ones(2, np.float32)),
        make((np.zeros(2),)),
    ]
    digests = [fingerprint(f) for f in different]
    assert len(set(digests)) == len(digests)
    for unknown in ([1.0], {}, np.ones(2, object), np.ones(10**6), object()):
        with pytest.raises(Unknown):
            fingerprint(make(unknown))


def c_function(name):
    function = ctypes.CDLL(None)[name]
    function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return function


@c_library
def test_a_formula_that_cannot_be_fingerprinted_runs_and_has_a_type_of_its_own():
    absolute, rate = c_function("abs"), 2.0

    @formula
    class Foreign:
        def value(self, x):
            return absolute(-2) * slope(x)

    def slope(x):  # walked after what cannot be fingerprinted
        return rate * x

    assert formula_type(Foreign).digest is None
    assert formula_type(Foreign) is formula_type(Foreign)
    assert_allclose(compiled(Foreign(), X), 4 * X)
    rate = 3.0
    assert_allclose(compiled(Foreign(), X), 6 * X)


def test_an_array_changed_in_place_is_seen():
    table = np.array([1.0, 2.0])

    @formula
    class Table:
        def value(self, x):
            return table[1] * x

    first = formula_type(Table)
    assert first.digest is not None
    assert_allclose(compiled(Table(), X), 2 * X)
    table[1] = 3.0
    assert formula_type(Table) != first
    assert_allclose(compiled(Table(), X), 3 * X)
    table[1] = 2.0
    assert formula_type(Table) == first


def in_namespace(text, **names):
    """The class `F` of a program of its own, and the program's names."""
    space = {"np": np, "formula": formula, "__name__": "somewhere", **names}
    exec(text, space)
    return space["F"], space


CALLS = """
def inner(x, rate=1.0, *, power=1.0):
    return rate * x + power

@formula
class F:
    def value(self, x):
        return inner(abs(x))
"""


def test_code_and_defaults_assigned_in_place_are_seen():
    F, space = in_namespace(CALLS)
    inner = space["inner"]

    def edits():
        inner.__defaults__ = (2.0,)
        yield 2 * abs(X) + 1
        inner.__kwdefaults__["power"] = 3.0
        yield 2 * abs(X) + 3
        inner.__code__ = (lambda x, rate, *, power: power - rate * x).__code__
        yield 3 - 2 * abs(X)
        F.value.__code__ = (lambda self, x: 7.0 * x).__code__
        yield 7 * X

    assert_array_equal(compiled(F(), X), abs(X) + 1)
    types = {formula_type(F)}
    for expected in edits():
        types.add(formula_type(F))
        assert_array_equal(compiled(F(), X), expected)
    assert len(types) == 5


def test_a_trusted_function_rebound_and_a_builtin_shadowed_are_seen():
    F, space = in_namespace(CALLS.replace("rate * x", "f(x)"), f=np.sin)
    assert_allclose(compiled(F(), X), np.sin(abs(X)) + 1, rtol=1e-14)
    space["f"] = np.cos
    assert_allclose(compiled(F(), X), np.cos(X) + 1, rtol=1e-14)
    space["abs"] = lambda x: 0.0 * x
    assert_allclose(compiled(F(), X), 2 + 0 * X)
    del space["abs"]
    assert_allclose(compiled(F(), X), np.cos(X) + 1, rtol=1e-14)


@pytest.mark.parametrize("name", ["later(x)", "module.later(x)", "self.later(x)"])
def test_what_is_defined_after_a_failure_is_found(name):
    F, space = in_namespace(CALLS.replace("inner(abs(x))", name), module=type(np)("module"))
    with pytest.raises((numba.TypingError, AttributeError)):
        compiled(F(), X)
    space["later"] = space["module"].later = lambda x: 3.0 * x
    F.later = lambda self, x: 3.0 * x
    assert_array_equal(compiled(F(), X), 3 * X)


def test_super_in_a_check_of_the_fields_works():
    @formula
    class Low(Wave):
        def __post_init__(self):
            super().__post_init__()
            if self.height > 5:
                raise ValueError("too high")

    @formula
    class Lower(Low):
        extra: float = 1

        def __post_init__(self):
            super().__post_init__()

    for cls in (Low, Lower):
        with pytest.raises(ValueError, match="too high"):
            cls(height=6)
        with pytest.raises(ValueError, match="must be positive"):
            cls(height=-1)
    assert isinstance(Lower().extra, float)
    assert_allclose(compiled(Lower(2.0), X), Wave(2.0).value(X), rtol=1e-14)


def test_a_constant_that_a_method_reads_cannot_be_changed_for_one_instance():
    @formula
    class Changing:
        k = 1.0
        unread = 1.0

        def __post_init__(self):
            object.__setattr__(self, type(self).name, 2.0)

        def value(self, x):
            return self.k * x

    Changing.name = "unread"
    assert Changing().unread == 2.0
    Changing.name = "k"
    with pytest.raises(FormulaError, match=r"__post_init__ sets k, a constant .* value reads: make"):
        Changing()


def test_a_loss_that_does_not_compile_says_so_in_two_lines():
    @loss("of_math")
    class OfMath:
        c: float = 2.0

        def value(self, y, raw):
            return math.exp(raw - y)

    @loss("of_text")
    class OfText:
        def value(self, y, raw):
            return "big" if raw > 100.0 else raw

    @loss("of_rows")
    class OfRows:
        def value_row(self, y, raw):
            return undefined(raw)  # noqa: F821

    y, raw = np.zeros(2), np.zeros((2, 3))
    for each, of, expected in (
        (OfMath(), pointwise.gradient, r"OfMath\(c=2.0\) does not compile: .* on a Jet: write np.exp"),
        (OfText(), pointwise.value, r"OfText\(\) does not compile: Cannot unify"),
        (OfRows(), pointwise.value, r"OfRows\(\) does not compile: NameError: name 'undefined'"),
    ):
        with pytest.raises(FormulaError, match=expected + r".*\n.*check_loss") as caught:
            of(each, y, raw if each.name == "of_rows" else raw[:, 0])
        assert isinstance(caught.value.__cause__, numba.core.errors.NumbaError)
        assert len(str(caught.value)) < 300
        REGISTRY.pop(each.name)


def test_an_unknown_name_says_that_names_stay_in_their_process():
    with pytest.raises(ValueError, match=r"'nothing'; the known ones are .*hand workers the loss itself"):
        get_loss("nothing")
