"""
Gradients that vanish, and what helps
=====================================

On its way back through a network the error is multiplied, layer by layer, by weights and by the slope of the
activation.  The slope of the logistic function is at most 1/4: after ten layers little is left of an error,
and the first layers hardly learn.  Here the same deep network is trained in three ways, and the norms of its
gradients are drawn.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from calclearn.inspection import GradientFlowDisplay
from calclearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
DEPTH, EPOCHS = 10, 15
WAYS = {
    "logistic": {"activation": "logistic"},
    "relu": {"activation": "relu", "init": "he"},
    "logistic, batch norm": {"activation": "logistic", "batch_norm": True},
}

# %%
# Three ways to train it
# ----------------------
# Dark lines belong to the layers of the features, bright ones to those near the targets.  Where lines lie
# apart, gradients shrink on their way back.  Plain descent shows it best: Adam would divide the differences
# away, and with them the warning.
models = {}
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
for ax, (name, way) in zip(axes, WAYS.items()):
    model = MLPClassifier(
        (32,) * DEPTH, solver="sgd", learning_rate_init=0.05, max_iter=EPOCHS, random_state=0, **way
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fifteen epochs are meant
        models[name] = model.fit(X, y)
    GradientFlowDisplay.from_estimator(model, ax=ax)
    ax.set_title(f"{name}: {model.score(X, y):.0%} right")

# %%
# Layer by layer
# --------------
# In the first epoch: a straight line, on a logarithmic axis, is a constant factor for each layer.  Of the
# logistic network it is about what its slope and its weights make it; relu with weights of He's size has a
# factor near 1, and batch norm scales the signal up again after each layer.
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, model in models.items():
    norms = model.gradient_norms_[0]
    ax.semilogy(np.arange(1, len(norms) + 1), norms, "o-", ms=4, label=name)
    factor = (norms[0] / norms[-2]) ** (1.0 / (DEPTH - 1))
    print(f"{name}: on its way back the gradient is multiplied by {factor:.2f} for each layer")
ax.set(xlabel="layer, from the features to the targets", ylabel="norm of the gradient", title="First epoch")
ax.legend()
plt.show()
