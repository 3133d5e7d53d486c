"""What keeps running safe: the lease on an environment, its quarantine, and who did what."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.models.base import Base, Number

_OPEN = text("lifted_at IS NULL")


class LeaseRow(Base):
    """Who may write to an environment now; one row for each environment, kept when free so that ``token`` only grows."""

    __tablename__ = "leases"

    environment: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    token: Mapped[int]
    """One more for each new holder: a run that slept through its lease still has the old one, and is refused."""
    since: Mapped[dt.datetime]
    expires: Mapped[dt.datetime]


class QuarantineRow(Base):
    """A time in which scheduled runs of an environment stay away from it; the row that is not lifted counts."""

    __tablename__ = "quarantines"
    __table_args__ = (
        Index("uq_quarantines_open", "environment", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_quarantines_environment_since", "environment", "since"),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    since: Mapped[dt.datetime]
    level: Mapped[int]
    until: Mapped[dt.datetime]
    reason: Mapped[str]
    lifted_by: Mapped[str]
    lifted_at: Mapped[dt.datetime | None]


class SharedDocumentRow(Base):
    """What all workers change in turn about a source: requests spent, an encrypted token. No personal data."""

    __tablename__ = "shared_documents"

    key: Mapped[str] = mapped_column(primary_key=True)
    """What it is, and a hash of whose."""
    document: Mapped[str]
    """JSON. Text and not a JSON column: it is read and written whole, and both databases keep it as it was."""
    changed_at: Mapped[dt.datetime]


class ActivityRow(Base):
    """Who did what, in the UI or on the command line."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_at", "at"), Index("ix_activity_environment_at", "environment", "at"))

    id: Mapped[Number]
    at: Mapped[dt.datetime]
    by: Mapped[str]
    environment: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    """Whom or what it was done to: a person id, 'mismatch 12', a run; '' for the environment as a whole."""
    detail: Mapped[str]
