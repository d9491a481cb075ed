"""unfunded-mentors.csv: mentors of a lead provider's ECTs whom it neither trains nor has trained, in either role.

They go by the time at the school, as in DfE's API: also when the training has moved elsewhere. Source: RECT
app/services/api/teachers/unfunded_mentors/query.rb.
"""

import polars as pl

from transforms.extracts.view import View


def unfunded_mentors(view: View) -> pl.DataFrame:
    """The columns of unfunded-mentors.csv. The e-mail is that of the latest time at a school as a mentor among those who are
    mentors now, or next."""
    ects = view.shown.filter(pl.col("participant_type") == "ect").select("school_period_id")
    mentors = ects.join(view.nation.assigned, on="school_period_id").sort(
        "mentor_started_on", "mentor_school_period_id"
    )
    mentors = mentors.unique("mentor_id", keep="last", maintain_order=True).select("email", participant_id="mentor_id")
    mentors = mentors.join(view.shown, on="participant_id", how="anti")
    rows = mentors.join(view.held.participants, on="participant_id")
    return rows.select(
        "full_name", "email", "created_at", "updated_at", id="participant_id", teacher_reference_number="trn"
    )
