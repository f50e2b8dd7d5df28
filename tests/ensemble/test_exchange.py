"""XGBoost's JSON format: both ways alone, broken files, and against XGBoost itself (marked `peer`)."""

import copy
import json
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.ensemble._exporting import conditions_of, margin_of, split_base
from calclearn.ensemble._importing import thresholds_of
from calclearn.losses import Huber, Quantile, Tweedie, loss

N = 400
EFFECT = dict(zip("stuvwxyz", [1.0, -1.0, 0.5, 2.0, 0.0, -3.0, 1.5, 0.2]))
REGRESSIONS = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    Tweedie(1.3): "reg:tweedie",
    Tweedie(0.0): "count:poisson",
    Tweedie(3.0): "reg:gamma",
    "log_loss": "reg:logistic",
    Huber(0.5): "reg:squarederror",
    "log_cosh": "reg:squarederror",
}
TRAINED = {
    "reg:squarederror": {},
    "reg:absoluteerror": {},
    "reg:quantileerror": {"quantile_alpha": 0.3},
    "count:poisson": {},
    "reg:gamma": {},
    "reg:tweedie": {"tweedie_variance_power": 1.3},
    "reg:logistic": {},
    "binary:logistic": {},
    "multi:softprob": {"num_class": 3},
    "multi:softmax": {"num_class": 3},
}


@pytest.fixture(scope="module")
def xgb():
    xgboost = pytest.importorskip("xgboost")
    with xgboost.config_context(verbosity=1, nthread=1):
        yield xgboost


