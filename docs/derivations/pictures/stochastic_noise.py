"""Above the minimum, epoch by epoch: noise that stays, and noise that dies out."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn._objectives.design import Design
from calclearn._objectives.epochs import run_epochs
from calclearn._objectives.linear import LinearObjective
from calclearn._objectives.sag import run_sag
from calclearn.losses import SquaredError
from calclearn.optimize.rules import GradientDescent

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 5))
y = X.sum(axis=1) + rng.normal(size=500)
objective = LinearObjective(SquaredError(), Design(X), y)
best, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(500)]), y)
start, lowest = np.zeros(6), objective.value(best)
curves = {}


def record(name):
    curve = curves[name] = [objective.value(start) - lowest]
    return lambda epoch, value, x: curve.append(max(value - lowest, 1e-16))


for size, name in ((1, "single rows, η = 0.02"), (10, "batches of 10, η = 0.02")):
    run_epochs(
        SquaredError(),
        GradientDescent(0.02),
        X,
        y,
        None,
        start,
        rng=rng,
        batch_size=size,
        max_epochs=60,
        tol=0.0,
        progress=record(name),
    )
for saga, name in ((False, "SAG"), (True, "SAGA")):
    run_sag(objective, start, rng=rng, saga=saga, max_iter=60, tol=0.0, progress=record(name))

figure, axes = plt.subplots(figsize=(6.2, 3.6))
for (name, curve), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=True):
    axes.semilogy(curve, style, label=name)
axes.set(xlabel="epoch", ylabel="objective above its minimum")
axes.legend()
