"""Where a name is defined: the file and the line, read from the sources; nothing is imported."""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef


def definition(name):
    """Return (path, line) of a dotted name, such as ``calclearn.losses.Huber.derivatives``.

    Names that a module imports are followed to where they are defined, methods to the base class that has
    them.
    Raises a LookupError for what is not there.
    """
    parts = name.split(".")
    for length in (*range(len(parts) - 1, 0, -1), len(parts)):  # a function hides the module of its name
        path = _module(parts[:length])
        if path and (found := _inside(path, parts[length:])):
            return found[0], found[1].lineno if found[1] else 1
    raise LookupError(f"no such name in the sources: {name}")


def _module(parts):
    path = ROOT.joinpath(*parts)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@functools.cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _inside(path, names):
    """Return (path, node) of what these names lead to from a module, or None."""
    scope = _tree(path)
    for position, name in enumerate(names):
        found = _bound(scope, name)
        if isinstance(found, ast.ImportFrom):  # only at the top of a module
            alias = next(a for a in found.names if name == (a.asname or a.name))
            source = path.parents[found.level - 1].relative_to(ROOT).parts if found.level else ()
            source = [*source, *(found.module.split(".") if found.module else ())]
            if submodule := _module([*source, alias.name]):
                return _inside(submodule, names[position + 1 :])
            module = _module(source)
            return module and _inside(module, [alias.name, *names[position + 1 :]])
        if found is None and isinstance(scope, ast.ClassDef):
            rest = names[position:]
            bases = (ast.unparse(base).split(".") for base in scope.bases)
            return next(filter(None, (_inside(path, [*base, *rest]) for base in bases)), None)
        if found is None:
            return None
        scope = found
    return path, (scope if names else None)


def _bound(scope, name):
    """Return the statement of a module, class or function that binds a name, or None."""
    for node in _statements(getattr(scope, "body", ())):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return node
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in {leaf.id for t in targets for leaf in ast.walk(t) if isinstance(leaf, ast.Name)}:
                return node
    if isinstance(scope, ast.ClassDef):  # what a method keeps: self.name = ...
        return next((leaf for leaf in ast.walk(scope) if _keeps(leaf, name)), None)
    return None


def _statements(body):
    """The statements of a body and of the conditions and attempts in it."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _statements([*node.body, *getattr(node, "orelse", ())])


def _keeps(node, name):
    targets = node.targets if isinstance(node, ast.Assign) else ()
    return any(isinstance(leaf, ast.Attribute) and leaf.attr == name for t in targets for leaf in ast.walk(t))
