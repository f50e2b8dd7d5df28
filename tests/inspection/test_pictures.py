"""What the displays look like, held against stored images, without texts, whose pixels differ between fonts.

The tolerance is a root mean square of grey levels: matplotlib 3.8 and 3.11 draw the same pixels, and a line
that is missing makes 3 and more.  New images: ``python -m pytest tests/inspection/test_pictures.py
--mpl-generate-path=tests/inspection/baseline``, and then look at them.
"""

import inspect
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from calclearn import inspection
from calclearn.inspection import (
    ConvergenceDisplay,
    DerivativeCheckDisplay,
    DerivativeDisplay,
    GradientFlowDisplay,
    LossSurfaceDisplay,
    MarginDisplay,
    TreeDisplay,
)

TURNS = np.linspace(0.0, 2.0 * np.pi, 24)
STEPS = 10.0 ** -np.arange(1.0, 14.0)


def convergence():
    t = np.arange(25.0)
    curves = [np.exp(-t), 0.1 * 0.8**t, 3.0 / (1.0 + t[:12]) ** 2]
    return ConvergenceDisplay(values=curves, names=["a", "b", "c"], quantity="gap")


def convergence_in_seconds():
    seconds = [[0.1, 0.2, 0.35], [0.05, 0.2]]
    return ConvergenceDisplay(values=[[3.0, 2.0, 1.5], [2.5, 1.0]], names=["a", "b"], seconds=seconds)


def loss_surface():
    grid = np.meshgrid(np.linspace(-2.0, 2.0, 41), np.linspace(-1.0, 3.0, 41))
    values = 100.0 * (grid[1] - grid[0] ** 2) ** 2 + (1.0 - grid[0]) ** 2
    path = np.column_stack([np.linspace(-1.2, 1.0, 9), np.linspace(-1.2, 1.0, 9) ** 2])
    return LossSurfaceDisplay(xx0=grid[0], xx1=grid[1], values=values, path=path)


def derivative():
    x = np.linspace(-3.0, 3.0, 300)
    pieces = np.where(np.abs(x) < 1, x, np.sign(x)), (np.abs(x) < 1) * 1.0
    value = np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5)
    return DerivativeDisplay(x=x, value=value, first=pieces[0], second=pieces[1])


def derivative_check():
    return DerivativeCheckDisplay(steps=STEPS, errors=0.3 * STEPS**2 + 2e-16 / STEPS)


def gradient_flow():
    norms = 10.0 ** np.add.outer(-0.3 * np.arange(8.0), np.array([-4.0, -2.5, -1.0, 0.0]))
    return GradientFlowDisplay(gradient_norms=norms)


def margin():
    grid = np.meshgrid(np.linspace(-2.0, 2.0, 30), np.linspace(-2.0, 2.0, 30))
    rows = np.column_stack([np.cos(TURNS) * (1 + np.arange(24) % 2), np.sin(TURNS)])
    multipliers = (np.arange(24) % 4) / 3.0
    return MarginDisplay(
        xx0=grid[0],
        xx1=grid[1],
        values=2.0 * (grid[0] ** 2 / 2.0 + grid[1] ** 2 - 1.0),
        rows=rows,
        side=np.arange(24) % 2 == 1,
        multipliers=multipliers,
        bounded=multipliers == 1.0,
        classes=["no", "yes"],
    )


def tree():
    columns = [
        "node",
        "feature",
        "threshold",
        "categories",
        "left",
        "right",
        "missing",
        "gain",
        "count",
        "value",
    ]
    rows = [
        (0, "x0", 1.5, None, 1, 2, 2, 12.3, 120, 0.0),
        (1, "x1", 0.5, None, 3, 4, 3, 2.0, 34, 0.0),
        (2, None, np.nan, None, None, None, None, np.nan, 86, -0.25),
        (3, None, np.nan, None, None, None, None, np.nan, 20, 0.5),
        (4, None, np.nan, None, None, None, None, np.nan, 14, 0.1),
    ]
    nodes = pd.DataFrame(rows, columns=columns).astype({"categories": object})
    nodes[["left", "right", "missing"]] = nodes[["left", "right", "missing"]].astype("Int64")
    return TreeDisplay(nodes=nodes.assign(tree=0, output=0))


DISPLAYS = [
    convergence,
    convergence_in_seconds,
    loss_surface,
    derivative,
    derivative_check,
    gradient_flow,
    margin,
    tree,
]
of_each = pytest.mark.parametrize("make", DISPLAYS, ids=lambda make: make.__name__)


def small_axes():
    return pyplot.subplots(figsize=(4, 3), dpi=80)[1]


def without_texts(figure):
    """The figure without what fonts have a part in, and without ticks, which versions place differently."""
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.minorticks_off()
        for legend in filter(None, [ax.get_legend()]):
            legend.remove()
        for text in list(ax.texts):
            text.remove()
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
    return figure


@pytest.mark.mpl_image_compare(
    baseline_dir="baseline", style="default", remove_text=True, tolerance=1, savefig_kwargs={"dpi": 80}
)
@of_each
def test_the_picture(make):
    return without_texts(make().plot(ax=small_axes()).figure_)


@of_each
def test_a_picture_can_be_drawn_again_elsewhere_and_says_where(make):
    display = make()
    ax = small_axes()
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.plot() is display
    assert display.ax_ is not ax
    assert display.figure_ is display.ax_.figure
    display.figure_.canvas.draw()


@of_each
def test_matplotlib_is_needed_to_draw_alone(make, monkeypatch):
    display = make()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"{type(display).__name__}.plot needs matplotlib"):
        display.plot()


def displays():
    return [kind for name, kind in vars(inspection).items() if name.endswith("Display")]


def test_each_display_is_here():
    assert {type(make()) for make in DISPLAYS} == set(displays())


@pytest.mark.parametrize("kind", displays(), ids=lambda kind: kind.__name__)
def test_displays_have_one_convention(kind):
    """Data by keywords; ``plot(*, ax, **kwargs)``; every ``from_...`` is a class method with ``ax=``."""
    keyword, rest = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD
    made = list(inspect.signature(kind).parameters.values())
    assert all(parameter.kind is keyword for parameter in made)
    plot = inspect.signature(kind.plot).parameters
    assert plot["ax"].kind is keyword
    assert plot["ax"].default is None
    assert list(plot.values())[-1].kind is rest
    makers = [name for name in vars(kind) if name.startswith("from_")]
    assert makers
    for name in makers:
        assert isinstance(inspect.getattr_static(kind, name), classmethod)
        parameters = inspect.signature(getattr(kind, name)).parameters
        assert parameters["ax"].kind is keyword
        assert list(parameters.values())[-1].kind is rest
