"""Values, gradients, Hessians and best constants are scikit-learn's, up to the constants stated here."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn._loss import loss as peer
from sklearn.linear_model import _sgd_fast as sgd

from calclearn.losses import (
    AbsoluteError,
    EpsilonInsensitive,
    Exponential,
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    MultinomialLogLoss,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    Tweedie,
)

from .table import MODERATE, points

PAIRS = [
    (SquaredError(), peer.HalfSquaredError()),
    (AbsoluteError(), peer.AbsoluteError()),
    (Quantile(0.3), peer.PinballLoss(quantile=0.3)),
    (Huber(0.7), peer.HuberLoss(delta=0.7)),
    (Poisson(), peer.HalfPoissonLoss()),
    (Gamma(), peer.HalfGammaLoss()),
    (LogLoss(), peer.HalfBinomialLoss()),
    (Exponential(), peer.ExponentialLoss()),
    *((Tweedie(power), peer.HalfTweedieLoss(power=power)) for power in (-0.5, 0.0, 1.0, 1.5, 2.0, 3.0)),
]
SGD_PAIRS = [
    (Hinge(), sgd.Hinge(1.0), 1.0),
    (SquaredHinge(), sgd.SquaredHinge(1.0), 0.5),  # there without the factor 1/2
    (EpsilonInsensitive(0.2), sgd.EpsilonInsensitive(0.2), 1.0),
    (SquaredEpsilonInsensitive(0.2), sgd.SquaredEpsilonInsensitive(0.2), 0.5),
]


def encode(loss, y):
    """Targets as scikit-learn has them: 0 and 1 where we have -1 and +1."""
    return (1 + y) / 2 if loss.domain == "sign" else y


def named(parameter):
    """The parameter's constructor call, without what differs from process to process."""
    return repr(parameter).partition(" ")[0]


@pytest.mark.parametrize(("loss", "theirs"), PAIRS, ids=named)
def test_values_gradients_and_hessians_are_the_same(loss, theirs):
    y, raw = points(loss, MODERATE)
    value = theirs.loss(encode(loss, y), raw)
    gradient, hessian = theirs.gradient_hessian(encode(loss, y), raw)
    if loss == Tweedie(0.0):  # theirs keeps what depends on y alone
        value = value - 0.5 * y**2
    if loss.name in ("absolute_error", "quantile"):  # theirs says 1, by convention
        hessian = np.zeros_like(hessian)
    size = 1e-15 * np.abs(y * raw)  # theirs cancels at y = 1
    assert np.all(np.abs(loss.value(y, raw) - value) <= 1e-12 * np.abs(value) + size + 1e-13)
    assert_allclose(loss.derivatives(y, raw)[0], gradient, rtol=1e-12, atol=1e-15)
    assert_allclose(np.broadcast_to(loss.derivatives(y, raw)[1], raw.shape), hessian, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("loss", "theirs", "factor"), SGD_PAIRS, ids=named)
def test_values_and_gradients_are_those_of_stochastic_gradient_descent(loss, theirs, factor):
    y, raw = points(loss, MODERATE)
    pairs = list(zip(y, raw, strict=True))
    assert_allclose(loss.value(y, raw), [factor * theirs.py_loss(f, t) for t, f in pairs], atol=1e-15)
    gradient, _ = loss.derivatives(y, raw)
    assert_allclose(gradient, [factor * theirs.py_dloss(f, t) for t, f in pairs], atol=1e-15)


def test_the_multinomial_loss_is_the_same():
    rng = np.random.default_rng(0)
    y, raw = rng.integers(0, 4, size=12).astype(float), 3 * rng.normal(size=(12, 4))
    loss, theirs = MultinomialLogLoss(), peer.HalfMultinomialLoss(n_classes=4)
    value, (gradient, hessian) = theirs.loss(y, raw), theirs.gradient_hessian(y, raw)
    for i in range(y.size):
        g, h = np.empty((2, 4))
        loss.derivatives_row(y[i], raw[i], g, h)
        assert_allclose(loss.value_row(y[i], raw[i]), value[i], rtol=1e-12)
        assert_allclose(g, gradient[i], rtol=1e-12, atol=1e-15)
        assert_allclose(h, hessian[i], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [pair for pair in PAIRS if pair[0].name in ("squared_error", "poisson", "gamma", "log_loss", "tweedie")],
    ids=named,
)
def test_the_best_constant_is_the_same(loss, theirs):
    """Theirs finds other points for the piecewise linear losses: not always least with interpolation."""
    rng = np.random.default_rng(0)
    y, weight = rng.uniform(0.1, 0.9, size=50), rng.uniform(0.5, 2.0, size=50)
    assert_allclose(loss.minimiser(y, weight), theirs.fit_intercept_only(y, weight), rtol=1e-12)


def test_one_class_has_scikit_learns_finite_constant():
    y = np.ones(5)
    assert_allclose(LogLoss().minimiser(y), peer.HalfBinomialLoss().fit_intercept_only(y), rtol=1e-12)
    assert_allclose(Poisson().minimiser(0 * y), peer.HalfPoissonLoss().fit_intercept_only(0 * y), rtol=1e-12)


def test_the_best_multinomial_constant_is_the_same():
    y = np.array([0.0, 1.0, 1.0, 2.0])
    expected = peer.HalfMultinomialLoss(n_classes=3).fit_intercept_only(y)
    assert_allclose(MultinomialLogLoss().minimiser(y), expected, rtol=1e-12)
