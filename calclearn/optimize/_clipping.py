"""Clipped gradients.  Derivation: docs/derivations/optimisers.md, equations (21) and (22)."""

import numbers

import numpy as np


def clip_by_norm(gradient, limit):
    """Shorten a gradient that is longer than `limit`; its direction stays.

    Parameters
    ----------
    gradient : ndarray of any shape
    limit : float
        The largest Euclidean norm, in units of the gradient.

    Returns
    -------
    ndarray
        `gradient` itself where it is short enough, or not finite: that is for others to report.

    Raises
    ------
    ValueError
        If `limit` is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_norm(np.array([3.0, 4.0]), limit=2.5).tolist()
    [1.5, 2.0]
    """
    limit = check_limit("limit", limit)
    gradient = np.asarray(gradient)
    norm = np.sqrt(np.vdot(gradient, gradient))
    if norm <= limit:
        return gradient
    largest = np.abs(gradient).max()
    if not np.isfinite(largest):
        return gradient
    direction = gradient / largest  # the sum of squares may have overflowed
    return direction * (limit / np.sqrt(np.vdot(direction, direction)))  # (21)


def clip_by_value(gradient, limit):
    """Bring each component of a gradient into [-limit, limit].

    Parameters
    ----------
    gradient : ndarray of any shape
    limit : float
        The largest absolute component, in units of the gradient.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If `limit` is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_value(np.array([3.0, -0.5]), limit=1.0).tolist()
    [1.0, -0.5]
    """
    limit = check_limit("limit", limit)
    return np.clip(gradient, -limit, limit)  # (22)


def check_limit(name, limit):
    """`limit` as a float; a ValueError unless it is a positive number."""
    if not (isinstance(limit, numbers.Real) and limit > 0):
        raise ValueError(f"{name} must be a positive number, got {limit!r}")
    return float(limit)  # NumPy's float64 would make a float32 gradient one
