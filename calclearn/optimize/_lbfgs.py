"""L-BFGS: SciPy's iteration under this package's stopping rules."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ._minimiser import Minimiser
from ._optimality import max_norm
from ._stopping import (
    NO_DECREASE,
    ROUNDING,
    UNBOUNDED,
    frozen,
    noise_of,
    require,
    starting_point,
)

SMALL = 1e-3  # of the first gradient: above it, a search that ends has another cause than rounding
NEVER = 2**31 - 1  # SciPy's own limits: ours come first


@dataclass(frozen=True)
class LBFGS(Minimiser):
    r"""Quasi-Newton steps from the last few gradients.

    Parameters
    ----------
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=1000
        Most steps.
    memory : int, default=10
        Pairs of steps and gradient differences that stand for the Hessian.
    stall_tol, patience, step_tol : optional
        Keyword-only: other reasons to stop, as in :func:`descend`.

    Notes
    -----
    Only the gradient decides on convergence.  Near the optimum the objective's values differ by less than
    their rounding error, and a line search on them fails while the gradient is still far above its own.
    There the iteration starts once more on differences that do not cancel, the trapezoidal rule
    :math:`f(x + s) - f(x) \approx \tfrac12 (g(x) + g(x + s))^\top s`.  Where that finds nothing lower either,
    the reason says so.

    A trial where the objective is NaN or infinite is answered to the line search with the mirror image of the
    slope behind it, so that it turns back to about a seventh of the way.

    Source: Liu and Nocedal (1989), *On the limited memory BFGS method for large scale optimization*, as
    SciPy's L-BFGS-B computes it; Hager and Zhang (2005) for line searches at rounding level.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import LBFGS
    >>> class Valley:
    ...     def value_gradient(self, x):
    ...         a, b = 1.0 - x[0], x[1] - x[0] ** 2
    ...         return a * a + 100.0 * b * b, np.array([-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
    >>> solution = LBFGS().minimise(Valley(), [-1.0, 2.0])
    >>> solution.converged, solution.x.round(5).tolist()
    (True, [1.0, 1.0])
    """

    tol: float = 1e-6
    max_iter: int = 1000
    memory: int = 10

    def __post_init__(self):
        super().__post_init__()
        if not (isinstance(self.memory, (int, np.integer)) and self.memory >= 1):
            raise ValueError(f"memory must be an integer of at least 1, got {self.memory!r}")

    def minimise(self, objective, x0, progress=None):
        """Minimise `objective` from `x0`.

        Parameters
        ----------
        objective : object
            With ``value_gradient(x)``.
        x0 : array-like of shape (p,)
            Where to start.
        progress : callable, optional
            ``progress(iteration, value, x)`` after each step; a true answer stops.

        Returns
        -------
        Solution

        Raises
        ------
        TypeError
            If `objective` lacks ``value_gradient``.
        ValueError
            If `x0` is no finite vector.
        """
        require(objective, self.requires, type(self).__name__)
        search = _Search(objective, self._stopping().watch(progress, objective))
        search.begin(starting_point(x0))
        if search.reason is None:
            search.run(self.memory)
        return search.watch.solution(search.reason)


class _Unbounded(Exception):
    pass


class _Search:
    """What SciPy calls: the objective, and the end of each step."""

    def __init__(self, objective, watch):
        self.objective = objective
        self.watch = watch
        self.reason = None
        self.last_rise = np.inf  # of the objective, in the last step
        self.fine, self.height = False, 0.0

    def begin(self, x):
        self.trial = (x, *self.watch.evaluate(self.objective, x))
        self.first_norm = max_norm(self.trial[2])
        self.reason = self.watch.see(*self.trial)

    def run(self, memory):
        options = {"maxcor": memory, "ftol": 0.0, "gtol": 0.0, "maxiter": NEVER, "maxfun": NEVER}
        for self.fine in (False, True):
            self.trial = self.watch.last  # a failed line search leaves another one behind
            self.height = 0.0  # the origin moves here: far from it, differences would be rounded again
            try:
                minimize(
                    self.fun,
                    self.trial[0],
                    method="L-BFGS-B",
                    jac=True,
                    callback=self.step_taken,
                    options=options,
                )
            except _Unbounded:
                self.reason = UNBOUNDED
            if self.reason is not None:
                return
        floor = noise_of(self.objective) * abs(self.watch.last[1])
        small = max_norm(self.watch.last[2]) <= SMALL * self.first_norm
        self.reason = ROUNDING if small and abs(self.last_rise) <= floor else NO_DECREASE

    def fun(self, x):
        if not np.array_equal(x, self.trial[0]):
            x = frozen(x.copy())  # SciPy reuses its vector
            self.trial = (x, *self.watch.evaluate(self.objective, x))
        _, value, gradient = self.trial
        if value == -np.inf:
            raise _Unbounded
        if np.isfinite(value) and np.isfinite(gradient).all():
            return (self.height + self.rise() if self.fine else value), gradient
        behind, value, gradient = self.watch.last
        return (self.height if self.fine else value) + abs(gradient @ (x - behind)), -gradient

    def rise(self):
        """The objective's change from the last iterate to the trial, not lost in its rounding."""
        (start, low, before), (end, high, after) = self.watch.last, self.trial
        if abs(high - low) > noise_of(self.objective) * abs(low):
            return high - low
        return 0.5 * float((before + after) @ (end - start))

    def step_taken(self, intermediate_result):
        if not np.array_equal(intermediate_result.x, self.trial[0]):
            self.fun(intermediate_result.x)
        self.last_rise = self.rise()
        self.height += self.last_rise
        self.reason = self.watch.see(*self.trial)
        if self.reason is not None:
            raise StopIteration
