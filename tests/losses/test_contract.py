"""What a loss is to the rest of the package: a name, a value, a formula that compiles, or a clear error."""

import copy
import dataclasses
import pickle
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from calclearn.losses import (
    EpsilonInsensitive,
    FormulaError,
    Huber,
    LogCosh,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
    get_loss,
    loss,
    pointwise,
)

from .table import LOSSES, TARGETS

EVERY = [*LOSSES, MultinomialLogLoss()]
Y, RAW = np.array([0.0, 1.0]), np.array([0.5, 3.0])


# ----------------------------------------------------------------------------------------- the registry


@pytest.mark.parametrize("each", EVERY, ids=repr)
def test_a_name_and_its_parameters_give_the_loss(each):
    parameters = {field.name: getattr(each, field.name) for field in dataclasses.fields(each)}
    assert get_loss(each.name, **parameters) == each
    assert get_loss(each) is each


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'hubert'.*'absolute_error'.*'huber'.*'squared_hinge'"):
        get_loss("hubert")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(Huber, r"write Huber\(\)"), (3.0, "a name or a Loss, got 3.0"), (None, "got None")],
)
def test_what_is_no_loss_is_refused(wrong, message):
    with pytest.raises(TypeError, match=message):
        get_loss(wrong)


def test_parameters_come_with_a_name_only():
    with pytest.raises(TypeError, match="has its parameters already"):
        get_loss(Huber(), delta=2.0)
    with pytest.raises(TypeError, match="epsilon"):
        get_loss("huber", epsilon=2.0)


def test_a_notebook_cell_may_be_run_again():
    for factor in (1.0, 2.0):

        @loss("contract: again")
        class Again:
            scale: float = factor

            def value(self, y, raw):
                return self.scale * (raw - y) ** 2

    assert get_loss("contract: again").scale == 2.0


