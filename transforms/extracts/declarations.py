"""declarations.csv: a lead provider's own, and those of others that stand for its participants, in the same role.

Others' are shown when dated on or before the last day of this provider's training, that day included (ours: DfE's service
misses one made during it). Source: RECT app/serializers/api/declaration_serializer.rb.
"""

import polars as pl

from schemas.columns import parse_instant
from schemas.frames import joined
from schemas.instants import day_in_london
from schemas.lifecycle import state
from schemas.vocabulary import COURSES
from transforms.extracts.view import OWNER, ROLE, View


def declarations(view: View) -> pl.DataFrame:
    """The columns of declarations.csv."""
    own = view.nation.declared.filter(pl.col("declared_by") == view.lead_provider_id)
    own = own.join(
        view.own_training.select("training_period_id", *ROLE), on="training_period_id", maintain_order="left"
    )
    rows = pl.concat([own, _of_others(view).select(own.columns)])
    rows = rows.with_columns(pl.col("declared_by").cast(pl.String))
    rows = joined(rows, view.held.names.select(declared_by=OWNER, lead_provider_name="name"), "declared_by")
    is_own = pl.col("declared_by") == view.lead_provider_id
    return rows.select(
        "participant_id", "declaration_type", "declaration_date", "created_at", "updated_at", "delivery_partner_id",
        "evidence_held", "lead_provider_name",
        pl.col("declaration_id").alias("id"),
        pl.col("participant_type").replace_strict(COURSES, default=None, return_dtype=pl.String).alias("course_identifier"),
        pl.when(pl.col("participant_type") == "ect").then("mentor_id").alias("mentor_id"),
        state().alias("state"),
        pl.when(is_own & (pl.col("payment_status") != "voided")).then("payment_statement_id").alias("statement_id"),
        pl.when(is_own).then("clawback_statement_id").alias("clawback_statement_id"),
        ((pl.col("payment_status") == "paid") & (pl.col("pupil_premium_uplift") | pl.col("sparsity_uplift"))).alias("uplift_paid"),
        pl.when(is_own).then("your_reference").alias("your_reference"),
    )  # fmt: skip


def _of_others(view: View) -> pl.DataFrame:
    """Live declarations of other lead providers that this one may see."""
    live = view.nation.shared_declared.filter(pl.col("declared_by").ne_missing(view.lead_provider_id))
    seen = live.join(view.shown.select(*ROLE, trained_until="finished_on"), on=ROLE)
    day = day_in_london(parse_instant(pl.col("declaration_date")))
    return seen.filter(pl.col("trained_until").is_null() | (day <= pl.col("trained_until"))).drop("trained_until")
