r"""
Counts with an exposure, and how sure the model is
==================================================

A count grows with the time that it was counted for. Under a log link that is a known part of the raw
prediction, the logarithm of the exposure: an *offset*, to which no coefficient is fitted. Then the
model is about rates, and ``inference`` says how well the data determine them.
"""

import matplotlib.pyplot as plt
import numpy as np

from calclearn.linear_model import GeneralizedLinearRegressor

# %%
# Visits to a doctor
# ------------------
# Patients are watched for a month up to three years; the rate depends on age and
# smoking. Those watched longest are older here, so that time and age must be told apart.
rng = np.random.default_rng(0)
n = 400
age = rng.uniform(-1, 1, n)  # in units of 20 years, from the middle
smoker = rng.random(n) < 0.3
years = np.clip(np.exp(0.8 * age + rng.normal(scale=0.5, size=n)), 1 / 12, 3.0)
visits = rng.poisson(years * np.exp(0.3 + 0.5 * age + 0.4 * smoker))
X = np.column_stack([age, smoker])

with_offset = GeneralizedLinearRegressor("poisson").fit(X, visits, offset=np.log(years))
without = GeneralizedLinearRegressor("poisson").fit(X, visits)
print(f"true 0.50 and 0.40; with the exposure {with_offset.coef_.round(2)}, without {without.coef_.round(2)}")
print(with_offset.optimality_)

# %%
# How sure?
# ---------
# The covariance of the coefficients is the inverse information of the likelihood; "HC1" is the sandwich,
# which needs no more than that the rate is right. Here the counts are Poisson, and the two agree.
table = with_offset.inference(X, visits, offset=np.log(years))
print(table)
robust = with_offset.inference(X, visits, offset=np.log(years), cov_type="HC1")
print(f"robust standard errors over those: {(robust.standard_errors / table.standard_errors).round(2)}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
grid = np.linspace(-1, 1, 50)
for smokes, colour, name in ((0, "#0072b2", "others"), (1, "#d55e00", "smokers")):
    rows = smoker == smokes
    left.scatter(
        50 + 20 * age[rows], visits[rows] / years[rows], 12 * years[rows], color=colour, alpha=0.35, lw=0
    )
    Z = np.column_stack([grid, np.full(50, smokes), np.ones(50)])
    raw = Z @ table.coefficients
    error = 1.96 * np.sqrt(np.einsum("ij,jk,ik->i", Z, table.covariance, Z))
    left.plot(50 + 20 * grid, np.exp(raw), color=colour, label=name)
    left.fill_between(
        50 + 20 * grid, np.exp(raw - error), np.exp(raw + error), color=colour, alpha=0.25, lw=0
    )
left.set(
    xlabel="age", ylabel="visits a year", ylim=(0, 8), title="Rates and their 95 % bands; size: years watched"
)
left.legend()
for place, (name, model, offset) in enumerate(
    [("with exposure", with_offset, np.log(years)), ("without", without, None)]
):
    found = model.inference(X, visits, offset=offset)
    low, high = found.intervals[:2].T
    at = np.arange(2) + 0.15 * (place - 0.5)
    right.errorbar(
        found.coefficients[:2],
        at,
        xerr=[found.coefficients[:2] - low, high - found.coefficients[:2]],
        fmt="o",
        capsize=3,
        label=name,
    )
right.plot([0.5, 0.4], [0, 1], "k*", ms=10, label="true")
right.set(
    yticks=[0, 1],
    yticklabels=["age", "smoking"],
    ylim=(-0.6, 1.6),
    title="What leaving out the exposure does",
)
right.legend()
plt.show()
