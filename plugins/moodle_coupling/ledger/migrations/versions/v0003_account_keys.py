"""Keys of accounts that an exact look-up does not find, and when everyone was last read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()


def upgrade() -> None:
    """Make the tables; they fill at the next reading of everyone."""
    op.create_table(
        "readings",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("highest", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("environment", name="pk_readings"),
    )
    op.create_table(
        "account_keys",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("environment", "key", "account_id", name="pk_account_keys"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the tables; the older code does not look there."""
    op.drop_table("account_keys")
    op.drop_table("readings")
