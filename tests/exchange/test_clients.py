"""The programs that providers use, each the real one, on our server and on OpenSSH as `ectx sshd-config` has it."""

import asyncio
import csv
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
import paramiko
import pytest

from sftp.keys import write_new_key
from tests.exchange.servers import PORTS, port_of
from tests.tools import left_out, needed

ROW = "070e3545-4e30-4d42-a619-7bc54669ef75,ecf-induction,started,2026-11-03T09:30:00Z,training-event-attended\n"
LONG = ("participant_id,course_identifier,declaration_type,declaration_date,evidence_held\n" + ROW * 4000).encode()
SHORT = LONG[:5000]
NODE_CLIENT = Path(__file__).parents[2] / ".test-tools" / "node_modules"


@pytest.fixture(scope="module", params=PORTS)
def port(request, tmp_path_factory):
    with port_of(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        (opened.mailbox / "from-dfe" / "index.csv").write_text("index\n")
        (opened.mailbox / "from-dfe" / "index.csv").chmod(0o644)
        yield opened


@pytest.fixture
def sent(port, tmp_path):
    """to-dfe, empty; two files to be sent beside it, a long one and a short one of the same name."""
    (tmp_path / "long").mkdir()
    (tmp_path / "short").mkdir()
    (tmp_path / "long" / "declarations.csv").write_bytes(LONG)
    (tmp_path / "short" / "declarations.csv").write_bytes(SHORT)
    folder = port.mailbox / "to-dfe"
    yield folder
    for path in folder.iterdir():
        path.unlink()


def done(command, **named):
    """What a program did, with its status and words where it failed."""
    told = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **named)
    assert told.returncode == 0, f"{command[0]} ended with {told.returncode}: {told.stdout}{told.stderr}"
    return told.stdout


def _options(client):
    return [
        "-F", "none", "-i", client.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={client.known_hosts}",
    ]  # fmt: skip


def test_scp_there_over_what_waits_and_back(port, sent, tmp_path):
    scp = [needed("scp"), "-q", "-P", port.client.port, *_options(port.client)]
    address = f"{port.client.user}@127.0.0.1"
    for which, content in (("short", SHORT), ("long", LONG), ("short", SHORT)):
        done([*scp, tmp_path / which / "declarations.csv", f"{address}:to-dfe/"])
        assert (sent / "declarations.csv").read_bytes() == content
    done([*scp, "-p", f"{address}:from-dfe/index.csv", tmp_path / "index.csv"])
    assert (tmp_path / "index.csv").read_text() == "index\n"


def test_sftp_renames_over_what_waits(port, sent, tmp_path):
    port.client.sftp(
        f"put {tmp_path / 'long' / 'declarations.csv'} to-dfe/declarations.csv\n"
        f"put {tmp_path / 'short' / 'declarations.csv'} to-dfe/declarations.csv.part\n"
        "rename to-dfe/declarations.csv.part to-dfe/declarations.csv"
    )
    assert {path.name: path.read_bytes() for path in sent.iterdir()} == {"declarations.csv": SHORT}


