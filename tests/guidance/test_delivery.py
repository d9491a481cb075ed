"""The guidance in a mailbox: made where something is new, replaced in place, the pages of rules there for ever."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds import delivery
from flows.rounds.guidance import guidance_round
from flows.rounds.intake import intake_round
from flows.settings import Settings
from schemas.kinds import KINDS
from templates.guidance.kinds import wrong_file
from tests.conftest import NOW
from tests.exchange.provider import box, put

LATER = "2026-12-15T04:30:00Z"


@pytest.fixture
def guidance(installation, provider) -> Path:
    return box(installation, provider) / "from-dfe/guidance"


def index(installation, provider):
    lines = (box(installation, provider) / "from-dfe/index.csv").read_text().splitlines()
    return [row for row in csv.DictReader(lines) if row["what"] == "guidance"]


def test_the_manifest_lists_what_is_there_and_the_index_names_it(installation, provider, guidance, files_of):
    manifest = (guidance / "manifest.json").read_bytes()
    said = json.loads(manifest)
    assert said["version"] == 1 and said["lead_provider_id"] == provider.lead_provider_id
    assert {each["name"] for each in said["files"]} == files_of(guidance) - {"manifest.json"}
    for each in said["files"]:
        content = (guidance / each["name"]).read_bytes()
        assert (each["bytes"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    (line,) = index(installation, provider)
    assert (line["path"], line["sha256"]) == ("from-dfe/guidance", hashlib.sha256(manifest).hexdigest())


def test_nothing_is_made_or_written_where_nothing_is_new(installation, guidance):
    before = {path: path.stat().st_mtime_ns for path in guidance.rglob("*")}
    done = guidance_round(installation, instant(LATER))
    assert (done.made, done.delivered, done.troubles) == (0, 0, [])
    assert {path: path.stat().st_mtime_ns for path in guidance.rglob("*")} == before


@pytest.mark.slow
def test_what_is_new_is_a_version_that_says_so_and_leaves_the_rest_alone(installation, provider, guidance):
    before = {path: path.stat().st_ino for path in guidance.rglob("*") if path.is_file()}
    with installation.database.write() as connection:
        moved = connection.exec_driver_sql(
            "UPDATE statements SET payment_date = '2027-01-29' WHERE payment_date = '2027-01-25' AND contract_id IN "
            "(SELECT contract_id FROM contracts WHERE lead_provider_id = ?)",
            (provider.lead_provider_id,),
        ).rowcount
    assert moved
    done = guidance_round(installation, instant(LATER))
    assert (done.made, done.troubles) == (1, [])
    written = {path.relative_to(guidance).as_posix() for path, own in before.items() if path.stat().st_ino != own}
    assert {"manifest.json", "index.html", "calendar.html", "deadlines.ics"} <= written
    assert not [path for path in written if path.startswith(("rules", "kinds", "samples", "scripts"))]
    page = (guidance / "index.md").read_text()
    assert "What changed in version 2" in page and "Changed: [A year's calendar](calendar.md)" in page
    assert [line["replaces"] for line in index(installation, provider)] == ["", "from-dfe/guidance"]
    assert guidance_round(installation, instant(LATER)).made == 0


@pytest.mark.slow
def test_an_event_keeps_its_id_and_is_stamped_anew_when_its_day_moves(installation, provider, guidance):
    from icalendar import Calendar

    def events():
        found = Calendar.from_ical((guidance / "deadlines.ics").read_bytes()).walk("VEVENT")
        return {str(each["uid"]): (each["dtstart"].dt, each["dtstamp"].dt) for each in found}

    before = events()
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE statements SET payment_date = '2027-01-29' WHERE payment_date = '2027-01-25'"
        )
    guidance_round(installation, instant(LATER))
    after = events()
    assert before.keys() == after.keys()
    moved = {uid for uid in after if after[uid][0] != before[uid][0]}
    assert moved and all(uid.endswith("-payment@ect-file-exchange") for uid in moved)
    assert all(after[uid][1] > before[uid][1] for uid in moved)


@pytest.mark.slow
def test_a_page_that_is_gone_goes_but_a_rule_s(installation, provider, guidance, monkeypatch):
    """As if the next version of the project had no page of words, and a rule less."""
    from flows.rounds import guidance as round_
    from templates.guidance.pack import Part

    shared = round_.shared_of(installation)
    gone = ("words.html", "words.md", "rules/DECL-015.html", "rules/DECL-015.md")
    files = {path: content for path, content in shared.files.items() if path not in gone}
    less = Part(files, [each for each in shared.entries if each.path not in ("words", "rules/DECL-015")])
    monkeypatch.setattr(round_, "shared_of", lambda _: less)
    assert guidance_round(installation, instant(LATER)).troubles == []
    assert not (guidance / "words.html").exists() and not (guidance / "words.md").exists()
    assert (guidance / "rules/DECL-015.html").exists()


def test_the_page_of_a_rule_is_there_before_the_receipt_that_links_it(home, monkeypatch):
    """In a mailbox without guidance, and with the receipt's delivery cut."""
    with open_installation(Settings(home=home, seconds_between_looks=0)) as installation:
        provider = installation.lead_providers()[0]
        put(installation, provider, "voids.csv", wrong_file(KINDS["voids"]))
        own = box(installation, provider) / "from-dfe"
        seen = []
        deliver = type(installation.mailbox(provider.slug)).deliver

        def watched(mailbox, folder, source, last):
            if "receipts" in folder:
                seen.append({path.name for path in (own / "guidance/rules").glob("*")})
            deliver(mailbox, folder, source, last)

        monkeypatch.setattr(type(installation.mailbox(provider.slug)), "deliver", watched)
        assert intake_round(installation, instant(NOW)).troubles == []
        (receipt,) = own.glob("receipts/*/receipt.html")
        linked = receipt.read_text().split("../../guidance/rules/")[1].split('"')[0]
        assert linked in seen[-1] and (receipt.parent / "../../guidance/rules" / linked).is_file()


@pytest.mark.slow
def test_a_round_that_is_cut_leaves_the_manifest_of_what_was_there(installation, provider, guidance, monkeypatch):
    before = (guidance / "manifest.json").read_bytes()
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE statements SET payment_date = '2027-01-29' WHERE payment_date = '2027-01-25'"
        )
    real = delivery.put_guidance

    def cut(mailbox, source):
        class Cut(type(mailbox)):
            left = 2

            def put_or_remove(self, path, content):
                if path.endswith("manifest.json"):
                    raise OSError("cut")
                super().put_or_remove(path, content)

        real(Cut(mailbox.root), source)

    monkeypatch.setattr(delivery, "put_guidance", cut)
    assert guidance_round(installation, instant(LATER)).troubles
    assert (guidance / "manifest.json").read_bytes() == before
    assert len(index(installation, provider)) == 1
    monkeypatch.setattr(delivery, "put_guidance", real)
    done = guidance_round(installation, instant(LATER))
    assert (done.made, done.troubles) == (0, []) and done.delivered == len(installation.lead_providers())
    said = json.loads((guidance / "manifest.json").read_text())
    assert said["version"] == 2
    for each in said["files"]:
        assert hashlib.sha256((guidance / each["name"]).read_bytes()).hexdigest() == each["sha256"]


def test_a_mailbox_is_filled_again_with_the_guidance_that_stands(installation, provider, guidance, files_of):
    there = {name: (guidance / name).read_bytes() for name in files_of(guidance)}
    shutil.rmtree(guidance)
    delivery.deliver_again(installation, provider, installation.mailbox(provider.slug))
    assert {name: (guidance / name).read_bytes() for name in files_of(guidance)} == there
