"""The benchmark's own mathematics and one run of it, on the smallest data; nothing is timed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from sklearn.linear_model import LinearRegression

from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.objectives import Canonical, Judge
from benchmarks.peers import OURS, Contestant, contestants
from benchmarks.run import Tolerances, interleave, search

GLM = ("small", "multinomial", "poisson", "logistic-benchopt-1")


def a_few_rows(key, n=200):
    X, y = CASES[key].make(0.0)
    return CASES[key], X[:n], y[:n]


@pytest.mark.parametrize("key", GLM)
def test_the_gradient_is_the_slope_of_the_objective(key):
    case, X, y = a_few_rows(key)
    objective = Canonical(case, X[:, :5], y)
    theta = 0.1 * np.random.default_rng(0).standard_normal(objective.shape)
    theta[-1] *= objective.intercept

    def value(v):
        return objective.value(v.reshape(theta.shape))

    def gradient(v):
        v = v.reshape(theta.shape)
        return objective.gradient(v, objective.mean(v)).ravel()

    assert check_grad(value, gradient, theta.ravel()) < 1e-5 * np.abs(gradient(theta.ravel())).max()


@pytest.mark.parametrize("key", GLM)
def test_the_reference_is_the_optimum_that_scikit_learn_finds(key, tmp_path):
    case, X, y = a_few_rows(key)
    judge = Judge(case, X, y, tmp_path)
    newton = next(c for c in contestants(case) if c.name == "scikit-learn newton-cholesky")
    assert judge.certificate["gradient"] < 1e-9
    assert abs(judge.excess(*newton.fit(case, X, y, 1e-10))) < 1e-11


def test_least_squares_is_judged_by_its_largest_wrong_coefficient(tmp_path):
    case, X, y = a_few_rows("ols-tall", 500)
    model = LinearRegression().fit(X, y)
    judge = Judge(case, X, y, tmp_path)
    assert judge.excess(model.coef_, model.intercept_) < 1e-12
    model.coef_[3] += 0.01 * np.abs(model.coef_).max()
    assert_allclose(judge.excess(model.coef_, model.intercept_), 0.01)


def test_a_search_ends_at_the_loosest_tolerance_that_reaches_the_objective(tmp_path):
    case, X, y = a_few_rows("logistic-tall")
    judge, tolerances = Judge(case, X, y, tmp_path), Tolerances(tmp_path)
    lbfgs = next(c for c in contestants(case) if c.name == "scikit-learn lbfgs")
    row = search(lbfgs, case, X, y, judge, tolerances)
    assert row["excess"] <= case.tolerance < judge.excess(*lbfgs.fit(case, X, y, 10 * row["tol"]))
    assert Tolerances(tmp_path).known(lbfgs, judge)["tol"] == row["tol"]


def test_what_fails_or_is_absent_has_a_note_instead_of_a_time(tmp_path):
    case, X, y = a_few_rows("small")
    judge, tolerances = Judge(case, X, y, tmp_path), Tolerances(tmp_path)

    def absent(case, n_rows):
        raise ImportError("no module named absent")

    broken = Contestant("broken", "numpy", lambda case, n_rows: None, None)
    assert "fails" in search(broken, case, X, y, judge, tolerances)["note"]
    assert "absent" in search(Contestant("", "numpy", absent, None), case, X, y, judge, tolerances)["note"]


def test_ratios_are_taken_to_the_fastest_peer_and_judged_by_what_was_promised():
    seconds = interleave({OURS: lambda: None, "peer": lambda: None}, repeats=3)
    assert [len(s) for s in seconds.values()] == [3, 3]
    fits = {
        OURS: {"median": 1.0},
        "scikit-learn a": {"median": 4.0},
        "scikit-learn b": {"median": 2.0},
        "scikit-learn c": {"note": "not reached"},
    }
    assert report.ratio(fits, "scikit-learn") == (0.5, "scikit-learn b")
    assert report.ratio(fits, "oneDAL") == (None, "oneDAL")
    assert [report.verdict(v, 0.6, 0.25) for v in (0.2, 0.5, 0.7, None)] == [
        "aim met",
        "met",
        "MISSED",
        "not measured",
    ]
