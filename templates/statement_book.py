"""statement.xlsx: the statement for those who live in a spreadsheet."""

from datetime import date, datetime
from decimal import Decimal

import polars as pl

from schemas.columns import COLUMNS, Column
from schemas.discrepancies import AGREED, TITLES
from schemas.outbound.statements import CHANGES, DECLARATIONS, DISCREPANCIES, PARTNERS
from schemas.vocabulary import OF_DECLARATIONS
from templates.practice import titled
from templates.workbook import Book, Total, total_of
from transforms.money.amounts import pence_text
from transforms.money.statement import Statement

_LINES = ("section", "participant_type", "declaration_type", "band", "count", "rate", "amount", "what")
_WIDTHS = (40, 16, 18, 8, 10, 14, 16, 60)
_AMOUNT = _LINES.index("amount")
OF_PARTNERS = (
    Column("outputs", "count", called="Declarations"),
    Column("clawbacks", "count", called="Clawed back"),
    Column("output", "money", called="Output payments"),
    Column("clawback", "money", called="Clawbacks"),
    Column("uplift", "money", called="Uplifts"),
    Column("to_pass_on", "money", called="To pass on, before VAT"),
)
OF_REASONS = (
    Column("reason", "word", called="Reason", width=40),
    Column("declarations", "count", called="Declarations"),
    Column("expected", "money", called="You expected"),
    Column("due", "money", called="Due"),
    Column("difference", "money", called="Difference"),
    Column("uncompared", "money", called="Due where you sent no amount", width=30),
)
# Sheets beside the statement's own: the file, the sheet's name, its table's.
_SHEETS = (
    (DECLARATIONS, "Declarations", "Declarations"),
    (PARTNERS, "Lines by partner", "Partners"),
    (DISCREPANCIES, "Discrepancies", "Discrepancies"),
    (CHANGES, "Changes", "Changes"),
)


def statement_book(statement: Statement, tables: dict[str, pl.DataFrame], as_of: datetime) -> bytes:
    """tables: the statement's rows by name of the file, of those that are written."""
    facts = statement.facts
    period = f"contract period {facts['contract_period']}"
    book = Book(
        as_of,
        f"{facts['lead_provider_name']}, statement for {statement.month}, {period}",
        f"Statement {statement.statement_id}, version {statement.version}",
    )
    sums = _sums(statement)
    _statement_sheet(book, statement, sums)
    _partners_sheet(book, statement)
    _reasons_sheet(book, statement)
    for file, name, table in _SHEETS:
        if file.name in tables:
            own = [each.column for each in file.sent]
            book.long_sheet(name, table, tables[file.name].select(file.columns), sums[file.name], own)
    return book.finished()


def _partners_sheet(book: Book, statement: Statement) -> None:
    """What each delivery partner's share comes to, a row each."""
    if statement.partners:
        names = ("delivery_partner_name", "outputs", "clawbacks", "output", "clawback", "uplift", "to_pass_on")
        rows = pl.DataFrame(statement.partners, infer_schema_length=None).rename({"pence": "to_pass_on"}).select(names)
        totals = {name: Decimal(rows[name].sum()) / 100 for name in names[3:]}
        rows = rows.with_columns(pence_text(pl.col(name)).alias(name) for name in names[3:])
        book.long_sheet("Partners", "PartnerTotals", rows, totals, OF_PARTNERS)


def _reasons_sheet(book: Book, statement: Statement) -> None:
    """What the differences come to, reason by reason."""
    if statement.reasons:
        names = ("expected", "due", "difference", "uncompared")
        rows = pl.DataFrame(statement.reasons, infer_schema_length=None)
        rows = rows.sort(pl.col("reason_code") == AGREED.code, -pl.col("difference").abs())
        totals = {name: Decimal(rows[name].sum()) / 100 for name in names}
        rows = rows.with_columns(
            pl.col("reason_code").replace_strict(TITLES).alias("reason"),
            *(pence_text(pl.col(name)).alias(name) for name in names),
        ).select("reason", "declarations", *names)
        book.long_sheet("Reasons", "Reasons", rows, totals, OF_REASONS)


