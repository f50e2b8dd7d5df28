"""How it is measured: tolerances searched, fits interleaved, floors beside them."""

import argparse
import contextlib
import fnmatch
import gc
import json
import logging
import os
import pickle
import platform
import re
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median

import numba
import numpy as np
import threadpoolctl
from scipy import sparse

from . import THREADS, children, neural, report, tables
from .cases import CASES
from .objectives import RESULTS, HeldOut, Judge
from .peers import OURS, contestants, our_loss_kernel, their_loss_kernel

SLOW = 10.0  # seconds from which three repeats are enough
BUDGET = 60.0  # seconds after which no tighter tolerance of a contestant is tried
FIRST_FITS = ("ols-tall", "small", "multinomial", "poisson")  # with the fewest rows; trees apart
PACKAGES = (
    "numpy", "scipy", "numba", "scikit-learn", "scikit-learn-intelex", "glum", "skglm", "celer", "pandas",
    "threadpoolctl", "xgboost", "xgboost-cpu", "lightgbm", "torch",
)  # fmt: skip


def timed(function, *arguments, number=1):
    """Return the last result and the seconds of one call."""
    start = time.perf_counter()
    for _ in range(number):
        result = function(*arguments)
    return result, (time.perf_counter() - start) / number


@contextlib.contextmanager
def fallbacks():
    """Collect what scikit-learn-intelex says when it hands a fit to scikit-learn instead of oneDAL."""
    messages, logger = [], logging.getLogger("sklearnex")
    level, handlers, propagate = logger.level, logger.handlers, logger.propagate
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    caught = []
    try:
        yield caught
    finally:
        caught += [m for m in messages if "fallback" in m]
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


class Tolerances:
    """How each peer's search on a problem ended, kept on disk by the peer's version.

    Ours is never kept, and where no accuracy can be asked for there was no search.
    """

    def __init__(self, folder):
        self.path = Path(folder) / "tolerances.json"
        self.rows = json.loads(self.path.read_text()) if self.path.exists() else {}

    def key(self, contestant, judge):
        return f"{judge.problem} {contestant.name} {metadata.version(contestant.package)}"

    def known(self, contestant, judge):
        return self.rows.get(self.key(contestant, judge), {}) if self.concerns(contestant) else {}

    def concerns(self, contestant):
        return contestant.name != OURS and contestant.tolerance is not None

    def keep(self, contestant, judge, row):
        if self.concerns(contestant):
            self.rows[self.key(contestant, judge)] = dict(row)
            self.path.write_text(json.dumps(self.rows, indent=1))
        return row


def judge_of(case, X, y):
    return {"boosting": HeldOut, "mlp": neural.TrainingLoss}.get(case.family, Judge)(case, X, y)


def search(contestant, case, X, y, judge, tolerances):
    """Fit at ever tighter tolerances until the objective is reached; return the row that is reported."""
    if reason := contestant.missing(case):
        return {"note": reason}
    row, spent, note = {"default_tol": contestant.default_tolerance(case)}, 0.0, "not reached"
    known, ladder = tolerances.known(contestant, judge), contestant.ladder(case)
    if "note" in known:
        return known
    for tol in ladder[ladder.index(known.get("tol", ladder[0])) :]:
        with fallbacks() as messages, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model, seconds = timed(contestant.fit, case, X, y, tol)
            except NotImplementedError as error:
                return {"note": f"missing: {str(error)[:80]}"}
            except Exception as error:  # a peer's failure is a result too, and is printed as one
                return row | {"tol": tol, "note": f"fails: {type(error).__name__}: {str(error)[:80]}"}
        if messages:
            return {"note": "falls back to scikit-learn"}
        excess, spent = judge.excess(model), spent + seconds
        row |= {"tol": tol, "excess": excess, "first": seconds}
        if judge.reached(excess):
            return tolerances.keep(contestant, judge, row)
        if any(w.category.__name__ == "ConvergenceWarning" for w in caught):
            break  # it cannot do better: a tighter tolerance would end at the same place
        if spent > BUDGET:
            note = f"not reached in {spent:.0f} s"
            break
    return tolerances.keep(contestant, judge, row | {"note": note})


