"""What lies on disk is for its user alone, what operators read moves no cursor, and a copy is what was copied."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from flows.clock import instant
from flows.errors import ExchangeError
from flows.installation import open_installation
from flows.rounds.intake import intake_round
from flows.rounds.statements import statements_round
from flows.settings import Settings
from flows.upkeep.backup import backup
from flows.upkeep.housekeeping import housekeeping
from flows.upkeep.restore import restore
from schemas.outbound.defusing import neutralised
from schemas.showing import in_markdown
from sftp.accounts import parse_key
from sftp.keys import write_new_key
from sftp.local import LocalMailbox
from templates.operators import intake_report
from tests.conftest import NOW
from tests.exchange.servers import port_of


def open_to_others(folder):
    return [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.lstat().st_mode & 0o077]


@pytest.fixture
def loose():
    """Whatever a shell's mask is."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.slow
def test_everything_that_is_made_is_its_users_alone(sample, tmp_path, loose):
    home = tmp_path / "fresh"
    home.mkdir()
    environment = {**os.environ, "ECTX_HOME": str(home), "ECTX_SECONDS_BETWEEN_LOOKS": "0"}

    def ectx(*arguments):
        command = [
            sys.executable,
            "-c",
            "import os; os.umask(0o022); from flows.commands.main import main; main()",
            *arguments,
        ]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    ectx("records", "import", str(sample), "--as-of", "2026-11-20T09:00:00Z")
    with open_installation(Settings(home=home)) as installation:
        provider = installation.lead_providers()[0]
        installation.mailbox(provider.slug)
    write_new_key(tmp_path / "id")
    (tmp_path / "id.pub").write_text(write_new_key(tmp_path / "id") + "\n")
    ectx("provider", "add", provider.slug, "--key", str(tmp_path / "id.pub"))
    (home / "mailboxes" / provider.slug / "to-dfe" / "voids.csv").write_text("declaration_id\nx\n")
    ectx("intake", "--as-of", NOW)
    ectx("statements", "--as-of", NOW)
    ectx("backup", str(tmp_path / "copy"))
    (home / "mailboxes" / provider.slug / "to-dfe").chmod(0o700)
    assert open_to_others(home) == []
    assert open_to_others(tmp_path / "copy") == []


@pytest.mark.slow
def test_over_openssh_what_is_delivered_is_its_groups_to_read(installation, provider, tmp_path):
    """As `setup.sh` made it: folders 2750, files 0640, whatever the mask of the round that delivers."""
    with port_of("openssh", tmp_path) as port:
        own = installation.settings.mailboxes_folder / provider.slug
        shutil.rmtree(own, ignore_errors=True)
        own.parent.mkdir(exist_ok=True)
        own.symlink_to(port.mailbox)
        (port.mailbox / "to-dfe" / "voids.csv").write_text("declaration_id\nx\n")
        os.umask(0o077)
        intake_round(installation, instant(NOW))
        statements_round(installation, instant(NOW))
        delivered = [path for path in (port.mailbox / "from-dfe").rglob("*") if path.name != "from-dfe"]
        group = (port.mailbox / "from-dfe").stat().st_gid
        assert {path.stat().st_gid for path in delivered} == {group}
        assert {stat.S_IMODE(path.stat().st_mode) for path in delivered if path.is_dir()} == {0o2750}
        assert {stat.S_IMODE(path.stat().st_mode) for path in delivered if path.is_file()} == {0o640}
        got = tmp_path / "got"
        got.mkdir()
        port.client.sftp(f"get -r from-dfe {got}/")
        assert len([p for p in got.rglob("*") if p.is_file()]) == len([p for p in delivered if p.is_file()]) > 3


def test_rights_are_set_by_name(tmp_path):
    (tmp_path / "from-dfe").mkdir()
    (tmp_path / "from-dfe").chmod(0o2750)
    source = tmp_path / "source"
    source.mkdir()
    (source / "receipt.json").write_text("{}")
    for mask in (0o000, 0o022, 0o077):
        os.umask(mask)
        box = LocalMailbox(tmp_path)
        box.deliver(f"from-dfe/receipts/{mask}", source, "receipt.json")
        box.put(f"from-dfe/forecast/{mask}.csv", b"x")
        made = [tmp_path / "from-dfe" / "receipts" / str(mask), tmp_path / "from-dfe" / "forecast"]
        files = [made[0] / "receipt.json", made[1] / f"{mask}.csv"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in (*made, *files)] == [0o2750, 0o2750, 0o640, 0o640]


