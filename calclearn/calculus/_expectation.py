r"""Expectations, and the gradients of expectations in the parameters of the distribution.

:math:`\operatorname{E} f(x) = \int f(x)\,p(x)\,\mathrm dx` is an integral, by quadrature where `x` is a
number, or a mean over random draws, whose standard error says how far to trust it.  Its gradient in the
parameters of `p` is again an expectation, in two ways: of the score,
:math:`f(x)\,\nabla_\theta \log p(x; \theta)`, or of the path that a draw takes when the parameters move,
:math:`f'(x)\,\nabla_\theta x`.

Derivation: docs/derivations/expectation.md.  Source: Mohamed, Rosca, Figurnov and Mnih, "Monte Carlo Gradient
Estimation in Machine Learning", JMLR 21 (2020).
"""

import html
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import floor, inf, log10

import numpy as np
import scipy  # its parts are imported when they are used

from . import operators
from .limits import wynn

CUTS = (np.log(2.0), 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)  # of -log of the probability of a tail
FIRST_BLOCK, MOST_TERMS = 64, 2**20  # of a sum over integers
PROBES = 8  # draws at which a function that returns one number for all of them is asked for one
SHRINK = 6  # how often a step that leaves the domain of a parameter is divided by ten
STEP = (2.0**-52) ** (1 / 5)  # balances truncation and rounding of differences of fourth order


def _plus_minus(value, error):
    """The value to one digit more than its error."""
    decimals = 1 - floor(log10(error)) if 0 < error < inf else 8
    number = f"{value:.{decimals}f}" if 0 <= decimals <= 8 else f"{value:.8g}"
    return f"{number} ± {error:.1g}"


@dataclass(frozen=True, eq=False, repr=False)
class Expectation:
    """An expectation with its uncertainty.

    Attributes
    ----------
    value : float or ndarray
        The expectation.
    standard_error : float or ndarray
        By Monte Carlo, the standard error of the mean; by quadrature, the estimated error of the integral.
        Infinite where the integral does not converge.
    method : {"quadrature", "monte_carlo"}
    n_samples : int
        Random draws, or evaluations of `f`.

    Examples
    --------
    >>> from scipy import stats
    >>> from calclearn.calculus import expectation
    >>> found = expectation(lambda x: x, stats.poisson(3.0))
    >>> round(found.value, 10), found.standard_error < 1e-8
    (3.0, True)
    """

    value: float | np.ndarray
    standard_error: float | np.ndarray
    method: str
    n_samples: int

    def __repr__(self):
        if np.ndim(self.value) == 0:
            text = _plus_minus(self.value, self.standard_error)
        else:
            numbers = ((self.value, 6), (self.standard_error, 1))
            text = " ± ".join(np.array2string(number, precision=digits) for number, digits in numbers)
        return f"{text} ({self.method.replace('_', ' ')}, {self.n_samples} evaluations)"


@dataclass(frozen=True, eq=False, repr=False)
class ExpectationGradient:
    """The gradient of an expectation in the parameters of its distribution; prints as a table.

    Attributes
    ----------
    value : dict of str to float or ndarray
        The derivative in each parameter, of the parameter's shape.
    standard_error : dict of str to float or ndarray
        Of each.
    expectation : Expectation
        The expectation itself, from the same draws.
    estimator : {"score", "pathwise"}
    n_samples : int
        Random draws.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> from calclearn.calculus import expectation_gradient
    >>> found = expectation_gradient(np.square, stats.norm, {"loc": 1.0, "scale": 2.0}, random_state=0)
    >>> sorted(found.value), abs(found.value["loc"] - 2.0) < 4.0 * found.standard_error["loc"]
    (['loc', 'scale'], True)
    """

    value: dict[str, float | np.ndarray]
    standard_error: dict[str, float | np.ndarray]
    expectation: Expectation
    estimator: str
    n_samples: int

    def _rows(self):
        for name, value in self.value.items():
            for index in np.ndindex(np.shape(value)):
                label = name + (f"[{', '.join(map(str, index))}]" if index else "")
                yield (
                    label,
                    float(np.asarray(value)[index]),
                    float(np.asarray(self.standard_error[name])[index]),
                )

    def __repr__(self):
        rows = list(self._rows())
        width = max(len(name) for name, _, _ in rows)
        title = f"gradient of an expectation ({self.estimator}, {self.n_samples} draws)"
        return "\n".join(
            [title, *(f"  {name:{width}}  {_plus_minus(value, error)}" for name, value, error in rows)]
        )

    def _repr_html_(self):
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_plus_minus(value, error)}</td></tr>"
            for name, value, error in self._rows()
        )
        return f"<table><caption>{self.estimator}, {self.n_samples} draws</caption>{rows}</table>"


