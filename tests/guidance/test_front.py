"""The front page: what has come, what needs somebody, what is at stake; made anew with every delivery."""

import json
import re
import shutil

import polars as pl
import pytest

from flows.clock import instant
from flows.rounds import delivery
from flows.rounds.extracts import extracts_round
from flows.rounds.front import put_front
from flows.rounds.guidance import guidance_round
from flows.rounds.intake import intake_round
from flows.upkeep.housekeeping import housekeeping
from schemas.kinds import KINDS
from sftp.refusals import Refusal
from templates.rendering import pounds
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts
from transforms.outstanding import outstanding, worth

LATER = "2026-12-15T09:00:00Z"
HEADER = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held\n"


def front(installation, provider) -> str:
    return (box(installation, provider) / "from-dfe/start-here.html").read_text()


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next."""
    found = re.search(rf"<h[23][^>]*>{re.escape(heading)}</h[23]>(.*?)(?=<h[23]|</main>)", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split()) if found else ""


def possible(installation, provider) -> dict[str, str]:
    """A declaration that could be made, as the forecast has it."""
    path = sorted((box(installation, provider) / "from-dfe/forecast").glob("*.csv"))[0]
    rows = pl.read_csv(path, infer_schema=False).filter(
        pl.col("state") == "possible", pl.col("evidence_wanted").is_not_null()
    )
    return rows.row(0, named=True)


@pytest.mark.slow
def test_a_rejected_row_is_there_with_its_pounds_until_it_is_sent_again(installation, provider):
    row = possible(installation, provider)
    own = f"{row['participant_id']},{row['course_identifier']},{row['declaration_type']}"
    put(installation, provider, "declarations-a.csv", f"{HEADER}{own},2026-12-01T10:00:00Z,nonsense\n")
    intake_round(installation, instant(LATER))
    told = section(front(installation, provider), "Rejected rows that have not come again")
    assert f"declarations-a.csv 15 December 2026 at 09:00 1 {pounds_of(row)}" in told
    put(installation, provider, "declarations-b.csv", f"{HEADER}{own},2026-12-01T10:00:00Z,still-nonsense\n")
    intake_round(installation, instant("2026-12-15T10:00:00Z"))
    told = section(front(installation, provider), "Rejected rows that have not come again")
    assert "declarations-a.csv" not in told and "declarations-b.csv" in told
    right = row["evidence_wanted"].split(";")[0]
    put(
        installation,
        provider,
        "declarations-c.csv",
        f"{HEADER}{own},{row['window_opens'] or '2026-12-01'}T10:00:00Z,{right}\n",
    )
    intake_round(installation, instant("2026-12-15T11:00:00Z"))
    told = section(front(installation, provider), "Rejected rows that have not come again")
    assert "declarations-b.csv" not in told


def pounds_of(row):
    from decimal import Decimal

    return pounds(Decimal(row["expected_amount"]))


@pytest.mark.slow
def test_deadlines_say_what_is_still_missing(installation, provider):
    told = section(front(installation, provider), "Deadlines in the next 30 days")
    assert "31 December 2026" in told and "January 2027, contract period" in told
    path = box(installation, provider) / "from-dfe/forecast/2027-01.csv"
    rows = pl.read_csv(path, infer_schema=False).filter(state="possible")
    for (period,), part in rows.partition_by("contract_period", as_dict=True).items():
        amount = pounds(part["expected_amount"].cast(pl.Decimal(14, 2)).sum())
        assert f"contract period {period} {part.height} declarations could be declared: {amount}" in told


@pytest.mark.slow
def test_what_has_come_since_yesterday_is_listed_and_later_is_not(installation, provider):
    assert "Receipt for november.csv: rejected" in section(
        front(installation, provider), "What has come since yesterday"
    )
    guidance_round(installation, instant("2026-12-20T04:30:00Z"))
    page = front(installation, provider)
    assert "as of 20 December 2026 at 04:30" in page
    assert "Receipt for november.csv" not in section(page, "What has come since yesterday")


@pytest.mark.slow
def test_commonest_errors_link_the_pages_that_prevent_them(installation, provider):
    page = front(installation, provider)
    counted = {}
    for path in box(installation, provider).glob("from-dfe/receipts/*/receipt.json"):
        said = json.loads(path.read_text())
        broken = said["rule_counts"] | {each["code"]: 1 for each in said["file_errors"]}
        for code, rows in broken.items():
            counted[code] = counted.get(code, 0) + rows
    told = section(page, "Your commonest errors of late")
    first = sorted(counted, key=lambda code: (-counted[code], code))[:5]
    assert [code for code in re.findall(r"[A-Z]+-\d{3}", told) if code in counted] == first
    assert all(f'href="guidance/rules/{code}.html"' in page for code in first)


@pytest.mark.slow
def test_refused_uploads_and_files_that_wait_are_told(installation, provider):
    mailbox = installation.mailbox(provider.slug)
    mailbox.add_refusals([Refusal(instant(NOW).timestamp(), "<b>wide</b>.xlsx", "It is not a CSV file.")])
    put(installation, provider, "declarations.csv.part", b"half")
    later = "2027-01-05T09:00:00Z"
    intake_round(installation, instant(NOW))
    page = front(installation, provider)
    assert "&lt;b&gt;wide&lt;/b&gt;.xlsx: It is not a CSV file." in page
    intake_round(installation, instant(later))
    waits = box(installation, provider) / "from-dfe/waiting.csv"
    assert ("declarations.csv.part" in front(installation, provider)) == waits.exists()


@pytest.mark.slow
def test_it_is_made_anew_after_housekeeping(installation, provider):
    housekeeping(installation, instant("2035-01-01T02:30:00Z"))
    page = front(installation, provider)
    assert "as of 1 January 2035" in page
    hrefs = {href.split("#")[0] for href in re.findall(r'href="([^"#][^"]*)"', page)}
    assert [href for href in hrefs if not (box(installation, provider) / "from-dfe" / href).exists()] == []


@pytest.mark.slow
def test_a_front_page_that_cannot_be_made_keeps_nothing_back(installation, provider, monkeypatch):
    from flows.rounds import front as module

    monkeypatch.setattr(module, "front_page", lambda _: 1 / 0)
    put(installation, provider, "voids-b.csv", b"declaration_id\n\n,\n070e3545-4e30-4d42-a619-7bc54669ef75\n")
    done = intake_round(installation, instant(LATER))
    assert any("front page could not be made (ZeroDivisionError)" in each for each in done.troubles)
    names = [
        json.loads(path.read_text())["file_name"]
        for path in box(installation, provider).glob("from-dfe/receipts/*/receipt.json")
    ]
    assert "voids-b.csv" in names
    assert installation.deliveries.owed(provider.lead_provider_id) == []
    assert delivery.deliver_owed(installation, provider, installation.mailbox(provider.slug), instant(LATER)) == 0


def results(*rows):
    names = (
        "number",
        "submission_id",
        "row_number",
        "line_number",
        "returned_line",
        "outcome",
        "participant_id",
        "course_identifier",
        "declaration_type",
        "declaration_date",
    )
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def test_a_night_makes_it_though_nothing_is_new(installation, provider):
    """A night before was cut off when all but this page was there."""
    extracts_round(installation, instant(LATER), [provider])
    (box(installation, provider) / "from-dfe/start-here.html").unlink()
    assert extracts_round(installation, instant(LATER), [provider]).troubles == []
    assert provider.name in front(installation, provider)


def test_receipts_that_are_gone_from_the_store_keep_no_page_back(installation, provider):
    """An operator cleared it by hand, say: nothing is known of their rows."""
    put(installation, provider, "declarations-a.csv", HEADER + "x,ecf-induction,started,2026-12-01T10:00:00Z,\n")
    intake_round(installation, instant(LATER))
    for folder in installation.outbox.iterdir():
        shutil.rmtree(folder)
    put_front(installation, provider, installation.mailbox(provider.slug), instant(LATER))
    assert "declarations-a.csv" in front(installation, provider)
    assert section(front(installation, provider), "Rejected rows that have not come again") == ""


@pytest.mark.slow
def test_the_last_word_of_a_thing_asked_for_counts():
    rows = results(
        (1, "a", 1, 2, None, "rejected", "p", "ecf-induction", "started", "x"),
        (1, "a", 2, 3, None, "rejected", "p", "ecf-induction", "retained-1", "x"),
        (1, "a", 3, 4, None, "rejected", "q", "ecf-induction", "started", "x"),
        (2, "b", 1, 2, None, "accepted", " P ", "ECF-induction", "started", "y"),
        (3, "c", 1, 2, None, "rejected", "q", "ecf-induction", "started", "y"),
    )
    found = outstanding(KINDS["declarations"], rows)
    assert found.select("submission_id", "row_number").rows() == [("a", 2), ("c", 1)]


@pytest.mark.slow
def test_a_row_without_its_key_is_told_from_no_other_and_what_was_sent_back_is_closed():
    rows = results(
        (1, "a", 1, 2, None, "rejected", None, "ecf-induction", "started", "x"),
        (1, "a", 2, 3, None, "rejected", "", "ecf-induction", "started", "x"),
        (1, "a", 3, 4, None, "rejected", "wrong", "ecf-induction", "started", "x"),
        (2, "b", 1, 2, 4, "accepted", "right", "ecf-induction", "started", "x"),
        (2, "b", 2, 3, 3, "rejected", "still-wrong", "ecf-induction", "started", "x"),
    )
    found = outstanding(KINDS["declarations"], rows)
    assert found.select("submission_id", "row_number").rows() == [("a", 1), ("b", 2)]


@pytest.mark.slow
def test_what_is_asked_for_is_read_as_intake_reads_it(installation, provider):
    """Columns headed in any case of letters; ids that the receipt's own columns have too; a list a month."""
    unknown = "\n".join(f"{number:08}-0000-4000-8000-000000000000" for number in range(5))
    put(installation, provider, "voids-a.csv", f"Declaration_ID\n{unknown}\n")
    intake_round(installation, instant(LATER))
    put(installation, provider, "voids-b.csv", "declaration_id\n99999999-0000-4000-8000-000000000000\n")
    lists = "statement_month,contract_period,participant_id,course_identifier,declaration_type\n"
    who = "00000000-0000-4000-8000-000000000000,ecf-induction"
    put(installation, provider, "expected-payments-a.csv", f"{lists}2027-01,2025,{who},startd\n")
    intake_round(installation, instant("2026-12-15T09:10:00Z"))
    put(installation, provider, "expected-payments-b.csv", f"{lists}2027-02,2025,{who},startd\n")
    intake_round(installation, instant("2026-12-15T09:20:00Z"))
    told = section(front(installation, provider), "Rejected rows that have not come again")
    assert "voids-a.csv 15 December 2026 at 09:00 5 " in told and "voids-b.csv 15 December 2026 at 09:10 1 " in told
    assert "expected-payments-a.csv" in told and "expected-payments-b.csv" in told


