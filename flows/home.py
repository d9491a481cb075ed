"""The home of a practice service: marked as such from its first day, so that it and a real one are never taken for each other.

HOME/records.db            the made-up records that every mailbox starts from
HOME/practice/READ-ME.txt  the mark
HOME/practice/SLUG/        an installation of its own for each mailbox: its records, its ledger, its store
HOME/mailboxes/, keys/     as in any home
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from flows.errors import ExchangeError
from flows.settings import Settings

FOLDER, MARK, RECORDS = "practice", "READ-ME.txt", "records.db"
_MARK_SAYS = """This home is for practice (ECTX_PRACTICE=true): everything in it is made up, and may be thrown away.
Each folder here holds the records of one mailbox. An empty file reset.csv, sent to the mailbox, makes them anew.
"""
# What a service that was ever used for real has in its home, whatever database it keeps its records in.
_OF_A_REAL_ONE = ("mailboxes", "keys", "uploads", "outbox", "arrivals")


class OfOneMailbox(Settings):
    """Of one practice mailbox, whose home is a folder of the service's."""

    @property
    def keys_folder(self) -> Path:
        return self.home.resolve().parent.parent / "keys"

    @property
    def journal_folder(self) -> Path:
        return self.home.resolve().parent.parent / "arrivals"


def settled(settings: Settings) -> Settings:
    """The settings to open an installation by: as they are, or those of one practice mailbox where they name its home. Marks a new
    home of practice. Raises ExchangeError (PRACTICE-HOME, PRACTICE-APART, REAL-RECORDS) before anything is made or changed.
    """
    home = settings.home.resolve()
    mailbox = home.parent.name == FOLDER and (home.parent / MARK).is_file()
    is_marked = (home / FOLDER / MARK).is_file()
    if not settings.practice:
        if is_marked or mailbox:
            advice = "Set ECTX_PRACTICE=true to use it, or ECTX_HOME to another folder."
            raise ExchangeError("PRACTICE-HOME", f"{settings.home} is a home for practice.", advice)
        return settings
    if mailbox:
        if not (home / RECORDS).is_file():
            raise ExchangeError(
                "NO-PROVIDER", f"There is no practice mailbox {home.name}.", "See `ectx provider list`."
            )
        return of_mailbox(settings, home.parent.parent, home.name)
    if settings.database_url or settings.mailboxes or settings.store:
        raise ExchangeError(
            "PRACTICE-APART",
            "Practice keeps all that it has in its own home, apart from every real database, mailbox and store.",
            "Unset ECTX_DATABASE_URL, ECTX_MAILBOXES and ECTX_STORE for it.",
        )
    if not is_marked:
        if why := _why_real(home):
            raise ExchangeError(
                "REAL-RECORDS",
                f"{settings.home} is not a home for practice: {why}.",
                "Set ECTX_HOME to an empty folder.",
            )
        mark(home)
    return settings


def mark(home: Path) -> None:
    """Make a folder a home of practice."""
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    (home / FOLDER / MARK).write_text(_MARK_SAYS, encoding="utf-8")


def of_mailbox(settings: Settings, home: Path, slug: str) -> OfOneMailbox:
    """The settings of one mailbox of the practice service whose home this is."""
    own = {"home": home / FOLDER / slug, "mailboxes": (home / "mailboxes").as_uri(), "database_url": "", "store": None}
    return OfOneMailbox(**{**settings.model_dump(), **own})


def _why_real(home: Path) -> str:
    for name in _OF_A_REAL_ONE:
        folder = home / name
        if folder.is_dir() and any(folder.iterdir()):
            return f"a service has used it ({name} is not empty)"
    if (home / RECORDS).is_file() and _holds_records(home / RECORDS):
        return "it holds records"
    return ""


def _holds_records(path: Path) -> bool:
    """Whether records were ever loaded into a database, or it is none that we know."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return bool(names) and (
                "records_imports" not in names
                or connection.execute("SELECT 1 FROM records_imports LIMIT 1").fetchone() is not None
            )
    except sqlite3.Error:
        return True
