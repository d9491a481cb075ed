"""Who brought an event about, as a lead provider is told it."""

import polars as pl

from schemas.events import DFE_STAFF, LEAD_PROVIDER
from schemas.showing import shown_column


def by_whom() -> pl.Expr:
    """From author, by_submission_id, by_file_name, by_line_number and by_row_number: which line of which file of the reader's own,
    or DfE; nothing where neither is known. Starts with a comma."""
    place = pl.coalesce(pl.format("line {}", "by_line_number"), pl.format("row {}", "by_row_number"))
    by_file = pl.format(
        ", by {} of your file {} (receipt {})", place, shown_column(pl.col("by_file_name")), "by_submission_id"
    )
    return (
        pl.when((pl.col("author") == LEAD_PROVIDER) & pl.col("by_submission_id").is_not_null()).then(by_file)
        .when(pl.col("author") == DFE_STAFF).then(pl.lit(", by DfE"))
        .otherwise(pl.lit(""))
    )  # fmt: skip
