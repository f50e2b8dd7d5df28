"""The C below which an L1 penalty leaves no coefficient."""

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import validate_params
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_array, check_consistent_length

from ..base import Interval, Real, StrOptions


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "loss": [StrOptions({"squared_hinge", "log"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def l1_min_c(X, y, *, loss="squared_hinge", fit_intercept=True, intercept_scaling=1.0):
    r"""The largest C for which all coefficients of an L1 penalised linear classifier are zero.

    At zero the penalty's slopes are from -1 to 1, so w = 0 is optimal as long as C times the gradient of the
    losses is nowhere larger:

    .. math:: C = 1 / \bigl(\kappa \max_j |\sum_i y_i x_{ij}|\bigr), \quad \kappa = 2 \text{ or } \tfrac12

    for the squared hinge or the log loss.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Class labels.
    loss : {"squared_hinge", "log"}, default="squared_hinge"
    fit_intercept : bool, default=True
        Whether there is an intercept, penalised like the coefficients.
    intercept_scaling : float, default=1.0
        The constant whose coefficient it is.

    Returns
    -------
    C : float

    Raises
    ------
    ValueError
        If no C is large enough: all columns are orthogonal to the labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from calclearn.svm import LinearSVC, l1_min_c
    >>> X, y = load_iris(return_X_y=True)
    >>> C = l1_min_c(X, y)
    >>> (LinearSVC(penalty="l1", C=0.99 * C).fit(X, y).coef_ == 0).all().item()
    True
    """
    X = check_array(X, accept_sparse="csc")
    check_consistent_length(X, y)
    sides = LabelBinarizer(neg_label=-1).fit_transform(y).T
    steepest = np.max(np.abs(safe_sparse_dot(sides, X)))
    if fit_intercept:
        constant = np.full((np.size(y), 1), intercept_scaling)
        steepest = max(steepest, abs(np.dot(sides, constant)).max())
    if steepest == 0.0:
        raise ValueError(
            "Ill-posed l1_min_c calculation: l1 will always select zero coefficients for this data"
        )
    return float((0.5 if loss == "squared_hinge" else 2.0) / steepest)
