"""The gradient of whole networks: through every kind of layer, of every loss, of every activation.

Not of each with each: activations and losses are compiled apart, one function for each formula, and a
network calls them by their addresses (calclearn._runtime.links).  What stands between them are arrays of raw
predictions and errors, which know nothing of either.  So a network is right for all pairs if

- its layers are, each kind under an activation and a loss, whose own derivatives are right;
- the error of each loss is the derivative of the losses that are summed: the loop over rows is checked here
  for each, interpreted, and in whole networks for one of every kind; that formulas compile to the same
  numbers is what tests/losses/test_losses.py holds;
- each activation's compiled slope is the derivative of its compiled value, which test_activations.py in
  tests/neural_network holds against SymPy; here two are enough, one of them with a field.
"""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix

from calclearn.inspection import check_gradients
from calclearn.losses import get_loss
from calclearn.losses._contract import REGISTRY
from calclearn.neural_network import MLPClassifier, MLPRegressor, activation
from calclearn.neural_network import _steps as steps
from calclearn.neural_network._activations import REGISTRY as ACTIVATIONS_KNOWN
from calclearn.neural_network._activations import LeakyRelu
from calclearn.neural_network._instructions import FIELDS, N_OUT, SIZE

LAYERS = {
    "dense": {"hidden_layer_sizes": (4,)},
    "two dense": {"hidden_layer_sizes": (4, 3), "init": "he", "activation": LeakyRelu(0.3)},
    "batch norm": {"hidden_layer_sizes": (4,), "batch_norm": True},
    "layer norm": {"hidden_layer_sizes": (4,), "layer_norm": True},
    "residual": {"hidden_layer_sizes": (3, 3, 3), "residual": True},
    "all": {"hidden_layer_sizes": (3, 3), "residual": True, "batch_norm": True},
}
X = np.random.default_rng(5).normal(size=(9, 2))
COUNTS = np.random.default_rng(6).poisson(2.0, 9) + 1.0
CODES = np.arange(9) % 3
PACKAGES = [name for name, cls in REGISTRY.items() if cls.__module__.startswith("calclearn")]


def network_and_targets(name, parameters):
    loss = get_loss(name)
    if hasattr(loss, "value_row"):
        return MLPClassifier(loss=loss, **parameters), CODES
    if loss.domain in ("unit", "sign"):
        return MLPClassifier(loss=loss, **parameters), CODES > 0
    return MLPRegressor(loss=loss, **parameters), COUNTS


@pytest.mark.parametrize("loss", ["squared_error", "multinomial_log_loss"])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_through_every_kind_of_layer(layer, loss):
    """Under a loss of one output and one of all outputs together."""
    model, y = network_and_targets(loss, {"activation": "tanh", "alpha": 0.1} | LAYERS[layer])
    check_gradients(model, X, y).raise_if_failed()


@pytest.mark.parametrize("name", PACKAGES)
def test_the_error_of_every_loss_is_the_derivative_of_the_sum(name):
    """With raw predictions that are positive where a loss is infinite below 0; away from kinks."""
    loss = get_loss(name)
    rows = hasattr(loss, "value_row")
    function = steps.row_error if rows else steps.scalar_error
    interpreted = getattr(function, "py_func", function)
    targets = {"unit": CODES > 0, "sign": np.where(CODES > 0, 1, -1)}.get(
        loss.domain, CODES if rows else COUNTS
    )
    y, weight = targets[:, None].astype(float), np.linspace(0.0, 2.0, 9)
    record = np.zeros(SIZE, np.int64)
    record[N_OUT], record[FIELDS] = 3 if rows else 1, 1
    fields, chosen = np.array([np.nan, *dataclasses.astuple(loss)]), np.arange(9)[::-1]
    raw = np.random.default_rng(7).uniform(0.3, 0.9, 9 * record[N_OUT])

    def total_and_error(raw):
        error, sums = np.zeros_like(raw), np.zeros(1)
        interpreted(loss, fields, record, chosen, y, weight, 0.25, raw, error, sums)
        return sums[0], error

    slopes = [
        (total_and_error(raw + step)[0] - total_and_error(raw - step)[0]) / 2e-5
        for step in 1e-5 * np.eye(len(raw))
    ]
    assert_allclose(total_and_error(raw)[1], 0.25 * np.array(slopes), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["log_loss", "hinge", "huber", "poisson"])
def test_the_gradient_of_losses_of_labels_of_fields_and_of_counts(name):
    assert {get_loss(each).domain for each in PACKAGES} == {"real", "positive", "nonnegative", "unit", "sign"}
    model, y = network_and_targets(name, LAYERS["dense"] | {"activation": "tanh", "alpha": 0.1})
    check_gradients(model, X, y).raise_if_failed()


def test_weights_sparse_rows_label_smoothing_and_several_outputs():
    weight = np.linspace(0, 2, 9)
    check_gradients(MLPClassifier((4,), label_smoothing=0.2), X, CODES, weight).raise_if_failed()
    check_gradients(MLPClassifier((4,), label_smoothing=0.2), csr_matrix(X), CODES > 1).raise_if_failed()
    check_gradients(
        MLPRegressor("poisson", (4,), "tanh"), X, np.column_stack([COUNTS, CODES])
    ).raise_if_failed()


def test_a_fitted_network_is_looked_at_where_it_is_and_not_changed():
    model = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs", tol=0.1)
    model.fit(X, COUNTS)
    before = [array.copy() for array in model.coefs_]
    report = check_gradients(model, X, COUNTS).raise_if_failed()
    assert report.ok
    assert report.n_parameters == 5 * 2 + 5 + 5 + 1
    assert list(report.layers) == [f"{w} of layer {k}" for w in ("weights", "biases") for k in (1, 2)]
    assert all((a == b).all() for a, b in zip(before, model.coefs_))


def test_a_wrong_derivative_is_found_and_its_layer_named():
    before = dict(ACTIVATIONS_KNOWN)
    try:

        @activation("wrong_sine")
        class WrongSine:
            def value(self, x):
                return np.sin(x)

            def derivative(self, x):
                return np.sin(x)

        report = check_gradients(MLPRegressor(hidden_layer_sizes=(4,), activation=WrongSine()), X, COUNTS)
    finally:
        ACTIVATIONS_KNOWN.clear()
        ACTIVATIONS_KNOWN.update(before)
    assert not report.ok
    with pytest.raises(AssertionError, match="layer 1"):
        report.raise_if_failed()


def test_of_large_networks_some_parameters_are_drawn():
    report = check_gradients(MLPRegressor(hidden_layer_sizes=(60, 60), activation="tanh"), X, COUNTS)
    assert report.n_parameters == 2000
    assert report.ok


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="list"):
        check_gradients([], X, COUNTS)