@pytest.mark.slow
def test_a_file_that_was_refused_whole_is_there_until_one_of_its_kind_is_taken(installation, provider):
    put(installation, provider, "deferrals.csv", b"participant\nx\n")
    intake_round(installation, instant(LATER))
    page = front(installation, provider)
    assert "deferrals.csv" in section(page, "Files that we could not take")
    assert 'href="guidance/rules/FILE-007.html"' in page
    put(installation, provider, "deferrals.csv", b"participant_id,course_identifier,reason\nx,ecf-induction,other\n")
    intake_round(installation, instant("2026-12-15T10:00:00Z"))
    assert "deferrals.csv" not in section(front(installation, provider), "Files that we could not take")


@pytest.mark.slow
def test_what_is_at_stake_is_what_the_forecast_says():
    forecast = pl.DataFrame(
        {"participant_id": ["p", "q"], "course_identifier": ["ecf-induction"] * 2, "declaration_type": ["started"] * 2,
         "expected_amount": ["119.40", "0.10"], "state": ["possible", "declared"]}
    )  # fmt: skip
    rows = forecast.drop("expected_amount", "state").with_columns(submission_id=pl.lit("s"))
    other = rows.with_columns(participant_id=pl.lit("r"), submission_id=pl.lit("t"))
    assert worth(pl.concat([rows, other]), forecast) == {"s": 11940}


@pytest.mark.slow
def test_a_returned_row_is_closed_though_what_it_asks_for_is_another(installation, provider):
    """rejected.csv came back with the course put right: the row is the one of that line, whatever else it is now."""
    rows = acceptable_rows(installation, provider).head(2)
    wrong = rows.with_columns(course_identifier=pl.lit("ecf-inducton"))
    put(installation, provider, "declarations-wrong.csv", wrong.write_csv())
    intake_round(installation, instant("2026-12-14T11:00:00Z"))
    folder = receipts(installation, provider)["declarations-wrong.csv"]["folder"]
    assert "declarations-wrong.csv" in section(front(installation, provider), "Rejected rows that have not come again")
    back = (folder / "rejected.csv").read_text(encoding="utf-8-sig").replace("ecf-inducton", "ecf-induction")
    put(installation, provider, "declarations-back.csv", back)
    intake_round(installation, instant("2026-12-14T12:00:00Z"))
    assert receipts(installation, provider)["declarations-back.csv"]["rows"]["accepted"] == 2
    assert "declarations-wrong.csv" not in section(
        front(installation, provider), "Rejected rows that have not come again"
    )
