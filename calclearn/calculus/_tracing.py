"""What both modes share: traced arrays, which apply the rules of calculus as a function computes.

A :class:`Traced` array stands for a NumPy array inside a function that is being differentiated.  NumPy hands
every operation on one to `RULES`, by ``__array_ufunc__`` and ``__array_function__``.  An entry is a function
of traced arrays: either a :class:`Primitive`, whose derivative is known, or a formula made of others.

A primitive knows its derivative with respect to each operand as a pair of linear functions: ``push`` takes
tangents forward, ``pull`` takes cotangents back; equations (4) and (5) of docs/derivations/chain-rule.md.
They are written with NumPy's functions, so they can be differentiated in turn: each call of an operator opens
a :class:`Level` of its own, and what is traced at one level may hold, as its value, an array that is traced
at a level below.  An operation belongs to the deepest level among its operands; all else is constant there.
"""

import inspect
import itertools
import sys
from typing import Any

import numpy as np

# What an operation does to traced arrays, by the NumPy or SciPy function that stands for it.
RULES: dict[Any, Any] = {}


class Level:
    """One call of an operator; a subclass says what is recorded of an operation."""

    numbers = itertools.count()

    def __init__(self):
        self.depth = next(self.numbers)  # a call inside a call is deeper, in any thread

    def record(self, value, active, primitive, operands, options):
        """The traced array of *value*; *active* has the operands of this level, as (position, array)."""
        raise NotImplementedError


class Primitive:
    """A function whose derivative is known.

    Parameters
    ----------
    function : callable
        The value: a NumPy or SciPy function, or one made of them, of positional operands and options.
    local : callable
        ``local(i, value, *operands, **options)`` gives the pair (push, pull) of operand i.  Tangents have a
        leading axis of directions; cotangents have the shape of the value.
    joint : callable, optional
        ``joint(tangents, value, *operands, **options)`` pushes all tangents at once, None where constant;
        without it they are pushed one by one and added.
    """

    def __init__(self, function, local, joint=None):
        self.function, self.local, self.joint = function, local, joint

    def __call__(self, *operands, **options):
        level = None
        for x in operands:
            if isinstance(x, Traced) and (level is None or x.level.depth > level.depth):
                level = x.level
        if level is None:
            return self.function(*operands, **options)  # of plain arrays only
        values, active = [], []
        for i, x in enumerate(operands):
            if isinstance(x, Traced) and x.level is level:
                active.append((i, x))
                x = x.value
            values.append(x)
        value = self(*values, **options)
        if value.dtype.kind == "c":
            raise NoRule("complex numbers have no derivative rules here; write the real and imaginary parts")
        return level.record(value, active, self, values, options)


def rule(*functions):
    """Register what follows as the rule of these functions."""

    def register(implementation):
        RULES.update(dict.fromkeys(functions, implementation))
        return implementation

    return register


def concrete(x):
    """The plain array beneath all levels."""
    while isinstance(x, Traced):
        x = x.value
    return x