@pytest.fixture
def copied(installation, provider, tmp_path):
    installation.mailbox(provider.slug)
    (installation.settings.mailboxes_folder / provider.slug / "to-dfe" / "voids.csv").write_text("declaration_id\nx\n")
    installation.accounts.add_key(provider.slug, write_new_key(tmp_path / "id"))
    intake_round(installation, instant(NOW))
    backup(installation, tmp_path / "copy", instant(NOW))
    return tmp_path / "copy"


@pytest.mark.parametrize(
    "what", ["keys/*/authorized_keys", "uploads/*/*", "outbox/*/receipt.json", "records.db", "files.csv"]
)
def test_a_copy_that_was_changed_is_not_restored(copied, tmp_path, what):
    (path, *_) = copied.glob(what)
    path.write_bytes(path.read_bytes() + b"\nssh-ed25519 AAAA evil\n")
    with pytest.raises(ExchangeError, match="not what was copied"):
        restore(copied, Settings(home=tmp_path / "new"))
    assert not (tmp_path / "new" / "records.db").exists()


def test_what_was_put_into_a_copy_is_not_restored(copied, provider, tmp_path):
    (copied / "keys" / provider.slug / "authorized_keys2").write_text("evil")
    (copied / "keys" / "evil").mkdir()
    (copied / "keys" / "evil" / "authorized_keys").write_text("evil")
    restore(copied, Settings(home=tmp_path / "new"))
    assert [path.name for path in (tmp_path / "new" / "keys").rglob("*") if path.is_file()] == ["authorized_keys"]


@pytest.mark.parametrize("where", ["a file in the copy", "a folder in the copy", "a folder in the home"])
def test_restore_follows_no_link(copied, tmp_path, where):
    secret = tmp_path / "secret"
    home = tmp_path / "new"
    if where == "a file in the copy":
        (path, *_) = copied.glob("keys/*/authorized_keys")
        secret.write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(secret)
    elif where == "a folder in the copy":
        shutil.move(copied / "keys", secret)
        (copied / "keys").symlink_to(secret)
    else:
        home.mkdir()
        secret.mkdir()
        (home / "keys").symlink_to(secret)
    with pytest.raises(ExchangeError, match="link"):
        restore(copied, Settings(home=home))
    assert where != "a folder in the home" or list(secret.iterdir()) == []


def test_a_copy_into_an_earlier_one_reads_only_what_is_new(installation, copied, tmp_path):
    backup(installation, copied, instant(NOW))
    restore(copied, Settings(home=tmp_path / "new"))


def test_a_copy_that_is_not_whole_leaves_nothing_and_its_leftovers_are_not_taken_over(copied, provider, tmp_path):
    evil = shutil.copytree(copied, tmp_path / "evil")
    (path, *_) = evil.glob("uploads/*/*")
    path.write_bytes(b"changed")
    home = Settings(home=tmp_path / "new")
    with pytest.raises(ExchangeError, match="not what was copied"):
        restore(evil, home)
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == []
    (tmp_path / "new" / "keys" / "harbour").mkdir(parents=True)
    (tmp_path / "new" / "keys" / "harbour" / "authorized_keys").write_text("left over")
    with pytest.raises(ExchangeError, match="not of this copy"):
        restore(copied, home)


def test_a_copy_of_an_earlier_version_is_told(copied, tmp_path):
    (copied / "backup.json").write_text('{"form": 1, "records_sha256": "x"}')
    with pytest.raises(ExchangeError, match="earlier version"):
        restore(copied, Settings(home=tmp_path / "new"))


