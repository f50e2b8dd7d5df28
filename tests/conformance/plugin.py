"""A pytest plugin that puts our classes in the place of scikit-learn's, for scikit-learn's own tests.

Loaded by ``-p`` before anything is collected, it rebinds each public name of `sklearn.linear_model`,
`sklearn.svm` and `sklearn.neural_network` that our modules have too, and in `sklearn.ensemble` the two of
histogram-based boosting, to ours by their parameters' names (adapter.py).  Modules that say ``from
sklearn.linear_model import Ridge`` afterwards get ours, and so do the parametrisations evaluated at their
import.  Private modules, such as `sklearn.linear_model._ridge`, stay what they are.

It notes for each test whether one of our estimators was made or fitted in it, or one of our functions
called, and writes all outcomes as JSON to the file named by ``--conformance-report``.
"""

import functools
import inspect
import json
from pathlib import Path

import pytest
import sklearn.ensemble
import sklearn.linear_model
import sklearn.neural_network
import sklearn.svm
from sklearn._loss import HalfGammaLoss, HalfPoissonLoss, HalfTweedieLoss
from sklearn._loss.loss import HalfTweedieLossIdentity

import calclearn.linear_model
import calclearn.neural_network
import calclearn.svm
from calclearn.base import CalculusEstimator

from . import adapter

USED = False  # whether the running test has made, fitted or called anything of ours


def _note():
    global USED
    USED = True


def _counted(function):
    @functools.wraps(function)
    def counted(*args, **kwargs):
        _note()
        return function(*args, **kwargs)

    return counted


def _watch(base):
    """Note each instance made, and each look at an instance's ``fit``, without a frame in the call itself.

    A frame more would move the line that a warning is attributed to.
    """

    def __new__(cls, *args, **kwargs):
        _note()
        return object.__new__(cls)

    def __getattribute__(self, name):
        if name == "fit":
            _note()
        return object.__getattribute__(self, name)

    base.__new__, base.__getattribute__ = __new__, __getattribute__


def rebind():
    """Put ours in the place of theirs; returns what was put, by name."""
    ours = {}
    for module, theirs in (
        (calclearn.linear_model, sklearn.linear_model),
        (calclearn.svm, sklearn.svm),
        (calclearn.neural_network, sklearn.neural_network),
    ):
        for name in sorted(set(module.__all__) & set(theirs.__all__)):
            public = getattr(module, name)
            if inspect.isclass(public):
                assert issubclass(public, CalculusEstimator), f"{name} is not counted"
            ours[name] = public if inspect.isclass(public) else _counted(public)
            setattr(theirs, name, ours[name])
    for name in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        ours[name] = getattr(adapter, name)
        setattr(sklearn.ensemble, name, ours[name])
    for base in (CalculusEstimator, adapter.Adapter):
        _watch(base)
    return ours


def lend_losses():
    """Give ours the private `_get_loss` by which scikit-learn's tests of deviances find a loss.

    They use it to state, with scikit-learn's own private classes, the problem whose optimum they compare.
    """
    losses = {
        "PoissonRegressor": lambda self: HalfPoissonLoss(),
        "GammaRegressor": lambda self: HalfGammaLoss(),
        "TweedieRegressor": lambda self: (
            HalfTweedieLossIdentity(self.power)
            if self.link == "identity" or (self.link == "auto" and self.power <= 0)
            else HalfTweedieLoss(self.power)
        ),
    }
    for name, get_loss in losses.items():
        OURS[name]._get_loss = get_loss
        OURS[name]._base_loss = property(get_loss)


OURS = rebind()
lend_losses()


def pytest_addoption(parser):
    """The file for the outcomes."""
    parser.addoption("--conformance-report", help="write the outcome of each test to this file, as JSON")


def pytest_collection_finish(session):
    """Each name that a test module imported is really ours."""
    for module in {item.module for item in session.items}:
        for name, ours in OURS.items():
            assert getattr(module, name, ours) is ours, f"{module.__name__}.{name} is scikit-learn's"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Mark a test by whether it used anything of ours."""
    global USED
    USED = False
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Hand on with the report what the test used."""
    report = yield
    report.used_ours = USED
    return report


class Outcomes:
    """What became of each test: the worst of its setup, call and teardown."""

    RANK = ("passed", "skipped", "failed")

    def __init__(self, path):
        self.path, self.tests = Path(path), {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::", 1)[1]
        test = self.tests.setdefault(name, {"outcome": "passed", "ours": False, "seconds": 0.0, "error": ""})
        test["outcome"] = max(test["outcome"], report.outcome, key=self.RANK.index)
        test["ours"] |= report.used_ours
        test["seconds"] += report.duration
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            test["error"] = str(crash.message if crash else report.longrepr).splitlines()[0][:200]

    def pytest_sessionfinish(self):
        result = {"replaced": sorted(OURS), "tests": self.tests}
        self.path.write_text(json.dumps(result, indent=1), encoding="utf-8")


def pytest_configure(config):
    """Gather outcomes where a file for them is named."""
    path = config.getoption("--conformance-report")
    if path:
        config.pluginmanager.register(Outcomes(path))
