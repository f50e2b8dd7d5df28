"""A picture of a support vector machine of two features: the margin, and what each row weighs."""

import warnings

import numpy as np

from ._display import BLUE, INK, ORANGE, axes_for, last_step

LEVELS = (-1.0, 0.0, 1.0)
STYLES = ("dashed", "solid", "dashed")
OF_CLASSES = (BLUE, ORANGE)
SMALLEST, LARGEST = 12.0, 120.0  # square points of a row without a multiplier, and of the largest one
AROUND = 0.05  # of the range of the rows, on each side


class MarginDisplay:
    """The plane of two features, where decision values are -1, 0 and 1, and the rows with their multipliers.

    It is best made by `from_estimator`.  The solid line parts the classes, the dashed ones are the margin.  A
    row's area grows with its multiplier: small ones could be left out, ringed ones are at their bound C, and
    those between them hold the margin up.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (grid_resolution, grid_resolution)
        Values of the features on a grid.
    values : ndarray of shape (grid_resolution, grid_resolution)
        Decision values there.
    rows : ndarray of shape (n_samples, 2)
    side : ndarray of bool, shape (n_samples,)
        Whether a row is of the second class.
    multipliers : ndarray of shape (n_samples,)
        Without their signs.
    bounded : ndarray of bool, shape (n_samples,)
        Whether a multiplier is at its bound.
    feature_names : sequence of str of length 2, default=None
    classes : sequence of length 2, default=None

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    contours_ : matplotlib.contour.QuadContourSet
    points_ : list of matplotlib.collections.PathCollection
        The rows of each class.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from calclearn.inspection import MarginDisplay
    >>> from calclearn.svm import SVC
    >>> X, y = make_moons(100, noise=0.2, random_state=0)
    >>> model = SVC(C=10.0).fit(X, y)
    >>> MarginDisplay.from_estimator(model, X, y).figure_.savefig("margin.png")  # doctest: +SKIP
    """

    def __init__(
        self, *, xx0, xx1, values, rows, side, multipliers, bounded, feature_names=None, classes=None
    ):
        self.xx0, self.xx1, self.values = xx0, xx1, values
        self.rows, self.side, self.multipliers, self.bounded = rows, side, multipliers, bounded
        self.feature_names, self.classes = feature_names, classes

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, grid_resolution=200, feature_names=None, **kwargs):
        """Draw the margin of a fitted classifier of two classes.

        Parameters
        ----------
        estimator : SVC, NuSVC, LinearSVC, or a pipeline or search that ends with one
            Fitted to `X` and `y`; of one without multipliers all rows are drawn alike.
        X : array-like of shape (n_samples, 2)
        y : array-like of shape (n_samples,)
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        grid_resolution : int, default=200
            Points of the grid along each feature.
        feature_names : sequence of str of length 2, default=None
            By default those that the estimator has seen.
        **kwargs : dict
            For ``ax.contour``.

        Returns
        -------
        display : MarginDisplay

        Raises
        ------
        ValueError
            If there are not two features and two classes, y has others, or X is not what a machine with
            multipliers was fitted to.
        """
        from scipy.sparse import csr_array, issparse
        from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

        check_is_fitted(estimator)
        machine = last_step(estimator)
        if not (hasattr(estimator, "decision_function") and hasattr(estimator, "classes_")):
            raise ValueError(f"a margin is drawn of a classifier, got {type(machine).__name__}")
        classes, names = estimator.classes_, getattr(estimator, "feature_names_in_", None)
        rows = np.asarray(X.toarray() if issparse(X) else X, np.float64)
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise ValueError(f"X must have two features to be drawn, got shape {rows.shape}")
        if len(classes) != 2:
            raise ValueError(f"a margin is drawn of two classes, got {len(classes)}")
        y = column_or_1d(y)
        check_consistent_length(X, y)
        if not np.isin(y, classes).all():
            raise ValueError(f"y must have the classes of the fit, {classes}, got {np.unique(y)}")
        low, high = rows.min(axis=0), rows.max(axis=0)
        low, high = low - AROUND * (high - low), high + AROUND * (high - low)
        grid = np.meshgrid(*(np.linspace(low[j], high[j], grid_resolution) for j in range(2)))
        points = np.column_stack([axis.ravel() for axis in grid])
        if getattr(machine, "_sparse", False):
            points = csr_array(points)
        multipliers, bounded = np.zeros(len(rows)), np.zeros(len(rows), bool)
        if hasattr(machine, "dual_coef_"):
            if machine.shape_fit_[0] != len(rows):
                raise ValueError(f"X must be the {machine.shape_fit_[0]} training rows, got {len(rows)} rows")
            coef = machine.dual_coef_.toarray() if issparse(machine.dual_coef_) else machine.dual_coef_
            multipliers[machine.support_] = np.abs(coef).ravel()
            bounded[machine.support_] = machine._bounded
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            values = estimator.decision_function(points)
        display = cls(
            xx0=grid[0],
            xx1=grid[1],
            values=np.reshape(values, grid[0].shape),
            rows=rows,
            side=y == classes[1],
            multipliers=multipliers,
            bounded=bounded,
            feature_names=feature_names if feature_names is not None else names,
            classes=classes,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.contour``.

        Returns
        -------
        display : MarginDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        colours = {} if "cmap" in kwargs else {"colors": INK}
        options = {"levels": LEVELS, "linestyles": STYLES, "linewidths": 1.2, **colours} | kwargs
        self.contours_ = ax.contour(self.xx0, self.xx1, self.values, **options)
        largest = self.multipliers.max(initial=0.0) or 1.0
        sizes = SMALLEST + (LARGEST - SMALLEST) * self.multipliers / largest
        self.points_ = []
        for k, colour in enumerate(OF_CLASSES):
            some = self.side == bool(k)
            edges = np.where(self.bounded[some], INK, colour)
            self.points_.append(
                ax.scatter(
                    *self.rows[some].T,
                    s=sizes[some],
                    c=colour,
                    edgecolors=edges,
                    linewidths=1.0,
                    alpha=0.85,
                    label=None if self.classes is None else str(self.classes[k]),
                    zorder=3,
                )
            )
        if self.classes is not None:
            ax.legend(markerscale=0.7)
        if self.feature_names is not None:
            ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1])
        return self
