"""What statements say beside the money: rejected declarations, and each version's figures for payment"""

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


def downgrade() -> None:
    op.drop_table("rejected_declarations")
