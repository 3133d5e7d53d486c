"""Who is to judge a mismatch and by when, and who took a decision back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add them: nobody yet, on every mismatch and decision that is there."""
    op.add_column("mismatches", sa.Column("assigned_to", sa.Text(), nullable=False, server_default=""))
    op.add_column("mismatches", sa.Column("due", sa.Text(), nullable=True))
    some = sa.text("assigned_to <> ''")
    op.create_index(
        "ix_mismatches_assigned_to", "mismatches", ["assigned_to"], sqlite_where=some, postgresql_where=some
    )
    op.add_column("decisions", sa.Column("withdrawn_by", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove them: a decision that was taken back is then one that lapsed."""
    op.drop_column("decisions", "withdrawn_by")
    op.drop_index("ix_mismatches_assigned_to", "mismatches")
    op.drop_column("mismatches", "due")
    op.drop_column("mismatches", "assigned_to")
