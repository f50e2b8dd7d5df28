"""The noise of three estimators of one gradient, against the scale of the distribution."""

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from calclearn.calculus import expectation_gradient

n = 20_000
scales = np.geomspace(0.05, 3.0, 13)
estimators = (
    ("score", {"estimator": "score", "baseline": None}, "s--", "C1"),
    ("score with a baseline", {"estimator": "score"}, "^-", "C2"),
    ("pathwise", {"estimator": "pathwise"}, "o-", "C0"),
)
figure, axes = plt.subplots(figsize=(6.2, 3.8))
for name, options, style, colour in estimators:
    noise = []
    for scale in scales:
        found = expectation_gradient(
            lambda x: (x - 2.0) ** 2,
            lambda loc, scale=scale: stats.norm(loc, scale),
            {"loc": 0.0},
            n_samples=n,
            random_state=0,
            **options,
        )
        noise.append(found.standard_error["loc"] * n**0.5)
    axes.loglog(scales, noise, style, color=colour, ms=4, label=name)
axes.set(xlabel="scale of the normal distribution", ylabel="standard deviation of one draw")
axes.legend(loc="upper center", frameon=False)
