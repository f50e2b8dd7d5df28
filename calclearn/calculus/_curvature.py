"""What the eigenvalues of a Hessian say about a point, and about training from there.

Derivation: docs/derivations/newton.md, equations (1) and (2): near a critical point a function is the
quadratic of its Hessian, and the eigenvalues are its curvatures along perpendicular directions.
"""

import html
import textwrap
from dataclasses import dataclass

import numpy as np

from . import operators

EPSILON = 2.0**-52
ILL_CONDITIONED = 1e4

MEANING = {
    "minimum": "every direction curves upwards: gradient descent converges here",
    "ill-conditioned": (
        "every direction curves upwards, but by very different amounts: gradient descent oscillates across "
        "the steep directions and crawls along the shallow ones; scale the features, precondition, or use a "
        "Newton method"
    ),
    "maximum": "every direction curves downwards: gradient descent leaves by itself at the least disturbance",
    "saddle": (
        "some directions curve upwards and some downwards: gradient descent slows down nearby; noise, or a "
        "method that uses second derivatives, follows the negative curvature out"
    ),
    "flat": (
        "along some direction there is no curvature, a plateau or a valley of equal values: steps "
        "proportional to the gradient stall there; adaptive steps or a penalty help"
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class Curvature:
    """What :func:`curvature` found; prints as a text, and as a table in notebooks.

    Attributes
    ----------
    verdict : {"minimum", "ill-conditioned", "maximum", "saddle", "flat"}
        What the eigenvalues say; "ill-conditioned" is a minimum with a large condition number, and "flat" has
        an eigenvalue that is zero and none of opposite signs.
    stationary : bool or None
        Whether the gradient is about zero, without which the point is no critical point and the verdict is
        about the shape of the surface alone; None where no gradient is known.
    meaning : str
        What that means for training.
    eigenvalues : ndarray of shape (n,)
        In ascending order; those that are zero within `tol` are exactly so.
    gradient_norm : float or None
        The largest absolute component of the gradient.
    condition_number : float
        The largest absolute eigenvalue over the smallest one; infinite where one is zero.
    rank : int
        How many eigenvalues are not zero.

    Examples
    --------
    >>> from calclearn.calculus import curvature
    >>> found = curvature(lambda x: x[0] ** 2 + 3.0 * x[1] ** 2, [0.0, 0.0])
    >>> found.eigenvalues.tolist(), found.condition_number
    ([2.0, 6.0], 3.0)
    """

    verdict: str
    stationary: bool | None
    eigenvalues: np.ndarray
    gradient_norm: float | None
    condition_number: float
    rank: int

    @property
    def meaning(self) -> str:
        if self.stationary is False:
            return f"not a critical point, the gradient is not zero; the shape there: {MEANING[self.verdict]}"
        return MEANING[self.verdict]

    def _rows(self):
        n = len(self.eigenvalues)
        smallest, largest = self.eigenvalues[[0, -1]]
        yield "verdict", self.verdict + (" (not stationary)" if self.stationary is False else "")
        yield "meaning", self.meaning
        yield "eigenvalues", f"{n}, from {smallest:.6g} to {largest:.6g}"
        up, down = int(np.sum(self.eigenvalues > 0)), int(np.sum(self.eigenvalues < 0))
        yield "signs", f"{up} positive, {down} negative, {n - self.rank} zero"
        yield "condition", f"{self.condition_number:.6g}"
        if self.gradient_norm is not None:
            yield "gradient norm", f"{self.gradient_norm:.6g}"

    def __repr__(self):
        lines = ["Curvature"]
        for name, text in self._rows():
            first, *rest = textwrap.wrap(text, 88)
            lines += [f"  {name:13}  {first}", *(" " * 17 + line for line in rest)]
        return "\n".join(lines)

    def _repr_html_(self):
        rows = (f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in self._rows())
        return f"<table>{''.join(rows)}</table>"


def curvature(f, x, *, gradient=None, hessian=None, mode=None, tol=None, gradient_tol=1e-6) -> Curvature:
    """What kind of point a function has somewhere, by the eigenvalues of its Hessian.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of `x` and returns a number.
    x : float or array-like
        Where.
    gradient : callable or array-like, optional
        ``gradient(x)``, or its value, of the shape of `x`; by default :func:`calclearn.calculus.gradient`.
    hessian : callable or array-like, optional
        ``hessian(x)``, or its value, of the shape of `x` twice, or a square matrix; by default
        :func:`calclearn.calculus.hessian`.
    mode : {"forward", "reverse", "numerical"}, optional
        How derivatives that are not given are derived.
    tol, gradient_tol : float, optional
        As in :func:`classify`.  For numerical derivatives a `tol` of about 1e-6 is fit.

    Returns
    -------
    Curvature

    Raises
    ------
    ValueError
        If the Hessian is not square, symmetric and finite.

    Examples
    --------
    >>> from calclearn.calculus import curvature
    >>> at_zero = curvature(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0])
    >>> at_zero.verdict, at_zero.stationary
    ('saddle', True)
    >>> print(at_zero.meaning.partition(":")[0])
    some directions curve upwards and some downwards
    """
    x = np.asarray(x, np.float64)
    gradient = (lambda x: operators.gradient(f, x, mode=mode)) if gradient is None else gradient
    hessian = (lambda x: operators.hessian(f, x, mode=mode)) if hessian is None else hessian
    slope, matrix = (d(x.copy()) if callable(d) else d for d in (gradient, hessian))
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape == x.shape * 2:
        matrix = matrix.reshape(x.size, x.size)
    return classify(matrix, slope, tol=tol, gradient_tol=gradient_tol)


def classify(
    hessian, gradient=None, *, tol=None, gradient_tol=1e-6, ill_conditioned=ILL_CONDITIONED
) -> Curvature:
    """What a Hessian says about a point.

    Parameters
    ----------
    hessian : array-like of shape (n, n)
        Symmetric.
    gradient : array-like of n numbers, optional
        The gradient there.
    tol : float, optional
        Eigenvalues up to `tol` times the largest absolute one are zero; by default ``10 * n`` units of
        rounding.
    gradient_tol : float, default=1e-6
        The largest absolute component that the gradient of a critical point may have.
    ill_conditioned : float, default=1e4
        The condition number from which a minimum is ill-conditioned.

    Returns
    -------
    Curvature

    Raises
    ------
    ValueError
        If the Hessian is not square, symmetric and finite, or the gradient is of another size.

    Examples
    --------
    >>> from calclearn.calculus import classify
    >>> classify([[2.0, 0.0], [0.0, 1e-5]], gradient=[0.0, 0.0]).verdict
    'ill-conditioned'
    >>> classify([[1.0, 1.0], [1.0, 1.0]])
    Curvature
      verdict        flat
      meaning        along some direction there is no curvature, a plateau or a valley of equal values:
                     steps proportional to the gradient stall there; adaptive steps or a penalty help
      eigenvalues    2, from 0 to 2
      signs          1 positive, 0 negative, 1 zero
      condition      inf
    """
    eigenvalues = np.linalg.eigvalsh(_symmetric(hessian))
    if gradient is not None and np.size(gradient) != len(eigenvalues):
        raise ValueError(f"gradient must have {len(eigenvalues)} numbers, got {np.size(gradient)}")
    tol = 10.0 * len(eigenvalues) * EPSILON if tol is None else tol
    return from_eigenvalues(
        eigenvalues, gradient, tol=tol, gradient_tol=gradient_tol, ill_conditioned=ill_conditioned
    )


def from_eigenvalues(eigenvalues, gradient=None, *, tol, gradient_tol=1e-6, ill_conditioned=ILL_CONDITIONED):
    """The record of a Hessian of which these eigenvalues are known: all, or the extreme ones.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n,)
        In ascending order.
    gradient, tol, gradient_tol, ill_conditioned
        As in :func:`classify`.

    Returns
    -------
    Curvature
    """
    size = np.abs(eigenvalues)
    nonzero = size > tol * size.max()
    eigenvalues = np.where(nonzero, eigenvalues, 0.0)
    condition = float(size.max() / size.min()) if nonzero.all() else np.inf
    up, down = (eigenvalues > 0).any(), (eigenvalues < 0).any()
    if up and down:
        verdict = "saddle"
    elif not nonzero.all():
        verdict = "flat"
    elif down:
        verdict = "maximum"
    else:
        verdict = "ill-conditioned" if condition >= ill_conditioned else "minimum"
    norm = None if gradient is None else float(np.abs(np.asarray(gradient, np.float64)).max(initial=0.0))
    stationary = None if norm is None else norm <= gradient_tol
    return Curvature(verdict, stationary, eigenvalues, norm, condition, int(nonzero.sum()))


def _symmetric(hessian):
    matrix = np.asarray(hessian, np.float64)
    matrix = matrix.reshape(1, 1) if matrix.ndim == 0 else matrix
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"hessian must be a square matrix, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("hessian must be finite, got NaN or infinity in it")
    asymmetry = np.abs(matrix - matrix.T).max()
    if asymmetry > 1e-6 * np.abs(matrix).max():
        raise ValueError(f"hessian must be symmetric, got entries that differ by {asymmetry:.3g}")
    return 0.5 * (matrix + matrix.T)
