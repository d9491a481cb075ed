"""A statement's files as a lead provider opens them: versions, differences, partners' pages, spreadsheet, schemas."""

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from frictionless import Resource, Schema

from data.records.extract import export_records, import_records
from flows.acts.payments import payment_schedule
from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import Installation, open_installation
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.verify import verify
from schemas.outbound.statements import FILES
from templates.operators import statements_report, verify_report
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, pay, put
from tests.exchange.test_statements import money, read

AT, LATER, AFTER_IT = instant(NOW), instant("2026-12-15T10:00:00Z"), instant("2027-01-01T00:00:00Z")
PAID_AT = instant("2027-01-20T10:00:00Z")
MONTH = "2027-01"


def latest(installation: Installation, provider, period: str, month: str = MONTH) -> Path:
    return max((box(installation, provider) / "from-dfe" / "statements" / period / month).iterdir())


def expected_rows(rows: pl.DataFrame, period: str, amount: str = "100.00") -> pl.DataFrame:
    return rows.select(
        pl.lit(MONTH).alias("statement_month"), pl.lit(period).alias("contract_period"), "participant_id",
        "course_identifier", "declaration_type", pl.lit(amount).alias("expected_amount"),
    )  # fmt: skip


_NEW_IN_2026 = """
SELECT DISTINCT sp.participant_id FROM participants t JOIN school_periods sp ON sp.participant_id = t.participant_id
JOIN training_periods tp ON tp.school_period_id = sp.school_period_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE p.contract_period = 2026 AND t.ect_first_became_eligible_at IS NOT NULL
"""


def declarable(installation: Installation, provider) -> pl.DataFrame:
    """Rows that would be accepted, and go onto January's statement of 2026."""
    with installation.database.read() as reader:
        people = reader.frame(_NEW_IN_2026)
    return (
        acceptable_rows(installation, provider)
        .filter(declaration_type="started")
        .join(people, on="participant_id", how="semi")
    )


@pytest.fixture(scope="module")
def busy_home(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """January's statement of 2026 with declarations, expectations, and a version before it. Not to be changed: copy it."""
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("busy") / "home"))
    with open_installation(Settings(home=home, database_url="", mailboxes="", seconds_between_looks=0)) as installation:
        provider = installation.lead_providers()[0]
        statements_round(installation, AT)
        rows = declarable(installation, provider)
        put(installation, provider, "declarations.csv", rows.head(3).write_csv())
        wrong = rows[3:4].with_columns(evidence_held=pl.lit("a-note"))
        put(installation, provider, "declarations-wrong.csv", wrong.write_csv())
        stranger = rows[:1].with_columns(participant_id=pl.lit("00000000-0000-4000-8000-000000000000"))
        expected = pl.concat([expected_rows(part, "2026") for part in (rows[:2], rows[3:5], stranger)])
        put(installation, provider, "expected-payments.csv", expected.write_csv())
        done = statements_round(installation, LATER)
        assert [outcome.status for outcome in done.intake.outcomes] == ["accepted", "rejected", "accepted"]
    return home


@pytest.fixture
def home(busy_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(busy_home, tmp_path / "home"))


@pytest.fixture
def busy(installation: Installation, provider) -> Path:
    """The folder of that statement's last version, to do with as one likes."""
    return latest(installation, provider, "2026")


def test_the_differences_are_told_before_the_deadline(busy):
    rows = read(busy / "discrepancies.csv")
    assert json.loads((busy / "manifest.json").read_text())["status"] == "open"
    counted = dict(rows["reason_code"].value_counts().iter_rows())
    due = read(busy / "declarations.csv").filter(pl.col("line_type") != "voided").height
    assert counted == {
        "different-amount": 2, "not-expected": due - 2, "row-rejected": 1, "not-declared": 1, "unknown-participant": 1,
    }  # fmt: skip
    turned_away = rows.filter(reason_code="row-rejected")["reason"][0]
    assert re.search(
        r"^Line 2 of your file declarations-wrong.csv was rejected \(DECL-\d+\): .+\. Its receipt is 20261215T100000Z-declarations-\w{6}\.",
        turned_away,
    )


def test_the_differences_explain_everything_to_the_penny(busy):
    rows, lines = read(busy / "discrepancies.csv"), read(busy / "statement.csv")
    sections = ("output", "clawback", "uplift", "uplift-clawback")
    assert money(rows, "due_amount") == money(lines.filter(pl.col("section").is_in(sections)))
    assert money(rows, "difference") == money(rows, "due_amount") - money(rows, "expected_amount")
    told = json.loads((busy / "manifest.json").read_text())["control_totals"]["difference_by_reason"]
    assert sum(Decimal(amount) for amount in told.values()) == money(rows, "difference")


