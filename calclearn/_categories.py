"""Columns of categories as codes 0, 1, ...: from pandas, polars, or arrays with the columns named.

What is kept of a column is the array of its categories, as seen in `fit`.  A value that is none of them has
the code NaN, like a missing one; but that of `OTHERS`, where the categories end with it.
"""

import numpy as np
import scipy.sparse
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_array

OTHERS = ...  # as the last category: any value that is none of those before it
TIMES = ("date", "time", "duration")  # how the dtypes of pandas and polars begin that are no numbers


def is_frame(X):
    """Whether X is a data frame: of pandas, polars, or alike."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not hasattr(X, "toarray")


def validate_table(estimator, X, *, reset, **options):
    """X as numbers, with codes for categories; dense in C or Fortran order, or CSR or CSC.

    Parameters
    ----------
    estimator : object
        With the parameter `categorical_features`; keeps `_categorical`, the mask or None, and `categories_`.
    X : frame, array-like or sparse array
    reset : bool
        Whether features and categories are learned, or must be those of before.
    **options
        Of scikit-learn's `check_array`.
    """
    if hasattr(X, "collect") and not hasattr(X, "shape"):
        raise ValueError("X is a lazy frame, which has no values yet: collect() it first")
    if reset:
        mask = find_categorical(X, estimator.categorical_features)
        categories = {} if mask is None else None
    else:
        mask, categories = estimator._categorical, estimator.categories_
    _check_feature_names(estimator, X, reset=reset)
    if mask is not None:
        if scipy.sparse.issparse(X):
            raise ValueError("categorical_features cannot be columns of a sparse X: use a dense one")
        _check_n_features(estimator, X, reset=reset)
        X, categories = encode(X, mask, categories)
    elif is_frame(X):
        check_numbers(X)
    options = {"accept_sparse": ("csr", "csc"), "ensure_all_finite": False} | options
    X = check_array(X, dtype=(np.float64, np.float32), estimator=estimator, input_name="X", **options)
    if mask is None:
        _check_n_features(estimator, X, reset=reset)
    if reset:
        estimator._categorical, estimator.categories_ = mask, categories
    return X


def find_categorical(X, categorical_features):
    """Which columns are categories.

    Parameters
    ----------
    X : frame, ndarray or sparse array
    categorical_features : "from_dtype", None, or array-like of bool, int or str
        From the columns' dtypes; none; a mask, indices or names.

    Returns
    -------
    mask : ndarray of bool, shape (n_features,), or None
        None where there are none.

    Raises
    ------
    ValueError
        For indices or names that are not there, or a mask of another length.
    """
    if categorical_features is None:
        return None
    if isinstance(categorical_features, str):
        if categorical_features != "from_dtype":
            raise ValueError(
                "categorical_features must be 'from_dtype', None, or an array of names, indices or booleans, "
                f"got {categorical_features!r}"
            )
        if not is_frame(X):
            return None
        mask = np.array([_is_categorical(_column(X, f)) for f in range(X.shape[1])], bool)
        return mask if mask.any() else None
    mask = _named(X, X.shape[1] if hasattr(X, "shape") else np.shape(X)[1], categorical_features)
    return mask if mask.any() else None


def _named(X, p, categorical_features):
    """The mask that an array of booleans, indices or names stands for."""
    mask = np.zeros(p, bool)
    wanted = np.asarray(categorical_features)
    if wanted.size == 0:
        return mask
    if wanted.ndim != 1:
        raise ValueError(f"categorical_features must have one dimension, got shape {wanted.shape}")
    if wanted.dtype.kind == "b":
        if wanted.shape != (p,):
            raise ValueError(f"categorical_features, a mask, must have shape ({p},), got {wanted.shape}")
        return wanted.copy()
    if wanted.dtype.kind in "iu":
        if ((wanted < 0) | (wanted >= p)).any():
            raise ValueError(f"categorical_features must be indices from 0 to {p - 1}, got {wanted.tolist()}")
        mask[wanted] = True
        return mask
    if wanted.dtype.kind in "UOT":
        if not is_frame(X):
            raise ValueError("categorical_features holds names, but X has none: use indices, or a frame")
        names = [str(name) for name in X.columns]
        for name in wanted:
            if str(name) not in names:
                raise ValueError(f"categorical_features: there is no column {str(name)!r} in X")
            mask[names.index(str(name))] = True
        return mask
    raise ValueError(f"categorical_features must be names, indices or booleans, got dtype {wanted.dtype}")


def encode(X, mask, categories=None):
    """X with codes in the place of categories.

    Parameters
    ----------
    X : frame or ndarray of shape (n, p)
    mask : ndarray of bool, shape (p,)
        Which columns are categories; not none of them.
    categories : dict of int to ndarray, optional
        Of each of them, as returned by an earlier call; learned by default.

    Returns
    -------
    (X, categories)
        An ndarray of float64 or float32, and the categories by column.
    """
    learned = {} if categories is None else categories
    frame = is_frame(X)
    if not frame:
        X = np.asarray(X)
    columns = []
    for f in range(len(mask)):
        column = _column(X, f) if frame else X[:, f]
        if mask[f]:
            codes, known = _codes_of(column)
            if categories is None:
                learned[f] = known
            columns.append(_translate(known, learned[f])[codes])
        else:
            if _is_categorical(column):
                raise ValueError(
                    f"column {f} of X is of categories, but categorical_features does not name it: encode "
                    "it, or use categorical_features='from_dtype'"
                )
            columns.append(_numbers(column, f))
    small = (
        all(column.dtype == np.float32 for f, column in enumerate(columns) if not mask[f]) and not mask.all()
    )
    out = np.empty((len(columns[0]), len(columns)), np.float32 if small else np.float64)
    for f, column in enumerate(columns):
        out[:, f] = column
    return out, learned


def _column(X, f):
    """Column f of a frame."""
    return X.iloc[:, f] if hasattr(X, "iloc") else X[:, f]


def _is_categorical(column):
    """Whether a column has a dtype of categories: pandas' category, polars' Categorical or Enum."""
    name = str(getattr(column, "dtype", ""))
    return name == "category" or name.startswith(("Categorical", "Enum"))


def _codes_of(column):
    """`(codes, categories)` of a column; the code of a missing value is the number of categories."""
    if str(getattr(column, "dtype", "")) == "category":  # pandas
        codes, known = column.cat.codes.to_numpy(), np.asarray(column.cat.categories)
    elif _is_categorical(column):  # polars
        physical = column.to_physical().cast(int).fill_null(-1).to_numpy()
        _, first, codes = np.unique(physical, return_index=True, return_inverse=True)
        names = column.gather(first).to_list()
        known = np.array(sorted(name for name in names if name is not None), object)
        places = {name: k for k, name in enumerate(known)}
        codes = np.array([places.get(name, -1) for name in names], np.intp)[codes]
    else:
        values = np.asarray(column)
        missing = _missing(values)
        known, inverse = np.unique(values[~missing], return_inverse=True)
        codes = np.full(len(values), -1)
        codes[~missing] = inverse
    return np.where(codes < 0, len(known), codes).astype(np.intp), known


def _missing(values):
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values], bool)
    return np.zeros(len(values), bool)


def _translate(known, fitted):
    """The fitted code of each known category, and NaN behind them for missing values."""
    table = np.full(len(known) + 1, np.nan)
    code = {value: k for k, value in enumerate(fitted.tolist())}
    others = code.get(OTHERS, np.nan)
    if OTHERS in code and known.dtype.kind == "f":
        known = np.floor(known)  # XGBoost, whose codes these are, cuts fractions off what is not negative
    for k, value in enumerate(known.tolist()):
        table[k] = code.get(value, others)
    return table


def _numbers(column, f):
    """A column of numbers as floats; missing values as NaN."""
    kind = str(column.dtype).lower()
    if kind.startswith("complex"):
        raise ValueError(f"Complex data not supported: column {f} of X has dtype {column.dtype}")
    if kind.startswith(TIMES):
        raise ValueError(
            f"column {_named_as(column, f)} of X has dtype {column.dtype}: make numbers of it, in a unit of "
            "your choice"
        )
    try:
        if hasattr(column, "to_numpy"):
            kind = str(column.dtype)
            if kind in ("float32", "Float32"):
                return _to_float(column, np.float32)
            return _to_float(column, np.float64)
        return np.asarray(column, np.float32 if column.dtype == np.float32 else np.float64)
    except Exception as error:
        if not isinstance(error, TypeError | ValueError) and "polars" not in type(error).__module__:
            raise
        raise ValueError(
            f"column {_named_as(column, f)} of X is neither of numbers nor of categories: {error}. If it "
            "holds categories, give it that dtype (astype('category')), or name it in categorical_features"
        ) from error


def _named_as(column, f):
    """What a user calls the column: by its name, else by its number."""
    name = getattr(column, "name", None)
    return f if name is None else repr(name)


def check_numbers(X):
    """Raise a ValueError that says what to do if a frame without categories has columns of something else."""
    for f in range(X.shape[1]):
        column = _column(X, f)
        kind = str(getattr(column, "dtype", "")).lower()
        if kind.startswith(("str", "object", "category", "categorical", "enum", *TIMES)):
            _numbers(column, f)


def _to_float(column, dtype):
    if hasattr(column, "iloc"):
        return column.to_numpy(dtype=dtype, na_value=np.nan)
    return column.cast(float).to_numpy().astype(dtype)
