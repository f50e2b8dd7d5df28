"""Functions drawn with their derivatives, and checks of derivatives."""

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.calculus import check_derivatives, derivatives
from calclearn.inspection import DerivativeCheckDisplay, DerivativeDisplay
from calclearn.losses import Huber, MultinomialLogLoss
from calclearn.losses._contract import REGISTRY as LOSSES
from calclearn.neural_network._activations import ACTIVATIONS

STEPS = 10.0 ** -np.arange(1.0, 14.0)
OF_ONE_OUTPUT = [
    name
    for name, cls in LOSSES.items()
    if cls.__module__.startswith("calclearn.") and not hasattr(cls, "value_row")
]


@pytest.mark.parametrize("name", OF_ONE_OUTPUT)
def test_every_loss_is_drawn_with_its_derivatives(name):
    display = DerivativeDisplay.from_loss(name)
    loss = LOSSES[name]()
    y = 0.0 if loss.domain == "real" else 1.0
    some = slice(40, None, 97)
    with np.errstate(invalid="ignore"):
        assert_allclose(display.value[some], [loss.value(y, t) for t in display.x[some]])
        assert_allclose(display.second[some], [loss.derivatives(y, t)[1] for t in display.x[some]])
    assert display.ax_.get_ylabel() == f"{loss!r} at y = {y:g}"
    display.figure_.canvas.draw()


