"""Two workers, each pinned to a core, against one so pinned: the same files of every lead provider, then everybody's statements,
over Prefect, PostgreSQL and OpenSSH as operators would run them. A run is a process of its own, which is counted."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from data.records.extract import import_records
from data.sample.nation import write_sample
from flows.clock import instant
from flows.installation import Installation, LeadProvider, open_installation
from tests.benchmarks.results import found
from tests.exchange.servers import mailbox_service
from tests.operators.workers import Machines, own_settings
from tests.postgresql import postgresql

ROWS, TIMES = 20_000, 3
NOW, AFTER = "2026-11-28T10:00:00Z", "2027-01-01T00:10:00Z"
File = Callable[[Installation, LeadProvider], bytes]


def bench_workers(scale: float, content_of: File) -> None:
    """content_of: (installation, lead provider) → a file of ROWS rows."""
    taken: dict[tuple[str, int], list[float]] = {}
    with postgresql("127.0.0.1") as address, tempfile.TemporaryDirectory(prefix="ectx-workers-") as place:
        folder = Path(place)
        files = _world(folder, address, scale, content_of)
        for number in range(TIMES):
            for workers in (1, 2):
                intake, statements = _measured(folder / f"{number}-{workers}", address, workers, files)
                taken.setdefault(("intake", workers), []).append(intake)
                taken.setdefault(("statements", workers), []).append(statements)
    for what, of, aim in (("intake", f"{len(files)} files of {ROWS:,} rows", "1.7 ×"), ("statements", "all", "1.6 ×")):
        one, two = (statistics.median(taken[what, n]) for n in (1, 2))
        told = [f"{min(taken[what, n]):.0f}–{max(taken[what, n]):.0f} s" for n in (1, 2)]
        found(
            f"two workers, {what} ({of})",
            f"{two:.1f} s ({told[1]}), {one / two:.2f} × as fast",
            f"one: {one:.1f} s ({told[0]})",
            aim,
        )


def _world(folder: Path, address: str, scale: float, content_of: File) -> dict[str, bytes]:
    """Records in the database `world`, which each measurement copies. Returns the file of each lead provider, by slug."""
    _asked(address, "CREATE DATABASE world")
    write_sample(folder / "sample", scale)
    settings = {"ECTX_DATABASE_URL": _named(address, "world"), "ECTX_MAILBOXES": f"file://{folder}/world"}
    with open_installation(own_settings(settings, folder / "home")) as installation:
        import_records(installation.database, folder / "sample", instant(NOW))
        return {each.slug: content_of(installation, each) for each in installation.lead_providers()}


def _asked(address: str, statement: str) -> None:
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _named(address: str, name: str) -> str:
    return f"{address.rsplit('/', 1)[0]}/{name}"


def _measured(folder: Path, address: str, workers: int, files: dict[str, bytes]) -> tuple[float, float]:
    """Seconds of intake and of statements."""
    folder.mkdir()
    name = f"run_{folder.name.replace('-', '_')}"
    _asked(address, f"CREATE DATABASE {name} TEMPLATE world")
    with (
        _served(folder, _named(address, name)) as machines,
        open_installation(own_settings(machines.settings, folder / "own")) as own,
    ):
        for core in range(workers):
            machines.worker(f"worker{core}", ["taskset", "-c", str(core)], limit=1)
        time.sleep(15)
        for slug, content in files.items():
            place = folder / "boxes" / slug / "to-dfe"
            place.mkdir(parents=True, exist_ok=True)
            (place / ".unfinished").write_bytes(content)
        started = time.monotonic()
        for slug in files:
            (folder / "boxes" / slug / "to-dfe" / ".unfinished").rename(
                folder / "boxes" / slug / "to-dfe" / "declarations.csv"
            )
        intake = _until(
            lambda: all(list((folder / "boxes" / slug).glob("from-dfe/receipts/*/receipt.json")) for slug in files),
            started,
        )
        started = time.monotonic()
        machines.run("statements/daily", as_of=AFTER, spread=True)
        statements = _until(lambda: _is_over(own), started)
    shutil.rmtree(folder)
    return intake, statements


def _is_over(installation: Installation) -> bool:
    """Whether each lead provider's statements are computed, and all that is owed delivered."""
    everybody = {each.lead_provider_id for each in installation.lead_providers()}
    return installation.rounds.told().keys() >= everybody and not any(map(installation.deliveries.owed, everybody))


def _until(is_done: Callable[[], bool], started: float) -> float:
    while not is_done():
        time.sleep(0.2)
    return time.monotonic() - started


@contextmanager
def _served(folder: Path, database: str) -> Iterator[Machines]:
    with ExitStack() as around:
        url, key, known = around.enter_context(mailbox_service("openssh", folder))
        machines = Machines(
            folder,
            {
                "ECTX_DATABASE_URL": database, "ECTX_MAILBOXES": f"{url}{folder}/boxes", "ECTX_STORE": str(folder / "store"),
                "ECTX_SFTP_KEY": str(key), "ECTX_SFTP_KNOWN_HOSTS": str(known), "ECTX_INTAKE_EVERY_SECONDS": "5",
                "POLARS_MAX_THREADS": "1",
            },
        )  # fmt: skip
        around.enter_context(machines.serving())
        yield machines
