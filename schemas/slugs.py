"""Names of people's making as names of folders and files: lead providers' mailboxes, delivery partners' files.

A mailbox belongs to a lead provider's id from its first load on: who is renamed keeps it, nobody inherits another's.
"""

import re
import unicodedata
from collections.abc import Iterable

import polars as pl

WINDOWS_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
)
# What mailboxes, accounts of machines and our own folders are called.
RESERVED = WINDOWS_DEVICES | {
    "to-dfe", "from-dfe", "taking", "uploading", "lost-found", "dfe", "ectx", "admin", "administrator", "root", "sftp",
    "sshd", "daemon", "nobody", "all",
}  # fmt: skip
LONGEST_MAILBOX, LONGEST_FILE = 100, 100


def slug(name: str) -> str:
    """A name as a folder: lower case, other characters folded to `-`. Nothing, where no letter or digit is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def new_mailboxes(lead_providers: pl.DataFrame, mailboxes: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """The mailboxes of lead providers that have none yet, and why some cannot have one: (row, from 1; reason).

    lead_providers: lead_provider_id, name. mailboxes: lead_provider_id, slug, name (the last that its owner had).
    """
    known = set(mailboxes["lead_provider_id"])
    owners = dict(mailboxes.select("slug", "name").iter_rows())
    made: list[tuple[str, str]] = []
    refused: list[tuple[int, str]] = []
    names: dict[str, str] = {}
    for row, (provider, name) in enumerate(lead_providers.select("lead_provider_id", "name").iter_rows(), 1):
        folder = slug(name)
        if folder and folder in names:
            refused.append((row, f"“{name}” and “{names[folder]}” are two lead providers that nobody could tell apart: give one "
                                 "of them a name that differs in letters or digits"))  # fmt: skip
            continue
        names[folder] = name
        if provider in known:
            continue
        if reason := _why_not(name, folder, owners):
            refused.append((row, reason))
            continue
        owners[folder] = name
        made.append((provider, folder))
    schema = {"lead_provider_id": pl.String, "slug": pl.String}
    return pl.DataFrame(made, schema=schema, orient="row"), refused


def _why_not(name: str, folder: str, owners: dict[str, str]) -> str:
    if not folder:
        return f"“{name}” has no letter from a to z and no digit to name its mailbox by: add some to the name"
    if folder in RESERVED:
        return f"“{name}” would have the mailbox {folder}, which is a word that we keep for ourselves: add to the name"
    if len(folder) > LONGEST_MAILBOX:
        return f"“{name[:LONGEST_MAILBOX]}…” is too long to name a mailbox by: at most {LONGEST_MAILBOX} letters and digits"
    if folder in owners:
        return (
            f"“{name}” would have the mailbox {folder}, which belongs to “{owners[folder]}”, another lead provider by its id "
            "(names may change, ids may not): give this one a name that differs in letters or digits, or the id it had"
        )
    return ""


def file_names(partners: Iterable[tuple[str, str]]) -> list[str]:
    """A file's name for each delivery partner (id, name): its slug, with the start of its id where that is empty, another's,
    or a device of Windows."""
    owned = list(partners)
    slugs = [slug(name)[:LONGEST_FILE].strip("-") for _, name in owned]
    names = [
        folder if folder and folder not in WINDOWS_DEVICES and slugs.count(folder) == 1 else f"{folder}-{partner[:8]}"
        for folder, (partner, _) in zip(slugs, owned, strict=True)
    ]
    # Two ids may start alike, and a name may end like an id.
    return [
        name.strip("-") if names.count(name) == 1 else f"{folder}-{partner}".strip("-")
        for name, folder, (partner, _) in zip(names, slugs, owned, strict=True)
    ]
