"""The gradient of whole networks: every layer with every activation and every loss."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from calclearn.inspection import check_gradients
from calclearn.losses import get_loss
from calclearn.losses._contract import REGISTRY
from calclearn.neural_network import MLPClassifier, MLPRegressor, activation
from calclearn.neural_network._activations import ACTIVATIONS
from calclearn.neural_network._activations import REGISTRY as ACTIVATIONS_KNOWN

LAYERS = {
    "dense": {"hidden_layer_sizes": (4,)},
    "two dense": {"hidden_layer_sizes": (4, 3), "init": "he"},
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


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_of_every_activation_under_every_loss(layer):
    """With raw predictions that are positive where a loss is infinite below 0; away from kinks."""
    assert len(PACKAGES) >= 15
    for unit in ACTIVATIONS:
        for name in PACKAGES:
            model, y = network_and_targets(name, LAYERS[layer] | {"activation": unit, "alpha": 0.1})
            if name == "tweedie_identity":
                model.set_params(random_state=0).partial_fit(X, y)
                model.intercepts_[-1][:] += 10.0
            try:
                check_gradients(model, X, y).raise_if_failed()
            except AssertionError as error:
                raise AssertionError(f"{unit}, {name}: {error}") from error


def test_weights_sparse_rows_label_smoothing_and_several_outputs():
    weight = np.linspace(0, 2, 9)
    check_gradients(MLPClassifier((4,), label_smoothing=0.2), X, CODES, weight).raise_if_failed()
    check_gradients(MLPClassifier((4,), label_smoothing=0.2), csr_matrix(X), CODES > 1).raise_if_failed()
    check_gradients(
        MLPRegressor("poisson", (4,), "tanh"), X, np.column_stack([COUNTS, CODES])
    ).raise_if_failed()


def test_a_fitted_network_is_looked_at_where_it_is_and_not_changed():
    model = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", random_state=0).partial_fit(X, COUNTS)
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