@pytest.fixture(scope="module")
def numbers():
    """X with missing values, and a smooth target."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[: N // 8, 3] = np.round(X[: N // 8, 3])
    return X, np.nan_to_num(X[:, 0]) + np.isnan(X[:, 1]) + 0.5 * np.sin(3 * np.nan_to_num(X[:, 2]))


@pytest.fixture(scope="module")
def frame(numbers):
    """The same with two columns of categories, some of them missing; one label has no rows."""
    X, f = numbers
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(X, columns=list("abcd"))
    letters = rng.choice(list(EFFECT), N)
    frame["letter"] = pd.Categorical(letters, categories=[*"zyxwvuts", "none"])
    frame.loc[rng.random(N) < 0.1, "letter"] = np.nan
    frame["number"] = pd.Categorical(rng.choice([9, 5, 7], N), categories=[9, 5, 7])
    effects = frame["letter"].astype(object).map(EFFECT).fillna(0.7).to_numpy(float)
    return frame, f + effects + (frame["number"].astype(int) == 7).to_numpy()


def target(f, objective):
    """Targets that an objective takes."""
    if objective.startswith("multi"):
        return np.digitize(f, [-0.5, 1.0])
    if objective == "binary:logistic":
        return (f > 0).astype(int)
    return 1.0 / (1.0 + np.exp(-f)) if objective == "reg:logistic" else np.exp(0.5 * f)


def raw(model, X):
    out = model._raw(X)
    return out[:, 0] if out.shape[1] == 1 else out


def assert_same(ours, theirs):
    """Equal to 1e-6, of the largest: XGBoost adds up in float32."""
    assert_allclose(theirs, ours, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(ours).max()))


def written(model, tmp_path):
    """The document that a model is written as."""
    model.to_xgboost_json(tmp_path / "model.json")
    return json.loads((tmp_path / "model.json").read_text())


def read(document, tmp_path, cls=NewtonBoostingRegressor):
    (tmp_path / "changed.json").write_text(json.dumps(document))
    return cls.from_xgboost_json(tmp_path / "changed.json")


def trees(document):
    return document["learner"]["gradient_booster"]["model"]["trees"]


# ------------------------------------------------------------------------------------------------- by itself


def test_conditions_send_every_float32_where_the_threshold_does(rng):
    odd = [0.0, -0.0, 1e300, -1e300, 1e-50, -1e-50, 1e-45, -np.inf, 3.4028235e38]
    thresholds = np.r_[rng.normal(size=300), rng.normal(size=100).astype(np.float32), odd]
    conditions = conditions_of(thresholds)
    near = conditions
    with np.errstate(all="ignore"):
        for _ in range(4):
            near = np.nextafter(near, np.float32(-np.inf))
        for _ in range(9):
            assert_array_equal(near < conditions, near <= thresholds)
            near = np.nextafter(near, np.float32(np.inf))


def test_thresholds_send_every_float64_where_its_float32_goes(rng):
    largest = np.finfo(np.float32).max
    odd = [0.0, -0.0, 1e-45, -1e-45, 1e-40, 1.0, 2.0, largest, -largest, np.inf]
    conditions = np.r_[rng.normal(size=300), odd].astype(np.float32)
    thresholds = thresholds_of(conditions)
    below, above = np.nextafter(thresholds, -np.inf), np.nextafter(thresholds, np.inf)
    for near in (thresholds, below, above, -thresholds):
        with np.errstate(over="ignore", under="ignore"):
            assert_array_equal(near.astype(np.float32) < conditions, near <= thresholds)
    assert_array_equal(thresholds_of(conditions_of(thresholds)), thresholds)


@pytest.mark.parametrize("link", ["identity", "log", "logit"])
def test_the_base_is_what_is_stated_and_what_is_left(link):
    for base in ([0.3], [0.0], [40.0], [-40.0], [1e4 / 3], [-800.0], [0.1, -2.0, 3.0], [1.0, 1.0]):
        text, rest = split_base(np.array(base), link)
        assert_allclose(margin_of(link, float(text)) + rest, base, rtol=1e-15, atol=1e-15)
        if len(set(base)) == 1 and abs(base[0]) < 10:
            assert np.abs(rest).max() < 1e-6


@pytest.mark.parametrize("wanted", REGRESSIONS, ids=repr)
def test_a_regression_comes_back_as_it_went(wanted, frame, tmp_path):
    X, f = frame
    objective = REGRESSIONS[wanted]
    model = NewtonBoostingRegressor(loss=wanted, n_estimators=5, max_depth=4).fit(X, target(f, objective))
    document = written(model, tmp_path)
    assert document["learner"]["objective"]["name"] == objective
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(raw(model, X), raw(back, X))
    assert_same(model.predict(X), back.predict(X))
    assert_array_equal(model.apply(X), back.apply(X))
    for kind in ("gain", "weight", "cover", "total_gain", "total_cover"):
        assert_allclose(back.importances(kind), model.importances(kind), rtol=1e-6)
    assert_array_equal(back.feature_names_in_, X.columns)
    assert [labels.tolist() for labels in back.categories_.values()] == [[*"zyxwvuts", "none"], [9, 5, 7]]
    assert written(back, tmp_path)["learner"]["objective"]["name"] == objective


@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], ["a", "b", "c"], [0.0, 1.0, 3.0]])
def test_a_classification_comes_back_with_its_labels(labels, numbers, tmp_path):
    X, f = numbers
    y = np.array(labels)[np.digitize(f, [0.5, 1.0][: len(labels) - 1])]
    model = NewtonBoostingClassifier(n_estimators=5, max_depth=3).fit(X, y)
    document = written(model, tmp_path)
    back = NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict_proba(X), back.predict_proba(X))
    assert_array_equal(model.predict(X), back.predict(X))
    assert back.classes_.dtype.kind == model.classes_.dtype.kind
    del document["learner"]["attributes"]["classes"]
    assert_array_equal(read(document, tmp_path, NewtonBoostingClassifier).classes_, np.arange(len(labels)))


def test_two_classes_may_have_an_output_each(numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingClassifier("multinomial_log_loss", n_estimators=4).fit(X, f > 0.5)
    assert written(model, tmp_path)["learner"]["learner_model_param"]["num_class"] == "2"
    back = NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict_proba(X), back.predict_proba(X))


def test_several_quantiles_come_back_side_by_side(numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingRegressor([Quantile(0.1), Quantile(0.9)], n_estimators=4).fit(X, f)
    written(model, tmp_path)
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert back.loss == [Quantile(0.1), Quantile(0.9)]
    assert_same(model.predict(X), back.predict(X))


def test_after_early_stopping_the_rounds_in_use_are_written(numbers, tmp_path):
    X, f = numbers
    stopping = {"early_stopping_rounds": 3, "validation_fraction": 0.3, "random_state": 0}
    model = NewtonBoostingRegressor(n_estimators=200, **stopping)
    model.fit(X, f + np.random.default_rng(2).normal(size=N))
    assert model.best_iteration_ + 1 < model.n_iter_
    assert len(trees(written(model, tmp_path))) == model.best_iteration_ + 1
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert (back.best_iteration_, back.best_score_) == (model.best_iteration_, model.best_score_)
    assert_same(model.predict(X), back.predict(X))


def test_a_best_iteration_in_the_file_ends_predictions(numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingRegressor(n_estimators=6).fit(X, f)
    document = written(model, tmp_path)
    document["learner"]["attributes"] |= {"best_iteration": "2", "best_score": "0.5"}
    back = read(document, tmp_path)
    assert (back.best_iteration_, back.best_score_, back.n_iter_) == (2, 0.5, 6)
    assert_same(list(model.staged_predict(X))[2], back.predict(X))


def test_categories_of_an_array_are_their_codes(numbers, tmp_path):
    X, f = numbers
    codes = np.random.default_rng(3).choice([2.0, 5.0, 300.0, np.nan], N)
    X, y = np.c_[X, codes], f + np.sqrt(np.nan_to_num(codes))
    model = NewtonBoostingRegressor(n_estimators=4, categorical_features=[4]).fit(X, y)
    document = written(model, tmp_path)
    assert {code for tree in trees(document) for code in tree["categories"]} <= {2, 5, 300, 301}
    assert document["learner"]["feature_types"] == ["float"] * 4 + ["c"]
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict(X), back.predict(X))


def test_more_categories_than_bins_share_them(numbers, tmp_path):
    X, f = numbers
    codes = np.arange(N) % 350
    X = np.c_[X, codes]
    model = NewtonBoostingRegressor(n_estimators=4, categorical_features=[4]).fit(X, f + (codes % 7))
    written(model, tmp_path)
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict(X), back.predict(X))


def stumps_of_a_code_each(n, numbers, tmp_path):
    """The document of n trees without labels, each of which sends one code of feature 4 right."""
    X = np.c_[numbers[0], np.arange(N) % 3]
    model = NewtonBoostingRegressor(n_estimators=1, max_depth=1, categorical_features=[4]).fit(X, X[:, 4])
    document = written(model, tmp_path)
    part = document["learner"]["gradient_booster"]["model"]
    assert part["trees"][0]["categories_nodes"] == [0]
    (tree,) = part["trees"]
    part["trees"] = [tree | {"id": k, "categories": [k], "categories_sizes": [1]} for k in range(n)]
    part |= {"tree_info": [0] * n, "iteration_indptr": list(range(n + 1))}
    part["gbtree_model_param"]["num_trees"] = str(n)
    return document


def test_splits_that_tell_too_many_categories_apart_are_refused(numbers, tmp_path):
    with pytest.raises(ValueError, match="feature 4: the splits tell more than 256 groups"):
        read(stumps_of_a_code_each(300, numbers, tmp_path), tmp_path)


def test_no_fit_goes_on_where_no_bin_is_left_for_missing_values(numbers, tmp_path):
    X = np.c_[numbers[0], np.arange(N) % 300]
    X[::7, 4] = np.nan
    model = read(stumps_of_a_code_each(255, numbers, tmp_path), tmp_path)  # and a group of all other codes
    told = model.predict(X)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), told)
    assert len(np.unique(model._codes[4])) == 256
    model.set_params(warm_start=True, n_estimators=258)
    with pytest.raises(ValueError, match=r"feature 4: the trees tell 256 groups .* has bins for 255"):
        model.fit(X, numbers[1])
    assert_array_equal(model.predict(X), told)
    model = read(stumps_of_a_code_each(254, numbers, tmp_path), tmp_path)
    assert model.set_params(warm_start=True, n_estimators=258).fit(X, numbers[1]).n_iter_ == 258


@pytest.mark.parametrize("n_categories", [2, 254, 255, 256, 600])
@pytest.mark.parametrize("labels", ["numbers", "texts", "texts that XGBoost does not keep"])
def test_however_many_categories_come_back(n_categories, labels, numbers, tmp_path):
    rng = np.random.default_rng(n_categories)
    codes = np.r_[np.arange(n_categories), rng.integers(0, n_categories, 2 * N - n_categories)]
    y = np.where(codes >= n_categories // 2, 9.0, 0.0) + rng.normal(size=2 * N)  # the last ones go left
    y = np.where(codes < n_categories // 3, -y, y)
    x = np.r_[numbers[0][:, 0], numbers[0][:, 0]]
    missing = rng.random(2 * N) < 0.2
    y[missing] = -9.0
    if labels == "numbers":
        X = np.c_[np.where(missing, np.nan, 3 * codes), x]
        Z = X
    else:
        names = [f"{labels[0] if labels == 'texts' else 'é'}{k}" for k in range(n_categories + 3)]
        of_rows = pd.Categorical.from_codes(np.where(missing, -1, codes), names)
        X = pd.DataFrame({"c": of_rows, "x": x})
        Z = X if labels == "texts" else X.assign(c=np.where(missing, np.nan, codes))
    which = [0] if labels == "numbers" else "from_dtype"
    model = NewtonBoostingRegressor(n_estimators=3, max_depth=4, categorical_features=which).fit(X, y)
    written(model, tmp_path)
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict(X), back.predict(Z))


def test_codes_without_labels_go_left_where_the_file_does_not_name_them(numbers, tmp_path):
    document = stumps_of_a_code_each(1, numbers, tmp_path)
    (tree,) = trees(document)
    left, right = tree["split_conditions"][1:]
    tree |= {"default_left": [0, 0, 0], "categories": [7]}
    base = float(document["learner"]["learner_model_param"]["base_score"])
    model = read(document, tmp_path)
    codes = [7, 7.9, np.nan, 0, 6.9, 8, 253, 254, 255, 256, 2.0**20, 2.0**24, 1e30, -1, -0.5, -7]
    X = np.zeros((len(codes), 5))
    X[:, 4] = codes
    assert_allclose(model.predict(X), base + np.array([right] * 3 + [left] * 13), rtol=1e-6)
    assert_allclose(model.predict_contributions(X).sum(axis=1), model.predict(X), rtol=1e-6)
    assert model.trees_to_dataframe()["categories"][0][-2:] == (253, ...)
    written(model, tmp_path)
    again = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_array_equal(again.predict(X), model.predict(X))


def test_codes_that_cannot_be_named_are_not_written(numbers, tmp_path):
    X, y = np.zeros((N, 5)), np.arange(N) % 2
    X[:, 4] = np.where(y, 1000, 3)
    for target, refused in ((y, False), (-y, True)):  # what has the lower mean goes right
        model = read(stumps_of_a_code_each(1, numbers, tmp_path), tmp_path)
        model.set_params(warm_start=True, n_estimators=2, max_depth=1).fit(X, target)
        if refused:
            with pytest.raises(
                ValueError, match="feature 4: a split sends codes right that the model before"
            ):
                model.to_xgboost_json(tmp_path / "model.json")
            continue
        model.to_xgboost_json(tmp_path / "model.json")
        back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
        assert_same(model.predict(X), back.predict(X))


def test_a_state_with_codes_for_other_features_is_refused(numbers, tmp_path):
    state = read(stumps_of_a_code_each(2, numbers, tmp_path), tmp_path).__getstate__()
    for change, message in (
        ({"_categorical": np.arange(4) == 3}, "_categorical must be a mask of 5 features"),
        ({"_categorical": np.ones(5)}, "_categorical must be a mask of 5 features"),
        ({"_categorical": np.arange(5) == 3}, "codes of each categorical feature, and no others"),
        ({"_categorical": None}, "codes of each categorical feature, and no others"),
        ({"_codes": {4: np.array([0, 256])}}, "categories of feature 4 are not bins"),
    ):
        with pytest.raises(ValueError, match=f"broken state: .*{message}"):
            NewtonBoostingRegressor().__setstate__(state | change)


@pytest.mark.parametrize("names", [["a", "b<1", "c[0]", "d"], ["a", "b", "c]", "d"], ["a", "b", "c", "a"]])
def test_names_that_xgboost_does_not_take_are_left_out_with_a_warning(names, numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingRegressor(n_estimators=1).fit(X, f)
    model.feature_names_in_ = np.array(names, object)
    first = next(name for k, name in enumerate(names) if set(name) & set("[]<") or name in names[:k])
    with pytest.warns(UserWarning, match=f"left out of the file, for {re.escape(repr(first))}") as told:
        document = written(model, tmp_path)
    assert told[0].filename == __file__
    assert document["learner"]["feature_names"] == []


def missing_against_all(numbers):
    """A frame in which a split sends all categories one way, and missing ones the other."""
    codes = np.random.default_rng(5).choice([0, 1, 2, -1], N)
    X = pd.DataFrame({"c": pd.Categorical.from_codes(codes, ["u", "v", "w"]), "x": numbers[0][:, 0]})
    return X, np.where(codes < 0, 3.0, 0.1 * codes)


def test_a_split_may_send_no_category_to_the_right(numbers, tmp_path):
    X, y = missing_against_all(numbers)
    model = NewtonBoostingRegressor(n_estimators=2).fit(X, y)
    assert [3] in [
        tree["categories"][: tree["categories_sizes"][0]] for tree in trees(written(model, tmp_path))
    ]
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict(X), back.predict(X))


def test_known_margins_leave_a_base_of_zero(numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingClassifier(n_estimators=3).fit(X, f > 0.5, base_margin=np.ones(N))
    assert written(model, tmp_path)["learner"]["learner_model_param"]["base_score"] == "0.5"
    assert_same(raw(model, X), raw(NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json"), X))


def test_a_base_that_no_mean_in_float32_states_goes_into_the_leaves(numbers, tmp_path):
    X, f = numbers
    for base_score in (1 - 1e-9, 1e-9):
        model = NewtonBoostingClassifier(n_estimators=3, base_score=base_score, min_child_weight=0.0).fit(
            X, f > 0.5
        )
        assert written(model, tmp_path)["learner"]["learner_model_param"]["base_score"] == "0.5"
        back = NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json")
        assert_same(raw(model, X), raw(back, X))


def test_a_model_that_was_read_goes_on_and_is_pickled(frame, tmp_path):
    X, f = frame
    model = NewtonBoostingRegressor(n_estimators=4).fit(X, f)
    written(model, tmp_path)
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_array_equal(pickle.loads(pickle.dumps(back)).predict(X), back.predict(X))
    back.set_params(warm_start=True, n_estimators=8, max_depth=3).fit(X, f)
    assert back.n_iter_ == 8
    assert np.square(back.predict(X) - f).mean() < np.square(model.predict(X) - f).mean()


def test_nodes_in_any_order_and_pruned_ones_are_read(numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingRegressor(n_estimators=2, max_depth=3).fit(X, f)
    document = written(model, tmp_path)
    for tree in trees(document):
        n = len(tree["parents"])
        place = np.r_[0, np.arange(n - 1, 0, -1)]  # where each node stands from now on
        for side in ("left_children", "right_children"):
            tree[side] = [-1 if child < 0 else int(place[child]) for child in tree[side]]
        tree["parents"] = [2147483647] + [int(place[p]) for p in tree["parents"][1:]]
        for name, values in tree.items():
            if isinstance(values, list) and len(values) == n:
                pruned = 2147483647 if name == "split_indices" else -1 if "child" in name else 0
                tree[name] = [*(values[i] for i in np.argsort(place)), pruned]
        tree["tree_param"] |= {"num_nodes": str(n + 1), "num_deleted": "1"}
    assert_same(model.predict(X), read(document, tmp_path).predict(X))


def test_nothing_is_below_minus_infinity(numbers, tmp_path):
    X, f = numbers
    document = written(NewtonBoostingRegressor(n_estimators=1, max_depth=1).fit(X, f), tmp_path)
    tree = trees(document)[0]
    left, right = tree["split_conditions"][1:]
    tree["split_indices"][0] = 0
    for default_left in (0, 1):
        for condition, of_numbers in ((-np.inf, right), (np.inf, left)):
            tree["default_left"][0], tree["split_conditions"][0] = default_left, condition
            model = read(document, tmp_path)
            missing = left if default_left else right
            base = float(document["learner"]["learner_model_param"]["base_score"])
            expected = base + np.where(np.isnan(X[:, 0]), missing, of_numbers)
            assert_allclose(model.predict(X), expected, rtol=1e-6)


def test_losses_without_a_counterpart_are_refused(numbers, tmp_path):
    @loss("of_its_own_link")
    class OfItsOwnLink:
        def value(self, y, raw):
            return 0.5 * (raw - y) ** 2

        def mean(self, raw):
            return 2.0 * raw

    X, f = numbers
    for model, y in (
        (NewtonBoostingClassifier("exponential"), f > 0.5),
        (NewtonBoostingClassifier("hinge"), f > 0.5),
        (NewtonBoostingClassifier("exponential"), np.digitize(f, [0.0, 1.0])),
        (NewtonBoostingRegressor(["squared_error", "absolute_error"]), f),
        (NewtonBoostingRegressor(OfItsOwnLink()), f),
    ):
        model.set_params(n_estimators=1).fit(X, y)
        with pytest.raises(ValueError, match="XGBoost has no"):
            model.to_xgboost_json(tmp_path / "model.json")
    assert not (tmp_path / "model.json").exists()
    huge = NewtonBoostingRegressor(n_estimators=1, learning_rate=1e300).fit(X, f)
    with pytest.raises(ValueError, match=r"tree 0: a leaf's value, .* is beyond XGBoost's float32"):
        huge.to_xgboost_json(tmp_path / "model.json")


def test_models_of_the_other_class_are_refused(numbers, tmp_path):
    X, f = numbers
    NewtonBoostingRegressor(n_estimators=1).fit(X, f).to_xgboost_json(tmp_path / "numbers.json")
    NewtonBoostingClassifier(n_estimators=1).fit(X, f > 0.5).to_xgboost_json(tmp_path / "classes.json")
    with pytest.raises(ValueError, match="reg:squarederror: read it by NewtonBoostingRegressor"):
        NewtonBoostingClassifier.from_xgboost_json(tmp_path / "numbers.json")
    with pytest.raises(ValueError, match="binary:logistic: read it by NewtonBoostingClassifier"):
        NewtonBoostingRegressor.from_xgboost_json(tmp_path / "classes.json")


# ---------------------------------------------------------------------------------------------- broken files


@pytest.fixture(scope="module")
def document(frame, tmp_path_factory):
    """A valid one: three classes, categories, two rounds."""
    X, f = frame
    model = NewtonBoostingClassifier(n_estimators=2, max_depth=3).fit(X, target(f, "multi:softprob"))
    return written(model, tmp_path_factory.mktemp("valid"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a model in JSON"),
        (b'{"learner": {"feature_names": [', "not a model in JSON"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x02L\x00learner", "UBJSON"),
        (b"binf\x00\x01\xff\xfe", "not a model in JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"learner": ' * 5_000, "nested too deeply"),
        (b"9" * 10_000, "not a model in JSON"),
        (b"[1, 2]", "there is no learner"),
        (b"{}", "there is no learner"),
        (b'{"learner": 3}', "learner of the document must be an object, got 3"),
    ],
)
def test_what_is_no_model_is_refused(data, message, tmp_path):
    (tmp_path / "model.json").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json")


FOREST = ("gradient_booster", "model")
TREE = (*FOREST, "trees", 1)
BROKEN = [
    (("objective",), None, "learner has no objective"),
    (("objective", "name"), "rank:ndcg", "'rank:ndcg' has no counterpart"),
    (("objective", "name"), "reg:tweedie", "objective has no tweedie_regression_param"),
    (("objective", "name"), "binary:logistic", "num_class must be 0"),
    (("gradient_booster", "name"), "dart", "booster is 'dart'"),
    (("gradient_booster", "name"), "gblinear", "booster is 'gblinear'"),
    (("learner_model_param", "num_class"), "4", "6 trees are not whole rounds"),
    (("learner_model_param", "num_class"), "1999999999", "6 trees are not whole rounds"),
    (("learner_model_param", "num_class"), 3, "num_class of learner_model_param must be a string, got 3"),
    (("learner_model_param", "num_feature"), "99999999999", "num_feature .* must be a whole number"),
    (("learner_model_param", "num_feature"), "5", "feature_names must hold 5 strings"),
    (("learner_model_param", "base_score"), "[1E0,2E0]", "base_score .* must hold 3 numbers, got 2"),
    (("learner_model_param", "base_score"), "[nan]", "base_score .* must be a number"),
    (("learner_model_param", "base_score"), "1e99", "base_score .* must be a mean"),
    (("learner_model_param", "base_score"), 0.5, "base_score .* must be a number or numbers in a string"),
    (("feature_names",), ["a"] * 6, "feature_names must differ"),
    (("feature_types",), ["float"] * 6, "splits by categories, but feature . is of type 'float'"),
    (("attributes", "best_iteration"), "2", "best_iteration .* must be a whole number from 0 to 1"),
    (("attributes", "classes"), "[0, 1]", "classes of attributes must be 3 labels"),
    (("attributes", "classes"), "[0, 2, 1]", "ascending"),
    ((*FOREST, "trees"), [], "num_trees is 6, but there are 0 trees"),
    ((*FOREST, "tree_info", 1), 3, r"tree_info\[1\] must be from 0 to 2, got 3"),
    ((*FOREST, "tree_info", 1), 0, "round 0 must have 1 trees of each output"),
    ((*FOREST, "iteration_indptr", 1), 2, "iteration_indptr must ascend by 3"),
    ((*FOREST, "gbtree_model_param", "num_parallel_tree"), "4", "not whole rounds, of 4"),
    ((*FOREST, "cats", "enc", 4, "offsets", 1), 7, "offsets must ascend"),
    ((*FOREST, "cats", "enc", 5, "values", 1), 9, "cats of feature 5: labels must differ"),
    ((*FOREST, "cats", "enc"), [], None),  # the codes are then the labels
    (TREE, "tree", "tree 1 must be an object, got 'tree'"),
    (
        (*TREE, "tree_param", "num_nodes"),
        "1000000000",
        "tree 1: num_nodes must be the length of left_children, 15",
    ),
    ((*TREE, "tree_param", "size_leaf_vector"), "3", "tree 1: trees whose leaves are vectors"),
    ((*TREE, "left_children", 0), 0, "tree 1: there are two ways to node 0"),
    ((*TREE, "left_children", 0), 2, r"tree 1: there are two ways to node 2"),
    ((*TREE, "left_children", 0), 10**30, r"tree 1: left_children\[0\] must be from -1 to"),
    ((*TREE, "left_children", 0), -1, "tree 1: node 0 must have two children or none"),
    ((*TREE, "left_children", 0), 1.0, "tree 1: left_children must hold int alone, got 1.0"),
    ((*TREE, "right_children", 0), [], "tree 1: right_children must hold int alone, got list"),
    ((*TREE, "right_children"), [1], "tree 1: right_children must hold .* entries, got 1"),
    ((*TREE, "parents", 1), 2, r"tree 1: parents\[1\] must be 0, got 2"),
    ((*TREE, "split_indices", 0), 6, r"tree 1: split_indices\[0\] must be below 6, got 6"),
    ((*TREE, "split_indices", 0), -1, r"tree 1: split_indices\[0\] must be from 0"),
    ((*TREE, "split_conditions", -1), float("nan"), "tree 1: a leaf's value must be finite"),
    ((*TREE, "split_conditions", -1), float("inf"), "tree 1: a leaf's value must be finite"),
    ((*TREE, "split_conditions", -1), 1e39, "tree 1: a leaf's value must be finite"),
    ((*TREE, "split_conditions", -1), 10**400, "tree 1: split_conditions must hold numbers in float32"),
    ((*TREE, "split_conditions", -1), "1", "tree 1: split_conditions must hold float or int alone, got '1'"),
    ((*TREE, "split_conditions", -1), None, "tree 1: split_conditions must hold .* entries"),
    ((*TREE, "loss_changes", 0), float("inf"), "tree 1: loss_changes must be finite, at node 0"),
    ((*TREE, "sum_hessian", 0), float("nan"), "tree 1: sum_hessian must be finite, at node 0"),
    ((*TREE, "default_left", 0), 2, "tree 1: default_left must hold 0 and 1"),
    ((*TREE, "categories_nodes"), [], "tree 1: categories_segments must hold 0 entries"),
    ((*TREE, "categories_nodes", 0), 10**6, r"tree 1: categories_nodes\[0\] must be from 0"),
    ((*TREE, "categories_sizes", 0), 10**6, r"tree 1: categories_sizes\[0\] must be from 0"),
    ((*TREE, "categories_segments", 0), 1, "tree 1: categories_segments overlap, or end behind"),
    ((*TREE, "categories", 0), -1, r"tree 1: categories\[0\] must be from 0"),
    ((*TREE, "categories", 0), 2**40, r"tree 1: categories\[0\] must be from 0"),
    ((*TREE, "categories", 0), 5000, "feature . has . categories, but a split names one of 5001"),
]


def changed(document, path, value):
    """A copy with another value in one place; None takes the place away."""
    document = copy.deepcopy(document)
    node = document["learner"]
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


@pytest.mark.parametrize(("path", "value", "message"), BROKEN)
def test_broken_models_are_refused_with_the_reason(path, value, message, document, tmp_path):
    broken = changed(document, path, value)
    if message is None:
        read(broken, tmp_path, NewtonBoostingClassifier)
        return
    with pytest.raises(ValueError, match=message):
        read(broken, tmp_path, NewtonBoostingClassifier)


def test_long_chains_and_long_numbers_end_in_time(document, tmp_path):
    n = 200_001
    inner = np.arange(n) % 2 == 0
    inner[-1] = False
    left = np.where(inner, np.arange(n) + 1, -1)
    tree = {
        "left_children": left.tolist(),
        "right_children": np.where(inner, left + 1, -1).tolist(),
        "parents": [2147483647, *np.repeat(np.arange(0, n - 1, 2), 2).tolist()],
        "tree_param": {"num_nodes": str(n), "size_leaf_vector": "1"},
    }
    numbers = ("loss_changes", "sum_hessian", "split_conditions", "split_indices", "default_left")
    deep = changed(document, TREE, tree | dict.fromkeys(numbers, [0] * n))
    model = read(deep, tmp_path, NewtonBoostingClassifier)
    assert len(model.trees_["feature"]) > n
    long = changed(document, ("learner_model_param", "base_score"), "1" * 100_000 + "x")
    with pytest.raises(ValueError, match="base_score"):
        read(long, tmp_path, NewtonBoostingClassifier)


def places(node, path=()):
    """The ways to all values of a document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**31 - 1, 2**31, 2**63, -(2**70), 10**400]),
    st.floats(),
    st.text(max_size=3),
    st.integers(-3, 12).map(str),
    st.lists(st.integers(-2, 9), max_size=3),
    st.just({}),
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_changed_is_refused_or_a_model(data, document, frame, tmp_path):
    X, _ = frame
    for _ in range(data.draw(st.integers(1, 2))):
        everywhere = [path[1:] for path in places(document) if path[0] == "learner" and len(path) > 1]
        document = changed(document, data.draw(st.sampled_from(everywhere)), data.draw(ODD))
    try:
        model = read(document, tmp_path, NewtonBoostingClassifier)
    except ValueError:
        return
    X = X.set_axis(getattr(model, "feature_names_in_", X.columns), axis=1) if model.n_features_in_ == 6 else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model may do without names
        assert np.isfinite(model.predict_proba(X)).all()


