r"""
What boosted trees have learned
===============================

A sum of many trees is no black box: each prediction can be split into the shares of the features, exactly,
each tree can be drawn, and each table of importances says what it counts. The theory is in
``docs/derivations/boosting.md``; the numbers in brackets are its equations.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from calclearn.ensemble import NewtonBoostingRegressor
from calclearn.inspection import TreeDisplay

# %%
# Progress of diabetes within a year, by ten measurements; as a frame, so that features have names.
X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=2)
model = NewtonBoostingRegressor(
    n_estimators=300,
    learning_rate=0.05,
    max_depth=3,
    min_child_samples=10,
    early_stopping_rounds=30,
    validation_fraction=0.2,
    random_state=0,
).fit(X_train, y_train)
print(f"{model.best_iteration_ + 1} trees; R² of new rows {model.score(X_test, y_test):.2f}")
print(model.optimality_)

# %%
# Shares of a prediction
# ----------------------
# A feature's share is by how much the expected prediction changes when the feature becomes known, averaged
# over all orders in which the features can become known (20). The last column is what is expected when
# nothing is known. They add up to the prediction (21).
shares = model.predict_contributions(X_test)
error = np.abs(shares.sum(axis=1) - model.predict(X_test)).max()
print(f"shares of {shares.shape[1] - 1} features, and a base of {shares[0, -1]:.1f}: off by {error:.0e}")

row = int(model.predict(X_test).argmax())
order = np.argsort(-np.abs(shares[row, :-1]))
print(f"row {row} of the test rows, predicted {model.predict(X_test.iloc[[row]])[0]:.0f}:")
for f in order[:4]:
    print(f"  {X.columns[f]} = {X_test.iloc[row, f]:g}: {shares[row, f]:+.1f}")

# %%
# Importances
# -----------
# Of the same trees: how often a feature splits, what its splits gain in all (8), and the mean absolute share.
kinds = {
    "number of splits": model.importances("weight"),
    "total gain": model.importances("total_gain"),
    "mean |share|": np.abs(shares[:, :-1]).mean(axis=0),
}
kinds = {name: values / values.sum() for name, values in kinds.items()}
first = np.argsort(-kinds["mean |share|"])
for name, values in kinds.items():
    print(f"{name}: " + ", ".join(f"{X.columns[f]} {values[f]:.0%}" for f in np.argsort(-values)[:4]))

figure, axes = plt.subplot_mosaic(
    [["tree", "tree", "tree"], ["row", "dots", "importances"]],
    figsize=(13, 8),
    layout="constrained",
    height_ratios=[1.1, 1.0],
)
TreeDisplay.from_estimator(model, tree=0, ax=axes["tree"], max_depth=3)
axes["tree"].set_title("The first tree")

colours = np.where(shares[row, order] > 0, "#d55e00", "#0072b2")
left = shares[row, -1] + np.cumsum(shares[row, order]) - shares[row, order]
axes["row"].barh(np.arange(len(order)), shares[row, order], left=left, color=colours)
axes["row"].axvline(shares[row, -1], color="0.6", lw=1)
axes["row"].axvline(shares[row].sum(), color="0.2", lw=1)
names = [f"{X.columns[f]} = {X_test.iloc[row, f]:g}" for f in order]
axes["row"].set(yticks=np.arange(len(order)), yticklabels=names, xlabel="progress of the disease")
axes["row"].invert_yaxis()
axes["row"].set_title(f"From the base, {shares[row, -1]:.0f}, to the prediction, {shares[row].sum():.0f}")

one, other = first[:2]
points = axes["dots"].scatter(X_test.iloc[:, one], shares[:, one], 18, X_test.iloc[:, other], cmap="viridis")
figure.colorbar(points, ax=axes["dots"], label=X.columns[other])
axes["dots"].axhline(0.0, color="0.7", lw=1)
axes["dots"].set(xlabel=X.columns[one], ylabel=f"share of {X.columns[one]}", title="One feature's shares")

for k, (name, values) in enumerate(kinds.items()):
    axes["importances"].barh(np.arange(len(first)) + 0.27 * (k - 1), values[first], 0.25, label=name)
axes["importances"].set(yticks=np.arange(len(first)), yticklabels=X.columns[first], xlabel="of the sum")
axes["importances"].set_title("Three importances")
axes["importances"].invert_yaxis()
axes["importances"].legend()
plt.show()