def test_expecting_something_else_makes_a_new_version(installation, provider, busy):
    rows = declarable(installation, provider)
    put(installation, provider, "expected-payments.csv", expected_rows(rows[:1], "2026").write_csv())
    done = statements_round(installation, instant("2026-12-16T10:00:00Z"))
    assert [made.path for made in done.made] == [f"from-dfe/statements/2026/{MONTH}/v03-open"]
    again = latest(installation, provider, "2026")
    assert read(again / "changes.csv").is_empty()
    assert "No figure has changed." in (again / "statement.html").read_text()


def test_the_calendar_alone_makes_no_new_version(installation, busy):
    """What to do names the next deadline, which changes with the date; a version is about what is due."""
    assert statements_round(installation, instant("2026-12-30T10:00:00Z")).made == []


def test_the_changes_add_up_to_what_the_total_moved_by(busy):
    rows = read(busy / "changes.csv")
    manifest = json.loads((busy / "manifest.json").read_text())
    before = read(busy.parents[4] / manifest["previous_version"] / "statement.csv")
    now = read(busy / "statement.csv")
    moved = money(now.filter(section="total")) - money(before.filter(section="total"))
    assert money(rows, "difference") == moved == Decimal(manifest["control_totals"]["changed_since_previous_version"])
    assert rows.filter(change="added", section="output").height == 3
    assert "What changed since version 1" in (busy / "statement.html").read_text()


def test_becoming_payable_changes_no_declaration(installation, provider, busy):
    statements_round(installation, AFTER_IT)
    payable = latest(installation, provider, "2026")
    assert payable.name == "v03-payable"
    assert read(payable / "changes.csv").is_empty()
    assert "It was open and is payable now." in (payable / "statement.html").read_text()


def test_without_the_files_before_sums_alone_are_compared(installation, provider, busy):
    outbox = installation.outbox / provider.lead_provider_id / busy.relative_to(box(installation, provider))
    (outbox / "declarations.csv").write_text("gone")
    statements_round(installation, AFTER_IT)
    payable = latest(installation, provider, "2026")
    assert not (payable / "changes.csv").exists()
    assert "only sums are compared" in (payable / "statement.html").read_text()


def test_each_partners_page_says_whose_it_is_and_adds_up(busy):
    pages = sorted((busy / "delivery-partners").glob("*.html"))
    assert pages and len(pages) == len(list((busy / "delivery-partners").glob("*.csv")))
    names = {read(path.with_suffix(".csv"))["delivery_partner_name"][0]: path for path in pages}
    for name, path in names.items():
        text, rows = path.read_text(), read(path.with_suffix(".csv"))
        share = money(rows, "share_amount") + money(rows, "uplift_amount")
        assert f"<h1>{name}</h1>" in text and f"£{share:,.2f}" in text
        assert all(trn in text for trn in rows["trn"].drop_nulls())
        assert not any(other in text for other in names if other != name)


def test_every_file_fits_its_schema(busy):
    """The published descriptions, read by the standard's own tool."""
    for name in ("statement", "declarations", "delivery-partners", "discrepancies", "changes"):
        assert _report(busy, f"{name}.csv", name) == []
    for path in (busy / "delivery-partners").glob("*.csv"):
        assert _report(busy, f"delivery-partners/{path.name}", "delivery-partner") == []


def _report(folder: Path, file: str, schema: str) -> list:
    described = Schema.from_descriptor(json.loads((folder / "schema" / f"{schema}.json").read_text()))
    resource = Resource(path=file, basepath=str(folder), schema=described, format="csv", encoding="utf-8")
    return resource.validate().flatten(["rowNumber", "fieldName", "type", "note"])


def test_the_schema_would_notice_a_wrong_cell(busy):
    text = (busy / "statement.csv").read_text().replace(",total,", ",in-all,")
    (busy / "statement.csv").write_text(text)
    assert [row[2] for row in _report(busy, "statement.csv", "statement")] == ["constraint-error"]


def test_every_file_is_described_and_every_description_has_a_file(busy):
    described = {path.stem for path in (busy / "schema").iterdir()}
    assert described == {file.name for file in FILES}
    files = {path.stem for path in busy.glob("*.csv")}
    assert files == described - {"delivery-partner"}


