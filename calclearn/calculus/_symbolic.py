"""Formulas as SymPy expressions: what ``value`` does to numbers, done to symbols.

A formula is run on symbols that dispatch NumPy's functions to SymPy's, so the expression is that of the
code which runs, and nothing is written twice.  Where a comparison decides (``if``, ``max``, ``np.where``,
``abs``), the formula is run once for each answer.  So every piece is smooth, and is differentiated by
itself; pieces that turn out equal are joined again.  At a kink the derivatives are those of one side.
"""

import importlib
import inspect
import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import scipy.special

MOST_PATHS = 64  # answers to all questions of one formula, together


@dataclass(frozen=True, eq=False, repr=False)
class Symbolic:
    """A formula and its first two derivatives; prints as text, and as mathematics in notebooks.

    Attributes
    ----------
    value, first, second : sympy.Expr
        The formula, and its derivatives in `variable`.
    variable : sympy.Symbol
        In which it was differentiated: `f`, the raw prediction, of a loss; `x` of anything else.
    symbols : dict of str to sympy.Symbol
        All symbols, by name: `y` and `f`, or `x`, and the fields that were left open.
    name : str
        What the formula is called.

    Examples
    --------
    >>> from calclearn.calculus import symbolic
    >>> symbolic("log_loss").second
    exp(f)/(exp(f) + 1)**2
    """

    value: Any
    first: Any
    second: Any
    variable: Any
    symbols: dict[str, Any]
    name: str

    def __repr__(self):
        rows = zip(("value", "first", "second"), (self.value, self.first, self.second))
        title = f"{self.name}, differentiated in {self.variable}"
        return "\n".join([title, *(f"  {label:6}  {expression}" for label, expression in rows)])

    def _repr_latex_(self):
        import sympy

        words = {
            symbol: rf"\mathrm{{{name}}}"
            for name, symbol in self.symbols.items()
            if len(name) > 1 and sympy.latex(symbol) == name  # no Greek letter
        }
        x = sympy.latex(self.variable)
        heads = (
            r"\ell",
            rf"\frac{{\partial \ell}}{{\partial {x}}}",
            rf"\frac{{\partial^2 \ell}}{{\partial {x}^2}}",
        )
        if "y" not in self.symbols:
            heads = ("a", "a'", "a''")
        parts = (self.value, self.first, self.second)
        rows = (rf"{head} &= {sympy.latex(part, symbol_names=words)}" for head, part in zip(heads, parts))
        return r"$\displaystyle \begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}$"


def symbolic(formula) -> Symbolic:
    """The formula of a loss, or of a function of one number, and its first two derivatives.

    Parameters
    ----------
    formula : str, class, instance or callable
        - The name of a loss, or a class with ``value(y, raw)`` or ``value(x)``, such as a loss or an
          activation: its fields stay symbols.
        - An instance of one: its fields are numbers, as fractions.
        - A function of one number.

    Returns
    -------
    Symbolic
        With `value`, `first` and `second`, SymPy expressions.

    Raises
    ------
    ImportError
        Where SymPy is not installed.
    TypeError
        If the formula uses an operation that has no symbolic form, or is a loss of several outputs.
    ValueError
        For an unknown name.

    Examples
    --------
    >>> import numpy as np
    >>> from calclearn.calculus import symbolic
    >>> symbolic("squared_error")
    squared_error, differentiated in f
      value   (f - y)**2/2
      first   f - y
      second  1
    >>> symbolic(lambda x: np.log1p(np.exp(x))).second.simplify()
    1/(4*cosh(x/2)**2)
    """
    sympy = _sympy()
    function, name, arguments, parameters, domain = _opened(sympy, formula)
    variable = list(arguments.values())[-1]
    leaves = [
        (
            _smooth(sympy, expression),
            [(_normal(sympy, condition, variable), held) for condition, held in taken],
        )
        for expression, taken in _all_paths(function, [_Expression(symbol) for symbol in arguments.values()])
    ]
    parts = []
    for order in range(3):
        if order:
            leaves = [(_smooth(sympy, sympy.diff(part, variable)), taken) for part, taken in leaves]
        if domain == "sign" and order == 2:  # y is -1 or +1
            leaves = [(part.subs(arguments["y"] ** 2, 1), taken) for part, taken in leaves]
        parts.append(_joined(sympy, leaves, variable))
    value, first, second = parts
    return Symbolic(value, first, second, variable, arguments | parameters, name)


def _sympy():
    try:
        import sympy
    except ImportError as error:
        raise ImportError("calclearn.calculus.symbolic needs SymPy: python -m pip install sympy") from error
    return sympy


# ------------------------------------------------------------------------------------- what is a formula


