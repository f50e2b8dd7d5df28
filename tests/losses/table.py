"""Every loss with targets of its domain and raw predictions, none on a kink: the rows of the tests' table."""

import numpy as np

from calclearn.losses import (
    AbsoluteError,
    EpsilonInsensitive,
    Exponential,
    Gamma,
    Hinge,
    Huber,
    LogCosh,
    LogLoss,
    Poisson,
    Quantile,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    Tweedie,
)

LOSSES = [
    SquaredError(),
    AbsoluteError(),
    Quantile(0.3),
    Huber(0.7),
    LogCosh(2.0),
    EpsilonInsensitive(0.2),
    SquaredEpsilonInsensitive(0.2),
    LogLoss(),
    Exponential(),
    Hinge(),
    SquaredHinge(),
    Poisson(),
    Gamma(),
    Tweedie(-0.5),
    Tweedie(0.0),
    Tweedie(1.0),
    Tweedie(1.5),
    Tweedie(2.0),
    Tweedie(3.0),
]
CONVEX = [loss for loss in LOSSES if loss.convex]

TARGETS = {
    "real": [-1.5, 0.125, 2.5],
    "positive": [0.125, 1.0, 7.5],
    "nonnegative": [0.0, 0.375, 3.0],
    "unit": [0.0, 0.25, 1.0],
    "sign": [-1.0, 1.0],
}
MODERATE = [-40.0, -3.25, -0.625, 0.0, 0.5, 2.75, 40.0]
RAWS = [-1e4, -800.0, -700.0, *MODERATE, 700.0, 800.0, 1e4]


def points(loss, raws=RAWS, dtype=np.float64):
    """All targets of the loss's domain with all raw predictions, as two flat arrays."""
    y, raw = np.meshgrid(TARGETS[loss.domain], raws, indexing="ij")
    return y.ravel().astype(dtype), raw.ravel().astype(dtype)
