"""What is said of it: ratios ours ÷ peer beside what they must be, as text and as a page of the docs."""

from math import exp, inf, log
from statistics import mean

from .cases import LASSO_GRID
from .objectives import excess_in_words
from .peers import OURS

SKLEARN, JIT = ("scikit-learn",), ("skglm", "celer")

# The linear family.  what -> keys, and (against, must, aim): the fastest contestant whose name begins like
# one of `against` among those that reach the objective; over several cases, the geometric mean.
LINEAR = {
    "logistic-tall": (["logistic-tall"], [(SKLEARN, 0.5, 0.25), (("oneDAL",), 0.6, 0.3)]),
    **{
        f"logistic-benchopt-{penalty}": (
            [f"logistic-benchopt-{penalty}"],
            [(SKLEARN, 0.5, 0.25), (("oneDAL",), 0.6, 0.3)],
        )
        for penalty in ("1", "0.01")
    },
    "multinomial": (["multinomial"], [(SKLEARN, 0.6, 0.25)]),
    "logistic-wide-multi": (["logistic-wide-multi"], [(SKLEARN, 1.0, 0.5)]),
    "logistic-csr": (["logistic-csr"], [(SKLEARN, 1.0, 0.5)]),
    "logistic-l1": (["logistic-l1"], [(("scikit-learn saga",), 0.2, 0.05), (JIT, 1.0, 0.5)]),
    "poisson": (["poisson"], [(SKLEARN, 0.5, 0.2), (("glum",), 1.0, 0.4)]),
    "lasso, geometric mean of the grid": (
        [case.key for case in LASSO_GRID],
        [(SKLEARN, 0.5, 0.2), (JIT, 0.9, 0.5)],
    ),
    "LassoCV, 100 alphas, 10000 × 100": (["lasso-cv-tall"], [(SKLEARN, 0.5, 0.2)]),
    "LassoCV, 100 alphas, 500 × 5000": (["lasso-cv-wide"], [(SKLEARN, 0.5, 0.2)]),
    "Ridge, 500k × 100, frame": (["ridge-frame"], [(SKLEARN, 0.7, 0.35)]),
    "small: LogisticRegression": (["small"], [(("scikit-learn lbfgs",), 1.0, 0.5)]),
    "small: LinearRegression": (["small-ols"], [(SKLEARN, 1.0, 0.5)]),
    "small: Ridge": (["small-ridge"], [(SKLEARN, 1.0, 0.5)]),
    "small: Lasso": (["small-lasso"], [(SKLEARN, 1.0, 0.5)]),
}
MEMORY = {"ols-tall": (1.0, 0.2), "logistic-tall": (1.0, 0.2)}  # to scikit-learn's least

# Boosting.  "quantised LightGBM" begins like none of these.
BEST = ("XGBoost", "LightGBM", "HistGradientBoosting")
BOOSTING = {
    "boost-1m": (["boost-1m"], [(BEST, 0.7, 0.4), (("quantised LightGBM",), 0.8, 0.5)]),
    "boost-1m-255": (["boost-1m-255"], [(("LightGBM",), 0.85, 0.5)]),
    "boost-1m-depth6": (["boost-1m-depth6"], [(("XGBoost",), 0.7, 0.4)]),
    "boost-100k": (["boost-100k"], [(BEST, 0.7, 0.4)]),
    "boost-wide": (["boost-wide"], [(BEST, 1.0, 0.5)]),
    "boost-multi": (["boost-multi"], [(BEST, 1.0, 0.5)]),
    "boost-cat": (["boost-cat"], [(BEST, 1.0, 0.5)]),
    "boost-small, warm": (["boost-small"], [(BEST, 0.5, 0.2)]),
}
PREDICT = {"1M rows": (0.6, 0.3), "one row": (0.5, None)}  # to XGBoost
TREES_MEMORY = (1.2, 0.8)  # of boost-1m, to LightGBM
FIRST_TREES = {"cached": (0.5, 0.2), "cold": (12.0, 6.0)}  # seconds, as FIRST_FIT

