"""Work on several threads: how many, which part for each, the pool that runs them, and BLAS held back.

A kernel is a plain ``nogil`` loop over a range; `run` hands the ranges of `chunks` to a small pool of
Python threads.  Numba's own threads (``parallel=True``, ``prange``) are not used, for measured reasons
(Numba 0.68): with its ``omp`` layer a forked child hangs; with ``workqueue``, the default on macOS, two
threads that fit at once abort the process; ``tbb`` from PyPI is not found in a virtual environment; and
compiling takes several times as long.  Even ``numba.get_num_threads`` starts such a layer: only
``numba.config`` is read here.

The same bits for any number of threads: ranges depend on the size of the work alone, results come back
in the order of the ranges, and whoever adds them up does so in that order.

To keep Ctrl-C answered within a second, an item must not take longer: a compiled call cannot be
interrupted, neither in the calling thread nor in another.

Forking is safe: idle workers are dismissed before a fork and started again when they are next wanted,
so that no thread is lost in the child (and Python 3.12 has nothing to warn of); while other threads
are at work the fork goes ahead, and the child begins with a new pool.
"""

import contextvars
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from numbers import Integral
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numba
from threadpoolctl import ThreadpoolController

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
POLL = 0.1  # seconds; on Windows, Ctrl-C is not noticed inside a wait, only after it

Item = TypeVar("Item")
Result = TypeVar("Result")


# ------------------------------------------------------------------------------------ how many, and of what


def thread_count(n_jobs: int | None = None) -> int:
    """The number of threads that `n_jobs` asks for.

    Parameters
    ----------
    n_jobs : int or None, default=None
        None: this process's share of the machine, the smaller of Numba's number of threads
        (``NUMBA_NUM_THREADS``, which joblib sets in its workers) and the CPUs that the process may use,
        counted as joblib does (affinity, the quota of the control group, ``LOKY_MAX_CPU_COUNT``).
        Positive: that number.  Negative: -1 is the whole share, -2 all of it but one thread, and so on,
        never less than one.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If `n_jobs` is 0.
    TypeError
        If `n_jobs` is neither an integer nor None.
    """
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be an integer or None, got {n_jobs!r}")
    if n_jobs == 0:
        raise ValueError("n_jobs must be None, positive or negative, got 0")
    if n_jobs is not None and n_jobs > 0:
        return int(n_jobs)
    numba_threads = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    share = max(1, min(numba_threads, _usable_cpus()))
    return share if n_jobs is None else max(1, share + 1 + int(n_jobs))


def chunks(n: int, size: int) -> list[tuple[int, int]]:
    """Ranges ``(start, stop)`` of `size` that cover ``range(n)``, the last one maybe shorter.

    They do not depend on the number of threads: sums over them, added in order, have the same bits for any.

    Raises
    ------
    ValueError
        If `n` is negative or `size` is less than 1.
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _usable_cpus() -> int:
    """The CPUs that this process may use; the affinity is read anew, as it may change."""
    cpus = _cpus()
    if hasattr(os, "sched_getaffinity"):
        cpus = min(cpus, len(os.sched_getaffinity(0)))
    return int(min(cpus, _quota(), int(os.environ.get("LOKY_MAX_CPU_COUNT", cpus))))


@cache
def _cpus() -> int:
    """Of the machine; asking takes longer than a small fit can spare."""
    return os.cpu_count() or 1


@cache
def _quota() -> float:
    """The CPUs' worth of time that the control groups of the process allow, rounded up; maybe infinite."""
    return min(map(_bandwidth, _control_groups()))


def _control_groups() -> Iterator[Path]:
    """Folders of the groups that the process is in, of both versions, from the outermost inwards."""
    yield CGROUPS  # a container sees its own group here, whatever it is called outside
    yield CGROUPS / "cpu"
    try:
        memberships = MEMBERSHIP.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):  # version 2, or version 1
            folder = CGROUPS / "cpu" if controllers else CGROUPS
            for name in path.split("/"):
                folder /= name
                yield folder


