"""What programs read: schemas, lists, samples; each is what it says."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from frictionless import Resource, Schema, system
from icalendar import Calendar
from jsonschema import Draft202012Validator

from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds import KINDS
from schemas.vocabulary import DECLARATION_TYPES
from templates.rendering import pounds
from transforms.changes import act_of_file
from transforms.examples import EXAMPLES
from transforms.examples.example import US
from transforms.examples.world import NOW
from transforms.judging import judge


@pytest.fixture(scope="module")
def guidance(guided_home) -> Path:
    return next(guided_home.glob("mailboxes/*/from-dfe/receipts/*")).parents[1] / "guidance"


def judged(kind, content, example):
    act = act_of_file(f"{NOW:%Y%m%dT%H%M%SZ}-{kind.name}-sample", US, NOW)
    return judge(read_sheet(content, kind, Limits()), kind, example.world.snapshot(), act)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_sample_file_does_what_its_page_says(guidance, kind):
    good = next(each for each in EXAMPLES[kind.name] if each.right is not None)
    found = judged(kind, (guidance / f"samples/{kind.name}.csv").read_bytes(), good)
    assert found.verdicts["outcome"].to_list() == ["accepted"]
    notes = found.verdicts["notes"][0]
    page = (guidance / f"kinds/{kind.name}.md").read_text()
    assert "accepted" in page and (not notes or notes.split()[0] in page)
    bad = next(each for each in EXAMPLES[kind.name] if not each.before)
    found = judged(kind, (guidance / f"samples/{kind.name}-wrong.csv").read_bytes(), bad)
    assert found.verdicts["outcome"].to_list() == ["rejected"]
    assert f"It breaks the rule [{bad.code}]" in page and bad.code in found.findings["code"].to_list()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_schemas_take_the_good_sample(guidance, kind):
    system.trusted = True
    path = guidance / f"samples/{kind.name}.csv"
    schema = Schema.from_descriptor(
        json.loads((guidance / f"building/schemas/{kind.name}.table-schema.json").read_text())
    )
    columns = path.read_text().splitlines()[0].split(",")
    for name in [each.name for each in schema.fields if each.name not in columns]:
        schema.remove_field(name)
    assert Resource(path=str(path), schema=schema).validate().valid
    of_row = json.loads((guidance / f"building/schemas/{kind.name}.schema.json").read_text())
    Draft202012Validator.check_schema(of_row)
    for row in pl.read_csv(path, infer_schema=False).fill_null("").to_dicts():
        Draft202012Validator(of_row).validate(row)


def test_a_schema_refuses_what_a_rule_of_form_refuses(guidance):
    of_row = json.loads((guidance / "building/schemas/declarations.schema.json").read_text())
    (row,) = pl.read_csv(guidance / "samples/declarations.csv", infer_schema=False).to_dicts()
    check = Draft202012Validator(of_row)
    for wrong in ({"participant_id": "55555555-5555"}, {"trn": "123"}, {"declaration_date": "03/11/2025"},
                  {"declaration_type": "retained1"}):  # fmt: skip
        assert not check.is_valid(row | wrong), wrong


def test_lists_of_codes(guidance):
    codes = guidance / "building/codes"
    types = pl.read_csv(codes / "declaration-types.csv")["declaration_type"].to_list()
    assert types == list(DECLARATION_TYPES)
    rules = pl.read_csv(codes / "rules.csv")
    assert all((guidance / page).is_file() for page in rules["page"])
    for name in ("your-statements", "your-milestones", "your-delivery-partners"):
        assert pl.read_csv(codes / f"{name}.csv").height > 0, name


def test_the_calendar_is_one_that_programs_read(guidance):
    found = Calendar.from_ical((guidance / "deadlines.ics").read_bytes())
    events = found.walk("VEVENT")
    statements = pl.read_csv(guidance / "building/codes/your-statements.csv", try_parse_dates=True)
    statements = statements.filter(pl.col("payment_date") >= date(2026, 9, 1))  # of this school year and later
    output = statements.filter(pl.col("fee_type") == "output")
    assert len(events) == statements.height + output.height
    days = {str(each["uid"]): each["dtstart"].dt for each in events}
    assert len(days) == len(events)
    for row in output.to_dicts():
        assert days[f"{row['statement_id']}-deadline@ect-file-exchange"] == row["deadline_date"]
        assert days[f"{row['statement_id']}-payment@ect-file-exchange"] == row["payment_date"]


def test_own_figures_are_those_of_a_statement(guidance):
    page = (guidance / "statements.md").read_text()
    index = pl.read_csv(guidance.parent / "index.csv", infer_schema=False).filter(what="statement")
    totals = [pounds(Decimal(total)) for total in index["total"]]
    assert [total for total in totals if f"total: {total}." in page]
