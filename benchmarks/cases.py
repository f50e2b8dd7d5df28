"""What is measured: the data and the objective of every case.

A case is fixed once a number has been published from it; the README says what each generator fills in
where the specification leaves room.  Further families join with their estimators.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.datasets import make_classification, make_regression


@dataclass(frozen=True)
class Case:
    """One problem: the same for everybody.

    Attributes
    ----------
    key : str
    data : callable
        `data(rows)` returns X and y, where `rows(n)` is n times the run's scale.
    family : {"ols", "binary", "multinomial", "poisson"}
    tolerance : float or None
        Relative excess of the objective at which a fit counts ("ols": largest error of a coefficient,
        relative to the largest coefficient).  None: everybody's defaults, whatever they reach.
    C : float
        "binary" and "multinomial" minimise C·Σ loss + ½‖w‖², the intercept unpenalised.
    alpha : float
        "poisson" minimises mean half-deviance + ½ alpha ‖w‖².
    fit_intercept : bool
    form : {"array", "frame", "float32"}
        How X is handed over: C-ordered float64 (or as generated), pandas (Fortran-ordered), or float32.
    """

    key: str
    data: Callable
    family: str
    tolerance: float | None
    C: float = 1.0
    alpha: float = 0.0
    fit_intercept: bool = True
    form: str = "array"

    def make(self, scale=1.0):
        """Return X and y as the estimators get them, with `scale` times the rows."""
        X, y = self.data(lambda n: max(min(n, 1000), int(n * scale)))
        if self.form == "float32":
            X, y = X.astype(np.float32), (y if y.dtype.kind == "i" else y.astype(np.float32))
        elif self.form == "frame":
            import pandas

            X = pandas.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
            assert X.to_numpy().flags.f_contiguous
        return X, y


def ols_tall(rows):
    return make_regression(rows(500_000), 100, noise=10, random_state=0)


def ols_1m_f32(rows):
    X, y = make_regression(rows(1_000_000), 20, noise=10, random_state=0)
    return (X + 50.0).astype(np.float32), y.astype(np.float32)


def logistic_tall(rows):
    return make_classification(rows(200_000), 100, n_informative=30, random_state=0)


def logistic_benchopt(rows):
    rng = np.random.default_rng(42)
    X = autoregressive(rng, rows(100_000), 400, 0.5)
    coef = rng.standard_normal(400) * (rng.random(400) < 0.2)
    signal, noise = X @ coef, rng.standard_normal(len(X))
    noise *= np.linalg.norm(signal) / (3.0 * np.linalg.norm(noise))  # a signal-to-noise ratio of 3
    return X, (signal + noise > 0.0).astype(int)


def logistic_wide_multi(rows):
    return make_classification(
        rows(100), 1000, n_informative=40, n_classes=10, n_clusters_per_class=1, random_state=0
    )


def multinomial(rows):
    return make_classification(rows(20_000), 50, n_informative=25, n_classes=10, random_state=0)


def logistic_csr(rows):
    X = sparse.random(rows(100_000), 10_000, 0.005, format="csr", rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    coef = rng.standard_normal(10_000) * (rng.random(10_000) < 0.05)
    return X, (rng.random(X.shape[0]) < 1.0 / (1.0 + np.exp(-(X @ coef)))).astype(int)


def poisson(rows):
    rng = np.random.default_rng(0)
    X = 0.3 * rng.standard_normal((rows(500_000), 50))
    return X, rng.poisson(np.exp(X @ rng.standard_normal(50))).astype(float)


def small(rows):
    return make_classification(rows(1000), 10, random_state=0)


def autoregressive(rng, n_rows, n_columns, rho):
    """Rows of a stationary AR(1) process along the columns: corr(x_j, x_k) = rho^|j - k|."""
    X = rng.standard_normal((n_rows, n_columns))
    for j in range(1, n_columns):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1.0 - rho**2) * X[:, j]
    return X


def in_other_forms(case, float32_tolerance):
    """Return the case with its row on a pandas frame and its row on float32."""
    return [
        case,
        replace(case, key=f"{case.key}-frame", form="frame"),
        replace(case, key=f"{case.key}-f32", form="float32", tolerance=float32_tolerance),
    ]


CASES = {
    case.key: case
    for case in [
        *in_other_forms(Case("ols-tall", ols_tall, "ols", 1e-8), 1e-4),
        Case("ols-1m-f32", ols_1m_f32, "ols", 1e-4),
        *in_other_forms(Case("logistic-tall", logistic_tall, "binary", 1e-8), 1e-6),
        Case("logistic-benchopt-1", logistic_benchopt, "binary", 1e-8, fit_intercept=False),
        Case("logistic-benchopt-0.01", logistic_benchopt, "binary", 1e-8, C=100.0, fit_intercept=False),
        Case("logistic-wide-multi", logistic_wide_multi, "multinomial", 1e-6),
        Case("multinomial", multinomial, "multinomial", 1e-8),
        Case("logistic-csr", logistic_csr, "binary", 1e-6),
        *in_other_forms(Case("poisson", poisson, "poisson", 1e-8, alpha=1e-4), 1e-6),
        Case("small", small, "binary", None),
    ]
}