def _opened(sympy, formula):
    """The function to run, its name, the symbols of its arguments and of its fields, and the domain of y."""
    if isinstance(formula, str):
        losses = importlib.import_module("..losses._contract", __package__)  # they stand above this module
        if formula not in losses.REGISTRY:
            raise ValueError(f"formula is {formula!r}; the known losses are {sorted(losses.REGISTRY)}")
        formula = losses.REGISTRY[formula]
    parameters: dict[str, Any] = {}
    if isinstance(formula, type):
        formula, parameters = _with_open_fields(sympy, formula)
    name = getattr(formula, "name", "") or getattr(formula, "__name__", type(formula).__name__)
    if hasattr(formula, "value_row"):
        raise TypeError(f"symbolic is for one output; {name} has several, by value_row")
    value = getattr(formula, "value", formula)
    if not callable(value):
        raise TypeError(f"formula must have a method value, or be a function, got {formula!r}")
    n = len([p for p in inspect.signature(value).parameters.values() if p.default is p.empty])
    domain = getattr(formula, "domain", "real") if n == 2 else "real"
    if n == 1:
        return value, name, {"x": sympy.Symbol("x", real=True)}, parameters, domain
    if n == 2:
        known = {"positive": {"positive": True}, "nonnegative": {"nonnegative": True}}
        y = sympy.Symbol("y", **known.get(domain, {"real": True}))
        return value, name, {"y": y, "f": sympy.Symbol("f", real=True)}, parameters, domain
    raise TypeError(f"{name} must take (y, raw), or one number, got {n} arguments")


def _with_open_fields(sympy, cls):
    """An instance of a class whose fields are symbols, and these; its own checks are of numbers."""
    instance = object.__new__(cls)
    names = [field.name for field in fields(cls)] if is_dataclass(cls) else []
    symbols = {name: sympy.Symbol(name, **_assumptions(cls, name)) for name in names}
    for name, symbol in symbols.items():
        object.__setattr__(instance, name, _Expression(symbol))
    return instance, symbols


def _assumptions(cls, name):
    """What the checks of a class let a field be."""

    def refused(number):
        try:
            cls(**{name: number})
        except (TypeError, ValueError):
            return True
        return False

    if refused(-1.0):
        return {"positive": True} if refused(0.0) else {"nonnegative": True}
    return {"real": True}


# ----------------------------------------------------------------------------------------- running a formula


class _Expression(np.lib.mixins.NDArrayOperatorsMixin):
    """A SymPy expression to which NumPy's functions can be applied."""

    def __init__(self, expression):
        self.expression = expression

    def __array_ufunc__(self, ufunc, method, *operands, **keywords):
        if method != "__call__" or keywords:
            raise _no_form(ufunc)
        return _apply(ufunc, operands)

    def __array_function__(self, function, kinds, operands, keywords):
        return _apply(function, operands, keywords)

    def __float__(self):
        raise TypeError(
            "math.exp, or float(), on a symbol: write np.exp, np.sqrt, np.log ... instead of math's"
        )

    def __bool__(self):
        raise TypeError("a symbol is neither true nor false: write a comparison such as x > 0")

    def __array__(self, dtype=None, copy=None):
        raise TypeError("a symbol is not an array, and this function has no symbolic form: write it out")


class _Condition(_Expression):
    """A comparison; asked whether it holds, it answers as the path that is being explored says."""

    def __bool__(self):
        path = _PATHS[-1]
        opposite = _sympy().Not(self.expression)
        for condition, answer in path.taken:
            if condition in (self.expression, opposite):
                return answer == (condition == self.expression)
        if path.asked == len(path.answers):
            path.answers.append(True)
        answer = path.answers[path.asked]
        path.asked += 1
        path.taken.append((self.expression, answer))
        return answer

    def __and__(self, other):
        return bool(self) and bool(other)

    def __or__(self, other):
        return bool(self) or bool(other)

    def __invert__(self):
        return not bool(self)

    __rand__, __ror__ = __and__, __or__


class _Path:
    """The answers that one run of a formula gets."""

    def __init__(self, answers):
        self.answers, self.asked, self.taken = answers, 0, []


_PATHS: list[_Path] = []  # the run that is going on, innermost last


def _all_paths(function, arguments):
    """The results of all runs, each with the answers that led to it."""
    pieces, answers = [], []
    while True:
        path = _Path(answers)
        _PATHS.append(path)
        try:
            with np.errstate(all="ignore"):
                result = function(*arguments)
        finally:
            _PATHS.pop()
        pieces.append((_expression(result), path.taken))
        if len(pieces) > MOST_PATHS:
            raise TypeError(f"the formula has more than {MOST_PATHS} branches: write them with np.where")
        while answers and not answers[-1]:
            answers.pop()
        if not answers:
            return pieces
        answers[-1] = False