def expectation(f, distribution, *, method="quadrature", n_samples=10_000, random_state=None) -> Expectation:
    """The expectation of a function of a random variable.

    Parameters
    ----------
    f : callable
        Takes draws, an array of shape (n,), or (n, d) from a multivariate distribution, and returns one
        value a draw: an array whose first axis is n (or a number, for a constant).
    distribution : frozen SciPy distribution
        ``scipy.stats.norm(loc=1.0)``, ``scipy.stats.poisson(3.0)``; with "monte_carlo", anything with a
        method ``rvs(size, random_state)``, such as ``scipy.stats.multivariate_normal(mean, cov)``.
    method : {"quadrature", "monte_carlo"}, default="quadrature"
        Adaptive Gauss–Kronrod integration, or summation for discrete distributions; or a mean over draws.
    n_samples : int, default=10_000
        Draws, for "monte_carlo".
    random_state : int or numpy.random.Generator, optional
        Draws the samples.

    Returns
    -------
    Expectation
        With `value` and `standard_error`, of the shape of one value of `f`.

    Raises
    ------
    ValueError
        If `f` does not return one value a draw, or the method does not suit the distribution.
    TypeError
        If `f` takes numbers only, as ``math.exp``.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> from calclearn.calculus import expectation
    >>> print(round(expectation(np.square, stats.norm(1.0, 2.0)).value, 10))  # mean² + variance
    5.0
    >>> expectation(np.square, stats.norm(1.0, 2.0), method="monte_carlo", random_state=0)
    5.010 ± 0.07 (monte carlo, 10000 evaluations)
    """
    if method == "monte_carlo":
        return _mean(_values(f, _draws(distribution, n_samples, random_state)))
    if method != "quadrature":
        raise ValueError(f"method must be 'quadrature' or 'monte_carlo', got {method!r}")
    if hasattr(distribution, "pdf") and hasattr(distribution, "ppf"):
        return _integral(f, distribution)
    if hasattr(distribution, "pmf") and hasattr(distribution, "ppf"):
        return _sum(f, distribution)
    raise ValueError(
        f"quadrature is for distributions of one number, got {distribution!r}: use 'monte_carlo'"
    )


