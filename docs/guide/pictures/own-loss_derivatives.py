"""A loss of one's own, with the gradient and the Hessian that are derived from it."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.losses import loss


@loss("cauchy")
class Cauchy:
    c: float = 1.0

    def value(self, y, raw):
        return 0.5 * self.c**2 * np.log1p(((raw - y) / self.c) ** 2)


raw = np.linspace(-5, 5, 400)
gradient, hessian = Cauchy().derivatives(0.0, raw)
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.axhline(0, color="0.8", linewidth=1)
axes.plot(raw, Cauchy().value(0.0, raw), label="value, which is written")
axes.plot(raw, gradient, "--", label="gradient, which is derived")
axes.plot(raw, hessian, ":", label="Hessian, which is derived")
axes.set(xlabel="raw prediction, for the target 0", ylim=(-1, 2))
axes.legend()
