"""Threads, with real processes, forks and signals.  A hang anywhere is a failure: every wait has an end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from calclearn._runtime import jit, threads
from calclearn._runtime.threads import blas_threads, chunks, run, thread_count

from ..systems import blas, forks, interrupts, pins

PATIENCE = 60  # seconds after which something hangs


def start(program, **environment):
    """A Python that runs `program`; Ctrl-C interrupts it even where it is ignored here."""
    head = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", head + textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": str(jit.PACKAGE.parent)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What it printed, line by line."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert not err
    return out.split("\n")[:-1]


def both(function):
    """The two results of `function`, in which two threads of one `run` meet."""
    meeting = threading.Barrier(2)

    def item(_):
        meeting.wait(PATIENCE)
        return function()

    return run(item, [0, 1], 2)


# -------------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (3, 3), (10, 3), (10, 1), (10, 100)])
def test_chunks_cover_everything_once_and_in_order(n, size):
    ranges = chunks(n, size)
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(n))
    assert all(0 < stop - start <= size for start, stop in ranges)


@pytest.mark.parametrize(("n", "size", "name"), [(-1, 3, "n"), (5, 0, "size")])
def test_chunks_name_the_parameter_that_is_wrong(n, size, name):
    with pytest.raises(ValueError, match=rf"^{name} must .* got"):
        chunks(n, size)


# ----------------------------------------------------------------------------------------------------- run


def test_a_chunked_sum_has_the_same_bits_for_any_number_of_threads(rng):
    x = rng.normal(size=100_003) * 10.0 ** rng.integers(-9, 9, size=100_003)

    def part(bounds):
        return float(np.sum(x[slice(*bounds)]))

    sums = {sum(run(part, chunks(x.size, 1000), n_threads)) for n_threads in (1, 2, 3, 8)}
    assert len(sums) == 1


def test_results_are_in_the_order_of_the_items():
    assert run(lambda i: time.sleep(0.001 * (i % 3)) or i, iter(range(30)), 4) == list(range(30))
    assert run(str, [], 4) == []


def test_as_many_threads_take_part_as_were_asked_for_and_the_caller_is_one():
    meeting = threading.Barrier(5)

    def who(_):
        meeting.wait(PATIENCE)
        return threading.get_ident()

    idents = run(who, range(5), 5)
    assert len(set(idents)) == 5
    assert threading.get_ident() in idents


def test_a_run_inside_a_run_stays_in_its_thread():
    def outer():
        return {threading.get_ident(), *run(lambda _: threading.get_ident(), range(20), 4)}

    assert [len(idents) for idents in both(outer)] == [1, 1]
    assert both(lambda: True) == [True, True]  # and afterwards both threads take part again


def test_four_threads_can_run_at_once():
    def fit(k):
        for n_threads in (2, 3, 4, 2):
            assert run(lambda i: k * i, range(200), n_threads) == [k * i for i in range(200)]
        return k

    with ThreadPoolExecutor(4) as callers:
        futures = [callers.submit(fit, k) for k in range(20)]
        assert [future.result(PATIENCE) for future in futures] == list(range(20))


def test_the_first_error_in_item_order_is_raised():
    """Whichever thread fails first: item 1 fails only after item 2 has."""
    second = threading.Event()

    def item(i):
        if i == 1:
            assert second.wait(PATIENCE)
        if i == 2:
            second.set()
        if i >= 1:
            raise KeyError(i)

    with pytest.raises(KeyError, match="1"):
        run(item, range(100), 2)


def test_after_an_error_no_item_is_begun_and_none_is_abandoned():
    meeting, begun, ended = threading.Barrier(2), [], []

    def item(i):
        begun.append(i)
        meeting.wait(PATIENCE)
        if i == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(i)

    with pytest.raises(ZeroDivisionError):
        run(item, range(100), 2)
    assert sorted(begun) == [0, 1]
    assert ended == [1]


def test_an_exit_in_another_thread_reaches_the_caller():
    caller = threading.get_ident()

    def leave():
        if threading.get_ident() != caller:
            raise SystemExit(3)
        raise ValueError

    with pytest.raises(SystemExit):
        both(leave)
    assert both(lambda: True) == [True, True]


def test_neither_results_nor_errors_keep_the_arrays_of_a_run_alive():
    def use():
        x = np.ones(3)
        both(lambda: x.sum())
        with pytest.raises(IndexError):
            both(lambda: x[5])
        return weakref.ref(x)

    assert use()() is None


def test_the_error_state_of_numpy_holds_in_every_thread():
    with np.errstate(divide="raise"):
        assert both(lambda: np.geterr()["divide"]) == ["raise", "raise"]
    assert both(lambda: np.geterr()["divide"]) == ["warn", "warn"]


def test_where_no_thread_can_be_started_the_caller_does_the_work(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", threads._Pool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert run(lambda i: i * i, range(5), 3) == [0, 1, 4, 9, 16]


# -------------------------------------------------------------------------------- processes, forks, signals


def test_importing_starts_no_thread_and_leaving_waits_for_none():
    program = """
        import threading
        from calclearn._runtime import threads
        assert threading.active_count() == 1
        threads.run(lambda _: None, range(100), 5)
        assert threading.active_count() == 5

        import atexit, time
        atexit.register(lambda: print(threads.run(abs, [-1, -2], 9)))
        caller = threading.Thread(target=threads.run, args=(lambda _: time.sleep(0.1), range(8), 4))
        caller.start()
    """
    assert finish(start(program)) == ["[1, 2]"]


@forks
def test_a_forked_child_runs_on_threads_of_its_own():
    """Forked while idle, the process has one thread; forked at work, the child begins afresh."""
    program = """
        import multiprocessing, os, threading, time, warnings
        os.register_at_fork(before=lambda: print(threading.active_count(), flush=True))
        from calclearn._runtime import threads

        def both():
            meeting = threading.Barrier(2)
            return threads.run(lambda i: i + 0 * meeting.wait(30), [5, 6], 2)

        def child(pipe):
            pipe.send(both() + [threading.active_count()])

        def fork():
            mine, other = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(target=child, args=(other,))
            process.start()
            assert mine.poll(30), "the child hangs"
            print(mine.recv(), flush=True)
            process.join(30)
            assert process.exitcode == 0

        both()
        fork()
        assert both() == [5, 6]
        busy = threading.Thread(target=threads.run, args=(lambda _: time.sleep(0.01), range(100), 2))
        busy.start()
        warnings.simplefilter("ignore")  # from Python 3.12 forking beside a working thread is warned of
        fork()
        busy.join(30)
        assert both() == [5, 6]
        meeting = threading.Barrier(2)
        in_worker = lambda: threading.current_thread() is not threading.main_thread()
        threads.run(lambda _: meeting.wait(30) + 1 and in_worker() and fork(), [0, 1], 2)
    """
    assert finish(start(program)) == ["1", "[5, 6, 2]", "3", "[5, 6, 2]", "2", "[5, 6, 2]"]


@interrupts
def test_an_interrupt_ends_a_run_of_many_items():
    """It would take ten minutes; and no item is at work once `run` has raised."""
    program = """
        import time
        from calclearn._runtime import threads
        begun, ended = [], []

        def item(i):
            begun.append(i)
            if i == 10:
                print("ready", flush=True)
            time.sleep(0.001)
            ended.append(i)

        try:
            threads.run(item, range(1_200_000), 2)
        except KeyboardInterrupt:
            assert len(begun) - len(ended) <= 1  # the calling thread's own
            n = len(begun)
            time.sleep(0.1)
            assert len(begun) == n
            print("interrupted")
        print(threads.run(abs, [-1, -2], 2))
    """
    process = start(program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == ["interrupted", "[1, 2]"]


@interrupts
def test_an_interrupt_while_waiting_lets_the_other_thread_finish_its_item():
    program = """
        import threading, time
        from calclearn._runtime import threads
        begun, ended = threading.Event(), threading.Event()

        def item(i):
            if threading.current_thread() is threading.main_thread():
                return begun.wait(30)
            begun.set()
            print("ready", flush=True)
            time.sleep(0.7)
            ended.set()

        try:
            threads.run(item, [0, 1], 2)
        except KeyboardInterrupt:
            assert ended.is_set()
            print("interrupted")
    """
    process = start(program)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert finish(process) == ["interrupted"]


# -------------------------------------------------------------------------------------------- thread_count


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 16 CPUs whose control groups are files in a folder; returns the writer of them."""
    monkeypatch.setattr(threads, "_cpus", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 16)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "MEMBERSHIP", tmp_path / "membership")
    threads._quota.cache_clear()

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    yield write
    threads._quota.cache_clear()


