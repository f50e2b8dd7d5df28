"""Coefficients of the lasso and the elastic net for many penalties, each started from the last."""

import sys
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path as multi_task_path
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Hidden, validate_params

from .._objectives import elastic_net
from .._objectives.columns import CentredColumns, CentredGram, Columns, answer
from .._objectives.design import Design
from .._objectives.least_squares import _CentredRows
from ..base import Integral, Interval, Real, StrOptions, thread_count

MARGIN = 0.1  # of paths: the share of the tolerance to aim at
SMALLEST = float(np.finfo(np.float64).resolution)  # of a penalty, where y is constant
CONSTRAINTS = {
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like", "sparse matrix"],
    "eps": [Interval(Real, 0, None, closed="neither")],
    "n_alphas": [Interval(Integral, 1, None, closed="left"), Hidden(StrOptions({"deprecated"}))],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like", None, Hidden(StrOptions({"warn"}))],
    "precompute": [StrOptions({"auto"}), "boolean", "array-like"],
    "Xy": ["array-like", None],
    "copy_X": ["boolean"],
    "coef_init": ["array-like", None],
    "verbose": ["verbose"],
    "return_n_iter": ["boolean"],
    "positive": ["boolean"],
}


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def lasso_path(
    X,
    y,
    *,
    eps=1e-3,
    n_alphas="deprecated",
    alphas="warn",
    precompute="auto",
    Xy=None,
    copy_X=True,
    coef_init=None,
    verbose=False,
    return_n_iter=False,
    positive=False,
    **params,
):
    r"""Minimise :math:`\frac{1}{2n} \|y - X w\|^2 + \alpha \|w\|_1` for many :math:`\alpha`.

    The same as :func:`enet_path` with ``l1_ratio=1``.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Columns as they are: nothing is centred, and there is no intercept.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    eps : float, default=1e-3
        The smallest penalty, as a share of the largest.
    n_alphas : int, default=100
        Deprecated in favour of `alphas`.
    alphas : int or array-like, default=100
        The penalties, or how many to place on a logarithmic grid below the smallest that sets all
        coefficients to zero.
    precompute : "auto", bool or array-like of shape (n_features, n_features), default="auto"
        Whether to gather the Gram matrix first, or that matrix; "auto" does so where rows are more than
        columns.
    Xy : array-like of shape (n_features,), default=None
        ``X.T @ y``, taken where the Gram matrix is used.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    coef_init : array-like of shape (n_features,), default=None
        Where to start.
    verbose : bool or int, default=False
        Report each penalty.
    return_n_iter : bool, default=False
        Whether to return the number of sweeps too.
    positive : bool, default=False
        Restrict the coefficients to be non-negative; for one target.
    **params : kwargs
        ``tol``, ``max_iter``, ``selection``, ``random_state`` as of :class:`Lasso`.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        The penalties, the largest first.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        The coefficients for each.
    dual_gaps : ndarray of shape (n_alphas,)
        The duality gaps.
    n_iters : list of int
        Sweeps of coordinate descent for each; where `return_n_iter` is True.

    See Also
    --------
    LassoCV : Chooses among them by cross-validation.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import lasso_path
    >>> X = np.array([[1, 2, 3.1], [2.3, 5.4, 4.3]]).T
    >>> lasso_path(X, np.array([1, 2, 3.1]), alphas=[5.0, 1.0, 0.5])[1].round(3).tolist()
    [[0.0, 0.0, 0.469], [0.216, 0.443, 0.237]]
    """
    return enet_path(
        X,
        y,
        l1_ratio=1.0,
        eps=eps,
        alphas=_penalties(n_alphas, alphas),
        precompute=precompute,
        Xy=Xy,
        copy_X=copy_X,
        coef_init=coef_init,
        verbose=verbose,
        return_n_iter=return_n_iter,
        positive=positive,
        **params,
    )


