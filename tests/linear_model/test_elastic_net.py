"""Lasso, ElasticNet and their paths: scikit-learn's optima, with certificates of what is kept."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from calclearn.linear_model import ElasticNet, Lasso, LinearRegression, enet_path, lasso_path


def data(rng, n=40, p=60, targets=None):
    X = rng.normal(size=(n, p)) + 1.0
    return X, X[:, :4] @ rng.normal(size=(4, targets) if targets else 4) + rng.normal(
        size=(n, targets or 1)[: bool(targets) + 1]
    )


def objective(model, X, y, weight=None):
    residual = y - model.predict(X)
    w = np.asarray(model.coef_, float)
    l1, l2 = model.alpha * model.l1_ratio, model.alpha * (1 - model.l1_ratio)
    return 0.5 * np.average(residual**2, weights=weight) + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w


@pytest.mark.parametrize("shape", [(40, 60), (80, 10)])
@pytest.mark.parametrize(
    "options", [{}, {"positive": True}, {"fit_intercept": False}, {"precompute": True}], ids=str
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learns_optimum(shape, options, weighted, rng):
    X, y = data(rng, *shape)
    weight = rng.uniform(0, 2, len(y)) if weighted else None
    for l1_ratio in (1.0, 0.3, 0.0):
        common = {"alpha": 0.05, "l1_ratio": l1_ratio} | options
        with warnings.catch_warnings():  # its gap does not vanish for positive=True without L1
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs = sklearn.linear_model.ElasticNet(**common, tol=1e-13, max_iter=10_000).fit(X, y, weight)
        for given in (X, np.asfortranarray(X), scipy.sparse.csr_array(X)):
            ours = ElasticNet(**common, tol=1e-10).fit(given, y, weight)
            assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
            assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
            assert_allclose(ours.optimality_.objective, objective(ours, X, y, weight), rtol=1e-10)
            assert ours.optimality_.converged


def test_weights_are_repetitions(rng):
    X, y = data(rng)
    times = rng.integers(0, 4, len(y))
    weighted = Lasso(alpha=0.1, tol=1e-10).fit(X, y, sample_weight=times)
    repeated = Lasso(alpha=0.1, tol=1e-10).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-9)


def test_units_and_order_of_the_columns_do_not_matter(rng):
    X, y = data(rng)
    order = rng.permutation(X.shape[1])
    model = Lasso(alpha=0.1, tol=1e-10).fit(X, y)
    scaled = Lasso(alpha=0.1 * 1e6, tol=1e-10).fit(1e3 * X[:, order], 1e3 * y)
    assert_allclose(scaled.coef_, model.coef_[order], atol=1e-8)


def test_a_float32_fit_certifies_the_rounded_coefficients(rng):
    X, y = data(rng)
    X, y = X.astype(np.float32), y.astype(np.float32)
    model = Lasso(alpha=0.05, tol=1e-10).fit(X, y)
    exact = Lasso(alpha=0.05, tol=1e-12).fit(X.astype(float), y.astype(float))
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    kept = model.__class__(alpha=0.05)
    kept.coef_, kept.intercept_, kept.n_features_in_ = (
        model.coef_.astype(float),
        float(model.intercept_),
        X.shape[1],
    )
    value = objective(kept, X.astype(float), y.astype(float))
    assert_allclose(model.optimality_.objective, value, rtol=1e-12)
    assert model.optimality_.duality_gap >= value - exact.optimality_.objective > 0


def test_targets_are_independent(rng):
    X, Y = data(rng, targets=3)
    model = ElasticNet(alpha=0.1).fit(X, Y)
    for k in range(3):
        alone = ElasticNet(alpha=0.1).fit(X, Y[:, k])
        assert_allclose(model.coef_[k], alone.coef_, atol=1e-10)
        assert_allclose(model.predict(X)[:, k], alone.predict(X))
    assert len(model.optimality_.problems) == len(model.n_iter_) == 3
    assert model.dual_gap_.shape == model.intercept_.shape == (3,)


def test_without_a_penalty_it_is_least_squares(rng):
    X, y = data(rng, 50, 5)
    with pytest.warns(UserWarning, match="With alpha=0"):
        model = Lasso(alpha=0.0, tol=1e-14).fit(X, y)
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-8)
    assert model.optimality_.duality_gap is None


def test_a_warm_start_at_the_optimum_takes_no_sweep(rng):
    X, y = data(rng)
    model = Lasso(alpha=0.1, warm_start=True).fit(X, y)
    assert model.n_iter_ > 0
    assert model.fit(X, y).n_iter_ == 0
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X[:, :5], y)


def test_the_iteration_limit_warns_and_says_how_far(rng):
    X, y = data(rng)
    with pytest.warns(ConvergenceWarning, match=r"Objective did not converge.*Duality gap"):
        model = Lasso(alpha=1e-3, max_iter=1, tol=1e-12).fit(X, y)
    assert model.optimality_.converged is False
    assert model.n_iter_ == 1


def test_tol_of_zero_ends_at_rounding_level(rng):
    X, y = data(rng)
    model = Lasso(alpha=0.1, tol=0.0).fit(X, y)
    assert model.optimality_.duality_gap < 1e-13


def test_a_given_gram_matrix_is_checked_and_used(rng):
    X, y = data(rng, 80, 10)
    centred = X - X.mean(axis=0)
    gram = centred.T @ centred
    expected = Lasso(alpha=0.1, tol=1e-10).fit(X, y).coef_
    assert_allclose(Lasso(alpha=0.1, tol=1e-10, precompute=gram).fit(centred, y).coef_, expected, atol=1e-9)
    with pytest.raises(ValueError, match="did not pass validation"):
        Lasso(precompute=gram + np.eye(10)).fit(centred, y)
    with pytest.raises(ValueError, match="precompute must have shape"):
        Lasso(precompute=np.eye(3)).fit(centred, y)
    with pytest.warns(UserWarning, match="recomputing Gram matrix"):
        Lasso(precompute=gram).fit(X, y)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_data_too_large_to_be_squared_are_refused(shape, rng):
    X = 1e300 * rng.uniform(size=shape)
    with pytest.raises(ValueError, match="non-finite parameter"):
        Lasso().fit(X, rng.normal(size=shape[0]))


def test_int64_indices_read_only_arrays_and_a_constant_target(rng):
    X, y = data(rng)
    X.flags.writeable = y.flags.writeable = False
    expected = Lasso(alpha=0.1).fit(X, y).coef_
    sparse = scipy.sparse.csc_array(X)
    sparse.indices, sparse.indptr = sparse.indices.astype(np.int64), sparse.indptr.astype(np.int64)
    assert_allclose(Lasso(alpha=0.1).fit(sparse, y).coef_, expected, atol=1e-9)
    constant = Lasso(alpha=0.1).fit(X, np.full(len(y), 3.0))
    assert not constant.coef_.any()
    assert constant.intercept_ == 3.0


@pytest.mark.parametrize("shape", [(40, 60), (80, 10)])
@pytest.mark.parametrize(
    "options", [{}, {"positive": True}, {"precompute": True}, {"selection": "random"}], ids=str
)
def test_paths_are_scikit_learns(shape, options, rng):
    X, y = data(rng, *shape)
    for ours, theirs in (
        (lasso_path, sklearn.linear_model.lasso_path),
        (enet_path, sklearn.linear_model.enet_path),
    ):
        alphas, coefs, gaps, n_iter = ours(X, y, alphas=12, eps=0.01, tol=1e-9, return_n_iter=True, **options)
        positive = options.get("positive", False)
        expected = theirs(X, y, alphas=12, eps=0.01, tol=1e-13, max_iter=200_000, positive=positive)
        assert_allclose(alphas, expected[0])
        assert_allclose(X @ coefs, X @ expected[1], atol=1e-3)
        assert len(n_iter) == len(gaps) == 12
        assert (gaps <= 1e-9 * np.mean(y**2)).all()


def test_paths_take_xy_weights_and_several_targets(rng):
    X, y = data(rng, 80, 10)
    gram, cross = X.T @ X, X.T @ y
    plain = enet_path(X, y, alphas=[0.5, 0.1], tol=1e-10)[1]
    assert_allclose(
        enet_path(X, y, alphas=[0.5, 0.1], tol=1e-10, precompute=gram, Xy=cross)[1], plain, atol=1e-7
    )
    twice = enet_path(X, y, alphas=[1.0, 0.2], tol=1e-10, sample_weight=np.full(80, 2.0))[1]
    assert_allclose(twice, plain, atol=1e-7)
    assert enet_path(X, np.c_[y, y], alphas=3)[1].shape == (2, 10, 3)
    with pytest.raises(ValueError, match="positive=True is not allowed"):
        enet_path(X, np.c_[y, y], positive=True)
    with pytest.raises(ValueError, match="Unexpected parameters"):
        enet_path(X, y, fit_intercept=True)


def test_deprecations_of_the_paths(rng):
    X, y = data(rng, 20, 5)
    with pytest.warns(FutureWarning, match="'n_alphas' was deprecated"):
        assert len(lasso_path(X, y, n_alphas=4)[0]) == 4
    with pytest.warns(FutureWarning, match="'alphas=None' is deprecated"):
        enet_path(X, y, alphas=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(lasso_path(X, y)[0]) == 100
