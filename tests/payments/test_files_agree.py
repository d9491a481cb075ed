"""Pages, sheets and CSVs are read back, and say the same to the penny: of any statement, and of any month of several."""

import io
import json
import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.discrepancies import TITLES
from schemas.outbound.versions import NewestVersion
from schemas.vocabulary import OF_DECLARATIONS
from templates.month import Month
from templates.month_files import write_month
from templates.statement_files import kept_lines, write_statement
from tests.laws import tried
from tests.payments.accounts import Account
from tests.payments.test_discrepancies import ROWS, expect, expectations
from tests.payments.test_laws import accounts
from transforms.money.computing import Terms, compute
from transforms.money.months import distinct_names, ledger_rows, not_adding_up, summary_rows, year_so_far
from transforms.money.version_changes import pence_of

PAIRS = dict.fromkeys(("declaration_id", "payment_statement_id", "clawback_statement_id"), pl.String)
NAMES = {name: name for name in ("p1", "p2", "p3")}
NOW = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
ZERO = Decimal("0.00")
# Of mentors, only these two types have a price.
OF_MENTORS = ("started", "completed")
priced = accounts.map(
    lambda account: replace(
        account,
        units=tuple(
            replace(unit, kind="started") if unit.role == "mentor" and unit.kind not in OF_MENTORS else unit
            for unit in account.units
        ),
    )
)
# What is expected of some of the declarations, by place: the amount, or none.
forecasts = st.dictionaries(st.integers(0, 45), st.none() | st.integers(-200_000, 200_000), max_size=12)


class Tables(HTMLParser):
    """The cells of every table of a page, by the name of the region it is in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = defaultdict(list)
        self.label = ""
        self.in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.label = said.get("aria-label") or self.label
        if tag == "tr":
            self.rows[self.label].append([])
        if tag in ("td", "th"):
            self.in_cell = True
            self.rows[self.label][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[self.label][-1][-1] += data

    def of(self, label: str) -> list[list[str]]:
        """Without the heading."""
        return self.rows[label][1:]


def pounds(text: str) -> Decimal:
    """£1,234.50 or −£1,234.50, as pages have it."""
    assert re.fullmatch(r"−?£[\d,]+\.\d\d", text.strip()), text
    return Decimal(text.strip().replace("−", "-").replace("£", "").replace(",", ""))


def by_name(rows: list[list[str]]) -> dict[str, Decimal]:
    return {row[0]: pounds(row[-1]) for row in rows}


def sheet(book: Any, name: str, column: str) -> dict[str, Decimal]:
    """First column of a sheet's table → one of its columns of money, above the totals."""
    rows = [[cell.value for cell in row] for row in book[name].iter_rows()]
    top = next(number for number, row in enumerate(rows) if column in row)
    place = rows[top].index(column)
    return {
        str(row[0]): Decimal(str(row[place])).quantize(ZERO)
        for row in rows[top + 1 :]
        if row[0] is not None and row[place] is not None and not str(row[0]).startswith("Total")
    }


def added(rows: pl.DataFrame, *columns: str, by: str = "") -> Any:
    """Sum of columns of pounds; by another column, if one is named."""
    pence = rows.with_columns(pence=pl.sum_horizontal(pence_of(column) for column in columns))
    if not by:
        return Decimal(int(pence["pence"].sum())) / 100
    return {key: Decimal(int(sum_)) / 100 for key, sum_ in pence.group_by(by).agg(pl.col("pence").sum()).iter_rows()}


def without_nothing(sums: dict[str, Decimal]) -> dict[str, Decimal]:
    return {name: amount for name, amount in sums.items() if amount}