def interleave(calls, repeats):
    """Time the calls in turn, starting with another one in each round; return each one's seconds."""
    seconds, number = {name: [] for name in calls}, {}
    for name, call in calls.items():
        if (warm := timed(call)[1]) < SLOW:
            warm = timed(call)[1]  # the first may have compiled
        number[name] = max(1, int(0.05 / warm)) if warm < SLOW else 0
    for i in range(repeats):
        names = list(calls)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            if i < 3 or number[name]:
                gc.collect()
                time.sleep(0.02)  # other libraries' threads spin for a while after their work
                seconds[name].append(timed(calls[name], number=max(1, number[name]))[1])
    return seconds


def measure(case, options, tolerances):
    """Return all that is reported of one case."""
    (X, y), judged = case.make_both(options.scale)
    case = case.posed(X, y)
    judge = judge_of(case, *judged)
    result = {
        "shape": list(X.shape),
        "tolerance": case.tolerance,
        "reference": judge.certificate,
        "load": os.getloadavg()[0],
        "floors": floors(case, X, y),
        "fits": {},
    }
    everybody = {c.name: c for c in contestants(case) if re.search(options.peers, c.name) or c.name == OURS}
    for name, contestant in everybody.items():
        result["fits"][name] = search(contestant, case, X, y, judge, tolerances)
    judge.settle(result["fits"], OURS, list(other_parts(case, everybody, result["fits"], options.scale)))
    if case.held_out:
        result["held_out"] = len(judged[1])
    result["parts"] = case.n_parts
    fits = {name: row for name, row in result["fits"].items() if "note" not in row}
    del judge, judged
    calls = {name: partial(everybody[name].fit, case, X, y, row["tol"]) for name, row in fits.items()}
    for name, seconds in interleave(calls, options.repeats).items():
        fits[name] |= {"seconds": seconds, "median": median(seconds)}
    if not sparse.issparse(X) and np.asarray(X).nbytes >= options.memory * 2**20:
        with tempfile.NamedTemporaryFile(dir=RESULTS, suffix=".pickle") as file:
            pickle.dump((X, y), file, protocol=5)
            file.flush()
            for name, row in fits.items():
                row["peak_mib"] = children.peak_memory(case, name, row["tol"], file.name)
    return result


def other_parts(case, everybody, fits, scale):
    """Yield what each contestant reaches where another part of the rows is held out, or from another seed."""
    for part in range(1, case.n_parts):
        rows, held_out = case.make_both(scale, part)
        judge, other = judge_of(case, *held_out), replace(case, seed=part)
        names = [name for name, row in fits.items() if "note" not in row]
        yield {name: judge.excess(everybody[name].fit(other, *rows)) for name in names}


def floors(case, X, y):
    """Return the least seconds of what nobody can do without, by what it is."""
    if case.family == "boosting":
        return floors_of_trees(case, X, y)
    return floors_of_networks(case, X, y) if case.family == "mlp" else floors_of_rows(X)


def floors_of_rows(X, repeats=3):
    """Return the least seconds of reading X once and, if dense and tall, of its Gram matrix in chunks."""

    def read(chunk):
        return chunk @ chunk

    def gram(chunk):
        return chunk.T @ chunk

    if sparse.issparse(X):
        work = {"read": (read, np.array_split(X.data, 16)), "read indices": (np.max, [X.indices])}
    else:
        X = np.asarray(X)
        chunks = [X[i : i + 4096] for i in range(0, len(X), 4096)]
        work = {"read": (read, np.array_split(X.ravel(order="K"), 64))}
        if X.shape[0] >= X.shape[1]:
            work["gram"] = (gram, chunks)
    seconds = {}
    with ThreadPoolExecutor(THREADS) as pool, threadpoolctl.threadpool_limits(1):
        for name, (function, pieces) in work.items():
            seconds[name] = min(
                timed(lambda f=function, p=pieces: sum(pool.map(f, p)))[1] for _ in range(repeats)
            )
    return seconds


def floors_of_networks(case, X, y, repeats=3):
    """Return the least seconds of the matrix products of all batches, with BLAS on one thread or on all."""
    number, batch = neural.products(case, X, y)
    seconds = []
    for n_threads in (1, THREADS):
        with threadpoolctl.threadpool_limits(n_threads):
            seconds += [timed(batch, number=20)[1] for _ in range(repeats)]
    return {"matrix products": number * min(seconds)}


