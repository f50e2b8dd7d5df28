"""Data that can be separated are found out, and no others."""

import numpy as np
import pytest
import scipy.sparse

from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.separation import _program, _Sides, separated
from calclearn.losses import get_loss
from calclearn.optimize import Newton


def classes(rng, kind, K=2):
    """Codes of classes over X: apart, apart but for rows on the boundary, or overlapping."""
    X = rng.normal(size=(120, 3))
    centres = np.array([[-1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]])[:K]
    y = np.argmax(X @ centres.T, axis=1)
    if kind == "quasi":  # rows with x = 0 of either class
        X[::4] = 0.0
        y[::4] = np.arange(30) % K
    elif kind == "overlap":
        y[::7] = (y[::7] + 1) % K
    return X, y.astype(float)


def fitted(loss, X, y, **options):
    objective = LinearObjective(get_loss(loss), X, y, **options)
    return objective, Newton(tol=1e-6, max_iter=100).minimise(objective, objective.start()).x


@pytest.mark.parametrize("kind", ["apart", "quasi", "overlap"])
@pytest.mark.parametrize("loss", ["log_loss", "exponential", "multinomial_log_loss"])
def test_separation_is_found(rng, loss, kind):
    K = 3 if loss == "multinomial_log_loss" else 2
    X, y = classes(rng, kind, K)
    if loss == "exponential":
        y = 2 * y - 1
    objective, x = fitted(loss, X, y, n_outputs=K if K > 2 else None)
    assert np.isfinite(x).all()
    assert separated(objective, x) == (kind != "overlap")
    assert _program(objective, _Sides(objective)) == (kind != "overlap")


def test_counts_that_are_zero_wherever_a_feature_is_not(rng):
    X = np.column_stack([rng.random(100) < 0.3, rng.normal(size=100)]).astype(float)
    y = rng.poisson(2.0, size=100) * (X[:, 0] == 0)
    assert separated(*fitted("poisson", X, y.astype(float)))
    y[np.argmax(X[:, 0])] = 3
    assert not separated(*fitted("poisson", X, y.astype(float)))


def test_a_penalty_or_a_loss_with_a_minimum_is_never_separated(rng):
    X, y = classes(rng, "apart")
    assert not separated(*fitted("log_loss", X, y, l2=1e-9))
    assert not separated(*fitted("squared_hinge", X, 2 * y - 1))
    assert not separated(*fitted("squared_error", X, y))


def test_sparse_rows_and_offsets(rng):
    X, y = classes(rng, "quasi")
    assert separated(*fitted("log_loss", scipy.sparse.csr_array(X), y, offset=rng.normal(size=len(y))))
