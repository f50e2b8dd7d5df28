"""What kind of point it is, by the eigenvalues of its Hessian."""

import numpy as np
import pytest

from calclearn.calculus import classify, curvature
from calclearn.calculus._curvature import MEANING, from_eigenvalues

TABLE = [
    (lambda x: x[0] ** 2 + 3 * x[1] ** 2, "minimum"),
    (lambda x: -(x[0] ** 2) - 3 * x[1] ** 2, "maximum"),
    (lambda x: x[0] ** 2 - 3 * x[1] ** 2, "saddle"),
    (lambda x: x[0] * x[1], "saddle"),
    (lambda x: x[0] ** 2 + 0.0 * x[1], "flat"),
    (lambda x: (x[0] + x[1]) ** 2, "flat"),
    (lambda x: -(x[0] ** 2) + x[1] ** 4, "flat"),
    (lambda x: 0.0 * x[0] + x[1] ** 4, "flat"),
    (lambda x: x[0] ** 2 + 1e-6 * x[1] ** 2, "ill-conditioned"),
]


@pytest.mark.parametrize(("f", "verdict"), TABLE)
def test_the_verdict_at_a_critical_point(f, verdict):
    found = curvature(f, [0.0, 0.0])
    assert found.verdict == verdict
    assert found.stationary
    assert found.meaning == MEANING[verdict]


def test_eigenvalues_condition_and_rank_are_those_of_the_hessian():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    matrix = root @ root.T
    found = curvature(lambda x: 0.5 * np.sum(x * (matrix @ x)), np.zeros(5))
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(matrix), rtol=1e-10)
    assert found.condition_number == pytest.approx(np.linalg.cond(matrix), rel=1e-8)
    assert found.rank == 5
    assert found.gradient_norm == 0.0


def test_rotations_do_not_change_the_verdict_and_zeros_are_found_below_rounding():
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    singular = classify(rotation @ np.diag([0.0, 1.0, 2.0, 3.0]) @ rotation.T)
    assert (singular.verdict, singular.rank, singular.condition_number) == ("flat", 3, np.inf)
    assert singular.eigenvalues[0] == 0.0
    assert classify(rotation @ np.diag([0.0, -1.0, 2.0, 3.0]) @ rotation.T).verdict == "saddle"


def test_away_from_critical_points_it_says_so():
    found = curvature(lambda x: np.sum(x**2), [1.0, -2.0])
    assert found.stationary is False
    assert found.gradient_norm == 4.0
    assert found.meaning.startswith("not a critical point")
    assert "minimum (not stationary)" in repr(found)


def test_derivatives_may_be_given_or_numerical():
    given = curvature(None, [0.0, 0.0], gradient=[0.0, 0.0], hessian=lambda x: np.diag([1.0, -1.0]))
    assert given.verdict == "saddle"
    numerical = curvature(lambda x: np.cosh(x[0]) + x[1] ** 2, [0.0, 0.0], mode="numerical", tol=1e-6)
    assert numerical.verdict == "minimum"
    assert curvature(lambda x: x**2, 0.0).eigenvalues == pytest.approx([2.0])
    tall = curvature(lambda x: np.sum(x**2 * np.arange(1.0, 7.0).reshape(2, 3)), np.zeros((2, 3)))
    np.testing.assert_allclose(tall.eigenvalues, 2.0 * np.arange(1, 7))


def test_the_threshold_of_ill_conditioning_can_be_moved():
    assert classify(np.diag([1.0, 50.0]), ill_conditioned=10.0).verdict == "ill-conditioned"
    assert from_eigenvalues(np.array([1.0, 50.0]), tol=1e-12).verdict == "minimum"
    assert classify(np.eye(2)).stationary is None


def test_records_print_and_have_an_html_form():
    found = curvature(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0])
    assert "1 positive, 1 negative, 0 zero" in repr(found)
    assert max(map(len, repr(found).splitlines())) <= 110
    assert "<th>verdict</th><td>saddle</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), r"square matrix, got shape \(2, 3\)"),
        ([[1.0, 2.0], [0.0, 1.0]], "symmetric, got entries that differ by 2"),
        ([[np.nan]], "finite"),
        (np.zeros((0, 0)), "square matrix"),
    ],
)
def test_what_is_no_hessian_is_an_error(matrix, message):
    with pytest.raises(ValueError, match=message):
        classify(matrix)


def test_a_gradient_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="gradient must have 2 numbers, got 3"):
        classify(np.eye(2), gradient=np.zeros(3))