@validate_params(
    CONSTRAINTS | {"l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")], "check_input": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def enet_path(
    X,
    y,
    *,
    l1_ratio=0.5,
    eps=1e-3,
    n_alphas="deprecated",
    alphas="warn",
    precompute="auto",
    Xy=None,
    copy_X=True,
    coef_init=None,
    verbose=False,
    return_n_iter=False,
    positive=False,
    check_input=True,
    **params,
):
    r"""Minimise the elastic net's objective, without an intercept, for many :math:`\alpha`.

    .. math::
        \frac{1}{2n} \|y - X w\|^2 + \alpha \rho \|w\|_1 + \frac{\alpha (1 - \rho)}{2} \|w\|_2^2

    With several targets it is the multi-task problem, whose penalty is the sum of the norms of the
    features' rows; scikit-learn solves that.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Columns as they are: nothing is centred, and there is no intercept.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    l1_ratio : float, default=0.5
        The share :math:`\rho` of the L1 penalty, in [0, 1].
    eps : float, default=1e-3
        The smallest penalty, as a share of the largest.
    n_alphas : int, default=100
        Deprecated in favour of `alphas`.
    alphas : int or array-like, default=100
        The penalties, or how many to place on a logarithmic grid below the smallest that sets all
        coefficients to zero.
    precompute : "auto", bool or array-like of shape (n_features, n_features), default="auto"
        Whether to gather the Gram matrix first, or that matrix; "auto" does so where rows are more than
        columns.
    Xy : array-like of shape (n_features,), default=None
        ``X.T @ y``, taken where the Gram matrix is used.
    copy_X : bool, default=True
        Kept for compatibility: X is never written to.
    coef_init : array-like of shape (n_features,), default=None
        Where to start.
    verbose : bool or int, default=False
        Report each penalty.
    return_n_iter : bool, default=False
        Whether to return the number of sweeps too.
    positive : bool, default=False
        Restrict the coefficients to be non-negative; for one target.
    check_input : bool, default=True
        False skips the checks of X and y, arrays of float64 or float32.
    **params : kwargs
        ``tol``, ``max_iter``, ``selection``, ``random_state`` as of :class:`ElasticNet`; ``sample_weight``,
        with the sum of squares still divided by n; ``X_offset`` and ``X_scale``, for a sparse X that counts
        as centred.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        The penalties, the largest first.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        The coefficients for each.
    dual_gaps : ndarray of shape (n_alphas,)
        The duality gaps.
    n_iters : list of int
        Sweeps of coordinate descent for each; where `return_n_iter` is True.

    See Also
    --------
    ElasticNetCV : Chooses among them by cross-validation.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import enet_path
    >>> X = np.array([[1, 2, 3.1], [2.3, 5.4, 4.3]]).T
    >>> alphas, coefs, gaps = enet_path(X, np.array([1, 2, 3.1]), alphas=3)
    >>> alphas.round(3).tolist(), coefs.shape
    ([17.62, 0.557, 0.018], (2, 3))
    """
    penalties = _penalties(n_alphas, alphas)
    if np.ndim(y) == 2:
        if positive:
            raise ValueError("positive=True is not allowed for multi-output (y.ndim != 1)")
        return multi_task_path(
            X,
            y,
            l1_ratio=l1_ratio,
            eps=eps,
            alphas=penalties,
            precompute=False,
            coef_init=coef_init,
            verbose=verbose,
            return_n_iter=return_n_iter,
            check_input=check_input,
            **params,
        )
    options = {"tol": 1e-4, "max_iter": 1000, "random_state": None, "selection": "cyclic"}
    options |= {"X_offset": None, "X_scale": None, "sample_weight": None, "do_screening": True}
    if unknown := params.keys() - options.keys():
        raise ValueError("Unexpected parameters in params", sorted(unknown))
    options |= params
    if options["selection"] not in ("random", "cyclic"):
        raise ValueError(f"selection should be either random or cyclic, got {options['selection']!r}")
    if check_input:
        X = check_array(X, accept_sparse=("csc", "csr"), dtype=[np.float64, np.float32])
        y = check_array(y, dtype=np.float64, ensure_2d=False)
    columns = Columns(X, thread_count(None))
    problem, scale = _problem(columns, y, precompute, Xy, options)
    random = options["selection"] == "random"
    steps = path(
        problem,
        penalties,
        l1_ratio,
        eps=eps,
        scale=scale,
        coef=coef_init,
        positive=positive,
        tol=options["tol"],
        max_iter=options["max_iter"],
        rng=check_random_state(options["random_state"]) if random else None,
        report=report_on(verbose),
    )
    with np.errstate(all="ignore"):
        ((alphas, fits),) = answer(columns, [steps])
    coefs = np.array([fit.point.w for fit in fits]).T.astype(columns.dtype, order="C")
    gaps = np.array([fit.gap for fit in fits]) / scale
    warn_of_path(fits, options["tol"] * problem.y_square, 4)
    if return_n_iter:
        return alphas, coefs, gaps, [fit.n_iter for fit in fits]
    return alphas, coefs, gaps


def _penalties(n_alphas, alphas):
    """The argument `alphas`, after scikit-learn's deprecations."""
    count = 100
    if n_alphas != "deprecated":
        warnings.warn(
            "'n_alphas' was deprecated in 1.9 and will be removed in 1.11. 'alphas' now accepts an integer, "
            "and its default will change from None to 100 in 1.11. Pass 'alphas' instead.",
            FutureWarning,
            stacklevel=4,
        )
        count = n_alphas
    if isinstance(alphas, str):
        return count
    if alphas is None:
        warnings.warn(
            "'alphas=None' is deprecated and will be removed in 1.11, when the default becomes 100. "
            "Set 'alphas=100' to silence this warning.",
            FutureWarning,
            stacklevel=4,
        )
        return count
    return alphas


