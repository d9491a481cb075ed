"""DfE voids a declaration, or claws it back where it was paid: by the same rules, with the same trail, as for providers."""

from datetime import datetime

import polars as pl

from data.applying import apply_changes
from data.snapshots import snapshot_for
from flows.errors import ExchangeError
from flows.installation import Installation
from schemas.inbound.reading import Limits, read_sheet
from schemas.kinds.voids import KIND
from transforms.changes import act_of_dfe
from transforms.judging import judge

_OWNER = """
SELECT p.lead_provider_id FROM declarations d
JOIN training_periods t ON t.training_period_id = d.training_period_id
JOIN partnerships p ON p.partnership_id = t.partnership_id
WHERE d.declaration_id = ?
"""


def void(installation: Installation, declaration_id: str, reason: str, as_of: datetime | None) -> str:
    """Void a declaration, or claw it back if it was paid. Returns what was done, in words.

    Raises ExchangeError with the rule that refuses it. Then nothing is changed.
    """
    if not reason.strip():
        raise ExchangeError("NO-REASON", "The reason is blank.", "Say why; it is kept in the audit trail.")
    with installation.database.write() as connection:
        now = installation.now(as_of)  # nobody writes beside it: it replays where it stands among others' acts
        reader = installation.database.reader(connection)
        owner = reader.frame(_OWNER, declaration_id)["lead_provider_id"]
        if owner.is_empty():
            raise ExchangeError(
                "VOID-003", f"There is no declaration {declaration_id}.", "Copy the id from an extract."
            )
        row = f"declaration_id\n{declaration_id}\n".encode()
        sheet = read_sheet(row, KIND, Limits())
        act = act_of_dfe(declaration_id, owner[0], now)
        judgement = judge(sheet, KIND, snapshot_for(reader, KIND.needs, sheet.values, owner[0]), act)
        if judgement.findings.height:
            code, message = judgement.findings.select("code", "message").row(0)
            raise ExchangeError(code, message, "Nothing was changed.")
        if judgement.verdicts["outcome"][0] == "already-done":
            code = "VOID-004" if judgement.verdicts["state"][0] == "voided" else "CLAW-002"
            raise ExchangeError(code, "It has been clawed back already.", "There is nothing to do.")
        changes = judgement.changes
        happened = changes.events.with_columns(reason=pl.lit(reason.strip()))
        apply_changes(installation.database, connection, changes.inserts, changes.updates, happened, now)
    return str(judgement.verdicts["notes"][0])
