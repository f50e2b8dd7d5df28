"""What traced arrays can do, what they refuse, and what reverse mode costs."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

from calclearn.calculus import (
    directional_derivative,
    gradient,
    hessian,
    hvp,
    jacobian,
    softmax,
    value_and_gradient,
)
from calclearn.calculus._tracing import RULES, Level, Traced, concrete

MODES = ("forward", "reverse")
X = np.array([[0.4, -0.8, 0.3], [1.3, 0.6, -0.2]])


class Count(Level):
    """A third mode, which counts the operations and the entries that they read and write."""

    def __init__(self):
        super().__init__()
        self.operations = self.entries = 0

    def record(self, value, active, primitive, operands, options):
        self.operations += 1
        self.entries += sum(map(np.size, map(concrete, (value, *operands))))
        return Traced(value, self)


def cost(function, x):
    """What a function of an array reads and writes, also inside of operators."""
    count = Count()
    function(Traced(x, count))
    return count.entries


def layers(x):
    h = x
    for _ in range(20):
        h = np.tanh(0.9 * h + 0.1)
    return np.sum(h * h)


def dense_layers(x):
    h = np.reshape(x, (10, -1))
    W = np.full((h.shape[1], h.shape[1]), 0.1)
    for _ in range(10):
        h = np.tanh(h @ W)
    return np.mean(np.square(h))


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize("f", [layers, dense_layers, rosenbrock])
@pytest.mark.parametrize("n", [10, 100, 1000])
def test_gradients_cost_at_most_six_evaluations_whatever_the_number_of_inputs(f, n):
    """Entries read and written, counted by running reverse mode on arrays that count."""
    x = np.linspace(-1.0, 1.0, n)
    assert cost(lambda x: value_and_gradient(f, x), x) <= 6 * cost(f, x)


@pytest.mark.parametrize("n", [10, 1000])
def test_products_with_the_hessian_cost_a_small_multiple_too(n):
    x = np.linspace(-1.0, 1.0, n)
    for f in (layers, rosenbrock):
        assert cost(lambda x, f=f: hvp(f, x, np.ones(n)), x) <= 16 * cost(f, x)


def test_a_sweep_over_single_entries_is_linear_in_their_number():
    """The cotangent of x[i] is added in place: no array of the size of x for each i."""

    def one_by_one(x):
        total = 0.0
        for i in range(len(x)):
            total = total + x[i] * x[i]
        return total

    x = np.arange(300.0)
    assert_array_equal(gradient(one_by_one, x), 2.0 * x)
    assert_array_equal(hvp(one_by_one, x, x), 2.0 * x)
    assert_array_equal(hessian(one_by_one, x[:3]), 2.0 * np.eye(3))


def test_cotangents_that_meet_are_not_mixed_up():
    """Sums are made in place only in arrays of the tape's own."""

    def f(x):
        y = x + 0.0
        z = y + y + y[0] + np.sum(y[1:])
        return np.sum(z * y) + y[0] + y[0] + np.sum(y[[0, 0, 1]]) + np.sum(y) + np.sum(np.reshape(y, (3, 1)))

    x = np.array([0.3, 1.1, -0.4])
    assert_allclose(gradient(f, x), gradient(f, x, mode="forward"), rtol=1e-14)
    assert_allclose(hessian(f, x), hessian(f, x, mode="forward"), rtol=1e-14)
    assert_allclose(hessian(f, x), hessian(f, x, mode="reverse"), rtol=1e-14)


def test_cotangents_that_move_are_added_to_plain_ones():
    """An inner sweep meets plain cotangents, then one of the outer level, then a plain one."""
    a, b, c = np.arange(9.0).reshape(3, 3)

    def f(x):
        return np.sum(a * x) + np.sum(x**2) + np.sum(b * x) + np.sum(c * x)

    def norm(x):
        return np.sum(gradient(f, x, mode="reverse") ** 2)

    x = X[0]
    for mode in MODES:
        assert_allclose(gradient(norm, x, mode=mode), 4.0 * (a + b + c + 2.0 * x), rtol=1e-14)


