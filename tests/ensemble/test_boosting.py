"""The boosting estimators: invariances, losses, constraints, stopping, frames, and input that is wrong."""

import hashlib
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import log_loss, mean_pinball_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import calclearn
from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor, _growing
from calclearn.ensemble._constraints import interaction_groups
from calclearn.ensemble._renewal import damp
from calclearn.losses import EpsilonInsensitive, Quantile, Tweedie, get_loss, loss
from calclearn.optimize import explain

PATIENCE = 120  # seconds after which a child process counts as hung


@loss("cauchy_of_boosting_tests")
class Cauchy:
    c: float = 1.0

    def value(self, y, raw):
        return np.log1p(((raw - y) / self.c) ** 2)


@loss("logistic_of_boosting_tests")
class Logistic:
    domain = "sign"
    convex = True

    def value(self, y, raw):
        return np.logaddexp(0.0, -y * raw)


@loss("softmax_of_boosting_tests")
class Softmax:
    """A loss over rows, without a minimiser of its own."""

    domain = "nonnegative"

    def value_row(self, y, raw):
        total = 0.0
        for k in range(raw.shape[0]):
            total += np.exp(raw[k])
        return np.log(total) - raw[int(y)]

    def mean_row(self, raw, out):
        total = 0.0
        for k in range(raw.shape[0]):
            out[k] = np.exp(raw[k])
            total += out[k]
        for k in range(raw.shape[0]):
            out[k] /= total

    def derivatives_row(self, y, raw, gradient, hessian):
        self.mean_row(raw, gradient)
        for k in range(raw.shape[0]):
            hessian[k] = gradient[k] * (1.0 - gradient[k])
        gradient[int(y)] -= 1.0


@pytest.fixture(scope="module")
def data():
    """`(X, y, kind)`: some missing values, a number and a class of three to predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = X[:, 0] + np.sin(2 * X[:, 1]) * (X[:, 2] > 0) + 0.2 * rng.normal(size=400)
    X[rng.random(X.shape) < 0.03] = np.nan
    X.flags.writeable = y.flags.writeable = False
    return X, y, np.digitize(y, [-0.5, 0.7])


def digest(model, X):
    """A hash of all trees and predictions."""
    made = hashlib.sha256()
    for name, array in sorted(model.trees_.items()):
        made.update(name.encode() + np.ascontiguousarray(array).tobytes())
    made.update(model.base_.tobytes() + np.ascontiguousarray(model.predict(X)).tobytes())
    return made.hexdigest()


def same_trees(one, other, rtol=0.0):
    for name, array in one.trees_.items():
        if array.dtype.kind == "f":
            assert_allclose(array, other.trees_[name], rtol=rtol, atol=rtol, err_msg=name)
        else:
            assert_array_equal(array, other.trees_[name], name)


# ------------------------------------------------------------------------------------------------ invariances

KINDS = [
    NewtonBoostingRegressor(n_estimators=4),
    NewtonBoostingRegressor("absolute_error", n_estimators=4, max_depth=4),
    NewtonBoostingRegressor(EpsilonInsensitive(0.1), n_estimators=3, max_depth=3),
    NewtonBoostingRegressor([Quantile(0.1), Quantile(0.9)], n_estimators=3, min_child_samples=5),
    NewtonBoostingRegressor(
        n_estimators=4, grow_policy="lossguide", max_leaves=12, max_bin=20, reg_alpha=0.1
    ),
    NewtonBoostingClassifier(n_estimators=3),
    NewtonBoostingClassifier("hinge", n_estimators=3, max_depth=3),
    NewtonBoostingClassifier("squared_hinge", n_estimators=3, max_delta_step=0.5),
]


def target(model, data):
    return data[2] if hasattr(model, "class_weight") else data[1]


@pytest.mark.parametrize("model", KINDS, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_the_rows_does_not_change_a_bit(model, weighted, data, rng):
    X, y = data[0].round(1), target(model, data)
    weight = rng.exponential(size=len(y)) if weighted else None
    model = clone(model).fit(X, y, weight)
    for _ in range(3):
        order = rng.permutation(len(y))
        permuted = clone(model).fit(X[order], y[order], None if weight is None else weight[order])
        assert digest(permuted, X) == digest(model, X)


@pytest.mark.parametrize("model", KINDS, ids=repr)
def test_rows_of_no_weight_count_for_nothing(model, data, rng):
    X, y = data[0], target(model, data)
    weight = rng.choice([0.0, 0.5, 2.0], size=len(y))
    kept = weight > 0
    with_all = clone(model).fit(np.where(kept[:, None], X, 1e6 * X), y, weight)
    without = clone(model).fit(X[kept], y[kept], weight[kept])
    assert digest(with_all, X) == digest(without, X)


@pytest.mark.parametrize("model", KINDS, ids=repr)
def test_weights_are_like_repetitions(model, data, rng):
    X, y = data[0].round(1), target(model, data)
    times = rng.integers(1, 4, size=len(y))
    model = clone(model).set_params(min_child_samples=0)
    weighted = clone(model).fit(X, y, times.astype(float))
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.base_, repeated.base_, rtol=1e-12)
    if (
        model.get_params()["loss"] == "squared_error"
    ):  # the others have equal gains, between which roundings choose
        assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    assert_allclose(weighted.optimality_.objective, repeated.optimality_.objective, rtol=0.02)


@pytest.mark.parametrize("model", KINDS, ids=repr)
def test_threads_do_not_change_a_bit(model, data, monkeypatch):
    monkeypatch.setattr(_growing, "SHARED_WORK", 0)  # share all, though it is little
    monkeypatch.setattr(_growing, "TILE", 2)
    X, y = data[0], target(model, data)
    model = clone(model).set_params(subsample=0.7, colsample_bynode=0.7, random_state=0)
    digests = {digest(clone(model).set_params(n_jobs=k).fit(X, y), X) for k in (1, 2, 3, 4)}
    assert len(digests) == 1


def test_threads_do_not_change_a_bit_of_large_fits():
    """So many rows that threads share the partitions too."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(70_000, 6)).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    y = np.nan_to_num(X[:, 0] * X[:, 1]) + rng.normal(size=len(X))
    for model in (
        NewtonBoostingRegressor(n_estimators=2, max_depth=4),
        NewtonBoostingClassifier(
            n_estimators=2, max_depth=0, max_leaves=12, grow_policy="lossguide", subsample=0.9
        ),
    ):
        t = y > 0 if hasattr(model, "class_weight") else y
        models = [clone(model).set_params(n_jobs=k, random_state=3).fit(X, t) for k in (1, 2, 3, 4)]
        assert len({digest(m, X[:5000]) for m in models}) == 1


