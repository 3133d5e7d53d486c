"""The first schema: links, runs, intentions, outcomes, mismatches, decisions, and what keeps running safe."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
TEXT = sa.Text()
PREFIX = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _links()
    _runs()
    _intentions()
    _approvals()
    _outcomes()
    _mismatches()
    _decisions()
    _leases()
    _quarantines()
    _activity()


def downgrade() -> None:
    """Remove the tables, and all that is in them."""
    for table in (
        "activity",
        "quarantines",
        "leases",
        "decisions",
        "mismatches",
        "outcomes",
        "approvals",
        "intentions",
        "runs",
        "links",
    ):
        op.drop_table(table)


def _links() -> None:
    op.create_table(
        "links",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("idnumber", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("created_by_us", sa.Boolean(), nullable=False),
        sa.Column("suspended_by", TEXT, nullable=False),
        sa.Column("suspended_at", TIME, nullable=True),
        sa.Column("linked_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", "idnumber", name="pk_links"),
    )
    op.create_index("ix_links_person_id", "links", ["person_id"])
    op.create_index("uq_links_environment_account_id", "links", ["environment", "account_id"], unique=True)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("dag_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("started", TIME, nullable=False),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("plan_digest", TEXT, nullable=False),
        sa.Column("plan_no", NUMBER, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("environment", "dag_id", "run_id", name="uq_runs_environment_dag_id_run_id"),
    )
    op.create_index("ix_runs_environment_started", "runs", ["environment", "started"])


def _intentions() -> None:
    op.create_table(
        "intentions",
        sa.Column("run", TEXT, nullable=False),
        sa.Column("plan_no", NUMBER, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("batch", TEXT, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("settled_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_intentions_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "plan_no", "key", name="pk_intentions"),
    )
    op.create_index("ix_intentions_run_plan_no_state", "intentions", ["run", "plan_no", "state"])


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("plan_digest", TEXT, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("decision", TEXT, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_approvals_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_run", "approvals", ["run"])
    op.create_index(
        "uq_approvals_open",
        "approvals",
        ["run", "plan_digest"],
        unique=True,
        sqlite_where=sa.text("decision = ''"),
        postgresql_where=sa.text("decision = ''"),
    )


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("plan_no", NUMBER, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("attempt", NUMBER, nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("row", NUMBER, nullable=True),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("extern_id", TEXT, nullable=False),
        sa.Column("idnumber", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, nullable=True),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("firstname", TEXT, nullable=False),
        sa.Column("lastname", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("email_key", TEXT, nullable=False),
        sa.Column("name_key", PREFIX, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("changes", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_outcomes_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_outcomes"),
        sa.UniqueConstraint("run", "plan_no", "key", "attempt", name="uq_outcomes_run_plan_no_key_attempt"),
    )
    op.create_index("ix_outcomes_account_id", "outcomes", ["environment", "account_id"])
    op.create_index("ix_outcomes_email_key", "outcomes", ["email_key", "at"])
    op.create_index("ix_outcomes_environment_at", "outcomes", ["environment", "at"])
    op.create_index("ix_outcomes_extern_id", "outcomes", ["extern_id", "at"])
    op.create_index("ix_outcomes_idnumber", "outcomes", ["idnumber", "at"])
    op.create_index("ix_outcomes_name_key", "outcomes", ["name_key"])
    op.create_index("ix_outcomes_person_id", "outcomes", ["person_id", "at"])
    op.create_index("ix_outcomes_username", "outcomes", ["username", "at"])
    op.create_index(
        "uq_outcomes_standing",
        "outcomes",
        ["run", "plan_no", "key"],
        unique=True,
        sqlite_where=sa.text("standing"),
        postgresql_where=sa.text("standing"),
    )


def _mismatches() -> None:
    op.create_table(
        "mismatches",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("facts_digest", TEXT, nullable=False),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("extern_id", TEXT, nullable=False),
        sa.Column("idnumber", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, nullable=True),
        sa.Column("other_accounts", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("firstname", TEXT, nullable=False),
        sa.Column("lastname", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("email_key", TEXT, nullable=False),
        sa.Column("name_key", PREFIX, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("proposal", TEXT, nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("times_seen", NUMBER, nullable=False),
        sa.Column("last_run", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mismatches"),
        sa.UniqueConstraint(
            "environment",
            "subject",
            "verdict",
            "facts_digest",
            name="uq_mismatches_environment_subject_verdict_facts_digest",
        ),
    )
    op.create_index("ix_mismatches_email_key", "mismatches", ["email_key"])
    op.create_index("ix_mismatches_environment_status", "mismatches", ["environment", "status", "last_seen"])
    op.create_index("ix_mismatches_extern_id", "mismatches", ["extern_id"])
    op.create_index("ix_mismatches_idnumber", "mismatches", ["idnumber"])
    op.create_index("ix_mismatches_name_key", "mismatches", ["name_key"])
    op.create_index("ix_mismatches_person_id", "mismatches", ["person_id"])
    op.create_index("ix_mismatches_username", "mismatches", ["username"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("mismatch", NUMBER, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, nullable=True),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("facts_digest", TEXT, nullable=False),
        sa.Column("applied_run", TEXT, nullable=False),
        sa.Column("applied_at", TIME, nullable=True),
        sa.Column("lapsed_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["mismatch"], ["mismatches.id"], name="fk_decisions_mismatch", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_at", "decisions", ["at"])
    op.create_index("ix_decisions_mismatch", "decisions", ["mismatch"])


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("token", NUMBER, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", name="pk_leases"),
    )


def _quarantines() -> None:
    op.create_table(
        "quarantines",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("level", NUMBER, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("lifted_by", TEXT, nullable=False),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_quarantines"),
    )
    op.create_index("ix_quarantines_environment_since", "quarantines", ["environment", "since"])
    op.create_index(
        "uq_quarantines_open",
        "quarantines",
        ["environment"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )


def _activity() -> None:
    op.create_table(
        "activity",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activity"),
    )
    op.create_index("ix_activity_at", "activity", ["at"])
    op.create_index("ix_activity_environment_at", "activity", ["environment", "at"])
