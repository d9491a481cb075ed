"""The database busy, read-only, gone for a while."""

import os
import sqlite3
import threading
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.faults.lives import Lives

STAGES = ("intake", "changed", "paid")


def _beside(address: str) -> str:
    """The address of the database that is always there."""
    return make_url(address).set(database="postgres").render_as_string(hide_password=False)


@pytest.mark.parametrize("lives_on", ["sqlite-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_busy_for_a_while(lives: Lives, name):
    """Somebody else holds the writer's lock: the round waits, and then goes on as if nothing had been."""
    stage = lives.stages[name]
    home = lives.home(stage)
    held = sqlite3.connect(home / "records.db", check_same_thread=False, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: held.execute("ROLLBACK")).start()
    begun = time.monotonic()
    ended = lives.suffer(stage, home)
    lives.counts["faults injected"] += 1
    assert ended["status"] == 0 and time.monotonic() - begun > 0.4
    held.close()
    lives.carry_on(stage, home, f"a busy database in {name}")


@pytest.mark.parametrize("lives_on", ["sqlite-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_read_only(lives: Lives, name, tmp_path):
    stage = lives.stages[name]
    home = lives.home(stage)
    for folder in (home, *home.parents):  # whoever is not root has to get there
        if folder.is_relative_to(Path(os.environ.get("TMPDIR", "/tmp"))) and folder.stat().st_uid == os.getuid():
            folder.chmod(0o755)
    databases = list(home.glob("records.db*"))
    for path in databases:
        path.chmod(0o444)
    home.chmod(0o555)
    try:
        ended = lives.suffer(stage, home, as_nobody=True)
    finally:
        home.chmod(0o755)
        for path in databases:
            path.chmod(0o644)
    assert ended["status"] != 0 or ended["troubles"]
    lives.carry_on(stage, home, f"a read-only database in {name}")


@pytest.mark.parametrize("lives_on", ["postgresql-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_read_only_on_postgresql(lives: Lives, name):
    stage = lives.stages[name]
    home = lives.home(stage)
    address = lives.ground.settings(home)["database_url"]
    database = make_url(address).database

    def read_only(word: str) -> None:
        with psycopg.connect(_beside(address), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = {word}')

    read_only("on")
    ended = lives.suffer(stage, home)
    assert ended["status"] != 0 or ended["troubles"]
    read_only("off")
    lives.carry_on(stage, home, f"a read-only database in {name}")


@pytest.mark.parametrize("lives_on", ["postgresql-folder"], indirect=True)
@pytest.mark.parametrize("name", STAGES)
def test_gone_for_a_while(lives: Lives, name, chance):
    """The server throws everybody out, again and again: as when it is restarted."""
    stage = lives.stages[name]
    home = lives.home(stage)
    address = lives.ground.settings(home)["database_url"]
    database = make_url(address).database
    thrown_out = threading.Event()

    def throw_out() -> None:
        with psycopg.connect(_beside(address), autocommit=True) as connection:
            while not thrown_out.wait(chance.uniform(0.02, 0.1)):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
                )

    thread = threading.Thread(target=throw_out)
    thread.start()
    for _ in range(4):
        lives.suffer(stage, home)
    thrown_out.set()
    thread.join()
    assert lives.counts["faults injected"] > 0
    lives.carry_on(stage, home, f"a database that was gone in {name}")
