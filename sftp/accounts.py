"""Who may log in: one folder a mailbox with the public keys of its lead provider, in OpenSSH's own form."""

import base64
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEYS_FILE = "authorized_keys"
RSA_BITS = 3072
CHECKSUM_FILE = "checksum-always"


class KeyRefused(Exception):
    """A public key that we do not take, and why."""


@dataclass(frozen=True)
class PublicKey:
    """One line of authorized_keys."""

    line: str
    fingerprint: str
    comment: str


def parse_key(line: str) -> PublicKey:
    """Read one public key. Raises KeyRefused unless it is ed25519, or RSA of RSA_BITS or more."""
    parts = line.split(None, 2)
    if len(line.splitlines()) > 1 or len(parts) < 2 or parts[0] not in ("ssh-ed25519", "ssh-rsa"):
        raise KeyRefused(
            f"Only ed25519 public keys are taken, and RSA ones of {RSA_BITS:,} bits or more: "
            "make one with `ssh-keygen -t ed25519` and give its .pub file."
        )
    import paramiko  # for a key alone: every command opens the accounts

    try:
        key = paramiko.PKey.from_type_string(parts[0], _decoded(parts[1]))
    except (paramiko.SSHException, ValueError) as error:
        raise KeyRefused("This is not a whole public key: copy the one line of the .pub file again.") from error
    if parts[0] == "ssh-rsa" and key.get_bits() < RSA_BITS:
        raise KeyRefused(
            f"This RSA key has {key.get_bits():,} bits, and {RSA_BITS:,} are the fewest: "
            "make one with `ssh-keygen -t ed25519` and give its .pub file."
        )
    # A comment is whatever somebody typed: what does not print would move a terminal's cursor.
    comment = "".join(c for c in parts[2] if c.isprintable()).strip()[:200] if len(parts) > 2 else ""
    return PublicKey(f"{parts[0]} {parts[1]} {comment}".strip(), key.fingerprint, comment)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


class Accounts:
    """The accounts under one folder; read anew at every login, so that a change counts at once."""

    def __init__(self, folder: Path, shared: Path | None = None) -> None:
        """shared: a folder that every machine sees, for what providers have asked of whoever judges their files; none: `folder`."""
        self.folder, self._shared = folder, shared

    def names(self) -> list[str]:
        """Mailboxes that somebody may log in to."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{KEYS_FILE}"))

    def keys(self, name: str) -> list[PublicKey]:
        path = self.folder / name / KEYS_FILE
        if not path.is_file():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(KeyRefused):  # a comment, or what somebody wrote there by hand: it lets nobody in
                found.append(parse_key(line))
        return found

    def allows(self, name: str, fingerprint: str) -> bool:
        """Whether the holder of a key may use a mailbox, now."""
        return name in self.names() and any(key.fingerprint == fingerprint for key in self.keys(name))

    def stamp(self, name: str) -> tuple[int, int, int] | None:
        """Another one after every change of an account's keys; None where it has none. Cheap to ask for."""
        try:
            status = (self.folder / name / KEYS_FILE).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def add_key(self, name: str, line: str) -> PublicKey:
        """Let the holder of a key in. Harmless when it is in already."""
        key = parse_key(line)
        known = [other for other in self.keys(name) if other.fingerprint != key.fingerprint]
        self._write(name, [*known, key])
        return key

    def rotate(self, name: str, line: str) -> tuple[PublicKey, list[PublicKey]]:
        """Let one key in, and shut all others out, at once. Returns it, and those shut out."""
        key = parse_key(line)
        gone = [other for other in self.keys(name) if other.fingerprint != key.fingerprint]
        self._write(name, [key])
        return key, gone

    def remove_key(self, name: str, fingerprint: str) -> bool:
        """Shut a key out, by its fingerprint. False when it was not there."""
        known = self.keys(name)
        kept = [key for key in known if key.fingerprint != fingerprint]
        self._write(name, kept)
        return len(kept) < len(known)

    def remove(self, name: str) -> bool:
        """Shut every key of a mailbox out. The mailbox and what lies in it stay."""
        path = self.folder / name / KEYS_FILE
        there = path.is_file()
        path.unlink(missing_ok=True)
        return there

    def allow(self, name: str) -> None:
        """Make the account, with no key yet."""
        if not (self.folder / name / KEYS_FILE).is_file():
            self._write(name, [])

    def wants_checksums(self, name: str) -> bool:
        """Whether the provider has asked that every file wait for its checksum."""
        return any((folder / name / CHECKSUM_FILE).is_file() for folder in self._demands)

    def want_checksums(self, name: str, wanted: bool) -> None:
        for path in (folder / name / CHECKSUM_FILE for folder in self._demands):
            if wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            else:
                path.unlink(missing_ok=True)

    @property
    def _demands(self) -> list[Path]:
        return [self.folder, *([self._shared] if self._shared else [])]

    def _write(self, name: str, keys: list[PublicKey]) -> None:
        path = self.folder / name / KEYS_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text("".join(f"{key.line}\n" for key in keys), encoding="utf-8")
        unfinished.replace(path)