def test_base_and_exponent_move_together():
    """Also where the exponent is just 2."""
    expected = [[2.0, 3.0 + 6.0 * np.log(3.0)], [3.0 + 6.0 * np.log(3.0), 9.0 * np.log(3.0) ** 2]]
    for mode in (None, *MODES):
        assert_allclose(hessian(lambda x: x[0] ** x[1], [3.0, 2.0], mode=mode), expected, rtol=1e-14)


def test_indices_and_conditions_may_change_after_their_use():
    def f(x):
        i, mask, total = np.array([0]), np.array([True, False, False]), 0.0
        for _ in range(2):
            total = total + x[i][0] + np.sum(np.where(mask, x, 0.0)) + np.sum(x[mask])
            i += 1
            mask[:] = ~mask
        return total

    for mode in MODES:
        assert_allclose(gradient(f, X[0], mode=mode), [3.0, 3.0, 2.0])


def test_nan_among_the_entries_is_nan_as_numpys():
    x = np.array([1.0, np.nan, 3.0])
    for f in (np.median, np.max, np.min):
        value, slope = value_and_gradient(f, x)
        assert np.isnan(value)
        assert_array_equal(slope, [0.0, 1.0, 0.0])


def test_in_place_operators_name_a_new_value():
    def f(x):
        y = x
        y += 1.0
        y *= x
        return np.sum(y - x * x)  # x is what it was

    assert_array_equal(gradient(f, [2.0, 3.0]), [1.0, 1.0])


