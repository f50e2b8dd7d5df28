"""Networks for tables: columns as numbers, embeddings, and what the recipe promises."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.utils import shuffle

from calclearn.inspection import check_gradients
from calclearn.neural_network import TabularMLPClassifier, TabularMLPRegressor, layers
from calclearn.neural_network._columns import count_columns, encode_columns, learn_columns
from calclearn.neural_network._inputs import Inputs
from calclearn.neural_network._training import Best

SMALL = {"hidden_layer_sizes": (16,), "max_iter": 5, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    """300 rows: a number, one that may be missing, a category of three levels and one of thirty."""
    rng = np.random.default_rng(0)
    few, many = rng.integers(0, 3, 300), rng.integers(0, 30, 300)
    number, other = rng.standard_normal(300), rng.exponential(size=300)
    effect = rng.standard_normal(30)
    y = number + 2.0 * (few == 1) + effect[many] + 0.1 * rng.standard_normal(300)
    other[::7] = np.nan
    names = np.array(["red", "green", "blue"])
    X = pd.DataFrame({"number": number, "other": other, "few": names[few], "many": many})
    return X.astype({"few": "category", "many": "category"}), y


def test_numbers_are_centred_by_the_median_and_drawn_in_smoothly():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(5.0, 2.0, 1000), np.repeat([0.0, 1.0, 0.0], [498, 2, 500]), np.ones(1000)]
    X[0, 0] = 1e9
    columns = learn_columns(X, np.zeros(3, bool), {}, 8)
    Z = encode_columns(X, columns, np.float64)
    lower, median, upper = np.quantile(X[:, 0], (0.25, 0.5, 0.75))
    z = (X[5, 0] - median) / (upper - lower)
    assert_allclose(Z[5, 0], z / np.sqrt(1.0 + (z / 3.0) ** 2), rtol=1e-12)
    assert_allclose(Z[0, 0], 3.0, rtol=1e-6)
    assert_array_equal(np.argsort(Z[:, 0]), np.argsort(X[:, 0]))
    assert_array_equal(Z[:, 1] > 0, X[:, 1] > 0)  # quartiles that are one number: by half the range
    assert not Z[:, 2].any()


def test_missing_numbers_are_medians_with_an_indicator_and_categories_indicators_or_codes():
    X = np.array([[1.0, 0, 7], [np.nan, 1, 3], [3.0, np.nan, np.nan], [2.0, 0, 0]])
    columns = learn_columns(X, np.array([False, True, True]), {1: 2, 2: 9}, 8)
    Z = encode_columns(X, columns, np.float64)
    assert count_columns(columns) == (1, 1 + 2, (9,))
    assert_allclose(Z[1, 0], 0.0, atol=1e-15)
    assert_array_equal(Z[:, 1], [0, 1, 0, 0])
    assert_array_equal(Z[:, 2:4], [[1, 0], [0, 1], [0, 0], [1, 0]])
    assert_array_equal(Z[:, 4], [7, 3, -1, 0])


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("waves", [0, 4])
def test_the_gradient_of_each_embedding_is_that_of_finite_differences(table, loss, waves):
    X, y = table
    model = TabularMLPRegressor(loss, **SMALL, n_waves=waves, dropout=0.2).fit(X[:60], y[:60])
    report = check_gradients(model, X[:60], y[:60])
    assert report.error < 1e-6
    assert len([name for name in report.layers if name.startswith("embedding")]) == (5 if waves else 1)


def test_embedded_numbers_are_what_the_formula_says(table):
    X, y = table
    model = TabularMLPRegressor(**SMALL, n_waves=3, number_size=2).fit(X, y)
    frequencies, phases, weights, bias, codes = model.embeddings_
    columns = model._rows(X, reset=False)
    assert_array_equal(columns[0, 2:6].astype(bool), [True, *(X["few"].cat.categories == X["few"][0])])
    parts = []
    for j in range(2):
        waves = np.cos(2.0 * np.pi * (np.outer(columns[:, j], frequencies[j]) + phases[j]))
        parts += [columns[:, [j]], waves @ weights[3 * j : 3 * j + 3] + bias[j]]
    embedded = np.hstack([*parts, columns[:, 2:6], layers.Embedding(codes).forward(columns[:, 6])])
    activate = layers.Activation("mish")
    hidden = activate.forward(embedded @ model.coefs_[0] + model.intercepts_[0])
    raw = (hidden @ model.coefs_[1] + model.intercepts_[1]).ravel()
    expected = np.clip(raw * y.std() + y.mean(), y.min(), y.max())
    assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-4)


def test_it_learns_from_categories_what_no_number_tells(table):
    X, y = table
    model = TabularMLPRegressor(hidden_layer_sizes=(32, 32), max_iter=150, random_state=0)
    assert model.fit(X[:240], y[:240]).score(X[240:], y[240:]) > 0.8
    assert (
        clone(model).fit(X[["number", "other"]][:240], y[:240]).score(X[["number", "other"]][240:], y[240:])
        < 0.6
    )


def test_unknown_and_missing_categories_have_no_level(table):
    X, y = table
    model = TabularMLPRegressor(**SMALL).fit(X, y)
    new = X[:2].astype({"few": object, "many": object})
    new.loc[0, ["few", "many"]] = ["violet", 77]
    new.loc[1, ["few", "many"]] = [None, None]
    new = new.astype({"few": "category", "many": "category"})
    assert not model._rows(new, reset=False)[:, 3:6].any()
    assert_array_equal(model._rows(new, reset=False)[:, 6], [-1, -1])
    assert np.isfinite(model.predict(new)).all()


def test_of_epochs_that_score_best_the_last_is_kept():
    X, y = shuffle(*load_wine(return_X_y=True), random_state=0)
    model = TabularMLPClassifier((16,), max_iter=20, random_state=0)
    model.fit(X[:140], y[:140], X_val=X[140:], y_val=y[140:])
    assert len(model.validation_scores_) == model.n_iter_ == 20
    assert model.score(X[140:], y[140:]) == model.best_validation_score_ == max(model.validation_scores_)
    kept, best = np.zeros(1), Best(slack=1e-9)
    for epoch, score in enumerate([0.5, 0.75, 0.25, 0.75, 0.5]):
        best.see(score, np.array([epoch]))
    best.restore(kept)
    assert kept == 3


def test_it_beats_the_mean_on_diabetes_by_what_linear_models_do():
    X, y = load_diabetes(return_X_y=True)
    X, y = shuffle(X, y, random_state=0)
    model = TabularMLPRegressor(hidden_layer_sizes=(64, 64), max_iter=60, random_state=0)
    assert model.fit(X[:330], y[:330]).score(X[330:], y[330:]) > 0.35


def test_targets_may_be_several_and_predictions_stay_within_what_was_seen(table):
    X, y = table
    targets = np.c_[y, 1e6 * y + 3e6]
    model = TabularMLPRegressor(**SMALL).fit(X, targets)
    found = model.predict(X)
    assert found.shape == targets.shape
    assert (found >= targets.min(axis=0) - 1e-6).all()
    assert (found <= targets.max(axis=0) + 1e-6).all()


def test_rows_to_validate_with_may_be_handed_in(table):
    X, y = table
    model = TabularMLPRegressor(**SMALL).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert_allclose(model.best_validation_score_, model.score(X[200:], y[200:]), rtol=1e-5)
    assert model.optimality_.details["n_rows"] == 200


def test_what_cannot_be_is_said():
    with pytest.raises(AttributeError, match="no partial_fit"):
        TabularMLPClassifier().partial_fit  # noqa: B018
    with pytest.raises(ValueError, match="infinity"):
        TabularMLPRegressor(**SMALL).fit([[1.0], [np.inf], [2.0]] * 5, np.arange(15.0))
    with pytest.raises(ValueError, match="n_waves"):
        TabularMLPRegressor(n_waves=-1).fit([[1.0]] * 10, np.arange(10.0))
    with pytest.raises(ValueError, match="categorical_features"):
        TabularMLPRegressor(categorical_features=[3]).fit([[1.0]] * 10, np.arange(10.0))


def test_a_column_of_categories_that_is_to_be_none_is_named():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"city": pandas.Categorical(["Rome", "Oslo"] * 10)})
    with pytest.raises(ValueError, match="column 'city' of X"):
        TabularMLPRegressor(categorical_features=None, **SMALL).fit(X, np.arange(20.0))


def test_embeddings_that_are_asked_for_after_the_fit_change_no_prediction(table):
    X, y = table
    model = TabularMLPRegressor(**SMALL).fit(X, y)
    before = model.predict(X)
    assert_array_equal(model.set_params(n_waves=2, category_size=3, number_size=1).predict(X), before)


def test_inputs_count_what_they_put_out():
    inputs = Inputs(3, 2, (4, 5), waves=6, width=2, code_width=7)
    assert (inputs.columns, inputs.n_embedded) == (7, 3 * 3 + 2 + 2 * 7)
    assert inputs.shapes == [(3, 6), (3, 6), (18, 2), (3, 2), (4, 7), (5, 7)]
    assert Inputs(3, 2, waves=0).shapes == []
