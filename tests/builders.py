"""What tests of rules ask of a judgement. The records are those of transforms.examples.world."""

from datetime import datetime
from typing import Any

import polars as pl
from alembic import command
from alembic.config import Config

from data.database import MIGRATIONS, Database
from schemas.inbound.reading import Limits, Sheet, read_sheet
from schemas.kinds import KINDS
from schemas.needs import Snapshot
from transforms.changes import act_of_file, with_effects
from transforms.examples.world import NOW, US, World
from transforms.judging import Judgement, judge

DECLARATIONS = KINDS["declarations"]
COURSES = {"ect": "ecf-induction", "mentor": "ecf-mentor"}

MENTOR = "77777777-7777-4777-8777-777777777777"


def sheet_of(kind: str, *rows: dict[str, str]) -> Sheet:
    columns = list(dict.fromkeys((*KINDS[kind].required, *(name for row in rows for name in row))))
    table = pl.DataFrame(
        [[row.get(name) for name in columns] for row in rows], schema=dict.fromkeys(columns, pl.String), orient="row"
    )
    return read_sheet(table.write_csv().encode(), KINDS[kind], Limits())


def judged(
    world: World | Snapshot, *rows: dict[str, str], now: datetime = NOW, kind: str = "declarations", name: str = "a"
) -> Judgement:
    snapshot = world.snapshot() if isinstance(world, World) else world
    act = act_of_file(f"{now:%Y%m%dT%H%M%SZ}-{kind}-{name}", US, now)
    return judge(sheet_of(kind, *rows), KINDS[kind], snapshot, act)


def after(world: World | Snapshot, judgement: Judgement) -> Snapshot:
    """The records once the judgement's changes are applied."""
    return with_effects(world.snapshot() if isinstance(world, World) else world, judgement.changes)


def codes(judgement: Judgement, row: int = 1) -> list[str]:
    """The rules that a row breaks, in order."""
    return judgement.findings.filter(pl.col("row_number") == row)["code"].to_list()


def outcomes(judgement: Judgement) -> list[str]:
    return judgement.verdicts["outcome"].to_list()


def updated(judgement: Judgement, table: str) -> list[dict[str, Any]]:
    """What is set on each changed record of a table, the key included."""
    found: dict[str, dict[str, Any]] = {}
    for name, rows in judgement.changes.updates:
        for row in rows.to_dicts() if name == table else []:
            found.setdefault(row[rows.columns[0]], {}).update(row)
    return list(found.values())


def inserted(judgement: Judgement, table: str) -> list[dict[str, Any]]:
    rows = judgement.changes.inserts.get(table)
    return [] if rows is None else rows.to_dicts()


def notes(judgement: Judgement) -> list[str | None]:
    return judgement.verdicts["notes"].to_list()


def event_types(judgement: Judgement) -> list[str]:
    return judgement.changes.events["type"].to_list() if judgement.changes.events.width else []


def take_back(database: Database, revision: str) -> None:
    """The tables as an earlier migration left them, whatever came later."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()
