"""Reports on derivatives: right ones, wrong ones, and kinks."""

import numpy as np
import pytest

from calclearn.calculus import check_derivatives


def cubic(x):
    return np.sum(x**3 * np.exp(x))


def slope_of_cubic(x):
    return (3 * x**2 + x**3) * np.exp(x)


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_what_calculus_derives_is_right(mode):
    report = check_derivatives(cubic, X, mode=mode).raise_if_failed()
    assert report.analytic.shape == report.numerical.shape == X.shape
    assert report.relative_error < 1e-8
    assert report.kinks == report.wrong == report.unresolved == ()


def test_the_sweep_shows_truncation_of_second_order_and_then_rounding():
    report = check_derivatives(cubic, X, jac=slope_of_cubic)
    assert report.ok
    assert report.observed_order == pytest.approx(2.0, abs=0.05)
    assert 1e-7 <= report.best_step <= 1e-4
    best = int(report.errors.argmin())
    assert np.all(np.diff(report.errors[:best]) < 0)
    assert report.errors[-1] > 1e4 * report.errors[best]


def test_a_small_mistake_in_one_entry_is_found_and_named():
    def wrong(x):
        slope = slope_of_cubic(x)
        slope[1, 0] *= 1.0001
        return slope

    report = check_derivatives(cubic, X, jac=wrong)
    assert not report.ok
    assert report.wrong == (report.worst,) == ((1, 0),)
    assert report.relative_error == pytest.approx(1e-4, rel=1e-3)
    assert report.errors.min() == pytest.approx(
        report.absolute_error, rel=0.5
    )  # flat, however small the step
    with pytest.raises(AssertionError, match=r"6 derivatives: FAILED[\s\S]*wrong +\[1, 0\] is"):
        report.raise_if_failed()


def test_jacobians_of_several_outputs():
    def f(x):
        return np.stack([x[0] * x[1], np.sin(x[0]), x[1] ** 2])

    def jacobian(x):
        return [[x[1], x[0]], [np.cos(x[0]), 0.0], [0.0, 2 * x[1]]]

    assert check_derivatives(f, [0.3, 1.2], jac=jacobian).ok
    assert check_derivatives(f, [0.3, 1.2], jac=jacobian([0.3, 1.2])).ok
    wrong = np.array(jacobian([0.3, 1.2]))
    wrong[1, 1] = 1.0
    assert check_derivatives(f, [0.3, 1.2], jac=wrong).wrong == ((1, 1),)


def test_hessians_are_compared_with_differences_of_gradients():
    def hessian(x):
        return np.diag((6 * x + 6 * x**2 + x**3) * np.exp(x))

    x = np.array([0.5, 1.0])
    assert check_derivatives(cubic, x, jac=slope_of_cubic, hess=hessian, order=2).ok
    assert check_derivatives(cubic, x, order=2).ok
    report = check_derivatives(cubic, x, hess=hessian(x) + np.array([[0, 1], [0, 0]]), order=2)
    assert report.wrong == ((0, 1),)
    assert "second derivatives" in repr(report)


@pytest.mark.parametrize(
    ("slope", "between"), [(0.0, True), (0.25, True), (1.0, True), (-0.1, False), (1.5, False)]
)
def test_at_a_kink_every_subgradient_is_right_and_nothing_else(slope, between):
    report = check_derivatives(lambda x: np.maximum(x, 0.0), 0.0, jac=slope)
    (kink,) = report.kinks
    assert (kink.left, kink.right, kink.between) == (0.0, 1.0, between)
    assert report.ok is between
    assert "kink" in repr(report)


@pytest.mark.parametrize("distance", 10.0 ** -np.arange(1, 12))
def test_next_to_a_kink_the_derivative_is_that_of_the_own_side(distance):
    def f(x):
        return abs(x) + x**2

    assert check_derivatives(f, distance, jac=lambda x: 1 + 2 * x).ok
    assert check_derivatives(f, -distance, jac=lambda x: -1 + 2 * x).ok
    assert not check_derivatives(f, distance, jac=lambda x: -1 + 2 * x).ok


def test_only_the_entries_at_a_kink_are_kinks():
    report = check_derivatives(lambda x: np.maximum(x, 0.0), [1.0, 0.0, -0.5], jac=np.diag([1.0, 0.0, 0.0]))
    assert report.ok
    assert [kink.index for kink in report.kinks] == [(1, 1)]


