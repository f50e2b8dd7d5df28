"""What is stated again of a fit is what was minimised; its curvature is that of the certificate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calclearn.inspection import _curvature, curvature
from calclearn.inspection._objective import flat_parameters, objective_of
from calclearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    GeneralizedLinearClassifier,
    GeneralizedLinearRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeCV,
)
from calclearn.neural_network import MLPClassifier, MLPRegressor
from calclearn.svm import LinearSVC, LinearSVR

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=60) + 1.0
TWO, THREE = (Y > 1).astype(int), (Y > 1).astype(int) + (Y > 2.5)
WEIGHT = np.where(np.arange(60) == 3, 0.0, RNG.uniform(0.5, 2.0, 60))
PLAIN = {"l1_ratios": (0,), "scoring": "neg_log_loss", "use_legacy_attributes": True}  # no warnings
SMOOTH = [
    (LinearRegression(), Y),
    (LinearRegression(fit_intercept=False), np.column_stack([Y, X[:, 0] + THREE])),
    (Ridge(2.0), Y),
    (RidgeCV(), Y),
    (LogisticRegression(tol=1e-8), TWO),
    (LogisticRegression(tol=1e-8, class_weight="balanced"), THREE),
    (LogisticRegression(solver="liblinear", C=0.5, tol=1e-8), TWO),
    (LogisticRegressionCV(Cs=3, cv=2, tol=1e-8, **PLAIN), THREE),
    (PoissonRegressor(), np.abs(Y)),
    (GeneralizedLinearRegressor("huber", alpha=0.1), Y),
    (GeneralizedLinearClassifier("squared_hinge", alpha=0.1), THREE),
    (HuberRegressor(tol=1e-8), Y),
    (LinearSVC(class_weight="balanced"), THREE),
    (LinearSVR(loss="squared_epsilon_insensitive"), Y),
]
KINKED = [
    (Lasso(0.3), Y),
    (Lasso(0.3, positive=True), Y),
    (ElasticNet(0.2), Y),
    (ElasticNetCV(cv=3), Y),
    (LogisticRegression(l1_ratio=1, C=0.1, tol=1e-8), THREE),
    (LogisticRegressionCV(Cs=[0.1], cv=2, tol=1e-8, **PLAIN | {"l1_ratios": (0.5,)}), TWO),
    (LogisticRegression(solver="liblinear", l1_ratio=1, C=0.5, tol=1e-9), TWO),
    (GeneralizedLinearClassifier("multinomial_log_loss", alpha=0.1, l1_ratio=0.5), THREE),
    (LinearSVC(penalty="l1", dual=False), TWO),
]
PIECES = [
    (QuantileRegressor(alpha=0.05), Y),
    (LinearSVC(loss="hinge"), TWO),
    (LinearSVR(), Y),
]
NETWORKS = [
    (MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", tol=1e-2, random_state=0), Y),
    (MLPClassifier((4,), activation="tanh", solver="lbfgs", tol=1e-2, random_state=0), THREE),
]


def named(cases):
    return pytest.mark.parametrize(("model", "y"), cases, ids=[str(model) for model, _ in cases])


@named([*SMOOTH, *KINKED, *PIECES, *NETWORKS])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_the_objective_is_the_certified_one(model, y, weight):
    model.fit(X, y, **({} if weight is None else {"sample_weight": weight}))
    objective = objective_of(model, X, y, weight)
    value, gradient = objective.value_gradient(objective.x)
    assert_allclose(value, model.optimality_.objective, rtol=1e-12)
    assert_allclose(value, objective.value(objective.x), rtol=1e-12)
    if model.optimality_.gradient_norm is not None:
        assert_allclose(np.abs(gradient).max(), model.optimality_.gradient_norm, rtol=1e-3, atol=1e-9)
    assert_allclose(flat_parameters(model), objective.x)
    assert len(objective.names) == len(set(objective.names)) == len(objective.x) == len(objective.free)


@named([*SMOOTH, *KINKED, *NETWORKS])
def test_derivatives_are_differences(model, y):
    objective = objective_of(model.fit(X, y), X, y)
    x, direction = objective.x, np.where(objective.free, RNG.normal(size=len(objective.x)), 0.0)
    ahead, behind = x + 1e-6 * direction, x - 1e-6 * direction
    slope = (objective.value(ahead) - objective.value(behind)) / 2e-6
    assert_allclose(
        objective.value_gradient(x)[1] @ direction, slope, atol=1e-5 * max(1.0, objective.value(x))
    )
    change = objective.value_gradient(ahead)[1] - objective.value_gradient(behind)[1]
    product = objective.hessian_product(x)(direction)
    assert_allclose(product, objective.hessian(x) @ direction, rtol=1e-5, atol=1e-6 * np.abs(product).max())
    free = objective.free
    assert_allclose(product[free], change[free] / 2e-6, rtol=1e-4, atol=1e-4 * np.abs(product).max())


def test_a_pipeline_is_looked_at_behind_its_transformers():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, TWO)
    objective = objective_of(model, X, TWO)
    assert_allclose(objective.value(objective.x), model[-1].optimality_.objective)
    sparse = csr_matrix(X)
    assert curvature(Ridge().fit(sparse, Y), sparse, Y).verdict == "minimum"
    single = X.astype(np.float32)
    assert objective_of(Ridge().fit(single, Y), single, Y).hessian(np.zeros(4)).dtype == np.float64


def test_searches_and_pipelines_in_pipelines_are_looked_into():
    model = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge()))
    search = GridSearchCV(model, {"pipeline__ridge__alpha": [1.0, 2.0]}, cv=2).fit(X, Y)
    ridge = search.best_estimator_[-1][-1]
    objective = objective_of(search, X, Y)
    assert_allclose(objective.value(objective.x), ridge.optimality_.objective)
    assert_array_equal(flat_parameters(search), flat_parameters(ridge))
    assert curvature(search, X, Y).stationary


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
@named(
    [
        (GeneralizedLinearRegressor("poisson", alpha=0.1), THREE),
        (GeneralizedLinearClassifier(alpha=0.1), np.array(["no", "yes"])[TWO]),
    ]
)
def test_an_offset_of_the_fit_is_handed_in_again(model, y, weight):
    offset = np.linspace(-2.0, 2.0, len(y))
    model.fit(X, y, weight, offset=offset)
    objective = objective_of(model, X, y, weight, offset)
    assert_allclose(objective.value(objective.x), model.optimality_.objective, rtol=1e-12)
    assert curvature(model, X, y, weight, offset=offset, gradient_tol=1e-5).stationary
    assert not curvature(model, X, y, weight, gradient_tol=1e-5).stationary
    with pytest.raises(ValueError, match="offset must have shape"):
        curvature(model, X, y, weight, offset=offset[1:])


def test_what_has_no_known_objective_is_refused():
    with pytest.raises(TypeError, match=r"estimator must be a network .*, got StandardScaler"):
        curvature(StandardScaler().fit(X), X, TWO)
    machine = LinearSVC().fit(X, THREE).set_params(multi_class="crammer_singer")
    with pytest.raises(TypeError, match="crammer_singer"):
        curvature(machine, X, THREE)
    with pytest.raises(NotFittedError):
        curvature(Ridge(), X, Y)
    with pytest.raises(TypeError, match=r"offset is of a GeneralizedLinear.*, got one with Ridge"):
        curvature(Ridge().fit(X, Y), X, Y, offset=Y)
    with pytest.raises(ValueError, match="y must have the 1 targets of the fit, got 2"):
        curvature(Ridge().fit(X, Y), X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="classes of the fit"):
        curvature(LogisticRegression().fit(X, TWO), X, THREE)


# ---------------------------------------------------------------------------------------------- curvature


def test_least_squares_has_the_curvature_of_its_gram_matrix():
    found = curvature(LinearRegression(fit_intercept=False).fit(X, Y), X, Y)
    assert_allclose(found.eigenvalues, 2.0 * np.linalg.eigvalsh(X.T @ X))
    assert_allclose(found.condition_number, np.linalg.cond(X) ** 2)
    assert (found.verdict, found.stationary) == ("minimum", True)
    badly_scaled = X * [1.0, 1.0, 1e-3]
    assert curvature(LinearRegression().fit(badly_scaled, Y), badly_scaled, Y).verdict == "ill-conditioned"
    twice = np.column_stack([X, X[:, 0]])
    flat = curvature(LinearRegression().fit(twice, Y), twice, Y)
    assert (flat.verdict, flat.rank, flat.condition_number) == ("flat", 4, np.inf)


def test_curvature_of_a_loss_that_is_not_convex_is_the_certified_one():
    y = np.where(np.arange(60) % 7 == 0, 30.0, Y)
    model = LogisticRegression(tol=1e-8).fit(X, TWO)
    assert curvature(model, X, TWO).stationary
    halfway = GeneralizedLinearRegressor("squared_error", max_iter=0)
    with pytest.warns(UserWarning, match="did not converge"):
        halfway.fit(X, y)
    assert curvature(halfway, X, y).stationary is False


def test_coefficients_at_a_kink_are_left_out():
    model = Lasso(0.7).fit(X, Y)
    kept = model.coef_ != 0
    assert 0 < kept.sum() < 3
    found = curvature(model, X, Y)
    Z = np.column_stack([X[:, kept], np.ones(60)])
    assert_allclose(found.eigenvalues, np.linalg.eigvalsh(Z.T @ Z / 60))
    assert found.stationary
    with pytest.raises(ValueError, match="every coefficient is zero"):
        curvature(Lasso(100.0, fit_intercept=False).fit(X, Y), X, Y)


def test_of_many_parameters_the_extreme_eigenvalues_are_found(monkeypatch):
    model = MLPClassifier((6,), activation="tanh", solver="lbfgs", max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="lbfgs failed to converge"):
        model.fit(X, THREE)
    every = curvature(model, X, THREE)
    monkeypatch.setattr(_curvature, "DENSE", 10)
    found = curvature(model, X, THREE)
    assert_allclose(found.eigenvalues, every.eigenvalues[[0, 1, 2, -3, -2, -1]], atol=1e-5)
    assert every.verdict == found.verdict == "saddle"
    assert np.isnan(found.condition_number)
    assert found.stationary is every.stationary
    lasso = Lasso(0.1).fit(np.tile(X, 10), Y)  # columns that are there ten times: none of ten is at a kink
    assert curvature(lasso, np.tile(X, 10), Y).eigenvalues[0] >= 0.0
    pieces = QuantileRegressor(alpha=0.0).fit(np.tile(X, 4), Y)
    assert_array_equal(curvature(pieces, np.tile(X, 4), Y).eigenvalues, 0.0)
