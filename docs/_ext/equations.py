r"""Equations with a number of their own, ``\tag{n}``: MathJax allows it only outside of ``split``.

Sphinx wraps what has several lines into ``split``; an equation with a tag is handed over as it is instead.
"""

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


def setup(app):
    """Register the transform."""
    app.add_transform(Tagged)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
