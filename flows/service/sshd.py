"""OpenSSH in place of the embedded server: its configuration, and the users and folders it needs, from the provider list."""

import getpass
import shlex
import shutil
from pathlib import Path

from flows.errors import ExchangeError
from flows.installation import Installation
from flows.settings import Settings
from sftp.accounts import RSA_BITS
from sftp.keys import HOST_KEYS, host_keys
from sftp.server.bounds import MEBIBYTE, Bounds
from templates.folders import write
from templates.rendering import text

CONFIG, SETUP = "sshd_config", "setup.sh"
LONGEST_USER = 32


def bounds(settings: Settings) -> Bounds:
    """How much one client may ask of an SFTP server."""
    return Bounds(
        file_bytes=settings.max_file_mebibytes * MEBIBYTE,
        waiting_bytes=settings.max_waiting_mebibytes * MEBIBYTE,
        waiting_files=settings.max_waiting_files,
        connections=settings.sftp_connections,
        idle_seconds=settings.sftp_idle_seconds,
    )


def write_sshd_config(installation: Installation, folder: Path) -> list[str]:
    """Write sshd_config and setup.sh to a folder. Returns the users. Raises ExchangeError."""
    settings = installation.settings
    mailboxes = settings.mailboxes_folder
    providers = installation.accounts.names()
    if mailboxes is None:
        raise ExchangeError(
            "REMOTE", "The mailboxes are on another SFTP service.", "Set ECTX_MAILBOXES to a file:// path."
        )
    if not providers:
        raise ExchangeError("NO-ACCOUNT", "No lead provider has a login.", "Start with `ectx provider add`.")
    if too_long := [name for name in providers if len(name) > LONGEST_USER]:
        raise ExchangeError(
            "LONG-NAME", f"A user's name has at most {LONGEST_USER} characters, and {too_long[0]} is longer.",
            "Serve this provider with the embedded server.",
        )  # fmt: skip
    host_keys(settings.home)
    facts = {
        "providers": providers,
        "mailboxes": mailboxes.resolve(),
        "keys": settings.keys_folder,
        "host_keys": [settings.home.resolve() / name for name in HOST_KEYS],
        "pid_file": settings.home.resolve() / "sshd.pid",
        "host": settings.sftp_host,
        "port": settings.sftp_port,
        "user": getpass.getuser(),
        "cat": Path(shutil.which("cat") or "/bin/cat").resolve(),
        "rsa_bits": RSA_BITS,
        "bounds": bounds(settings),
    }
    filters = {"quoted": _quoted, "shell": lambda value: shlex.quote(str(value))}
    write(folder / CONFIG, text("sshd_config", filters, **facts))
    write(folder / SETUP, text("sshd_setup.sh", filters, **facts))
    (folder / SETUP).chmod(0o755)
    return providers


def _quoted(path: Path) -> str:
    """A path as sshd_config writes it, where % starts a name of its own."""
    if set(str(path)) & set('"\\\n'):
        raise ExchangeError("PATH", f"OpenSSH cannot be told of {path}.", "Choose a folder without quotes in its name.")
    escaped = str(path).replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped
