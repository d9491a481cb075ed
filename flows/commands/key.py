"""`ectx provider key`: the keys of a mailbox."""

from pathlib import Path

from flows.commands.app import founded, key
from flows.commands.provider import read_key, warn_of_others
from flows.errors import ExchangeError


@key.command("add")
def key_add(name: str, key_file: Path) -> None:
    """Let the holder of another key in, from the next login on. Keys: ed25519, or RSA of 3,072 bits or more."""
    with founded() as installation:
        whose = installation.lead_provider(name)
        added = installation.accounts.add_key(whose.slug, read_key(key_file))
        warn_of_others(installation.accounts, whose.slug, added)
    print(f"{whose.slug}: {added.fingerprint}")


@key.command("list")
def key_list(name: str) -> None:
    """The fingerprints of a provider's keys."""
    with founded() as installation:
        keys = installation.accounts.keys(installation.account(name))
    print("\n".join(f"{each.fingerprint} {each.comment}".strip() for each in keys) or "no key yet")


@key.command("rotate")
def key_rotate(name: str, key_file: Path) -> None:
    """Let one new key in and shut all others out, at once: connections with an old key are ended."""
    with founded() as installation:
        whose = installation.lead_provider(name)
        added, gone = installation.accounts.rotate(whose.slug, read_key(key_file))
    print("\n".join([f"{whose.slug}: {added.fingerprint}", *(f"removed {each.fingerprint}" for each in gone)]))


@key.command("revoke")
@key.command("remove", hidden=True)
def key_revoke(name: str, fingerprint: str) -> None:
    """Shut one key out, by its fingerprint: connections with it are ended."""
    with founded() as installation:
        account = installation.account(name)
        if not installation.accounts.remove_key(account, fingerprint):
            raise ExchangeError("NO-KEY", f"{account} has no key {fingerprint}.", "See `ectx provider key list`.")
    print(f"{account}: removed {fingerprint}")
