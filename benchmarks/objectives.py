"""What a fit is judged by: its objective, and the optimum, both computed here and by neither side."""

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, logsumexp, softmax, xlogy

from .sparse_optima import L1Judge, PathJudge
from .support_vectors import DualJudge, MarginJudge

RESULTS = Path(__file__).parent / "results"


class Canonical:
    """scale·Σ loss(y, XW + b) + ½ penalty ‖W‖² in float64, for a loss with its canonical link.

    Its gradient by raw is mean − y and its Hessian by raw is the variance at that mean.
    """

    def __init__(self, case, X, y):
        self.X = X if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
        n_rows, self.n_columns = X.shape
        self.intercept = float(case.fit_intercept)
        self.kind = case.family
        if self.kind == "poisson":
            self.Y = np.asarray(y, dtype=np.float64)[:, None]
            self.scale, self.penalty = 1.0 / n_rows, case.alpha
        else:
            classes, code = np.unique(y, return_inverse=True)
            self.Y = code[:, None].astype(np.float64) if self.kind == "binary" else np.eye(len(classes))[code]
            self.scale, self.penalty = case.C, 1.0
        self.shape = (self.n_columns + 1, self.Y.shape[1])  # the intercepts are the last row

    def raw(self, theta):
        return self.X @ theta[:-1] + self.intercept * theta[-1]

    def back(self, R):
        """Return the transpose of `raw` applied to R, as it enters gradients and Hessian products."""
        return self.scale * np.vstack([self.X.T @ R, self.intercept * R.sum(axis=0)])

    def value(self, theta):
        raw = self.raw(theta)
        if self.kind == "binary":
            loss = np.logaddexp(0.0, np.where(self.Y == 1.0, -raw, raw))
        elif self.kind == "multinomial":
            loss = logsumexp(raw, axis=1) - (self.Y * raw).sum(axis=1)
        else:
            loss = xlogy(self.Y, self.Y) - self.Y * raw - self.Y + np.exp(raw)
        return self.scale * loss.sum() + 0.5 * self.penalty * (theta[:-1] ** 2).sum()

    def mean(self, theta):
        raw = self.raw(theta)
        if self.kind == "binary":
            return expit(raw)
        return softmax(raw, axis=1) if self.kind == "multinomial" else np.exp(raw)

    def penalised(self, theta):
        return np.vstack([self.penalty * theta[:-1], np.zeros_like(theta[-1:])])

    def gradient(self, theta, mean):
        return self.back(mean - self.Y) + self.penalised(theta)

    def hessian_product(self, mean, D):
        R = self.raw(D)
        if self.kind == "multinomial":
            R = mean * (R - (mean * R).sum(axis=1, keepdims=True))
        else:
            R = R * (mean * (1.0 - mean) if self.kind == "binary" else mean)
        return self.back(R) + self.penalised(D)

    def preconditioner(self):
        """Return V ↦ M⁻¹V, M = scale·curvature·Gram + penalty (only the diagonal where X is sparse)."""
        curvature = {"binary": 0.25, "multinomial": 0.1, "poisson": self.Y.mean()}[self.kind] * self.scale
        n_rows = self.X.shape[0]
        if sparse.issparse(self.X):
            squares = np.append(np.asarray(self.X.power(2).sum(axis=0)).ravel(), n_rows)
            diagonal = (curvature * squares + self.penalty)[:, None]
            return lambda V: V / diagonal
        sums = self.X.sum(axis=0)[:, None]
        M = curvature * np.block([[self.X.T @ self.X, sums], [sums.T, np.full((1, 1), n_rows)]])
        M[np.diag_indices_from(M)] += self.penalty + 1e-12 * M.trace() / len(M)
        factor = linalg.cho_factor(M)
        return lambda V: linalg.cho_solve(factor, V)


