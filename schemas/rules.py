"""What a rule is, how rules silence one another, and how Pandera finds the rows that break them.

Pandera runs every rule's expression over the joined rows at once, lazily, and says which rows fail which. What it cannot say
is that an earlier failure makes a later rule beside the point: that is a handful of columns of true and false.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from schemas.frames import holds
from schemas.showing import shown_column

if TYPE_CHECKING:  # it is loaded where a file breaks a rule: whoever only names rules, or breaks none, is spared it
    import pandera.polars as pa

ANY = "any"


@dataclass(frozen=True)
class Rule:
    """One reason to refuse a row.

    broken: an expression over the joined row; null counts as kept. message, advice: templates whose {names} are
    columns of that row, or expressions of their own. silenced_by: fields whose earlier failure, of form
    included, silences this rule; ANY: any earlier failure of the row's own family. ends_row: nothing after it is judged.
    """

    code: str
    field: str
    broken: pl.Expr
    message: str | pl.Expr
    advice: str | pl.Expr
    source: str
    silenced_by: tuple[str, ...] = ()
    ends_row: bool = False

    @property
    def key(self) -> str:
        """Code and field: a rule of form may be broken by several cells of one row."""
        return f"{self.code}:{self.field}"

    @property
    def is_of_form(self) -> bool:
        return self.code.startswith("FILE-")


def model(rules: Sequence[Rule]) -> "pa.DataFrameSchema":
    """The Pandera model of a family of rules: a check a rule, with the rule's own expression over the joined row, named by its
    key. The checks stand on the row's number, so that a failure case holds nothing that a file says."""
    import pandera.polars as pa

    return pa.DataFrameSchema({"row_number": pa.Column(pl.Int64, [_kept(rule) for rule in rules])})


def _kept(rule: Rule) -> "pa.Check":
    import pandera.polars as pa

    return pa.Check(lambda data: data.lazyframe.select(~holds(rule.broken)), name=rule.key)


def breaches(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[int, pl.Series]:
    """Which rows break which rules: place of the rule → whether each row breaks it, in the order given; rules that no row
    breaks are left out. Pandera finds the failures, all of them at once; what silences what is seen to here, rule by rule."""
    found: dict[int, pl.Series] = {}
    failures = _failures(rules, rows)
    for place, rule in enumerate(rules):
        if rule.key not in failures:
            continue
        broken = pl.Series([False]).new_from_index(0, rows.height).scatter(failures[rule.key], True)
        for earlier, others in found.items():
            if _silences(rules[earlier], rule):
                broken &= ~others
        if broken.any():
            found[place] = broken
    return found


def _failures(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Key of a rule → positions of the rows that fail its check."""
    if rows.is_empty() or not (broken := _broken_by_any(rules, rows)):
        return {}
    import pandera.polars as pa

    try:
        model(broken).validate(rows, lazy=True)
    except pa.errors.SchemaErrors as refusal:
        cases = refusal.failure_cases.select("check", pl.col("index").cast(pl.UInt32))
        return {str(key): part["index"] for (key,), part in cases.partition_by("check", as_dict=True).items()}
    return {}


def _broken_by_any(rules: Sequence[Rule], rows: pl.DataFrame) -> list[Rule]:
    """The rules that at least one row breaks, by one look at all of them: most files break few, and Pandera's time goes by the
    check, not by the row."""
    looked = rows.select(holds(rule.broken).any().alias(str(place)) for place, rule in enumerate(rules)).row(0)
    return [rule for rule, is_broken in zip(rules, looked, strict=True) if is_broken]


def _silences(earlier: Rule, rule: Rule) -> bool:
    if earlier.ends_row or earlier.field in rule.silenced_by:
        return True
    return ANY in rule.silenced_by and not earlier.is_of_form


def findings(rules: Sequence[Rule], rows: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """Every rule that every row breaks.

    rows: row_number and whatever columns the rules name. sent: the same rows' cells as sent, which messages quote.
    Returns row_number, position (of the rule), code, field,
    message (message and advice in words), ordered by row and rule.
    """
    found = [pl.DataFrame(schema=FINDINGS)]
    for place, broken in breaches(rules, rows).items():
        at = broken.arg_true()
        found.append(_worded(rules[place], place, rows[at].with_columns(sent[at])))
    return pl.concat(found).sort("row_number", "position")


def one_of(column: str, words: Sequence[str]) -> pl.Expr:
    """Advice for a word that is not one of the list: which is meant, where that is plain, and the list."""
    text = pl.col(column).str.to_lowercase().str.replace_all(r"[\s_]+", "-").str.replace(r"([a-z])([0-9])$", "$1-$2")
    meant = pl.when(text.is_in(list(words))).then(pl.format("You may mean {}. ", text)).otherwise(pl.lit(""))
    return pl.concat_str(meant, pl.lit(f"Use one of: {', '.join(words)}."))


FINDINGS = {
    "row_number": pl.Int64,
    "position": pl.Int64,
    "code": pl.String,
    "field": pl.String,
    "message": pl.String,
}


def _worded(rule: Rule, position: int, rows: pl.DataFrame) -> pl.DataFrame:
    message, advice = (
        each if isinstance(each, pl.Expr) else in_words(each, rows) for each in (rule.message, rule.advice)
    )
    return rows.select(
        pl.col("row_number").cast(pl.Int64),
        pl.lit(position, pl.Int64).alias("position"),
        pl.lit(rule.code).alias("code"),
        pl.lit(rule.field).alias("field"),
        pl.concat_str(message, advice, separator=" ").alias("message"),
    )


def in_words(template: str, rows: pl.DataFrame) -> pl.Expr:
    """A template with its {names} replaced by the row's values, as people write them. What comes from outside is cut to a
    line's length; names ending in `_words` are sentences of ours, whole."""
    parts: list[pl.Expr] = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(pl.lit(text))
        if name:
            parts.append(_shown(name, rows.schema[name]))
    return pl.concat_str(parts)


def _shown(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if name.endswith("_words"):
        return column.fill_null("")
    if dtype == pl.Date:
        return column.dt.strftime("%-d %B %Y").fill_null("")
    if isinstance(dtype, pl.Datetime):
        return (
            column.dt.convert_time_zone("Europe/London")
            .dt.strftime("%-d %B %Y at %H:%M:%S (London time)")
            .fill_null("")
        )
    return shown_column(column.cast(pl.String).fill_null(""))
