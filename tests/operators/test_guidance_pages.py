"""Guidance and front page in a real browser: accessible at a desk and on a phone, searched without a network, printed."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.guidance.conftest import guided_home  # noqa: F401 - a fixture
from tests.operators.test_pages import A4_PRINTED_PIXELS, browser, page  # noqa: F401 - fixtures

PAGES = (
    "start-here", "guidance/index", "guidance/five-minutes", "guidance/spreadsheets", "guidance/statements", "guidance/calendar",
    "guidance/differences", "guidance/words", "guidance/kinds/declarations", "guidance/rules/index", "guidance/rules/DECL-015",
    "guidance/rules/FILE-008", "guidance/rules/FILE-005", "guidance/building/specification", "guidance/building/scripts",
    "guidance/building/codes",
)  # fmt: skip


@pytest.fixture(scope="module")
def mailbox(guided_home: Path) -> Path:  # noqa: F811
    return next(guided_home.glob("mailboxes/*/from-dfe/receipts/*")).parents[1]


def opened(page, mailbox, name, width):  # noqa: F811
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((mailbox / f"{name}.html").as_uri())
    return page


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.slow
def test_an_accessibility_checker_finds_nothing(mailbox, page, name, width):  # noqa: F811
    found = Axe().run(opened(page, mailbox, name, width))
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.slow
def test_a_page_asks_the_network_for_nothing_and_fits_a_sheet(mailbox, page, name):  # noqa: F811
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, mailbox, name, A4_PRINTED_PIXELS).emulate_media(media="print")
    assert asked == [(mailbox / f"{name}.html").as_uri()]
    assert page.evaluate("document.scrollingElement.scrollWidth") <= A4_PRINTED_PIXELS


@pytest.mark.slow
def test_on_a_phone_every_cell_is_in_sight(mailbox, page):  # noqa: F811
    cut = """[...document.querySelectorAll('.scroll, td, pre, code')].filter(
        (each) => each.getBoundingClientRect().right > 390 || each.scrollWidth > Math.max(each.clientWidth, 1) && each.clientWidth
    ).map((each) => each.textContent.slice(0, 80))"""
    for name in PAGES:
        assert opened(page, mailbox, name, 390).evaluate(cut) == [], name


@pytest.mark.slow
def test_a_word_is_found_and_its_page_opened(mailbox, page):  # noqa: F811
    opened(page, mailbox, "guidance/index", 1280)
    page.get_by_label("Search the guidance").fill("date turned round")
    assert page.locator("#found li").count() > 0
    assert page.locator("#count").inner_text().split()[1] in ("page", "pages")
    page.get_by_role("link", name="Rule DECL-015", exact=True).click()
    assert page.title() == "Rule DECL-015"
    page.go_back()
    page.get_by_label("Search the guidance").fill("xylophone")
    assert page.locator("#found li").count() == 0 and "Try fewer" in page.locator("#count").inner_text()


@pytest.mark.slow
def test_the_front_page_leads_to_what_needs_somebody(mailbox, page):  # noqa: F811
    opened(page, mailbox, "start-here", 390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    headings = page.eval_on_selector_all("h2", "all => all.map(each => each.textContent)")
    assert headings[0] == "What needs you" and "What has come since yesterday" in headings
    page.get_by_role("link", name="voids.csv").first.click()
    assert "Receipt for voids.csv" in page.title()
    page.locator("a", has_text="VOID-002").first.click()
    assert page.title() == "Rule VOID-002"
