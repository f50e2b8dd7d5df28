"""What networks do beyond scikit-learn's, and how they behave: options, stopping, interrupts, threads."""

import copy
import multiprocessing
import pickle
import signal
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning

from calclearn.losses import FormulaError, loss
from calclearn.losses._contract import REGISTRY as LOSSES
from calclearn.neural_network import MLPClassifier, MLPRegressor, _session, activation, get_activation
from calclearn.neural_network._activations import REGISTRY as ACTIVATIONS
from calclearn.neural_network._loops import ALONE, BLOCK
from calclearn.neural_network._network import Network
from calclearn.neural_network._session import Session, parts_of
from calclearn.optimize.rules import Adam, AdamW

from ..systems import forks

IRIS = load_iris(return_X_y=True)
X, LABELS = (IRIS[0] - IRIS[0].mean(axis=0)) / IRIS[0].std(axis=0), IRIS[1]
R, NUMBERS = make_regression(120, 5, random_state=0)
NUMBERS = NUMBERS / 100
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _registries_stay_as_they_are():
    before = dict(LOSSES), dict(ACTIVATIONS)
    yield
    for registry, content in zip((LOSSES, ACTIVATIONS), before, strict=True):
        registry.clear()
        registry.update(content)


def flat(model):
    return np.concatenate([array.ravel() for array in (*model.coefs_, *model.intercepts_)])


# ------------------------------------------------------------------------------------------------- options


OPTIONS = {
    "batch norm": {"batch_norm": True},
    "layer norm": {"layer_norm": True},
    "residual": {"residual": True, "hidden_layer_sizes": (16, 16, 16)},
    "dropout": {"dropout": 0.1},
    "clipped": {"clip_norm": 1.0},
    "decay": {"weight_decay": 0.01},
    "he": {"init": "he"},
    "lecun": {"init": "lecun", "activation": "selu"},
    "rule": {"optimizer": AdamW(learning_rate=0.01)},
    "rule by name": {"optimizer": "nadam"},
    "schedule": {"schedule": "cosine"},
    "float32": {"dtype": "float32"},
    "best": {"restore_best": True},
}


@quiet
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_option_learns(options):
    options = {"max_iter": 60, "learning_rate_init": 0.01, "batch_size": 30, "random_state": 0} | options
    model = MLPClassifier(**options).fit(X, LABELS)
    assert model.score(X, LABELS) > 0.95
    assert model.score(csr_matrix(X), LABELS) == model.score(X, LABELS)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@quiet
def test_with_lbfgs_batch_norm_predicts_by_the_statistics_of_all_rows():
    model = MLPRegressor(hidden_layer_sizes=(8,), batch_norm=True, solver="lbfgs", random_state=0)
    assert model.fit(R, NUMBERS).score(R, NUMBERS) > 0.98


@quiet
def test_dtype_is_that_of_weights_and_of_predictions():
    model = MLPRegressor(dtype="float32", max_iter=2, random_state=0).fit(R, NUMBERS)
    assert {model.coefs_[0].dtype, model.predict(R).dtype} == {np.dtype(np.float32)}


@quiet
def test_label_smoothing_makes_probabilities_less_sure():
    sure, less = (
        MLPClassifier(learning_rate_init=0.01, label_smoothing=share, random_state=0).fit(X, LABELS)
        for share in (0.0, 0.3)
    )
    assert less.score(X, LABELS) > 0.95
    top = less.predict_proba(X).max(axis=1).mean()
    assert top < sure.predict_proba(X).max(axis=1).mean()
    assert top < 0.9  # of a target of 1 - 0.3 + 0.3 / 3


@quiet
def test_a_class_weight_is_a_sample_weight():
    weight = np.where(LABELS == 1, 3.0, 1.0)
    by_class = MLPClassifier((5,), class_weight={1: 3.0}, random_state=0, max_iter=20).fit(X, LABELS)
    by_row = MLPClassifier((5,), random_state=0, max_iter=20).fit(X, LABELS, sample_weight=weight)
    assert_array_equal(flat(by_class), flat(by_row))


@quiet
def test_adam_of_the_package_differs_from_scikit_learns_where_gradients_are_tiny_only():
    mine = MLPRegressor(random_state=0, max_iter=10).fit(R, NUMBERS)
    other = MLPRegressor(random_state=0, max_iter=10, optimizer=Adam(0.001)).fit(R, NUMBERS)
    assert_allclose(flat(mine), flat(other), atol=1e-4)
    assert (flat(mine) != flat(other)).any()


