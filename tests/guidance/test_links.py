"""Everything in a mailbox that a person can click on leads somewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from schemas.kinds import KINDS
from templates.guidance.rules import has_page, rules_with_pages
from tests.house.test_documents import rules


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.ids = [], set()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if "id" in told:
            self.ids.add(told["id"])
        if tag == "a":
            self.found.append(told["href"])


def read(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


@pytest.fixture(scope="module")
def mailbox(guided_home) -> Path:
    return next(guided_home.glob("mailboxes/*/from-dfe/receipts/*")).parents[1]


def test_every_link_of_every_page_leads_somewhere(mailbox):
    broken, walked, ids = [], 0, {}
    for page in sorted(mailbox.rglob("*.html")):
        links = read(page)
        for href in links.found:
            walked += 1
            path, _, part = href.partition("#")
            target = (page.parent / unquote(path)).resolve() if path else page
            if (
                not target.is_relative_to(mailbox.resolve())
                or not target.exists()
                or (part and part not in ids.setdefault(target, read(target).ids))
            ):
                broken.append(f"{page.relative_to(mailbox)}: {href}")
    assert broken == []
    assert walked > 1000


def test_every_link_of_every_markdown_file_leads_somewhere(mailbox):
    broken = []
    for page in sorted(mailbox.rglob("*.md")):
        for href in re.findall(r"(?<!\\)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            if not (page.parent / href.split("#")[0]).exists():
                broken.append(f"{page.relative_to(mailbox)}: {href}")
    assert broken == []


def test_every_page_of_the_guidance_is_reached_from_its_front(mailbox):
    folder = mailbox / "guidance"
    reached, coming = set(), [folder / "index.html"]
    while coming:
        page = coming.pop().resolve()
        if page in reached or page.suffix != ".html" or not page.is_relative_to(folder.resolve()):
            continue
        reached.add(page)
        coming += [page.parent / href.split("#")[0] for href in read(page).found]
    assert reached == {path.resolve() for path in folder.rglob("*.html")}


def test_receipts_link_the_pages_of_their_rules(mailbox):
    linked = set()
    for receipt in mailbox.glob("receipts/*/receipt.html"):
        linked |= {href for href in read(receipt).found if "guidance/rules/" in href}
    assert len(linked) > len(KINDS) / 2


def test_every_rule_has_a_page(mailbox):
    of_adjustments = {code for code in rules() if code.startswith("ADJUST")}
    codes = {each.code for each in rules_with_pages()}
    assert codes == rules() - of_adjustments
    assert {path.stem for path in (mailbox / "guidance/rules").glob("*.html")} == codes | {"index"}
    assert all(has_page(code) for code in codes)
