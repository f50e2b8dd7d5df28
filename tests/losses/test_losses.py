"""The table: each loss at points of its domain, against SymPy, its own jet, and its minimiser."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.calculus import lift, variable
from calclearn.losses import (
    Huber,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    Tweedie,
    TweedieIdentity,
    pointwise,
)
from calclearn.losses._contract import REGISTRY

from .table import CONVEX, LOSSES, MODERATE, points

Y, F = sp.symbols("y f", real=True)


def _piecewise_in_size(inner, outer, size, edge):
    return sp.Piecewise((inner, size < edge), (outer, True))


def formula(loss):
    """The loss as its derivation page states it, for SymPy; |f - y| in pieces, which have derivatives."""
    rational = {name: sp.Rational(value) for name, value in vars(loss).items() if isinstance(value, float)}
    e, size = F - Y, sp.Piecewise((F - Y, F > Y), (Y - F, True))
    short = sp.Piecewise((1 - Y * F, Y * F < 1), (0, True))
    match loss.name, rational:
        case "squared_error", _:
            return e**2 / 2
        case "absolute_error", _:
            return size
        case "quantile", {"quantile": q}:
            return sp.Piecewise(((1 - q) * e, F > Y), (-q * e, True))
        case "huber", {"delta": delta}:
            return _piecewise_in_size(e**2 / 2, delta * (size - delta / 2), size, delta)
        case "log_cosh", {"scale": s}:
            return s * sp.log(sp.cosh(e / s))
        case "epsilon_insensitive", {"epsilon": epsilon}:
            return _piecewise_in_size(0, size - epsilon, size, epsilon)
        case "squared_epsilon_insensitive", {"epsilon": epsilon}:
            return _piecewise_in_size(0, (size - epsilon) ** 2 / 2, size, epsilon)
        case "log_loss", _:
            return sp.log(1 + sp.exp(F)) - Y * F
        case "exponential", _:
            return sp.exp(-Y * F)
        case "hinge", _:
            return short
        case "squared_hinge", _:
            return short**2 / 2
        case "poisson", _:
            return sp.exp(F) - Y * F
        case "gamma", _:
            return F + Y * sp.exp(-F)
        case "tweedie", {"power": p}:
            if p in (1, 2):
                return sp.exp(F) - Y * F if p == 1 else F + Y * sp.exp(-F)
            return sp.exp((2 - p) * F) / (2 - p) - Y * sp.exp((1 - p) * F) / (1 - p)
    raise NotImplementedError(f"write the formula of {loss!r}")


def exact(loss, y, raw):
    """Value, gradient and Hessian in 400 digits, more than cancel; beyond float64 they are infinite."""
    value = formula(loss)
    orders = [value, sp.diff(value, F), sp.diff(value, F, 2)]
    functions = [sp.lambdify((Y, F), order, "mpmath") for order in orders]
    largest = mpmath.mpf(np.finfo(np.float64).max)
    with mpmath.workdps(400):
        at = [(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(y, raw, strict=True)]
        numbers = [[function(*point) for point in at] for function in functions]
        return np.array(
            [[float(x if abs(x) <= largest else x * mpmath.inf) for x in order] for order in numbers]
        )


def test_the_table_has_every_loss_of_one_output():
    ours = {cls for cls in REGISTRY.values() if cls.__module__.startswith("calclearn.")}
    elsewhere = {MultinomialLogLoss, TweedieIdentity}  # the latter, of a half-line, in test_tweedie.py
    assert ours == {type(loss) for loss in LOSSES} | elsewhere


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_compiled_and_interpreted_losses_are_what_sympy_says_up_to_ten_thousand(loss):
    """Also: no NaN, infinite exactly where float64 ends, tails to full relative precision, and no warning."""
    y, raw = points(loss)
    truth = exact(loss, y, raw)
    compiled = pointwise.value_gradient_hessian(loss, y, raw)
    interpreted = loss.value(y, raw), *loss.derivatives(y, raw)
    names = ("value", "gradient", "hessian")
    for name, mine, python, true in zip(names, compiled, interpreted, truth, strict=True):
        absolute = 4e-16 if loss.name == "log_cosh" and name == "value" else 1e-307  # log cosh 0 cancels
        assert_allclose(mine, true, rtol=1e-12, atol=absolute, err_msg=name)
        assert_allclose(np.broadcast_to(python, raw.shape), true, rtol=1e-12, atol=absolute, err_msg=name)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_derivatives_are_the_jet_of_the_value(loss):
    y, raw = points(loss, MODERATE)
    jet = lift(loss.value(y, variable(raw)), raw)
    gradient, hessian = loss.derivatives(y, raw)
    assert_allclose(gradient, jet.first, rtol=1e-12, atol=1e-300)
    assert_allclose(np.broadcast_to(hessian, raw.shape), jet.second, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_float32_is_float64_rounded(loss):
    y, raw = points(loss, [-20.0, -3.25, -0.625, 0.0, 0.5, 2.75, 20.0], np.float32)
    single = pointwise.value_gradient_hessian(loss, y, raw)
    double = pointwise.value_gradient_hessian(loss, y.astype(np.float64), raw.astype(np.float64))
    for narrow, wide in zip(single, double, strict=True):
        assert narrow.dtype == np.float32
        assert_allclose(narrow, wide, rtol=1e-5, atol=3e-7)


@pytest.mark.parametrize("loss", [LogLoss(), Huber(0.7), Tweedie(1.5)], ids=repr)
def test_every_kernel_computes_the_same_numbers(loss):
    y, raw = points(loss, MODERATE)
    value, gradient, hessian = pointwise.value_gradient_hessian(loss, y, raw)
    assert_allclose(pointwise.value(loss, y, raw), value, rtol=1e-14)
    assert_allclose(pointwise.gradient(loss, y, raw), gradient, rtol=1e-14)
    assert_allclose(pointwise.value_gradient(loss, y, raw), (value, gradient), rtol=1e-14)
    assert_allclose(pointwise.gradient_hessian(loss, y, raw), (gradient, hessian), rtol=1e-14)
    assert_allclose(pointwise.mean(loss, raw), loss.mean(raw), rtol=1e-14)


def test_weights_multiply_every_number():
    loss = LogLoss()
    y, raw = points(loss)
    weight = np.linspace(0.0, 3.0, y.size)
    plain = pointwise.value_gradient_hessian(loss, y, raw)
    weighted = pointwise.value_gradient_hessian(loss, y, raw, weight)
    for with_weight, without in zip(weighted, plain, strict=True):
        assert_allclose(with_weight, weight * without, rtol=1e-15)


def test_inputs_may_be_read_only_and_results_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    n = 2 * pointwise.ROWS + 7
    y, raw = rng.uniform(size=n), rng.normal(size=n)
    for array in (y, raw):
        array.flags.writeable = False
    one = pointwise.value_gradient_hessian(LogLoss(), y, raw)
    two = pointwise.value_gradient_hessian(LogLoss(), y, raw, n_threads=2)
    assert_array_equal(one, two)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_mean_minimises_the_expected_loss_where_there_is_a_link(loss):
    """A smooth loss with an inverse link is proper: its gradient vanishes where the target is the mean."""
    if loss.name in ("log_loss", "poisson", "gamma", "tweedie"):
        raw = np.array([-2.0, 0.0, 1.5])
        gradient, _ = loss.derivatives(loss.mean(raw), raw)
        assert_allclose(gradient, 0.0, atol=1e-14)
    elif loss.name == "exponential":
        raw = np.array([-2.0, 0.0, 1.5])
        of_plus = (1 + loss.mean(raw)) / 2
        expected = of_plus * loss.derivatives(1.0, raw)[0] + (1 - of_plus) * loss.derivatives(-1.0, raw)[0]
        assert_allclose(expected, 0.0, atol=1e-14)
    else:
        assert loss.mean(1.5) == 1.5


# ------------------------------------------------------------------------------------ the best constant


def sample(loss, rng, n=41):
    targets = {
        "real": rng.normal(size=n),
        "positive": rng.gamma(2.0, size=n),
        "nonnegative": rng.poisson(1.5, size=n).astype(float),
        "unit": rng.uniform(size=n),
        "sign": rng.choice([-1.0, 1.0], p=[0.3, 0.7], size=n),
    }
    return targets[loss.domain], rng.integers(0, 4, size=n).astype(float)


@pytest.mark.parametrize("loss", CONVEX, ids=repr)
def test_the_slope_changes_its_sign_at_the_minimiser(loss):
    y, weight = sample(loss, np.random.default_rng(0))
    c = loss.minimiser(y, weight)
    rounding = 1e-13 * weight.sum()
    assert np.sum(weight * loss.derivatives(y, c - 1e-7)[0]) <= rounding
    assert np.sum(weight * loss.derivatives(y, c + 1e-7)[0]) >= -rounding


@pytest.mark.parametrize("loss", CONVEX, ids=repr)
def test_a_weight_is_as_many_rows(loss):
    y, weight = sample(loss, np.random.default_rng(1))
    repeated = np.repeat(y, weight.astype(int))
    assert_allclose(loss.minimiser(y, weight), loss.minimiser(repeated), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("loss", CONVEX, ids=repr)
def test_newton_finds_what_the_closed_form_says(loss):
    y, weight = sample(loss, np.random.default_rng(2))
    searched, stated = Loss.minimiser(loss, y, weight), loss.minimiser(y, weight)
    totals = [np.sum(weight * loss.value(y, c)) for c in (searched, stated)]
    assert_allclose(*totals, rtol=1e-13)
    if np.broadcast_to(loss.derivatives(y, stated)[1], y.shape).sum() > 0:
        assert_allclose(searched, stated, rtol=1e-7, atol=1e-7)


def test_where_the_best_constant_is_infinite_a_finite_one_comes_close():
    by_name = {loss.name: loss for loss in LOSSES}
    assert_allclose(by_name["log_loss"].minimiser(np.zeros(3)), -33.7, atol=0.1)
    assert_allclose(by_name["log_loss"].minimiser(np.ones(3)), 33.7, atol=0.1)
    assert_allclose(by_name["exponential"].minimiser(np.ones(3)), 16.9, atol=0.1)
    assert_allclose(by_name["poisson"].minimiser(np.zeros(3)), -33.7, atol=0.1)
    assert Loss.minimiser(LogLoss(), np.ones(3)) > 30


def test_the_middle_of_all_medians_is_taken():
    y = np.array([4.0, 1.0, 2.0, 9.0])
    by_name = {loss.name: loss for loss in LOSSES}
    assert by_name["absolute_error"].minimiser(y) == 3.0
    assert by_name["hinge"].minimiser(np.array([1.0, -1.0])) == 0.0
    assert by_name["quantile"].minimiser(np.arange(10.0)) == 2.5  # any from the 3rd to the 4th target


@pytest.mark.parametrize("weight", [[1.0, -1.0], [0.0, 0.0], [1.0, np.nan], [1.0]], ids=str)
def test_weights_that_have_no_mean_are_refused(weight):
    with pytest.raises(ValueError, match="weight"):
        LogLoss().minimiser(np.array([0.0, 1.0]), np.array(weight))


# ---------------------------------------------------------------------------------------- several classes


@pytest.fixture
def rows():
    """Targets and raw predictions of four classes; the last rows are as sure as can be."""
    rng = np.random.default_rng(3)
    raw = 3.0 * rng.normal(size=(20, 4))
    raw[-3:] = [[40.0, 0.0, -3.0, 1.0], [1e4, -1e4, 0.0, 0.0], [700.0, 0.0, 0.0, 0.0]]
    y = rng.integers(0, 4, size=20).astype(float)
    y[-3:] = [0, 1, 0]
    return y, raw


def softmax(raw):
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def test_the_multinomial_gradient_and_hessian_are_those_of_softmax(rows):
    y, raw = rows
    loss, p, target = MultinomialLogLoss(), softmax(raw), np.eye(4)[y.astype(int)]
    value, gradient, hessian = pointwise.value_gradient_hessian(loss, y, raw)
    assert_allclose(value, np.logaddexp.reduce(raw, axis=1) - np.sum(target * raw, axis=1), atol=1e-14)
    assert_allclose(gradient, p - target, atol=1e-15)
    assert_allclose(hessian, p * (1 - p), atol=1e-15)
    assert_allclose(pointwise.mean(loss, raw), p, rtol=1e-14)
    assert_allclose(pointwise.gradient(loss, y, raw), gradient)
    assert_allclose(pointwise.value_gradient(loss, y, raw)[0], value)


def test_the_multinomial_hessian_product_is_the_dense_hessian_times_the_direction(rows):
    y, raw = rows
    direction = np.random.default_rng(4).normal(size=raw.shape)
    p = softmax(raw)
    dense = p[:, :, None] * np.eye(4) - p[:, :, None] * p[:, None, :]
    product = pointwise.hessian_product(
        MultinomialLogLoss(), y, pointwise.curvature(MultinomialLogLoss(), y, raw), direction
    )
    assert_allclose(product, np.einsum("nkj,nj->nk", dense, direction), atol=1e-15)


def test_with_two_classes_the_multinomial_loss_is_the_log_loss():
    y, raw = points(LogLoss())
    y, raw = y[y != 0.25], raw[y != 0.25]
    value, gradient, hessian = pointwise.value_gradient_hessian(LogLoss(), y, raw)
    both = np.column_stack([np.zeros_like(raw), raw])
    values, gradients, hessians = pointwise.value_gradient_hessian(MultinomialLogLoss(), y, both)
    assert_allclose(values, value, rtol=1e-14, atol=1e-307)
    assert_allclose(gradients, np.column_stack([-gradient, gradient]), rtol=1e-14, atol=1e-307)
    assert_allclose(hessians, np.column_stack([hessian, hessian]), rtol=1e-14, atol=1e-307)


def test_the_methods_for_rows_run_interpreted_too(rows):
    y, raw = rows
    loss, direction = MultinomialLogLoss(), np.ones_like(raw) * [1.0, 2.0, 3.0, 4.0]
    by_kernel = pointwise.value_gradient_hessian(loss, y, raw)
    product = pointwise.hessian_product(loss, y, pointwise.curvature(loss, y, raw), direction)
    for i in (0, 1, 17, 18, 19):
        gradient, hessian, out = np.empty((3, 4))
        loss.derivatives_row(y[i], raw[i], gradient, hessian)
        loss.hessian_product_row(y[i], raw[i], direction[i], out)
        assert_allclose(loss.value_row(y[i], raw[i]), by_kernel[0][i], rtol=1e-13)
        assert_allclose([gradient, hessian], [by_kernel[1][i], by_kernel[2][i]], rtol=1e-13, atol=1e-307)
        assert_allclose(out, product[i], rtol=1e-12, atol=1e-15)


def test_the_best_multinomial_constant_has_the_classes_shares_as_its_mean():
    y, weight = np.array([0.0, 2.0, 2.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0])
    raw = MultinomialLogLoss().minimiser(y, weight, n_classes=4)
    assert_allclose(softmax(raw[None])[0], [0.5, 0.0, 0.5, 0.0], atol=1e-14)
    assert_allclose(raw.mean(), 0.0, atol=1e-14)
