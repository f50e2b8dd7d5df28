"""What the estimators share with scikit-learn: fitting, progress, threads and warnings.

Everything experimental or private of scikit-learn that the package touches is touched here.
"""

import dataclasses
import functools
import math
import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._runtime.threads import chunks, run, thread_count
from .losses import Loss, get_loss
from .optimize import explain
from .optimize._stopping import CALLBACK

__all__ = [
    "CalculusEstimator",
    "Integral",
    "Interval",
    "LossParameters",
    "Real",
    "SparseCoefMixin",
    "StrOptions",
    "check_weights",
    "classes_and_codes",
    "drop_weightless",
    "fitting",
    "is_plain_array",
    "thread_count",
    "validate",
]
LARGE = 1 << 20  # entries of X from which threads look for NaN and infinity
PLAIN = frozenset({bool, int, float, str, type(None)})  # equal values of these are equally valid
MOST_KNOWN = 4096
USUAL = frozenset(
    {"reset", "y_numeric", "multi_output"}
)  # options of validation that ask nothing of plain arrays
_valid_parameters: set[tuple] = set()


@functools.cache
def _parameter_names(kind):
    """The names of an estimator's parameters; scikit-learn inspects the signature at each call."""
    return tuple(kind._get_param_names())


def fitting(fit):
    """Decorate a ``fit``: validate parameters, run callbacks, and keep the old state if it fails.

    The callbacks hear of the end of the fit here, where the fitted attributes are all there.
    """

    @functools.wraps(fit)
    def restoring(self, *args, **kwargs):
        before = dict(self.__dict__)
        self.__dict__.pop("_fitted_loss", None)
        try:
            fitted = fit(self, *args, **kwargs)
            if isinstance(self, LossParameters):
                self._fitted_loss = self.loss
            progress = self.__dict__.pop("_progress_of_fit", None)
            if progress is not None:
                progress.end()
            return fitted
        except BaseException:
            # the callbacks' own bookkeeping is left to the decorator around this one
            kept = {k: v for k, v in self.__dict__.items() if k.startswith(("_callback", "_skl_callback"))}
            self.__dict__.clear()
            self.__dict__.update(before | kept)
            raise

    return _fit_context(prefer_skip_nested_validation=True)(restoring)


class CalculusEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators: scikit-learn's, with progress and honest warnings."""

    def _validate_params(self):
        """scikit-learn's check of the parameters, once for each set of plain values."""
        kind = type(self)
        values = tuple([getattr(self, name) for name in _parameter_names(kind)])
        kinds = tuple(map(type, values))
        known = (kind, kinds, values) if PLAIN.issuperset(kinds) else None
        if known is None or known not in _valid_parameters:
            super()._validate_params()
            if known is not None and len(_valid_parameters) < MOST_KNOWN:
                _valid_parameters.add(known)

    def _progress(self, max_iter, reconstruct=None, *, X=None, y=None, scale=1.0):
        """What a solver calls after each iteration: callbacks and ``verbose``.

        The documented objective is `scale` times the solver's.
        """
        return Progress(self, max_iter, reconstruct, X, y, scale)

    def _check_warm_start(self, n_features, n_targets=None):
        """Raise a ValueError if the previous fit, from which to start, was of another shape."""
        needed = (n_features,) if n_targets is None else (n_targets, n_features)
        if np.shape(self.coef_) != needed:
            raise ValueError(
                f"warm_start=True starts from the previous fit, with coef_ of shape {np.shape(self.coef_)}; "
                f"these data need {needed}: use warm_start=False, or a clone of the estimator"
            )

    def _warn_unless_converged(self, optimality, hint="") -> None:
        """A ConvergenceWarning that says why the solver stopped and how far it was."""
        if optimality.converged is not False or optimality.reason == CALLBACK:  # which was asked for
            return
        norm = optimality.gradient_norm
        distance = "" if norm is None else f" The largest component of the gradient is {norm:.3g}."
        warnings.warn(
            f"{type(self).__name__} did not converge after {optimality.n_iter} iterations "
            f"({optimality.reason}). {explain(optimality.reason)}{distance} {hint}".rstrip(),
            ConvergenceWarning,
            stacklevel=5,  # the line that called fit: three decorators lie between
        )


