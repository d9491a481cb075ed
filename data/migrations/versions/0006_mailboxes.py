"""Mailboxes belong to lead providers' ids"""

import sqlalchemy as sa
from alembic import op

import data.tables
from schemas.slugs import RESERVED, slug

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    made = op.create_table(
        "mailboxes",
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", data.tables.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("lead_provider_id"),
        sa.UniqueConstraint("slug", name="uq_mailboxes_slug"),
    )
    # Whoever shared a mailbox by its name has one by its id from now on; the first by id keeps what is there.
    taken: set[str] = set()
    rows = []
    owners = op.get_bind().execute(
        sa.text("SELECT lead_provider_id, name FROM lead_providers ORDER BY lead_provider_id")
    )
    for provider, name in owners:
        folder = slug(name)
        if not folder or folder in RESERVED or folder in taken:
            folder = f"{folder}-{provider[:8]}".strip("-")
        taken.add(folder)
        rows.append({"lead_provider_id": provider, "slug": folder, "name": name, "since": None})
    if rows:
        op.bulk_insert(made, rows)


def downgrade() -> None:
    op.drop_table("mailboxes")
