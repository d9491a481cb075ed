"""What a person or a spreadsheet plainly meant is taken, and told: cells as sent → cells as they are judged.

Only what is beyond doubt. `declaration_date` is taken as it is written, but for a leading apostrophe (DECL-015).
Ours; README.md, From a spreadsheet, says it to senders.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from schemas.adjustments import KIND as ADJUSTMENTS
from schemas.columns import COLUMNS
from schemas.frames import holds, joined
from schemas.inbound.patterns import MONEY, MONTH, TRN, YEAR
from schemas.kinds import KINDS
from schemas.showing import shown_column

DASHES = "[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]"

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_NUMBER_OF_MONTH = {
    name: f"{number:02}"
    for number, whole in enumerate(_MONTHS, 1)
    for name in {whole, whole[:3], *(["sept"] if number == 9 else [])}
}


@dataclass(frozen=True)
class _Way:
    """One way in which a cell means something that it does not say as it should.

    looks: text as a column → whether it may be meant so, quick for columns that are in order; means: → what is meant,
    null where that is in doubt; why: for the note.
    """

    columns: tuple[str, ...]
    looks: Callable[[pl.Expr], pl.Expr]
    means: Callable[[pl.Expr], pl.Expr]
    why: str


def _without_apostrophe(text: pl.Expr) -> pl.Expr:
    return text.str.replace("^['’]+", "").str.strip_chars()


def _with_hyphens(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(DASHES, "-")


def _trn(text: pl.Expr) -> pl.Expr:
    """Seven digits or fewer: what zeros a spreadsheet has dropped only the records can tell."""
    digits = text.str.replace(r"\.0+$", "").str.replace_all(r"\s", "")
    return pl.when(digits.str.contains(r"^[0-9]{1,7}$")).then(digits)


def _month(text: pl.Expr) -> pl.Expr:
    """`Jan-27`, `January 2027`, `01/2027`, `2027/1`, `202701`, `2027-01-01`, `01/01/2027` (but no other day: is 01/02/2027
    February or the second of January?)."""
    said = text.str.to_lowercase()
    named = said.str.extract_groups(r"^([a-z]{3,9})[\s\-/.,']*([0-9][0-9]|20[0-9][0-9])$")
    number = named.struct[0].replace_strict(_NUMBER_OF_MONTH, default=None, return_dtype=pl.String)
    month_first = said.str.extract_groups(r"^([0-9][0-9]?[/\- ]|[0-9][0-9]\.)(20[0-9][0-9])$")
    year_first = said.str.extract_groups(r"^(20[0-9][0-9])(?:[/\- ]([0-9][0-9]?)|\.?([0-9][0-9]))$")
    first_day = said.str.extract_groups(r"^(20[0-9][0-9])[/\-]([0-9][0-9]?)[/\-]0?1(?:[t ]00:00(?::00)?)?$")
    new_year = said.str.extract(r"^0?1[/\-.]0?1[/\-.](20[0-9][0-9])$")
    year = pl.coalesce(
        pl.when(number.is_not_null()).then(named.struct[1]).str.replace(r"^([0-9][0-9])$", "20$1"),
        month_first.struct[1],
        year_first.struct[0],
        first_day.struct[0],
        new_year,
    )
    month = pl.coalesce(
        number,
        month_first.struct[0].str.replace(r"[^0-9]$", ""),
        year_first.struct[1],
        year_first.struct[2],
        first_day.struct[1],
        pl.when(new_year.is_not_null()).then(pl.lit("01")),
    )
    found = pl.format("{}-{}", year, month.str.zfill(2))
    return pl.when(found.str.contains(MONTH)).then(found)


def _money(text: pl.Expr) -> pl.Expr:
    """`119.4`, `119`, `£1,190.00`, `-£5`, `(119.40)` as accountants write what is owed. Not `1.190` or `0,190`: who writes
    so may mean thousands, or pence."""
    parts = text.str.extract_groups(
        r"^(?<open>\()?\s*(?<minus>-)?\s*£?\s*(?<inner>-)?\s*(?<whole>[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.(?<pence>[0-9]{0,2}))?\s*(?<close>\))?$"
    )
    whole = parts.struct["whole"].str.replace_all(",", "", literal=True).str.replace(r"^0+([0-9])", "$1")
    pence = parts.struct["pence"].fill_null("").str.pad_end(2, "0")
    signs = [parts.struct[name].is_not_null() for name in ("open", "minus", "inner")]
    is_clear = (signs[0] == parts.struct["close"].is_not_null()) & (pl.sum_horizontal(signs) <= 1)
    sign = pl.when(pl.any_horizontal(signs)).then(pl.lit("-")).otherwise(pl.lit(""))
    found = pl.format("{}{}.{}", sign, whole, pence)
    return pl.when(is_clear & found.str.contains(MONEY)).then(found)


def _school_year(text: pl.Expr) -> pl.Expr:
    """`2025/26`: the contract period is named by the year in which it starts."""
    years = text.str.extract_groups(r"^(20[0-9][0-9])\s*[/\-]\s*(?:20)?([0-9][0-9])$")
    first = years.struct[0].cast(pl.Int64, strict=False)
    follows = (first + 1) % 100 == years.struct[1].cast(pl.Int64, strict=False)
    return pl.when(follows).then(years.struct[0])


def _unlike(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: ~text.str.contains(pattern)


def _of_kind(kind: str) -> tuple[str, ...]:
    """The columns of this kind that any kind of file has, DfE's own adjustments included."""
    sent = dict.fromkeys(name for each in (*KINDS.values(), ADJUSTMENTS) for name in each.columns)
    return tuple(name for name in sent if COLUMNS[name].kind == kind)