HALF = {"cpu/box/cpu.cfs_quota_us": "50000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 16),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"membership": "0::/a/b\n", "a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ({"membership": "0::/gone\n", "cpu.max": "600000 100000"}, 6),
        (HALF | {"membership": "2:cpuacct,cpu:/box\n0::/\n"}, 1),
        (HALF | {"membership": "3:cpuset:/box\n0::/\n"}, 16),
    ],
)
def test_the_quota_of_any_control_group_around_the_process_counts(machine, files, cpus):
    machine(files)
    assert thread_count() == cpus


def test_the_smallest_of_all_limits_counts(machine, monkeypatch):
    machine({"cpu.max": "800000 100000"})
    assert thread_count() == 8
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "7")
    assert thread_count() == 7
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8, 9, 11, 12})
    assert thread_count() == 6
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 5)
    assert thread_count() == 5
    assert [thread_count(n_jobs) for n_jobs in (1, 2, 40, np.int64(3))] == [1, 2, 40, 3]
    assert [thread_count(n_jobs) for n_jobs in (-1, -2, -5, -40)] == [5, 4, 1, 1]


@pins
def test_a_process_obeys_its_environment_and_affinity():
    program = """
        import os, sys
        from calclearn._runtime.threads import thread_count
        print(thread_count(), thread_count(-1), thread_count(3))
        import numba
        numba.config.NUMBA_NUM_THREADS = 8
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(thread_count(), thread_count(-1), thread_count(3))
    """
    assert finish(start(program, NUMBA_NUM_THREADS="1")) == ["1 1 3", "1 1 3"]


