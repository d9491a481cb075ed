"""What statements say beside the money: rejected declarations; and counts of what is paid, kept"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejected_declarations",
        sa.Column("submission_id", sa.String(length=80), nullable=False),
        sa.Column("row_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("participant_type", sa.String(length=10), nullable=False),
        sa.Column("declaration_type", sa.String(length=20), nullable=False),
        sa.Column("rule_codes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", "row_number"),
    )
    op.create_index("ix_rejected_declarations_participant_id", "rejected_declarations", ["participant_id"])
    op.create_table(
        "paid_units",
        sa.Column("statement_id", sa.String(length=36), nullable=False),
        sa.Column("counted_as", sa.String(length=10), nullable=False),
        sa.Column("declaration_type", sa.String(length=20), nullable=False),
        sa.Column("billed", sa.Integer(), nullable=False),
        sa.Column("refunded", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("statement_id", "counted_as", "declaration_type"),
    )


def downgrade() -> None:
    op.drop_table("paid_units")
    op.drop_table("rejected_declarations")
