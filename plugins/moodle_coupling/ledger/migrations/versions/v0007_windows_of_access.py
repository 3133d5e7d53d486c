"""The window that each row of a plan of access was about, so that a person's page can show it after the plan is swept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns; of what was done before, no window is known."""
    for name in ("timestart", "timeend"):
        op.add_column("access_outcomes", sa.Column(name, NUMBER, nullable=False, server_default="0"))
    op.add_column("access_outcomes", sa.Column("suspended", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Remove the columns; the older code does not look there."""
    for name in ("suspended", "timeend", "timestart"):
        op.drop_column("access_outcomes", name)
