"""What the API reference and the gallery take from the package, and what they leave out."""

import importlib
import inspect
import re

from calclearn.losses import _contract as losses
from calclearn.neural_network import _activations as activations
from calclearn.optimize.rules import _contract as rules

REGISTRIES = losses.REGISTRY, rules.REGISTRY, activations.REGISTRY
CLEAN = [dict(registry) for registry in REGISTRIES]


def reset(gallery_conf, name):
    """Forget the losses, rules and activations that an example has registered."""
    for registry, content in zip(REGISTRIES, CLEAN, strict=True):
        registry.clear()
        registry.update(content)


def inherited(module, name):
    """Return the public methods that a class has from other packages, documented there."""
    kind = getattr(importlib.import_module(module), name)
    if issubclass(kind, (tuple, Exception)):
        return []
    return [
        name
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_") and _is_foreign(member)
    ]


def _is_foreign(member):
    member = getattr(member, "fget", member)
    return not (getattr(member, "__module__", None) or "calclearn").startswith("calclearn")


def leave_out(app, what, name, obj, skip, options):
    """Leave the members of other packages to their own documentation."""
    return True if what == "class" and _is_foreign(obj) else None


def readable(app, what, name, obj, options, signature, annotation):
    """Write a default that is made anew for each object as ``...``, which is Python."""
    return (signature.replace("<factory>", "..."), annotation) if signature else None


def keep_initials(app, what, name, obj, options, lines):
    """Let a reference begin with an initial, "P. J. Huber", which would be the item of a list."""
    lines[:] = [re.sub(r"^(\s*)([A-Z]\. )", r"\1\\\2", line) for line in lines]


def setup(app):
    """Connect the choice of members, their signatures and their references."""
    app.connect("autodoc-process-docstring", keep_initials, priority=100)  # before numpydoc
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
