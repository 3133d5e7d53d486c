"""How alike the two sides of a mismatch are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the score; the next comparison fills it in."""
    op.add_column("mismatches", sa.Column("score", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("mismatches", "score")
