"""Minimising functions that come without their derivatives."""

import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

from calclearn.optimize import LBFGS, Adam, Newton, NewtonCG, minimize
from calclearn.optimize._minimize import MINIMISERS

START = np.array([-1.2, 1.0, 0.7])
GIVEN = {  # what each would have been given by hand
    "newton": {"hess": rosen_hess},
    "newton-cg": {"hessp": rosen_hess_prod},
    "line-search-newton": {"hess": rosen_hess},
    "lbfgs": {},
}


def banana(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def bowl(x, scale, centre):
    return 0.5 * scale * np.sum((x - centre) ** 2)


@pytest.mark.parametrize("name", GIVEN)
def test_derived_derivatives_lead_where_those_by_hand_lead(name):
    """The same result as the path through SciPy, to the number of iterations."""
    derived = minimize(banana, START, method=name, tol=1e-8)
    given = scipy.optimize.minimize(
        rosen, START, jac=rosen_der, method=MINIMISERS[name](), tol=1e-8, **GIVEN[name]
    )
    assert derived.success
    assert set(derived) == set(given)
    assert derived.nit == given.nit
    assert_allclose(derived.x, given.x, rtol=1e-9)
    assert derived.message == given.message


def test_automatic_is_newton_for_few_parameters_and_lbfgs_for_many():
    few = minimize(banana, START, tol=1e-8)
    assert_array_equal(few.x, minimize(banana, START, method=Newton(), tol=1e-8).x)
    assert few.nhev > 0
    start = np.linspace(-1.0, 1.0, 200)
    many = minimize(banana, start, options={"max_iter": 20})
    assert_array_equal(many.x, minimize(banana, start, method=LBFGS(), options={"max_iter": 20}).x)
    assert many.nhev == 0


def test_records_and_names_of_rules_are_methods():
    for method in (Adam(learning_rate=0.1), "coordinate-descent", NewtonCG(tol=1e-8)):
        result = minimize(bowl, [2.0, -1.0], args=(3.0, 1.0), method=method, options={"max_iter": 2000})
        assert_allclose(result.x, [1.0, 1.0], atol=1e-4)
    result = minimize(bowl, [2.0, -1.0], (3.0, 1.0), "adam", options={"return_path": True, "maxiter": 7})
    assert result.path.shape == (8, 2)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "trust-exact", "trust-ncg", "Nelder-Mead", "SLSQP"])
def test_scipys_own_methods_get_their_derivatives(method):
    for jac in (None, "numerical"):
        result = minimize(banana, [0.5, 0.8], method=method, jac=jac)
        assert_allclose(result.x, [1.0, 1.0], atol=1e-3)


def test_bounds_go_to_the_methods_that_take_them():
    result = minimize(bowl, [2.0, -1.0], (3.0, 1.0), method="L-BFGS-B", bounds=[(1.5, 3.0), (-1.0, 0.0)])
    assert_allclose(result.x, [1.5, 0.0])
    with pytest.raises(ValueError, match="Newton takes no bounds"):
        minimize(bowl, [2.0, -1.0], (3.0, 1.0), method="newton", bounds=[(1.5, 3.0), (-1.0, 0.0)])


@pytest.mark.parametrize("method", ["auto", None])
def test_bounds_and_constraints_choose_the_method_as_in_scipy(method):
    calls = []

    def counted(x):
        calls.append(isinstance(x, np.ndarray))  # a plain array only where differences are taken
        return (x[0] - 1.0) ** 2 + 3.0 * (x[1] - 1.0) ** 2

    bounds = [(1.5, 3.0), (-1.0, 0.0)]
    assert_allclose(minimize(counted, [2.0, -1.0], method=method, bounds=bounds).x, [1.5, 0.0])
    line = {"type": "eq", "fun": lambda x: x[0] + x[1]}
    for within in (None, [(-3.0, 3.0), (-3.0, 3.0)]):
        result = minimize(counted, [2.0, -1.0], method=method, bounds=within, constraints=line)
        assert_allclose(result.x, [-0.5, 0.5], atol=1e-6)
    assert not any(calls)
    assert "hess_inv" not in minimize(counted, [2.0, -1.0], method=method, bounds=(), constraints=())


def test_a_kink_at_the_minimum_does_not_warn():
    result = minimize(lambda w: abs(w).sum(), [1.0, 2.0])
    assert result.fun < 1e-8


def test_derivatives_that_are_given_are_used():
    calls = []

    def slope(x):
        calls.append(x)
        return rosen_der(x)

    assert minimize(banana, START, jac=slope).success
    assert calls
    assert minimize(lambda x: (banana(x), rosen_der(x)), START, jac=True, hess=rosen_hess).success
    assert minimize(lambda x: (np.sum(np.cosh(x)), np.sinh(x)), START, jac=True, method="newton-cg").success
    assert minimize(banana, START, jac="forward", hess=rosen_hess).success


def test_functions_that_cannot_be_derived_are_differenced():
    def by_hand(x):
        return math.cosh(float(x[0]) - 1.0) + (x[1] + 2.0) ** 2

    for method in ("auto", "newton-cg", "lbfgs", "trust-exact"):
        result = minimize(by_hand, [0.0, 0.0], method=method, jac="numerical")
        assert_allclose(result.x, [1.0, -2.0], atol=1e-4)
    with pytest.raises(TypeError, match=r"a function of math.*or use jac='numerical'"):
        minimize(by_hand, [0.0, 0.0])
    with pytest.raises(TypeError, match="or give hess, as jac is given"):
        minimize(by_hand, [0.0, 0.0], jac=lambda x: np.array([math.sinh(x[0] - 1.0), 2.0 * (x[1] + 2.0)]))


def test_a_function_may_answer_an_array_of_one():
    A = np.array([[2.0, 0.5], [0.5, 1.0]])

    def column(x):
        x = x[:, None] - 1.0
        return x.T @ A @ x

    assert_allclose(minimize(column, [3.0, 5.0]).x, [1.0, 1.0])


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"method": "neuton"}, ValueError, "method is 'neuton'; the known ones are"),
        ({"method": 3}, TypeError, "method must be a name, a Minimiser or an UpdateRule, got 3"),
        ({"method": Newton}, TypeError, "method must be a name"),
        ({"jac": "backward"}, ValueError, "got 'backward'"),
        ({"options": {"speed": 1}}, ValueError, "Newton has no option speed; the known"),
        (
            {"method": "adam", "options": {"learning_rate": 0.1, "beta1": 0.8}},
            ValueError,
            r"no option beta1, learning_rate; write method=Adam\(learning_rate=0\.1\); the known",
        ),
    ],
)
def test_what_is_wrong_is_named(keywords, error, message):
    with pytest.raises(error, match=message):
        minimize(banana, START, **keywords)


def test_several_outputs_are_no_objective():
    with pytest.raises(ValueError, match=r"must return one number, got shape \(3,\)"):
        minimize(lambda x: x * x, START)
