"""A month over all contract periods, and the ledger: they add up to the statements delivered, and are new whenever one is."""

import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from flows.clock import instant
from flows.installation import Installation
from flows.rounds.statements import statements_round
from schemas.outbound.months import LEDGER, SUMMARY
from tests.exchange.provider import acceptable_rows, box, pay, put
from tests.exchange.test_statement_files import AFTER_IT, MONTH, PAID_AT, busy_home, home  # noqa: F401
from tests.exchange.test_statements import money, read
from tests.tools import needed

OF_DECLARATIONS = ("output", "clawback", "uplift", "uplift-clawback")


def statements_folder(installation: Installation, provider) -> Path:
    return box(installation, provider) / "from-dfe" / "statements"


def newest(installation: Installation, provider) -> dict[tuple[str, str], Path]:
    """The newest version of every statement in a mailbox, by contract period and month."""
    folders = [path.parent for path in statements_folder(installation, provider).glob("*/*/v*/manifest.json")]
    return {(each.parent.parent.name, each.parent.name): each for each in sorted(folders)}


def demand_that_all_adds_up(installation: Installation, provider) -> None:
    whole, root = newest(installation, provider), statements_folder(installation, provider)
    for month in {month for _, month in whole}:
        summary = read(root / month / "summary.csv")
        assert summary.columns == SUMMARY.columns
        assert set(summary["contract_period"]) == {period for period, its in whole if its == month}
        for (period, its), folder in whole.items():
            if its != month:
                continue
            own, lines = summary.filter(contract_period=period), read(folder / "statement.csv")
            assert money(own) == money(lines.filter(section="total"))
            assert set(own["status"]) == {json.loads((folder / "manifest.json").read_text())["status"]}
            partners = read(folder / "delivery-partners.csv").group_by("delivery_partner_id").agg(
                pl.col("amount").cast(pl.Decimal(14, 2)).sum()
            )  # fmt: skip
            held = own.filter(pl.col("delivery_partner_id").is_not_null()).group_by("delivery_partner_id").agg(
                pl.col("amount").cast(pl.Decimal(14, 2)).sum()
            )  # fmt: skip
            assert sorted(partners.rows()) == sorted(held.rows())
    ledger = read(root / "ledger.csv")
    assert ledger.columns == LEDGER.columns
    assert ledger.height == sum(read(folder / "declarations.csv").height for folder in whole.values())
    for folder in whole.values():
        lines = read(folder / "statement.csv")
        own = ledger.filter(statement_id=lines["statement_id"][0])
        assert money(own) + money(own, "uplift_amount") == money(lines.filter(pl.col("section").is_in(OF_DECLARATIONS)))
        assert money(own, "share_amount") == money(own)


def test_months_and_ledger_add_up_to_the_statements(installation, provider, home):  # noqa: F811
    demand_that_all_adds_up(installation, provider)


def test_they_follow_a_statement_that_becomes_payable_and_is_paid(installation, provider, home):  # noqa: F811
    statements_round(installation, AFTER_IT)
    demand_that_all_adds_up(installation, provider)
    statement = read(newest(installation, provider)["2026", MONTH] / "statement.csv")["statement_id"][0]
    pay(installation, statement, PAID_AT)
    demand_that_all_adds_up(installation, provider)
    summary = read(statements_folder(installation, provider) / MONTH / "summary.csv")
    assert set(summary.filter(statement_id=statement)["status"]) == {"paid"}


_PAID = """
SELECT d.declaration_id FROM declarations d JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = tp.partnership_id
WHERE p.lead_provider_id = ? AND d.payment_status = 'paid' AND d.clawback_status = 'no_clawback' ORDER BY 1
"""


def test_what_is_clawed_back_names_the_other_statement(installation, provider, home):  # noqa: F811
    with installation.database.read() as reader:
        paid = reader.frame(_PAID, provider.lead_provider_id).head(20)
    put(installation, provider, "voids.csv", paid.write_csv())
    done = statements_round(installation, instant("2026-12-16T10:00:00Z"))
    assert done.intake.outcomes[0].rows["accepted"] and not done.troubles
    ledger = read(statements_folder(installation, provider) / "ledger.csv")
    clawed = ledger.filter(line_type="clawback")
    assert clawed.height and clawed["pair_statement_id"].is_not_null().all()
    with installation.database.read() as reader:
        said = dict(reader.frame("SELECT declaration_id, payment_statement_id FROM declarations").iter_rows())
    assert all(said[own] == other for own, other in clawed.select("declaration_id", "pair_statement_id").iter_rows())
    demand_that_all_adds_up(installation, provider)


