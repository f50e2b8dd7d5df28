"""The curvature of what a fitted estimator minimised, where the fit ended."""

import dataclasses

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from ..calculus import classify
from ..calculus._curvature import from_eigenvalues

DENSE = 1000  # parameters, up to which all eigenvalues are computed
AT_EACH_END = 3  # eigenvalues, of more
LANCZOS = 1e-6  # accuracy of those, relative to the largest
DIFFERENCES = 1e-6  # relative size of an eigenvalue that differences of gradients cannot tell from zero
STATIONARY = 1e-3  # of the objective, or of 1: the largest component of a gradient that counts as none


def curvature(estimator, X, y, sample_weight=None, *, offset=None, tol=None, gradient_tol=None):
    """What kind of point the parameters of a fitted estimator are, by the Hessian of its objective.

    Parameters
    ----------
    estimator : object, or a pipeline or search that ends with one
        Fitted to these data: a linear model, a linear support vector machine or a network.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like of shape (n_samples,), default=None
        That of the fit: nothing of it is kept.
    tol : float, default=None
        Eigenvalues up to `tol` times the largest absolute one are zero; by default a few units of rounding,
        and 1e-6 where the Hessian comes from differences or its eigenvalues from Lanczos' iteration.
    gradient_tol : float, default=None
        The largest component that the gradient of a critical point may have; by default a thousandth of the
        objective, or of 1 where that is larger.

    Returns
    -------
    calclearn.calculus.Curvature
        With ``verdict``, ``eigenvalues``, ``condition_number`` and what they mean for training.  Of more than
        1000 parameters the eigenvalues are the three lowest and the three highest, to which its ``rank``
        refers as well, and the condition number of a saddle is NaN.

    Raises
    ------
    TypeError
        If the objective of such an estimator is not known here, or it has no offset and one is given.
    ValueError
        If an L1 penalty has left no coefficient to look at, or the Hessian is not finite.

    Notes
    -----
    The objective is the documented one, with its penalty.  Of linear models the Hessian is exact.  Of
    networks it comes from differences of the exact gradient on all rows as one batch, which is no derivative
    where a unit with a kink is within a step of it.

    With an L1 penalty or bounds, the Hessian is that of the coefficients which are not zero: at zero is a
    kink.  Losses of straight pieces, such as the hinge or the quantile loss, have no curvature but their
    penalty's.  Of several classes together only the differences of intercepts matter, so that there is always
    a flat direction.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from calclearn.inspection import curvature
    >>> from calclearn.linear_model import Ridge
    >>> X, y = load_diabetes(return_X_y=True)
    >>> found = curvature(Ridge(alpha=1.0).fit(X, y), X, y)
    >>> found.verdict, found.stationary, len(found.eigenvalues)
    ('minimum', True, 11)
    """
    from ._objective import objective_of  # which imports pandas

    objective = objective_of(estimator, X, y, sample_weight, offset)
    x, free = objective.x, np.flatnonzero(objective.free)
    if not free.size:
        raise ValueError("there is no curvature to look at: every coefficient is zero, at the penalty's kink")
    value, gradient = objective.value_gradient(x)
    if gradient_tol is None:
        gradient_tol = STATIONARY * max(1.0, abs(value))
    if len(x) <= DENSE:
        H = objective.hessian(x)[np.ix_(free, free)]
        tol = DIFFERENCES if tol is None and not objective.exact else tol
        largest = np.full(free.size, np.abs(gradient).max())  # of all, those at a kink too
        return classify(H, largest, tol=tol, gradient_tol=gradient_tol)
    eigenvalues = _extreme_eigenvalues(objective, x, free)
    tol = 10.0 * LANCZOS if tol is None else tol
    found = from_eigenvalues(eigenvalues, gradient, tol=tol, gradient_tol=gradient_tol)
    if found.verdict == "saddle":  # the eigenvalues near zero are not among them
        found = dataclasses.replace(found, condition_number=np.nan)
    return found


def _extreme_eigenvalues(objective, x, free):
    """The lowest and the highest, in ascending order, by Lanczos' iteration.

    The lowest are found as the highest of the matrix's distance from its largest one: they may be near zero,
    to which no accuracy is relative.
    """
    times, n = objective.hessian_product(x), len(free)

    def product(v):
        whole = np.zeros(len(x))
        whole[free] = np.ravel(v)
        return times(whole)[free]

    start = np.random.default_rng(0).normal(size=n)
    if not product(start).any():  # as of losses of straight pieces
        return np.zeros(2 * AT_EACH_END)
    options = {"k": AT_EACH_END, "which": "LA", "v0": start, "return_eigenvectors": False, "tol": LANCZOS}
    # of the largest in size, a bound that nothing is beyond
    size = float(abs(eigsh(LinearOperator((n, n), product), **options | {"k": 1, "which": "LM"})[0]))
    bound = (1.0 + 1e-3) * size
    highest = eigsh(LinearOperator((n, n), lambda v: product(v) + bound * np.ravel(v)), **options) - bound
    lowest = bound - eigsh(LinearOperator((n, n), lambda v: bound * np.ravel(v) - product(v)), **options)
    return np.sort(np.r_[lowest, highest])