def newton(objective, max_iter=100):
    """Minimise by Newton's method, each step by preconditioned conjugate gradients.

    Returns
    -------
    theta : ndarray of shape (n_columns + 1, n_outputs)
    gradient : float
        Largest entry of the gradient, relative to the gradient at zero.
    decrement : float
        Half the squared Newton decrement, relative to the objective: about its relative excess.
    """
    shape, size = objective.shape, int(np.prod(objective.shape))

    def operator(function):
        return LinearOperator((size, size), lambda v: function(v.reshape(shape)).ravel(), dtype=np.float64)

    preconditioner = operator(objective.preconditioner())
    theta = np.zeros(shape)
    value, first = objective.value(theta), None
    for _ in range(max_iter):
        mean = objective.mean(theta)
        gradient = objective.gradient(theta, mean)
        largest = np.abs(gradient).max()
        first = first or largest
        hessian = operator(lambda D, mean=mean: objective.hessian_product(mean, D))
        step = cg(hessian, -gradient.ravel(), rtol=1e-8, maxiter=500, M=preconditioner)[0].reshape(shape)
        decrement = -0.5 * (gradient * step).sum()
        relative = abs(decrement / value)
        if largest <= 1e-12 * first or relative < 1e-24:
            break
        rate = 1.0
        while relative > 1e-13 and not objective.value(theta + rate * step) <= value - 0.1 * rate * decrement:
            rate *= 0.5  # below 1e-13 the objective's own rounding decides, and full steps are safe
            if rate < 1e-10:
                raise RuntimeError(f"no descent along the Newton step; gradient {largest / first:.1e}")
        theta = theta + rate * step
        value = objective.value(theta)
    return theta, largest / first, relative


def equilibrated_qr(X, y, alpha=0.0):
    """Least squares with alpha‖w‖², centred columns of unit length, by Householder QR: the coefficients."""
    X, y = np.array(X, dtype=np.float64, order="F"), np.asarray(y, dtype=np.float64)
    X -= X.mean(axis=0)
    X -= X.mean(axis=0)  # what rounding left of a large mean
    lengths = np.linalg.norm(X, axis=0)
    X /= lengths
    system, p = np.column_stack([X, y - y.mean()]), X.shape[1]
    if alpha:
        system = np.vstack([system, np.eye(p, p + 1) * (np.sqrt(alpha) / np.append(lengths, 1.0))])
    R = linalg.qr(system, mode="r", overwrite_a=True, check_finite=False)[0]
    return linalg.solve_triangular(R[:p, :p], R[:p, p]) / lengths


class CoefficientJudge:
    """The largest error of a coefficient, relative to the largest coefficient: least squares and ridge."""

    def __init__(self, case, X, y):
        self.alpha, self.X, self.y = case.alpha, X, y

    def reference(self):
        return {"optimum": equilibrated_qr(self.X, self.y, self.alpha)}

    def excess(self, model, reference):
        coef, optimum = np.asarray(model.coef_, dtype=np.float64), reference["optimum"]
        return float(np.abs(coef.ravel() - optimum).max() / np.abs(optimum).max())


class ObjectiveJudge:
    """The relative excess of the objective over the optimum of Newton's method."""

    def __init__(self, case, X, y):
        self.case, self.objective = case, Canonical(case, X, y)

    def reference(self):
        theta, gradient, decrement = newton(self.objective)
        if decrement > 1e-3 * (self.case.tolerance or 1e-8):
            raise RuntimeError(f"{self.case.key}: no reference optimum; decrement {decrement:.1e}")
        value = self.objective.value(theta)
        return {"optimum": theta, "gradient": gradient, "decrement": decrement, "objective": value}

    def excess(self, model, reference):
        coef, intercept = (np.asarray(a, dtype=np.float64) for a in (model.coef_, model.intercept_))
        theta, best = np.vstack([np.atleast_2d(coef).T, np.atleast_1d(intercept)]), reference["objective"]
        return float((self.objective.value(theta) - best) / abs(best))


