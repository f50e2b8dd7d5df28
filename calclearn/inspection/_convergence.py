"""A picture of how a fit or a minimisation approached its end."""

import numpy as np
from scipy.optimize import OptimizeResult

from ..optimize import Solution
from ._display import axes_for, check_choice, last_step, line_look, options_for_lines, spans_decades
from ._recorder import ConvergenceRecorder

FEW = 20  # iterations that are marked one by one
LABELS = {
    "objective": "objective",
    "gap": "objective above its lower bound",
    "gradient_norm": "largest component of the gradient",
    "validation": "validation score",
}
RECORD = (
    "fit it with a callback, estimator.set_callbacks(recorder := ConvergenceRecorder()), and use "
    "ConvergenceDisplay.from_callback(recorder); what is solved in closed form, by coordinates or by pairs "
    "reports no iterations to it"
)


class ConvergenceDisplay:
    """Objective, distance to the optimum or gradient after each iteration, of one fit or several.

    It is best made by `from_estimator`, `from_callback` or `from_result`.  Drawn on the axes of another, it
    goes on with the next colours.  The axis is logarithmic where the quantity spreads over powers of ten.

    Parameters
    ----------
    values : sequence of array-like of shape (n_iterations,)
        A curve for each fit.
    names : sequence of str, default=None
        One for each curve, for the legend; by default there is none.
    seconds : sequence of array-like of shape (n_iterations,), default=None
        When each value was reached; drawn against iterations by default.
    first : int, default=0
        Iteration of the first value of each curve.
    quantity : {"objective", "gap", "gradient_norm", "validation"}, default="objective"
        What the values are.
    unit : str, default="iteration"
        What is counted.
    ylabel : str, default=None
        By default what the quantity is called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; as the others set by `plot`.
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
        One a curve.

    Raises
    ------
    ValueError
        If a curve has more than one dimension, or there are not as many names or seconds as values.

    See Also
    --------
    ConvergenceRecorder : Records what the estimator itself does not keep, seconds among it.

    Examples
    --------
    >>> from calclearn.inspection import ConvergenceDisplay
    >>> from calclearn.optimize import LBFGS, Newton
    >>> from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
    >>> results = {
    ...     "Newton": minimize(rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, method=Newton()),
    ...     "L-BFGS": minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=LBFGS()),
    ... }
    >>> display = ConvergenceDisplay.from_result(results, quantity="gap", minimum=0.0)
    >>> display.figure_.savefig("convergence.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        values,
        names=None,
        seconds=None,
        first=0,
        quantity="objective",
        unit="iteration",
        ylabel=None,
    ):
        check_choice("quantity", quantity, LABELS)
        self.values = [np.asarray(curve, np.float64) for curve in values]
        for curve in self.values:
            if curve.ndim != 1:
                raise ValueError(f"values must be curves of shape (n_iterations,), got shape {curve.shape}")
        if names is not None and len(names) != len(self.values):
            raise ValueError(f"names must hold {len(self.values)} names, got {len(names)}")
        self.names = None if names is None else [str(name) for name in names]
        self.seconds = None if seconds is None else [np.asarray(curve, np.float64) for curve in seconds]
        lengths = [len(curve) for curve in self.values]
        if self.seconds is not None and [len(curve) for curve in self.seconds] != lengths:
            raise ValueError(
                f"seconds must have the lengths of the values, {lengths}, "
                f"got {[len(curve) for curve in self.seconds]}"
            )
        self.first, self.quantity, self.unit, self.ylabel = first, quantity, unit, ylabel

    @classmethod
    def from_estimator(cls, estimator, *, quantity="objective", name=None, ax=None, **kwargs):
        """Draw what a fitted estimator has kept of its fit.

        Parameters
        ----------
        estimator : object, or a pipeline or search that ends with one
            Fitted.  Linear models that are fitted in iterations keep their objective, in `loss_curve_`;
            networks fitted in epochs their loss, their gradients and, with early stopping, scores; boosted
            trees the scores of an ``eval_set``.
        quantity : {"objective", "gap", "gradient_norm", "validation"}, default="objective"
            "gap" is the objective above the lower bound of its minimum that `optimality_` certifies.
            "gradient_norm" is that of all weights of a network.  "validation" are the scores of rows that
            were not trained on.
        name : str, default=None
            For the legend.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``.

        Returns
        -------
        display : ConvergenceDisplay

        Raises
        ------
        TypeError
            If the estimator has kept no such thing; says how to record it.
        ValueError
            For another quantity.
        """
        from sklearn.utils.validation import check_is_fitted

        check_choice("quantity", quantity, LABELS)
        check_is_fitted(estimator)
        kept = OF_ESTIMATORS[quantity](last_step(estimator))
        names = kept.pop("names", None) or [""] * len(kept["values"])
        if name is not None or any(names):
            kept["names"] = [" ".join(filter(None, (name, own))) for own in names]
        return cls(**kept).plot(ax=ax, **kwargs)

    @classmethod
    def from_callback(
        cls,
        callback,
        *,
        quantity="objective",
        against="iteration",
        minimum=None,
        X=None,
        y=None,
        sample_weight=None,
        offset=None,
        ax=None,
        **kwargs,
    ):
        """Draw what a callback has recorded.

        Parameters
        ----------
        callback : ConvergenceRecorder, or dict of str to ConvergenceRecorder
            After the fit; several are drawn with their names.
        quantity : {"objective", "gap", "gradient_norm"}, default="objective"
            "gap" is the objective above `minimum`.  "gradient_norm" is the largest component of the
            gradient along the path, which the recorder must have kept; it is computed here, from `X` and
            `y`.
        against : {"iteration", "seconds"}, default="iteration"
        minimum : float, default=None
            For "gap": the least value, or a bound below it; by default what the estimator's `optimality_`
            certifies.
        X, y, sample_weight, offset : array-like, default=None
            For "gradient_norm": the data of the fit.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``.

        Returns
        -------
        display : ConvergenceDisplay

        Raises
        ------
        TypeError
            If `callback` is no recorder, or "gap" has no bound, as of several problems, one after the
            other.
        ValueError
            If nothing was recorded, as of estimators that are solved without iterations, or no path where
            one is needed.
        """
        check_choice("quantity", quantity, ("objective", "gap", "gradient_norm"))
        check_choice("against", against, ("iteration", "seconds"))
        recorders, names = _several(callback, ConvergenceRecorder, "callback", "a ConvergenceRecorder")
        values = []
        for recorder in recorders:
            if not recorder.objective_:
                whose = type(recorder.estimator_).__name__ if recorder.estimator_ is not None else "the fit"
                raise ValueError(f"callback has recorded no iterations: {whose} reports none")
            values.append(np.array(recorder.objective_))
            if quantity == "gap":
                values[-1] -= _lower_bound(recorder.estimator_) if minimum is None else minimum
            elif quantity == "gradient_norm":
                values[-1] = _gradient_norms(recorder, X, y, sample_weight, offset)
        seconds = [recorder.seconds_ for recorder in recorders] if against == "seconds" else None
        display = cls(values=values, names=names, seconds=seconds, first=1, quantity=quantity)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_result(cls, result, *, quantity="objective", minimum=None, jac=None, ax=None, **kwargs):
        """Draw what a minimisation has answered, or several of them on one axis.

        Parameters
        ----------
        result : OptimizeResult or Solution, or dict of str to them
            Of this package's methods, which keep their `curve`; of SciPy's own, use a `ConvergenceRecorder`
            as the callback, and `from_callback`.
        quantity : {"objective", "gap", "gradient_norm"}, default="objective"
            "gap" is the objective above `minimum`.  "gradient_norm" is the largest component of the
            gradient along the path.
        minimum : float, default=None
            For "gap": the least value; by default the lowest that any of the results has reached.
        jac : callable, default=None
            For "gradient_norm": ``jac(x)``, the gradient; the results must have their `path`, by
            ``options={"return_path": True}``.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``.

        Returns
        -------
        display : ConvergenceDisplay

        Raises
        ------
        TypeError
            If a result has no curve, or for "gradient_norm" no path, or there is no `jac`.
        ValueError
            For another quantity.
        """
        check_choice("quantity", quantity, ("objective", "gap", "gradient_norm"))
        kinds = (OptimizeResult, Solution)
        results, names = _several(result, kinds, "result", "an OptimizeResult or a Solution")
        for one in results:
            if getattr(one, "curve", None) is None:
                raise TypeError(
                    "result must have a curve, as those of calclearn.optimize have; with SciPy's own methods "
                    "use callback=ConvergenceRecorder() and ConvergenceDisplay.from_callback"
                )
        values, ylabel = [np.array(one.curve, np.float64) for one in results], None
        if quantity == "gap" and minimum is None:
            minimum, ylabel = min(np.nanmin(curve) for curve in values), "objective above the lowest"
        if quantity == "gap":
            values = [curve - minimum for curve in values]
        elif quantity == "gradient_norm":
            if not callable(jac):
                raise TypeError(f"quantity='gradient_norm' needs jac, a function of x, got {jac!r}")
            if any(getattr(one, "path", None) is None for one in results):
                raise TypeError(
                    "quantity='gradient_norm' needs results with a path: minimise with "
                    "options={'return_path': True}"
                )
            values = [np.array([np.abs(jac(x)).max() for x in one.path]) for one in results]
        return cls(values=values, names=names, quantity=quantity, ylabel=ylabel).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; by default a new figure.
        **kwargs : dict
            For ``ax.plot``, the same for all curves.

        Returns
        -------
        display : ConvergenceDisplay

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        logarithmic = ax.get_yscale() == "log" or self._is_logarithmic()
        drawn, self.lines_ = len(ax.lines), []
        for k, curve in enumerate(self.values):
            x = np.arange(self.first, self.first + len(curve)) if self.seconds is None else self.seconds[k]
            look = line_look(drawn + k) | {"linewidth": 1.6, "markersize": 3.5}
            look |= {"marker": "o"} if len(curve) <= FEW else {}
            look |= {} if self.names is None else {"label": self.names[k]}
            # what is at its end within rounding has no place on a logarithmic axis
            shown = np.where(curve > 0.0, curve, np.nan) if logarithmic else curve
            self.lines_ += ax.plot(x, shown, **options_for_lines(look, kwargs))
        if logarithmic:
            ax.set_yscale("log")
        ax.set(
            xlabel=self.unit if self.seconds is None else "seconds",
            ylabel=self.ylabel or LABELS[self.quantity],
        )
        if self.seconds is None:
            ax.xaxis.get_major_locator().set_params(integer=True)
        if self.names is not None:
            ax.legend()
        return self

    def _is_logarithmic(self):
        every = np.concatenate([*self.values, []])
        if self.quantity in ("gap", "gradient_norm"):  # they go to zero
            return bool((every > 0.0).any())
        return spans_decades(every)


def _several(given, kinds, what, described):
    """`(list, names)` of one, which has no name, or of a dict of several."""
    if isinstance(given, kinds):  # an OptimizeResult is a dict itself
        return [given], None
    if isinstance(given, dict) and given and all(isinstance(one, kinds) for one in given.values()):
        return list(given.values()), list(given)
    raise TypeError(f"{what} must be {described}, or a dict of str to them, got {given!r}")


def _curves(estimator):
    """The objective's curve of each problem that was solved."""
    curves = getattr(estimator, "loss_curve_", None)
    if not curves:
        raise TypeError(f"{type(estimator).__name__} has kept no curve of its objective: {RECORD}")
    return curves if isinstance(curves[0], (list, np.ndarray)) else [curves]