def _apply(function, operands, keywords=None):
    forms = _forms()
    if function not in forms or keywords:
        raise _no_form(function)
    result = forms[function](*map(_expression, operands))
    sympy = _sympy()
    if result in (sympy.true, sympy.false):
        return bool(result)
    return _Condition(result) if isinstance(result, sympy.logic.boolalg.Boolean) else _Expression(result)


def _expression(thing):
    """What a formula computes with, as SymPy sees it: numbers become exact ones."""
    sympy = _sympy()
    if isinstance(thing, _Expression):
        return thing.expression
    if isinstance(thing, (bool, np.bool_)):
        return sympy.true if thing else sympy.false
    if isinstance(thing, (int, np.integer)):
        return sympy.Integer(int(thing))
    if np.ndim(thing) == 0 and isinstance(thing, (float, np.floating, np.ndarray)):
        number = float(thing)
        if math.isnan(number) or math.isinf(number):
            return sympy.nan if math.isnan(number) else sympy.oo * (1 if number > 0 else -1)
        for constant in _constants():
            if float(constant) == number:
                return constant
        short = len(repr(number).replace("-", "").replace(".", "").strip("0")) <= 12
        return sympy.Rational(repr(number)) if short else sympy.Float(number, 17)
    raise TypeError(f"a symbolic formula is made of single numbers, got {thing!r}")


def _constants():
    """Numbers whose floats stand for them."""
    s = _sympy()
    half = s.Rational(1, 2)
    return (
        s.log(2),
        s.log(10),
        s.sqrt(2),
        s.sqrt(half),
        s.sqrt(2 * s.pi),
        s.sqrt(s.pi),
        s.pi,
        s.E,
        2 / s.sqrt(s.pi),
    )


def _forms():
    """What SymPy makes of a function of NumPy's or SciPy's; made at the first call."""
    if not _FORMS:
        _FORMS.update(_functions(_sympy()))
    return _FORMS


_FORMS: dict[Any, Any] = {}


def _functions(s):
    def ask(condition):
        if condition in (s.true, s.false):
            return bool(condition)
        return bool(_Condition(condition))

    def where(condition, a, b):
        return a if ask(condition) else b

    def absolute(a):
        return a if ask(a >= 0) else -a

    def maximum(a, b):
        return a if ask(a >= b) else b

    def minimum(a, b):
        return a if ask(a <= b) else b

    def sign(a):
        return s.Integer(1 if ask(a > 0) else -1 if ask(a < 0) else 0)

    def xlogy(a, b):
        return s.Integer(0) if ask(s.Eq(a, 0)) else a * s.log(b)

    def log1p(a):
        return s.log(1 + a)

    def expm1(a):
        return s.exp(a) - 1

    return {
        np.absolute: absolute,
        np.add: lambda a, b: a + b,
        np.arcsinh: s.asinh,
        np.arctan: s.atan,
        np.arctanh: s.atanh,
        np.clip: lambda x, low, high: minimum(maximum(x, low), high),
        np.cos: s.cos,
        np.cosh: s.cosh,
        np.divide: lambda a, b: a / b,
        np.equal: s.Eq,
        np.exp: s.exp,
        np.exp2: lambda a: 2**a,
        np.expm1: expm1,
        np.fabs: absolute,
        np.greater: s.Gt,
        np.greater_equal: s.Ge,
        np.less: s.Lt,
        np.less_equal: s.Le,
        np.log: s.log,
        np.log10: lambda a: s.log(a) / s.log(10),
        np.log1p: log1p,
        np.log2: lambda a: s.log(a) / s.log(2),
        np.logaddexp: lambda a, b: s.log(s.exp(a) + s.exp(b)),
        np.maximum: maximum,
        np.minimum: minimum,
        np.multiply: lambda a, b: a * b,
        np.negative: lambda a: -a,
        np.not_equal: s.Ne,
        np.positive: lambda a: a,
        np.power: lambda a, b: a**b,
        np.reciprocal: lambda a: 1 / a,
        np.sign: sign,
        np.sin: s.sin,
        np.sinh: s.sinh,
        np.sqrt: s.sqrt,
        np.square: lambda a: a * a,
        np.subtract: lambda a, b: a - b,
        np.tan: s.tan,
        np.tanh: s.tanh,
        np.where: where,
        scipy.special.erf: s.erf,
        scipy.special.erfc: s.erfc,
        scipy.special.expit: lambda a: 1 / (1 + s.exp(-a)),
        scipy.special.expm1: expm1,
        scipy.special.gammaln: s.loggamma,
        scipy.special.log1p: log1p,
        scipy.special.log_expit: lambda a: -s.log(1 + s.exp(-a)),
        scipy.special.ndtr: lambda a: (1 + s.erf(a / s.sqrt(2))) / 2,
        scipy.special.xlogy: xlogy,
    }


