"""Least squares: scikit-learn's attributes and better numbers, and gradient descent to watch at work."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression as Theirs

from calclearn.linear_model import LinearRegression


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(loc=[0.0, 1.0, -2.0, 10.0], size=(150, 4))
    Y = X @ rng.normal(size=(4, 2)) + [1.0, -3.0] + rng.normal(size=(150, 2))
    return X, Y, rng.uniform(0.1, 3.0, 150)


def assert_same(ours, theirs, names=("coef_", "intercept_"), **tolerance):
    for name in names:
        mine, yours = getattr(ours, name), getattr(theirs, name)
        assert np.shape(mine) == np.shape(yours), name
        assert np.asarray(mine).dtype == np.asarray(yours).dtype, name
        assert_allclose(mine, yours, err_msg=name, **tolerance)


# ---------------------------------------------------------------------------------- the normal equations


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", ["(n,)", "(n, 1)", "(n, 2)"])
@pytest.mark.parametrize("rows", [150, 3])
def test_the_solution_is_scikit_learns(data, fit_intercept, weighted, shape, rows):
    X, Y, weight = (a[:rows] for a in data)
    y = {"(n,)": Y[:, 0], "(n, 1)": Y[:, :1], "(n, 2)": Y}[shape]
    weight = weight if weighted else None
    ours = LinearRegression(fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    theirs = Theirs(fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    assert_same(
        ours, theirs, ("coef_", "intercept_", "rank_", "singular_", "n_features_in_"), rtol=1e-9, atol=1e-10
    )
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9, atol=1e-10)
    assert ours.predict(X).shape == y.shape


@pytest.mark.parametrize("multiple", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_non_negative_solution_is_scikit_learns(data, multiple, fit_intercept):
    X, Y, weight = data
    y = Y if multiple else -Y[:, 0]
    ours = LinearRegression(positive=True, fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    theirs = Theirs(positive=True, fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    assert_same(ours, theirs, rtol=1e-9, atol=1e-12)
    assert (ours.coef_ >= 0).all()
    assert (ours.coef_ == 0).any()
    assert ours.optimality_.kkt_violation <= 1e-9 * ours.optimality_.objective


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray])
def test_the_form_of_x_does_not_matter(data, form):
    X, Y, weight = data
    X = np.where(X > 1, X, 0.0)
    dense = LinearRegression().fit(X, Y, sample_weight=weight)
    other = LinearRegression().fit(form(X), Y, sample_weight=weight)
    assert_same(other, dense, rtol=1e-10)
    assert_allclose(other.predict(form(X)), dense.predict(X), rtol=1e-10)
    with pytest.raises(TypeError, match="dense data is required"):
        LinearRegression(positive=True).fit(scipy.sparse.csr_matrix(X), Y)


def test_float32_is_kept(data):
    X, Y, _ = data
    single = LinearRegression().fit(X.astype(np.float32), Y[:, 0].astype(np.float32))
    assert single.coef_.dtype == single.intercept_.dtype == single.singular_.dtype == np.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, LinearRegression().fit(X, Y[:, 0]).coef_, rtol=1e-5)


def test_a_frame_gives_its_names_and_stays_as_it_was(data):
    X, Y, _ = data
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    before = frame.copy()
    model = LinearRegression(copy_X=False).fit(frame, pd.Series(Y[:, 0]))
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert_allclose(model.coef_, LinearRegression().fit(X, Y[:, 0]).coef_, rtol=1e-12)
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_units_and_offsets_of_the_columns_do_not_matter(rng):
    X = rng.normal(size=(200, 3))
    w = np.array([1.0, 2.0, 3.0])
    scale, offset = np.array([1.0, 1e7, 1e-7]), np.array([0.0, 1e9, 1e-3])
    model = LinearRegression().fit(X * scale + offset, X @ w + 5)
    assert_allclose(model.coef_ * scale, w, rtol=1e-8)
    assert model.rank_ == 3
    exact = LinearRegression().fit(X * [1.0, 1e7, 1.0], X @ w + 5)
    assert_allclose(exact.coef_, w / [1.0, 1e7, 1.0], rtol=1e-13)
    assert_allclose(exact.intercept_, 5.0, rtol=1e-13)


def test_weights_are_repetition_and_rows_of_no_weight_are_not_there(data, rng):
    X, Y, _ = data
    times = rng.integers(0, 3, len(X))
    weighted = LinearRegression().fit(X, Y, sample_weight=times)
    repeated = LinearRegression().fit(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0))
    assert_same(weighted, repeated, ("coef_", "intercept_", "singular_"), rtol=1e-10)
    with pytest.raises(ValueError, match="non-zero"):
        LinearRegression().fit(X, Y, sample_weight=np.zeros(len(X)))


def test_duplicated_columns_share_their_coefficient(data):
    X, Y, _ = data
    model = LinearRegression().fit(np.hstack([X, X]), Y[:, 0])
    once = LinearRegression().fit(X, Y[:, 0])
    assert model.rank_ == 4
    assert_allclose(model.coef_[:4], model.coef_[4:], rtol=1e-8)
    assert_allclose(2 * model.coef_[:4], once.coef_, rtol=1e-8)
    assert_allclose(model.predict(np.hstack([X, X])), once.predict(X), rtol=1e-9)


@pytest.mark.parametrize("parameters", [{}, {"solver": "gd"}, {"solver": "sgd", "tol": 0.05}])
def test_the_certificate_is_true(data, parameters):
    X, Y, weight = data
    X = X - [0, 1, -2, 10]
    model = LinearRegression(random_state=0, **parameters).fit(X, Y, sample_weight=weight)
    R = model.predict(X) - Y
    record = model.optimality_
    assert_allclose(record.objective, np.sum(weight[:, None] * R**2), rtol=1e-10)
    gradient = 2 * np.c_[X, np.ones(len(X))].T @ (weight[:, None] * R)
    assert_allclose(record.gradient_norm, np.abs(gradient).max(), rtol=1e-6, atol=1e-11)
    best = np.sum(weight[:, None] * (Theirs().fit(X, Y, sample_weight=weight).predict(X) - Y) ** 2)
    excess = record.objective - best
    assert excess >= -1e-12 * best
    if parameters:
        assert [problem.converged for problem in record.problems] == [True, True]
        # of a quadratic the decrement is exact; of two problems the record keeps the larger one
        decrements = [problem.details["newton_decrement"] for problem in record.problems]
        assert_allclose(0.5 * np.square(decrements).sum(), excess, rtol=1e-6, atol=1e-13 * best)
    else:
        assert excess <= record.suboptimality_bound + 1e-12 * best
        assert record.details["rank"] == 4
        assert record.details["scaled_gradient"] < 1e-14


# --------------------------------------------------------------------------------------------- descent


@pytest.fixture(scope="module")
def mild():
    """Data on which descent gets somewhere: `(X, y)`, and the least squares solution."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.normal(size=200)
    return X, y, Theirs().fit(X, y)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("learning_rate", ["auto", 0.1])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_descent_reaches_the_solution(mild, momentum, learning_rate, fit_intercept):
    X, y, _ = mild
    model = LinearRegression(
        solver="gd", tol=1e-9, momentum=momentum, learning_rate=learning_rate, fit_intercept=fit_intercept
    ).fit(X, y)
    best = Theirs(fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(model.coef_, best.coef_, atol=1e-7)
    assert_allclose(model.intercept_, best.intercept_, atol=1e-7)
    assert model.optimality_.reason == "gradient within tol"
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert_allclose(model.loss_curve_[-1], model.optimality_.objective, rtol=1e-9)
    assert_allclose(model.loss_curve_[0], np.sum(y**2))
    if not momentum:
        assert (np.diff(model.loss_curve_) <= 1e-12 * model.loss_curve_[0]).all()


def test_the_loss_falls_by_the_rate_of_the_curvature(rng):
    X = np.linalg.qr(rng.normal(size=(50, 2)))[0] * np.sqrt(50) * [1.0, 0.5]  # curvatures 1 and 1/4
    model = LinearRegression(solver="gd", fit_intercept=False, tol=1e-10).fit(X, X @ [0.0, 1.0])
    assert_allclose(np.divide(model.loss_curve_[1:9], model.loss_curve_[:8]), 0.75**2, rtol=1e-8)
    one = LinearRegression(solver="gd", fit_intercept=False, max_iter=2).fit(X, X @ [1.0, 0.0])
    assert one.n_iter_ == 1  # a step of 1/L solves the steepest direction at once


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"batch_size": 16},
        {"batch_size": 16, "momentum": 0.5},
        {"batch_size": 10**6},
        {"learning_rate": 1e-3},
        {"learning_rate": 0.05, "batch_size": 50, "momentum": 0.9},
    ],
    ids=str,
)
def test_stochastic_descent_comes_near_the_solution(mild, parameters):
    X, y, best = mild
    model = LinearRegression(solver="sgd", tol=2e-3, random_state=0, **parameters).fit(X, y)
    assert_allclose(model.coef_, best.coef_, atol=0.01)
    assert_allclose(model.intercept_, best.intercept_, atol=0.01)
    assert model.optimality_.converged


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, np.asfortranarray])
def test_descent_takes_x_in_any_form_and_several_targets(mild, form):
    X, y, _ = mild
    X, Y = np.where(X > 0, X, 0.0), np.c_[y, -y, 2 * y]
    for solver, tol in (("gd", 1e-8), ("sgd", 0.1)):
        model = LinearRegression(solver=solver, tol=tol, random_state=0)
        other = LinearRegression(solver=solver, tol=tol, random_state=0).fit(form(X), Y)
        assert_same(other, model.fit(X, Y), rtol=1e-9)
        assert other.coef_.shape == (3, 3)
        assert len(other.optimality_.problems) == 3


