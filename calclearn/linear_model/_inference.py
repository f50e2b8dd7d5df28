r"""Standard errors, tests and intervals of unpenalised linear models, computed when they are asked for.

The covariance of the coefficients is the inverse information of a likelihood, or the sandwich that holds
without one.  Everything comes from the loss's first and second derivatives at the coefficients.
Derivation: docs/derivations/inference.md, equations (1) to (15).
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
import scipy.linalg
import scipy.stats
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from .._runtime.threads import blas_threads, chunks
from ..base import Real, check_weights, drop_weightless, validate
from ..losses import (
    Gamma,
    LogLoss,
    MultinomialLogLoss,
    Poisson,
    SquaredError,
    Tweedie,
    TweedieIdentity,
    pointwise,
)
from ._logistic_problem import row_weights

COVARIANCES = ("nonrobust", "HC0", "HC1", "HC2", "HC3")
LIKELIHOODS = (SquaredError, LogLoss, MultinomialLogLoss, Poisson, Gamma, Tweedie, TweedieIdentity)
BLOCK = 1 << 18  # entries of X that are made float64 and multiplied at a time
AWAY = 1e-2  # standard errors that Newton's method may still move a coefficient of a fit that has converged
SURE = 1e-10  # 1 - leverage below which a row has no residual to judge by


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Inference:
    """What the data say about the coefficients of a fitted linear model; prints as a table.

    Attributes
    ----------
    names : tuple of str
        What the q coefficients belong to: the features, then "intercept"; with several classes each
        preceded by its class.
    coefficients : ndarray of shape (q,)
        As fitted, but for one step of Newton's method, where that is a short one: `fit` stops within its
        `tol`.  With several classes the differences from those of the first class.
    standard_errors : ndarray of shape (q,)
    statistics : ndarray of shape (q,)
        Coefficients over standard errors.
    p_values : ndarray of shape (q,)
        Of the two-sided tests that a coefficient is zero.
    intervals : ndarray of shape (q, 2)
        Confidence intervals of the `level`.
    covariance : ndarray of shape (q, q)
        Of the coefficients.
    dispersion : float or None
        The factor of the variance, where it is estimated: Pearson's statistic over `df_resid`.
    n_obs : int
        Rows of positive weight.
    df_resid : int
        ``n_obs - q``.
    cov_type : str
        How the covariance was estimated.
    distribution : {"z", "t"}
        Of the statistics: normal, or Student's t with `df_resid` degrees of freedom.
    level : float
        Confidence of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.linear_model import LinearRegression
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> y = [2.1, 3.9, 6.2, 7.8, 10.1]
    >>> print(LinearRegression().fit(X, y).inference(X, y))
    5 rows, 3 residual degrees of freedom, covariance nonrobust, dispersion 0.0356667
               coefficient  std. error       t    P>|t|  95 % from       to
    x0                1.99     0.05972  33.321  5.9e-05    1.79994  2.18006
    intercept         0.05      0.1981   0.252   0.8170   -0.58036  0.68036
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    standard_errors: np.ndarray
    statistics: np.ndarray
    p_values: np.ndarray
    intervals: np.ndarray
    covariance: np.ndarray
    dispersion: float | None
    n_obs: int
    df_resid: int
    cov_type: str
    distribution: str
    level: float

    def to_frame(self):
        """A pandas frame with a row for each coefficient.

        Returns
        -------
        pandas.DataFrame
            Indexed by `names`, with the columns "coefficient", "standard_error", "z" or "t", "p_value",
            "lower" and "upper".

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("Inference.to_frame needs pandas, which is not installed") from error
        return pandas.DataFrame(
            {
                "coefficient": self.coefficients,
                "standard_error": self.standard_errors,
                self.distribution: self.statistics,
                "p_value": self.p_values,
                "lower": self.intervals[:, 0],
                "upper": self.intervals[:, 1],
            },
            index=list(self.names),
        )

    def __str__(self):
        about = f"{self.n_obs} rows, {self.df_resid} residual degrees of freedom, covariance {self.cov_type}"
        if self.dispersion is not None:
            about += f", dispersion {self.dispersion:.6g}"
        z, share = self.distribution, f"{100 * self.level:g} %"
        header = ("", "coefficient", "std. error", z, f"P>|{z}|", f"{share} from", "to")
        numbers = zip(
            self.coefficients, self.standard_errors, self.statistics, self.p_values, *self.intervals.T
        )
        table = [
            header,
            *(
                (name, f"{w:.6g}", f"{e:.4g}", f"{t:.3f}", _probability(p), f"{low:.6g}", f"{high:.6g}")
                for name, (w, e, t, p, low, high) in zip(self.names, numbers)
            ),
        ]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(k) for c, k in zip(row[1:], widths[1:]))])
            for row in table
        ]
        return "\n".join([about, *(line.rstrip() for line in lines)])

    def __repr__(self):
        n = len(self.names)
        return f"<Inference on {n} coefficients: cov_type={self.cov_type!r}, n_obs={self.n_obs}>"


def _probability(p):
    return f"{p:.4f}" if p >= 1e-4 else f"{p:.1e}"


class InferenceMixin:
    """``inference`` for estimators of one output; a subclass says its loss and what forbids it."""

    _least_squares = False  # then the statistics follow Student's t, as in the textbooks

    def inference(self, X, y, sample_weight=None, *, cov_type="nonrobust", level=0.95):
        """Standard errors, tests and confidence intervals of the coefficients of an unpenalised fit.

        Nothing is kept from `fit` for it: hand in the data of the fit again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The features that the model was fitted to.
        y : array-like of shape (n_samples,)
            Its targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Its weights: inversely proportional to the variances of the rows, as in weighted least squares.
            They are not counts of repeated rows: `n_obs` is the number of rows of positive weight.
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3"}, default="nonrobust"
            "nonrobust" believes in the likelihood: the inverse of the expected information, times the
            dispersion.  The others are sandwiches that hold if only the mean is right (White, 1980): HC1 is
            HC0 times ``n_obs / df_resid``, HC2 and HC3 divide a squared residual by ``1 - leverage`` and
            by its square.
        level : float, default=0.95
            Confidence of the intervals, between 0 and 1.

        Returns
        -------
        Inference
            With a method ``to_frame``, and a table as its string.

        Raises
        ------
        ValueError
            For penalised or bounded fits, columns of X that depend on each other, losses without curvature,
            "nonrobust" for a loss that is no likelihood, no residual degrees of freedom, or invalid
            arguments.

        Warns
        -----
        ConvergenceWarning
            If the coefficients are not at the optimum of these data.
        """
        return self._infer(X, y, sample_weight, cov_type, level)

    def _infer(self, X, y, sample_weight, cov_type, level, offset=None):
        check_is_fitted(self)
        if cov_type not in COVARIANCES:
            raise ValueError(f"cov_type must be one of {list(COVARIANCES)}, got {cov_type!r}")
        if not (isinstance(level, Real) and 0 < level < 1):
            raise ValueError(f"level must be between 0 and 1, got {level!r}")
        refusal = self._no_inference()
        if refusal:
            name = type(self).__name__
            raise ValueError(f"{name}.inference is for fits without penalty or bound: {refusal}")
        loss, X, y, weight = self._rows_of_inference(X, y, sample_weight)
        if offset is not None and weight is not None:
            offset = offset[weight > 0]
        weight, X, y = drop_weightless(weight, X, y)
        rows = _Rows(loss, X, y, weight, offset, _contrasts(self), self.fit_intercept)
        with blas_threads(1):
            return _infer(rows, cov_type, level, _names(self, rows), self._least_squares)

    def _no_inference(self) -> str:
        """Why the distribution of the coefficients is unknown, if it is."""
        alpha = getattr(self, "alpha", 0.0)
        return f"alpha must be 0, got {alpha!r}" if alpha else ""

    def _rows_of_inference(self, X, y, sample_weight):
        """`(loss, X, y, weight)` as `fit` hands them to the objective."""
        X, y = validate(self, X, y, reset=False, y_numeric=True)
        loss = self._loss()
        loss.check_targets(y)
        return loss, X, y, check_weights(sample_weight, X)


class ClassifierInferenceMixin(InferenceMixin):
    """The same for labels, whose indices the loss takes as targets."""

    def _rows_of_inference(self, X, y, sample_weight):
        X, y = validate(self, X, y, reset=False)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ValueError(f"y holds the label {np.asarray(y)[~known][0]!r}, which fit has not seen")
        codes = np.searchsorted(self.classes_, y)
        weight = row_weights(sample_weight, self.class_weight, X, y, self.classes_, codes)
        return self._loss(), X, self._targets(codes), weight

    def _targets(self, codes):
        """What the loss takes for these indices of classes."""
        return codes


class _Rows:
    """Rows of curvature and score, in the coefficients `[w, b]` or the contrasts of several classes.

    With F = Σ s ℓ, each block yields rows A with AᵀA (or Aᵀ diag(sign) A) its Hessian, and its score rows.
    """

    def __init__(self, loss, X, y, weight, offset, theta, intercept):
        self.loss, self.X, self.y, self.weight = loss, X, y.astype(np.float64, copy=False), weight
        self.offset, self.theta, self.intercept = offset, theta, intercept
        several = hasattr(loss, "value_row")
        self.n, self.K, self.q = X.shape[0], len(theta) + 1 if several else 1, theta.size
        width = max(self.q * self.K, 1)
        self.blocks = [slice(i, j) for i, j in chunks(self.n, max(BLOCK // width, 64))]
        raw = np.concatenate([self._dense(rows) @ theta.T for rows in self.blocks])
        if offset is not None:
            raw += np.asarray(offset, np.float64)[:, None]
        self.raw = np.column_stack([np.zeros(self.n), raw]) if several else raw[:, 0]
        self.gradient, self.curvature = pointwise.gradient_hessian(loss, self.y, self.raw)

    @property
    def coefficients(self):
        return self.theta.ravel()

    def moved(self, step):
        """The same rows, at coefficients that are so far away."""
        theta = self.theta + step.reshape(self.theta.shape)
        return _Rows(self.loss, self.X, self.y, self.weight, self.offset, theta, self.intercept)

    def _dense(self, rows):
        X = self.X[rows]
        X = (X.toarray() if issparse(X) else X).astype(np.float64, copy=False)
        return np.column_stack([X, np.ones(len(X))]) if self.intercept else X

    def _weights(self, rows):
        return 1.0 if self.weight is None else self.weight[rows]

    def expected(self):
        """The curvature where the target is the mean: of a likelihood its expectation."""
        if self.K > 1:
            return self.curvature
        mean = np.asarray(self.loss.mean(self.raw), np.float64)
        return pointwise.gradient_hessian(self.loss, mean, self.raw)[1]

    def curvatures(self, rows, h):
        """`(A, sign)`, for each row of X as many rows as there are classes, or one."""
        Z, s = self._dense(rows), self._weights(rows)
        if self.K == 1:
            sign = np.sign(h[rows])
            return np.sqrt(s * np.abs(h[rows]))[:, None] * Z, sign
        p = self.probabilities(rows)
        contrast = (np.eye(self.K) - p[:, None, :])[:, :, 1:] * np.sqrt(s * p.T).T[:, :, None]
        return (contrast[..., None] * Z[:, None, None, :]).reshape(-1, self.q), np.ones(self.K * len(Z))

    def scores(self, rows):
        """The gradient of each row, of shape (rows, q)."""
        Z, slope = self._dense(rows), np.atleast_2d(self.gradient.T).T[rows]
        slope = slope[:, 1:] if self.K > 1 else slope
        slope = slope * np.reshape(self._weights(rows), (-1, 1))
        return (slope[:, :, None] * Z[:, None, :]).reshape(len(Z), self.q)

    def probabilities(self, rows):
        """Of the classes, from the slopes: p - [k = y]."""
        p = self.gradient[rows].copy()
        p[np.arange(len(p)), self.y[rows].astype(np.intp)] += 1.0
        return p

    def pearson(self, expected):
        """Pearson's statistic Σ s (y - μ)²/V(μ), equation (8)."""
        s = self._weights(slice(None))
        return float(np.sum(s * self.gradient**2 / expected))


