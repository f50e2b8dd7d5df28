"""The plane with the widest margin, and the rows that it rests on."""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.inspection import MarginDisplay
from calclearn.svm import SVC

rng = np.random.default_rng(2)
X = np.r_[rng.normal(size=(20, 2)) + [-2.0, -1.4], rng.normal(size=(20, 2)) + [2.0, 1.4]]
y = np.repeat([0, 1], 20)
model = SVC(kernel="linear", C=100.0).fit(X, y)

figure, axes = plt.subplots(figsize=(5.6, 4.2))
MarginDisplay.from_estimator(model, X, y, ax=axes)
