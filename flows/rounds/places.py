"""Where what is replaced in place lies, in a mailbox and in the outbox: extracts, the months of statements, guidance."""

from pathlib import Path

FOLDER = "from-dfe/extracts"
FULL = f"{FOLDER}/full"


def full_folder(outbox: Path, lead_provider_id: str, sha256: str) -> Path:
    """Where a full set lies, by the SHA-256 of its manifest: the next lies beside it, until that is what is owed."""
    return outbox / lead_provider_id / f"{FULL}.{sha256[:16]}"


FORECASTS = "from-dfe/forecast"


def kept_forecasts(outbox: Path, lead_provider_id: str) -> Path:
    """Where forecasts lie that the front page reads."""
    return outbox / lead_provider_id / "forecast"


STATEMENTS = "from-dfe/statements"
LEDGER = f"{STATEMENTS}/ledger.csv"


def month_path(month: str) -> str:
    """The folder of a month's summary (month: YYYY-MM) in the mailbox."""
    return f"{STATEMENTS}/{month}"


def month_folder(outbox: Path, lead_provider_id: str, path: str, sha256: str) -> Path:
    """Where a month's summary lies, by the SHA-256 of its manifest: as with a full set."""
    return outbox / lead_provider_id / f"{path}.{sha256[:16]}"


GUIDANCE = "from-dfe/guidance"


def guidance_folder(outbox: Path, lead_provider_id: str, sha256: str) -> Path:
    """Where a version of the guidance lies, by the SHA-256 of its manifest: as with a full set."""
    return outbox / lead_provider_id / f"{GUIDANCE}.{sha256[:16]}"
