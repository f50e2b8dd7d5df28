"""What is measured: the data and the objective of every case.

A case is fixed once a number has been published from it; the README says what each generator fills in
where the specification leaves room.  Further families join with their estimators.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits, make_classification, make_friedman1, make_regression


@dataclass(frozen=True)
class Case:
    """One problem: the same for everybody.

    Attributes
    ----------
    key : str
    data : callable
        `data(rows)` returns X and y, where `rows(n)` is n times the run's scale.
    family : {"ols", "ridge", "binary", "multinomial", "poisson", "lasso", "lasso-cv", "binary-l1",
        "boosting", "svc", "svr", "linsvc", "mlp"}
    tolerance : float or None
        Relative excess of the objective at which a fit counts ("ols", "ridge": largest error of a
        coefficient, relative to the largest coefficient; "lasso": duality gap ÷ ‖y‖²; "binary-l1":
        duality gap ÷ objective; "lasso-cv": see `PathJudge`; "boosting": our held-out log-loss, over the
        best peer's; "mlp": our training loss, over the best
        peer's, chance apart; "svc", "svr": of the dual objective).
        None: everybody's defaults ("boosting": the stated trees), whatever they reach.
    C : float
        "binary" and "multinomial" minimise C·Σ loss + ½‖w‖², the intercept unpenalised; "binary-l1"
        C·Σ loss + ‖w‖₁; the support vector machines C·Σ loss + ½‖w‖², the intercept penalised in "linsvc".
    alpha : float
        "poisson" minimises mean half-deviance + ½ alpha ‖w‖², "ridge" ‖y − Xw − b‖² + alpha ‖w‖², "lasso"
        ‖y − Xw − b‖²/2n + alpha ‖w‖₁.
    ratio : float or None
        Under L1, the penalty as a part of the smallest one without a non-zero coefficient: `posed` finds
        C or alpha.
    fit_intercept : bool
    wide : bool
        Those who need the Gram matrix of all columns are not asked.
    form : {"array", "frame", "float32"}
        How X is handed over: C-ordered float64 (or as generated), pandas (Fortran-ordered), or float32.
    held_out : float
        "boosting": the part of the rows, the last ones, that fits are judged by; 0: by those they are given.
    parts : int
        "boosting": how many such parts are held out in turn, at most.  Which one it is changes a log-loss by
        more than the bar is.
    draws : bool
        "boosting": whether each part is held out of data that are drawn anew.  Parts of one draw have nine
        tenths of the rows in common, and with them the luck of greedy trees: with depth 6 one bin less moves
        XGBoost's own log-loss by 1.5 %.
    loss : {"squared_hinge", "hinge"}
        "linsvc".
    trees : int
        "boosting": rounds, of one tree or of one for each class.
    leaves, depth : int
        "boosting": limits of a tree, 0 for none.  With a depth trees grow level by level, else the leaf
        of the largest gain is next.
    hidden : tuple of int
        "mlp": units of each hidden layer.
    batch, epochs : int
        "mlp": rows of a step, and passes over all rows.
    seeds : int
        "mlp": how many fits a contestant is judged by, each from weights and batches of its own seed.
    seed : int
        "mlp": of this fit.
    """

    key: str
    data: Callable
    family: str
    tolerance: float | None
    C: float = 1.0
    alpha: float = 0.0
    ratio: float | None = None
    fit_intercept: bool = True
    wide: bool = False
    form: str = "array"
    held_out: float = 0.0
    parts: int = 5
    draws: bool = False
    loss: str = "squared_hinge"
    trees: int = 100
    leaves: int = 31
    depth: int = 0
    hidden: tuple = ()
    batch: int = 200
    epochs: int = 0
    seeds: int = 1
    seed: int = 0

    def make(self, scale=1.0):
        """Return X and y as the estimators get them, with `scale` times the rows."""
        return self.make_both(scale)[0]

    @property
    def n_parts(self):
        """How many parts of the rows are held out in turn; of networks, how many seeds there are."""
        if not self.held_out:
            return self.seeds
        return self.parts if self.draws else min(self.parts, round(1.0 / self.held_out))

    def make_both(self, scale=1.0, part=0):
        """Return (X, y) to fit and (X, y) to judge the fit by: the same, where no rows are held out."""
        seed = {"seed": part} if self.draws else {}
        X, y = self.data(lambda n: max(min(n, 1000), int(n * scale)), **seed)
        if not self.held_out:
            return (self.handed_over(X, y),) * 2
        n, part = round(self.held_out * len(y)), 0 if self.draws else part
        held = np.zeros(len(y), dtype=bool)
        held[len(y) - (part + 1) * n : len(y) - part * n] = True
        return self.handed_over(X[~held], y[~held]), self.handed_over(X[held], y[held])

    def handed_over(self, X, y):
        if self.form == "float32":
            X, y = X.astype(np.float32), (y if y.dtype.kind == "i" else y.astype(np.float32))
        elif self.form == "frame":
            import pandas

            X = pandas.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
            assert X.to_numpy().flags.f_contiguous
        return X, y

    def posed(self, X, y):
        """Return the case with the penalty that its ratio means on these data."""
        if self.ratio is None:
            return self
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if self.family == "binary-l1":  # y is 0 or 1, and the mean at w = 0 is a half
            return replace(self, C=1.0 / (self.ratio * np.abs(X.T @ (y - 0.5)).max()))
        return replace(self, alpha=self.ratio * np.abs(X.T @ y).max() / len(y))


def ols_tall(rows):
    return make_regression(rows(500_000), 100, noise=10, random_state=0)


def ols_1m_f32(rows):
    X, y = make_regression(rows(1_000_000), 20, noise=10, random_state=0)
    return (X + 50.0).astype(np.float32), y.astype(np.float32)


def logistic_tall(rows):
    return make_classification(rows(200_000), 100, n_informative=30, random_state=0)


def logistic_benchopt(rows):
    X, y = correlated(42, rows(100_000), 400, 0.5)
    return X, (y > 0.0).astype(int)


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


def logistic_l1(rows):
    rng = np.random.default_rng(0)
    X, coef = autoregressive(rng, rows(500), 5000, 0.3), np.zeros(5000)
    coef[rng.choice(5000, 20, replace=False)] = rng.standard_normal(20)
    return X, (rng.random(len(X)) < 1.0 / (1.0 + np.exp(-(X @ coef)))).astype(int)


def lasso(rows, n_rows, n_columns, rho, density=0.2):
    return correlated(27, rows(n_rows), n_columns, rho, density)


def small(rows):
    return make_classification(rows(1000), 10, random_state=0)


def small_regression(rows):
    return make_regression(rows(1000), 10, noise=10, random_state=0)


def boost_1m(rows, seed=0):
    X, y = make_classification(
        rows(1_100_000), 28, n_informative=15, n_redundant=0, flip_y=0.05, random_state=seed
    )
    return X.astype(np.float32), y


def boost_100k(rows):
    """Return the first eleventh of `boost_1m` to fit, and its last one to hold out."""
    X, y = boost_1m(rows)
    n = len(y) // 11
    return np.concatenate([X[:n], X[-n:]]), np.concatenate([y[:n], y[-n:]])


def boost_wide(rows):
    return make_classification(rows(12_000), 1000, n_informative=50, random_state=0)


def boost_multi(rows):
    return make_classification(rows(3500), 400, n_informative=60, n_classes=5, random_state=0)


def boost_cat(rows):
    """Return a pandas frame of two numbers and six categories, level k as frequent as 1/k, and labels."""
    import pandas

    rng, n = np.random.default_rng(0), rows(110_000)
    numbers = rng.standard_normal((n, 2))
    X = pandas.DataFrame({f"x{j}": numbers[:, j] for j in range(2)})
    logit = numbers @ rng.standard_normal(2)
    for n_levels in (5, 12, 24, 50, 150, 250):
        frequency = 1.0 / np.arange(1, n_levels + 1)
        code = rng.choice(n_levels, n, p=frequency / frequency.sum())
        logit += rng.standard_normal(n_levels)[code]
        levels = [f"level{k}" for k in range(n_levels)]
        X[f"c{n_levels}"] = pandas.Categorical.from_codes(code, categories=levels)
    return X, (rng.random(n) < 1.0 / (1.0 + np.exp(-logit))).astype(int)


def svc_20k(rows):
    return scaled(
        *make_classification(rows(20_000), 50, n_informative=15, flip_y=0.03, class_sep=0.8, random_state=0)
    )


def svc_50k(rows):
    return scaled(
        *make_classification(rows(50_000), 20, n_informative=15, flip_y=0.03, class_sep=0.8, random_state=0)
    )


def svc_1k(rows):
    return scaled(*make_classification(rows(1000), 20, random_state=0))


def svc_digits(rows):
    X, y = load_digits(return_X_y=True)
    return X / 16.0, y


def svc_digits_10(rows):
    """Return each digit ten times, with noise of its own."""
    X, y = svc_digits(rows)
    rng, n = np.random.default_rng(0), max(len(y), rows(10 * len(y)))
    X, y = np.repeat(X, 10, axis=0), np.repeat(y, 10)
    some = rng.permutation(len(y))[:n]
    return X[some] + 0.05 * rng.standard_normal((n, X.shape[1])), y[some]


def svr_20k(rows):
    X, y = make_friedman1(rows(20_000), 20, noise=1, random_state=0)
    return scaled(X, y)


def linsvc(rows):
    return scaled(*make_classification(rows(200_000), 50, n_informative=15, flip_y=0.03, random_state=0))


def linsvc_csr(rows):
    X = sparse.random(rows(50_000), 20_000, 0.002, format="csr", rng=np.random.default_rng(0))
    rng = np.random.default_rng(0)
    coef = rng.standard_normal(20_000) * (rng.random(20_000) < 0.05)
    return X, (X @ coef > 0.0).astype(int)


def mlp_digits(rows):
    X, y = load_digits(return_X_y=True)
    return X[: rows(len(y))], y[: rows(len(y))]


def mlp_100k(rows):
    return make_classification(rows(100_000), 50, n_informative=20, random_state=0)


def mlp_784(rows):
    """Return normal rows, and as classes the largest of ten random linear functions."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows(60_000), 784), dtype=np.float32)
    return X, (X @ rng.standard_normal((784, 10), dtype=np.float32)).argmax(axis=1)


def scaled(X, y):
    """Columns of mean 0 and deviation 1."""
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def correlated(seed, n_rows, n_columns, rho, density=0.2):
    """Return X of correlated columns and y = Xβ + noise, β sparse, in benchopt's manner."""
    rng = np.random.default_rng(seed)
    X = autoregressive(rng, n_rows, n_columns, rho)
    coef = rng.standard_normal(n_columns) * (rng.random(n_columns) < density)
    signal, noise = X @ coef, rng.standard_normal(n_rows)
    noise *= np.linalg.norm(signal) / (3.0 * np.linalg.norm(noise))  # a signal-to-noise ratio of 3
    return X, signal + noise


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


def lasso_case(n_rows, n_columns, rho, ratio):
    key = f"lasso-{n_rows}x{n_columns}-rho{rho}-{ratio}"
    data = partial(lasso, n_rows=n_rows, n_columns=n_columns, rho=rho)
    return Case(key, data, "lasso", 1e-8, ratio=ratio, fit_intercept=False, wide=n_columns > n_rows)


def boosting_case(key, data, held_out, tolerance=5e-3, **others):
    return Case(key, data, "boosting", tolerance, held_out=held_out, **others)


def network_case(key, data, hidden, epochs, seeds=5, **others):
    return Case(key, data, "mlp", 0.05, hidden=hidden, epochs=epochs, seeds=seeds, **others)


SHAPES = ((100, 10_000), (500, 600), (10_000, 100))
LASSO_GRID = [
    lasso_case(*shape, rho, ratio)
    for shape, rho, ratio in itertools.product(SHAPES, (0, 0.6), (0.5, 0.1, 0.05))
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
        *in_other_forms(
            Case("logistic-l1", logistic_l1, "binary-l1", 1e-6, ratio=0.1, fit_intercept=False, wide=True),
            1e-5,
        ),
        *LASSO_GRID,
        *in_other_forms(lasso_case(500, 600, 0.6, 0.1), 1e-6)[1:],
        Case("lasso-cv-tall", partial(lasso, n_rows=10_000, n_columns=100, rho=0.6), "lasso-cv", 1e-6),
        Case(
            "lasso-cv-wide",
            partial(lasso, n_rows=500, n_columns=5000, rho=0.6, density=0.02),
            "lasso-cv",
            1e-6,
            wide=True,
        ),
        *in_other_forms(Case("ridge", ols_tall, "ridge", 1e-8, alpha=1.0), 1e-4),
        Case("small", small, "binary", None),
        Case("small-ols", small_regression, "ols", None),
        Case("small-ridge", small_regression, "ridge", None, alpha=1.0),
        Case("small-lasso", small_regression, "lasso", None, alpha=1.0),
        boosting_case("boost-1m", boost_1m, 1 / 11, parts=11),
        boosting_case("boost-1m-255", boost_1m, 1 / 11, leaves=255),
        boosting_case("boost-1m-depth6", boost_1m, 1 / 11, leaves=0, depth=6, parts=11, draws=True),
        boosting_case("boost-100k", boost_100k, 1 / 2),
        boosting_case("boost-100k-frame", boost_100k, 1 / 2, form="frame"),
        boosting_case("boost-wide", boost_wide, 1 / 6),
        boosting_case("boost-multi", boost_multi, 1 / 7, leaves=256, parts=2),
        boosting_case("boost-cat", boost_cat, 1 / 11, leaves=0, depth=10),
        boosting_case("boost-small", small, 0.0, tolerance=None),
        Case("svc-20k-c1", svc_20k, "svc", 1e-6),
        Case("svc-20k-c100", svc_20k, "svc", 1e-6, C=100.0),
        Case("svc-50k", svc_50k, "svc", 1e-6),
        Case("svc-digits", svc_digits, "svc", 1e-6, C=5.0),
        Case("svc-digits-10", svc_digits_10, "svc", 1e-6, C=5.0),
        Case("svc-1k", svc_1k, "svc", 1e-6),
        Case("svr-20k", svr_20k, "svr", 1e-6, C=10.0),
        Case("linsvc", linsvc, "linsvc", 1e-4),
        Case("linsvc-hinge", linsvc, "linsvc", 1e-4, loss="hinge"),
        Case("linsvc-csr", linsvc_csr, "linsvc", 1e-4),
        network_case("mlp-digits", mlp_digits, (100,), 50, seeds=20),
        network_case("mlp-100k", mlp_100k, (100,), 5),
        network_case("mlp-100k-32", mlp_100k, (100,), 5, batch=32),
        network_case("mlp-big", mlp_100k, (512, 512), 2, form="float32"),
        network_case("mlp-784", mlp_784, (256, 128), 2),
    ]
}
