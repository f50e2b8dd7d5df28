r"""
The lasso's path and its duality gap
====================================

An L1 penalty sets coefficients to zero. As it is lowered they enter one after the other, and each fit
starts where the one before ended. For each the *duality gap* is known: two numbers that can be
computed, the objective and a lower bound of it, between which the optimum lies. The theory is in
``docs/derivations/l1.md``; the numbers in brackets are its equations.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import Lasso, LassoCV, lasso_path

data = load_diabetes(scaled=False)
X, y = StandardScaler().fit_transform(data.data), data.target
y = y - y.mean()  # the path has no intercept

# %%
# Coordinate descent, written out
# -------------------------------
# With all other coefficients fixed, the best value of one is a soft threshold (5). The residual over its
# length, scaled until no column exceeds the penalty, is a feasible dual point (16): its dual objective
# (14) lies below the minimum.
alpha = 5.0
n = len(y)


def soft(value, threshold):
    """Towards zero by `threshold`, at most up to zero."""
    return np.sign(value) * np.maximum(np.abs(value) - threshold, 0.0)


def primal_and_dual(w):
    """The objective, and a lower bound of its minimum."""
    residual = y - X @ w
    primal = residual @ residual / (2 * n) + alpha * np.abs(w).sum()
    u = residual * min(1.0, alpha * n / np.abs(X.T @ residual).max())
    return primal, (y @ u - u @ u / 2) / n


w, bounds = np.zeros(X.shape[1]), []
for _ in range(35):
    bounds.append(primal_and_dual(w))
    for j in range(len(w)):
        partial = X[:, j] @ (y - X @ w) / n + w[j]  # the columns have the mean square 1
        w[j] = soft(partial, alpha)
primal, dual = np.array(bounds).T

# %%
# The estimator
# -------------
# It sweeps until the signs are known, solves for the support at once (19), and looks at all columns
# again: so its gap is small after few sweeps. The record holds it, computed from the data and the
# coefficients.
model = Lasso(alpha=alpha).fit(X, y)
print(model.optimality_)
print(f"{model.n_iter_} sweeps; written out, 34 sweeps leave a gap of {primal[-1] - dual[-1]:.1e}")

# %%
# The path
# --------
alphas, coefficients, gaps = lasso_path(X, y, eps=1e-3, alphas=80)
search = LassoCV(cv=5).fit(X, y)
print(f"chosen by cross-validation: {search.alpha_:.2f}, {np.count_nonzero(search.coef_)} coefficients")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
for name, path in zip(data.feature_names, coefficients, strict=True):
    axes[0].semilogx(alphas, path, label=name)
axes[0].axvline(search.alpha_, color="0.6", lw=1)
axes[0].invert_xaxis()
axes[0].legend(ncols=2, fontsize=7)
axes[0].set(xlabel="penalty", ylabel="coefficient", title="They enter one after the other")
axes[1].loglog(alphas, np.maximum(gaps, 1e-16) / np.mean(y**2), ".-", label="gap")
axes[1].axhline(1e-4, color="0.6", lw=1, label="tol")
axes[1].invert_xaxis()
axes[1].legend()
axes[1].set(xlabel="penalty", ylabel="over the mean square of y", title="The duality gap of each fit")
axes[2].semilogy(primal - min(primal.min(), model.optimality_.objective), label="distance")
axes[2].semilogy(primal - dual, "--", label="duality gap")
axes[2].set(xlabel="sweeps of coordinate descent", ylim=(1e-11, None))  # below is rounding
axes[2].set(title="The gap is never below the distance")
axes[2].legend()
plt.show()