SAME = [  # each of them is NumPy's, and has one derivative in all modes
    lambda x: x.T @ x,
    lambda x: x.mT,
    lambda x: x.sum(),
    lambda x: x.sum(axis=0, keepdims=True),
    lambda x: x.mean(1),
    lambda x: x.var(axis=1, ddof=1),
    lambda x: x.std(),
    lambda x: x.max(axis=0),
    lambda x: x.min(axis=(0, 1)),
    lambda x: np.max(x, initial=0.5),
    lambda x: x.prod(axis=1),
    lambda x: x.reshape(3, 2).reshape((2, 3)).reshape(-1),
    lambda x: x.ravel(),
    lambda x: x.flatten(),
    lambda x: x.transpose(1, 0).copy(),
    lambda x: x.transpose(),
    lambda x: x.dot(x[0]),
    lambda x: x[:, 0].dot(x),
    lambda x: x[None].squeeze(),
    lambda x: x[..., None].squeeze(-1),
    lambda x: x.swapaxes(0, -1),
    lambda x: x.cumsum(axis=1),
    lambda x: x.cumsum(),
    lambda x: x.cumprod(axis=-1),
    lambda x: x.clip(-0.5, 0.5),
    lambda x: np.clip(x, min=0.0),
    lambda x: np.clip(x, None, 0.35),
    lambda x: x.repeat(2, axis=1),
    lambda x: np.repeat(x, [1, 3], axis=0),
    lambda x: x.take([0, 2], axis=1),
    lambda x: np.take(x, 4),
    lambda x: x.diagonal() + x.trace(),
    lambda x: np.diagonal(x, offset=1),
    lambda x: np.diagonal(x, -1),
    lambda x: np.diag(x[0], 1) + np.diag(x[0, :2], -2)[0, 0],
    lambda x: np.tril(x, 1) + np.triu(x, -1),
    lambda x: x.astype(np.float64) * x.real,
    lambda x: np.ptp(x, axis=1),
    lambda x: np.full_like(x, x[0, 0]),
    lambda x: np.meshgrid(x[0], x[1])[0] * np.meshgrid(x[0], x[1], indexing="ij")[1],
    lambda x: np.meshgrid(x[0], x[1], x[0])[2],
    lambda x: np.linspace(x[0], x[1], 4) + np.linspace(0.0, x[0, 0], 4, endpoint=False)[:, None],
    lambda x: np.select([X > 0.5, X > 0], [x, x**2], default=-x),
    lambda x: np.nanmean(x, axis=0),
    lambda x: np.stack(list(x)),
    lambda x: np.stack([abs(v) for v in x.flat]),
    lambda x: x[1, ::-1] - x[0, 1:2],
    lambda x: x[[1, 0, 1]],
    lambda x: x[np.array([[0, 1], [1, 1]]), :2],
    lambda x: x[:, [0, 2]],
    lambda x: x[None, [1], ..., [0, 2]],
    lambda x: x[X > 0],
    lambda x: x[x < 100.0],
    lambda x: x[-1][np.array([True, False, True])],
    lambda x: x[np.newaxis, ..., -1],
    lambda x: x[()],
    lambda x: x[:, []],
    lambda x: np.vstack([x[0], x]),
    lambda x: np.hstack([x[:, :1], x]),
    lambda x: np.hstack([x[0], x[1]]),
    lambda x: np.column_stack([x[:, 0], x]),
    lambda x: np.concatenate([x, 2.0 * x], axis=None),
    lambda x: np.concatenate((x, np.ones((2, 1))), axis=-1),
    lambda x: np.append(x, x[0, :2]),
    lambda x: np.append(x, x, axis=0),
    lambda x: np.block([[x, np.ones((2, 1))], [x[:1], x[:1, :1]]]),
    lambda x: np.split(x, 3, axis=1)[2],
    lambda x: np.split(x, [1], axis=0)[1],
    lambda x: np.pad(x, 1),
    lambda x: np.pad(x, ((0, 0), (1, 2)), mode="edge"),
    lambda x: np.pad(x, 1, constant_values=2.0),
    lambda x: np.tile(x, 2),
    lambda x: np.tile(x[0], (2, 1)),
    lambda x: np.flip(x) + np.flipud(x) * np.fliplr(x),
    lambda x: np.roll(x, 2) + np.roll(x, (1, 2), axis=(0, 1)),
    lambda x: np.diff(x, n=2, axis=1),
    lambda x: np.ediff1d(x),
    lambda x: np.delete(x, 1, axis=1),
    lambda x: np.compress([True, False, True], x, axis=1),
    lambda x: np.extract(np.array([[True, False, True]] * 2), x),
    lambda x: np.sort(x, axis=1),
    lambda x: np.sort(x, axis=None),
    lambda x: np.median(x, axis=0),
    lambda x: np.median(x),
    lambda x: np.average(x, axis=1, weights=[0.2, 0.3, 0.5]),
    lambda x: np.average(x, weights=np.ones((2, 3))),
    lambda x: np.average(np.stack([x, 2.0 * x]), axis=(2, 0), weights=np.arange(1.0, 7.0).reshape(3, 2)),
    lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0),
    lambda x: np.take_along_axis(x, np.array([[2, 0]]), axis=1),
    lambda x: np.expand_dims(x, (0, 3)),
    lambda x: np.atleast_2d(x[0]) + np.atleast_1d(x[0, 0]),
    lambda x: np.broadcast_arrays(x, x[0])[1],
    lambda x: np.moveaxis(x[None], [0, 1], [-1, 0]),
    lambda x: np.trapezoid(x, dx=0.5) + np.trapezoid(x, x=[0.0, 1.0, 3.0], axis=1),
    lambda x: np.trapezoid(x[0], x=x[1]),
    lambda x: np.trapezoid(x, x=np.array([[0.0, 1.0, 2.0], [1.0, 5.0, 4.0]]), axis=0),
    lambda x: np.polyval(x[0], x[1]),
    lambda x: np.vdot(x, x) + np.inner(x[0], x[1]),
    lambda x: np.vecdot(x, x[0]),
    lambda x: np.tensordot(x, x, axes=([0, 1], [0, 1])),
    lambda x: np.tensordot(x, x, axes=0),
    lambda x: np.tensordot(x[:0], x[:0], axes=([0], [0])),
    lambda x: np.ones((2, 3, 0)) @ x[:0],
    lambda x: np.cross(x[0], x),
    lambda x: np.linalg.multi_dot([x, x.T, x]),
    lambda x: np.linalg.matrix_power(x[:, :2], 3),
    lambda x: np.linalg.matrix_power(x[:, :2], -2),
    lambda x: np.linalg.matrix_power(x[:, :2], 0),
    lambda x: np.linalg.cholesky(x @ x.T, upper=True),
    lambda x: np.linalg.solve(np.stack([x[:, :2], x[:, 1:]]), x[:, :1]),
    lambda x: np.linalg.norm(x, axis=1) + np.linalg.norm(x),
    lambda x: np.linalg.norm(x, ord=1) + np.linalg.norm(x, np.inf),
    lambda x: np.linalg.norm(x, ord=-1) + np.linalg.norm(x, "fro", keepdims=True),
    lambda x: np.linalg.norm(x, axis=0, ord=3) + np.linalg.norm(x, axis=0, ord=np.inf),
    lambda x: np.linalg.norm(x[0], 1) + np.linalg.norm(x[0], -np.inf) + np.linalg.norm(x[0], 0),
    lambda x: np.linalg.vector_norm(x, axis=1) + np.linalg.matrix_norm(x),
    lambda x: np.linalg.trace(x[:, :2]) + np.linalg.diagonal(x),
    lambda x: np.linalg.outer(x[0], x[1]),
    lambda x: np.einsum("ij,kj", x, x),
    lambda x: np.einsum("ij->", x),
    lambda x: np.einsum("i...,i...", x, x),
    lambda x: np.einsum("...,...->...", x, x[:, :1]),
    lambda x: np.einsum("ij,jk,kl->il", x, x.T, x),
    lambda x: np.einsum("ij,ij->i", x, x[:1]),
    lambda x: np.einsum("ij,k->i", x, x[0]),
    lambda x: np.add.reduce(x, axis=1) + np.multiply.reduce(x, axis=1) + np.maximum.reduce(x, axis=1),
    lambda x: np.minimum.reduce(x) + np.add.accumulate(x, axis=0) + np.multiply.accumulate(x, axis=0),
    lambda x: np.multiply.outer(x[0], x) + np.add.outer(x[0], x) + np.subtract.outer(x[0], x),
    lambda x: np.where(x > 0, 1.0, x) + np.where(x > 0, x, x[0]),
    lambda x: np.nan_to_num(x) + np.nansum(x),
    lambda x: x % 0.7 + np.fmod(x, 0.7),
    lambda x: x // 0.7 + np.sign(x) * np.round(x) + np.floor(x) + np.argmax(x),
    lambda x: +x - (-x) + 2.0 / (3.0 + x) + (3.0 - x) @ np.ones((3, 1)) + np.ones(2) @ x,
    lambda x: np.ones((4, 2)) @ x,
    lambda x: np.arange(6.0).reshape(1, 2, 3) @ x.T,
    lambda x: np.float64(2.0) * x + np.array([1.0, 2.0, 3.0]) ** x,
    lambda x: softmax(x, 1) + np.sinc(x),
]  # fmt: skip


