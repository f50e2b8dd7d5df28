"""Rules of products of arrays and of linear algebra: equations (8) to (12) of docs/derivations/chain-rule.md.

What is bilinear is a product by one operand while the other moves.  Inverses and factors follow from the
equation that defines them, differentiated.
"""

import math
import string

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ._rules_elementwise import align, constant, times, unbroadcast
from ._tracing import RULES, NoRule, Primitive, concrete, ndim_of, rule, shape_of

mT = np.matrix_transpose

# -------------------------------------------------------------------------------------------- products


def _matmul_local(i, y, a, b):
    """Equation (8).  A vector is a matrix of one row, or of one column."""
    row, column = a.ndim == 1, b.ndim == 1
    rows, columns = (a[None, :] if row else a), (b[:, None] if column else b)
    axes = (-2,) * row + (-1,) * column  # of the matrix that is the product, those that a vector lacks

    def push(tangent):
        ndim = y.ndim + len(axes)
        if i == 0:
            wide = np.matmul(align(np.expand_dims(tangent, -2) if row else tangent, ndim), columns)
        else:
            wide = np.matmul(rows, align(np.expand_dims(tangent, -1) if column else tangent, ndim))
        return np.squeeze(wide, axes) if axes else wide

    def pull(cotangent):
        wide = np.expand_dims(cotangent, axes) if axes else cotangent
        if i == 0:
            product = times(mT(columns), wide) if column else np.matmul(wide, mT(columns))
            return np.reshape(unbroadcast(product, rows.shape), a.shape)
        if rows.ndim > 2 == columns.ndim and rows.size and wide.size:  # a stack of rows is one tall matrix
            tall = np.reshape(rows, (-1, rows.shape[-1])), np.reshape(wide, (-1, wide.shape[-1]))
            return np.reshape(np.matmul(mT(tall[0]), tall[1]), b.shape)
        product = times(mT(rows), wide) if row else np.matmul(mT(rows), wide)
        return np.reshape(unbroadcast(product, columns.shape), b.shape)

    return push, pull


matmul = RULES[np.matmul] = Primitive(np.matmul, _matmul_local)


@rule(np.dot)
def dot(a, b):
    if not ndim_of(a) or not ndim_of(b):
        return a * b
    return matmul(a, b) if ndim_of(b) <= 2 else tensordot(a, b, (-1, -2))


@rule(np.linalg.multi_dot)
def multi_dot(arrays):
    product, *others = arrays
    for other in others:
        product = matmul(product, other)
    return product


@rule(np.vdot)
def vdot(a, b):
    return matmul(np.ravel(a), np.ravel(b))


@rule(np.inner)
def inner(a, b):
    return a * b if not ndim_of(a) or not ndim_of(b) else tensordot(a, b, (-1, -1))


@rule(np.outer, np.linalg.outer)
def outer(a, b):
    return np.ravel(a)[:, None] * np.ravel(b)


@rule(np.vecdot, np.linalg.vecdot)
def vecdot(a, b, axis=-1):
    return np.sum(a * b, axis=axis)


if hasattr(np, "matvec"):  # NumPy 2.2

    @rule(np.matvec)
    def matvec(a, b):
        return matmul(a, b[..., None])[..., 0]

    @rule(np.vecmat)
    def vecmat(a, b):
        return matmul(a[..., None, :], b)[..., 0, :]


@rule(np.tensordot, np.linalg.tensordot)
def tensordot(a, b, axes=2):
    if isinstance(axes, int | np.integer):
        axes = range(ndim_of(a) - axes, ndim_of(a)), range(axes)
    of_a, of_b = normalize_axis_tuple(axes[0], ndim_of(a)), normalize_axis_tuple(axes[1], ndim_of(b))
    free_a = [i for i in range(ndim_of(a)) if i not in of_a]
    free_b = [i for i in range(ndim_of(b)) if i not in of_b]
    rows, columns = [shape_of(a)[i] for i in free_a], [shape_of(b)[i] for i in free_b]
    size = math.prod(shape_of(a)[i] for i in of_a)
    left = np.reshape(np.transpose(a, (*free_a, *of_a)), (math.prod(rows), size))
    right = np.reshape(np.transpose(b, (*of_b, *free_b)), (size, math.prod(columns)))
    return np.reshape(matmul(left, right), (*rows, *columns))


@rule(np.kron)
def kron(a, b):
    ndim = max(ndim_of(a), ndim_of(b))
    a, b = (np.reshape(x, (1,) * (ndim - ndim_of(x)) + shape_of(x)) for x in (a, b))
    wide = np.reshape(a, [part for size in shape_of(a) for part in (size, 1)])
    wide = wide * np.reshape(b, [part for size in shape_of(b) for part in (1, size)])
    return np.reshape(wide, [m * n for m, n in zip(shape_of(a), shape_of(b))])


@rule(np.cross, np.linalg.cross)
def cross(a, b, *, axis=-1):
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise ValueError("np.cross of vectors that are not of three components")
    parts = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.stack(parts, axis=axis)


