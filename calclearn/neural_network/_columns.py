r"""Columns of a table as numbers of about one size: what the embeddings of :mod:`._inputs` are given.

A number x becomes :math:`z / \sqrt{1 + (z / 3)^2}` with :math:`z = (x - \text{median}) / (\text{upper
quartile} - \text{lower quartile})`: outliers are drawn in to 3 and never cut off, so their order stays.  A
missing number becomes the median, and an indicator tells.  Categories with few levels become indicators,
others codes.
"""

import numpy as np

MOST = 3.0  # what no number exceeds
LARGEST = np.finfo(np.float64).max
UNKNOWN = -1.0  # the code of a category that was not there


def learn_columns(X, is_category, levels, most_indicators) -> dict:
    """What is to be known of the columns of a table.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Numbers, which may be NaN, and codes.
    is_category : ndarray of bool, shape (p,)
    levels : dict of int to int
        How many codes each of those columns has.
    most_indicators : int
        Levels, up to which a category becomes indicators.

    Returns
    -------
    dict of ndarray
        For :func:`encode_columns`.
    """
    numbers = np.flatnonzero(~is_category)
    lower, centre, upper = _quartiles(X[:, numbers])
    spread, width = upper - lower, _range(X[:, numbers])
    spread = np.where(spread > 0, spread, 0.5 * width)  # most of the column is one number
    few = [f for f in np.flatnonzero(is_category) if levels[f] <= most_indicators]
    many = [f for f in np.flatnonzero(is_category) if levels[f] > most_indicators]
    return {
        "numbers": numbers,
        "centre": centre,
        "spread": np.where(spread > 0, spread, np.inf),  # of what is one number all along, nothing is left
        "missing": np.flatnonzero(np.isnan(X[:, numbers]).any(axis=0)),
        "few": np.array(few, np.intp),
        "few_levels": np.array([levels[f] for f in few], np.intp),
        "many": np.array(many, np.intp),
        "many_levels": np.array([levels[f] for f in many], np.intp),
    }


def encode_columns(X, columns, dtype):
    """A table as numbers, indicators and codes, in this order; shape (n, n_columns)."""
    numbers = X[:, columns["numbers"]].astype(np.float64)
    missing = np.isnan(numbers)
    with np.errstate(over="ignore"):
        away = np.where(missing, columns["centre"], numbers) - columns["centre"]
        z = np.clip(away, -LARGEST, LARGEST) / columns["spread"]
    z = np.clip(z, -LARGEST, LARGEST)
    parts = [z / np.hypot(1.0, z / MOST), missing[:, columns["missing"]]]
    for f, levels in zip(columns["few"], columns["few_levels"]):
        parts.append(X[:, [f]] == np.arange(levels))
    codes = X[:, columns["many"]]
    parts.append(np.where(np.isnan(codes), UNKNOWN, codes))
    return np.hstack(parts).astype(dtype)


def count_columns(columns):
    """`(numbers, indicators, levels)` of the columns that :func:`encode_columns` makes."""
    indicators = len(columns["missing"]) + int(columns["few_levels"].sum())
    return len(columns["numbers"]), indicators, tuple(columns["many_levels"].tolist())


def _quartiles(X):
    """Of each column, without what is missing; 0 where all is."""
    found = np.zeros((3, X.shape[1]))
    for j in range(X.shape[1]):
        known = X[~np.isnan(X[:, j]), j]
        if len(known):
            found[:, j] = np.quantile(known.astype(np.float64), (0.25, 0.5, 0.75))
    return found


def _range(X):
    """The distance of each column's largest number from the least; 0 where none is known."""
    known = ~np.isnan(X)
    top = np.where(known, X, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(known.any(axis=0), top - np.where(known, X, np.inf).min(axis=0, initial=np.inf), 0.0)
