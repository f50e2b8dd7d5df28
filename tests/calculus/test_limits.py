"""Limits, continuity, kinks, and which subgradient stands at each kink."""

import math

import numpy as np
import pytest

from calclearn.calculus import Jet, find_kinks, is_continuous, limit
from calclearn.losses import AbsoluteError, EpsilonInsensitive, Hinge, Huber, Quantile, SquaredHinge
from calclearn.neural_network import get_activation

EXISTING = [
    (lambda x: np.sin(x) / x, 0.0, 1.0),
    (lambda x: (1 - np.cos(x)) / x**2, 0.0, 0.5),  # the cosine is exactly 1 long before x is 0
    (lambda x: (np.sqrt(1 + x) - 1 - x / 2) / x**2, 0.0, -0.125),
    (lambda x: (np.exp(x) - 1 - x - x * x / 2) / x**3, 0.0, 1 / 6),
    (lambda x: np.expm1(x) / x, 0.0, 1.0),
    (lambda x: np.cos(x) / (x - np.pi / 2), np.pi / 2, -1.0),  # a pole, at the float next to a half π
    (lambda x: (np.tan(x) - x) / x**3, 0.0, 1 / 3),
    (lambda x: abs(x) ** abs(x), 0.0, 1.0),
    (lambda x: (np.sqrt(x) - 2) / (x - 4), 4.0, 0.25),
    (lambda x: x**2 * np.exp(-x), np.inf, 0.0),
    (lambda x: np.log(x) ** 2 / x, np.inf, 0.0),
    (lambda x: np.exp(-1 / abs(x)), 0.0, 0.0),
    (lambda x: x / 2, 1e-300, 5e-301),
    (lambda n: n * (2 ** (1 / n) - 1), np.inf, np.log(2.0)),
    (lambda x: x * np.sin(1 / x), 0.0, 0.0),
    (lambda x: np.sqrt(abs(x)), 0.0, 0.0),
    (lambda x: max(x - 1e-3, 0.0), 0.0, 0.0),  # a line, until close by
    (lambda x: (x * x - 1) / (x - 1), 1.0, 2.0),
    (lambda x: (x * x - 1e12) / (x - 1e6), 1e6, 2e6),
    (lambda h: (np.exp(1 + h) - np.e) / h, 0.0, np.e),
    (lambda x: (1 + 1 / x) ** x, np.inf, np.e),
    (np.arctan, np.inf, np.pi / 2),
    (np.exp, -np.inf, 0.0),
    (lambda x: np.sin(x) / x, np.inf, 0.0),
    (lambda x: np.sqrt(x * x + x) - x, np.inf, 0.5),
    (lambda x: 3, 2, 3.0),
]


@pytest.mark.parametrize(("f", "a", "expected"), EXISTING)
def test_a_limit_lies_within_its_error(f, a, expected):
    found = limit(f, a)
    assert found.exists
    assert found.reason == "converges"
    assert abs(found.value - expected) <= 10 * found.error + 1e-15
    assert found.error < 1e-7 * max(1.0, abs(expected))
    assert float(found) == found.value


@pytest.mark.parametrize(
    ("f", "a", "side", "value"),
    [
        (lambda x: x * np.log(x), 0.0, "right", 0.0),
        (lambda x: x**x, 0.0, "right", 1.0),
        (np.sqrt, 0.0, "right", 0.0),
        (lambda x: np.tanh(1 / x), 0.0, "left", -1.0),
        (np.ceil, 1.0, "right", 2.0),
    ],
)
def test_limits_from_one_side(f, a, side, value):
    found = limit(f, a, side=side)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert getattr(found, side) == found.value
    assert math.isnan(found.left if side == "right" else found.right)


