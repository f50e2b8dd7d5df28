"""A coefficient over many samples, and what two standard errors say of its spread."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from calclearn.linear_model import LinearRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 1))
Y = 0.5 * X + np.exp(0.5 * X) * rng.normal(size=(1000, 3000))  # one sample a column
slopes = LinearRegression().fit(X, Y).coef_[:, 0]
y = Y[:, 0]
model = LinearRegression().fit(X, y)

figure, axes = plt.subplots(figsize=(6.0, 3.5))
axes.hist(slopes, bins=30, density=True, color="0.85", label="fits to 3000 samples")
grid = np.linspace(min(slopes), max(slopes), 300)
for cov_type, style, name in (("nonrobust", "C1--", "likelihood"), ("HC3", "C0-", "sandwich, HC3")):
    error = model.inference(X, y, cov_type=cov_type).standard_errors[0]
    axes.plot(grid, norm.pdf(grid, 0.5, error), style, lw=2, label=f"{name}: error {error:.3f}")
axes.set(xlabel="coefficient", yticks=[], title=f"true spread {np.std(slopes):.3f}, errors from one sample")
axes.legend()
