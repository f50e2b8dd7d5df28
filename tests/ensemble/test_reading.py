"""What a fitted ensemble tells of itself: contributions, the frame of its nodes, importances."""

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.inspection import partial_dependence, permutation_importance

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor

COLUMNS = [
    "tree",
    "output",
    "node",
    "depth",
    "feature",
    "threshold",
    "categories",
    "left",
    "right",
    "missing",
]
COLUMNS += ["gain", "cover", "count", "value"]


def table(n=300, seed=0):
    """A frame with missing values, categories, and a column of noise; and targets."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.normal(40.0, 10.0, n),
            "town": pd.Categorical(rng.choice(["Bath", "Cork", "Derby", "Fife", "Hull"], n)),
            "noise": rng.normal(size=n),
            "rooms": rng.integers(1, 6, n).astype(np.float64),
        }
    )
    y = 0.1 * X["age"] + 2.0 * X["town"].isin(["Cork", "Hull"]) + (X["rooms"] > 3) * X["age"] * 0.05
    X.loc[rng.random(n) < 0.2, "rooms"] = np.nan
    X.loc[rng.random(n) < 0.1, "town"] = None
    return X, y.to_numpy() + 0.1 * rng.normal(size=n)


def regressor(**parameters):
    return NewtonBoostingRegressor(**{"n_estimators": 5, "max_depth": 3, "random_state": 0} | parameters)


def classifier(**parameters):
    return NewtonBoostingClassifier(**{"n_estimators": 5, "max_depth": 3, "random_state": 0} | parameters)


# ---------------------------------------------------------------------------------------------- contributions


def test_contributions_add_up_to_the_prediction():
    X, y = table()
    model = regressor(max_depth=6).fit(X, y)
    phi = model.predict_contributions(X)
    assert phi.shape == (300, 5)
    assert_allclose(phi.sum(axis=1), model.predict(X), rtol=1e-12)
    assert np.abs(phi[:, 1]).mean() > 5 * np.abs(phi[:, 2]).mean()  # the town, and noise


def test_contributions_of_two_classes_are_log_odds():
    X, y = table()
    model = classifier().fit(X, y > np.median(y))
    assert_allclose(model.predict_contributions(X).sum(axis=1), model.decision_function(X), atol=1e-12)


@pytest.mark.parametrize("policy", [{}, {"max_depth": 0, "max_leaves": 40, "grow_policy": "lossguide"}])
def test_contributions_of_several_classes_have_an_axis_more(policy):
    X, y = table()
    model = classifier(min_child_weight=0.0, **policy).fit(X, np.digitize(y, [4.0, 6.0]))
    phi = model.predict_contributions(X)
    assert phi.shape == (300, 3, 5)
    assert_allclose(phi.sum(axis=2), model.decision_function(X), atol=1e-12)


def test_contributions_of_several_losses_have_an_axis_more():
    X, y = table()
    model = regressor(loss=["squared_error", "absolute_error"]).fit(X, y)
    assert_allclose(model.predict_contributions(X).sum(axis=2), model.predict(X), rtol=1e-12)


def test_the_base_value_is_the_mean_prediction_of_the_training_rows():
    """Where all Hessians are one, the shares of the cover are those of the rows."""
    X, y = table()
    model = regressor().fit(X, y)
    phi = model.predict_contributions(X)
    assert_allclose(phi[:, -1], model.predict(X).mean(), rtol=1e-9)


def test_contributions_use_the_rounds_up_to_the_best_one():
    X, y = table()
    model = regressor(n_estimators=60, learning_rate=1.0, validation_fraction=0.3, early_stopping_rounds=3)
    model.fit(X, y)
    assert model.best_iteration_ + 1 < model.n_iter_
    assert_allclose(model.predict_contributions(X).sum(axis=1), model.predict(X), rtol=1e-12)
    assert model.trees_to_dataframe()["tree"].max() == model.best_iteration_


def test_contributions_are_the_same_for_any_number_of_threads():
    X, y = table()
    model = regressor(n_jobs=1).fit(X, y)
    one = model.predict_contributions(X)
    assert_array_equal(model.set_params(n_jobs=2).predict_contributions(X), one)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_contributions_take_sparse_rows(rng, kind):
    X = np.where(rng.random((80, 3)) < 0.6, 0.0, rng.normal(size=(80, 3)))
    model = regressor().fit(X, X[:, 0] + X[:, 1] ** 2)
    assert_array_equal(model.predict_contributions(kind(X)), model.predict_contributions(X))


def test_contributions_refuse_what_predict_refuses(rng):
    X = rng.normal(size=(30, 3))
    with pytest.raises(NotFittedError):
        regressor().predict_contributions(X)
    with pytest.raises(ValueError, match="2 features"):
        regressor().fit(X, X[:, 0]).predict_contributions(X[:, :2])


# -------------------------------------------------------------------------------------------------- the frame


def walk(frame, row):
    """The value of the leaf that a row reaches, by the frame alone."""
    node = 0
    while pd.notna(frame.at[node, "left"]):
        at = frame.loc[node]
        x = row[at["feature"]]
        if pd.isna(x):
            node = at["missing"]
        elif at["categories"] is not None:
            node = at["left"] if x in at["categories"] else at["right"]
        else:
            node = at["left"] if x <= at["threshold"] else at["right"]
    return frame.at[node, "value"]


@pytest.mark.parametrize("max_bin", [256, 4])  # with 4, the rarest towns share a bin
def test_the_frame_is_enough_to_predict(max_bin):
    X, y = table()
    model = classifier(max_depth=4, max_bin=max_bin).fit(X, np.digitize(y, [4.0, 6.0]))
    frame = model.trees_to_dataframe()
    assert frame.columns.tolist() == COLUMNS
    raw = np.tile(model.base_, (30, 1))
    for (_, output), nodes in frame.groupby(["tree", "output"]):
        nodes = nodes.set_index("node")
        raw[:, output] += [walk(nodes, X.iloc[i]) for i in range(30)]
    assert frame["categories"].notna().any()
    assert_allclose(raw, model.decision_function(X[:30]), rtol=1e-12)


def test_the_frame_has_one_row_a_node():
    X, y = table()
    model = regressor(n_estimators=2, loss=["squared_error", "absolute_error"]).fit(X, y)
    frame = model.trees_to_dataframe()
    assert frame.groupby("tree")["output"].first().tolist() == [0, 1, 0, 1]
    for tree, nodes in frame.groupby("tree"):
        nodes = nodes.set_index("node")
        inner = nodes[nodes["left"].notna()]
        assert nodes.index.tolist() == list(range(len(nodes)))
        assert nodes.at[0, "count"] == len(X)
        for side in ("left", "right"):
            assert_array_equal(nodes.loc[inner[side], "depth"].to_numpy(), inner["depth"] + 1)
        both = [nodes.loc[inner[side]].reset_index() for side in ("left", "right")]
        assert_array_equal(both[0]["count"] + both[1]["count"], inner["count"])
        assert_allclose(both[0]["cover"] + both[1]["cover"], inner["cover"])
        leaves = nodes[nodes["left"].isna()]
        assert (
            leaves[["feature", "threshold", "categories", "right", "missing", "gain"]].isna().all(axis=None)
        )
        assert_array_equal(np.unique(model.apply(X)[:, tree]), leaves.index)


def test_the_frame_names_no_category_that_no_row_has():
    import pandas

    kind = pandas.Categorical(["a", "b"] * 50, categories=["a", "b", "never", "nor this"])
    frame = pandas.DataFrame({"kind": kind})
    nodes = regressor(n_estimators=1).fit(frame, np.arange(100) % 2.0).trees_to_dataframe()
    assert nodes.at[0, "categories"] in (("a",), ("b",))


def test_features_without_names_are_numbered(rng):
    X = rng.normal(size=(50, 3))
    frame = regressor(n_estimators=1).fit(X, X[:, 2]).trees_to_dataframe()
    assert frame.loc[0, "feature"] == "x2"
    assert frame.loc[0, "threshold"] == pytest.approx(np.median(X[:, 2]), abs=0.5)


def test_a_tree_without_splits_is_one_row():
    frame = regressor(n_estimators=2).fit(np.zeros((9, 1)), np.arange(9.0)).trees_to_dataframe()
    assert frame["node"].tolist() == [0, 0]
    assert frame[["feature", "left", "categories"]].isna().all(axis=None)


def test_the_frame_needs_pandas(monkeypatch, rng):
    X = rng.normal(size=(30, 2))
    model = regressor().fit(X, X[:, 0])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas"):
        model.trees_to_dataframe()
    with pytest.raises(NotFittedError):
        regressor().trees_to_dataframe()


# ------------------------------------------------------------------------------------------------ importances


def test_importances_are_what_the_frame_says():
    X, y = table()
    model = regressor().fit(X, y)
    splits = model.trees_to_dataframe().dropna(subset="feature").groupby("feature")
    for kind, by_hand in {
        "gain": splits["gain"].mean(),
        "weight": splits.size(),
        "cover": splits["cover"].mean(),
        "total_gain": splits["gain"].sum(),
        "total_cover": splits["cover"].sum(),
    }.items():
        by_hand = by_hand.reindex(X.columns, fill_value=0.0)
        assert_allclose(model.importances(kind), by_hand)
        model.set_params(importance_type=kind)
        assert_allclose(model.feature_importances_, by_hand / by_hand.sum())


def test_without_splits_nothing_is_important():
    model = regressor().fit(np.zeros((9, 2)), np.arange(9.0))
    assert_array_equal(model.feature_importances_, [0.0, 0.0])


def test_an_unknown_importance_is_refused(rng):
    X = rng.normal(size=(30, 2))
    with pytest.raises(ValueError, match=r"importance_type must be one of .*'split'"):
        regressor().fit(X, X[:, 0]).importances("split")


# ---------------------------------------------------------------------------------- scikit-learn's inspection


def test_partial_dependence_works():
    X, y = table()
    model = regressor(n_estimators=20).fit(X, y)
    of_age = partial_dependence(model, X, ["age"], grid_resolution=10)["average"][0]
    assert of_age[-1] > of_age[0] + 1.0
    of_town = partial_dependence(model, X.dropna(), ["town"], categorical_features=["town"])
    cork = of_town["grid_values"][0].tolist().index("Cork")
    assert of_town["average"][0].argmax() in (cork, of_town["grid_values"][0].tolist().index("Hull"))
    model = classifier().fit(X[["age"]], y > np.median(y))
    assert np.ptp(partial_dependence(model, X[["age"]], [0], grid_resolution=10)["average"]) > 0.1


def test_permutation_importance_works():
    X, y = table()
    model = regressor(n_estimators=20).fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=2, random_state=0)["importances_mean"]
    assert importance.argmin() == 2
    assert importance[[0, 1]].min() > 10 * abs(importance[2])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibrated_classifiers_work(n_classes):
    X, y = table()
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [4.0, 6.0][: n_classes - 1])]
    model = CalibratedClassifierCV(classifier(), cv=2).fit(X, labels)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, labels) > 0.8