@quiet
def test_decoupled_decay_takes_its_share_of_the_weights_at_each_step():
    options = {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "learning_rate_init": 0.1, "random_state": 0}
    free = MLPRegressor(max_iter=1, batch_size=120, **options).fit(R, NUMBERS)
    shrunk = MLPRegressor(max_iter=1, batch_size=120, weight_decay=0.5, **options).fit(R, NUMBERS)
    start = MLPRegressor(max_iter=1, batch_size=120, **options | {"learning_rate_init": 1e-300}).fit(
        R, NUMBERS
    )
    for a, b, c in zip(free.coefs_, shrunk.coefs_, start.coefs_):
        assert_allclose(b, a - 0.1 * 0.5 * c, rtol=1e-12, atol=1e-14)
    assert_array_equal(free.intercepts_[0], shrunk.intercepts_[0])


@quiet
def test_a_clipped_gradient_makes_no_longer_steps():
    options = {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 1.0, "random_state": 0, "alpha": 0.5}
    start = MLPRegressor(max_iter=1, **options | {"learning_rate_init": 1e-300}).fit(R, 100 * NUMBERS)
    clipped = MLPRegressor(max_iter=1, clip_norm=0.25, **options).fit(R, 100 * NUMBERS)
    assert_allclose(np.linalg.norm(flat(clipped) - flat(start)), 0.25, rtol=1e-10)


@quiet
def test_a_loss_and_an_activation_of_ones_own_are_one_formula_each():
    @loss("cauchy")
    class Cauchy:
        def value(self, y, raw):
            return np.log1p((raw - y) ** 2)

    @activation("sine")
    class Sine:
        frequency: float = 1.0

        def value(self, x):
            return np.sin(self.frequency * x)

    dirty = NUMBERS.copy()
    dirty[::10] += 50.0
    options = {"learning_rate_init": 0.01, "max_iter": 300, "random_state": 0}
    model = MLPRegressor(Cauchy(), activation=Sine(frequency=0.5), **options).fit(R, dirty)
    assert np.median(np.abs(model.predict(R) - dirty)) < 0.1
    hinge = MLPClassifier((10,), loss="squared_hinge", solver="lbfgs", random_state=0).fit(X, LABELS)
    assert hinge.score(X, LABELS) > 0.97
    assert not hasattr(hinge, "predict_proba")


def test_formulas_that_do_not_compile_are_named_in_one_line():
    @activation("sorted")
    class Sorted:
        def value(self, x):
            return np.sort(x)[0]

    @loss("sorted_loss")
    class SortedLoss:
        def value(self, y, raw):
            return np.sort(raw - y)[0]

    with pytest.raises(FormulaError, match=r"Sorted(\(\))? does not compile: ") as caught:
        MLPRegressor(activation=Sorted()).fit(R, NUMBERS)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(FormulaError, match=r"SortedLoss\(\) does not compile"):
        MLPRegressor(SortedLoss()).fit(R, NUMBERS)


# ------------------------------------------------------------------------------------------------ attributes


@quiet
def test_assigned_weights_are_used():
    model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=1).fit(R[:, :3], NUMBERS)
    model.coefs_ = [np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), np.array([[1.0], [2.0]])]
    model.intercepts_ = [np.zeros(2), np.array([0.5])]
    assert_allclose(model.predict([[3.0, 2.0, 9.0], [-1.0, 1.0, 9.0]]), [7.5, 2.5])
    model.coefs_[1][0, 0] = 10.0  # in place too
    assert_allclose(model.predict([[3.0, 2.0, 9.0]]), [34.5])
    model.coefs_[1] = [[10.0], [2.0]]
    assert_allclose(model.predict([[3.0, 2.0, 9.0]]), [34.5])
    model.coefs_[1] = np.ones((3, 1))
    with pytest.raises(ValueError, match="shapes"):
        model.predict([[3.0, 2.0, 9.0]])


@quiet
def test_the_certificate_is_the_objective_of_all_rows_and_its_gradient():
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", max_iter=2000, alpha=0.1)
    model.set_params(random_state=0, tol=1e-6).fit(R, NUMBERS)
    record = model.optimality_
    objective = 0.5 * np.mean((model.predict(R) - NUMBERS) ** 2)
    objective += 0.05 / len(R) * sum((weights**2).sum() for weights in model.coefs_)
    assert_allclose(record.objective, objective, rtol=1e-12)
    assert_allclose(record.objective, model.loss_, rtol=1e-12)
    assert record.converged
    assert record.gradient_norm < 1e-3
    assert list(record.details) == ["gradient_norm_layer_1", "gradient_norm_layer_2", "n_rows"]
    assert max(record.details[f"gradient_norm_layer_{k}"] for k in (1, 2)) <= record.gradient_norm
    assert record.details["n_rows"] == len(R)