@pytest.mark.parametrize(("n_jobs", "error"), [(0, ValueError), (1.5, TypeError), ("two", TypeError)])
def test_what_is_no_number_of_jobs_is_an_error_that_names_it(n_jobs, error):
    with pytest.raises(error, match=rf"^n_jobs must .* got {n_jobs!r}$"):
        thread_count(n_jobs)


# ---------------------------------------------------------------------------------------------------- BLAS


class Library:
    """A stand-in for a BLAS library, set to four threads; maybe with a setting of its own in each thread."""

    internal_api = "openblas"

    def __init__(self, filepath, by_thread=False):
        self.filepath, self.threading_layer = filepath, "openmp" if by_thread else "pthreads"
        self.state = threading.local() if by_thread else type("State", (), {})()

    def get_num_threads(self):
        return getattr(self.state, "n_threads", 4)

    def set_num_threads(self, n_threads):
        self.state.n_threads = n_threads


@pytest.fixture
def libraries(monkeypatch):
    """Libraries that `blas_threads` will find: one shared, one by thread; add to them to load another."""
    loaded = [Library("shared"), Library("by thread", by_thread=True)]

    class Controller:
        def select(self, user_api):
            assert user_api == "blas"
            return self

        lib_controllers = loaded

    monkeypatch.setattr(threads, "ThreadpoolController", Controller)
    monkeypatch.setattr(threads, "_blas", threads._Blas())
    return loaded


def settings(libraries):
    return [library.get_num_threads() for library in libraries]


@blas
def test_both_blas_libraries_are_limited_and_restored():
    """NumPy's and SciPy's, as threadpoolctl sees them."""
    import scipy.linalg  # noqa: F401

    blas = ThreadpoolController().select(user_api="blas").lib_controllers
    before = settings(blas)
    with blas_threads(1):
        assert set(settings(blas)) == {1}
    assert settings(blas) == before


