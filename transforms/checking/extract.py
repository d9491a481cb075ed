"""Records made of a delivered extract: as much of a snapshot as a full set says. What it does not say is in
transforms.checking.unsure.

frames: by the name of a file of the set (without `.csv`), its rows, every cell text.
"""

import polars as pl

from schemas.columns import typed
from schemas.frames import joined
from schemas.lifecycle import STATES
from schemas.needs import FRAMES, Snapshot
from schemas.vocabulary import PARTICIPANT_TYPES

FILES = ("participants", "declarations", "partnerships", "schools", "delivery-partners", "statements", "milestones",
         "contract-periods")  # fmt: skip
_MONTHS = dict(
    zip(
        (
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ),
        map(str, range(1, 13)),
        strict=True,
    )
)
_SOME_DAY = "2020-01-01T00:00:00Z"
_OTHERS = "another lead provider"
ROLE = ["participant_id", "participant_type"]


def snapshot_of(frames: dict[str, pl.DataFrame], lead_provider_id: str, lead_provider_name: str) -> Snapshot:
    """The records that a full set tells of. Of a participant's training in a role it has the latest alone; ids of ours that it does
    not hold are made up. participants has two columns more, ect_is_unsure and mentor_is_unsure: whether DfE pays for the role is
    not said for sure."""
    people = _roles(frames["participants"], frames["schools"], frames["partnerships"])
    declared = _declared(frames["declarations"], frames["statements"], people, lead_provider_name)
    found = {
        "participants": _participants(people),
        "participant_id_changes": _merges(people),
        "school_periods": people.select(
            *ROLE, "school_period_id", "school_id", started_on="school_started_on", finished_on="school_finished_on"
        ),
        "training_periods": pl.concat([_training(people), _training_behind(declared, people)], how="diagonal"),
        "partnerships": _partnerships(frames["partnerships"], people, declared, lead_provider_id),
        "declarations": declared,
        "contract_periods": frames["contract-periods"].rename({"cohort": "contract_period"}),
        "milestones": frames["milestones"].rename({"cohort": "contract_period"}),
        "schools": _schools(frames["schools"]),
        "school_contract_periods": frames["schools"].select(
            "induction_programme_choice", school_id="id", contract_period="cohort"
        ),
        "delivery_partners": frames["delivery-partners"].select("name", delivery_partner_id="id"),
        "provider_delivery_partners": frames["delivery-partners"].select(
            delivery_partner_id="id", contract_period=pl.col("cohort").str.split(";")
        ).explode("contract_period"),
        "statements": frames["statements"].select(
            "year", "fee_type", "status", statement_id="id", contract_period="cohort", deadline_date="cut_off_date",
            month=pl.col("month").replace_strict(_MONTHS, default=None, return_dtype=pl.String),
        ),
    }  # fmt: skip
    return Snapshot(**(nothing() | {name: _as_records(name, rows) for name, rows in found.items()}))


def nothing() -> dict[str, pl.DataFrame]:
    """Every frame of a snapshot, without a row."""
    return {name: _as_records(name, pl.DataFrame()) for name in FRAMES}