# --------------------------------------------------------------------------------------------- with XGBoost


@pytest.mark.peer
@pytest.mark.parametrize("wanted", REGRESSIONS, ids=repr)
def test_xgboost_predicts_what_a_regression_does(wanted, xgb, frame, tmp_path):
    X, f = frame
    y = target(f, REGRESSIONS[wanted])
    model = NewtonBoostingRegressor(loss=wanted, n_estimators=20, max_depth=4).fit(X, y)
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    rows = xgb.DMatrix(X, enable_categorical=True)
    assert_same(raw(model, X), theirs.predict(rows, output_margin=True))
    assert_same(model.predict(X), theirs.predict(rows))
    contributions = theirs.predict(rows, pred_contribs=True)
    assert_allclose(contributions.sum(axis=1), raw(model, X), rtol=1e-5, atol=1e-5)
    regressor = xgb.XGBRegressor(enable_categorical=True)
    regressor.load_model(tmp_path / "model.json")
    assert_same(model.predict(X), regressor.predict(X))


@pytest.mark.peer
@pytest.mark.parametrize("n_classes", [2, 3])
def test_xgboost_predicts_what_a_classification_does(n_classes, xgb, frame, tmp_path):
    X, f = frame
    y = np.array(["low", "middle", "top"])[np.digitize(f, [-0.5, 1.0][: n_classes - 1])]
    model = NewtonBoostingClassifier(n_estimators=50, early_stopping_rounds=2)
    model.fit(X[:300], y[:300], eval_set=[(X[300:], y[300:])])
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.XGBClassifier(enable_categorical=True)
    theirs.load_model(tmp_path / "model.json")
    assert_same(model.predict_proba(X), theirs.predict_proba(X))
    assert_array_equal(model.classes_[theirs.predict(X)], model.predict(X))
    booster = theirs.get_booster()
    rows = xgb.DMatrix(X, enable_categorical=True)
    contributions = booster.predict(rows, pred_contribs=True)
    assert_allclose(contributions.sum(axis=-1), raw(model, X), rtol=1e-5, atol=1e-5)
    assert_array_equal(booster.predict(rows, pred_leaf=True), model.apply(X))


