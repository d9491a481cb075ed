"""The rules of a void, VOID-002 to VOID-006, and of a clawback, CLAW-001 to CLAW-003.

The sender does not choose: a paid declaration is clawed back, any other voided.
"""

import polars as pl

from schemas import events
from schemas.kinds.kind import Kind, Memory, Owner, codes
from schemas.kinds.shared import everything_about, remembered
from schemas.lifecycle import VOIDABLE_STATUSES
from schemas.needs import FILE, Ids, Need
from schemas.rules import ANY, Rule

VOID, CLAWBACK = "RECT app/services/api/declarations/void.rb", "RECT app/services/api/declarations/clawback.rb"
_STATUS = pl.col("payment_status")


def _about_declaration(code: str, broken: pl.Expr, message: str, advice: str, source: str) -> Rule:
    return Rule(code, "declaration_id", broken, message, advice, source, silenced_by=("declaration_id",))


RULES: tuple[Rule, ...] = (
    _about_declaration(
        "VOID-002",
        pl.col("declaration_id").is_null(),
        "The declaration_id is blank.",
        "Give the declaration's id: it stands in results.csv of the receipt, and in declarations.csv of a statement.",
        "RECT app/controllers/api/v3/declarations_controller.rb",
    ),
    _about_declaration(
        "VOID-003",
        ~pl.col("is_your_declaration"),
        "We do not recognise this declaration_id as one of your declarations.",
        "You can void only your own declarations: take the id from id in declarations.csv of your extract, where "
        "lead_provider_name is yours, or from results.csv of the receipt.",
        "RECT app/controllers/api/v3/declarations_controller.rb",
    ),
    _about_declaration(
        "VOID-004",
        ~pl.col("is_paid") & (_STATUS == "voided"),
        "This declaration has been voided already.",
        "There is nothing to do.",
        VOID,
    ),
    _about_declaration(
        "VOID-005",
        ~pl.col("is_paid") & ~_STATUS.is_in(VOIDABLE_STATUSES),
        "This declaration cannot be voided as it stands.",
        "It can only be viewed.",
        f"{VOID}; a guard: the choice between void and clawback leaves nothing for it",
    ),
    _about_declaration(
        "CLAW-001",
        pl.col("is_paid") & (_STATUS != "paid"),
        "This declaration has not been paid.",
        "It can be voided instead.",
        f"{CLAWBACK}; a guard: the choice between void and clawback leaves nothing for it",
    ),
    _about_declaration(
        "CLAW-002",
        pl.col("is_paid") & (pl.col("clawback_status") != "no_clawback"),
        "This declaration is being clawed back, or has been.",
        "There is nothing to do.",
        CLAWBACK,
    ),
    _about_declaration(
        "CLAW-003",
        pl.col("is_paid") & pl.col("next_statement_id").is_null(),
        "The declaration was paid, and no statement of contract period {contract_period} is left to claw the money back on.",
        "Contact DfE.",
        CLAWBACK,
    ),
    Rule(
        code="VOID-006",
        field="declaration_id",
        broken=pl.col("cannot_reopen"),
        message="Voiding a mentor's completed declaration opens their training again, and that would overlap other "
        "training, or begin after they left the school.",
        advice="Contact DfE.",
        source="ours; RECT app/services/declarations/mentor_completion.rb fails with an error",
        silenced_by=(ANY, "declaration_id"),
    ),
)

_MEMORY = Memory(
    "declaration_id",
    (events.DECLARATION_VOIDED, events.DECLARATION_AWAITING_CLAWBACK, events.COMPLETION_CHANGED),
)
_SENT = Ids(FILE, "declaration_id")

KIND = Kind(
    name="voids",
    does="Takes a declaration out of what is paid. One that was paid already is clawed back on the next statement.",
    place=2,
    required=("declaration_id",),
    optional=(),
    owner="declaration_id",
    owned_by=Owner.PARTICIPANT,
    rules=RULES,
    told_done_by=codes("VOID", 2, 3),
    needs=(
        # Whose declarations they are, then everything about those people.
        Need("declarations", "declaration_id", (_SENT,)),
        Need("training_periods", "training_period_id", (Ids("declarations", "training_period_id"),)),
        Need("school_periods", "school_period_id", (Ids("training_periods", "school_period_id"),)),
        *everything_about(Ids("school_periods", "participant_id")),
        remembered(_MEMORY, _SENT),
    ),
    memory=_MEMORY,
)