def computed(account: Account, forecast: dict[int, int | None], ordered: bool) -> Any:
    """The last statement, with a forecast of the declarations at some places."""
    stated = [
        expect(None if pence is None else f"{pence / 100:.2f}", statement_id=account.last, participant_id=f"t{place:06}",
               participant_type=account.units[place].role if place < len(account.units) else "ect",
               declaration_type=account.units[place].kind if place < len(account.units) else "started")
        for place, pence in forecast.items()
    ]  # fmt: skip
    rows = {"expected": stated, "trained": []}
    held = {name: pl.DataFrame(rows.get(name, []), schema=schema) for name, schema in ROWS.items()}
    terms = Terms(["provider"] if ordered else [], {}, date(2025, 3, 1))
    return compute(account.accounts(), expectations(account, held), terms)


def written(folder: Path, done: Any) -> dict[str, pl.DataFrame]:
    """Write the one statement into a folder. Returns its tables."""
    (statement,) = done.statements
    tables = {name: rows.drop("statement_id") if "statement_id" in rows.columns and name != "statement" else rows
              for name, rows in done.tables.items()}  # fmt: skip
    write_statement(folder, statement, tables, None, NOW, {})
    return {path.stem: pl.read_csv(path, infer_schema=False) for path in folder.glob("*.csv")}


@tried(40)
@given(priced, forecasts, st.booleans())
def test_a_statements_page_sheets_and_files_agree(account, forecast, ordered):
    with TemporaryDirectory() as place:
        folder = Path(place) / "v01-open"
        files = written(folder, computed(account, forecast, ordered))
        page = (folder / "statement.html").read_text(encoding="utf-8")
        book = openpyxl.load_workbook(io.BytesIO((folder / "statement.xlsx").read_bytes()), data_only=True)
        manifest = json.loads((folder / "manifest.json").read_text())
    tables, lines = Tables(page), files["statement"]
    total = added(lines.filter(section="total"), "amount")
    parts = lines.filter(pl.col("section") != "total")
    assert added(parts, "amount") == total == Decimal(manifest["control_totals"]["amount"]["total"])
    assert pounds(re.search(r'<strong class="total">([^<]+)<', page)[1]) == total
    overview = by_name(tables.of("What the total is made of"))
    assert overview.pop("Total") == total == sum(overview.values(), ZERO)
    shown = tables.of("Lines of the statement")
    assert [pounds(row[-1]) for row in shown] == [*(Decimal(each) for each in parts["amount"]), total]
    of_declarations = added(lines.filter(pl.col("section").is_in(OF_DECLARATIONS)), "amount")

    declarations, partners = files["declarations"], files["delivery-partners"]
    assert added(declarations, "amount", "uplift_amount") == of_declarations == added(partners, "amount")
    by_partner = added(partners, "amount", by="delivery_partner_name")
    assert (
        added(declarations, "share_amount", "uplift_amount", by="delivery_partner_name").items() >= by_partner.items()
    )
    if by_partner:
        on_page = by_name(tables.of("Delivery partners"))
        assert {name: on_page[name] for name in by_partner} == by_partner
        assert on_page["To pass on, before VAT"] == of_declarations == sum(by_partner.values(), ZERO)
        assert on_page["Total"] == total
        assert sheet(book, "Partners", "to_pass_on") == by_partner
    if "discrepancies" in files:
        rows = files["discrepancies"].with_columns(reason=pl.col("reason_code").replace_strict(TITLES))
        by_reason = added(rows, "difference", by="reason")
        on_page = by_name(tables.of("Differences by reason"))
        assert on_page.pop("In all") == sum(by_reason.values(), ZERO)
        assert on_page == by_reason == sheet(book, "Reasons", "difference")