def shape_of(x):
    """The shape, also of a Python number."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def outcome(y):
    """What a function returned, as an array of real numbers."""
    y = np.stack(y) if isinstance(y, list | tuple) else y
    if np.asarray(concrete(y)).dtype.kind not in "biuf":
        raise TypeError(
            f"the function must return real numbers, got {y!r}: build an array of several with np.stack"
        )
    return y


def array_of(x):
    """A pandas or polars operand as an array, also in a list; all else as it is."""
    if isinstance(x, list | tuple):
        return [array_of(item) for item in x] if any(hasattr(item, "to_numpy") for item in x) else x
    return x.to_numpy() if hasattr(x, "to_numpy") else x


def ndim_of(x):
    """The number of axes, also of a Python number."""
    return x.ndim if hasattr(x, "ndim") else np.ndim(x)


def _method(function):
    """A method that is a NumPy function of the array."""

    def method(self, *arguments, **keywords):
        return function(self, *arguments, **keywords)

    method.__name__ = function.__name__
    method.__doc__ = f"As :func:`numpy.{function.__name__}`."
    return method


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array inside a function that is being differentiated.

    It has the shape, the type and the methods of the array for which it stands, and it is immutable:
    ``a += b`` names a new array, and ``a[i] = b`` is an error.  Comparisons give plain booleans, so a
    function may branch on values.
    """

    __slots__ = ("level", "value")
    __array_priority__, __pandas_priority__ = 2000, 5000  # pandas leaves operations with one to us

    def __init__(self, value, level):
        self.value, self.level = value, level

    def __repr__(self):
        return f"Traced({concrete(self)!r})"

    # -- what NumPy calls

    def __array_ufunc__(self, ufunc, method, *operands, **keywords):
        operands = [array_of(x) for x in operands]
        if method == "__call__":
            implementation = RULES.get(ufunc)
            if implementation is None or keywords:
                raise no_rule(ufunc, keywords=keywords)
            return implementation(*operands)
        name = f"{ufunc.__name__}.{method}"
        implementation = RULES.get(name)
        if implementation is None:
            raise no_rule(ufunc, f".{method}")
        return _bound(implementation, ufunc, operands, keywords, f".{method}")

    def __array_function__(self, function, kinds, arguments, keywords):
        implementation = RULES.get(function)
        if implementation is None:
            raise no_rule(function)
        keywords = {name: array_of(x) for name, x in keywords.items()}
        return _bound(implementation, function, [array_of(x) for x in arguments], keywords)

    def __array__(self, dtype=None, copy=None):
        asking = _asking() or "this"
        raise NoRule(f"{asking} {_NOT_PANDAS if asking.startswith('pandas.') else _NOT_AN_ARRAY}")

    # -- what it is

    @property
    def shape(self):
        return shape_of(concrete(self))

    @property
    def ndim(self):
        return np.ndim(concrete(self))

    @property
    def size(self):
        return np.size(concrete(self))

    @property
    def dtype(self):
        return concrete(self).dtype

    @property
    def T(self):
        return np.transpose(self)

    @property
    def mT(self):
        return np.matrix_transpose(self)

    @property
    def real(self):
        return self

    @property
    def flat(self):
        return iter(np.ravel(self))

    def __format__(self, how):
        return format(concrete(self), how)

    def __round__(self, digits=0):
        return np.round(self, digits)

    def __len__(self):
        return len(concrete(self))

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over an array of no dimension")
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(concrete(self))

    # -- its methods

    def __getitem__(self, index):
        return RULES["getitem"](self, array_of(index))

    def astype(self, dtype, copy=True):
        return RULES["astype"](self, dtype)

    def copy(self):
        return self

    def flatten(self):
        return np.ravel(self)

    def reshape(self, *shape):
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes):
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    all, any, argmax, argmin, argsort = map(_method, (np.all, np.any, np.argmax, np.argmin, np.argsort))
    sum, mean, var, std, prod = map(_method, (np.sum, np.mean, np.var, np.std, np.prod))
    max, min, cumsum, cumprod = map(_method, (np.max, np.min, np.cumsum, np.cumprod))
    ravel, squeeze, swapaxes, repeat = map(_method, (np.ravel, np.squeeze, np.swapaxes, np.repeat))
    take, diagonal, trace, dot, clip = map(_method, (np.take, np.diagonal, np.trace, np.dot, np.clip))
    round, conj, nonzero = map(_method, (np.round, np.conj, np.nonzero))

    # -- what it cannot do

    def __setitem__(self, index, value):
        raise NoRule(
            "an array that is being differentiated cannot be written to: instead of a[i] = b write "
            "np.where(mask, b, a), or build it with np.stack or np.concatenate"
        )

    def __float__(self):
        raise NoRule(
            "float(), or a function of math, on an array that is being differentiated: write np.exp, np.log, "
            "np.sqrt ... instead of math's, leave out float(), and instead of writing into a plain array, "
            "out[i] = x, build it with np.stack; or use mode='numerical'"
        )

    def item(self, *index):
        raise NoRule(
            "item() or tolist() of an array that is being differentiated, which has no plain numbers: write "
            "x[i] or x.sum() instead of item(), and list(x) instead of tolist(); or use mode='numerical'"
        )

    def __int__(self):
        raise NoRule(
            "int() on an array that is being differentiated: the whole part has no derivative; write "
            "np.floor(x), which is constant, or use mode='numerical'"
        )

    tolist = item
    __index__ = __complex__ = __float__

    # It is immutable: `a += b` names a new one.
    __iadd__ = np.lib.mixins.NDArrayOperatorsMixin.__add__
    __isub__ = np.lib.mixins.NDArrayOperatorsMixin.__sub__
    __imul__ = np.lib.mixins.NDArrayOperatorsMixin.__mul__
    __itruediv__ = np.lib.mixins.NDArrayOperatorsMixin.__truediv__
    __ipow__ = np.lib.mixins.NDArrayOperatorsMixin.__pow__
    __imatmul__ = np.lib.mixins.NDArrayOperatorsMixin.__matmul__


