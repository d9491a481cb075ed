"""What others would do: rows read and checked one by one (csv with pydantic, frictionless), and a statement's figures by a
question for each count, as DfE's service asks them."""

import csv
import io
import logging
import statistics
import tempfile
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import psycopg
from frictionless import Resource, Schema, system
from pydantic import BaseModel, ValidationError

from data.accounts import load_accounts
from data.counting import keep_paid_units
from data.database import Database
from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from schemas.vocabulary import DECLARATION_TYPES
from tests.benchmarks.results import found, interleaved, spread
from tests.postgresql import postgresql
from transforms.money.statements import compute_figures

PEER_ROWS = 10_000


class _Row(BaseModel):
    """The form of a declaration alone: no record is asked, no rule of the field applied."""

    participant_id: uuid.UUID
    course_identifier: Literal["ecf-induction", "ecf-mentor"]
    declaration_type: Literal[*DECLARATION_TYPES]  # type: ignore[valid-type]
    declaration_date: datetime
    evidence_held: str | None = None


def by_pydantic(content: bytes) -> int:
    wrong = 0
    for row in csv.DictReader(io.StringIO(content.decode())):
        try:
            _Row.model_validate(row)
        except ValidationError:
            wrong += 1
    return wrong


def by_frictionless(content: bytes) -> bool:
    fields = [
        {"name": "participant_id", "type": "string", "constraints": {"required": True, "pattern": "[0-9a-f-]{36}"}},
        {"name": "course_identifier", "type": "string", "constraints": {"enum": ["ecf-induction", "ecf-mentor"]}},
        {"name": "declaration_type", "type": "string", "constraints": {"enum": list(DECLARATION_TYPES)}},
        {"name": "declaration_date", "type": "datetime", "format": "%Y-%m-%dT%H:%M:%SZ"},
        {"name": "evidence_held", "type": "string"},
    ]
    logging.getLogger("frictionless").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, system.use_context(trusted=True):
        path = Path(folder, "declarations.csv")
        path.write_bytes(content)
        return bool(Resource(path=str(path), schema=Schema.from_descriptor({"fields": fields})).validate().valid)


def bench_peers(content: bytes, ours: Callable[[], object]) -> None:
    """ours: judges the same rows against the records, applies and answers them."""
    seconds, pydantic, frictionless = interleaved(
        [ours, lambda: by_pydantic(content), lambda: by_frictionless(content)]
    )
    what = f"intake of {PEER_ROWS:,} declarations: read, judged by records and rules, applied, receipt written"
    for peer, taken in (
        ("csv and pydantic, the form of each row alone", pydantic),
        ("frictionless, the form of each row alone", frictionless),
    ):
        ratio = statistics.median(taken) / statistics.median(seconds)
        found(what, spread(seconds), f"{peer}: {spread(taken)}, {ratio:.2f} × ours", "printed")


_CURRENT = """
SELECT COUNT(*) FROM declarations d
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE d.{link} = %s AND d.declaration_type = %s AND d.{status} IN ({statuses})
"""
_BEFORE = """
SELECT COUNT(*) FROM declarations d
JOIN statements s ON s.statement_id = d.{link}
JOIN training_periods tp ON tp.training_period_id = d.training_period_id
JOIN school_periods sp ON sp.school_period_id = tp.school_period_id
WHERE s.contract_id = %s AND s.deadline_date < %s AND d.declaration_type = %s AND d.{status} IN ({statuses})
"""
_SIDES = (
    ("payment_statement_id", "payment_status", "'eligible', 'payable', 'paid'"),
    ("clawback_statement_id", "clawback_status", "'awaiting_clawback', 'clawed_back'"),
)
_NOT_PAID = (
    "SELECT statement_id, contract_id, deadline_date FROM statements WHERE status <> 'paid' ORDER BY statement_id"
)


def bench_figures(scale: float, now: str) -> None:
    """The figures of all statements not yet paid, out of one PostgreSQL database."""
    with postgresql() as url, tempfile.TemporaryDirectory(prefix="ectx-figures-") as folder:
        sample, database = Path(folder) / "sample", Database(url)
        database.migrate()
        write_sample(sample, scale)
        import_records(database, sample, instant(now))
        with database.write() as connection:
            keep_paid_units(database, connection)  # as every round of statements leaves them
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
            statements = connection.execute(_NOT_PAID).fetchall()

            def one_by_one() -> None:
                for statement_id, contract_id, deadline in statements:
                    for kind in DECLARATION_TYPES:
                        for link, status, statuses in _SIDES:
                            words = {"link": link, "status": status, "statuses": statuses}
                            connection.execute(_CURRENT.format(**words), (statement_id, kind)).fetchone()
                            connection.execute(_BEFORE.format(**words), (contract_id, deadline, kind)).fetchone()

            def ours() -> None:
                with database.read() as reader:
                    compute_figures(load_accounts(reader))

            seconds, theirs = interleaved([ours, one_by_one])
        database.engine.dispose()
    ratio = statistics.median(theirs) / statistics.median(seconds)
    count = len(statements) * len(DECLARATION_TYPES) * 4
    found(
        f"figures of {len(statements)} statements not yet paid, at {scale:g} of the nation, PostgreSQL: loaded and computed",
        spread(seconds),
        f"a question for each count ({count:,} of them): {spread(theirs)}, {ratio:.1f} × ours",
        "150 × faster",
    )
