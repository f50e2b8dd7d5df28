"""Activations and their slopes."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.neural_network import get_activation

x = np.linspace(-4.0, 4.0, 801)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.0), sharex=True)
for name, style in (("logistic", "-"), ("tanh", "--"), ("relu", "-.")):
    activation = get_activation(name)
    left.plot(x, activation.value(x), style, label=name)
    right.plot(x, activation.derivative(x), style, label=name)
right.axhline(0.25, color="0.6", lw=0.8, zorder=0)
right.text(-3.9, 0.27, "¼", color="0.4")
left.set(title="activation", xlabel="x", ylim=(-1.3, 2.6))
right.set(title="slope", xlabel="x")
left.legend()
