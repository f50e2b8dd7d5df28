"""What the documentation says is true: its examples run, its commands and links exist, its equations too."""

import doctest
import importlib
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
GUIDES = sorted(ROOT.glob("docs/guide/*.md"))
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    """The names of all modules of the package."""
    found = pkgutil.walk_packages(calclearn.__path__, "calclearn.")
    return ["calclearn", *(module.name for module in found if module.name != "calclearn.__main__")]


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


@pytest.mark.parametrize("page", [*GUIDES, *DERIVATIONS], ids=relative)
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
