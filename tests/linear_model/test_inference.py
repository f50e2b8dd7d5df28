"""Standard errors, tests and intervals: statsmodels', and where it has none those of the definition."""

import builtins
import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import statsmodels.api as sm
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn.linear_model import (
    GammaRegressor,
    GeneralizedLinearClassifier,
    GeneralizedLinearRegressor,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
)
from calclearn.losses import Huber, Tweedie, TweedieIdentity, loss

N = 90
LOG = sm.families.links.Log()
ROBUST = ["HC0", "HC1", "HC2", "HC3"]


@loss("pseudo_huber_of_inference")
class PseudoHuber:
    def value(self, y, raw):
        return np.sqrt(1.0 + (raw - y) ** 2)


@loss("welsch_of_inference")
class Welsch:
    def value(self, y, raw):
        return 1.0 - np.exp(-0.5 * (raw - y) ** 2)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, 3)) * [1.0, 0.1, 20.0] + [0.0, 5.0, 0.0]


@pytest.fixture(scope="module")
def weight():
    return np.random.default_rng(1).uniform(0.5, 2.0, N)


@pytest.fixture(scope="module")
def offset():
    return np.random.default_rng(2).normal(scale=0.3, size=N)


@pytest.fixture(scope="module")
def targets(X):
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.exp(0.4 * X[:, 0] + 0.02 * X[:, 2] + 0.5)).astype(float)
    return {
        "real": X @ [1.0, 2.0, 0.1] + (1 + np.abs(X[:, 0])) * rng.normal(size=N),
        "counts": counts,
        "sizes": counts + rng.uniform(0.1, 1.0, N),
        "labels": (counts > 1).astype(float),
        "classes": np.minimum(counts, 2.0),
    }


def design(X, intercept):
    """The columns in our order: features, then the constant."""
    return np.column_stack([X, np.ones(len(X))]) if intercept else X


