"""The error of central differences against the step: what is cut off, and rounding."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.calculus import check_derivatives, gradient


def energy(x):
    return np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.logaddexp(0.0, x[0])


x = np.array([0.5, -1.0, 2.0])
right = check_derivatives(energy, x)
wrong = check_derivatives(energy, x, jac=lambda x: 1.001 * gradient(energy, x))
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.loglog(right.steps, right.errors, "o-", label="the derived gradient")
axes.loglog(wrong.steps, wrong.errors, "s--", label="one that is wrong by a thousandth")
axes.set(xlabel="step", ylabel="largest difference", ylim=(1e-11, 10))
axes.legend(loc="upper left")
