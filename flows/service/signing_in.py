"""The secret of the operators' pages: made at first start, wanted from everybody, kept where its user alone can read it."""

import os
import secrets
import uuid
from contextlib import suppress
from pathlib import Path

from flows.errors import ExchangeError
from flows.settings import Settings

NAME = "ectx"
SECRET_FILE = "ui_secret"
SECRET_BYTES = 24


def secret_file(settings: Settings) -> Path:
    """Where the secret lies, unless ECTX_UI_SECRET gives it."""
    return settings.home.resolve() / SECRET_FILE


def known_secret(settings: Settings) -> str | None:
    """The secret as set, or as made before; None where there is none yet."""
    if given := settings.ui_secret.get_secret_value().strip():
        return given
    with suppress(FileNotFoundError):
        return secret_file(settings).read_text(encoding="ascii").strip() or None
    return None


def made_secret(settings: Settings) -> str:
    """The secret, made where there is none yet. Whoever is second takes what the first one made."""
    while True:
        if found := known_secret(settings):
            return found
        path = secret_file(settings)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(unfinished, path)  # whole, or somebody else's
        except FileExistsError:
            if not known_secret(settings):
                raise ExchangeError(
                    "NO-SECRET", f"{path} is empty.", "Remove it, and start again: a new secret is made."
                ) from None
        finally:
            unfinished.unlink()


def auth_string(secret: str) -> str:
    """Name and secret as Prefect wants them, of server and client alike."""
    return f"{NAME}:{secret}"


def how_to_sign_in(settings: Settings) -> str:
    """Where operators find what they sign in with; never the secret itself, which logs would keep."""
    if settings.ui_secret.get_secret_value().strip():
        return f"{NAME}:SECRET, the SECRET being what ECTX_UI_SECRET says"
    return f"{NAME}:SECRET, the SECRET being in {secret_file(settings)}"
