"""Errors of difference quotients against the step: truncation on the right, rounding on the left."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.calculus import check_derivatives

steps = 10.0 ** -np.arange(1, 14)
right = check_derivatives(np.exp, 1.0, jac=np.exp)
wrong = check_derivatives(np.exp, 1.0, jac=lambda x: 1.0001 * np.exp(x))
one_sided = np.abs((np.exp(1.0 + steps) - np.exp(1.0)) / steps - np.exp(1.0))

figure, axes = plt.subplots(figsize=(6.2, 3.8))
axes.loglog(steps, one_sided, "s--", color="C2", ms=4, label="one-sided")
axes.loglog(right.steps, right.errors, "o-", color="C0", label="central")
axes.loglog(wrong.steps, wrong.errors, "^-", color="C1", ms=4, label="central, of a derivative 0.01 % off")
axes.annotate("truncation ∝ h²", (1e-3, right.errors[2]), (7e-4, 3e-9), color="C0")
axes.annotate("rounding ∝ 1/h", (1e-9, 1e-7), (3e-13, 2e-8), color="C0")
axes.set(xlabel="step h", ylabel="error of the derivative of exp at 1", ylim=(1e-12, 10))
axes.legend(loc="upper center", ncols=3, frameon=False, fontsize="small")
