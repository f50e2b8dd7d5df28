"""Linear regression under any loss: each built-in one, and formulas of the user's."""

import dataclasses
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import GammaRegressor, HuberRegressor, PoissonRegressor, QuantileRegressor, Ridge
from sklearn.linear_model import TweedieRegressor as Tweedies
from sklearn.model_selection import GridSearchCV

from calclearn.linear_model import GeneralizedLinearRegressor
from calclearn.losses import Huber, Quantile, SquaredEpsilonInsensitive, Tweedie, get_loss, loss

SOLVERS = ["auto", "newton-cholesky", "newton-cg", "lbfgs"]
SMOOTH = [
    "squared_error",
    "huber",
    "log_cosh",
    "squared_epsilon_insensitive",
    "log_loss",
    "exponential",
    "squared_hinge",
    "poisson",
    "gamma",
    "tweedie",
]
KINKED = ["absolute_error", "quantile", "epsilon_insensitive", "hinge"]


@loss("cauchy_of_tests")
class Cauchy:
    c: float = 1.0

    def value(self, y, raw):
        return np.log1p(((raw - y) / self.c) ** 2)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(1).normal(size=(120, 4))


@pytest.fixture(scope="module")
def weight(X):
    return np.random.default_rng(3).uniform(0.5, 2.0, len(X))


def targets(name, X):
    """Noisy targets of a linear predictor, in the domain of the loss called `name`."""
    rng = np.random.default_rng(2)
    raw = X @ [0.5, -0.3, 0.2, 0.0] + 0.4
    domain = get_loss(name).domain
    if domain == "sign":
        return np.where(raw + rng.logistic(size=len(raw)) > 0, 1.0, -1.0)
    if domain == "unit":
        return (raw + rng.logistic(size=len(raw)) > 0).astype(float)
    if domain in ("nonnegative", "positive"):
        return rng.poisson(np.exp(raw)) + (0.5 if domain == "positive" else 0.0)
    return raw + rng.standard_t(2, size=len(raw))


def objective(model, X, y, weight):
    """The documented objective of `[w, b]`, from the formula of the loss as Python runs it."""
    made = get_loss(model.loss)

    def f(x):
        values = made.value(y, X @ x[:-1] + x[-1])
        return np.average(values, weights=weight) + 0.5 * model.alpha * np.sum(x[:-1] ** 2)

    return f


def simplex(f, start):
    """The best value that Nelder and Mead's method, which needs no derivatives, finds from `start`."""
    options = {"xatol": 1e-8, "fatol": 1e-13, "maxfev": 4000}
    return minimize(f, start, method="Nelder-Mead", options=options).fun


def test_every_built_in_loss_is_tested_here():
    from calclearn import losses
    from calclearn.losses._contract import REGISTRY

    names = {name for name, made in REGISTRY.items() if made.__module__.startswith(losses.__name__)}
    assert names == {*SMOOTH, *KINKED, "multinomial_log_loss", "tweedie_identity"}


# ------------------------------------------------------------------------------------------ the optimum


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("squared_error", lambda n, alpha: Ridge(alpha=alpha * n, tol=1e-12)),
        ("poisson", lambda n, alpha: PoissonRegressor(alpha=alpha, tol=1e-10, solver="newton-cholesky")),
        ("gamma", lambda n, alpha: GammaRegressor(alpha=alpha, tol=1e-10, solver="newton-cholesky")),
        (
            "tweedie",
            lambda n, alpha: Tweedies(
                power=1.5, link="log", alpha=alpha, tol=1e-10, solver="newton-cholesky"
            ),
        ),
    ],
)
def test_the_optimum_is_scikit_learns(X, weight, name, theirs, alpha, solver):
    y = targets(name, X)
    n = weight.sum()
    ours = GeneralizedLinearRegressor(name, alpha=alpha, solver=solver, tol=1e-9)
    ours.fit(X, y, sample_weight=weight)
    theirs = theirs(n, alpha).fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)
    assert ours.optimality_.converged


