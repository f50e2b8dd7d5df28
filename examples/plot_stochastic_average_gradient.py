r"""
Stochastic average gradients, Newton and L-BFGS
===============================================

SAG and SAGA look at one row a step, and remember what each row's gradient was: so their noise dies out,
and the objective falls by a constant share with each pass over the data. Newton's method squares the
distance, at a higher price a pass. Here are both, by passes. The theory is in
``docs/derivations/stochastic.md``; the numbers in brackets are its equations.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import LogisticRegression

digits = load_digits()
X = StandardScaler().fit_transform(digits.data)
y = digits.target >= 5

# %%
# The minimum to compare with
# ---------------------------
# Its record bounds how far it can be from the true one.
C = 0.01
best = LogisticRegression(C=C, tol=1e-10).fit(X, y)
print(best.optimality_)

# %%
# One fit by each solver
# ----------------------
# ``loss_curve_`` holds the objective after each iteration: for SAG and SAGA that is a pass of as many
# draws as there are rows; for L-BFGS a gradient, or a few; for Newton's method the gradient and the
# Hessian, which cost one pass each, but the second one of as many operations per entry as there are
# columns.
solvers = ("sag", "saga", "lbfgs", "newton-cg", "newton-cholesky")
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # some meet the limit before the tolerance, as is to be seen
for solver in solvers:
    model = LogisticRegression(C=C, solver=solver, tol=1e-10, max_iter=60, random_state=0).fit(X, y)
    above = np.maximum(np.array(model.loss_curve_) - best.optimality_.objective, 1e-13)
    left.semilogy(above / above[0], ".-", lw=1, label=solver)
    print(
        f"{solver}: {model.n_iter_[0]} iterations, at most {model.optimality_.suboptimality_bound:.1e} above"
    )
left.set(xlabel="iterations", ylabel="distance to the minimum, relative", title="By iterations")
left.legend()

# %%
# One outlier
# -----------
# The step is limited by the steepest row (3). A row that is a hundred times too long would hold up all
# others if all were drawn alike; drawn more often, with a shorter stride of its own (5), it costs a
# factor of two.
for scale in (1.0, 10.0, 100.0):
    Z = X.copy()
    Z[0] *= scale
    optimum = LogisticRegression(C=C, tol=1e-9).fit(Z, y).optimality_.objective
    model = LogisticRegression(C=C, solver="saga", tol=1e-10, max_iter=60, random_state=0).fit(Z, y)
    above = np.maximum(np.array(model.loss_curve_) - optimum, 1e-13)
    right.semilogy(above / above[0], ".-", lw=1, label=f"one row times {scale:g}")
right.set(xlabel="passes over the data", title="SAGA with a steep row")
right.legend()
plt.show()
