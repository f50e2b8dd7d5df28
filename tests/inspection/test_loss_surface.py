"""The plane that is drawn of an objective, and the path on it."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, rosen, rosen_der

from calclearn.inspection import ConvergenceRecorder, LossSurfaceDisplay
from calclearn.inspection._objective import objective_of
from calclearn.linear_model import GeneralizedLinearRegressor, LinearRegression, LogisticRegression
from calclearn.neural_network import MLPRegressor
from calclearn.optimize import LBFGS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=40) + 1.0
FEW = {"grid_resolution": 7}


def result(start):
    return minimize(rosen, start, jac=rosen_der, method=LBFGS(), options={"return_path": True})


def test_of_two_parameters_the_axes_are_the_parameters():
    found = result([-1.2, 1.0])
    display = LossSurfaceDisplay.from_function(rosen, path=found, **FEW)
    assert_allclose(display.path, found.path, atol=1e-12)
    points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert_allclose(display.values.ravel(), [rosen(x) for x in points])
    low, high = points.min(axis=0), points.max(axis=0)
    assert (low < found.path.min(axis=0)).all()
    assert (high > found.path.max(axis=0)).all()
    path, start, end = display.lines_
    assert_allclose(path.get_xydata(), found.path, atol=1e-12)
    assert_allclose(start.get_xydata(), [[-1.2, 1.0]])
    assert_allclose(end.get_xydata(), [found.x])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("parameter 1", "parameter 2")


def test_ranges_axes_levels_and_colours_are_as_asked():
    figure, axes = pyplot.subplots(1, 2)
    display = LossSurfaceDisplay.from_function(
        rosen, xlim=(0.0, 2.0), ylim=(-1, 1), ax=axes[1], colorbar=False, levels=[0.0, 1.0, 10.0], **FEW
    )
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert display.colorbar_ is None
    assert display.lines_ == []
    assert_array_equal(display.contours_.levels, [0.0, 1.0, 10.0])
    assert (display.xx0.min(), display.xx0.max()) == (0.0, 2.0)
    assert (display.xx1.min(), display.xx1.max()) == (-1.0, 1.0)
    again = LossSurfaceDisplay.from_function(rosen, path=[[0.0, 0.0], [1.0, 1.0]], **FEW)
    again.plot(colors=["red", "blue"], levels=[0.0, 1.0, 2.0], path_options={"color": "black", "lw": 3})
    assert again.lines_[0].get_color() == "black"
    assert again.lines_[0].get_linewidth() == 3
    assert_allclose(again.contours_.get_facecolor()[0], to_rgba("red"))


def test_principal_directions_are_those_of_the_path_and_say_how_much_of_it_they_show():
    plane = np.linalg.qr(RNG.normal(size=(5, 2)))[0].T
    coordinates = np.array([[3.0, 1.0], [2.0, 0.5], [1.0, -0.5], [0.0, 0.0]])
    path = 7.0 + coordinates @ plane
    display = LossSurfaceDisplay.from_function(lambda x: np.sum((x - 7.0) ** 2), path=path, **FEW)
    assert_allclose(np.linalg.norm(display.path, axis=1), np.linalg.norm(coordinates, axis=1))
    assert_allclose(display.values, display.xx0**2 + display.xx1**2)
    assert (display.path[0] >= 0.0).all()
    share = [float(label.split("(")[1].split()[0]) for label in (display.xlabel, display.ylabel)]
    assert share[0] > share[1]
    assert abs(sum(share) - 100.0) < 0.6


def test_directions_can_be_parameters_random_or_given():
    centre = np.array([1.0, 2.0, 3.0, 4.0])
    of_two = LossSurfaceDisplay.from_function(np.sum, centre=centre, directions=(3, 0), **FEW)
    assert_allclose(of_two.values, of_two.xx0 + of_two.xx1 + 5.0)  # the axes are parameters 4 and 1
    assert (of_two.xlabel, of_two.ylabel) == ("parameter 4", "parameter 1")
    assert of_two.xx0.min() < 4.0 < of_two.xx0.max()
    first, again, other = (
        LossSurfaceDisplay.from_function(
            np.sum, centre=centre, directions="random", random_state=seed, **FEW
        ).values
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)
    given = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    path = centre + np.array([[2.0, 1.0, 5.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    display = LossSurfaceDisplay.from_function(np.sum, path=path, directions=given, **FEW)
    assert_allclose(
        display.path, [[1.0, 1.0], [0.0, 0.0]], atol=1e-12
    )  # the nearest point of a slanted plane
    assert_allclose(display.values, 10.0 + display.xx0 + 2.0 * display.xx1)


def test_of_a_fitted_model_it_is_the_documented_objective():
    model = LinearRegression().fit(X[:, :1], Y)
    display = LossSurfaceDisplay.from_estimator(model, X[:, :1], Y, **FEW)
    squares = [np.sum((Y - a * X[:, 0] - b) ** 2) for a, b in zip(display.xx0.ravel(), display.xx1.ravel())]
    assert_allclose(display.values.ravel(), squares)
    assert (display.xlabel, display.ylabel) == ("coefficient 1", "intercept")
    assert display.path is None
    centre = display.xx0[0, 3], display.xx1[3, 0]
    assert_allclose(centre, [model.coef_[0], model.intercept_])
    weight = np.linspace(0.5, 2.0, 40)
    weighted = LossSurfaceDisplay.from_estimator(model, X[:, :1], Y, weight, **FEW)
    assert_allclose(weighted.values[3, 3], np.sum(weight * (Y - model.predict(X[:, :1])) ** 2))


def test_an_offset_is_that_of_the_fit():
    model, offset = GeneralizedLinearRegressor(), np.linspace(-2.0, 2.0, len(Y))
    model.fit(X[:, :1], Y, offset=offset)
    display = LossSurfaceDisplay.from_estimator(model, X[:, :1], Y, offset=offset, **FEW)
    assert_allclose(display.values[3, 3], model.optimality_.objective)


def test_a_recorded_fit_is_drawn_with_its_path():
    recorder = ConvergenceRecorder(path=True)
    model = LogisticRegression(solver="lbfgs").set_callbacks(recorder).fit(X, Y > 1)
    display = LossSurfaceDisplay.from_estimator(model, X, Y > 1, path=recorder, **FEW)
    assert len(display.path) == model.n_iter_[0]
    assert "principal" in display.xlabel


def test_random_directions_of_a_network_are_as_long_as_its_layers():
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", tol=0.1, random_state=0)
    model.fit(X, Y)
    display = LossSurfaceDisplay.from_estimator(model, X, Y, grid_resolution=3)
    objective = objective_of(model, X, Y)
    assert_allclose(display.values[1, 1], objective.value(objective.x))
    assert display.values[1, 1] < display.values.max()
    assert (display.xx0.min(), display.xx0.max()) == (-1.0, 1.0)
    scaled = MLPRegressor(hidden_layer_sizes=(4,), activation="identity", alpha=0.0, solver="lbfgs", tol=0.1)
    scaled.fit(X, Y)
    first = LossSurfaceDisplay.from_estimator(scaled, X, Y, grid_resolution=3).values
    for factor, layer in ((10.0, 0), (0.1, 1)):  # the same function of X, from other weights
        scaled.coefs_[layer] *= factor
    scaled.intercepts_[0] *= 10.0
    assert_allclose(LossSurfaceDisplay.from_estimator(scaled, X, Y, grid_resolution=3).values, first)


def test_what_is_not_finite_is_left_blank_and_what_is_flat_is_drawn():
    display = LossSurfaceDisplay.from_function(lambda x: np.log(x[0]) + x[1] ** 2, **FEW)
    assert not np.isfinite(display.values).all()
    display.figure_.canvas.draw()
    LossSurfaceDisplay.from_function(lambda x: 3.0, **FEW).figure_.canvas.draw()
    with pytest.raises(ValueError, match="finite somewhere"):
        LossSurfaceDisplay.from_function(lambda x: np.nan, **FEW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": "random"}, "centre must be given"),
        ({"centre": np.zeros(3)}, "directions='principal' needs a path"),
        ({"centre": np.zeros(3), "directions": "downhill"}, "directions must be one of .*, got 'downhill'"),
        ({"centre": np.zeros(3), "directions": (0, 3)}, "two different indices below 3"),
        ({"centre": np.zeros(3), "directions": (1, -2)}, "two different indices below 3"),
        ({"centre": np.zeros(3), "directions": np.ones((2, 3))}, "two independent vectors"),
        ({"centre": np.zeros(1)}, "two parameters at least"),
        ({"path": np.zeros(4)}, r"path must have shape .*, got \(4,\)"),
        ({"path": np.zeros((3, 4))}, "two different points"),
        ({"path": np.zeros((3, 4)), "centre": np.zeros(2)}, "path must have 2 parameters"),
        ({"path": ConvergenceRecorder()}, "must be made with path=True"),
        ({"path": minimize(rosen, [0.5, 0.5], method="BFGS")}, "'return_path': True"),
        ({"grid_resolution": 1}, "grid_resolution must be an integer of at least 2, got 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LossSurfaceDisplay.from_function(np.sum, **(FEW | options))


def test_shapes_that_do_not_go_together_are_refused():
    square = np.eye(3)
    with pytest.raises(ValueError, match="one shape of two dimensions"):
        LossSurfaceDisplay(xx0=square, xx1=square, values=np.eye(2))
    with pytest.raises(ValueError, match=r"path must have shape \(n_iterations, 2\), got \(3, 3\)"):
        LossSurfaceDisplay(xx0=square, xx1=square, values=square, path=square)
