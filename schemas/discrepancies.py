"""Why what is due differs from what was expected: the reasons, in the order in which the first that applies is given.

transforms/README.md, Discrepancies. What decides each is in transforms.money.discrepancies; the words are here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """code: as in discrepancies.csv. title: for a table of totals. reason, what_to_do: sentences in the row's words."""

    code: str
    title: str
    reason: str
    what_to_do: str


UNKNOWN = Reason(
    "unknown-participant",
    "We do not know this participant as yours",
    "No participant with this id is, or has been, in training with you.{merged_words}",
    "{merged_advice}",
)
CLAWED_BACK_HERE = Reason(
    "clawed-back",
    "Clawed back",
    "This statement claws back what the statement for {paid_on} paid for it.{void_words}",
    "Nothing, if you voided it. If you did not, ask DfE about declaration {declaration_id}.",
)
OVER_CAPACITY = Reason(
    "over-capacity",
    "Over contract volume",
    "It is on this statement, beyond the last band of your contract, and so counts £0.00.",
    "Ask your contract manager about volume.",
)
DIFFERENT_AMOUNT = Reason(
    "different-amount",
    "A different amount",
    "Due at {used}.{guess}",
    "Use {used}, before VAT{in_list_words}.",
)
DIFFERENT_PARTNER = Reason(
    "different-delivery-partner",
    "Another delivery partner",
    "It counts for {due_partner_name}, not for {expected_partner_name}. {partner_words}",
    "Nothing, if that was right when you declared it. If it was not, ask DfE: a declaration keeps its delivery partner.",
)
# What to do about it where something else differs too.
PARTNER_BESIDE = "About the delivery partner: if it was not right when you declared it, ask DfE."
# What made the delivery partner another one: said only where the records show it.
MOVED_SCHOOL = (
    "The participant trained with {expected_partner_name} at {trained_at} until {trained_until}; when it was declared, "
    "at {due_school}."
)
CORRECTED_BEFORE = (
    "You corrected the partnership from {expected_partner_name} to {due_partner_name} on {corrected_on}, "
    "before it was declared."
)
CORRECTED_AFTER = (
    "You corrected the partnership to {expected_partner_name} on {corrected_on}, after it was declared: "
    "a correction does not reach earlier declarations."
)
SIMPLY_ANOTHER = (
    "That is the delivery partner of the partnership under which the participant trained when it was declared."
)
AGREED = Reason("agreed", "Agreed", "Due as you expected.", "Nothing.")
WITHOUT_AMOUNT = Reason(
    "agreed",
    "Agreed",
    "It is on your list without an amount: {due_words} is due.",
    "Nothing. Send amounts to have them compared.",
)
NOT_EXPECTED = Reason(
    "not-expected",
    "Due, and not on your list",
    "It is due on this statement and not on your list.",
    "Add it to your records. If it is wrong, void it: a file voids.csv with the declaration_id that discrepancies.csv has.",
)
AWAITING = Reason(
    "awaiting-eligibility",
    "Submitted, not eligible yet",
    "It is declared and waits: {waits_for}.",
    "{waiting_advice}",
)
ELSEWHERE = Reason(
    "on-another-statement",
    "On another statement",
    "It is on the statement for {live_on}.",
    "In your list, state it for statement_month {live_month}, contract_period {live_period}.",
)
CLAWED_BACK_ELSEWHERE = Reason(
    "clawed-back",
    "Clawed back",
    "The statement for {paid_on} paid it; the statement for {taken_back_on} claws it back.{void_words}",
    "See both statements.",
)
VOIDED = Reason(
    "voided", "Voided", "It was voided{voided_words}.", "If it was right, declare it again. {deadline_words}"
)
ROW_REJECTED = Reason(
    "row-rejected",
    "The row was rejected",
    "{line_words} of your file {file_name} was rejected ({rule_codes}){rejected_row_words} Its receipt is {submission_id}.",
    "Correct that row and send it again: rejected.csv of that receipt holds it. {deadline_words}",
)
LIST_ROW_REJECTED = Reason(
    "row-rejected",
    "The row was rejected",
    "It is due on this statement. Line {list_line} of your list {list_file}, which states it, was rejected ({list_codes})"
    "{rejected_line_words} Its receipt is {list_submission}.",
    "Correct that line and send the month's whole list again: rejected.csv of that receipt holds all of it.",
)
NOT_DECLARED = Reason(
    "not-declared",
    "Not declared",
    "We hold no such declaration of yours, and have turned none away.",
    "Send the declaration in a file declarations.csv. {deadline_words}",
)

# First match wins.
REASONS = (
    UNKNOWN, CLAWED_BACK_HERE, OVER_CAPACITY, DIFFERENT_AMOUNT, DIFFERENT_PARTNER, WITHOUT_AMOUNT, AGREED,
    LIST_ROW_REJECTED, NOT_EXPECTED,
    AWAITING, ELSEWHERE, CLAWED_BACK_ELSEWHERE, VOIDED, ROW_REJECTED, NOT_DECLARED,
)  # fmt: skip
CODES = tuple(dict.fromkeys(reason.code for reason in REASONS))
TITLES = {reason.code: reason.title for reason in REASONS}