class HeldOut:
    """Judges boosted trees by the log-loss of their probabilities on rows held out, beside the best peer's.

    There is no optimum to come near to: everybody grows the trees of the case, and what counts is that ours
    predict as well as the best of the others, over all parts of the rows that are held out in turn.
    """

    certificate: ClassVar[dict] = {}

    def __init__(self, case, X, y):
        self.case, self.X, self.y, self.problem = case, X, y, case.key

    def excess(self, model):
        """Return the log-loss; `settle` makes an excess of it when all are known."""
        probability = np.asarray(model.predict_proba(self.X), dtype=np.float64)
        of_label = probability[np.arange(len(self.y)), np.searchsorted(model.classes_, self.y)]
        smallest = np.finfo(np.float32).eps  # some round to 0 in float32
        return float(-np.log(np.clip(of_label, smallest, 1.0)).mean())

    def reached(self, excess):
        return True

    def misses(self, row):
        """Return whether the excess is more than chance and taste allow."""
        return row["excess"] > self.case.tolerance

    def settle(self, fits, ours, others=()):
        """Turn log-losses into excesses over the best peer's; where ours is more than the case's, say so.

        `others` holds the log-losses of each contestant on each other part.
        """
        found = {name: row for name, row in fits.items() if "excess" in row}
        for name, row in found.items():
            row["log_losses"] = [row.pop("excess"), *(part[name] for part in others)]
            row["log_loss"] = float(np.mean(row["log_losses"]))
        best = min((row for name, row in found.items() if name != ours), default=None, key=log_loss)
        if best is None:
            return
        for row in found.values():
            excess = np.divide(row["log_losses"], best["log_losses"]) - 1.0
            row["excess"] = float(excess.mean())
            if len(excess) > 1:
                row["standard_error"] = float(excess.std(ddof=1) / np.sqrt(len(excess)))
        row = found.get(ours)
        if row and self.case.tolerance is not None and self.misses(row):
            row["miss"] = f"log-loss {excess_in_words(row)} above the best peer's"


def log_loss(row):
    return row["log_loss"]


def excess_in_words(row):
    """Return an excess with its standard error over the parts held out, where there are several."""
    excess, error = row.get("excess"), row.get("standard_error")
    return f"{excess:.2%} ± {error:.2%}" if error else "" if excess is None else f"{excess:.2%}"


JUDGES = {
    "ols": CoefficientJudge,
    "ridge": CoefficientJudge,
    "lasso": L1Judge,
    "binary-l1": L1Judge,
    "lasso-cv": PathJudge,
    "svc": DualJudge,
    "svr": DualJudge,
    "linsvc": MarginJudge,
}


class Judge:
    """Measures how far a fit is from the optimum of its case, computing that once and keeping it on disk."""

    def __init__(self, case, X, y, folder=RESULTS):
        self.case = case
        self.judge = JUDGES.get(case.family, ObjectiveJudge)(case, X, y)
        self.problem = f"{case.key}-{digest(case, X, y)}"
        path = Path(folder) / f"reference-{self.problem}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **self.judge.reference())
        with np.load(path) as stored:
            self.reference = dict(stored)
        self.certificate = {k: float(v) for k, v in self.reference.items() if k != "optimum"}

    def excess(self, model):
        """Return how far the fitted model is from the optimum, by the family's measure."""
        excess = self.judge.excess(model, self.reference)
        if excess < -max(1e-11, reference_gap(self.reference)):
            raise RuntimeError(f"{self.case.key}: a fit beats the reference by {-excess:.1e}")
        return excess

    def reached(self, excess):
        return self.case.tolerance is None or excess <= self.case.tolerance

    def settle(self, fits, ours, others=()):
        """Each fit was judged by itself."""


def reference_gap(reference):
    """Return how far the reference may be from the optimum, where that is known by a gap."""
    return 1.01 * float(reference.get("gap", 0.0))


def digest(case, X, y):
    """Name the problem by its bytes: an edited generator or objective never meets an old reference."""
    state = hashlib.blake2b(digest_size=8)
    posed = (case.family, case.C, case.alpha, case.fit_intercept)
    state.update(repr((*posed, case.loss) if case.family == "linsvc" else posed).encode())
    for a in [X.data, X.indices, y] if sparse.issparse(X) else [np.asarray(X), y]:
        state.update(repr((a.shape, a.dtype)).encode())
        state.update(memoryview(a.T if a.flags.f_contiguous else np.ascontiguousarray(a)))
    return state.hexdigest()
