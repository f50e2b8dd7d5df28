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
rows = SquaredError(), GradientDescent(0.02), X, y, None
epochs = {"max_epochs": 60, "tol": 0.0, "rng": rng}
best, _, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(500)]), y)
lowest = objective.value(best)
runs = {
    "single rows, η = 0.02": (lambda watch: run_epochs(*rows, np.zeros(6), progress=watch, **epochs), "-"),
    "batches of 10, η = 0.02": (
        lambda watch: run_epochs(*rows, np.zeros(6), batch_size=10, progress=watch, **epochs),
        "--",
    ),
    "SAG": (
        lambda watch: run_sag(objective, np.zeros(6), rng=rng, tol=0.0, max_iter=60, progress=watch),
        "-.",
    ),
    "SAGA": (
        lambda watch: run_sag(
            objective, np.zeros(6), rng=rng, saga=True, tol=0.0, max_iter=60, progress=watch
        ),
        ":",
    ),
}
figure, axes = plt.subplots(figsize=(6.2, 3.6))
for name, (run, style) in runs.items():
    curve = [objective.value(np.zeros(6)) - lowest]
    run(lambda k, value, x: curve.append(max(value - lowest, 1e-16)))  # noqa: B023
    axes.semilogy(curve, style, label=name)
axes.set(xlabel="epoch", ylabel="objective above its minimum")
axes.legend()