@pytest.mark.peer
def test_xgboost_looks_labels_up(xgb, frame, tmp_path):
    X, f = frame
    model = NewtonBoostingRegressor(n_estimators=10).fit(X, f)
    model.to_xgboost_json(tmp_path / "model.json")
    other = X.assign(letter=X["letter"].cat.reorder_categories(["none", *"stuvwxyz"]))
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    assert_same(model.predict(X), theirs.predict(xgb.DMatrix(other, enable_categorical=True)))
    unseen = X.assign(letter=pd.Categorical(["none"] * N, categories=X["letter"].cat.categories))
    assert_same(model.predict(unseen), theirs.predict(xgb.DMatrix(unseen, enable_categorical=True)))


@pytest.mark.peer
def test_xgboost_tells_missing_categories_from_all_others(xgb, numbers, tmp_path):
    X, y = missing_against_all(numbers)
    model = NewtonBoostingRegressor(n_estimators=5).fit(X, y)
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    assert_same(model.predict(X), theirs.predict(xgb.DMatrix(X, enable_categorical=True)))


@pytest.mark.peer
def test_xgboost_takes_codes_of_an_array(xgb, numbers, tmp_path):
    X, f = numbers
    codes = np.random.default_rng(3).choice([2.0, 5.0, 300.0, np.nan], N)
    X, y = np.c_[X, codes], f + np.sqrt(np.nan_to_num(codes))
    types = ["float"] * 4 + ["c"]
    model = NewtonBoostingRegressor(n_estimators=8, categorical_features=[4]).fit(X, y)
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    assert_same(model.predict(X), theirs.predict(xgb.DMatrix(X, feature_types=types)))


