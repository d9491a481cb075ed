"""The same file again: rows that stand are done already; rows that were undone since are rejected, FILE-013.

What undid them is told in the words of schemas.events. Sent back as rejected.csv, they are judged afresh.
"""

import polars as pl

from schemas.rules import Rule

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
