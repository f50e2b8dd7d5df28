"""Drawn trees: what is said, and that it can be read."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch

from calclearn.inspection import TreeDisplay


class Ensemble:
    """All that is asked of an estimator."""

    def __init__(self, *trees):
        self.trees = trees

    def trees_to_dataframe(self):
        return pd.concat(tree.assign(tree=t) for t, tree in enumerate(self.trees))


def frame(*rows):
    """Nodes from `(feature, threshold, categories, left, right, missing, gain, count, value)`."""
    names = ["feature", "threshold", "categories", "left", "right", "missing", "gain", "count", "value"]
    table = pd.DataFrame(rows, columns=names).astype({"categories": object})
    table[["left", "right", "missing"]] = table[["left", "right", "missing"]].astype("Int64")
    return table.assign(node=np.arange(len(rows)), output=0)


def leaf(value, count=7):
    return (None, np.nan, None, None, None, None, np.nan, count, value)


def full(depth):
    """A tree with all its leaves, of long names and numbers."""
    n = 2**depth - 1
    names = ["age", "income in $ after tax", "town", "a feature with a name that is too long to be shown"]
    towns = ("Aberdeen", "Bath", "Cork", "Derby", "Exeter", "Fife")
    rows = []
    for i in range(n):
        categories = towns[: 1 + i % 6] if i % 4 == 2 else None
        children = 2 * i + 1, 2 * i + 2
        rows.append(
            (
                names[i % 4],
                -12345.678 / (i + 1),
                categories,
                *children,
                children[i % 2],
                1e3 / (i + 1),
                9**5,
                0.1,
            )
        )
    return frame(*rows, *(leaf((-1.0) ** i * 0.123456 * i, 1 + i**2) for i in range(n + 1)))


SMALL = frame(
    ("x0", 1987.5, None, 1, 2, 2, 12.3456, 1234, 0.0),
    ("town", np.nan, ("Bath", "Cork"), 3, 4, 3, 2.0, 34, 0.0),
    leaf(-0.25, 1200),
    leaf(0.5),
    leaf(-0.0),
)


def texts(display):
    return [text.get_text() for text in display.ax_.texts]


def test_a_tree_says_what_its_nodes_ask_and_its_leaves_add():
    said = texts(TreeDisplay.from_estimator(Ensemble(SMALL)))
    for expected in (
        "x0 ≤ 1987.5",
        "gain 12.3",
        "n 1,234",
        "town ∈ {Bath, Cork}",
        "−0.25",
        "n 1,200",
        "0.5",
        "0",
    ):
        assert expected in said
    assert sorted(text for text in said if text.startswith(("yes", "no"))) == [
        "no",
        "no · missing",
        "yes",
        "yes · missing",
    ]


def test_a_split_by_what_is_missing_says_so():
    tree = frame(("x0", np.inf, None, 1, 2, 2, 1.0, 9, 0.0), leaf(1.0), leaf(2.0))
    assert "x0 is known" in texts(TreeDisplay.from_estimator(Ensemble(tree)))


def test_numbers_of_rows_that_are_not_known_are_left_out():
    unknown = texts(TreeDisplay.from_estimator(Ensemble(SMALL.assign(count=0))))
    assert unknown == [
        text for text in texts(TreeDisplay.from_estimator(Ensemble(SMALL))) if text[:2] != "n "
    ]
    assert "n 0" not in texts(TreeDisplay.from_estimator(Ensemble(SMALL.assign(count=0)), max_depth=0))


def test_a_long_set_is_cut_short():
    tree = frame(("x0", np.nan, tuple(range(100)), 1, 2, 2, 1.0, 9, 0.0), leaf(1.0), leaf(2.0))
    (question,) = (text for text in texts(TreeDisplay.from_estimator(Ensemble(tree))) if "∈" in text)
    assert question.startswith("x0 ∈ {0, 1, 2, ")
    assert question.endswith(", … +88}")


def test_yes_goes_up():
    display = TreeDisplay.from_estimator(Ensemble(SMALL))
    where = {
        text.get_text(): display.ax_.transData.transform(text.get_position()) for text in display.ax_.texts
    }
    assert where["yes"][1] > where["x0 ≤ 1987.5"][1] > where["no · missing"][1]
    assert where["0.5"][1] > where["town ∈ {Bath, Cork}"][1] > where["0"][1]


def boxes_of(display):
    """The extents of all texts, and of all boxes, in pixels."""
    renderer = display.figure_.canvas.get_renderer()
    boxes = [patch for patch in display.ax_.patches if isinstance(patch, FancyBboxPatch)]
    return tuple([a.get_window_extent(renderer) for a in artists] for artists in (display.ax_.texts, boxes))


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
@pytest.mark.parametrize("given", [False, True])
def test_texts_do_not_overlap_and_stay_inside(depth, given):
    tree = full(depth) if depth else frame(leaf(0.5))
    ax = pyplot.subplots(1, 2, figsize=(12, 8), dpi=400)[1][1] if given else None
    display = TreeDisplay.from_estimator(Ensemble(tree), ax=ax)
    of_texts, of_boxes = boxes_of(display)
    whole = display.ax_.get_window_extent()
    for extent in (*of_texts, *of_boxes):
        assert whole.x0 - 1 <= extent.x0 <= extent.x1 <= whole.x1 + 1
        assert whole.y0 - 1 <= extent.y0 <= extent.y1 <= whole.y1 + 1
    assert not any(overlap(a, b) for a, b in combinations(of_boxes, 2))
    assert not any(overlap(a, b) for a, b in combinations(of_texts, 2))
    for text in of_texts:  # in a box, or on an edge between boxes
        around = [box for box in of_boxes if overlap(text, box)]
        assert len(around) <= 1
        assert all(box.x0 <= text.x0 and text.x1 <= box.x1 for box in around)


def overlap(a, b, slack=1.0):
    """Whether two extents have more than a pixel in common, either way."""
    wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return wide > slack and high > slack


def test_what_is_below_the_largest_depth_is_counted():
    display = TreeDisplay.from_estimator(Ensemble(full(4)), max_depth=2)
    assert texts(display).count("… 4 leaves") == 4
    assert len(boxes_of(display)[1]) == 7
    assert "… 3 leaves" in texts(TreeDisplay.from_estimator(Ensemble(SMALL), max_depth=0))


def test_features_can_be_renamed():
    tree = SMALL.replace({"feature": {"town": "x1"}})
    said = texts(TreeDisplay.from_estimator(Ensemble(tree), feature_names=["year", "place"]))
    assert "year ≤ 1987.5" in said
    assert "place ∈ {Bath, Cork}" in said
    ensemble = Ensemble(SMALL)
    ensemble.n_features_in_, ensemble.feature_names_in_ = 2, np.array(["town", "x0"], object)
    said = texts(TreeDisplay.from_estimator(ensemble, feature_names=["place", "year"]))
    assert "year ≤ 1987.5" in said
    with pytest.raises(ValueError, match="feature_names must hold 2 names, got 1"):
        TreeDisplay.from_estimator(ensemble, feature_names=["place"])


def test_dollars_are_no_mathematics():
    tree = SMALL.replace({"feature": {"x0": "$x_1$ in $"}})
    assert "$x_1$ in $ ≤ 1987.5" in texts(TreeDisplay.from_estimator(Ensemble(tree)))


def test_precision_is_the_number_of_digits():
    said = texts(TreeDisplay.from_estimator(Ensemble(SMALL), precision=5))
    assert "gain 12.346" in said
    assert "x0 ≤ 1987.5" in said


def test_trees_are_found_by_index():
    ensemble = Ensemble(SMALL, frame(leaf(42.0)))
    assert "42" in texts(TreeDisplay.from_estimator(ensemble, 1))
    assert "42" in texts(TreeDisplay.from_estimator(ensemble, -1))
    with pytest.raises(ValueError, match="tree must be from -2 to 1, got 2"):
        TreeDisplay.from_estimator(ensemble, 2)


def test_axes_are_kept_and_can_be_drawn_on_again():
    figure, axes = pyplot.subplots(1, 2)
    display = TreeDisplay.from_estimator(Ensemble(SMALL), ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].texts
    assert display.plot(ax=axes[0]) is display
    assert display.ax_ is axes[0]
    assert len(axes[0].texts) == len(axes[1].texts)


def test_what_has_no_trees_is_refused():
    with pytest.raises(TypeError, match="estimator must have trees_to_dataframe"):
        TreeDisplay.from_estimator(object())


def test_matplotlib_is_needed_to_draw_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="needs matplotlib"):
        TreeDisplay(nodes=SMALL.assign(tree=0)).plot()
    code = "import sys, calclearn.inspection; assert not {'matplotlib', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_fitted_ensemble_can_be_drawn(rng):
    from calclearn.ensemble import NewtonBoostingRegressor

    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["height", "weight"])
    model = NewtonBoostingRegressor(n_estimators=2, max_depth=2).fit(X, X["height"])
    said = texts(TreeDisplay.from_estimator(model, 1))
    assert any(text.startswith("height ≤ ") for text in said)
    assert "n 60" in said