@tried(40)
@given(priced, priced, forecasts, st.booleans())
@pytest.mark.slow
def test_a_months_page_sheets_and_files_agree(one, other, forecast, ordered):
    versions, read, kept = [], defaultdict(list), []
    with TemporaryDirectory() as place:
        for period, account in ((2024, one), (2025, other)):
            own, done = f"statement-{period}", computed(account, forecast, ordered)
            files, (statement,) = written(Path(place) / own, done), done.statements
            for name, rows in files.items():
                read[name].append(rows.with_columns(statement_id=pl.lit(own)))
            kept += [(own, line["section"], line["amount"]) for line in json.loads(kept_lines(statement))]
            versions.append(NewestVersion(
                statement_id=own, contract_period=period, statement_month="2025-03", fee_type="output", version=1, status="open",
                path=f"from-dfe/statements/{period}/2025-03/v01-open", total=statement.total,
                deadline_date=statement.facts["deadline_date"], payment_date=statement.facts["payment_date"], lines=kept_lines(statement),
            ))  # fmt: skip
        heads = pl.DataFrame([
            {"statement_id": each.statement_id, "contract_period": each.contract_period, "statement_month": "2025-03",
             "status": "open", "version": 1} for each in versions
        ])  # fmt: skip
        text = dict.fromkeys(("statement_id", "section", "amount"), pl.String)
        lines = pl.DataFrame(kept, schema=text, orient="row")
        declarations, partners = pl.concat(read["declarations"]), pl.concat(read["delivery-partners"])
        rows = summary_rows(heads, lines, partners)
        assert not not_adding_up(heads, lines, rows, ("total",))
        pairs = pl.DataFrame(schema=PAIRS)
        ledger = ledger_rows(heads, declarations, pairs)
        nothing = pl.DataFrame(
            schema=dict.fromkeys(
                ("statement_id", "reason_code", "expected_amount", "due_amount", "difference"), pl.String
            )
        )
        different = pl.concat([nothing, *(each.select(nothing.columns) for each in read["discrepancies"])])
        folder = Path(place) / "2025-03"
        write_month(
            folder,
            Month("Alder", "2025-03", versions, rows, different, year_so_far(ledger, "2025-03", NAMES), NAMES, [], NOW),
        )
        page, summary = (
            (folder / "summary.html").read_text(encoding="utf-8"),
            pl.read_csv(folder / "summary.csv", infer_schema=False),
        )
        book = openpyxl.load_workbook(io.BytesIO((folder / "summary.xlsx").read_bytes()), data_only=True)
        manifest = json.loads((folder / "manifest.json").read_text())
    tables, total = Tables(page), sum((each.total for each in versions), ZERO)
    assert added(summary, "amount") == total == Decimal(manifest["total"])
    assert pounds(re.search(r'<strong class="total">([^<]+)<', page)[1]) == total
    by_partner = added(
        summary.filter(pl.col("delivery_partner_id").is_not_null()), "amount", by="delivery_partner_name"
    )
    assert by_partner == added(partners, "amount", by="delivery_partner_name")
    so_far = without_nothing(added(ledger, "share_amount", "uplift_amount", by="delivery_partner_name"))
    assert so_far == without_nothing(by_partner)
    if by_partner:
        on_page = by_name(tables.of("Delivery partners and contract periods"))
        assert {name: on_page[name] for name in by_partner} == by_partner
        assert sheet(book, "Partners", "to_pass_on") == by_partner


def test_delivery_partners_of_one_name_are_told_apart_and_the_records_name_comes_first():
    declarations = pl.DataFrame(
        {"delivery_partner_id": ["aaaaaaaa-1", "bbbbbbbb-2", "cccccccc-3", "dddddddd-4"],
         "delivery_partner_name": ["Old Hub", "Same", "Same", "Gone"]}
    )  # fmt: skip
    named = pl.DataFrame(
        {"delivery_partner_id": ["aaaaaaaa-1", "bbbbbbbb-2", "cccccccc-3"], "name": ["New Hub", "Same", "Same"]}
    )
    assert distinct_names(declarations, named) == {
        "aaaaaaaa-1": "New Hub", "bbbbbbbb-2": "Same (bbbbbbbb)", "cccccccc-3": "Same (cccccccc)", "dddddddd-4": "Gone",
    }  # fmt: skip
