"""forecast/MONTH.csv: what could still be declared for the statements of a month. The columns of `expected-payments` come first, so
that it can be corrected and sent back as that file."""

from schemas.outbound.files import SentFile, sent

# declared: it is on the statement. possible: it could be declared. blocked: something stands in the way.
FORECAST_STATES = ("declared", "possible", "blocked")

FORECAST = SentFile(
    "forecast",
    "What could still be declared, and what it would pay",
    (
        sent("statement_month"),
        sent("contract_period"),
        sent("participant_id"),
        sent("course_identifier"),
        sent("declaration_type"),
        sent("expected_amount", "What the statement's next place would pay, uplift included, before VAT."),
        sent("delivery_partner_id", "The delivery partner for which it would count."),
        sent("state", "declared: on the statement. possible: accepted, and paid, if declared. blocked: see in_the_way.",
             words=FORECAST_STATES),
        sent("window_opens?", "The first day as which it may be dated."),
        sent("window_closes?", "The last day as which it may be dated; empty: none but the day of declaring."),
        sent("deadline_date", "The last day to send it, in London."),
        sent("delivery_partner_name"),
        sent("evidence_wanted?", "Evidence that would be accepted, `;` between; empty: none is wanted."),
        sent("in_the_way?", "What stands in the way of accepting it, or of paying it.", kind="sentence"),
        sent("full_name?"),
        sent("school_name"),
    ),
    key=("contract_period", "participant_id", "course_identifier", "declaration_type"),
    has_sentences=True,
)  # fmt: skip