# ------------------------------------------------------------------------- sums of products by letters


def _einsum_local(i, y, *operands, terms, result, optimize):
    """Of one operand: again a sum of products, with its tangent, or the cotangent, among the others."""
    before, after = operands[:i], operands[i + 1 :]
    direction = next(letter for letter in string.ascii_letters if letter not in "".join((*terms, result)))
    moved = [term if j != i else direction + term for j, term in enumerate(terms)]

    def push(tangent):
        subscripts = f"{','.join(moved)}->{direction}{result}"
        return np.einsum(subscripts, *before, tangent, *after, optimize=optimize)

    def pull(cotangent):
        others = [result, *terms[:i], *terms[i + 1 :]]
        there = "".join(letter for letter in terms[i] if letter in "".join(others))
        answer = np.einsum(f"{','.join(others)}->{there}", cotangent, *before, *after, optimize=optimize)
        full = [1 if letter not in there else None for letter in terms[i]]
        kept = iter(shape_of(answer))
        answer = np.reshape(answer, [next(kept) if size is None else size for size in full])
        shape = shape_of(operands[i])
        wide = tuple(max(m, n) for m, n in zip(shape_of(answer), shape))
        if wide == shape:
            return np.broadcast_to(answer, shape)
        return unbroadcast(answer, shape)

    return push, pull


_einsum = Primitive(
    lambda *operands, terms, result, optimize: np.einsum(
        f"{','.join(terms)}->{result}", *operands, optimize=optimize
    ),
    _einsum_local,
)


@rule(np.einsum)
def einsum(subscripts, *operands, optimize=None):
    """With the ellipsis spelled out, repeated letters taken from the diagonal, and lone letters summed."""
    if not isinstance(subscripts, str):
        raise NoRule("np.einsum with lists of axes has no derivative rule here; write a string of letters")
    terms, result = _letters(subscripts.replace(" ", ""), operands)
    operands = list(operands)
    for i, term in enumerate(terms):
        for letter in sorted(set(term)):
            while term.count(letter) > 1:
                first, second = [j for j, other in enumerate(term) if other == letter][:2]
                operands[i] = np.diagonal(operands[i], axis1=first, axis2=second)
                term = "".join(other for j, other in enumerate(term) if j not in (first, second)) + letter
        others = "".join(terms[:i] + terms[i + 1 :]) + result
        lone = [j for j, letter in enumerate(term) if letter not in others]
        operands[i] = np.sum(operands[i], axis=tuple(lone)) if lone else operands[i]
        terms[i] = "".join(letter for j, letter in enumerate(term) if j not in lone)
    if optimize is None:
        optimize = len(operands) > 2  # pairwise: in order, the cost would be that of all letters together
    return _einsum(*operands, terms=terms, result=result, optimize=optimize)


def _letters(subscripts, operands):
    """The letters of each operand and of the result, as NumPy reads them."""
    left, arrow, result = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"np.einsum of {subscripts!r} takes {len(terms)} operands, got {len(operands)}")
    spare = [letter for letter in string.ascii_letters if letter not in subscripts]
    longest = 0
    for i, (term, operand) in enumerate(zip(terms, operands)):
        if "..." in term:
            count = ndim_of(operand) - len(term) + 3
            longest = max(longest, count)
            terms[i] = term.replace("...", "".join(reversed(spare[:count])))
        if len(terms[i]) != ndim_of(operand):
            raise ValueError(
                f"np.einsum of {subscripts!r}: operand {i + 1} has {ndim_of(operand)} dimensions, "
                f"not {len(terms[i])}"
            )
    ellipsis = "".join(reversed(spare[:longest]))
    if arrow:
        return terms, result.replace("...", ellipsis)
    letters = "".join(terms)
    once = sorted(x for x in set(letters) if letters.count(x) == 1 and x not in ellipsis)
    return terms, ellipsis + "".join(once)


# ---------------------------------------------------------------------------------------- linear algebra


def _solve_local(i, x, a, b):
    """Equation (10)."""
    if i == 1:
        return (
            lambda tangent: np.linalg.solve(a, align(tangent, ndim_of(x))),
            lambda cotangent: unbroadcast(np.linalg.solve(mT(a), cotangent), shape_of(b)),
        )
    return (
        lambda tangent: -np.linalg.solve(a, np.matmul(align(tangent, ndim_of(x)), x)),
        lambda cotangent: unbroadcast(-np.matmul(np.linalg.solve(mT(a), cotangent), mT(x)), shape_of(a)),
    )


_solve = Primitive(np.linalg.solve, _solve_local)


@rule(np.linalg.solve)
def solve(a, b):
    """Of matrices; a vector is a matrix of one column."""
    return _solve(a, b[:, None])[..., 0] if ndim_of(b) == 1 else _solve(a, b)


def _inv_local(i, y, a):
    """Equation (9)."""
    return (
        lambda tangent: -np.matmul(y, np.matmul(tangent, y)),
        lambda cotangent: -np.matmul(mT(y), np.matmul(cotangent, mT(y))),
    )


