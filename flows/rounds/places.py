"""Where extracts lie, in a mailbox and in the outbox."""

from pathlib import Path

FOLDER = "from-dfe/extracts"
FULL = f"{FOLDER}/full"


def full_folder(outbox: Path, lead_provider_id: str, sha256: str) -> Path:
    """Where a full set lies, by the SHA-256 of its manifest: the next lies beside it, until that is what is owed."""
    return outbox / lead_provider_id / f"{FULL}.{sha256[:16]}"