def _objective(estimator):
    curves = _curves(estimator)
    names = [f"class {label}" for label in estimator.classes_] if len(curves) > 1 else None
    if hasattr(estimator, "gradient_norms_"):
        return {"values": curves, "first": 1, "unit": "epoch", "ylabel": "loss"}
    return {"values": curves, "names": names}


def _gap(estimator):
    kept = _objective(estimator)
    problems = getattr(getattr(estimator, "optimality_", None), "problems", ()) or [estimator.optimality_]
    bounds = [_bound_of(problem) for problem in problems]
    if len(bounds) != len(kept["values"]) or None in bounds:
        raise TypeError(_no_bound(estimator))
    values = [np.asarray(curve) - bound for curve, bound in zip(kept["values"], bounds)]
    return kept | {"values": values, "quantity": "gap", "ylabel": None}


def _bound_of(optimality):
    """What the objective cannot fall below, by its certificate; None where nothing is known."""
    if optimality.dual_objective is not None:
        return optimality.dual_objective
    if optimality.suboptimality_bound is not None:
        return optimality.objective - optimality.suboptimality_bound
    return None


def _no_bound(estimator):
    return (
        f"quantity='gap' needs a lower bound of the objective, and the optimality_ of {estimator!r} has "
        "neither a dual objective nor a bound"
    )