@pytest.mark.parametrize("model", [KINDS[0], KINDS[5]], ids=repr)
def test_a_seed_decides_what_is_drawn(model, data):
    X, y = data[0], target(model, data)
    model = clone(model).set_params(
        subsample=0.5, colsample_bytree=0.8, colsample_bylevel=0.8, colsample_bynode=0.8
    )
    digests = [digest(clone(model).set_params(random_state=seed).fit(X, y), X) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("model", [KINDS[0], KINDS[5]], ids=repr)
def test_every_form_of_the_same_numbers_gives_the_same_model(model, data):
    X, y = data[0], target(model, data)
    zeros = np.where(np.abs(X) < 0.5, 0.0, X)
    expected = clone(model).fit(X, y)
    for same in (np.asfortranarray(X), X.tolist(), pd.DataFrame(X), np.repeat(X, 2, axis=0)[::2]):
        fitted = clone(model).fit(same, y)
        assert digest(fitted, same) == digest(expected, X)
        assert_array_equal(fitted.predict(X if isinstance(same, list) else same), expected.predict(X))
    dense = clone(model).fit(zeros, y)
    for same in map(scipy.sparse.csc_array, (zeros, zeros)):
        for form in (same, same.tocsr(), scipy.sparse.csr_matrix(same), same.tocoo()):
            assert digest(clone(model).fit(form, y), form) == digest(dense, zeros)
    single = clone(model).fit(X.astype(np.float32), y)
    assert_array_equal(
        single.predict(X.astype(np.float32)), single.predict(X.astype(np.float32).astype(float))
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_reach_the_leaves_that_they_were_trained_in(dtype, rng):
    """Also where values are as close as the dtype allows; and leaves add what predictions have."""
    x = [dtype(1.0)]
    for _ in range(199):
        x.append(np.nextafter(x[-1], dtype(2.0)))
    X = np.stack([np.array(x), rng.permutation(np.array(x)) * dtype(1e-30)], axis=1)
    X[rng.random(X.shape) < 0.05] = np.nan
    X[:3, 0] = -np.inf, np.inf, 0.0
    y = rng.normal(size=200)
    for policy in ("depthwise", "lossguide"):
        model = NewtonBoostingRegressor(
            n_estimators=4, max_depth=0, max_leaves=60, grow_policy=policy, min_child_weight=0.0
        ).fit(X, y)
        leaves, trees = model.apply(X), model.trees_
        raw = np.full(200, model.base_[0])
        for t, (a, b) in enumerate(zip(trees["starts"][:-1], trees["starts"][1:])):
            leaf = trees["left"][a:b] == -1
            assert_array_equal(np.bincount(leaves[:, t], minlength=b - a)[leaf], trees["count"][a:b][leaf])
            raw += trees["value"][a + leaves[:, t]]
        assert_array_equal(model.predict(X), raw)
        assert_allclose(model.optimality_.objective, np.mean((raw - y) ** 2) / 2, rtol=1e-12)


def test_rows_out_of_the_sample_are_followed_by_their_bins(data):
    """The training loss is that of the predictions, though half of the rows were not grown on."""
    X, y, _ = data
    X = np.c_[np.where(np.isnan(X), -np.inf, X), X[:, 0]]
    model = NewtonBoostingRegressor(n_estimators=10, subsample=0.5, random_state=0).fit(X, y)
    assert_allclose(model.optimality_.objective, np.mean((model.predict(X) - y) ** 2) / 2, rtol=1e-12)


def test_numbers_of_another_type_as_parameters_need_no_other_machine_code(data):
    X, y, _ = data
    NewtonBoostingRegressor(n_estimators=1).fit(X, y)
    known = len(_growing._member.signatures)
    NewtonBoostingRegressor(
        n_estimators=np.int64(1),
        learning_rate=1,
        reg_lambda=1,
        gamma=np.float32(0),
        reg_alpha=0,
        min_child_weight=1,
        max_delta_step=0,
        max_depth=np.int32(3),
        max_leaves=None,
        colsample_bynode=1,
        subsample=np.float32(1),
    ).fit(X, y)
    assert len(_growing._member.signatures) == known


# ----------------------------------------------------------------------------------------------------- losses


def targets(name, X):
    """Noisy targets in the domain of a loss."""
    rng = np.random.default_rng(2)
    raw = 0.8 * np.nan_to_num(X[:, 0]) + 0.3 * np.nan_to_num(X[:, 1])
    domain = get_loss(name).domain
    if domain == "sign":
        return np.where(raw + 0.3 * rng.normal(size=len(X)) > 0, 1.0, -1.0)
    if domain == "unit":
        return 1.0 / (1.0 + np.exp(-raw - 0.3 * rng.normal(size=len(X))))
    if domain == "nonnegative":
        return rng.poisson(np.exp(raw)).astype(float)
    if domain == "positive":
        return np.exp(raw) * rng.gamma(5.0, 0.2, size=len(X))
    return raw + 0.3 * rng.normal(size=len(X))


ONE_OUTPUT = [
    "absolute_error",
    "epsilon_insensitive",
    "exponential",
    "gamma",
    "hinge",
    "huber",
    "log_cosh",
    "log_loss",
    "poisson",
    "quantile",
    "squared_epsilon_insensitive",
    "squared_error",
    "squared_hinge",
    "tweedie",
    "tweedie_identity",
    "cauchy_of_boosting_tests",
]


@pytest.mark.parametrize("name", ONE_OUTPUT)
def test_every_loss_comes_down_and_predictions_are_finite(name, data):
    X = data[0]
    y = targets(name, X)
    model = NewtonBoostingRegressor(name, n_estimators=15, max_depth=3).fit(X, y, eval_set=[(X, y)])
    curve = np.array(model.evals_result_["validation_0"]["loss"])
    start = float(np.mean(get_loss(name).value(y, np.full(len(y), model.base_[0]))))
    assert np.isfinite(curve).all()
    assert curve[-1] < curve[0] < start
    assert (np.diff(curve) <= 1e-9 * start).all()
    assert_allclose(model.optimality_.objective, curve[-1], rtol=1e-12)
    assert np.isfinite(model.predict(X)).all()


def test_all_losses_of_one_output_are_in_the_table_above():
    from calclearn.losses._contract import REGISTRY

    known = {name for name, made in REGISTRY.items() if made.__module__.startswith("calclearn.")}
    assert known - {"multinomial_log_loss"} == set(ONE_OUTPUT[:-1])


@pytest.mark.parametrize(
    "name", ["log_loss", "exponential", "hinge", "squared_hinge", "logistic_of_boosting_tests"]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_every_loss_of_labels_classifies_two_and_more_classes(name, classes, data):
    X, _, kind = data
    y = np.array(["b", "a", "zz"])[kind] if classes == 3 else np.where(kind > 0, 7, 3)
    model = NewtonBoostingClassifier(name, n_estimators=15, max_depth=3).fit(X, y, eval_set=[(X, y)])
    curve = model.evals_result_["validation_0"]["loss"]
    assert curve[-1] < curve[0]
    assert model.score(X, y) > (0.8 if name == "hinge" else 0.9)
    assert_array_equal(model.classes_, np.unique(y))
    scores = model.decision_function(X)
    assert scores.shape == ((400,) if classes == 2 else (400, 3))
    assert len(model.trees_["output"]) == 15 * (1 if classes == 2 else 3)
    if name in ("log_loss", "exponential"):
        p = model.predict_proba(X)
        assert_allclose(p.sum(axis=1), 1.0)
        assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))
    else:
        assert not hasattr(model, "predict_proba")
        chosen = scores > 0 if classes == 2 else scores.argmax(axis=1)
        assert_array_equal(model.classes_[np.asarray(chosen, int)], model.predict(X))


def test_the_multinomial_loss_takes_two_classes_too(data):
    X, y, _ = data
    two = NewtonBoostingClassifier("multinomial_log_loss", n_estimators=5).fit(X, y > 0)
    assert two.predict_proba(X).shape == (400, 2)
    assert two.decision_function(X).shape == (400,)
    assert two.score(X, y > 0) > 0.9
    assert_array_equal(two.predict(X), two.decision_function(X) > 0)


def test_a_loss_over_rows_of_the_users_is_as_good_as_ours(data):
    X, _, kind = data
    theirs = NewtonBoostingClassifier(Softmax(), n_estimators=5, base_score=0.0).fit(X, kind)
    ours = NewtonBoostingClassifier(n_estimators=5, base_score=0.0).fit(X, kind)
    assert_allclose(theirs.predict_proba(X), ours.predict_proba(X), rtol=1e-6)
    start = NewtonBoostingClassifier(Softmax(), n_estimators=1).fit(X, kind)
    assert_array_equal(start.base_, 0)


def test_the_users_formula_is_as_good_as_ours(data):
    X, _, kind = data
    theirs = NewtonBoostingClassifier(Logistic(), n_estimators=8).fit(X, kind > 0)
    ours = NewtonBoostingClassifier(n_estimators=8).fit(X, kind > 0)
    assert_allclose(theirs.decision_function(X), ours.decision_function(X), rtol=1e-5, atol=1e-6)


def test_several_quantiles_at_once_are_those_one_by_one(data):
    X, y, _ = data
    quantiles = [Quantile(q) for q in (0.1, 0.5, 0.9)]
    together = NewtonBoostingRegressor(quantiles, n_estimators=10, max_depth=3).fit(X, y).predict(X)
    for k, one in enumerate(quantiles):
        alone = NewtonBoostingRegressor(one, n_estimators=10, max_depth=3).fit(X, y).predict(X)
        assert_array_equal(together[:, k], alone)
        assert abs(np.mean(y <= alone) - one.quantile) < 0.05
        constant = np.full(len(y), np.quantile(y, one.quantile))
        assert mean_pinball_loss(y, alone, alpha=one.quantile) < 0.6 * mean_pinball_loss(
            y, constant, alpha=one.quantile
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "of_loss",
    [get_loss("absolute_error"), Quantile(0.2), EpsilonInsensitive(0.3), get_loss("hinge")],
    ids=repr,
)
def test_no_other_constant_in_a_leaf_is_better_than_the_renewed_one(of_loss, weighted, data, rng):
    X, y = data[0], targets(of_loss.name, data[0])
    weight = rng.exponential(size=len(y)) if weighted else np.ones(len(y))
    model = NewtonBoostingRegressor(of_loss, n_estimators=3, max_depth=3, learning_rate=1.0)
    model.fit(X, y, weight if weighted else None)
    raw, leaves, trees = np.full(len(y), model.base_[0]), model.apply(X), model.trees_
    for t in range(3):
        for leaf in np.unique(leaves[:, t]):
            rows = leaves[:, t] == leaf
            value = trees["value"][trees["starts"][t] + leaf]

            def total(c, rows=rows, raw=raw):
                return float(np.dot(weight[rows], of_loss.value(y[rows], raw[rows] + c)))

            scan = np.r_[np.linspace(-4, 4, 801), y[rows] - raw[rows], value + np.array([-1e-3, 1e-3])]
            assert total(value) <= min(map(total, scan)) + 1e-9
        raw = raw + trees["value"][trees["starts"][t] + leaves[:, t]]


def test_leaves_of_a_curved_loss_are_newtons_steps(data):
    X, y, kind = data
    model = NewtonBoostingClassifier(n_estimators=2, max_depth=2, reg_lambda=0.7).fit(X, kind > 0)
    raw, leaves, trees = np.full(len(y), model.base_[0]), model.apply(X), model.trees_
    for t in range(2):
        p = 1 / (1 + np.exp(-raw))
        for leaf in np.unique(leaves[:, t]):
            rows, i = leaves[:, t] == leaf, trees["starts"][t] + leaf
            G, H = (p - (kind > 0))[rows].sum(), (p * (1 - p))[rows].sum()
            assert_allclose(trees["value"][i], -0.3 * G / (H + 0.7), rtol=1e-7, atol=1e-9)
            assert_allclose(trees["cover"][i], H, rtol=1e-4)
        raw += trees["value"][trees["starts"][t] + leaves[:, t]]


def test_counts_sizes_and_tweedies_are_predicted_as_means(data):
    X = data[0]
    for of_loss in ("poisson", "gamma", Tweedie(1.5)):
        y = targets(of_loss, X)
        model = NewtonBoostingRegressor(of_loss, n_estimators=30, max_depth=3).fit(X, y)
        assert (model.predict(X) > 0).all()
        assert_allclose(model.predict(X).mean(), y.mean(), rtol=0.1)
        assert np.corrcoef(model.predict(X), y)[0, 1] > 0.75


# ------------------------------------------------------------------------------------------------ constraints


@pytest.mark.parametrize("constraints", [[1, -1, 0, 0], {"up": 1, "down": -1}], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "absolute_error"},
        {"loss": "epsilon_insensitive"},
        {"loss": "huber", "grow_policy": "lossguide", "max_leaves": 30},
        {"grow_policy": "lossguide", "max_leaves": 30},
    ],
    ids=str,
)
def test_predictions_go_the_way_of_monotone_features_everywhere(constraints, options, rng):
    X = pd.DataFrame(rng.normal(size=(500, 4)), columns=["up", "down", "free", "other"])
    y = X.up - X.down + np.sin(4 * X.up) + np.cos(3 * X.down) * X.free + 0.3 * rng.normal(size=500)
    model = NewtonBoostingRegressor(n_estimators=20, monotone_constraints=constraints, **options).fit(X, y)
    grid = np.linspace(-3, 3, 80)
    for feature, direction in (("up", 1), ("down", -1)):
        for i in range(15):
            line = X.iloc[[i] * 80].copy()
            line[feature] = grid
            assert (direction * np.diff(model.predict(line)) >= -1e-12).all()
    free = clone(model).set_params(monotone_constraints=None).fit(X, y)
    line = X.iloc[[0] * 80].assign(up=grid)
    assert (np.diff(free.predict(line)) < 0).any()
    assert np.corrcoef(model.predict(X), y)[0, 1] > 0.8


