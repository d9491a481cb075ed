"""What stands beside the statements: a month over all contract periods, and the ledger of every declaration on a statement."""

from schemas.outbound.files import SentFile, sent
from schemas.vocabulary import SECTIONS

SUMMARY = SentFile(
    "summary",
    "A month's statements, all contract periods",
    (
        sent("statement_month"),
        sent("contract_period", least=2021),
        sent("statement_id"),
        sent("version", least=1),
        sent("status"),
        sent("delivery_partner_id?", "The delivery partner; empty: what is no delivery partner's."),
        sent("delivery_partner_name?"),
        sent("section", "What it is for.", words=SECTIONS[:-1]),
        sent("amount", "What it comes to."),
    ),
    key=("statement_id", "delivery_partner_id", "section"),
)

LEDGER = SentFile(
    "ledger",
    "Every declaration on the newest version of every statement delivered",
    (
        sent("declaration_id"),
        sent("participant_id"),
        sent("full_name?", kind="word"),  # from our own files, and defused already
        sent("participant_type"),
        sent("declaration_type"),
        sent("contract_period", least=2021),
        sent("statement_month"),
        sent("statement_id"),
        sent("status"),
        sent("line_type"),
        sent("delivery_partner_id"),
        sent("delivery_partner_name", kind="word"),
        sent("amount", "What the declaration comes to, in pence that add up."),
        sent("uplift_amount"),
        sent("share_amount"),
        sent("pair_statement_id?"),
    ),
    key=("statement_id", "declaration_id", "line_type"),
)
