"""The built site in a browser: nothing fails, mathematics and pictures are there, in narrow windows too."""

import pytest

from .conftest import SITE

pytestmark = pytest.mark.browser
KINDS = [  # a page of each
    "index.html",
    "guide/linear-models.html",
    "derivations/linear-models.html",
    "api/index.html",
    "api/calclearn.losses.html",
    "api/generated/calclearn.linear_model.LogisticRegression.html",
    "api/generated/calclearn.optimize.rules.Adam.html",
    "gallery/index.html",
    "gallery/plot_gradient_descent.html",
    "benchmarks.html",
    "contributing.html",
    "source/calclearn/losses/_robust.html",
    "search.html",
]
WITH_FORMULAS = ["api/generated/calclearn.losses.Tweedie.html", "gallery/plot_learning_rate.html"]
DERIVATIONS = sorted(page.relative_to(SITE).as_posix() for page in SITE.glob("derivations/*.html"))
NARROW = 400


@pytest.mark.parametrize("path", KINDS)
def test_a_page_opens_without_complaint_and_asks_nobody_else(visit, path):
    assert visit(path).complaints == []


@pytest.mark.parametrize("path", KINDS)
def test_pictures_are_there(visit, path):
    missing = visit(path).evaluate(
        """async () => {
            const images = [...document.images];
            for (const image of images) image.loading = "eager";
            await Promise.all(images.map(image => image.decode().catch(() => null)));
            const shown = image => image.naturalWidth && image.hasAttribute("alt");
            return images.filter(image => !shown(image)).map(image => image.src);
        }"""
    )
    assert missing == []


@pytest.mark.parametrize("path", [*DERIVATIONS, *WITH_FORMULAS])
def test_mathematics_is_set(visit, path):
    page = visit(path)
    left = page.evaluate(
        """() => {
            const formulas = [...document.querySelectorAll("article .math")];
            const plain = formulas.filter(m => !m.querySelector("mjx-container"));
            const wrong = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")];
            return [...plain, ...wrong].map(m => m.textContent);
        }"""
    )
    assert left == []
    prose = page.evaluate(
        """() => {
            const article = document.querySelector("article").cloneNode(true);
            article.querySelectorAll("pre, code, mjx-container").forEach(e => e.remove());
            return article.textContent;
        }"""
    )
    assert "$" not in prose
    assert page.complaints == []


@pytest.mark.parametrize("path", [*KINDS, *WITH_FORMULAS])
def test_a_narrow_window_shows_all_of_it(visit, path):
    page = visit(path, width=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    outside = page.evaluate(
        """width => [...document.querySelectorAll("article :is(h1, h2, h3, p, li, dt, dd, img)")]
            .filter(e => !e.closest("pre, table, figure, .math, mjx-container"))
            .filter(e => e.getBoundingClientRect().right > width + 1
                || (e.matches("p, h1, h2, h3") && e.clientWidth && e.scrollWidth > e.clientWidth + 1))
            .map(e => e.tagName + ": " + e.textContent.slice(0, 80))""",
        NARROW,
    )
    assert outside == []


@pytest.mark.parametrize(("words", "found"), [("Huber", "Huber"), ("duality gap", "L1 penalties")])
def test_search_answers(visit, words, found):
    page = visit(f"search.html?q={words.replace(' ', '+')}")
    page.wait_for_function(  # answers come one by one
        "document.querySelector('#search-results .search-summary')?.textContent.includes('finished')"
    )
    titles = page.locator("#search-results ul.search li a").all_inner_texts()
    assert any(found in title for title in titles)
    assert page.complaints == []


def test_a_formula_leads_to_the_line_that_computes_it(visit):
    page = visit("contributing.html")
    link = page.locator("a:has(code.source)").first
    name = link.inner_text()
    link.click()
    page.wait_for_load_state()
    line = page.evaluate("document.getElementById(location.hash.slice(1)).parentElement.textContent")
    assert page.url.partition("#L-")[2].isdigit()
    assert name in line
