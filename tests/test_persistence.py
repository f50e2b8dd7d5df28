"""What is kept of a fitted estimator: pickles of earlier releases load, and predict what they did."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from calclearn.ensemble import NewtonBoostingRegressor
from calclearn.neural_network import MLPRegressor
from calclearn.optimize import Optimality

DATA = Path(__file__).resolve().parent / "data"
STORED = sorted(DATA.glob("pickles-*/*.pickle"))
LARGEST = 200_000  # bytes, of a release


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", STORED, ids=name_of)
def test_a_pickle_of_an_earlier_release_predicts_what_it_did(path):
    """And warns of nothing: scikit-learn warns of the version of its own estimators, and none is inside."""
    model = pickle.loads(path.read_bytes())
    with np.load(path.parent / "expected.npz") as expected:
        methods = [name.rpartition(".")[2] for name in expected if name.rpartition(".")[0] == path.stem]
        assert "predict" in methods
        for method in methods:
            was, now = expected[f"{path.stem}.{method}"], getattr(model, method)(expected["X"])
            if was.dtype.kind == "f":
                assert_allclose(now, was, rtol=1e-9, atol=1e-12, err_msg=method)
            else:
                assert_array_equal(now, was, err_msg=method)


@pytest.mark.parametrize("path", STORED, ids=name_of)
def test_what_it_says_of_itself_is_still_there(path):
    model = pickle.loads(path.read_bytes())
    assert isinstance(model.optimality_, Optimality)
    assert "objective" in str(model.optimality_)
    assert model.n_features_in_ == 3
    assert clone(model).get_params().keys() == type(model)().get_params().keys() | {
        name for name in model.get_params() if name.startswith("loss__")
    }


def test_the_stored_pickles_are_small_and_of_each_family():
    for folder in DATA.glob("pickles-*"):
        assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < LARGEST
    families = {type(pickle.loads(path.read_bytes())).__module__.split(".")[1] for path in STORED}
    assert families == {"ensemble", "linear_model", "neural_network", "svm"}


def test_no_pickle_holds_anything_of_scikit_learn():
    """So its version plays no part in loading them."""
    for path in STORED:
        assert b"sklearn" not in path.read_bytes(), path


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        NewtonBoostingRegressor(n_estimators=3, max_depth=2, warm_start=True),
        MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, warm_start=True, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_loaded_model_goes_on_as_the_one_that_was_kept(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    kept = model.fit(X, X[:, 0])
    loaded = pickle.loads(pickle.dumps(kept))
    for each in (kept, loaded):
        each.set_params(**({"n_estimators": 6} if "n_estimators" in each.get_params() else {})).fit(
            X, X[:, 0]
        )
    assert_array_equal(loaded.predict(X), kept.predict(X))


@pytest.mark.peer
@pytest.mark.parametrize("path", STORED, ids=name_of)
def test_skops_keeps_them_too(path):
    io = pytest.importorskip("skops.io")
    model = pickle.loads(path.read_bytes())
    data = io.dumps(model)
    kinds = io.get_untrusted_types(data=data)
    assert all(kind.startswith("calclearn.") for kind in kinds)
    with np.load(path.parent / "expected.npz") as expected:
        assert_array_equal(io.loads(data, trusted=kinds).predict(expected["X"]), model.predict(expected["X"]))
