"""From upload to receipt, through `ectx serve`: real uploads over SFTP, by one provider, by all at once, and beside a large file;
a thousand small files; what an idle minute costs."""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from flows.installation import Installation, LeadProvider
from sftp.keys import write_new_key
from tests.benchmarks.memory import family
from tests.benchmarks.results import found
from tests.exchange.servers import port_of

PROVIDERS = 12
LARGE_ROWS = 100_000
BACKLOG = 80
EACH = 84  # of twelve: a thousand


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Uploader:
    """One lead provider's connection."""

    def __init__(self, home: Path, provider: LeadProvider, key: Path, port: int) -> None:
        self.folder = home / "mailboxes" / provider.slug
        transport = paramiko.Transport(("127.0.0.1", port))
        transport.connect(username=provider.slug, pkey=paramiko.Ed25519Key.from_private_key_file(str(key)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client
        self._client, self._transport = client, transport
        self._seen: set[str] = set()

    def send(self, name: str, content: bytes) -> float:
        """Upload a file. Returns when it was closed (monotonic seconds)."""
        with self._client.open(f"to-dfe/{name}", "wb") as handle:
            handle.set_pipelined(True)
            handle.write(content)
        return time.monotonic()

    def receipts(self) -> int:
        """How many there are. Those seen before are not looked at again: the look must not cost what it measures."""
        folder = self.folder / "from-dfe" / "receipts"
        names = {each.name for each in os.scandir(folder)} - self._seen if folder.is_dir() else set()
        self._seen |= {name for name in names if (folder / name / "receipt.json").exists()}
        return len(self._seen)

    def close(self) -> None:
        self._transport.close()


@contextmanager
def _served(installation: Installation) -> Iterator[tuple[list[Uploader], int]]:
    """The service on this home, and a connection a provider; the process id of the service."""
    home = installation.settings.home.resolve()
    providers = installation.lead_providers()[:PROVIDERS]
    keys = home / "bench-keys"
    shutil.rmtree(keys, ignore_errors=True)
    keys.mkdir()
    port = _free_port()
    for each in providers:
        installation.accounts.add_key(each.slug, write_new_key(keys / each.slug))
    around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    settings = around | {"ECTX_HOME": str(home), "ECTX_UI_PORT": str(_free_port()), "ECTX_SFTP_PORT": str(port)}
    with (home / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "ectx", "serve"], env=settings, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout
    try:
        for _ in range(4):
            process.stdout.readline()
        time.sleep(15)  # until its processes are warm
        uploaders = [Uploader(home, each, keys / each.slug, port) for each in providers]
        yield uploaders, process.pid
        for each in uploaders:
            each.close()
    finally:
        process.terminate()
        process.wait(60)


def _waits(uploaders: list[Uploader], files: dict[int, tuple[str, bytes]], others: Callable[[], None]) -> list[float]:
    """Seconds from each file's close until its receipt is there. files: place of the uploader → name, content."""
    before = {place: uploaders[place].receipts() for place in files}
    waits: dict[int, float] = {}

    def send(place: int) -> None:
        closed = uploaders[place].send(*files[place])
        while uploaders[place].receipts() == before[place]:
            time.sleep(0.03)
        waits[place] = time.monotonic() - closed

    others()
    threads = [threading.Thread(target=send, args=(place,)) for place in files]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return list(waits.values())


def _told(what: str, waits: list[float]) -> None:
    ordered = sorted(waits)
    at95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    figure = f"p50 {statistics.median(ordered):.2f} s, p95 {at95:.2f} s, most {ordered[-1]:.2f} s, of {len(ordered)}"
    found(what, figure, "", "p50 1 s, p95 3 s")


def _ten_rows(round_: int) -> bytes:
    rows = [
        f"{place:08x}-0000-4000-8000-{round_:012x},ecf-induction,started,2026-01-10T09:00:00Z," for place in range(10)
    ]
    head = "participant_id,course_identifier,declaration_type,declaration_date,evidence_held"
    return "\n".join([head, *rows, ""]).encode()


def bench_arrival(installation: Installation, large: bytes) -> None:
    """large: a file of LARGE_ROWS declarations of the first lead provider."""
    with _served(installation) as (uploaders, pid):
        count = 0

        def files(places: range) -> dict[int, tuple[str, bytes]]:
            nonlocal count
            count += 1
            return {place: (f"declarations-{count}-{place}.csv", _ten_rows(count * 100 + place)) for place in places}

        one = range(1, 2)  # not the one whose large files are next
        _waits(uploaders, files(range(len(uploaders))), lambda: None)
        alone = [wait for _ in range(15) for wait in _waits(uploaders, files(one), lambda: None)]
        _told("upload → receipt, 10 rows, one provider", alone)
        everybody = range(len(uploaders))
        together = [wait for _ in range(5) for wait in _waits(uploaders, files(everybody), lambda: None)]
        _told(f"the same, {len(uploaders)} providers at once", together)
        before = uploaders[0].receipts()

        def backlog() -> None:
            for number in range(BACKLOG):
                uploaders[0].send(f"declarations-backlog-{number}.csv", _ten_rows(100_000 + number))

        began = time.monotonic()
        waits = _waits(uploaders, files(range(1, len(uploaders))), backlog)
        _told(f"the same, {len(uploaders) - 1} behind another's {BACKLOG} small files", waits)
        while uploaders[0].receipts() < before + BACKLOG:
            time.sleep(0.1)
        found(f"those {BACKLOG} files, from the first upload to the last receipt", f"{time.monotonic() - began:.1f} s")
        _all_at_once(uploaders)
        beside: list[float] = []
        for turn in range(3):
            before = uploaders[0].receipts()
            content = large + b"\n" * turn  # not the same bytes again

            def send(content: bytes = content, turn: int = turn) -> None:
                uploaders[0].send(f"declarations-large-{turn}.csv", content)

            beside += _waits(uploaders, files(range(1, len(uploaders))), send)
            while uploaders[0].receipts() == before:
                time.sleep(0.1)
        _told(f"the same, {len(uploaders) - 1} beside a file of {LARGE_ROWS:,} rows", beside)
        _idle(pid)


def _all_at_once(uploaders: list[Uploader]) -> None:
    """Each sends many small files, and all of them together: how long for the last receipt of each."""
    wanted = {place: each.receipts() + EACH for place, each in enumerate(uploaders)}
    waits: dict[int, float] = {}

    def send(place: int) -> None:
        for number in range(EACH):
            uploaders[place].send(f"declarations-many-{number}.csv", _ten_rows(200_000 + place * EACH + number))
        while uploaders[place].receipts() < wanted[place]:
            time.sleep(0.1)
        waits[place] = time.monotonic() - began

    threads, began = [threading.Thread(target=send, args=(place,)) for place in wanted], time.monotonic()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    receipts = [each.folder / "from-dfe" / "receipts" for each in uploaders]
    theirs = _moved_by_openssh(receipts)
    figure = f"{max(waits.values()):.1f} s, {max(waits.values()) / theirs:.1f} ×; who was through first {min(waits.values()):.1f} s"
    found(
        f"{EACH * len(uploaders):,} small files of {len(uploaders)} providers at once, to the last receipt",
        figure,
        f"OpenSSH moving as many files in and receipts out, with its connections: {theirs:.1f} s",
        "4 ×",
    )


def _moved_by_openssh(receipts: list[Path]) -> float:
    """Seconds in which OpenSSH's server and as many of its clients move the same files in, and as many receipts out. receipts: each
    provider's folder of them."""
    with tempfile.TemporaryDirectory(prefix="ectx-moved-") as place, port_of("openssh", Path(place)) as port:
        back = port.mailbox / "from-dfe"
        back.mkdir(exist_ok=True)
        for number, folder in enumerate(receipts):
            Path(place, f"in-{number}").mkdir()
            Path(place, f"out-{number}").mkdir()
            for each in range(EACH):
                content = _ten_rows(300_000 + number * EACH + each)
                Path(place, f"in-{number}", f"declarations-{number}-{each}.csv").write_bytes(content)
            for each in sorted(folder.iterdir())[-EACH:]:
                shutil.copytree(each, back / f"receipts-{number}" / each.name)
        subprocess.run(["chmod", "-R", "a+rX", back], check=True)

        def move(number: int) -> None:
            time.sleep(number * 0.03)  # OpenSSH turns away who comes together with many others
            port.client.sftp(
                f"put {place}/in-{number}/* to-dfe/\nget -R from-dfe/receipts-{number} {place}/out-{number}/"
            )

        threads, began = (
            [threading.Thread(target=move, args=(number,)) for number in range(len(receipts))],
            time.monotonic(),
        )
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        seconds = time.monotonic() - began
        moved = len(list(Path(place).glob("out-*/*/*/receipt.json")))
        assert moved == EACH * len(receipts), f"{moved} receipts moved"
        return seconds


def _idle(pid: int) -> None:
    """What a minute costs in which nothing comes: of the service and all its processes."""
    before, began = _seconds_of(pid), time.monotonic()
    time.sleep(65)
    after = _seconds_of(pid)
    gone = set(before) ^ set(after)
    used = sum(after[each] - before.get(each, 0.0) for each in after)
    figure = f"{60 * used / (time.monotonic() - began):.1f} s of a core, {len(gone)} processes came or went"
    found("an idle minute of the whole service", figure)


def _seconds_of(pid: int) -> dict[int, float]:
    """Process id → seconds of processor that it and all below it have used."""
    used = {}
    for each in family(pid):
        with suppress(OSError):  # it has ended
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            used[each] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used
