"""Any parameters on any data: a model that is finite, and the same for any number of threads."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from numpy.testing import assert_array_equal

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor, _growing
from calclearn.losses import Quantile

from .test_boosting import digest

CALM = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PARAMETERS = {
    "n_estimators": some.integers(1, 4),
    "learning_rate": some.sampled_from([0.01, 0.3, 1.0, 3.0]),
    "max_depth": some.sampled_from([1, 3, 6, 40]),
    "max_leaves": some.sampled_from([0, 1, 2, 7, 100]),
    "grow_policy": some.sampled_from(["depthwise", "lossguide"]),
    "max_bin": some.sampled_from([3, 4, 20, 256]),
    "min_child_weight": some.sampled_from([0.0, 1e-9, 1.0, 30.0]),
    "min_child_samples": some.sampled_from([0, 1, 2, 9]),
    "gamma": some.sampled_from([0.0, 0.5]),
    "reg_lambda": some.sampled_from([0.0, 1e-12, 1.0, 1e6]),
    "reg_alpha": some.sampled_from([0.0, 0.5]),
    "max_delta_step": some.sampled_from([0.0, 0.3]),
    "subsample": some.sampled_from([0.1, 0.7, 1.0]),
    "colsample_bytree": some.sampled_from([0.3, 1.0]),
    "colsample_bylevel": some.sampled_from([0.3, 1.0]),
    "colsample_bynode": some.sampled_from([0.3, 1.0]),
    "categorical_features": some.sampled_from([None, [0], [0, 1]]),
    "monotone_constraints": some.sampled_from([None, {3: 1}, {2: -1, 3: 1}]),
    "interaction_constraints": some.sampled_from([None, [[0, 1], [1, 2, 3]], []]),
    "validation_fraction": some.sampled_from([None, 0.3]),
    "random_state": some.integers(0, 9),
}
LOSSES = [
    "squared_error",
    "absolute_error",
    "huber",
    "epsilon_insensitive",
    "log_cosh",
    [Quantile(0.2), Quantile(0.9)],
]
LABELS = ["log_loss", "hinge", "squared_hinge", "exponential", "multinomial_log_loss"]
LIGHT = pytest.mark.filterwarnings("ignore:No tree has a split:UserWarning")
SIZES = [0.0, -0.0, 1.0, 1e-320, -1e300, np.inf, -np.inf, np.nan]


@pytest.fixture(autouse=True, scope="module")
def _teams_for_little():
    """Threads share trees of few rows too, by tiles of two features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_growing, "SHARED_WORK", 0)
        patch.setattr(_growing, "TILE", 2)
        yield


@some.composite
def tables(draw):
    """`(X, number, kind, weight)`: two columns of small whole numbers, two of any, and one of noise."""
    n = draw(some.integers(8, 60))
    rng = np.random.default_rng(draw(some.integers(0, 99)))
    X = rng.normal(size=(n, 5)).round(draw(some.integers(0, 3)))
    X[:, :2] = rng.integers(0, draw(some.integers(1, 9)), size=(n, 2))
    places = rng.random((n, 2)) < draw(some.sampled_from([0.0, 0.1, 0.9]))
    X[:, 2:4] = np.where(
        places, rng.choice(draw(some.lists(some.sampled_from(SIZES), min_size=1)), (n, 2)), X[:, 2:4]
    )
    number = rng.normal(size=n).round(draw(some.integers(0, 2))) * draw(some.sampled_from([1.0, 1e-9, 1e9]))
    kind = rng.integers(0, draw(some.integers(2, 4)), size=n)
    kind[:8] = [0, 1] * 4
    weight = draw(some.sampled_from([None, np.arange(n) % 3 + 0.0, rng.exponential(size=n)]))
    return draw(some.sampled_from([X, np.asfortranarray(X), X.astype(np.float32)])), number, kind, weight


def check(model, X, y, weight, margin):
    """Fit on one thread and on three."""
    models = [
        type(model)(**model.get_params() | {"n_jobs": k}).fit(X, y, weight, base_margin=margin)
        for k in (1, 3)
    ]
    assert digest(models[0], X) == digest(models[1], X)
    for array in (models[0].trees_["value"], models[0].base_, models[0].feature_importances_):
        assert np.isfinite(array).all()
    leaves = models[0].apply(X)
    assert (leaves >= 0).all()
    return models[0]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of 1e300 to float32
@LIGHT
@CALM
@given(tables(), some.fixed_dictionaries(PARAMETERS), some.sampled_from(LOSSES), some.booleans())
def test_any_regressor_on_any_data_is_finite_and_knows_no_threads(table, parameters, loss, margin):
    X, y, _, weight = table
    K = len(loss) if isinstance(loss, list) else 1
    margin = np.tile(y[::-1, None], (1, K)) if margin else None
    model = check(NewtonBoostingRegressor(loss, **parameters), X, y, weight, margin)
    assert np.isfinite(model.predict(X)).all()
    assert_array_equal(list(model.staged_predict(X))[-1], model.predict(X))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@LIGHT
@CALM
@given(tables(), some.fixed_dictionaries(PARAMETERS), some.sampled_from(LABELS), some.booleans())
def test_any_classifier_on_any_data_is_finite_and_knows_no_threads(table, parameters, loss, balanced):
    X, _, y, weight = table
    parameters = parameters | {"class_weight": "balanced" if balanced else None}
    model = check(NewtonBoostingClassifier(loss, **parameters), X, y, weight, None)
    assert np.isfinite(model.decision_function(X)).all()
    assert np.isin(model.predict(X), model.classes_).all()
    if hasattr(model, "predict_proba"):
        p = model.predict_proba(X)
        assert np.allclose(p.sum(axis=1), 1.0)
        assert (p >= 0).all()


@LIGHT
@CALM
@given(
    some.fixed_dictionaries({k: v for k, v in PARAMETERS.items() if k != "categorical_features"}), some.data()
)
def test_sparse_rows_give_the_model_of_dense_ones(parameters, data):
    rng = np.random.default_rng(data.draw(some.integers(0, 99)))
    X = np.where(rng.random((60, 5)) < 0.6, 0.0, rng.normal(size=(60, 5)).round(1))
    y = X.sum(axis=1)
    dense = NewtonBoostingRegressor(**parameters).fit(X, y)
    for form in (scipy.sparse.csr_array, scipy.sparse.csc_array):
        sparse = NewtonBoostingRegressor(**parameters).fit(form(X), y)
        assert digest(sparse, form(X)) == digest(dense, X)
