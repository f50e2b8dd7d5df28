"""The main job: pipelines and a grid search, ours beside scikit-learn's, and a loss of one's own.

Run it with ``python examples/quickstart.py``; it prints two tables and saves a picture.
"""

import time

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

pd.set_option("display.width", 120)


# 1. Drop-in: change the import, keep the pipeline. ---------------------------------------------------
def fit_and_score(estimator, data):
    """Fit in a pipeline on three quarters of the rows; score on the rest, seconds, and the certificate."""
    X_train, X_test, y_train, y_test = data
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X_train, y_train)  # compiles, the first time
    start = time.perf_counter()
    pipeline.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    certificate = getattr(pipeline[-1], "optimality_", None)
    bound = None if certificate is None else certificate.suboptimality_bound
    return pipeline.score(X_test, y_test), seconds, "says nothing" if bound is None else f"{bound:.1e}"


jobs = [
    ("diabetes", load_diabetes, "LinearRegression", {}),
    ("breast cancer", load_breast_cancer, "LogisticRegression", {}),
    ("wine, 3 classes", load_wine, "LogisticRegression", {}),
    ("digits, 10 classes", load_digits, "LogisticRegression", {}),
]
rows = []
for name, load, estimator, parameters in jobs:
    data = train_test_split(*load(return_X_y=True), random_state=0)
    for package, module in (("calclearn", ours), ("scikit-learn", theirs)):
        score, seconds, bound = fit_and_score(getattr(module, estimator)(**parameters), data)
        rows.append((name, estimator, package, f"{score:.4f}", f"{1e3 * seconds:.1f}", bound))
columns = ["data", "estimator", "package", "score", "ms", "objective above optimum, at most"]
print(pd.DataFrame(rows, columns=columns).to_string(index=False), "\n")

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
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
line = np.linspace(-3, 3, 50)[:, None]
left.plot(X, y, ".", color="0.6")
left.plot(line, squares.predict(line), label="least squares")
left.plot(line, robust.predict(line), label="Cauchy, written above")
left.set(xlabel="x", ylabel="y", title="A loss of one's own forgives a failed sensor")
left.legend()
raw = np.linspace(-5, 5, 201)
gradient, hessian = Cauchy().derivatives(0.0, raw)
right.plot(raw, Cauchy().value(0.0, raw), label="value (written)")
right.plot(raw, gradient, label="gradient (derived)")
right.plot(raw, hessian, label="Hessian (derived)")
right.set(xlabel="raw prediction, y = 0", title="One formula and its calculus")
right.legend()
figure.savefig("quickstart.png", dpi=120)
print("saved quickstart.png")
