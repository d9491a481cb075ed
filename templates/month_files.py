"""A month's summary as a folder of files: for people, for spreadsheets, for machines; manifest.json last."""

from decimal import Decimal
from pathlib import Path

from schemas.instants import rfc3339
from schemas.outbound.months import SUMMARY
from templates.folders import digest, listing, write_csv
from templates.month import Month, month_page
from templates.month_book import month_book
from templates.practice import manifest_json
from templates.rendering import INTERFACE_VERSION

LAST_FILE = "manifest.json"


def write_month(folder: Path, month: Month) -> str:
    """Write the files. Returns the SHA-256 of manifest.json. The folder is not there yet."""
    folder.mkdir(parents=True)
    write_csv(folder / "summary.csv", month.rows.select(SUMMARY.columns))
    (folder / "summary.html").write_text(month_page(month), encoding="utf-8")
    (folder / "summary.xlsx").write_bytes(month_book(month))
    manifest = {
        "lead_provider_name": month.lead_provider_name,
        "statement_month": month.month,
        "as_of": rfc3339(month.as_of),
        "total": f"{sum((each.total for each in month.versions), Decimal()):.2f}",
        "statements": [
            {
                "statement_id": each.statement_id, "contract_period": each.contract_period, "version": each.version,
                "status": each.status, "path": each.path, "total": f"{each.total:.2f}",
            }
            for each in month.versions
        ],
        "interface_version": INTERFACE_VERSION,
        "files": listing(folder, LAST_FILE),
    }  # fmt: skip
    (folder / LAST_FILE).write_bytes(manifest_json(manifest))
    return digest(folder / LAST_FILE)
