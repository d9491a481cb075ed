"""The home of a practice service: marked as such from its first day, so that it and a real one are never taken for each other.

HOME/records.db            the made-up records that every mailbox starts from
HOME/practice/READ-ME.txt  the mark
HOME/practice/SLUG/        an installation of its own for each mailbox: its records, its ledger, its store
HOME/mailboxes/, keys/     as in any home
"""

from pathlib import Path

from sqlalchemy.engine import make_url

from flows.errors import ExchangeError
from flows.settings import Settings

FOLDER, MARK, RECORDS = "practice", "READ-ME.txt", "records.db"
_MARK_SAYS = """This home is for practice (ECTX_PRACTICE=true): everything in it is made up, and may be thrown away.
Each folder here holds the records of one mailbox. An empty file reset.csv, sent to the mailbox, makes them anew.
"""
# What a service that was ever used has in its home, whatever database and store it keeps its records in.
_OF_A_SERVICE = (
    RECORDS, "mailboxes", "keys", "uploads", "outbox", "arrivals", "trying", "locks", "host_key", "host_key_rsa", "ui_secret",
    "prefect", "logs", "serving",
)  # fmt: skip
# What practice has in its own home alone.
APART = ("ECTX_DATABASE_URL", "ECTX_MAILBOXES", "ECTX_STORE")


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
    home of practice. Raises ExchangeError before anything is made or changed: PRACTICE-HOME, PRACTICE-APART, REAL-RECORDS,
    WHICH-MAILBOX, NO-PROVIDER.
    """
    home = settings.home.resolve()
    if not settings.practice:
        for place in _places(settings):
            if within := next((each for each in (place, *place.parents) if _is_marked(each)), None):
                advice = "Set ECTX_PRACTICE=true to use it, or point the settings to another folder."
                raise ExchangeError("PRACTICE-HOME", f"{place} is in {within}, a home for practice.", advice)
        return settings
    if isinstance(settings, OfOneMailbox):
        return settings
    is_of_one = home.parent.name == FOLDER and _is_marked(home.parent.parent)
    boxes = (home.parent.parent / "mailboxes").as_uri() if is_of_one else ""
    if settings.database_url or settings.store not in (None, home) or settings.mailboxes not in ("", boxes):
        raise ExchangeError(
            "PRACTICE-APART",
            "Practice keeps all that it has in its own home, apart from every real database, mailbox and store.",
            f"Unset {', '.join(APART)} for it.",
        )
    if home.name == FOLDER and _is_marked(home.parent):
        raise ExchangeError(
            "WHICH-MAILBOX",
            f"{settings.home} holds practice mailboxes.",
            f"Set ECTX_HOME to {home}/SLUG, or to {home.parent}.",
        )
    if is_of_one:
        if not (home / RECORDS).is_file():
            raise ExchangeError(
                "NO-PROVIDER", f"There is no practice mailbox {home.name}.", "See `ectx provider list`."
            )
        return of_mailbox(settings, home.parent.parent, home.name)
    if not _is_marked(home):
        if used := [name for name in _OF_A_SERVICE if (home / name).exists()]:
            raise ExchangeError(
                "REAL-RECORDS",
                f"{settings.home} is not a home for practice: a service has used it ({used[0]} is there).",
                "Set ECTX_HOME to an empty folder.",
            )
        mark(home)
    return settings


def _is_marked(home: Path) -> bool:
    return (home / FOLDER / MARK).is_file()


def _places(settings: Settings) -> list[Path]:
    """Where a service keeps what it has, as far as that is on this machine."""
    url = make_url(settings.database)
    database = url.database if url.drivername.startswith("sqlite") else None
    found = (settings.home, settings.store, settings.mailboxes_folder, Path(database) if database else None)
    return [each.resolve() for each in found if each]


def mark(home: Path) -> None:
    """Make a folder a home of practice."""
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    (home / FOLDER / MARK).write_text(_MARK_SAYS, encoding="utf-8")


def of_mailbox(settings: Settings, home: Path, slug: str) -> OfOneMailbox:
    """The settings of one mailbox of the practice service whose home this is."""
    own = {"home": home / FOLDER / slug, "mailboxes": (home / "mailboxes").as_uri(), "database_url": "", "store": None}
    return OfOneMailbox(**{**settings.model_dump(), **own})