# --------------------------------------------------------------------------------- fields and identity


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogCosh(scale=0.0), "scale must be positive, got 0.0"),
        (lambda: Huber(delta=-1.0), "delta must be positive, got -1.0"),
        (lambda: Quantile(quantile=1.0), "quantile must be .*got 1.0"),
        (
            lambda: EpsilonInsensitive(epsilon=-0.1),
            "epsilon must not be negative, got -0.1",
        ),
        (lambda: Tweedie(power=0.5), "power must be <= 0 or >= 1, got 0.5"),
        (lambda: Huber(delta=np.nan), "delta must be finite, got nan"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("wrong", ["1", None, True, [1.0, 2.0]])
def test_a_parameter_that_is_no_number_is_refused(wrong):
    with pytest.raises(TypeError, match="Huber: delta must be a number"):
        Huber(delta=wrong)


def test_parameters_are_kept_as_floats():
    assert repr(Huber(2)) == "Huber(delta=2.0)"
    assert Huber(np.float32(2)) == Huber(2.0)


def test_losses_are_equal_where_type_and_parameters_are():
    assert Huber(1.0) == Huber()
    assert Huber(1.0) != Huber(2.0)
    assert Huber(1.0) != LogCosh(1.0)
    assert len({Huber(), Huber(1.0), LogCosh()}) == 2
    with pytest.raises(AttributeError):
        Huber().delta = 3.0


@pytest.mark.parametrize("each", EVERY, ids=repr)
def test_the_repr_is_the_constructor_call_and_copies_are_equal(each):
    assert eval(repr(each), {type(each).__name__: type(each)}) == each
    for twin in (pickle.loads(pickle.dumps(each)), copy.deepcopy(each), clone(each, safe=False)):
        assert twin == each
        assert hash(twin) == hash(each)
        assert (twin.domain, twin.convex) == (each.domain, each.convex)


def test_the_power_decides_what_targets_a_tweedie_loss_takes_and_whether_it_is_convex():
    facts = {p: (Tweedie(p).domain, Tweedie(p).convex) for p in (-1.0, 0.0, 1.0, 1.5, 2.0, 3.0)}
    assert facts == {
        -1.0: ("real", False),
        0.0: ("real", False),
        1.0: ("nonnegative", True),
        1.5: ("nonnegative", True),
        2.0: ("positive", True),
        3.0: ("positive", False),
    }


# --------------------------------------------------------------------------------------------- targets

OUTSIDE = {
    "real": [np.nan, np.inf],
    "positive": [0.0, -1.0, np.nan],
    "nonnegative": [-0.5, np.inf],
    "unit": [-0.1, 1.5, np.nan],
    "sign": [0.0, 0.5, 2.0],
}


@pytest.mark.parametrize("each", LOSSES, ids=repr)
def test_targets_outside_the_domain_are_named(each):
    inside = np.array(TARGETS[each.domain])
    each.check_targets(inside)
    for wrong in OUTSIDE[each.domain]:
        with pytest.raises(ValueError, match=rf"{each.name}: .*valid range.*y\[{inside.size}\] is {wrong}"):
            each.check_targets(np.append(inside, wrong))


def test_classes_are_integers():
    MultinomialLogLoss().check_targets(np.array([0.0, 3.0]))
    with pytest.raises(ValueError, match=r"indices of classes, got 1\.5"):
        MultinomialLogLoss().check_targets(np.array([0.0, 1.5]))


def test_targets_and_raw_predictions_must_have_as_many_rows():
    with pytest.raises(ValueError, match="y has 3 rows, raw has 2"):
        pointwise.value(LogLoss(), np.zeros(3), np.zeros(2))


# ------------------------------------------------------------------------------------------ inheritance


def test_a_decorated_subclass_inherits_fields_checks_and_formulas():
    @loss("contract: steep")
    class Steep(Huber):
        slope: float = 3.0

        def mean(self, raw):
            return self.slope * raw

    assert repr(Steep(delta=2.0)).endswith("Steep(delta=2.0, slope=3.0)")
    assert Steep().value(0.0, 0.5) == Huber().value(0.0, 0.5)
    assert Steep().name == "contract: steep"
    assert Huber.name == "huber"
    with pytest.raises(ValueError, match="delta must be positive"):
        Steep(delta=0.0)


def test_an_undecorated_subclass_runs_its_own_formula_compiled():
    class Tripled(SquaredError):
        def value(self, y, raw):
            return 1.5 * (raw - y) ** 2

    Tripled.derivatives = Loss.derivatives
    assert_allclose(pointwise.gradient(Tripled(), Y, RAW), 3 * (RAW - Y))
    assert_allclose(pointwise.gradient(SquaredError(), Y, RAW), RAW - Y)


def test_class_constants_helper_methods_and_functions_compile():
    def half(x):
        return 0.5 * x

    @loss("contract: parts")
    class Parts:
        offset: ClassVar[float] = 0.25

        def error(self, y, raw):
            return raw - y - self.offset

        def value(self, y, raw):
            return half(self.error(y, raw) ** 2)

    assert_allclose(pointwise.gradient(Parts(), Y, RAW), RAW - Y - 0.25)


# ----------------------------------------------------------------------------------------- clear errors


def test_a_loss_without_a_value_is_refused():
    with pytest.raises(FormulaError, match=r"must define value\(self, y, raw\)"):

        @loss("contract: nothing")
        class Nothing:
            scale: float = 1.0


def test_an_unknown_domain_is_refused():
    with pytest.raises(FormulaError, match="'complex', not one of"):

        @loss("contract: domain")
        class Domain:
            domain: ClassVar[str] = "complex"

            def value(self, y, raw):
                return raw


@pytest.mark.parametrize("forgotten", [None, "", SquaredError])
def test_a_loss_needs_a_name(forgotten):
    with pytest.raises(TypeError, match="a loss needs a name"):
        loss(forgotten)


def test_super_in_a_formula_is_an_error_that_says_what_to_write():
    @loss("contract: super")
    class Super(SquaredError):
        def value(self, y, raw):
            return 2.0 * super().value(y, raw)

    with pytest.raises(FormulaError, match=r"Super\.value calls super\(\): write the parent's formula out"):
        pointwise.value(Super(), Y, RAW)


def test_a_property_in_a_formula_is_an_error_that_says_what_to_write():
    @loss("contract: property")
    class Property:
        scale: float = 2.0

        @property
        def half(self):
            return 0.5 * self.scale

        def value(self, y, raw):
            return self.half * abs(raw - y)

    with pytest.raises(FormulaError, match=r"Property\.value uses the property half: write a method"):
        pointwise.value(Property(), Y, RAW)


def test_math_in_a_formula_is_an_error_that_says_what_to_write():
    import math

    @loss("contract: math")
    class Math:
        def value(self, y, raw):
            return math.exp(raw - y)

    with pytest.raises(TypeError, match=r"write np\.exp"):
        Math().derivatives(0.0, 1.0)


def test_a_loss_that_decreases_for_ever_has_no_best_constant():
    @loss("contract: unbounded")
    class Unbounded:
        def value(self, y, raw):
            return y - raw

    with pytest.raises(ValueError, match="still decreases"):
        Unbounded().minimiser(Y)


def test_targets_of_the_best_constant_must_be_there():
    with pytest.raises(ValueError, match=r"n > 0, got \(0,\)"):
        Poisson().minimiser(np.array([]))


def test_the_names_of_the_package_cannot_be_taken():
    with pytest.raises(FormulaError, match="'huber' is that of the package's own Huber: take another"):

        @loss("huber")
        class Mine:
            def value(self, y, raw):
                return raw

    assert get_loss("huber") == Huber()


def test_slips_in_the_class_are_named_where_it_is_defined():
    with pytest.raises(FormulaError, match=r"value takes \(y, raw\), not \(self, y, raw\)"):

        @loss("contract: without self")
        class WithoutSelf:
            def value(y, raw):
                return raw - y

    with pytest.raises(FormulaError, match=r"WithInit has an __init__: write its parameters as fields"):

        @loss("contract: with init")
        class WithInit:
            def __init__(self, c=1.0):
                self.c = c

            def value(self, y, raw):
                return self.c * (raw - y)

    with pytest.raises(FormulaError, match="a formula is a class with methods, got <function"):

        @loss("contract: a function")
        def value(y, raw):
            return raw - y