@pytest.mark.parametrize("f", SAME, ids=range(len(SAME)))
def test_methods_and_functions_are_numpys(f):
    value = np.asarray(f(X))

    def weighted(x):
        y = f(x)
        if isinstance(y, Traced):
            assert y.shape == value.shape
            assert_allclose(concrete(y), value, rtol=1e-14, atol=1e-16)
        return np.sum(y * np.cos(np.arange(value.size)).reshape(value.shape))

    forward = gradient(weighted, X, mode="forward")
    assert_allclose(gradient(weighted, X, mode="reverse"), forward, rtol=1e-12, atol=1e-14)
    with np.errstate(all="ignore"):
        assert_allclose(gradient(weighted, X, mode="numerical"), forward, rtol=1e-6, atol=1e-8)
    curvature = hessian(weighted, X, mode="forward")
    assert_allclose(hessian(weighted, X), curvature, rtol=1e-11, atol=1e-12)
    assert_allclose(hessian(weighted, X, mode="reverse"), curvature, rtol=1e-11, atol=1e-12)


def test_matvec_and_vecmat_are_products():
    if hasattr(np, "matvec"):
        for f in (lambda x: np.matvec(x, x[0]), lambda x: np.vecmat(x[:, 0], x)):
            for mode in MODES:
                assert_allclose(
                    jacobian(f, X, mode=mode), jacobian(f, X, mode="numerical"), rtol=1e-8, atol=1e-9
                )


