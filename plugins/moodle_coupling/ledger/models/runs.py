"""Runs, their intentions and progress, and the approvals asked for them."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.models.base import Base, Number


class RunRow(Base):
    """One DAG run of one environment; cleared and tried again it stays the same run."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("environment", "dag_id", "run_id"),
        Index("ix_runs_environment_started", "environment", "started"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    dag_id: Mapped[str]
    run_id: Mapped[str]
    mode: Mapped[str]
    state: Mapped[str]
    started: Mapped[dt.datetime]
    ended: Mapped[dt.datetime | None]
    counts: Mapped[dict[str, Any]]
    plan_digest: Mapped[str]
    plan_no: Mapped[int]
    """0 before there is a plan; one more each time the run, cleared by someone, makes a different plan."""
    reason: Mapped[str]


class IntentionRow(Base):
    """One row of a plan that writes: recorded before its batch is sent, settled with its outcome."""

    __tablename__ = "intentions"
    __table_args__ = (Index("ix_intentions_run_plan_no_state", "run", "plan_no", "state"),)

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    plan_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    batch: Mapped[str]
    sent_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]


class ProgressRow(Base):
    """How far a step of a run is; the latest word only."""

    __tablename__ = "progress"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    done: Mapped[int]
    total: Mapped[int | None]
    started: Mapped[dt.datetime]
    at: Mapped[dt.datetime]
    steady_since: Mapped[dt.datetime]
    """Since when words came without a long silence between them: what the rate is counted from."""
    steady_done: Mapped[int]
    """How much was done then."""


class ApprovalRow(Base):
    """A question whether one plan may be loaded, and its answer; it holds for exactly that plan of that run."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index(
            "uq_approvals_open",
            "run",
            "plan_digest",
            unique=True,
            sqlite_where=text("decision = ''"),
            postgresql_where=text("decision = ''"),
        ),
        Index("ix_approvals_run", "run"),
    )

    id: Mapped[Number]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    plan_digest: Mapped[str]
    reasons: Mapped[str]
    """JSON list of sentences: which safeguards tripped."""
    asked_at: Mapped[dt.datetime]
    decision: Mapped[str]
    decided_by: Mapped[str]
    at: Mapped[dt.datetime | None]