def expectation_gradient(
    f,
    family,
    parameters,
    *,
    estimator="pathwise",
    n_samples=10_000,
    baseline="mean",
    derivative=None,
    random_state=None,
) -> ExpectationGradient:
    r"""An unbiased Monte Carlo estimate of :math:`\nabla_\theta \operatorname{E}_{x \sim p_\theta} f(x)`.

    Parameters
    ----------
    f : callable
        As in :func:`expectation`; one number a draw.
    family : callable
        ``family(**parameters)`` is a frozen SciPy distribution: ``scipy.stats.norm``, or a function that
        says how the distribution depends on parameters of your own.
    parameters : dict of str to float or array-like
        Where the gradient is wanted, as ``{"loc": 0.0, "scale": 1.0}``.  A symmetric matrix moves
        symmetrically: its gradient is symmetric too.
    estimator : {"pathwise", "score"}, default="pathwise"
        - "pathwise", the reparametrisation estimator, of small variance: :math:`f'(x)\,\nabla_\theta x`.  For
          continuous distributions of one number, where
          :math:`\nabla_\theta x = -\nabla_\theta F(x; \theta) / p(x; \theta)` with the distribution function
          :math:`F`, and for the multivariate normal, where :math:`x = \mu + L z`.  `f` must be continuous:
          the share that jumps contribute is missed.
        - "score", also known as the likelihood-ratio estimator or REINFORCE:
          :math:`(f(x) - b)\,\nabla_\theta \log p(x; \theta)`.  For any `f` and any distribution with a
          density or probabilities whose support does not depend on the parameters, unless the density is 0
          at the end that moves.
    n_samples : int, default=10_000
        Draws; two at least.
    baseline : {"mean"}, float or None, default="mean"
        The :math:`b` of the score estimator, which changes its variance and not its expectation.  "mean"
        is, for each draw, the mean of `f` over all others; None is 0.
    derivative : callable, optional
        :math:`f'` of draws, of their shape, for "pathwise"; by default :func:`calclearn.calculus.gradient`
        derives it.
    random_state : int or numpy.random.Generator, optional
        Draws the samples.

    Returns
    -------
    ExpectationGradient
        With dictionaries `value` and `standard_error`, by parameter.

    Raises
    ------
    ValueError
        If the estimator does not suit the distribution, or something is not finite.
    TypeError
        If `family` is a frozen distribution or has no such parameters, or `parameters` is no dict.

    Notes
    -----
    Derivatives of :math:`\log p`, of :math:`F`, of :math:`\mu` and of :math:`L` in the parameters are central
    differences of fourth order, of about eleven right digits, so that every distribution of SciPy can be
    used; :math:`f'` is exact.

    References
    ----------
    S. Mohamed, M. Rosca, M. Figurnov, A. Mnih, "Monte Carlo Gradient Estimation in Machine Learning", JMLR 21
    (2020), sections 4 and 5.
    M. Figurnov, S. Mohamed, A. Mnih, "Implicit Reparameterization Gradients", NeurIPS (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> from calclearn.calculus import expectation_gradient
    >>> at = {"loc": 1.0, "scale": 2.0}  # E x² = loc² + scale², of gradient (2, 4)
    >>> expectation_gradient(np.square, stats.norm, at, random_state=0)
    gradient of an expectation (pathwise, 10000 draws)
      loc    2.025 ± 0.04
      scale  3.997 ± 0.06
    >>> expectation_gradient(np.square, stats.norm, at, estimator="score", random_state=0)
    gradient of an expectation (score, 10000 draws)
      loc    1.951 ± 0.07
      scale  3.87 ± 0.1
    """
    if not isinstance(parameters, Mapping):
        raise TypeError(f"parameters must be a dict, as {{'loc': 0.0, 'scale': 1.0}}, got {parameters!r}")
    parameters = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    if not parameters:
        raise ValueError("parameters must name at least one, got none")
    if estimator not in ("pathwise", "score"):
        raise ValueError(f"estimator must be 'pathwise' or 'score', got {estimator!r}")
    _checked_count(n_samples, 2)
    distribution = _member(family, parameters)
    draws = _draws(distribution, n_samples, random_state)
    values = _values(f, draws)
    if values.ndim != 1:
        raise ValueError(f"f must return one number a draw, got shape {values.shape} for {n_samples} draws")
    if estimator == "score":
        _check_support(distribution, family, parameters)
        terms = _score_terms(values, draws, family, parameters, baseline)
    else:
        slopes = _slopes(f, derivative, draws)
        terms = _pathwise_terms(slopes, draws, distribution, family, parameters)
    means = {name: _mean(term) for name, term in terms.items()}
    return ExpectationGradient(
        value={name: mean.value for name, mean in means.items()},
        standard_error={name: mean.standard_error for name, mean in means.items()},
        expectation=_mean(values),
        estimator=estimator,
        n_samples=n_samples,
    )


