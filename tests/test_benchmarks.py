"""The benchmark's own mathematics and one run of it, on the smallest data; nothing is timed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss

from benchmarks import neural, report, run, tables
from benchmarks.cases import CASES
from benchmarks.objectives import Canonical, HeldOut, Judge
from benchmarks.peers import OURS, Contestant, contestants
from benchmarks.run import Tolerances, interleave, other_parts, search

BOOSTING = [key for key, case in CASES.items() if case.family == "boosting"]
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
    assert abs(judge.excess(newton.fit(case, X, y, 1e-10))) < 1e-11


def test_least_squares_is_judged_by_its_largest_wrong_coefficient(tmp_path):
    case, X, y = a_few_rows("ols-tall", 500)
    model = LinearRegression().fit(X, y)
    judge = Judge(case, X, y, tmp_path)
    assert judge.excess(model) < 1e-12
    model.coef_[3] += 0.01 * np.abs(model.coef_).max()
    assert_allclose(judge.excess(model), 0.01)


def test_ridge_is_judged_by_its_coefficients(tmp_path):
    case, X, y = a_few_rows("ridge", 500)
    assert Judge(case, X, y, tmp_path).excess(Ridge(alpha=case.alpha).fit(X, y)) < 1e-12


@pytest.mark.parametrize("key", ["lasso-500x600-rho0.6-0.1", "small-lasso"])
def test_the_gap_of_a_lasso_is_what_its_objective_has_too_much(key, tmp_path):
    case, X, y = a_few_rows(key)
    case = case.posed(X, y)
    judge = Judge(case, X, y, tmp_path)
    coarse, fine = (
        Lasso(alpha=case.alpha, fit_intercept=case.fit_intercept, tol=tol, max_iter=100_000).fit(X, y)
        for tol in (1e-3, 1e-12)
    )

    def objective(model):
        residual = y - model.predict(X)
        return 0.5 * residual @ residual + len(y) * case.alpha * np.abs(model.coef_).sum()

    unit = ((y - y.mean() * case.fit_intercept) ** 2).sum()
    assert judge.certificate["gap"] < 1e-12
    assert abs(judge.excess(fine)) < 1e-11
    assert_allclose(judge.excess(coarse), (objective(coarse) - objective(fine)) / unit, rtol=1e-3, atol=1e-10)


def test_the_reference_of_the_sparse_logistic_is_liblinears(tmp_path):
    case, X, y = a_few_rows("logistic-l1")
    X = X[:, :300]
    case = case.posed(X, y)
    judge = Judge(case, X, y, tmp_path)
    model = LogisticRegression(
        C=case.C,
        l1_ratio=1.0,
        solver="liblinear",
        fit_intercept=False,
        tol=1e-7,
        random_state=0,
        max_iter=10_000,
    )
    assert judge.certificate["gap"] < 1e-9
    assert abs(judge.excess(model.fit(X, y))) < 1e-7


def test_the_penalty_is_a_part_of_the_smallest_one_that_leaves_no_coefficient():
    case, X, y = a_few_rows("lasso-500x600-rho0-0.5")
    largest = replace(case, ratio=1.0).posed(X, y)
    assert not Lasso(alpha=1.0001 * largest.alpha, fit_intercept=False).fit(X, y).coef_.any()
    assert Lasso(alpha=0.999 * largest.alpha, fit_intercept=False, tol=1e-12).fit(X, y).coef_.any()


def test_a_path_is_judged_at_the_alpha_that_it_chose(tmp_path):
    case, X, y = a_few_rows("lasso-cv-tall")
    X, judge = X[:, :20], Judge(case, X[:, :20], y, tmp_path)
    model = LassoCV(alphas=20, cv=5, tol=1e-10, max_iter=100_000).fit(X, y)
    assert abs(judge.excess(model)) < 1e-10
    model.mse_path_ *= 1.01
    assert_allclose(judge.excess(model), 1e-4, rtol=1e-3)
    model.coef_ *= 0.5
    assert judge.excess(model) > 1e-3


def test_a_search_ends_at_the_loosest_tolerance_that_reaches_the_objective(tmp_path):
    case, X, y = a_few_rows("logistic-tall")
    judge, tolerances = Judge(case, X, y, tmp_path), Tolerances(tmp_path)
    lbfgs = next(c for c in contestants(case) if c.name == "scikit-learn lbfgs")
    row = search(lbfgs, case, X, y, judge, tolerances)
    assert row["excess"] <= case.tolerance < judge.excess(lbfgs.fit(case, X, y, 10 * row["tol"]))
    assert Tolerances(tmp_path).known(lbfgs, judge)["tol"] == row["tol"]


class Unfinished:
    def fit(self, X, y):
        raise NotImplementedError("not yet")


def test_what_fails_or_is_absent_has_a_note_instead_of_a_time(tmp_path):
    case, X, y = a_few_rows("small")
    judge, tolerances = Judge(case, X, y, tmp_path), Tolerances(tmp_path)

    def absent(case, n_rows):
        raise ImportError("no module named absent")

    broken = Contestant("broken", "numpy", lambda case, n_rows: None, None)
    assert "fails" in search(broken, case, X, y, judge, tolerances)["note"]
    unfinished = Contestant("", "numpy", lambda case, n_rows: Unfinished(), None)
    assert search(unfinished, case, X, y, judge, tolerances) == {"note": "missing: not yet"}
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
    assert report.ratio(fits, ("scikit-learn",)) == (0.5, "scikit-learn b")
    assert report.ratio(fits, ("oneDAL",)) == (None, "oneDAL")
    late = {OURS: {"median": 1.0}, "saga": {"note": "not reached in 60 s", "first": 20.0}}
    assert report.ratio(late, ("saga",)) == (0.05, "saga (not reached in 60 s)")
    assert [report.verdict(v, 0.6, 0.25) for v in (0.2, 0.5, 0.7, None)] == [
        "aim met",
        "met",
        "MISSED",
        "not measured",
    ]


def test_a_grid_is_the_geometric_mean_of_the_cases_that_the_peer_reaches():
    grid = {
        "a": {OURS: {"median": 1.0}, "skglm": {"median": 2.0}, "celer": {"median": 8.0}},
        "b": {OURS: {"median": 1.0}, "skglm": {"note": "not reached"}, "celer": {"median": 8.0}},
        "c": {OURS: {"median": 1.0}, "skglm": {"note": "not reached"}},
    }
    results = {"cases": {key: {"fits": fits} for key, fits in grid.items()}}
    both = ("skglm", "celer")
    assert report.mean_ratio(results, ["a", "b"], both) == (pytest.approx(0.25), "best of skglm, celer")
    assert report.mean_ratio(results, list("abc"), both)[1] == "best of skglm, celer (reached in 2 of 3)"
    assert report.mean_ratio(results, ["a", "missing"], both)[0] is None


def test_every_promise_is_about_a_case_and_one_of_its_contestants():
    for keys, rows in (report.LINEAR | report.BOOSTING | report.NETWORKS | report.SPINE).values():
        for against, must, aim in rows:
            assert aim < must
            for key in keys:
                assert any(c.name.startswith(against) for c in contestants(CASES[key]))


@pytest.mark.parametrize("key", BOOSTING)
def test_rows_that_are_held_out_are_there_at_any_scale_and_not_fitted(key):
    case = CASES[key]
    (X, y), (X_held, y_held) = case.make_both(0.0)
    assert len(X) == len(y)
    assert len(X_held) == len(y_held) > 0
    assert set(y) == set(y_held)
    if not case.held_out:
        assert X_held is X
    else:
        assert len(y_held) / (len(y) + len(y_held)) == pytest.approx(case.held_out, abs=1e-3)
        rows = np.asarray(X)
        assert not any((rows == row).all(axis=1).any() for row in np.asarray(X_held)[:20])


def test_each_part_holds_other_rows_out():
    case = CASES["boost-wide"]
    rows = [case.make_both(0.1, part) for part in range(case.n_parts)]
    held = np.concatenate([X_held[:, 0] for _, (X_held, _) in rows])
    assert case.n_parts == 5
    assert len(np.unique(held)) == len(held) == 5 * 200
    for (X, _), (X_held, _) in rows:
        assert len(np.union1d(X[:, 0], X_held[:, 0])) == len(X) + len(X_held) == 1200
    assert [CASES[key].n_parts for key in ("boost-100k", "boost-small", "small")] == [2, 1, 1]


def test_parts_of_several_draws_are_of_other_data():
    case = CASES["boost-1m-depth6"]
    assert case.n_parts == 11
    (X, _), (X_held, _) = case.make_both(0.001)
    (X_other, _), (X_other_held, _) = case.make_both(0.001, 1)
    assert len(X) == len(X_other) == 1000
    assert len(X_held) == len(X_other_held) == 100
    assert len(np.intersect1d(np.r_[X, X_held][:, 0], np.r_[X_other, X_other_held][:, 0])) == 0


def test_what_other_parts_reach_is_asked_of_all_who_fit(tmp_path):
    guess = Contestant(OURS, "numpy", lambda case, n_rows: Guess(0.5), None)
    fits = {OURS: {"excess": 0.7}, "missing": {"note": "missing"}}
    (found,) = other_parts(CASES["boost-100k"], {OURS: guess}, fits, 0.01)
    assert list(found) == [OURS]
    assert_allclose(found[OURS], np.log(2.0), rtol=1e-6)


def test_the_smaller_boosting_case_holds_the_same_rows_out():
    (X, _), (X_held, y_held) = CASES["boost-1m"].make_both(0.01)
    (some, _), (some_held, some_y) = CASES["boost-100k"].make_both(0.01)
    np.testing.assert_array_equal(some, X[: len(X) // 10])
    np.testing.assert_array_equal(some_held, X_held)
    np.testing.assert_array_equal(some_y, y_held)


class Guess:
    """Says that the second class has this probability."""

    def __init__(self, probability):
        self.probability = probability

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile(np.float32([1.0 - self.probability, self.probability]), (len(X), 1))


def settled(tmp_path, probability_of_ours, key="boost-100k", others=()):
    """Return how a guess of ours is reported beside two others."""
    case, X, y = a_few_rows(key)
    y = np.arange(len(y)) % 2
    judge, fits = HeldOut(case, X, y), {}
    for name, probability in ((OURS, probability_of_ours), ("XGBoost", 0.5), ("LightGBM", 0.6)):
        guess = Contestant(name, "numpy", lambda case, n_rows, p=probability: Guess(p), None)
        fits[name] = search(guess, case, X, y, judge, Tolerances(tmp_path))
    judge.settle(fits, OURS, others)
    return fits


def test_trees_are_judged_by_their_log_loss_beside_the_best_peers(tmp_path):
    fits = settled(tmp_path, 0.5)
    assert_allclose(
        [fits[name]["log_loss"] for name in ("XGBoost", "LightGBM")], [np.log(2.0), 0.7136], rtol=1e-4
    )
    assert_allclose(fits["LightGBM"]["excess"], 0.7136 / np.log(2.0) - 1.0, rtol=1e-2)
    assert fits[OURS]["excess"] == fits["XGBoost"]["excess"] == 0.0
    assert not any("note" in row or "miss" in row for row in fits.values())
    assert not (tmp_path / "tolerances.json").exists()


def test_ours_does_not_count_where_it_predicts_worse_and_the_cell_says_by_how_much(tmp_path):
    fits = settled(tmp_path, 0.6)
    assert fits[OURS]["miss"] == "log-loss 2.94% above the best peer's"
    for row in fits.values():
        row["median"] = 1.0
    value, against = report.ratio(fits, ("XGBoost",))
    assert against.startswith("XGBoost; our log-loss 2.94%")
    assert report.verdict(value, 0.7, None) == "MISSED"
    case = {"fits": fits, "shape": [200, 28], "tolerance": 5e-3, "floors": {}, "load": 0.0}
    case |= {"held_out": 20, "parts": 2}
    assert "1; log-loss 2.94% above" in report.case_section("boost-100k", case)
    assert "miss" not in settled(tmp_path, 0.6, "boost-small")[OURS]


def test_what_counts_is_the_mean_over_all_parts_and_its_error_is_said(tmp_path):
    others = [{OURS: 0.66, "XGBoost": 0.7, "LightGBM": 0.6}, {OURS: 0.65, "XGBoost": 0.7, "LightGBM": 0.6}]
    fits = settled(tmp_path, 0.5, others=others)
    log_2, of_lightgbm = np.log(2.0), fits["LightGBM"]["log_losses"][0]
    assert_allclose(fits[OURS]["log_loss"], (log_2 + 0.66 + 0.65) / 3, rtol=1e-6)
    excess = np.array([log_2 / of_lightgbm, 1.1, 0.65 / 0.6]) - 1.0  # LightGBM's mean is the least
    assert_allclose(fits[OURS]["excess"], excess.mean(), rtol=1e-6)
    assert_allclose(fits[OURS]["standard_error"], np.std(excess, ddof=1) / np.sqrt(3), rtol=1e-6)
    assert fits[OURS]["miss"].startswith("log-loss 5.16% ± 4.04% above")
    assert fits["LightGBM"]["excess"] == 0.0


def test_a_certain_and_wrong_probability_has_a_finite_log_loss():
    case, X, y = a_few_rows("boost-small")
    assert_allclose(HeldOut(case, X, y).excess(Guess(1.0).fit(X, y)), (y == 0).mean() * 15.9424, rtol=1e-4)


def log_losses(key, *names):
    """Return what five small trees of each contestant have on the rows held out."""
    case = replace(CASES[key], trees=5, depth=min(CASES[key].depth, 3))
    (X, y), held = case.make_both(0.04)
    everybody = {c.name: c for c in contestants(case)}
    return [HeldOut(case, *held).excess(everybody[name].fit(case, X, y)) for name in names]


@pytest.mark.parametrize("key", ["boost-100k", "boost-cat"])
def test_ours_and_scikit_learns_trees_of_a_case_predict_alike(key):
    assert_allclose(*log_losses(key, OURS, "HistGradientBoosting"), rtol=0.05)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("key", ["boost-100k", "boost-cat"])
@pytest.mark.parametrize("name", ["XGBoost", "LightGBM"])
def test_ours_and_a_peers_trees_of_a_case_predict_alike(key, name):
    pytest.importorskip(name.lower())
    assert_allclose(*log_losses(key, OURS, name), rtol=0.05)


def test_every_promise_about_trees_has_a_row_and_predictions_have_a_section():
    seconds = {OURS: 1.0, "XGBoost": 2.0}
    results = {
        "cases": {"boost-1m": {"fits": {OURS: {"peak_mib": 1.0}, "LightGBM": {"peak_mib": 4.0}}}},
        "boost-predict": {"1M rows": seconds, "one row": seconds},
        "boost-first-fit": {"boost-small": {OURS: {"cold": 7.0, "cached": 0.1}}},
    }
    rows = {
        what: (value, report.verdict(value, must, aim))
        for what, _, value, must, aim in report.boosting(results)
    }
    assert rows["predict 1M rows × 100 trees"] == (0.5, "met")
    assert rows["predict one row × 100 trees"] == (0.5, "met")
    assert rows["peak memory of boost-1m beyond X"] == (0.25, "aim met")
    assert rows["first fit, cold: boost-small"] == (7.0, "met")
    assert rows["first fit, cached: boost-small"] == (0.1, "aim met")
    assert "one row" in report.section(results, "boost-predict")
    assert {"boost-predict", "boost-first-fit"} <= set(run.EXTRAS)


NETWORKS = [key for key, case in CASES.items() if case.family == "mlp"]


def trained(key, name, seed=0, epochs=2, **others):
    """Return a contestant's network and its judge, for the fewest rows of a case."""
    case = replace(CASES[key], seed=seed, epochs=epochs, **others)
    X, y = case.make(0.0)
    fit = next(c for c in contestants(case) if c.name == name).fit
    return fit(case, X, y), neural.TrainingLoss(case, X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_are_judged_by_the_loss_of_the_rows_fitted_after_the_same_steps():
    model, judge = trained("mlp-100k", "scikit-learn")
    assert_allclose(judge.excess(model), log_loss(judge.y, model.predict_proba(judge.X)), rtol=1e-12)
    model.n_iter_ -= 1
    with pytest.raises(RuntimeError, match="MLPClassifier made 1 passes over the rows, not 2"):
        judge.excess(model)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("key", ["mlp-100k-32", "mlp-digits"])
def test_our_networks_of_a_case_end_with_scikit_learns_loss(key):
    losses = [judge.excess(model) for model, judge in (trained(key, name) for name in (OURS, "scikit-learn"))]
    assert_allclose(*losses, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_are_judged_by_all_seeds():
    case = replace(CASES["mlp-100k"], epochs=1, hidden=(4,))
    everybody = {c.name: c for c in contestants(case)}
    (X, y), judged = case.make_both(0.0)
    first = neural.TrainingLoss(case, *judged).excess(everybody["scikit-learn"].fit(case, X, y))
    others = list(other_parts(case, everybody, {"scikit-learn": {}, OURS: {"note": "missing"}}, 0.0))
    losses = [first, *(found.pop("scikit-learn") for found in others)]
    assert not any(others)
    assert len(set(losses)) == case.n_parts == 5


def test_a_network_may_be_worse_by_chance_and_not_beyond_it():
    judge = neural.TrainingLoss(CASES["mlp-100k"], None, None)

    def miss(*ours):
        fits = {OURS: {"excess": ours[0]}, "scikit-learn": {"excess": 1.0}, "PyTorch": {"excess": 2.0}}
        others = [{OURS: loss, "scikit-learn": 1.0, "PyTorch": 2.0} for loss in ours[1:]]
        judge.settle(fits, OURS, others)
        return fits[OURS].get("miss")

    assert miss(1.04, 1.05) is None
    assert miss(1.2, 1.0, 1.3, 0.95) is None  # 11 % ± 8 %
    assert miss(1.12, 1.1, 1.11, 1.11).startswith("log-loss 11.00% ± 0.41% above")
    assert miss(1.06).startswith("log-loss 6.00% above")


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("key", "epochs"), [("mlp-100k", 8), ("mlp-784", 4), ("mlp-digits", 8)])
def test_pytorchs_and_scikit_learns_networks_of_a_case_learn_alike(key, epochs, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(neural, "THREADS", 1)
    losses = {}
    for name in ("scikit-learn", "PyTorch"):
        fits = [trained(key, name, seed, epochs, hidden=(10, 10)) for seed in range(10)]
        losses[name] = [judge.excess(model) for model, judge in fits]
        for model, judge in fits[:2]:
            expected = model.classes_[model.predict_proba(judge.X).argmax(axis=1)]
            np.testing.assert_array_equal(model.predict(judge.X), expected)
    means, deviations = (np.array([f(losses[name]) for name in losses]) for f in (np.mean, np.std))
    assert abs(means[1] - means[0]) < 3.0 * np.hypot(*deviations) / np.sqrt(10)
    assert (deviations < 0.2 * means).all()


def test_a_step_of_adam_is_taken_by_everybody_who_is_there():
    calls = neural.adam_updates(100)
    first, second = (calls[OURS]().copy() for _ in range(2))
    assert (np.abs(second - first) > 0).all()
    rows = run.adam_updates(SimpleNamespace(scale=0.0, peers="nobody", repeats=1))
    assert list(rows["1M parameters"]) == [OURS]


@pytest.mark.peer
def test_pytorchs_steps_of_adam_are_ours():
    pytest.importorskip("torch")
    calls = neural.adam_updates(1000)
    assert list(calls) == [OURS, "PyTorch fused", "PyTorch foreach"]
    for _ in range(5):
        ours, *theirs = (call() for call in calls.values())
        for other in theirs:
            assert_allclose(other, ours, rtol=1e-5, atol=1e-7)


def test_every_promise_about_networks_has_a_row_and_calls_have_a_section():
    case = {"fits": {OURS: {"median": 1.0}, "scikit-learn": {"median": 4.0}, "PyTorch": {"median": 5.0}}}
    results = {
        "cases": dict.fromkeys(NETWORKS, case),
        "mlp-predict": {"100k rows": {OURS: 1.0, "scikit-learn": 2.0, "PyTorch": 1.0}},
        "adam-update": {"1M parameters": {OURS: 1.0, "PyTorch fused": 0.5, "PyTorch foreach": 2.0}},
        "mlp-first-fit": {"mlp-digits": {OURS: {"cold": 7.0, "cached": 0.1}}},
    }
    rows = {
        (what, against): report.verdict(value, must, aim)
        for what, against, value, must, aim in report.networks(results)
    }
    assert rows["mlp-100k, batches of 200", "scikit-learn"] == "aim met"
    assert rows["mlp-784", "PyTorch"] == "aim met"
    assert rows["predict 100k rows, mlp-100k", "scikit-learn"] == "met"
    assert rows["Adam update, 1M parameters", "PyTorch fused"] == "MISSED"
    assert rows["Adam update, 1M parameters", "PyTorch foreach"] == "aim met"
    assert rows["first fit, cold: mlp-digits", "seconds"] == "met"
    assert "not measured" not in rows.values()
    assert "| 1M parameters | PyTorch fused" in report.section(results, "adam-update")
    assert {"mlp-predict", "mlp-first-fit", "adam-update"} <= set(run.EXTRAS)


def test_a_batch_of_a_network_has_all_its_products():
    case, X, y = a_few_rows("mlp-digits")
    number, batch = neural.products(replace(case, hidden=(7, 5)), X, y)
    batch()
    assert number == 50.0
    assert "matrix products" in run.floors(case, X, y)


def test_results_are_added_to_those_of_the_same_setting_and_packages_may_join():
    now = {"machine": {}, "threads": 2, "scale": 1.0, "versions": {"numpy": "2", "torch": "3"}, "cases": {}}
    before = now | {"versions": {"numpy": "2", "glum": "1"}, "cases": {"small": {}}}
    found = run.extended(before, now)
    assert found["cases"] == {"small": {}}
    assert found["versions"] == {"numpy": "2", "torch": "3", "glum": "1"}
    assert run.extended(before | {"versions": {"numpy": "1"}}, now) is now
    assert run.extended(before | {"scale": 0.1}, now) is now


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_for_tables_are_compared_by_scores_and_ranks():
    found = tables.compare(SimpleNamespace(scale=0.1), names=["iris"])["iris"]
    assert list(found) == [OURS, "scikit-learn MLP", "our boosting", "our linear model"]
    assert all(row["score"] > 0.8 for row in found.values())
    assert sum(row["rank"] for row in found.values()) == 10.0
    assert "mean rank" in report.tables_section({"iris": found})


def test_ranks_of_equal_scores_are_shared():
    assert [tables.rank([0.5, 0.9, 0.9, 0.1], k) for k in range(4)] == [3.0, 1.5, 1.5, 4.0]