class _Information:
    """The Hessian as RᵀMR, where R comes from rows of X and not from their Gram matrix."""

    def __init__(self, rows: _Rows, h, names):
        self.rows, self.h = rows, h
        R = np.zeros((0, rows.q))
        for block in rows.blocks:
            R = np.asarray(np.linalg.qr(np.vstack([R, rows.curvatures(block, h)[0]]), mode="r"))
        if len(R) < rows.q:
            raise ValueError(f"X is rank deficient: {rows.n} rows do not determine {rows.q} coefficients")
        norms = np.sqrt(np.einsum("ij,ij->j", R, R))
        if not norms.any():
            raise ValueError(
                f"{rows.loss!r} has no curvature at these data, as losses with kinks have none: "
                "the covariance of its coefficients does not follow from derivatives"
            )
        scaled = R / np.where(norms > 0, norms, 1.0)
        values, vectors = np.linalg.svd(scaled)[1:]
        if not values[-1] > max(rows.n, rows.q) * np.finfo(np.float64).eps * values[0]:
            of = [name for name, share in zip(names, np.abs(vectors[-1])) if share > 1e-3]
            raise ValueError(
                "X is rank deficient: some columns are constant or combinations of others (see "
                f"{', '.join(of[:6])}), so that their coefficients are not determined"
            )
        self.R, self.M = R, np.eye(rows.q)
        if rows.K == 1 and (h < 0).any():
            self.M = np.zeros((rows.q, rows.q))
            for block in rows.blocks:
                A, sign = rows.curvatures(block, h)
                T = self.reduce(A)
                self.M += (T * sign[:, None]).T @ T
            if not scipy.linalg.eigvalsh(self.M)[0] > 0:
                raise ValueError(
                    f"{rows.loss!r}: the Hessian at the coefficients is not positive definite, they are no "
                    "minimum"
                )

    def reduce(self, A):
        """`A R⁻¹`."""
        return scipy.linalg.solve_triangular(self.R, A.T, trans=1).T

    def times(self, meat):
        """:math:`H^{-1} R^T B R H^{-1}` for B = `meat`."""
        half = scipy.linalg.solve_triangular(self.R, np.linalg.solve(self.M, meat))
        half = scipy.linalg.solve_triangular(self.R, np.linalg.solve(self.M, half.T))
        return 0.5 * (half + half.T)

    def inverse(self):
        return self.times(self.M)

    def newton_step(self):
        total = sum(self.reduce(self.rows.scores(block)).sum(axis=0) for block in self.rows.blocks)
        return -scipy.linalg.solve_triangular(self.R, np.linalg.solve(self.M, total))

    def leverages(self, block):
        A, sign = self.rows.curvatures(block, self.h)
        T = self.reduce(A)
        return sign * np.einsum("ij,ij->i", T @ np.linalg.inv(self.M), T)


