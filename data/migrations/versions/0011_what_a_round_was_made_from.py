"""What the last round of statements was made from, so that one for which nothing has changed computes nothing"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "statement_rounds",
        sa.Column("made_from", sa.String(length=64), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("made_from"),
    )


def downgrade() -> None:
    op.drop_table("statement_rounds")
