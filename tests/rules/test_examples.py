"""Each example breaks the rule that it shows and no other; put right, its row is accepted."""

import pytest

from transforms.examples import declarations, lists, partnerships, schedule_changes, training, voids
from transforms.examples.example import shown_right, shown_wrong

EXAMPLES = {
    "declarations": declarations.EXAMPLES, "voids": voids.EXAMPLES, "deferrals": training.DEFERRALS,
    "withdrawals": training.WITHDRAWALS, "resumptions": training.RESUMPTIONS, "schedule-changes": schedule_changes.EXAMPLES,
    "partnerships": partnerships.PARTNERSHIPS, "partnership-changes": partnerships.PARTNERSHIP_CHANGES,
    "expected-payments": lists.EXPECTED_PAYMENTS, "requests": lists.REQUESTS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "example"),
    [(kind, each) for kind, own in EXAMPLES.items() for each in own],
    ids=lambda each: getattr(each, "code", each),
)
def test_an_example_breaks_its_rule_alone_and_put_right_none(kind, example):
    wrong, right = shown_wrong(kind, example), shown_right(kind, example)
    assert wrong.outcome == "rejected" and example.code in wrong.codes
    # What is blank or unknown breaks what follows from it, too.
    assert len(wrong.codes) == 1 or example.code.startswith("PARTNER-00")
    assert right is None or (right.outcome, right.codes) == ("accepted", ())
