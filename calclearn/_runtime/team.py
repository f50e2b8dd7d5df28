"""A loop shared between threads from inside compiled code, where going back to Python would cost more.

`threads.run` hands out work in some 100 µs.  A tree of 31 leaves asks for ninety small loops, one after the
other: there, threads stay in compiled code and meet on a *board*, a few integers in memory.  The leader
posts a job of numbered items; everybody, the leader too, draws items until none is left; the leader goes on
when all are done.  A helper that comes late, or never, costs nothing but its help.

A kernel that uses this is run by all members of the team, the leader being number 0.  The leader calls
`post`, works like everybody, and calls `wait`; the helpers' loop is ``while job_comes(board)``, and then they
work.  To work is to ``take`` items, do them and say so (`done`), until there is none.

What a board holds: the *ticket*, which is the number of the job, its count of items and the next item
in one word, so that whoever draws learns all three at once; how many items are done; whether helpers may
leave; whether one has failed; and `FREE` words in which the leader describes the job.  A job's description is
changed only when all its items are done, so nobody who holds an item can see another's.
"""

import sys

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import threads
from .jit import inner

TICKET, DONE, CLOSED, BROKEN, FREE = 0, 8, 16, 24, 32  # words of a board; a cache line each
WORDS = 48
NOTHING = -1
SPINS = 2000  # looks at the board, some microseconds, before a thread offers its processor to others
PATIENCE = 1 << 17  # times that a helper does so before it leaves: an interrupted leader may never come
_ITEM_BITS = 24
_ITEMS = (1 << _ITEM_BITS) - 1
_JOB = 1 << (2 * _ITEM_BITS)
_yields = sys.platform != "win32"


def new_board():
    """A board with no job on it."""
    return np.zeros(WORDS, np.int64)


def together(board, member, n_threads):
    """Run `member(0)`, the leader, and in other threads `member(i)`; what the leader returned.

    Parameters
    ----------
    board : ndarray
        From :func:`new_board`.
    member : callable
        Releases the GIL.  The leader should end with `close(board)`, lest helpers look on in vain.
    n_threads : int

    Returns
    -------
    object
        What the leader did.
    """
    board[CLOSED] = board[BROKEN] = 0

    def run(number):
        try:
            return member(number)
        except BaseException:
            board[BROKEN] = 1  # what it took will never be done
            raise
        finally:
            if number == 0:
                board[CLOSED] = 1  # whatever happened: nobody must wait for ever

    return threads.run(run, range(n_threads), n_threads)[0]


@inner
def post(board, n_items):
    """Leader: offer the items 0 .. n_items - 1 of the job that the words from `FREE` on describe."""
    store(board, DONE, 0)
    ticket = load(board, TICKET)
    job = (ticket // _JOB + 1) & 0x3FFF
    store(board, TICKET, job * _JOB + (n_items << _ITEM_BITS))


@inner
def take(board):
    """The next item of the job on the board, or NOTHING."""
    ticket = load(board, TICKET)
    if (ticket & _ITEMS) >= ((ticket >> _ITEM_BITS) & _ITEMS):
        return NOTHING
    ticket = add(board, TICKET, 1)
    item = ticket & _ITEMS
    return item if item < ((ticket >> _ITEM_BITS) & _ITEMS) else NOTHING


@inner
def done(board):
    """Whoever took an item: it is done."""
    add(board, DONE, 1)


@inner
def wait(board, n_items):
    """Leader: until all items are done, the taken ones too; False if a member has failed."""
    spins = 0
    while load(board, DONE) < n_items:
        if load(board, BROKEN) == 1:
            return False
        spins = spin(spins)
    return True


@inner
def job_comes(board):
    """Helper: wait until there are items to take; False when the board is closed, or after a long time."""
    spins, yields = 0, 0
    while yields < PATIENCE:
        ticket = load(board, TICKET)
        if (ticket & _ITEMS) < ((ticket >> _ITEM_BITS) & _ITEMS):
            return True
        if load(board, CLOSED) == 1:
            return False
        spins = spin(spins)
        yields += spins == 0
    return False


@inner
def close(board):
    """Leader: helpers may leave; no job may be left undone."""
    store(board, CLOSED, 1)


@inner
def spin(spins):
    """Look again soon; after a while, let another thread have the processor."""
    if spins < SPINS:
        return spins + 1
    if _yields:
        _sched_yield()
    return 0


# The words are read and written in the order in which the code says so, by all threads alike.


@intrinsic
def load(typingctx, board, word):
    """``board[word]``, and all that was written before it was stored."""

    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature, arguments), "acquire", 8)

    return types.int64(board, types.intp), generate


@intrinsic
def store(typingctx, board, word, value):
    """``board[word] = value``, after all that was written before."""

    def generate(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], _address(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), generate


@intrinsic
def add(typingctx, board, word, value):
    """``board[word] += value``, as one step; what it was before."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature, arguments)
        return builder.atomic_rmw("add", address, arguments[2], "acq_rel")

    return types.int64(board, types.intp, types.int64), generate


def _address(context, builder, signature, arguments):
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def _sched_yield(typingctx):
    """POSIX's function of this name, which every such process has."""

    def generate(context, builder, signature, arguments):
        function = ir.FunctionType(ir.IntType(32), [])
        builder.call(_declared(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _declared(module, function, name):
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, function, name)
