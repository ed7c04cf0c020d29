"""The page in a browser: it draws without errors, and hovering, sorting and the keyboard work."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """Open a page and wait for its charts; what it complains of is in `errors`."""
    pages = []

    def open_page(path, **how):
        tab = browser.new_page(**how)
        pages.append(tab)
        tab.errors = []
        tab.on("console", lambda message: tab.errors.append(message.text))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.goto(path.as_uri())
        tab.wait_for_function(
            "[...document.querySelectorAll('figure')].every(f => f.dataset.drawn)", timeout=30_000
        )
        return tab

    yield open_page
    for tab in pages:
        tab.close()


@pytest.mark.parametrize("page", ["tuned_page", "compared_page"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_draws_without_errors_and_fits(opened, request, page, width, scheme):
    path = request.getfixturevalue(page)
    tab = opened(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.errors == []
    assert tab.locator("figure").count() == tab.locator("figure svg.marks").count() > 4
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.querySelectorAll('.chart b, section b').length") == 0


def test_an_error_would_be_seen(opened, tuned_page, tmp_path):
    broken = tmp_path / "broken.html"
    text = tuned_page.read_text(encoding="utf-8")
    broken.write_text(text.replace('"use strict";', '"use strict"; console.error("oh");', 1))
    assert opened(broken).errors == ["oh"]


def test_colors_follow_the_scheme(opened, tuned_page):
    look = "getComputedStyle(document.querySelector('.chart svg text')).fill"
    light, dark = (opened(tuned_page, color_scheme=s).evaluate(look) for s in ("light", "dark"))
    assert light != dark


def test_hovering_shows_a_candidate(opened, tuned_page):
    tab = opened(tuned_page)
    chart = tab.locator("#search figure", has_text="Every candidate")
    tip = tab.locator("#vg-tooltip-element")
    assert not tip.is_visible()
    chart.locator("[aria-roledescription=point]").first.hover()
    tip.wait_for(state="visible")
    assert "hidden_units" in tip.inner_text()
    assert "rank" in tip.inner_text()


def test_arrow_keys_tell_the_points(opened, tuned_page):
    tab = opened(tuned_page)
    figure = tab.locator("#search figure", has_text="Every candidate")
    figure.locator(".chart").focus()
    tab.keyboard.press("ArrowRight")
    first = figure.locator(".point").inner_text()
    tab.keyboard.press("ArrowRight")
    assert "rank: 1" in first
    assert figure.locator(".point").inner_text() != first


@pytest.mark.parametrize("how", ["click", "keyboard"])
def test_a_heading_sorts_its_table(opened, compared_page, how):
    tab = opened(compared_page)
    table = tab.locator("#comparison table")
    heading = table.locator("thead th").nth(1)

    def column():
        return [float(text.replace("−", "-").split()[0]) for text in table.locator(
            "tbody td:nth-child(2)").all_inner_texts()]  # fmt: skip

    def press():
        if how == "click":
            heading.locator("button").click()
        else:
            heading.locator("button").press("Enter")

    press()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column() == sorted(column(), reverse=True)
    press()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(column())
    assert len(set(column())) > 1


def test_it_asks_for_nothing(browser, tuned_page):
    tab, asked = browser.new_page(), []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(tuned_page.as_uri())
    tab.wait_for_load_state("networkidle")
    tab.close()
    assert asked == [tuned_page.as_uri()]


def test_it_can_be_printed(opened, tuned_page):
    tab = opened(tuned_page, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    assert len(tab.pdf()) > 20_000
