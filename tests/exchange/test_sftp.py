"""Real SFTP, both ways: providers to our server with OpenSSH's client; our flows to a service of mailboxes."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest

from flows.clock import instant
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from schemas.slugs import slug
from sftp.mailbox import MailboxError
from tests.conftest import NOW
from tests.exchange.provider import acceptable_rows, box, put, receipts
from tests.exchange.servers import SERVICES, mailbox_service, our_server

AT = instant(NOW)


def test_a_provider_uploads_and_collects_with_openssh(installation, home, tmp_path):
    provider = installation.lead_providers()[0]
    path = tmp_path / "declarations.csv"
    path.write_text(acceptable_rows(installation, provider).head(2).write_csv())
    with our_server(home / "mailboxes", tmp_path, provider.slug) as (_, client, _):
        client.sftp(f"put {path} to-dfe/\nls -l to-dfe")
        intake_round(installation, AT)
        receipt = receipts(installation, provider)["declarations.csv"]
        client.sftp(f"get from-dfe/receipts/{receipt['submission_id']}/receipt.json {tmp_path / 'got.json'}")
    assert (tmp_path / "got.json").read_bytes() == (receipt["folder"] / "receipt.json").read_bytes()
    assert receipt["status"] == "accepted"


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.slow
def test_flows_work_the_same_over_an_sftp_service(kind, small_home, tmp_path):
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    local = Settings(home=home, seconds_between_looks=0)
    with open_installation(local) as installation, mailbox_service(kind, tmp_path) as (url, key, hosts):
        provider = installation.lead_providers()[0]
        rows = acceptable_rows(installation, provider)
        put(installation, provider, "declarations.csv", rows.head(3).write_csv())
        far = local.model_copy(
            update={"mailboxes": f"{url}{home / 'mailboxes'}", "sftp_key": key, "sftp_known_hosts": hosts}
        )
        with open_installation(far) as remote:
            done = intake_round(remote, AT)
            assert (done.troubles, done.delivered) == ([], 1)
            assert statements_round(remote, AT).troubles == []
        assert receipts(installation, provider)["declarations.csv"]["rows"]["accepted"] == 3
        assert list((box(installation, provider) / "to-dfe").iterdir()) == []
        assert list(box(installation, provider).glob("from-dfe/statements/*/*/v01-open/manifest.json"))


def test_an_unknown_host_key_is_refused(home, tmp_path):
    with mailbox_service("paramiko", tmp_path) as (url, key, hosts):
        hosts.write_text("")
        far = Settings(home=home, mailboxes=f"{url}{home}", sftp_key=key, sftp_known_hosts=hosts)
        with open_installation(far) as installation, pytest.raises(MailboxError, match="not found in known_hosts"):
            installation.mailbox("alder")


@pytest.mark.parametrize(
    ("name", "folder"), [("Alder Teaching Institute", "alder-teaching-institute"), ("  É&Co. Ltd ", "e-co-ltd")]
)
def test_a_mailbox_is_named_by_the_providers_slug(name, folder):
    assert slug(name) == folder


def test_who_makes_sure_of_an_upload_finds_it_though_it_was_taken(installation, home, tmp_path):
    """Clients ask for size and times once they have closed a file, which may have gone by then. Only who sent it, and nobody for long."""
    provider = installation.lead_providers()[0]
    there = home / "mailboxes" / provider.slug / "to-dfe"
    with (
        our_server(home / "mailboxes", tmp_path, provider.slug) as (_, client, _),
        paramiko.Transport(("127.0.0.1", client.port)) as transport,
    ):
        key = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "id"))
        transport.connect(username=provider.slug, pkey=key)
        session, other = (paramiko.SFTPClient.from_transport(transport) for _ in range(2))
        assert session and other
        with session.open("to-dfe/voids.csv", "wb") as handle:
            handle.write(b"declaration_id\n")
        (there / "voids.csv").unlink()  # as intake does
        assert session.stat("to-dfe/voids.csv").st_size == 15
        session.utime("to-dfe/voids.csv", (1, 1))
        assert session.listdir("to-dfe") == []
        with pytest.raises(FileNotFoundError):
            other.stat("to-dfe/voids.csv")
        with session.open("to-dfe/deferrals.csv", "wb") as handle:
            handle.write(b"x\n")
        session.rename("to-dfe/deferrals.csv", "to-dfe/deferrals-2.csv")
        with pytest.raises(FileNotFoundError):
            session.stat("to-dfe/deferrals.csv")
        session.remove("to-dfe/deferrals-2.csv")
        with pytest.raises(FileNotFoundError):
            session.stat("to-dfe/deferrals-2.csv")


@pytest.mark.parametrize("kind", ["folder", "paramiko"])
@pytest.mark.parametrize("content", [b"as it is", None])
def test_what_was_cut_off_with_other_content_does_not_stay(kind, content, home, tmp_path):
    """A page was being written when its round was killed; the next finds that it is to be what it was, or not at all."""
    settings, opened = Settings(home=home), ExitStack()
    if kind == "paramiko":
        (home / "mailboxes").mkdir(exist_ok=True)
        url, key, hosts = opened.enter_context(mailbox_service("paramiko", tmp_path))
        settings = Settings(home=home, mailboxes=f"{url}{home}/mailboxes", sftp_key=key, sftp_known_hosts=hosts)
    with opened, open_installation(settings) as installation:
        mailbox, there = installation.mailbox("alder"), home / "mailboxes" / "alder" / "from-dfe"
        mailbox.put("from-dfe/start-here.html", b"as it is")
        (there / ".start-here.html.tmp").write_bytes(b"as it")
        mailbox.put_or_remove("from-dfe/start-here.html", content)
        assert [path.name for path in there.iterdir() if "start-here" in path.name] == (
            ["start-here.html"] if content else []
        )