def rising(n, size):
    """Targets of that size that rise with two of three features."""
    X = np.random.default_rng(0).random((n, 3))
    return X, size * (X[:, 0] + X[:, 1] ** 2)


@pytest.mark.parametrize("of_loss", ["absolute_error", "quantile"])
def test_monotone_steps_of_renewed_leaves_are_in_the_targets_units(of_loss):
    X, y = rising(1000, 1.0)
    model = NewtonBoostingRegressor(of_loss, monotone_constraints=[1, 1, 0], n_estimators=20)
    small, large = model.fit(X, y).predict(X), clone(model).fit(X, 1024.0 * y).predict(X)
    assert_array_equal(large, 1024.0 * small)
    assert np.abs(small - y).mean() < 0.15 * np.abs(y - np.median(y)).mean()


def test_monotone_steps_that_were_damped_stay_so():
    X, y = rising(2000, 10.0)
    model = NewtonBoostingRegressor("huber", monotone_constraints=[1, 1, 0], n_estimators=50).fit(X, y)
    assert model.optimality_.objective < 3.0
    model.set_params(max_delta_step=1.0).fit(X, y)
    assert model.optimality_.objective < 0.1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("of_loss", ["absolute_error", "epsilon_insensitive", "huber"])
def test_monotone_values_that_are_renewed_or_damped_know_no_order(of_loss, weighted, rng):
    X, y = rising(6000, 30.0)
    y = np.round(y + rng.normal(size=6000), 1)  # with ties
    weight = rng.integers(1, 5, 6000) / 7 if weighted else np.ones(6000)
    model = NewtonBoostingRegressor(of_loss, monotone_constraints=[1, 1, 0], n_estimators=5, n_jobs=1)
    order = rng.permutation(6000)
    one = model.fit(X, y, weight).predict(X)
    other = clone(model).set_params(n_jobs=2).fit(X[order], y[order], weight[order]).predict(X)
    assert_array_equal(one, other)


def test_a_leaf_is_damped_however_large_the_others_are():
    y, words = np.r_[np.full(1000, 1e15), np.zeros(1000)], np.arange(2000)
    begin, end, values = np.array([0, 1000]), np.array([1000, 2000]), np.array([20.0, 3.0])
    rows = (get_loss("poisson"), y, np.zeros(2000), None, words)
    shares = damp(*rows, begin, end, values, 1)
    alone = [damp(*rows, begin[[i]], end[[i]], values[[i]], 1)[0] for i in range(2)]
    assert_array_equal(shares, alone)
    assert shares[0] == 1.0
    assert shares[1] < 1e-10


def test_classes_can_be_monotone_too(data):
    X, y, _ = data
    model = NewtonBoostingClassifier(n_estimators=10, monotone_constraints=[-1, 0, 0, 0, 0]).fit(X, y > 0)
    line = np.repeat(X[:1], 50, axis=0)
    line[:, 0] = np.linspace(-3, 3, 50)
    assert (np.diff(model.predict_proba(line)[:, 1]) <= 0).all()


def paths_of(model):
    """The sets of features on the ways to the leaves of all trees."""
    trees, found = model.trees_, set()
    for a, b in zip(trees["starts"][:-1], trees["starts"][1:]):
        on_path = {0: frozenset()}
        for i in range(b - a):
            if trees["left"][a + i] < 0:
                found.add(on_path[i])
                continue
            path = on_path[i] | {int(trees["feature"][a + i])}
            on_path[int(trees["left"][a + i])] = on_path[int(trees["right"][a + i])] = path
    return found


def test_features_that_may_not_meet_meet_on_no_path(data):
    X, y, kind = data
    names = list("abcde")
    frame = pd.DataFrame(X, columns=names)
    for constraints in ([[0, 1], [1, 2, 3]], [["a", "b"], ["b", "c", "d"]], [("a", 1), ("b", 2, "d")]):
        model = NewtonBoostingRegressor(n_estimators=15, interaction_constraints=constraints).fit(frame, y)
        paths = paths_of(model)
        assert all(any(path <= group for group in ({0, 1}, {1, 2, 3}, {4})) for path in paths)
        assert any(len(path) > 1 for path in paths)
    free = paths_of(NewtonBoostingRegressor(n_estimators=15).fit(frame, y))
    assert any({0, 2} <= path for path in free)
    alone = paths_of(NewtonBoostingClassifier(n_estimators=3, interaction_constraints=[]).fit(X, kind))
    assert max(map(len, alone)) == 1


def test_features_in_no_set_cost_no_memory():
    estimator = NewtonBoostingRegressor()
    groups = interaction_groups([[0, 1], [7], [3, 3]], estimator, 1000)
    assert_array_equal(np.flatnonzero(groups), [0, 1])
    assert groups.shape == (1, 1000)
    assert interaction_groups([], estimator, 1000).shape == (1, 1000)  # none may meet, which is not: all may


def test_each_tree_has_its_share_of_features_and_rows(rng):
    X = rng.normal(size=(600, 20))
    y = X.sum(axis=1) + rng.normal(size=600)
    model = NewtonBoostingRegressor(
        n_estimators=12, colsample_bytree=0.25, subsample=0.5, random_state=0
    ).fit(X, y)
    trees = model.trees_
    used = [
        set(trees["feature"][a:b][trees["left"][a:b] >= 0].tolist())
        for a, b in zip(trees["starts"][:-1], trees["starts"][1:])
    ]
    assert max(map(len, used)) <= 5
    assert len(set.union(*used)) > 10
    roots = trees["count"][trees["starts"][:-1]]
    assert len(set(roots)) > 3
    assert abs(roots.mean() - 300) < 30
    tiny = NewtonBoostingRegressor(n_estimators=3, colsample_bytree=1e-9, subsample=1e-9, random_state=0).fit(
        X, y
    )
    assert np.isfinite(tiny.predict(X)).all()  # a row and a feature at least


# ---------------------------------------------------------------------------------- stopping, and going on


@pytest.fixture(scope="module")
def halves(data):
    """`(X, y, kind)` to learn from, and to be judged by."""
    noise = np.random.default_rng(5).normal(size=400)
    return tuple(a[::2] for a in (data[0], data[1] + noise, data[2])), tuple(
        a[1::2] for a in (data[0], data[1] + noise, data[2])
    )


def test_a_fit_stops_when_the_last_evaluation_set_gets_no_better(halves):
    (X, y, _), (V, v, _) = halves
    model = NewtonBoostingRegressor(n_estimators=200, early_stopping_rounds=5, eval_metric="rmse")
    model.fit(X, y, eval_set=[(X, y), (V, v)])
    first, last = (model.evals_result_[f"validation_{i}"]["rmse"] for i in (0, 1))
    assert len(first) == len(last) == model.n_iter_ < 200
    assert model.best_iteration_ == int(np.argmin(last)) == model.n_iter_ - 6
    assert model.best_score_ == min(last)
    assert_allclose(np.sqrt(np.mean((model.predict(V) - v) ** 2)), model.best_score_, rtol=1e-12)
    assert "stopped early" in repr(model.optimality_)
    alone = NewtonBoostingRegressor(n_estimators=model.best_iteration_ + 1).fit(X, y)
    assert_array_equal(alone.predict(V), model.predict(V))
    assert_array_equal(list(model.staged_predict(V))[-1], model.predict(V))
    assert model.apply(V).shape == (200, model.best_iteration_ + 1)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(V), model.predict(V))
    one = clone(model).fit(X, y, eval_set=(V, v))  # a pair alone
    assert_array_equal(one.predict(V), model.predict(V))