def test_the_spreadsheet_holds_the_same_and_its_formulas_agree(busy):
    formulas, values = (
        openpyxl.load_workbook(busy / "statement.xlsx"),
        openpyxl.load_workbook(busy / "statement.xlsx", data_only=True),
    )
    assert formulas.sheetnames == [
        "Statement", "Partners", "Reasons", "Declarations", "Lines by partner", "Discrepancies", "Changes",
    ]  # fmt: skip
    tables = {}
    for sheet in formulas:
        for name, reach in sheet.tables.items():
            head, *rows = [[cell.value for cell in row] for row in sheet[reach]]
            tables[name] = pl.DataFrame(rows, schema=head, orient="row", infer_schema_length=None)
    same = {
        "Declarations": "declarations",
        "Partners": "delivery-partners",
        "Discrepancies": "discrepancies",
        "Changes": "changes",
    }
    for table, file in same.items():
        csv = read(busy / f"{file}.csv")
        assert (tables[table].height, tables[table].columns) == (csv.height, csv.columns)
        for column in csv.columns:
            ours, theirs = tables[table][column].to_list(), csv[column].to_list()
            if "amount" in column or column in ("rate", "share_rate", "count", "difference"):
                assert [None if v is None else Decimal(str(v)) for v in ours] == [
                    None if v is None else Decimal(v) for v in theirs
                ]
            elif column in ("declaration_date", "created_at"):
                assert [f"{value:%Y-%m-%dT%H:%M:%SZ}" for value in ours] == theirs
            else:
                assert ours == theirs
    checked = 0
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                plain = re.fullmatch(r"=SUBTOTAL\(109,(\w+)\[(\w+)\]\)", str(cell.value))
                if plain:
                    total = sum((Decimal(str(v)) for v in tables[plain[1]][plain[2]] if v is not None), Decimal())
                    assert Decimal(str(values[sheet.title][cell.coordinate].value)) == total
                    checked += 1
    assert checked >= 7
    words = {row[0]: row[6] for row in values["Statement"].iter_rows(values_only=True)}
    assert words["These three agree"] == "yes"
    assert Decimal(str(words["Total, VAT included"])) == money(read(busy / "statement.csv").filter(section="total"))


def test_a_name_that_looks_like_a_formula_stays_text(installation, provider, busy):
    book = openpyxl.load_workbook(busy / "statement.xlsx")
    kinds = {cell.data_type for row in book["Declarations"].iter_rows(min_row=5) for cell in row}
    assert "f" not in kinds