_NUMBERS = ("trn", "statement_month", "expected_amount", "contract_period", "school_urn")
_PAIRS = '^(?:="(.*)"|"([^"]*)"|“([^“”]*)”|‘([^‘’]*)’)$'


def _without_quotes(text: pl.Expr) -> pl.Expr:
    inner = text.str.extract_groups(_PAIRS)
    return pl.coalesce([inner.struct[place] for place in range(4)]).str.strip_chars()


_UNSEEN = "[\u200b-\u200f\u2060\ufeff\u00ad]"
_ALL = (*_of_kind("id"), *_of_kind("word"), *_NUMBERS)
_WAYS = (
    _Way(
        (*_ALL, "declaration_date"),
        lambda text: text.str.contains(_PAIRS),
        _without_quotes,
        "the quotes around it were left off",
    ),
    _Way(
        _ALL,
        lambda text: (text.str.len_bytes() != text.str.len_chars()) & text.str.contains(_UNSEEN),
        lambda text: text.str.replace_all(_UNSEEN, ""),
        "signs in it that cannot be seen were left off",
    ),
    _Way(
        (*_ALL, "declaration_date"),
        lambda text: text.str.starts_with("'") | text.str.starts_with("’"),
        _without_apostrophe,
        "the apostrophe that spreadsheets put in front of text was left off",
    ),
    _Way(
        (*_of_kind("id"), *_of_kind("word"), "statement_month", "expected_amount", "contract_period"),
        lambda text: text.str.len_bytes() != text.str.len_chars(),
        _with_hyphens,
        "a dash that looks like a hyphen was taken for one",
    ),
    _Way(("trn",), _unlike(TRN), _trn, "blanks, or a decimal point, were left off"),
    _Way(("statement_month",), _unlike(MONTH), _month, "a month is written as 2027-01"),
    _Way(("expected_amount",), _unlike(MONEY), _money, "an amount is written as 119.40"),
    _Way(("contract_period",), _unlike(YEAR), _school_year, "a contract period is named by the year it starts in"),
)


_COLUMNS = pl.Enum(list(dict.fromkeys(name for way in _WAYS for name in way.columns)))
_WHYS = pl.Enum([way.why for way in _WAYS])
MEANT: dict[str, pl.DataType | type[pl.DataType]] = {"row_number": pl.Int64, "column": _COLUMNS, "why": _WHYS}


