"""The size of the error in each of twenty layers, before the first step."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.neural_network.layers import Activation, Dense

rng = np.random.default_rng(0)
width, depth = 100, 20
figure, axes = plt.subplots(figsize=(6.2, 3.6))
for name, variance, style in (
    ("logistic", 2, "C0-"),
    ("logistic", 1, "C0--"),
    ("relu", 2, "C1-"),
    ("relu", 1, "C1--"),
):
    layers, h = [], rng.normal(size=(50, width))
    for _ in range(depth):
        W = rng.normal(scale=np.sqrt(variance / width), size=(width, width))
        layers += [Dense(W, np.zeros(width)), Activation(name)]
        h = layers[-1].forward(layers[-2].forward(h))
    error, sizes = rng.normal(size=h.shape), []
    for layer in reversed(layers):
        error, _ = layer.backward(error)
        if isinstance(layer, Activation):
            sizes.append(np.sqrt(np.mean(error**2)))
    axes.semilogy(range(1, depth + 1), sizes[::-1], style, label=f"{name}, variance {variance}/k")
axes.set(xlabel="layer", ylabel="root mean square of δ", xticks=[1, 5, 10, 15, 20])
axes.legend(loc="lower right")