# ------------------------------------------------------------------------------------------------ errors


class NoRule(TypeError):
    """What a function does cannot be differentiated; the message says what to write."""


_NOT_AN_ARRAY = (
    "asks for a plain array, which one that is being differentiated cannot become: instead of np.array of a "
    "list, or of writing into np.empty or np.zeros, build arrays with np.stack or np.concatenate; write "
    "A @ x instead of A.dot(x), with a dense A; take logsumexp, softmax and log_softmax from "
    "calclearn.calculus and linear algebra from np.linalg; or use mode='numerical'"
)
_NOT_PANDAS = (
    "computes with plain arrays only, not with one that is being differentiated: take the array first, as in "
    "df.to_numpy() @ x; or use mode='numerical'"
)


def _asking():
    """The function of a library that a user called, and that asked for a plain array."""
    frame, name = sys._getframe(2), None
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        name = f"{frame.f_globals['__name__'].partition('._')[0]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return name


_LIBRARIES = {"numpy", "pandas", "scipy", "sklearn"}
_INSTEAD = {
    "np.linalg.lstsq": "np.linalg.solve(A.T @ A, A.T @ b)",
    "np.linalg.pinv": "np.linalg.solve(A.T @ A, A.T)",
    "np.array_split": "slices",
    "np.convolve": "sums of products of slices",
    "np.interp": "np.where and straight lines",
    "np.vectorize": "functions of whole arrays",
    "np.apply_along_axis": "functions of whole arrays with axis=",
    "np.copyto": "np.where(mask, b, a)",
    "np.put": "np.where(mask, b, a)",
    "np.fill_diagonal": "np.where(np.eye(n, dtype=bool), b, a)",
}


def name_of(function):
    """How a user calls a function: ``np.linalg.qr``, ``scipy.special.erf``."""
    name = getattr(function, "__name__", repr(function))
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"scipy.special.{name}"
    module = getattr(function, "__module__", None) or "np"
    return f"{module.replace('numpy', 'np', 1)}.{name}"


def no_rule(function, method="", keywords=()):
    """The error for an operation that cannot be differentiated."""
    name = name_of(function) + method
    if "out" in keywords:
        return NoRule(
            f"{name} with out=, or an in-place operator on a plain array, would write an array that is being "
            "differentiated into a plain one: name a new array, as in a = a + b"
        )
    call = name + (f" with {', '.join(f'{keyword}=' for keyword in keywords)}" if keywords else "")
    instead = _INSTEAD.get(name, "it with operators and NumPy's functions that have one")
    return NoRule(f"{call} has no derivative rule here; write {instead}, or use mode='numerical'")


def _bound(implementation, function, arguments, keywords, method=""):
    """The rule's answer; an argument that it does not know is named."""
    try:
        return implementation(*arguments, **keywords)
    except TypeError:
        if isinstance(implementation, Primitive):
            raise
        known = inspect.signature(implementation).parameters
        kinds = [p.kind for p in known.values()]
        by_place = sum(kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
        if len(arguments) > by_place and inspect.Parameter.VAR_POSITIONAL not in kinds:
            raise NoRule(
                f"{name_of(function)}{method} with more than {by_place} arguments by place has no derivative "
                "rule here; write their names"
            ) from None
        unknown = [keyword for keyword in keywords if keyword not in known]
        if not unknown or any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise
        raise no_rule(function, method, unknown) from None
