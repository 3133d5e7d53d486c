"""Access to cohorts and courses: what was given, and what became of each row of a plan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables; they stay empty where no mapping says 'access:'."""
    op.create_table(
        "access",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, autoincrement=False, nullable=False),
        *_texts("kind", "target"),
        sa.Column("target_id", NUMBER, nullable=False),
        *_texts("idnumber", "person_id", "role"),
        sa.Column("timestart", NUMBER, nullable=False),
        sa.Column("timeend", NUMBER, nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        *_texts("run"),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", "account_id", "kind", "target", name="pk_access"),
    )
    op.create_index("ix_access_person_id", "access", ["person_id"])
    op.create_index("ix_access_idnumber", "access", ["idnumber"])
    op.create_table(
        "access_outcomes",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("plan", TEXT, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        *_texts("environment", "person_id", "extern_id", "idnumber"),
        sa.Column("account_id", NUMBER, nullable=True),
        *_texts("kind", "target", "role", "action", "status", "code", "message"),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_outcomes"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_access_outcomes_run", ondelete="CASCADE"),
        sa.UniqueConstraint("run", "plan", "position", name="uq_access_outcomes_run_plan_position"),
    )
    op.create_index("ix_access_outcomes_environment_at", "access_outcomes", ["environment", "at"])
    op.create_index("ix_access_outcomes_person_id", "access_outcomes", ["person_id", "at"])
    op.create_index("ix_access_outcomes_idnumber", "access_outcomes", ["idnumber", "at"])


def downgrade() -> None:
    """Remove the tables: what was given is forgotten, and nothing of it is taken back."""
    op.drop_table("access_outcomes")
    op.drop_table("access")
