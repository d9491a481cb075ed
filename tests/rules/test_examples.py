"""Each example breaks the rule that it shows and no other; put right, its row is accepted."""

import pytest

from schemas.inbound.form import form_rules
from schemas.kinds import KINDS
from transforms.examples import EXAMPLES, files
from transforms.examples.example import shown_right, shown_wrong


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


# No records that DfE can have break these: what comes before them has answered, or nothing is left for them.
GUARDS = {"VOID-004", "VOID-005", "CLAW-001", "CLAW-002", "SCHED-009"}


def test_every_rule_is_shown():
    rules = {rule.code for kind in KINDS.values() for rule in (*form_rules(kind), *kind.rules)}
    shown = {example.code for examples in EXAMPLES.values() for example in examples} | {
        each.code for each in files.EXAMPLES
    }
    assert rules - shown == GUARDS
    assert {f"FILE-{number:03}" for number in (1, 2, 4, 6, 7, 15)} <= shown


@pytest.mark.parametrize("example", files.EXAMPLES, ids=lambda each: each.code)
def test_a_file_that_is_an_example_breaks_its_rule_and_put_right_none(example):
    wrong = files.shown_file(example.code, example.named, example.wrong, example.checksum)
    assert wrong.codes == (example.code,)
    assert files.shown_file(example.code, example.named_right, example.right).codes == ()
