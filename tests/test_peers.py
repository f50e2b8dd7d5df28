"""Against PyTorch, which `.[test]` does not install: update rules step by step, and derivatives of losses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from calclearn import losses, optimize
from calclearn.losses import pointwise
from calclearn.neural_network import get_activation, layers

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    return torch


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (optimize.rules.GradientDescent(learning_rate=0.02), "SGD", {"lr": 0.02}),
        (optimize.rules.Momentum(learning_rate=0.02, momentum=0.8), "SGD", {"lr": 0.02, "momentum": 0.8}),
        (optimize.rules.Adam(learning_rate=0.1, beta_1=0.8), "Adam", {"lr": 0.1, "betas": (0.8, 0.999)}),
    ],
    ids=["gradient descent", "momentum", "Adam"],
)
def test_a_hundred_steps_of_each_rule_are_pytorchs(torch, ours, theirs, options):
    start = np.array([-1.2, 1.0, 0.3])
    scale = np.array([1.0, 10.0, 0.1])
    x = torch.tensor(start, requires_grad=True)
    optimiser = getattr(torch.optim, theirs)([x], **options)
    mine, state = start.copy(), ours.start(start)
    for step in range(1, 101):
        optimiser.zero_grad()
        (torch.cos(x) * torch.tensor(scale) + 0.1 * x**4).sum().backward()
        optimiser.step()
        optimize.rules.apply(ours, step, mine, -np.sin(mine) * scale + 0.4 * mine**3, state)
        assert_allclose(mine, x.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        (losses.LogLoss(), lambda F, f, y: F.binary_cross_entropy_with_logits(f, y, reduction="none")),
        (losses.Poisson(), lambda F, f, y: F.poisson_nll_loss(f, y, reduction="none")),
        (losses.Huber(delta=0.7), lambda F, f, y: F.huber_loss(f, y, delta=0.7, reduction="none")),
        (losses.SquaredError(), lambda F, f, y: 0.5 * F.mse_loss(f, y, reduction="none")),
        (losses.Hinge(), lambda F, f, y: F.relu(1 - (2 * y - 1) * f)),
    ],
    ids=lambda parameter: getattr(parameter, "name", ""),
)
def test_compiled_derivatives_are_autograds(torch, rng, loss, value):
    raw, y = 3 * rng.standard_normal(500), rng.integers(2, size=500).astype(float)
    f = torch.tensor(raw, requires_grad=True)
    rows = value(torch.nn.functional, f, torch.tensor(y))
    (first,) = torch.autograd.grad(rows.sum(), f, create_graph=True)
    targets = 2 * y - 1 if loss.domain == "sign" else y
    gradient, hessian = pointwise.gradient_hessian(loss, targets, raw)
    assert_allclose(gradient, first.detach().numpy(), rtol=1e-10, atol=1e-14)
    second = np.zeros_like(raw)
    if first.requires_grad:
        second = torch.autograd.grad(first.sum(), f, allow_unused=True)[0]
        second = np.zeros_like(raw) if second is None else second.numpy()
    assert_allclose(hessian, second, rtol=1e-9, atol=1e-14)


def test_multinomial_derivatives_are_autograds(torch, rng):
    raw, y = rng.standard_normal((200, 4)), rng.integers(4, size=200)
    f = torch.tensor(raw, requires_grad=True)
    torch.nn.functional.cross_entropy(f, torch.tensor(y), reduction="sum").backward()
    gradient = pointwise.gradient(losses.MultinomialLogLoss(), y.astype(float), raw)
    assert_allclose(gradient, f.grad.numpy(), rtol=1e-10, atol=1e-14)


def _network_of(torch, layer, x, direction):
    """PyTorch's layer on x: what it puts out, and the gradients of a linear function of that."""
    inputs = torch.tensor(x, requires_grad=True)
    outputs = layer(inputs)
    (outputs * torch.tensor(direction)).sum().backward()
    numbers = outputs, inputs.grad, layer.weight.grad, layer.bias.grad
    return [number.detach().numpy() for number in numbers]


@pytest.mark.parametrize("name", ["BatchNorm", "LayerNorm"])
def test_norms_are_pytorchs_forward_and_backward(torch, rng, name):
    x, direction = 2.0 + 3.0 * rng.standard_normal((2, 40, 7))
    scale, shift = rng.standard_normal((2, 7))
    theirs = getattr(torch.nn, name.replace("BatchNorm", "BatchNorm1d"))(7, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = torch.tensor(scale), torch.tensor(shift)
    mine = getattr(layers, name)(scale, shift)
    outputs = mine.forward(x)
    error, gradients = mine.backward(direction)
    found = outputs, error, gradients["scale"], gradients["shift"]
    for ours, expected in zip(found, _network_of(torch, theirs, x, direction), strict=True):
        assert_allclose(ours, expected, rtol=1e-6, atol=1e-10)
    if name == "BatchNorm":
        running = theirs.running_mean.numpy(), theirs.running_var.numpy()
        assert_allclose(mine.running, running, rtol=1e-10)
        theirs.eval()
        assert_allclose(mine.predict(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("elu", "elu"),
        ("gelu", "gelu"),
        ("leaky_relu", "leaky_relu"),
        ("logistic", "sigmoid"),
        ("mish", "mish"),
        ("relu", "relu"),
        ("selu", "selu"),
        ("silu", "silu"),
        ("softplus", "softplus"),
        ("tanh", "tanh"),
    ],
)
def test_activations_are_pytorchs(torch, rng, name, function):
    x = 4.0 * rng.standard_normal(200)
    inputs = torch.tensor(x, requires_grad=True)
    outputs = getattr(torch.nn.functional, function)(inputs)
    outputs.sum().backward()
    activation = get_activation(name)
    assert_allclose(activation.value(x), outputs.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert_allclose(activation.derivative(x), inputs.grad.numpy(), rtol=1e-9, atol=1e-8)