def floors_of_trees(case, X, y, repeats=3):
    """Return the least seconds of the histograms of all rows, once for each tree; its other nodes come free.

    One addition of an int64 for each row and column, in tiles of columns that stay in the nearest cache.
    """
    (n, p), rng = X.shape, np.random.default_rng(0)
    bins = rng.integers(0, 255, (n, p), dtype=np.uint8)
    packed, sums = np.ones(n, np.int64), np.zeros((THREADS, p, 256), np.int64)
    halves = list(zip(np.array_split(bins, THREADS), np.array_split(packed, THREADS), sums))
    _histogram(bins[:1], packed[:1], sums[0])
    with ThreadPoolExecutor(THREADS) as pool:
        once = min(
            timed(lambda: list(pool.map(lambda half: _histogram(*half), halves)))[1] for _ in range(repeats)
        )
    n_classes = len(np.unique(y))
    return {"histograms of the roots": once * case.trees * (1 if n_classes == 2 else n_classes)}


@numba.njit(nogil=True)
def _histogram(bins, packed, sums):
    n, p = bins.shape
    for first in range(0, p, 16):
        for i in range(n):
            for j in range(first, min(first + 16, p)):
                sums[j, bins[i, j]] += packed[i]


def gflops(n=2000):
    """Return the day's speed of a square matrix product."""
    rates = {}
    for dtype in (np.float64, np.float32):
        A = np.ones((n, n), dtype)
        rates[np.dtype(dtype).name] = 2e-9 * n**3 / min(timed(np.matmul, A, A)[1] for _ in range(4))
    return rates


def loss_kernels(options):
    """Return nanoseconds a row of the logistic loss's gradient and Hessian, one thread, a million rows."""
    rows, n = {}, max(1000, int(1_000_000 * options.scale))
    for dtype in ("float64", "float32"):
        rng = np.random.default_rng(0)
        y, raw = (rng.random(n) < 0.5).astype(dtype), (3.0 * rng.standard_normal(n)).astype(dtype)
        outputs = {name: np.empty((2, n), dtype) for name in (OURS, "scikit-learn")}
        calls = {}
        for name, make in ((OURS, our_loss_kernel), ("scikit-learn", their_loss_kernel)):
            with contextlib.suppress(ImportError):
                calls[name] = partial(make(), y, raw, *outputs[name])
        seconds = interleave(calls, 3 * options.repeats)
        if len(calls) == 2:
            np.testing.assert_allclose(*outputs.values(), rtol=1e-3, atol=1e-6)
        rows[dtype] = {name: 1e9 * median(s) / n for name, s in seconds.items()}
    return rows


def predictions(options):
    """Return the seconds of `predict_proba` for the rows of boost-1m, and for one, by trees of boost-100k."""
    X, y = CASES["boost-1m"].make(options.scale)
    case, n, rows, models = CASES["boost-100k"], len(y) // 10, {}, {}
    for contestant in contestants(case):
        wanted = contestant.name == OURS or re.search(options.peers, contestant.name)
        if wanted and not contestant.missing(case):
            models[contestant.name] = contestant.fit(case, X[:n], y[:n])
    for what, some in (("1M rows", X), ("one row", X[:1])):
        calls = {name: partial(model.predict_proba, some) for name, model in models.items()}
        rows[what] = {name: median(s) for name, s in interleave(calls, options.repeats).items()}
    return rows


def class_predictions(options, key, n, what):
    """Return the seconds of `predict` for n rows, by models of a case."""
    case, models = CASES[key], {}
    X, y = case.make(options.scale)
    for contestant in contestants(case):
        wanted = contestant.name == OURS or re.search(options.peers, contestant.name)
        if wanted and not contestant.missing(case):
            models[contestant.name] = contestant.fit(case, X, y)
    calls = {name: partial(model.predict, X[:n]) for name, model in models.items()}
    return {what: {name: median(s) for name, s in interleave(calls, options.repeats).items()}}