inv = RULES[np.linalg.inv] = Primitive(np.linalg.inv, _inv_local)


def _log_det(a):
    return np.linalg.slogdet(a)[1]


def _log_det_local(i, y, a):
    """Equation (11): the gradient of log |det A| is the transposed inverse."""
    return (
        lambda tangent: np.trace(np.linalg.solve(a, tangent), axis1=-2, axis2=-1),
        lambda cotangent: cotangent[..., None, None] * mT(np.linalg.inv(a)),
    )


_log_det_primitive = Primitive(_log_det, _log_det_local)


@rule(np.linalg.slogdet)
def slogdet(a):
    sign, _ = np.linalg.slogdet(concrete(a))
    kind = type(np.linalg.slogdet(np.eye(1)))
    return kind(sign, _log_det_primitive(a))


@rule(np.linalg.det)
def det(a):
    """By cofactors up to 3 × 3; larger ones by slogdet, for which the matrix must have an inverse."""
    n = shape_of(a)[-1]
    if n == 1:
        return a[..., 0, 0]
    if n == 2:
        return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
    if n == 3:
        return np.sum(a[..., 0, :] * np.cross(a[..., 1, :], a[..., 2, :]), axis=-1)
    sign, logarithm = slogdet(a)
    return sign * np.exp(logarithm)


def _half(x):
    """The lower triangle with half of the diagonal: with its transpose it adds up to a symmetric matrix."""
    n = shape_of(x)[-1]
    return x * (np.tri(n) - 0.5 * np.eye(n))


def _symmetric(x):
    return 0.5 * (x + mT(x))


def _cholesky_local(i, factor, a):
    r"""Equation (12): :math:`L^{-1} \dot L` is the lower half of :math:`L^{-1} \dot A L^{-\top}`."""

    def push(tangent):
        inner = np.linalg.solve(factor, mT(np.linalg.solve(factor, _symmetric(tangent))))
        return np.matmul(factor, _half(inner))

    def pull(cotangent):
        inner = _half(np.matmul(mT(factor), np.tril(cotangent)))
        upper = mT(factor)
        return _symmetric(np.linalg.solve(upper, mT(np.linalg.solve(upper, mT(inner)))))

    return push, pull


_cholesky = Primitive(np.linalg.cholesky, _cholesky_local)


@rule(np.linalg.cholesky)
def cholesky(a, /, *, upper=False):
    """A is taken as symmetric, so that its cotangent is symmetric too."""
    factor = _cholesky(_symmetric(a))
    return mT(factor) if upper else factor


@rule(np.linalg.matrix_power)
def matrix_power(a, n):
    if n < 0:
        a, n = inv(a), -n
    product = None
    while n:
        if n % 2:
            product = a if product is None else matmul(product, a)
        a, n = (matmul(a, a) if n > 1 else a), n // 2
    return np.broadcast_to(np.eye(shape_of(a)[-1]), shape_of(a)) if product is None else product


# ------------------------------------------------------------------------------------------------- norms


def _vector_norm(x, axis, keepdims, ord):
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(concrete(x) != 0, axis=axis, keepdims=keepdims) * 1.0
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x, axis, keepdims, ord):
    rows, columns = (normalize_axis_index(i, ndim_of(x)) for i in axis)
    if ord in (None, "fro"):
        return np.sqrt(np.sum(np.square(x), axis=(rows, columns), keepdims=keepdims))
    extreme = {1: np.max, np.inf: np.max, -1: np.min, -np.inf: np.min}.get(ord)
    if extreme is None:
        raise NoRule(
            f"np.linalg.norm with ord={ord!r} of a matrix has no derivative rule here; "
            "ord may be 'fro', 1, -1, np.inf or -np.inf; or use mode='numerical'"
        )
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    summed = np.sum(np.abs(x), axis=first, keepdims=True)
    answer = extreme(summed, axis=second, keepdims=True)
    return answer if keepdims else np.squeeze(answer, (rows, columns))


@rule(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    """At the origin the slope of the Euclidean norm is 0, as that of ``abs``."""
    if axis is None and (ord is None or ndim_of(x) == 1):
        if ord is None:
            return np.sqrt(np.sum(np.square(x), keepdims=keepdims))
        return _vector_norm(x, None, keepdims, ord)
    axis = tuple(range(ndim_of(x))) if axis is None else axis
    if isinstance(axis, tuple) and len(axis) == 2:
        return _matrix_norm(x, axis, keepdims, ord)
    return _vector_norm(x, axis, keepdims, 2 if ord is None else ord)


@rule(np.linalg.vector_norm)
def vector_norm(x, *, axis=None, keepdims=False, ord=2):
    return _vector_norm(x, axis, keepdims, ord)


@rule(np.linalg.matrix_norm)
def matrix_norm(x, *, keepdims=False, ord="fro"):
    return _matrix_norm(x, (-2, -1), keepdims, ord)


constant(np.linalg.matrix_rank)
