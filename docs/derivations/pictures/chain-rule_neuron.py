"""A neuron as a computational graph: values on the way there, cotangents on the way back."""

import matplotlib.pyplot as plt
from scipy.special import expit

from calclearn.calculus import derivative, gradient

w, x, b, y = 2.0, 1.0, -3.0, 1.0
z = w * x + b
a = expit(z)


def loss(a):
    return 0.5 * (a - y) ** 2


places = {"w": (0, 2), "x": (0, 1), "b": (0, 0), "z": (1.5, 1), "a": (3, 1), "ℓ": (4.5, 1)}
values = {"w": w, "x": x, "b": b, "z": z, "a": a, "ℓ": loss(a)}
slopes = dict(zip("wxb", gradient(lambda p: loss(expit(p[0] * p[1] + p[2])), [w, x, b])))
slopes |= {"z": derivative(lambda z: loss(expit(z)), z), "a": derivative(loss, a), "ℓ": 1.0}

figure, axes = plt.subplots(figsize=(6.4, 3.4))
for start, end in (("w", "z"), ("x", "z"), ("b", "z"), ("z", "a"), ("a", "ℓ")):
    for tail, head, bend, colour in ((start, end, -0.12, "0.3"), (end, start, -0.12, "C1")):
        arrow = {"arrowstyle": "->", "connectionstyle": f"arc3,rad={bend}", "color": colour, "shrinkA": 17}
        axes.annotate("", places[head], places[tail], arrowprops={**arrow, "shrinkB": 17})
for name, place in places.items():
    axes.text(*place, name, ha="center", va="center", size=13, bbox={"boxstyle": "circle", "fc": "w"})
    axes.text(place[0], place[1] + 0.27, f"{values[name]:.3g}", ha="center", color="0.3")
    axes.text(place[0], place[1] - 0.4, f"{slopes[name]:.3g}", ha="center", color="C1")
axes.text(2.25, 1.35, "logistic", ha="center", style="italic")
axes.text(3.75, 1.35, "½ (a − 1)²", ha="center", style="italic")
axes.text(1.0, 1.75, "w x + b", ha="center", style="italic")
axes.text(4.9, 2.3, "values, forward", ha="right", color="0.3")
axes.text(4.9, 2.0, "cotangents, in reverse", ha="right", color="C1")
axes.set(xlim=(-0.4, 5.0), ylim=(-0.6, 2.5))
axes.axis("off")