def _infer(rows: _Rows, cov_type, level, names, least_squares) -> Inference:
    robust = cov_type != "nonrobust"
    if not robust and type(rows.loss) not in LIKELIHOODS:
        raise ValueError(
            f"cov_type='nonrobust' needs a likelihood, which {rows.loss!r} is not: use one of "
            f"{list(COVARIANCES[1:])}"
        )
    step = _Information(rows, rows.curvature, names).newton_step()
    polished = rows.moved(step)
    covariance, dispersion = _covariance(polished, cov_type, names)
    errors = np.sqrt(np.diag(covariance))
    if _is_far(rows, polished, step, errors, names):
        polished = rows
        covariance, dispersion = _covariance(rows, cov_type, names)
        errors = np.sqrt(np.diag(covariance))
    by_t = least_squares and not robust
    df_resid = rows.n - rows.q
    distribution: Any = scipy.stats.t(df_resid) if by_t else scipy.stats.norm
    coefficients = polished.coefficients
    with np.errstate(divide="ignore", invalid="ignore"):  # of data that are fitted exactly
        statistics = coefficients / errors
    half = distribution.isf(0.5 * (1.0 - level)) * errors
    return Inference(
        names=names,
        coefficients=coefficients,
        standard_errors=errors,
        statistics=statistics,
        p_values=2.0 * distribution.sf(np.abs(statistics)),
        intervals=np.column_stack([coefficients - half, coefficients + half]),
        covariance=covariance,
        dispersion=dispersion,
        n_obs=rows.n,
        df_resid=df_resid,
        cov_type=cov_type,
        distribution="t" if by_t else "z",
        level=float(level),
    )


