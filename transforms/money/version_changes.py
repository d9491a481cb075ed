"""What changed from one version of a statement to the next: declaration by declaration, then by section, to the penny."""

import polars as pl

from schemas.outbound.statements import DECLARATIONS
from schemas.vocabulary import OF_DECLARATIONS

# What is told of a declaration when it differs: the first of these first, then every other column but those that say which
# declaration it is, follow from another, or are money (told in figures). A state that only follows its statement's
# (eligible, payable, paid) does not count; nor does the partners' average rate, which every new declaration moves for all.
_FIRST = (
    "line_type", "state", "declaration_date", "evidence_held", "trn", "full_name", "schedule_identifier", "school_urn",
    "delivery_partner_name", "band", "rate", "your_reference",
)  # fmt: skip
_UNTOLD = {
    "declaration_id", "participant_id", "participant_type", "declaration_type", "created_at", "mentor_id", "school_name",
    "delivery_partner_id", "amount", "uplift_amount", "share_rate", "share_amount",
}  # fmt: skip
TOLD = (*_FIRST, *(name for name in DECLARATIONS.columns if name not in _UNTOLD.union(_FIRST)))
CHANGES = {
    **dict.fromkeys(("statement_id", "change", "section", "declaration_id", "participant_id", "participant_type"), pl.String),
    **dict.fromkeys(("declaration_type", "delivery_partner_name"), pl.String),
    **dict.fromkeys(("pence_before", "pence_now", "difference"), pl.Int64),
    "what_changed": pl.String,
}  # fmt: skip
KEY = ["statement_id", "side", "declaration_id"]


def pence_of(name: str) -> pl.Expr:
    """Money as our files write it, in pence."""
    return pl.col(name).str.replace(".", "", literal=True).cast(pl.Int64)


def version_changes(
    before: pl.DataFrame, now: pl.DataFrame, lines_before: pl.DataFrame, lines_now: pl.DataFrame
) -> pl.DataFrame:
    """before, now: rows of declarations.csv, with statement_id. lines_before, lines_now: rows of statement.csv.

    Returns CHANGES: `change` is added, removed or changed; `difference` adds up to what the total moved by.
    """
    both = _sided(before).join(_sided(now), on=KEY, how="full", coalesce=True, suffix="_now")
    told = _declarations(both)
    return pl.concat([told, _sections(lines_before, lines_now)]).sort(
        "statement_id", pl.col("declaration_id").is_null(), "change", "section", "declaration_id"
    )


def _sided(rows: pl.DataFrame) -> pl.DataFrame:
    """A declaration is on a statement to be paid (or voided) and to be taken back: those are two things."""
    state = pl.col("state").replace(["eligible", "payable", "paid"], "on its way")
    return rows.with_columns(
        side=pl.col("line_type").replace("voided", "output"),
        pence=pence_of("amount") + pence_of("uplift_amount"),
        state=state,
    )


def _declarations(both: pl.DataFrame) -> pl.DataFrame:
    added, removed = pl.col("line_type").is_null(), pl.col("line_type_now").is_null()
    differing = [
        pl.when(pl.col(name).ne_missing(pl.col(f"{name}_now"))).then(
            pl.format(
                f"{name} was {{}}, now {{}}", pl.col(name).fill_null("blank"), pl.col(f"{name}_now").fill_null("blank")
            )
        )
        for name in TOLD
    ]
    words = pl.concat_str(differing, separator="; ", ignore_nulls=True)
    rows = both.with_columns(
        change=pl.when(added).then(pl.lit("added")).when(removed).then(pl.lit("removed")).otherwise(pl.lit("changed")),
        what_changed=pl.when(added)
        .then(pl.lit("new on this statement"))
        .when(removed)
        .then(pl.lit("no longer on this statement"))
        .otherwise(words),
        pence_before=pl.col("pence").fill_null(0),
        pence_now=pl.col("pence_now").fill_null(0),
    )
    moved = pl.col("pence_before") != pl.col("pence_now")
    rows = rows.filter(moved | (pl.col("what_changed") != ""))
    shared = pl.lit("pence shared anew")
    return rows.select(
        "statement_id", "change", pl.coalesce("line_type_now", "line_type").alias("section"), "declaration_id",
        *(
            pl.coalesce(f"{name}_now", name).alias(name)
            for name in ("participant_id", "participant_type", "declaration_type", "delivery_partner_name")
        ),
        "pence_before", "pence_now", (pl.col("pence_now") - pl.col("pence_before")).alias("difference"),
        pl.when(pl.col("what_changed") == "").then(shared).otherwise("what_changed").alias("what_changed"),
    )  # fmt: skip


def _sections(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Service fee, adjustments and VAT: what no declaration stands behind."""
    sums = [
        rows.filter(~pl.col("section").is_in([*OF_DECLARATIONS, "total"]))
        .group_by("statement_id", "section")
        .agg(pence_of("amount").sum().alias("pence"))
        for rows in (before, now)
    ]
    both = sums[0].join(sums[1], on=["statement_id", "section"], how="full", coalesce=True, suffix="_now")
    both = both.with_columns(pl.col("pence", "pence_now").fill_null(0)).filter(pl.col("pence") != pl.col("pence_now"))
    nothing = pl.lit(None, pl.String)
    return both.select(
        "statement_id", pl.lit("changed").alias("change"), "section",
        *(nothing.alias(name) for name in list(CHANGES)[3:8]),
        pl.col("pence").alias("pence_before"), "pence_now", (pl.col("pence_now") - pl.col("pence")).alias("difference"),
        pl.when((pl.col("section") == "service-fee") & ((pl.col("pence_now") - pl.col("pence")).abs() <= 1))
        .then(pl.lit("pence shared anew"))
        .otherwise(pl.lit("the sum of this section"))
        .alias("what_changed"),
    )  # fmt: skip