class LossParameters:
    """For estimators with a parameter `loss`: the fields of a loss are parameters too, as ``loss__name``."""

    @property
    def _loss_in_use(self):
        """The parameter `loss` as it was in the last fit, which predictions go by; in a fit, as it is."""
        return vars(self).get("_fitted_loss", self.loss)

    def get_params(self, deep=True):
        """Parameters by name; with `deep`, the fields of a loss as ``loss__name`` too.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        parameters : dict
        """
        parameters = super().get_params(deep=False)
        if deep and isinstance(self.loss, Loss):
            parameters |= {f"loss__{name}": value for name, value in dataclasses.asdict(self.loss).items()}
        return parameters

    def set_params(self, **parameters):
        """Set parameters; ``loss__name`` replaces the loss by one with that field.

        Parameters
        ----------
        **parameters : dict

        Returns
        -------
        self : object
        """
        fields = {name: parameters.pop(name) for name in list(parameters) if name.startswith("loss__")}
        super().set_params(**parameters)
        if fields:
            changed = {name.removeprefix("loss__"): value for name, value in fields.items()}
            try:
                self.loss = dataclasses.replace(get_loss(self.loss), **changed)
            except TypeError as error:
                raise ValueError(f"invalid parameters {sorted(fields)} for the loss {self.loss!r}") from error
        return self


class Progress:
    """Reports each iteration to scikit-learn's callbacks, and prints when ``verbose`` is set.

    Used as a context manager around the whole fit; called as ``progress(iteration, value, x)`` by the
    solvers, with pairs of a name and a score where there is more to print.  A callback that answers True
    stops the solver; while it is asked it finds this as ``estimator._progress_of_fit``, and here the
    documented `objective` of the iteration, for which scikit-learn's protocol has no place.
    """

    objective: float | None = None

    def __init__(self, estimator, max_iter, reconstruct, X, y, scale):
        self._estimator, self._reconstruct, self._scale = estimator, reconstruct, scale
        self._data = {"X": X, "y": y}
        self._verbose = int(getattr(estimator, "verbose", 0))
        self._context = self._before = None
        if hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx"):
            self._context = estimator._init_callback_context(max_subtasks=max(1, max_iter) + 1)
            estimator._progress_of_fit = self  # until `fitting` has ended it

    @property
    def listening(self) -> bool:
        """Whether anybody hears: else a solver may leave it out."""
        return bool(self._verbose or (self._context is not None and self._context._callbacks))

    def __enter__(self):
        if self._context is not None:
            self._context.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        return self

    def __exit__(self, kind, error, traceback):
        """Nothing: the fit ends when its attributes are set."""

    def end(self):
        """Tell the callbacks that the estimator is fitted."""
        self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes={}, **self._data
        )

    def say(self, iteration, objective, scores):
        """Print what ``verbose`` asks for."""
        said = [f"objective {objective:.10g}", *(f"{what} {score:.10g}" for what, score in scores)]
        print(f"{type(self._estimator).__name__} iteration {iteration}: {', '.join(said)}")

    def __call__(self, iteration, value, x=None, scores=()):
        if self._verbose:
            self.say(iteration, self._scale * value, scores)
        if self._context is None or not self._context._callbacks:
            return False
        self.objective = float(self._scale * value)
        task = self._context.subcontext(task_name="iteration")
        attributes = None if self._reconstruct is None or x is None else self._reconstruct(x)
        task.call_on_fit_task_begin(  # of the model as the iteration found it
            estimator=self._estimator, reconstruction_attributes=self._before, **self._data
        )
        self._before = attributes
        return task.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=attributes, **self._data
        )


