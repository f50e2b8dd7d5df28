r"""Second-order jets: a value carried together with its first and second derivative.

Evaluate a formula on the jet :math:`(x, 1, 0)` of its variable and out comes :math:`(f, f', f'')`:
every operation applies its own rule of calculus and nothing is approximated.  This is forward-mode
differentiation (Griewank and Walther, *Evaluating Derivatives*, 2nd ed., chapters 3 and 13) for one
variable and two orders.  The rules are derived in docs/derivations/jets.md and written once, in
:mod:`._jet_rules`; they serve two worlds:

interpreted
    The parts of a :class:`Jet` are NumPy floats or arrays.  Operators and NumPy's functions find the rules.
compiled
    The parts are three floats of one by-value struct (:mod:`._jet_compiled`), so that LLVM turns a
    jet into the arithmetic that one would have derived by hand.

Three conventions hold in both.  A number is a jet whose derivatives are zero.  **A zero derivative
annihilates**: :math:`0 \cdot \infty = 0` wherever a derivative is multiplied, for what does not move
contributes nothing however steep the next function is.  And the precision of a jet is that of its
value: plain numbers never widen a float32 jet.
"""

from typing import Any

import numpy as np

# What an operation does to jets, by the NumPy or SciPy function that stands for it; see _jet_rules.
RULES: dict[Any, Any] = {}


class Jet(np.lib.mixins.NDArrayOperatorsMixin):
    """A value with its first and second derivative with respect to one variable.

    Operators, comparisons and NumPy's functions work on jets, on jets and numbers, and on jets and
    arrays.  They never warn: as in compiled code, what overflows becomes infinite silently.

    Parameters
    ----------
    value : float or ndarray
        What an ordinary number would be.  Integers become float64.
    first, second : float or ndarray
        The derivatives, of a shape that broadcasts with that of `value` and cast to its dtype.

    Raises
    ------
    TypeError
        If a part is not real, and by every operation that has no rule: the message names the operation
        and says what to write instead.

    See Also
    --------
    derivatives : The same as three plain arrays.

    Examples
    --------
    >>> x = Jet(2.0, 1.0, 0.0)
    >>> x**3 / 2
    Jet(4.0, 6.0, 6.0)
    >>> abs(Jet(0.0, 1.0, 0.0))  # at a kink: the mean of the slopes on both sides
    Jet(0.0, 0.0, 0.0)
    """

    __slots__ = ("first", "second", "value")

    def __init__(self, value, first, second):
        self.value = _real(value)
        dtype = self.value.dtype
        self.first, self.second = (
            _real(first).astype(dtype, copy=False),
            _real(second).astype(dtype, copy=False),
        )

    def __repr__(self):
        return f"Jet({self.value!s}, {self.first!s}, {self.second!s})"

    def __array_ufunc__(self, ufunc, method, *operands, **keywords):
        rule = RULES.get(ufunc)
        if rule is None or method != "__call__" or keywords:
            raise _no_rule(ufunc, "" if method == "__call__" else f".{method}", keywords)
        with np.errstate(all="ignore"):
            return rule(*operands)

    def __array_function__(self, function, kinds, operands, keywords):
        rule = RULES.get(function)
        if rule is None:
            raise _no_rule(function)
        with np.errstate(all="ignore"):
            return rule(*operands, **keywords)

    # A jet is immutable: `e += 1` names a new one.
    __iadd__ = np.lib.mixins.NDArrayOperatorsMixin.__add__
    __isub__ = np.lib.mixins.NDArrayOperatorsMixin.__sub__
    __imul__ = np.lib.mixins.NDArrayOperatorsMixin.__mul__
    __itruediv__ = np.lib.mixins.NDArrayOperatorsMixin.__truediv__
    __ipow__ = np.lib.mixins.NDArrayOperatorsMixin.__pow__

    def __float__(self):
        raise TypeError(
            "math.exp, or float(), on a Jet: write np.exp, np.sqrt, np.log ... instead of math's, and "
            "np.where instead of writing into a plain array, out[mask] = x"
        )

    def __bool__(self):
        raise TypeError("a Jet is neither true nor false: write a comparison such as x > 0")

    def __array__(self, dtype=None, copy=None):
        raise TypeError("a Jet is not an array, and this function has no rule for jets: write it out")


def variable(x):
    """The jet of the independent variable, ``(x, 1, 0)``.

    Examples
    --------
    >>> from calclearn.calculus import variable
    >>> variable(3.0) ** 2  # the value, the slope 2x and the curvature 2
    Jet(9.0, 6.0, 2.0)
    """
    return Jet(x, 1.0, 0.0)


