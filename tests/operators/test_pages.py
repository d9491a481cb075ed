"""The pages that providers and delivery partners open, in a real browser: accessible, self-contained, printable."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.extracts import extracts_round
from flows.settings import Settings
from tests.exchange.test_statement_files import busy_home  # noqa: F401 - a fixture
from tests.tools import needed

A4_PRINTED_PIXELS = 688  # 210 mm less the margins, at 96 to the inch


@pytest.fixture(scope="module")
def pages(busy_home: Path) -> dict[str, Path]:  # noqa: F811
    statement = (
        busy_home
        / "mailboxes"
        / "alder-teaching-institute"
        / "from-dfe"
        / "statements"
        / "2026"
        / "2027-01"
        / "v02-open"
    )
    box = busy_home / "mailboxes" / "alder-teaching-institute"
    with open_installation(Settings(home=busy_home, seconds_between_looks=0)) as installation:
        extracts_round(installation, instant("2026-12-16T04:00:00Z"))
        with installation.database.write() as connection:  # something of every file changes
            connection.exec_driver_sql("UPDATE participants SET full_name = 'A Very Long Name Of Somebody', trn = NULL")
            connection.exec_driver_sql("UPDATE schools SET name = 'Renamed ' || name")
            connection.exec_driver_sql("DELETE FROM mentorships")
        extracts_round(installation, instant("2026-12-17T04:00:00Z"))
    # Of those that came at the same instant, the one whose rows were rejected: it has every table.
    receipts = busy_home.glob("mailboxes/alder-teaching-institute/from-dfe/receipts/*declarations*/rejected.csv")
    return {
        "statement": statement / "statement.html",
        "month": box / "from-dfe/statements/2027-01/summary.html",
        "delivery-partner": sorted((statement / "delivery-partners").glob("*.html"))[0],
        "receipt": sorted(receipts)[0].with_name("receipt.html"),
        "extract": box / "from-dfe/extracts/full/index.html",
        "forecast": box / "from-dfe/forecast/index.html",
    }


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """The machine's own."""
    installed = needed("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


PAGES = ("statement", "month", "delivery-partner", "receipt", "extract", "forecast")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_an_accessibility_checker_finds_nothing(pages, page, name, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(pages[name].as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_no_wider_than_a_phone(pages, page, name):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(pages[name].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_every_cell_is_in_sight_and_names_its_column(pages, page, name):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    cut = """[...document.querySelectorAll('.scroll, td, tbody th')].filter(
        (each) => each.getBoundingClientRect().right > 390 || each.scrollWidth > Math.max(each.clientWidth, 1)
    ).map((each) => each.textContent.slice(0, 80))"""
    assert page.evaluate(cut) == []
    unnamed = """[...document.querySelectorAll('td')].filter(
        (each) => each.textContent && ['none', 'normal', '""'].includes(getComputedStyle(each, '::before').content)
    ).map((each) => each.textContent)"""
    assert page.evaluate(unnamed) == []
    empty = "[...document.querySelectorAll('td:empty')].filter((each) => each.getClientRects().length).length"
    assert page.evaluate(empty) == 0, "a name without a value"
    assert name == "forecast" or page.locator("td").count() > 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_the_network_for_nothing(pages, page, name):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    assert asked == [pages[name].as_uri()]
    assert not re.search(r"<script|src=|@import|url\(", pages[name].read_text())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_sheet_of_a4(pages, page, name):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_PRINTED_PIXELS, "height": 900})
    page.goto(pages[name].as_uri())
    assert page.evaluate("document.scrollingElement.scrollWidth") <= A4_PRINTED_PIXELS
    pdf = page.pdf(prefer_css_page_size=True)
    (width, height) = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)[0]
    assert (round(float(width)), round(float(height))) == (595, 842)


def test_the_keyboard_reaches_the_content_and_every_section(pages, page):
    page.goto(pages["statement"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#main$"))
    links = page.eval_on_selector_all("nav a", "links => links.map(link => link.getAttribute('href').slice(1))")
    assert len(links) >= 7
    assert page.evaluate("ids => ids.every(id => document.getElementById(id))", links)


def test_every_chart_has_its_words_and_a_table_beside_it(pages, page):
    page.goto(pages["statement"].as_uri())
    charts = page.eval_on_selector_all(
        "svg", "charts => charts.map(c => [c.querySelector('title').textContent, c.querySelector('desc').textContent])"
    )
    assert [title for title, _ in charts] == [
        "Share of each delivery partner",
        "How full the bands are",
        "This statement against earlier ones of the same contract period",
    ]
    assert all("£" in words or "places filled" in words for _, words in charts)
    for heading in ("bands", "partners", "earlier"):
        assert page.query_selector(f"#{heading} ~ .scroll table") is not None


def test_the_total_and_the_dates_come_first(pages, page):
    page.goto(pages["statement"].as_uri())
    text = page.inner_text("main")
    assert text.index("VAT included") < text.index("Deadline") < text.index("What the total is made of")


def test_what_people_ask_first_stands_first(pages, page):
    """The total, each delivery partner's share, the difference, and only then how figures were made."""
    page.goto(pages["statement"].as_uri())
    headings = page.eval_on_selector_all("h2", "all => all.map(each => each.id)")
    wanted = ["overview", "partners", "differences", "declarations", "bands", "made", "changes", "earlier", "files"]
    assert [each for each in headings if each in wanted] == wanted


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_links_is_there(pages, page, name):
    page.goto(pages[name].as_uri())
    links = page.eval_on_selector_all(
        "main a[href], footer a[href]", "links => links.map(link => link.getAttribute('href'))"
    )
    beside = [link.split("#")[0] for link in links if not link.startswith("#")]
    assert name not in ("statement", "month", "receipt") or beside
    assert [link for link in beside if not (pages[name].parent / link).exists()] == []


def test_what_is_folded_is_printed(pages, page):
    page.emulate_media(media="print")
    page.goto(pages["statement"].as_uri())
    folded = page.query_selector_all("details:not([open]) table")
    assert folded
    assert all(each.bounding_box()["height"] > 10 for each in folded)
