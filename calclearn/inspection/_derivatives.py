"""A picture of a function of one number with its first two derivatives."""

import numpy as np

from ..calculus import derivatives
from ._display import BLUE, FAINT, GREEN, ORANGE, axes_for, legend_over_curves, options_for_lines

N_POINTS = 601
REACH = 4.0  # of the default range, to both sides of the middle
CURVES = (
    ("value", BLUE, "solid"),
    ("slope", ORANGE, "dashed"),
    ("curvature", GREEN, "dashdot"),
)
MIDDLE = {"real": 0.0, "positive": 1.0, "nonnegative": 1.0, "unit": 1.0, "sign": 1.0}  # targets of losses
JUMP = 20.0  # how many times as far as to its neighbours a curve moves where it is taken to jump


class DerivativeDisplay:
    """A loss, an activation or another function of one number, with its slope and its curvature.

    It is best made by `from_loss`, `from_activation` or `from_function`.  Where a derivative jumps, its curve
    is broken.

    Parameters
    ----------
    x : array-like of shape (n_points,)
        Where, in ascending order.
    value, first, second : array-like of shape (n_points,)
        The function there and its derivatives.
    name : str, default=None
        Of the function: the label of the vertical axis.
    xlabel : str, default="x"

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
        The value, the first and the second derivative.

    Raises
    ------
    ValueError
        If the arrays have other shapes.

    Examples
    --------
    >>> from calclearn.inspection import DerivativeDisplay
    >>> display = DerivativeDisplay.from_loss("huber", y=0.0, delta=1.5)
    >>> bool(abs(display.first).max() == 1.5)  # by which an outlier pulls, whatever its distance
    True
    >>> DerivativeDisplay.from_activation("gelu").figure_.savefig("gelu.png")  # doctest: +SKIP
    """

    def __init__(self, *, x, value, first, second, name=None, xlabel="x"):
        arrays = [np.asarray(array, np.float64) for array in (x, value, first, second)]
        if arrays[0].ndim != 1 or any(array.shape != arrays[0].shape for array in arrays):
            raise ValueError(
                "x, value, first and second must have one shape of one dimension, got "
                f"{[array.shape for array in arrays]}"
            )
        self.x, self.value, self.first, self.second = arrays
        self.name, self.xlabel = name, xlabel

    @classmethod
    def from_loss(cls, loss, *, y=None, raw=None, ax=None, line_options=None, **parameters):
        """Draw a loss as a function of the raw prediction.

        Parameters
        ----------
        loss : str or Loss
            A registered name, or an instance; of one output.
        y : float, default=None
            The target; by default 0 where it may be any number, else 1.
        raw : array-like of shape (n_points,), default=None
            Raw predictions; by default from -4 to 4, for targets that may be any number about `y`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        line_options : dict, default=None
            For ``ax.plot``, as the keywords of `plot`.
        **parameters : float
            Fields of the loss, with a name only.

        Returns
        -------
        display : DerivativeDisplay

        Raises
        ------
        TypeError
            For something that is no loss, or a loss over rows of several raw predictions.
        ValueError
            For a name that is not registered, or a target outside the loss's domain.
        """
        from ..losses import get_loss

        loss = get_loss(loss, **parameters)
        if hasattr(loss, "value_row"):
            raise TypeError(f"loss must be of one raw prediction, got {loss!r}, which is of a row of them")
        y = MIDDLE[loss.domain] if y is None else float(y)
        loss.check_targets(y)
        raw = _points(raw, y if loss.domain == "real" else 0.0)
        with np.errstate(all="ignore"):
            value = [loss.value(y, t) for t in raw]  # one by one: a formula may have branches
            first, second = np.transpose([loss.derivatives(y, t) for t in raw])
        name = f"{loss!r} at y = {y:g}"
        display = cls(x=raw, value=value, first=first, second=second, name=name, xlabel="raw prediction")
        return display.plot(ax=ax, **(line_options or {}))

    @classmethod
    def from_activation(cls, activation, *, x=None, ax=None, line_options=None, **parameters):
        """Draw what a unit of a network does with its input.

        Parameters
        ----------
        activation : str or Activation
            A registered name, or an instance.
        x : array-like of shape (n_points,), default=None
            By default from -4 to 4.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        line_options : dict, default=None
            For ``ax.plot``, as the keywords of `plot`.
        **parameters : float
            Fields of the activation, with a name only.

        Returns
        -------
        display : DerivativeDisplay

        Raises
        ------
        TypeError
            For something that is no activation.
        ValueError
            For a name that is not registered.
        """
        from ..neural_network import get_activation

        activation, x = get_activation(activation, **parameters), _points(x, 0.0)
        value, _, second = _derivatives_at(activation.value, x)
        first = [activation.derivative(t) for t in x]
        options = {"name": repr(activation), "xlabel": "input of the unit"}
        display = cls(x=x, value=value, first=first, second=second, **options)
        return display.plot(ax=ax, **(line_options or {}))

    @classmethod
    def from_function(cls, f, *, x=None, name=None, ax=None, **kwargs):
        """Draw any function of one number that :func:`calclearn.calculus.derivatives` can differentiate.

        Parameters
        ----------
        f : callable
            ``f(x)``, called with one number after the other.
        x : array-like of shape (n_points,), default=None
            By default from -4 to 4.
        name : str, default=None
            By default that of `f`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``.

        Returns
        -------
        display : DerivativeDisplay

        Raises
        ------
        TypeError
            If `f` uses an operation without a rule.
        """
        x = _points(x, 0.0)
        value, first, second = _derivatives_at(f, x)
        name = getattr(f, "__name__", None) if name is None else name
        name = None if name == "<lambda>" else name
        return cls(x=x, value=value, first=first, second=second, name=name).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``, the same for all three curves.

        Returns
        -------
        display : DerivativeDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        ax.axhline(0.0, color=FAINT, linewidth=0.6, zorder=0)
        self.lines_ = []
        for (label, colour, style), curve in zip(CURVES, (self.value, self.first, self.second)):
            look = {"color": colour, "linestyle": style, "linewidth": 1.8, "label": label}
            self.lines_ += ax.plot(*_broken(self.x, curve), **options_for_lines(look, kwargs))
        ax.set(xlabel=self.xlabel, ylabel=self.name or "")
        ax.margins(x=0.0)
        legend_over_curves(ax, len(CURVES))
        return self


