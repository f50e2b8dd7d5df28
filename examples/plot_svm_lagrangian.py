"""
The margin, and who holds it up
===============================

A support vector machine looks for the widest street between two classes.  Its Lagrangian gives each row a
multiplier, the price of that row's constraint; most of them are zero.  And for any multipliers the dual
objective is a lower bound of the optimum: so a fit can say how far from it it stopped.
"""

# %%
# The widest street
# -----------------
# Rows far from the street have no say in it.  Those on its edge hold it up, and those inside or on the wrong
# side push with all their weight, C.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs, make_moons

from calclearn.inspection import MarginDisplay
from calclearn.svm import SVC

X, y = make_blobs(60, centers=2, cluster_std=1.3, random_state=6)
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for ax, C in zip(axes, (0.02, 10.0)):
    model = SVC(kernel="linear", C=C).fit(X, y)
    MarginDisplay.from_estimator(model, X, y, ax=ax)
    width = 2.0 / np.linalg.norm(model.coef_)
    ax.set_title(f"C = {C:g}: {len(model.support_)} multipliers, width {width:.2f}")

# %%
# Without the other rows
# ----------------------
# The optimum knows nothing of rows whose multiplier is zero: without them the line is the same.
model = SVC(kernel="linear", C=10.0, tol=1e-8).fit(X, y)
fewer = SVC(kernel="linear", C=10.0, tol=1e-8).fit(X[model.support_], y[model.support_])
print("all rows:            ", model.coef_[0], model.intercept_)
print("support vectors only:", fewer.coef_[0], fewer.intercept_)
print("sum of signed multipliers:", model.dual_coef_.sum())

# %%
# The gap closes
# --------------
# Every pair of multipliers that is moved raises the dual.  The primal objective of the same multipliers comes
# down to meet it, and the optimum is always between the two.
X, y = make_moons(200, noise=0.25, random_state=0)
steps = np.unique(np.geomspace(1, 400, 25).astype(int))
primal, dual = [], []
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it was stopped early
    for n in steps:
        certificate = SVC(C=5.0, tol=1e-6, max_iter=int(n)).fit(X, y).optimality_
        primal.append(certificate.objective)
        dual.append(certificate.dual_objective)
figure, ax = plt.subplots(figsize=(6, 4))
ax.plot(steps, primal, label="primal objective")
ax.plot(steps, dual, label="dual objective")
ax.fill_between(steps, dual, primal, alpha=0.15)
ax.set(xscale="log", yscale="log", xlabel="pairs moved", ylabel="objective", title="The optimum lies between")
ax.legend()

# %%
# A curved street
# ---------------
# Only products of rows appear in the dual.  With another Gram function the street is straight somewhere else,
# and curved here.
model = SVC(C=5.0).fit(X, y)
MarginDisplay.from_estimator(model, X, y)
print(model.optimality_)
plt.show()
