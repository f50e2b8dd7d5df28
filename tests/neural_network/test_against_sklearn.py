"""From the same seed the same numbers as scikit-learn's: weights, losses, scores, predictions."""

import warnings

import numpy as np
import pytest
import sklearn.neural_network as theirs
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression

import calclearn.neural_network as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits(return_X_y=True)
X, LABELS = DIGITS[0][:450] / 16, DIGITS[1][:450]
R, NUMBERS = make_regression(300, 8, random_state=0)
NUMBERS = NUMBERS / 100
WEIGHTS = np.random.default_rng(0).uniform(0, 2, 450)


def both(name, *data, fits=1, weight=None, **parameters):
    """Our estimator and scikit-learn's, fitted to the same."""
    made = []
    for package in (ours, theirs):
        estimator = getattr(package, name)(**{"max_iter": 10, "random_state": 3} | parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for _ in range(fits):
                estimator.fit(*data, sample_weight=weight)
        made.append(estimator)
    return made


def assert_same(mine, other, tolerance=1e-6):
    for name in ("coefs_", "intercepts_"):
        for array, expected in zip(getattr(mine, name), getattr(other, name), strict=True):
            assert array.dtype == expected.dtype
            assert_allclose(array, expected, rtol=0, atol=tolerance)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(mine, name) == getattr(other, name), name
    assert_allclose(mine.loss_, other.loss_, rtol=tolerance)
    if hasattr(other, "loss_curve_"):
        assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=tolerance)
        for name in ("validation_scores_", "best_validation_score_", "best_loss_"):
            expected = getattr(other, name)
            if expected is None:
                assert getattr(mine, name) is None
            else:
                assert_allclose(getattr(mine, name), expected, rtol=tolerance)


CONFIGURATIONS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "no momentum": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "plain momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 0.5,
        "n_iter_no_change": 2,
        "max_iter": 30,
    },
    "two layers": {"hidden_layer_sizes": (20, 10), "alpha": 0.1},
    "identity": {"activation": "identity"},
    "logistic": {"activation": "logistic"},
    "tanh": {"activation": "tanh", "solver": "sgd"},
    "batches": {"batch_size": 37},
    "not shuffled": {"shuffle": False},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "stops": {"tol": 1.0, "n_iter_no_change": 2},
    "warm start": {"warm_start": True, "max_iter": 4},
}


@pytest.mark.parametrize("parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_classifiers_are_the_same(parameters):
    mine, other = both("MLPClassifier", X, LABELS, fits=2 if "warm_start" in parameters else 1, **parameters)
    assert_same(mine, other)
    assert_array_equal(mine.predict(X), other.predict(X))
    assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("parameters", [CONFIGURATIONS["adam"], CONFIGURATIONS["early stopping"]], ids=str)
def test_classifiers_of_two_classes_are_the_same(parameters):
    names = np.where(LABELS > 4, "high", "low")
    mine, other = both("MLPClassifier", X, names, **parameters)
    assert_same(mine, other)
    assert_array_equal(mine.predict(X), other.predict(X))
    assert_allclose(mine.predict_log_proba(X), other.predict_log_proba(X), rtol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_sparse_rows_and_weights_give_the_same(solver):
    mine, other = both("MLPClassifier", csr_matrix(X), LABELS, weight=WEIGHTS, solver=solver)
    assert_same(mine, other)
    assert_allclose(mine.predict_proba(csr_matrix(X)), mine.predict_proba(X), rtol=1e-12)


def test_multilabel_classifiers_are_the_same():
    data = make_multilabel_classification(200, random_state=0)
    mine, other = both("MLPClassifier", *data)
    assert_same(mine, other)
    assert_array_equal(mine.predict(data[0]), other.predict(data[0]))


@pytest.mark.parametrize("parameters", [{}, {"solver": "sgd", "early_stopping": True}], ids=str)
@pytest.mark.parametrize("several", [False, True])
def test_regressors_are_the_same(parameters, several):
    y = np.column_stack([NUMBERS, NUMBERS**2]) if several else NUMBERS
    mine, other = both("MLPRegressor", R, y, **parameters)
    assert_same(mine, other)
    assert_allclose(mine.predict(R), other.predict(R), rtol=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHTS[:300]], ids=["", "weighted"])
def test_regressors_of_counts_are_the_same(weight):
    counts = np.random.default_rng(0).poisson(1.0, (300, 2)).astype(float)
    mine, other = both("MLPRegressor", R, counts, weight=weight, loss="poisson")
    assert_same(mine, other)
    assert_allclose(mine.predict(R), other.predict(R), rtol=1e-6)


def test_float32_is_kept_and_as_near_as_its_precision_lets():
    """Ten epochs of Adam, whose steps divide a gradient by its size, amplify rounding errors of 1e-7."""
    mine, other = both("MLPClassifier", X.astype(np.float32), LABELS)
    assert_same(mine, other, tolerance=1e-4)


def test_lbfgs_takes_the_same_way():
    """Sums are added in another order, which many iterations amplify."""
    mine, other = both("MLPClassifier", X, LABELS, solver="lbfgs", max_iter=15)
    assert_allclose(mine.loss_, other.loss_, rtol=1e-6)
    assert mine.n_iter_ == other.n_iter_
    mine, other = both("MLPRegressor", R, NUMBERS, solver="lbfgs", max_iter=15, activation="tanh")
    assert_same(mine, other)


def test_partial_fit_is_the_same():
    made = ours.MLPClassifier(random_state=1), theirs.MLPClassifier(random_state=1)
    for estimator in made:
        for start in range(0, 450, 150):
            part = slice(start, start + 150)
            estimator.partial_fit(X[part], LABELS[part], classes=np.arange(10))
    assert_same(*made)


def test_the_parameters_are_scikit_learns_and_ours_come_last():
    import inspect

    for name in ("MLPClassifier", "MLPRegressor"):
        mine, other = (inspect.signature(getattr(package, name)).parameters for package in (ours, theirs))
        assert [str(p) for p in mine.values()][: len(other)] == [str(p) for p in other.values()]
