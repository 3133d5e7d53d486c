"""Decisions that name an account at which the mismatch does not point."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what such an account looked like; '' on every decision that was taken before."""
    op.add_column("decisions", sa.Column("account_print", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove it: such decisions are then told to name none of their mismatch's accounts, and are not obeyed."""
    op.drop_column("decisions", "account_print")
