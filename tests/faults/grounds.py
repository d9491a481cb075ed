"""SQLite or PostgreSQL, a folder or OpenSSH: the same story is told on each."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.exchange.servers import mailbox_service
from tests.faults.story import Ground
from tests.postgresql import postgresql


@contextmanager
def ground(name: str, folder: Path) -> Iterator[Ground]:
    """name: `sqlite-folder`, `postgresql-folder`, `sqlite-sftp`, `postgresql-sftp`."""
    database, carrier = name.split("-")
    (folder / "keys").mkdir()
    with ExitStack() as opened:
        server = opened.enter_context(postgresql()) if database == "postgresql" else None
        service = opened.enter_context(mailbox_service("openssh", folder / "keys")) if carrier == "sftp" else None

        def settings(home: Path) -> dict[str, str]:
            found = {"home": str(home), "seconds_between_looks": "0"}
            if server:
                found["database_url"] = _address(server, home)
            if service:
                url, key, hosts = service
                found |= {
                    "mailboxes": f"{url}{home / 'mailboxes'}",
                    "sftp_key": str(key),
                    "sftp_known_hosts": str(hosts),
                }
            return found

        def copied(source: Path, target: Path) -> None:
            shutil.copytree(source, target)
            if server:
                with psycopg.connect(server, autocommit=True) as connection:
                    connection.execute(f'CREATE DATABASE "{_name(target)}" TEMPLATE "{_name(source)}"')

        def dropped(home: Path) -> None:
            if server:
                with psycopg.connect(server, autocommit=True) as connection:
                    connection.execute(f'DROP DATABASE "{_name(home)}" WITH (FORCE)')

        if server:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{_name(folder / "story" / "telling")}"')
        yield Ground(name, settings, copied, dropped)


def _name(home: Path) -> str:
    return f"{home.parent.name}_{home.name}".replace("-", "_")


def _address(server: str, home: Path) -> str:
    return make_url(server).set(database=_name(home)).render_as_string(hide_password=False)
