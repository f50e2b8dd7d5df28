"""Numerical mode: SciPy's `differentiate`, for functions that are not vectorised, and with its verdict heard."""

import warnings

import numpy as np
from scipy import differentiate


def _columns(f, shape):
    """*f* as SciPy evaluates it: of many points at once, which are the columns of a matrix."""

    def at_columns(points):
        flat = points.reshape(points.shape[0], -1)
        values = [np.ravel(np.asarray(f(column.reshape(shape)), dtype=np.float64)) for column in flat.T]
        return np.stack(values, axis=-1).reshape(-1, *points.shape[1:])

    return at_columns


def _judged(result, of_what):
    """Whether SciPy's estimate of the error is small; it warns where it is not."""
    error = np.max(np.where(result.success, 0.0, result.error), initial=0.0)
    scale = max(1.0, float(np.max(np.abs(result.df if "df" in result else result.ddf), initial=0.0)))
    if not np.all(np.isfinite(result.error)) or error > 1e-5 * scale:
        warnings.warn(
            f"numerical {of_what} did not converge: the estimated error is {error:.2g}; the function may have "
            "a kink, be noisy, or be undefined nearby",
            RuntimeWarning,
            stacklevel=4,
        )


def jacobian(f, x, out_shape):
    """The Jacobian of *f* at the float64 array *x*."""
    result = differentiate.jacobian(_columns(f, x.shape), x.ravel())
    _judged(result, "derivative")
    return result.df.reshape(*out_shape, *x.shape)


def hessian(f, x):
    """The Hessian of the scalar function *f*."""
    columns = _columns(f, x.shape)
    result = differentiate.hessian(lambda points: columns(points)[0], x.ravel())
    _judged(result, "Hessian")
    return result.ddf.reshape(x.shape + x.shape)


def derivative(f, x, order):
    """The first or second derivative of a function of one number, at each entry of *x*."""

    def entries(points):
        return np.asarray(f(points.reshape(points.shape)), dtype=np.float64)

    if order == 1:
        result = differentiate.derivative(lambda points: entries(points), x)
        _judged(result, "derivative")
        return result.df
    result = differentiate.hessian(lambda points: entries(points[0]), x.reshape(1, -1))
    _judged(result, "second derivative")
    return result.ddf.reshape(x.shape)
