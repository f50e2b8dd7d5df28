"""Write a small pickle of one fitted estimator a family, and what each predicts.

Run once for a release, from a checkout of it: ``python tests/data/pickles-0.1.0/make.py``.  What is stored is
never written again: ``tests/test_persistence.py`` holds later versions against it.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np

from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.linear_model import (
    GeneralizedLinearClassifier,
    GeneralizedLinearRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from calclearn.losses import Huber, Quantile
from calclearn.neural_network import MLPClassifier, MLPRegressor, TabularMLPRegressor
from calclearn.svm import SVC, SVR, LinearSVC, OneClassSVM

HERE = Path(__file__).resolve().parent
METHODS = ("predict", "predict_proba", "decision_function")

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
number = np.round(np.exp(0.5 * X[:, 0] - 0.3 * X[:, 1]) * 3.0)
label = np.array(["low", "middle", "high"])[np.digitize(number, [2.5, 4.5])]

OF_NUMBERS = (
    LinearRegression(),
    Ridge(),
    Lasso(alpha=0.1),
    PoissonRegressor(),
    HuberRegressor(),
    QuantileRegressor(alpha=0.01, solver="highs"),
    GeneralizedLinearRegressor(Huber(delta=2.0), alpha=0.1),
    SVR(),
    NewtonBoostingRegressor("poisson", n_estimators=5, max_depth=2),
    MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", random_state=0, max_iter=50),
    TabularMLPRegressor(hidden_layer_sizes=(4, 4), n_waves=2, max_iter=5, random_state=0),
)
OF_CLASSES = (
    LogisticRegression(),
    GeneralizedLinearClassifier("squared_hinge", alpha=0.1),
    SVC(),
    LinearSVC(),
    NewtonBoostingClassifier(n_estimators=5, max_depth=2),
    MLPClassifier(hidden_layer_sizes=(5,), activation="gelu", layer_norm=True, random_state=0, max_iter=20),
)


def fitted():
    """`(name, estimator)` of each."""
    for model in OF_NUMBERS:
        yield type(model).__name__, model.fit(X, number)
    for model in OF_CLASSES:
        yield type(model).__name__, model.fit(X, label)
    yield "OneClassSVM", OneClassSVM(nu=0.2).fit(X)
    bands = NewtonBoostingRegressor([Quantile(0.1), Quantile(0.9)], n_estimators=3, max_depth=2)
    yield "NewtonBoostingRegressor-bands", bands.fit(X, number)


def main():
    """Write the pickles, and `expected.npz`."""
    expected = {"X": X}
    for name, model in fitted():
        (HERE / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        for method in METHODS:
            if hasattr(model, method):
                expected[f"{name}.{method}"] = getattr(model, method)(X)
    np.savez_compressed(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of short trainings
        main()
