"""The tables of names in the guide: what they say is here is here, and what is elsewhere is there."""

import ast
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import sklearn

import calclearn
from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
from calclearn.losses import _contract as losses
from calclearn.neural_network import MLPClassifier, MLPRegressor, layers
from calclearn.neural_network import _activations as activations
from calclearn.optimize import descend, rules, schedules

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide"
NETWORKS = (MLPClassifier, MLPRegressor)
BOOSTED = (NewtonBoostingClassifier, NewtonBoostingRegressor)
MODULES = ("linear_model", "svm", "neural_network")
PUBLIC = {
    name: getattr(module, name)
    for module in map(importlib.import_module, (f"calclearn.{name}" for name in calclearn._MODULES))
    for name in module.__all__
}
PUBLIC |= {name: getattr(module, name) for module in (rules, schedules) for name in module.__all__}


def tables(page):
    """`(header, rows)` of each table, as lists of cells."""
    found = re.findall(r"(?m)^((?:\|.*\|\n)+)", (GUIDE / page).read_text(encoding="utf-8"))
    for lines in ([cells(line) for line in table.splitlines()] for table in found):
        yield lines[0], lines[2:]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" |")]


def table(page, *header):
    """The rows of the one table with this header."""
    (rows,) = (rows for head, rows in tables(page) if head == list(header))
    return rows


def spans(cell):
    """What stands in it as code, outside of links."""
    return re.findall(r"`([^`]+)`", re.sub(r"\[[^]]*\]\([^)]*\)", "", cell))


def parameters(thing):
    return inspect.signature(thing).parameters


def options(estimators):
    """The names that stand for something when they are handed over as text."""
    registries = losses.REGISTRY, activations.REGISTRY, rules._contract.REGISTRY, schedules._contract.REGISTRY
    found = {name for registry in registries for name in registry}
    for estimator in estimators:
        for allowed in estimator._parameter_constraints.values():
            for each in allowed if isinstance(allowed, list) else ():
                found |= set(getattr(each, "options", ()))
    return found


def method_of_none(): ...


def members(estimators):
    """Parameters, methods, fitted attributes, and parameters of `fit`, by name."""
    found = {"descend": descend, **dict.fromkeys(parameters(descend))}
    for estimator in estimators:
        found |= dict.fromkeys(parameters(estimator))
        for method in ("fit", "partial_fit"):
            found |= dict.fromkeys(parameters(getattr(estimator, method, method_of_none)))
        found |= dict.fromkeys(re.findall(r"(?m)^\s+(\w+_) : ", estimator.__doc__))
        found |= {name: getattr(estimator, name) for name in dir(estimator) if not name.startswith("_")}
    return found


def check(code, names, texts):
    """Raise an AssertionError unless every name and keyword in `code` is known."""
    statement = ast.parse(code).body[0]
    if isinstance(statement, ast.Assign):  # a parameter and a value
        (target,) = statement.targets
        assert target.id in names, code
        expression = statement.value
    else:
        expression = statement.value
    find(expression, names, texts, code)


def find(node, names, texts, code):
    """What a node stands for, None where that is not an object."""
    if isinstance(node, ast.Name):
        assert node.id in names, code
        return names[node.id]
    if isinstance(node, ast.Attribute):
        owner = find(node.value, names, texts, code)
        assert hasattr(owner, node.attr), code
        return getattr(owner, node.attr)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and texts is not None:
        assert node.value in texts, code
    if isinstance(node, ast.Call):
        called = find(node.func, names, texts, code)
        known = parameters(called)
        takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
        assert takes_all or {keyword.arg for keyword in node.keywords} <= set(known), code
    return None


@pytest.mark.parametrize(
    ("page", "estimators"),
    [("from-xgboost.md", BOOSTED), ("from-pytorch.md", NETWORKS)],
    ids=["xgboost", "torch"],
)
def test_what_the_tables_say_is_here_is_here(page, estimators):
    names = members(estimators) | PUBLIC | {"layers": layers}
    n_checked = 0
    for head, rows in tables(page):
        for column in (i for i, title in enumerate(head) if title.startswith(("here", "`loss`"))):
            for code in (code for row in rows for code in spans(row[column])):
                check(code, names, options(estimators))
                n_checked += 1
    assert n_checked > 30


