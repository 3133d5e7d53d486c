"""Which environment a connection belongs to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table; who has a connection is noted by the first run."""
    op.create_table(
        "claims",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connection", name="pk_claims"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("claims")