def theirs(model, cov_type="nonrobust", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels' own
        return model.fit(cov_type=cov_type, **options)


def assert_equal(ours, result, *, rtol=1e-9):
    """All of a report against a result of statsmodels."""
    assert_allclose(ours.coefficients, np.ravel(result.params, "F"), rtol=rtol)
    assert_allclose(ours.standard_errors, np.ravel(result.bse, "F"), rtol=rtol)
    assert_allclose(ours.statistics, np.ravel(result.tvalues, "F"), rtol=rtol)
    assert_allclose(ours.p_values, np.ravel(result.pvalues, "F"), rtol=1e3 * rtol, atol=1e-300)
    assert_allclose(ours.intervals, np.reshape(result.conf_int(), (-1, 2)), rtol=rtol)
    covariance = np.asarray(result.cov_params())
    assert_allclose(ours.covariance, covariance, rtol=rtol, atol=rtol * np.abs(covariance).max())
    assert ours.df_resid == result.df_resid
    assert ours.n_obs == N


# ------------------------------------------------------------------------------------------- statsmodels


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cov_type", ["nonrobust", *ROBUST])
def test_least_squares_is_statsmodels(X, weight, targets, cov_type, weighted, intercept):
    y, s = targets["real"], weight if weighted else None
    ours = LinearRegression(fit_intercept=intercept).fit(X, y, s).inference(X, y, s, cov_type=cov_type)
    result = theirs(sm.WLS(y, design(X, intercept), weights=1.0 if s is None else s), cov_type)
    assert_equal(ours, result)
    assert ours.distribution == ("t" if cov_type == "nonrobust" else "z")
    assert_allclose(ours.dispersion, result.scale)


FAMILIES = [
    (PoissonRegressor(alpha=0), "counts", sm.families.Poisson()),
    (GammaRegressor(alpha=0), "sizes", sm.families.Gamma(LOG)),
    (TweedieRegressor(power=1.5, alpha=0), "counts", sm.families.Tweedie(LOG, var_power=1.5)),
    (TweedieRegressor(power=3, alpha=0), "sizes", sm.families.InverseGaussian(LOG)),
    (LogisticRegression(C=np.inf), "labels", sm.families.Binomial()),
    (GeneralizedLinearRegressor(), "real", sm.families.Gaussian()),
    (GeneralizedLinearRegressor("log_loss"), "labels", sm.families.Binomial()),
    (GeneralizedLinearRegressor(Tweedie(2.0)), "sizes", sm.families.Gamma(LOG)),
    (GeneralizedLinearClassifier(), "labels", sm.families.Binomial()),
]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0"])
@pytest.mark.parametrize(("model", "name", "family"), FAMILIES, ids=lambda value: str(value)[:40])
def test_generalised_models_are_statsmodels(X, weight, targets, model, name, family, cov_type, intercept):
    y = targets[name]
    model.set_params(fit_intercept=intercept).fit(X, y, sample_weight=weight)  # to the default tol
    ours = model.inference(X, y, weight, cov_type=cov_type)
    glm = sm.GLM(y, design(X, intercept), family, var_weights=weight)
    result = theirs(glm, cov_type, tol=1e-14, maxiter=200)
    assert_equal(ours, result, rtol=1e-7)
    assert ours.distribution == "z"
    known = isinstance(family, sm.families.Poisson | sm.families.Binomial)
    assert (ours.dispersion is None) == known
    if not known:
        assert_allclose(ours.dispersion, result.scale, rtol=1e-9)


def test_an_identity_link_is_statsmodels(X, targets):
    y, X = targets["sizes"], np.abs(X)
    model = GeneralizedLinearRegressor(TweedieIdentity(1.5), fit_intercept=False, tol=1e-9)
    start = np.linalg.lstsq(X, y)[0]
    model.set_params(warm_start=True)
    model.coef_, model.intercept_ = np.maximum(start, 0.1), 0.0
    family = sm.families.Tweedie(sm.families.links.Identity(), var_power=1.5)
    result = theirs(sm.GLM(y, X, family), tol=1e-14, maxiter=500, start_params=model.coef_)
    assert_equal(model.fit(X, y).inference(X, y), result, rtol=1e-6)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0"])
def test_logit_and_mnlogit_are_statsmodels(X, targets, cov_type):
    options = {"disp": 0, "method": "newton", "tol": 1e-14, "maxiter": 100}
    for name, Model in (("labels", sm.Logit), ("classes", sm.MNLogit)):
        y = targets[name]
        model = LogisticRegression(C=np.inf).fit(X, y)
        result = theirs(Model(y, design(X, True)), cov_type, **options)
        assert_equal(model.inference(X, y, cov_type=cov_type), result, rtol=1e-6)
    assert model.inference(X, y).names[3:5] == ("1.0: intercept", "2.0: x0")


def test_several_classes_do_not_depend_on_which_estimator_fits_them(X, targets):
    y = targets["classes"].astype(int)
    ours = GeneralizedLinearClassifier("multinomial_log_loss").fit(X, y).inference(X, y)
    other = LogisticRegression(C=np.inf).fit(X, y).inference(X, y)
    assert_allclose(ours.covariance, other.covariance, rtol=1e-7, atol=1e-12)
    two = y > 0
    ours = GeneralizedLinearClassifier("multinomial_log_loss").fit(X, two).inference(X, two)
    other = LogisticRegression(C=np.inf).fit(X, two).inference(X, two)
    assert_allclose(ours.covariance, other.covariance, rtol=1e-7, atol=1e-12)


def test_an_offset_is_statsmodels(X, offset, targets):
    y = targets["counts"]
    model = GeneralizedLinearRegressor("poisson").fit(X, y, offset=offset)
    result = theirs(sm.GLM(y, design(X, True), sm.families.Poisson(), offset=offset), tol=1e-14)
    assert_equal(model.inference(X, y, offset=offset), result, rtol=1e-7)


# ----------------------------------------------------------------------------------- the definition


def sandwich(X, weight, slope, curvature, power):
    """The covariance from derivatives in the raw prediction, as in the derivation."""
    Z = design(X, True)
    u, h = weight * slope, weight * curvature
    bread = np.linalg.inv(Z.T @ (h[:, None] * Z))
    leverage = h * np.einsum("ij,jk,ik->i", Z, bread, Z)
    return bread @ (Z.T @ ((u**2 / (1 - leverage) ** power)[:, None] * Z)) @ bread


@pytest.mark.parametrize(("cov_type", "power"), [("HC0", 0), ("HC1", 0), ("HC2", 1), ("HC3", 2)])
def test_sandwiches_of_a_logistic_model_and_of_robust_losses(X, weight, targets, cov_type, power):
    X = X - X.mean(axis=0)
    factor = N / (N - 4) if cov_type == "HC1" else 1.0
    labels, y = targets["labels"], targets["real"]
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(X, labels, weight)
    p = model.predict_proba(X)[:, 1]
    expected = factor * sandwich(X, weight, p - labels, p * (1 - p), power)
    ours = model.inference(X, labels, weight, cov_type=cov_type)
    assert_allclose(ours.covariance, expected, rtol=1e-6, atol=1e-9)
    assert ours.dispersion is None
    for made in (Huber(1.5), PseudoHuber()):
        model = GeneralizedLinearRegressor(made, tol=1e-11).fit(X, y, sample_weight=weight)
        e = model.predict(X) - y
        if isinstance(made, Huber):
            slope, curvature = np.clip(e, -1.5, 1.5), (np.abs(e) <= 1.5).astype(float)
        else:
            slope, curvature = e / np.sqrt(1 + e**2), (1 + e**2) ** -1.5
        ours = model.inference(X, y, weight, cov_type=cov_type)
        assert_allclose(ours.covariance, factor * sandwich(X, weight, slope, curvature, power), rtol=1e-6)


def test_negative_curvature_in_some_rows_is_no_obstacle(X, targets):
    X, y = X - X.mean(axis=0), targets["real"].copy()
    y[:5] += 30.0
    model = GeneralizedLinearRegressor(Welsch(), tol=1e-10, warm_start=True)
    model.coef_, model.intercept_ = np.array([1.0, 2.0, 0.1]), 10.0
    model.fit(X, y)
    e = model.predict(X) - y
    slope, curvature = e * np.exp(-0.5 * e**2), (1 - e**2) * np.exp(-0.5 * e**2)
    assert curvature.min() < 0
    ours = model.inference(X, y, cov_type="HC0")
    assert_allclose(ours.covariance, sandwich(X, np.ones(N), slope, curvature, 0), rtol=1e-6)
    with pytest.raises(ValueError, match=r"HC2.*not convex"):
        model.inference(X, y, cov_type="HC2")


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray])
def test_the_form_of_x_and_the_blocks_do_not_matter(X, weight, targets, form, monkeypatch):
    y = targets["counts"]
    model = PoissonRegressor(alpha=0).fit(X, y, weight)
    for cov_type in ("nonrobust", "HC3"):
        whole = model.inference(X, y, weight, cov_type=cov_type)
        monkeypatch.setattr("calclearn.linear_model._inference.BLOCK", 1)  # of 64 rows then
        assert_allclose(model.inference(form(X), y, weight, cov_type=cov_type).covariance, whole.covariance)
        monkeypatch.undo()


