"""Mailboxes belong to lead providers' ids"""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

from data.migrations.stored import INSTANT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_RESERVED = {
    "to-dfe", "from-dfe", "taking", "uploading", "lost-found", "dfe", "ectx", "admin", "administrator", "root", "sftp",
    "sshd", "daemon", "nobody", "all", "con", "prn", "aux", "nul",
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)),
}  # fmt: skip


def upgrade() -> None:
    made = op.create_table(
        "mailboxes",
        sa.Column("lead_provider_id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=True),
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
        folder = _slug(name)
        if not folder or folder in _RESERVED or folder in taken:
            folder = f"{folder}-{provider[:8]}".strip("-")
        taken.add(folder)
        rows.append({"lead_provider_id": provider, "slug": folder, "name": name, "since": None})
    if rows:
        op.bulk_insert(made, rows)


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def downgrade() -> None:
    op.drop_table("mailboxes")