def test_the_same_random_state_gives_the_same_bits(mild):
    X, y, _ = mild

    def fit(seed):
        with pytest.warns(ConvergenceWarning, match="iteration limit"):
            return LinearRegression(solver="sgd", max_iter=3, tol=0, random_state=seed).fit(X, y).coef_

    assert (fit(0) == fit(0)).all()
    assert (fit(0) != fit(1)).all()
    assert (fit(0) == fit(np.random.RandomState(0))).all()


def test_float32_descends_in_float32(mild):
    X, y, best = mild
    model = LinearRegression(solver="gd", tol=1e-4).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert_allclose(model.coef_, best.coef_, atol=1e-3)


@pytest.mark.parametrize("solver", ["gd", "sgd"])
def test_steps_too_long_diverge_with_a_warning_and_finite_coefficients(mild, solver):
    X, y, _ = mild
    for learning_rate in (10.0, 1e300):
        with pytest.warns(ConvergenceWarning, match=r"diverged.*smaller learning rate") as record:
            model = LinearRegression(solver=solver, learning_rate=learning_rate, random_state=0).fit(X, y)
        assert record[0].filename == __file__
        assert np.isfinite(model.coef_).all()
        assert model.optimality_.objective <= np.sum(y**2) * (1 + 1e-12)
        assert not model.optimality_.converged


