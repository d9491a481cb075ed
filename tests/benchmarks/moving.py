"""Files between a provider and the port, by OpenSSH's client: our server against OpenSSH's own; and our client, which reaches
mailboxes on another service, against OpenSSH's client with the same server."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from sftp.remote import SftpMailbox
from sftp.service import SftpService
from tests.benchmarks.results import compared, interleaved
from tests.exchange.servers import Client, Port, mailbox_service, port_of

LARGE = 100_000_000
SMALL_FILES, SMALL = 1_000, 1_000
SIDES = ("openssh", "ours")


def bench_moving() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ectx-moving-") as place,
        port_of("openssh", _folder(place, "openssh")) as theirs,
        port_of("ours", _folder(place, "ours")) as ours,
    ):
        ports = (theirs, ours)
        large = Path(place, "declarations.csv")
        large.write_bytes(b"0123456789abcdef\n" * (LARGE // 17))
        several = _folder(place, "several")
        for number in range(SMALL_FILES):
            (several / f"declarations-{number}.csv").write_bytes(b"x" * SMALL)
        _side_by_side(
            "100 MB sent to us", ports, lambda port: _sends(port, f"put {large} to-dfe/declarations.csv"), 1.5
        )
        for port in ports:
            folder = port.mailbox / "from-dfe"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "extract.csv").write_bytes(large.read_bytes())
            folder.chmod(0o755)
            (folder / "extract.csv").chmod(0o644)
        took = Path(place, "collected.csv")
        _side_by_side(
            "100 MB collected from us", ports, lambda port: port.client.sftp(f"get from-dfe/extract.csv {took}"), 1.5
        )
        _side_by_side("1,000 small files sent to us", ports, lambda port: _sends(port, f"put {several}/* to-dfe/"), 4)
    _our_client()


def _folder(place: str, name: str) -> Path:
    folder = Path(place, name)
    folder.mkdir()
    return folder


def _sends(port: Port, batch: str) -> None:
    port.client.sftp(batch)
    for path in (port.mailbox / "to-dfe").glob("*.csv"):  # the next time begins where this one did; both sides alike
        path.unlink()


def _side_by_side(what: str, ports: tuple[Port, Port], act: Callable[[Port], object], aim: float) -> None:
    floor, seconds = interleaved([lambda port=port: act(port) for port in ports])  # type: ignore[misc]
    compared(f"{what}, by OpenSSH's client", seconds, floor, "OpenSSH's server", aim)


def _our_client() -> None:
    """100 MB put into a mailbox on another service, and fetched from it."""
    with tempfile.TemporaryDirectory(prefix="ectx-moving-") as place:
        folder, boxes = _folder(place, "service"), _folder(place, "boxes")
        source, size = _folder(place, "source"), LARGE
        (source / "extract.csv").write_bytes(b"0123456789abcdef\n" * (size // 17))
        with mailbox_service("openssh", folder) as (url, key, hosts):
            user, port = url.removeprefix("sftp://").split("@")[0], int(url.rsplit(":", 1)[1])
            service = SftpService(f"{url}{boxes}", key, hosts)
            mailbox, client = SftpMailbox(service, "alder"), Client(key, hosts, user, port)
            mailbox.prepare()
            number = iter(range(100))

            def we_deliver() -> None:
                mailbox.deliver(f"from-dfe/extracts/{next(number)}", source, "extract.csv")

            def they_deliver() -> None:
                client.sftp(f"put {source}/extract.csv {boxes}/alder/from-dfe/{next(number)}.csv")

            seconds, floor = interleaved([we_deliver, they_deliver])
            compared(
                "100 MB delivered by our client",
                seconds,
                floor,
                "OpenSSH's client with its connection, the same server",
                1.5,
            )
            sent = boxes / "alder" / "to-dfe" / "declarations.csv"

            def we_fetch() -> None:
                [arrival] = mailbox.taken()
                for _ in mailbox.read(arrival):
                    pass

            sent.write_bytes((source / "extract.csv").read_bytes())
            [arrival] = mailbox.look()
            mailbox.take(arrival)
            fetched = Path(place, "fetched.csv")
            seconds, floor = interleaved([we_fetch, lambda: client.sftp(f"get {boxes}/alder/from-dfe/1.csv {fetched}")])
            compared(
                "100 MB fetched by our client",
                seconds,
                floor,
                "OpenSSH's client with its connection, the same server",
                1.5,
            )
            service.close()
