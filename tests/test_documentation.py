"""What the documentation says is true: its examples run, its commands and links exist, its equations too."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import calclearn
from calclearn.losses import _contract as losses
from calclearn.neural_network import _activations as activations
from calclearn.optimize.rules import _contract as rules

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
DERIVATIONS = sorted(ROOT.glob("docs/derivations/*.md"))
WITH_EXAMPLES = sorted({*PAGES, *DERIVATIONS} - {ROOT / "README.md"})
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    """The names of all modules of the package."""
    found = pkgutil.walk_packages(calclearn.__path__, "calclearn.")
    return ["calclearn", *(module.name for module in found if module.name != "calclearn.__main__")]


def public_modules():
    """Modules from which names are imported: packages, what these offer, and others in the reference."""
    found = pkgutil.walk_packages(calclearn.__path__, "calclearn.")
    packages = [name for _, name, is_package in found if is_package and "._" not in name]
    offered = [
        member.__name__
        for package in map(importlib.import_module, packages)
        for name in package.__all__
        if inspect.ismodule(member := getattr(package, name))
    ]
    listed = re.findall(r"^   [.\w]+ <(calclearn[.\w]+)>$", text(ROOT / "docs" / "api" / "index.rst"), re.M)
    return sorted({*packages, *offered, *listed})


def public_names(module):
    """The classes and functions that a module offers."""
    loaded = importlib.import_module(module)
    own = [name for name, member in vars(loaded).items() if getattr(member, "__module__", "") == module]
    names = getattr(loaded, "__all__", [name for name in own if not name.startswith("_")])
    members = {name: getattr(loaded, name) for name in names}
    return {
        name: member
        for name, member in members.items()
        if inspect.isclass(member) or inspect.isfunction(member)
    }


def listed_names(module):
    """The names in the API reference of a module."""
    page = text(ROOT / "docs" / "api" / f"{module}.rst")
    tables = re.findall(r"^\.\. autosummary::\n((?:\n| .*\n)+)", page, re.M)
    return [name for table in tables for name in re.findall(r"^   (\w+)$", table, re.M)]


@pytest.fixture(scope="module")
def definition():
    """How the site finds a name in the sources: name -> (path, line); a LookupError where it does not."""
    file = ROOT / "docs" / "_ext" / "definitions.py"
    spec = importlib.util.spec_from_file_location("definitions", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.definition


def text(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The fenced blocks of a page in this language."""
    return [block.strip() for block in re.findall(rf"^```{language}\n(.*?)^```", text(page), re.S | re.M)]


def tags(page):
    """The numbers of its equations, in their order."""
    return [int(number) for number in re.findall(r"\\tag\{(\d+)\}", text(page))]


def relative(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(autouse=True)
def _registries_stay_as_they_are():
    """Examples register losses and rules of their own, which other tests must not see."""
    registries = losses.REGISTRY, rules.REGISTRY, activations.REGISTRY
    before = [dict(registry) for registry in registries]
    yield
    for registry, content in zip(registries, before, strict=True):
        registry.clear()
        registry.update(content)


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for example in finder.find(module, name):
        failed, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(example)
        assert failed == 0, f"{example.name}: see the captured output"


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=relative)
def test_examples_of_pages_run(page):
    assert all(block.startswith(">>>") for block in blocks(page, "python"))
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert failed == 0, f"{page.name}: see the captured output"


def test_the_program_of_the_readme_runs(capsys):
    (program,) = blocks(ROOT / "README.md", "python")
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert "smallest curvature" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install ".[examples]" && python examples/quickstart.py',
        'python -m pip install -e ".[test]" && python -m pytest',
    ],
)
def test_the_readme_states_the_command(command):
    assert blocks(ROOT / "README.md", "bash").count(command) == 1


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_what_is_linked_exists(page):
    prose = re.sub(r"(?sm)^```.*?^```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", "", text(page))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]
    assert not [link for link in links if link and "://" not in link and not (page.parent / link).exists()]


def test_equations_that_the_code_cites_are_there():
    citation = re.compile(
        r"docs/derivations/([\w-]+\.md)(?:,\s+equations? \((\d+)\)(?: (?:to|and) \((\d+)\))?)?"
    )
    for source in sorted((ROOT / "calclearn").rglob("*.py")):
        for name, *numbers in citation.findall(text(source)):
            page = ROOT / "docs" / "derivations" / name
            assert page.exists(), source
            assert {int(number) for number in numbers if number} <= set(tags(page)), source


@pytest.mark.parametrize("page", DERIVATIONS, ids=relative)
def test_equations_are_numbered_in_order(page):
    assert tags(page) == list(range(1, len(tags(page)) + 1))


@pytest.mark.parametrize("page", DERIVATIONS, ids=relative)
def test_every_equation_leads_to_code(page):
    paragraphs = re.findall(r"(?ms)^Code: .*?(?=^\s*$|\Z)", text(page))
    named = {int(number) for paragraph in paragraphs for number in numbers(paragraph)}
    assert set(tags(page)) <= named, f"no Code: paragraph names {sorted(set(tags(page)) - named)}"


def numbers(paragraph):
    """The numbers of the equations in a paragraph; "(2) to (4)" stands for three."""
    found = {int(number) for number in re.findall(r"\((\d+)\)", paragraph)}
    for first, last in re.findall(r"\((\d+)\)\s+to\s+\((\d+)\)", paragraph):
        found |= set(range(int(first), int(last) + 1))
    return found


def test_sources_that_pages_link_to_are_there(definition):
    missing = []
    for page in PAGES:
        for name in re.findall(r"\{source\}`~?([\w.]+)`", text(page)):
            try:
                definition(name)
            except LookupError:
                missing.append(f"{relative(page)}: {name}")
    assert not missing


def test_names_are_found_where_they_are_defined(definition):
    for name, start in {
        "calclearn.losses.Huber.derivatives": "    def derivatives(self, y, raw):",
        "calclearn.ensemble.NewtonBoostingClassifier": "class NewtonBoostingClassifier(",
        "calclearn.optimize.Optimality.duality_gap": "    duality_gap: float",
        "calclearn.losses._robust.LOG_2": "LOG_2 = ",
    }.items():
        path, line = definition(name)
        assert text(path).splitlines()[line - 1].startswith(start)
    with pytest.raises(LookupError, match=r"calclearn\.losses\.Huber\.nothing"):
        definition("calclearn.losses.Huber.nothing")


def test_pictures_in_pages_are_there():
    pictures = [
        (page, name) for page in PAGES for name in re.findall(r"^`{3,}\{plot\} (\S+)", text(page), re.M)
    ]
    assert not [(relative(page), name) for page, name in pictures if not (page.parent / name).is_file()]


@pytest.mark.parametrize("module", public_modules())
def test_the_api_reference_is_complete(module):
    elsewhere = {
        id(member)
        for other in public_modules()
        if other.startswith(f"{module}.")
        for member in public_names(other).values()
    }
    own = {name for name, member in public_names(module).items() if id(member) not in elsewhere}
    assert sorted(listed_names(module)) == sorted(own)
    assert f" <{module}>\n" in text(ROOT / "docs" / "api" / "index.rst")


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_has_an_example(module):
    names = public_names(module).items()
    assert not [name for name, member in names if "Examples\n----" not in (inspect.getdoc(member) or "")]
