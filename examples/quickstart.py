"""
Quickstart
==========

The main job: pipelines and a grid search, ours beside scikit-learn's, and a loss of one's own.  Run it with
``python examples/quickstart.py``; it prints what it finds, and saves a picture where it is run.
"""

import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn import linear_model as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calclearn import linear_model as ours
from calclearn.losses import check_loss, loss


# 1. Drop-in: change the import, keep the pipeline. ---------------------------------------------------
def fit_and_score(estimator, data):
    """On three quarters of the rows: score on the rest, milliseconds (best of three), and the certificate."""
    X_train, X_test, y_train, y_test = data
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X_train, y_train)  # compiles, the first time
    times = []
    for _ in range(3):
        start = time.perf_counter()
        pipeline.fit(X_train, y_train)
        times.append(1e3 * (time.perf_counter() - start))
    certificate = getattr(pipeline[-1], "optimality_", None)
    bound = "not stated" if certificate is None else f"{certificate.suboptimality_bound:.1e}"
    return f"{pipeline.score(X_test, y_test):.4f}", f"{min(times):.1f}", bound


jobs = [
    ("diabetes", load_diabetes, "LinearRegression"),
    ("breast cancer", load_breast_cancer, "LogisticRegression"),
    ("wine, 3 classes", load_wine, "LogisticRegression"),
    ("digits, 10 classes", load_digits, "LogisticRegression"),
]
rows = []
for name, load, estimator in jobs:
    data = train_test_split(*load(return_X_y=True), random_state=0)
    for package, module in (("calclearn", ours), ("scikit-learn", theirs)):
        rows.append((name, estimator, package, *fit_and_score(getattr(module, estimator)(), data)))
columns = ["data", "estimator", "package", "score", "ms", "objective above optimum, at most"]
table = pd.DataFrame(rows, columns=columns)
print(table.to_string(index=False, justify="right"), "\n")

# 2. A grid search over a pipeline, with a frame in and labels as strings. -----------------------------
frame = load_wine(as_frame=True)
labels = frame.target_names[frame.target]
search = GridSearchCV(
    make_pipeline(StandardScaler(), ours.LogisticRegression()),
    {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]},
    n_jobs=2,
).fit(frame.data, labels)
print(f"grid search on wine: {search.best_params_}, accuracy {search.best_score_:.3f}")
print(search.best_estimator_[-1].optimality_, "\n")


# 3. A loss of one's own: one formula, and everything else is its calculus. ---------------------------
@loss("cauchy")
class Cauchy:
    """Forgives outliers: grows like a logarithm."""

    c: float = 1.0

    def value(self, y, raw):
        return np.log1p(((raw - y) / self.c) ** 2)


print(check_loss(Cauchy()), "\n")

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, size=(200, 1))
y = 1.0 + 2.0 * X[:, 0] + rng.normal(scale=0.5, size=200)
y[X[:, 0] > 2] -= 15  # a sensor that failed
robust = ours.GeneralizedLinearRegressor(loss=Cauchy(c=1.0)).fit(X, y)
squares = ours.LinearRegression().fit(X, y)
print(f"true slope 2, least squares {squares.coef_[0]:.2f}, Cauchy {robust.coef_[0]:.2f}")
print(robust.optimality_)

# 4. A picture. ----------------------------------------------------------------------------------------
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
failed = X[:, 0] > 2
left.plot(X[~failed], y[~failed], ".", color="0.6", label="sensor")
left.plot(X[failed], y[failed], "x", color="0.3", ms=4, label="sensor, failed")
line = np.linspace(-3, 3, 2)[:, None]
left.plot(line, squares.predict(line), color="#0072b2", lw=2, label="least squares")
left.plot(line, robust.predict(line), color="#d55e00", lw=2, label="Cauchy")
left.set(xlabel="x", ylabel="y", title="A loss of one's own forgives a failed sensor")
left.legend(loc="lower left")
raw = np.linspace(-5, 5, 201)
gradient, hessian = Cauchy().derivatives(0.0, raw)
right.axhline(0, color="0.8", lw=1)
right.plot(raw, Cauchy().value(0.0, raw), color="#d55e00", lw=2, label="value: written")
right.plot(raw, gradient, color="#009e73", label="gradient: derived")
right.plot(raw, hessian, color="#cc79a7", label="Hessian: derived")
right.set(xlabel="raw prediction, y = 0", title="One formula and its calculus")
right.legend(loc="upper center")
picture = Path("quickstart.png").resolve()
figure.savefig(picture, dpi=120)
print(f"saved {picture}")