def _problem(columns, y, precompute, Xy, options):
    """The least-squares problem, and the factor that takes its objective to the documented one."""
    n, p = columns.shape
    weight = options["sample_weight"]
    scale = 1.0 if weight is None else n / float(np.sum(weight, dtype=np.float64))
    given = hasattr(precompute, "__array__") or isinstance(precompute, (list, tuple))
    wanted = given or precompute is True or (isinstance(precompute, str) and n > p)
    if columns.sparse or not wanted or weight is not None:
        problem = CentredColumns(columns, y, weight, intercept=False)
        if columns.sparse and options["X_offset"] is not None:
            problem.mean = np.asarray(options["X_offset"] / options["X_scale"], np.float64)
        return problem, scale
    y = np.asarray(y, np.float64)
    if given:
        gram = np.asarray(precompute)
        check_gram(columns, np.zeros(p), None, gram)
        gram = np.array(gram, np.float64, order="C")
    else:
        gram = gram_of_columns(columns)
    cross = columns.products(y[:, None])[:, 0] if Xy is None else np.asarray(Xy, np.float64)
    return CentredGram(gram / n, cross / n, float(y @ y) / n, float(n)), scale


def check_gram(columns, mean, weight, gram):
    """Raise unless one row of `gram` is what the columns give, in weights that sum to n."""
    n, p = columns.shape
    if gram.shape != (p, p):
        raise ValueError(f"precompute must have shape ({p}, {p}), the number of features, got {gram.shape}")
    j = p // 2
    column = columns.X[:, [j]].astype(np.float64).ravel() - mean[j]
    share = np.ones(n) if weight is None else weight * (n / weight.sum(dtype=np.float64))
    u = share * column
    expected = columns.products(u[:, None])[:, 0] - mean * u.sum()
    single = np.float32 in (gram.dtype, columns.dtype)
    size = np.sqrt(np.abs(np.diag(gram) * expected[j]), dtype=np.float64)
    wrong = np.abs(gram[j] - expected) > 1e-5 + (1e-4 if single else 1e-7) * size
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            "Gram matrix passed in via 'precompute' parameter did not pass validation against one row "
            f"that was computed from X: element ({j},{k}) should be {expected[k]}, but is {gram[j, k]}."
        )


def gram_of_columns(columns):
    """`Xᵀ X`, dense, in float64."""
    rows = _CentredRows(
        Design(columns.X, columns.n_threads), np.zeros((columns.shape[0], 1)), None, intercept=False
    )
    rows.gather()
    return rows.gram


def report_on(verbose):
    """What is told of each penalty, as scikit-learn does it."""

    def tell(i, n, fit):
        if verbose > 1:
            print(f"Path: {i:03d} out of {n:03d}" if verbose == 2 else fit)
        elif verbose:
            sys.stderr.write(".")

    return tell


def grid(correlation, l1_ratio, eps, n_alphas, positive):
    """Penalties on a logarithmic grid, from the smallest that sets all coefficients to zero downwards."""
    if l1_ratio == 0:
        raise ValueError(
            "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid by "
            "providing your estimator with the appropriate `alphas=` argument."
        )
    largest = (correlation if positive else np.abs(correlation)).max(initial=0.0) / l1_ratio
    if not largest > SMALLEST:
        return np.full(n_alphas, SMALLEST)
    return np.geomspace(largest, largest * eps, num=n_alphas)


def path(
    problem, alphas, l1_ratio, *, eps=1e-3, scale=1.0, coef=None, report=None, positive=False, **options
):
    """Generator: the penalties, and a `Fit` for each."""
    point = yield from elastic_net.start(problem, coef)
    if isinstance(alphas, Integral):
        alphas = grid(point.correlation / scale, l1_ratio, eps, alphas, positive)
    elif len(alphas) > 1:
        alphas = np.sort(alphas)[::-1]
    l1s, l2s = [scale * share * np.asarray(alphas, np.float64) for share in (l1_ratio, 1.0 - l1_ratio)]
    fits: list = []
    before = None
    options.setdefault("margin", MARGIN)
    swept = {name: value for name, value in options.items() if name != "rng"}
    while (i := len(fits)) < len(l1s):
        if problem.sweepable and options.get("rng") is None:
            fits += elastic_net.along(problem, point, l1s[i:], l2s[i:], positive=positive, **swept)
        if len(fits) == i:
            fit = yield from elastic_net.minimise(
                problem, point, l1s[i], l2s[i], positive=positive, l1_before=before, **options
            )
            fits.append(fit)
            if fit.n_iter or before is None:
                before = l1s[i]
        point = fits[-1].point
    if report is not None:
        for i, fit in enumerate(fits):
            report(i, len(fits), fit)
    return alphas, fits


def warn_of_path(fits, enough, stacklevel):
    """One ConvergenceWarning for all that have not converged."""
    worst = [fit for fit in fits if not fit.converged]
    if worst:
        warnings.warn(
            "Objective did not converge. You might want to increase the number of iterations, scale the "
            f"features or raise the penalties: {len(worst)} of {len(fits)} fits. Largest duality gap: "
            f"{max(fit.gap for fit in worst):.6e}, tolerance: {enough:.3e}.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
