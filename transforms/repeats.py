"""A file that is sent again: do its rows still stand? Nothing is applied, whatever the answer (rule FILE-013)."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from schemas.events import UNDID
from schemas.frames import joined
from schemas.inbound.form import with_owners
from schemas.inbound.reading import Sheet
from schemas.inbound.repeats import UNDONE_SINCE, UNKNOWN_CAUSE
from schemas.instants import day_in_london, long_day_text
from schemas.kinds.kind import Kind
from schemas.needs import Snapshot
from schemas.rules import findings
from schemas.showing import shown
from transforms.changes import Act, ChangeSet
from transforms.findings import Findings
from transforms.judging import Judgement, rows_at_once
from transforms.update import VERDICTS
from transforms.updates import UPDATES
from transforms.whose_act import by_whom


@dataclass(frozen=True)
class First:
    """The first submission of these bytes, and what touched its rows since (data.repeats.CAUSES)."""

    submission_id: str
    file_name: str
    received_at: datetime
    causes: pl.DataFrame


def still_stands(sheet: Sheet, kind: Kind, snapshot: Snapshot, act: Act, moved: pl.Series) -> pl.Series:
    """For each row, in order, whether what it brought about still stands. moved: numbers of rows whose partnership stands
    at another school, since DfE merged theirs."""
    update = UPDATES[kind.name]
    values = with_survivors(sheet.values, snapshot)
    whose = update.owner(values, snapshot) if update.owner else None
    rows = with_owners(kind, values, whose)
    stands = [
        update.facts(portion, snapshot, act).sort("row_number")["asks_for_what_is_done"].fill_null(False)
        for portion in rows.iter_slices(rows_at_once(rows))
    ]
    answers = rows.select("row_number", "owner").with_columns(
        pl.concat(stands).alias("stands") | pl.col("row_number").is_in(moved.implode())
    )
    if kind.last_row_counts:  # of one owner, the last row tells for all
        last = pl.col("stands").sort_by("row_number").last().over("owner")
        answers = answers.with_columns(
            pl.when(pl.col("owner").is_null()).then("stands").otherwise(last).alias("stands")
        )
    return answers["stands"]


def sent_back(sheet: Sheet) -> bool:
    """Whether this is the rejected.csv of such a file: it is judged afresh, however often it comes."""
    if "errors" not in [name.lower() for name in sheet.header]:
        return False
    place = str([name.lower() for name in sheet.header].index("errors"))
    return bool(sheet.cells[place].str.contains(f"^{UNDONE_SINCE.code} ").fill_null(False).any())


def judge_again(sheet: Sheet, kind: Kind, snapshot: Snapshot, act: Act, first: First, stands: pl.Series) -> Judgement:
    """Rows that stand are done already, the others rejected, by what and when. Changes nothing."""
    update = UPDATES[kind.name]
    rows = with_survivors(sheet.values, snapshot).with_columns(is_undone=~stands)
    verdicts, found = [pl.DataFrame(schema=VERDICTS)], Findings()
    for portion in rows.iter_slices(rows_at_once(rows)):
        seen = update.facts(portion, snapshot, act)
        outcome = pl.when("is_undone").then(pl.lit("rejected")).otherwise(pl.lit("already-done"))
        seen = seen.with_columns(outcome.alias("outcome"), pl.lit(None, pl.String).alias("new_id"))
        verdicts.append(update.answers(seen, act).select(list(VERDICTS)))
        undone = _with_causes(seen, first)
        found.add(findings([UNDONE_SINCE], undone, undone.select("is_undone")))
    return Judgement(sheet, pl.concat(verdicts), found, ChangeSet(), pl.DataFrame())


def with_survivors(values: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Rows about people whose records DfE has merged, under the id that survives: what they did stands there."""
    changes = snapshot.participant_id_changes
    if "participant_id" not in values.columns or changes.is_empty():
        return values
    led = dict(changes.select("from_participant_id", "to_participant_id").iter_rows())
    return values.with_columns(pl.col("participant_id").str.to_lowercase().replace(led).alias("participant_id"))


def _with_causes(rows: pl.DataFrame, first: First) -> pl.DataFrame:
    """first_submission_words (its file's name and its receipt), first_sent_on, undone_words."""
    # Of a row that was done already when it came first, the trail of its file knows nothing: a declaration's own does.
    own = {name: pl.col(name) if name in rows.columns else pl.lit(None, dtype) for name, dtype in
           (("undone", pl.String), ("undone_on", pl.Date))}  # fmt: skip
    rows = rows.select("row_number", "line_number", "is_undone", **own)
    rows = joined(rows, first.causes, "row_number")
    day = long_day_text(day_in_london(pl.col("happened_at")))
    what = pl.col("type").replace_strict(UNDID, default=UNKNOWN_CAUSE, return_dtype=pl.String)
    on = pl.format(" on {}", day).fill_null("")
    declared = pl.format(
        "the declaration was {} on {}, by a file of yours", "undone", long_day_text(pl.col("undone_on"))
    )
    return rows.select(
        "row_number",
        "line_number",
        "is_undone",
        pl.lit(f"{shown(first.file_name)}, receipt {first.submission_id}").alias("first_submission_words"),
        day_in_london(pl.lit(first.received_at)).alias("first_sent_on"),
        pl.when(pl.col("type").is_null() & declared.is_not_null())
        .then(declared)
        .otherwise(pl.concat_str(what, on, by_whom()))
        .alias("undone_words"),
    )