def _no_form(function):
    name = getattr(function, "__name__", repr(function))
    return TypeError(
        f"{name} has no symbolic form here; write the formula with operators and the functions that have one "
        "(exp, log, sqrt, tanh, where, maximum ...)"
    )


# ------------------------------------------------------------------------------------- smooth pieces, joined


def _smooth(sympy, expression):
    """A piece in its shortest form."""
    return min((sympy.simplify(expression), sympy.factor(expression), expression), key=sympy.count_ops)


def _normal(sympy, condition, variable):
    """A comparison solved for the variable, where that is easy."""
    if not condition.has(variable) or not isinstance(condition, sympy.core.relational.Relational):
        return condition
    difference = sympy.expand(sympy.simplify(condition.lhs - condition.rhs))
    slope = difference.diff(variable)
    if not slope.has(variable) and (slope.is_positive or slope.is_negative):
        compare = condition.func if slope.is_positive else condition.reversed.func
        return compare(variable, sympy.expand(sympy.simplify(variable - difference / slope)))
    constant, moving = difference.as_independent(*difference.free_symbols, as_Add=True)
    if moving.could_extract_minus_sign():
        return condition.reversed.func(-moving, constant)
    return condition.func(moving, -constant)


def _joined(sympy, leaves, variable):
    """One expression of the pieces: over the intervals of the variable, or else by the tree of conditions."""
    pieces = _by_intervals(sympy, leaves, variable) or _by_tree(sympy, leaves)
    return pieces[0][0] if len(pieces) == 1 else sympy.Piecewise(*pieces, evaluate=False)


def _by_intervals(sympy, leaves, variable):
    """Pieces from left to right; None where not all conditions are about the variable, and in order."""
    conditions = {condition for _, taken in leaves for condition, _ in taken}
    if not all(condition.lhs == variable and not condition.rhs.has(variable) for condition in conditions):
        return None
    ends: list[Any] = []
    for condition in sorted(conditions, key=str):
        end = condition.rhs
        below = [bool((end - other).is_nonnegative) for other in ends]
        if not all(b or (other - end).is_nonnegative for b, other in zip(below, ends)):
            return None
        if end not in ends:
            ends.insert(sum(below), end)
    closed = {condition.rhs for condition in conditions if condition.func in (sympy.Gt, sympy.Le)}

    def holds(condition, region):  # in the open interval that ends at ends[region]
        return (region > ends.index(condition.rhs)) == (condition.func in (sympy.Gt, sympy.Ge))

    pieces: list[Any] = []
    for region in range(len(ends) + 1):
        part = next(
            part
            for part, taken in leaves
            if all(holds(condition, region) == held for condition, held in taken)
        )
        if pieces and _equal(sympy, pieces[-1][0], part):
            pieces.pop()
        until = sympy.true
        if region < len(ends):
            until = (sympy.Le if ends[region] in closed else sympy.Lt)(variable, ends[region])
        pieces.append((part, until))
    return pieces


def _by_tree(sympy, leaves, depth=0):
    """Pieces in the order of the answers; a question whose answers make no difference is left out."""
    if len(leaves) == 1:
        return [(leaves[0][0], sympy.true)]
    condition = leaves[0][1][depth][0]
    yes, no = (
        _by_tree(sympy, [leaf for leaf in leaves if leaf[1][depth][1] == answer], depth + 1)
        for answer in (True, False)
    )
    if isinstance(condition, sympy.Eq) and condition.lhs.is_Symbol:
        yes = [(part.subs(*condition.args), where) for part, where in yes]
        there = [(part.subs(*condition.args), where) for part, where in no]
    else:
        there = no
    if len(yes) == len(no) and all(_equal(sympy, a, b) and c == d for (a, c), (b, d) in zip(yes, there)):
        return no
    return [(part, sympy.And(condition, where)) for part, where in yes] + no


def _equal(sympy, a, b):
    """Whether two pieces are one; where they differ at one point, there is no need to simplify."""
    if a == b:
        return True
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    somewhere = {symbol: sympy.Rational(7 + 2 * i, 5) for i, symbol in enumerate(symbols)}
    apart = (a - b).subs(somewhere).evalf(20)
    if apart.is_comparable and abs(apart) > 1e-6:
        return False
    return sympy.simplify(a - b) == 0
