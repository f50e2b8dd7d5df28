"""The plane with the widest margin, and the rows that it rests on."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.inspection import MarginDisplay
from calclearn.svm import SVC

rng = np.random.default_rng(2)
y = np.repeat([0, 1], 20)
X = rng.normal(size=(40, 2)) + np.outer(2 * y - 1, [2.0, 1.4])
model = SVC(kernel="linear", C=100.0).fit(X, y)

figure, axes = plt.subplots(figsize=(5.6, 4.2))
MarginDisplay.from_estimator(model, X, y, ax=axes)
