"""A month over all contract periods, and the ledger: they add up to the statements delivered, and are new whenever one is."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl

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
    lost = newest(installation, provider)[min(newest(installation, provider))].relative_to(box(installation, provider))
    (installation.outbox / provider.lead_provider_id / lost / "declarations.csv").unlink()
    before = read(statements_folder(installation, provider) / "ledger.csv")
    done = statements_round(installation, instant("2026-12-16T10:00:00Z"))
    assert any("put it back from a backup" in each for each in done.troubles)
    assert [(box(installation, provider) / made.path / "manifest.json").is_file() for made in done.made] == [True]
    assert read(statements_folder(installation, provider) / "ledger.csv").equals(before)


def test_a_spreadsheet_recalculates_to_the_same(installation, provider, home, tmp_path):  # noqa: F811
    """LibreOffice itself: every formula of both workbooks, and no cell that is an error."""
    books = {
        "month": statements_folder(installation, provider) / MONTH / "summary.xlsx",
        "statement": newest(installation, provider)["2026", MONTH] / "statement.xlsx",
    }
    for name, path in books.items():
        out = tmp_path / name
        subprocess.run(
            [needed("soffice", "libreoffice"), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to",
             "xlsx:Calc MS Excel 2007 XML", "--outdir", str(out), str(path)],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        was, formulas = openpyxl.load_workbook(path, data_only=True), openpyxl.load_workbook(path)
        now = openpyxl.load_workbook(out / path.name, data_only=True)
        checked = 0
        for sheet in formulas:
            assert sheet.page_setup.orientation == "landscape"
            for row in sheet.iter_rows():
                for cell in row:
                    ours, theirs = was[sheet.title][cell.coordinate].value, now[sheet.title][cell.coordinate].value
                    assert not str(theirs).startswith("#"), (name, sheet.title, cell.coordinate)
                    if str(cell.value).startswith("="):
                        same = (
                            ours == theirs
                            if isinstance(ours, str)
                            else abs(Decimal(str(ours)) - Decimal(str(theirs))) < Decimal("0.005")
                        )
                        assert same, (name, sheet.title, cell.coordinate, ours, theirs)
                        checked += 1
        assert checked >= 5