def test_huber_at_a_fixed_scale_is_scikit_learns(X):
    y = targets("huber", X)
    theirs = HuberRegressor(epsilon=1.5, alpha=0.3, tol=1e-10, max_iter=10_000).fit(X, y)
    delta, alpha = 1.5 * theirs.scale_, 0.3 * theirs.scale_ / len(y)
    ours = GeneralizedLinearRegressor(Huber(delta), alpha=alpha, tol=1e-10).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-4)


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0, 2.0, 3.0])
def test_tweedie_takes_all_of_scikit_learns_powers(X, power):
    y = targets("gamma", X)
    ours = GeneralizedLinearRegressor(Tweedie(power), alpha=0.01, tol=1e-9).fit(X, y)
    theirs = Tweedies(power=power, link="log", alpha=0.01, tol=1e-9, max_iter=10_000).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SMOOTH)
def test_an_independent_minimiser_finds_nothing_better_and_the_bound_holds(X, weight, name):
    y = targets(name, X)
    model = GeneralizedLinearRegressor(name, alpha=0.05, tol=1e-10).fit(X, y, sample_weight=weight)
    rough = GeneralizedLinearRegressor(name, alpha=0.05, tol=1e-2, solver="lbfgs")
    rough.fit(X, y, sample_weight=weight)
    f = objective(model, X, y, weight)
    best = simplex(f, np.r_[rough.coef_, rough.intercept_])
    assert_allclose(model.optimality_.objective, f(np.r_[model.coef_, model.intercept_]), rtol=1e-12)
    assert best - 1e-7 <= model.optimality_.objective <= best + 1e-12
    assert model.optimality_.gradient_norm <= 1e-10
    excess = rough.optimality_.objective - model.optimality_.objective
    assert 0 <= excess <= rough.optimality_.suboptimality_bound
    assert_allclose(model.loss_curve_[-1], model.optimality_.objective, rtol=1e-9)
    assert len(model.loss_curve_) == model.n_iter_ + 1


def test_without_a_penalty_the_newton_decrement_estimates_the_distance(X):
    y = targets("log_cosh", X)
    best = GeneralizedLinearRegressor("log_cosh", tol=1e-12).fit(X, y).optimality_
    rough = GeneralizedLinearRegressor("log_cosh", tol=1e-2, solver="lbfgs").fit(X, y).optimality_
    assert best.suboptimality_bound is None
    excess = rough.objective - best.objective
    assert_allclose(0.5 * rough.details["newton_decrement"] ** 2, excess, rtol=0.1)


# -------------------------------------------------------------------------------------- not convex


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_loss_of_the_users_own_is_minimised_from_its_value_alone(X, solver):
    y = targets("huber", X)
    y[:10] += 50.0
    model = GeneralizedLinearRegressor(Cauchy(c=0.7), solver=solver, tol=1e-8).fit(X, y)

    def f(x):
        return np.mean(np.log1p(((X @ x[:4] + x[4] - y) / 0.7) ** 2))

    x = np.r_[model.coef_, model.intercept_]
    assert_allclose(model.optimality_.objective, f(x), rtol=1e-12)
    assert model.optimality_.gradient_norm <= 1e-6 * f(x)
    assert model.optimality_.suboptimality_bound is None
    e, Z = (X @ x[:4] + x[4] - y) / 0.7, np.c_[X, np.ones(len(X))]
    curvature = 2 * (1 - e**2) / (1 + e**2) ** 2 / 0.49
    smallest = np.linalg.eigvalsh(Z.T @ (curvature[:, None] * Z) / len(y))[0]
    assert smallest > 0
    assert_allclose(model.optimality_.details["smallest_curvature"], smallest, rtol=1e-6)
    starts = np.random.default_rng(4).normal(scale=2.0, size=(10, 5))
    assert f(x) <= min(minimize(f, start).fun for start in starts) + 1e-9


def test_a_saddle_is_left():
    @loss("well_of_tests")
    class Well:
        def value(self, y, raw):
            return (raw * raw - y) ** 2

    X = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    model = GeneralizedLinearRegressor(Well(), fit_intercept=False, tol=1e-10).fit(X, np.full(4, 4.0))
    assert_allclose(abs(model.coef_), 2.0)  # at 0 the gradient vanishes, and the curvature is negative
    assert model.optimality_.details["smallest_curvature"] > 0