def test_weights_of_zero_are_rows_that_are_not_there(X, weight, targets):
    y, s = targets["real"], np.where(np.arange(N) < 30, 0.0, weight)
    model = LinearRegression().fit(X, y, s)
    ours, fewer = model.inference(X, y, s), model.inference(X[30:], y[30:], s[30:])
    assert ours.n_obs == fewer.n_obs == 60
    assert_allclose(ours.covariance, fewer.covariance)


def test_columns_far_from_zero_and_of_any_size_keep_their_digits(targets):
    X = np.random.default_rng(4).normal(size=(N, 2))
    y = targets["real"]
    plain = LinearRegression().fit(X, y).inference(X, y)
    moved = X * [1e-6, 1e6] + [1.0, 1e9]
    ours = LinearRegression().fit(moved, y).inference(moved, y)
    assert_allclose(ours.standard_errors[:2] * [1e-6, 1e6], plain.standard_errors[:2], rtol=1e-6)


def test_float32_is_computed_in_float64(X, targets):
    y, single = targets["labels"], X.astype(np.float32)
    ours = LogisticRegression(C=np.inf).fit(single, y).inference(single, y)
    other = LogisticRegression(C=np.inf).fit(single.astype(float), y).inference(single.astype(float), y)
    assert ours.covariance.dtype == np.float64
    assert_allclose(ours.standard_errors, other.standard_errors, rtol=1e-6)


# ----------------------------------------------------------------------------------- the report


def test_the_report_prints_and_becomes_a_frame(X, targets):
    y, frame = targets["real"], pd.DataFrame(X, columns=["age", "dose", "time"])
    report = LinearRegression().fit(frame, y).inference(frame, y, level=0.9)
    assert report.names == ("age", "dose", "time", "intercept")
    table = report.to_frame()
    assert list(table.columns) == ["coefficient", "standard_error", "t", "p_value", "lower", "upper"]
    assert_allclose(table.loc["dose", "standard_error"], report.standard_errors[1])
    assert_allclose(table["lower"], theirs(sm.OLS(y, design(X, True))).conf_int(0.1)[:, 0])
    lines = str(report).splitlines()
    assert "90 rows, 86 residual degrees of freedom, covariance nonrobust, dispersion" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == list(report.names)
    assert "90 % from" in lines[1]
    assert "inference" in repr(report).lower()
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.level = 0.5


