"""How near to the minimum each step of three methods is."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.optimize import LBFGS, GradientDescent, Newton, descend

rng = np.random.default_rng(0)
Z = rng.normal(size=(300, 10)) * np.geomspace(1.0, 0.1, 10)
y = rng.random(300) < 1 / (1 + np.exp(-Z.sum(axis=1)))


class Logistic:
    convex = True

    def value_gradient(self, x):
        f = Z @ x
        return float(np.mean(np.logaddexp(0, f) - y * f)), Z.T @ (1 / (1 + np.exp(-f)) - y) / len(y)

    def hessian(self, x):
        p = 1 / (1 + np.exp(-Z @ x))
        return (Z.T * p * (1 - p)) @ Z / len(y)


problem, start = Logistic(), np.zeros(10)
optimum = Newton(tol=1e-15).minimise(problem, start).x
L = np.linalg.eigvalsh(Z.T @ Z / len(y))[-1] / 4
methods = {
    "gradient descent": (
        lambda watch: descend(problem, start, GradientDescent(1 / L), max_iter=30, progress=watch),
        ".",
    ),
    "L-BFGS": (lambda watch: LBFGS(tol=1e-13).minimise(problem, start, watch), "s"),
    "Newton": (lambda watch: Newton(tol=1e-15).minimise(problem, start, watch), "o"),
}
figure, axes = plt.subplots(figsize=(6.2, 3.6))
for name, (run, marker) in methods.items():
    errors = [np.linalg.norm(optimum)]
    run(lambda k, value, x: errors.append(np.linalg.norm(x - optimum)))  # noqa: B023
    axes.semilogy(np.maximum(errors, 1e-16), "-", marker=marker, ms=4, label=name)
axes.set(xlabel="step", ylabel="distance from the minimum", ylim=(3e-17, 30), xlim=(-0.5, 30.5))
axes.legend(loc="lower right")
