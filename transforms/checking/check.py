"""A file checked: every rule that can be judged by what its sender has, with the codes and the words of a receipt."""

from dataclasses import dataclass, replace

import polars as pl

from schemas.frames import joined
from schemas.inbound.form import with_owners
from schemas.inbound.reading import Sheet
from schemas.kinds.kind import Kind
from schemas.needs import Snapshot
from transforms.changes import Act
from transforms.checking.extract import nothing
from transforms.checking.unsure import WITH_AN_EXTRACT, is_of_the_file, of_records, without_an_extract
from transforms.findings import Findings
from transforms.judging import Judgement, judge
from transforms.updates import UPDATES


@dataclass(frozen=True)
class Checked:
    """judgement: as intake's, with what is sure alone; its verdicts say `accepted` of rows that break no rule that could be judged.
    not_judged: row_number, codes (list): rules that could not be judged of a row."""

    judgement: Judgement
    not_judged: pl.DataFrame


def check(sheet: Sheet, kind: Kind, records: Snapshot | None, act: Act) -> Checked:
    """Check a file. records: made of an extract (transforms.checking.extract); None: there is none."""
    unsure = without_an_extract(kind) if records is None else WITH_AN_EXTRACT.get(kind.name, {})
    # A rule that cannot be judged silences none that can.
    judged = kind if records is not None else replace(
        kind, rules=tuple(rule for rule in kind.rules if is_of_the_file(kind, rule)), told_done_by=frozenset()
    )  # fmt: skip
    snapshot = records or Snapshot(**nothing())
    judgement = judge(sheet, judged, snapshot, act)
    not_judged = _not_judged(sheet, kind, snapshot, act, unsure)
    sure = judgement.findings.join(
        not_judged.explode("codes").rename({"codes": "code"}),
        on=["row_number", "code"],
        how="anti",
        maintain_order="left",
    )
    found = Findings()
    found.add(sure)
    rejected = sure.select("row_number", is_rejected=pl.lit(True)).unique()
    verdicts = joined(judgement.verdicts, rejected, "row_number").with_columns(
        outcome=pl.when("is_rejected").then(pl.lit("rejected"))
        .when(pl.col("outcome") == "rejected").then(pl.lit("accepted")).otherwise("outcome")
    )  # fmt: skip
    return Checked(replace(judgement, verdicts=verdicts.drop("is_rejected"), found=found), not_judged)


def _not_judged(sheet: Sheet, kind: Kind, snapshot: Snapshot, act: Act, unsure: dict[str, pl.Expr]) -> pl.DataFrame:
    """row_number, codes. What comes after a row of the same owner of which something was not judged may have other records to be
    judged by: no rule that looks at them is."""
    update = UPDATES[kind.name]
    rows = with_owners(kind, sheet.values, update.owner(sheet.values, snapshot) if update.owner else None)
    seen = _with_training_shown(update.facts(rows, snapshot, act), snapshot, act)
    named = [pl.when(broken.fill_null(False)).then(pl.lit(code)) for code, broken in unsure.items()]
    own = seen.select(
        "row_number", codes=pl.concat_list(named).list.drop_nulls() if named else pl.lit([], pl.List(pl.String))
    )
    own = joined(rows.select("row_number", "owner"), own, "row_number")
    is_unsure = pl.col("codes").list.len() > 0
    before = is_unsure.cast(pl.Int64).cum_sum().over("owner") - is_unsure.cast(pl.Int64)
    follows = pl.col("owner").is_not_null() & (before > 0)
    every = pl.lit(of_records(kind), pl.List(pl.String))
    together = pl.when(follows).then(pl.concat_list("codes", every).list.unique(maintain_order=True)).otherwise("codes")
    return own.select("row_number", codes=together)


def _with_training_shown(seen: pl.DataFrame, snapshot: Snapshot, act: Act) -> pl.DataFrame:
    """Add started and until, of the training that a row is judged by, and day: the London day."""
    days = snapshot.training_periods.select("training_period_id", started="started_on", until="finished_on")
    seen = seen.with_columns(day=pl.lit(act.today))
    return joined(seen, days, "training_period_id") if "training_period_id" in seen.columns else seen
