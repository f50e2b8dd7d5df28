r"""Derivatives of functions of arrays, as functions of the function and the point.

There are three modes.  **Forward** carries tangents along (:mod:`.forward`): one pass gives :math:`J v` for
as many directions :math:`v` as one likes, so it suits few inputs.  **Reverse** records a tape and sweeps back
along it (:mod:`.tape`): a sweep gives :math:`J^\top u`, so it suits few outputs, and the gradient of a number
costs a small multiple of the function, whatever the number of inputs.  Both are exact.  **Numerical** takes
differences (:mod:`scipy.differentiate`), of any function, to about eight digits.

For the first two a function is written with operators and with NumPy's functions, and with the special
functions of SciPy; an operation without a rule is an error that names it.  Plain arrays that it computes with
must not be written to before it returns: reverse mode needs them once more on the way back.  Series and
DataFrames that it computes with are taken as arrays, but for ``df @ x`` and ``df.dot(x)``, which pandas keeps
to itself: write ``df.to_numpy() @ x``.  Modes nest: a function that is differentiated may call these
operators itself.
"""

import numbers
from dataclasses import dataclass, field

import numpy as np

from . import _numerical, _rules_algebra, _rules_reductions  # noqa: F401, they register the rules
from ._tracing import NoRule, Traced, concrete, shape_of
from .forward import push_forward
from .tape import pull_back

MODES = ("forward", "reverse", "numerical")


def derivative(f, x, *, order=1, mode=None):
    r"""The derivative of a function of one number, at each entry of an array.

    Parameters
    ----------
    f : callable
        A function of one number, that takes arrays entry by entry.
    x : float or array-like
        Where.
    order : int, default=1
        How often to differentiate.  Each order multiplies the cost by about three.
    mode : {"forward", "reverse", "numerical"}, optional
        None means forward: there is one input.  Numerically, the order is 1 or 2.

    Returns
    -------
    float or ndarray
        Of the shape of ``f(x)``.

    Raises
    ------
    TypeError
        If `f` uses an operation that has no rule, or `x` is not real.
    ValueError
        If `order` or `mode` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import derivative
    >>> derivative(np.sin, [0.0, np.pi])
    array([ 1., -1.])
    >>> float(derivative(lambda x: x**4, 2.0, order=3))
    48.0
    """
    x = _input(x)
    _checked(mode)
    order = _order(order, 1)
    if mode == "numerical":
        if order > 2:
            raise ValueError(
                f"numerically, order must be 1 or 2, got order={order}; the other modes take any"
            )
        return _numerical.derivative(f, _floats(x), order)[()]
    one_step = _derivative_reverse if mode == "reverse" else _derivative_forward
    nested = f
    for _ in range(order):
        nested = one_step(nested)
    return _quiet(nested, x)


def _derivative_forward(f):
    def slope(x):
        value, tangents = push_forward(f, x, _ones(x)[None])
        _entry_by_entry(_size(value) >= _size(x), value, x)  # each entry may have several values
        return tangents[0]

    return slope


def _derivative_reverse(f):
    def slope(x):
        value, pull = pull_back(f, x)
        _entry_by_entry(shape_of(value) == shape_of(x), value, x)
        return pull(_ones(value))

    return slope


def _entry_by_entry(can_be, value, x):
    if not can_be:
        raise ValueError(
            f"derivative is of functions that act entry by entry; from shape {shape_of(x)} came "
            f"{shape_of(value)}: jacobian is for all others"
        )


def gradient(f, x, *, mode=None):
    r"""The gradient :math:`\nabla f` of a function with one output.

    Parameters
    ----------
    f : callable
        A function of an array that returns a number.
    x : array-like of any shape
        Where.  Integers become float64; float32 stays.
    mode : {"forward", "reverse", "numerical"}, optional
        None means reverse, whose cost does not grow with the number of inputs; forward for a single one.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    Raises
    ------
    TypeError
        If `f` uses an operation that has no rule, or `x` is not real.
    ValueError
        If `f` does not return a single number, or there is no such `mode`.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import gradient
    >>> gradient(lambda w: np.sum(w**2) / 2, [1.0, 2.0, 3.0])
    array([1., 2., 3.])
    """
    return value_and_gradient(f, x, mode=mode)[1]


