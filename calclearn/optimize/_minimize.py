"""Minimise a function that comes without its derivatives: they are derived by :mod:`calclearn.calculus`."""

import numpy as np
import scipy.optimize

from ..calculus import hessian, hvp, value_and_gradient
from ..calculus._tracing import NoRule
from ._coordinate_descent import CoordinateDescent
from ._lbfgs import LBFGS
from ._line_search import LineSearchNewton
from ._minimiser import Minimiser
from ._newton import Newton, NewtonCG
from ._scipy import given
from .rules import UpdateRule
from .rules._contract import REGISTRY

MINIMISERS = {
    "coordinate-descent": CoordinateDescent,
    "lbfgs": LBFGS,
    "line-search-newton": LineSearchNewton,
    "newton": Newton,
    "newton-cg": NewtonCG,
}
FEW = 100  # parameters, up to which a Hessian is cheap

# SciPy's own methods, and what they use.
THEIRS = {
    **dict.fromkeys(("nelder-mead", "powell", "cobyla", "cobyqa"), ()),
    **dict.fromkeys(("cg", "bfgs", "l-bfgs-b", "tnc", "slsqp"), ("jac",)),
    **dict.fromkeys(("dogleg", "trust-exact", "trust-constr"), ("jac", "hess")),
    **dict.fromkeys(("trust-ncg", "trust-krylov"), ("jac", "hessp")),
}


def minimize(
    fun,
    x0,
    args=(),
    method="auto",
    jac=None,
    hess=None,
    hessp=None,
    bounds=None,
    constraints=(),
    tol=None,
    callback=None,
    options=None,
):
    """Minimise a function; derivatives that are not given are derived, exactly.

    It is :func:`scipy.optimize.minimize` with two additions.  The gradient, and the Hessian or its products
    where the method uses them, come from :mod:`calclearn.calculus` where they are not given.  And `method`
    may be one of this package's by its name.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, a number, for an array `x` of one dimension.  What is derived asks for NumPy's
        functions (see :func:`calclearn.calculus.gradient`).
    x0 : array-like of shape (n_parameters,)
        Where to begin.
    args : tuple, default=()
        More arguments of `fun`, and of derivatives that are given.
    method : str, Minimiser, UpdateRule or None, default="auto"
        ``"newton"``, ``"newton-cg"``, ``"line-search-newton"``, ``"lbfgs"``, ``"coordinate-descent"``, the
        name of an update rule such as ``"adam"``, a record of any of these, or a method of SciPy's that this
        package has no namesake of.  ``"auto"``, or None, is `Newton` up to 100 parameters and `LBFGS` beyond;
        with bounds SciPy's ``"L-BFGS-B"``, and with constraints its ``"SLSQP"``.
    jac : {"reverse", "forward", "numerical"}, callable or True, optional
        The gradient: a mode of :func:`calclearn.calculus.gradient`, where None means ``"reverse"``;
        ``jac(x, *args)``; or True, and `fun` returns both.  ``"numerical"`` is for functions that cannot be
        derived; Hessians are then differences too.
    hess, hessp : callable, optional
        ``hess(x, *args)`` and ``hessp(x, v, *args)``, the Hessian and its product with `v`.
    bounds, constraints, tol, callback, options
        As in SciPy.  This package's methods take neither bounds nor constraints; of constraints, no
        derivatives are derived.

    Returns
    -------
    scipy.optimize.OptimizeResult

    Raises
    ------
    TypeError
        If `fun` uses an operation that cannot be derived; the message names it.
    ValueError
        If `method` or `jac` is none of these, or what is asked for does not go together.

    Notes
    -----
    Options and results of this package's methods are told in docs/guide/optimize.md.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.optimize import minimize
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> result = minimize(rosenbrock, [-1.2, 1.0, 0.5])
    >>> result.success, result.x.round(9).tolist()
    (True, [1.0, 1.0, 1.0])
    """
    x0 = np.atleast_1d(np.asarray(x0))
    args = args if isinstance(args, tuple) else (args,)
    if method is None or (isinstance(method, str) and method.lower() == "auto"):
        method = "slsqp" if given(constraints) else "l-bfgs-b" if given(bounds) else "auto"
    method, uses = _method(method, x0.size)
    derived = _Derived(fun, args, jac)
    if hess is None and hessp is None:
        if derived.mode != "numerical":
            hess = derived.hessian if "hess" in uses else None
            hessp = derived.product if "hessp" in uses else None
        elif isinstance(method, str) and len(uses) > 1:  # this package's own take differences of the gradient
            hess = derived.hessian
    function = fun
    if derived.mode is not None:
        function, jac = (derived.both, True) if "jac" in uses else (fun, None)
    return scipy.optimize.minimize(
        function,
        x0,
        args,
        method,
        jac=jac,
        hess=hess,
        hessp=hessp,
        bounds=bounds,
        constraints=constraints,
        tol=tol,
        callback=callback,
        options=options,
    )


def _method(method, n_parameters):
    """A record of this package's or a name of SciPy's, and which derivatives it uses."""
    if isinstance(method, str):
        name = method.lower()
        if name == "auto":
            method = Newton() if n_parameters <= FEW else LBFGS()
        elif name in MINIMISERS:
            method = MINIMISERS[name]()
        elif name in REGISTRY:
            method = REGISTRY.find(name, {})
        elif name in THEIRS:
            return method, THEIRS[name]
        else:
            known = ["auto", *MINIMISERS, *sorted(REGISTRY), *THEIRS]
            raise ValueError(f"method is {method!r}; the known ones are {known}")
    if not isinstance(method, Minimiser | UpdateRule):
        raise TypeError(f"method must be a name, a Minimiser or an UpdateRule, got {method!r}")
    second = {"hessian": "hess", "hessian_product": "hessp"}
    return method, ("jac", *(second[need] for need in getattr(method, "requires", ()) if need in second))


class _Derived:
    """What is derived of a function, as SciPy calls it."""

    def __init__(self, fun, args, jac):
        if not (jac is None or jac is True or callable(jac) or jac in ("reverse", "forward", "numerical")):
            raise ValueError(f"jac must be 'reverse', 'forward', 'numerical', callable or True, got {jac!r}")
        self.fun = (lambda x, *args: fun(x, *args)[0]) if jac is True else fun
        self.mode = None if jac is True or callable(jac) else (jac or "reverse")

    def both(self, x, *args):
        return self._ask(value_and_gradient, x, args, mode=self.mode)

    def hessian(self, x, *args):
        return self._ask(hessian, x, args, mode="numerical" if self.mode == "numerical" else None)

    def product(self, x, v, *args):
        return self._ask(hvp, x, args, v)

    def _ask(self, operator, x, args, *more, **mode):
        def number(x):
            value = self.fun(x, *args)
            return np.reshape(value, ()) if np.size(value) == 1 else value

        try:
            return operator(number, np.array(x), *more, **mode)
        except NoRule as error:
            instead = "use jac='numerical'" if self.mode else "give hess, as jac is given"
            raise TypeError(str(error).replace("use mode='numerical'", instead)) from error
