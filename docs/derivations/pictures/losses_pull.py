"""What an error costs, and how strongly it pulls."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.losses import get_loss

e = np.linspace(-4.0, 4.0, 801)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), sharex=True)
styles = {
    "squared_error": "-",
    "absolute_error": "--",
    "huber": "-.",
    "log_cosh": ":",
    "epsilon_insensitive": (0, (6, 2, 1, 2, 1, 2)),
}
for name, style in styles.items():
    loss = get_loss(name, epsilon=1.0) if name == "epsilon_insensitive" else get_loss(name)
    left.plot(e, loss.value(0.0, e), ls=style, label=name.replace("_", " "))
    right.plot(e, loss.derivatives(0.0, e)[0], ls=style)
left.set(title="loss", xlabel="error  f − y", ylim=(-0.1, 5))
right.set(title="gradient", xlabel="error  f − y", ylim=(-3, 3))
figure.legend(loc="outside right center")