def test_verbose_prints_the_loss_and_the_score_of_each_evaluation_set(halves, capsys):
    (X, y, _), (V, v, _) = halves
    model = NewtonBoostingRegressor(n_estimators=2, eval_metric="mae", verbose=1)
    model.fit(X, y, eval_set=[(X, y), (V, v)])
    first, last = (model.evals_result_[f"validation_{i}"]["mae"] for i in (0, 1))
    _, line = capsys.readouterr().out.splitlines()
    assert line == (
        f"NewtonBoostingRegressor iteration 2: objective {model.optimality_.objective:.10g}, "
        f"validation_0 mae {first[1]:.10g}, validation_1 mae {last[1]:.10g}"
    )


def test_groups_of_small_hessians_are_learned_beside_those_of_large_ones(rng):
    large, z = rng.integers(2, size=9000), rng.normal(size=9000)
    mean = np.where(large == 1, 1e6, np.where(z > 0.0, 8.0, 0.5))
    X, y = np.stack([large, z], axis=1), rng.poisson(mean).astype(float)
    model = NewtonBoostingRegressor("poisson", n_estimators=120, max_depth=3).fit(X, y)
    for group in (0.5, 8.0):
        rows = mean == group
        assert_allclose(model.predict(X[rows]).mean(), y[rows].mean(), rtol=0.05)  # the penalty shrinks it


def test_a_loss_that_curves_downwards_may_be_called_convex_by_mistake(data):
    X, y, _ = data

    @loss("convex_by_mistake_of_boosting_tests")
    class Mistake:
        convex = True

        def value(self, y, raw):
            return np.log1p((raw - y) ** 2)

    mistaken = NewtonBoostingRegressor(Mistake(), n_estimators=10).fit(X, y)
    known = NewtonBoostingRegressor(Cauchy(), n_estimators=10).fit(X, y)
    assert_allclose(mistaken.predict(X), known.predict(X))


def test_a_fitted_model_keeps_its_loss_when_the_parameter_changes(data, tmp_path):
    X, y, kind = data
    model = NewtonBoostingRegressor(n_estimators=3).fit(X, y)
    before = model.predict(X)
    model.set_params(loss="poisson")
    assert_array_equal(model.predict(X), before)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), before)
    model.to_xgboost_json(tmp_path / "model.json")
    assert "reg:squarederror" in (tmp_path / "model.json").read_text()
    several = NewtonBoostingRegressor([Quantile(0.2), Quantile(0.8)], n_estimators=3).fit(X, y)
    before = several.predict(X)
    assert_array_equal(several.set_params(loss="squared_error").predict(X), before)
    assert several.fit(X, y).predict(X).ndim == 1
    classifier = NewtonBoostingClassifier(n_estimators=3).fit(X, kind)
    before = classifier.predict_proba(X)
    assert_array_equal(classifier.set_params(loss="hinge").predict_proba(X), before)
    assert not hasattr(classifier.fit(X, kind), "predict_proba")


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_metrics_of_a_loss_without_probabilities(name, data):
    X, _, kind = data
    for y in (kind > 0, kind):
        model = NewtonBoostingClassifier(name, n_estimators=3, eval_metric="error").fit(X, y, eval_set=(X, y))
        errors = [np.mean(found != y) for found in model.staged_predict(X)]
        assert_allclose(model.evals_result_["validation_0"]["error"], errors)
        with pytest.raises(ValueError, match="eval_metric='logloss' needs probabilities"):
            clone(model).set_params(eval_metric="logloss").fit(X, y)
    model.set_params(eval_metric="auc").fit(X, kind > 0, eval_set=(X, kind > 0))
    auc = roc_auc_score(kind > 0, model.decision_function(X))
    assert_allclose(model.evals_result_["validation_0"]["auc"][-1], auc)
    with pytest.raises(ValueError, match="eval_metric='auc' needs probabilities"):
        model.fit(X, kind)


def test_a_metric_of_the_users_is_handed_codes_and_the_probability_of_the_second_class(data):
    X, _, kind = data
    labels = np.array(["no", "yes"])[(kind > 0).astype(int)]
    model = NewtonBoostingClassifier(n_estimators=3, eval_metric=log_loss).fit(
        X, labels, eval_set=(X, labels)
    )
    assert_allclose(
        model.evals_result_["validation_0"]["log_loss"][-1], log_loss(labels, model.predict_proba(X))
    )
    shapes = []
    NewtonBoostingClassifier(n_estimators=1, eval_metric=lambda y, p: shapes.append(p.shape) or 0.0).fit(
        X, kind, eval_set=(X, kind)
    )
    assert shapes == [(400, 3)]


def test_weights_of_classes_play_no_part_in_scores(data):
    X, _, kind = data
    options = {"n_estimators": 3, "eval_metric": "error", "class_weight": {0: 50.0}}
    model = NewtonBoostingClassifier(**options, validation_fraction=0.5, random_state=0)
    seen = []
    model.eval_metric = lambda y, p, sample_weight=None: seen.append(sample_weight) or 0.0
    model.fit(X, kind)
    assert seen == [None] * 3
    model.fit(X, kind, np.full(400, 2.0))
    assert all((weight == 2.0).all() for weight in seen[3:])


def test_evaluation_sets_have_margins_of_their_own(halves):
    (X, y, kind), (V, v, w) = halves
    margin, of_v = 3.0 * X[:, 0], 3.0 * V[:, 0]
    margin, of_v = np.nan_to_num(margin), np.nan_to_num(of_v)
    model = NewtonBoostingRegressor(n_estimators=5)
    model.fit(X, y, base_margin=margin, eval_set=[(V, v)], base_margin_eval_set=[of_v])
    loss_of_v = np.mean((model.predict(V, base_margin=of_v) - v) ** 2) / 2
    assert_allclose(model.evals_result_["validation_0"]["loss"][-1], loss_of_v)
    again = clone(model).fit(X, y, base_margin=margin, eval_set=(V, v), base_margin_eval_set=of_v)
    assert again.evals_result_ == model.evals_result_
    several, margins = NewtonBoostingClassifier(n_estimators=2, eval_metric="logloss"), np.ones((200, 3))
    several.fit(X, kind, base_margin=margins, eval_set=(V, w), base_margin_eval_set=[margins])
    assert_allclose(
        several.evals_result_["validation_0"]["logloss"][-1],
        log_loss(w, several.predict_proba(V, base_margin=margins)),
    )
    with pytest.raises(ValueError, match="base_margin was given without base_margin_eval_set"):
        model.fit(X, y, base_margin=margin, eval_set=(V, v))
    with pytest.raises(ValueError, match="base_margin_eval_set was given without base_margin:"):
        model.fit(X, y, eval_set=(V, v), base_margin_eval_set=of_v)
    with pytest.raises(ValueError, match="base_margin_eval_set must hold one array for each of the 1 sets"):
        model.fit(X, y, base_margin=margin, eval_set=(V, v), base_margin_eval_set=[of_v, of_v])
    with pytest.raises(ValueError, match="base_margin_eval_set was given without an eval_set"):
        model.fit(X, y, base_margin=margin, base_margin_eval_set=of_v)


def test_frames_of_polars_with_words_or_without_values_yet_are_refused():
    frame = pl.DataFrame({"a": ["x", "y"] * 10, "b": range(20)})
    with pytest.raises(ValueError, match="column 'a' of X is neither of numbers nor of categories"):
        NewtonBoostingRegressor().fit(frame, np.arange(20))
    with pytest.raises(ValueError, match=r"X is a lazy frame.* collect\(\)"):
        NewtonBoostingRegressor().fit(frame.lazy(), np.arange(20))
    model = NewtonBoostingRegressor(n_estimators=1).fit(
        frame.select(pl.lit(1.0).alias("a"), "b"), np.arange(20)
    )
    with pytest.raises(ValueError, match="column 'a' of X is neither of numbers nor of categories"):
        model.predict(frame)


def test_a_loss_of_small_units_that_lets_no_tree_be_split_is_said_to(data):
    X, y, _ = data

    @loss("small_of_boosting_tests")
    class Small:
        convex = True

        def value(self, y, raw):
            return 1e-4 * (y - raw) ** 2

    with pytest.warns(UserWarning, match="No tree has a split: .* scale the loss"):
        NewtonBoostingRegressor(Small(), n_estimators=2).fit(X, y)