@pytest.mark.parametrize(
    ("f", "a", "value", "reason"),
    [
        (np.sign, 0.0, np.nan, "left limit -1, right limit 1"),
        (lambda x: 1 / x, 0.0, np.nan, "left limit -inf, right limit inf"),
        (lambda x: 1 / x**2, 0.0, np.inf, "diverges to +inf"),
        (lambda x: (np.sin(x) - x) / x**5, 0.0, -np.inf, "diverges to -inf"),
        (np.tan, np.pi / 2, np.nan, "left limit inf, right limit -inf"),
        (np.exp, np.inf, np.inf, "diverges to +inf"),
        (np.log, np.inf, np.inf, "diverges to +inf"),
        (lambda x: np.sin(1 / x), 0.0, np.nan, "oscillates on the left"),
        (np.sin, np.inf, np.nan, "oscillates"),
        (lambda x: x * np.sin(x), np.inf, np.nan, "oscillates"),
        (np.sqrt, 0.0, np.nan, "not defined on the left"),
        (lambda x: 1.0 / (0.0 * float(x)), 0.0, np.nan, "not defined on the left"),  # ZeroDivisionError
        (math.log, 0.0, np.nan, "not defined on the left"),  # ValueError: math domain error
        (lambda x: 1 / np.log(abs(x)), 0.0, np.nan, "changes too slowly to tell on the left"),
    ],
)
def test_where_there_is_no_limit_the_reason_says_why(f, a, value, reason):
    found = limit(f, a)
    assert not found.exists
    assert found.reason == reason
    assert repr(found) == f"no finite limit: {reason}"
    np.testing.assert_equal(found.value, value)


def test_other_errors_of_a_function_are_its_own():
    with pytest.raises(ValueError, match="too many values"):
        limit(lambda x: [a for (a,) in [(x, x)]], 0.0)


def test_what_cannot_be_approached_is_an_error():
    with pytest.raises(ValueError, match="side must be one of"):
        limit(abs, 0.0, side="above")
    with pytest.raises(ValueError, match="inf can be approached from the left only, got side='right'"):
        limit(abs, np.inf, side="right")
    with pytest.raises(ValueError, match="a must be a number, got nan"):
        limit(abs, np.nan)
    with pytest.raises(TypeError, match="f must return a real number"):
        limit(lambda x: np.array([x, x]), 0.0)


def test_continuity():
    assert is_continuous(lambda x: np.maximum(x, 0.0), 0.0)
    assert is_continuous(np.exp, 3.0)
    assert not is_continuous(np.sign, 0.0)
    assert not is_continuous(lambda x: np.sin(x) / x, 0.0)  # a limit, but not defined
    assert not is_continuous(lambda x: np.sin(x) / x if x else 2.0, 0.0)  # defined, but not as the limit
    assert is_continuous(lambda x: np.sin(x) / x if x else 1.0, 0.0)
    assert is_continuous(np.floor, 1.0, side="right")
    assert not is_continuous(np.floor, 1.0)
    with pytest.raises(ValueError, match="a must be finite"):
        is_continuous(np.exp, np.inf)


# ---------------------------------------------------------------------------------------------------- kinks


def shown(f, interval):
    return [str(kink) for kink in find_kinks(f, interval)]


def test_kinks_with_the_slopes_on_both_sides():
    assert shown(lambda x: max(x, 0.0), (-1, 1)) == ["kink at 0: slopes 0 and 1"]
    assert shown(lambda x: abs(x - 0.3), (-1, 1)) == ["kink at 0.3: slopes -1 and 1"]
    assert shown(lambda f: Hinge().value(1.0, f), (-3, 3)) == ["kink at 1: slopes -1 and 0"]
    assert shown(lambda f: Quantile(0.3).value(0.5, f), (-2, 3)) == ["kink at 0.5: slopes -0.3 and 0.7"]


def test_several_kinks_also_close_together_and_on_curved_ground():
    found = find_kinks(lambda x: abs(x) + 2 * abs(x - 0.5) - abs(x - 0.51) + np.exp(x), (-1, 1))
    assert [kink.location for kink in found] == pytest.approx([0.0, 0.5, 0.51], abs=1e-7)
    assert [kink.right - kink.left for kink in found] == pytest.approx([2.0, 4.0, -2.0], abs=1e-6)
    assert {kink.kind for kink in found} == {"kink"}


def test_small_kinks_on_a_strongly_curved_function():
    (kink,) = find_kinks(lambda x: 2.0 * np.sin(20 * x) + 0.05 * abs(x - 0.4), (-1, 1))
    assert kink.location == pytest.approx(0.4, abs=1e-6)
    assert kink.right - kink.left == pytest.approx(0.1, abs=1e-3)


