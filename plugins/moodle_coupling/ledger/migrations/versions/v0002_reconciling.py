"""What reconciling remembers: absences, protections, progress, lists that open at once."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
TEXT = sa.Text()


def upgrade() -> None:
    """Make the tables, and bring over the decisions not to touch an account."""
    _absences()
    _protections()
    _progress()
    op.add_column("mismatches", sa.Column("since", TIME, nullable=True))
    op.execute("UPDATE mismatches SET since = CASE WHEN status = 'open' THEN first_seen ELSE last_seen END")
    _protect()
    listed = ["run", "plan_no", "standing", "status", "code", "action", "verdict", "id"]
    op.create_index("ix_outcomes_listed", "outcomes", listed)


def downgrade() -> None:
    """Remove the tables; decisions not to touch an account are in force as the first schema had them."""
    op.drop_index("ix_outcomes_listed", "outcomes")
    _unprotect()
    op.drop_column("mismatches", "since")
    for table in ("progress", "protections", "absences"):
        op.drop_table(table)


def _absences() -> None:
    op.create_table(
        "absences",
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("idnumber", TEXT, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.PrimaryKeyConstraint("environment", "account_id", name="pk_absences"),
    )


def _protections() -> None:
    op.create_table(
        "protections",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("account_id", NUMBER, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("mismatch", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["mismatch"], ["mismatches.id"], name="fk_protections_mismatch", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_protections"),
        sa.UniqueConstraint(
            "environment", "account_id", "mismatch", name="uq_protections_environment_account_id_mismatch"
        ),
    )
    op.create_index("ix_protections_mismatch", "protections", ["mismatch"])


def _progress() -> None:
    op.create_table(
        "progress",
        sa.Column("run", TEXT, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("done", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=True),
        sa.Column("started", TIME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("steady_since", TIME, nullable=False),
        sa.Column("steady_done", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_progress_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "step", name="pk_progress"),
    )


MISMATCHES = sa.table(
    "mismatches",
    sa.column("id", NUMBER),
    sa.column("environment", TEXT),
    sa.column("status", TEXT),
    sa.column("version", NUMBER),
    sa.column("since", TIME),
    sa.column("account_id", NUMBER),
    sa.column("other_accounts", TEXT),
)
DECISIONS = sa.table(
    "decisions",
    sa.column("id", NUMBER),
    sa.column("mismatch", NUMBER),
    sa.column("kind", TEXT),
    sa.column("account_id", NUMBER),
    sa.column("note", TEXT),
    sa.column("by", TEXT),
    sa.column("at", TIME),
    sa.column("applied_at", TIME),
    sa.column("lapsed_at", TIME),
)
PROTECTIONS = sa.table(
    "protections",
    sa.column("environment", TEXT),
    sa.column("account_id", NUMBER),
    sa.column("by", TEXT),
    sa.column("at", TIME),
    sa.column("note", TEXT),
    sa.column("mismatch", NUMBER),
)
NOT_TO_TOUCH = (DECISIONS.c.kind == "do_not_touch", DECISIONS.c.lapsed_at.is_(None))


def _protect() -> None:
    """Before, a decision not to touch was obeyed as long as the mismatch was found; now it protects the accounts."""
    connection = op.get_bind()
    query = (
        sa.select(MISMATCHES, DECISIONS.c.account_id.label("chosen"), DECISIONS.c.note, DECISIONS.c.by, DECISIONS.c.at)
        .join_from(DECISIONS, MISMATCHES, DECISIONS.c.mismatch == MISMATCHES.c.id)
        .where(*NOT_TO_TOUCH, DECISIONS.c.applied_at.is_(None), MISMATCHES.c.status == "decided")
    )
    for row in connection.execute(query).mappings().all():
        meant = {row["account_id"], *json.loads(row["other_accounts"] or "[]")}
        accounts = ({row["chosen"]} if row["chosen"] is not None else meant) - {None}
        for account in sorted(accounts):
            word = {name: row[name] for name in ("environment", "by", "at", "note")}
            connection.execute(sa.insert(PROTECTIONS).values(account_id=account, mismatch=row["id"], **word))
        mine = (DECISIONS.c.mismatch == row["id"], *NOT_TO_TOUCH)
        connection.execute(sa.update(DECISIONS).where(*mine).values(applied_at=DECISIONS.c.at))
        applied = {"status": "applied", "version": MISMATCHES.c.version + 1, "since": row["at"]}
        connection.execute(sa.update(MISMATCHES).where(MISMATCHES.c.id == row["id"]).values(applied))


def _unprotect() -> None:
    connection = op.get_bind()
    theirs = MISMATCHES.c.id.in_(sa.select(DECISIONS.c.mismatch).where(*NOT_TO_TOUCH))
    again = {"status": "decided", "version": MISMATCHES.c.version + 1}
    connection.execute(sa.update(MISMATCHES).where(MISMATCHES.c.status == "applied", theirs).values(again))
    decided = sa.select(MISMATCHES.c.id).where(MISMATCHES.c.status == "decided")
    connection.execute(
        sa.update(DECISIONS).where(*NOT_TO_TOUCH, DECISIONS.c.mismatch.in_(decided)).values(applied_at=None)
    )
