"""Paid is frozen: paid statements computed anew from the records, and compared with what was delivered.

A figure that would come out differently today is an alarm; what was paid stands (transforms/README.md, Paid is frozen).
"""

from datetime import datetime
from itertools import groupby

from flows.errors import ExchangeError
from flows.installation import Installation
from flows.rounds.accounts import computed_of
from flows.rounds.as_delivered import Delivered, compared
from schemas.instants import london_day
from schemas.reports import Verified


def verify(installation: Installation, now: datetime, statement_id: str | None = None) -> Verified:
    """Compute every paid statement anew, or the one named, contract period by contract period. Changes nothing."""
    paid = installation.versions.paid(statement_id)
    if statement_id is not None and not paid:
        raise ExchangeError(
            "NOT-PAID", f"No paid version of {statement_id} was delivered.", "Copy the id from a manifest."
        )
    done = Verified()
    for _, group in groupby(paid, key=lambda each: (each.lead_provider_id, each.contract_period)):
        versions = {each.statement_id: each for each in group}
        with installation.database.read() as reader:
            computed = computed_of(installation, reader, london_day(now), list(versions), again=True)
        done.statements += len(versions)
        done.alarms += [f"adds up no longer: {line}" for line in computed.held_back]
        for own, version in versions.items():
            delivered = Delivered(own, version.lead_provider_id, version.path, version.sha256)
            found = compared(installation, delivered, computed)
            done.moved_on += found.moved_on
            done.alarms += [f"{version.path} ({own}): {alarm}" for alarm in found.different]
    return done