# ------------------------------------------------------------------------------------------- expectations


def _checked_count(n_samples, least):
    if not isinstance(n_samples, numbers.Integral) or n_samples < least:
        raise ValueError(f"n_samples must be an integer of at least {least}, got {n_samples!r}")


def _draws(distribution, n_samples, random_state):
    _checked_count(n_samples, 1)
    rng = np.random.default_rng(random_state)
    draws = np.asarray(distribution.rvs(size=n_samples, random_state=rng), np.float64)
    return draws.reshape(n_samples, *draws.shape[1:]) if n_samples > 1 or draws.ndim else draws.reshape(1)


def _values(f, draws):
    """One value of f for each draw."""
    try:
        values = np.asarray(f(draws), np.float64)
    except (TypeError, ValueError) as error:
        if "Python scalar" in str(error) or "truth value of an array" in str(error):
            raise TypeError(
                f"f gets an array of draws, of shape {draws.shape}, and must not ask for a number: write "
                f"np.exp instead of math.exp, and np.where instead of if ({error})"
            ) from error
        raise
    if values.ndim == 0:
        constant = np.full(len(draws), float(values))
        alone = [f(draw[None]) for draw in draws[:PROBES]] if len(draws) > 1 else []
        if not all(np.array_equal(np.ravel(one), [values], equal_nan=True) for one in alone):
            raise ValueError(
                "f returns one number for all draws, which depends on them; it gets an array of draws, of "
                f"shape {draws.shape}, and must return one value for each: "
                + ("sums and means need axis=1" if draws.ndim > 1 else "leave out sums and means")
            )
        return constant
    if len(values) != len(draws):
        raise ValueError(f"f must return one value a draw, got shape {values.shape} for {len(draws)} draws")
    return values


def _mean(values):
    """Mean and standard error over the first axis."""
    n = len(values)
    error = values.std(axis=0, ddof=1) / n**0.5 if n > 1 else np.full(values.shape[1:], np.nan)
    return Expectation(_plain(values.mean(axis=0)), _plain(error), "monte_carlo", n)


def _plain(array):
    """A float where there is one number."""
    return array.item() if np.ndim(array) == 0 else array


def _integral(f, distribution):
    r"""Both halves as integrals over :math:`v = -\log P`, with the probability P of the tail beyond x.

    However heavy the tail, the integrand is about an exponential there, and no feature of the density is
    missed.
    """
    value, error, n_evaluations = 0.0, 0.0, 0
    for quantile in (distribution.ppf, distribution.isf):

        def integrand(v, quantile=quantile):
            probability = np.exp([-v])
            return _values(f, quantile(probability))[0] * probability[0]

        with np.errstate(all="ignore"):
            cuts = [v for v in CUTS if np.isfinite(quantile(np.exp(-v)))]
            for a, b in pairwise(cuts):
                known = 1e-14 * np.abs(value).max(initial=1e-300)
                part, uncertainty, details = scipy.integrate.quad_vec(
                    integrand, a, b, epsabs=known, epsrel=1e-11, norm="max", limit=100, full_output=True
                )
                value, error, n_evaluations = value + part, error + uncertainty, n_evaluations + details.neval
            inner, outer = (np.abs(integrand(v)).max(initial=0.0) for v in cuts[-2:])
            if outer > 0:  # what is beyond: an exponential's tail, or there is no expectation
                falls = outer < 0.9 * inner
                error += outer * (cuts[-1] - cuts[-2]) / np.log(inner / outer) if falls else np.inf
    value = np.asarray(value)
    error = np.where(np.isfinite(value) & np.isfinite(error), error, np.inf)
    return Expectation(_plain(value), _plain(error), "quadrature", n_evaluations)