def test_the_index_says_which_statement_and_what_it_came_to(installation, provider, home):  # noqa: F811
    index = read(box(installation, provider) / "from-dfe/index.csv")
    assert index.columns[-4:] == ["month", "contract_period", "status", "total"]
    assert set(index["what"]) >= {"statement", "summary", "receipt"}
    for row in index.filter(what="statement").iter_rows(named=True):
        lines = read(box(installation, provider) / row["path"] / "statement.csv")
        assert (row["month"], row["contract_period"]) == (lines["statement_month"][0], lines["contract_period"][0])
        assert (row["status"], Decimal(row["total"])) == (lines["status"][0], money(lines.filter(section="total")))
    assert index.filter(pl.col("what") != "statement")["total"].is_null().all()


def test_the_page_says_what_the_files_say(installation, provider, home):  # noqa: F811
    folder = statements_folder(installation, provider) / MONTH
    page, rows = (folder / "summary.html").read_text(), read(folder / "summary.csv")
    total = money(rows)
    assert f"{'−' if total < 0 else ''}£{abs(total):,.2f}" in page
    for (name,), own in rows.filter(pl.col("delivery_partner_id").is_not_null()).partition_by(
        "delivery_partner_name", as_dict=True
    ).items():  # fmt: skip
        amount = money(own)
        assert f"{'−' if amount < 0 else ''}£{abs(amount):,.2f}" in page, name


def test_a_version_whose_files_are_gone_is_told_and_keeps_nothing_else_back(installation, provider, home):  # noqa: F811
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    lost = stored(installation, provider, min(newest(installation, provider)))
    kept = lost.read_bytes()
    lost.unlink()
    before = read(statements_folder(installation, provider) / "ledger.csv")
    done = statements_round(installation, instant("2026-12-16T10:00:00Z"))
    assert any("put it back from a backup" in each for each in done.troubles)
    assert [(box(installation, provider) / made.path / "manifest.json").is_file() for made in done.made] == [True]
    assert read(statements_folder(installation, provider) / "ledger.csv").equals(before)
    # It is told until it is mended, and then it is made good without any statement that moves.
    assert statements_round(installation, instant("2026-12-16T10:01:00Z")).troubles == done.troubles
    lost.write_bytes(kept)
    mended = statements_round(installation, instant("2026-12-16T10:02:00Z"))
    assert not mended.troubles and not mended.made
    demand_that_all_adds_up(installation, provider)


def stored(installation: Installation, provider, which: tuple[str, str]) -> Path:
    """declarations.csv of a statement's newest version, in the store."""
    place = newest(installation, provider)[which].relative_to(box(installation, provider))
    return installation.outbox / provider.lead_provider_id / place / "declarations.csv"


def emptied(content: bytes) -> bytes:
    return b""


def quoted(content: bytes) -> bytes:
    """With a quote that nothing ends."""
    return content.replace(b"\n", b'\n"', 1)


def torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [emptied, quoted, torn])
def test_a_damaged_file_in_the_store_is_told_by_its_place_alone(installation, provider, home, damage):  # noqa: F811
    path = stored(installation, provider, min(newest(installation, provider)))
    people = read(path)["full_name"].drop_nulls().to_list()
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    path.write_bytes(damage(path.read_bytes()))
    done = statements_round(installation, instant("2026-12-16T10:00:00Z"))
    (told,) = [each for each in done.troubles if "is not as it was delivered" in each]
    assert path.parent.name in told and not any(name in told for name in people)
    assert (box(installation, provider) / done.made[0].path / "manifest.json").is_file()


def summaries(installation: Installation, provider) -> list[Path]:
    root = installation.outbox / provider.lead_provider_id / "from-dfe/statements"
    return sorted(path for path in root.iterdir() if path.name[4:5] == "-")


def test_a_mailbox_that_cannot_be_written_does_not_fill_the_store(installation, provider, home):  # noqa: F811
    put(installation, provider, "declarations.csv", acceptable_rows(installation, provider).head(1).write_csv())
    index = box(installation, provider) / "from-dfe/index.csv"
    kept = index.read_bytes()
    index.unlink()
    index.mkdir()
    statements_round(installation, instant("2026-12-16T10:00:00Z"))
    first = summaries(installation, provider)
    for minute in (1, 2):
        assert statements_round(installation, instant(f"2026-12-16T10:0{minute}:00Z")).troubles
    assert summaries(installation, provider) == first
    index.rmdir()
    index.write_bytes(kept)
    assert not statements_round(installation, instant("2026-12-16T10:03:00Z")).troubles
    demand_that_all_adds_up(installation, provider)


