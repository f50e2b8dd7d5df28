r"""
Outliers and quantiles
======================

Least squares answers with the mean, and one bad target can move it anywhere. Huber's regression pulls
at outliers with bounded force, and finds by itself how large a residual is one. Quantile regression
asks another question: below which line does a given share of the targets lie?  That is a linear
programme, solved exactly.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, load_linnerud

from calclearn.linear_model import HuberRegressor, LinearRegression, QuantileRegressor

# %%
# A few wrong numbers
# -------------------
# Waist by weight of twenty men, in inches and pounds. Two of the waists are written down in centimetres.
men = load_linnerud()
weight, waist = men.target[:, [0]], men.target[:, 1].copy()
honest = LinearRegression().fit(weight, waist)
wrong = np.argsort(weight[:, 0])[[16, 18]]
waist[wrong] *= 2.54

squares = LinearRegression().fit(weight, waist)
huber = HuberRegressor().fit(weight, waist)
median = QuantileRegressor(quantile=0.5, alpha=0.0).fit(weight, waist)
for name, model in (
    ("without mistakes", honest),
    ("least squares", squares),
    ("Huber", huber),
    ("median", median),
):
    print(f"{name}: {model.coef_[0]:.3f} inches a pound")
beyond = np.flatnonzero(huber.outliers_).tolist()
print(f"beyond {huber.epsilon} scales: {beyond}; in centimetres: {sorted(wrong.tolist())}")
print(huber.optimality_)

# %%
# Ten to ninety per cent
# ----------------------
# Progress of diabetes by body mass index: the spread grows with the mean. A quantile's line has that
# share of the targets below it, and passes through as many of them as it has coefficients.
data = load_diabetes(scaled=False)
index, progress = data.data[:, [2]], data.target
quantiles = {
    q: QuantileRegressor(quantile=q, alpha=0.0).fit(index, progress) for q in (0.1, 0.25, 0.5, 0.75, 0.9)
}
for q, model in quantiles.items():
    residual = progress - model.predict(index)
    on = np.abs(residual) < 1e-9 * progress.max()
    below = np.mean((residual < 0) & ~on)
    print(f"quantile {q}: {below:.3f} below, {on.sum()} on the line, gap {model.optimality_.duality_gap:.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
right_rows = np.setdiff1d(np.arange(len(waist)), wrong)
left.plot(weight[right_rows], waist[right_rows], ".", color="0.5")
left.plot(weight[wrong], waist[wrong], "x", color="0.2", label="in centimetres")
line = np.array([[weight.min()], [weight.max()]])
for name, model, style in (
    ("without mistakes", honest, ":"),
    ("least squares", squares, "-"),
    ("Huber", huber, "-"),
    ("median", median, "--"),
):
    left.plot(line, model.predict(line), style, label=name)
left.set(xlabel="weight", ylabel="waist", title="What two mistakes do")
left.legend()
right.plot(index, progress, ".", color="0.75", ms=4)
line = np.array([[index.min()], [index.max()]])
for q, model in quantiles.items():
    right.plot(line, model.predict(line), label=f"{q:.0%}")
right.set(xlabel="body mass index", ylabel="progress of the disease", title="Quantiles")
right.legend()
plt.show()
