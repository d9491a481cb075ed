"""The law: a file whose records others have changed since it was judged comes to the same, whether all its rows are judged again
or those alone whom that touched."""

from datetime import timedelta
from itertools import chain

import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.kinds import KINDS
from schemas.kinds.kind import Owner
from tests.builders import MENTOR, after, judged
from tests.laws import tried
from tests.rules.test_law_of_files import FILES, SEQUENCES, WORLD
from transforms import judging
from transforms.anew import judge_anew, whose_rows
from transforms.changes import act_of_file
from transforms.examples.world import NOW, PARTICIPANT, US, a_row

OF_PEOPLE = [name for name in FILES if KINDS[name].owned_by == Owner.PARTICIPANT]
LONGER = st.sampled_from(OF_PEOPLE).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.lists(FILES[kind], min_size=1, max_size=3).map(lambda files: list(chain(*files)))
    )
)


def changed_by(happened: pl.DataFrame, records) -> dict[str, set[str]]:
    """Whose records these events have changed, as data.since tells it."""
    schools = happened.join(records.partnerships, on="partnership_id")["school_id"] if happened.height else []
    found = (
        {name: set(happened[name].drop_nulls()) for name in ("participant_id", "partnership_id")}
        if happened.height
        else {}
    )
    return {name: ids for name, ids in (found | {"school_id": set(schools)}).items() if ids}


def everything(judgement) -> dict[str, object]:
    """What a judgement says, and does: in no order where there is none."""

    def rows(frame: pl.DataFrame) -> list[str]:
        return sorted(repr(sorted(each.items())) for each in frame.to_dicts())

    updated: dict[tuple[str, str], dict[str, object]] = {}
    for table, frame in judgement.changes.updates:
        for row in frame.to_dicts():
            updated.setdefault((table, row[frame.columns[0]]), {}).update(row)
    return {
        "verdicts": judgement.verdicts.to_dicts(),
        "findings": judgement.findings.to_dicts(),
        "by code": dict(judgement.found.by_code),
        "by field": dict(judgement.found.by_field),
        "inserts": {table: rows(frame) for table, frame in judgement.changes.inserts.items()},
        "updates": updated,
        "events": rows(judgement.changes.events),
        "rejected": rows(judgement.rejected),
    }


@tried(60)
@given(LONGER, SEQUENCES)
def test_what_others_did_meanwhile_is_seen_by_those_alone_whom_it_touches(file, meanwhile):
    kind, sent = file
    then = WORLD.snapshot()
    before = judged(then, *sent, kind=kind)
    now = then
    happened = [pl.DataFrame()]
    for place, (other, rows) in enumerate(meanwhile):
        theirs = judged(now, *rows, kind=other, now=NOW - timedelta(minutes=1), name=f"other-{place}")
        happened.append(theirs.changes.events)
        now = after(now, theirs)
    changed = changed_by(pl.concat(happened, how="diagonal"), now)
    owners = whose_rows(KINDS[kind], changed, now)
    assume(owners is not None)  # nothing happened, or at a school where nobody is: the whole file is judged again
    act = act_of_file(f"{NOW:%Y%m%dT%H%M%SZ}-{kind}-a", US, NOW)
    again = judge_anew(before, KINDS[kind], now, act, owners)
    assert everything(again) == everything(judged(now, *sent, kind=kind))


def two_people() -> list[dict[str, str]]:
    return [a_row(participant_id=person, course_identifier=course) for person, course in
            ((PARTICIPANT, "ecf-induction"), (MENTOR, "ecf-mentor")) for _ in range(2)]  # fmt: skip


def test_only_their_rows_are_judged_again(monkeypatch):
    records = WORLD.snapshot()
    before = judged(records, *two_people())
    seen = []
    inner = judging._judge_portion

    def watched(rows, *others):
        seen.extend(rows["owner"])
        return inner(rows, *others)

    monkeypatch.setattr(judging, "_judge_portion", watched)
    kind = KINDS["declarations"]
    act = act_of_file("again", US, NOW)
    judge_anew(before, kind, records, act, whose_rows(kind, {"participant_id": {MENTOR}}, records))
    assert set(seen) == {MENTOR}


def test_what_cannot_be_told_apart_is_judged_whole():
    records = WORLD.snapshot()
    people = KINDS["declarations"]
    assert whose_rows(people, {"statement_id": {"s"}, "participant_id": {MENTOR}}, records) is None
    assert whose_rows(people, {"school_id": {"nobody's"}}, records) is None
    assert whose_rows(KINDS["partnerships"], {"school_id": {"any"}}, records) is None


def test_a_school_and_a_partnership_touch_those_who_are_there():
    records = WORLD.snapshot()
    kind = KINDS["declarations"]
    school = records.school_periods.filter(pl.col("participant_id") == PARTICIPANT)["school_id"][0]
    assert PARTICIPANT in whose_rows(kind, {"school_id": {school}}, records)
    ours = records.partnerships.filter(pl.col("lead_provider_id") == US)["partnership_id"]
    trained = records.training_periods.filter(pl.col("partnership_id").is_in(ours.implode()))
    there = records.school_periods.join(trained, on="school_period_id", how="semi")["participant_id"]
    assert set(whose_rows(kind, {"partnership_id": set(ours)}, records)) == set(there)