def _sum(f, distribution):
    """Over integers, from the median in both directions, in blocks that double; the rest is extrapolated."""
    low, high = distribution.support()
    middle = float(np.clip(distribution.ppf(0.5), low, high))
    with np.errstate(all="ignore"):
        right, left = (
            _series(f, distribution, middle, 1, high - middle),
            _series(f, distribution, middle - 1, -1, middle - 1 - low),
        )
        value, error, mass, n_terms = (a + b for a, b in zip(right, left))
        error = error + abs(1.0 - mass) * np.abs(value)  # of probabilities that do not add up to 1
    error = np.where(np.isfinite(value) & np.isfinite(error), error, np.inf)
    return Expectation(_plain(value), _plain(error), "quadrature", n_terms)


def _series(f, distribution, start, sign, last):
    """The sum of f(k) P(k) over k = start, start + sign, ..., its error, the sum of P(k), and its terms.

    There are `last` steps, which may be infinity.
    """
    if last < 0:
        return np.zeros(_values(f, np.array([start + 1.0])).shape[1:]), 0.0, 0.0, 0
    sums, mass, done = [], 0.0, 0
    while done <= last and done < MOST_TERMS:
        size = int(min(max(FIRST_BLOCK, done), last + 1 - done))
        k = start + sign * np.arange(done, done + size)
        values, weights = _values(f, k), distribution.pmf(k)
        mass, done = mass + weights.sum(), done + size
        weights = weights.reshape(-1, *(1,) * (values.ndim - 1))
        terms = np.where(weights > 0, values, 0.0) * weights
        sums.append((sums[-1] if sums else 0.0) + terms.sum(axis=0))
        if len(sums) > 1 and (np.abs(sums[-1] - sums[-2]) <= 2e-16 * np.abs(sums[-1])).all():
            break
    else:
        if done <= last:
            return *_extrapolated(np.array(sums)), mass, done
    return np.asarray(sums[-1]), 1e-15 * np.abs(sums[-1]), mass, done


def _extrapolated(sums):
    """The limit of the sums over 1, 2, 4, ... blocks, and its error; infinite where they do not slow down."""
    before, last = np.abs(np.diff(sums[-3:], axis=0))
    if (last > 0.999 * before).any():
        return sums[-1], np.full(sums.shape[1:], np.inf)
    best, shorter = np.apply_along_axis(lambda s: [wynn(s), wynn(s[:-1])], 0, sums[-9:])
    return best, np.abs(best - shorter)


# ---------------------------------------------------------------------------------------------- gradients


def _member(family, parameters):
    """The distribution of a family with these parameters."""
    if not callable(family):
        raise TypeError(
            f"family must make a distribution of its parameters, as stats.norm does; got {family!r}, which "
            "has them already"
        )
    try:
        return family(**parameters)
    except TypeError as error:
        known = ""
        if hasattr(family, "shapes"):  # SciPy's own
            names = [*(family.shapes or "").replace(",", " ").split(), "loc"]
            names += ["scale"] if hasattr(family, "pdf") else []
            known = f"; its parameters are {', '.join(names)}"
        raise TypeError(f"family cannot take the parameters {list(parameters)}{known} ({error})") from error


def _check_support(distribution, family, parameters):
    """The score misses what comes in or goes out at an end that moves, unless the density is 0 there."""
    if not hasattr(distribution, "support"):
        return
    density = distribution.pdf if hasattr(distribution, "pdf") else distribution.pmf
    ends = np.array(distribution.support(), np.float64)
    for name, value in parameters.items():
        step = STEP * np.where(value, np.abs(value), 1.0)
        for there in (value + step, value - step):
            moved = np.array(family(**parameters | {name: there}).support(), np.float64)
            moves = (moved != ends) & ~np.isnan(moved)  # NaN is outside of the domain of the parameter
            if (density(ends[moves]) > 0).any():
                raise ValueError(
                    f"the support of the distribution, {tuple(ends.tolist())}, moves with {name}, and the "
                    "score is then biased: use estimator='pathwise'"
                )


def _in_parameters(function, parameters):
    """The derivative of an array in each parameter, whose axes come last, by differences of order 4."""
    return {name: _in_one(function, parameters, name) for name in parameters}


