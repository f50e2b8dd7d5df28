r"""
Logistic regression from calculus
=================================

The log loss of a raw prediction :math:`f` is :math:`\log(1 + e^f) - y f`.  Its derivative is the
probability minus the label, and its second derivative is the variance of the label.  Newton's method
needs nothing else: this example writes it in ten lines, and watches how the last steps square the
distance to the optimum.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import LogisticRegression
from calclearn.losses import LogLoss

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
design = np.column_stack([X, np.ones(len(X))])
penalty = np.r_[np.ones(X.shape[1]), 0.0]  # the intercept is free
loss = LogLoss()

# %%
# Newton's method, written out
# ----------------------------
# With weights :math:`w`, the gradient of :math:`\sum_i \ell(y_i, x_i^T w) + \frac12\|w\|^2` is
# :math:`X^T g + w`, its Hessian :math:`X^T \mathrm{diag}(h) X + I`.
w = np.zeros(design.shape[1])
objectives = []
for _ in range(9):
    raw = design @ w
    objectives.append(loss.value(y, raw).sum() + 0.5 * penalty @ w**2)
    gradient, hessian = loss.derivatives(y.astype(float), raw)
    slope = design.T @ gradient + penalty * w
    curvature = design.T @ (hessian[:, None] * design) + np.diag(penalty)
    w = w - np.linalg.solve(curvature, slope)

# %%
# The estimator does the same, and certifies it
# ---------------------------------------------
model = LogisticRegression(tol=1e-10).fit(X, y)
print(model.optimality_)
print(f"largest difference of the coefficients: {np.abs(model.coef_[0] - w[:-1]).max():.0e}")

optimum = model.optimality_.objective
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.semilogy(np.maximum(np.array(objectives) - optimum, 1e-13), "o-")
left.set(
    xlabel="Newton step", ylabel="objective above its minimum", title="The last steps square the distance"
)
left.grid(alpha=0.3)
raw = np.linspace(-6, 6, 200)
gradient, hessian = loss.derivatives(np.ones_like(raw), raw)
right.plot(raw, loss.value(1.0, raw), label="loss of y = 1")
right.plot(raw, gradient, label="gradient: probability - 1")
right.plot(raw, hessian, label="Hessian: variance")
right.set(xlabel="raw prediction", title="The log loss and its calculus")
right.legend()
plt.show()
