"""
Backpropagation by hand
=======================

Two layers, three rows, and the four equations of backpropagation: each one is a line of NumPy, beside what
the layers of the package make of it.  Then finite differences check all of it.  Numbers in brackets are those
of docs/derivations/backpropagation.md.
"""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.neural_network.layers import Activation, Dense, Sequential, output_error

# %%
# A network small enough for paper
# --------------------------------
# Two features, three hidden units with the logistic function, one output; the loss is the log-loss of a label
# 0 or 1.
X = np.array([[1.0, -0.5], [0.2, 0.8], [-1.0, 0.4]])
y = np.array([1.0, 0.0, 1.0])
W1, b1 = np.array([[0.4, -0.3, 0.8], [0.1, 0.9, -0.6]]), np.array([0.1, 0.0, -0.2])
W2, b2 = np.array([[0.7], [-0.5], [0.3]]), np.array([0.2])
first, squash, second = Dense(W1, b1), Activation("logistic"), Dense(W2, b2)
network = Sequential(first, squash, second)


def logistic(z):
    """From any number to one between 0 and 1."""
    return 1.0 / (1.0 + np.exp(-z))


def beside(what, by_hand, by_layers):
    """Print both, the columns of one array beside those of the other."""
    np.testing.assert_allclose(by_hand, by_layers, rtol=1e-12)
    print(
        f"{what}\n    by hand {np.round(by_hand, 4).tolist()}\n    layers  {np.round(by_layers, 4).tolist()}"
    )


# %%
# Forward
# -------
# A layer is :math:`z^l = h^{l-1} W^l + b^l` and :math:`h^l = f(z^l)` (1); rows are samples.  All that is
# computed here is needed again on the way back, so it is kept.
z1 = X @ W1 + b1
h1 = logistic(z1)
z2 = h1 @ W2 + b2
beside("z2, what the network puts out", z2, network.forward(X))  # its layers keep what they were given

# %%
# The error of the output
# -----------------------
# :math:`\delta^L = \partial\ell/\partial z^L` (2).  For the logistic function and the log-loss almost
# everything cancels: what is left is the predicted probability minus the label, divided by the number of
# rows.
delta2 = (logistic(z2) - y[:, None]) / len(X)
beside("delta2", delta2, output_error("log_loss", y, z2))

# %%
# Back through a layer
# --------------------
# :math:`\delta^{l-1} = (\delta^l (W^l)^\top) \odot f'(z^{l-1})` (3): each unit is blamed for what it passed
# on, as far as its weight let it through, times how sensitive it was.  The slope of the logistic function is
# :math:`h(1 - h)`, so the kept values are enough.
delta1 = (delta2 @ W2.T) * h1 * (1.0 - h1)
by_second, gradients_2 = second.backward(delta2)
by_squash, _ = squash.backward(by_second)
beside("delta1", delta1, by_squash)

# %%
# The gradients of weights and biases
# -----------------------------------
# :math:`\partial\ell/\partial W^l = (h^{l-1})^\top \delta^l` (4): what came in, times what went wrong,
# summed over the rows; and :math:`\partial\ell/\partial b^l = \sum_i \delta^l_i` (5), as if 1 had come in.
_, gradients_1 = first.backward(delta1)
beside("gradient of W2", h1.T @ delta2, gradients_2["weights"])
beside("gradient of b2", delta2.sum(axis=0), gradients_2["bias"])
beside("gradient of W1", X.T @ delta1, gradients_1["weights"])
beside("gradient of b1", delta1.sum(axis=0), gradients_1["bias"])


# %%
# Is it true?
# -----------
# A derivative is a limit of differences.  Move one weight a little to each side, and look at the loss.
def mean_loss(W1, b1, W2, b2):
    """Of the rows, by the formula alone."""
    z = (logistic(X @ W1 + b1) @ W2 + b2).ravel()
    return np.mean(np.logaddexp(0.0, z) - y * z)


parameters = [W1, b1, W2, b2]
derived = [gradients_1["weights"], gradients_1["bias"], gradients_2["weights"], gradients_2["bias"]]
differences = []
for k, array in enumerate(parameters):
    slopes = np.zeros_like(array)
    for j in np.ndindex(array.shape):
        moved = [array.copy() for array in parameters]
        moved[k][j] += 1e-5
        above = mean_loss(*moved)
        moved[k][j] -= 2e-5
        slopes[j] = (above - mean_loss(*moved)) / 2e-5
    differences.append(slopes)
worst = max(np.abs(a - b).max() for a, b in zip(derived, differences))
print(f"largest difference from finite differences: {worst:.0e}")

# %%
# One row through the network
# ---------------------------
# Above each unit what it put out for the first row, below it the error that came back; on each edge the
# gradient of its weight, by all rows.  A step of descent will make the blue ones larger, the orange ones
# smaller.
columns = [("x", X[0], None), ("h", h1[0], delta1[0]), ("z", z2[0], delta2[0])]
places = [[(3.0 * k, (n - 1) / 2 - i) for i in range(n)] for k, n in enumerate((2, 3, 1))]
figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
for k, gradient in enumerate((derived[0], derived[2])):
    for (i, j), slope in np.ndenumerate(gradient):
        (x0, y0), (x1, y1) = places[k][i], places[k + 1][j]
        colour, share = "#0072b2" if slope < 0 else "#d55e00", 0.3 if i % 2 else 0.6
        width = 0.5 + 4.0 * abs(slope) / np.abs(gradient).max()
        ax.plot([x0, x1], [y0, y1], color=colour, lw=width, zorder=1, alpha=0.6)
        middle = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        box = {"color": "white", "pad": 0.5}
        ax.text(*middle, f"{slope:+.3f}", fontsize=8, ha="center", va="center", bbox=box)
for (name, values, errors), spots in zip(columns, places):
    for i, (x, height) in enumerate(spots):
        ax.plot(x, height, "o", ms=22, color="white", mec="black", zorder=2)
        ax.text(x, height, f"${name}_{i + 1}$", ha="center", va="center", zorder=3)
        ax.text(x, height + 0.19, f"{values[i]:.3f}", ha="center", va="bottom")
        if errors is not None:
            ax.text(x, height - 0.19, f"δ {errors[i]:+.3f}", ha="center", va="top", color="0.35")
ax.set(ylim=(-1.5, 1.5), title="The first row forward, its error back, and the gradients of the weights")
ax.set_axis_off()

# %%
# One step down
# -------------
# Against the gradient, and the loss is lower.
moved = [array - 0.5 * gradient for array, gradient in zip(parameters, derived)]
print(f"loss before {mean_loss(*parameters):.4f}, after one step {mean_loss(*moved):.4f}")
plt.show()