def test_the_same_statement_gives_the_same_bytes(installation, provider, busy, tmp_path):
    """Computed a second time, in another store, from the same records and at the same instant."""
    again = Settings(
        home=installation.settings.home,
        store=tmp_path / "store",
        mailboxes=f"file://{tmp_path}/boxes",
        seconds_between_looks=0,
    )
    with installation.database.write() as connection:
        for table in ("statement_versions", "deliveries"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    first = {
        path.name: path.read_bytes() for path in latest(installation, provider, "2025").iterdir() if path.is_file()
    }
    with open_installation(again) as other:
        statements_round(other, AT)
        second = tmp_path / "boxes" / provider.slug / "from-dfe" / "statements" / "2025" / MONTH / "v01-open"
        assert {path.name: path.read_bytes() for path in second.iterdir() if path.is_file()} == first


# Payable, paid, and what finance does with them


@pytest.fixture
def paid(installation: Installation, provider, busy) -> str:
    """The id of January's statement, paid."""
    statements_round(installation, AFTER_IT)
    statement_id = json.loads((latest(installation, provider, "2026") / "manifest.json").read_text())["statement_id"]
    pay(installation, statement_id, PAID_AT)
    return statement_id


def test_paid_statements_computed_anew_are_as_paid(installation, paid):
    done = verify(installation, PAID_AT)
    assert (done.statements, done.alarms, done.moved_on) == (1, [], 0)


@pytest.mark.slow
def test_names_may_move_on_and_figures_may_not(installation, provider, paid, tmp_path):
    export_records(installation.database, tmp_path / "out")
    _edit(
        tmp_path / "out" / "participants.csv", lambda rows: rows.with_columns(full_name=pl.col("full_name") + " Smith")
    )
    import_records(installation.database, tmp_path / "out", PAID_AT)
    done = verify(installation, PAID_AT, paid)
    assert done.alarms == [] and done.moved_on == 1
    # A capacity that is raised or cut later reprices the past: DfE's own history knows such cases (payments 13.3).
    _edit(tmp_path / "out" / "bands.csv", lambda rows: rows.with_columns(capacity=pl.lit("1")))
    import_records(installation.database, tmp_path / "out", PAID_AT)
    done = verify(installation, PAID_AT)
    assert any("statement.csv" in alarm and paid in alarm for alarm in done.alarms)
    assert paid in verify_report(done)
    unchanged = latest(installation, provider, "2026")
    assert unchanged.name == "v04-paid" and statements_round(installation, PAID_AT).troubles == []
    assert latest(installation, provider, "2026") == unchanged


def _edit(path: Path, change) -> None:
    change(read(path)).write_csv(path)


def test_a_file_that_was_tampered_with_is_an_alarm(installation, provider, paid):
    folder = (
        installation.outbox
        / provider.lead_provider_id
        / latest(installation, provider, "2026").relative_to(box(installation, provider))
    )
    (folder / "manifest.json").write_text("{}")
    assert "not the one that was delivered" in verify(installation, PAID_AT).alarms[0]


def test_only_what_was_paid_can_be_verified(installation, busy):
    with pytest.raises(ExchangeError, match="No paid version"):
        verify(installation, PAID_AT, "00000000-0000-4000-8000-000000000000")


def test_a_months_payments_are_the_final_statements_with_control_totals(installation, paid):
    rows = payment_schedule(installation, MONTH)
    statements, controls = rows.filter(line="statement"), rows.filter(line="control-total")
    assert set(statements["status"]) == {"payable", "paid"} and statements.filter(status="paid")[
        "statement_id"
    ].to_list() == [paid]
    for provider in installation.lead_providers():
        for row in statements.filter(lead_provider_id=provider.lead_provider_id).to_dicts():
            folder = latest(installation, provider, row["contract_period"])
            lines = read(folder / "statement.csv")
            assert row["total"] == lines.filter(section="total")["amount"][0]
            for section in ("output", "clawback", "service-fee", "adjustment", "vat"):
                assert Decimal(row[section.replace("-", "_")]) == money(lines.filter(section=section))
    for control, status in zip(controls.to_dicts(), (["payable"], ["paid"], ["payable", "paid"]), strict=True):
        own = statements.filter(pl.col("status").is_in(status))
        assert int(control["statements"]) == own.height
        assert Decimal(control["total"]) == money(own, "total")
        parts = ("output", "clawback", "uplift", "uplift_clawback", "service_fee", "adjustment", "vat")
        assert sum(Decimal(control[part]) for part in parts) == Decimal(control["total"])


def test_payments_wait_for_every_final_version(installation, busy):
    from data.settling import settle_due
    from schemas.instants import london_day

    with installation.database.write() as connection:
        settle_due(connection, london_day(AFTER_IT), AFTER_IT)
    with pytest.raises(ExchangeError, match="no final version"):
        payment_schedule(installation, MONTH)
    with pytest.raises(ExchangeError, match="not a month"):
        payment_schedule(installation, "January")


def test_the_past_statements_of_a_partner_add_up_to_the_statements(installation, provider, paid):
    folders = {
        path.parent.parent: path.parent
        for path in sorted(box(installation, provider).glob("from-dfe/statements/*/*/*/manifest.json"))
    }
    partners, statements = Decimal(), Decimal()
    for folder in folders.values():
        for path in folder.glob("delivery-partners/*.csv"):
            partners += money(read(path), "share_amount") + money(read(path), "uplift_amount")
        lines = read(folder / "statement.csv")
        statements += money(lines.filter(~pl.col("section").is_in(["service-fee", "adjustment", "vat", "total"])))
    assert partners == statements != 0


def test_operators_see_totals_what_moved_and_what_is_nowhere(installation, provider, busy):
    rows = acceptable_rows(installation, provider)
    put(installation, provider, "declarations-more.csv", rows.head(1).write_csv())
    done = statements_round(installation, instant("2026-12-17T10:00:00Z"))
    names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    report = statements_report(done, names)
    for name in names.values():
        assert f"| {name} | " in report
    moved = sum((made.total - made.before for made in done.made), Decimal())
    assert moved and f"| £{moved:,.2f} |" in report
    assert "## Submitted declarations without a statement" in report
    with installation.database.read() as reader:
        submitted = reader.frame("SELECT declaration_id FROM declarations WHERE payment_status = 'no_payment'")
    assert done.nowhere.height == submitted.height > 0


@pytest.mark.slow
def test_operators_see_what_is_over_capacity(installation, tmp_path):
    export_records(installation.database, tmp_path / "out")
    _edit(tmp_path / "out" / "bands.csv", lambda rows: rows.with_columns(capacity=pl.lit("1")))
    import_records(installation.database, tmp_path / "out", AT)
    done = statements_round(installation, AT)
    names = {each.lead_provider_id: each.name for each in installation.lead_providers()}
    report = statements_report(done, names)
    assert sum(made.over_volume for made in done.standing) > 0
    assert "## Over capacity" in report