def test_an_installation_from_before_there_were_summaries_gets_them(installation, provider, home):  # noqa: F811
    shutil.rmtree(statements_folder(installation, provider) / MONTH)
    (statements_folder(installation, provider) / "ledger.csv").unlink()
    with installation.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET what = 'receipt', path = path || delivery_id WHERE what = 'summary'"
        )
    done = statements_round(installation, instant("2026-12-15T10:30:00Z"))
    assert not done.made and not done.troubles
    demand_that_all_adds_up(installation, provider)


def test_a_statement_that_moves_to_another_month_is_in_that_one_alone(installation, provider, home):  # noqa: F811
    statement = read(newest(installation, provider)["2026", MONTH] / "statement.csv")["statement_id"][0]
    with installation.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE statements SET year = 2031 WHERE statement_id = '{statement}'")
    statements_round(installation, instant("2026-12-16T10:00:00Z"))
    months = {path.parent.name: read(path) for path in statements_folder(installation, provider).glob("*/summary.csv")}
    held = [month for month, rows in months.items() if statement in rows["statement_id"]]
    assert held == [f"2031-{MONTH[5:]}"]
    other = [row for period, row in newest(installation, provider).items() if period == ("2026", MONTH)]
    assert other  # the folder it was delivered in first stays


def recalculated(path: Path, folder: Path) -> Any:
    """A workbook as LibreOffice itself makes it. The file is to hold no results: what comes back is its own."""
    subprocess.run(
        [needed("soffice", "libreoffice"), f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to",
         "xlsx:Calc MS Excel 2007 XML", "--outdir", str(folder / "out"), str(path)],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    return openpyxl.load_workbook(folder / "out" / path.name, data_only=True)


def formulas(book: Any) -> list[tuple[str, str, str]]:
    return [
        (sheet.title, cell.coordinate, cell.value)
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if str(cell.value).startswith("=")
    ]


@pytest.mark.parametrize("name", ["summary", "statement"])
def test_no_number_and_no_date_is_wider_than_its_column(installation, provider, home, name):  # noqa: F811
    """Where one is, a spreadsheet shows signs in place of it."""
    folder = (statements_folder(installation, provider) / MONTH if name == "summary"
              else newest(installation, provider)["2026", MONTH])  # fmt: skip
    seen = 0
    for sheet in openpyxl.load_workbook(folder / f"{name}.xlsx", data_only=True):
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            if cell.is_date or isinstance(cell.value, int | float):
                shown = "31 Dec 2026" if cell.is_date else f"−£{abs(cell.value):,.2f}"
                assert sheet.column_dimensions[cell.column_letter].width > len(shown), (sheet.title, cell.coordinate)
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("name", ["summary", "statement"])
@pytest.mark.slow
def test_a_spreadsheet_recalculates_and_filters_move_totals(installation, provider, home, tmp_path, name):  # noqa: F811
    """LibreOffice itself: every formula of both workbooks; no cell that is an error; then with the first row of each table hidden."""
    folder = (statements_folder(installation, provider) / MONTH if name == "summary"
              else newest(installation, provider)["2026", MONTH])  # fmt: skip
    was, book = (openpyxl.load_workbook(folder / f"{name}.xlsx", data_only=known) for known in (True, False))
    book.save(tmp_path / f"{name}.xlsx")  # without any results
    now = recalculated(tmp_path / f"{name}.xlsx", tmp_path)
    assert len(formulas(book)) >= 5
    for sheet, cell, _ in formulas(book):
        ours, theirs = was[sheet][cell].value, now[sheet][cell].value
        same = (
            ours == theirs
            if isinstance(ours, str)
            else abs(Decimal(str(ours)) - Decimal(str(theirs))) < Decimal("0.005")
        )
        assert same, (sheet, cell, ours, theirs)
    for sheet in now:
        assert book[sheet.title].page_setup.orientation == "landscape"
        assert not any(str(cell.value).startswith("#") for row in sheet.iter_rows() for cell in row)

    hidden = {}
    for sheet in book:
        for table in sheet.tables.values():
            left, top, right, _ = openpyxl.utils.range_boundaries(table.ref)
            sheet.row_dimensions[top + 1].hidden = True
            for place in range(left, right + 1):
                hidden[f"{table.name}[{sheet.cell(top, place).value}]"] = sheet.cell(top + 1, place).value
    book.save(tmp_path / f"{name}.xlsx")
    filtered = recalculated(tmp_path / f"{name}.xlsx", tmp_path)
    moved = 0
    for sheet, cell, formula in formulas(book):
        if formula.startswith("=SUBTOTAL(109,"):
            gone = Decimal(str(hidden[formula[len("=SUBTOTAL(109,") : -1]] or 0))
            left = Decimal(str(was[sheet][cell].value)) - gone
            assert abs(Decimal(str(filtered[sheet][cell].value)) - left) < Decimal("0.005"), (sheet, cell)
            moved += bool(gone)
    assert moved >= 3
