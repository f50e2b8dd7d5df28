"""Against PyTorch, which `.[test]` does not install: update rules step by step, and derivatives of losses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn import losses, optimize
from calclearn.losses import pointwise
from calclearn.neural_network import get_activation, layers

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # NAdam keeps its product of momenta in the default one
    yield torch
    torch.set_default_dtype(torch.float32)


BETAS = {"betas": (0.8, 0.95)}
RULES = [  # those without options have PyTorch's defaults; its SGD has no defaults but the rate
    (optimize.GradientDescent(0.02), "SGD", {"lr": 0.02}),
    (optimize.Momentum(0.02, momentum=0.8), "SGD", {"lr": 0.02, "momentum": 0.8}),
    (optimize.Nesterov(0.02, momentum=0.8), "SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True}),
    (optimize.RMSprop(), "RMSprop", {}),
    (optimize.RMSprop(0.02, beta=0.8, epsilon=0.1), "RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 0.1}),
    (optimize.Adagrad(), "Adagrad", {}),
    (optimize.Adagrad(0.3, epsilon=0.1, decay=0.2), "Adagrad", {"lr": 0.3, "eps": 0.1, "lr_decay": 0.2}),
    (optimize.Adam(), "Adam", {}),
    (optimize.Adam(0.1, beta_1=0.8, beta_2=0.95), "Adam", {"lr": 0.1, **BETAS}),
    (optimize.AdamW(), "AdamW", {}),
    (optimize.AdamW(0.1, 0.8, 0.95, weight_decay=0.2), "AdamW", {"lr": 0.1, "weight_decay": 0.2, **BETAS}),
    (optimize.NAdam(), "NAdam", {}),
    (
        optimize.NAdam(0.02, 0.8, 0.95, momentum_decay=1),
        "NAdam",
        {"lr": 0.02, "momentum_decay": 1, **BETAS},
    ),
    (optimize.AMSGrad(), "Adam", {"amsgrad": True}),
    (optimize.AMSGrad(0.1, 0.8, 0.95), "Adam", {"lr": 0.1, "amsgrad": True, **BETAS}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), RULES, ids=[repr(rule) for rule, *_ in RULES])
def test_a_hundred_steps_of_each_rule_are_pytorchs(torch, ours, theirs, options):
    """Compiled, and as the formula stands."""
    start = np.array([-1.2, 1.0, 0.3])
    scale = np.array([1.0, 10.0, 0.1])
    x = torch.tensor(start, requires_grad=True)
    optimiser = getattr(torch.optim, theirs)([x], **options)
    mine, state = start.copy(), ours.start(start)
    written, written_state = start, ours.start(start)
    for step in range(1, 101):
        optimiser.zero_grad()
        (torch.cos(x) * torch.tensor(scale) + 0.1 * x**4).sum().backward()
        optimiser.step()
        optimize.rules.apply(ours, step, mine, -np.sin(mine) * scale + 0.4 * mine**3, state)
        gradient = -np.sin(written) * scale + 0.4 * written**3
        answer = ours.update(ours.prepare(step), written, gradient, *written_state)
        written, *written_state = answer if ours.state else (answer,)
        assert_allclose(mine, x.detach().numpy(), rtol=1e-10, atol=1e-12)
        assert_allclose(written, x.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optimize.schedules.Step(every=7, ratio=0.3), lambda lr: lr.StepLR(_sgd(), 7, gamma=0.3)),
        (optimize.schedules.Cosine(last=0.1), lambda lr: lr.CosineAnnealingLR(_sgd(), 50, eta_min=0.1)),
        (optimize.schedules.OneCycle(rise=0.286), lambda lr: lr.OneCycleLR(_sgd(), 1.0, total_steps=51)),
    ],
    ids=["step", "cosine", "one cycle"],
)
def test_schedules_are_pytorchs(torch, ours, theirs):
    """PyTorch's cycle of 51 steps is at its top at step 0.3 * 51 - 1, and ends at step 50."""
    schedule = theirs(torch.optim.lr_scheduler)
    for time in range(50):
        assert_allclose(ours.factor(time, 50), schedule.get_last_lr()[0], rtol=1e-6, atol=1e-9)
        schedule.optimizer.step()
        schedule.step()


def _sgd():
    import torch

    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    return torch.optim.SGD([parameter], lr=1.0)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_is_pytorchs(torch, rng, limit):
    gradient = rng.normal(size=30)
    parameter = torch.zeros(30, dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_([parameter], limit)
    # PyTorch adds 1e-6 to the norm.
    assert_allclose(optimize.clip_by_norm(gradient, limit), parameter.grad.numpy(), rtol=1e-6)
    parameter.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_value_([parameter], limit)
    assert_array_equal(optimize.clip_by_value(gradient, limit), parameter.grad.numpy())


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
