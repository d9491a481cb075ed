"""What the demo shows at its end."""

import json
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.commands.demo_rows import Player
from flows.installation import Installation
from flows.service.services import Services


def show(
    installation: Installation, players: list[Player], running: Services, console: Console, seconds: float
) -> None:
    home = installation.settings.home
    boxes = {player.provider.name: home / "mailboxes" / player.provider.slug / "from-dfe" for player in players}
    for name, box in boxes.items():
        console.print()
        console.print(_got(name, box))
    console.print(f"\nAll of it took {seconds:.0f} seconds. Where to look:", highlight=False)
    first = next(iter(boxes.values()))
    receipt = next(path for path in sorted(first.glob("receipts/*/receipt.html")))
    statement = next(path for path in sorted(first.glob("statements/2025/2026-01/*payable/statement.html")))
    places = {
        "mailboxes": home / "mailboxes",
        "the front page": first / "start-here.html",
        "a receipt": receipt,
        "a statement": statement,
        "DfE's records": first / "extracts/full/index.html",
        "the operators' pages": running.pages,
    }
    for words, place in places.items():
        console.print(f"  {words + ':':22}{place}", highlight=False, soft_wrap=True)
    console.print("The operators' pages answer while the demo runs: `ectx demo --keep` leaves it running.")


def _got(name: str, box: Path) -> Table:
    """One provider's receipts, and what its statements come to."""
    statements = len(list(box.glob("statements/*/*/*/manifest.json")))
    due = f"{statements} statement versions; due for January 2026: £{_january(box):,.2f} with VAT"
    table = Table(title=name, title_justify="left", caption=due, caption_justify="left")
    table.add_column("File")
    table.add_column("Outcome")
    table.add_column("Accepted", justify="right")
    table.add_column("Rejected", justify="right")
    for path in sorted(box.glob("receipts/*/receipt.json")):
        receipt = json.loads(path.read_text(encoding="utf-8"))
        errors = ", ".join(error["code"] for error in receipt["file_errors"])
        outcome = f"{receipt['status']} ({errors})" if errors else receipt["status"]
        rows = receipt["rows"]
        table.add_row(receipt["file_name"], outcome, str(rows["accepted"]), str(rows["rejected"]))
    return table


def _january(box: Path) -> Decimal:
    """The totals of January 2026's payable statements, over all contract periods."""
    total = Decimal()
    for path in box.glob("statements/*/2026-01/*-payable/manifest.json"):
        total += Decimal(json.loads(path.read_text(encoding="utf-8"))["control_totals"]["amount"]["total"])
    return total
