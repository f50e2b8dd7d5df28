"""What all minimisers share: when they stop, and that SciPy can call them."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ._stopping import Stopping


@dataclass(frozen=True)
class Minimiser:
    """A frozen record of parameters with one method, ``minimise(objective, x0, progress)``.

    Parameters
    ----------
    tol : float, default=1e-6
        Stop when no component of the gradient is larger in absolute value.
    max_iter : int, default=1000
        Most steps.
    stall_tol : float, optional
        Stop when the objective has not fallen by more than this below its best for `patience` steps; None
        never does.
    patience : int, default=5
        See `stall_tol`.
    step_tol : float, default=0.0
        Stop when no component of a step is as large in absolute value; 0 never does.

    Attributes
    ----------
    requires : tuple of str
        The methods that an objective must have.

    Examples
    --------
    >>> from scipy.optimize import minimize, rosen, rosen_der
    >>> from calclearn.optimize import LBFGS, Minimiser
    >>> isinstance(LBFGS(), Minimiser), LBFGS(tol=1e-3).requires
    (True, ('value_gradient',))
    >>> minimize(rosen, [-1.0, 2.0], jac=rosen_der, method=LBFGS()).x.round(5).tolist()
    [1.0, 1.0]
    """

    tol: float = 1e-6
    max_iter: int = 1000
    _: KW_ONLY
    stall_tol: float | None = None
    patience: int = 5
    step_tol: float = 0.0
    requires: ClassVar[tuple[str, ...]] = ("value_gradient",)

    def __post_init__(self):
        self._stopping()  # names what is wrong

    def _stopping(self):
        return Stopping(self.tol, self.max_iter, self.stall_tol, self.patience, self.step_tol)

    def minimise(self, objective, x0, progress=None):
        """Minimise `objective` from `x0`."""
        raise NotImplementedError(f"{type(self).__name__} must define minimise(objective, x0, progress)")

    def __call__(self, fun, x0, args=(), **keywords):
        """Minimise `fun`, as a method of :func:`scipy.optimize.minimize`.

        Parameters
        ----------
        fun, x0, args, **keywords
            What SciPy hands to a method: ``jac``, ``hess``, ``hessp``, ``callback`` and the options, which
            are the fields of this record.

        Returns
        -------
        scipy.optimize.OptimizeResult

        Notes
        -----
        What is asked for and what is answered is told in docs/guide/optimize.md.
        """
        from ._scipy import minimise_as_scipy  # it knows the descent, which is no minimiser

        return minimise_as_scipy(self, fun, x0, args, **keywords)
