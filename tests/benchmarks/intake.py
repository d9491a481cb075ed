"""Files of a hundred thousand rows of every kind, from their claim until the receipt is delivered."""

from datetime import datetime, timedelta

import polars as pl

from flows.clock import instant
from flows.installation import Installation, LeadProvider
from flows.rounds.claiming import Claims
from flows.rounds.delivery import deliver_owed
from flows.rounds.looking import remember_all
from flows.rounds.processing import process
from flows.rounds.rehearsal import acceptable
from tests.benchmarks.nation import LATELY, NOW, ROWS, TRAINED, file_of_rows
from tests.benchmarks.results import best, say, timed

PYDANTIC_TIMES_PARSE = 33  # pydantic's type check alone, times a typed Polars parse of the same file


def bench_intake(installation: Installation) -> None:
    now, provider = instant(NOW), installation.lead_providers()[0]
    content, valid = file_of_rows(installation, provider, now)
    declarations = _through(installation, provider, "declarations", content, valid, now)
    for place, kind in enumerate(OTHER_KINDS, 1):
        rows = updates_of(installation, provider, kind, now)
        moment = now + timedelta(days=place)
        with installation.database.read() as reader:
            valid = acceptable(reader, kind, rows, provider.lead_provider_id, moment).height
        content = rows.write_csv().encode()
        seconds = _through(installation, provider, kind, content, valid, moment)
        say("  against as many rows of declarations", seconds, "declarations", seconds / declarations, 1)


OTHER_KINDS = (
    "expected-payments",
    "voids",
    "deferrals",
    "resumptions",
    "schedule-changes",
    "withdrawals",
    "partnerships",
    "partnership-changes",
)
_OWN = {
    "voids": """
SELECT d.declaration_id FROM partnerships p CROSS JOIN training_periods tp CROSS JOIN declarations d
WHERE p.lead_provider_id = ? AND p.contract_period >= 2025 AND tp.partnership_id = p.partnership_id
  AND d.training_period_id = tp.training_period_id ORDER BY d.declaration_id""",
    "partnerships": """
SELECT s.urn AS school_urn, x.delivery_partner_id, '2026' AS contract_period FROM provider_delivery_partners x
CROSS JOIN schools s WHERE x.lead_provider_id = ? AND x.contract_period = 2026 ORDER BY 2, 1""",
    "partnership-changes": """
SELECT p.partnership_id, x.delivery_partner_id FROM partnerships p JOIN provider_delivery_partners x
ON x.lead_provider_id = p.lead_provider_id AND x.contract_period = p.contract_period
WHERE p.lead_provider_id = ? ORDER BY 2, 1""",
}
_CELLS = {
    "deferrals": {"reason": "other"},
    "withdrawals": {"reason": "other"},
    "resumptions": {},
    "schedule-changes": {"schedule_identifier": "ecf-extended-april"},
    "expected-payments": {
        "statement_month": "2027-01", "contract_period": "2025", "declaration_type": "retained-1",
        "expected_amount": "73.11",
    },
}  # fmt: skip


def updates_of(installation: Installation, provider: LeadProvider, kind: str, now: datetime) -> pl.DataFrame:
    """ROWS rows of a kind: all that the provider has to say of it first, the rest about strangers."""
    with installation.database.read() as reader:
        if kind in _OWN:
            rows = reader.frame(_OWN[kind], provider.lead_provider_id).head(ROWS // 2)
        else:
            people = reader.frame(TRAINED.format(periods=LATELY), provider.lead_provider_id)
            cells = {name: pl.lit(cell) for name, cell in _CELLS[kind].items()}
            both = [people.with_columns(course_identifier=pl.lit(c), **cells) for c in ("ecf-induction", "ecf-mentor")]
            rows = pl.concat(both).head(ROWS // 2)
    count = ROWS - rows.height
    owner = rows.columns[0] if rows.columns[0].endswith("_id") else None
    more = pl.concat([rows] * (count // rows.height + 1)).head(count)
    strange = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    if owner:
        return pl.concat([rows, more.with_columns(pl.Series(owner, strange))])
    return pl.concat([rows, more.with_columns(pl.Series("delivery_partner_id", strange))])


def _through(
    installation: Installation, provider: LeadProvider, kind: str, content: bytes, valid: int, now: datetime
) -> float:
    """One file claimed, then timed until its receipt is delivered. Returns the seconds."""
    parse = best(lambda: pl.read_csv(content, try_parse_dates=True))
    mailbox = installation.mailbox(provider.slug)
    (installation.settings.home / "mailboxes" / provider.slug / "to-dfe" / f"{kind}.csv").write_bytes(content)
    remember_all(installation)
    Claims(installation, provider, mailbox, now).take(mailbox.look())
    submission = installation.submissions.waiting(provider.lead_provider_id)[-1]

    def path() -> object:
        outcome = process(installation, provider, submission, now)
        deliver_owed(installation, provider, mailbox, now)
        return outcome.rows

    seconds, rows = timed(path)
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items())  # type: ignore[attr-defined]
    print(f"{kind}: {told}; {valid:,} meant to be valid")
    say(
        f"{kind}, {ROWS:,} rows: claimed → receipt delivered",
        seconds,
        "a typed parse",
        seconds / parse,
        PYDANTIC_TIMES_PARSE,
    )
    return seconds