@pytest.mark.parametrize(
    ("f", "jac", "x"),
    [
        (lambda x: np.tanh(1e4 * x), lambda x: 1e4 / np.cosh(1e4 * x) ** 2, 1e-4),
        (lambda x: 1e8 + x**3, lambda x: 3 * x**2, 1.0),
        (lambda x: x**2, lambda x: 2 * x, 1e6),
        (lambda x: 0.0 * np.sum(x), lambda x: 0.0 * x, [1.0, 2.0]),
    ],
)
def test_steep_large_and_constant_functions(f, jac, x):
    assert check_derivatives(f, x, jac=jac).ok
    assert not check_derivatives(f, x, jac=lambda x: jac(x) + 1e-2 * (1 + np.abs(jac(x)))).ok


def test_rounding_of_terms_larger_than_their_sum_is_no_kink():
    """Where f is about 0 its own size says nothing about its rounding."""

    def f(x):
        return np.sin(x) + 1e3 - 1e3 - np.sin(0.7)

    assert check_derivatives(f, 0.7, jac=np.cos).ok
    assert not check_derivatives(f, 0.7, jac=lambda x: 1.001 * np.cos(x)).ok


def test_float32_is_judged_by_its_own_precision():
    x = np.array([0.5, 1.0], np.float32)
    assert check_derivatives(lambda x: np.sum(np.sin(x)), x, jac=np.cos).ok
    assert not check_derivatives(lambda x: np.sum(np.sin(x)), x, jac=lambda x: 1.01 * np.cos(x)).ok


def test_a_function_that_differences_cannot_judge_is_not_passed():
    report = check_derivatives(np.log, 1e-12, jac=lambda x: 1 / x)
    assert not report.ok
    assert report.unresolved == ((),)
    assert "cannot judge" in repr(report)
    assert repr(report).startswith("1 derivatives: 1 of 1 could not be judged\n")


def test_a_component_lost_in_a_large_value_is_not_said_to_be_wrong():
    report = check_derivatives(lambda x: np.sum(x**2), [1e6, 2.0], jac=lambda x: 2 * x)
    assert repr(report).startswith("2 derivatives: 1 of 2 could not be judged, the others are right\n")
    assert "advice         rescale x" in repr(report)
    assert (report.ok, report.wrong, report.unresolved) == (False, (), ((1,),))
    report = check_derivatives(lambda x: np.sum(x**2), [1e6, 2.0], jac=lambda x: 3 * x)
    assert repr(report).startswith("2 derivatives: FAILED\n")


@pytest.mark.parametrize("mode", ["reverse", "forward", "numerical"])
def test_jac_may_be_the_name_of_a_mode(mode):
    assert check_derivatives(cubic, X, jac=mode, rtol=1e-5).ok
    with pytest.raises(ValueError, match=r"mode must be one of .* got 'sideways'"):
        check_derivatives(cubic, X, jac="sideways")


def test_reports_print_and_have_an_html_form():
    report = check_derivatives(cubic, X, jac=slope_of_cubic)
    assert repr(report).startswith("6 derivatives: all right\n  largest error")
    assert "observed order 2.0" in repr(report)
    page = report._repr_html_()
    assert page.count("<tr>") == 2 + 1 + len(report.steps)
    assert "<b>6 derivatives: all right</b>" in page


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        check_derivatives(cubic, X, order=3)
    with pytest.raises(ValueError, match="hess is checked with order=2 only"):
        check_derivatives(cubic, X, hess=np.eye(6))
    with pytest.raises(ValueError, match=r"jac must have the shape of f\(x\) and x, \(2, 3\), got \(6,\)"):
        check_derivatives(cubic, X, jac=np.zeros(6))
    with pytest.raises(ValueError, match=r"f\(x\) must be finite"):
        check_derivatives(lambda x: np.nan, 1.0, jac=1.0)
    with pytest.raises(ValueError, match="the derivative must be finite"):
        check_derivatives(abs, 1.0, jac=np.inf)
    with pytest.raises(ValueError, match="steps must be at least four falling positive numbers"):
        check_derivatives(cubic, X, steps=[1e-3, 1e-2, 1e-1, 1])
