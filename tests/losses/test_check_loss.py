"""check_loss finds what is wrong with a loss, says what to write, and is content with every one of ours."""

from typing import ClassVar

import numpy as np
import pytest

from calclearn.losses import LossReport, MultinomialLogLoss, check_loss, loss

from .table import LOSSES


def failures(report: LossReport):
    return {row.name: row for row in report.rows if not row.ok}


@pytest.mark.parametrize("each", LOSSES, ids=repr)
def test_every_loss_of_ours_is_all_right(each):
    report = check_loss(each)
    assert report.ok, report
    assert {row.name for row in report.rows} == {
        *(
            "interpreted",
            "compiled",
            "float32",
            "gradient",
            "hessian",
            "far out",
            "convexity",
            "minimiser",
            "jet",
        )
    }


def test_it_finds_a_wrong_derivative():
    @loss("checked: wrong derivative")
    class Wrong:
        def value(self, y, raw):
            return (raw - y) ** 2

        def derivatives(self, y, raw):
            return raw - y, 2.0

    report = check_loss(Wrong())
    assert failures(report).keys() == {
        "gradient",
        "jet",
    }  # of the Hessian, differences of a wrong gradient say nothing
    assert "finite differences say" in failures(report)["gradient"].seen
    assert "delete it" in failures(report)["gradient"].advice


@pytest.mark.parametrize(
    ("value", "derivatives"),
    [
        (lambda self, y, raw: None, lambda self, y, raw: (raw - y, 1.0)),
        (lambda self, y, raw: 0.5 * (raw - y) ** 2, lambda self, y, raw: raw - y),
    ],
)
def test_it_says_what_a_method_forgot_to_return(value, derivatives):
    forgetful = loss("checked: forgetful")(
        type("Forgetful", (), {"value": value, "derivatives": derivatives})
    )
    (failed,) = failures(check_loss(forgetful())).values()
    assert failed.name == "interpreted"
    assert failed.advice == "return a number, and the pair gradient, hessian"


def test_it_finds_a_formula_that_overflows_too_early_and_names_the_better_one():
    @loss("checked: overflow")
    class Overflow:
        convex: ClassVar[bool] = True

        def value(self, y, raw):
            return np.log(np.cosh(raw - y))

    failed = failures(check_loss(Overflow()))
    assert failed.keys() == {"far out"}
    assert "np.logaddexp(e, -e)" in failed["far out"].advice


def test_it_finds_a_falsely_declared_convexity():
    @loss("checked: not convex")
    class Cauchy:
        c: float = 2.0
        convex: ClassVar[bool] = True

        def value(self, y, raw):
            return np.log1p(((raw - y) / self.c) ** 2)

    failed = failures(check_loss(Cauchy()))
    assert failed.keys() == {"convexity"}
    assert "ClassVar[bool] = False" in failed["convexity"].advice


def test_it_finds_a_bad_minimiser():
    @loss("checked: bad minimiser")
    class Bad:
        def value(self, y, raw):
            return 0.5 * (raw - y) ** 2

        def minimiser(self, y, weight=None):
            return float(np.median(y))

    failed = failures(check_loss(Bad()))
    assert failed.keys() == {"minimiser"}
    assert "delete minimiser()" in failed["minimiser"].advice


def test_what_does_not_run_is_a_finding_too():
    @loss("checked: does not run")
    class Text:
        def value(self, y, raw):
            return float(f"{raw - y}")

    failed = failures(check_loss(Text()))
    assert failed.keys() == {"interpreted"}


def test_what_does_not_compile_is_a_finding_too():
    @loss("checked: does not compile")
    class Polynomial:
        def value(self, y, raw):
            return np.polyval([0.5, 0.0, 0.0], raw - y)

        def derivatives(self, y, raw):
            return raw - y, 1.0

    failed = failures(check_loss(Polynomial()))
    assert failed.keys() == {"compiled"}
    assert "polyval" in failed["compiled"].seen


def test_a_warning_is_a_finding():
    @loss("checked: warns")
    class Warns:
        def value(self, y, raw):
            return 0.5 * (raw - y) ** 2 + 0.0 * np.log(np.maximum(raw, 0.0))

    assert failures(check_loss(Warns())).keys() == {"interpreted"}


def test_the_report_prints_as_a_table():
    text = str(check_loss("squared_error"))
    assert text.splitlines()[0] == "SquaredError(): all right"
    assert all(line.startswith("  ok      ") for line in text.splitlines()[1:])


def test_it_draws_the_same_points_for_the_same_seed():
    assert check_loss("huber", random_state=3) == check_loss("huber", random_state=3)


def test_losses_of_several_outputs_are_refused():
    with pytest.raises(TypeError, match="one output"):
        check_loss(MultinomialLogLoss())
