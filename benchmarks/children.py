"""What only a process of its own can tell: imports, the first fit ever or in a process, peak memory."""

import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent

IMPORTS = """
import time
start = time.perf_counter()
import numba, sklearn.linear_model
base = time.perf_counter()
import calclearn.linear_model
print(base - start, time.perf_counter() - base)
"""


def spawn(*arguments, **environment):
    """Start a fresh interpreter in the repository; its output is piped, its errors are shown."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process):
    text = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"a child process failed with {process.returncode}: {process.args}")
    return text


def imports(repeats):
    """Return the median seconds of importing numba and scikit-learn, and of ours beyond them."""
    seconds = [[float(s) for s in output(spawn("-c", IMPORTS)).split()] for _ in range(repeats + 1)]
    base, beyond = zip(*seconds[1:])  # the first one reads files that later ones find in memory
    return {"base": median(base), "beyond": median(beyond)}


def first_fits(case, names, repeats):
    """Return, for each contestant, the first fit ever (empty cache) and the first in a process (filled one).

    "numba" is Numba's own start-up, by a trivial cached kernel before the fit; "second" is the next fit.
    """
    rows = {name: {"cold": [], "cached": [], "numba": [], "second": []} for name in names}

    def fit(name, folder, start_numba):
        child = spawn(
            "-m", "benchmarks.children", "first", case.key, name, str(start_numba), NUMBA_CACHE_DIR=folder
        )
        return json.loads(output(child).splitlines()[-1])

    for _ in range(min(repeats, 3)):
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                rows[name]["cold"].append(fit(name, folder, 0)["first"])
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            fit(name, folder, 1)
        for _ in range(repeats):
            for name in names:
                result = fit(name, folder, 1)
                rows[name]["cached"].append(result["first"])
                rows[name]["numba"].append(result["numba"])
                rows[name]["second"].append(result["second"])
    return {name: {key: median(values) for key, values in row.items()} for name, row in rows.items()}


def peak_memory(case, name, tol, path):
    """Return the MiB that a fit adds at its peak to a process that holds the data and has fitted before.

    The parent samples the child's resident memory every few milliseconds, so that no lock of the child's
    interpreter can hide a peak.
    """
    import psutil

    child = spawn("-m", "benchmarks.children", "memory", case.key, name, json.dumps(tol), str(path))
    process = psutil.Process(child.pid)
    child.stdout.readline()  # the data are there
    base = peak = process.memory_info().rss
    child.stdin.write("\n")
    child.stdin.flush()
    while child.poll() is None and process.status() != psutil.STATUS_ZOMBIE:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.003)
    output(child)
    return max((peak - base) / 2**20, 0.1)  # less than that is noise


def _first(key, name, start_numba):
    import numba

    from .cases import CASES
    from .peers import contestants

    case = CASES[key]
    contestant = next(c for c in contestants(case) if c.name == name)
    X, y = case.make(0.0)
    case = case.posed(X, y)
    contestant.estimator(case, len(X))  # its imports are not its fit
    seconds = [time.perf_counter()]
    if int(start_numba):
        trivial = numba.njit(cache=True)(_trivial)
        trivial(1.0)
    for _ in range(2):
        seconds.append(time.perf_counter())
        contestant.fit(case, X, y)
    seconds.append(time.perf_counter())
    numba, first, second = (b - a for a, b in itertools.pairwise(seconds))
    print(json.dumps({"numba": numba, "first": first, "second": second}))


def _trivial(x):
    return x + 1.0


def _memory(key, name, tol, path):
    from .cases import CASES
    from .peers import contestants

    case, tol = CASES[key], json.loads(tol)
    contestant = next(c for c in contestants(case) if c.name == name)
    with open(path, "rb") as file:
        X, y = pickle.load(file)
    case = case.posed(X, y)
    contestant.fit(case, X[:2000], y[:2000], tol)  # compiled code and thread pools are not the fit's
    print("ready", flush=True)
    sys.stdin.readline()
    contestant.fit(case, X, y, tol)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    {"first": _first, "memory": _memory}[sys.argv[1]](*sys.argv[2:])
