"""Links: which account in an environment belongs to which idnumber, and what we last wrote to it."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.models.base import Base


class LinkRow(Base):
    """One account that this coupling created or found; an idnumber has one account and an account one idnumber."""

    __tablename__ = "links"
    __table_args__ = (
        Index("uq_links_environment_account_id", "environment", "account_id", unique=True),
        Index("ix_links_person_id", "person_id"),
    )

    environment: Mapped[str] = mapped_column(primary_key=True)
    idnumber: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    person_id: Mapped[str]
    username: Mapped[str]
    """The username that was given; it may have been changed in Moodle since."""
    fingerprint: Mapped[str]
    """Hash of what was last written or seen to be right; '' when not known, so that the next run looks."""
    created_by_us: Mapped[bool]
    suspended_by: Mapped[str]
    """'' when not suspended by us; else who did: 'coupling', or an analyst's name."""
    suspended_at: Mapped[dt.datetime | None]
    linked_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
