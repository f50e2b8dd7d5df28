"""SciPy's convention: every update rule and every minimiser is a method of :func:`scipy.optimize.minimize`.

**What is asked for.**  ``fun`` and ``jac`` (or ``jac=True``, and `fun` returns both); `Newton` and
`LineSearchNewton` also use ``hess``, `NewtonCG` ``hessp`` or ``hess``.  Without ``jac`` the gradient comes
from forward differences (:func:`scipy.optimize.approx_fprime`), which are right to about eight digits and
cost p + 1 values; do not ask for a smaller `tol` than they can give.  Without a Hessian, it comes from
differences of ``jac``, which must then be there.  Bounds and constraints are an error.
:func:`calclearn.optimize.minimize` derives what is not given, exactly and for less.

**Options.**  Of rules: the keywords of `descend`.  Of minimisers: their fields.  Of both:

- ``maxiter``: another name of `max_iter`;
- ``return_path``: the result has ``path``, an array of the iterates;
- ``disp``: print why and where the minimisation ended.

SciPy's own ``tol`` is the largest component of the gradient at which to stop.

**The callback** is called after each iteration, as ``callback(x)``, or as
``callback(intermediate_result=...)`` if that is the name of its only parameter; raising ``StopIteration``
ends the minimisation.

**The result** has ``x``, ``fun``, ``jac``, ``nit``, ``nfev``, ``njev``, ``nhev`` (Hessians, or products),
``success``, ``status`` (0 converged, 1 at the limit of iterations, 99 stopped by the callback, 2 all else),
``message``, and besides ``reason``, its short form, and ``curve``, the objective at each iterate.

>>> from scipy.optimize import minimize, rosen, rosen_der
>>> from calclearn.optimize import Adam, LBFGS
>>> result = minimize(rosen, [1.3, 0.7], jac=rosen_der, method=LBFGS(tol=1e-8))
>>> result.success, result.reason, result.x.round(6).tolist()
(True, 'gradient within tol', [1.0, 1.0])
>>> result = minimize(rosen, [1.3, 0.7], jac=rosen_der, method=Adam(learning_rate=0.3),
...                   options={"schedule": "cosine", "maxiter": 2000, "return_path": True})
>>> result.success, len(result.path) == result.nit + 1
(True, True)
"""

import inspect
import numbers
from dataclasses import fields, replace

import numpy as np
from scipy.optimize import OptimizeResult, approx_fprime

from ._descent import descend
from ._stopping import CALLBACK, CONVERGED, ITERATIONS, explain

STEP = float(np.finfo(np.float64).eps) ** 0.5  # of finite differences, relative to x
DESCENT = list(inspect.signature(descend).parameters)[3:-1]  # its options, but for progress


def descend_as_scipy(rule, fun, x0, args=(), *, callback=None, return_path=False, disp=False, **keywords):
    """Descend by `rule` as SciPy's method, and answer as SciPy does."""
    objective, options = _objective(rule, fun, args, keywords, DESCENT)
    track = _Track(x0, callback, return_path)
    solution = descend(objective, x0, rule, progress=track, **options)
    return _result(solution, objective, track, disp)


def minimise_as_scipy(
    minimiser, fun, x0, args=(), *, callback=None, return_path=False, disp=False, **keywords
):
    """Minimise by `minimiser` as SciPy's method, and answer as SciPy does."""
    known = [field.name for field in fields(minimiser)]
    objective, options = _objective(minimiser, fun, args, keywords, known)
    track = _Track(x0, callback, return_path)
    solution = replace(minimiser, **options).minimise(objective, x0, track)
    return _result(solution, objective, track, disp)


def given(restrictions):
    """Whether there are bounds, or constraints."""
    return not (restrictions is None or (isinstance(restrictions, (tuple, list)) and not len(restrictions)))


def _objective(method, fun, args, keywords, known):
    """The objective in this package's form, and the options under their names here."""
    name = type(method).__name__
    refused = {kind: keywords.pop(kind, None) for kind in ("bounds", "constraints")}
    for kind, value in refused.items():
        if given(value):
            raise ValueError(f"{name} takes no {kind}, got {kind}={value!r}")
    derivatives = {kind: keywords.pop(kind, None) for kind in ("jac", "hess", "hessp")}
    if "maxiter" in keywords:
        if "max_iter" in keywords:
            raise ValueError("maxiter and max_iter are the same option; got both")
        keywords["max_iter"] = keywords.pop("maxiter")
    unknown = sorted(keywords.keys() - set(known))
    if unknown:
        others = ["disp", "maxiter", "return_path"]
        known = sorted([*known, *others])
        fields_of = {field.name for field in fields(method)}
        belongs = ", ".join(f"{option}={keywords[option]!r}" for option in unknown if option in fields_of)
        instead = f"; write method={name}({belongs})" if belongs else ""
        raise ValueError(f"{name} has no option {', '.join(unknown)}{instead}; the known ones are {known}")
    objective = Function(fun, args, **derivatives)
    if objective.jac is None and getattr(method, "requires", ("value_gradient",))[-1] != "value_gradient":
        raise ValueError(f"{name} needs the gradient: jac is {derivatives['jac']!r}")
    return objective, keywords


