"""When a file lay in its mailbox whole; tries that failed; how old an extract is; partnerships that moved"""

import sqlalchemy as sa
from alembic import op

from data.migrations.stored import INSTANT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sightings",
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("arrival", sa.Text(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("lead_provider_id", "arrival"),
    )
    op.create_table(
        "looks",
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("looked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("lead_provider_id"),
    )
    op.create_table(
        "partnership_moves",
        sa.Column("from_partnership_id", sa.String(length=36), nullable=False),
        sa.Column("to_partnership_id", sa.String(length=36), nullable=False),
        sa.Column("moved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("from_partnership_id"),
    )
    op.create_table(
        "school_merges",
        sa.Column("from_school_id", sa.String(length=36), nullable=False),
        sa.Column("to_school_id", sa.String(length=36), nullable=False),
        sa.Column("merged_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("from_school_id"),
    )
    op.add_column("submissions", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("submissions", sa.Column("next_try_at", INSTANT))
    op.add_column("submissions", sa.Column("trouble", sa.Text()))
    op.add_column("records_imports", sa.Column("as_of", INSTANT))
    # A receipt may be replaced: what was put aside is judged later after all.
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_constraint("uq_deliveries_path", type_="unique")
    op.create_index("ix_deliveries_path", "deliveries", ["lead_provider_id", "path"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_path", table_name="deliveries")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.create_unique_constraint("uq_deliveries_path", ["lead_provider_id", "path"])
    op.drop_column("records_imports", "as_of")
    for name in ("trouble", "next_try_at", "failures"):
        op.drop_column("submissions", name)
    for name in ("school_merges", "partnership_moves", "looks", "sightings"):
        op.drop_table(name)