def test_nothing_is_kept_for_it(X, targets):
    model = LinearRegression().fit(X, targets["real"])
    before = dict(vars(model))
    model.inference(X, targets["real"])
    assert vars(model) == before


def test_without_pandas_there_is_a_clear_error(X, targets, monkeypatch):
    report = LinearRegression().fit(X, targets["real"]).inference(X, targets["real"])
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="needs pandas"):
        report.to_frame()


def test_an_exact_fit_has_no_error(X):
    y = X @ [1.0, 2.0, 3.0]
    report = LinearRegression().fit(X, y).inference(X, y)
    assert report.standard_errors.max() < 1e-12
    assert np.isfinite(report.p_values).all()


# ----------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("model", "name", "message"),
    [
        (LogisticRegression(), "labels", "C must be np.inf, got 1.0"),
        (
            LogisticRegressionCV(Cs=2, cv=2, l1_ratios=(0,), scoring=None, use_legacy_attributes=False),
            "labels",
            "cross-val",
        ),
        (PoissonRegressor(), "counts", "alpha must be 0, got 1.0"),
        (GeneralizedLinearRegressor(alpha=0.1), "real", "alpha must be 0, got 0.1"),
        (GeneralizedLinearRegressor(positive=True), "real", "positive must be False"),
        (LinearRegression(positive=True), "real", "positive must be False"),
        (GeneralizedLinearClassifier(), "classes", "each against the rest"),
        (GeneralizedLinearRegressor("huber"), "real", "needs a likelihood, which Huber.*HC0"),
        (GeneralizedLinearClassifier("exponential"), "labels", "needs a likelihood"),
    ],
)
def test_fits_whose_coefficients_have_no_known_distribution(X, targets, model, name, message):
    model.fit(X, targets[name])
    with pytest.raises(ValueError, match=message):
        model.inference(X, targets[name])


def test_several_targets_are_refused(X):
    model = LinearRegression().fit(X, X[:, :2])
    with pytest.raises(ValueError, match="one target at a time"):
        model.inference(X, X[:, :2])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["absolute_error", "quantile"])
def test_losses_without_curvature_are_refused(X, targets, name):
    model = GeneralizedLinearRegressor(name).fit(X, targets["real"])
    with pytest.raises(ValueError, match="no curvature"):
        model.inference(X, targets["real"], cov_type="HC0")


def test_dependent_columns_are_refused_by_name(X, targets):
    y = targets["real"]
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": 1.0 - X[:, 1]})
    with pytest.raises(ValueError, match=r"rank deficient.*\(see b, c, intercept\)"):
        LinearRegression().fit(frame, y).inference(frame, y)
    for n, message in ((4, "no degrees of freedom"), (3, "3 rows do not determine 4")):
        model = LinearRegression().fit(X[:n], y[:n])
        with pytest.raises(ValueError, match=message):
            model.inference(X[:n], y[:n])


def test_a_row_of_leverage_one_has_no_residual(targets):
    X = np.zeros((N, 1))
    X[7] = 1.0
    model = LinearRegression().fit(X, targets["real"])
    with pytest.raises(ValueError, match="row 7 alone"):
        model.inference(X, targets["real"], cov_type="HC3")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cov_type": "HC4"}, "cov_type must be one of"), ({"level": 1.0}, "level"), ({"level": "a"}, "level")],
)
def test_bad_arguments_are_named(X, targets, options, message):
    model = LinearRegression().fit(X, targets["real"])
    with pytest.raises(ValueError, match=message):
        model.inference(X, targets["real"], **options)


def test_other_data_are_told(X, targets):
    model = LogisticRegression(C=np.inf).fit(X, targets["labels"])
    with pytest.raises(ValueError, match="features"):
        model.inference(X[:, :2], targets["labels"])
    with pytest.raises(ValueError, match=r"label .*2.0.*not seen"):
        model.inference(X, targets["labels"] * 2)
    with pytest.warns(ConvergenceWarning, match="other data or weights") as record:
        model.inference(X, targets["labels"][::-1])
    assert record[0].filename == __file__


def test_a_fit_that_stopped_early_is_told(X, targets):
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), targets["labels"]
    with pytest.warns(ConvergenceWarning, match="lbfgs"):
        model = LogisticRegression(C=np.inf, solver="lbfgs", max_iter=2).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        report = model.inference(X, y)
    assert_allclose(report.coefficients[:3], model.coef_[0])
