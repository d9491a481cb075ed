"""Rules, shown: for each kind of file, examples of its rules."""

from transforms.examples import declarations, lists, partnerships, schedule_changes, training, voids
from transforms.examples.example import Example

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "declarations": declarations.EXAMPLES,
    "voids": voids.EXAMPLES,
    "deferrals": training.DEFERRALS,
    "withdrawals": training.WITHDRAWALS,
    "resumptions": training.RESUMPTIONS,
    "schedule-changes": schedule_changes.EXAMPLES,
    "partnerships": partnerships.PARTNERSHIPS,
    "partnership-changes": partnerships.PARTNERSHIP_CHANGES,
    "expected-payments": lists.EXPECTED_PAYMENTS,
    "requests": lists.REQUESTS,
}
