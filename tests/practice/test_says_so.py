"""Every page, manifest and receipt of practice says so (nothing of a real mailbox does: tests/guidance)."""

import json
import re
from pathlib import Path

import openpyxl
import pytest

from flows.installation import open_installation
from flows.settings import Settings
from schemas.kinds import KINDS
from templates.guidance.kinds import wrong_file
from templates.practice import WORD, is_practice, manifest_json, titled

MANIFESTS = ("manifest.json", "receipt.json", "received.json")


@pytest.fixture(scope="module")
def mailbox(practice_home: Path, tmp_path_factory) -> Path:
    """from-dfe of a mailbox that has everything: receipts of each kind with rejected rows, one refused whole, statements in every
    state, extracts with a change set, forecasts, guidance."""
    import shutil

    from tests.practice.conftest import Practising

    home = Path(shutil.copytree(practice_home, tmp_path_factory.mktemp("says") / "home"))
    with open_installation(Settings(home=home, practice=True, seconds_between_looks=0)) as installation:
        practising = Practising(installation, installation.lead_providers()[0])
        for kind in KINDS.values():
            practising.send(f"{kind.name}@2026-12-14T10-00-00Z.csv", wrong_file(kind))
        practising.send("declarations@never.csv", "x\n")
        practising.send("statements@2027-01-25.csv")
        practising.round()
        return practising.box / "from-dfe"


def test_every_manifest_and_receipt(mailbox):
    found = [path for path in mailbox.rglob("*.json") if path.name in MANIFESTS]
    assert {path.name for path in found} == set(MANIFESTS) and len(found) > 20
    assert [path for path in found if json.loads(path.read_text())["practice"] is not True] == []


def test_every_page_on_screen_and_on_paper(mailbox):
    pages = list(mailbox.rglob("*.html"))
    kinds = {path.name for path in pages}
    assert {
        "start-here.html",
        "receipt.html",
        "statement.html",
        "summary.html",
        "index.html",
        "five-minutes.html",
    } <= kinds
    for path in pages:
        page = path.read_text()
        assert f'<p class="practice">{WORD}' in page and f"<title>{WORD}: " in page, path
        assert re.search(rf'@bottom-left {{ content: "{WORD}\. ', page), path


def test_every_markdown_file_and_the_calendar(mailbox):
    for path in mailbox.rglob("*.md"):
        assert path.read_text().startswith(f"> {WORD}: "), path
    assert f"X-WR-CALNAME:{WORD}: " in (mailbox / "guidance/deadlines.ics").read_text()


def test_every_workbook(mailbox):
    books = list(mailbox.rglob("*.xlsx"))
    assert {path.name for path in books} == {"statement.xlsx", "summary.xlsx", "extract.xlsx", "rejected.xlsx"}
    for path in books[:40]:
        for sheet in openpyxl.load_workbook(path).worksheets:
            assert WORD in (sheet.oddHeader.center.text or ""), path


def test_tables_are_as_ever(mailbox):
    for path in mailbox.rglob("*.csv"):
        if "guidance" not in path.parts:
            assert WORD not in path.read_text(encoding="utf-8-sig"), path


def test_the_one_that_is_opened_says_what_is_written(practising, home):
    """Both kinds open in one process, one within the other."""
    assert is_practice() and json.loads(manifest_json({}))["practice"]
    assert (titled("x"), titled("")) == (f"{WORD}: x", WORD)
    with open_installation(Settings(home=home)):
        assert not is_practice() and json.loads(manifest_json({})) == {} and titled("x") == "x"
    assert is_practice()
