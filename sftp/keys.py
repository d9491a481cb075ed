"""Key pairs of our own: the server's host key, made once."""

import os
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def host_key(path: Path) -> paramiko.PKey:
    """The server's own key, made once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        write_new_key(unfinished)
        unfinished.replace(path)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def known_hosts_line(host: str, port: int, key: paramiko.PKey) -> str:
    """What a client puts into its known_hosts file to pin a server's key."""
    address = host if port == 22 else f"[{host}]:{port}"
    return f"{address} {key.get_name()} {key.get_base64()}"


def write_new_key(path: Path) -> str:
    """Make an ed25519 key pair: the private key at `path`, readable by its owner alone. Returns the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(private)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