def test_traced_arrays_tell_what_they_are():
    def f(x):
        assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
        assert np.shape(x) == (2, 3)
        assert np.ndim(x) == 2
        assert np.size(x) == 6
        assert f"{x[0, 0]:.2f}" == "0.40"
        assert round(x[1, 0]) == 1.0
        assert repr(x[0, 0]) == "Traced(np.float64(0.4))"
        assert (x > 0).dtype == bool
        assert x.any()
        assert not np.all(x > 0)
        assert np.isfinite(x).all()
        assert x.argmax() == 3
        assert list(x.argsort(axis=1)[0]) == [1, 2, 0]
        assert np.allclose(x, X)
        assert np.zeros_like(x).sum() == 0.0
        if x[0, 0] > 0:  # branches on values
            return x[0, 0] ** 2 + max(x[0, 1], x[1, 1]) + sum(x[1])
        return x[0, 1]

    assert_allclose(gradient(f, X), [[0.8, 0.0, 0.0], [1.0, 2.0, 1.0]])


def _write(x):
    y = np.zeros(3)
    y[0] = x[0]
    return y.sum()


def _assign(x):
    x[0] = 1.0
    return x.sum()


def _add_to_plain(x):
    y = np.zeros(3)
    y += x
    return y.sum()


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.linalg.qr(np.outer(x, x))[0][0, 0], r"np\.linalg\.qr has no derivative rule here"),
        (lambda x: np.linalg.svd(np.outer(x, x))[1][0], r"np\.linalg\.svd has no derivative rule here"),
        (lambda x: np.linalg.eigvals(np.outer(x, x))[0], r"np\.linalg\.eigvals has no derivative rule"),
        (lambda x: np.linalg.norm(np.outer(x, x), 2), "with ord=2 of a matrix has no derivative rule"),
        (lambda x: scipy.special.ellipk(x[0]), r"scipy\.special\.ellipk has no derivative rule here"),
        (lambda x: scipy.special.logsumexp(x), r"scipy\.special\.logsumexp asks .* from calclearn.calculus"),
        (lambda x: scipy.special.softmax(x)[0], r"scipy\.special\.softmax asks .* from calclearn.calculus"),
        (lambda x: scipy.linalg.det(np.outer(x, x)), r"scipy\.linalg\.det asks .* from np\.linalg"),
        (lambda x: np.eye(3).dot(x)[0], r"write A @ x instead of A\.dot\(x\)"),
        (lambda x: np.linalg.cond(np.outer(x, x)), r"np\.linalg\.cond has no derivative rule here"),
        (lambda x: np.fft.fft(x)[0], r"np\.fft\.fft has no derivative rule here"),
        (lambda x: np.sum(x, where=[True, False, True]), r"np\.sum with where= has no derivative rule here"),
        (lambda x: np.sum(x, dtype=np.float32), r"np\.sum with dtype= has no derivative rule here"),
        (lambda x: np.exp(x, where=[True, False, True])[0], r"np\.exp with where= has no derivative rule"),
        (lambda x: np.add.at(np.zeros(3), 0, x[0]), r"np\.add\.at has no derivative rule here"),
        (lambda x: np.reshape(x, (1, 3), order="F")[0, 0], "order='F' has no derivative rule here"),
        (lambda x: scipy.special.jv(x[0], 1.0), "jv has no derivative in its operand 1"),
        (lambda x: math.exp(x[0]), r"write np\.exp, np\.log"),
        (lambda x: float(x[0]), r"float\(\), or a function of math"),
        (lambda x: x[0].item(), r"item\(\) or tolist\(\) .* write x\[i\]"),
        (lambda x: x.item(0), r"item\(\) or tolist\(\) .* write x\[i\]"),
        (lambda x: sum(x.tolist()), r"item\(\) or tolist\(\) .* list\(x\)"),
        (lambda x: pd.DataFrame(np.eye(3)) @ x, r"pandas\..* as in df\.to_numpy\(\) @ x"),
        (lambda x: int(x[0]), r"int\(\) on an array that is being differentiated"),
        (lambda x: np.array([x[0], x[1]]).sum(), r"np\.stack or np\.concatenate"),
        (lambda x: np.asarray(x).sum(), "this asks for a plain array"),
        (_write, r"instead of writing into a plain array, out\[i\] = x, build it with np\.stack"),
        (_assign, r"instead of a\[i\] = b write np\.where"),
        (_add_to_plain, r"name a new array, as in a = a \+ b"),
        (lambda x: np.arange(3.0)[x], "being differentiated"),
        (lambda x: x[x[0]], "index of an array cannot be one that is being differentiated"),
        (lambda x: x.astype(complex)[0], r"astype\(complex128\)"),
        (lambda x: np.einsum(x, [0], []), "write a string of letters"),
        (lambda x: np.pad(x, 1, mode="mean")[0], "np.pad with mode='mean' has no derivative rule"),
        (lambda x: np.pad(x, 1, constant_values=(1, 2))[0], r"np.pad with constant_values=\(1, 2\)"),
        (lambda x: np.max(x, 0, None, True), r"np\.max with more than 2 arguments by place"),
        (lambda x: np.real((x + 1j) ** 2)[0], "complex numbers have no derivative rules"),
    ],
)
def test_what_cannot_be_differentiated_is_named(f, message):
    for mode in MODES:
        with pytest.raises(TypeError, match=message):
            gradient(f, [0.3, 0.5, 0.7], mode=mode)