def lift(x, like):
    """*x* as a jet: itself if it is one, else the constant ``(x, 0, 0)`` in the precision of *like*.

    A formula may return a plain number (``return 0.0`` in one branch, or ``max(0.0, x)``), so whoever
    evaluates one lifts its result.

    Parameters
    ----------
    x : Jet, float or ndarray
        What a formula returned.
    like : Jet, float or ndarray
        What the formula was evaluated at.

    Returns
    -------
    Jet

    Examples
    --------
    >>> from calclearn.calculus import lift, variable
    >>> lift(1.5, like=variable(0.0))  # a constant does not move
    Jet(1.5, 0.0, 0.0)
    """
    if isinstance(x, Jet):
        return x
    dtype = (like.value if isinstance(like, Jet) else _real(like)).dtype
    if np.ndim(x) == 0 or np.asarray(x).dtype.kind in "biu":
        x = _real(x).astype(dtype)
    return Jet(x, 0.0, 0.0)


def derivatives(function, x):
    """Value, first and second derivative of a function of one variable.

    Parameters
    ----------
    function : callable
        Takes and returns one number, and is written with operators, ``abs``, and NumPy's functions.  With
        ``if``, ``max`` or ``min`` it takes scalars only; ``np.where`` and ``np.maximum`` take arrays.
    x : float or array-like
        Where.

    Returns
    -------
    value, first, second : tuple of float or ndarray
        Each of the shape of `x` (or of `function`'s result, where that is larger).

    Raises
    ------
    TypeError
        If `function` uses an operation that has no rule.

    Examples
    --------
    >>> import numpy as np
    >>> value, first, second = derivatives(lambda x: np.logaddexp(0.0, x), 0.0)
    >>> round(float(value), 6), float(first), float(second)
    (0.693147, 0.5, 0.25)
    """
    x = _real(x)
    jet = lift(function(variable(x)), x)
    shape = np.broadcast_shapes(x.shape, jet.value.shape, jet.first.shape, jet.second.shape)
    return tuple(np.array(np.broadcast_to(part, shape))[()] for part in (jet.value, jet.first, jet.second))


# ---------------------------------------------------------- what the rules are written with, beside NumPy


def weak(number, like):
    """A literal in a rule: it takes the precision of *like*, as Python's numbers do in NumPy."""
    return number


def times(slope, derivative):
    """*slope* × *derivative*, where a zero derivative annihilates even an infinite slope."""
    if np.ndim(derivative) == 0:
        return slope * derivative if derivative != 0 else derivative
    return np.where(derivative == 0, derivative, slope * derivative)


# ------------------------------------------------------------------------------------------------ errors


def _real(x):
    """*x* as a NumPy float or an array of them; integers become float64."""
    array = np.asarray(x)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"a Jet is made of real numbers or arrays of them, got {x!r}")
    return array[()]


_INSTEAD = {
    "arccosh": "np.log(x + np.sqrt(x * x - 1.0))",
    "arcsinh": "np.log(x + np.sqrt(x * x + 1.0))",
    "arctanh": "0.5 * (np.log1p(x) - np.log1p(-x))",
    "cbrt": "np.sign(x) * abs(x) ** (1.0 / 3.0)",
    "erfc": "1.0 - scipy.special.erf(x)",
    "exp2": "2.0**x",
    "float_power": "x**p",
    "fmax": "np.maximum(a, b)",
    "fmin": "np.minimum(a, b)",
    "heaviside": "np.where(x > 0, 1.0, 0.0)",
    "hypot": "np.sqrt(a * a + b * b)",
    "log_expit": "-np.logaddexp(0.0, -x)",
    "logaddexp2": "np.logaddexp",
    "logit": "np.log(x) - np.log1p(-x)",
    "max": "np.maximum(a, b)",
    "min": "np.minimum(a, b)",
    "ndtr": "0.5 * (1.0 + scipy.special.erf(x / np.sqrt(2.0)))",
    "ones_like": "1.0",
    "reciprocal": "1.0 / x",
    "xlog1py": "scipy.special.xlogy(x, 1.0 + y)",
    "zeros_like": "0.0",
}


def _no_rule(function, method="", keywords=()):
    """The TypeError for an operation that jets do not know."""
    name = getattr(function, "__name__", repr(function))
    ours = (
        "scipy.special"
        if isinstance(function, np.ufunc) and getattr(np, name, None) is not function
        else "np"
    )
    call = f"{ours}.{name}{method}" + (f" with {', '.join(keywords)}=" if keywords else "")
    if not method and not keywords and name in _INSTEAD:
        return TypeError(f"{call} has no rule for jets; write {_INSTEAD[name]}")
    return TypeError(
        f"{call} has no rule for jets; write it with operators and the functions that have one (exp, log, "
        "sqrt, tanh, where, maximum ...), or define derivatives(y, raw)"
    )
