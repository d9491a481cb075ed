"""A database that migrations made is one that the tables make, on SQLite and on PostgreSQL; and migrations stand by themselves."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alembic.util import CommandError
from sqlalchemy import inspect

from data.database import MIGRATIONS, Database
from data.tables import metadata
from flows.place import PROJECT
from tests.builders import take_back
from tests.postgresql import postgresql


def shape(database: Database) -> dict[str, object]:
    """Tables, their columns, keys and indexes, as the database itself tells them."""
    seen = inspect(database.engine)
    return {
        table: {
            "columns": {each["name"]: (str(each["type"]), each["nullable"]) for each in seen.get_columns(table)},
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "indexes": {
                each["name"]: (each["column_names"], bool(each["unique"]), _where(each))
                for each in seen.get_indexes(table)
            },
            "unique": sorted(each["column_names"] for each in seen.get_unique_constraints(table)),
        }
        for table in seen.get_table_names()
        if table != "alembic_version"
    }


def _where(index: Mapping[str, Any]) -> str:
    """Of which rows alone it is; empty: of all."""
    return next((str(said) for name, said in index.get("dialect_options", {}).items() if name.endswith("_where")), "")


def compared(migrated: Database, made: Database) -> None:
    migrated.migrate()
    metadata.create_all(made.engine)
    ours, theirs = shape(migrated), shape(made)
    assert set(ours) == set(metadata.tables)
    for table in ours:
        assert ours[table] == theirs[table], table
    take_back(migrated, "0012")  # an older form is brought to the newest
    assert shape(migrated) != theirs
    migrated.migrate()
    assert shape(migrated) == theirs


def test_on_sqlite(tmp_path: Path):
    compared(*(Database(f"sqlite:///{tmp_path / name}.db") for name in ("migrated", "made")))


def test_on_postgresql():
    with postgresql() as url:
        server = Database(url)
        with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("CREATE DATABASE migrated")
            connection.exec_driver_sql("CREATE DATABASE made")
        address = server.engine.url
        urls = [address.set(database=name).render_as_string(hide_password=False) for name in ("migrated", "made")]
        databases = [Database(each) for each in urls]
        compared(*databases)
        for each in (server, *databases):
            each.engine.dispose()


def test_what_is_newest_is_known_without_alembic(tmp_path: Path):
    """A service, and every command, opens the database: loading Alembic for it took a fifth of a second each time."""
    address = f"sqlite:///{tmp_path / 'records'}.db"
    Database(address).migrate()
    script = (
        "import sys; from data.database import Database; "
        f"Database({address!r}).migrate(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT).returncode == 0


def test_a_newer_form_than_ours_is_not_taken_for_the_newest(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'records'}.db")
    database.migrate()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError):
        database.migrate()


@pytest.mark.parametrize("path", sorted((MIGRATIONS / "versions").glob("0*.py")), ids=lambda path: path.stem)
def test_a_migrations_file_begins_with_its_revision(path: Path):
    """By the last one's name it is known whether there is anything to do."""
    assert f'revision = "{path.name.partition("_")[0]}"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((MIGRATIONS / "versions").glob("0*.py")), ids=lambda path: path.stem)
def test_a_migration_imports_no_code_of_today(path: Path):
    """What a migration once did, it does for ever."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            ours = name.split(".")[0] in ("schemas", "transforms", "data", "sftp", "templates", "flows")
            assert not ours or name == "data.migrations.stored", name


def _answers(database: Database) -> list[list[tuple[object, ...]]]:
    """Questions that join lists of ids: one that is empty, one with what is no id, and many, in a question with a parameter."""
    told = []
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE things (id TEXT, size TEXT)")
        connection.exec_driver_sql("INSERT INTO things VALUES ('a', '1'), ('b', '2'), ('b', '3'), ('c''\"?', '4')")
    sql = "SELECT t.id, t.size FROM named n CROSS JOIN things t WHERE t.id = n.id AND t.size <> ?"
    for ids in ([], ["b", None, "b", "nobody"], ["a", "b", "c'\"?"] * 1000):
        with database.read() as reader:
            told.append(sorted(reader.frame(sql, "3", named=pl.Series(ids, dtype=pl.String)).iter_rows()))
    both = "SELECT a.id FROM named a CROSS JOIN others b WHERE a.id = b.id"
    with database.read() as reader:
        named, others = pl.Series(["x", "y"]), pl.Series(["y", "z"])
        told.append(list(reader.frame(both, named=named, others=others).iter_rows()))
    return told


@pytest.mark.parametrize("most", [0, 2, 1000])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_list_that_stands_in_the_question_is_answered_like_one_in_a_table(tmp_path, monkeypatch, kind, most):
    monkeypatch.setattr("data.reader.SPELLED_OUT", most)
    with postgresql() if kind == "postgresql" else nullcontext(f"sqlite:///{tmp_path}/records.db") as url:
        database = Database(url)
        told = _answers(database)
        database.engine.dispose()
    assert told == [[], [("b", "2")], [("a", "1"), ("b", "2"), ("c'\"?", "4")], [("y",)]]