@pytest.mark.peer
@pytest.mark.parametrize("base_score", [1e-9, 1e-3, 0.5, 0.9999, 1 - 1e-9])
def test_xgboost_starts_from_the_same_base(base_score, xgb, numbers, tmp_path):
    X, f = numbers
    model = NewtonBoostingClassifier(n_estimators=3, base_score=base_score, min_child_weight=0.0).fit(
        X, f > 0.5
    )
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    assert_same(raw(model, X), theirs.predict(xgb.DMatrix(X), output_margin=True))


@pytest.mark.peer
def test_xgboost_routes_float32_on_thresholds_alike(xgb, rng, tmp_path):
    X = rng.integers(-4, 5, size=(N, 2)).astype(np.float32) * np.float32(0.1)
    X = np.nextafter(X, np.float32(rng.choice([-9, 0, 9])))
    X[::7, 0] = np.nan
    y = np.where(np.isnan(X[:, 0]), 3.0, np.abs(X[:, 0])) + X[:, 1]
    model = NewtonBoostingRegressor(n_estimators=10, reg_lambda=0).fit(X, y)
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    for near in (X, np.nextafter(X, np.float32(9)), np.nextafter(X, np.float32(-9))):
        assert_array_equal(model.apply(near), theirs.predict(xgb.DMatrix(near), pred_leaf=True))


