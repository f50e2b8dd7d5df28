"""Matplotlib's ``plot`` as a block of a Markdown page, with the script's path as seen from the page.

The directive answers by handing lines of reStructuredText back to the parser that called it, which MyST's has
no method for.  So they are caught here, and parsed.
"""

from docutils.statemachine import StateMachine
from docutils.utils import new_document
from matplotlib.sphinxext.plot_directive import PlotDirective
from myst_parser.mocking import MockRSTParser


class PlotBlock(PlotDirective):
    """The directive, wherever it stands."""

    def run(self):
        """Draw the picture, and return what shows it."""
        script, *function = self.arguments
        env = self.state.document.settings.env
        self.arguments = [env.relfn2path(script)[0], *function]
        if isinstance(self.state_machine, StateMachine):
            return super().run()
        lines = []
        self.state_machine.insert_input = lambda more, source: lines.extend(more)
        try:
            messages = super().run()
        finally:
            del self.state_machine.insert_input
        document = self.state.document
        inner = new_document(document["source"], document.settings)
        inner.reporter = document.reporter
        MockRSTParser().parse("\n".join(lines), inner)
        return [*messages, *inner.children]


def setup(app):
    """Put it in the place of matplotlib's."""
    app.add_directive("plot", PlotBlock, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
