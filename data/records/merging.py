"""Schools that DfE merged away, and what was accepted here about them (data/README.md, A fresh extract).

DfE's daily job removes a merged school and its partnerships, and points training at the successor's. A partnership made
here moves with its school, or into the successor's where there is the same; the old id stays known. Where no merge is
told, it is given up to DfE's word, unless training that was accepted here hangs on it: then it goes where that training
is now, for money declared on it must not be lost. Frames are text, as in an extract.
"""

from datetime import datetime

import polars as pl
from sqlalchemy import Connection, delete, text

from data.applying import WHOLE_ROW
from data.database import Database
from data.reader import Reader
from data.records.survivors import survivors
from data.tables import events, own_changes, partnership_moves
from schemas.columns import INSTANT
from schemas.events import PARTNERSHIP_MOVED, SYSTEM
from schemas.frames import joined
from schemas.records.tables import RECORDS
from schemas.reports import Reconciled

Merged = dict[str, tuple[pl.DataFrame, pl.DataFrame]]  # a table as it is to be, and the rows made here that it keeps


MOVES = {"from_partnership_id": pl.String, "to_partnership_id": pl.String}


def move_with_schools(
    reader: Reader,
    cells: dict[str, pl.DataFrame],
    merged: Merged,
    found: Reconciled,
) -> None:
    """Bring partnerships and training that were accepted here to schools that are still there.

    cells: the tables as the extract has them. merged: (the table as it is to be, the rows made here that it keeps), which
    is changed, and `found` with it. Only where an extract gives what it takes to tell.
    """
    if not set(_NEEDED) <= merged.keys():
        return
    schools = merged["schools"][0]["school_id"]
    partnerships, kept = merged["partnerships"]
    homeless = kept.filter(~pl.col("school_id").is_in(schools.implode()))
    standing = partnerships.join(homeless, on="partnership_id", how="anti")
    own = merged["training_periods"][0].join(
        cells["training_periods"], on=["training_period_id", "partnership_id"], how="anti", nulls_equal=True
    )
    lost = own.filter(pl.col("partnership_id").is_not_null()).join(standing, on="partnership_id", how="anti")
    orphaned = _orphaned(reader, cells["training_periods"], schools)
    lost = pl.concat([lost, orphaned.select(lost.columns)])
    if homeless.is_empty() and lost.is_empty():
        return
    gone = _known(reader, pl.concat([homeless["partnership_id"], lost["partnership_id"]]).unique().sort())
    folds, moves = _as_merges_say(gone, standing, survivors(_merges(reader, merged), schools), homeless)
    decided = pl.concat([folds["partnership_id"], moves["partnership_id"]])
    rest = gone.filter(~pl.col("partnership_id").is_in(decided.implode()))
    led, followers = _where_training_is(reader, cells, merged, lost, rest, standing)
    moves = pl.concat([moves, followers])
    left = homeless.filter(~pl.col("partnership_id").is_in(pl.concat([decided, followers["partnership_id"]]).implode()))
    _house(merged, gone, folds["partnership_id"], left["partnership_id"], moves)
    periods, kept_periods = merged["training_periods"]
    periods = periods.update(orphaned.select("training_period_id", "partnership_id"), on="training_period_id")
    merged["training_periods"] = (_led(periods, folds, led), _led(kept_periods, folds, led))
    found.orphaned = merged["training_periods"][0].join(
        orphaned.select("training_period_id"), on="training_period_id", how="semi"
    ).select("training_period_id", "partnership_id")  # fmt: skip
    _write_down(found, gone, folds, moves, left, led)


_NEEDED = ("schools", "partnerships", "school_periods", "training_periods")


_DECLARED_AT = """
SELECT DISTINCT t.training_period_id, t.partnership_id FROM partnerships p
JOIN training_periods t ON t.partnership_id = p.partnership_id
JOIN declarations d ON d.training_period_id = t.training_period_id
LEFT JOIN there h ON h.id = p.school_id
WHERE h.id IS NULL
"""


def _orphaned(reader: Reader, theirs: pl.DataFrame, schools: pl.Series) -> pl.DataFrame:
    """DfE's own training on which something was declared, whose partnership went with its school and left it none: as the
    extract has it, with the partnership that it had."""
    before = reader.frame(_DECLARED_AT, there=schools)
    bare = theirs.filter(pl.col("partnership_id").is_null()).drop("partnership_id")
    return bare.join(before, on="training_period_id").select(theirs.columns)


