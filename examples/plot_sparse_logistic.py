r"""
Sparse logistic regression by proximal Newton
=============================================

With an L1 penalty most of the coefficients are zero: of the pixels of a digit, few tell a three from an
eight. Newton's method gets past the kinks by keeping the penalty in its model as it is. Here: which
pixels are left, and how the objective and the duality gap fall from step to step. The theory is in
``docs/derivations/l1.md``; the numbers in brackets are its equations.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from calclearn.linear_model import LogisticRegression

digits = load_digits()
shown = (digits.target == 3) | (digits.target == 8)
X, y = digits.data[shown] / 16.0, digits.target[shown]

# %%
# Fewer and fewer pixels
# ----------------------
# ``l1_ratio=1`` is the L1 penalty, and a small ``C`` a strong one. The record of a fit holds the
# objective, a lower bound of its minimum from the dual problem (14), and the gap between them.
strengths = (10.0, 1.0, 0.3, 0.1)
figure, axes = plt.subplots(1, len(strengths), figsize=(9.5, 2.7), layout="constrained")
for C, picture in zip(strengths, axes, strict=True):
    model = LogisticRegression(C=C, l1_ratio=1.0).fit(X, y)
    used = np.count_nonzero(model.coef_)
    print(
        f"C={C:g}: {used} pixels, accuracy {model.score(X, y):.3f}, gap {model.optimality_.duality_gap:.1e}"
    )
    largest = np.abs(model.coef_).max()
    picture.imshow(model.coef_.reshape(8, 8), cmap="RdBu_r", vmin=-largest, vmax=largest)
    picture.set(xticks=[], yticks=[], title=f"C = {C:g}: {used} pixels")
print(model.optimality_)

# %%
# Step by step
# ------------
# A fit that may take k steps ends after k: its record tells how far it was. (The warnings that it has not
# converged are expected here.)  The objective of each step is in ``loss_curve_``.
best = LogisticRegression(C=1.0, l1_ratio=1.0, tol=1e-10).fit(X, y)
records = []
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    for steps in range(1, best.n_iter_[0] + 1):
        model = LogisticRegression(C=1.0, l1_ratio=1.0, tol=1e-10, max_iter=steps).fit(X, y)
        records.append(model.optimality_)

gaps = np.array([record.duality_gap for record in records])
above = np.array([record.objective for record in records]) - best.optimality_.objective
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
numbers = np.arange(1, len(records) + 1)
left.semilogy(numbers, np.maximum(above, 1e-13), "o-", label="objective above its minimum")
left.semilogy(numbers, np.maximum(gaps, 1e-13), "s--", label="duality gap")
left.set(xlabel="steps of proximal Newton", title="The last steps square the distance")
left.legend()

# %%
# A path of penalties
# -------------------
# The fewer the pixels, the smaller the model that each step solves.
path = np.geomspace(0.02, 10.0, 25)
model = LogisticRegression(l1_ratio=1.0, warm_start=True)
coefficients = np.array([model.set_params(C=C).fit(X, y).coef_[0].copy() for C in path])
right.semilogx(path, coefficients, lw=1)
right.set(xlabel="C", ylabel="coefficient", title="Pixels enter as the penalty falls")
plt.show()
