"""The L1 cases: their objective, the duality gap, and the optimum, computed here and by neither side."""

from dataclasses import replace

import numpy as np
from scipy import linalg
from scipy.special import entr, expit
from sklearn.model_selection import KFold

N_FOLDS = 5


class Lasso:
    """½‖y − Xw − b‖² + λ‖w‖₁ in float64, with λ = n·alpha."""

    curvature_bound = 1.0

    def __init__(self, case, X, y):
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self.data, self.penalty = (X, y), case.alpha * len(y)
        if case.fit_intercept:  # the best b is known for each w
            X, y = X - X.mean(axis=0), y - y.mean()
        self.X, self.y = X, y

    def value(self, w, b):
        X, y = self.data
        residual = y - X @ w - b
        return 0.5 * residual @ residual + self.penalty * np.abs(w).sum()

    def best_value(self, w):
        """Return the objective with the best intercept."""
        residual = self.residual(self.X @ w)
        return 0.5 * residual @ residual + self.penalty * np.abs(w).sum()

    def residual(self, raw):
        """Return minus the loss's slope at each row: times a factor, a point of the dual."""
        return self.y - raw

    def curvature(self, raw):
        return np.ones_like(raw)

    def dual(self, theta):
        return theta @ self.y - 0.5 * theta @ theta

    def unit(self, objective):
        """Return what the gap is relative to."""
        return self.y @ self.y

    def intercept(self, w):
        X, y = self.data
        return y.mean() - X.mean(axis=0) @ w if X is not self.X else 0.0


class SparseLogistic:
    """Σ log(1 + exp(−s xw)) + λ‖w‖₁ with signs s and λ = 1/C; no intercept."""

    curvature_bound = 0.25

    def __init__(self, case, X, y):
        assert not case.fit_intercept
        self.X, self.penalty = np.asarray(X, dtype=np.float64), 1.0 / case.C
        self.signs = np.where(np.asarray(y) == np.max(y), 1.0, -1.0)

    def value(self, w, b=0.0):
        assert b == 0.0
        return np.logaddexp(0.0, -self.signs * (self.X @ w)).sum() + self.penalty * np.abs(w).sum()

    best_value = value

    def residual(self, raw):
        return self.signs * expit(-self.signs * raw)

    def curvature(self, raw):
        return expit(raw) * expit(-raw)

    def dual(self, theta):
        u = self.signs * theta
        return (entr(u) + entr(1.0 - u)).sum()

    def unit(self, objective):
        return objective

    def intercept(self, w):
        return 0.0


class L1Judge:
    """The duality gap of a fit, with the dual point of the reference optimum: the best one that is known."""

    def __init__(self, case, X, y):
        self.problem = (Lasso if case.family == "lasso" else SparseLogistic)(case, X, y)
        self.accuracy = 1e-4 * (case.tolerance or 1e-8)

    def reference(self):
        w, gap = minimise(self.problem, self.accuracy)
        objective = self.problem.best_value(w)
        unit = self.problem.unit(objective)
        return {
            "optimum": w, "objective": objective, "dual": objective - gap, "gap": gap / unit, "unit": unit
        }  # fmt: skip

    def excess(self, model, reference):
        w = np.asarray(model.coef_, dtype=np.float64).ravel()
        b = float(np.asarray(model.intercept_).ravel()[0])
        return float((self.problem.value(w, b) - reference["dual"]) / reference["unit"])


class PathJudge:
    """Of a cross-validated lasso: the gap at the chosen alpha, and the error of the folds' mean there.

    The excess is the larger of the gap ÷ ‖y − ȳ‖² and the squared relative error of the mean of
    `mse_path_`: errors of predictions go with the square root of the gap.
    """

    def __init__(self, case, X, y):
        self.case, self.X, self.y = case, np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self.known = {}

    def reference(self):
        return {"optimum": np.empty(0)}  # which problem is to be solved depends on the alpha that was chosen

    def excess(self, model, reference):
        alpha = float(model.alpha_)
        at = int(np.abs(model.alphas_ - alpha).argmin())
        if alpha not in self.known:
            self.known[alpha] = self.solve(alpha)
        judge, optimum, error = self.known[alpha]
        found = np.asarray(model.mse_path_)[at].mean()
        return max(judge.excess(model, optimum), ((found - error) / error) ** 2)

    def solve(self, alpha):
        """Return the judge and the optimum of all rows at alpha, and the mean squared error of its folds."""
        case = replace(self.case, family="lasso", alpha=alpha)
        judge, errors = L1Judge(case, self.X, self.y), []
        for train, test in KFold(N_FOLDS).split(self.X):
            problem = Lasso(case, self.X[train], self.y[train])
            w, _ = minimise(problem, judge.accuracy)
            errors.append(np.mean((self.y[test] - self.X[test] @ w - problem.intercept(w)) ** 2))
        return judge, judge.reference(), np.mean(errors)


def gap(problem, w):
    """Return the duality gap of w with its own residual, scaled into the dual's constraint."""
    residual = problem.residual(problem.X @ w)
    theta = residual * min(1.0, problem.penalty / np.abs(problem.X.T @ residual).max())
    return problem.best_value(w) - problem.dual(theta)


def minimise(problem, accuracy, rounds=400):
    """Alternate accelerated proximal gradients, which find the support, with Newton's method on it.

    Returns w and its gap, which is below `accuracy` units.
    """
    X, w = problem.X, np.zeros(problem.X.shape[1])
    gram = X @ X.T if X.shape[0] < X.shape[1] else X.T @ X
    step = 1.0 / (problem.curvature_bound * linalg.eigvalsh(gram, subset_by_index=[len(gram) - 1] * 2)[0])
    for _ in range(rounds):
        w = accelerated(problem, w, step)
        for candidate in (newton_on_support(problem, w), w):
            reached = gap(problem, candidate)
            if reached <= accuracy * problem.unit(problem.best_value(candidate)):
                return candidate, reached
    raise RuntimeError(f"no reference optimum in {rounds} rounds; gap {reached:.1e}")


def accelerated(problem, w, step, iterations=200):
    """Nesterov's momentum, restarted where it points uphill (Beck and Teboulle; O'Donoghue and Candès)."""
    X, ahead, t = problem.X, w, 1.0
    for _ in range(iterations):
        moved = ahead + step * (X.T @ problem.residual(X @ ahead))
        new = np.sign(moved) * np.maximum(np.abs(moved) - step * problem.penalty, 0.0)
        t, previous = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t)), t
        if (ahead - new) @ (new - w) > 0.0:
            t, previous = 1.0, 1.0
        ahead, w = new + (previous - 1.0) / t * (new - w), new
    return w


def newton_on_support(problem, w, iterations=30):
    """Solve for the coefficients that are not zero at fixed signs; those that reach zero leave."""
    support = np.flatnonzero(w)
    w, signs = w.copy(), np.sign(w)
    for _ in range(iterations):
        if not len(support) or len(support) > problem.X.shape[0]:
            break
        X = problem.X[:, support]
        raw = X @ w[support]
        slope = X.T @ problem.residual(raw) - problem.penalty * signs[support]
        step = linalg.lstsq((X.T * problem.curvature(raw)) @ X, slope)[0]
        crosses = signs[support] * (w[support] + step) <= 0.0
        rate = np.min(-w[support][crosses] / step[crosses], initial=1.0)
        w[support] += rate * step
        if rate < 1.0:
            w[support[crosses & (np.abs(w[support]) <= 1e-12 * np.abs(w).max())]] = 0.0
            support = np.flatnonzero(w)
        elif np.abs(step).max() <= 1e-15 * np.abs(w).max():
            break
    return w