def test_other_keys_are_offered_before_the_right_one(port, sent, tmp_path):
    """ECDSA, RSA and ed25519 keys of an agent that are not the account's, each refused and written down."""
    agent = dict(
        line.split(";")[0].split("=", 1)
        for line in done([needed("ssh-agent"), "-s"]).splitlines()
        if line.startswith("SSH_")
    )
    environment = os.environ | agent
    try:
        for kind in ("ecdsa", "rsa", "ed25519"):
            done([needed("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", tmp_path / kind])
            done([needed("ssh-add"), "-q", tmp_path / kind], env=environment)
        done([needed("ssh-add"), "-q", port.client.key], env=environment)
        address = f"{port.client.user}@127.0.0.1"
        pin = ("-o", f"UserKnownHostsFile={port.client.known_hosts}", "-o", "BatchMode=yes", "-F", "none")
        command = [needed("sftp"), "-q", "-b", "-", "-P", port.client.port, *pin, address]
        assert "to-dfe" in done(command, env=environment, input="ls\n")
    finally:
        done(["kill", agent["SSH_AGENT_PID"]])
    if port.kind == "ours":
        told = [each for each in port.audited() if each["event"] == "login-refused"]
        assert len(told) >= 3 and {each["account"] for each in told} == {port.client.user}


def test_a_client_without_ed25519_host_keys_gets_in(port):
    """As phpseclib 3.0.19 and JSch 0.2 without libraries of their own. A signature with SHA-1 is not given."""
    rsa = port.client.ssh("-o", "HostKeyAlgorithms=rsa-sha2-512", "-v", "-s", "sftp")
    assert "Authenticated to" in rsa.stderr and "rsa-sha2-512" in rsa.stderr
    sha1 = port.client.ssh("-o", "HostKeyAlgorithms=ssh-rsa", "-s", "sftp")
    assert "no matching host key type" in sha1.stderr
    bits = paramiko.PKey.from_type_string(
        "ssh-rsa", next(each for each in _host_keys(port) if each.get_name() == "ssh-rsa").asbytes()
    ).get_bits()
    assert bits == 3072


def _host_keys(port):
    hosts = paramiko.HostKeys(str(port.client.known_hosts))
    return [key for name in hosts for key in hosts[name].values()]


def test_curl(port, sent, tmp_path):
    key = ["--key", port.client.key, "--pubkey", _public(port, tmp_path), "-u", f"{port.client.user}:", "-sS"]
    curl = (
        [needed("curl"), *key, "--known-hosts", port.client.known_hosts]
        if _knows_hosts()
        else [needed("curl"), *key, "-k"]
    )
    address = f"sftp://127.0.0.1:{port.client.port}"
    for which, content in (("long", LONG), ("short", SHORT)):
        done([*curl, "-T", tmp_path / which / "declarations.csv", f"{address}/to-dfe/"])
        assert (sent / "declarations.csv").read_bytes() == content
    done(
        [
            *curl,
            "-T",
            tmp_path / "long" / "declarations.csv",
            f"{address}/to-dfe/voids.csv",
            "-Q",
            "-rename to-dfe/voids.csv to-dfe/v.csv",
        ]
    )
    assert (sent / "v.csv").read_bytes() == LONG
    assert done([*curl, f"{address}/from-dfe/index.csv"]) == "index\n"
    assert "from-dfe" in done([*curl, f"{address}/"])
    # A client that makes sure of the folder it sends to.
    done([*curl, "--ftp-create-dirs", "-T", tmp_path / "short" / "declarations.csv", f"{address}/to-dfe/"])


def _knows_hosts():
    return "--known-hosts" in subprocess.run(["curl", "--help", "all"], capture_output=True, text=True).stdout


def _public(port, tmp_path):
    path = tmp_path / "id.pub"
    path.write_text(done([needed("ssh-keygen"), "-y", "-f", port.client.key]))
    return path


def test_lftp(port, sent, tmp_path):
    connect = "ssh -a -x " + " ".join(str(part) for part in _options(port.client))
    start = f'set sftp:connect-program "{connect}"; set net:max-retries 1; set net:timeout 20; set cmd:fail-exit true; '
    start += f"open -u {port.client.user}, sftp://127.0.0.1:{port.client.port}; "

    def lftp(commands):
        return done([needed("lftp"), "-c", start + commands])

    lftp(f"put -O to-dfe {tmp_path}/long/declarations.csv")
    assert (sent / "declarations.csv").read_bytes() == LONG
    lftp(f"put -O to-dfe {tmp_path}/short/declarations.csv")
    assert (sent / "declarations.csv").read_bytes() == SHORT
    lftp(f"mkdir -pf to-dfe; mirror -R --no-perms {tmp_path}/long to-dfe")
    assert (sent / "declarations.csv").read_bytes() == LONG
    assert lftp("cat from-dfe/index.csv") == "index\n"


def test_rclone(port, sent, tmp_path):
    told = [
        "--config", "/dev/null", "--sftp-host", "127.0.0.1", "--sftp-port", port.client.port, "--sftp-user", port.client.user,
        "--sftp-key-file", port.client.key, "--sftp-known-hosts-file", port.client.known_hosts, "--retries", "1",
    ]  # fmt: skip
    for which, content in (("long", LONG), ("short", SHORT)):
        done([needed("rclone"), "copy", tmp_path / which, ":sftp:to-dfe", *told])
        assert (sent / "declarations.csv").read_bytes() == content
    done([needed("rclone"), "copyto", tmp_path / "long" / "declarations.csv", ":sftp:to-dfe/voids.csv", *told])
    assert (sent / "voids.csv").read_bytes() == LONG
    done([needed("rclone"), "copy", ":sftp:from-dfe", tmp_path / "got", *told])
    assert (tmp_path / "got" / "index.csv").read_text() == "index\n"


def test_psftp(port, sent, tmp_path):
    done(
        [needed("puttygen"), port.client.key, "-O", "private", "-o", tmp_path / "id.ppk"],
        env=os.environ | {"HOME": str(tmp_path)},
    )
    pins = [part for key in _host_keys(port) for part in ("-hostkey", key.fingerprint)]
    psftp = [
        needed("psftp"), "-batch", "-i", tmp_path / "id.ppk", "-P", port.client.port, *pins, "-b", "-bc",
        f"{port.client.user}@127.0.0.1",
    ]  # fmt: skip
    batch = tmp_path / "batch"
    psftp.insert(psftp.index("-b") + 1, batch)
    batch.write_text(
        f"put {tmp_path}/long/declarations.csv to-dfe/declarations.csv\nput {tmp_path}/short/declarations.csv to-dfe/declarations.csv\n"
        f"put {tmp_path}/long/declarations.csv to-dfe/v.part\nmv to-dfe/v.part to-dfe/voids.csv\nget from-dfe/index.csv {tmp_path}/index.csv\n"
    )
    done(psftp, env=os.environ | {"HOME": str(tmp_path)})
    assert {path.name: path.read_bytes() for path in sent.iterdir()} == {"declarations.csv": SHORT, "voids.csv": LONG}
    assert (tmp_path / "index.csv").read_text() == "index\n"


@contextmanager
def mounted(port, folder):
    sshfs = needed("sshfs")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        left_out("NOT TRIED: sshfs needs /dev/fuse, and this machine has none.", always=True)
    folder.mkdir()
    options = ",".join(
        str(part)
        for part in (
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={port.client.known_hosts}",
            f"IdentityFile={port.client.key}",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
        )
    )
    told = subprocess.run(
        [sshfs, "-F", "/dev/null", "-p", str(port.client.port), "-o", options, f"{port.client.user}@127.0.0.1:/", folder],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if told.returncode and "fuse" in told.stderr:
        left_out(f"NOT TRIED: this machine does not mount for sshfs: {told.stderr.strip()}", always=True)
    assert told.returncode == 0, told.stderr
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def there(path, content):
    """sshfs closes a file after the program that wrote it has gone on."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not (path.exists() and path.read_bytes() == content):
        time.sleep(0.02)
    assert path.read_bytes() == content


def test_sshfs(port, sent, tmp_path):
    with mounted(port, tmp_path / "mnt") as mnt:
        done(["cp", tmp_path / "long" / "declarations.csv", mnt / "to-dfe/"])
        there(sent / "declarations.csv", LONG)
        done(["cp", "--preserve=timestamps", tmp_path / "short" / "declarations.csv", mnt / "to-dfe/"])
        there(sent / "declarations.csv", SHORT)
        assert (mnt / "to-dfe" / "declarations.csv").read_bytes() == SHORT
        done(["cp", tmp_path / "long" / "declarations.csv", mnt / "to-dfe" / "v.part"])
        done(["mv", mnt / "to-dfe" / "v.part", mnt / "to-dfe" / "voids.csv"])
        with (mnt / "to-dfe" / "written.csv").open("w") as handle:  # as an editor saves
            for _ in range(3000):
                handle.write(ROW)
        assert (mnt / "from-dfe" / "index.csv").read_text() == "index\n"
    there(sent / "voids.csv", LONG)
    there(sent / "written.csv", (ROW * 3000).encode())
    assert not port.uploading


def test_asyncssh(port, sent, tmp_path):
    async def play():
        connection = await asyncssh.connect(
            "127.0.0.1", port.client.port, username=port.client.user, client_keys=[str(port.client.key)],
            known_hosts=str(port.client.known_hosts), config=None, agent_path=None,
        )  # fmt: skip
        async with connection, connection.start_sftp_client() as sftp:
            if port.kind == "ours":  # OpenSSH, told to let nobody make folders, says that of those that are there too
                await sftp.makedirs("to-dfe", exist_ok=True)
            await sftp.put(
                tmp_path / "long" / "declarations.csv", "to-dfe/declarations.csv", block_size=4096, max_requests=128
            )
            await sftp.put(tmp_path / "short" / "declarations.csv", "to-dfe/declarations.csv.part")
            await sftp.posix_rename("to-dfe/declarations.csv.part", "to-dfe/declarations.csv")
            await sftp.get("from-dfe/index.csv", tmp_path / "index.csv")
            with pytest.raises((asyncssh.SFTPFailure, asyncssh.SFTPPermissionDenied)) as refused:
                await sftp.mkdir("to-dfe")
            return refused.value

    refused = asyncio.run(play())
    assert {path.name: path.read_bytes() for path in sent.iterdir()} == {"declarations.csv": SHORT}
    assert (tmp_path / "index.csv").read_text() == "index\n"
    if port.kind == "ours":
        assert isinstance(refused, asyncssh.SFTPFailure)


def test_node(port, sent, tmp_path):
    """`ssh2-sftp-client`, whose fastPut sends pieces side by side."""
    if not NODE_CLIENT.is_dir() or not shutil.which("node"):
        left_out(
            "NOT TRIED: no Node with ssh2-sftp-client here. `make test-tools` installs it where there is npm.",
            always=True,
        )
    (tmp_path / "play.cjs").write_text("""
        const Client = require(process.argv[2] + '/ssh2-sftp-client');
        const told = JSON.parse(process.argv[3]);
        (async () => {
            const sftp = new Client();
            await sftp.connect({host: '127.0.0.1', port: told.port, username: told.user,
                privateKey: require('fs').readFileSync(told.key), readyTimeout: 20000});
            await sftp.fastPut(told.long, 'to-dfe/declarations.csv', {concurrency: 64, chunkSize: 4096});
            await sftp.put(told.short, 'to-dfe/declarations.csv.part');
            await sftp.posixRename('to-dfe/declarations.csv.part', 'to-dfe/declarations.csv');
            await sftp.fastPut(told.long, 'to-dfe/voids.csv');
            await sftp.fastGet('from-dfe/index.csv', told.index);
            await sftp.end();
        })().catch((error) => { console.error(error); process.exit(1); });
    """)
    told = {
        "port": port.client.port, "user": port.client.user, "key": str(port.client.key), "index": str(tmp_path / "index.csv"),
        "long": str(tmp_path / "long" / "declarations.csv"), "short": str(tmp_path / "short" / "declarations.csv"),
    }  # fmt: skip
    done([needed("node"), tmp_path / "play.cjs", NODE_CLIENT, json.dumps(told)])
    assert {path.name: path.read_bytes() for path in sent.iterdir()} == {"declarations.csv": SHORT, "voids.csv": LONG}
    assert (tmp_path / "index.csv").read_text() == "index\n"


def test_pieces_come_in_any_order_and_a_gap_is_refused_at_the_end(port, sent):
    with port.client.paramiko() as sftp:
        with sftp.open("to-dfe/declarations.csv", "wb") as handle:
            for start in sorted(range(0, len(LONG), 8000), key=lambda start: start * 7919 % len(LONG)):
                handle.seek(start)
                handle.write(LONG[start : start + 8000])
        assert (sent / "declarations.csv").read_bytes() == LONG
        handle = sftp.open("to-dfe/gap.csv", "wb")
        handle.write(b"start")
        handle.seek(100)
        handle.write(b"end")
        if port.kind == "ours":
            with pytest.raises(OSError, match="has a gap"):  # paramiko's own close() does not look
                sftp._request(paramiko.sftp.CMD_CLOSE, handle.handle)
            assert not (sent / "gap.csv").exists()


def test_a_create_that_must_not_replace_does_not(port, sent):
    with port.client.paramiko() as sftp:
        with sftp.open("to-dfe/voids.csv", "wb") as handle:
            handle.write(b"first")
        with pytest.raises(OSError, match=r"already|Failure"):
            sftp.open("to-dfe/voids.csv", "xw")
    assert (sent / "voids.csv").read_bytes() == b"first"


def test_an_open_upload_answers_its_own_session(port, sent):
    if port.kind != "ours":
        left_out("OpenSSH shows an upload while it is written.", always=True)
    with port.client.paramiko() as sftp, port.client.paramiko() as other:
        handle = sftp.open("to-dfe/voids.csv", "wb")
        handle.write(b"12345")
        assert (sftp.stat("to-dfe/voids.csv").st_size, sftp.lstat("/to-dfe/./voids.csv").st_size) == (5, 5)
        with pytest.raises(FileNotFoundError):
            other.stat("to-dfe/voids.csv")
        sftp.truncate("to-dfe/voids.csv", 3)  # by its name: it is the open one
        handle.close()
        assert (sent / "voids.csv").read_bytes() == b"123"
        with pytest.raises(OSError, match="sent whole"):
            sftp.truncate("to-dfe/voids.csv", 2)
        assert (sent / "voids.csv").read_bytes() == b"123"


def test_why_an_upload_was_refused_lies_in_the_mailbox_at_once(tmp_path):
    from sftp.server.bounds import Bounds

    with port_of("ours", tmp_path, Bounds(file_bytes=1 << 20)) as port:
        (tmp_path / "large.csv").write_bytes(b"x" * ((1 << 20) + 1))
        (tmp_path / "mine.csv").write_bytes(b"x")
        for command in (
            f"put {tmp_path / 'large.csv'} to-dfe/large.csv",
            f"put {tmp_path / 'mine.csv'} to-dfe/=cmd.csv",
            f"put {tmp_path / 'mine.csv'} mine.csv",
            f"put {tmp_path / 'mine.csv'} mine.csv",
            f"put {tmp_path / 'mine.csv'} to-dfe/ok.csv\nrename to-dfe/ok.csv to-dfe/con.csv",
        ):
            assert port.client.sftp(command, check=False).returncode != 0
        with port.client.paramiko() as sftp:
            told = sftp.open("from-dfe/refused.csv").read().decode()
            assert not told.startswith("\ufeff")
        rows = list(csv.DictReader(told.splitlines()))
        assert [(row["file_name"], row["reason"]) for row in rows] == [
            ("large.csv", "A file has at most 1 MiB: split it."),
            ("'=cmd.csv", "A file's name does not start with = + - or @: a spreadsheet would take it for a formula."),
            ("mine.csv", "Only files in to-dfe can be changed, and it has no folders."),
            ("con.csv", "This name is a device on Windows: choose another."),
        ]
        assert abs(datetime.fromisoformat(rows[-1]["refused_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_is_refused_at_the_close_is_told_there_too_and_no_link_is_followed(tmp_path):
    with port_of("ours", tmp_path) as port, port.client.paramiko() as sftp:
        (tmp_path / "secret").write_text("refused_at,file_name,reason\nSECRET,SECRET,SECRET\n")
        (port.mailbox / "from-dfe" / "refused.csv").symlink_to(tmp_path / "secret")
        handle = sftp.open("to-dfe/gap.csv", "wb")
        handle.seek(100)
        handle.write(b"end")
        handle.close()  # paramiko does not look
        told = (port.mailbox / "from-dfe" / "refused.csv").read_text()
        assert "gap.csv" in told and "has a gap" in told and "SECRET" not in told
        assert "gap.csv" not in (tmp_path / "secret").read_text()


def test_an_open_upload_that_is_removed_or_renamed_is_gone_or_has_its_new_name(tmp_path):
    with port_of("ours", tmp_path) as port, port.client.paramiko() as sftp:
        handle = sftp.open("to-dfe/gone.csv", "wb")
        handle.write(b"half")
        sftp.remove("to-dfe/gone.csv")
        handle.close()
        handle = sftp.open("to-dfe/a.part", "wb")
        handle.write(b"whole")
        sftp.rename("to-dfe/a.part", "to-dfe/a.csv")
        assert sftp.stat("to-dfe/a.csv").st_size == 5
        handle.close()
        assert {path.name: path.read_bytes() for path in (port.mailbox / "to-dfe").iterdir()} == {"a.csv": b"whole"}
        assert not port.uploading


def test_a_name_in_latin_1_is_refused_with_words_there_too(tmp_path):
    with port_of("ours", tmp_path) as port, port.client.paramiko() as sftp:
        with pytest.raises(OSError, match="set your program to UTF-8"):
            sftp._request(paramiko.sftp.CMD_OPEN, b"to-dfe/d\xe9clarations.csv", 0x1A, paramiko.SFTPAttributes())
        told = sftp.open("from-dfe/refused.csv").read().decode()
        assert "déclarations.csv" in told and "set your program to UTF-8" in told


def test_only_the_last_200_refusals_are_kept(tmp_path):
    from sftp.local import LocalMailbox
    from sftp.refusals import Refusal

    box = LocalMailbox(tmp_path)
    box.prepare()
    for number in range(205):
        box.add_refusals([Refusal(1_764_000_000 + number, f"f{number}.csv", "Because, it is said, “so”.")])
    lines = (tmp_path / "from-dfe" / "refused.csv").read_text().splitlines()
    assert (len(lines), lines[1].split(",")[1], lines[-1].split(",")[1]) == (201, "f5.csv", "f204.csv")
    assert lines[1].startswith("2025-11-24T") and lines[1].endswith(',"Because, it is said, “so”."')


def test_host_keys_are_made_once_and_are_two(tmp_path):
    from sftp.keys import host_keys

    first = [(key.get_name(), key.fingerprint) for key in host_keys(tmp_path)]
    assert [name for name, _ in first] == ["ssh-ed25519", "ssh-rsa"]
    assert first == [(key.get_name(), key.fingerprint) for key in host_keys(tmp_path)]
    assert write_new_key(tmp_path / "id").startswith("ssh-ed25519 ")
