"""`ectx serve` for practice: over real SFTP, on schedules, a person rehearses from one deadline to the next."""

import json
import shutil
import signal

import pytest

from flows.installation import open_installation
from flows.settings import Settings
from sftp.keys import host_key, write_new_key
from tests.exchange.provider import acceptable_rows
from tests.exchange.servers import Client, pinned
from tests.operators.test_serve import environment, free_port, serving, wait_for


@pytest.fixture
def service(practice_home, tmp_path):
    home = shutil.copytree(practice_home, tmp_path / "home")
    ui_port, sftp_port = free_port(), free_port()
    with open_installation(Settings(home=home, practice=True)) as installation:
        provider = installation.lead_providers()[0]
        installation.accounts.add_key(provider.slug, write_new_key(tmp_path / "id"))
        rows = acceptable_rows(installation, provider).head(3).write_csv()
        known = pinned(tmp_path, sftp_port, host_key(home / "host_key"))
    settings = environment(home, ui_port, sftp_port) | {"ECTX_PRACTICE": "true"}
    with (tmp_path / "stderr.txt").open("w") as errors:
        process, lines = serving(settings, errors)
    try:
        yield Client(tmp_path / "id", known, provider.slug, sftp_port), home / "mailboxes" / provider.slug, rows, lines
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.slow
def test_from_a_declaration_to_its_payment_and_afresh(service, tmp_path):
    client, box, rows, lines = service
    assert lines[0].startswith("PRACTICE: made-up records.")

    def sent(name: str, content: str = "") -> dict:
        (tmp_path / name).write_text(content)
        client.sftp(f'put "{tmp_path / name}" to-dfe/')
        found = wait_for(lambda: [each for each in _receipts(box) if each["file_name"] == name], 120)
        return found[-1]

    assert sent("declarations@2026-12-14T10-00-00Z.csv", rows)["rows"]["accepted"] == 3
    assert sent("statements@2027-01-25.csv")["practice"] is True
    client.sftp(f'get from-dfe/start-here.html "{tmp_path}/"')
    assert "25 January 2027" in (tmp_path / "start-here.html").read_text()
    paid = list(box.glob("from-dfe/statements/*/2027-01/*-paid/manifest.json"))
    assert paid and all(json.loads(path.read_text())["practice"] for path in paid)
    assert sent("reset.csv")["status"] == "accepted"
    assert list(box.glob("from-dfe/statements/*/2027-01/*-paid")) == []
    assert sent("declarations@2026-12-14T10-00-00Z.csv", rows)["status"] == "accepted"


def _receipts(box) -> list[dict]:
    read = []
    for path in box.glob("from-dfe/receipts/*/receipt.json"):
        try:
            read.append(json.loads(path.read_text()))
        except FileNotFoundError:  # a reset takes it away
            continue
    return read
