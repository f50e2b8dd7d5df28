"""``python -m calclearn``: what runs here, the cache of compiled kernels, and compiling ahead of time."""

import argparse
import sys
import time

import llvmlite
import numba
import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_info

from . import __version__
from ._runtime import jit, threads


def main(arguments=None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m calclearn", description=__doc__.replace("``", ""))
    commands = parser.add_subparsers(dest="command", metavar="{cache,compile}")
    cache = commands.add_parser("cache", help="show the folders of compiled kernels")
    cache.add_argument("action", nargs="?", choices=["clear"], help="empty them")
    commands.add_parser(
        "compile", help="compile the usual kernels ahead of time, beside the sources if allowed"
    )
    options = parser.parse_args(arguments)
    if options.command == "compile":
        return compile_ahead()
    if options.command == "cache":
        if options.action == "clear":
            print(f"removed {jit.clear()} compiled kernels")
        show_cache()
        return 0
    show_versions()
    show_cache()
    return 0


def show_versions() -> None:
    """Versions, threads and BLAS."""
    print(f"calclearn     {__version__}")
    print(f"python        {sys.version.split()[0]}")
    for module in (np, scipy, sklearn, numba, llvmlite):
        print(f"{module.__name__:13} {module.__version__}")
    print(f"threads       {threads.thread_count()}")
    for library in threadpool_info():
        if library["user_api"] == "blas":
            kind = f"{library['internal_api']} {library['version']}, {library['num_threads']} threads"
            print(f"BLAS          {kind}, {library.get('architecture', 'unknown')}")


def show_cache() -> None:
    """The folders of compiled kernels, what is in them, and which one is written to."""
    for folder in jit.readable_folders():
        files = list(folder.glob(f"*/*{jit.SUFFIX}"))
        size = sum(path.stat().st_size for path in files) / 2**20
        current = len(list((folder / jit.generation()).glob(f"*{jit.SUFFIX}")))
        print(f"cache         {folder}: {len(files)} kernels, {size:.1f} MiB; {current} of this version")


def compile_ahead() -> int:
    """Compile the committed list of usual signatures, with progress."""
    start = time.perf_counter()
    with jit.beside_the_sources():
        for number, (label, job) in enumerate(usual := usual_signatures(), start=1):
            began = time.perf_counter()
            job()
            print(f"[{number}/{len(usual)}] {label} ({time.perf_counter() - began:.1f} s)", flush=True)
    print(f"compiled in {time.perf_counter() - start:.0f} s")
    show_cache()
    return 0


def usual_signatures():
    """`(label, job)` for each group of kernels that most programs need."""
    from .ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
    from .linear_model import GeneralizedLinearRegressor, LassoCV, LinearRegression, LogisticRegression
    from .losses import get_loss
    from .neural_network import MLPClassifier, MLPRegressor

    def fit(model, dtype, classes):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((60, 3)).astype(dtype)
        y = rng.integers(classes, size=60) if classes else (1.0 + rng.random(60)).astype(dtype)
        for weight in (None, np.ones(60)):
            model.fit(X, y, sample_weight=weight)
        model.predict(X)
        if hasattr(model, "predict_contributions"):
            model.predict_contributions(X)

    jobs = []
    for dtype in (np.float64, np.float32):
        kind = np.dtype(dtype).name
        models = [
            (f"logistic regression, 2 classes, {kind}", LogisticRegression(tol=1e-2), 2),
            (f"logistic regression, 3 classes, {kind}", LogisticRegression(tol=1e-2), 3),
            (f"linear regression by descent, {kind}", LinearRegression(solver="sgd", max_iter=2, tol=1e9), 0),
        ]
        models += [
            (f"boosted trees, 2 classes, {kind}", NewtonBoostingClassifier(n_estimators=1), 2),
            (f"boosted trees, 3 classes, {kind}", NewtonBoostingClassifier(n_estimators=1), 3),
            (f"boosted trees, numbers, {kind}", NewtonBoostingRegressor(n_estimators=1), 0),
            (f"network, 2 classes, {kind}", MLPClassifier((5,), tol=1e9, n_iter_no_change=1), 2),
            (f"network, 3 classes, {kind}", MLPClassifier((5,), tol=1e9, n_iter_no_change=1), 3),
            (f"network, numbers, {kind}", MLPRegressor(tol=1e9, n_iter_no_change=1), 0),
            (f"lasso, cross-validated, {kind}", LassoCV(alphas=3, cv=2), 0),
        ]
        for name in ("squared_error", "huber", "log_cosh", "poisson", "gamma"):
            model = GeneralizedLinearRegressor(loss=get_loss(name), tol=1e-2)
            models.append((f"generalised linear regression, {name}, {kind}", model, 0))
        jobs += [(label, lambda a=(model, dtype, classes): fit(*a)) for label, model, classes in models]
    return jobs


if __name__ == "__main__":
    sys.exit(main())
