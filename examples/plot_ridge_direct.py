r"""
Ridge regression: one decomposition, all penalties
==================================================

A penalty moves the eigenvalues of the normal equations, and leaves their eigenvectors where they are.
So one decomposition gives the coefficients for every penalty, and also the error of each row had it
been left out of the fit. The theory is in ``docs/derivations/least-squares.md``; the numbers in
brackets are its equations.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from calclearn.linear_model import Ridge, RidgeCV

data = load_diabetes()
X, y = data.data[:80], data.target[:80]  # few rows, for which a penalty matters

# %%
# Coefficients for all penalties
# ------------------------------
# In the eigenvectors of :math:`A^T A = V \Lambda V^T`, each coefficient is divided by its eigenvalue plus
# :math:`\alpha` (17). Weak directions give way first.
alphas = np.geomspace(1e-4, 1e2, 60)
A, B = X - X.mean(axis=0), y - y.mean()
eigenvalues, V = np.linalg.eigh(A.T @ A)
coefficients = V @ ((V.T @ (A.T @ B))[:, None] / (eigenvalues[:, None] + alphas))

# %%
# The estimator solves the same equations by Cholesky's factorisation, one penalty at a time; its
# certificate says how far above the minimum it can be.
some = range(0, 60, 12)
fits = [Ridge(alpha=alphas[i]).fit(X, y) for i in some]
difference = max(np.abs(fit.coef_ - coefficients[:, i]).max() for i, fit in zip(some, fits, strict=True))
print(f"largest difference of a coefficient: {difference:.0e}")
print(fits[0].optimality_)

# %%
# Leaving each row out
# --------------------
# The residual divided by one minus the leverage is the error of the fit that has not seen the row (18).
# ``RidgeCV`` computes it for all rows and all penalties from the decomposition.
search = RidgeCV(alphas=alphas, store_cv_results=True).fit(X, y)
left_out = search.cv_results_.mean(axis=0)
fitted = ((B[:, None] - A @ coefficients) ** 2).mean(axis=0)
print(f"best penalty {search.alpha_:.3g}, mean squared error of rows left out {-search.best_score_:.1f}")

# One of these 80 × 60 errors, by fitting again:
i, k = 10, 30
again = Ridge(alpha=alphas[k]).fit(np.delete(X, i, axis=0), np.delete(y, i))
error = y[i] - again.predict(X[i : i + 1])[0]
print(f"row {i}: {search.cv_results_[i, k]:.6f} without fitting again, {error**2:.6f} by it")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for name, path in zip(data.feature_names, coefficients, strict=True):
    left.semilogx(alphas, path, label=name)
for i, fit in zip(some, fits, strict=True):
    left.semilogx(np.full(len(fit.coef_), alphas[i]), fit.coef_, ".", color="black", ms=3)
left.set(xlabel="penalty", ylabel="coefficient", title="Lines: one decomposition; dots: Ridge")
left.legend(ncols=2, fontsize=7)
right.semilogx(alphas, left_out, label="rows left out")
right.semilogx(alphas, fitted, "--", label="rows fitted")
right.axvline(search.alpha_, color="0.6", lw=1)
right.set(xlabel="penalty", ylabel="mean squared error", ylim=(None, 1.5 * left_out.min()))
right.set(title="What fits best does not predict best")
right.legend()
plt.show()