@blas
def test_whoever_leaves_last_restores_real_libraries_from_any_thread():
    blas = ThreadpoolController().select(user_api="blas").lib_controllers
    before = settings(blas)
    inside, out = threading.Event(), threading.Event()

    def other():
        with blas_threads(1):
            inside.set()
            assert out.wait(PATIENCE)
        return True

    with ThreadPoolExecutor(1) as thread:
        with blas_threads(1):
            left = thread.submit(other)
            assert inside.wait(PATIENCE)
        assert set(settings(blas)) == {1}
        out.set()
        assert left.result(PATIENCE)
        assert settings(blas) == before  # while the thread that left last, and the first, are alive


def test_of_nested_limits_the_smallest_holds(libraries):
    with blas_threads(2):
        assert settings(libraries) == [2, 2]
        with blas_threads(1):
            assert settings(libraries) == [1, 1]
            with blas_threads(3):
                assert settings(libraries) == [1, 1]
        assert settings(libraries) == [2, 2]
    assert settings(libraries) == [4, 4]


def test_a_limit_never_raises_the_number_of_threads(libraries):
    with blas_threads(9):
        assert settings(libraries) == [4, 4]


def test_limits_in_many_threads_end_where_they_began(libraries):
    def use(k):
        for limit in (1, 2, 3) * 20:
            with blas_threads(limit):
                assert max(settings(libraries)) <= limit
        return settings(libraries)[1]

    with ThreadPoolExecutor(4) as pool:
        assert [use.result(PATIENCE) for use in [pool.submit(use, k) for k in range(8)]] == [4] * 8
    assert settings(libraries) == [4, 4]


def test_workers_use_one_thread_of_a_library_that_has_a_setting_for_each(libraries):
    assert both(lambda: True)  # a worker that is older than the limit
    with blas_threads(1):
        assert both(lambda: settings(libraries)) == [[1, 1], [1, 1]]
    assert settings(libraries) == [4, 4]


def test_a_library_loaded_inside_is_limited_from_the_next_context_on(libraries, monkeypatch):
    with blas_threads(1):
        libraries.append(Library("late"))
        monkeypatch.setitem(sys.modules, "a module that loads a library", threads)
        with blas_threads(2):
            assert settings(libraries) == [1, 1, 1]
    assert settings(libraries) == [4, 4, 4]


def test_what_somebody_else_sets_meanwhile_is_left_alone(libraries):
    with blas_threads(1):
        libraries[0].set_num_threads(3)
    assert settings(libraries) == [3, 4]


def test_an_error_inside_restores_as_well(libraries):
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        raise ZeroDivisionError
    assert settings(libraries) == [4, 4]


@pytest.mark.parametrize("which", [0, 1])
def test_an_interrupt_on_the_way_in_or_out_restores_as_well(libraries, which):
    set_num_threads, calls = libraries[0].set_num_threads, []

    def interrupted(n_threads):
        calls.append(set_num_threads(n_threads))
        if len(calls) == which + 1:
            raise KeyboardInterrupt

    libraries[0].set_num_threads = interrupted
    with pytest.raises(KeyboardInterrupt), blas_threads(1):
        pass
    assert settings(libraries) == [4, 4]


def test_a_limit_below_one_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"^limit must be at least 1, got 0$"), blas_threads(0):
        pass


@forks
def test_a_forked_child_keeps_the_limit_of_its_own_thread_only():
    """Another thread's context, open at the fork, does not exist in the child."""
    program = """
        import os, threading
        from threadpoolctl import ThreadpoolController
        from calclearn._runtime.threads import blas_threads
        blas = ThreadpoolController().select(user_api="blas").lib_controllers
        settings = lambda: sorted({library.get_num_threads() for library in blas})
        inside, out = threading.Event(), threading.Event()
        for library in blas:
            library.set_num_threads(4)

        def other():
            with blas_threads(1):
                inside.set()
                out.wait(30)

        def fork():
            child = os.fork()
            if child == 0:
                print(settings(), flush=True)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

        import warnings
        warnings.simplefilter("ignore")  # from Python 3.12 forking beside a thread is warned of
        threading.Thread(target=other).start()
        inside.wait(30)
        fork()
        with blas_threads(2):
            print(settings())
            fork()
        out.set()
    """
    assert finish(start(program)) == ["[4]", "[1]", "[2]"]
