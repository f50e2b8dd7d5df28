"""Every link of the built site leads somewhere inside of it, down to the place on the page."""

from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.browser
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
NOT_LOADED = {"canonical", "author", "index", "search", "next", "prev", "alternate"}


class Page(HTMLParser):
    """The places on a page, what it links to, and what a browser loads with it."""

    def __init__(self, path):
        super().__init__()
        self.places, self.links, self.loaded = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        for name in ("href", "src"):
            value = attributes.get(name)
            if value and not value.startswith(("data:", "javascript:", "mailto:")):
                self.links.add(value)
                if (tag, name) in LOADED and attributes.get("rel") not in NOT_LOADED:
                    self.loaded.add(value)


@cache
def read(path):
    return Page(path)


def pages(site):
    """All pages; what a theme keeps beside its scripts is none."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def test_links_lead_somewhere(site):
    broken = set()
    for path in pages(site):
        for link in read(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            there = target.is_file() and target.is_relative_to(site)
            if there and parts.fragment and target.suffix == ".html":
                there = unquote(parts.fragment) in read(target).places
            if not there:
                broken.add(f"{path.relative_to(site)}: {link}")
    assert sorted(broken) == []


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = {(path.relative_to(site).as_posix(), link) for path in pages(site) for link in read(path).loaded}
    assert sorted((path, link) for path, link in loaded if urlsplit(link).netloc) == []
