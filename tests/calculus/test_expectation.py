"""Expectations against closed forms; estimators of gradients within their standard errors."""

import math

import numpy as np
import pytest
from scipy import special, stats

from calclearn.calculus import expectation, expectation_gradient

CLOSED_FORMS = [
    (np.square, stats.norm(1.0, 2.0), 5.0),
    (np.square, stats.norm(1e6, 1e-3), 1e12 + 1e-6),  # a narrow peak far out
    (np.exp, stats.norm(0.0, 5.0), np.exp(12.5)),  # whose mass is five deviations out
    (lambda x: np.maximum(x, 0.0), stats.norm(), 1 / np.sqrt(2 * np.pi)),
    (lambda x: x > 4.0, stats.norm(), stats.norm.sf(4.0)),
    (lambda x: x, stats.beta(0.1, 0.2), 1 / 3),  # infinite at both ends
    (lambda x: x, stats.gamma(0.3, scale=2.0), 0.6),
    (lambda x: x, stats.lognorm(3.0), np.exp(4.5)),
    (np.square, stats.t(2.5), 5.0),  # a heavy tail
    (lambda x: 1.0, stats.cauchy(), 1.0),
    (np.exp, stats.uniform(-1.0, 3.0), (np.exp(2.0) - np.exp(-1.0)) / 3),
    (lambda x: np.stack([x, x**2], axis=1), stats.expon(), [1.0, 2.0]),
    (lambda k: k, stats.poisson(3.5), 3.5),
    (lambda k: 2.0**k, stats.poisson(3.0), np.exp(3.0)),
    (lambda k: k, stats.poisson(1e5), 1e5),
    (lambda k: k * k, stats.binom(10, 0.3), 11.1),
    (lambda k: k, stats.bernoulli(0.25), 0.25),
    (
        lambda k: k,
        stats.zipf(2.5),
        special.zeta(1.5) / special.zeta(2.5),
    ),  # a sum that has to be extrapolated
]


@pytest.mark.parametrize(("f", "distribution", "expected"), CLOSED_FORMS)
def test_quadrature_is_the_closed_form(f, distribution, expected):
    found = expectation(f, distribution)
    np.testing.assert_allclose(found.value, expected, rtol=1e-8)
    assert np.all(np.abs(found.value - expected) <= 10 * found.standard_error + 1e-13 * np.abs(expected))
    assert found.method == "quadrature"
    assert found.n_samples > 0


@pytest.mark.parametrize(
    ("f", "distribution"),
    [
        (np.abs, stats.cauchy()),
        (np.square, stats.t(1.9)),
        (lambda k: k, stats.zipf(1.9)),
        (lambda k: 2.0**k, stats.geom(0.5)),
    ],
)
def test_an_expectation_that_does_not_exist_has_an_infinite_error(f, distribution):
    assert expectation(f, distribution).standard_error == np.inf


@pytest.mark.parametrize(
    ("f", "distribution", "expected"),
    [
        (np.square, stats.norm(1.0, 2.0), 5.0),
        (lambda k: k * k, stats.binom(10, 0.3), 11.1),
        (lambda x: x[:, 0] * x[:, 1], stats.multivariate_normal([1.0, 2.0], [[1.0, 0.5], [0.5, 2.0]]), 2.5),
    ],
)
def test_monte_carlo_is_within_its_standard_error(f, distribution, expected):
    errors = [
        (found.value - expected) / found.standard_error
        for seed in range(40)
        for found in [expectation(f, distribution, method="monte_carlo", n_samples=500, random_state=seed)]
    ]
    assert np.abs(np.mean(errors)) < 4 / 40**0.5  # studentised means have deviation 1
    assert 0.6 < np.std(errors) < 1.5


def test_the_same_seed_gives_the_same_draws():
    one, two = (
        expectation(np.exp, stats.norm(), method="monte_carlo", random_state=3).value for _ in range(2)
    )
    assert one == two


GRADIENTS = [
    (np.square, stats.norm, {"loc": 1.0, "scale": 2.0}, {"loc": 2.0, "scale": 4.0}),
    (np.log, stats.gamma, {"a": 2.5}, {"a": special.polygamma(1, 2.5)}),
    (
        np.log,
        stats.beta,
        {"a": 2.0, "b": 3.0},
        {"a": special.polygamma(1, 2) - special.polygamma(1, 5), "b": -special.polygamma(1, 5)},
    ),
    (lambda x: x, lambda rate: stats.expon(scale=1 / rate), {"rate": 2.0}, {"rate": -0.25}),
    (
        lambda x: x[:, 0] ** 2 * x[:, 1],
        stats.multivariate_normal,
        {"mean": [1.0, 2.0], "cov": [[1.0, 0.5], [0.5, 2.0]]},
        {"mean": [5.0, 2.0], "cov": [[2.0, 1.0], [1.0, 0.0]]},
    ),
]


