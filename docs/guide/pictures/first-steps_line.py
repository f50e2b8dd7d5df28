"""A line among outliers: the squared error, and a loss of one's own."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.linear_model import GeneralizedLinearRegressor, LinearRegression
from calclearn.losses import loss


@loss("cauchy")
class Cauchy:
    c: float = 1.0

    def value(self, y, raw):
        return 0.5 * self.c**2 * np.log1p(((raw - y) / self.c) ** 2)


x = np.arange(20.0)[:, None]
y = 1.0 + 2.0 * x.ravel()
y[::7] = 100.0
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(x, y, "o", color="0.4", label="targets, three of them wrong")
axes.plot(x, LinearRegression().fit(x, y).predict(x), "--", label="least squares")
axes.plot(x, GeneralizedLinearRegressor(Cauchy(c=2.0)).fit(x, y).predict(x), label="Cauchy's loss, c = 2")
axes.set(xlabel="x", ylabel="y")
axes.legend()
