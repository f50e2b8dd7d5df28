"""What the pictures share: matplotlib when it is needed, axes, the colours, and what pipelines end with."""

import numpy as np

INK, FAINT, LINES = "#1f2933", "#66707c", "#9aa5b1"
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW)  # told apart by all eyes (Okabe and Ito, 2008)
STYLES = ("solid", "dashed", "dashdot", "dotted")  # from one round of the colours to the next


def pyplot_for(display):
    """``matplotlib.pyplot``, or an ImportError that says which display wants it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        name = type(display).__name__
        raise ImportError(f"{name}.plot needs matplotlib, which is not installed") from error
    return pyplot


def axes_for(display, ax):
    """Where `display` is drawn: `ax`, or the axes of a new figure; told to its `ax_` and `figure_`."""
    pyplot = pyplot_for(display)
    if ax is None:
        _, ax = pyplot.subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def last_step(estimator):
    """The estimator that a search has chosen or a pipeline ends with, the innermost; any other is itself."""
    inner = _inside(estimator)
    return estimator if inner is None else last_step(inner)


def before_last_step(estimator, X):
    """X as the last step sees it."""
    inner = _inside(estimator)
    if inner is None:
        return X
    if len(getattr(estimator, "steps", ())) > 1:
        X = estimator[:-1].transform(X)
    return before_last_step(inner, X)


def _inside(estimator):
    """What a fitted search or pipeline predicts with in the end; None of any other estimator."""
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else None


def legend_over_curves(ax, most_columns):
    """A legend at the top, with as much room made for it above the curves, and below to match.

    The room is a margin of the automatic limits, which axes that share a scale agree about.
    """
    n = len(ax.get_legend_handles_labels()[1])
    ax.margins(y=0.06 + 0.08 * -(-n // most_columns))
    ax.legend(loc="upper center", ncols=most_columns, fontsize="small", columnspacing=1.2, frameon=False)


def check_choice(name, value, choices):
    """Raise a ValueError unless `value` is one of the choices."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")


def line_look(number):
    """Colour and style of the line of this number."""
    rounds, place = divmod(number, len(COLOURS))
    return {"color": COLOURS[place], "linestyle": STYLES[rounds % len(STYLES)]}


def options_for_lines(defaults, given):
    """`defaults` under what the caller asked for, whose short names of matplotlib count as the long ones."""
    short = {"c": "color", "ls": "linestyle", "lw": "linewidth", "ms": "markersize"}
    return defaults | {short.get(name, name): value for name, value in given.items()}


def spans_decades(values, decades=2.0):
    """Whether positive values spread so far that an axis is best logarithmic."""
    values = np.asarray(values)
    positive = values[np.isfinite(values) & (values > 0.0)]
    if not positive.size or not np.all(values[np.isfinite(values)] > 0.0):
        return False
    return bool(positive.max() >= 10.0**decades * positive.min())