def train(xgb, objective, X, f, rounds=20, **parameters):
    parameters = {"objective": objective, "max_depth": 4} | TRAINED[objective] | parameters
    rows = xgb.DMatrix(X, target(f, objective), enable_categorical=True)
    return xgb.train(parameters, rows, rounds)


@pytest.mark.peer
@pytest.mark.parametrize("objective", TRAINED)
@pytest.mark.parametrize("how", [{"max_cat_to_onehot": 1}, {"grow_policy": "lossguide"}], ids=str)
def test_we_predict_what_xgboost_does(objective, how, xgb, frame, tmp_path):
    X, f = frame
    theirs = train(xgb, objective, X, f, **how)
    theirs.save_model(tmp_path / "model.json")
    cls = NewtonBoostingClassifier if objective.startswith(("binary", "multi")) else NewtonBoostingRegressor
    model = cls.from_xgboost_json(tmp_path / "model.json")
    rows = xgb.DMatrix(X, enable_categorical=True)
    assert_same(raw(model, X), theirs.predict(rows, output_margin=True))
    if objective == "multi:softmax":
        assert_array_equal(model.predict(X), theirs.predict(rows))
    elif cls is NewtonBoostingRegressor:
        assert_same(model.predict(X), theirs.predict(rows))
    else:
        p = model.predict_proba(X)
        assert_same(p if p.shape[1] > 2 else p[:, 1], theirs.predict(rows))
    assert_array_equal(model.apply(X), theirs.predict(rows, pred_leaf=True))
    for kind in ("gain", "weight", "cover", "total_gain", "total_cover"):
        told = theirs.get_score(importance_type=kind)
        assert_allclose(model.importances(kind), [told.get(name, 0.0) for name in X.columns], rtol=1e-5)


