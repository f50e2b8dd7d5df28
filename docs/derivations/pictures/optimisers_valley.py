"""Five methods in one long valley that is parallel to no axis."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.optimize import Adam, GradientDescent, Momentum, Nesterov, RMSprop, descend

turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))


class Valley:
    hessian = turn * np.geomspace(1.0, 1000.0, 10) @ turn.T

    def value_gradient(self, x):
        return 0.5 * float(x @ self.hessian @ x), self.hessian @ x


root = np.sqrt(1000.0)
rules = {
    "gradient descent": (GradientDescent(2 / 1001), "-"),
    "momentum": (Momentum(4 / (root + 1) ** 2, momentum=((root - 1) / (root + 1)) ** 2), "--"),
    "Nesterov": (Nesterov(1 / 1000, momentum=(root - 1) / (root + 1)), "-."),
    "RMSprop": (RMSprop(0.01), ":"),
    "Adam": (Adam(0.1), (0, (6, 2, 1, 2, 1, 2))),
}
figure, axes = plt.subplots(figsize=(6.4, 3.6))
for name, (rule, style) in rules.items():
    curve = descend(Valley(), np.ones(10), rule, max_iter=400, tol=1e-9).curve
    axes.semilogy(curve, ls=style, label=name)
axes.set(xlabel="step", ylabel="objective above its minimum", ylim=(1e-10, 1e6))
axes.legend(loc="upper right", ncols=2)