def test_warm_start_continues_and_names_another_shape(mild):
    X, y, _ = mild
    model = LinearRegression(solver="gd", warm_start=True).fit(X, y)
    assert model.n_iter_ > 3
    assert model.fit(X, y).n_iter_ == 0
    multiple = LinearRegression(solver="gd", warm_start=True).fit(X, np.c_[y, -y])
    assert multiple.fit(X, np.c_[y, -y]).n_iter_ == 0
    for fitted, Y in ((model, np.c_[y, y]), (multiple, y), (multiple, np.c_[y, y, y])):
        with pytest.raises(ValueError, match="warm_start"):
            fitted.fit(X, Y)
    with pytest.raises(ValueError, match=r"warm_start.*\(2, 3\).*\(2, 2\)"):
        multiple.fit(X[:, :2], np.c_[y, y])


def test_a_second_fit_by_another_solver_leaves_nothing_of_the_first(mild):
    X, y, _ = mild
    model = LinearRegression().fit(X, y)
    model.set_params(solver="gd").fit(X, y)
    assert not {"rank_", "singular_"} & vars(model).keys()
    model.set_params(solver="normal").fit(X, y)
    assert "loss_curve_" not in vars(model)


class Counter:
    """A callback that counts its calls and stops the fit at the iteration `last`."""

    def __init__(self, last=np.inf):
        self.last, self.n_calls, self.scores = last, 0, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.n_calls += 1
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "iteration" and context.task_id >= self.last


def test_callbacks_hear_of_every_pass(mild):
    X, y, _ = mild
    counter = Counter()
    model = LinearRegression(solver="gd").set_callbacks(counter).fit(X, y)
    assert counter.n_calls == model.n_iter_ + 1
    assert (np.diff(counter.scores[:5]) > 0).all()
    assert counter.scores[-1] == model.score(X, y)
    counter = Counter()
    LinearRegression().set_callbacks(counter).fit(X, y)
    assert counter.n_calls == 1
    counter = Counter()
    several = LinearRegression(solver="gd").set_callbacks(counter).fit(X, np.c_[y, -y, y])
    assert counter.n_calls == 1 + sum(problem.n_iter for problem in several.optimality_.problems)
    stopped = LinearRegression(solver="sgd", tol=0).set_callbacks(Counter(last=2)).fit(X, y)
    assert stopped.n_iter_ == 3
    assert stopped.optimality_.reason == "stopped by the callback"


def test_verbose_prints_the_objective_of_each_pass(mild, capsys):
    X, y, _ = mild
    model = LinearRegression(solver="gd", verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert float(lines[-1].split()[-1]) == pytest.approx(model.optimality_.objective, rel=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "svd"}, "'solver' parameter"),
        ({"learning_rate": 0.0}, "'learning_rate' parameter"),
        ({"learning_rate": "fast"}, "'learning_rate' parameter"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"momentum": 1.0}, "'momentum' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"solver": "gd", "positive": True}, "positive=True needs"),
    ],
)
def test_bad_parameters_are_named(mild, parameters, message):
    with pytest.raises(ValueError, match=message):
        LinearRegression(**parameters).fit(*mild[:2])
