"""The built site, served from this machine, and a browser to look at it with."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parents[2] / "docs" / "_build" / "html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BUILD = "python -m sphinx -W -n -b html docs docs/_build/html"


@pytest.fixture(scope="session")
def site():
    if not (SITE / "index.html").is_file():
        pytest.fail(f"there is no site to look at: {BUILD}")
    return SITE


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served, to this machine alone."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def browser():
    reason = 'no playwright: python -m pip install -e ".[browser]"'
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    root = getattr(os, "geteuid", lambda: 1)() == 0  # Chromium's sandbox does not work for root
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, chromium_sandbox=not root)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Open a page in a window of some width; what went wrong on the way is kept in `complaints`."""
    contexts = []

    def open_page(path, width=1280):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}))
        page = contexts[-1].new_page()
        page.complaints = complaints = []
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: None if ours(r.url) else complaints.append(f"asks elsewhere: {r.url}"))
        page.goto(address + path)
        page.evaluate("() => window.MathJax?.startup?.promise")  # until mathematics is set
        return page

    def ours(url):
        return url.startswith((address, "data:", "blob:"))

    yield open_page
    for context in contexts:
        context.close()
