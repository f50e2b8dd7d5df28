"""What a bound says, and what was true: logistic regression by L-BFGS, stopped at each iteration."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from calclearn.linear_model import LogisticRegression

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
best = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y).optimality_.objective
steps = np.arange(1, 41)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of fits that are stopped on purpose
    records = [
        LogisticRegression(solver="lbfgs", tol=1e-8, max_iter=n).fit(X, y).optimality_ for n in steps.tolist()
    ]
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.semilogy(
    steps, [record.suboptimality_bound for record in records], label="the bound that each fit states"
)
axes.semilogy(
    steps, [record.objective - best for record in records], "--", label="objective above its minimum"
)
axes.set(xlabel="iterations", ylabel="units of the objective")
axes.legend()
