"""What spreadsheets do to cells, named: what a cell was, and what to do in the program that made it. Nothing is guessed."""

from datetime import date

import polars as pl

AS_TEXT = "Format the column as Text before it is filled (in Excel: Format Cells > Number > Text)"
FROM_SOURCE = f"{AS_TEXT}, and bring the values in again from where they come from."
LOST_DIGITS = (
    f"A spreadsheet has shortened the number, and its last digits are lost: {FROM_SOURCE[0].lower()}{FROM_SOURCE[1:]}"
)
LEADING_ZERO = f"A spreadsheet may have dropped a leading zero: {FROM_SOURCE[0].lower()}{FROM_SOURCE[1:]}"
DECIMAL = f"A program made a decimal number of it: {AS_TEXT[0].lower()}{AS_TEXT[1:]}, so that no point is added."
DATE_TURNED = f"A spreadsheet has turned the date round: {AS_TEXT[0].lower()}{AS_TEXT[1:]}."
DECIMAL_COMMA = "Pence stand behind a point: set the spreadsheet to English (United Kingdom) before you save it as CSV."
_FIRST_DAY = pl.lit(date(1899, 12, 30))
_SERIAL = r"^[34567][0-9]{4}(?:\.[0-9]+)?$"
_SHORTENED = r"(?i)^-?[0-9](?:\.[0-9]+)?e[+-]?[0-9]+$"


def is_serial(text: pl.Expr) -> pl.Expr:
    """Whether a number may be a day as spreadsheets count them: 46329.39583."""
    return text.str.contains(_SERIAL)


def is_shortened(text: pl.Expr) -> pl.Expr:
    """Whether a number is written with an exponent: 4.96E+06."""
    return text.str.contains(_SHORTENED)


def serial_words(text: pl.Expr) -> pl.Expr:
    """What such a number stands for: `3 November 2026 at 09:30`."""
    number = text.cast(pl.Float64, strict=False)
    minutes = ((number - number.floor()) * 1440).round().cast(pl.Int64, strict=False)
    moment = _FIRST_DAY.cast(pl.Datetime("us")) + pl.duration(
        days=number.floor().cast(pl.Int64, strict=False), minutes=minutes
    )
    words = (
        pl.when(minutes == 0).then(moment.dt.strftime("%-d %B %Y")).otherwise(moment.dt.strftime("%-d %B %Y at %H:%M"))
    )
    return words.fill_null("")


def serial_advice(text: pl.Expr) -> pl.Expr:
    """What to do about a date that a spreadsheet turned into a number (days since 1899-12-30), with the date that it would be."""
    return pl.format(
        "This is a date as a spreadsheet keeps it, as a number: it would be {}. "
        + AS_TEXT
        + ", and write it in that form.",
        serial_words(text),
    )
