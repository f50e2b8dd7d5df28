"""Loops shared from inside compiled code.  A hang anywhere is a failure: every wait has an end."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from calclearn._runtime import team, threads
from calclearn._runtime.jit import kernel

from ..systems import forks
from .test_threads import PATIENCE, finish, start

STEP = team.FREE  # the word in which the leader of these tests describes a job


@kernel
def post(board, n_items):
    team.post(board, n_items)


@kernel
def job_comes(board):
    return team.job_comes(board)


@kernel
def close(board):
    team.close(board)


@kernel
def count(board, times, member, n_jobs, n_items, leader_works):
    """Job j has 1 + j % n_items items, and adds j + 1 to each of them in `times`."""
    for j in range(n_jobs if member == 0 else 1 << 60):
        size = 1 + j % n_items
        if member == 0:
            board[STEP] = j
            team.post(board, size)
        elif not team.job_comes(board):
            return
        if member > 0 or leader_works:
            item = team.take(board)
            while item != team.NOTHING:
                times[item] += board[STEP] + 1  # no other thread has this item
                team.done(board)
                item = team.take(board)
        if member == 0:
            team.wait(board, size)
    if member == 0:
        team.close(board)


def expected(n_jobs, n_items):
    times = np.zeros(n_items, np.int64)
    for j in range(n_jobs):
        times[: 1 + j % n_items] += j + 1
    return times


def counted(n_threads, n_jobs=5000, n_items=7, board=None, leader_works=True):
    board, times = team.new_board() if board is None else board, np.zeros(n_items, np.int64)
    team.together(board, lambda i: count(board, times, i, n_jobs, n_items, leader_works), n_threads)
    return times


@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("n_items", [1, 7, 300])
def test_every_item_of_thousands_of_jobs_is_done_once(n_threads, n_items):
    assert_array_equal(counted(n_threads, n_items=n_items), expected(5000, n_items))


def test_helpers_alone_can_do_the_work():
    """The leader takes none: so helpers do come, and tell it."""
    assert_array_equal(counted(2, n_jobs=500, leader_works=False), expected(500, 7))


def test_a_board_can_be_used_again_and_its_numbers_of_jobs_wrap():
    board = team.new_board()
    for n_threads in (2, 1, 3, 2):
        assert_array_equal(counted(n_threads, n_jobs=6000, board=board), expected(6000, 7))


def test_what_the_leader_did_is_returned():
    board = team.new_board()

    def member(i):
        if i == 0:
            close(board)
        return i, threading.get_ident()

    assert team.together(board, member, 3)[0] == 0


def test_inside_another_run_the_caller_does_all():
    def nested(_):
        return counted(3, n_jobs=200).tolist()

    both = threads.run(nested, [0, 1], 2)
    assert both == [expected(200, 7).tolist()] * 2


def test_many_teams_at_once_do_not_disturb_each_other():
    results = []
    callers = [threading.Thread(target=lambda: results.append(counted(3, n_jobs=1000))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert len(results) == 4
    for times in results:
        assert_array_equal(times, expected(1000, 7))


@pytest.mark.parametrize("posted", [False, True])
def test_a_leader_that_raises_leaves_no_helper_behind(posted):
    """The helpers wait on the board already, or have items to take, when it does."""
    board, times, waiting = team.new_board(), np.zeros(7, np.int64), threading.Event()

    def member(i):
        if i > 0:
            waiting.set()
            return count(board, times, i, 0, 7, True)
        assert waiting.wait(PATIENCE)
        if posted:
            board[STEP] = 0
            post(board, 7)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        team.together(board, member, 3)
    assert threads.run(abs, [-1, -2, -3], 3) == [1, 2, 3]  # the pool is free


def test_a_helper_leaves_a_leader_that_never_comes():
    """As after an interrupt between two lines of Python: to wait for ever would be to hang."""
    assert job_comes(team.new_board()) is False


@forks
def test_forked_children_share_loops_too():
    program = """
        import os
        import numpy as np
        from tests.runtime.test_team import counted, expected

        assert (counted(3) == expected(5000, 7)).all()
        child = os.fork()
        assert (counted(3) == expected(5000, 7)).all()
        if child == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print("both")
    """
    from calclearn._runtime import jit

    folder = jit.PACKAGE.parent
    assert finish(start(program, PYTHONPATH=str(folder))) == ["both"]
