"""What is open of each lead provider is found without looking through all that ever was"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unremoved, owed = sa.column("removed", sa.Boolean()).is_(False), sa.column("delivered_at", sa.Text()).is_(None)
    op.create_index(
        "ix_submissions_unremoved",
        "submissions",
        ["lead_provider_id"],
        sqlite_where=unremoved,
        postgresql_where=unremoved,
    )
    op.create_index("ix_deliveries_owed", "deliveries", ["lead_provider_id"], sqlite_where=owed, postgresql_where=owed)


def downgrade() -> None:
    op.drop_index("ix_deliveries_owed", table_name="deliveries")
    op.drop_index("ix_submissions_unremoved", table_name="submissions")