# Support vector machines.
LIBSVM, ONEDAL, LIBLINEAR = ("LIBSVM",), ("oneDAL",), ("liblinear",)
MACHINES = {
    "svc-20k-c1": (["svc-20k-c1"], [(LIBSVM, 0.15, 0.07), (ONEDAL, 0.5, 0.25)]),
    "svc-20k-c100": (["svc-20k-c100"], [(LIBSVM, 0.15, 0.06), (ONEDAL, 0.6, 0.3)]),
    "svc-50k": (["svc-50k"], [(ONEDAL, 0.9, 0.45)]),
    "svc-digits": (["svc-digits"], [(LIBSVM, 0.25, 0.1), (ONEDAL, 1.0, 0.5)]),
    "svc-digits × 10": (["svc-digits-10"], [(LIBSVM, 0.25, 0.1), (ONEDAL, 1.0, 0.5)]),
    "SVC, 1k × 20": (["svc-1k"], [(LIBSVM, 1.0, 0.4)]),
    "svr-20k": (["svr-20k"], [(LIBSVM, 0.2, 0.1), (ONEDAL, 0.8, 0.4)]),
    "linsvc, squared hinge": (["linsvc"], [(LIBLINEAR, 0.4, 0.15)]),
    "linsvc, hinge": (["linsvc-hinge"], [(LIBLINEAR, 0.3, 0.05)]),
    "linsvc-csr": (["linsvc-csr"], [(LIBLINEAR, 1.0, 0.5)]),
}
PREDICT_MACHINE = {"5k rows": (1.0, 0.5)}  # to oneDAL
MACHINE_MEMORY = (1.5, 1.0)  # of svc-20k-c1, to LIBSVM
FIRST_MACHINE = {"cached": (0.4, 0.2), "cold": (10.0, 5.0)}  # seconds, as FIRST_FIT

# Multilayer perceptrons.
TORCH = ("PyTorch",)
NETWORKS = {
    "mlp-digits": (["mlp-digits"], [(SKLEARN, 0.35, 0.15)]),
    "mlp-100k, batches of 200": (["mlp-100k"], [(SKLEARN, 0.5, 0.25), (TORCH, 0.4, 0.2)]),
    "mlp-100k, batches of 32": (["mlp-100k-32"], [(SKLEARN, 0.3, 0.12), (TORCH, 0.25, 0.1)]),
    "mlp-big": (["mlp-big"], [(SKLEARN, 0.5, 0.35), (TORCH, 0.8, 0.5)]),
    "mlp-784": (["mlp-784"], [(TORCH, 0.9, 0.6)]),
}
PREDICT_NETWORK = {"100k rows": (0.6, 0.3)}  # to scikit-learn
ADAM = (1.0, 0.7)  # to either of PyTorch's ways
FIRST_NETWORK = {"cached": (0.5, 0.2), "cold": (12.0, 6.0)}  # seconds, as FIRST_FIT

# The spine.  Where the linear family promises more of the same ratio, that stands above alone.
SPINE = {"ols-tall": (["ols-tall"], [(SKLEARN, 0.15, 0.06), (("oneDAL",), 1.0, 0.5)])}
LOSS_KERNEL = (0.6, 0.45)  # ratio to scikit-learn's compiled loss
IMPORT = (0.2, 0.05)  # seconds beyond numba and sklearn.linear_model
FIRST_FIT = {"cached": (0.3, 0.1), "cold": (8.0, 4.0)}  # seconds, Numba's start-up apart where cached


