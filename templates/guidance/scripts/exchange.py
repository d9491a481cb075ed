"""Send files to DfE's file exchange, and collect what is new. Needs Python and paramiko.

python exchange.py --host HOST --user YOU --key KEY --known-hosts FILE send declarations.csv
python exchange.py --host HOST --user YOU --key KEY --known-hosts FILE collect INTO

Ends with 0 when it is done, and with 1 and one line when it could not: run it again, it carries on.
"""

import argparse
import csv
import hashlib
import json
import stat
import sys
from pathlib import Path

import paramiko

INDEX, TRIES = "from-dfe/index.csv", 5
# Made anew all the time, and in no index: fetched whenever they are there.
BESIDE = ("start-here.html", "refused.csv", "waiting.csv", "statements/ledger.csv", "forecast")


def send(sftp: paramiko.SFTPClient, files: list[Path]) -> None:
    """Each file goes up under another name, and gets its own when it is whole."""
    for path in files:
        sftp.put(str(path), f"to-dfe/{path.name}.part", confirm=True)
        sftp.posix_rename(f"to-dfe/{path.name}.part", f"to-dfe/{path.name}")
        print(f"sent {path.name}")


def collect(sftp: paramiko.SFTPClient, into: Path) -> None:
    """Every folder of the index that is not in collected.txt yet, in order; of one that was replaced, the newest."""
    into.mkdir(parents=True, exist_ok=True)
    done = into / "collected.txt"
    last = int(done.read_text()) if done.exists() else 0
    with sftp.open(INDEX) as handle:
        index = handle.read()
    rows = [row for row in csv.DictReader(index.decode().splitlines()) if int(row["sequence"]) > last]
    newest = {row["path"]: row["sequence"] for row in rows}
    for row in rows:
        if newest[row["path"]] == row["sequence"]:
            is_there = fetch_whole(sftp, row["path"], into / row["path"])
            print(f"{'collected' if is_there else 'gone'} {row['path']}")
        done.write_text(row["sequence"])
    (into / "index.csv").write_bytes(index)
    for path in BESIDE:
        try:
            if stat.S_ISDIR(sftp.stat(f"from-dfe/{path}").st_mode):
                fetch(sftp, f"from-dfe/{path}", into / "from-dfe" / path)
            else:
                (into / "from-dfe" / path).parent.mkdir(parents=True, exist_ok=True)
                sftp.get(f"from-dfe/{path}", str(into / "from-dfe" / path))
        except FileNotFoundError:
            continue


def fetch_whole(sftp: paramiko.SFTPClient, path: str, into: Path) -> bool:
    """A folder may be replaced while it is read: then its files are not those of its manifest, and it is read again. Says whether
    it is there: what has been kept long enough goes, its line in the index stays."""
    for _ in range(TRIES):
        try:
            sftp.stat(path)
        except FileNotFoundError:
            return False
        try:
            fetch(sftp, path, into)
        except FileNotFoundError:
            continue
        if is_whole(into):
            return True
    raise OSError(f"{path} changed while it was read")


def fetch(sftp: paramiko.SFTPClient, path: str, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for entry in sftp.listdir_attr(path):
        if entry.filename.startswith("."):
            continue
        if stat.S_ISDIR(entry.st_mode):
            fetch(sftp, f"{path}/{entry.filename}", into / entry.filename)
        else:
            sftp.get(f"{path}/{entry.filename}", str(into / entry.filename))


def is_whole(folder: Path) -> bool:
    last = next((folder / name for name in ("manifest.json", "receipt.json") if (folder / name).exists()), None)
    if last is None:
        return True  # a receipt whose file is still being judged has only received.json
    listed = json.loads(last.read_text(encoding="utf-8"))["files"]
    return all(
        (folder / each["name"]).exists()
        and hashlib.sha256((folder / each["name"]).read_bytes()).hexdigest() == each["sha256"]
        for each in listed
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=2222)
    parser.add_argument("--user", required=True)
    parser.add_argument("--key", required=True, help="your private key")
    parser.add_argument("--known-hosts", required=True, help="a file with the line that DfE has given you")
    parser.add_argument("what", choices=("send", "collect"))
    parser.add_argument("paths", nargs="+", type=Path, help="the files to send, or the folder to collect into")
    asked = parser.parse_args()
    with paramiko.SSHClient() as client:
        client.load_host_keys(asked.known_hosts)  # a server that is not in it is not talked to
        client.connect(
            asked.host, asked.port, asked.user, key_filename=asked.key, allow_agent=False, look_for_keys=False
        )
        with client.open_sftp() as sftp:
            if asked.what == "send":
                send(sftp, asked.paths)
            else:
                collect(sftp, asked.paths[0])


if __name__ == "__main__":
    try:
        main()
    except (OSError, paramiko.SSHException) as error:
        sys.exit(f"exchange: {error}")
