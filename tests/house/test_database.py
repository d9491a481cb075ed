"""A database that migrations made is one that the tables make, on SQLite and on PostgreSQL; and migrations stand by themselves."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import inspect

from data.database import MIGRATIONS, Database
from data.tables import metadata
from tests.postgresql import postgresql


def shape(database: Database) -> dict[str, object]:
    """Tables, their columns, keys and indexes, as the database itself tells them."""
    seen = inspect(database.engine)
    return {
        table: {
            "columns": {each["name"]: (str(each["type"]), each["nullable"]) for each in seen.get_columns(table)},
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "indexes": {each["name"]: (each["column_names"], bool(each["unique"])) for each in seen.get_indexes(table)},
            "unique": sorted(each["column_names"] for each in seen.get_unique_constraints(table)),
        }
        for table in seen.get_table_names()
        if table != "alembic_version"
    }


def compared(migrated: Database, made: Database) -> None:
    migrated.migrate()
    metadata.create_all(made.engine)
    ours, theirs = shape(migrated), shape(made)
    assert set(ours) == set(metadata.tables)
    for table in ours:
        assert ours[table] == theirs[table], table


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


@pytest.mark.parametrize("path", sorted((MIGRATIONS / "versions").glob("0*.py")), ids=lambda path: path.stem)
def test_a_migration_imports_no_code_of_today(path: Path):
    """What a migration once did, it does for ever."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            ours = name.split(".")[0] in ("schemas", "transforms", "data", "sftp", "templates", "flows")
            assert not ours or name == "data.migrations.stored", name
