"""The extracts that were made, and those that were asked for"""

import sqlalchemy as sa
from alembic import op

from data.migrations.stored import INSTANT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "extract_sets",
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("rows", sa.Text(), nullable=False),
        sa.Column("purged_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("lead_provider_id", "number"),
    )
    op.create_table(
        "extract_requests",
        sa.Column("submission_id", sa.String(length=80), nullable=False),
        sa.Column("row_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("submission_id", "row_number"),
    )
    op.create_index("ix_extract_requests_lead_provider_id", "extract_requests", ["lead_provider_id"])


def downgrade() -> None:
    op.drop_table("extract_requests")
    op.drop_table("extract_sets")
