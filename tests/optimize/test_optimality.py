"""Certificates and the rules by which minimisations end."""

import pickle

import numpy as np
import pytest

from calclearn.optimize import Optimality, Stopping, explain
from calclearn.optimize._stopping import CONVERGED, SENTENCES


def record(**changes):
    known = {"objective": 2.0, "gradient_norm": 1e-9, "n_iter": 5, "converged": True}
    return Optimality(**(known | {"reason": "gradient within tol"} | changes))


def test_what_does_not_apply_is_not_printed():
    optimality = record(details={"newton_decrement": 1e-17})
    assert str(optimality).splitlines() == [
        "Optimality",
        "  objective         2",
        "  gradient norm     1e-09",
        "  newton decrement  1e-17",
        "  iterations        5",
        "  converged         yes (gradient within tol)",
    ]
    assert repr(Optimality(1.5, n_iter=3)) == "Optimality(objective=1.5, n_iter=3)"
    assert "None" not in str(Optimality(1.5)) + repr(Optimality(1.5))


def test_a_record_survives_pickling_and_compares_by_content():
    optimality = Optimality.merge([record(details={"rank": 3}), record(objective=1.0)])
    copy = pickle.loads(pickle.dumps(optimality))
    assert copy == optimality
    assert hash(copy) == hash(optimality)
    assert copy != record()


def test_numbers_of_numpy_become_plain_ones():
    optimality = Optimality(
        np.float64(1.0), n_iter=np.int64(2), converged=np.True_, details={"rank": np.int64(3)}
    )
    kinds = [type(v) for v in (optimality.objective, optimality.n_iter, optimality.converged)]
    assert kinds == [float, int, bool]
    assert type(optimality.details["rank"]) is float


def test_merging_sums_objectives_and_gaps_and_keeps_the_worst_of_the_rest():
    first = record(
        duality_gap=1e-3, dual_objective=1.9, details={"rank": 3, "condition_number": 10.0, "own": 1.0}
    )
    second = record(
        objective=1.0,
        dual_objective=0.5,
        duality_gap=0.5,
        gradient_norm=1e-3,
        n_iter=100,
        converged=False,
        reason="iteration limit",
        details={"rank": 2, "condition_number": 5.0},
    )
    whole = Optimality.merge([first, second])
    assert (whole.objective, whole.dual_objective, whole.duality_gap) == (3.0, 2.4, 0.501)
    assert (whole.gradient_norm, whole.n_iter, whole.converged) == (1e-3, 100, False)
    assert whole.reason == "iteration limit"
    assert whole.details == {"rank": 2.0, "condition_number": 10.0}
    assert whole.problems == (first, second)
    assert "problems          2 (1 converged)" in str(whole)


def test_what_one_problem_cannot_state_the_whole_cannot():
    whole = Optimality.merge([record(duality_gap=1e-3), record(converged=None)])
    assert whole.duality_gap is None
    assert whole.converged is None


def test_a_single_problem_is_its_own_merger_and_none_is_an_error():
    assert Optimality.merge([record()]) == record()
    with pytest.raises(ValueError, match="at least one Optimality"):
        Optimality.merge([])


def test_a_nan_among_the_problems_is_the_worst():
    for problems in ([1e-3, np.nan], [np.nan, 1e-3]):
        assert np.isnan(Optimality.merge([record(gradient_norm=g) for g in problems]).gradient_norm)


def test_every_reason_has_a_sentence():
    assert SENTENCES.keys() > CONVERGED
    assert all(explain(reason).endswith(".") for reason in SENTENCES)
    with pytest.raises(ValueError, match=r"reason must be one of .*, got 'tired'"):
        explain("tired")


def watched(values, gradients=None, steps=None, **rules):
    """The reason and the solution after the first of `values` that ends the minimisation."""
    watch = Stopping(**rules).watch()
    for k, value in enumerate(values):
        gradient = None if gradients is None else np.array([0.0, -gradients[k]])
        reason = watch.see(np.array([float(k)]), value, gradient, None if steps is None else steps[k])
        if reason:
            return reason, watch.solution(reason)
    raise AssertionError("nothing ended it")


def test_the_largest_component_of_the_gradient_decides():
    reason, solution = watched([3.0, 2.0, 1.0], gradients=[1.0, 0.11, 0.1], tol=0.1)
    assert reason == "gradient within tol"
    assert (solution.n_iter, solution.converged, solution.gradient_norm) == (2, True, 0.1)


def test_a_stall_needs_patience_and_ends_with_progress():
    values = [5.0, 4.0, 4.0, 3.0, 3.0, 2.95, 3.0, 0.0]
    reason, solution = watched(values, stall_tol=0.1, patience=3)
    assert (reason, solution.n_iter, solution.converged) == ("objective stalled", 6, True)


def test_short_steps_end_it():
    reason, solution = watched([5.0, 4.0, 3.0], steps=[None, 1.0, 1e-9], step_tol=1e-8)
    assert (reason, solution.n_iter) == ("step within tol", 2)


def test_the_iteration_limit_is_no_convergence():
    reason, solution = watched([3.0, 2.0, 1.0], max_iter=2)
    assert (reason, solution.n_iter, solution.converged) == ("iteration limit", 2, False)


@pytest.mark.parametrize("worse", [np.nan, np.inf, 1e9])
def test_divergence_returns_the_best_iterate(worse):
    reason, solution = watched([3.0, 2.0, 2.5, worse])
    assert (reason, solution.converged, solution.value) == ("diverged", False, 2.0)
    assert solution.x.tolist() == [1.0]


def test_a_gradient_that_is_not_finite_is_divergence():
    reason, solution = watched([3.0, 2.0], gradients=[1.0, np.nan])
    assert (reason, solution.value) == ("diverged", 3.0)


def test_a_start_that_is_not_finite_is_no_divergence():
    reason, solution = watched([np.nan])
    assert (reason, solution.n_iter) == ("not finite", 0)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("tol", -1.0),
        ("tol", "small"),
        ("max_iter", -1),
        ("max_iter", 1.5),
        ("patience", 0),
        ("stall_tol", -1.0),
    ],
)
def test_a_rule_that_makes_no_sense_is_named(rule, value):
    with pytest.raises(ValueError, match=f"{rule} must be .* got {value!r}"):
        Stopping(**{rule: value})
