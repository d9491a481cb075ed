"""What the last round of statements was made from, and told: of each lead provider for itself"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("statement_rounds")  # what is remembered is made again by the next round
    op.create_table(
        "statement_rounds",
        sa.Column("lead_provider_id", sa.String(length=36), primary_key=True),
        sa.Column("made_from", sa.String(length=64), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("statement_rounds")
    op.create_table(
        "statement_rounds",
        sa.Column("made_from", sa.String(length=64), primary_key=True),
        sa.Column("told", sa.Text(), nullable=False),
    )