@pytest.mark.peer
def test_we_round_float64_as_xgboost_does(xgb, numbers, tmp_path):
    X, f = numbers
    theirs = train(xgb, "reg:squarederror", X, f)
    theirs.save_model(tmp_path / "model.json")
    model = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    inner = model.trees_["feature"] == 0
    at = model.trees_["threshold"][inner]
    for near in (at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)):
        rows = np.zeros((len(near), 4))
        rows[:, 0] = near
        assert_array_equal(model.apply(rows), theirs.predict(xgb.DMatrix(rows), pred_leaf=True))


@pytest.mark.peer
@pytest.mark.parametrize(
    "how",
    [
        {"tree_method": "exact", "gamma": 0.3},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]},
        {"objective": "multi:softprob", "num_class": 2, "num_parallel_tree": 2, "subsample": 0.5},
        {"base_score": 1e4 / 3},
    ],
    ids=str,
)
def test_we_read_what_else_xgboost_writes(how, xgb, numbers, tmp_path):
    X, f = numbers
    y = f > 0.5 if "num_class" in how else f
    theirs = xgb.train({"max_depth": 4} | how, xgb.DMatrix(X, y), 6)
    theirs.save_model(tmp_path / "model.json")
    cls = NewtonBoostingClassifier if "num_class" in how else NewtonBoostingRegressor
    model = cls.from_xgboost_json(tmp_path / "model.json")
    assert_same(raw(model, X), theirs.predict(xgb.DMatrix(X), output_margin=True))
    if "num_parallel_tree" in how:
        assert model.n_iter_ == 6 * how["num_parallel_tree"]


