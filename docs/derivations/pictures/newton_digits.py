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


def errors(run):
    found = [np.linalg.norm(optimum)]
    run(lambda k, value, x: found.append(np.linalg.norm(x - optimum)))
    return np.maximum(found, 1e-16)


def gradient_descent(watch):
    descend(problem, start, GradientDescent(1 / L), max_iter=30, progress=watch)


def lbfgs(watch):
    LBFGS(tol=1e-13).minimise(problem, start, watch)


def newton(watch):
    Newton(tol=1e-15).minimise(problem, start, watch)


figure, axes = plt.subplots(figsize=(6.2, 3.6))
axes.semilogy(errors(gradient_descent), ".-", label="gradient descent")
axes.semilogy(errors(lbfgs), "s-", ms=4, label="L-BFGS")
axes.semilogy(errors(newton), "o-", ms=4, label="Newton")
axes.set(xlabel="step", ylabel="distance from the minimum", ylim=(3e-17, 30), xlim=(-0.5, 30.5))
axes.legend(loc="lower right")
