"""Every setting, typed and documented. Environment variables are the names in capitals after `ECTX_`."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL

ALL_CORES = "ECTX__CORES"  # told to a process that keeps to some of our cores, for what it starts itself: their numbers


def cores() -> list[int]:
    """The numbers of the cores that our processes may use, all together."""
    if told := os.environ.get(ALL_CORES):
        return [int(each) for each in told.split(",")]
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class Settings(BaseSettings):
    """Where this installation keeps things, and its limits."""

    model_config = SettingsConfigDict(env_prefix="ECTX_", extra="ignore")

    home: Path = Field(default=Path(".ectx"), description="The folder that holds all state on the embedded default.")
    database_url: str = Field(
        default="", description="sqlite:///PATH or postgresql://…; empty: records.db in the home."
    )
    mailboxes: str = Field(
        default="", description="file:///PATH or sftp://user@host:port/PATH; empty: mailboxes in the home."
    )
    store: Path | None = Field(
        default=None, description="Stored uploads and the outbox; shared by all workers. Empty: the home."
    )
    sftp_key: Path | None = Field(
        default=None, description="Our private key for an SFTP service that holds the mailboxes."
    )
    sftp_known_hosts: Path | None = Field(default=None, description="The pinned host keys of that service.")
    sftp_host: str = Field(default="127.0.0.1", description="Where the embedded SFTP server listens.")
    sftp_port: int = Field(default=2222, ge=0, le=65535, description="Its port; 0 takes a free one.")
    sftp_connections: int = Field(default=200, gt=0, description="The most connections it serves at once.")
    sftp_idle_seconds: float = Field(default=900, gt=0, description="It ends a connection that is silent this long.")
    ui_host: str = Field(default="127.0.0.1", description="Where the operators' pages are served.")
    ui_port: int = Field(default=4200, ge=0, le=65535, description="Their port.")
    ui_address: str = Field(
        default="", description="Where browsers find the pages, if not at http://HOST:PORT: https://ops.example.org."
    )
    ui_secret: SecretStr = Field(
        default=SecretStr(""), description="What to sign in with; empty: ui_secret in the home, made at first start."
    )
    seconds_between_looks: float = Field(
        1.0, ge=0, description="A file is taken when it is the same at two looks this far apart."
    )
    intake_every_seconds: int = Field(default=60, ge=5, description="How often `ectx serve` looks for files.")
    intake_on_arrival: bool = Field(
        default=True, description="Whether `ectx serve` judges a file when it arrives; else at its next look alone."
    )
    intake_processes: int = Field(
        default=2,
        ge=1,
        description="How many small files it judges at once then; beside them half as many large ones, at least one.",
    )
    processes: int = Field(
        default_factory=lambda: len(cores()),
        ge=1,
        description="By how many processes one round makes many statements or extracts. Each takes a lead provider at a time.",
    )
    on_workers: bool = Field(
        default=False,
        description="Whether workers of the pool `ectx`, here or elsewhere, do the work of `ectx serve`, a lead provider each.",
    )
    statements_cron: str = Field(default="5 0 * * *", description="When `ectx serve` makes statements (London time).")
    verify_cron: str = Field(
        default="0 3 * * 0", description="When `ectx serve` computes paid statements anew (London time)."
    )
    max_file_mebibytes: int = Field(default=256, gt=0, description="The largest file taken (rule FILE-005).")
    max_file_rows: int = Field(default=1_000_000, gt=0, description="The most rows taken in one file (rule FILE-005).")
    max_waiting_files: int = Field(
        default=1000, gt=0, description="The most files that may wait in one mailbox of the embedded SFTP server."
    )
    max_waiting_mebibytes: int = Field(default=2048, gt=0, description="The most that they may have in all.")
    max_store_mebibytes: int = Field(
        default=102_400, gt=0, description="The most that is kept of one provider's uploads; told from four fifths on."
    )
    keep_audit_days: int = Field(default=731, ge=1, description="Days that the SFTP server's audit log is kept.")
    keep_days: int = Field(
        default=2557, ge=1, description="Days that uploads and receipts are kept (seven years); the audit trail stays."
    )
    housekeeping_cron: str = Field(
        default="30 2 * * *", description="When `ectx serve` removes what is older (London time)."
    )
    extracts_cron: str = Field(default="0 4 * * *", description="When `ectx serve` makes extracts (London time).")
    practice: bool = Field(
        default=False,
        description="Whether this is a service for practice, over made-up records, with a home of its own.",
    )
    contact: str = Field(default="your contact at DfE", description="Whom lead providers ask, as guidance names them.")
    guidance_cron: str = Field(default="30 4 * * *", description="When `ectx serve` makes guidance (London time).")
    keep_changes_days: int = Field(
        default=90, ge=1, description="Days that change sets of extracts are kept: they hold personal data."
    )
    ordered_shares: str = Field(
        default="",
        description="Slugs of lead providers (comma between) whose delivery partners' shares go by the ordered rule.",
    )

    @property
    def database(self) -> str | URL:
        # Made of its parts, for a folder's name may hold what means something in an address.
        return self.database_url or URL.create("sqlite", database=str(self.home.resolve() / "records.db"))

    @property
    def store_folder(self) -> Path:
        return (self.store or self.home).resolve()

    @property
    def mailboxes_folder(self) -> Path | None:
        """The folder of the mailboxes; None when they are reached over SFTP."""
        if not self.mailboxes:
            return self.home.resolve() / "mailboxes"
        parts = urlsplit(self.mailboxes)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def keys_folder(self) -> Path:
        return self.home.resolve() / "keys"

    @property
    def journal_folder(self) -> Path:
        """When uploads were whole, as the embedded SFTP server writes it down."""
        return self.home.resolve() / "arrivals"

    def shares_are_ordered(self, slug: str) -> bool:
        return slug in {name.strip() for name in self.ordered_shares.split(",")}