def test_weights_too_light_for_any_split_are_said_to_be(data):
    X, y, kind = data
    weight = np.full(len(y), 1.0 / len(y))
    with pytest.warns(
        UserWarning, match=r"min_child_weight=1\.0, and .* 400 rows together are 1\."
    ) as caught:
        model = NewtonBoostingRegressor(n_estimators=2, min_child_weight=1.0).fit(X, y, weight)
    assert caught[0].filename == __file__
    assert_allclose(model.predict(X), y.mean())
    with pytest.warns(UserWarning, match="No tree has a split") as caught:
        NewtonBoostingClassifier(n_estimators=2).fit(X, kind, weight)
    assert caught[0].filename == __file__
    model.set_params(min_child_weight=1e-3).fit(X, y, weight)
    assert len(np.unique(model.predict(X))) > 2


def test_without_early_stopping_scores_are_kept_and_all_rounds_used(halves):
    (X, _, kind), (V, _, v) = halves
    model = NewtonBoostingClassifier(n_estimators=12, eval_metric="auc").fit(X, kind, eval_set=[(V, v)])
    assert len(model.evals_result_["validation_0"]["auc"]) == 12
    assert not hasattr(model, "best_iteration_")
    auc = roc_auc_score(v, model.predict_proba(V), multi_class="ovr")
    assert_allclose(model.evals_result_["validation_0"]["auc"][-1], auc)
    assert_allclose(model.optimality_.details["validation_score"], auc)


@pytest.mark.parametrize("metric", ["logloss", "mlogloss", "error", "merror", "auc", "loss", None])
def test_metrics_of_classes_are_those_of_scikit_learn(metric, halves):
    (X, _, kind), (V, _, v) = halves
    weight = np.random.default_rng(0).exponential(size=len(v))
    for t, s in ((kind, v), (kind > 0, v > 0)):
        model = NewtonBoostingClassifier(n_estimators=5, early_stopping_rounds=50, eval_metric=metric)
        model.fit(X, t, eval_set=[(V, s)], sample_weight_eval_set=[weight])
        (curve,) = model.evals_result_["validation_0"].values()
        p = list(model.staged_predict_proba(V))
        if metric == "auc":
            score = p[-1] if p[-1].shape[1] > 2 else p[-1][:, 1]
            more = {"multi_class": "ovr"} if p[-1].shape[1] > 2 else {}
            expected = roc_auc_score(s, score, sample_weight=weight, **more)
            assert model.best_iteration_ == int(np.argmax(curve))
        elif metric in ("error", "merror"):
            expected = np.average(model.classes_[p[-1].argmax(axis=1)] != s, weights=weight)
        else:
            expected = log_loss(s, p[-1], sample_weight=weight)
        assert_allclose(curve[len(p) - 1], expected, rtol=1e-9)


def test_a_metric_of_the_users_is_heard(halves):
    (X, y, _), (V, v, _) = halves

    def worst(y_true, prediction, sample_weight=None):
        assert sample_weight is None
        return np.abs(y_true - prediction).max()

    model = NewtonBoostingRegressor(n_estimators=30, early_stopping_rounds=3, eval_metric=worst)
    model.fit(X, y, eval_set=[(V, v)])
    assert model.best_score_ == min(model.evals_result_["validation_0"]["worst"])
    assert_allclose(worst(v, model.predict(V)), model.best_score_, rtol=1e-12)


def test_a_score_that_is_no_number_is_no_best_one(halves):
    (X, y, _), (V, v, _) = halves
    scores = iter([np.nan, 3.0, 2.0, np.nan, 2.5, 2.5, 2.5, 2.5])
    model = NewtonBoostingRegressor(
        n_estimators=8, early_stopping_rounds=3, eval_metric=lambda y, prediction: next(scores)
    ).fit(X, y, eval_set=[(V, v)])
    assert (model.best_iteration_, model.n_iter_) == (2, 6)
    never = NewtonBoostingRegressor(n_estimators=4, early_stopping_rounds=9, eval_metric=lambda y, p: np.nan)
    with pytest.raises(ValueError, match="the metric '<lambda>' was NaN in all 4 rounds"):
        never.fit(X, y, eval_set=[(V, v)])
    never.set_params(early_stopping_rounds=None).fit(X, y, eval_set=[(V, v)])
    assert len(list(never.staged_predict(V))) == 4


def test_rows_set_apart_stop_a_fit_inside_a_pipeline_and_a_search(halves):
    (X, y, kind), (V, _, v) = halves
    model = NewtonBoostingClassifier(
        n_estimators=100, early_stopping_rounds=3, validation_fraction=0.25, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), model)
    search = GridSearchCV(pipeline, {"newtonboostingclassifier__max_depth": [1, 3]}, cv=2).fit(X, kind)
    best = search.best_estimator_[-1]
    assert best.n_iter_ < 100
    assert best.best_iteration_ == best.n_iter_ - 4
    assert search.score(V, v) > 0.6
    assert best.trees_["count"][0] == 150
    regressor = NewtonBoostingRegressor(validation_fraction=0.2, early_stopping_rounds=3, random_state=1)
    weight = np.random.default_rng(0).integers(0, 3, size=len(y)).astype(float)
    regressor.fit(X, y, weight, base_margin=np.ones(len(y)))
    assert regressor.n_iter_ < 100


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsample": 0.6, "colsample_bynode": 0.5},
        {"validation_fraction": 0.2},
        {"validation_fraction": 0.2, "early_stopping_rounds": 50, "subsample": 0.8},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_a_fit_in_two_parts_is_the_fit_at_once(kind, options, data):
    X, y, labels = data
    cls, y = (NewtonBoostingRegressor, y) if kind == "regressor" else (NewtonBoostingClassifier, labels)
    at_once = cls(n_estimators=16, random_state=0, **options).fit(X, y)
    parts = cls(n_estimators=7, random_state=0, warm_start=True, **options).fit(X, y)
    parts = pickle.loads(pickle.dumps(parts)).set_params(n_estimators=16).fit(X, y)
    assert digest(parts, X) == digest(at_once, X)
    assert parts.evals_result_ == at_once.evals_result_
    assert parts.n_iter_ == 16
    assert getattr(parts, "best_iteration_", None) == getattr(at_once, "best_iteration_", None)
    assert getattr(parts, "best_score_", None) == getattr(at_once, "best_score_", None)
    with pytest.warns(UserWarning, match="all n_estimators=16 rounds are done already") as caught:
        again = parts.fit(X, y)
    assert caught[0].filename == __file__
    assert digest(again, X) == digest(at_once, X)


def test_going_on_without_a_seed_keeps_the_rows_that_were_set_apart(data):
    X, y, _ = data
    model = NewtonBoostingRegressor(n_estimators=5, validation_fraction=0.3, warm_start=True).fit(X, y)
    before = model.evals_result_["validation_0"]["loss"]
    model.set_params(n_estimators=8).fit(X, y)
    assert model.evals_result_["validation_0"]["loss"][:5] == before


def test_a_fit_that_stopped_early_does_not_go_on(halves):
    (X, y, _), (V, v, _) = halves
    model = NewtonBoostingRegressor(n_estimators=200, early_stopping_rounds=4, warm_start=True)
    expected = digest(model.fit(X, y, eval_set=[(V, v)]), V)
    assert digest(model.fit(X, y, eval_set=[(V, v)]), V) == expected
    assert "stopped early" in repr(model.optimality_)


def test_categories_keep_their_meaning_when_a_fit_goes_on(rng):
    kinds = rng.choice(list("abcdef"), size=300, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    y = np.array([3.0, -1.0, 2.0, 0.0, -2.0, 1.0])[np.searchsorted(list("abcdef"), kinds)]
    first = pd.DataFrame({"kind": pd.Categorical(kinds)})
    other = pd.DataFrame({"kind": pd.Categorical(kinds[::-1], categories=list("fedcbaxyz"))})
    model = NewtonBoostingRegressor(
        n_estimators=20, warm_start=True, min_child_weight=0, reg_lambda=0, max_bin=6
    )
    before = model.fit(first, y).predict(first)
    assert_allclose(model.set_params(n_estimators=21).fit(other, y[::-1]).predict(first), before, atol=1e-2)
    assert model.score(other, y[::-1]) > 0.9


def test_going_on_from_another_kind_of_fit_is_an_error(data):
    X, y, kind = data
    model = NewtonBoostingRegressor(n_estimators=3, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"2 features.*expecting 5"):
        model.fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"n_estimators=2 must not be less than the 3"):
        model.set_params(n_estimators=2).fit(X, y)
    with pytest.raises(ValueError, match="1 outputs; these data need 2"):
        model.set_params(n_estimators=5, loss=["squared_error", "huber"]).fit(X, y)
    model = NewtonBoostingClassifier(n_estimators=3, warm_start=True).fit(X, kind)
    with pytest.raises(ValueError, match="classes"):
        model.fit(X, kind > 0)
    assert model.n_iter_ == 3
    assert model.predict(X).max() == 2


# ----------------------------------------------------------------------------- starts, margins and weights


