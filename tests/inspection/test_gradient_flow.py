"""The picture of the gradients of a network: what is drawn, and what is refused."""

import sys

import numpy as np
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calclearn.inspection import GradientFlowDisplay

NORMS = 10.0 ** np.add.outer(-np.arange(4.0), np.array([-4.0, -2.0, 0.0]))


class Network(BaseEstimator):
    """All that is asked of an estimator."""

    def __init__(self, norms=NORMS):
        self.norms = norms

    def fit(self, X=None, y=None):
        self.gradient_norms_ = np.asarray(self.norms)
        return self


def names(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_each_layer_is_a_line_over_the_epochs():
    display = GradientFlowDisplay.from_estimator(Network().fit())
    assert len(display.lines_) == 3
    for k, line in enumerate(display.lines_):
        assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        assert_allclose(line.get_ydata(), NORMS[:, k])
    assert names(display) == ["layer 1", "layer 2", "layer 3"]
    assert display.ax_.get_yscale() == "log"
    assert len({tuple(line.get_color()) for line in display.lines_}) == 3


def test_it_draws_on_given_axes_with_names_and_options():
    figure, axes = pyplot.subplots(1, 2)
    network = make_pipeline(StandardScaler(), Network()).fit(np.eye(3))
    display = GradientFlowDisplay.from_estimator(network, ax=axes[1], layer_names="abc", linestyle=":")
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert names(display) == ["a", "b", "c"]
    assert all(line.get_linestyle() == ":" for line in display.lines_)
    assert display.plot(ax=axes[0], color="red") is display
    assert display.ax_ is axes[0]
    assert all(line.get_color() == "red" for line in display.lines_)


def test_of_many_layers_the_legend_names_the_first_and_the_last():
    display = GradientFlowDisplay(gradient_norms=np.ones((2, 30))).plot()
    assert names(display) == ["layer 1", "layer 30"]
    assert len(display.lines_) == 30


@pytest.mark.parametrize("n_epochs", [0, 1, 5])
def test_gradients_that_are_nothing_leave_gaps_and_no_warnings(n_epochs):
    norms = NORMS[:1].repeat(n_epochs, axis=0)
    norms[:, 0] = 0.0
    display = GradientFlowDisplay(gradient_norms=norms).plot()
    display.figure_.canvas.draw()
    assert np.isnan(display.lines_[0].get_ydata()).all()
    GradientFlowDisplay(gradient_norms=0.0 * norms).plot().figure_.canvas.draw()
    norms[-1:] = np.inf  # of a fit that diverged
    GradientFlowDisplay(gradient_norms=norms).plot().figure_.canvas.draw()


def test_what_has_no_gradients_or_other_shapes_is_refused():
    with pytest.raises(NotFittedError):
        GradientFlowDisplay.from_estimator(Network())
    with pytest.raises(TypeError, match=r"must have gradient_norms_, .*got LogisticRegression"):
        GradientFlowDisplay.from_estimator(LogisticRegression().fit(np.eye(2), [0, 1]))
    with pytest.raises(ValueError, match=r"\(n_epochs, n_layers\), got shape \(4,\)"):
        GradientFlowDisplay(gradient_norms=NORMS[:, 0])
    with pytest.raises(ValueError, match="layer_names must hold 3 names, got 2"):
        GradientFlowDisplay.from_estimator(Network().fit(), layer_names=["a", "b"])


def test_matplotlib_is_needed_to_draw_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    display = GradientFlowDisplay(gradient_norms=NORMS)
    with pytest.raises(ImportError, match="needs matplotlib"):
        display.plot()


def test_of_a_fitted_network_there_is_a_line_for_each_layer_of_weights(rng):
    from calclearn.neural_network import MLPRegressor

    X = rng.normal(size=(40, 3))
    model = MLPRegressor(hidden_layer_sizes=(4, 4), activation="logistic", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, X[:, 0])
    display = GradientFlowDisplay.from_estimator(model)
    assert display.gradient_norms.shape == (3, 3)
    assert (display.gradient_norms > 0.0).all()
