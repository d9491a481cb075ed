"""In which order files were applied, whoever sent them: the order in which they replay"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("applied_number", sa.Integer(), nullable=True))
    op.create_index("ix_submissions_applied", "submissions", ["applied_number"])


def downgrade() -> None:
    op.drop_index("ix_submissions_applied", table_name="submissions")
    op.drop_column("submissions", "applied_number")