@quiet
def test_the_certificate_of_few_epochs_is_of_rows_that_are_evenly_spread():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 3))
    y = X @ [1.0, -1.0, 0.5]
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0, alpha=0.3).fit(X, y)
    record, some = model.optimality_, np.linspace(0, 9999, 1500).astype(int)
    objective = 0.5 * np.mean((model.predict(X[some]) - y[some]) ** 2)
    objective += 0.15 / len(X) * sum((weights**2).sum() for weights in model.coefs_)
    assert record.details["n_rows"] == 1500
    assert_allclose(record.objective, objective, rtol=1e-12)


@quiet
def test_gradient_norms_are_those_of_each_layer_and_epoch():
    options = {"hidden_layer_sizes": (6, 5), "batch_size": 120, "random_state": 0, "alpha": 0.0}
    model = MLPRegressor(max_iter=3, **options).fit(R, NUMBERS)
    assert model.gradient_norms_.shape == (3, 3)
    start = MLPRegressor(max_iter=1, learning_rate_init=1e-300, **options).fit(R, NUMBERS)
    objective, x, parts = start._objective_of(R, NUMBERS, None)
    gradient = objective(x)[1]
    norms = [np.linalg.norm(gradient[slice(*parts[f"weights of layer {k}"])]) for k in (1, 2, 3)]
    assert_allclose(model.gradient_norms_[0], norms, rtol=1e-9)


# -------------------------------------------------------------------------------------------------- stopping


@quiet
def test_handed_in_rows_are_scored_and_the_best_epoch_is_put_back():
    rows = {"X_val": X[::2], "y_val": LABELS[::2]}
    model = MLPClassifier(max_iter=40, learning_rate_init=0.1, restore_best=True, random_state=0)
    model.fit(X[1::2], LABELS[1::2], **rows)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.score(*rows.values()) == max(model.validation_scores_)
    early = clone(model).set_params(early_stopping=True, n_iter_no_change=3, max_iter=200)
    early.fit(X[1::2], LABELS[1::2], **rows)
    assert early.n_iter_ < 200
    assert early.best_validation_score_ == max(early.validation_scores_)
    with pytest.raises(ValueError, match="y_val"):
        model.fit(X, LABELS, X_val=X)


def test_partial_fit_goes_on_also_after_early_stopping_with_rows_to_validate():
    model = MLPClassifier(early_stopping=True, random_state=0, max_iter=5, n_iter_no_change=2, tol=1.0)
    model.fit(X, LABELS)
    steps = model.t_
    model.partial_fit(X, LABELS, X_val=X, y_val=LABELS)
    assert model.t_ == steps + len(X)
    assert model.validation_scores_[-1] == model.score(X, LABELS)
    assert model.best_validation_score_ == max(model.validation_scores_)
    with pytest.raises(ValueError, match="early_stopping=True"):
        model.partial_fit(X, LABELS)
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


def test_a_training_that_diverges_keeps_its_best_epoch_and_says_so():
    """Steps that grow without end: the loss rises after some epochs, to infinity."""
    options = {"activation": "identity", "solver": "sgd", "learning_rate_init": 1.0, "random_state": 0}
    model = MLPRegressor(n_iter_no_change=np.inf, momentum=0.0, batch_size=120, **options)
    with pytest.warns(ConvergenceWarning, match="learning_rate_init"):
        model.fit(R, NUMBERS)
    assert np.isfinite(flat(model)).all()
    assert model.optimality_.reason == "diverged"
    assert not np.isfinite(model.loss_)
    assert model.optimality_.objective < 10