def _points(x, middle):
    """Where to look, as given or around the middle; an even number, so that kinks lie between two of them."""
    if x is None:
        return np.linspace(middle - REACH, middle + REACH, N_POINTS + 1)
    x = np.asarray(x, np.float64)
    if x.ndim != 1 or x.size < 2:
        raise ValueError(f"x must have shape (n_points,), with two at least, got {x.shape}")
    return x


def _derivatives_at(f, x):
    """Value and two derivatives, point after point: a function may branch on its argument."""
    with np.errstate(all="ignore"):
        return np.transpose([[float(np.squeeze(part)) for part in derivatives(f, t)] for t in x])


def _broken(x, curve):
    """The curve with a gap where it jumps: where it moves much farther than just before and just after."""
    with np.errstate(invalid="ignore"):  # of what is infinite
        moves = np.abs(np.diff(curve))
    if len(moves) < 3 or not np.isfinite(moves).all():
        return x, curve
    beside = np.maximum(np.r_[0.0, moves[:-1]], np.r_[moves[1:], 0.0])
    places = np.flatnonzero((moves > JUMP * beside) & (moves > 1e-3 * np.ptp(curve)))
    middles = 0.5 * (x[places] + x[places + 1])
    return np.insert(x, places + 1, middles), np.insert(curve, places + 1, np.nan)
