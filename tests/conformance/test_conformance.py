"""scikit-learn's tests of linear models, support vector machines, boosting and networks, with our classes.

plugin.py puts them in the place of scikit-learn's.

All modules, or one::

    python -m pytest -n 0 -m conformance -s tests/conformance
    python -m pytest -n 0 -m conformance -s tests/conformance -k test_huber

One module without the comparison with the list, with any options of pytest's::

    python -m pytest -c tests/conformance/pytest.ini -p tests.conformance.plugin \
        --pyargs sklearn.linear_model.tests.test_huber -k sparse
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .deviations import OTHER, PRIVATE

LINEAR = [
    "sklearn.linear_model.tests.test_base",
    "sklearn.linear_model.tests.test_logistic",
    "sklearn.linear_model.tests.test_ridge",
    "sklearn.linear_model.tests.test_coordinate_descent",
    "sklearn.linear_model.tests.test_sparse_coordinate_descent",
    "sklearn.linear_model.tests.test_huber",
    "sklearn.linear_model.tests.test_quantile",
    "sklearn.linear_model.tests.test_common",
    "sklearn.linear_model._glm.tests.test_glm",
]
MACHINES = [f"sklearn.svm.tests.{name}" for name in ("test_svm", "test_sparse")]
# the folder's others (binning, grower, histogram, predictor, splitting) call private modules alone
BOOSTING = [
    f"sklearn.ensemble._hist_gradient_boosting.tests.{name}"
    for name in (
        "test_gradient_boosting",
        "test_monotonic_constraints",
        "test_warm_start",
        "test_compare_lightgbm",
    )
]
# the last two test private functions and classes, that stay scikit-learn's: they build nothing of ours
NETWORKS = [
    f"sklearn.neural_network.tests.{name}" for name in ("test_mlp", "test_base", "test_stochastic_optimizers")
]
MODULES = [*LINEAR, *MACHINES, *BOOSTING, *NETWORKS]
ROOT = Path(__file__).resolve().parents[2]
SHARE = 0.97  # of the tests that assert nothing private; boosting has other parameters, and no share
HOURS = 1

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def total():
    """Outcomes by module::test; after all modules, their closing lines, and the share that must pass."""
    tests: dict[str, dict] = {}
    yield tests
    parts = [
        (LINEAR, "linear models", SHARE),
        (MACHINES, "support vector machines", SHARE),
        (BOOSTING, "boosting", 0.0),
        (NETWORKS, "neural networks", SHARE),
    ]
    for modules, title, least in parts:
        found = of_modules(tests, modules)
        if found:
            share = summary(found, f"{title}, in total")
            ran = {name.partition("::")[0] for name in found}
            assert share >= least or len(ran) < len(modules)


def short(module):
    """What a module is called here: by its file; after its package, where an earlier one has that name."""
    name = module.rpartition(".")[2]
    first = next(other for other in MODULES if other.endswith(f".{name}"))
    return name if module == first else f"{module.split('.')[1]}.{name}"


def of_modules(tests, modules):
    """The outcomes of some modules' tests."""
    names = {short(module) for module in modules}
    return {name: test for name, test in tests.items() if name.partition("::")[0] in names}


def run(module, folder):
    """The outcomes of a module's tests, by `module::test`."""
    report = folder / "report.json"
    # the seed, the warnings and the single precision tests are scikit-learn's defaults
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SKLEARN_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "tests/conformance/pytest.ini"),
            *("-p", "tests.conformance.plugin", f"--conformance-report={report}"),
            find_spec(module).origin,
        ],
        cwd=ROOT,
        env=environment | {"PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=3600 * HOURS,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: some tests failed
    tests = json.loads(report.read_text(encoding="utf-8"))["tests"]
    return {f"{short(module)}::{name}": test for name, test in tests.items()}


def covered(name, listed):
    """Whether a list of deviations holds this test, by itself or for all parameters."""
    return name in listed or name.partition("[")[0] in listed


def summary(tests, title):
    """The closing line; and the share of passes among tests of ours that assert nothing private."""
    ours = {name: test["outcome"] for name, test in tests.items() if test["ours"]}
    ran = [name for name, outcome in ours.items() if outcome != "skipped"]
    passed = sum(ours[name] == "passed" for name in ran)
    failed = [name for name, test in tests.items() if test["outcome"] == "failed"]
    private = sum(covered(name, PRIVATE) for name in ran if ours[name] == "failed")
    listed = sum(covered(name, PRIVATE | OTHER) for name in failed)
    share = passed / max(1, len(ran) - private)
    percent = 100 * passed / max(1, len(ran))
    print(
        f"\nconformance: {passed} of {len(ran)} ({percent:.1f} %) tests that built our estimators pass; "
        f"{listed} deviations listed [{title}; {100 * share:.1f} % of those that assert nothing private]"
    )
    return share


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_scikit_learns_own_tests_pass_with_our_classes(module, tmp_path, total):
    tests = run(module, tmp_path)
    total.update(tests)
    summary(tests, short(module))
    listed = PRIVATE | OTHER
    failed = {name: test["error"] for name, test in tests.items() if test["outcome"] == "failed"}
    unlisted = [f"{name}: {error}" for name, error in failed.items() if not covered(name, listed)]
    for name, test in tests.items():
        if test["outcome"] == "passed" and covered(name, listed):
            print(f"listed, but passes: {name}")
    prefix = short(module) + "::"
    # what is skipped, for want of a package, could not fail
    unmet = [name for name, test in tests.items() if test["outcome"] != "passed"]
    met = {key for name in unmet for key in (name, name.partition("[")[0])}
    stale = [key for key in listed if key.startswith(prefix) and key not in met]
    assert not unlisted, "fail, and are not in deviations.py:\n" + "\n".join(unlisted)
    assert not stale, "are in deviations.py, and pass:\n" + "\n".join(stale)
    if all(test["outcome"] == "skipped" for test in tests.values()):
        pytest.skip(f"{module} skips all of its tests: a package that it compares with is not installed")


def test_each_deviation_has_a_reason():
    for key, reason in (PRIVATE | OTHER).items():
        assert key.partition("::")[0] in set(map(short, MODULES)), key
        assert len(reason.split()) > 3, key
    assert not PRIVATE.keys() & OTHER.keys()