def test_jumps_and_poles_and_cusps_are_told_from_kinks():
    assert shown(np.sign, (-1, 1)) == ["jump at 0 by 2: slopes 0 and 0"]
    assert [kink.location for kink in find_kinks(np.floor, (-1.5, 2.5))] == [-1, 0, 1, 2]
    (jump,) = find_kinks(lambda x: x * x if x < 1 else 3 - x, (-2, 3))
    assert (jump.kind, jump.location) == ("jump", 1.0)
    assert (jump.jump, jump.left, jump.right) == pytest.approx((1.0, 2.0, -1.0), abs=1e-5)
    (pole,) = find_kinks(lambda x: 1 / x, (-1, 1.1))
    assert pole.jump == np.inf
    assert shown(lambda x: np.sqrt(abs(x)), (-1, 1)) == ["kink at 0: slopes -inf and inf"]


@pytest.mark.parametrize(
    ("f", "interval"),
    [
        (lambda x: np.tanh(50 * x), (-1, 1)),
        (lambda x: np.tanh(1e4 * x), (-1, 1)),
        (lambda x: 1 / (1 + np.exp(-200 * x)), (-1, 1)),
        (np.exp, (-5, 20)),
        (lambda x: abs(x) ** 1.5, (-1, 1)),  # its slope is continuous, with an infinite curvature
        (lambda f: Huber().value(0.0, f), (-3, 3)),  # here the curvature jumps
        (lambda x: 1e8 + np.cos(x), (-1, 1)),
        (lambda x: 7.0, (-1, 1)),
        (lambda x: x * x, (-1, 1)),
    ],
)
def test_no_kink_where_a_function_is_smooth_however_steep(f, interval):
    assert find_kinks(f, interval) == []


def test_what_has_kinks_without_end_is_an_error():
    with pytest.raises(ValueError, match="too many kinks near"):
        find_kinks(lambda x: np.sin(1 / x), (-1, 1.1))
    with pytest.raises(ValueError, match="the lower one first"):
        find_kinks(abs, (1, -1))
    with pytest.raises(ValueError, match="interval must be two numbers"):
        find_kinks(abs, 3)


# --------------------------------------------------------- the table of docs/derivations/limits.md, section 5


def slope(loss, y, raw):
    return float(loss.derivatives(y, raw)[0])


def test_the_subgradient_at_each_kink_is_the_documented_one():
    assert abs(Jet(0.0, 1.0, 0.0)).first == 0.0
    assert np.maximum(Jet(0.0, 1.0, 0.0), 0.0).first == 1.0  # a tie is its first operand
    assert np.maximum(0.0, Jet(0.0, 1.0, 0.0)).first == 0.0
    assert np.minimum(Jet(0.0, 1.0, 0.0), 0.0).first == 1.0
    assert np.where(Jet(0.0, 1.0, 0.0) > 0.0, Jet(0.0, 1.0, 0.0), 0.0).first == 0.0
    assert get_activation("relu").derivative(0.0) == 0.0
    assert get_activation("leaky_relu", slope=0.1).derivative(0.0) == 0.1
    assert slope(AbsoluteError(), 2.0, 2.0) == 0.0
    assert slope(Quantile(0.3), 2.0, 2.0) == -0.3
    assert slope(Hinge(), 1.0, 1.0) == slope(Hinge(), -1.0, -1.0) == 0.0
    assert slope(EpsilonInsensitive(0.5), 2.0, 2.5) == slope(EpsilonInsensitive(0.5), 2.0, 1.5) == 0.0
    assert [float(Huber().derivatives(0.0, f)[1]) for f in (-1.0, 1.0)] == [1.0, 1.0]
    assert float(SquaredHinge().derivatives(1.0, 1.0)[1]) == 1.0


@pytest.mark.parametrize(
    ("value", "derivative", "at"),
    [
        (get_activation("relu").value, get_activation("relu").derivative, 0.0),
        (lambda f: AbsoluteError().value(1.0, f), lambda f: slope(AbsoluteError(), 1.0, f), 1.0),
        (lambda f: Quantile(0.3).value(1.0, f), lambda f: slope(Quantile(0.3), 1.0, f), 1.0),
        (lambda f: Hinge().value(1.0, f), lambda f: slope(Hinge(), 1.0, f), 1.0),
    ],
)
def test_it_lies_between_the_slopes_that_find_kinks_sees(value, derivative, at):
    (kink,) = find_kinks(value, (at - 1.0, at + 1.3))
    assert kink.location == pytest.approx(at, abs=1e-12)
    assert kink.left - 1e-9 <= float(derivative(at)) <= kink.right + 1e-9
