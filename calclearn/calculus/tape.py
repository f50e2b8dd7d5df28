r"""Reverse mode: a tape of what was computed, and a sweep back along it.

While a function computes, each operation writes on the tape where its operands stand, and how a cotangent of
its result is pulled back to them.  The sweep starts with the cotangent :math:`u` of the result and ends with
:math:`J^\top u` at the input: equation (5) of docs/derivations/chain-rule.md.  It meets each operation once,
so it costs a small multiple of the evaluation, whatever the number of inputs.
"""

import numpy as np

from ._rules_arrays import Scattered
from ._tracing import Level, Traced, outcome


class Node(Traced):
    """A value, and its place on the tape."""

    __slots__ = ("place",)

    def __init__(self, value, level, place):
        super().__init__(value, level)
        self.place = place


class Tape(Level):
    """What was computed, in order: for each result, the operation and the places of its operands."""

    def __init__(self):
        super().__init__()
        self.entries = []

    def variable(self, x):
        """An input."""
        self.entries.append(())
        return Node(x, self, len(self.entries) - 1)

    def record(self, value, active, primitive, operands, options):
        self.entries.append((primitive, value, operands, options, [(i, x.place) for i, x in active]))
        return Node(value, self, len(self.entries) - 1)

    def sweep(self, node, cotangent, variable, last):
        """The cotangent of *variable*, for one of *node*: None where the one does not depend on the other.

        The *last* sweep frees the memory of what it has passed.
        """
        waiting = {node.place: cotangent}
        owned = set()  # places whose sum is an array of our own, to which more can be added in place
        for place in range(node.place, variable.place, -1):
            cotangent = waiting.pop(place, None)
            if cotangent is not None:
                owned.discard(place)
                for operand, pull in self._pulls(place, last):
                    _add(waiting, owned, operand, pull(cotangent))
        return waiting.get(variable.place)

    def _pulls(self, place, last):
        """How a cotangent goes on from there; made in the first sweep, kept for others."""
        entry = self.entries[place]
        if isinstance(entry, tuple):
            primitive, value, operands, options, active = entry
            entry = [(to, primitive.local(i, value, *operands, **options)[1]) for i, to in active]
        self.entries[place] = None if last else entry
        return entry


def _add(waiting, owned, place, new):
    """Add to the cotangent that waits at a place."""
    total = waiting.get(place)
    if isinstance(new, Scattered):
        if isinstance(new.cotangent, Traced) or isinstance(total, Traced):
            new = new.dense()
        else:
            if place not in owned:
                start = np.zeros(new.shape, np.asarray(new.cotangent).dtype) if total is None else total
                waiting[place] = total = np.array(start)
                owned.add(place)
            new.add_to(total)
            return
    if total is None:
        waiting[place] = new
    elif place in owned and not isinstance(new, Traced):
        total += new
    else:
        waiting[place] = total + new
        (owned.add if isinstance(waiting[place], np.ndarray) else owned.discard)(place)


def pull_back(f, x):
    """The value of *f*, and a function that pulls cotangents of it back to *x*.

    Returns
    -------
    value : array
    pull : callable
        ``pull(cotangent, last=True)``, which costs one sweep; after the last one it cannot be called again.
    """
    tape = Tape()
    variable = tape.variable(x)
    y = outcome(f(variable))
    if not (isinstance(y, Node) and y.level is tape):
        return y, lambda cotangent, last=True: np.zeros(x.shape, x.dtype)

    def pull(cotangent, last=True):
        answer = tape.sweep(y, cotangent, variable, last)
        return np.zeros(x.shape, x.dtype) if answer is None else answer

    return y.value, pull
