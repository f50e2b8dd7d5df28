"""Against PyTorch, which `.[test]` does not install."""

import numpy as np
import pytest

from calclearn.calculus import derivative, hessian, hvp, jacobian

from .table import ELEMENTWISE, FUNCTIONS, Numbers, torch_namespace
from .test_operators import MODES, assert_close, weights

pytestmark = pytest.mark.peer

# Not there: what PyTorch lacks, what it has without a derivative (Bessel's J), and its trigamma, the slope of
# psi, which is right to nine digits only.
OTHERS = {"cbrt", "entr", "exp10", "exprel", "gamma", "j0", "j1", "log_expit", "psi"}
NAMES = {
    "absolute": "abs", "gammaln": "lgamma", "i0": "special.i0", "i1": "special.i1", "ndtr": "special.ndtr",
    "ndtri": "special.ndtri", "log_ndtr": "special.log_ndtr", "erfcx": "special.erfcx", "expit": "sigmoid",
}  # fmt: skip


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    return torch


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobians_hessians_and_products_are_pytorchs(torch, name):
    f, x = FUNCTIONS[name]
    m, theirs = Numbers(), torch_namespace(torch)
    point = torch.tensor(x)
    expected = torch.autograd.functional.jacobian(lambda x: f(theirs, x), point).numpy()
    w = weights(np.shape(f(m, x)))
    second = torch.autograd.functional.hessian(
        lambda x: (torch.tensor(w) * f(theirs, x)).sum(), point
    ).numpy()
    v = weights(x.shape)
    for mode in (*MODES, None):
        assert_close(jacobian(lambda x: f(m, x), x, mode=mode), expected)
        assert_close(hessian(lambda x: np.sum(w * f(m, x)), x, mode=mode), second)
        product = hvp(lambda x: np.sum(w * f(m, x)), x, v, mode=mode)
        assert_close(product, np.tensordot(second, v, x.ndim))


@pytest.mark.parametrize("name", sorted(set(ELEMENTWISE) - OTHERS))
def test_derivatives_of_functions_of_one_number_are_pytorchs(torch, name):
    function, theirs = getattr(Numbers(), name), torch
    for part in NAMES.get(name, name).split("."):
        theirs = getattr(theirs, part)
    x = torch.tensor(ELEMENTWISE[name][1], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(theirs(x).sum(), x)
    for mode in MODES:
        assert_close(derivative(function, x.detach().numpy(), mode=mode), expected.numpy())
