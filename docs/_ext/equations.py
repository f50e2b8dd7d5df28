r"""Equations with a number of their own, and formulas in a line of text.

MathJax allows ``\tag{n}`` only outside of ``split``.  Sphinx wraps what has several lines into ``split``; an
equation with a tag is handed over as it is instead.

Browsers break lines on both sides of a formula, even before a comma: it is kept with what follows it.
"""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform


class Tagged(SphinxTransform):
    """Hand tagged equations to MathJax unwrapped."""

    default_priority = 400

    def apply(self, **_):
        """Mark the equations."""
        for node in self.document.findall(nodes.math_block):
            text = node.astext()
            if r"\tag" in text and not node.get("no-wrap", node.get("nowrap")):
                node["nowrap"] = node["no-wrap"] = True
                node[:] = [nodes.Text(rf"\[{text}\]")]


class Attached(SphinxTransform):
    """Keep a formula and the punctuation behind it on one line."""

    default_priority = 400

    def apply(self, **_):
        """Wrap both."""
        for node in list(self.document.findall(nodes.math)):
            after = node.next_node(descend=False, siblings=True)
            marks = isinstance(after, nodes.Text) and re.match(r"[.,;:?!)\]]+", after)
            if marks:
                node.parent.replace(after, nodes.Text(after[marks.end() :]))
                both = nodes.inline(classes=["unbroken"])
                node.replace_self(both)
                both += [node, nodes.Text(marks.group())]


def setup(app):
    """Register the transforms."""
    app.add_transform(Tagged)
    app.add_transform(Attached)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
