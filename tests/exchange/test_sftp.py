"""Real SFTP, both ways: providers to our server with OpenSSH's client; our flows to a service of mailboxes."""

import os
import shutil
import socket
from pathlib import Path

import paramiko
import pytest

from flows.clock import instant
from flows.house import open_house
from flows.intake import intake_round
from flows.settings import Settings
from flows.statements import statements_round
from sftp.accounts import Accounts, KeyRefused
from sftp.mailbox import MailboxError, slug
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts
from tests.exchange.servers import SERVICES, mailbox_service, our_server

AT = instant(NOW)


def test_a_provider_uploads_and_collects_with_openssh(house, home, tmp_path):
    provider = house.lead_providers()[0]
    path = tmp_path / "declarations.csv"
    path.write_text(acceptable_rows(house, provider).head(2).write_csv())
    with our_server(home / "mailboxes", tmp_path, provider.slug) as (_, client, _):
        client.sftp(f"put {path} to-dfe/\nls -l to-dfe")
        intake_round(house, AT)
        receipt = receipts(house, provider)["declarations.csv"]
        client.sftp(f"get from-dfe/receipts/{receipt['submission_id']}/receipt.json {tmp_path / 'got.json'}")
    assert (tmp_path / "got.json").read_bytes() == (receipt["folder"] / "receipt.json").read_bytes()
    assert receipt["status"] == "accepted"


@pytest.fixture
def jail(tmp_path):
    (tmp_path / "mailboxes" / "beacon" / "to-dfe").mkdir(parents=True)
    (tmp_path / "mailboxes" / "beacon" / "to-dfe" / "theirs.csv").write_text("secret\n")
    (tmp_path / "outside.txt").write_text("secret\n")
    (tmp_path / "mine.csv").write_text("mine\n")
    with our_server(tmp_path / "mailboxes", tmp_path, "alder") as (_, client, accounts):
        client.sftp("ls")
        yield tmp_path, client, accounts


ESCAPES = [
    "get ../beacon/to-dfe/theirs.csv {0}/got",
    "get /../../outside.txt {0}/got",
    "get to-dfe/link.txt {0}/got",
    "get to-dfe/folder/outside.txt {0}/got",
    "put {0}/mine.csv from-dfe/mine.csv",
    "put {0}/mine.csv /mine.csv",
    "put {0}/mine.csv ../beacon/to-dfe/mine.csv",
    "rm from-dfe/index.csv",
    "rename to-dfe/ok.csv ../beacon/to-dfe/x.csv",
    "rename from-dfe/index.csv to-dfe/index.csv",
    "mkdir to-dfe/new",
    "symlink /etc to-dfe/etc",
    "ls .taking",
]


@pytest.mark.parametrize("command", ESCAPES)
def test_the_jail_does_not_open(jail, command):
    folder, client, _ = jail
    mailbox = folder / "mailboxes" / "alder"
    (mailbox / "from-dfe" / "index.csv").write_text("index\n")
    (mailbox / "to-dfe" / "ok.csv").write_text("ok\n")
    os.symlink(folder / "outside.txt", mailbox / "to-dfe" / "link.txt")
    os.symlink(folder, mailbox / "to-dfe" / "folder")
    assert client.sftp(command.format(folder), check=False).returncode != 0
    assert not (folder / "got").exists()
    assert {p.name for p in (folder / "mailboxes" / "beacon" / "to-dfe").iterdir()} == {"theirs.csv"}
    assert {p.name for p in (mailbox / "from-dfe").iterdir() if p.is_file()} == {"index.csv"}
    assert {p.name for p in mailbox.iterdir()} == {"to-dfe", "from-dfe", ".taking"}


def test_a_key_counts_only_while_it_is_listed(jail):
    folder, client, accounts = jail
    accounts.remove_key("alder", accounts.keys("alder")[0].fingerprint)
    assert client.sftp("ls", check=False).returncode != 0
    accounts.add_key("alder", (folder / "id").read_text() and _public(folder))
    assert client.sftp("ls").returncode == 0


def _public(folder):
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "id"))
    return f"ssh-ed25519 {key.get_base64()} again"


def test_only_ed25519_keys_are_taken(tmp_path):
    rsa = paramiko.RSAKey.generate(2048)
    for line in (f"ssh-rsa {rsa.get_base64()}", "ssh-ed25519 AAAA", "nonsense", ""):
        with pytest.raises(KeyRefused):
            Accounts(tmp_path).add_key("alder", line)


def test_no_shell_and_no_password(jail):
    folder, client, _ = jail
    key = paramiko.Ed25519Key.from_private_key_file(str(client.key))
    with paramiko.Transport(("127.0.0.1", client.port)) as transport:
        transport.connect(username="alder", pkey=key)
        channel = transport.open_session()
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("id")
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
    with paramiko.Transport(("127.0.0.1", client.port)) as transport, pytest.raises(paramiko.BadAuthenticationType):
        transport.connect(username="alder", password="alder")


def test_an_upload_cut_short_never_looks_whole(jail):
    folder, client, _ = jail
    key = paramiko.Ed25519Key.from_private_key_file(str(client.key))
    transport = paramiko.Transport(("127.0.0.1", client.port))
    transport.connect(username="alder", pkey=key)
    sftp = paramiko.SFTPClient.from_transport(transport)
    handle = sftp.open("to-dfe/declarations.csv", "wb")
    handle.write(b"half of it")
    handle.flush()
    transport.close()
    to_dfe = folder / "mailboxes" / "alder" / "to-dfe"
    client.sftp("ls")
    assert all(path.name.startswith(".") for path in to_dfe.iterdir())


def test_garbage_on_the_port_hurts_nobody(jail):
    _, client, _ = jail
    for rubbish in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 1000, b"SSH-2.0-x\r\n" + b"\xff" * 100):
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(rubbish)
    assert client.sftp("ls").returncode == 0


@pytest.mark.parametrize("kind", SERVICES)
def test_flows_work_the_same_over_an_sftp_service(kind, small_home, tmp_path):
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    local = Settings(home=home, seconds_between_looks=0)
    with open_house(local) as house, mailbox_service(kind, tmp_path) as (url, key, hosts):
        provider = house.lead_providers()[0]
        rows = acceptable_rows(house, provider)
        put(house, provider, "declarations.csv", rows.head(3).write_csv())
        far = local.model_copy(
            update={"mailboxes": f"{url}{home / 'mailboxes'}", "sftp_key": key, "sftp_known_hosts": hosts}
        )
        with open_house(far) as remote:
            done = intake_round(remote, AT)
            assert (done.troubles, done.delivered) == ([], 1)
            assert statements_round(remote, AT).troubles == []
        assert receipts(house, provider)["declarations.csv"]["rows"]["accepted"] == 3
        assert list((box(house, provider) / "to-dfe").iterdir()) == []
        assert list(box(house, provider).glob("from-dfe/statements/*/*/v01-open/manifest.json"))


def test_an_unknown_host_key_is_refused(home, tmp_path):
    with mailbox_service("paramiko", tmp_path) as (url, key, hosts):
        hosts.write_text("")
        far = Settings(home=home, mailboxes=f"{url}{home}", sftp_key=key, sftp_known_hosts=hosts)
        with open_house(far) as house, pytest.raises(MailboxError, match="not found in known_hosts"):
            house.mailbox("alder")


@pytest.mark.parametrize(
    ("name", "folder"), [("Alder Teaching Institute", "alder-teaching-institute"), ("  É&Co. Ltd ", "e-co-ltd")]
)
def test_a_mailbox_is_named_by_the_providers_slug(name, folder):
    assert slug(name) == folder
