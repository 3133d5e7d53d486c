"""What all workers share about a source: the requests spent, and a token (encrypted)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table; the counts begin at the next request."""
    op.create_table(
        "shared_documents",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_shared_documents"),
    )


def downgrade() -> None:
    """Remove the table; the older code does not look there."""
    op.drop_table("shared_documents")
