"""An installation used as people use it: through `ectx`, its mailboxes' folders and its database. No module of ours is named
here, so that a story told through it says the same of every build."""

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_engine, select


@dataclass(frozen=True)
class Installation:
    """home: the folder of all state. database_url: empty for SQLite in the home."""

    home: Path
    database_url: str = ""

    @contextlib.contextmanager
    def _settings(self) -> Iterator[None]:
        before = dict(os.environ)
        own = {"ECTX_HOME": str(self.home), "ECTX_SECONDS_BETWEEN_LOOKS": "0", "ECTX_DATABASE_URL": self.database_url}
        try:
            os.environ.update(own)
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def ectx(self, *arguments: str, may_fail: bool = False) -> str:
        """What a command says on standard output, with its last line on standard error where it fails."""
        out, err, argv = io.StringIO(), io.StringIO(), sys.argv
        (command,) = entry_points(group="console_scripts", name="ectx")
        with self._settings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            sys.argv = ["ectx", *arguments]
            try:
                command.load()()
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            finally:
                sys.argv = argv
        assert status == 0 or may_fail, f"ectx {' '.join(arguments)}: {err.getvalue()}"
        return out.getvalue() + (f"[{status}] {err.getvalue()}" if status else "")

    @property
    def mailboxes(self) -> Path:
        return self.home / "mailboxes"

    def put(self, slug: str, name: str, content: bytes | str, at: str) -> None:
        """A file as it lies in to-dfe, changed last at an instant: ids of submissions hang on it."""
        path = self.mailboxes / slug / "to-dfe" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        seconds = datetime.fromisoformat(at).timestamp()
        os.utime(path, (seconds, seconds))

    def intake(self, at: str, may_fail: bool = False) -> str:
        return self.ectx("intake", "--as-of", at, may_fail=may_fail)

    def statements(self, at: str, may_fail: bool = False) -> str:
        return self.ectx("statements", "--as-of", at, may_fail=may_fail)

    def payments(self, month: str) -> list[dict[str, str]]:
        """The rows of a month's payment schedule."""
        return list(csv.DictReader(io.StringIO(self.ectx("payments", month))))

    def pay(self, row: dict[str, str], at: str) -> str:
        """Authorise a statement of a payment schedule."""
        return self.ectx("authorise", row["statement_id"], "--total", row["total"], "--as-of", at)

    def delivered(self) -> dict[str, Path]:
        """Everything that mailboxes hold from DfE, by slug and path."""
        found = sorted(path for path in self.mailboxes.glob("*/from-dfe/**/*") if path.is_file())
        return {path.relative_to(self.mailboxes).as_posix(): path for path in found}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every table of the database, rows as text and in order."""
        engine = create_engine(
            self.database_url.replace("postgresql://", "postgresql+psycopg://")
            or f"sqlite:///{self.home.resolve()}/records.db"
        )
        meta = MetaData()
        meta.reflect(engine)
        with engine.connect() as connection:
            found = {
                table.name: [
                    {name: _plain(value) for name, value in row._mapping.items()}
                    for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in meta.sorted_tables
            }
        engine.dispose()
        return found


def _plain(value: Any) -> str | None:
    """A value as both databases may hold it."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        fraction = f"{moment.microsecond:06}".rstrip("0")
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"
    if isinstance(value, bool):
        return str(int(value))
    return None if value is None else str(value)


def as_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
