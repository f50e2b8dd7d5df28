"""Curves of convergence: what each estimator keeps, what a callback records, and what is refused."""

import pickle

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calclearn.inspection import ConvergenceDisplay, ConvergenceRecorder
from calclearn.inspection._objective import flat_parameters, objective_of
from calclearn.linear_model import (
    GeneralizedLinearClassifier,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from calclearn.neural_network import MLPClassifier, MLPRegressor
from calclearn.optimize import LBFGS, GradientDescent, Newton, descend
from calclearn.svm import LinearSVC

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=60) + 1.0
TWO, THREE = (Y > 1).astype(int), (Y > 1).astype(int) + (Y > 2.5)
START = [-1.2, 1.0]


class Kept(BaseEstimator):
    """An estimator of which only what it has kept matters."""

    def __init__(self, **kept):
        self.kept = kept
        self.fitted_ = True
        vars(self).update(kept)

    def fit(self, X=None, y=None):
        return self

    def __repr__(self):
        return "Kept"


@pytest.fixture(scope="module")
def network():
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=6, random_state=0)
    with pytest.warns(ConvergenceWarning):
        return model.fit(X, Y)


def drawn(display):
    return [line.get_ydata() for line in display.lines_]


def names(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


# ---------------------------------------------------------------------------------------- fitted estimators


def test_linear_models_have_their_objective_from_the_start():
    model = make_pipeline(StandardScaler(), PoissonRegressor()).fit(X, np.abs(Y))
    display = ConvergenceDisplay.from_estimator(model)
    assert_array_equal(drawn(display), [model[-1].loss_curve_])
    assert_array_equal(display.lines_[0].get_xdata(), np.arange(model[-1].n_iter_ + 1))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("iteration", "objective")
    assert display.ax_.get_legend() is None


def test_networks_have_loss_and_gradients_of_epochs(network):
    display = ConvergenceDisplay.from_estimator(network, name="tanh", color="red")
    assert_array_equal(drawn(display), [network.loss_curve_])
    assert_array_equal(display.lines_[0].get_xdata(), np.arange(1, 7))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")
    assert names(display) == ["tanh"]
    assert display.lines_[0].get_color() == "red"
    display = ConvergenceDisplay.from_estimator(network, quantity="gradient_norm")
    assert_allclose(drawn(display)[0], np.linalg.norm(network.gradient_norms_, axis=1))
    assert display.ax_.get_yscale() == "log"


def test_the_gap_is_to_the_certified_bound():
    model = LogisticRegression().fit(X, TWO)
    display = ConvergenceDisplay.from_estimator(model, quantity="gap")
    certificate = model.optimality_
    bound = certificate.objective - certificate.suboptimality_bound
    assert_allclose(display.values[0], np.array(model.loss_curve_) - bound)
    assert display.values[0][-1] <= 2 * certificate.suboptimality_bound + 1e-12
    assert display.ax_.get_yscale() == "log"
    several = GeneralizedLinearClassifier("squared_hinge", alpha=0.1, l1_ratio=0.5).fit(X, THREE)
    display = ConvergenceDisplay.from_estimator(several, quantity="gap", name="hinge")
    assert names(display) == ["hinge class 0", "hinge class 1", "hinge class 2"]
    for curve, kept, problem in zip(display.values, several.loss_curve_, several.optimality_.problems):
        assert_allclose(curve, np.array(kept) - problem.dual_objective)
    assert len({line.get_color() for line in display.lines_}) == 3
    unbounded = LogisticRegression(C=np.inf).fit(X + RNG.normal(size=X.shape), RNG.integers(2, size=60))
    with pytest.raises(TypeError, match="neither a dual objective nor a bound"):
        ConvergenceDisplay.from_estimator(unbounded, quantity="gap")


def test_scores_of_validation_are_those_of_epochs_or_of_rounds():
    epochs = Kept(loss_curve_=[2.0, 1.0], validation_scores_=[0.5, 0.7])
    assert_array_equal(drawn(ConvergenceDisplay.from_estimator(epochs, quantity="validation")), [[0.5, 0.7]])
    rounds = Kept(evals_result_={"validation_0": {"rmse": [3.0, 2.0]}, "validation_1": {"rmse": [3.5, 3.0]}})
    display = ConvergenceDisplay.from_estimator(rounds, quantity="validation")
    assert_array_equal(drawn(display), [[3.0, 2.0], [3.5, 3.0]])
    assert names(display) == ["validation 0", "validation 1"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("round", "rmse")


@pytest.mark.parametrize(
    ("model", "quantity", "message"),
    [
        (Ridge(), "objective", r"Ridge has kept no curve .*set_callbacks\(recorder := ConvergenceRecorder"),
        (Lasso(), "objective", "Lasso has kept no curve"),
        (Kept(evals_result_={}), "validation", "kept no scores of validation.*eval_set"),
        (PoissonRegressor(), "gradient_norm", r"no norms of gradients.*ConvergenceRecorder\(path=True\)"),
    ],
    ids=str,
)
def test_what_was_not_kept_is_refused_and_how_to_record_it_is_said(model, quantity, message):
    model = model if isinstance(model, Kept) else model.fit(X, np.abs(Y))
    with pytest.raises(TypeError, match=message):
        ConvergenceDisplay.from_estimator(model, quantity=quantity)


def test_other_quantities_and_shapes_are_refused():
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match=r"quantity must be one of .*'gap'.*, got 'loss'"):
        ConvergenceDisplay.from_estimator(Ridge().fit(X, Y), quantity="loss")
    with pytest.raises(ValueError, match="against must be one of"):
        ConvergenceDisplay.from_callback(ConvergenceRecorder(), against="epoch")
    with pytest.raises(ValueError, match=r"values must be curves .*, got shape \(2, 2\)"):
        ConvergenceDisplay(values=[np.eye(2)])
    with pytest.raises(ValueError, match="names must hold 1 names, got 2"):
        ConvergenceDisplay(values=[[1.0]], names="ab")
    with pytest.raises(ValueError, match=r"seconds must have the lengths of the values, \[2\], got \[1\]"):
        ConvergenceDisplay(values=[[1.0, 2.0]], seconds=[[1.0]])


# ------------------------------------------------------------------------------------------------ callbacks


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (PoissonRegressor(), np.abs(Y)),
        (LogisticRegression(solver="lbfgs", C=2.0), THREE),
        (HuberRegressor(), Y),
        (LinearSVC(), TWO),
        (MLPClassifier((4,), activation="tanh", solver="lbfgs", max_iter=4, random_state=0), THREE),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_recorder_hears_each_iteration(model, y):
    recorder = ConvergenceRecorder(path=True)
    model.set_callbacks(recorder).fit(X, y)
    assert len(recorder.objective_) == len(recorder.seconds_) == np.max(model.n_iter_)
    assert_allclose(recorder.objective_[-1], model.optimality_.objective, rtol=1e-6)
    if hasattr(model, "loss_curve_"):
        assert_allclose(recorder.objective_, model.loss_curve_[1:])
    assert (np.diff([0.0, *recorder.seconds_]) >= 0.0).all()
    assert recorder.estimator_ is model
    assert len(recorder.path_) == (0 if isinstance(model, LinearSVC) else len(recorder.objective_))
    if len(recorder.path_):
        objective = objective_of(model, X, y)
        assert_allclose([objective.value(x) for x in recorder.path_], recorder.objective_, rtol=1e-6)
    before = list(recorder.objective_)
    model.fit(X, y)  # which is recorded instead
    assert_allclose(recorder.objective_, before)
    assert pickle.loads(pickle.dumps(recorder)).objective_ == recorder.objective_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_there_is_no_model_between_the_iterations_of_batch_norm():
    recorder = ConvergenceRecorder(path=True)
    model = MLPRegressor(
        hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", batch_norm=True, max_iter=3
    )
    model.set_callbacks(recorder).fit(X, Y)
    assert len(recorder.objective_) == 3
    assert recorder.path_.size == 0


def test_without_a_path_none_is_kept_and_clones_have_no_record():
    recorder = ConvergenceRecorder()
    model = PoissonRegressor().set_callbacks(recorder).fit(X, np.abs(Y))
    assert recorder.path_.size == 0
    assert flat_parameters(model).size == 4
    assert clone(model) is not model
    with pytest.raises(ValueError, match="no path: use ConvergenceRecorder"):
        ConvergenceDisplay.from_callback(recorder, quantity="gradient_norm", X=X, y=np.abs(Y))


def test_records_are_drawn_against_iterations_and_seconds():
    recorders = {}
    for solver in ("lbfgs", "newton-cholesky"):
        recorders[solver] = ConvergenceRecorder(path=True)
        LogisticRegression(solver=solver).set_callbacks(recorders[solver]).fit(X, TWO)
    display = ConvergenceDisplay.from_callback(recorders, quantity="gap", against="seconds")
    assert names(display) == ["lbfgs", "newton-cholesky"]
    assert display.ax_.get_xlabel() == "seconds"
    for line, recorder in zip(display.lines_, recorders.values()):
        assert_array_equal(line.get_xdata(), recorder.seconds_)
    display = ConvergenceDisplay.from_callback(recorders["lbfgs"])
    assert_array_equal(display.lines_[0].get_xdata(), np.arange(1, len(drawn(display)[0]) + 1))
    assert_array_equal(drawn(display)[0], recorders["lbfgs"].objective_)
    display = ConvergenceDisplay.from_callback(recorders, quantity="gradient_norm", X=X, y=TWO)
    for curve, recorder in zip(display.values, recorders.values()):
        assert_allclose(curve[-1], recorder.estimator_.optimality_.gradient_norm, rtol=1e-6, atol=1e-12)
    given = ConvergenceDisplay.from_callback(recorders, quantity="gap", minimum=-1.0)
    assert_allclose(given.values[0], np.array(recorders["lbfgs"].objective_) + 1.0)
    with pytest.raises(TypeError, match="needs X and y"):
        ConvergenceDisplay.from_callback(recorders, quantity="gradient_norm")


def test_the_gap_is_of_one_problem():
    recorder = ConvergenceRecorder()
    GeneralizedLinearClassifier(alpha=0.1).set_callbacks(recorder).fit(X, TWO + (Y > 2))
    with pytest.raises(
        TypeError, match=r"is of one problem, and Generalized.* solved 3, one after the other"
    ):
        ConvergenceDisplay.from_callback(recorder, quantity="gap")
    assert ConvergenceDisplay.from_callback(recorder, quantity="gap", minimum=0.0).values[0].size


def test_records_of_nothing_are_refused():
    recorder = ConvergenceRecorder()
    Ridge().set_callbacks(recorder).fit(X, Y)
    with pytest.raises(ValueError, match="recorded no iterations: Ridge reports none"):
        ConvergenceDisplay.from_callback(recorder)
    with pytest.raises(TypeError, match="callback must be a ConvergenceRecorder, or a dict"):
        ConvergenceDisplay.from_callback(print)
    with pytest.raises(TypeError, match="callback must be"):
        ConvergenceDisplay.from_callback({})


@pytest.mark.parametrize("method", [LBFGS(), "L-BFGS-B", "BFGS"], ids=str)
def test_minimisations_of_ours_and_of_scipy_are_recorded(method):
    recorder = ConvergenceRecorder(path=True)
    result = minimize(rosen, START, jac=rosen_der, method=method, callback=recorder)
    assert len(recorder.objective_) == len(recorder.path_) == result.nit
    assert_allclose(recorder.path_[-1], result.x)
    display = ConvergenceDisplay.from_callback({"it": recorder}, quantity="gap", minimum=0.0)
    assert_array_equal(display.values[0], recorder.objective_)
    with pytest.raises(TypeError, match="needs minimum"):
        ConvergenceDisplay.from_callback(recorder, quantity="gap")


# -------------------------------------------------------------------------------------------------- results


@pytest.fixture(scope="module")
def results():
    options = {"return_path": True}
    return {
        "Newton": minimize(rosen, START, jac=rosen_der, hess=rosen_hess, method=Newton(), options=options),
        "L-BFGS": minimize(rosen, START, jac=rosen_der, method=LBFGS(), options=options),
    }


def test_results_are_compared_on_one_axis(results):
    display = ConvergenceDisplay.from_result(results)
    assert_array_equal(drawn(display)[1], results["L-BFGS"].curve)
    assert names(display) == ["Newton", "L-BFGS"]
    gap = ConvergenceDisplay.from_result(results, quantity="gap")
    assert gap.ax_.get_ylabel() == "objective above the lowest"
    assert min(curve.min() for curve in gap.values) == 0.0
    assert sum(np.isnan(curve).sum() for curve in drawn(gap)) == 1  # the lowest itself has no logarithm
    slopes = ConvergenceDisplay.from_result(results, quantity="gradient_norm", jac=rosen_der)
    assert_allclose(slopes.values[0][-1], np.abs(results["Newton"].jac).max(), atol=1e-12)


def test_one_result_or_solution_has_no_legend_and_the_next_another_colour(results):
    _, ax = pyplot.subplots()
    first = ConvergenceDisplay.from_result(results["Newton"], ax=ax)
    assert first.ax_ is ax
    assert ax.get_legend() is None

    class Bowl:
        def value_gradient(self, x):
            return 0.5 * float(x @ x), x

    solution = descend(Bowl(), [2.0, -4.0], GradientDescent(learning_rate=0.5))
    second = ConvergenceDisplay.from_result({"bowl": solution}, ax=ax)
    assert_array_equal(drawn(second)[0], solution.curve)
    assert first.lines_[0].get_color() != second.lines_[0].get_color()


def test_results_without_what_is_asked_for_are_refused(results):
    with pytest.raises(TypeError, match="callback=ConvergenceRecorder"):
        ConvergenceDisplay.from_result(minimize(rosen, START, jac=rosen_der, method="BFGS"))
    with pytest.raises(TypeError, match="needs jac, a function of x, got None"):
        ConvergenceDisplay.from_result(results, quantity="gradient_norm")
    pathless = minimize(rosen, START, jac=rosen_der, method=LBFGS())
    with pytest.raises(TypeError, match="'return_path': True"):
        ConvergenceDisplay.from_result(pathless, quantity="gradient_norm", jac=rosen_der)
    with pytest.raises(TypeError, match="result must be an OptimizeResult or a Solution"):
        ConvergenceDisplay.from_result([1.0, 2.0])
