"""A home of practice with small made-up records, and a lead provider who practises."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.home import mark
from flows.installation import Installation, LeadProvider, open_installation
from flows.practice.mailboxes import opened
from flows.practice.turns import practice_round
from flows.settings import Settings
from schemas.reports import IntakeRound


@pytest.fixture(scope="session")
def practice_home(filled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lead provider's mailbox is begun. Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("practice") / "home"
    mark(home)
    shutil.copy(filled_home / "records.db", home / "records.db")
    with open_installation(Settings(home=home, practice=True)) as installation:
        with installation.database.write() as connection:
            # Two quarters of statements not paid yet: a round is quick.
            connection.exec_driver_sql("UPDATE statements SET status = 'paid' WHERE year * 100 + month > 202704")
        installation.accounts.allow(installation.lead_providers()[0].slug)
        assert practice_round(installation, None).troubles == []
    return home


@dataclass
class Practising:
    """A practice service, seen by one lead provider and by a test."""

    home: Installation
    provider: LeadProvider

    @property
    def box(self) -> Path:
        return self.home.settings.home / "mailboxes" / self.provider.slug

    def send(self, name: str, content: bytes | str = b"") -> None:
        self.home.mailbox(self.provider.slug)
        (self.box / "to-dfe" / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def round(self, as_of: datetime | None = None) -> IntakeRound:
        done = practice_round(self.home, as_of)
        assert done.troubles == []
        return done

    def sent(self, name: str, content: bytes | str = b"") -> dict[str, Any]:
        """Send a file, and return its receipt."""
        self.send(name, content)
        self.round()
        return self.receipt(name)

    def receipt(self, name: str) -> dict[str, Any]:
        """The last receipt of a file of this name."""
        return [each for each in self.receipts() if each["file_name"] == name][-1]

    def receipts(self) -> list[dict[str, Any]]:
        read = [json.loads(path.read_text()) for path in self.box.glob("from-dfe/receipts/*/receipt.json")]
        return sorted(read, key=lambda each: (each["processed_at"], each["file_name"]))

    def statements(self) -> dict[str, dict[str, Any]]:
        """Manifests by the path of their folder."""
        folder = self.box / "from-dfe" / "statements"
        found = sorted(folder.glob("*/*/v*/manifest.json"))
        return {path.parent.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in found}

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Of the mailbox's own records."""
        with opened(self.home, self.provider.slug) as mailbox, mailbox.database.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.fixture
def practising(practice_home: Path, tmp_path: Path) -> Iterator[Practising]:
    home = Path(shutil.copytree(practice_home, tmp_path / "practice"))
    with open_installation(Settings(home=home, practice=True, seconds_between_looks=0)) as installation:
        yield Practising(installation, installation.lead_providers()[0])