def test_a_copy_goes_into_a_folder_of_its_own_and_copies_something(installation, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    (tmp_path / "shared" / "theirs.txt").write_text("x")
    with pytest.raises(ExchangeError, match="other things"):
        backup(installation, tmp_path / "shared", instant(NOW))
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755
    with (
        open_installation(Settings(home=tmp_path / "mistyped")) as empty,
        pytest.raises(ExchangeError, match="holds no records"),
    ):
        backup(empty, tmp_path / "copy", instant(NOW))


def test_setup_gives_what_was_delivered_before_to_its_provider(tmp_path):
    with port_of("openssh", tmp_path) as port:
        folder = port.mailbox / "from-dfe" / "receipts" / "before"
        folder.mkdir(mode=0o700)
        (folder / "receipt.json").write_text("{}")
        (folder / "receipt.json").chmod(0o600)
        subprocess.run([tmp_path / "sshd" / "setup.sh"], check=True, capture_output=True)
        assert port.client.sftp(f"get from-dfe/receipts/before/receipt.json {tmp_path / 'got'}").returncode == 0


def test_a_bad_setting_is_one_line(home):
    for name, value in (("ECTX_MAX_STORE_MEBIBYTES", "0"), ("ECTX_SFTP_PORT", "22000000")):
        command = [sys.executable, "-c", "from flows.commands.main import main; main()", "provider", "list"]
        done = subprocess.run(
            command,
            env={**os.environ, "ECTX_HOME": str(home), name: value},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and name in done.stderr


def test_the_audit_log_is_kept_as_long_as_the_settings_say(home):
    with open_installation(Settings(home=home, keep_audit_days=30)) as installation:
        logs = home / "logs"
        logs.mkdir(exist_ok=True)
        for name in (
            "sftp-audit-2026-11-01.jsonl",
            "sftp-audit-2026-11-01.2.jsonl",
            "sftp-audit-2026-12-10.jsonl",
            "flows.log",
        ):
            (logs / name).write_text("x")
        housekeeping(installation, instant(NOW))
        assert sorted(path.name for path in logs.iterdir()) == ["flows.log", "sftp-audit-2026-12-10.jsonl"]


FORMULAS = [
    "=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "﹦1",
    "\u200b=1",
    "\ufeff=1",
    "\u00ad=1",
    "\u2060 =1",
    "\t=1",
    "\u00a0=1",
    "\u3164=1",
    "\u202e=1",
    "\ufe0f=1",
]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_in_any_clothes_is_defused_and_comes_back(text):
    from schemas.inbound.reading import Limits, read_sheet
    from schemas.kinds import KINDS

    told = pl.select(neutralised(pl.lit(text)))["literal"][0]
    assert told == "'" + text
    sheet = read_sheet(f'declaration_id,your_reference\nx,"{told}"\n'.encode(), KINDS["voids"], Limits())
    assert sheet.values["your_reference"][0] == text.strip() or sheet.values["your_reference"][0] == text


@pytest.mark.parametrize("text", ["a=1", "North & South", "1-2", "é=", "'=1"])
def test_what_is_no_formula_stays_as_it_is(text):
    assert pl.select(neutralised(pl.lit(text)))["literal"][0] == text


def test_names_of_unknown_columns_are_defused_too(installation, provider):
    installation.mailbox(provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug
    (box / "to-dfe" / "voids.csv").write_text("declaration_id,=cmd()\nx,y\n")
    intake_round(installation, instant(NOW))
    (results,) = box.glob("from-dfe/receipts/*/results.csv")
    assert results.read_text().splitlines()[0].endswith("declaration_id,'=cmd()")


def test_operators_markdown_escapes_names(installation, provider):
    evil = "A|B `c` <script>x</script> [l](https://evil.example) *b* \x1b[31m\u202e"
    said = in_markdown(evil)
    assert (
        "\x1b" not in said and "\u202e" not in said and "<script" not in said.replace("\\<", "") and "://" not in said
    )
    installation.mailbox(provider.slug)
    (installation.settings.mailboxes_folder / provider.slug / "to-dfe" / "voids.csv").write_text("declaration_id\nx\n")
    report = intake_report(intake_round(installation, instant(NOW)), {provider.lead_provider_id: evil})
    (row,) = [line for line in report.splitlines() if "evil" in line]
    assert row.replace("\\|", "").count("|") == 8


def test_a_keys_comment_moves_no_cursor(tmp_path):
    line = write_new_key(tmp_path / "id") + " \x1b[2Jevil\u202e\x07comment"
    assert parse_key(line).comment == "[2Jevilcomment"
    assert parse_key(line).line.isprintable()


def test_a_refusal_in_somebody_elses_words_moves_no_cursor(home):
    command = [
        sys.executable,
        "-c",
        "from flows.commands.main import main; main()",
        "provider",
        "key",
        "list",
        "\x1b[2J\u202ex",
    ]
    done = subprocess.run(
        command, env={**os.environ, "ECTX_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "\x1b" not in done.stderr and "\u202e" not in done.stderr
    assert Path(home).is_dir()


def test_no_file_in_a_mailbox_stops_a_copy(installation, provider, tmp_path):
    """A name that is not UTF-8, with a line break, a quote: carried. One that its sender's rights keep from us: left."""
    installation.mailbox(provider.slug)
    box = installation.settings.mailboxes_folder / provider.slug / "to-dfe"
    for name in (b"voids-\xff.csv.sha256", b'voids-"\n,.csv.sha256', "voids-é.csv.sha256".encode()):
        (Path(os.fsdecode(os.fsencode(box) + b"/" + name))).write_text("x")
    backup(installation, tmp_path / "copy", instant(NOW))
    restore(tmp_path / "copy", Settings(home=tmp_path / "new"))
    there = tmp_path / "new" / "mailboxes" / provider.slug / "to-dfe"
    assert sorted(os.listdir(os.fsencode(there))) == sorted(os.listdir(os.fsencode(box)))