def _as_records(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """With the columns of a snapshot's frame, in their types; participants, whom no file makes, keep those that are added."""
    lacking = [pl.lit(None, pl.String).alias(each) for each in FRAMES[name] if each not in rows.columns]
    added = [each for each in rows.columns if each not in FRAMES[name] and name == "participants"]
    whole = rows.with_columns(lacking) if rows.width else pl.DataFrame(schema=dict.fromkeys(FRAMES[name], pl.String))
    return typed(whole.select(*FRAMES[name], *added))


def _roles(participants: pl.DataFrame, schools: pl.DataFrame, partnerships: pl.DataFrame) -> pl.DataFrame:
    """participants.csv, with participant_id, and the ids of the school, the partnership and the training shown."""
    urns = pl.concat([schools.select("urn", school_id="id"), partnerships.select("urn", "school_id")]).unique("urn")
    rows = participants.rename({"id": "participant_id", "cohort": "contract_period"})
    rows = joined(rows, urns.rename({"urn": "school_urn"}), "school_urn")
    place = ["school_id", "contract_period", "delivery_partner_id"]
    known = partnerships.select("school_id", "delivery_partner_id", contract_period="cohort", partnership_id="id")
    rows = joined(rows, known.unique(place, keep="first", maintain_order=True), place)
    named = pl.format("{} {}", *ROLE)
    return rows.with_columns(
        pl.coalesce("school_id", pl.format("school {}", "school_urn")).alias("school_id"),
        pl.coalesce("partnership_id", pl.format("partnership of {}", named)).alias("partnership_id"),
        school_period_id=named,
        training_period_id=named,
    )


def _participants(people: pl.DataFrame) -> pl.DataFrame:
    """One row a participant, of one or two roles."""
    funded, ect = pl.col("eligible_for_funding"), pl.col("participant_type") == "ect"

    def of(role: pl.Expr, value: pl.Expr) -> pl.Expr:
        return value.filter(role).first()

    since = pl.when(funded == "true").then(pl.lit(_SOME_DAY))
    frozen = pl.when(pl.col("cohort_changed_after_payments_frozen") == "true").then(pl.lit("2021"))
    return people.group_by("participant_id", maintain_order=True).agg(
        pl.col("teacher_reference_number").first().alias("trn"),
        of(ect, since).alias("ect_first_became_eligible_at"),
        of(~ect, since).alias("mentor_first_became_eligible_at"),
        of(ect, frozen).alias("ect_payments_frozen_year"),
        of(~ect, frozen).alias("mentor_payments_frozen_year"),
        of(ect, pl.col("induction_end_date")).alias("induction_end_date"),
        of(~ect, pl.col("mentor_funding_end_date")).alias("mentor_funding_end_date"),
        (ect & (funded == "false")).any().alias("ect_is_unsure"),
        (~ect & (funded == "false")).any().alias("mentor_is_unsure"),
    )


def _merges(people: pl.DataFrame) -> pl.DataFrame:
    ids = pl.col("previous_participant_ids").str.split(";")
    return (
        people.select(from_participant_id=ids, to_participant_id="participant_id")
        .explode("from_participant_id")
        .filter(pl.col("from_participant_id") != "")
        .unique(maintain_order=True)
    )


def _training(people: pl.DataFrame) -> pl.DataFrame:
    return people.select(
        "training_period_id", "school_period_id", "partnership_id", "schedule_identifier", "withdrawal_reason",
        "deferral_reason", started_on="training_started_on", finished_on="training_finished_on",
        withdrawn_at="withdrawal_date", deferred_at="deferral_date", training_programme=pl.lit("provider_led"),
    )  # fmt: skip


def _declared(
    declarations: pl.DataFrame, statements: pl.DataFrame, people: pl.DataFrame, lead_provider_name: str
) -> pl.DataFrame:
    """declarations.csv as records: each under the training shown, or, where that is of another contract period than its statement,
    under one behind it; those of other lead providers under one of theirs. own_period: the contract period that it was made in."""
    is_own = pl.col("lead_provider_name") == lead_provider_name
    rows = declarations.select(
        "participant_id", "declaration_type", "declaration_date", "evidence_held", "statement_id", "clawback_statement_id",
        "state", declaration_id="id", is_own=is_own,
        participant_type=pl.col("course_identifier").replace_strict(PARTICIPANT_TYPES, default=None, return_dtype=pl.String),
    )  # fmt: skip
    shown = people.select(*ROLE, "training_period_id", shown_period="contract_period")
    rows = joined(rows, shown, ROLE)
    rows = joined(rows, statements.select(statement_id="id", own_period="cohort"), "statement_id")
    rows = rows.with_columns(pl.coalesce("own_period", "shown_period").alias("own_period"))
    behind = pl.format("{} {} of {}", *ROLE, pl.when("is_own").then("own_period").otherwise(pl.lit(_OTHERS)))
    is_shown = pl.col("is_own") & (pl.col("own_period") == pl.col("shown_period"))
    taken_back = pl.col("state").is_in(STATES[-2:])
    return rows.with_columns(
        training_period_id=pl.when(is_shown).then("training_period_id").otherwise(behind),
        payment_status=pl.when(taken_back)
        .then(pl.lit("paid"))
        .otherwise(pl.col("state").replace("submitted", "no_payment")),
        clawback_status=pl.when(taken_back).then(pl.col("state").str.replace("-", "_")).otherwise(pl.lit("no_clawback")),
    ).rename({"statement_id": "payment_statement_id"})  # fmt: skip


def _training_behind(declared: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Training that declarations are of, and that is not shown: over before the one shown began."""
    behind = declared.filter(~pl.col("training_period_id").is_in(people["training_period_id"].implode()))
    day = pl.lit("1990-01-01")
    return behind.unique("training_period_id", maintain_order=True).select(
        "training_period_id", school_period_id=pl.format("{} {}", *ROLE), started_on=day, finished_on=day,
        partnership_id=pl.format("partnership of {}", "training_period_id"), training_programme=pl.lit("provider_led"),
    )  # fmt: skip


def _partnerships(
    partnerships: pl.DataFrame, people: pl.DataFrame, declared: pl.DataFrame, lead_provider_id: str
) -> pl.DataFrame:
    """partnerships.csv; what training is in that is not there; what training behind it was in."""
    own = partnerships.select(
        "school_id", "delivery_partner_id", "created_at", partnership_id="id", contract_period="cohort",
        lead_provider_id=pl.lit(lead_provider_id),
    )  # fmt: skip
    unknown = people.filter(pl.col("partnership_id").str.starts_with("partnership of ")).select(
        "partnership_id",
        "school_id",
        "delivery_partner_id",
        "contract_period",
        lead_provider_id=pl.lit(lead_provider_id),
    )
    behind = declared.filter(pl.col("training_period_id").str.contains(" of ", literal=True)).select(
        partnership_id=pl.format("partnership of {}", "training_period_id"),
        contract_period="own_period",
        lead_provider_id=pl.when("is_own").then(pl.lit(lead_provider_id)).otherwise(pl.lit(_OTHERS)),
    )
    return pl.concat([own, unknown, behind], how="diagonal").unique("partnership_id", keep="first", maintain_order=True)


def _schools(schools: pl.DataFrame) -> pl.DataFrame:
    """eligible: null, which no rule refuses, where it is there for a partnership in every contract period, as schools are that are
    not eligible."""
    return schools.group_by("id", maintain_order=True).agg(
        pl.col("urn").first(),
        pl.when((pl.col("in_partnership") != "true").any()).then(pl.lit("true")).alias("eligible"),
    ).rename({"id": "school_id"})  # fmt: skip
