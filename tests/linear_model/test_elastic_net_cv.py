"""LassoCV and ElasticNetCV: scikit-learn's paths of errors, penalties and refits."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit

from calclearn.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV


def data(rng, n, p):
    X = rng.normal(size=(n, p)) + 1.0
    return X, X[:, :4].sum(axis=1) + rng.normal(size=n)


@pytest.mark.parametrize("shape", [(100, 8), (40, 60)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"positive": True},
        {"fit_intercept": False},
        {"precompute": True},
        {"cv": ShuffleSplit(3, random_state=0)},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learns_errors_and_choice(shape, options, weighted, rng):
    X, y = data(rng, *shape)
    weight = rng.uniform(0.1, 2, len(y)) if weighted else None
    common = {"l1_ratio": [0.5, 0.9], "alphas": 6, "eps": 0.02} | options
    theirs = sklearn.linear_model.ElasticNetCV(**common, tol=1e-11, max_iter=100_000).fit(X, y, weight)
    for given in (X, scipy.sparse.csr_array(X)):
        ours = ElasticNetCV(**common, tol=1e-9).fit(given, y, weight)
        assert_allclose(ours.alphas_, theirs.alphas_)
        assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-3)
        assert_allclose(ours.alpha_, theirs.alpha_)
        assert ours.l1_ratio_ == theirs.l1_ratio_
        assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
        assert ours.optimality_.converged


def test_the_choice_is_refitted_to_all_rows(rng):
    X, y = data(rng, 60, 8)
    model = LassoCV(alphas=[1.0, 0.01, 0.1]).fit(X, y)
    assert model.alphas_.tolist() == [1.0, 0.1, 0.01]
    assert model.mse_path_.shape == (3, 5)
    assert not hasattr(model, "l1_ratio_")
    alone = Lasso(alpha=model.alpha_).fit(X, y)
    assert_allclose(model.coef_, alone.coef_)
    assert max(model.dual_gap_, alone.dual_gap_) <= 1e-4 * np.var(y)


def test_rows_of_no_weight_and_outliers_left_out(rng):
    """Where a difference of moments would have no digits left, the fold is gathered itself."""
    X, y = data(rng, 60, 5)
    y[:12] += 1e9
    X[:12] *= 1e6
    ours = LassoCV(alphas=[1.0, 0.1], tol=1e-8).fit(X, y)
    for k, alpha in enumerate([1.0, 0.1]):
        inside = Lasso(alpha=alpha, tol=1e-8).fit(X[12:], y[12:])
        error = np.mean((inside.predict(X[:12]) - y[:12]) ** 2)
        assert_allclose(ours.mse_path_[k, 0], error, rtol=1e-5)
    weight = np.r_[np.zeros(12), np.ones(48)]
    with pytest.raises(ValueError, match="rows to fit of split 0 all weigh nothing"):
        LassoCV(cv=[(np.arange(12), np.arange(12, 60))]).fit(X, y, weight)


def test_weights_are_repetitions(rng):
    X, y = data(rng, 45, 6)
    groups = np.repeat(np.arange(3), 15)
    times = rng.integers(1, 4, 45)
    splits = list(LeaveOneGroupOut().split(X, groups=groups))
    again = list(LeaveOneGroupOut().split(np.repeat(X, times, axis=0), groups=np.repeat(groups, times)))
    weighted = ElasticNetCV(cv=splits, alphas=5, tol=1e-8).fit(X, y, sample_weight=times)
    repeated = ElasticNetCV(cv=again, alphas=5, tol=1e-8).fit(
        np.repeat(X, times, axis=0), np.repeat(y, times)
    )
    assert_allclose(weighted.mse_path_, repeated.mse_path_, rtol=1e-6)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)


def test_the_number_of_threads_does_not_matter(rng):
    for shape in ((100, 8), (40, 60)):
        X, y = data(rng, *shape)
        one, two = (ElasticNetCV(alphas=5, n_jobs=k).fit(X, y) for k in (1, 2))
        assert (one.mse_path_ == two.mse_path_).all()
        assert (one.coef_ == two.coef_).all()


def test_groups_are_routed_to_the_splitter(rng):
    X, y = data(rng, 60, 5)
    groups = np.arange(60) % 5
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
        LassoCV().fit(X, y, groups=groups)
    with config_context(enable_metadata_routing=True):
        routed = LassoCV(cv=GroupKFold(5), alphas=4).fit(X, y, groups=groups)
    splits = list(GroupKFold(5).split(X, y, groups))
    assert_allclose(routed.mse_path_, LassoCV(cv=splits, alphas=4).fit(X, y).mse_path_)


def test_bad_parameters_are_named(rng):
    X, y = data(rng, 20, 3)
    with pytest.raises(ValueError, match=r"alphas\[1\] == -1"):
        LassoCV(alphas=[1.0, -1]).fit(X, y)
    with pytest.raises(ValueError, match="not supported for l1_ratio=0"):
        ElasticNetCV(l1_ratio=0).fit(X, y)
    with pytest.raises(ValueError, match="For multi-task outputs, use MultiTaskLassoCV"):
        LassoCV().fit(X, np.c_[y, y])
    assert not isinstance(LassoCV(), ElasticNet)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("centre", [0.0, 100.0])
@pytest.mark.parametrize("noise", [1.0, 1e-7])
def test_errors_by_moments_are_those_of_the_rows(intercept, centre, noise, rng):
    """Also where the errors are so small that moments have no digits left, and the rows are looked at."""
    X = rng.normal(size=(200, 6)) + centre
    y = X[:, :3].sum(axis=1) + noise * rng.normal(size=200)
    weight = rng.uniform(0.5, 2, 200)
    alphas = [0.3, 0.01, 1e-9]
    common = {"fit_intercept": intercept, "tol": 1e-13}
    model = LassoCV(alphas=alphas, cv=KFold(4), **common).fit(X, y, weight)
    for k, (train, test) in enumerate(KFold(4).split(X)):
        for i, alpha in enumerate(alphas):
            alone = Lasso(alpha=alpha, **common).fit(X[train], y[train], weight[train])
            error = np.average((alone.predict(X[test]) - y[test]) ** 2, weights=weight[test])
            # an error of 1e-14 moves with the last digits of the coefficients
            assert_allclose(model.mse_path_[i, k], error, rtol=1e-7 if noise == 1.0 else 1e-3)
