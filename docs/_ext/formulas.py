"""The block ``{formulas}``: all losses or activations, with derivatives that SymPy finds in their code."""

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from calclearn.calculus import symbolic
from calclearn.losses import _contract as losses
from calclearn.neural_network import _activations as activations

KINDS = {"losses": losses.REGISTRY, "activations": activations.REGISTRY}


class Formulas(Directive):
    """Its argument is "losses" or "activations"; a loss of several outputs is left out."""

    required_arguments = 1

    def run(self):
        """Write Markdown, and have it parsed."""
        lines = []
        for name, kind in sorted(KINDS[self.arguments[0]].items()):
            if not hasattr(kind, "value_row"):
                lines += [f"`{name}`", "", f"$${symbolic(kind)._repr_latex_().strip('$')}$$", ""]
        inside = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.arguments[0]), self.content_offset, inside)
        return inside.children


def setup(app):
    """Register the block."""
    app.add_directive("formulas", Formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