def value_and_gradient(f, x, *, mode=None):
    """The value of a function with one output, and its gradient.

    Parameters
    ----------
    f : callable
        A function of an array that returns a number.
    x : array-like of any shape
        Where.
    mode : {"forward", "reverse", "numerical"}, optional
        As for `gradient`.

    Returns
    -------
    value : float
    gradient : ndarray
        Of the shape of `x`.

    Raises
    ------
    TypeError, ValueError
        As `gradient`.

    Examples
    --------
    >>> from calclearn.calculus import value_and_gradient
    >>> value, slope = value_and_gradient(lambda w: w @ w, [3.0, 4.0])
    >>> float(value), slope
    (25.0, array([6., 8.]))
    """
    x = _input(x)
    _checked(mode)
    if mode == "numerical":
        x = _floats(x)
        value = _number(f(x))
        return value, _numerical.jacobian(f, x, ())

    def answer(x):
        if mode == "forward" or (mode is None and _size(x) == 1):
            value, tangents = push_forward(f, x, _directions(x))
            return _number(value), _typed(np.reshape(tangents, shape_of(x)), x)
        value, pull = pull_back(f, x)
        return _number(value), _typed(pull(_ones(value)), x)

    return _quiet(answer, x)


def directional_derivative(f, x, v, *, mode=None):
    r"""The derivative of a function in a direction, :math:`J v`: how fast it changes on the way.

    Parameters
    ----------
    f : callable
        A function of an array, with outputs of any shape.
    x : array-like
        Where.
    v : array-like of the shape of `x`
        The direction.  Its length counts: the answer is linear in it.
    mode : {"forward", "reverse", "numerical"}, optional
        None means forward, which takes one pass.

    Returns
    -------
    float or ndarray
        Of the shape of ``f(x)``.

    Raises
    ------
    TypeError
        If `f` uses an operation that has no rule, or `x` or `v` is not real.
    ValueError
        If the shapes of `x` and `v` differ, or there is no such `mode`.

    Examples
    --------
    >>> from calclearn.calculus import directional_derivative
    >>> float(directional_derivative(lambda x: x[0] * x[1], [2.0, 5.0], [1.0, 0.0]))
    5.0
    """
    x, v = _input(x), _direction(v, x)
    _checked(mode)
    if mode == "numerical":
        x, v = _floats(x), _floats(v)
        return _numerical.jacobian(lambda t: f(x + t * v), np.zeros(()), shape_of(f(x)))[()]
    if mode == "reverse":
        J = jacobian(f, x, mode="reverse")
        lead = J.ndim - np.ndim(concrete(x))
        return np.sum(J * v, axis=tuple(range(lead, J.ndim)))
    return _quiet(lambda x: push_forward(f, x, v[None])[1][0], x)


def jacobian(f, x, *, mode=None):
    r"""All partial derivatives of a function with several outputs.

    Parameters
    ----------
    f : callable
        A function of an array.  It returns an array, or a list or tuple of numbers.
    x : array-like of any shape
        Where.
    mode : {"forward", "reverse", "numerical"}, optional
        None means forward where there are at least as many outputs as inputs, else reverse.

    Returns
    -------
    ndarray of shape ``f(x).shape + x.shape``
        Entry [i, j] is the derivative of output i with respect to input j.

    Raises
    ------
    TypeError
        If `f` uses an operation that has no rule, or `x` is not real.
    ValueError
        If there is no such `mode`.

    Examples
    --------
    >>> from calclearn.calculus import jacobian
    >>> jacobian(lambda x: (x[0] * x[1], x[0] + 3 * x[1], x[1] ** 2), [2.0, 5.0])
    array([[ 5.,  2.],
           [ 1.,  3.],
           [ 0., 10.]])
    """
    x = _input(x)
    _checked(mode)
    if mode == "numerical":
        x = _floats(x)
        return _numerical.jacobian(f, x, np.shape(f(x)))

    def answer(x):
        if mode != "forward":
            value, pull = pull_back(f, x)
            if mode == "reverse" or _size(value) < _size(x):
                rows = [pull(unit, last=False) for unit in _directions(value)]
                return np.reshape(np.stack(rows) if rows else np.zeros(0), shape_of(value) + shape_of(x))
        value, tangents = push_forward(f, x, _directions(x))
        return np.reshape(np.moveaxis(tangents, 0, -1), shape_of(value) + shape_of(x))

    return _quiet(answer, x)