def _lower_bound(estimator):
    optimality = getattr(estimator, "optimality_", None)
    if len(getattr(optimality, "problems", ())) > 1:
        raise TypeError(
            f"quantity='gap' is of one problem, and {estimator!r} solved {len(optimality.problems)}, one "
            "after the other: use ConvergenceDisplay.from_estimator, or hand in minimum"
        )
    bound = None if optimality is None else _bound_of(optimality)
    if bound is None:
        what = "quantity='gap' needs minimum" if estimator is None else _no_bound(estimator)
        raise TypeError(f"{what}: hand in minimum")
    return bound


def _gradient_norm(estimator):
    norms = getattr(estimator, "gradient_norms_", None)
    if norms is None:
        raise TypeError(
            f"{type(estimator).__name__} has kept no norms of gradients: fit it with a callback, "
            "estimator.set_callbacks(recorder := ConvergenceRecorder(path=True)), and use "
            "ConvergenceDisplay.from_callback(recorder, quantity='gradient_norm', X=X, y=y)"
        )
    return {
        "values": [np.sqrt(np.sum(np.square(norms), axis=1))],
        "first": 1,
        "unit": "epoch",
        "quantity": "gradient_norm",
        "ylabel": "norm of the gradient of the weights",
    }


def _validation(estimator):
    """The scores of rows that were set apart: of epochs, or of rounds."""
    if getattr(estimator, "validation_scores_", None):
        return {
            "values": [estimator.validation_scores_],
            "first": 1,
            "unit": "epoch",
            "quantity": "validation",
        }
    scores = getattr(estimator, "evals_result_", None)
    if not scores:
        raise TypeError(
            f"{type(estimator).__name__} has kept no scores of validation: hand rows to fit, as X_val and "
            "y_val of networks fitted in epochs or as eval_set of boosted trees"
        )
    metrics = {metric for of_rows in scores.values() for metric in of_rows}
    return {
        "values": [curve for of_rows in scores.values() for curve in of_rows.values()],
        "names": [rows.replace("_", " ") for rows, of_rows in scores.items() for _ in of_rows],
        "first": 1,
        "unit": "round",
        "quantity": "validation",
        "ylabel": ", ".join(sorted(metrics)),
    }


def _gradient_norms(recorder, X, y, sample_weight, offset):
    """The largest component of the gradient at each recorded point."""
    from ._objective import objective_of

    if X is None or y is None:
        raise TypeError("quantity='gradient_norm' needs X and y, the data of the fit")
    if len(recorder.path_) != len(recorder.objective_):
        raise ValueError(
            "callback has recorded no path: use ConvergenceRecorder(path=True); networks and linear models "
            "that are fitted by iterations over their coefficients have one"
        )
    objective = objective_of(recorder.estimator_, X, y, sample_weight, offset)
    return np.array([np.abs(objective.value_gradient(x)[1]).max() for x in recorder.path_])


OF_ESTIMATORS = {
    "objective": _objective,
    "gap": _gap,
    "gradient_norm": _gradient_norm,
    "validation": _validation,
}
