"""SciPy's convention: every rule and every minimiser as a method of scipy.optimize.minimize."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import Bounds, LinearConstraint, minimize, rosen, rosen_der, rosen_hess, rosen_hess_prod
from scipy.sparse.linalg import aslinearoperator

from calclearn.optimize import (
    EMA,
    LBFGS,
    Adam,
    AdamW,
    CoordinateDescent,
    GradientDescent,
    LineSearchNewton,
    Momentum,
    Newton,
    NewtonCG,
    descend,
    explain,
)
from calclearn.optimize.rules._contract import REGISTRY
from calclearn.optimize.schedules import Cosine

START = [-1.2, 1.0]
MINIMISERS = [Newton(), LineSearchNewton(), NewtonCG(), LBFGS(), CoordinateDescent()]
RULES = [REGISTRY[name](learning_rate=0.01) for name in sorted(REGISTRY)]


def bowl(x, scale=1.0, centre=0.0):
    return 0.5 * scale * float(np.sum((x - centre) ** 2))


def bowl_gradient(x, scale=1.0, centre=0.0):
    return scale * (x - centre)


def both(x, *args):
    return bowl(x, *args), bowl_gradient(x, *args)


def identity(x, scale=1.0, centre=0.0):
    return scale * np.eye(x.size)


@pytest.mark.parametrize("method", [*MINIMISERS, *RULES], ids=lambda method: type(method).__name__)
def test_every_method_answers_as_scipys_own_do(method):
    """With a tuple of arguments, in both ways to hand over a gradient."""
    for fun, jac in ((bowl, bowl_gradient), (both, True)):
        options = {"max_iter": 400, "return_path": True}
        result = minimize(fun, [2, -3], args=(2.0, 1.0), jac=jac, method=method, tol=1e-3, options=options)
        assert result.fun == bowl(result.x, 2.0, 1.0)
        assert_array_equal(result.jac, bowl_gradient(result.x, 2.0, 1.0))
        assert result.message == explain(result.reason)
        assert result.success is (result.status == 0)
        assert result.path.shape == (result.nit + 1, 2)
        assert_array_equal(result.path[[0, -1]], [[2.0, -3.0], result.x])
        assert_array_equal([bowl(x, 2.0, 1.0) for x in result.path], result.curve)
        assert result.njev >= result.nfev >= result.nit
        assert result.fun < bowl(np.array([2.0, -3.0]), 2.0, 1.0)


@pytest.mark.parametrize("method", [Newton(tol=1e-8), LineSearchNewton(tol=1e-8), NewtonCG(tol=1e-8)])
@pytest.mark.parametrize(
    "second",
    [
        {"hess": rosen_hess},
        {"hess": lambda x: scipy.sparse.csr_array(rosen_hess(x))},
        {"hess": lambda x: aslinearoperator(rosen_hess(x))},
        {"hess": lambda x: rosen_hess(x).tolist()},
        {"hessp": rosen_hess_prod},
        {"hess": rosen_hess, "hessp": rosen_hess_prod},
        {"hess": "2-point"},
        {},
    ],
    ids=["array", "sparse", "operator", "list", "product", "both", "named differences", "differences"],
)
def test_hessians_of_every_kind_lead_to_the_minimum(method, second):
    result = minimize(rosen, START, jac=rosen_der, method=method, **second)
    assert result.success, result.message
    assert_allclose(result.x, [1.0, 1.0], rtol=1e-6)
    assert (result.nhev > 0) is any(map(callable, second.values()))


def test_the_method_is_the_minimiser_itself():
    class Objective:
        def value_gradient(self, x):
            return rosen(x), rosen_der(x)

        def hessian(self, x):
            return rosen_hess(x)

    for method in (Newton(tol=1e-8), LBFGS(tol=1e-8)):
        direct = method.minimise(Objective(), START)
        result = minimize(rosen, START, jac=rosen_der, hess=rosen_hess, method=method)
        assert_array_equal(result.x, direct.x)
        assert (result.nit, result.nfev, result.reason) == (
            direct.n_iter,
            direct.n_evaluations,
            direct.reason,
        )
    rule = Momentum(1e-3)
    direct = descend(Objective(), START, rule, max_iter=50)
    result = minimize(rosen, START, jac=rosen_der, method=rule, options={"maxiter": 50})
    assert_array_equal(result.x, direct.x)
    assert (result.status, result.nit) == (1, 50)


@pytest.mark.parametrize("method", [LBFGS(tol=1e-5), CoordinateDescent(tol=1e-5), Momentum(0.1)])
def test_without_a_gradient_differences_take_its_place(method):
    for jac in (None, False, "2-point"):
        result = minimize(bowl, [2.0, -3.0], args=(1.0, 1.0), jac=jac, method=method, options={"tol": 1e-5})
        assert result.success
        assert_allclose(result.x, [1.0, 1.0], atol=1e-4)
        assert result.njev == 0
        assert result.nfev > 2 * result.nit


def test_options_of_a_descent_are_its_keywords():
    options = {
        "max_iter": 200,
        "schedule": Cosine(),
        "clip_norm": 10.0,
        "clip_value": 9.0,
        "weight_decay": 0.0,
        "averaging": EMA(0.5),
        "stall_tol": 1e-9,
        "patience": 50,
        "step_tol": 1e-9,
        "tol": 1e-4,
    }
    result = minimize(both, [2.0, -3.0], jac=True, method=AdamW(learning_rate=0.2), options=options)
    assert result.nit <= 200
    assert result.fun < 1e-2


def test_options_of_a_minimiser_are_its_fields():
    result = minimize(
        rosen, START, jac=rosen_der, method=LBFGS(), options={"memory": 3, "maxiter": 5, "step_tol": 0.0}
    )
    assert (result.nit, result.reason) == (5, "iteration limit")
    assert minimize(rosen, START, jac=rosen_der, method=LBFGS(), tol=1e3).nit == 0


def test_callbacks_of_both_signatures_see_each_iterate_and_may_stop():
    seen = []

    def plain(xk):
        seen.append(xk)
        xk[:] = np.nan  # its own copy
        if len(seen) == 4:
            raise StopIteration

    def whole(intermediate_result):
        seen.append(intermediate_result.x)
        assert intermediate_result.fun == rosen(intermediate_result.x)
        if intermediate_result.nit == 4:
            raise StopIteration

    for callback in (plain, whole):
        for method in (Adam(0.1), LBFGS()):
            seen.clear()
            result = minimize(rosen, START, jac=rosen_der, method=method, callback=callback)
            assert (result.nit, result.status, result.success, len(seen)) == (4, 99, False, 4)
            assert result.reason == "stopped by the callback"


def test_a_function_may_answer_an_array_of_one_and_write_to_its_x():
    def careless(x):
        value = np.array([x @ x])
        x[:] = 0.0
        return value

    result = minimize(careless, [1.0, 2.0], jac=lambda x: (2 * x).tolist(), method=Newton(), hess=identity)
    assert result.success
    assert_allclose(result.x, 0.0, atol=1e-8)


@pytest.mark.parametrize("method", [Newton(), LineSearchNewton(), NewtonCG(), LBFGS()])
def test_answers_may_be_columns_and_numbers_where_there_is_one_parameter(method):
    for hess in (1.0, np.float32(1), [1.0], [[1.0]]):
        assert minimize(both, 3.0, jac=True, hess=lambda x, hess=hess: hess, method=method).success
    assert minimize(both, 3.0, jac=True, method=method).success
    columns = {"jac": lambda x: x[:, None], "hessp": lambda x, v: v[:, None].tolist()}
    assert minimize(bowl, [3.0, 1.0], method=method, **columns).success


def test_differences_cost_one_value_for_each_parameter_and_one():
    result = minimize(bowl, [2.0, -3.0, 1.0], method=Momentum(0.1), options={"max_iter": 10})
    assert result.nfev == 4 * 11


def test_a_start_of_integers_is_no_array_of_integers():
    assert_allclose(minimize(both, [3, 4], jac=True, method=LBFGS()).x, [0.0, 0.0], atol=1e-6)


def test_the_summary_is_printed_when_asked_for(capsys):
    minimize(both, [3.0], jac=True, method=LBFGS(), options={"disp": True})
    said = capsys.readouterr().out
    assert said.startswith("Every component of the gradient is at most tol.\n  fun ")
    assert said.endswith(", nit 2, nfev 3, njev 3\n")
    minimize(both, [3.0], jac=True, method=LBFGS())
    assert capsys.readouterr().out == ""


def test_divergence_is_no_success():
    result = minimize(both, [3.0, 1.0], jac=True, method=GradientDescent(1e6))
    assert (result.success, result.status, result.reason) == (False, 2, "diverged")
    assert_array_equal(result.x, [3.0, 1.0])


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"bounds": [(0, 1), (0, 1)]}, ValueError, r"Adam takes no bounds, got bounds=\[\(0, 1\)"),
        ({"bounds": Bounds(0, 1)}, ValueError, "Adam takes no bounds"),
        ({"constraints": {"type": "eq", "fun": rosen}}, ValueError, "Adam takes no constraints"),
        ({"constraints": LinearConstraint(np.eye(2), 0, 1)}, ValueError, "Adam takes no constraints"),
        ({"options": {"gtol": 1}}, ValueError, "Adam has no option gtol; the known ones are .'averaging'"),
        ({"options": {"memory": 1, "a": 2}}, ValueError, "Adam has no option a, memory"),
        ({"options": {"maxiter": 1, "max_iter": 2}}, ValueError, "the same option; got both"),
        ({"options": {"maxiter": -1}}, ValueError, "max_iter must be an integer of at least 0, got -1"),
        ({"method": Newton(), "jac": None}, ValueError, "Newton needs the gradient: jac is None"),
        ({"method": NewtonCG(), "jac": None}, ValueError, "NewtonCG needs the gradient"),
        ({"method": Newton(), "options": {"memory": 1}}, ValueError, "Newton has no option memory"),
        ({"callback": 3}, TypeError, "callback must be callable, got 3"),
        ({"fun": lambda x: x}, ValueError, r"fun must return a number, got an array of shape \(2,\)"),
        ({"fun": lambda x: None}, TypeError, "fun must return a number, got None"),
        ({"fun": lambda x: 1j}, TypeError, "fun must return a number, got 1j"),
        ({"jac": lambda x: x[:1]}, ValueError, r"jac must return 2 numbers, got array\(\[-1\.2\]\)"),
        ({"jac": lambda x: None}, ValueError, "jac must return 2 numbers, got None"),
        ({"jac": lambda x: "ab"}, TypeError, "jac must return an array of numbers, got 'ab'"),
        ({"method": Newton(), "hess": lambda x: np.eye(3)}, ValueError, r"\(2, 2\), got \(3, 3\)"),
        ({"method": NewtonCG(), "hess": lambda x: np.eye(3)}, ValueError, r"\(2, 2\), got \(3, 3\)"),
        ({"method": NewtonCG(), "hessp": lambda x, v: v[:1]}, ValueError, "hessp must return 2 numbers"),
    ],
)
def test_what_is_wrong_is_named(keywords, error, message):
    arguments = {"fun": rosen, "x0": START, "jac": rosen_der, "method": Adam()} | keywords
    with pytest.raises(error, match=message):
        minimize(**arguments)