@pytest.mark.parametrize("estimator", ["pathwise", "score"])
@pytest.mark.parametrize(("f", "family", "parameters", "expected"), GRADIENTS)
def test_gradients_are_within_their_standard_errors(f, family, parameters, expected, estimator):
    found = expectation_gradient(f, family, parameters, estimator=estimator, n_samples=10_000, random_state=1)
    for name, value in expected.items():
        error = np.abs(found.value[name] - value)
        assert np.shape(found.value[name]) == np.shape(parameters[name])
        assert np.all(error <= 4.5 * found.standard_error[name] + 1e-9)
        assert np.all(found.standard_error[name] < 0.2)


@pytest.mark.parametrize(
    ("family", "parameters", "expected"),
    [(stats.poisson, {"mu": 2.5}, {"mu": 6.0}), (stats.bernoulli, {"p": 0.999}, {"p": 1.0})],
)
def test_the_score_is_for_discrete_distributions_too_also_near_the_end_of_a_parameter(
    family, parameters, expected
):
    found = expectation_gradient(
        np.square, family, parameters, estimator="score", n_samples=20_000, random_state=0
    )
    for name, value in expected.items():
        assert abs(found.value[name] - value) < 4 * found.standard_error[name]


def test_the_score_sees_jumps_that_the_path_does_not():
    at = {"loc": 0.0}
    step = {
        "f": lambda x: np.where(x > 0, 1.0, 0.0),
        "family": stats.norm,
        "parameters": at,
        "random_state": 0,
    }
    score = expectation_gradient(**step, estimator="score")
    assert abs(score.value["loc"] - stats.norm.pdf(0)) < 4 * score.standard_error["loc"]
    assert expectation_gradient(**step).value["loc"] == 0.0


def test_a_baseline_lowers_the_variance_and_leaves_the_mean():
    common = {"family": stats.norm, "parameters": {"loc": 1.0}, "estimator": "score", "n_samples": 5000}
    errors = {}
    for baseline in (None, 102.0, "mean"):
        found = expectation_gradient(lambda x: 100 + x**2, **common, baseline=baseline, random_state=2)
        errors[baseline] = found.standard_error["loc"]
        assert abs(found.value["loc"] - 2.0) < 4 * found.standard_error["loc"]
    assert errors["mean"] < errors[None] / 10
    assert errors["mean"] == pytest.approx(errors[102.0], rel=0.1)


def test_the_mean_baseline_is_unbiased_for_two_draws():
    values = [
        expectation_gradient(
            np.square, stats.norm, {"loc": 1.0}, estimator="score", n_samples=2, random_state=seed
        ).value["loc"]
        for seed in range(200)
    ]
    assert abs(np.mean(values) - 2.0) < 4 * np.std(values) / 200**0.5


def test_the_pathwise_estimator_has_the_smaller_variance_for_smooth_functions():
    path, score = (
        expectation_gradient(np.square, stats.norm, {"loc": 1.0}, estimator=name, random_state=0)
        for name in ("pathwise", "score")
    )
    assert path.standard_error["loc"] < score.standard_error["loc"]


def test_the_derivative_may_be_given():
    at = {"loc": 1.0, "scale": 2.0}
    derived, given = (
        expectation_gradient(np.square, stats.norm, at, derivative=derivative, random_state=0)
        for derivative in (None, lambda x: 2 * x)
    )
    assert derived.value == given.value


def test_records_print_and_have_an_html_form():
    found = expectation_gradient(np.square, stats.norm, {"loc": 1.0, "scale": 2.0}, random_state=0)
    assert repr(found).startswith("gradient of an expectation (pathwise, 10000 draws)\n  loc ")
    assert found._repr_html_().count("<tr>") == 2
    assert "quadrature" in repr(expectation(lambda x: np.stack([x, x], 1), stats.norm()))


@pytest.mark.parametrize("f", [lambda x: np.sum(x**2), np.mean, np.max, lambda x: x[0, 0]])
def test_one_number_for_all_draws_must_be_a_constant(f):
    normal = stats.multivariate_normal([0.0, 1.0])
    with pytest.raises(ValueError, match=r"array of draws, of shape \(100, 2\), .* axis=1"):
        expectation(f, normal, method="monte_carlo", n_samples=100, random_state=0)
    found = expectation(lambda x: 3.0, normal, method="monte_carlo", n_samples=100, random_state=0)
    assert (found.value, found.standard_error) == (3.0, 0.0)


