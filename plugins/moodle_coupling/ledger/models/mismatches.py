"""Mismatches and the decisions taken on them."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.column_types import PrefixText
from moodle_coupling.ledger.models.base import Base, Number


class MismatchRow(Base):
    """One thing a human must judge: a subject, a verdict and the facts; found again, it is the same row."""

    __tablename__ = "mismatches"
    __table_args__ = (
        UniqueConstraint("environment", "subject", "verdict", "facts_digest"),
        Index("ix_mismatches_environment_status", "environment", "status", "last_seen"),
        Index("ix_mismatches_person_id", "person_id"),
        Index("ix_mismatches_extern_id", "extern_id"),
        Index("ix_mismatches_idnumber", "idnumber"),
        Index("ix_mismatches_username", "username"),
        Index("ix_mismatches_email_key", "email_key"),
        Index("ix_mismatches_name_key", "name_key"),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    subject: Mapped[str]
    """Who it is about: 'person <person_id>', 'idnumber <idnumber>', or 'account <id>' when no person is involved."""
    verdict: Mapped[str]
    facts_digest: Mapped[str]
    facts: Mapped[str]
    """JSON: what the verdict stands on; when it changes, this is another mismatch and decisions lapse."""
    status: Mapped[str]
    since: Mapped[dt.datetime | None] = mapped_column()
    """Since when it has this status. Never missing; SQLite adds no column that must be filled to a table with rows."""
    version: Mapped[int]
    """One more with every change of status: a decision names the version it was taken on."""
    person_id: Mapped[str]
    extern_id: Mapped[str]
    idnumber: Mapped[str]
    account_id: Mapped[int | None]
    other_accounts: Mapped[str]
    """JSON [id, …]."""
    username: Mapped[str]
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    email_key: Mapped[str]
    name_key: Mapped[str] = mapped_column(PrefixText)
    evidence: Mapped[str]
    proposal: Mapped[str]
    first_seen: Mapped[dt.datetime]
    last_seen: Mapped[dt.datetime]
    times_seen: Mapped[int]
    last_run: Mapped[str]


class DecisionRow(Base):
    """What someone decided on a mismatch, and what came of it. Decisions are added, never changed or removed."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_mismatch", "mismatch"), Index("ix_decisions_at", "at"))

    id: Mapped[Number]
    mismatch: Mapped[int] = mapped_column(ForeignKey("mismatches.id", ondelete="CASCADE"))
    kind: Mapped[str]
    account_id: Mapped[int | None]
    """The account meant, where the mismatch points at several."""
    note: Mapped[str]
    by: Mapped[str]
    at: Mapped[dt.datetime]
    facts_digest: Mapped[str]
    applied_run: Mapped[str]
    """The run that carried it out; '' while none has."""
    applied_at: Mapped[dt.datetime | None]
    lapsed_at: Mapped[dt.datetime | None]
