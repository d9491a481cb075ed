"""A file that was judged by records which others have changed since: the rows of those whom they touched are judged again,
from their first; all others stand, for rows of different owners do not touch one another."""

from dataclasses import replace

import polars as pl

from schemas.kinds.kind import Kind, Owner
from schemas.needs import Snapshot
from transforms.changes import Act, ChangeSet
from transforms.judging import Judgement, judge


def whose_rows(kind: Kind, changed: dict[str, set[str]], snapshot: Snapshot) -> pl.Series | None:
    """The owners (text: participant_id) of the rows that are to be judged again; None: any row may be.

    changed: whose records have changed, ids by `participant_id`, `school_id`, `partnership_id` and `statement_id`
    (data.since). What happened to a school or a partnership touches those who are, or train, there; a statement is everybody's.
    snapshot: the records as they are now.
    """
    if kind.owned_by != Owner.PARTICIPANT or "statement_id" in changed:
        return None
    spells, led = snapshot.school_periods, snapshot.participant_id_changes
    trained = snapshot.training_periods.filter(_among("partnership_id", changed))
    people = pl.concat(
        [
            pl.Series("participant_id", sorted(changed.get("participant_id", ())), pl.String),
            spells.filter(_among("school_id", changed))["participant_id"],
            spells.join(trained, on="school_period_id", how="semi")["participant_id"],
        ]
    )
    # Rows about a record that DfE has merged into another are judged by that one, too.
    people = pl.concat([people, led.filter(pl.col("to_participant_id").is_in(people.implode()))["from_participant_id"]])
    return None if people.is_empty() else people.unique()


def _among(column: str, changed: dict[str, set[str]]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(sorted(changed.get(column, ())), dtype=pl.String).implode()).fill_null(False)


def judge_anew(before: Judgement, kind: Kind, snapshot: Snapshot, act: Act, owners: pl.Series) -> Judgement:
    """before: of the whole file, by the records as they were. snapshot: as they are. owners: as of whose_rows."""
    now = judge(before.sheet, kind, snapshot, act, only=owners)
    again = now.verdicts["row_number"]
    others = ~pl.col("row_number").is_in(again.implode())
    verdicts = pl.concat([before.verdicts.filter(others), now.verdicts]).sort("row_number")
    found = before.found.without(again)
    found.add_all(now.found)
    kept = before.rejected.filter(others) if before.rejected.height else before.rejected
    changes = _without(before.changes, again, owners, snapshot).then(now.changes)
    return replace(
        before,
        verdicts=verdicts,
        found=found,
        changes=changes,
        rejected=pl.concat([kept, now.rejected], how="diagonal"),
    )


def _without(changes: ChangeSet, rows: pl.Series, owners: pl.Series, snapshot: Snapshot) -> ChangeSet:
    """What the other rows bring about. rows: numbers of those that are left out; owners: whose all of those are.

    Of the tables that files about participants change, every record leads to one: through its training and its time at a
    school.
    """
    spells = snapshot.school_periods.filter(pl.col("participant_id").is_in(owners.implode()))
    periods = _theirs("training_periods", "school_period_id", spells, snapshot, changes)
    declared = _theirs("declarations", "training_period_id", periods, snapshot, changes)
    whose = {
        "participants": ("participant_id", owners),
        "training_periods": ("training_period_id", periods["training_period_id"]),
        "declarations": ("declaration_id", declared["declaration_id"]),
    }

    def left(table: str, found: pl.DataFrame) -> pl.DataFrame:
        key, ids = whose[table]
        return found.filter(~pl.col(key).is_in(ids.implode()))

    events = changes.events
    return ChangeSet(
        {table: left(table, found) for table, found in changes.inserts.items()},
        tuple((table, left(table, found)) for table, found in changes.updates),
        events.filter(~pl.col("row_number").is_in(rows.implode())) if events.height else events,
    )


def _theirs(table: str, by: str, those: pl.DataFrame, snapshot: Snapshot, changes: ChangeSet) -> pl.DataFrame:
    """key, by: the records of a table that belong to those, whether they were there or are made by this file."""
    key = {"training_periods": "training_period_id", "declarations": "declaration_id"}[table]
    frames = [getattr(snapshot, table)] + ([changes.inserts[table]] if table in changes.inserts else [])
    return pl.concat([each.select(key, by) for each in frames]).join(those, on=by, how="semi")
