"""Constraints on what trees may do, as the estimators' parameters state them."""

import numpy as np


def monotone_directions(constraints, estimator, categorical):
    """-1, 0 or 1 for each feature.

    Parameters
    ----------
    constraints : array-like of shape (n_features,), dict of str or int to int, or None
        How predictions must go with each feature; by name or index, the others are free.
    estimator : NewtonBoosting
        For the number and names of features.
    categorical : ndarray of bool, shape (n_features,)

    Returns
    -------
    directions : ndarray of int8, shape (n_features,)

    Raises
    ------
    ValueError
        For another length, other values, unknown names, or a categorical feature.
    """
    p = len(categorical)
    directions = np.zeros(p, np.int8)
    if constraints is None:
        return directions
    if isinstance(constraints, dict):
        for feature, direction in constraints.items():
            directions[_index(feature, estimator, p, "monotone_constraints")] = _direction(direction)
    else:
        given = np.asarray(constraints)
        if given.shape != (p,):
            raise ValueError(
                f"monotone_constraints has shape {given.shape} but the input data X has {p} features."
            )
        directions[:] = [_direction(direction) for direction in given.tolist()]
    forbidden = np.flatnonzero((directions != 0) & categorical)
    if forbidden.size:
        raise ValueError(
            "Categorical features cannot have monotonic constraints: features "
            f"{forbidden.tolist()} have no order"
        )
    return directions


def _direction(direction):
    if direction not in (-1, 0, 1):
        raise ValueError(f"monotone_constraints must be an array-like of -1, 0 or 1, got {direction!r}")
    return direction


def interaction_groups(constraints, estimator, p):
    """The sets of features that may meet on a path, as rows of a mask; no row where all may.

    Sets of one feature are left out, for a feature may meet itself anyway; if no other is left, an empty one
    stands for them.

    Parameters
    ----------
    constraints : list of lists of int or str, or None
        Features that are in none of the sets may meet nothing but themselves.
    estimator : NewtonBoosting
    p : int

    Returns
    -------
    groups : ndarray of bool, shape (n_groups, p)
    """
    if constraints is None:
        return np.empty((0, p), bool)
    sets = []
    for features in constraints:
        if isinstance(features, str) or not np.iterable(features):
            raise ValueError(
                f"interaction_constraints must be a list of lists of features, got {constraints!r}"
            )
        sets.append({_index(feature, estimator, p, "interaction_constraints") for feature in features})
    sets = [some for some in sets if len(some) > 1] or [set()]
    groups = np.zeros((len(sets), p), bool)
    for row, some in zip(groups, sets):
        row[list(some)] = True
    return groups


def _index(feature, estimator, p, parameter):
    """The number of a feature named by its name or number."""
    names = getattr(estimator, "feature_names_in_", None)
    if isinstance(feature, str):
        if names is None or feature not in names:
            raise ValueError(f"{parameter}: {feature!r} is not a feature of X")
        return int(np.flatnonzero(names == feature)[0])
    if not (isinstance(feature, (int, np.integer)) and 0 <= feature < p):
        raise ValueError(f"{parameter}: features are names, or numbers from 0 to {p - 1}; got {feature!r}")
    return int(feature)