def hessian(f, x, *, mode=None):
    r"""All second partial derivatives of a function with one output.

    Parameters
    ----------
    f : callable
        A function of an array that returns a number.
    x : array-like of any shape
        Where.
    mode : {"forward", "reverse", "numerical"}, optional
        None means forward over reverse: the gradient by a sweep, and its derivative in all directions at
        once.  Otherwise both times the mode named.

    Returns
    -------
    ndarray of shape ``x.shape + x.shape``

    Raises
    ------
    TypeError, ValueError
        As `gradient`.

    See Also
    --------
    hvp : Its product with a vector, without the matrix.

    Examples
    --------
    >>> from calclearn.calculus import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1], [1.0, 3.0])
    array([[6., 2.],
           [2., 0.]])
    """
    x = _input(x)
    _checked(mode)
    if mode == "numerical":
        x = _floats(x)
        _number(f(x))
        return _numerical.hessian(f, x)
    inner, outer = ("reverse", "forward") if mode is None else (mode, mode)
    return jacobian(lambda x: gradient(f, x, mode=inner), x, mode=outer)


def hvp(f, x, v, *, mode=None):
    r"""The product of the Hessian with a vector, :math:`\nabla^2 f\, v`, without the matrix.

    It is the gradient of the directional derivative, reverse mode over forward mode, and costs a small
    multiple of the function, whatever the number of inputs.

    Parameters
    ----------
    f : callable
        A function of an array that returns a number.
    x : array-like of any shape
        Where.
    v : array-like of the shape of `x`
        The vector.
    mode : {"forward", "reverse", "numerical"}, optional
        None means reverse over forward; otherwise both times the mode named (numerically, by way of the
        whole matrix).

    Returns
    -------
    ndarray of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `gradient`; and if the shapes of `x` and `v` differ.

    Examples
    --------
    >>> from calclearn.calculus import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1], [1.0, 3.0], [1.0, 0.0])
    array([6., 2.])
    """
    x, v = _input(x), _direction(v, x)
    _checked(mode)
    if mode == "numerical":
        return np.tensordot(hessian(f, x, mode=mode), v, np.ndim(x))
    inner, outer = ("forward", "reverse") if mode is None else (mode, mode)

    def along(x):
        if inner == "reverse":
            return np.sum(gradient(f, x, mode="reverse") * v)
        return _number(push_forward(f, x, v[None])[1][0])

    return gradient(along, x, mode=outer)


# ------------------------------------------------------------------------------------- Taylor polynomials


@dataclass(frozen=True, eq=False, repr=False)
class TaylorPolynomial:
    r"""The polynomial :math:`\sum_k c_k t^k` that agrees with a function to some order.

    Parameters
    ----------
    coefficients : ndarray of shape (order + 1, ...)
        :math:`c_k = f^{(k)}/k!`, the constant one first.
    centre : float or ndarray
        Where it was expanded.
    direction : float or ndarray
        The function is that of the step t, ``f(centre + t * direction)``.

    See Also
    --------
    taylor : Makes one.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import TaylorPolynomial
    >>> polynomial = TaylorPolynomial(np.array([1.0, 0.0, -0.5]))
    >>> polynomial, float(polynomial(2.0))
    (1 - 0.5 t^2 + O(t^3), -1.0)
    """

    coefficients: np.ndarray
    centre: object = field(default=0.0)
    direction: object = field(default=1.0)

    @property
    def order(self):
        """The highest power."""
        return len(self.coefficients) - 1

    def __call__(self, t):
        """The polynomial at the step `t`, or at each of them."""
        t = np.asarray(t)
        t = t.reshape(t.shape + (1,) * (self.coefficients.ndim - 1))
        value = np.zeros_like(t * self.coefficients[0])
        for coefficient in self.coefficients[::-1]:
            value = value * t + coefficient
        return value[()]

    def __repr__(self):
        if self.coefficients.ndim > 1:
            return f"TaylorPolynomial(order={self.order}, shape={self.coefficients.shape[1:]})"
        text = ""
        for power, coefficient in enumerate(self.coefficients):
            if coefficient == 0.0 and self.coefficients.any():
                continue
            number = f"{abs(coefficient):.6g}"
            variable = ("", "t")[power] if power < 2 else f"t^{power}"
            term = variable if variable and number == "1" else f"{number} {variable}".strip()
            sign = "-" if coefficient < 0 else "+"
            text += f" {sign} {term}" if text else term if sign == "+" else f"-{term}"
            if not self.coefficients.any():
                break
        return f"{text} + O(t^{self.order + 1})"


