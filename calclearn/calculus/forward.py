r"""Forward mode: tangents travel with the values, in several directions at once.

With :math:`y = f(x)` and a direction :math:`v`, what comes out is :math:`J v`: equation (4) of
docs/derivations/chain-rule.md, step by step along the computation.  The value is computed once, whatever the
number of directions; tangents carry them as a leading axis.

This is first-order and for arrays.  The second-order jets (:mod:`.jets`) are for numbers, and compile: they
are what losses are differentiated by.  Both follow the same conventions, and tests hold that they agree.
"""

import numpy as np

from ._tracing import Level, Traced, concrete, outcome


class Dual(Traced):
    """A value and its tangents, with a leading axis of directions."""

    __slots__ = ("tangent",)

    def __init__(self, value, level, tangent):
        super().__init__(value, level)
        self.tangent = tangent


class Forward(Level):
    """One pass of forward mode."""

    def record(self, value, active, primitive, operands, options):
        if primitive.joint is not None:
            tangents = [None] * len(operands)
            for i, x in active:
                tangents[i] = x.tangent
            return Dual(value, self, primitive.joint(tangents, value, *operands, **options))
        total = None
        for i, x in active:
            push, _ = primitive.local(i, value, *operands, **options)
            moved = push(x.tangent)
            total = moved if total is None else total + moved
        shape = (np.shape(concrete(total))[0], *np.shape(concrete(value)))
        if np.shape(concrete(total)) != shape:  # the operands that moved were smaller than the others
            total = np.broadcast_to(total, shape)
        return Dual(value, self, total)


def push_forward(f, x, directions):
    """The value of *f*, and its derivatives along *directions*, an array with one more axis than *x*.

    Returns
    -------
    value, tangents : array
        Tangents have the leading axis of the directions.
    """
    level = Forward()
    y = outcome(f(Dual(x, level, directions)))
    if isinstance(y, Dual) and y.level is level:
        return y.value, y.tangent
    plain = concrete(directions)
    return y, np.zeros((np.shape(plain)[0], *np.shape(concrete(y))), plain.dtype)