# ------------------------------------------------------------------------------------------- scikit-learn


def both():
    """`(name, theirs, ours)` of each class and function that both have, by module."""
    for module in MODULES:
        here, there = (importlib.import_module(f"{package}.{module}") for package in ("calclearn", "sklearn"))
        for name in sorted(set(here.__all__) & set(there.__all__)):
            yield module, name, getattr(there, name), getattr(here, name)


def test_the_names_of_scikit_learn_that_are_here():
    rows = {
        row[0].strip("`"): spans(row[1])[1:] for row in table("from-scikit-learn.md", "today", "here")[:3]
    }
    found = {f"sklearn.{module}": set() for module in MODULES}
    for module, name, *_ in both():
        found[f"sklearn.{module}"].add(name)
    assert {module: set(names) for module, names in rows.items()} == found


def test_parameters_are_scikit_learns_and_some_more():
    more = {
        name: spans(row[1])
        for row in table("from-scikit-learn.md", "class", "further parameters")
        for name in spans(row[0])
    }
    other = {
        (name, spans(row[1])[0]): tuple(ast.literal_eval(spans(cell)[0]) for cell in row[2:])
        for row in table("from-scikit-learn.md", "class", "parameter", "there", "here")
        for name in spans(row[0])
    }
    for _, name, theirs, ours in both():
        there, here = parameters(theirs), parameters(ours)
        by_position = [key for key in there if there[key].kind is not inspect.Parameter.KEYWORD_ONLY]
        assert [key for key in here if here[key].kind is not inspect.Parameter.KEYWORD_ONLY] == by_position
        assert set(there) <= set(here), name
        assert [key for key in here if key not in there] == more.get(name, []), name
        differ = {
            (name, key): (there[key].default, here[key].default)
            for key in there
            if repr(there[key].default) != repr(here[key].default)
        }
        assert differ == {key: values for key, values in other.items() if key[0] == name}


def test_what_is_missing_of_scikit_learn():
    said, instead = set(), set()
    for row in table("from-scikit-learn.md", "scikit-learn's", "what may serve"):
        said |= set(spans(row[0]))
        instead |= set(spans(row[1]))
    missing = set()
    for module in MODULES:
        here, there = (importlib.import_module(f"{package}.{module}") for package in ("calclearn", "sklearn"))
        missing |= set(there.__all__) - set(here.__all__)
    assert not said & PUBLIC.keys()
    if sklearn.__version__.startswith("1.9."):  # the version that the page is about
        assert said == missing
    for code in instead:
        check(code, PUBLIC | members(NETWORKS), None)


def test_the_names_of_histogram_boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    theirs = set(parameters(HistGradientBoostingClassifier)) | set(parameters(HistGradientBoostingRegressor))
    ours = set(parameters(NewtonBoostingClassifier))
    for row in table("from-scikit-learn.md", "today", "here", "note"):
        assert set(spans(row[0])) <= theirs
        assert set(spans(row[1])) <= ours


# ---------------------------------------------------------------------------------- XGBoost and PyTorch


def test_all_parameters_of_trees_are_in_the_tables():
    rows = table("from-xgboost.md", "XGBoost", "here", "note")
    said = {code for row in rows for code in spans(row[1])}
    extra = {"min_child_samples", "class_weight", "validation_fraction", "warm_start"}
    assert said | extra == set(parameters(NewtonBoostingClassifier))


@pytest.mark.peer
def test_all_parameters_of_xgboost_are_in_the_tables():
    xgboost = pytest.importorskip("xgboost")
    rows = table("from-xgboost.md", "XGBoost", "here", "note")
    rows = rows + table("from-xgboost.md", "XGBoost", "why, or what instead")
    said = {code for row in rows for code in spans(row[0])}
    assert said == set(xgboost.XGBClassifier().get_params())
    needs = {"reg:quantileerror": {"quantile_alpha": 0.5}}
    needs |= {name: {"num_class": 3} for name in ("multi:softprob", "multi:softmax")}
    rows = xgboost.DMatrix([[0.0], [1.0], [2.0]], label=[0, 1, 2])
    for row in table("from-xgboost.md", "`objective`", "`loss`", "note"):
        for name in (code for code in spans(row[0]) if ":" in code):
            booster = xgboost.Booster({"objective": name} | needs.get(name, {}), cache=[rows])
            assert name in booster.save_config()  # an unknown one is an error