# ------------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize("made", [Quantile(0.5), Quantile(0.8), "absolute_error"])
def test_a_quantile_comes_near_the_linear_programme_and_says_that_it_is_not_there(X, weight, made):
    y = targets("huber", X)
    q = getattr(made, "quantile", 0.5)
    with pytest.warns(ConvergenceWarning, match="at a kink.*largest component of the gradient"):
        model = GeneralizedLinearRegressor(made).fit(X, y, sample_weight=weight)
    exact = QuantileRegressor(quantile=q, alpha=0).fit(X, y, sample_weight=weight)
    best = np.average(get_loss(made).value(y, exact.predict(X)), weights=weight)
    assert best <= model.optimality_.objective <= best * (1 + 3e-4)
    assert not model.optimality_.converged


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_on_a_kink_no_convergence_is_claimed_and_little_is_left(X, weight, name, alpha):
    y = targets(name, X)
    with pytest.warns(ConvergenceWarning):
        model = GeneralizedLinearRegressor(name, alpha=alpha).fit(X, y, sample_weight=weight)
    best = simplex(objective(model, X, y, weight), np.r_[model.coef_, model.intercept_])
    assert model.optimality_.objective <= best * (1 + 1e-3)
    assert not model.optimality_.converged


def test_without_curvature_no_newton_decrement_is_claimed(X, weight):
    y = targets("absolute_error", X)
    with pytest.warns(ConvergenceWarning):
        model = GeneralizedLinearRegressor("absolute_error").fit(X, y, sample_weight=weight)
    assert model.optimality_.details.get("newton_decrement", np.inf) > 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # it is all but a kink
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_where_no_row_has_curvature_is_left(X, solver):
    y = 100 * targets("huber", X)
    model = GeneralizedLinearRegressor(Huber(1e-3), solver=solver).fit(X, y)
    best = np.mean(np.abs(QuantileRegressor(quantile=0.5, alpha=0).fit(X, y).predict(X) - y))
    assert_allclose(1e3 * model.optimality_.objective, best, rtol=1e-3)


def test_curvature_far_from_the_targets_is_seen(X):
    y = 1e4 * X[:, 0]
    model = GeneralizedLinearRegressor(SquaredEpsilonInsensitive(0.5), fit_intercept=False).fit(X, y)
    assert model.optimality_.converged
    assert abs(model.predict(X) - y).max() <= 0.5 + 1e-4


# ------------------------------------------------------------------------------------------ the data


def test_weights_are_repetition(X):
    y, times = targets("log_cosh", X), np.random.default_rng(5).integers(0, 3, len(X))
    model = GeneralizedLinearRegressor("log_cosh", alpha=0.1, tol=1e-10)
    weighted = clone(model).fit(X, y, sample_weight=times)
    repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)
    assert_allclose(weighted.optimality_.objective, repeated.optimality_.objective, rtol=1e-12)
    with pytest.raises(ValueError, match="non-zero"):
        model.fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, y, sample_weight=-np.ones(len(y)))


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray])
def test_the_form_of_x_does_not_matter(X, form):
    X = np.where(X > 0.5, X, 0.0)
    y = targets("log_cosh", X)
    model = GeneralizedLinearRegressor("log_cosh", tol=1e-10)
    dense, other = clone(model).fit(X, y), clone(model).fit(form(X), y)
    assert_allclose(other.coef_, dense.coef_, rtol=1e-8)
    assert_allclose(other.predict(form(X)), dense.predict(X), rtol=1e-8)


def test_float32_is_kept_and_close(X):
    y = targets("huber", X)
    single = GeneralizedLinearRegressor("huber", tol=1e-4).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, GeneralizedLinearRegressor("huber").fit(X, y).coef_, atol=1e-3)


def test_a_column_vector_is_a_vector_with_a_warning(X):
    y = targets("huber", X)
    with pytest.warns(DataConversionWarning):
        column = GeneralizedLinearRegressor("huber").fit(X, y[:, None])
    assert_allclose(column.coef_, GeneralizedLinearRegressor("huber").fit(X, y).coef_)
    with pytest.raises(ValueError, match="1d array"):
        GeneralizedLinearRegressor("huber").fit(X, np.c_[y, y])


# ----------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("name", "value"), [("poisson", -1.0), ("gamma", 0.0), ("log_loss", 1.5), ("hinge", 0.0)]
)
def test_targets_outside_the_domain_name_the_loss_and_the_value(X, name, value):
    y = targets(name, X)
    y[7] = value
    with pytest.raises(ValueError, match=rf"{name}: .*y\[7\] is {value}"):
        GeneralizedLinearRegressor(name).fit(X, y)


