"""The same file again: rows that stand are done already; rows that were undone since are rejected, FILE-013.

Handbook: interface 2; rules 2. Sent back as rejected.csv, they are judged afresh.
"""

import polars as pl

from schemas.rules import Rule

# What undid a row, by the type of the event that did: in words that fit after “and since then”.
UNDONE_BY = {
    "teacher_declaration_voided": "the declaration was voided",
    "teacher_declaration_awaiting_clawback": "the declaration was taken back",
    "teacher_defers_training_period": "the participant was deferred",
    "teacher_withdraws_training_period": "the participant was withdrawn",
    "teacher_resumes_training_period": "the participant was resumed",
    "teacher_changes_schedule_training_period": "the participant's schedule was changed",
    "mentor_completion_status_change": "the mentor's completion was recorded or taken back",
    "school_partnership_updated": "the partnership's delivery partner was changed",
    "school_partnership_moved_with_school": "DfE merged the school into another",
    "accepted_update_replaced_by_records": "records of DfE that say otherwise were loaded",
}
UNKNOWN_CAUSE = "it has been undone in DfE's records"

UNDONE_SINCE = Rule(
    code="FILE-013",
    field="row",
    broken=pl.col("is_undone"),
    message="You sent this very row on {first_sent_on} (line {line_number} of {first_submission_words}); it was accepted, and "
    "since then {undone_words}. Nothing was applied now.",
    advice="If you mean it anew, send rejected.csv back: it is judged afresh. If not, there is nothing to do.",
    source="ours",
)