def test_a_base_score_is_the_mean_before_the_first_tree(data):
    X, y, kind = data
    stump = {"n_estimators": 1, "learning_rate": 1e-300}
    assert_allclose(NewtonBoostingRegressor(base_score=3.5, **stump).fit(X, y).predict(X), 3.5)
    assert_allclose(NewtonBoostingRegressor("poisson", base_score=3.5, **stump).fit(X, y**2).predict(X), 3.5)
    p = NewtonBoostingClassifier(base_score=0.2, **stump).fit(X, kind > 0).predict_proba(X)
    assert_allclose(p[:, 1], 0.2)
    assert_allclose(NewtonBoostingRegressor(**stump).fit(X, y).predict(X), y.mean())
    shares = NewtonBoostingClassifier(**stump).fit(X, kind).predict_proba(X)
    assert_allclose(shares, np.tile(np.bincount(kind) / len(y), (400, 1)))


def test_margins_stand_in_for_the_trees_before(data):
    """A fit on the raw predictions of another is that other one continued."""
    X, y, kind = data
    at_once = NewtonBoostingClassifier(n_estimators=8).fit(X, kind > 0)
    first = NewtonBoostingClassifier(n_estimators=3).fit(X, kind > 0)
    margin = first.decision_function(X)
    second = NewtonBoostingClassifier(n_estimators=5).fit(X, kind > 0, base_margin=margin)
    assert_array_equal(second.base_, 0)
    assert_allclose(second.decision_function(X, base_margin=margin), at_once.decision_function(X), rtol=1e-9)
    assert_array_equal(second.predict(X, base_margin=margin), at_once.predict(X))
    assert_allclose(second.predict_proba(X, base_margin=margin), at_once.predict_proba(X), rtol=1e-9)
    several = NewtonBoostingClassifier(n_estimators=3).fit(X, kind)
    margin = several.decision_function(X)
    second = NewtonBoostingClassifier(n_estimators=5).fit(X, kind, base_margin=margin)
    at_once = NewtonBoostingClassifier(n_estimators=8).fit(X, kind)
    assert_allclose(second.decision_function(X, base_margin=margin), at_once.decision_function(X), rtol=1e-9)
    number = NewtonBoostingRegressor(n_estimators=3).fit(X, y, base_margin=np.full(400, 2.0))
    fixed = NewtonBoostingRegressor(n_estimators=3, base_score=2.0).fit(X, y)
    assert_allclose(number.predict(X, base_margin=np.full((400, 1), 2.0)), fixed.predict(X))


def test_weights_of_classes_are_weights_of_their_rows(data, rng):
    X, _, kind = data
    y = np.array(["low", "mid", "top"])[kind]
    given = rng.exponential(size=len(y))
    of_rows = np.array([1.0, 5.0, 0.5])[kind]
    model = NewtonBoostingClassifier(n_estimators=4)
    weighted = clone(model).set_params(class_weight={"mid": 5.0, "top": 0.5}).fit(X, y, given)
    assert digest(weighted, X) == digest(clone(model).fit(X, y, given * of_rows), X)
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y)
    shares = len(y) / (3 * np.bincount(kind))[kind]
    assert digest(balanced, X) == digest(clone(model).fit(X, y, shares), X)
    scaled = clone(model).set_params(scale_pos_weight=3.0).fit(X, kind > 0)
    assert digest(scaled, X) == digest(clone(model).fit(X, kind > 0, np.where(kind > 0, 3.0, 1.0)), X)


@pytest.mark.parametrize(
    "labels", [[-5, 3, 40], ["x", "a", "m"], [0.0, 12.0, -5.0], [True, False, True]], ids=str
)
def test_labels_are_anything(labels, data):
    X, _, kind = data
    y = np.array(labels)[kind]
    model = NewtonBoostingClassifier(n_estimators=5).fit(X, y, eval_set=[(X[:50], y[:50])])
    assert_array_equal(model.classes_, np.unique(y))
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.9
    series = clone(model).fit(X, pd.Series(y.astype(object) if y.dtype.kind == "U" else y))
    assert_array_equal(series.predict_proba(X), model.predict_proba(X))


# ----------------------------------------------------------------------------------------------------- frames


@pytest.fixture(scope="module")
def people():
    """`(columns, y)`: a category with some missing, a number, and what follows from them."""
    rng = np.random.default_rng(1)
    kind = rng.choice(np.array(["red", "green", "blue", "grey", None], object), size=300)
    size = rng.normal(size=300)
    effect = {"red": 2.0, "green": -1.0, "blue": 2.0, "grey": -1.0, None: 0.5}
    return {"kind": kind, "size": size}, np.array([effect[k] for k in kind]) + 0.1 * size


def frames(columns):
    """The same table in pandas and polars, with categories in several orders."""
    kinds, size = columns["kind"], columns["size"]
    known = sorted({k for k in kinds if k is not None})
    return {
        "pandas": pd.DataFrame({"kind": pd.Categorical(kinds), "size": size}),
        "pandas, reversed": pd.DataFrame(
            {"kind": pd.Categorical(kinds, categories=["none", *known[::-1]]), "size": size}
        ),
        "pandas, ordered": pd.DataFrame({"kind": pd.Categorical(kinds, ordered=True), "size": size}),
        "polars": pl.DataFrame({"kind": pl.Series(kinds.tolist(), dtype=pl.Categorical), "size": size}),
        "polars, enum": pl.DataFrame(
            {"kind": pl.Series(kinds.tolist(), dtype=pl.Enum([*known[::-1], "none"])), "size": size}
        ),
    }


@pytest.mark.parametrize("name", ["pandas", "pandas, reversed", "pandas, ordered", "polars", "polars, enum"])
def test_categories_of_frames_mean_the_same_in_any_order_and_library(name, people):
    columns, y = people
    given = frames(columns)
    model = NewtonBoostingRegressor(n_estimators=30, max_depth=3).fit(given[name], y)
    assert model.score(given[name], y) > 0.98
    assert model.trees_["categorical"].any()
    assert {str(k) for k in model.categories_[0]} >= {"red", "green", "blue", "grey"}
    for other in given.values():
        assert_array_equal(model.predict(other), model.predict(given[name]))
        assert_allclose(clone(model).fit(other, y).predict(other), model.predict(other), rtol=1e-6, atol=1e-6)
    named = NewtonBoostingRegressor(n_estimators=30, max_depth=3, categorical_features=["kind"])
    objects = pd.DataFrame(columns)
    assert_allclose(named.fit(objects, y).predict(objects), model.predict(given[name]), rtol=1e-6, atol=1e-6)


def test_what_was_not_seen_goes_where_missing_values_go(people):
    columns, y = people
    model = NewtonBoostingRegressor(n_estimators=10).fit(frames(columns)["pandas"], y)
    new = pd.DataFrame({"kind": pd.Categorical(["violet", None, "red"]), "size": [0.1, 0.1, 0.1]})
    predicted = model.predict(new)
    assert predicted[0] == predicted[1] != predicted[2]
    assert_array_equal(
        predicted[:1],
        model.predict(pl.DataFrame({"kind": pl.Series(["q"], dtype=pl.Categorical), "size": [0.1]})),
    )


def test_categories_by_index_mask_and_name_are_the_same(people, rng):
    columns, y = people
    codes = rng.integers(6, size=300) * 7.0
    codes[rng.random(300) < 0.1] = np.nan
    X = np.c_[columns["size"], codes]
    y = y + np.nan_to_num(codes) % 5
    by_index = NewtonBoostingRegressor(n_estimators=5, categorical_features=[1]).fit(X, y)
    by_mask = NewtonBoostingRegressor(n_estimators=5, categorical_features=[False, True]).fit(X, y)
    frame = pd.DataFrame(X, columns=["size", "code"])
    by_name = NewtonBoostingRegressor(n_estimators=5, categorical_features=["code"]).fit(frame, y)
    assert digest(by_index, X) == digest(by_mask, X) == digest(by_name, frame)
    assert by_index.trees_["categorical"].any()
    assert not by_index.trees_["set"][~by_index.trees_["categorical"]].any()
    none = NewtonBoostingRegressor(n_estimators=5, categorical_features=None).fit(X, y)
    assert not none.trees_["categorical"].any()


def test_more_categories_than_bins_are_predicted_all_the_same(rng):
    codes = rng.integers(300, size=6000).astype(float)  # 46 of them, a seventh of the rows, share a bin
    y = np.sin(codes * 12.3)
    model = NewtonBoostingRegressor(n_estimators=40, categorical_features=[0]).fit(codes[:, None], y)
    assert len(np.unique(codes)) > 255
    assert model.score(codes[:, None], y) > 0.8


def test_columns_are_known_by_their_names(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = NewtonBoostingRegressor(n_estimators=3).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcde")
    assert_array_equal(model.predict(pl.from_pandas(frame)), model.predict(frame))
    for wrong in (frame[list("bacde")], frame[list("abcd")], frame.assign(f=1.0)):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)
        with pytest.raises(ValueError, match="feature names"):
            NewtonBoostingRegressor(n_estimators=3).fit(frame, y, eval_set=[(wrong, y)])
    kinds = frame.assign(a=pd.Categorical(frame.a > 0))
    model = NewtonBoostingRegressor(n_estimators=3).fit(kinds, y)
    for wrong in (kinds[list("bacde")], kinds[list("abcd")]):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)


# ---------------------------------------------------------------------------------------- reading the model