def _covariance(rows, cov_type, names):
    """`(covariance, dispersion)`, the latter None where it is known or there is none."""
    dispersion, df_resid, likelihood = None, rows.n - rows.q, type(rows.loss) in LIKELIHOODS
    estimated = likelihood and not _known_dispersion(rows.loss)
    if df_resid <= 0 and (estimated or cov_type == "HC1"):
        raise ValueError(
            f"{rows.n} rows leave no degrees of freedom beside {rows.q} coefficients for a variance"
        )
    expected = rows.expected() if likelihood else None
    if estimated:
        dispersion = rows.pearson(expected) / df_resid
    if cov_type != "nonrobust":
        return _sandwich(_Information(rows, rows.curvature, names), cov_type), dispersion
    covariance = _Information(rows, expected, names).inverse()
    return covariance * (1.0 if dispersion is None else dispersion), dispersion


def _known_dispersion(loss):
    return isinstance(loss, (LogLoss, MultinomialLogLoss, Poisson)) or getattr(loss, "power", None) == 1.0


def _sandwich(information, cov_type):
    """The covariance without a likelihood, equations (10) to (14)."""
    rows = information.rows
    leveraged = cov_type in ("HC2", "HC3")
    if leveraged and rows.K > 1:
        raise ValueError(f"cov_type={cov_type!r} needs one leverage a row, which several classes have not")
    if leveraged and (information.h < 0).any():
        raise ValueError(
            f"cov_type={cov_type!r} needs leverages between 0 and 1, which {rows.loss!r} has not: it is not "
            "convex at these data"
        )
    meat = np.zeros((rows.q, rows.q))
    for block in rows.blocks:
        S = information.reduce(rows.scores(block))
        if leveraged:
            rest = 1.0 - information.leverages(block)
            if rest.min() < SURE:
                raise ValueError(
                    f"cov_type={cov_type!r}: row {block.start + int(rest.argmin())} alone determines a "
                    "coefficient (its leverage is 1), so that it has no residual to judge by"
                )
            S = S / (np.sqrt(rest) if cov_type == "HC2" else rest)[:, None]
        meat += S.T @ S
    covariance = information.times(meat)
    return covariance * rows.n / (rows.n - rows.q) if cov_type == "HC1" else covariance