@pytest.mark.parametrize(
    ("family", "parameters", "name"),
    [
        (stats.uniform, {"loc": 0.0}, "loc"),
        (stats.uniform, {"scale": 2.0}, "scale"),
        (stats.expon, {"scale": 2.0, "loc": 1.0}, "loc"),
        (lambda ends: stats.uniform(ends[0], ends[1] - ends[0]), {"ends": [1.0, 4.0]}, "ends"),
    ],
)
def test_the_score_refuses_a_support_that_moves(family, parameters, name):
    with pytest.raises(ValueError, match=f"moves with {name}, .*pathwise"):
        expectation_gradient(np.square, family, parameters, estimator="score", n_samples=10, random_state=0)
    expectation_gradient(np.square, family, parameters, n_samples=10, random_state=0)


def test_the_score_may_move_an_end_where_the_density_is_zero():
    at = {"a": 4.0, "loc": 1.0}  # E x = a + loc
    found = expectation_gradient(np.positive, stats.gamma, at, estimator="score", random_state=0)
    for name in at:
        assert abs(found.value[name] - 1.0) < 4.0 * found.standard_error[name]


@pytest.mark.parametrize("f", [math.exp, lambda x: x if x > 0 else -x])
def test_functions_of_one_number_are_told_that_they_get_an_array(f):
    normal = {"loc": 0.0}
    for call in (
        lambda: expectation(f, stats.norm(), method="monte_carlo", n_samples=10, random_state=0),
        lambda: expectation_gradient(f, stats.norm, normal, n_samples=10, random_state=0),
    ):
        with pytest.raises(TypeError, match=r"f gets an array of draws, of shape \(10,\).*np\.where"):
            call()


@pytest.mark.parametrize(
    ("family", "parameters", "n_samples", "message"),
    [
        (stats.norm(), {"loc": 0.0}, 10, "family must make a distribution .* has them already"),
        (stats.multivariate_normal([0.0]), {"mean": [0.0]}, 10, "family must make a distribution"),
        (stats.norm, [0.0, 1.0], 10, r"parameters must be a dict, .* got \[0\.0, 1\.0\]"),
        (stats.norm, {"location": 1.0}, 10, r"parameters \['location'\]; its parameters are loc, scale"),
        (stats.gamma, {"b": 1.0}, 10, "its parameters are a, loc, scale"),
        (stats.poisson, {"lam": 1.0}, 10, "its parameters are mu, loc "),
        (stats.norm, {"loc": 1.0}, 1e4, r"n_samples must be an integer of at least 2, got 10000\.0"),
    ],
)
def test_families_and_their_parameters_are_named(family, parameters, n_samples, message):
    with pytest.raises((TypeError, ValueError), match=message):
        expectation_gradient(np.square, family, parameters, n_samples=n_samples)


def test_bad_input_is_named():
    many = stats.multivariate_normal([0.0, 0.0])
    with pytest.raises(ValueError, match="method must be 'quadrature' or 'monte_carlo', got 'sum'"):
        expectation(np.exp, stats.norm(), method="sum")
    with pytest.raises(ValueError, match="use 'monte_carlo'"):
        expectation(np.exp, many)
    with pytest.raises(ValueError, match=r"one value a draw, got shape \(3,\) for 1 draws"):
        expectation(lambda x: np.zeros(3), stats.norm())
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
        expectation(np.exp, stats.norm(), method="monte_carlo", n_samples=0)
    gradient_of = {"f": np.square, "family": stats.norm, "parameters": {"loc": 0.0}}
    with pytest.raises(ValueError, match="estimator must be 'pathwise' or 'score'"):
        expectation_gradient(**gradient_of, estimator="reinforce")
    with pytest.raises(ValueError, match="baseline must be 'mean', a number or None, got 'median'"):
        expectation_gradient(**gradient_of, estimator="score", baseline="median")
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 2, got 1"):
        expectation_gradient(**gradient_of, n_samples=1)
    with pytest.raises(ValueError, match="use estimator='score'"):
        expectation_gradient(np.square, stats.poisson, {"mu": 2.0})
    with pytest.raises(ValueError, match="parameters must name at least one"):
        expectation_gradient(np.square, stats.norm, {})
    with pytest.raises(ValueError, match="f must return one number a draw"):
        expectation_gradient(lambda x: np.stack([x, x], 1), stats.norm, {"loc": 0.0})
    with pytest.raises(ValueError, match="derivative must return the shape of the draws"):
        expectation_gradient(**gradient_of, derivative=lambda x: 2.0)
