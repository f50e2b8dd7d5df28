"""A picture of one tree of an ensemble, drawn from left to right: its texts are wider than they are high.

All lengths are in points at full size: the axes' data are points, and texts shrink with them.
"""

import math
from dataclasses import dataclass, field

from ._display import FAINT, INK, LINES, axes_for, last_step, pyplot_for

SIZE, SMALL = 9.0, 7.5  # of the text of what matters, and of the rest
LINE = 12.0  # from a line of text to the next
PAD_X, PAD_Y = 6.0, 3.0  # around a node's text
BETWEEN = 6.0  # from a leaf to the next, and between two texts on a line
PART = 12.0  # from a column of nodes to where its edges part
CORNER = 4.0  # radius of corners
THIN, THICK = 0.8, 1.8  # of lines
LARGEST = 100.0  # inches of a new figure, either way
MAGNIFIED = 1.5  # at most, on given axes
MOST_TEXT = 36  # characters of a name, and of a set

PAPER = "#f5f7fa"
BELOW, ABOVE = (0.45, 0.67, 0.87), (0.96, 0.64, 0.38)  # of the leaves of the lowest and the highest values


class TreeDisplay:
    """A drawn tree: what its nodes ask and gain, and what its leaves say.

    It is best made by `from_estimator`.  A node shows its question, what the split gained, and how many
    training rows came to it; "yes" goes up, "no" goes down, and the edge of missing values says so.  A leaf
    shows its value, in its colour too, and its number of rows.  Numbers of rows that are not known, as of
    a model that XGBoost trained, are left out.

    Parameters
    ----------
    nodes : pandas.DataFrame
        The rows of one tree, of what ``trees_to_dataframe()`` returns.
    max_depth : int, default=None
        How many questions of a path are drawn; None for all.
    precision : int, default=3
        Digits of thresholds, gains and values.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where the tree was drawn; as `figure_` set by `plot`.
    figure_ : matplotlib.figure.Figure
    boxes_ : list of matplotlib.patches.FancyBboxPatch
        One a node, each before its children, an upper child before the lower one.
    edges_ : list of matplotlib.patches.PathPatch
        Two for each node but the root: from its parent straight on, and round the corner to it.
    texts_ : list of matplotlib.text.Text

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.ensemble import NewtonBoostingRegressor
    >>> from calclearn.inspection import TreeDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = NewtonBoostingRegressor(n_estimators=5, max_depth=3).fit(X, y)
    >>> TreeDisplay.from_estimator(model, tree=0).figure_.savefig("tree.png")  # doctest: +SKIP
    """

    def __init__(self, *, nodes, max_depth=None, precision=3):
        self.nodes, self.max_depth, self.precision = nodes, max_depth, precision

    @classmethod
    def from_estimator(
        cls, estimator, tree=0, *, ax=None, max_depth=None, feature_names=None, precision=3, **kwargs
    ):
        """Draw a tree of a fitted ensemble.

        Parameters
        ----------
        estimator : NewtonBoostingClassifier, NewtonBoostingRegressor, or a pipeline or search of one
            Or anything else with a method ``trees_to_dataframe()``.
        tree : int, default=0
            Its index in that frame; negative ones count from the end.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure, as large as the tree needs.
        max_depth : int, default=None
            How many questions of a path are drawn; None for all.
        feature_names : sequence of str, default=None
            Other names of the features, in the order of the columns of X.
        precision : int, default=3
            Digits of thresholds, gains and values.
        **kwargs : dict
            For the boxes: of ``matplotlib.patches.FancyBboxPatch``.

        Returns
        -------
        display : TreeDisplay

        Raises
        ------
        TypeError
            If the estimator cannot tell of its trees.
        ValueError
            If there is no such tree, or for invalid arguments.
        ImportError
            Where pandas or matplotlib is not installed.
        """
        estimator = last_step(estimator)
        if not hasattr(estimator, "trees_to_dataframe"):
            raise TypeError(f"estimator must have trees_to_dataframe, which {estimator!r} has not")
        frame = estimator.trees_to_dataframe()
        n_trees = int(frame["tree"].max()) + 1
        if not -n_trees <= tree < n_trees:
            raise ValueError(f"tree must be from {-n_trees} to {n_trees - 1}, got {tree!r}")
        nodes = frame[frame["tree"] == tree % n_trees].reset_index(drop=True)
        if feature_names is not None:
            nodes["feature"] = nodes["feature"].map(_renamed(estimator, feature_names))
        return cls(nodes=nodes, max_depth=max_depth, precision=precision).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw the tree.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw, with texts of the size that fits; by default a new figure, as large as the tree
            needs.
        **kwargs : dict
            For the boxes: of ``matplotlib.patches.FancyBboxPatch``.

        Returns
        -------
        display : TreeDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        pyplot = pyplot_for(self)
        nodes = _drawn(self.nodes, self.max_depth, self.precision)
        width, height = _arrange(nodes)
        if ax is None:
            shrink = min(1.0, 72.0 * LARGEST / max(width, height))
            figure = pyplot.figure(figsize=(width * shrink / 72.0, height * shrink / 72.0))
            ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax = axes_for(self, ax)
        scale = _fit(ax, width, height)
        self.boxes_, self.edges_, self.texts_ = [], [], []
        for node in nodes:
            if node.parent is not None:
                self._draw_edge(ax, node, scale)
        for node in nodes:
            self._draw_node(ax, node, scale, kwargs)
        return self

    def _draw_edge(self, ax, node, scale):
        """From the parent straight on, up or down, and round the corner; heavier where missing values go."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        parent = node.parent
        x, side = parent.part, 1.0 if node.y > parent.y else -1.0
        stub = Path([(parent.x + parent.width, parent.y), (x, parent.y)])
        points = [
            (x, parent.y),
            (x, node.y - side * CORNER),
            (x, node.y),
            (x + CORNER, node.y),
            (node.x, node.y),
        ]
        bend = Path(points, [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO])
        for path, width in ((stub, THIN), (bend, THICK if node.missing else THIN)):
            line = PathPatch(
                path, fill=False, edgecolor=LINES, linewidth=width * scale, capstyle="butt", zorder=1
            )
            self.edges_.append(ax.add_patch(line))
        label = (node.label, SMALL, FAINT)
        self.texts_.append(_write(ax, x + BETWEEN, node.y - 2.0, label, scale, "bottom"))

    def _draw_node(self, ax, node, scale, options):
        from matplotlib.patches import FancyBboxPatch

        look = {
            "boxstyle": f"round,pad=0,rounding_size={CORNER}",
            "facecolor": "white" if node.cut else (PAPER if node.tint is None else _colour(node.tint)),
            "edgecolor": LINES,
            "linestyle": "--" if node.cut else "-",
            "linewidth": THIN * scale,
            "zorder": 2,
        }
        place = (node.x, node.y - node.height / 2), node.width, node.height
        self.boxes_.append(ax.add_patch(FancyBboxPatch(*place, **(look | options))))
        for i, line in enumerate(node.lines):
            x = node.x + PAD_X
            y = node.y + LINE * (i - (len(node.lines) - 1) / 2) + 0.35 * SIZE
            for text in line:
                self.texts_.append(_write(ax, x, y, text, scale, "baseline"))
                x += _width(*text[:2]) + BETWEEN


def _renamed(estimator, feature_names):
    """What `trees_to_dataframe` calls the features, and what they are to be called."""
    wanted = [str(name) for name in feature_names]
    n = getattr(estimator, "n_features_in_", len(wanted))
    if len(wanted) != n:
        raise ValueError(f"feature_names must hold {n} names, got {len(wanted)}")
    return dict(zip(getattr(estimator, "feature_names_in_", [f"x{f}" for f in range(n)]), wanted))


# ----------------------------------------------------------------------------------------------- what is said


@dataclass(eq=False)
class _Node:
    """A box: lines of texts, each with its size and colour; and where it stands."""

    lines: list
    depth: int = 0
    parent: "_Node | None" = None
    label: str = ""  # of the edge from the parent
    missing: bool = False  # whether missing values take that edge
    tint: float | None = None  # from -1 to 1, of a leaf
    cut: bool = False  # whether what is below is not drawn
    children: list = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0  # of the middle
    width: float = 0.0
    part: float = 0.0  # where its edges part

    @property
    def height(self):
        return LINE * len(self.lines) + 2 * PAD_Y


def _drawn(frame, max_depth, precision):
    """The boxes of a tree, each before its children, an upper child before the lower one."""
    records = frame.assign(leaf=frame["left"].isna()).to_dict("records")
    rows = {int(row["node"]): row for row in records}
    largest = max((abs(row["value"]) for row in rows.values() if row["leaf"]), default=0.0) or 1.0
    counted = (frame["count"] > 0).any()
    nodes, waiting = [], [(0, _Node([]))]
    while waiting:
        index, node = waiting.pop()
        nodes.append(node)
        row = rows[index]
        count = [(f"n {int(row['count']):,}", SMALL, FAINT)] if counted else []
        if row["leaf"]:
            node.lines = [[(_number(row["value"], precision), SIZE, INK), *count]]
            node.tint = row["value"] / largest
        elif max_depth is not None and node.depth >= max_depth:
            node.lines = [[(f"… {_n_leaves(rows, index)} leaves", SMALL, FAINT), *count]]
            node.cut = True
        else:
            gain = (f"gain {_number(row['gain'], precision)}", SMALL, FAINT)
            node.lines = [[(_question(row, precision), SIZE, INK)], [gain, *count]]
            for label, name in (("no", "right"), ("yes", "left")):
                missing = row["missing"] == row[name]
                label += " · missing" if missing else ""
                child = _Node([], node.depth + 1, node, label, missing)
                node.children.append(child)
                waiting.append((int(row[name]), child))
    return nodes


def _n_leaves(rows, index):
    waiting, n = [index], 0
    while waiting:
        row = rows[waiting.pop()]
        if row["leaf"]:
            n += 1
        else:
            waiting += [int(row["left"]), int(row["right"])]
    return n


def _question(row, precision):
    name = _clipped(str(row["feature"]))
    if isinstance(row["categories"], tuple):
        return f"{name} ∈ {_set(row['categories'])}"
    if row["threshold"] == math.inf and row["missing"] == row["right"]:
        return f"{name} is known"
    return f"{name} ≤ {_number(row['threshold'], precision, 1)}"


def _set(categories):
    """As many as there is room for."""
    names = [str(category) for category in categories]
    shown = len(names)
    while shown > 1 and len(", ".join(names[:shown])) > MOST_TEXT:
        shown -= 1
    more = f", … +{len(names) - shown}" if shown < len(names) else ""
    return "{" + ", ".join(_clipped(name) for name in names[:shown]) + more + "}"


def _clipped(text):
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _number(x, precision, decimals=0):
    """So many digits, but all before the point, and some behind it; powers of ten from a million on."""
    before = int(math.log10(abs(x))) + 1 if 1.0 <= abs(x) < 1e6 else 0
    return f"{x + 0.0:.{max(precision, before + decimals, 1)}g}".replace("-", "−")  # and no negative zero


# ------------------------------------------------------------------------------------------------ where it is


def _arrange(nodes):
    """Give each box its place: a column a depth, a row a leaf; `(width, height)` of the whole."""
    n_columns = max(node.depth for node in nodes) + 1
    widths, of_labels = [0.0] * n_columns, [0.0] * n_columns
    for node in nodes:
        node.width = max(_width_of_line(line) for line in node.lines) + 2 * PAD_X
        widths[node.depth] = max(widths[node.depth], node.width)
        of_labels[node.depth] = max(of_labels[node.depth], _width(node.label, SMALL))
    lefts, x = [], BETWEEN
    for width, of_label in zip(widths, of_labels):
        x += PART + of_label + 2 * BETWEEN if of_label else 0.0
        lefts.append(x)
        x += width
    y = BETWEEN
    for node in nodes:
        node.x, node.part = lefts[node.depth], lefts[node.depth] + widths[node.depth] + PART
        if not node.children:
            node.y = y + node.height / 2
            y += node.height + BETWEEN
    for node in reversed(nodes):
        if node.children:
            node.y = sum(child.y for child in node.children) / len(node.children)
    top = min(node.y - node.height / 2 for node in nodes) - BETWEEN
    for node in nodes:
        node.y -= top
    bottom = max(node.y + node.height / 2 for node in nodes)
    return x + BETWEEN, bottom + BETWEEN


def _width_of_line(line):
    return sum(_width(text, size) for text, size, _ in line) + BETWEEN * (len(line) - 1)


def _width(text, size):
    """Of a text, and some more: letters that are put on whole pixels are wider where pixels are large."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    return 1.1 * text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0]


# ----------------------------------------------------------------------------------------------- how it looks


def _fit(ax, width, height):
    """Make the axes' data points of the picture, centred; the scale of its texts."""
    extent = ax.get_window_extent()
    wide, high = extent.width * 72.0 / ax.figure.dpi, extent.height * 72.0 / ax.figure.dpi
    scale = min(wide / width, high / height, MAGNIFIED)
    x, y = (wide / scale - width) / 2, (high / scale - height) / 2
    ax.set(xlim=(-x, width + x), ylim=(height + y, -y))
    ax.set_aspect("equal", adjustable="box")
    ax.set_axis_off()
    return scale


def _colour(tint):
    """From blue over white to orange."""
    far, part = (ABOVE if tint > 0 else BELOW), abs(tint)
    return tuple(1.0 - part * (1.0 - c) for c in far)


def _write(ax, x, y, text, scale, vertical):
    words, size, colour = text
    return ax.text(
        x,
        y,
        words,
        size=size * scale,
        color=colour,
        va=vertical,
        ha="left",
        parse_math=False,
        usetex=False,
        zorder=3,
        clip_on=True,
    )