def _in_one(function, parameters, name):
    value = parameters[name]
    symmetric = value.ndim == 2 and value.shape[0] == value.shape[1] and (value == value.T).all()
    columns = []
    for index in np.ndindex(value.shape):
        unit = np.zeros(value.shape)
        unit[index] = 1.0
        unit = 0.5 * (unit + unit.T) if symmetric else unit
        h = STEP * (abs(float(value[index])) or 1.0)
        for _ in range(SHRINK + 1):
            with np.errstate(all="ignore"):
                one, two = (
                    function(parameters | {name: value + k * h * unit})
                    - function(parameters | {name: value - k * h * unit})
                    for k in (1, 2)
                )
                column = (8.0 * one - two) / (12.0 * h)
            if np.isfinite(column).all():
                break
            h /= 10.0  # the step left the domain of the parameter
        else:
            raise ValueError(f"the distribution has no finite derivative in {name}, at {value}")
        columns.append(column)
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *value.shape)


def _score_terms(values, draws, family, parameters, baseline):
    """(f - b) ∇ log p at each draw."""
    n = len(values)
    if baseline == "mean":
        centred = (values - values.mean()) * (n / (n - 1))  # f less its mean over all other draws
    elif baseline is None or isinstance(baseline, (int, float)):
        centred = values - (baseline or 0.0)
    else:
        raise ValueError(f"baseline must be 'mean', a number or None, got {baseline!r}")

    def log_density(at):
        distribution = family(**at)
        log_p = distribution.logpdf if hasattr(distribution, "logpdf") else distribution.logpmf
        return log_p(draws)

    scores = _in_parameters(log_density, parameters)
    return {name: _times(centred, score) for name, score in scores.items()}


def _times(values, slopes):
    """Numbers, one a draw, times arrays, one a draw."""
    return values.reshape(-1, *(1,) * (slopes.ndim - 1)) * slopes


def _slopes(f, derivative, draws):
    """The derivative of f at the draws, which do not influence one another."""
    if derivative is None:
        return operators.gradient(lambda x: np.sum(f(x)), draws)
    slopes = np.asarray(derivative(draws), np.float64)
    if slopes.shape != draws.shape:
        raise ValueError(f"derivative must return the shape of the draws, {draws.shape}, got {slopes.shape}")
    return slopes


def _pathwise_terms(slopes, draws, distribution, family, parameters):
    """f'(x) ∇x at each draw."""
    if draws.ndim == 2 and hasattr(distribution, "mean") and hasattr(distribution, "cov"):
        return _paths_of_normals(slopes, draws, distribution, family, parameters)
    if draws.ndim != 1 or not hasattr(distribution, "pdf"):
        raise ValueError(
            "the pathwise estimator is for continuous distributions of one number and for "
            f"multivariate_normal, got {distribution!r}: use estimator='score'"
        )
    upper = draws > distribution.median()  # whose distance from 1 keeps its digits

    def distribution_function(at):
        moved = family(**at)
        return np.where(upper, -moved.sf(draws), moved.cdf(draws))

    density = distribution.pdf(draws)
    moved = _in_parameters(distribution_function, parameters)
    return {name: _times(-slopes / density, change) for name, change in moved.items()}


def _paths_of_normals(slopes, draws, distribution, family, parameters):
    """With x = mean + L z, where L is the Cholesky factor of the covariance and z stays."""
    factor = np.linalg.cholesky(distribution.cov)
    z = np.linalg.solve(factor, (draws - distribution.mean).T).T
    means = _in_parameters(lambda at: np.asarray(family(**at).mean), parameters)
    factors = _in_parameters(lambda at: np.linalg.cholesky(family(**at).cov), parameters)
    return {
        name: np.tensordot(slopes, means[name], (1, 0))
        + np.einsum("ni,nj,ij...->n...", slopes, z, factors[name])
        for name in parameters
    }
