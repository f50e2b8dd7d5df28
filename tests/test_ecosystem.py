"""The estimators among scikit-learn's tools, frames, pickles, processes and threads."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import calclearn
from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.linear_model import GeneralizedLinearRegressor, LinearRegression, LogisticRegression

from .systems import interrupts

PATIENCE = 60  # seconds after which a child process counts as hung
MODELS = [
    LinearRegression(),
    LinearRegression(solver="sgd", tol=0.2, random_state=0),
    LogisticRegression(),
    LogisticRegression(solver="lbfgs"),
    GeneralizedLinearRegressor("huber"),
    GeneralizedLinearRegressor("huber", alpha=0.1, solver="newton-cg"),
]


BOOSTED = [
    NewtonBoostingRegressor(n_estimators=3, subsample=0.8, random_state=0),
    NewtonBoostingClassifier(n_estimators=3, max_depth=3),
]


@pytest.fixture(scope="module")
def data():
    """`(X, y)` with y of two classes, which are numbers too."""
    X, y = make_classification(200, 4, n_informative=3, n_redundant=0, class_sep=2.0, random_state=0)
    X.flags.writeable = y.flags.writeable = False
    return X, y


def start(program, *arguments):
    """A new interpreter that runs the file `program`."""
    path = [str(Path(calclearn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What it printed, line by line; an error where it failed or hung."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    return out.splitlines()


# ------------------------------------------------------------------------------------- scikit-learn's tools


def test_a_pipeline_of_mixed_columns_is_searched_and_predicts(data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 0] > 0, "high", "low"))
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), list("abcd")), ("kind", OneHotEncoder(), ["kind"])]
    )
    boosted = make_pipeline(columns, NewtonBoostingClassifier(n_estimators=5)).fit(frame, y)
    assert boosted.score(frame, y) > 0.9
    search = GridSearchCV(
        make_pipeline(columns, LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=3
    ).fit(frame, y)
    assert search.best_score_ > 0.7
    assert search.predict_proba(frame).shape == (200, 2)
    assert search.best_estimator_[-1].n_features_in_ == 6


@pytest.mark.parametrize("model", [LogisticRegression(), BOOSTED[1]], ids=repr)
def test_cross_validation_and_calibration_take_the_classifier(data, model):
    X, y = data
    p = cross_val_predict(model, X, y, method="predict_proba", cv=3)
    assert_allclose(p.sum(axis=1), 1)
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, y).predict_proba(X)
    assert_allclose(calibrated.sum(axis=1), 1)
    assert np.mean((calibrated[:, 1] > 0.5) == y) > 0.7


def test_sample_weights_are_routed(data):
    X, y = data
    weight = np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        for model in MODELS:
            asks = clone(model).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asks)
            routed = pipeline.fit(X, y, sample_weight=weight)[-1]
            direct = clone(model).fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
            assert_array_equal(routed.coef_, direct.coef_)
        search = GridSearchCV(asks, {"alpha": [0.1, 1.0]}, cv=3).fit(X, y, sample_weight=weight)
    assert_array_equal(search.best_estimator_.coef_, clone(search.best_estimator_).fit(X, y, weight).coef_)


# ------------------------------------------------------------------------------------------- frames, pickles


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_frames_of_pandas_and_polars_give_names_and_the_same_numbers(data, model):
    X, y = data
    expected = clone(model).fit(X, y)
    frame = pd.DataFrame(X, columns=list("abcd"))
    for F, t in ((frame, pd.Series(y)), (pl.from_pandas(frame), pl.Series(y))):
        fitted = clone(model).fit(F, t)
        assert fitted.feature_names_in_.tolist() == list("abcd")
        assert isinstance(fitted.predict(F), np.ndarray)
        assert_allclose(fitted.coef_, expected.coef_, rtol=1e-8)
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(F[["b", "a", "c", "d"]])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            assert_allclose(fitted.predict(X), expected.predict(X), rtol=1e-8)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_pickles_and_memory_maps_give_the_same_bits(data, model, tmp_path):
    X, y = data
    fitted = clone(model).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    joblib.dump((X, y, fitted), tmp_path / "all.joblib")
    mapped, target, loaded = joblib.load(tmp_path / "all.joblib", mmap_mode="r")
    assert not mapped.flags.writeable
    assert_array_equal(loaded.predict(mapped), fitted.predict(X))
    assert_array_equal(clone(model).fit(mapped, target).coef_, fitted.coef_)


# ------------------------------------------------------------------------------------ threads and processes


def test_concurrent_fits_give_the_same_bits_as_one_after_the_other(data):
    X, y = data
    jobs = [(model, X[i::3], y[i::3]) for model in MODELS + BOOSTED for i in range(3)]

    def fit(job):
        model, X, y = job
        fitted = clone(model).fit(X, y)
        return fitted.coef_ if hasattr(fitted, "coef_") else fitted.predict(X)

    serial = [fit(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        concurrent = list(pool.map(fit, jobs * 3))
    for one, other in zip(serial * 3, concurrent, strict=True):
        assert_array_equal(one, other)


SEARCHES = """
    import sys
    import numpy as np
    from joblib import Parallel, delayed, parallel_config
    from sklearn.model_selection import GridSearchCV

    from calclearn.ensemble import NewtonBoostingRegressor
    from calclearn.linear_model import GeneralizedLinearRegressor, LinearRegression, LogisticRegression
    from calclearn.losses import loss


    @loss("of_main")
    class OfMain:
        c: float = 1.0

        def value(self, y, raw):
            return np.log1p(helper(raw - y, self.c))


    def helper(e, c):
        return (e / c) ** 2


    def fitted(model, X, y):
        return model.fit(X, y).coef_


    if __name__ == "__main__":
        rng = np.random.default_rng(0)
        X = rng.normal(size=(20_000, 5))
        y = X @ np.arange(5.0) + rng.standard_t(3, size=len(X))
        kind = (y > 0).astype(int)
        grids = [
            (LogisticRegression(), {"C": [0.01, 1.0]}, kind),
            (GeneralizedLinearRegressor(), {"loss": ["huber", OfMain(1.0), OfMain(3.0)]}, y),
            (NewtonBoostingRegressor(n_estimators=3), {"loss": ["huber", OfMain(1.0)]}, y),
        ]
        models = [LinearRegression(), LogisticRegression(C=0.1), GeneralizedLinearRegressor(OfMain(2.0))]

        def search(n_jobs):
            scores = [GridSearchCV(m, g, cv=2, n_jobs=n_jobs).fit(X, t).cv_results_["mean_test_score"]
                      for m, g, t in grids]
            jobs = (delayed(fitted)(m, X, kind if i == 1 else y) for i, m in enumerate(models))
            return [*scores, *(c.ravel() for c in Parallel(n_jobs=n_jobs)(jobs))]

        expected = search(1)  # our threads and kernels are at work before any process is forked
        for backend in sys.argv[1:]:
            with parallel_config(backend=backend):
                for one, other in zip(expected, search(2), strict=True):
                    np.testing.assert_array_equal(one, other)
            print(backend, flush=True)