def validate(estimator, X, y="no_validation", *, sparse=("csr", "csc"), **options):
    """X, or X and y, as arrays of floats: float64 or float32, in the order or sparse format they came in.

    A large dense X is searched for NaN and infinity by threads, which scikit-learn's own check is not; and
    plain arrays that have nothing to be converted or refused do not take its long way round.
    """
    if _is_plain(estimator, X, y, options):
        if options.get("reset", True):
            estimator.n_features_in_ = X.shape[1]
        return X if isinstance(y, str) else (X, y)
    options = {"accept_sparse": sparse, "dtype": (np.float64, np.float32)} | options
    checked = validate_data(estimator, X, y, ensure_all_finite=False, **options)
    X = checked if isinstance(y, str) else checked[0]
    if issparse(X) or X.size < LARGE or not _sum_is_finite(X, estimator):
        assert_all_finite(X, estimator_name=type(estimator).__name__, input_name="X")
    return checked


def is_plain_array(estimator, X, *, reset) -> bool:
    """Whether X is an array of floats without names, as the estimator knows it if not to `reset`."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.size > 0
        and X.dtype in (np.float64, np.float32)
        and not hasattr(estimator, "feature_names_in_")
        and (reset or getattr(estimator, "n_features_in_", None) == X.shape[1])
    )


def _is_plain(estimator, X, y, options) -> bool:
    """Whether scikit-learn's validation would hand X and y back as they are, setting the width alone."""
    if not USUAL.issuperset(options) or not is_plain_array(estimator, X, reset=options.get("reset", True)):
        return False
    if not isinstance(y, str) or y != "no_validation":
        if type(y) is not np.ndarray or y.shape != X.shape[:1] or y.dtype.kind not in "biuf":
            return False
        if y.dtype.kind == "f" and not _sum_is_finite(y, estimator):
            return False
    return _sum_is_finite(X, estimator)


def _sum_is_finite(X, estimator) -> bool:
    """Whether the entries add up to a finite number, which is so only if each is finite."""
    rows = X if X.flags.c_contiguous else X.T
    with np.errstate(all="ignore"):
        if X.size < LARGE:
            return math.isfinite(rows.sum())
        sums = run(
            lambda bounds: rows[bounds[0] : bounds[1]].sum(),
            chunks(len(rows), max(1, LARGE * len(rows) // X.size)),
            thread_count(getattr(estimator, "n_jobs", None)),
        )
        return bool(np.isfinite(np.sum(sums)))


def classes_and_codes(y):
    """The classes of labels, ascending, and each label's index among them.

    Raises
    ------
    ValueError
        If `y` is of numbers that are no classes.
    """
    integers = y.dtype.kind in "biu"
    if not integers:
        check_classification_targets(y)
    if integers:  # without a sort of all rows
        classes = np.unique(y)
        codes = np.searchsorted(classes, y)
    else:
        classes, codes = np.unique(y, return_inverse=True)
    if integers and 2 * len(classes) > len(y):  # integers that are few are classes: the check is slow
        check_classification_targets(y)
    return classes, codes


def drop_weightless(weight, *arrays):
    """`(weight, *arrays)` without the rows of zero weight: 0 times an infinite loss must be nothing."""
    if weight is None or weight.all():
        return (weight, *arrays)
    kept = weight > 0
    return (weight[kept], *(array[kept] for array in arrays))


def check_weights(sample_weight, X, *, dtype=np.float64):
    """Sample weights of shape (n,): non-negative, finite, not all zero; None stays None."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=dtype, ensure_non_negative=True)
    if not weight.sum() > 0:
        raise ValueError("sample_weight: all weights are zero, at least one must be positive")
    return weight


class SparseCoefMixin:
    """``sparsify`` and ``densify``, as scikit-learn's linear models have them."""

    def densify(self):
        """Make ``coef_`` a dense array, as it is after ``fit``.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self)
        if issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self

    def sparsify(self):
        """Make ``coef_`` a sparse CSR matrix: smaller where most coefficients are zero.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self)
        self.coef_ = csr_matrix(self.coef_)
        return self