def test_stages_end_in_the_prediction(data):
    X, y, kind = data
    regressor = NewtonBoostingRegressor("poisson", n_estimators=6).fit(X, y**2)
    assert_array_equal(list(regressor.staged_predict(X))[-1], regressor.predict(X))
    for t in (kind, kind > 0):
        model = NewtonBoostingClassifier(n_estimators=6).fit(X, t)
        for name in ("predict", "predict_proba", "decision_function"):
            stages = list(getattr(model, f"staged_{name}")(X))
            assert len(stages) == 6
            assert_array_equal(stages[-1], getattr(model, name)(X))
            few = NewtonBoostingClassifier(n_estimators=2).fit(X, t)
            assert_array_equal(stages[1], getattr(few, name)(X))


def test_importances_are_sums_over_the_splits(data):
    X, y, _ = data
    model = NewtonBoostingRegressor(n_estimators=8).fit(X, y)
    trees = model.trees_
    inner = trees["left"] >= 0
    times = np.bincount(trees["feature"][inner], minlength=5)
    gains = np.bincount(trees["feature"][inner], trees["gain"][inner], minlength=5)
    covers = np.bincount(trees["feature"][inner], trees["cover"][inner], minlength=5)
    for kind, expected in {
        "weight": times,
        "gain": gains / times,
        "cover": covers / times,
        "total_gain": gains,
        "total_cover": covers,
    }.items():
        assert_allclose(model.importances(kind), expected)
        model.set_params(importance_type=kind)
        assert_allclose(model.feature_importances_, expected / expected.sum())
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="importance_type must be one of"):
        model.importances("beauty")
    flat = NewtonBoostingRegressor(n_estimators=2).fit(X, np.ones(400))
    assert_array_equal(flat.feature_importances_, 0)


def test_scikit_learns_inspection_works(data):
    X, y, kind = data
    X = np.nan_to_num(X)
    model = NewtonBoostingClassifier(n_estimators=10).fit(X, kind)
    importance = permutation_importance(model, X, kind, n_repeats=2, random_state=0).importances_mean
    assert importance.argmax() == 0
    averages = partial_dependence(NewtonBoostingRegressor(n_estimators=10).fit(X, y), X, [0])["average"][0]
    assert averages[-1] > averages[0]


def test_what_is_left_to_gain_becomes_less(data):
    X, y, _ = data
    few, many = (NewtonBoostingRegressor(n_estimators=n).fit(X, y).optimality_ for n in (1, 50))
    assert 0 <= many.details["best_remaining_gain"] < few.details["best_remaining_gain"]
    assert many.objective < few.objective


# ----------------------------------------------------------------------------------------- unusual but right


def test_columns_without_information_do_no_harm(data):
    X, y, kind = data
    more = np.c_[np.full(400, np.nan), X, np.ones(400), np.full(400, np.inf)]
    model = NewtonBoostingRegressor(n_estimators=5).fit(more, y)
    assert_array_equal(model.predict(more), NewtonBoostingRegressor(n_estimators=5).fit(X, y).predict(X))
    nothing = NewtonBoostingClassifier(n_estimators=5).fit(np.full((400, 2), np.nan), kind > 0)
    assert_allclose(nothing.predict_proba(X[:, :2])[:, 1], (kind > 0).mean(), atol=1e-3)


def test_one_row_and_one_value_are_predicted():
    one = NewtonBoostingRegressor(n_estimators=3).fit([[1.0, np.nan]], [4.0])
    assert_allclose(one.predict([[0.0, 1.0], [np.nan, np.nan]]), 4.0)
    two = NewtonBoostingClassifier(n_estimators=50, min_child_weight=0).fit([[0.0], [1.0]], ["a", "b"])
    assert two.predict([[0.0], [1.0], [-9.0]]).tolist() == ["a", "b", "a"]
    constant = NewtonBoostingRegressor("absolute_error", n_estimators=3).fit(
        np.arange(9.0)[:, None], np.full(9, 2.0)
    )
    assert_array_equal(constant.predict([[3.0]]), 2.0)


def test_weights_that_leave_one_class_predict_it(data):
    X, _, kind = data
    model = NewtonBoostingClassifier(n_estimators=3).fit(X, kind, (kind == 1).astype(float))
    assert_array_equal(model.predict(X), 1)


@pytest.mark.parametrize("scale", [1e-308, 1e-300, 1e-160, 1e-20, 1e20, 1e100])
def test_targets_of_any_size_are_learned_or_averaged(scale, data):
    X, y, _ = data
    model = NewtonBoostingRegressor(n_estimators=10).fit(X, scale * y)
    error = np.abs(model.predict(X) / scale - y)
    assert error.mean() < (0.2 if scale > 1e-100 else 2.0)
    robust = NewtonBoostingRegressor("absolute_error", n_estimators=10).fit(X, scale * y)
    assert np.abs(robust.predict(X) / scale - y).mean() < 0.5


def test_separable_classes_do_not_diverge():
    X = np.arange(100.0)[:, None]
    for reg_lambda in (0.0, 1.0):
        model = NewtonBoostingClassifier(
            n_estimators=300, learning_rate=1.0, reg_lambda=reg_lambda, min_child_weight=0.0
        ).fit(X, X[:, 0] > 50)
        assert np.isfinite(model.decision_function(X)).all()
        assert model.score(X, X[:, 0] > 50) == 1.0


# ---------------------------------------------------------------------------------------------- wrong input