"""


def test_searches_in_threads_and_processes_give_the_same_bits_and_do_not_hang(tmp_path):
    program = tmp_path / "searches.py"
    program.write_text(textwrap.dedent(SEARCHES))
    backends = ["threading", "multiprocessing", "loky"]
    assert finish(start(program, *backends)) == backends


LONG = """
    import sys, warnings
    import numpy as np
    from calclearn.linear_model import GeneralizedLinearRegressor, LinearRegression, LogisticRegression

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300_000, 20)) * np.geomspace(1.0, 1e4, 20)
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    forever = {"tol": 0.0, "max_iter": 10**9}
    model = {
        "sgd": LinearRegression(solver="sgd", learning_rate=1e-12, **forever),
        "gd": LinearRegression(solver="gd", **forever),
        "lbfgs": LogisticRegression(solver="lbfgs", C=1e6, **forever),
    }[sys.argv[1]]
    few = {"max_iter": 2, "tol": 1e9}
    type(model)(**model.get_params() | few).fit(X[:5000], y[:5000])  # compiled, for many rows
    print("ready", flush=True)
    try:
        model.fit(X, y)
        print("it ended")
    except KeyboardInterrupt:
        print([name for name in vars(model) if name.endswith("_")], flush=True)
"""


@interrupts
def test_ctrl_c_ends_a_long_fit_soon_and_leaves_the_estimator_unfitted(tmp_path):
    program = tmp_path / "long.py"
    program.write_text(textwrap.dedent(LONG))
    processes = [start(program, solver) for solver in ("sgd", "gd", "lbfgs")]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            time.sleep(0.5)  # well within the fit
            process.send_signal(signal.SIGINT)
            sent = time.monotonic()
            assert finish(process) == ["[]"]
            assert time.monotonic() - sent < 5  # an answer, not a speed: about a second is meant
    finally:
        for process in processes:  # one that failed must not leave the others at work for ever
            process.kill()
            process.communicate()
