"""statement.xlsx: the statement for those who live in a spreadsheet."""

from datetime import datetime
from decimal import Decimal

import polars as pl

from schemas.outbound.statements import CHANGES, DECLARATIONS, DISCREPANCIES, PARTNERS
from schemas.vocabulary import OF_DECLARATIONS
from templates.workbook import Book, Total
from transforms.money.statement import Statement

_LINES = ("section", "participant_type", "declaration_type", "band", "count", "rate", "amount", "what")
_WIDTHS = (22, 16, 18, 8, 10, 14, 16, 60)
_AMOUNT = _LINES.index("amount")
# Sheets beside the statement's own: the file, the sheet's name, its table's.
_SHEETS = (
    (DECLARATIONS, "Declarations", "Declarations"),
    (PARTNERS, "Delivery partners", "Partners"),
    (DISCREPANCIES, "Discrepancies", "Discrepancies"),
    (CHANGES, "Changes", "Changes"),
)


def statement_book(statement: Statement, tables: dict[str, pl.DataFrame], as_of: datetime) -> bytes:
    """tables: the statement's rows by name of the file, of those that are written."""
    facts = statement.facts
    period = f"contract period {facts['contract_period']}"
    book = Book(as_of, f"{facts['lead_provider_name']}, statement for {statement.month}, {period}")
    sums = _sums(statement)
    _statement_sheet(book, statement, sums)
    for file, name, table in _SHEETS:
        if file.name in tables:
            totals = {column: Total(f"=SUM({table}[{column}])", value) for column, value in sums[file.name].items()}
            book.long_sheet(name, table, tables[file.name].select(file.columns), totals)
    return book.finished()


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
    sheet.write_string(0, 0, "Statement", book.big)
    heading = {
        "Lead provider": facts["lead_provider_name"], "Contract period": facts["contract_period"],
        "Month": statement.month, "Status": facts["status"], "Version": statement.version,
        "Deadline": facts["deadline_date"], "Payment date": facts["payment_date"],
        "Statement id": statement.statement_id,
    }  # fmt: skip
    for row, (name, value) in enumerate(heading.items(), 1):
        sheet.write_string(row, 0, name, book.bold)
        sheet.write_string(row, 1, str(value))
    lines = _lines(statement)
    top = len(heading) + 2
    book.table(sheet, "Lines", top, lines)
    foot = top + lines.height + 2
    checks = {
        "Total, VAT included": Total("=SUM(Lines[amount])", sums["statement"]["total"]),
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


def _lines(statement: Statement) -> pl.DataFrame:
    """All lines but the total."""
    rows = [{**line, "what": line["label"]} for line in statement.lines if line["section"] != "total"]
    types = {"count": pl.Int64} | dict.fromkeys((name for name in _LINES if name != "count"), pl.String)
    return pl.DataFrame([{name: row[name] for name in _LINES} for row in rows], schema={n: types[n] for n in _LINES})


def _of_sections() -> str:
    return "=" + "+".join(f'SUMIFS(Lines[amount],Lines[section],"{section}")' for section in OF_DECLARATIONS)