TABLE, COLUMN = pd.DataFrame(X.T, columns=["a", "b"]), pd.Series([1.0, -2.0, 0.5], index=[7, 8, 9])


@pytest.mark.parametrize(
    "f",
    [
        lambda w, X, y: np.sum(np.dot(X, w) * y),
        lambda w, X, y: np.mean((np.dot(X, w) - y) ** 2),
        lambda w, X, y: np.mean((y - w @ X.T) ** 2),
        lambda w, X, y: np.sum(np.maximum(0.0, 1.0 - y * (w @ X.T))),
        lambda w, X, y: np.sum(np.where(y > 0, w[0], w[1] * y)),
        lambda w, X, y: np.sum((w @ X.T > y) * w[0]) + np.sum(y / w[0]),
        lambda w, X, y: np.sum(np.concatenate([w, y]) ** 2),
        lambda w, X, y: np.sum((w @ X.T)[y > 0] ** 2),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_operands_of_pandas_are_arrays(f, mode):
    w = [0.7, -0.4]
    expected = gradient(lambda w: f(w, TABLE.to_numpy(), COLUMN.to_numpy()), w, mode=mode)
    assert_array_equal(gradient(lambda w: f(w, TABLE, COLUMN), w, mode=mode), expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda w: pd.Series([w[0] * w[1], w[1]]),
        lambda w: pd.DataFrame({"a": [w[0] * w[1], w[1]]}),
        lambda w: {"a": w[0]},
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_what_hides_traced_entries_is_no_result(f, mode):
    for call in (jacobian, lambda f, x, mode: directional_derivative(f, x, x, mode=mode)):
        with pytest.raises(TypeError, match=r"real numbers, got (?s:.*)np\.stack"):
            call(f, [1.0, 2.0], mode=mode)


def test_a_comparison_of_several_is_no_condition():
    with pytest.raises(ValueError, match="ambiguous"):
        gradient(lambda x: x[0] if x > 0 else x[1], [1.0, 2.0])


def test_every_rule_is_reached_by_numpys_or_scipys_name():
    """All are functions that a user can call."""
    for function in RULES:
        if not isinstance(function, str):
            name = function.__name__
            homes = (np, np.linalg, scipy.special)
            assert any(hasattr(home, name) for home in homes), name