def taylor(f, x, order, direction=None):
    r"""The Taylor polynomial of a function, along a direction.

    Parameters
    ----------
    f : callable
        A function of a number or an array, with outputs of any shape.
    x : float or array-like
        Where to expand.
    order : int
        The highest power.  Each multiplies the cost by about three.
    direction : float or array-like of the shape of `x`, optional
        The polynomial is that of the step t, ``f(x + t * direction)``.  By default 1, for a function of one
        number; with several the direction must be said.

    Returns
    -------
    TaylorPolynomial
        With `coefficients`; it can be called, and prints as a formula.

    Raises
    ------
    TypeError
        If `f` uses an operation that has no rule, or `x` is not real.
    ValueError
        If `order` is negative, or the direction is missing or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import taylor
    >>> polynomial = taylor(np.cos, 0.0, 4)
    >>> polynomial
    1 - 0.5 t^2 + 0.0416667 t^4 + O(t^5)
    >>> abs(float(polynomial(0.1) - np.cos(0.1))) < 1e-8
    True
    """
    x, order = _input(x), _order(order, 0)
    if direction is None:
        if shape_of(x):
            raise ValueError(f"taylor of a function of shape {shape_of(x)} needs a direction of that shape")
        direction = np.ones_like(concrete(x))
    direction = _direction(direction, x)

    def all_derivatives(g, count):
        """g(0), g'(0), ... as an array with a leading axis, from one nested pass."""
        if not count:
            return lambda t: _stacked(g(t))[None]

        def upto(t):
            inner = all_derivatives(g, count - 1)
            value, tangents = push_forward(inner, t, np.ones((1,)))
            return np.concatenate([value, tangents[0][-1:]])

        return upto

    derivatives = _quiet(lambda t: all_derivatives(lambda t: f(x + t * direction), order)(t), np.zeros(()))
    factorials = np.cumprod([1.0, *range(1, order + 1)])
    shape = (-1, *(1,) * (np.ndim(derivatives) - 1))
    return TaylorPolynomial(derivatives / factorials.reshape(shape), x, direction)


def _stacked(y):
    return np.stack(y) if isinstance(y, list | tuple) else np.asarray(y) if not isinstance(y, Traced) else y


# ------------------------------------------------------------------------------------------- what is given


def _size(x):
    return np.size(concrete(x))


def _ones(x):
    return np.ones(shape_of(x), concrete(x).dtype if hasattr(concrete(x), "dtype") else None)


def _directions(x):
    """One for each entry: the unit vectors, of the shape of *x*."""
    return np.eye(_size(x), dtype=_ones(x).dtype).reshape(_size(x), *shape_of(x))


def _input(x, name="x"):
    """*x* as an array of floats; traced, in an operator inside a function that is being differentiated."""
    if isinstance(x, list | tuple) and any(isinstance(item, Traced) for item in x):
        return np.stack(x)
    if isinstance(x, Traced):
        return x
    array = np.asarray(x)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must be real numbers, got {x!r}")
    return array


def _floats(x):
    """For differences, which need plain numbers."""
    if isinstance(x, Traced):
        raise TypeError(
            "mode='numerical' inside a function that is being differentiated: take another mode there"
        )
    return np.asarray(x, dtype=np.float64)


def _typed(answer, x):
    """A gradient is of the type of *x*, whatever was computed with."""
    dtype = concrete(x).dtype
    return answer if concrete(answer).dtype == dtype else answer.astype(dtype)


def _direction(v, x):
    v = _input(v, "the direction")
    if shape_of(v) != shape_of(x):
        raise ValueError(f"the direction must have the shape of x, {shape_of(x)}, got {shape_of(v)}")
    return v


def _number(value):
    """A value that must be a single number."""
    if shape_of(value) != ():
        raise ValueError(
            f"the function must return one number, got shape {shape_of(value)}: sum it, or take its jacobian"
        )
    return value


def _order(order, least):
    if isinstance(order, bool) or not isinstance(order, numbers.Integral) or order < least:
        raise ValueError(f"order must be an integer of at least {least}, got {order!r}")
    return int(order)


def _checked(mode):
    if mode is not None and mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)} or None, got {mode!r}")


def _quiet(function, x):
    """Rules never warn: what overflows is infinite silently, as in jets."""
    try:
        with np.errstate(all="ignore"):
            answer = function(x)
    except ValueError as error:
        if isinstance(error.__cause__, NoRule):  # where an array is written into, NumPy says less than we do
            raise error.__cause__ from None
        raise
    if isinstance(answer, tuple):
        return tuple(map(_own, answer))
    return _own(answer)


def _own(answer):
    """An array that can be written to."""
    if isinstance(answer, Traced):
        return answer
    answer = np.asarray(answer)
    return (
        answer[()]
        if answer.ndim == 0
        else answer
        if answer.flags.writeable and answer.base is None
        else answer.copy()
    )