def _known(reader: Reader, ids: pl.Series) -> pl.DataFrame:
    """These partnerships as they stood before the load."""
    columns = ", ".join(f't."{name}"' for name in RECORDS["partnerships"].columns)
    return reader.frame(
        f"SELECT {columns} FROM lost n CROSS JOIN partnerships t WHERE t.partnership_id = n.id", lost=ids
    )


def _merges(reader: Reader, merged: Merged) -> pl.DataFrame:
    given = merged.get("school_merges")
    rows = given[0] if given else reader.frame("SELECT from_school_id, to_school_id, merged_at FROM school_merges")
    return rows.select(old="from_school_id", new="to_school_id", at="merged_at")


def _as_merges_say(
    gone: pl.DataFrame, standing: pl.DataFrame, led: dict[str, str], homeless: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(partnership_id, to: those that go into another; partnership_id, to_school: those that move), by school_merges.

    One made here goes into the successor's of the same delivery partner alone; one that DfE removed, into the newest.
    """
    to_school = pl.col("school_id").replace_strict(led, default=None, return_dtype=pl.String)
    told = gone.with_columns(to_school=to_school).filter(pl.col("to_school").is_not_null())
    told = _with_successors(told, standing)
    made_here = pl.col("partnership_id").is_in(homeless["partnership_id"].implode())
    target = pl.when(made_here).then("same_id").otherwise(pl.coalesce("same_id", "any_id"))
    told = told.with_columns(to=target)
    told = told.sort("created_at", "partnership_id")
    # Of several that come to be the same there, the oldest stays, and the others go into it.
    same = ["lead_provider_id", "contract_period", "delivery_partner_id", "to_school"]
    moving = told.filter(pl.col("to").is_null()).with_columns(first=pl.col("partnership_id").first().over(same))
    into = moving.filter(pl.col("partnership_id") != pl.col("first")).select("partnership_id", to="first")
    moves = moving.filter(pl.col("partnership_id") == pl.col("first")).select("partnership_id", "to_school")
    return pl.concat([told.filter(pl.col("to").is_not_null()).select("partnership_id", "to"), into]), moves


def _with_successors(gone: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """Add same_id (the standing partnership of the same lead provider, contract period and delivery partner at to_school)
    and any_id (the newest, with whatever delivery partner)."""
    others = standing.sort("created_at", "partnership_id").select(
        "lead_provider_id", "contract_period", "delivery_partner_id", to_school="school_id", other="partnership_id"
    )
    place = ["lead_provider_id", "contract_period", "to_school"]
    for name, key in (("any_id", place), ("same_id", [*place, "delivery_partner_id"])):
        newest = others.unique(key, keep="last", maintain_order=True).select(*key, pl.col("other").alias(name))
        gone = joined(gone, newest, key)
    return gone


def _where_training_is(
    reader: Reader,
    cells: dict[str, pl.DataFrame],
    merged: Merged,
    lost: pl.DataFrame,
    rest: pl.DataFrame,
    standing: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Where no merge is told: (training_period_id, to: the partnership it goes on under; partnership_id, to_school: the
    partnerships that follow their training, since what was declared on it would be lost, or it was made here)."""
    now = merged["school_periods"][0].select("school_period_id", to_school="school_id")
    hanging = lost.select("training_period_id", "school_period_id", "partnership_id").join(now, on="school_period_id")
    hanging = _with_successors(hanging.join(rest, on="partnership_id"), standing)
    found = pl.coalesce("same_id", "any_id")
    led = hanging.filter(found.is_not_null()).select("training_period_id", to=found)
    rest = hanging.join(led, on="training_period_id", how="anti")
    declared = reader.frame(
        "SELECT DISTINCT d.training_period_id FROM hanging n CROSS JOIN declarations d WHERE d.training_period_id = n.id",
        hanging=rest["training_period_id"],
    )
    dfes = cells["training_periods"].select("training_period_id", to="partnership_id")
    free = rest.join(dfes, on="training_period_id").join(declared, on="training_period_id", how="anti")
    followers = rest.join(free, on="training_period_id", how="anti").unique(
        "partnership_id", keep="first", maintain_order=True
    )
    return pl.concat([led, free.select("training_period_id", "to")]), followers.select("partnership_id", "to_school")


def _house(
    merged: Merged,
    gone: pl.DataFrame,
    folded: pl.Series,
    left: pl.Series,
    moves: pl.DataFrame,
) -> None:
    """The partnerships as they are to be: those that moved at their new schools, the others out."""
    homes = moves.select("partnership_id", school_id="to_school")
    away = ~pl.col("partnership_id").is_in(pl.concat([folded, left]).implode())
    whole, kept = merged["partnerships"]
    # One that DfE removed, and that training accepted here still needs, is there again.
    again = (
        gone.join(homes, on="partnership_id", how="semi")
        .join(whole, on="partnership_id", how="anti")
        .select(whole.columns)
    )
    rows = pl.concat([whole, again])
    merged["partnerships"] = (
        rows.filter(away).update(homes, on="partnership_id"), kept.filter(away).update(homes, on="partnership_id")
    )  # fmt: skip


def _led(rows: pl.DataFrame, folds: pl.DataFrame, led: pl.DataFrame) -> pl.DataFrame:
    """Training under the partnerships that it goes on under."""
    rows = joined(rows, folds, "partnership_id")
    rows = rows.with_columns(partnership_id=pl.coalesce("to", "partnership_id")).drop("to")
    return rows.update(led.rename({"to": "partnership_id"}), on="training_period_id", include_nulls=True)


def _write_down(
    found: Reconciled,
    gone: pl.DataFrame,
    folds: pl.DataFrame,
    moves: pl.DataFrame,
    left: pl.DataFrame,
    led: pl.DataFrame,
) -> None:
    nothing, whole = pl.lit(None, pl.String), pl.lit(WHOLE_ROW)
    found.moved = folds.select(from_partnership_id="partnership_id", to_partnership_id="to")
    old = gone.select("partnership_id", before="school_id")
    homes = moves.join(old, on="partnership_id").select(
        record_id="partnership_id", column=pl.lit("school_id"), before="before", after="to_school"
    )
    into = folds.select(record_id="partnership_id", column=whole, before="partnership_id", after="to")
    found.add("rehoused", "partnerships", pl.concat([homes, into]))
    removed = left.select(record_id="partnership_id", column=whole, before=nothing, after=nothing)
    found.add("overruled", "partnerships", removed)
    training = led.select(record_id="training_period_id", column=pl.lit("partnership_id"), before=nothing, after="to")
    found.add("overruled", "training_periods", training)
    out = pl.concat([removed, into]).select(pl.lit("partnerships").alias("table"), "record_id")
    again = training.select(pl.lit("training_periods").alias("table"), "record_id", "column")
    found.kept = found.kept.join(out, on=["table", "record_id"], how="anti").join(
        again, on=["table", "record_id", "column"], how="anti"
    )


def _keep_orphaned(database: Database, connection: Connection, found: Reconciled, now: datetime) -> None:
    """The partnership that their training keeps is our doing: the next extract is reconciled with it."""
    if found.orphaned.is_empty():
        return
    reader = database.reader(connection)
    known = reader.frame(
        "SELECT record_id FROM own_changes WHERE table_name = 'training_periods' AND column_name = 'partnership_id'"
    )
    new = found.orphaned.filter(~pl.col("training_period_id").is_in(known["record_id"].implode()))
    rows = new.select(
        pl.lit("training_periods").alias("table_name"), pl.col("training_period_id").alias("record_id"),
        pl.lit("partnership_id").alias("column_name"), pl.lit(None, pl.String).alias("before"),
        pl.lit(now, INSTANT).alias("changed_at"), pl.lit(None, INSTANT).alias("seen_at"),
    )  # fmt: skip
    database.insert(connection, own_changes, rows)


def write_moves(database: Database, connection: Connection, found: Reconciled, now: datetime) -> None:
    """The old ids of partnerships stay known, chains shortened; what moved is told in the audit trail."""
    _keep_orphaned(database, connection, found, now)
    if found.rehoused.is_empty():
        return
    reader = database.reader(connection)
    known = reader.frame("SELECT from_partnership_id, to_partnership_id FROM partnership_moves")
    new = dict(found.moved.iter_rows())
    every = {old: new.get(to, to) for old, to in known.iter_rows()} | new
    connection.execute(delete(partnership_moves))
    rows = pl.DataFrame(list(every.items()), schema=MOVES, orient="row")
    database.insert(connection, partnership_moves, rows.with_columns(pl.lit(now, INSTANT).alias("moved_at")))
    reader.lend("settled", found.moved["from_partnership_id"])
    connection.execute(
        text("DELETE FROM own_changes WHERE table_name = 'partnerships' AND record_id IN (SELECT id FROM settled)")
    )
    told = found.rehoused.select(
        pl.lit(now, INSTANT).alias("happened_at"),
        pl.lit(PARTNERSHIP_MOVED).alias("type"),
        pl.lit(SYSTEM).alias("author"),
        partnership_id="record_id",
        before=pl.struct("column", value="before").struct.json_encode(),
        after=pl.struct("column", value="after").struct.json_encode(),
    )
    database.insert(connection, events, told)
