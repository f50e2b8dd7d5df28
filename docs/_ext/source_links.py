"""Links into the sources: pages of highlighted code inside of the site, and what leads to their lines.

- The role {source}`calclearn.svm._dual.Dual.gradient` links to the line that defines the name.
- ``[source]`` beside what the API reference documents does the same.
- A relative link to a file of Python, such as ``../../tests/test_common.py``, leads to its page; one to an
  example, to its page in the gallery.
- ``docs/derivations/losses.md`` in a docstring or an example leads to that page.
"""

import posixpath
import re

from definitions import ROOT, definition
from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

FOLDER = "source"
FORMATTER = HtmlFormatter(lineanchors="L", linenos="inline", anchorlinenos=True)
PAGE = re.compile(r"docs/((?:guide|derivations)/[\w-]+)\.md")
logger = logging.getLogger(__name__)


def page_of(path):
    return f"{FOLDER}/{path.relative_to(ROOT).with_suffix('').as_posix()}"


class Source(SphinxRole):
    """{source}`name`: the last part of the name, a method's with its class, links to where it is defined."""

    def run(self):
        """Return the link, or the name alone and a warning where there is no such name."""
        name = self.text.lstrip("~")
        *_, owner, last = name.split(".")
        shown = f"{owner}.{last}" if owner.lstrip("_")[:1].isupper() else last
        text = nodes.literal(name, shown, classes=["source"])
        try:
            path, line = definition(name)
        except LookupError as error:
            logger.warning(str(error), location=self.get_location())
            return [text], []
        return [link(self.env, path, text, f"#L-{line}", reftitle=name)], []


def link(env, path, text, anchor="", **attributes):
    uri = env.app.builder.get_relative_uri(env.docname, page_of(path)) + anchor
    return nodes.reference("", "", text, refuri=uri, internal=True, **attributes)


class LinkFiles(SphinxTransform):
    """Let links to Python's files lead to their pages, before Sphinx offers them for download."""

    default_priority = 400

    def apply(self, **_):
        """Replace what MyST made of such links."""
        for node in list(self.document.findall(addnodes.download_reference)):
            _, found = self.env.relfn2path(node["reftarget"], self.env.docname)
            path = ROOT.joinpath(found).resolve()
            if path.suffix != ".py" or not path.is_relative_to(ROOT):
                continue
            if path.parent.name == "examples":
                node.replace_self(self._to_page(f"gallery/{path.stem}", *node.children))
            else:
                node.replace_self(link(self.env, path, nodes.inline("", "", *node.children)))
                if not path.is_relative_to(ROOT / "calclearn"):
                    _linked(self.env).add(path)
        for text in list(self.document.findall(nodes.Text)):
            self._link_pages(text)

    def _link_pages(self, text):
        """Split a text at the pages that it names."""
        place = text.parent if isinstance(text.parent, nodes.literal) else text
        found = PAGE.search(text)
        if not found or isinstance(
            place.parent, (nodes.literal_block, nodes.reference, addnodes.pending_xref)
        ):
            return
        before, after = text[: found.start()], text[found.end() :]
        inner = nodes.inline("", found.group(), classes=["doc"])
        parts = [nodes.Text(before), self._to_page(found.group(1), inner), nodes.Text(after)]
        place.parent.replace(place, [part for part in parts if part.astext()])
        if after:
            self._link_pages(parts[2])

    def _to_page(self, docname, *children):
        return addnodes.pending_xref(
            "",
            *children,
            refdomain="std",
            reftype="doc",
            reftarget=f"/{docname}",
            refdoc=self.env.docname,
            refexplicit=True,
        )


def _linked(env):
    if not hasattr(env, "linked_sources"):
        env.linked_sources = set()
    return env.linked_sources


def merge(app, env, docnames, other):
    _linked(env).update(_linked(other))


def pages(app):
    """Yield a page for every module of the package, and for other files that pages link to."""
    paths = {*ROOT.glob("calclearn/**/*.py"), *_linked(app.env)}
    for path in sorted(paths):
        code = highlight(path.read_text(encoding="utf-8"), PythonLexer(), FORMATTER)
        yield page_of(path), {"title": path.relative_to(ROOT).as_posix(), "code": code}, "source.html"


def collect(app):
    return pages(app) if app.builder.format == "html" else []


def linkcode_resolve(domain, info):
    """Where ``[source]`` of the API reference leads; its pages are two folders deep."""
    if domain != "py" or not info["module"]:
        return None
    try:
        path, line = definition(f"{info['module']}.{info['fullname']}")
    except LookupError:
        return None  # what comes from scikit-learn
    return posixpath.join("../..", page_of(path) + f".html#L-{line}")


def setup(app):
    """Register the role, the transform and the pages."""
    app.add_role("source", Source())
    app.add_transform(LinkFiles)
    app.connect("html-collect-pages", collect)
    app.connect("env-merge-info", merge)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
