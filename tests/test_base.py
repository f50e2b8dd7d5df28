"""What the estimators share: plain arrays and parameters take a short way, with the same answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from calclearn.base import classes_and_codes, validate
from calclearn.linear_model import LogisticRegression, Ridge


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 3)), rng.standard_normal(30)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y"])
def test_what_is_not_finite_is_refused(data, bad, where):
    X, y = data
    (X if where == "X" else y)[2] = bad
    with pytest.raises(ValueError, match=f"{where} contains"):
        Ridge().fit(X, y)


def test_finite_numbers_whose_sum_is_not_are_taken(data):
    X, y = data
    X[:, 0] = 1e307
    assert validate(Ridge(), X, y)[0] is X


def test_the_width_is_learned_anew_and_names_are_forgotten(data):
    X, y = data
    model = Ridge().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    model.fit(X[:, :2], y)
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 3 features, but Ridge is expecting 2"):
        model.predict(X)


def test_arrays_after_names_are_warned_of(data):
    X, y = data
    model = Ridge().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


@pytest.mark.parametrize("shape", [(0, 3), (30, 0), (30,), (30, 3, 1)])
def test_other_shapes_are_refused(data, shape):
    with pytest.raises(ValueError, match="array"):
        Ridge().fit(np.zeros(shape), data[1])


def test_lengths_must_agree(data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Ridge().fit(data[0], data[1][:-1])


def test_parameters_are_looked_at_by_value_and_type(data):
    Ridge(alpha=1.0, max_iter=1).fit(*data)
    for wrong in (
        {"alpha": -1.0},
        {"alpha": "1"},
        {"max_iter": 1.5},
        {"max_iter": "1"},
        {"fit_intercept": 2},
    ):
        for _ in range(2):
            with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
                Ridge(**wrong).fit(*data)


def test_labels_are_classes_and_codes():
    classes, codes = classes_and_codes(np.array(["b", "a", "b"]))
    assert classes.tolist() == ["a", "b"]
    assert codes.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="Unknown label type"):
        classes_and_codes(np.array([0.5, 1.5, 0.5]))
    with pytest.warns(UserWarning, match="greater than 50%"):
        classes_and_codes(np.arange(30))


def test_numbers_that_are_no_classes_are_refused(data):
    with pytest.raises(ValueError, match="Unknown label type"):
        LogisticRegression().fit(*data)