def _is_far(rows, polished, step, errors, names) -> bool:
    """Whether Newton's step is a long one, measured in standard errors; warns if so."""
    rounding = 1e-10 * (np.abs(rows.raw).max(initial=0.0) + np.abs(rows.y).max(initial=0.0))
    if np.abs(polished.raw - rows.raw).max(initial=0.0) <= rounding:
        return False
    with np.errstate(divide="ignore"):
        away = np.abs(step) / errors
    worst = int(away.argmax())
    if away[worst] <= AWAY:
        return False
    warnings.warn(
        "The coefficients are not at the optimum of these data: a Newton step would move "
        f"{names[worst]!r} by {away[worst]:.2g} standard errors. Either fit did not converge, or it had "
        "other "
        "data or weights: the standard errors are right for neither.",
        ConvergenceWarning,
        stacklevel=5,
    )
    return True


def _contrasts(estimator):
    """The coefficients, the intercept's last; of several classes in a row for each but the first."""
    coef = estimator.coef_.toarray() if issparse(estimator.coef_) else estimator.coef_
    theta = np.atleast_2d(np.asarray(coef, np.float64))
    if estimator.fit_intercept:
        theta = np.column_stack([theta, np.broadcast_to(estimator.intercept_, (len(theta),))])
    return theta if len(theta) == 1 else theta[1:] - theta[0]


def _names(estimator, rows):
    p = rows.X.shape[1]
    names = [str(name) for name in getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(p)])]
    names += ["intercept"] * bool(rows.intercept)
    if rows.K == 1:
        return tuple(names)
    return tuple(f"{label}: {name}" for label in estimator.classes_[1:] for name in names)
