"""A callback that writes down how a fit or a minimisation went."""

import time

import numpy as np


class ConvergenceRecorder:
    """Writes down the objective and the seconds after each iteration, of a fit or of a minimisation.

    It is a callback of scikit-learn's protocol, ``estimator.set_callbacks(recorder)``, and as well one of
    :func:`scipy.optimize.minimize`, ``callback=recorder``, with SciPy's methods or ours.  It records the last
    fit; of minimisations the one that it was made for.

    Parameters
    ----------
    path : bool, default=False
        Whether to keep the parameters of each iteration too.

    Attributes
    ----------
    objective_ : list of float
        The documented objective after each iteration.
    seconds_ : list of float
        Since the fit began, after its data were validated, or since the recorder was made; without the time
        that recording took.
    path_ : ndarray of shape (n_iterations, n_parameters)
        With ``path=True``: flat parameters, as `LossSurfaceDisplay.from_estimator` takes them; empty where
        the estimator's iterations do not tell them.
    estimator_ : object or None
        What was fitted.

    See Also
    --------
    ConvergenceDisplay.from_callback : Draws it.

    Notes
    -----
    Estimators without iterations, which are solved directly, and those that report none leave it empty.
    Where several problems are solved, such as each class against the rest, their iterations follow each
    other.  The path has no start: it begins where the first iteration has ended.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.inspection import ConvergenceRecorder
    >>> from calclearn.linear_model import PoissonRegressor
    >>> X = np.arange(6.0)[:, None]
    >>> recorder = ConvergenceRecorder()
    >>> model = PoissonRegressor(alpha=0.1).set_callbacks(recorder).fit(X, [1, 1, 2, 4, 7, 12])
    >>> len(recorder.objective_) == len(recorder.seconds_) == model.n_iter_
    True
    >>> bool(np.isclose(recorder.objective_[-1], model.optimality_.objective))
    True
    """

    def __init__(self, *, path=False):
        self.path = path
        self._begin(None)

    def _begin(self, estimator):
        self.objective_, self.seconds_, self.estimator_ = [], [], estimator
        self._points, self._recording, self._start = [], 0.0, time.perf_counter()

    @property
    def path_(self):
        """The parameters of each iteration, a row each."""
        return np.array(self._points) if self._points else np.zeros((0, 0))

    def _note(self, objective, point):
        """Write down an iteration; `point` is a function of nothing, which is called if it is wanted."""
        now = time.perf_counter()
        self.seconds_.append(now - self._start - self._recording)
        self.objective_.append(float(objective))
        if self.path and (parameters := point()) is not None:
            self._points.append(np.array(parameters, np.float64))
        self._recording += time.perf_counter() - now

    def __call__(self, intermediate_result):
        """Note an iteration of a minimisation.

        Parameters
        ----------
        intermediate_result : scipy.optimize.OptimizeResult
            With ``x`` and ``fun``.
        """
        self._note(intermediate_result.fun, lambda: intermediate_result.x)

    def setup(self, estimator, context):
        """Forget the fit before.

        Parameters
        ----------
        estimator : object
        context : sklearn.callback.CallbackContext
        """
        self._begin(estimator)

    def teardown(self, estimator, context):
        """Nothing.

        Parameters
        ----------
        estimator : object
        context : sklearn.callback.CallbackContext
        """

    def on_fit_task_begin(self, estimator, context):
        """Nothing.

        Parameters
        ----------
        estimator : object
        context : sklearn.callback.CallbackContext
        """

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Note an iteration.

        Parameters
        ----------
        estimator : object
        context : sklearn.callback.CallbackContext
        fitted_estimator : object, optional
            As if the fit had ended here.
        """
        progress = getattr(estimator, "_progress_of_fit", None)
        if context.task_name != "iteration" or progress is None:
            return

        def point():
            from ._objective import flat_parameters

            return None if fitted_estimator is None else flat_parameters(fitted_estimator)

        self._note(progress.objective, point)