def _bandwidth(folder: Path) -> float:
    """CPUs by the quota of one control group (the kernel's documents cgroup-v2 and sched-bwc)."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = map(int, (folder / "cpu.max").read_text().split())
        else:
            quota = int((folder / "cpu.cfs_quota_us").read_text())
            period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):  # no such group, or "max": no limit
        return math.inf
    return math.ceil(quota / period) if quota > 0 else math.inf


# ----------------------------------------------------------------------------------------------- the pool


def run(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> list[Result]:
    """``[function(item) for item in items]``, on at most `n_threads` threads, the calling one included.

    Items are handed out in order, one at a time.  Called from inside another `run`, or for one item or one
    thread, it is that comprehension.  The caller's context variables, such as NumPy's error state, hold
    in every thread.  When `run` returns or raises, no thread is still at work on its items.

    Parameters
    ----------
    function : callable
        Called with one item; to gain from threads it must release the GIL (kernels, BLAS, NumPy).
    items : iterable
        To keep Ctrl-C answered within a second, no item may take longer.
    n_threads : int
        The pool grows to it, where the machine has threads to give.

    Returns
    -------
    list
        The results in the order of the items.

    Raises
    ------
    Exception
        Of the items that raised, the first one's: the same for any number of threads.  Once one has
        raised, or the calling thread was interrupted, no further item is begun.
    """
    items = list(items)
    n_helpers = min(n_threads, len(items)) - 1
    if n_helpers < 1 or _thread.busy:
        return [function(item) for item in items]
    job = _Job(function, items, n_helpers)
    try:
        _pool.announce(job)
        _thread.busy = True
        job.work()
        job.wait_for_helpers()
    except BaseException:  # interrupted
        job.left.clear()
        job.wait_for_helpers()
        raise
    finally:
        _thread.busy = False
        _pool.jobs.discard(job)
    return job.outcome()


class _Job:
    """One call of `run`: the items left to do, and what came of the others."""

    def __init__(self, function, items, n_helpers) -> None:
        self.function, self.items = function, items
        self.results = [None] * len(items)
        self.errors: list[tuple[bool, int, BaseException]] = []
        self.left = deque(range(len(items)))  # popleft is atomic: each item is handed out once
        self.context = contextvars.copy_context()
        self.vacancies, self.helpers, self.closed = n_helpers, 0, False
        self.lock, self.helpers_gone = threading.Lock(), threading.Lock()
        self.helpers_gone.acquire()

    def work(self) -> None:
        """Do what is left, item by item."""
        while True:
            try:
                index = self.left.popleft()
            except IndexError:
                return
            try:
                self.results[index] = self.function(self.items[index])
            except BaseException as error:
                self.left.clear()
                self.errors.append((isinstance(error, Exception), index, error))

    def help(self) -> None:
        """Work in a thread of the pool, if there are vacancies and the caller has not finished meanwhile."""
        with self.lock:
            if self.closed or not self.vacancies:
                return
            self.vacancies -= 1
            self.helpers += 1
        try:
            self.context.copy().run(self.work)  # a copy each: a context is entered by one thread at a time
        finally:
            with self.lock:
                self.helpers -= 1
                if self.closed and not self.helpers:
                    self.helpers_gone.release()

    def wait_for_helpers(self) -> None:
        """Let no thread join any more, and wait until those that did have left; may be called again."""
        with self.lock:
            self.closed = True
            present = self.helpers > 0
        while present and not self.helpers_gone.acquire(timeout=POLL):
            pass

    def outcome(self) -> list:
        """The results, or the error: an interrupt or exit before all, then the first in item order."""
        try:
            if self.errors:
                raise min(self.errors)[-1]
        finally:
            self.errors.clear()  # else error, traceback and job would keep each other alive
        return self.results


class _Pool:
    """Daemon threads that sleep until called, then help with every job that has a vacancy.

    A call names no job: one that comes late finds the jobs of that moment, or none, and nothing that
    is finished is kept alive by a call that is still to be answered.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """No worker and no job: at the start, and in a forked child, where no other thread survives."""
        self.calls: SimpleQueue[bool] = SimpleQueue()  # True: look for jobs; False: leave
        self.workers: list[threading.Thread] = []
        self.jobs: set[_Job] = set()
        self.lock = threading.RLock()  # a signal's handler may fork
        _thread.busy = False

    def announce(self, job: _Job) -> None:
        with self.lock:
            wanted = job.vacancies
            self.jobs.add(job)  # from here on, a worker that happens to be awake may join
            while len(self.workers) < wanted and self._grow():
                pass
            for _ in range(min(wanted, len(self.workers) - self.calls.qsize())):
                self.calls.put(True)

    def _grow(self) -> bool:
        name = f"calclearn-{len(self.workers) + 1}"
        worker = threading.Thread(target=self._serve, args=(self.calls,), name=name, daemon=True)
        try:
            worker.start()
        except RuntimeError:  # at the system's limit, at interpreter exit, or where there are no threads
            return False
        self.workers.append(worker)
        return True

    def _serve(self, calls) -> None:
        """What a worker does all its life."""
        _thread.busy = True
        while calls.get():
            for library in _blas.by_thread:
                _set_threads(library, 1)
            self._help()
        calls.put(False)  # for the next worker

    def _help(self) -> None:
        for job in list(self.jobs):
            job.help()

    def dismiss(self) -> None:
        """End the workers, if no thread is running anything; others start when wanted."""
        with self.lock:
            if not self.jobs:
                calls, self.calls = self.calls, SimpleQueue()
                workers, self.workers = self.workers, []
                calls.put(False)
                for worker in workers:
                    worker.join()