def adam_updates(options):
    """Return the seconds of one step of Adam with a million float32 parameters."""
    calls = neural.adam_updates(max(1000, int(neural.N_PARAMETERS * options.scale)))
    calls = {name: call for name, call in calls.items() if name == OURS or re.search(options.peers, name)}
    first = [call().copy() for call in calls.values()]
    for other in first[1:]:
        np.testing.assert_allclose(other, first[0], rtol=1e-5, atol=1e-7)
    return {"1M parameters": {n: median(s) for n, s in interleave(calls, 3 * options.repeats).items()}}


def first_fits(options, keys=FIRST_FITS):
    rows = {}
    for case in map(CASES.get, keys):
        names = [c.name for c in contestants(case)[:2] if not c.missing(case)]  # ours and the first peer
        rows[case.key] = children.first_fits(case, names, options.repeats)
    return rows


EXTRAS = {
    "loss-kernel": loss_kernels,
    "import": lambda options: children.imports(options.repeats),
    "first-fit": first_fits,
    "boost-predict": predictions,
    "boost-first-fit": partial(first_fits, keys=("boost-small",)),
    "svc-predict": partial(class_predictions, key="svc-20k-c1", n=5000, what="5k rows"),
    "svc-first-fit": partial(first_fits, keys=("svc-1k",)),
    "mlp-predict": partial(class_predictions, key="mlp-100k", n=100_000, what="100k rows"),
    "mlp-first-fit": partial(first_fits, keys=("mlp-digits",)),
    "adam-update": adam_updates,
    "tables": tables.compare,
}


def setting(options):
    """Return what must agree for two runs to belong to one table."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "machine": {
            "processor": (models or [platform.processor()])[0],
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version(), **versions},
        "threads": THREADS,
        "scale": options.scale,
    }


def extended(before, results):
    """Return the results of before to add to, where they belong to one table with these, else these.

    A package that was not there before has no part in what was measured then.
    """
    versions = results["versions"] | before.get("versions", {})
    now = {name: results[name] for name in ("machine", "threads", "scale")}
    same = all(before.get(name) == value for name, value in now.items())
    if not same or any(versions[package] != version for package, version in results["versions"].items()):
        return results
    return before | {"versions": versions}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="case", help="or a pattern, 'lasso-*'; default: all (see --list)"
    )
    parser.add_argument("--list", action="store_true", help="print the cases and the contestants")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", default="", metavar="REGEX", help="only these beside ourselves")
    parser.add_argument(
        "--memory",
        type=float,
        default=64.0,
        metavar="MIB",
        help="peak memory where a dense X takes this",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="fewer rows, to try the runner; no results")
    parser.add_argument("--json", type=Path, default=RESULTS / "latest.json", help="read, extended, written")
    parser.add_argument("--page", type=Path, help="write the JSON as a Markdown page, and measure nothing")
    options = parser.parse_args(arguments)
    keys = [*CASES, *EXTRAS]
    if unknown := [case for case in options.cases if not fnmatch.filter(keys, case)]:
        parser.error(f"unknown cases {unknown}; --list prints them")
    if options.list:
        for case in CASES.values():
            print(f"{case.key:32}{', '.join(c.name for c in contestants(case))}")
        print(*EXTRAS, sep="\n")
    elif options.page:
        options.page.write_text(report.page(json.loads(options.json.read_text())))
    else:
        patterns = options.cases or ["*"]
        run(options, [key for key in keys if any(fnmatch.fnmatchcase(key, p) for p in patterns)])


def run(options, keys):
    RESULTS.mkdir(exist_ok=True)
    results = {**setting(options), "gflops": gflops(), "cases": {}}
    if options.json.exists():
        results = extended(json.loads(options.json.read_text()), results)
    tolerances = Tolerances(RESULTS)
    warnings.simplefilter("ignore")  # a fit that stops early is judged by its objective
    for key in keys:
        results["date"] = time.strftime("%Y-%m-%d")
        if key in CASES:
            results["cases"][key] = measure(CASES[key], options, tolerances)
        else:
            results[key] = EXTRAS[key](options)
        options.json.write_text(json.dumps(results, indent=1))
        print(report.section(results, key), flush=True)
    print(report.summary(results))
