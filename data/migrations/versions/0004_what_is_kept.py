"""When an upload and its receipt were removed for their age"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("purged_at", sa.String() if _is_sqlite() else sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("submissions", "purged_at")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
