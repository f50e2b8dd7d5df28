"""Layers: backward against finite differences of forward, and what each says of itself."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.losses import LogLoss, MultinomialLogLoss
from calclearn.neural_network import layers
from calclearn.neural_network._layers import sparse_forward, sparse_gradient

N, K = 6, 4


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def made(name):
    return {
        "dense": lambda: layers.Dense(random(K, 3), random(3)),
        "activation": lambda: layers.Activation("gelu"),
        "dropout": lambda: layers.Dropout(0.4, seed=7),
        "batch norm": lambda: layers.BatchNorm(random(K), random(K)),
        "layer norm": lambda: layers.LayerNorm(random(K), random(K)),
        "residual": lambda: layers.Residual(layers.Dense(random(K, K), random(K)), layers.Activation("tanh")),
        "sequential": lambda: layers.Sequential(
            layers.Dense(random(K, 5), random(5)),
            layers.BatchNorm(np.ones(5), np.zeros(5)),
            layers.Activation("silu"),
            layers.Dense(random(5, 2), random(2)),
        ),
    }[name]()


NAMES = ["dense", "activation", "dropout", "batch norm", "layer norm", "residual", "sequential"]


def numerical(function, array):
    """The gradient of a function of one array, by central differences."""
    gradient = np.empty_like(array)
    for place in np.ndindex(array.shape):
        kept, values = array[place], []
        for step in (1e-5, -1e-5):
            array[place] = kept + step
            values.append(function())
        array[place] = kept
        gradient[place] = (values[0] - values[1]) / 2e-5
    return gradient


@pytest.mark.parametrize("name", NAMES)
def test_backward_is_the_derivative_of_forward(name):
    """Of a random linear function of the outputs: by the inputs, and by each parameter."""
    layer, x = made(name), random(N, K)
    direction = random(*layer.forward(x).shape)

    def value():
        if hasattr(layer, "step"):
            layer.step = 0  # the mask of the first step again
        return float((layer.forward(x) * direction).sum())

    value()
    error, gradients = layer.backward(direction)
    assert gradients.keys() == layer.parameters.keys()
    assert_allclose(error, numerical(value, x), rtol=1e-6, atol=1e-8)
    for parameter, gradient in gradients.items():
        assert_allclose(gradient, numerical(value, layer.parameters[parameter]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32_and_inputs_are_left_alone(name):
    layer, x = made(name), random(N, K).astype(np.float32)
    for part in getattr(layer, "layers", [layer]):
        for parameter, array in part.parameters.items():
            part.parameters[parameter] = array.astype(np.float32)
    x.flags.writeable = False
    outputs = layer.forward(x)
    error, gradients = layer.backward(np.ones_like(outputs))
    assert {outputs.dtype, error.dtype, *(g.dtype for g in gradients.values())} == {np.dtype(np.float32)}


def test_dropout_keeps_the_mean_and_draws_anew_at_each_step():
    layer, x = layers.Dropout(0.3, seed=1), np.ones((300, 40))
    first, second = layer.forward(x), layer.forward(x)
    assert set(np.unique(first)) == {0.0, 1 / 0.7}
    assert abs(first.mean() - 1) < 0.02
    assert abs((first * second > 0).mean() - 0.49) < 0.02
    assert abs(np.corrcoef(first[:, 0], first[:, 1])[0, 1]) < 0.15
    again = layers.Dropout(0.3, seed=1)
    assert_array_equal(again.forward(x), first)
    assert (layers.Dropout(0.3, seed=2).forward(x) != first).any()
    with pytest.raises(ValueError, match="rate"):
        layers.Dropout(1.0)


def test_batch_norm_normalises_columns_and_its_running_statistics_converge_to_theirs():
    x = 3.0 + 2.0 * random(500, K)
    layer = layers.BatchNorm(np.ones(K), np.zeros(K))
    outputs = layer.forward(x)
    assert_allclose(outputs.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(outputs.std(axis=0), 1.0, rtol=1e-5)
    for _ in range(200):
        layer.forward(x)
    assert_allclose(layer.running, [x.mean(axis=0), x.var(axis=0, ddof=1)], rtol=1e-8)
    assert_allclose(layer.predict(x), outputs * np.sqrt(499 / 500), rtol=1e-5)  # divisor n - 1


def test_layer_norm_normalises_rows():
    outputs = layers.LayerNorm(np.ones(30), np.zeros(30)).forward(5.0 + random(N, 30))
    assert_allclose(outputs.mean(axis=1), 0.0, atol=1e-12)
    assert_allclose(outputs.std(axis=1), 1.0, rtol=1e-4)


def test_an_embedding_looks_rows_up_and_sums_the_errors_of_those_who_shared_one():
    table, codes = random(3, 2), np.array([2, 0, 2, -1])
    layer = layers.Embedding(table)
    assert_array_equal(layer.forward(codes), [*table[[2, 0, 2]], [0, 0]])
    error, gradients = layer.backward(np.arange(8.0).reshape(4, 2))
    assert error is None
    assert_array_equal(gradients["table"], [[2, 3], [0, 0], [4, 6]])


def test_sparse_rows_give_what_dense_ones_do(rng):
    X = scipy.sparse.random(N, 9, 0.3, format="csr", random_state=0)
    weights, error = rng.normal(size=(9, 3)), rng.normal(size=(N, 3))
    outputs, gradient = np.empty((N, 3)), np.empty((9, 3))
    sparse_forward(X.data, X.indices, X.indptr, weights, outputs)
    sparse_gradient(X.data, X.indices, X.indptr, error, gradient)
    assert_allclose(outputs, X @ weights, rtol=1e-13)
    assert_allclose(gradient, X.T @ error, rtol=1e-13)


def test_the_error_of_the_output_is_the_derivative_of_the_mean_loss():
    raw = random(N, 3)
    codes = np.arange(N) % 3
    softmax = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    assert_allclose(layers.output_error(MultinomialLogLoss(), codes, raw), (softmax - np.eye(3)[codes]) / N)
    assert_allclose(layers.output_error("squared_error", raw + 1, raw), np.full((N, 3), -1 / N))
    one = layers.output_error(LogLoss(), np.ones(N), raw[:, :1])
    assert_allclose(one[:, 0], -1 / (1 + np.exp(raw[:, 0])) / N)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Dense([1.0, 2.0], [0.0]), "weights must have shape"),
        (lambda: layers.Dense([[1.0, 2.0]], [0.0]), "bias"),
        (lambda: layers.Dense([[1.0]], [0.0]).forward(np.ones((2, 3))), r"shape \(n, 1\), got \(2, 3\)"),
        (lambda: layers.Activation("tanh").forward(np.ones(2)), r"shape \(n, k\), got \(2,\)"),
        (lambda: layers.BatchNorm([1.0], [0.0]).forward(np.ones((2, 3))), r"shape \(n, 1\)"),
        (lambda: layers.BatchNorm([1.0], [0.0]).predict(np.ones((2, 3))), r"shape \(n, 1\)"),
        (lambda: layers.LayerNorm([1.0], [0.0]).forward(np.ones((2, 3))), r"shape \(n, 1\)"),
        (lambda: layers.LayerNorm([1.0], [0.0, 1.0]), "scale and shift"),
        (lambda: layers.LayerNorm([1.0], [0.0], epsilon=-1.0), "epsilon"),
        (lambda: layers.Residual(layers.Dense([[1.0, 2.0]], [0.0, 0.0])).forward([[1.0]]), "past them"),
        (lambda: layers.output_error("log_loss", [0, 7], [[1.0], [2.0]]), r"y\[1\] is 7"),
        (lambda: layers.output_error("multinomial_log_loss", [0, 5], np.ones((2, 3))), "below 3, got 5"),
        (lambda: layers.output_error("squared_error", [0, 1, 2], [[1.0], [2.0]]), "2 rows"),
    ],
)
def test_shapes_and_numbers_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["activation", "dropout", "dense"])
def test_rows_may_be_lists(name):
    rows = random(2, K).tolist()
    assert_array_equal(made(name).forward(rows), made(name).forward(np.array(rows)))
