"""Key pairs of our own: the server's host keys, made once."""

import os
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

# In a home. RSA is for clients that know no ed25519 (phpseclib 3.0.19, JSch 0.2), and signs with SHA-2 alone.
HOST_KEYS = ("host_key", RSA_HOST_KEY := "host_key_rsa")
RSA_HOST_KEY_BITS = 3072


def host_keys(home: Path) -> list[paramiko.PKey]:
    """The server's own keys, ed25519 first: made once, kept in the home."""
    return [host_key(home / name) for name in HOST_KEYS]


def host_key(path: Path) -> paramiko.PKey:
    """One of them; its file's name says of which kind it is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.tmp")
        write_new_key(unfinished, RSA_HOST_KEY_BITS if path.name == RSA_HOST_KEY else None)
        unfinished.replace(path)
    return paramiko.PKey.from_path(path)


def known_hosts_line(host: str, port: int, key: paramiko.PKey) -> str:
    """What a client puts into its known_hosts file to pin a server's key."""
    address = host if port == 22 else f"[{host}]:{port}"
    return f"{address} {key.get_name()} {key.get_base64()}"


def write_new_key(path: Path, rsa_bits: int | None = None) -> str:
    """Make a key pair, ed25519 or (rsa_bits) RSA: the private key at `path`, readable by its owner alone. Returns the public
    line."""
    key: Ed25519PrivateKey | RSAPrivateKey = (
        generate_private_key(65537, rsa_bits) if rsa_bits else Ed25519PrivateKey.generate()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(private)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
