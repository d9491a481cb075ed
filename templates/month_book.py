"""summary.xlsx: a month over all contract periods, for those who live in a spreadsheet."""

from decimal import Decimal

import polars as pl

from schemas.columns import Column
from schemas.outbound.months import SUMMARY
from templates.month import Month
from templates.workbook import Book
from transforms.money.amounts import pence_text

_STATEMENTS = (
    Column("total", "money", called="Total, VAT included"),
    Column("path", "path", called="Where it lies", width=50),
)
_REASONS = (
    Column("reason", "word", called="Reason", width=40),
    Column("declarations", "count", called="Declarations"),
    Column("difference", "money", called="Difference"),
)
_SO_FAR = (
    Column("paid", "money", called="On statements that are paid", width=28),
    Column("unpaid", "money", called="On statements not paid yet", width=28),
    Column("in_all", "money", called="So far, before VAT"),
)


def month_book(month: Month) -> bytes:
    """Sheets: Statements, Partners, Lines, Reasons (where something was expected), Year so far."""
    title = f"{month.lead_provider_name}, {month.words}"
    book = Book(month.as_of, title)
    _statements(book, month)
    _partners(book, month)
    rows = month.rows.select(SUMMARY.columns)
    book.long_sheet("Lines", "SummaryLines", rows, {"amount": Decimal(month.total) / 100})
    if month.reasons:
        reasons = pl.DataFrame(month.reasons).select(
            reason="title", declarations="declarations", difference="difference"
        )
        _in_pounds(book, "Reasons", "Reasons", reasons, ("difference",), _REASONS)
    if month.so_far:
        so_far = pl.DataFrame(month.so_far).select("delivery_partner_name", "paid", "unpaid", in_all="pence")
        note = f"Not the whole year: nothing of {month.elsewhere_words} is in it." if month.elsewhere else ""
        _in_pounds(book, "Year so far", "YearSoFar", so_far, ("paid", "unpaid", "in_all"), _SO_FAR, note)
    return book.finished()


def _statements(book: Book, month: Month) -> None:
    rows = pl.DataFrame(
        [
            (each.contract_period, each.status, each.version, each.deadline_date, each.payment_date, int(each.total * 100),
             each.statement_id, each.path)
            for each in month.versions
        ],
        schema={"contract_period": pl.Int64, "status": pl.String, "version": pl.Int64, "deadline_date": pl.Date,
                "payment_date": pl.Date, "total": pl.Int64, "statement_id": pl.String, "path": pl.String},
        orient="row",
    )  # fmt: skip
    _in_pounds(book, month.words, "Statements", rows, ("total",), _STATEMENTS)


def _partners(book: Book, month: Month) -> None:
    """A delivery partner a row: to pass on of each contract period, and of the month."""
    periods = [str(period) for period in month.periods]
    rows = [
        (each.name, *(each.by_period.get(period, 0) for period in month.periods), each.pence) for each in month.partners
    ]
    if rows:
        money = [*(f"period_{period}" for period in periods), "to_pass_on"]
        special = [
            *(Column(f"period_{period}", "money", called=f"Contract period {period}", width=24) for period in periods),
            Column("to_pass_on", "money", called="To pass on, before VAT", width=24),
        ]
        schema = {"delivery_partner_name": pl.String, **dict.fromkeys(money, pl.Int64)}
        table = pl.DataFrame(rows, schema=schema, orient="row")
        _in_pounds(book, "Partners", "PartnersOfMonth", table, tuple(money), tuple(special))


def _in_pounds(
    book: Book,
    name: str,
    table: str,
    rows: pl.DataFrame,
    money: tuple[str, ...],
    special: tuple[Column, ...],
    note: str = "",
) -> None:
    """A sheet of rows whose money is in pence."""
    totals = {column: Decimal(rows[column].sum()) / 100 for column in money}
    text = rows.with_columns(pence_text(pl.col(column)).alias(column) for column in money)
    book.long_sheet(name, table, text, totals, special, note)
