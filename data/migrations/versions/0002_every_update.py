"""What every kind of update needs: partnerships in the audit trail, expected payments, changes of our own"""

import sqlalchemy as sa
from alembic import op

from data.migrations.stored import INSTANT, MONEY

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("partnership_id", sa.String(length=36), nullable=True))
    op.add_column("events", sa.Column("reason", sa.Text(), nullable=True))
    op.create_index("ix_events_partnership_id", "events", ["partnership_id"])
    op.create_index("ix_schools_urn", "schools", ["urn"])
    op.add_column("records_imports", sa.Column("reconciled", sa.Text(), nullable=True))
    op.create_table(
        "expected_payments",
        sa.Column("submission_id", sa.String(length=80), nullable=False),
        sa.Column("row_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("statement_month", sa.String(length=7), nullable=False),
        sa.Column("contract_period", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("participant_type", sa.String(length=10), nullable=False),
        sa.Column("declaration_type", sa.String(length=20), nullable=False),
        sa.Column("expected_amount", MONEY, nullable=True),
        sa.Column("delivery_partner_id", sa.String(length=36), nullable=True),
        sa.Column("your_reference", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("submission_id", "row_number"),
    )
    op.create_index(
        "ix_expected_payments_month", "expected_payments", ["lead_provider_id", "contract_period", "statement_month"]
    )
    op.create_table(
        "own_changes",
        sa.Column("table_name", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("column_name", sa.String(length=40), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("table_name", "record_id", "column_name"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("own_changes")
    op.drop_index("ix_expected_payments_month", table_name="expected_payments")
    op.drop_table("expected_payments")
    op.drop_column("records_imports", "reconciled")
    op.drop_index("ix_schools_urn", table_name="schools")
    op.drop_index("ix_events_partnership_id", table_name="events")
    op.drop_column("events", "reason")
    op.drop_column("events", "partnership_id")
