"""What support vector machines are judged by: their dual objective, or of linear ones the primal.

The reference is a much tighter fit of our own.  That favours nobody: how far it may be from the optimum is
the gap between both objectives, which are computed here, and `Judge` keeps it beside the results.
"""

import itertools

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import rbf_kernel

BLOCK = 1 << 25  # Gram values that are computed together
EPSILON = 0.1  # half the width of the tube of "svr"
CERTAIN = 0.1  # of a linear case's tolerance: the reference's own gap must be no more


class DualJudge:
    """How far the dual objective is from the reference's, as a part of it: "svc", of any classes, "svr"."""

    def __init__(self, case, X, y):
        self.case, self.X, self.y = case, np.asarray(X, dtype=np.float64), y
        self.gamma = 1.0 / (X.shape[1] * X.var())  # "scale"

    def reference(self):
        from calclearn.svm import SVC, SVR

        options = {"C": self.case.C, "tol": 1e-7, "cache_size": 2000}
        model = SVR(**options, epsilon=EPSILON) if self.case.family == "svr" else SVC(**options)
        model.fit(self.X, self.y)
        dual, primal = self.dual(model), self.primal(model)
        gap = (primal - dual) / dual
        if not -1e-12 <= gap <= self.case.tolerance:  # most of it is the primal's: the dual is nearer by far
            raise RuntimeError(f"{self.case.key}: no reference optimum; gap {gap:.1e}")
        return {"objective": dual, "gap": gap}

    def excess(self, model, reference):
        return float((reference["objective"] - self.dual(model)) / reference["objective"])

    def problems(self, model):
        """Yield, for each pair of classes, targets, rows, and multipliers of those rows with their signs."""
        coef = np.asarray(model.dual_coef_, dtype=np.float64)
        if self.case.family == "svr":
            yield self.y, np.arange(len(self.y)), model.support_, coef[0]
            return
        classes, codes = np.unique(self.y, return_inverse=True)
        ends = np.cumsum(model.n_support_)
        parts = [slice(end - n, end) for end, n in zip(ends, model.n_support_)]
        for i, j in itertools.combinations(range(len(classes)), 2):
            both = np.concatenate([np.arange(len(coef[0]))[part] for part in (parts[i], parts[j])])
            beta = np.concatenate([coef[j - 1, parts[i]], coef[i, parts[j]]])
            sign = np.where(codes == i, 1.0, -1.0) * (-1.0 if len(classes) == 2 else 1.0)
            yield sign, np.flatnonzero((codes == i) | (codes == j)), model.support_[both], beta

    def dual(self, model):
        total = 0.0
        for target, _, support, beta in self.problems(model):
            total += target[support] @ beta - 0.5 * beta @ self.times(support, support, beta)
            if self.case.family == "svr":
                total -= EPSILON * np.abs(beta).sum()
        return float(total)

    def primal(self, model):
        total, intercepts = 0.0, np.atleast_1d(model.intercept_)
        for (target, rows, support, beta), intercept in zip(self.problems(model), intercepts):
            f = np.zeros(len(self.y))
            f[rows] = self.times(rows, support, beta)
            slack = 1.0 - target * (f + intercept)
            if self.case.family == "svr":
                slack = np.abs(target - f - intercept) - EPSILON
            total += 0.5 * beta @ f[support] + self.case.C * np.maximum(slack[rows], 0.0).sum()
        return float(total)

    def times(self, rows, support, beta):
        """Gram values of rows with support vectors, times multipliers."""
        out, step = np.empty(len(rows)), max(1, BLOCK // max(1, len(support)))
        for start in range(0, len(rows), step):
            some = self.X[rows[start : start + step]]
            out[start : start + step] = rbf_kernel(some, self.X[support], gamma=self.gamma) @ beta
        return out


class MarginJudge:
    """The relative excess of the objective of a linear machine, its intercept penalised as liblinear's is."""

    def __init__(self, case, X, y):
        self.case, self.y = case, np.where(y == np.max(y), 1.0, -1.0)
        self.X = X if sparse.issparse(X) else np.asarray(X, dtype=np.float64)

    def reference(self):
        """The reference, and its gap to the dual objective of the multipliers that belong to it."""
        from calclearn.svm import LinearSVC

        if self.case.loss == "hinge":
            alpha, w = self.multipliers()
        else:
            model = LinearSVC(C=self.case.C, tol=1e-9).fit(self.X, self.y)
            w = np.append(model.coef_[0], model.intercept_)
            alpha = 2.0 * self.case.C * np.maximum(1.0 - self.y * (self.X @ w[:-1] + w[-1]), 0.0)
        primal, beta = self.value(w), self.y * alpha
        of_alpha = np.append(self.X.T @ beta, beta.sum())
        dual = alpha.sum() - 0.5 * of_alpha @ of_alpha
        if self.case.loss != "hinge":
            dual -= 0.25 / self.case.C * alpha @ alpha
        gap = (primal - dual) / primal
        if not -1e-12 <= gap <= CERTAIN * self.case.tolerance:
            raise RuntimeError(f"{self.case.key}: no reference optimum; gap {gap:.1e}")
        return {"optimum": w, "objective": primal, "gap": gap}

    def multipliers(self):
        from calclearn._objectives.design import Design
        from calclearn._objectives.hinges import Hinges
        from calclearn._objectives.interior_point import run_interior_point

        n = len(self.y)
        shape = self.y[None, :], np.full((1, n), -1.0), np.full(n, self.case.C)
        found = run_interior_point(Hinges(Design(self.X, 2), 1.0, *shape, False), tol=1e-9, max_iter=200)
        return found.alpha[0], found.w

    def value(self, w):
        slack = np.maximum(1.0 - self.y * (self.X @ w[:-1] + w[-1]), 0.0)
        return 0.5 * w @ w + self.case.C * (slack if self.case.loss == "hinge" else slack**2).sum()

    def excess(self, model, reference):
        w = np.append(np.asarray(model.coef_, dtype=np.float64).ravel(), model.intercept_)
        return float((self.value(w) - reference["objective"]) / reference["objective"])