def _sums(statement: Statement) -> dict[str, dict[str, Decimal]]:
    """By file, what its columns of money add up to; the statement's own under `statement`."""
    sums = {section: Decimal(pence) / 100 for section, pence in statement.sums.items()}
    nothing = Decimal()
    outputs = sums.get("output", nothing) + sums.get("clawback", nothing)
    uplifts = sums.get("uplift", nothing) + sums.get("uplift-clawback", nothing)
    differing = {"expected_amount": "expected", "due_amount": "due", "difference": "difference"}
    return {
        "statement": {"total": sums["total"], "declarations": outputs + uplifts},
        DECLARATIONS.name: {"amount": outputs, "uplift_amount": uplifts, "share_amount": outputs},
        PARTNERS.name: {"amount": outputs + uplifts},
        DISCREPANCIES.name: {
            column: Decimal(sum(row[name] for row in statement.reasons)) / 100 for column, name in differing.items()
        },
        CHANGES.name: {},
    }


def _statement_sheet(book: Book, statement: Statement, sums: dict[str, dict[str, Decimal]]) -> None:
    """The statement itself: its facts, its lines as a table, its total and whether the other sheets agree."""
    sheet, facts = book.sheet("Statement"), statement.facts
    sheet.write_string(0, 0, titled("Statement"), book.big)
    heading = {
        "Lead provider": facts["lead_provider_name"], "Contract period": facts["contract_period"],
        "Month": statement.month, "Status": facts["status"], "Version": statement.version,
        "Deadline": facts["deadline_date"], "Payment date": facts["payment_date"],
        "Statement id": statement.statement_id,
    }  # fmt: skip
    for row, (name, value) in enumerate(heading.items(), 1):
        sheet.write_string(row, 0, name, book.bold)
        if isinstance(value, date):
            book.day(sheet, row, 1, value)
        elif isinstance(value, int):
            sheet.write_number(row, 1, value, book.plain)
        else:
            sheet.write_string(row, 1, value)
    lines = _lines(statement)
    top = len(heading) + 2
    book.table(sheet, "Lines", top, lines)
    foot = top + lines.height + 2
    checks = {
        "Total, VAT included": Total(total_of("Lines", "amount"), sums["statement"]["total"]),
        "Declarations, amounts and uplifts": Total(
            "=SUM(Declarations[amount])+SUM(Declarations[uplift_amount])", sums["statement"]["declarations"]
        ),
        "Delivery partners": Total("=SUM(Partners[amount])", sums["statement"]["declarations"]),
        "Outputs, clawbacks and uplifts of this statement": Total(_of_sections(), sums["statement"]["declarations"]),
    }
    for row, (words, total) in enumerate(checks.items(), foot):
        sheet.write_string(row, 0, words, book.bold)
        sheet.write_formula(row, _AMOUNT, total.formula, book.sum, total.value)
    agree = f'=IF(AND(ROUND(G{foot + 2}-G{foot + 4},2)=0,ROUND(G{foot + 3}-G{foot + 4},2)=0),"yes","no")'
    sheet.write_string(foot + 4, 0, "These three agree", book.bold)
    sheet.write_formula(foot + 4, _AMOUNT, agree, book.bold, "yes")
    for place, width in enumerate(_WIDTHS):
        sheet.set_column(place, place, width)
        sheet.write_string(top - 1, place, COLUMNS[_LINES[place]].label if _LINES[place] in COLUMNS else "", book.bold)
    book.printed(sheet)


def _lines(statement: Statement) -> pl.DataFrame:
    """All lines but the total."""
    rows = [{**line, "what": line["label"]} for line in statement.lines if line["section"] != "total"]
    types = {"count": pl.Int64} | dict.fromkeys((name for name in _LINES if name != "count"), pl.String)
    return pl.DataFrame([{name: row[name] for name in _LINES} for row in rows], schema={n: types[n] for n in _LINES})


def _of_sections() -> str:
    return "=" + "+".join(f'SUMIFS(Lines[amount],Lines[section],"{section}")' for section in OF_DECLARATIONS)