@pytest.mark.peer
def test_the_names_of_pytorch_are_there():
    torch = pytest.importorskip("torch")
    from torch.optim import lr_scheduler, swa_utils

    for row in table("from-pytorch.md", "`torch`", "here"):
        for code in spans(row[0]):
            check(code, {"torch": torch}, None)
    for title, module in (
        ("`torch.nn`", torch.nn),
        ("`torch.optim`", torch.optim),
        ("`torch.optim.lr_scheduler`", lr_scheduler),
    ):
        names = {name: getattr(module, name) for name in dir(module)} | {"swa_utils": swa_utils}
        for head, rows in tables("from-pytorch.md"):
            for code in (code for row in rows for code in spans(row[0]) if head[0] == title):
                if code[0].isupper() or "." in code:
                    check(code, names, None)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_go_to_pytorch_as_the_page_says():
    torch = pytest.importorskip("torch")
    import numpy as np

    X = np.random.default_rng(0).normal(size=(50, 3))
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, X[:, 0])
    (code,) = re.findall(r"(?ms)^```\n(layers = .*?)^```", (GUIDE / "from-pytorch.md").read_text("utf-8"))
    scope = {"torch": torch, "model": model}
    exec(code.replace("torch.nn.Linear(*W.shape)", "torch.nn.Linear(*W.shape, dtype=torch.float64)"), scope)
    hidden, last = scope["layers"]
    with torch.no_grad():
        raw = last(torch.relu(hidden(torch.from_numpy(X)))).numpy()
    np.testing.assert_allclose(raw.ravel(), model.predict(X), rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_that_are_assigned_are_predicted_with():
    import numpy as np

    X = np.random.default_rng(0).normal(size=(50, 3))
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, X[:, 0])
    model.coefs_, model.intercepts_ = [2 * W for W in model.coefs_], [b + 1 for b in model.intercepts_]
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    np.testing.assert_allclose(model.predict(X), (hidden @ model.coefs_[1] + model.intercepts_[1]).ravel())


# ----------------------------------------------------------------------------------------------- messages


def texts_of(package):
    """All strings in the sources of a package, the pieces of f-strings one by one."""
    for source in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_messages_of_troubleshooting_are_those_of_the_code():
    page = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")
    said = [
        code for bold in re.findall(r"\*\*(`.+?`.*?)\*\*", page) for code in re.findall(r"`([^`]+)`", bold)
    ]
    said += [
        code for row in table("troubleshooting.md", "message", "what to write") for code in spans(row[0])
    ]
    texts = "\n".join(texts_of(calclearn))
    filled_in = (
        "iteration limit",
        "no decrease found",
        "at a kink",
        "unbounded below",
        "property",
        "loss",
        "c must",
    )
    filled_in = "|".join([r"\.\.\.", *(rf"\b{text}\b" for text in filled_in)])
    foreign = ("Input X contains", "This '", "X has", "X does not", "Can't pickle", "Untyped global")
    for message in (text for text in said if not text.startswith(foreign)):
        for part in re.split(filled_in, re.sub(r"^\w+Warning: ", "", message)):
            part = part.strip(" :;,.()'[]")
            assert part in texts, (message, part)
    assert len(said) > 30


# ----------------------------------------------------------------------------------- links, and versions


def slugs(page):
    """The anchors of its headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted(GUIDE.glob("*.md")), ids=lambda page: page.stem)
def test_sections_that_are_linked_exist(page):
    for link, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            target = (page.parent / link).resolve() if link else page
            assert anchor in slugs(target), f"{link}#{anchor}"


def test_every_page_of_the_guide_is_listed():
    listed = re.findall(r"(?m)^([\w-]+)$", (GUIDE / "index.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted({page.stem for page in GUIDE.glob("*.md")} - {"index"})


def test_the_versions_that_are_supported_are_those_of_the_project_file():
    project = tomllib.loads((GUIDE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", each).groups() for each in project["dependencies"])
    least["python"] = project["requires-python"].removeprefix(">=")
    said = {row[0].lower(): row[1].split()[0] for row in table("versions.md", "", "versions")}
    assert said == least
