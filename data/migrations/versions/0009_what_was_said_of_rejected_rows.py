"""What a receipt said of a rejected row, so that a difference from what was expected can say it again"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("rejected_declarations", "rejected_expectations")


def upgrade() -> None:
    for table in TABLES:  # of what was judged before, the codes alone are told
        op.add_column(table, sa.Column("messages", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "messages")