def test_targets_fields_points_and_looks_are_as_asked():
    _, ax = pyplot.subplots()
    raw = np.linspace(0.0, 10.0, 21)
    display = DerivativeDisplay.from_loss(
        "huber", y=5.0, raw=raw, delta=2.0, ax=ax, line_options={"lw": 3, "alpha": 0.5}
    )
    assert display.ax_ is ax
    assert_array_equal(display.x, raw)
    assert_allclose(display.first, np.clip(raw - 5.0, -2.0, 2.0))
    assert all(line.get_linewidth() == 3 for line in display.lines_)
    assert DerivativeDisplay.from_loss(Huber(0.5), y=3.0).x.mean() == pytest.approx(3.0)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["value", "slope", "curvature"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_drawn_with_its_derivatives(name):
    display = DerivativeDisplay.from_activation(name)
    inside = np.abs(display.x) > 0.1
    rise = np.gradient(display.value, display.x)
    assert_allclose(display.first[inside], rise[inside], atol=1e-3)
    rise = np.gradient(display.first, display.x)
    assert_allclose(display.second[inside][1:-1], rise[inside][1:-1], atol=5e-3)


def test_where_a_derivative_jumps_the_curve_is_broken_and_where_it_is_steep_it_is_not():
    def gaps(display):
        return [int(np.isnan(line.get_ydata()).sum()) for line in display.lines_]

    assert gaps(DerivativeDisplay.from_activation("relu")) == [0, 1, 0]
    assert gaps(DerivativeDisplay.from_loss("huber")) == [0, 0, 2]
    assert gaps(DerivativeDisplay.from_loss("hinge")) == [0, 1, 0]
    assert gaps(DerivativeDisplay.from_function(lambda x: np.tanh(20.0 * x))) == [0, 0, 0]
    assert gaps(DerivativeDisplay.from_loss("exponential")) == [0, 0, 0]


def test_functions_may_branch():
    def branching(x):
        return x * x if x > 0 else -x

    x = np.array([-2.0, -1.0, 1.0, 2.0])
    display = DerivativeDisplay.from_function(branching, x=x, linestyle="dotted")
    assert_array_equal(display.value, [2.0, 1.0, 1.0, 4.0])
    assert_array_equal(display.first, [-1.0, -1.0, 2.0, 4.0])
    assert_array_equal(display.second, [0.0, 0.0, 2.0, 2.0])
    assert display.ax_.get_ylabel() == "branching"
    assert_allclose(DerivativeDisplay.from_function(np.sin, x=x).first, derivatives(np.sin, x)[1])
    assert DerivativeDisplay.from_function(lambda x: 2.0 * x, name="2 x").ax_.get_ylabel() == "2 x"


def test_what_has_no_derivatives_here_is_refused():
    with pytest.raises(TypeError, match="one raw prediction, got MultinomialLogLoss"):
        DerivativeDisplay.from_loss(MultinomialLogLoss())
    with pytest.raises(ValueError, match=r"y\[0\] is 2"):
        DerivativeDisplay.from_loss("log_loss", y=2.0)
    with pytest.raises(ValueError, match="swoosh"):
        DerivativeDisplay.from_activation("swoosh")
    with pytest.raises(ValueError, match=r"x must have shape \(n_points,\), with two at least, got \(1,\)"):
        DerivativeDisplay.from_function(np.sin, x=[1.0])
    with pytest.raises(ValueError, match="one shape of one dimension"):
        DerivativeDisplay(x=[1.0, 2.0], value=[1.0, 2.0], first=[1.0], second=[1.0, 2.0])
    with pytest.raises(TypeError):
        DerivativeDisplay.from_function(np.floor)


# ------------------------------------------------------------------------------------- checks of derivatives


def labels(display):
    return [text.get_text().partition(",")[0] for text in display.ax_.get_legend().get_texts()]


def test_a_report_is_drawn_as_a_v_with_its_guides():
    report = check_derivatives(lambda x: np.sum(np.exp(x)), [1.0, 2.0], jac=np.exp)
    display = DerivativeCheckDisplay.from_report(report, name="exp", color="black")
    assert_array_equal(display.line_.get_xdata(), report.steps)
    assert_array_equal(display.line_.get_ydata(), report.errors)
    assert display.line_.get_color() == "black"
    assert display.best_step == report.best_step
    assert labels(display)[:3] == ["exp", "truncation", "rounding"]
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    for guide, power in zip(display.guides_, (2.0, -1.0), strict=True):
        x, y = guide.get_data()
        assert_allclose(np.diff(np.log(y)) / np.diff(np.log(x)), power)


def test_a_function_is_checked_and_drawn():
    derived = DerivativeCheckDisplay.from_function(lambda x: np.sum(x**4), [1.0, 2.0])
    assert derived.errors.min() < 1e-6
    wrong = DerivativeCheckDisplay.from_function(lambda x: np.sum(x**4), [1.0, 2.0], jac=lambda x: 3 * x**3)
    assert wrong.errors.min() > 1.0
    assert "truncation" not in labels(wrong)
    low, high = wrong.ax_.get_ylim()
    assert high > 1e5 * low  # what stays where it is looks flat
    second = DerivativeCheckDisplay.from_function(
        np.sum, np.ones(2), order=2, jac=lambda x: 2.0 * x, hess=2 * np.eye(2)
    )
    assert second.errors.min() < 1e-6


def test_differences_of_nothing_have_no_place_on_the_axis():
    display = DerivativeCheckDisplay(steps=STEPS[:4], errors=[0.0, 0.0, np.nan, 0.0]).plot()
    assert display.line_.get_ydata().size == 0
    assert display.guides_ == []
    display.figure_.canvas.draw()
    display = DerivativeCheckDisplay(steps=STEPS[:4], errors=[1e-2, 0.0, np.nan, 1e-4]).plot()
    assert_array_equal(display.line_.get_xydata(), [[1e-1, 1e-2], [1e-4, 1e-4]])


def test_other_sweeps_are_refused():
    with pytest.raises(ValueError, match=r"one shape \(n_steps,\), got \(13,\) and \(1,\)"):
        DerivativeCheckDisplay(steps=STEPS, errors=[1.0])
    with pytest.raises(ValueError, match="steps must be positive, got -1"):
        DerivativeCheckDisplay(steps=[1.0, -1.0], errors=[1.0, 1.0])
    with pytest.raises(TypeError, match=r"one of calculus\.check_derivatives, got dict"):
        DerivativeCheckDisplay.from_report({})
