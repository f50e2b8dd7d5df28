"""From one state to another: parameters changed between calls, weights assigned, targets of another kind."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from calclearn._runtime.formulas import formula
from calclearn.neural_network import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    _session,
)
from calclearn.neural_network._columns import encode_columns, learn_columns
from calclearn.neural_network._training import Best
from calclearn.optimize.rules import GradientDescent, UpdateRule
from calclearn.optimize.schedules import Adaptive, Warmup

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (6, 6), "max_iter": 3, "random_state": 0}
rng = np.random.default_rng(0)
X = rng.standard_normal((60, 4))
NUMBERS = 2.0 * X[:, 0] + 1.0
LABELS = rng.integers(0, 3, 60)
INDICATOR = np.eye(3, dtype=int)[LABELS]


# ------------------------------------------------------------------------------------------ assigned weights


@pytest.mark.parametrize("features", [3, 400])
@pytest.mark.parametrize("of", [np.asarray, csr_matrix])
def test_weights_of_another_number_of_features_are_an_error(features, of):
    model = MLPRegressor(**SMALL).fit(X, NUMBERS)
    model.coefs_[0] = np.ones((features, 6))
    with pytest.raises(ValueError, match=rf"coefs_\[0\] is of {features} features, X has 4"):
        model.predict(of(X))


@pytest.mark.parametrize("dtype", [int, np.float16, np.longdouble])
def test_assigned_weights_may_be_of_any_dtype(dtype):
    model, same = (MLPRegressor(**SMALL, warm_start=True).fit(X, NUMBERS) for _ in range(2))
    for which, as_type in ((model, dtype), (same, np.float64)):
        for name in ("coefs_", "intercepts_"):
            setattr(
                which, name, [(4 * array).astype(dtype).astype(as_type) for array in getattr(which, name)]
            )
    assert_array_equal(model.predict(X), same.predict(X))
    assert_array_equal(model.fit(X, NUMBERS).coefs_[0], same.fit(X, NUMBERS).coefs_[0])
    assert model.coefs_[0].dtype == np.float64


# --------------------------------------------------------------------------------------- changed parameters


def test_predictions_go_by_the_structure_of_the_fit():
    model = MLPRegressor(**SMALL).fit(X, NUMBERS)
    before = model.predict(X)
    model.set_params(residual=True, activation="tanh", batch_norm=True)
    assert_array_equal(model.predict(X), before)
    table = TabularMLPRegressor(**SMALL).fit(X, NUMBERS)
    before = table.predict(X)
    table.set_params(n_waves=0, number_size=5, activation="relu")
    assert_array_equal(table.predict(X), before)


def test_probabilities_go_by_the_loss_of_the_fit():
    model = MLPClassifier(**SMALL).fit(X, LABELS > 0)
    before = model.predict_proba(X)
    assert_array_equal(model.set_params(loss="hinge", label_smoothing=0.5).predict_proba(X), before)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_a_norm_that_was_not_fitted_cannot_be_gone_on_with(norm):
    model = MLPRegressor(**SMALL, warm_start=True).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="has learned otherwise"):
        model.set_params(**{norm: True}).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="has learned otherwise"):
        MLPRegressor(**SMALL, layer_norm=True, warm_start=True).fit(X, NUMBERS).set_params(
            layer_norm=False, batch_norm=True
        ).fit(X, NUMBERS)


def test_epochs_may_follow_lbfgs_and_their_record_goes_with_them():
    model = MLPRegressor(**SMALL, solver="lbfgs", warm_start=True).fit(X, NUMBERS)
    model.set_params(solver="adam").fit(X, NUMBERS)
    assert len(model.loss_curve_) == 3
    model.set_params(solver="lbfgs", warm_start=False).fit(X, NUMBERS)
    assert not hasattr(model, "loss_curve_")
    assert not hasattr(model, "gradient_norms_")
    assert len(model.set_params(solver="adam").partial_fit(X, NUMBERS).loss_curve_) == 1


def test_early_stopping_may_be_turned_on_and_off():
    model = MLPRegressor(**SMALL, warm_start=True).fit(X, NUMBERS)
    model.set_params(early_stopping=True).fit(X, NUMBERS)
    assert model.best_validation_score_ == max(model.validation_scores_)
    model.set_params(early_stopping=False, max_iter=100, tol=1e9, n_iter_no_change=2).fit(X, NUMBERS)
    assert model.n_iter_ < 10  # with early stopping there had been no best loss
    assert model.best_loss_ == min(model.loss_curve_[6:])


@pytest.mark.parametrize(
    "schedule", ["cosine", Warmup(Adaptive(patience=2), share=0.2)], ids=["timed", "told"]
)
def test_partial_fit_runs_through_a_schedule(schedule):
    options = SMALL | {"max_iter": 10, "schedule": schedule, "solver": "sgd", "shuffle": False, "tol": 0.0}
    whole = MLPRegressor(**options, n_iter_no_change=100).fit(X, NUMBERS)
    by_parts = MLPRegressor(**options)
    for _ in range(10):
        by_parts.partial_fit(X, NUMBERS)
    assert_allclose(by_parts.coefs_[0], whole.coefs_[0], rtol=1e-12)


def test_another_rule_has_nothing_to_remember():
    model = MLPRegressor(**SMALL, solver="sgd").fit(X, NUMBERS)
    start = [array.copy() for array in model.coefs_]
    model.set_params(optimizer="rmsprop").partial_fit(X, NUMBERS)  # a velocity is no mean of squares
    fresh = MLPRegressor(**SMALL | {"max_iter": 1}, optimizer="rmsprop", warm_start=True).fit(X, NUMBERS)
    assert model._n_steps == fresh._n_steps == 1
    assert all(np.isfinite(array).all() for array in model.coefs_)
    assert not np.array_equal(model.coefs_[0], start[0])


# -------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(("first", "second"), [(LABELS, INDICATOR), (INDICATOR, LABELS)])
def test_labels_and_an_indicator_of_them_are_not_the_same(first, second):
    model = MLPClassifier(**SMALL, warm_start=True).fit(X, first)
    for again in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="in the previous call"):
            again(X, second)


def test_one_class_may_have_a_loss_of_two():
    model = MLPClassifier(**SMALL | {"max_iter": 1}, loss="multinomial_log_loss").fit(X, np.full(60, 7))
    model.intercepts_[-1][:] = (0.0, 100.0)
    assert_array_equal(model.predict(X), np.full(60, 7))


def test_targets_to_validate_with_may_be_sparse_and_must_be_as_many_as_rows():
    dense = MLPClassifier(**SMALL).fit(X, INDICATOR, X_val=X, y_val=INDICATOR)
    sparse = MLPClassifier(**SMALL).fit(X, csr_matrix(INDICATOR), X_val=X, y_val=csr_matrix(INDICATOR))
    assert sparse.validation_scores_ == dense.validation_scores_
    with pytest.raises(ValueError, match="X_val has 60 rows"):
        MLPRegressor(**SMALL).fit(X, NUMBERS, X_val=X, y_val=NUMBERS[:-1])


@pytest.mark.parametrize("loss", [None, "multinomial_log_loss"])
def test_a_row_without_weight_may_have_an_infinite_loss(loss):
    weight = np.ones(60)
    weight[0] = 0.0
    if loss is None:
        far = NUMBERS.copy()
        far[0] = 1e300
        models = [MLPRegressor(**SMALL), MLPRegressor(**SMALL)]
        models[0].fit(X, far, weight)
        models[1].fit(X[1:], far[1:])
        assert_allclose(models[0].loss_, models[1].loss_, rtol=0.1)
    else:
        models = [MLPClassifier(**SMALL, loss=loss).fit(X, LABELS, weight)]
    assert np.isfinite(models[0].coefs_[0]).all()


@pytest.mark.parametrize("class_weight", [{0: 0.0, 1: 0.0, 2: 0.0}, {0: -1.0}])
def test_class_weights_must_leave_something_to_learn(class_weight):
    with pytest.raises(ValueError, match="class_weight"):
        MLPClassifier(**SMALL, class_weight=class_weight).fit(X, LABELS)


# ---------------------------------------------------------------------------------------------- the training


def test_an_interrupt_in_the_first_epoch_leaves_the_first_weights(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_session.Session, "train", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        model = MLPRegressor(**SMALL).fit(X, NUMBERS)
    assert model.n_iter_ == 0
    assert model.gradient_norms_.shape == (0, 3)


def test_an_infinite_loss_is_a_divergence_where_there_is_something_to_go_back_to():
    model = MLPRegressor(**SMALL, warm_start=True, batch_size=60, restore_best=True)
    far = NUMBERS.copy()
    far[0] = 1e200  # whose square is no number; Adam's steps are as long as ever
    with pytest.warns(UserWarning, match="diverged in epoch 1"):
        model.fit(X, far, X_val=X, y_val=NUMBERS)
    assert model.n_iter_ == 1


@pytest.mark.parametrize(
    "options", [{}, {"batch_norm": True}, {"early_stopping": True}, {"schedule": "cosine"}]
)
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_fit_that_fails_changes_nothing(options, call, monkeypatch):
    model = MLPRegressor(**SMALL, **options, solver="sgd", warm_start=True).fit(X, NUMBERS)
    if call == "partial_fit":
        model.partial_fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    before, train = copy.deepcopy(vars(model)), _session.Session.train

    def train_too_far(session, *arguments):
        lost = train(session, *arguments)
        session.buffers.parameters[:] = np.inf
        return lost

    monkeypatch.setattr(_session.Session, "train", train_too_far)
    with pytest.raises(ValueError, match="non-finite"):
        getattr(model, call)(X[::-1], NUMBERS, X_val=X, y_val=NUMBERS)
    assert vars(model).keys() == before.keys()
    for name, value in before.items():
        assert pickle.dumps(vars(model)[name]) == pickle.dumps(value), name


def test_a_rule_without_a_learning_rate_is_an_error():
    @formula_of_rule
    class Fixed:
        step: float = 0.1

        def update(self, step, parameter, gradient):
            return parameter - self.step * gradient

    with pytest.raises(ValueError, match="must have a field learning_rate"):
        MLPRegressor(**SMALL, optimizer=Fixed()).fit(X, NUMBERS)


def formula_of_rule(cls):
    return formula(cls, UpdateRule)


def test_decoupled_decay_goes_by_a_rate_that_falls():
    rule = GradientDescent(learning_rate=0.1, decay=1.0)
    options = {"hidden_layer_sizes": (), "alpha": 0.0, "random_state": 0, "batch_size": 60}
    nothing, weight = np.zeros((60, 4)), MLPRegressor(**options, max_iter=1).fit(X, NUMBERS).coefs_[0] * 0 + 1
    model = MLPRegressor(**options, warm_start=True, optimizer=rule, weight_decay=0.5, max_iter=3)
    model.fit(nothing, NUMBERS)
    model.coefs_ = [weight]
    model.fit(nothing, NUMBERS)
    assert_allclose(model.coefs_[0], np.prod(1.0 - 0.5 * 0.1 / np.array([1.0, 2.0, 3.0])), rtol=1e-12)


def test_gradients_too_large_for_their_square_are_clipped():
    single, double = (
        MLPRegressor(**SMALL, clip_norm=1.0, optimizer=GradientDescent(learning_rate=0.1), dtype=dtype)
        for dtype in ("float32", "float64")
    )
    for model in (single, double):
        model.fit(X, 4e18 * NUMBERS)
    assert_allclose(single.coefs_[0], double.coefs_[0], rtol=1e-4, atol=1e-5)
    assert_allclose(single.gradient_norms_, double.gradient_norms_, rtol=1e-3)


@pytest.mark.parametrize("size", [1e-60, 1e60])
def test_weights_of_rows_may_be_of_any_size(size):
    options = SMALL | {"dtype": "float32", "alpha": 0.0}
    weight = 1.0 + (LABELS == 1)
    models = [MLPClassifier(**options).fit(X, LABELS, s * weight) for s in (1.0, size)]
    assert_allclose(models[0].coefs_[0], models[1].coefs_[0], rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_probabilities_of_classes_that_are_all_unlikely():
    model = MLPClassifier((6, 6), max_iter=1, random_state=0, loss="log_loss", solver="lbfgs", tol=1e9)
    model.fit(X, LABELS)
    model.coefs_[-1][:], model.intercepts_[-1][:] = 0.0, (-900.0, -800.0, -800.0)
    assert_allclose(model.predict_proba(X), np.tile([0.0, 0.5, 0.5], (60, 1)), atol=1e-12)


# --------------------------------------------------------------------------------------------------- tables


def test_of_epochs_that_score_alike_the_last_is_kept(monkeypatch):
    y = np.repeat([0, 1], 30)
    far = X + 100.0 * y[:, None]
    model = TabularMLPClassifier((8,), max_iter=20, batch_size=8, random_state=0)
    kept = model.fit(far, y).coefs_[0]
    assert model.validation_scores_[-2:] == [1.0, 1.0]
    monkeypatch.setattr(Best, "restore", lambda self, *arrays: None)
    assert_array_equal(kept, model.fit(far, y).coefs_[0])


def test_targets_that_must_stay_in_a_domain_are_not_shifted():
    y = np.where(NUMBERS > 1.0, 1.0, -1.0)
    model = TabularMLPRegressor("squared_hinge", (8,), max_iter=60, batch_size=16, random_state=0).fit(X, y)
    assert np.mean((model.predict(X) > 0) == (y > 0)) > 0.8
    assert_array_equal(model._shift, 0.0)


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e307])
def test_columns_of_any_size_are_numbers_of_about_one(scale):
    columns = learn_columns(scale * X, np.zeros(4, bool), {}, 8)
    Z = encode_columns(scale * X, columns, np.float64)
    ordinary = encode_columns(X, learn_columns(X, np.zeros(4, bool), {}, 8), np.float64)
    assert_allclose(Z, ordinary, rtol=1e-6, atol=1e-9)
    far = encode_columns(np.full((1, 4), 1e308) * [1, -1, 1, -1], columns, np.float64)
    assert np.isfinite(far).all()


def test_a_table_of_nothing_is_an_error():
    table = pd.DataFrame({"a": pd.Categorical([None] * 60, categories=["x"]).remove_unused_categories()})
    with pytest.raises(ValueError, match="no column with values"):
        TabularMLPClassifier(**SMALL).fit(table, LABELS)
