"""Every kind of update a provider can make, a file a kind."""

from transforms.update import Update
from transforms.updates import (
    declarations,
    deferrals,
    expected_payments,
    partnership_changes,
    partnerships,
    resumptions,
    schedule_changes,
    voids,
    withdrawals,
)

UPDATES: dict[str, Update] = {
    "declarations": declarations.UPDATE,
    "voids": voids.UPDATE,
    "deferrals": deferrals.UPDATE,
    "withdrawals": withdrawals.UPDATE,
    "resumptions": resumptions.UPDATE,
    "schedule-changes": schedule_changes.UPDATE,
    "partnerships": partnerships.UPDATE,
    "partnership-changes": partnership_changes.UPDATE,
    "expected-payments": expected_payments.UPDATE,
}
