"""`ectx provider`: lead providers’ mailboxes, and who is let in."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.app import founded, provider
from flows.errors import ExchangeError


@provider.command("add")
def provider_add(
    name: str,
    key_file: Annotated[Path | None, typer.Option("--key", help="The provider's public key (.pub file).")] = None,
    checksum_always: Annotated[bool, typer.Option(help="Every file waits for its .sha256.")] = False,
) -> None:
    """Make a lead provider's mailbox, and let the holder of a key in. NAME: slug, name or id in the records."""
    with founded() as installation:
        whose = installation.lead_provider(name)
        if key_file:
            warn_of_others(
                installation.accounts, whose.slug, installation.accounts.add_key(whose.slug, read_key(key_file))
            )
        else:
            installation.accounts.allow(whose.slug)
        installation.accounts.want_checksums(whose.slug, checksum_always)
        installation.mailbox(whose.slug)
    print(f"{whose.name}: user {whose.slug}")


def read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ExchangeError("NO-KEY", f"{path} cannot be read.", "Give the .pub file of an ed25519 key.") from error


def warn_of_others(accounts: Any, slug: str, key: Any) -> None:
    """One key for two providers may be meant, where one firm serves both; it may be a slip, too."""
    others = [name for name in accounts.names() if name != slug and accounts.allows(name, key.fingerprint)]
    if others:
        print(f"ectx: this key opens {', '.join(others)} too: is that meant?", file=sys.stderr)


@provider.command("list")
def provider_list() -> None:
    """Lead providers, their users and the fingerprints of their keys."""
    with founded() as installation:
        allowed = set(installation.accounts.names())
        for whose in installation.lead_providers():
            keys = [f"{each.fingerprint} {each.comment}".strip() for each in installation.accounts.keys(whose.slug)]
            state = ", ".join(keys) or ("no key yet" if whose.slug in allowed else "no login")
            print(f"{whose.slug}\t{whose.name}\t{state}")
        for gone in sorted(allowed - {whose.slug for whose in installation.lead_providers()}):
            keys = [each.fingerprint for each in installation.accounts.keys(gone)]
            told = ", ".join(keys) or "no key"
            print(f"{gone}\tnot in DfE's records: shut out by `ectx provider remove {gone}`\t{told}")


@provider.command("remove")
def provider_remove(name: str) -> None:
    """Shut a lead provider out. The mailbox and what lies in it stay."""
    with founded() as installation:
        account = installation.account(name)
        if not installation.accounts.remove(account):
            raise ExchangeError("NO-ACCOUNT", f"{account} has no login.", "See `ectx provider list`.")
    print(f"{account}: logins removed; the mailbox stays")