def test_weights_that_are_not_finite_after_the_first_epoch_are_an_error_and_change_nothing():
    huge = np.finfo(float).max * np.random.default_rng(0).uniform(size=R.shape)
    model = MLPRegressor(warm_start=True, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(R, NUMBERS)
    before = flat(model).copy()
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(huge, NUMBERS)
    assert_array_equal(flat(model), before)


@pytest.fixture
def listens_to_ctrl_c():
    """Processes in the background are started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_ctrl_c_ends_training_with_the_weights_of_the_moment(monkeypatch):
    calls = []
    run = Session._run

    def counted(self, order, rates):
        calls.append(len(rates))
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        run(self, order, rates)

    monkeypatch.setattr(Session, "_run", counted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = MLPRegressor(random_state=0).fit(R, NUMBERS)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.optimality_.reason == "interrupted"
    with pytest.warns(ConvergenceWarning):
        other = MLPRegressor(random_state=0, max_iter=3).fit(R, NUMBERS)
    assert_array_equal(flat(model), flat(other))


# ---------------------------------------------------------------------------- processes, threads, same bits


MANY = np.random.default_rng(0).normal(size=(1300, 30))
LARGE = {"hidden_layer_sizes": (64,), "batch_size": 400}  # a batch is taken in parts, which threads share


def _fit_and_predict(_):
    model = MLPRegressor(tol=10.0, n_iter_no_change=1, dropout=0.2, random_state=0, **LARGE)
    return model.fit(MANY, MANY[:, 0]).predict(MANY)


def test_a_large_batch_is_taken_in_parts():
    network = Network((30, 64, 1), get_activation("relu"))
    assert parts_of(network, LARGE["batch_size"]) == 2


@forks
def test_a_forked_process_trains_and_predicts_the_same():
    here = _fit_and_predict(0)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert_array_equal(pool.map(_fit_and_predict, [0])[0], here)


def test_threads_that_fit_at_once_do_not_disturb_each_other():
    here, results = _fit_and_predict(0), [None] * 4

    def work(k):
        results[k] = _fit_and_predict(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        assert_array_equal(result, here)


@quiet
@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "clip_norm": 0.1}], ids=str)
def test_the_same_bits_for_any_number_of_threads(options, monkeypatch):
    """The batches are taken in parts, the parameters in more blocks than one thread takes alone."""
    rng = np.random.default_rng(0)
    rows, found = rng.normal(size=(1000, 30)), []
    network = {"hidden_layer_sizes": (250, 150), "batch_size": 400, "max_iter": 2, "random_state": 0}
    for threads in (1, 2, 3):
        monkeypatch.setattr("calclearn._runtime.threads.thread_count", lambda n_jobs, n=threads: n)
        model = MLPRegressor(**network, **options).fit(rows, rows[:, 0])
        found.append([model.predict(rows), model.gradient_norms_, *model.coefs_])
    assert parts_of(model._network_of_weights(), 400) == 4
    assert len(model.coefs_[1].ravel()) > ALONE * BLOCK
    for others in found[1:]:
        for array, other in zip(found[0], others, strict=True):
            assert_array_equal(array, other)


@quiet
def test_parts_of_a_batch_add_up_to_it():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 30))
    options = {"hidden_layer_sizes": (250, 150), "batch_size": 400, "max_iter": 2, "random_state": 0}
    whole = MLPRegressor(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("calclearn.neural_network._session.parts_of", lambda network, rows: 1)
        whole.fit(rows, rows[:, 0])
    model = MLPRegressor(**options).fit(rows, rows[:, 0])
    for array, other in zip(model.coefs_, whole.coefs_, strict=True):
        assert_allclose(array, other, rtol=1e-7, atol=1e-10)


def test_a_member_of_the_team_that_fails_is_heard_of(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 30))
    real = _session.run_batches

    def fails(*arguments):
        if arguments[-2] == 1:
            raise RuntimeError("a member failed")
        return real(*arguments)

    monkeypatch.setattr(_session, "run_batches", fails)
    monkeypatch.setattr("calclearn._runtime.threads.thread_count", lambda n_jobs: 2)
    model = MLPRegressor(hidden_layer_sizes=(250, 150), batch_size=400, max_iter=2, random_state=0)
    with pytest.raises(RuntimeError, match="a member failed"):
        model.fit(rows, rows[:, 0])


# ---------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_norm": True, "layer_norm": True}, "batch_norm"),
        ({"solver": "lbfgs", "dropout": 0.5}, "dropout"),
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes"),
        ({"activation": "swish!"}, "activation"),
        ({"optimizer": "nobody"}, "nobody"),
        ({"schedule": "nobody"}, "nobody"),
        ({"loss": "poisson"}, "poisson"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "label_smoothing"),
        ({"dropout": 1.0}, "dropout"),
        ({"init": "zeros"}, "init"),
        ({"dtype": "float16"}, "dtype"),
        ({"hidden_layer_sizes": ("a",)}, "hidden_layer_sizes must be integers, got"),
        ({"hidden_layer_sizes": (5.5,)}, "hidden_layer_sizes must be integers, got"),
        ({"optimizer": "lbfgs"}, "optimizer='lbfgs'"),
        ({"solver": "lbfgs", "weight_decay": 0.1}, "weight_decay=0.1 needs"),
        ({"solver": "lbfgs", "clip_norm": 1.0}, "clip_norm=1.0 needs"),
        ({"solver": "lbfgs", "schedule": "cosine"}, "schedule=cosine needs"),
        ({"class_weight": {0: -1.0, 1: 1.0, 2: 1.0}}, "class_weight"),
        ({"class_weight": {0: np.nan, 1: 1.0, 2: 1.0}}, "class_weight"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, "leaves no row"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**parameters).fit(X, LABELS)


def test_bad_targets_are_named():
    with pytest.raises(ValueError, match="valid range"):
        MLPRegressor("poisson").fit(R, NUMBERS)
    with pytest.raises(ValueError, match="classes"):
        MLPRegressor("multinomial_log_loss").fit(R, np.arange(120.0) % 3)
    with pytest.raises(ValueError, match="several labels"):
        MLPClassifier(loss="multinomial_log_loss").fit(R, np.eye(3)[np.arange(120) % 3])
    with pytest.raises(ValueError, match="non-zero"):
        MLPRegressor().fit(R, NUMBERS, sample_weight=np.zeros(120))
    with pytest.raises(ValueError, match="y must hold numbers, got dtype <U1"):
        MLPRegressor().fit(R, np.array(["a", "b"] * 60))


@pytest.mark.parametrize(
    ("model", "X_val", "y_val", "message"),
    [
        (MLPRegressor(), None, NUMBERS, "y_val needs X_val"),
        (MLPRegressor(), R[:, :2], NUMBERS, "X_val: X has 2 features"),
        (MLPRegressor(), np.where(R > 2, np.nan, R), NUMBERS, "X_val: Input X contains"),
        (MLPRegressor(), R, NUMBERS[:9], "120 rows, but y_val has shape"),
        (MLPRegressor(), R, np.c_[NUMBERS, NUMBERS], "y_val must have 1 outputs"),
        (MLPRegressor(), R, np.full(120, np.inf), "y_val must hold finite"),
        (MLPRegressor(), R[:1], NUMBERS[:1], "at least 2 rows"),
        (MLPRegressor(solver="lbfgs"), R, NUMBERS, "X_val"),
        (MLPClassifier(), R, np.full(120, "a"), "y_val must hold labels such as"),
        (MLPClassifier(), R, np.eye(2)[np.arange(120) % 2], "y_val must have shape"),
    ],
)
def test_rows_to_validate_with_are_named_where_they_are_wrong(model, X_val, y_val, message):
    y = NUMBERS if isinstance(model, MLPRegressor) else (NUMBERS > 0).astype(int)
    with pytest.raises(ValueError, match=message):
        model.fit(R, y, X_val=X_val, y_val=y_val)


# ------------------------------------------------------------------------------ parameters that change later


@quiet
@pytest.mark.parametrize(
    "changed",
    [
        {"activation": "tanh"},
        {"residual": True},
        {"batch_norm": True},
        {"layer_norm": True},
        {"loss": "hinge"},
        {"label_smoothing": 0.5},
        {"hidden_layer_sizes": (3,)},
        {"solver": "lbfgs", "dropout": 0.5},
    ],
    ids=str,
)
def test_a_parameter_that_changes_after_the_fit_changes_no_prediction(changed):
    model = MLPClassifier((4, 4), max_iter=2, random_state=0).fit(X, LABELS)
    before = model.predict_proba(X)
    assert_array_equal(model.set_params(**changed).predict_proba(X), before)


@quiet
def test_a_norm_cannot_be_added_to_a_network_that_goes_on():
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, warm_start=True).fit(R, NUMBERS)
    with pytest.raises(ValueError, match="batch_norm=True"):
        model.set_params(batch_norm=True).fit(R, NUMBERS)


@quiet
def test_training_goes_on_after_lbfgs_and_under_another_way_to_stop():
    model = MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=3, warm_start=True, solver="lbfgs", random_state=0
    ).fit(R, NUMBERS)
    model.set_params(solver="adam").fit(R, NUMBERS)
    assert len(model.loss_curve_) == 3
    model.set_params(early_stopping=True).fit(R, NUMBERS)
    assert model.best_validation_score_ == max(model.validation_scores_)
    other = MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=3, warm_start=True, early_stopping=True, random_state=0
    )
    other.fit(R, NUMBERS).set_params(early_stopping=False).fit(R, NUMBERS)
    assert other.best_loss_ == min(other.loss_curve_[3:])


@quiet
def test_calls_of_partial_fit_go_along_the_schedule_and_hear_of_a_new_rate():
    options = {"hidden_layer_sizes": (4,), "random_state": 0, "shuffle": False, "max_iter": 3}
    whole = MLPRegressor(schedule="cosine", **options).fit(R, NUMBERS)
    calls = MLPRegressor(schedule="cosine", **options)
    for _ in range(3):
        calls.partial_fit(R, NUMBERS)
    assert_allclose(flat(calls), flat(whole), rtol=1e-12)
    before = flat(calls).copy()
    calls.set_params(schedule=None, learning_rate_init=1e-30).partial_fit(R, NUMBERS)
    assert_allclose(flat(calls), before, rtol=1e-12)


@quiet
def test_lbfgs_says_each_iteration_and_hears_ctrl_c(capsys, monkeypatch):
    model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=4, random_state=0, verbose=True)
    three = clone(model).set_params(max_iter=3).fit(R, NUMBERS)
    assert len(capsys.readouterr().out.splitlines()) == 3

    def interrupt(self, iteration, objective, scores):
        if iteration == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("calclearn.neural_network._training.EpochProgress.say", interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(R, NUMBERS)
    assert (model.n_iter_, model.optimality_.reason) == (3, "interrupted")
    assert_allclose(flat(model), flat(three), rtol=1e-12)


@quiet
def test_an_activation_is_known_by_its_name_and_says_why_it_does_not_compile():
    @activation("cube")
    class Cube:
        def value(self, x):
            return x * x * x

    @activation("mean")
    class Mean:
        def value(self, x):
            return x.mean()

    options = {"hidden_layer_sizes": (3,), "solver": "lbfgs", "random_state": 0, "max_iter": 500}
    assert_array_equal(
        flat(MLPRegressor(activation="cube", **options).fit(R[:9], NUMBERS[:9])),
        flat(MLPRegressor(activation=Cube(), **options).fit(R[:9], NUMBERS[:9])),
    )
    with pytest.raises(FormulaError, match=r"does not compile: AttributeError.*mean"):
        MLPRegressor(activation=Mean(), **options).fit(R, NUMBERS)


def test_an_infinite_loss_is_an_error_though_no_weight_is_infinite():
    with pytest.raises(ValueError, match="large values"):
        MLPRegressor(hidden_layer_sizes=(4,), random_state=0).fit(R, 1e200 * NUMBERS)


@quiet
@pytest.mark.parametrize("loss", [None, "multinomial_log_loss"])
def test_of_one_class_there_is_one_probability(loss):
    model = MLPClassifier((4,), loss=loss, max_iter=2).fit(X, np.full(len(X), "a"))
    assert_array_equal(model.predict(X[:2]), ["a", "a"])
    assert_array_equal(model.predict_proba(X[:2]), [[1.0], [1.0]])


@quiet
def test_rows_without_weight_teach_nothing():
    weight = np.ones(120)
    weight[40:] = 0
    spoiled = NUMBERS.copy()
    spoiled[40:] = 1e6
    options = {"batch_size": 40, "shuffle": False, "max_iter": 3, "random_state": 0, "alpha": 0.0}
    all_rows = MLPRegressor(**options).fit(R, spoiled, sample_weight=weight)
    some = MLPRegressor(**options).fit(R[:40], NUMBERS[:40], sample_weight=weight[:40])
    assert_allclose(flat(all_rows), flat(some), rtol=1e-12)


def test_verbose_says_what_scikit_learn_says(capsys):
    model = MLPClassifier(verbose=True, early_stopping=True, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Iteration 1, loss = {model.loss_curve_[0]:.8f}"
    assert lines[1] == f"Validation score: {model.validation_scores_[0]:f}"


def test_a_copy_is_independent():
    with pytest.warns(ConvergenceWarning):
        model = MLPRegressor(max_iter=1, random_state=0).fit(R, NUMBERS)
    other = copy.deepcopy(model)
    other.partial_fit(R, NUMBERS)
    assert (flat(other) != flat(model)).any()