def test_a_loss_that_is_none_is_refused(X):
    y = targets("huber", X)
    with pytest.raises(ValueError, match=r"'hubber'; the known ones are \['absolute_error', .*'tweedie'"):
        GeneralizedLinearRegressor("hubber").fit(X, y)
    with pytest.raises(ValueError, match=r"'loss' parameter.*Huber"):
        GeneralizedLinearRegressor(Huber).fit(X, y)
    with pytest.raises(ValueError, match="one output, got MultinomialLogLoss"):
        GeneralizedLinearRegressor("multinomial_log_loss").fit(X, y)


@pytest.mark.parametrize(
    "parameters", [{"alpha": -1.0}, {"solver": "sgd"}, {"max_iter": -1}, {"tol": -1e-3}, {"n_jobs": 1.5}]
)
def test_bad_parameters_are_named(X, parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        GeneralizedLinearRegressor(**parameters).fit(X, X[:, 0])


def test_a_failed_fit_leaves_the_estimator_as_it_was(X):
    y = targets("poisson", X)
    model = GeneralizedLinearRegressor("poisson").fit(X, y, sample_weight=np.ones(len(y)))
    before = dict(vars(model))
    with pytest.raises(ValueError, match="poisson"):
        model.fit(X[:, :2], -y - 1)
    assert vars(model) == before


def test_too_few_iterations_warn_where_fit_was_called(X):
    with pytest.warns(ConvergenceWarning, match="iteration limit") as record:
        model = GeneralizedLinearRegressor("log_cosh", max_iter=1, solver="lbfgs").fit(X, X[:, 0])
    assert model.n_iter_ == 1
    assert record[0].filename == __file__


def test_warm_start_continues_and_names_another_shape(X):
    y = targets("log_cosh", X)
    model = GeneralizedLinearRegressor("log_cosh", warm_start=True, solver="lbfgs").fit(X, y)
    assert model.n_iter_ > 3
    assert model.fit(X, y).n_iter_ == 0
    with pytest.raises(ValueError, match=r"warm_start.*\(4,\).*\(2,\)"):
        model.fit(X[:, :2], y)


# ----------------------------------------------------------------------------------------- estimators


class Recorder:
    """A callback that notes what it hears, and stops at the iteration `last`."""

    def __init__(self, last=np.inf):
        self.last, self.heard, self.predictions = last, [], []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.heard.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.heard.append(("end", context.task_name))
        self.predictions.append(fitted_estimator.predict(X))
        return context.task_name == "iteration" and context.task_id >= self.last


@pytest.mark.parametrize("solver", SOLVERS)
def test_callbacks_hear_of_each_iteration_with_a_model_that_predicts(X, solver):
    y, recorder = targets("log_cosh", X), Recorder()
    model = GeneralizedLinearRegressor("log_cosh", solver=solver).set_callbacks(recorder).fit(X, y)
    iteration = [("begin", "iteration"), ("end", "iteration")]
    inside = [("begin", "fit"), *model.n_iter_ * iteration, ("end", "fit")]
    assert recorder.heard == ["setup", *inside, "teardown"]
    assert_allclose(recorder.predictions[-1], model.predict(X))
    assert_allclose(recorder.predictions[-2], model.predict(X), atol=1e-4)
    unheard = GeneralizedLinearRegressor("log_cosh", solver=solver).fit(X, y)
    assert vars(model).keys() - vars(unheard).keys() == {"_skl_callbacks"}


def test_callbacks_hear_of_a_fit_with_more_columns_than_rows(X, capsys):
    y, recorder = targets("log_cosh", X)[:30], Recorder()
    wide = np.random.default_rng(6).normal(size=(30, 80))
    model = GeneralizedLinearRegressor("log_cosh", alpha=0.1, verbose=1).set_callbacks(recorder).fit(wide, y)
    assert len(recorder.predictions) == model.n_iter_ + 1
    assert_allclose(recorder.predictions[-2], model.predict(wide), atol=1e-4)
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_


def test_a_callback_that_answers_true_stops_the_fit_without_a_warning(X):
    y = targets("log_cosh", X)
    model = GeneralizedLinearRegressor("log_cosh", solver="lbfgs").set_callbacks(Recorder(last=1)).fit(X, y)
    assert model.n_iter_ == 2
    assert model.optimality_.reason == "stopped by the callback"
    assert not model.optimality_.converged


def test_a_callback_that_fails_leaves_no_trace(X):
    class Broken(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("broken")

    model = GeneralizedLinearRegressor("log_cosh").set_callbacks(Broken())
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(X, X[:, 0])
    assert vars(model) == before


def test_verbose_prints_the_objective_of_each_iteration(X, capsys):
    y = targets("log_cosh", X)
    model = GeneralizedLinearRegressor("log_cosh", verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert lines[0].startswith("GeneralizedLinearRegressor iteration 1: objective ")
    assert float(lines[-1].split()[-1]) == pytest.approx(model.optimality_.objective)


def test_clones_and_pickles_hold_the_loss(X):
    y = targets("huber", X)
    model = GeneralizedLinearRegressor(Cauchy(c=2.0), alpha=0.1)
    assert clone(model).get_params() == model.get_params()
    assert clone(model).loss == Cauchy(c=2.0) != Cauchy()
    assert "loss=Cauchy(c=2.0)" in repr(model)
    fitted = pickle.loads(pickle.dumps(model.fit(X, y)))
    assert (fitted.predict(X) == model.predict(X)).all()
    assert fitted.loss == model.loss
    assert (fitted.fit(X, y).coef_ == model.coef_).all()
    assert dataclasses.is_dataclass(fitted.loss)


def test_fields_of_a_loss_can_be_searched(X):
    y = X[:, 0] + X[:, 1] ** 3
    search = GridSearchCV(GeneralizedLinearRegressor(Huber()), {"loss__delta": [0.5, 5.0]}, cv=3).fit(X, y)
    assert search.best_estimator_.loss.delta == search.best_params_["loss__delta"]
    with pytest.raises(ValueError, match=r"invalid parameters \['loss__width'\]"):
        GeneralizedLinearRegressor(Huber()).set_params(loss__width=1.0)


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "squared_error", "poisson"])
def test_units_and_offsets_of_columns_do_not_matter(X, loss):
    """A tolerance on the gradient alone would call the constant model of tiny columns converged."""
    y = np.exp(0.3 * X[:, 0]) + 0.1
    plain = GeneralizedLinearRegressor(loss, tol=1e-9).fit(X, y)
    tiny = GeneralizedLinearRegressor(loss, tol=1e-9).fit(1e-8 * X, y)
    far = GeneralizedLinearRegressor(loss, tol=1e-9).fit(X + 1e6, y)
    assert_allclose(tiny.coef_, 1e8 * plain.coef_, rtol=1e-5)
    assert_allclose(far.coef_, plain.coef_, rtol=1e-4, atol=1e-6)
    assert plain.optimality_.converged
    assert tiny.optimality_.converged
    assert far.optimality_.converged


def test_rows_of_zero_weight_may_overflow(X):
    y = np.exp(0.3 * X[:, 0])
    weight = np.r_[np.ones(len(y)), 0.0]
    plain = GeneralizedLinearRegressor("poisson", tol=1e-9).fit(X, y)
    more = GeneralizedLinearRegressor("poisson", tol=1e-9)
    more.fit(np.vstack([X, np.full(X.shape[1], 1e4)]), np.r_[y, 1.0], sample_weight=weight)
    assert_allclose(more.coef_, plain.coef_, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["gamma", "absolute_error", "quantile", "hinge", "poisson"])
@pytest.mark.parametrize("seed", [1, 3])
def test_the_bound_holds_after_a_single_step(name, seed):
    """Where the intercept is far from its best, either it is brought there or no bound is claimed."""
    r = np.random.default_rng(seed)
    X = r.standard_normal((80, 2)) * r.choice([0.3, 3])
    y = np.exp(X @ [0.5, -0.3]) * r.exponential(1, 80) + 1e-3
    y = np.where(y > np.median(y), 1.0, -1.0) if name == "hinge" else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rough = GeneralizedLinearRegressor(name, alpha=10.0, max_iter=1, solver="lbfgs").fit(X, y)
        best = GeneralizedLinearRegressor(name, alpha=10.0, tol=1e-10).fit(X, y).optimality_.objective
    record = rough.optimality_
    if record.suboptimality_bound is not None:
        assert record.objective - best <= record.suboptimality_bound * (1 + 1e-9) + 1e-12