class Function:
    """An objective made of SciPy's functions.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, a number.
    args : tuple
    jac, hess, hessp : callable, optional
        ``jac(x, *args)``, ``hess(x, *args)`` and ``hessp(x, v, *args)``; what is not callable is left to
        finite differences.

    Attributes
    ----------
    nfev, njev, nhev : int
        How often each was called; `nhev` counts Hessians and products.
    """

    def __init__(self, fun, args=(), jac=None, hess=None, hessp=None):
        self.fun, self.args = fun, args if isinstance(args, tuple) else (args,)
        self.jac, self.hess, self.hessp = (f if callable(f) else None for f in (jac, hess, hessp))
        self.nfev = self.njev = self.nhev = 0

    def value(self, x):
        """The function, as a float."""
        self.nfev += 1
        answer = self.fun(x.copy(), *self.args)  # a function may keep its x, or write to it
        value = np.asarray(answer)
        if value.size != 1:
            raise ValueError(f"fun must return a number, got an array of shape {value.shape}")
        try:
            return float(value.item())
        except (TypeError, ValueError) as error:
            raise TypeError(f"fun must return a number, got {answer!r}") from error

    def gradient(self, x):
        """What `jac` answers."""
        self.njev += 1
        return _vector("jac", self.jac(x.copy(), *self.args), x.size)

    def value_gradient(self, x):
        """The value, and the gradient; by forward differences, where `jac` is not given."""
        value = self.value(x)
        if self.jac is not None:
            return value, self.gradient(x)

        def nearby(z):
            return value if np.array_equal(z, x) else self.value(z)

        return value, approx_fprime(x, nearby, STEP * np.maximum(1.0, np.abs(x)))

    def hessian(self, x):
        """The Hessian, dense: as given, by products, or by differences of the gradient."""
        if self.hess is not None:
            self.nhev += 1
            return _dense(self.hess(x.copy(), *self.args), x.size)
        if self.hessp is not None:
            H = np.column_stack([self.hessian_product(x)(unit) for unit in np.eye(x.size)])
        else:
            H = approx_fprime(x, self.gradient, STEP * np.maximum(1.0, np.abs(x))).reshape(x.size, x.size)
        return 0.5 * (H + H.T)

    def hessian_product(self, x):
        """A function of a vector: the Hessian times it."""
        if self.hessp is not None:
            return lambda v: self._product(x, v)
        if self.hess is not None:
            self.nhev += 1
            H = _matrix(self.hess(x.copy(), *self.args))
            if H.shape != (x.size, x.size):
                raise ValueError(f"hess must return shape {(x.size, x.size)}, got {H.shape}")
            return lambda v: np.asarray(H @ v).reshape(-1)
        gradient = self.gradient(x)

        def difference(v):
            length = np.linalg.norm(v)
            if not length > 0.0:
                return np.zeros_like(v)
            step = STEP * max(1.0, np.linalg.norm(x)) / length
            return (self.gradient(x + step * v) - gradient) / step

        return difference

    def _product(self, x, v):
        self.nhev += 1
        return _vector("hessp", self.hessp(x.copy(), v, *self.args), x.size)


def _vector(name, answer, size):
    """The answer of a function as a vector, whatever its shape."""
    try:
        vector = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must return an array of numbers, got {answer!r}") from error
    if answer is None or vector.size != size:
        raise ValueError(f"{name} must return {size} numbers, got {answer!r}")
    return vector.reshape(-1)


def _matrix(H):
    """A matrix, a sparse one or a linear operator; of one parameter, a number will do."""
    return np.atleast_2d(H) if isinstance(H, (np.ndarray, list, tuple, numbers.Number)) else H


def _dense(H, size):
    """The same as an array."""
    H = _matrix(H)
    if hasattr(H, "toarray"):
        return H.toarray()
    return np.asarray(H if isinstance(H, np.ndarray) else H @ np.eye(size), dtype=np.float64)


class _Track:
    """What each iterate is shown to: the user's callback, and the path."""

    def __init__(self, x0, callback, return_path):
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, got {callback!r}")
        self.callback = callback
        self.whole = callback is not None and _wants_result(callback)
        self.path = [np.array(x0, dtype=np.float64)] if return_path else None

    def __call__(self, iteration, value, x):
        if self.path is not None:
            self.path.append(x)
        if self.callback is None:
            return False
        try:
            if self.whole:
                self.callback(intermediate_result=OptimizeResult(x=x.copy(), fun=value, nit=iteration))
            else:
                self.callback(x.copy())
        except StopIteration:
            return True
        return False


def _wants_result(callback):
    """Whether the callback's only parameter is called `intermediate_result`, as SciPy asks."""
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):  # a builtin does not tell
        return False


def _result(solution, objective, track, disp):
    status = {CALLBACK: 99, ITERATIONS: 1}.get(solution.reason, 0 if solution.reason in CONVERGED else 2)
    result = OptimizeResult(
        x=np.array(solution.x),
        fun=solution.value,
        jac=np.array(solution.gradient),
        nit=solution.n_iter,
        nfev=objective.nfev,
        njev=objective.njev,
        nhev=objective.nhev,
        success=solution.converged,
        status=status,
        message=explain(solution.reason),
        reason=solution.reason,
        curve=np.array(solution.curve),
    )
    if track.path is not None:
        result.path = np.array(track.path)
    if disp:
        counts = f"nit {result.nit}, nfev {result.nfev}, njev {result.njev}"
        print(f"{result.message}\n  fun {result.fun:.6g}, {counts}")
    return result
