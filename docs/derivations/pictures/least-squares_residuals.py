"""A line with its residuals, and the sum of their squares as a parabola in the slope."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.linear_model import LinearRegression

rng = np.random.default_rng(3)
x = np.sort(rng.uniform(0.0, 10.0, 12))
y = 1.0 + 0.6 * x + rng.normal(size=12)
model = LinearRegression().fit(x[:, None], y)
fitted, w = model.predict(x[:, None]), model.coef_[0]

figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.3))
left.vlines(x, y, fitted, color="C1", lw=2, label="residuals")
left.plot(x, fitted, color="C0", label=f"{model.intercept_:.2f} + {w:.2f} x")
left.plot(x, y, "o", color="0.2")
left.set(xlabel="x", ylabel="y", title="the line")
left.legend()

slopes = np.linspace(w - 0.5, w + 0.5, 201)
squares = [np.sum((y - y.mean() - s * (x - x.mean())) ** 2) for s in slopes]
right.plot(slopes, squares, color="0.3")
right.axhline(model.optimality_.objective, color="C0", lw=1, ls="--")
right.plot(w, model.optimality_.objective, "o", color="C0")
right.set(xlabel="slope w", ylabel="sum of squares", title="its sum of squares", ylim=(0, None))
