"""The losses that networks alone have: against those they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from calclearn.losses import MultinomialLogLoss, Poisson
from calclearn.neural_network._losses import PoissonDeviance, SmoothedLogLoss

ROWS = np.random.default_rng(0).normal(size=(20, 4)) * np.geomspace(0.1, 300, 20)[:, None]


@pytest.mark.parametrize("loss", [MultinomialLogLoss(), SmoothedLogLoss(0.2)], ids=repr)
def test_in_one_go_value_and_gradient_are_what_they_are_apart(loss):
    for i, raw in enumerate(ROWS):
        one, two, hessian = np.empty((3, 4))
        loss.derivatives_row(i % 4, raw, two, hessian)
        assert_allclose(loss.value_gradient_row(i % 4, raw, one), loss.value_row(i % 4, raw), rtol=1e-13)
        assert_allclose(one, two, rtol=1e-13, atol=1e-300)


def test_a_smoothed_loss_is_the_mean_over_what_the_target_gives_each_class():
    share, plain = 0.3, MultinomialLogLoss()
    for i, raw in enumerate(ROWS):
        own = i % 4
        each = np.array([plain.value_row(k, raw) for k in range(4)])
        gradients, scratch = np.empty((4, 4)), np.empty(4)
        for k in range(4):
            plain.derivatives_row(k, raw, gradients[k], scratch)
        target = share / 4 + (1 - share) * (np.arange(4) == own)
        gradient = np.empty(4)
        value = SmoothedLogLoss(share).value_gradient_row(own, raw, gradient)
        assert_allclose(value, target @ each, rtol=1e-12)
        assert_allclose(gradient, target @ gradients, rtol=1e-10, atol=1e-15)


def test_the_deviance_is_zero_where_the_mean_is_the_target():
    y = np.array([0.0, 1.0, 7.0])
    assert_allclose(PoissonDeviance().value(y[1:], np.log(y[1:])), 0.0, atol=1e-15)
    raw = np.array([-1.0, 0.5, 2.0])
    constant = np.array([0.0, -1.0, 7 * np.log(7) - 7])
    assert_allclose(PoissonDeviance().value(y, raw), Poisson().value(y, raw) + constant)
    assert PoissonDeviance().derivatives(2.0, 0.5) == Poisson().derivatives(2.0, 0.5)