def table(header, rows):
    """Return a Markdown table, padded so that it reads as text."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths)) + " |" for line in lines
    )


def number(value, form=".3g"):
    return "" if value is None else f"{value:{form}}"


def verdict(value, must, aim):
    if value is None:
        return "not measured"
    return "aim met" if aim is not None and value <= aim else "met" if value <= must else "MISSED"


def ratio(fits, against, measure="median"):
    """Return (ours ÷ the best such peer, that peer's name); None where either did not reach it.

    Infinite where ours was timed, but predicts worse than it must.  Where time ran out for all of them, the
    last fit that did not reach it bounds the ratio from above.
    """
    found = {name: row[measure] for name, row in fits.items() if measure in row}
    names = [name for name in found if name.startswith(against) and name != OURS]
    late = {
        f"{name} ({row['note']})": row["first"]
        for name, row in fits.items()
        if measure == "median"
        and name.startswith(against)
        and row.get("note", "").startswith("not reached in")
    }
    if OURS not in found or not (names or late):
        return None, group(against)
    if not names:
        found, names = found | late, late
    best = min(names, key=found.get)
    if measure == "median" and "miss" in fits[OURS]:
        return inf, f"{best}; our {fits[OURS]['miss']}"
    return found[OURS] / found[best], best


def group(against):
    return "best of " * (len(against) > 1) + ", ".join(against)


def mean_ratio(results, keys, against):
    """Return (the geometric mean of the ratios, against whom); cases that no such peer reaches are left out.

    None where a case was not measured, or where we did not reach it ourselves.
    """
    fits = [results["cases"].get(key, {}).get("fits", {}) for key in keys]
    ratios = [ratio(row, against) for row in fits]
    if len(keys) == 1:
        return ratios[0]
    name = group(against)
    if any("median" not in row.get(OURS, {}) for row in fits):
        return None, name
    values = [value for value, _ in ratios if value is not None]
    if not values:
        return None, name
    if len(values) < len(keys):
        name += f" (reached in {len(values)} of {len(keys)})"
    return exp(mean(map(log, values))), name


def promised(results, promises):
    """Yield (what, against what, value, must, aim) for every ratio of times that was promised."""
    for what, (keys, rows) in promises.items():
        for against, must, aim in rows:
            value, name = mean_ratio(results, keys, against)
            yield what, name, value, must, aim


def linear(results):
    yield from promised(results, LINEAR)
    for key, (must, aim) in MEMORY.items():
        fits = results["cases"].get(key, {}).get("fits", {})
        value, name = ratio(fits, SKLEARN, "peak_mib")
        yield f"peak memory of {key} beyond X", name, value, must, aim


def boosting(results):
    yield from promised(results, BOOSTING)
    for what, (must, aim) in PREDICT.items():
        row = results.get("boost-predict", {}).get(what, {})
        value = row[OURS] / row["XGBoost"] if "XGBoost" in row else None
        yield f"predict {what} × 100 trees", "XGBoost", value, must, aim
    fits = results["cases"].get("boost-1m", {}).get("fits", {})
    value, name = ratio(fits, ("LightGBM",), "peak_mib")
    yield "peak memory of boost-1m beyond X", name, value, *TREES_MEMORY
    yield from first_fits(results, "boost-first-fit", FIRST_TREES)


def machines(results):
    yield from promised(results, MACHINES)
    for what, (must, aim) in PREDICT_MACHINE.items():
        row = results.get("svc-predict", {}).get(what, {})
        value = row[OURS] / row["oneDAL"] if "oneDAL" in row else None
        yield f"predict {what}, svc-20k-c1", "oneDAL", value, must, aim
    fits = results["cases"].get("svc-20k-c1", {}).get("fits", {})
    value, name = ratio(fits, LIBSVM, "peak_mib")
    yield "peak memory of svc-20k-c1 beyond X", name, value, *MACHINE_MEMORY
    yield from first_fits(results, "svc-first-fit", FIRST_MACHINE)


def networks(results):
    yield from promised(results, NETWORKS)
    for what, (must, aim) in PREDICT_NETWORK.items():
        row = results.get("mlp-predict", {}).get(what, {})
        value = row[OURS] / row["scikit-learn"] if OURS in row and "scikit-learn" in row else None
        yield f"predict {what}, mlp-100k", "scikit-learn", value, must, aim
    row = results.get("adam-update", {}).get("1M parameters", {})
    for way in ("PyTorch fused", "PyTorch foreach"):
        yield "Adam update, 1M parameters", way, row[OURS] / row[way] if way in row else None, *ADAM
    yield from first_fits(results, "mlp-first-fit", FIRST_NETWORK)


def first_fits(results, extra, promises):
    for key, rows in results.get(extra, {}).items():
        for kind, (must, aim) in promises.items():
            yield f"first fit, {kind}: {key}", "seconds", rows.get(OURS, {}).get(kind), must, aim


def spine(results):
    yield from promised(results, SPINE)
    for dtype in ("float64", "float32"):
        row = results.get("loss-kernel", {}).get(dtype, {})
        value = row[OURS] / row["scikit-learn"] if OURS in row else None
        yield f"loss-kernel {dtype}", "scikit-learn", value, *LOSS_KERNEL
    yield "import", "seconds", results.get("import", {}).get("beyond"), *IMPORT
    yield from first_fits(results, "first-fit", FIRST_FIT)


def promises_table(targets, unit):
    rows = [
        (what, against, number(value), must, "" if aim is None else aim, verdict(value, must, aim))
        for what, against, value, must, aim in targets
    ]
    return table(["case", "against", unit, "must", "aim", ""], rows)


PARTS = {
    "Linear models": linear,
    "Boosting": boosting,
    "Support vector machines": machines,
    "Neural networks": networks,
    "The spine": spine,
}


def summary(results, pictures=False):
    parts = [heading(results)]
    for title, targets in PARTS.items():
        drawn = picture(title, targets.__name__) if pictures else ""
        parts.append(f"## {title}\n\n{drawn}{promises_table(targets(results), 'ours ÷ peer, or seconds')}")
    return "\n\n".join(parts) + "\n"


def picture(title, function):
    """Return the block that draws a table of the page, when the site is built."""
    return (
        f"```{{plot}} pictures/benchmarks.py {function}\n"
        f":alt: {title}, the ratio of ours to the peer for each case, beside what it must be and the aim\n"
        ":class: wide\n"
        "```\n\n"
    )


def section(results, key):
    if key in results["cases"]:
        return case_section(key, results["cases"][key])
    if key == "loss-kernel":
        rows = [(dtype, name, number(ns)) for dtype, row in results[key].items() for name, ns in row.items()]
        return f"## {key}\n\n{table(['precision', '', 'ns a row'], rows)}\n"
    if key == "import":
        rows = [(name, number(seconds)) for name, seconds in results[key].items()]
        return f"## {key}\n\n{table(['', 'seconds'], rows)}\n"
    if key == "tables":
        return tables_section(results[key])
    calls = {
        "boost-predict": "100 trees",
        "svc-predict": "svc-20k-c1",
        "mlp-predict": "mlp-100k",
        "adam-update": "float32",
    }
    if what := calls.get(key):
        rows = [
            (rows_predicted, name, number(seconds), number(row[OURS] / seconds if OURS in row else None))
            for rows_predicted, row in results[key].items()
            for name, seconds in row.items()
        ]
        return f"## {key}\n\n{table([what, '', 'seconds', 'ours ÷ it'], rows)}\n"
    kinds = ["cold", "cached", "numba", "second"]
    rows = [
        (case, name, *(number(row[kind]) for kind in kinds))
        for case, fits in results[key].items()
        for name, row in fits.items()
    ]
    header = ["case (1000 rows)", "", "first ever", "first in a process", "Numba's start apart", "second"]
    return f"## {key}\n\n{table(header, rows)}\n"


def case_section(key, case):
    ours = case["fits"].get(OURS, {}).get("median")
    by_log_loss = any("log_loss" in row for row in case["fits"].values())
    rows = []
    for name, row in case["fits"].items():
        seconds = row.get("median")
        tol, default = row.get("tol"), row.get("default_tol")
        tol = "default" if tol is None and "excess" in row else number(tol, ".0e")
        if default is not None and row.get("tol") is not None:
            tol += f" ({default:.0e})"
        if by_log_loss:
            tol = number(row.get("log_loss"), ".5f")
        relative = number(ours / seconds) if ours and seconds else ""
        rows.append(
            (
                name,
                "; ".join(filter(None, [number(seconds), row.get("note"), row.get("miss")])),
                relative,
                tol,
                excess_in_words(row) if "log_loss" in row else number(row.get("excess"), ".0e"),
                number(row.get("peak_mib"), ".0f"),
            )
        )
    floors = ", ".join(f"{name} {seconds:.3g} s" for name, seconds in case["floors"].items())
    stop = "defaults" if case["tolerance"] is None else f"excess {case['tolerance']:.0e}"
    header = ["", "seconds", "ours ÷ it", "tolerance (its default)", "excess", "peak MiB"]
    if by_log_loss:
        header[3:5] = ["log-loss", "over the best peer's"]
        held_out, tolerance, times = case.get("held_out"), case["tolerance"], case.get("parts", 1)
        stop = f"{held_out} rows held out, {times} times" if held_out else "log-loss of the rows fitted"
        stop += f", {times} seeds" if times > 1 and not held_out else ""
        stop += ", not judged" if tolerance is None else f", ours to be within {tolerance:.1%}"
        stop += " and two standard errors" if times > 1 and not held_out else ""
    n_rows, n_columns = case["shape"]
    return (
        f"## {key}\n\n{n_rows} × {n_columns}; stop: {stop}; floors: {floors}; load {case['load']:.1f}\n\n"
        f"{table(header, rows)}\n"
    )


def tables_section(found):
    """Return the scores and ranks of networks for tables and the others."""
    names = list(next(iter(found.values())))
    rows = [
        (data, *(f"{row[name]['score']:.3f} ({row[name]['seconds']:.2g} s)" for name in names))
        for data, row in found.items()
    ]
    ranks = (f"{sum(row[name]['rank'] for row in found.values()) / len(found):.2f}" for name in names)
    return (
        "## tables\n\nMean accuracy, or R² of diabetes, over the splits, and median seconds of a fit; "
        f"everybody's defaults.\n\n{table(['', *names], [*rows, ('mean rank', *ranks)])}\n"
    )


def heading(results):
    machine, rates = results["machine"], results["gflops"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        f"{results['date']}: {machine['processor']}, {machine['cores']} cores, {results['threads']} threads; "
        f"{machine['system']}; {versions}; "
        f"matrix product {rates['float64']:.0f} GFLOP/s float64, {rates['float32']:.0f} float32."
    ]
    if results["scale"] != 1.0:
        lines.append(f"**Scaled to {results['scale']} of the rows: a trial of the runner, not a result.**")
    return "\n\n".join(lines)


def page(results):
    """Return docs/benchmarks.md."""
    extras = (
        *("loss-kernel", "import", "first-fit"),
        *("boost-predict", "boost-first-fit", "svc-predict", "svc-first-fit"),
        *("mlp-predict", "mlp-first-fit", "adam-update", "tables"),
    )
    keys = [*results["cases"], *(key for key in extras if key in results)]
    return "\n".join(
        [
            "# Benchmarks\n",
            "Ours and the peers run in turn in one process, on the same threads and the same data; medians. "
            "Everybody runs at the loosest tolerance at which the objective, computed by the "
            "benchmark itself, comes within the stated relative excess of a reference optimum. "
            "`python -m benchmarks` measures, `python -m benchmarks --page docs/benchmarks.md` writes this "
            "page; [its rules](benchmark-rules.md) say how and what was left out.\n",
            summary(results, pictures=True),
            "## Case by case\n",
            *(section(results, key).replace("## ", "### ", 1) for key in keys),
        ]
    )
