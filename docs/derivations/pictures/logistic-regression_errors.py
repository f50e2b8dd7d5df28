"""A logistic curve and its errors, which are in balance at the optimum."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.linear_model import LogisticRegression

rng = np.random.default_rng(1)
x = np.sort(rng.uniform(-4.0, 4.0, 26))
y = (rng.random(26) < 1 / (1 + np.exp(-1.2 * x))).astype(int)
model = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], y)
p = model.predict_proba(x[:, None])[:, 1]
grid = np.linspace(-4.5, 4.5, 300)

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.2, 4.2), sharex=True, height_ratios=(3, 2))
top.plot(grid, model.predict_proba(grid[:, None])[:, 1], color="0.3")
for label, colour, marker in ((1, "C0", "o"), (0, "C1", "s")):
    of = y == label
    top.plot(x[of], y[of], marker, color=colour, label=f"class {label}")
    bottom.vlines(x[of], 0, (p - y)[of], color=colour, lw=3)
top.set(ylabel="probability p")
top.legend()
bottom.axhline(0, color="0.3", lw=0.8)
sums = np.round([np.sum(p - y), np.sum((p - y) * x)], 6) + 0.0
bottom.set(
    xlabel="x", ylabel="error p − y", title=f"sum of errors {sums[0]:g}, of errors times x {sums[1]:g}"
)
