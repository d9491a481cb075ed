"""What a rule is, how rules silence one another, and how Pandera finds the rows that break them."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import pandera.polars as pa
import polars as pl

from schemas.showing import shown_column

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


def breaches(rules: Sequence[Rule], rows: pl.DataFrame) -> pl.DataFrame:
    """One boolean column per rule, named by its key, guards applied in order. Rows in the order given."""
    judged, names = rows.lazy(), [rule.key for rule in rules]
    for position, rule in enumerate(rules):
        broken = rule.broken.fill_null(False)
        silencers = [pl.col(earlier.key) for earlier in rules[:position] if _silences(earlier, rule)]
        judged = judged.with_columns((broken & ~pl.any_horizontal(silencers) if silencers else broken).alias(rule.key))
    return judged.select(names).collect()


def _silences(earlier: Rule, rule: Rule) -> bool:
    if earlier.ends_row or earlier.field in rule.silenced_by:
        return True
    return ANY in rule.silenced_by and not earlier.is_of_form


def model(rules: Sequence[Rule]) -> pa.DataFrameSchema:
    """The Pandera model of a family of rules: a check a rule, named by its code."""
    return pa.DataFrameSchema({rule.key: pa.Column(pl.Boolean, _kept(rule)) for rule in rules})


def _kept(rule: Rule) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(~pl.col(data.key)), name=rule.code, error=str(rule.message))


def findings(rules: Sequence[Rule], rows: pl.DataFrame, sent: pl.DataFrame) -> pl.DataFrame:
    """Every rule that every row breaks.

    rows: row_number and whatever columns the rules name. sent: the same rows' cells as sent, which messages quote.
    Returns row_number, position (of the rule), code, field,
    message (message and advice in words), ordered by row and rule.
    """
    found = [pl.DataFrame(schema=FINDINGS)]
    broken = breaches(rules, rows)
    # A rule that no row breaks has nothing to say: Pandera is asked about the others.
    counts = broken.sum().row(0, named=True)
    in_play = {position: rule for position, rule in enumerate(rules) if counts[rule.key]}
    try:
        model(list(in_play.values())).validate(broken, lazy=True)
    except pa.errors.SchemaErrors as refusal:
        cases = refusal.failure_cases.select("column", pl.col("index").cast(pl.UInt32)).partition_by(
            "column", as_dict=True
        )
        for position, rule in in_play.items():
            at = cases[(rule.key,)]["index"]
            found.append(_worded(rule, position, rows[at].with_columns(sent[at])))
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
