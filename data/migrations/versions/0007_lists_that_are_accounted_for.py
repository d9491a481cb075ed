"""Which months a list of expected payments stands for; its rejected rows; lines of rejected rows"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stated_months",
        sa.Column("submission_id", sa.String(length=80), nullable=False),
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("contract_period", sa.Integer(), nullable=False),
        sa.Column("statement_month", sa.String(length=7), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", "contract_period", "statement_month"),
    )
    op.create_index("ix_stated_months_lead_provider_id", "stated_months", ["lead_provider_id"])
    op.execute(
        "INSERT INTO stated_months (submission_id, lead_provider_id, contract_period, statement_month) "
        "SELECT DISTINCT submission_id, lead_provider_id, contract_period, statement_month FROM expected_payments"
    )
    op.create_table(
        "rejected_expectations",
        sa.Column("submission_id", sa.String(length=80), nullable=False),
        sa.Column("row_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("statement_month", sa.String(length=7), nullable=True),
        sa.Column("contract_period", sa.Integer(), nullable=True),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("participant_type", sa.String(length=10), nullable=False),
        sa.Column("declaration_type", sa.String(length=20), nullable=False),
        sa.Column("rule_codes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", "row_number"),
    )
    # What was judged before has no line: it is named by its row.
    op.add_column("rejected_declarations", sa.Column("line_number", sa.Integer(), nullable=True))
    op.add_column("events", sa.Column("line_number", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("events", "line_number")
    op.drop_column("rejected_declarations", "line_number")
    op.drop_table("rejected_expectations")
    op.drop_table("stated_months")
