"""Numerical mode: SciPy's `differentiate`, for functions that are not vectorised, its verdict heard."""

import warnings

import numpy as np
import scipy  # its parts are imported when they are used


def _columns(f, shape):
    """*f* as SciPy evaluates it: of many points at once, which are the columns of a matrix."""

    def at_columns(points):
        flat = points.reshape(points.shape[0], -1)
        values = [
            np.ravel(np.asarray(f(column.reshape(shape).copy()), dtype=np.float64)) for column in flat.T
        ]
        return np.stack(values, axis=-1).reshape(-1, *points.shape[1:])

    return at_columns


def _judged(result, of_what):
    """Warn where SciPy found no small error: of 1e-5, relative to the largest entry or absolute."""
    found = np.abs(result.df if "df" in result else result.ddf)
    error = np.max(np.where(result.success, 0.0, result.error), initial=0.0)
    if not error <= 1e-5 * np.max(found, initial=1.0, where=np.isfinite(found)):
        warnings.warn(
            f"numerical {of_what} did not converge: the estimated error is {error:.2g}; the function may "
            "have a kink, be noisy, or be undefined nearby",
            RuntimeWarning,
            stacklevel=4,
        )


def jacobian(f, x, out_shape):
    """The Jacobian of *f* at the float64 array *x*."""
    result = scipy.differentiate.jacobian(_columns(f, x.shape), x.ravel())
    _judged(result, "derivative")
    return result.df.reshape(*out_shape, *x.shape)


def hessian(f, x):
    """The Hessian of the scalar function *f*."""
    columns = _columns(f, x.shape)
    result = scipy.differentiate.hessian(lambda points: columns(points)[0], x.ravel())
    _judged(result, "Hessian")
    return result.ddf.reshape(x.shape + x.shape)


def derivative(f, x, order):
    """The first or second derivative of a function of one number, at each entry of *x*."""

    def at(points):
        if x.ndim:
            return np.asarray(f(points.ravel()), dtype=np.float64).reshape(points.shape)
        return np.reshape([np.float64(f(point)) for point in points.ravel()], points.shape)

    if order == 1:
        result = scipy.differentiate.derivative(at, x)
        _judged(result, "derivative")
        return result.df
    result = scipy.differentiate.hessian(lambda points: at(points[0]), x.reshape(1, -1))
    _judged(result, "second derivative")
    return result.ddf.reshape(x.shape)
