r"""
The loss surface of a network
=============================

A network of a few dozen weights has a loss over a few dozen dimensions, of which a picture shows two.  Which
two decides what there is to see: random directions show how wide the place is where the optimiser ended; the
principal directions of its path (Li et al., 2018) show how it came there.  What kind of point that is, the
Hessian tells in all dimensions.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

from calclearn.inspection import ConvergenceDisplay, ConvergenceRecorder, LossSurfaceDisplay, curvature
from calclearn.linear_model import LogisticRegression
from calclearn.neural_network import MLPClassifier

X, y = make_moons(200, noise=0.2, random_state=0)

# %%
# A convex surface
# ----------------
# Logistic regression on one feature has two parameters, so the picture is the whole truth: one valley, and
# Newton's method is at its floor after a few steps.  A callback records the path.
recorder = ConvergenceRecorder(path=True)
model = LogisticRegression(C=100.0, solver="newton-cholesky").set_callbacks(recorder).fit(X[:, :1], y)
figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
LossSurfaceDisplay.from_estimator(model, X[:, :1], y, path=recorder, ax=ax)
ax.set_title("Logistic regression, Newton's method")
print(curvature(model, X[:, :1], y))

# %%
# A network, along its path and at random
# ---------------------------------------
# On the left the plane in which most of the path lies, on the right two random directions of the same length
# as each layer.  Both are of the same loss and go through the same end, the star.
recorder = ConvergenceRecorder(path=True)
network = MLPClassifier((8,), activation="tanh", learning_rate_init=0.02, random_state=0)
network.set_callbacks(recorder).fit(X, y)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
LossSurfaceDisplay.from_estimator(network, X, y, path=recorder, grid_resolution=30, ax=axes[0])
LossSurfaceDisplay.from_estimator(network, X, y, directions="random", grid_resolution=30, ax=axes[1])
axes[1].plot(0.0, 0.0, "*", color="#d55e00", markeredgecolor="white", markersize=12)

# %%
# How it went
# -----------
# The same record, as curves: the objective, and the gradient along the path.
figure, axes = plt.subplots(1, 2, figsize=(11, 3.5), layout="constrained")
ConvergenceDisplay.from_callback(recorder, ax=axes[0])
ConvergenceDisplay.from_callback(recorder, quantity="gradient_norm", X=X, y=y, ax=axes[1])

# %%
# Where it ended
# --------------
# In all dimensions.  Stochastic training ends where it no longer gets on, which is no minimum: a few shallow
# directions still lead down.  The largest eigenvalues say how long a step may be, the smallest how many are
# needed.
print(curvature(network, X, y))
plt.show()