R, C = NewtonBoostingRegressor, NewtonBoostingClassifier
x = np.arange(40.0).reshape(20, 2)
t = np.arange(20.0)
k = np.arange(20) % 2
kinds = pd.DataFrame({"a": pd.Categorical(list("xyzw") * 5), "b": t})
WRONG = {
    "NaN in y": (R(), x, np.r_[np.nan, t[1:]], {}, "y contains NaN"),
    "inf in y": (R(), x, np.r_[np.inf, t[1:]], {}, "y contains infinity"),
    "y of two columns": (R(), x, np.c_[t, t], {}, "y should be a 1d array"),
    "other length": (R(), x, t[:5], {}, "inconsistent numbers of samples"),
    "one class": (C(), x, np.zeros(20), {}, "one class"),
    "classes of floats": (C(), x, t + 0.5, {}, "Unknown label type"),
    "no rows": (R(), x[:0], t[:0], {}, "0 sample"),
    "no columns": (R(), x[:, :0], t, {}, "0 feature"),
    "one dimension": (R(), t, t, {}, "Expected 2D array"),
    "complex": (R(), x + 1j, t, {}, "Complex data not supported"),
    "complex, with categories": (R(categorical_features=[0]), x + 1j, t, {}, "Complex data not supported"),
    "strings": (R(), x.astype(str).astype(object) + "a", t, {}, "could not convert"),
    "strings in a frame of categories": (
        R(),
        kinds.assign(b="q"),
        t,
        {},
        "neither of numbers nor of categories",
    ),
    "all weights zero": (R(), x, t, {"sample_weight": np.zeros(20)}, "zero"),
    "negative weights": (R(), x, t, {"sample_weight": -np.ones(20)}, "[Nn]egative"),
    "weights of another length": (R(), x, t, {"sample_weight": np.ones(3)}, "sample_weight.shape"),
    "no limit": (R(max_depth=0), x, t, {}, "max_depth and max_leaves are both 0"),
    "no limit, None": (R(max_depth=None, max_leaves=None), x, t, {}, "max_depth and max_leaves are both 0"),
    "nothing to be judged by": (R(early_stopping_rounds=2), x, t, {}, "early_stopping_rounds needs rows"),
    "an empty eval_set": (
        R(early_stopping_rounds=2),
        x,
        t,
        {"eval_set": []},
        "early_stopping_rounds needs rows",
    ),
    "eval_set of one thing": (R(), x, t, {"eval_set": [(x,)]}, r"eval_set must be a list of pairs"),
    "eval_set of arrays": (R(), x, t, {"eval_set": [x, t]}, r"eval_set must be a list of pairs"),
    "eval_set, a number": (R(), x, t, {"eval_set": 3}, r"eval_set must be a list of pairs"),
    "eval_set of other columns": (R(), x, t, {"eval_set": [(x[:, :1], t)]}, "has 1 features"),
    "eval_set of other rows": (R(), x, t, {"eval_set": [(x, t[:4])]}, "eval_set: X has 20 rows, y has 4"),
    "eval_set of other labels": (C(), x, k, {"eval_set": [(x, k + 5)]}, r"labels that y has not: \[5, 6\]"),
    "eval_set of labels of another type": (
        C(),
        x,
        k,
        {"eval_set": [(x, ["a"] * 20)]},
        "labels that y has not",
    ),
    "eval_set with NaN in y": (R(), x, t, {"eval_set": [(x, np.full(20, np.nan))]}, "contains NaN"),
    "weights without an eval_set": (R(), x, t, {"sample_weight_eval_set": [t]}, "without an eval_set"),
    "too few weights": (
        R(),
        x,
        t,
        {"eval_set": [(x, t)], "sample_weight_eval_set": []},
        "sample_weight_eval_set",
    ),
    "unknown metric": (
        R(eval_metric="auc"),
        x,
        t,
        {"eval_set": [(x, t)]},
        "eval_metric must be .* got 'auc'",
    ),
    "unknown metric, no set": (C(eval_metric="f1"), x, k, {}, "eval_metric must be .* got 'f1'"),
    "rmse of several": (
        R([Quantile(0.1), Quantile(0.9)], eval_metric="rmse"),
        x,
        t,
        {"eval_set": [(x, t)]},
        "eval_metric: 'rmse' and 'mae' are for one loss",
    ),
    "margin of another length": (R(), x, t, {"base_margin": t[:3]}, r"base_margin must have shape \(20,\)"),
    "margin of too many outputs": (
        C(),
        x,
        k,
        {"base_margin": x},
        r"base_margin must have shape \(20, 1\), got \(20, 2\)",
    ),
    "margin of too few outputs": (
        C(),
        x,
        t % 3,
        {"base_margin": t},
        r"base_margin must have shape \(20, 3\)",
    ),
    "margin that is not finite": (
        R(),
        x,
        t,
        {"base_margin": np.full(20, np.nan)},
        "base_margin contains NaN",
    ),
    "monotone category": (R(monotone_constraints={"a": 1}), kinds, t, {}, "Categorical features cannot"),
    "monotone by 2": (R(monotone_constraints=[2, 0]), x, t, {}, "monotone_constraints must be .* got 2"),
    "monotone of another length": (R(monotone_constraints=[1]), x, t, {}, "monotone_constraints has shape"),
    "monotone by an unknown name": (
        R(monotone_constraints={"q": 1}),
        kinds,
        t,
        {},
        "monotone_constraints: 'q'",
    ),
    "unknown feature of a set": (
        R(interaction_constraints=[[0, 2]]),
        x,
        t,
        {},
        "interaction_constraints: .* got 2",
    ),
    "sets that are none": (
        R(interaction_constraints=[0, 1]),
        x,
        t,
        {},
        "interaction_constraints must be a list",
    ),
    "unknown category": (R(categorical_features=["q"]), kinds, t, {}, "no column 'q'"),
    "category of another index": (R(categorical_features=[7]), x, t, {}, "indices from 0 to 1"),
    "mask of another length": (R(categorical_features=[True]), x, t, {}, r"mask, must have shape \(2,\)"),
    "names without a frame": (R(categorical_features=["a"]), x, t, {}, "holds names, but X has none"),
    "sparse categories": (R(categorical_features=[0]), scipy.sparse.csr_array(x), t, {}, "sparse"),
    "a category that is not named": (
        R(categorical_features=["b"]),
        kinds,
        t,
        {},
        "column 0 of X is of categories",
    ),
    "a loss of labels": (R("hinge"), x, t, {}, "hinge: .* y must be -1 and \\+1"),
    "a loss of counts": (R("poisson"), x, -t, {}, "poisson: .* y must be numbers >= 0"),
    "a loss of numbers": (C("squared_error"), x, k, {}, "loss must be one of labels"),
    "a loss over rows": (R("multinomial_log_loss"), x, t, {}, "loss must have one output"),
    "unknown loss": (R("nope"), x, t, {}, "loss is 'nope'"),
    "no loss": (R([]), x, t, {}, "at least one loss"),
    "impossible base score": (C(base_score=1.5), x, k, {}, "base_score must be a possible mean"),
    "two weights of classes": (
        C(class_weight="balanced", scale_pos_weight=2.0),
        x,
        k,
        {},
        "give one of them",
    ),
    "scale of three classes": (
        C(scale_pos_weight=2.0),
        x,
        t % 3,
        {},
        "scale_pos_weight is for two classes, got 3",
    ),
    "negative class weight": (C(class_weight={0: -1.0}), x, k, {}, "class_weight must leave weights"),
    "no rounds": (R(n_estimators=0), x, t, {}, "n_estimators"),
    "no rate": (R(learning_rate=0.0), x, t, {}, "learning_rate"),
    "two bins": (R(max_bin=2), x, t, {}, "max_bin"),
    "257 bins": (R(max_bin=257), x, t, {}, "max_bin"),
    "no subsample": (R(subsample=0.0), x, t, {}, "subsample"),
    "NaN as a penalty": (R(reg_lambda=np.nan), x, t, {}, "reg_lambda"),
    "unknown policy": (R(grow_policy="widthwise"), x, t, {}, "grow_policy"),
    "a fraction of all": (R(validation_fraction=1.0), x, t, {}, "validation_fraction"),
    "a fraction of nothing": (R(validation_fraction=0.5), x[:1], t[:1], {}, "train set will be empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_an_error_that_says_what(name):
    model, X, y, more, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y, **more)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(data):
    X, y, kind = data
    model = NewtonBoostingClassifier(n_estimators=3).fit(X, kind)
    before = dict(vars(model))
    expected = model.predict_proba(X)

    def broken(y, prediction):
        raise ArithmeticError

    for change, kwargs in (
        ({"eval_metric": broken}, {"eval_set": [(X[:, :2], kind % 2)]}),
        ({"eval_metric": "nope"}, {}),
        ({"loss": "squared_error"}, {}),
        ({"monotone_constraints": [1]}, {}),
    ):
        model.set_params(**change)
        with pytest.raises((ValueError, ArithmeticError)):
            model.fit(X[:, :2], kind % 2, **kwargs)
        model.set_params(**clone(KINDS[5]).set_params(n_estimators=3).get_params())
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items() if name.endswith("_"))
        assert_array_equal(model.predict_proba(X), expected)
    unfitted = NewtonBoostingRegressor(eval_metric=broken)
    with pytest.raises(ArithmeticError):
        unfitted.fit(X, y, eval_set=[(X, y)])
    assert not [name for name in vars(unfitted) if name.endswith("_")]


def test_unfitted_estimators_say_so(data):
    for name in ("predict", "apply", "staged_predict"):
        with pytest.raises(NotFittedError):
            list(getattr(NewtonBoostingRegressor(), name)(data[0]))


@pytest.mark.parametrize("method", ["predict", "apply", "predict_proba", "decision_function"])
def test_wrong_rows_are_not_walked(method, data):
    X, _, kind = data
    predict = getattr(NewtonBoostingClassifier(n_estimators=2).fit(X, kind), method)
    for wrong, message in (
        (X[:, :3], "3 features"),
        (X[0], "2D array"),
        (X[:0], "0 sample"),
        (X + 1j, "Complex"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(wrong)


# ------------------------------------------------------------------------------------------------ interrupts

LONG = """
    import _thread, signal, sys, threading, time
    import numpy as np
    from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor

    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 20)).astype(np.float32)
    y = X[:, 0] + rng.normal(size=len(X))
    deep = {"n_estimators": 10**6, "max_depth": 0, "max_leaves": 5000, "n_jobs": int(sys.argv[2])}
    model = {
        "squared": NewtonBoostingRegressor(**deep),
        "renewed": NewtonBoostingRegressor("absolute_error", **deep),
        "classes": NewtonBoostingClassifier(**deep),
    }[sys.argv[1]]
    y = y > 0 if sys.argv[1] == "classes" else y
    few = {"n_estimators": 1, "max_leaves": 4}
    type(model)(**model.get_params() | few).fit(X[:1000], y[:1000])  # compiled
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        _thread.interrupt_main()

    threading.Timer(1.5, interrupt).start()
    try:
        model.fit(X, y)
        print("it ended")
    except KeyboardInterrupt:
        print([name for name in vars(model) if name.endswith("_")], time.monotonic() - sent[0] < 5)
"""  # 5 seconds are an answer, not a speed: about one is meant


def test_an_interrupt_ends_a_fit_soon_and_leaves_the_estimator_unfitted(tmp_path):
    program = tmp_path / "long.py"
    program.write_text(textwrap.dedent(LONG))
    folder = str(Path(calclearn.__file__).parents[1])
    for kind, n_jobs in (("squared", "2"), ("renewed", "1"), ("classes", "2")):
        done = subprocess.run(
            [sys.executable, str(program), kind, n_jobs],
            env=os.environ | {"PYTHONPATH": folder},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.stdout == "[] True\n", done.stderr


def test_nothing_warns(data):
    X = data[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in KINDS:
            clone(model).fit(X, target(model, data)).predict(X)


@pytest.mark.parametrize("with_category", [False, True])
@pytest.mark.parametrize(
    ("column", "match"),
    [
        (pd.Series(["a", "b"] * 20, name="town"), "column 'town' .* name it in categorical_features"),
        (pd.Series(pd.date_range("2020", periods=40), name="day"), "column 'day' of X has dtype datetime64"),
        (pd.Series(pd.to_timedelta(range(40), "h"), name="wait"), "column 'wait' of X has dtype timedelta64"),
    ],
    ids=["strings", "dates", "durations"],
)
def test_columns_that_are_no_numbers_are_refused_by_name(column, match, with_category):
    frame = pd.DataFrame({"x": np.arange(40.0), str(column.name): column})
    if with_category:
        frame["c"] = pd.Categorical(["p", "q"] * 20)
    with pytest.raises(ValueError, match=match):
        NewtonBoostingRegressor(n_estimators=1).fit(frame, np.arange(40.0))


def test_each_reason_to_stop_has_a_sentence(data):
    X, y, _ = data
    for early in (None, 1):
        model = NewtonBoostingRegressor(
            n_estimators=60, early_stopping_rounds=early, validation_fraction=early and 0.3, random_state=0
        ).fit(X, y)
        assert explain(model.optimality_.reason)