def taken(values: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """values: row_number and a kind's columns, trimmed → the same with what was meant, and which cells were taken for what they do
    not say: MEANT, by row, each cell once a way. What was sent and what is meant stand in the cells themselves."""
    told = [pl.DataFrame(schema=MEANT)]
    for name in _looking_odd(values):
        for way in _WAYS:
            if name in way.columns:
                values, found = _taken(values, name, way)
                told.append(found)
    return values, pl.concat(told).sort("row_number", maintain_order=True)


def _looking_odd(values: pl.DataFrame) -> list[str]:
    """The columns in which a cell looks like one that some way is for, by one look at all of them. In the others no way finds
    anything, for each begins with what the one before it has left."""
    texts = [name for name in values.columns if values[name].dtype == pl.String]
    ways = {name: [way.looks(pl.col(name)) for way in _WAYS if name in way.columns] for name in texts}
    looks = [pl.any_horizontal(odd).any().alias(name) for name, odd in ways.items() if odd]
    found = values.select(looks).row(0, named=True) if looks and values.height else {}
    return [name for name, is_odd in found.items() if is_odd]


def _taken(values: pl.DataFrame, name: str, way: _Way) -> tuple[pl.DataFrame, pl.DataFrame]:
    none = pl.DataFrame(schema=MEANT)
    looks = values.select(holds(way.looks(pl.col(name)))).to_series()
    if not looks.any():
        return values, none
    # In one piece: groups of a pattern go wrong in Polars where a column is in several.
    odd = values.select("row_number", pl.col(name).alias("sent")).filter(looks).rechunk()
    meant = odd.select(way.means(pl.col("sent")).alias("meant")).to_series()
    found = odd.select("row_number", "sent", meant).filter(
        pl.col("meant").is_not_null() & (pl.col("meant") != pl.col("sent"))
    )
    if found.is_empty():
        return values, none
    cells = found.select("row_number", pl.col("meant").alias("_meant"))
    values = joined(values, cells, "row_number")
    is_meant = pl.col("_meant").is_not_null()
    values = values.with_columns(pl.when(is_meant).then(pl.col("_meant").replace("", None)).otherwise(name).alias(name))
    told = found.select("row_number", pl.lit(name, _COLUMNS).alias("column"), pl.lit(way.why, _WHYS).alias("why"))
    return values.drop("_meant"), told


def row_notes(told: pl.DataFrame, sent: Callable[[str], pl.Series], values: pl.DataFrame) -> pl.DataFrame:
    """row_number, taken_as: what was taken for what, in words. sent: a column as sent; values: as it is judged, both of the
    whole file."""
    notes = [pl.DataFrame(schema={"row_number": pl.Int64, "words": pl.String})]
    for (column,), some in told.partition_by("column", as_dict=True).items():
        rows = some.group_by("row_number", maintain_order=True).agg(pl.col("why").cast(pl.String).str.join(", "))
        at, name = rows["row_number"] - 1, str(column)
        cells = rows.with_columns(sent(name).gather(at).alias("sent"), values[name].gather(at).alias("meant"))
        words = pl.format("{}: “{}” was taken as {}: {}.", pl.lit(name), _shown("sent"), _shown("meant"), "why")
        notes.append(cells.select("row_number", words.alias("words")))
    return (
        pl.concat(notes)
        .group_by("row_number", maintain_order=True)
        .agg(pl.col("words").str.join(" ").alias("taken_as"))
    )


def _shown(name: str) -> pl.Expr:
    return shown_column(pl.col(name).str.strip_chars().fill_null("nothing"))


def file_notes(told: pl.DataFrame, sent: Callable[[str], pl.Series], values: pl.DataFrame) -> list[str]:
    """A sentence for each way: in how many rows, and where first. As row_notes; values has line_number, too."""
    counted = told.group_by("column", "why", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("row_number").first()
    )
    notes = []
    for column, why, rows, row in counted.iter_rows():
        cells = pl.DataFrame(
            {"sent": [sent(column)[row - 1]], "meant": [values[column][row - 1]]}, schema_overrides=_TEXTS
        )
        was, is_ = cells.select(_shown("sent"), _shown("meant")).row(0)
        more = f", and in {rows - 1:,} more" if rows > 1 else ""
        notes.append(f"{column}, line {values['line_number'][row - 1]:,}: “{was}” was taken as {is_}{more}; {why}.")
    return notes


_TEXTS = {"sent": pl.String, "meant": pl.String}
