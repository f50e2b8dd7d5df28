"""The picture of a margin: what is drawn, and what is refused."""

import numpy as np
import pytest
import scipy.sparse
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calclearn.inspection import MarginDisplay
from calclearn.svm import SVC, SVR, LinearSVC


@pytest.fixture
def moons():
    return make_moons(80, noise=0.2, random_state=0)


def test_rows_are_as_large_as_their_multipliers(moons):
    X, y = moons
    model = SVC(C=2.0).fit(X, y)
    display = MarginDisplay.from_estimator(model, X, y, grid_resolution=20)
    multipliers = np.zeros(len(y))
    multipliers[model.support_] = np.abs(model.dual_coef_[0])
    for side, points in enumerate(display.points_):
        sizes = points.get_sizes()
        assert_allclose((sizes - 12.0) / 108.0, multipliers[y == side] / 2.0, atol=1e-12)
        assert_allclose(points.get_offsets(), X[y == side])
    assert display.bounded.sum() == (multipliers == 2.0).sum() > 0
    assert_allclose(display.contours_.levels, [-1.0, 0.0, 1.0])
    points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert_allclose(display.values.ravel(), model.decision_function(points))


def test_it_draws_on_given_axes_with_names_and_options(moons):
    pandas = pytest.importorskip("pandas")
    X, y = moons
    frame = pandas.DataFrame(X, columns=["width", "height"])
    _, ax = plt.subplots()
    model = LinearSVC().fit(frame, np.array(["no", "yes"])[y])
    display = MarginDisplay.from_estimator(model, frame, np.array(["no", "yes"])[y], ax=ax, colors="red")
    assert display.ax_ is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "height")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["no", "yes"]
    assert not display.multipliers.any()
    assert_allclose(display.contours_.get_edgecolor()[0], [1.0, 0.0, 0.0, 1.0])


def test_bounds_of_weighted_rows_pipelines_and_sparse_rows(moons):
    X, y = moons
    weight = np.where(y == 1, 0.5, 2.0)
    model = SVC(C=2.0).fit(X, y, sample_weight=weight)
    display = MarginDisplay.from_estimator(model, X, y, grid_resolution=5)
    assert_array_equal(display.bounded, display.multipliers == 2.0 * weight)
    assert display.bounded.any()
    scaled = make_pipeline(StandardScaler(), SVC(C=2.0)).fit(X, y)
    assert MarginDisplay.from_estimator(scaled, X, y, grid_resolution=5).multipliers.max() == 2.0
    rows = scipy.sparse.csr_array(X)
    sparse = MarginDisplay.from_estimator(
        SVC(gamma=1.0).fit(rows, y), rows, y, grid_resolution=5, cmap="viridis"
    )
    dense = MarginDisplay.from_estimator(SVC(gamma=1.0).fit(X, y), X, y, grid_resolution=5)
    assert_allclose(sparse.values, dense.values, atol=1e-6)


def test_the_machine_that_a_search_has_chosen_has_its_multipliers(moons):
    X, y = moons
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1.0, 2.0]}, cv=2).fit(X, y)
    found = MarginDisplay.from_estimator(search, X, y[:, None], grid_resolution=5)
    alone = MarginDisplay.from_estimator(search.best_estimator_, X, y, grid_resolution=5)
    assert_array_equal(found.multipliers, alone.multipliers)
    assert found.multipliers.any()


def test_other_shapes_are_refused(moons):
    X, y = moons
    with pytest.raises(ValueError, match="must have two features"):
        MarginDisplay.from_estimator(SVC().fit(np.c_[X, X], y), np.c_[X, X], y)
    with pytest.raises(ValueError, match="must be the 80 training rows"):
        MarginDisplay.from_estimator(SVC().fit(X, y), X[:50], y[:50])
    with pytest.raises(ValueError, match="of a classifier, got SVR"):
        MarginDisplay.from_estimator(SVR().fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        MarginDisplay.from_estimator(SVC(), X, y)
    with pytest.raises(ValueError, match="y must have the classes of the fit"):
        MarginDisplay.from_estimator(SVC().fit(X, y), X, y + 1)
    three = np.arange(len(y)) % 3
    with pytest.raises(ValueError, match="of two classes, got 3"):
        MarginDisplay.from_estimator(SVC().fit(X, three), X, three)