@pytest.mark.peer
@pytest.mark.parametrize("spelling", ["5E-1", "0.25", "[7.5E-1]", ".9", "9.99999E-1", "1E-9"])
def test_we_start_from_the_same_base(spelling, xgb, numbers, tmp_path):
    X, f = numbers
    train(xgb, "binary:logistic", X, f).save_model(tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text())
    document["learner"]["learner_model_param"]["base_score"] = spelling
    model = read(document, tmp_path, NewtonBoostingClassifier)
    if spelling[0] == ".":
        return  # which XGBoost does not take
    theirs = xgb.Booster(model_file=tmp_path / "changed.json")
    assert_same(raw(model, X), theirs.predict(xgb.DMatrix(X), output_margin=True))


@pytest.mark.peer
def test_early_stopping_in_xgboost_is_kept(xgb, numbers, tmp_path):
    X, f = numbers
    y = (f + np.random.default_rng(4).normal(size=N) > 0.5).astype(int)
    theirs = xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=3)
    theirs.fit(X[:300], y[:300], eval_set=[(X[300:], y[300:])], verbose=False)
    theirs.save_model(tmp_path / "model.json")
    model = NewtonBoostingClassifier.from_xgboost_json(tmp_path / "model.json")
    assert model.best_iteration_ == theirs.best_iteration < model.n_iter_ - 1
    assert_allclose(model.best_score_, theirs.best_score)
    assert_same(model.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.peer
def test_codes_without_labels_are_read(xgb, numbers, tmp_path):
    X, f = numbers
    codes = np.random.default_rng(3).integers(0, 600, N).astype(float)
    X = np.c_[X, codes]
    types = ["float"] * 4 + ["c"]
    rows = xgb.DMatrix(X, f + codes % 3, feature_types=types)
    theirs = xgb.train({"max_depth": 4}, rows, 5)
    theirs.save_model(tmp_path / "model.json")
    model = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    assert_same(model.predict(X), theirs.predict(rows))


@pytest.mark.peer
def test_codes_that_always_go_left_are_read(xgb, tmp_path):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 300, 20_000).astype(float)
    y = np.where(codes >= 200, 10.0, 0.0) + 0.1 * rng.normal(size=20_000)
    X = np.c_[codes, rng.normal(size=20_000)]
    X[::9, 0], y[::9] = np.nan, 0.0
    types = ["c", "q"]
    rows = xgb.QuantileDMatrix(X, y, feature_types=types, enable_categorical=True)
    theirs = xgb.train({"max_depth": 3, "max_cat_threshold": 400}, rows, 3)
    theirs.save_model(tmp_path / "model.json")
    model = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    odd = [199.9, 200.5, 299.7, 300, 2.0**20, 2.0**24, 1e30, -1, -0.5, -7]
    X = np.r_[X, np.c_[odd, np.zeros(len(odd))]]
    rows = xgb.DMatrix(X, feature_types=types)
    assert_same(model.predict(X), theirs.predict(rows))
    assert_array_equal(model.apply(X), theirs.predict(rows, pred_leaf=True))


@pytest.mark.peer
def test_as_many_groups_as_can_be_predict_as_in_xgboost(xgb, numbers, tmp_path):
    model = read(stumps_of_a_code_each(255, numbers, tmp_path), tmp_path)
    theirs = xgb.Booster(model_file=tmp_path / "changed.json")
    assert len(np.unique(model._codes[4])) == 256
    X = np.zeros((302, 5))
    X[:, 4] = [*range(300), 1e6, np.nan]
    rows = xgb.DMatrix(X, feature_types=["float"] * 4 + ["c"])
    assert_array_equal(model.apply(X), theirs.predict(rows, pred_leaf=True))


@pytest.mark.peer
def test_xgboost_reads_names_in_any_script(xgb, numbers, tmp_path):
    X, f = numbers
    names = ["größe", "年齢", 'a "quoted"\n\tname', "\U0001f600 \\ / x"]
    model = NewtonBoostingRegressor(n_estimators=2).fit(pd.DataFrame(X, columns=names), f)
    model.to_xgboost_json(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=tmp_path / "model.json")
    assert theirs.feature_names == names
    theirs.save_model(tmp_path / "theirs.json")
    back = NewtonBoostingRegressor.from_xgboost_json(tmp_path / "theirs.json")
    assert back.feature_names_in_.tolist() == names


@pytest.mark.peer
def test_boosters_and_trees_of_other_kinds_are_refused(xgb, numbers, tmp_path):
    X, f = numbers
    for parameters, message in (
        ({"booster": "dart"}, "booster is 'dart'"),
        ({"booster": "gblinear", "updater": "coord_descent"}, "booster is 'gblinear'"),
        ({"multi_strategy": "multi_output_tree"}, "several targets|vectors"),
        ({"multi_strategy": "one_output_per_tree"}, "several targets"),
        ({"objective": "reg:pseudohubererror"}, "'reg:pseudohubererror' has no counterpart"),
    ):
        y = np.c_[f, f] if "multi_strategy" in parameters else f
        xgb.train(parameters, xgb.DMatrix(np.nan_to_num(X), y), 2).save_model(tmp_path / "model.json")
        with pytest.raises(ValueError, match=message):
            NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.json")
    xgb.train({}, xgb.DMatrix(X, f), 2).save_model(tmp_path / "model.ubj")
    with pytest.raises(ValueError, match="UBJSON"):
        NewtonBoostingRegressor.from_xgboost_json(tmp_path / "model.ubj")
