"""A picture of an objective over two parameters or two directions, and of the path that a descent took."""

import numbers

import numpy as np
from scipy.optimize import OptimizeResult

from ._display import INK, ORANGE, axes_for, options_for_lines

AROUND = 0.2  # of the extent of a path, on each side
N_LEVELS = 12
DEEPEST = 1e-3  # of the range: where the lowest level is, in a surface that is much steeper far off
STEEP = 6.0  # the range over the median's height: from here on levels are powers
DIRECTIONS = ("principal", "random")


class LossSurfaceDisplay:
    r"""Level sets of an objective in a plane, and on it the path of a minimisation.

    It is best made by `from_function` or `from_estimator`.  The plane is
    :math:`c + a\,d_1 + b\,d_2`: of two parameters, or of more through the centre `c` along two directions,
    which may be parameters, the principal directions of the path, or random.  Of a path in more dimensions
    the picture shows the nearest point of the plane.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (grid_resolution, grid_resolution)
        The two coordinates on a grid.
    values : ndarray of shape (grid_resolution, grid_resolution)
        The objective there; what is not finite is left blank.
    path : ndarray of shape (n_iterations, 2), default=None
        Coordinates of the iterates.
    xlabel, ylabel : str, default=None
        What the coordinates are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    contours_ : matplotlib.contour.QuadContourSet
        The filled levels.
    lines_ : list of matplotlib.lines.Line2D
        The path, its start and its end; empty without one.
    colorbar_ : matplotlib.colorbar.Colorbar or None

    Raises
    ------
    ValueError
        If grid and path have other shapes.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein (2018), *Visualizing the loss landscape of neural nets*, for the
    directions.

    Examples
    --------
    >>> from calclearn.inspection import LossSurfaceDisplay
    >>> from calclearn.optimize import Momentum
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> options = {"return_path": True, "max_iter": 300}
    >>> result = minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=Momentum(1e-3), options=options)
    >>> display = LossSurfaceDisplay.from_function(rosen, path=result)
    >>> display.figure_.savefig("surface.png")  # doctest: +SKIP
    """

    def __init__(self, *, xx0, xx1, values, path=None, xlabel=None, ylabel=None):
        self.xx0, self.xx1, self.values = (np.asarray(a, np.float64) for a in (xx0, xx1, values))
        if not self.xx0.shape == self.xx1.shape == self.values.shape or self.values.ndim != 2:
            shapes = [array.shape for array in (self.xx0, self.xx1, self.values)]
            raise ValueError(f"xx0, xx1 and values must have one shape of two dimensions, got {shapes}")
        self.path = None if path is None else np.asarray(path, np.float64)
        if self.path is not None and (self.path.ndim != 2 or self.path.shape[1] != 2):
            raise ValueError(f"path must have shape (n_iterations, 2), got {self.path.shape}")
        self.xlabel, self.ylabel = xlabel, ylabel

    @classmethod
    def from_function(
        cls,
        f,
        *,
        path=None,
        centre=None,
        directions=None,
        xlim=None,
        ylim=None,
        grid_resolution=60,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Draw a function of a vector.

        Parameters
        ----------
        f : callable
            ``f(x)``, a number, for `x` of shape (p,).
        path : array-like of shape (n_iterations, p) or OptimizeResult, default=None
            The iterates, or a result with such a `path`.
        centre : array-like of shape (p,), default=None
            A point of the plane; by default the path's end.  Needed for more than two parameters where there
            is no path.
        directions : None, {"principal", "random"}, pair of int, or array-like of shape (2, p)
            Of the plane.  By default the parameters themselves, if they are two, else "principal": along
            which the path went farthest from its end.  "random" ones have the centre's length.  Two numbers
            are two parameters by their index.
        xlim, ylim : pair of float, default=None
            Ranges of the coordinates: of parameters their own values, along other directions multiples of
            these.  By default around the path, or around the centre.
        grid_resolution : int, default=60
            Points along each direction; `f` is called at the square of it.
        random_state : int or numpy.random.Generator, default=0
            Draws random directions.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For `plot`.

        Returns
        -------
        display : LossSurfaceDisplay

        Raises
        ------
        ValueError
            If there are more than two parameters and nothing says which plane, or shapes do not go together.
        """
        path = _path_of(path)
        if centre is None and path is not None:
            centre = path[-1]
        elif centre is None and directions is None:
            centre = np.zeros(2)
        elif centre is None:
            raise ValueError("centre must be given where there is no path")
        centre = np.array(centre, np.float64)
        plane = _plane(centre, directions, path, {"": (0, centre.size)}, None, random_state)
        return cls._over(plane, f, path, xlim, ylim, grid_resolution).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        sample_weight=None,
        *,
        offset=None,
        path=None,
        directions=None,
        xlim=None,
        ylim=None,
        grid_resolution=40,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Draw the objective of a fitted linear model or network around its parameters.

        Parameters
        ----------
        estimator : object, or a pipeline or search that ends with one
            Fitted to these data: a linear model, a linear support vector machine or a network.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,), default=None
            That of the fit: nothing of it is kept.
        path : array-like of shape (n_iterations, n_parameters) or ConvergenceRecorder, default=None
            Flat parameters of the iterates; a ``ConvergenceRecorder(path=True)`` of the fit has them.
        directions : None, {"principal", "random"}, pair of int, or array-like of shape (2, n_parameters)
            By default the parameters themselves, if they are two; else "principal", if there is a path; else
            "random".  Each part of a network, a layer's weights or its biases, has in random directions the
            length that it has in the network, so that pictures of different networks can be compared.
            Two numbers are two parameters by their index among the flat ones.
        xlim, ylim : pair of float, default=None
            Ranges of the coordinates: of parameters their own values, along other directions multiples of
            these.  By default around the path, or from -1 to 1.
        grid_resolution : int, default=40
            Points along each direction; the objective is computed at the square of it.
        random_state : int or numpy.random.Generator, default=0
            Draws random directions.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For `plot`.

        Returns
        -------
        display : LossSurfaceDisplay

        Raises
        ------
        TypeError
            If the objective of such an estimator is not known here, or it has no offset and one is given.
        ValueError
            If the path has another number of parameters, or is empty.
        """
        from ._objective import objective_of

        objective = objective_of(estimator, X, y, sample_weight, offset)
        path = _path_of(path)
        if path is None and directions is None and len(objective.x) != 2:
            directions = "random"
        plane = _plane(objective.x, directions, path, objective.parts, objective.names, random_state)
        display = cls._over(plane, objective.value, path, xlim, ylim, grid_resolution)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _over(cls, plane, f, path, xlim, ylim, grid_resolution):
        if not isinstance(grid_resolution, numbers.Integral) or grid_resolution < 2:
            raise ValueError(f"grid_resolution must be an integer of at least 2, got {grid_resolution!r}")
        shown = None if path is None else plane.coordinates(path)
        limits = [plane.limits(k, shown) if given is None else given for k, given in enumerate((xlim, ylim))]
        xx0, xx1 = np.meshgrid(*(np.linspace(*pair, grid_resolution) for pair in limits))
        with np.errstate(all="ignore"):  # far off, an objective may overflow
            values = [float(f(plane.point(a, b))) for a, b in zip(xx0.ravel(), xx1.ravel())]
        values = np.reshape(values, xx0.shape)
        xlabel, ylabel = plane.labels
        return cls(xx0=xx0, xx1=xx1, values=values, path=shown, xlabel=xlabel, ylabel=ylabel)

    def plot(self, *, ax=None, colorbar=True, path_options=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        colorbar : bool, default=True
            Whether to say beside the picture what the levels are.
        path_options : dict, default=None
            For ``ax.plot`` of the path.
        **kwargs : dict
            For ``ax.contourf``.

        Returns
        -------
        display : LossSurfaceDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        ValueError
            If the objective is finite nowhere.
        """
        ax = axes_for(self, ax)
        from matplotlib.colors import BoundaryNorm

        finite = np.isfinite(self.values)
        if not finite.any():
            raise ValueError("values must be finite somewhere to be drawn")
        levels = kwargs.pop("levels", None)
        levels = _levels(self.values[finite]) if levels is None else levels
        options = ({} if "colors" in kwargs else {"cmap": "Blues_r"}) | kwargs
        if not np.isscalar(levels) and "cmap" in options:
            options.setdefault("norm", BoundaryNorm(levels, 256, extend=options.get("extend", "neither")))
        shown = np.ma.masked_invalid(self.values)
        self.contours_ = ax.contourf(self.xx0, self.xx1, shown, levels=levels, **options)
        ax.contour(self.xx0, self.xx1, shown, levels=levels, colors=INK, linewidths=0.4, alpha=0.5)
        self.lines_ = []
        if self.path is not None:
            look = {"color": ORANGE, "linewidth": 1.5, "marker": ".", "markersize": 4.0, "zorder": 3}
            look = options_for_lines(look, path_options or {})
            ends = {"color": look["color"], "markeredgecolor": "white", "linestyle": "none", "zorder": 4}
            self.lines_ += ax.plot(*self.path.T, **look)
            self.lines_ += ax.plot(*self.path[0], marker="o", markersize=7, label="start", **ends)
            self.lines_ += ax.plot(*self.path[-1], marker="*", markersize=12, label="end", **ends)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = ax.figure.colorbar(self.contours_, ax=ax, label="objective")
            ticks = self.contours_.levels[:: 1 + len(self.contours_.levels) // 10]
            self.colorbar_.set_ticks(ticks, labels=_told_apart(ticks))
        ax.set(
            xlim=(self.xx0.min(), self.xx0.max()),
            ylim=(self.xx1.min(), self.xx1.max()),
            xlabel=self.xlabel or "",
            ylabel=self.ylabel or "",
        )
        return self


def _levels(values):
    """Evenly spaced levels; or, of a valley that steep walls surround, as powers above the lowest value."""
    lowest, highest = values.min(), values.max()
    spread = highest - lowest
    if not spread > 0.0:
        return np.array([lowest - 0.5, lowest + 0.5])
    if spread < STEEP * (np.median(values) - lowest):
        return np.linspace(lowest, highest, N_LEVELS + 1)
    return lowest + np.r_[0.0, np.geomspace(DEEPEST * spread, spread, N_LEVELS)]


def _told_apart(numbers):
    """As texts of so many digits that no two of different numbers are alike."""
    texts = []
    for digits in range(3, 16):
        texts = [f"{number:.{digits}g}" for number in numbers]
        if len(set(texts)) == len(set(numbers)):
            break
    return texts


def _path_of(path):
    """The iterates as an array, or None."""
    if path is None:
        return None
    if isinstance(path, OptimizeResult):
        if getattr(path, "path", None) is None:
            raise ValueError(
                "path must be a result with its path: minimise with options={'return_path': True}"
            )
        path = path.path
    path = np.asarray(getattr(path, "path_", path), np.float64)
    if path.ndim != 2 or not path.size:
        raise ValueError(
            f"path must have shape (n_iterations, n_parameters), with one at least, got {path.shape}; a "
            "ConvergenceRecorder must be made with path=True"
        )
    return path


class _Plane:
    """A plane of the parameters, and what its coordinates are called."""

    def __init__(self, origin, directions, labels, *, of_parameters, middle):
        self.origin, self.directions, self.labels = origin, directions, labels
        self.of_parameters, self.middle = of_parameters, middle

    def point(self, a, b):
        return self.origin + a * self.directions[0] + b * self.directions[1]

    def coordinates(self, points):
        """Of the nearest points of the plane."""
        return np.linalg.lstsq(self.directions.T, (points - self.origin).T)[0].T

    def limits(self, k, path):
        """Where coordinate k is drawn: around the path, or around the middle."""
        if path is None or not np.isfinite(path).all():
            half = max(1.0, abs(self.middle[k])) if self.of_parameters else 1.0
            return self.middle[k] - half, self.middle[k] + half
        low, high = min(path[:, k].min(), self.middle[k]), max(path[:, k].max(), self.middle[k])
        extents = np.ptp(np.vstack([path, [self.middle]]), axis=0)
        # a path that is nearly straight has some room beside it
        around = max(AROUND * (high - low), 0.1 * extents.max()) or 1.0
        return low - around, high + around


def _plane(centre, directions, path, parts, names, random_state):
    """The plane through `centre` along what the caller asked for."""
    p = centre.size
    if centre.ndim != 1 or p < 2:
        raise ValueError(f"there must be two parameters at least to be drawn, got shape {centre.shape}")
    if path is not None and path.shape[1] != p:
        raise ValueError(f"path must have {p} parameters, got shape {path.shape}")
    if directions is None:
        directions = (0, 1) if p == 2 else "principal"
    if isinstance(directions, str):
        if directions not in DIRECTIONS:
            raise ValueError(
                f"directions must be one of {list(DIRECTIONS)}, indices or an array, got {directions!r}"
            )
        if directions == "random":
            made = _random_directions(centre, parts, np.random.default_rng(random_state))
            labels = "first random direction", "second random direction"
        elif path is None:
            raise ValueError("directions='principal' needs a path")
        else:
            made, labels = _principal_directions(path, centre)
        return _Plane(centre, made, labels, of_parameters=False, middle=(0.0, 0.0))
    given = np.asarray(directions)
    if given.shape == (2,) and given.dtype.kind in "iu":
        if not ((-p <= given) & (given < p)).all() or given[0] % p == given[1] % p:
            raise ValueError(f"directions must be two different indices below {p}, got {directions!r}")
        chosen = given % p
        origin = centre.copy()
        origin[chosen] = 0.0  # coordinates are the parameters' own values
        labels = [f"parameter {j + 1}" if names is None else names[j] for j in chosen]
        return _Plane(origin, np.eye(p)[chosen], labels, of_parameters=True, middle=centre[chosen])
    given = np.asarray(directions, np.float64)
    if given.shape != (2, p) or np.linalg.matrix_rank(given) < 2:
        raise ValueError(
            f"directions must be two independent vectors, of shape (2, {p}), got shape {given.shape}"
        )
    return _Plane(
        centre, given, ("first direction", "second direction"), of_parameters=False, middle=(0.0, 0.0)
    )


def _random_directions(centre, parts, rng):
    """Of normal entries, each part as long as that part of the centre."""
    made = rng.normal(size=(2, centre.size))
    for start, stop in parts.values():
        length = np.linalg.norm(centre[start:stop])
        made[:, start:stop] *= length / np.linalg.norm(made[:, start:stop], axis=1, keepdims=True)
    return made if np.linalg.matrix_rank(made) == 2 else rng.normal(size=(2, centre.size))


def _principal_directions(path, centre):
    """Orthonormal directions in which the path is farthest from the centre; how much they tell of it."""
    moves = path - centre
    if not np.isfinite(moves).all():
        raise ValueError("path must be finite for directions='principal'")
    _, sizes, directions = np.linalg.svd(moves, full_matrices=False)
    total = float(np.sum(sizes**2))
    if len(sizes) < 2 or not total > 0.0:
        raise ValueError(
            f"path must have two different points besides the centre for directions='principal', got "
            f"shape {path.shape}"
        )
    made = directions[:2].copy()
    for direction in made:  # the start is on the right, and above: a sign of its own says nothing
        direction *= np.sign(moves[0] @ direction) or 1.0
    shares = 100.0 * sizes[:2] ** 2 / total
    labels = [
        f"{which} principal direction ({share:.3g} % of the path)"
        for which, share in zip(("first", "second"), shares)
    ]
    return made, labels
