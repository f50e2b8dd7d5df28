"""A picture of a check of derivatives: how differences with smaller and smaller steps differ from them."""

import numpy as np

from ._display import BLUE, FAINT, GREEN, ORANGE, axes_for, options_for_lines

ENOUGH = 2  # steps on a side of the best one, from which a guide is fitted
FLAT = 1e-6  # of the height: from powers of ten to powers of ten, so that what does not fall looks flat
ABOVE = 10.0  # of the least error: what counts for a guide


class DerivativeCheckDisplay:
    r"""The largest difference between derivatives and central differences, against the step.

    It is best made by `from_report` or `from_function`.  With a smaller step, truncation falls with its
    square and rounding grows with its inverse: right derivatives make a V on two logarithmic axes.  A
    difference that stays where it is, whatever the step, is a derivative that is wrong.

    Parameters
    ----------
    steps : array-like of shape (n_steps,)
        Positive.
    errors : array-like of shape (n_steps,)
        The largest difference with each step; NaN where there is none.
    name : str, default=None
        For the legend.

    Attributes
    ----------
    best_step : float
        The step of the least error.
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    line_ : matplotlib.lines.Line2D
        The differences.
    guides_ : list of matplotlib.lines.Line2D
        What truncation, the step's square, and rounding, its inverse, make of them, where both can be seen.
    best_ : matplotlib.lines.Line2D
        The best step.

    Raises
    ------
    ValueError
        If the arrays have other shapes, or a step is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.inspection import DerivativeCheckDisplay
    >>> display = DerivativeCheckDisplay.from_function(np.exp, 1.0, jac=np.exp)
    >>> bool(display.errors.min() < 1e-8 < display.errors[0])
    True
    >>> display.figure_.savefig("steps.png")  # doctest: +SKIP
    """

    def __init__(self, *, steps, errors, name=None):
        self.steps, self.errors = np.asarray(steps, np.float64), np.asarray(errors, np.float64)
        if self.steps.ndim != 1 or not self.steps.size or self.errors.shape != self.steps.shape:
            raise ValueError(
                f"steps and errors must have one shape (n_steps,), got {self.steps.shape} and "
                f"{self.errors.shape}"
            )
        if not (self.steps > 0.0).all():
            raise ValueError(f"steps must be positive, got {self.steps.min()}")
        self.name = name

    @property
    def best_step(self):
        """The step of the least error."""
        return float(self.steps[np.argmin(np.where(np.isfinite(self.errors), self.errors, np.inf))])

    @classmethod
    def from_report(cls, report, *, name=None, ax=None, **kwargs):
        """Draw the sweep of steps of a report.

        Parameters
        ----------
        report : calclearn.calculus.DerivativeReport
            What :func:`calclearn.calculus.check_derivatives` returns.
        name : str, default=None
            For the legend.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot`` of the differences.

        Returns
        -------
        display : DerivativeCheckDisplay

        Raises
        ------
        TypeError
            If the report has no sweep of steps.
        """
        if not (hasattr(report, "steps") and hasattr(report, "errors")):
            raise TypeError(f"report must be one of calculus.check_derivatives, got {type(report).__name__}")
        return cls(steps=report.steps, errors=report.errors, name=name).plot(ax=ax, **kwargs)

    @classmethod
    def from_function(cls, f, x, *, jac=None, order=1, hess=None, name=None, ax=None, **kwargs):
        """Check the derivatives of a function, and draw it.

        Parameters
        ----------
        f : callable
            Takes an array of the shape of `x` and returns a number or an array.
        x : float or array-like
            Where.
        jac, hess : callable or array-like, default=None
            The derivatives to check; by default those that :mod:`calclearn.calculus` derives.
        order : {1, 2}, default=1
            Of the derivatives.
        name : str, default=None
            For the legend.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot`` of the differences.

        Returns
        -------
        display : DerivativeCheckDisplay

        Raises
        ------
        ValueError
            As :func:`calclearn.calculus.check_derivatives`.
        """
        from ..calculus import check_derivatives

        report = check_derivatives(f, x, jac=jac, hess=hess, order=order)
        return cls.from_report(report, name=name, ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot`` of the differences.

        Returns
        -------
        display : DerivativeCheckDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        every = np.concatenate([self.steps, *(line.get_xdata(orig=False) for line in ax.lines)])
        seen = self.errors > 0.0  # differences of nothing have no place on the axis
        steps, shown = self.steps[seen], self.errors[seen]
        look = {"color": BLUE, "linewidth": 1.0, "marker": "o", "markersize": 4.0, "zorder": 3}
        look |= {"label": self.name or "largest difference"}
        (self.line_,) = ax.plot(steps, shown, **options_for_lines(look, kwargs))
        ax.set(xscale="log", xlabel="step", ylabel="difference from central differences")
        if shown.size:
            ax.set_yscale("log")
        ax.set_xlim(0.5 * every.min(), 2.0 * every.max())
        low, high = ax.get_ylim()
        self.guides_ = self._draw_guides(ax, steps, shown) if shown.size else []
        look = {"color": FAINT, "linewidth": 1.0, "linestyle": "dotted"}
        self.best_ = ax.axvline(self.best_step, label=f"best step {self.best_step:.0e}", **look)
        if shown.size:
            if low > FLAT * high:
                low, high = FLAT * high, 10.0 * high
            ax.set_ylim(low, high)
        ax.legend(fontsize="small", loc="lower left")
        return self

    def _draw_guides(self, ax, steps, errors):
        """Lines of the slopes 2 and -1 through what is clearly above the least error, on each side of it."""
        guides, clear = [], errors > ABOVE * errors.min()
        for power, side, label, colour, style in (
            (2.0, steps > self.best_step, "truncation, step²", ORANGE, "dashed"),
            (-1.0, steps < self.best_step, "rounding, 1/step", GREEN, "dashdot"),
        ):
            some = clear & side
            if some.sum() < ENOUGH:
                continue
            factor = np.exp(np.median(np.log(errors[some]) - power * np.log(steps[some])))
            look = {"color": colour, "linestyle": style, "linewidth": 3.0, "alpha": 0.5, "label": label}
            # drawn beyond its side, to where both cross
            guides += ax.plot(self.steps, factor * self.steps**power, **look)
        return guides