class _Thread(threading.local):
    """Whether the current thread is inside `run`: what it runs in turn stays in it; its limit of BLAS."""

    busy = False
    blas_limit: float = math.inf


# --------------------------------------------------------------------------------------------------- BLAS


@contextmanager
def blas_threads(limit: int):
    """Within the context, no BLAS library uses more than `limit` threads a call.

    NumPy and SciPy bring a BLAS each, and most have one setting for the whole process.  So contexts
    are counted: nested, or open at once in several threads, **the smallest limit holds**, and the settings
    found by the first are restored by the last to leave.  A library set to fewer threads is left as it
    is, and so is one that somebody else has set meanwhile.  Where the setting belongs to the thread
    (OpenBLAS over OpenMP), it is changed in the calling thread, and workers of `run` use one thread.

    Parameters
    ----------
    limit : int
        At least 1.

    Raises
    ------
    ValueError
        If `limit` is less than 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if _thread.blas_limit <= limit and len(sys.modules) == _blas.n_modules:
        yield  # nested: nothing to change
        return
    user = (threading.get_ident(), object())
    own: list[tuple[Any, int]] = []
    try:
        for library in _blas.enter(user, limit):
            own.append((library, library.get_num_threads()))
            _set_threads(library, min(limit, own[-1][1]))
        outer, _thread.blas_limit = _thread.blas_limit, limit
        try:
            yield
        finally:
            _thread.blas_limit = outer
    finally:
        try:
            _blas.leave(user, own)
        except BaseException:  # interrupted on the way out
            _blas.leave(user, own)
            raise


class _Blas:
    """The BLAS libraries of the process, who limits them, and how they were set before."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users: dict[tuple[int, object], int] = {}
        self.limit: int | None = None  # what the shared libraries are set to
        self.before: dict[str, tuple[Any, int, int]] = {}  # path: library, its setting, ours
        self.shared: list[Any] = []
        self.by_thread: list[Any] = []
        self.n_modules = 0

    def enter(self, user: tuple[int, object], limit: int) -> list[Any]:
        """Add a user; the libraries that it has to limit for its own thread."""
        with self.lock:
            self._look_for_libraries()
            self.users[user] = limit
            self._apply()
            return self.by_thread

    def leave(self, user: tuple[int, object], own: list[tuple[Any, int]]) -> None:
        """Remove a user, whose thread had the settings `own` before; harmless if done twice."""
        for library, n_threads in own:
            _set_threads(library, n_threads)
        with self.lock:
            self.users.pop(user, None)
            self._apply()

    def _look_for_libraries(self) -> None:
        """A search takes a millisecond; a library is loaded by a module, and modules are cheap to count."""
        n_modules = len(sys.modules)
        if n_modules == self.n_modules:
            return
        self.shared, self.by_thread, self.limit = [], [], None
        for library in ThreadpoolController().select(user_api="blas").lib_controllers:
            if library.get_num_threads() is not None:
                openmp = library.internal_api == "openblas" and library.threading_layer == "openmp"
                (self.by_thread if openmp else self.shared).append(library)
        self.n_modules = n_modules

    def _apply(self) -> None:
        limit = min(self.users.values(), default=None)
        if limit is None:
            self._restore()
        elif limit != self.limit:
            for library in self.shared:
                found = library.get_num_threads()
                _, original, _ = self.before.get(library.filepath, (library, found, found))
                ours = min(original, limit)
                self.before[library.filepath] = (library, original, ours)  # first, lest an interrupt lose it
                _set_threads(library, ours)
        self.limit = limit

    def _restore(self) -> None:
        for path, (library, original, ours) in list(self.before.items()):
            if library.get_num_threads() == ours != original:
                _set_threads(library, original)
            del self.before[path]

    def after_fork_in_child(self) -> None:
        """The users in other threads are gone and will not leave; the lock is held since before the fork."""
        self.users = {user: limit for user, limit in self.users.items() if user[0] == threading.get_ident()}
        self._apply()
        self.lock.release()


def _set_threads(library, n_threads: int) -> None:
    # threadpoolctl 3.8 silently ignores all threads but the one that first set a limit: whoever leaves
    # last could not restore it.
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n_threads)


# --------------------------------------------------------------------------------------------- the process

_thread = _Thread()
_pool = _Pool()
_blas = _Blas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pool.dismiss, after_in_child=_pool.reset)
    os.register_at_fork(
        before=_blas.lock.acquire,
        after_in_parent=_blas.lock.release,
        after_in_child=_blas.after_fork_in_child,
    )
