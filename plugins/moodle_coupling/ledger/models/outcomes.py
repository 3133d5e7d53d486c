"""Outcomes: what happened to each person, each time; history that is only ever added to."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.column_types import PrefixText
from moodle_coupling.ledger.models.base import Base, Number

_STANDING = text("standing")


class OutcomeRow(Base):
    """One try of one row of a plan. Of a row's tries exactly one stands: the latest.

    Nothing in a row changes once written, except ``standing``, which a later try takes over.
    """

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("run", "plan_no", "key", "attempt"),
        Index(
            "uq_outcomes_standing",
            "run",
            "plan_no",
            "key",
            unique=True,
            sqlite_where=_STANDING,
            postgresql_where=_STANDING,
        ),
        # All that the list of a run is filtered and counted by. Not WHERE standing: SQLAlchemy says standing = 1 to SQLite,
        # for which that is something else.
        Index("ix_outcomes_listed", "run", "plan_no", "standing", "status", "code", "action", "verdict", "id"),
        Index("ix_outcomes_environment_at", "environment", "at"),
        Index("ix_outcomes_person_id", "person_id", "at"),
        Index("ix_outcomes_extern_id", "extern_id", "at"),
        Index("ix_outcomes_idnumber", "idnumber", "at"),
        Index("ix_outcomes_username", "username", "at"),
        Index("ix_outcomes_email_key", "email_key", "at"),
        Index("ix_outcomes_name_key", "name_key"),
        Index("ix_outcomes_account_id", "environment", "account_id"),
    )

    id: Mapped[Number]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    plan_no: Mapped[int]
    key: Mapped[str]
    attempt: Mapped[int]
    standing: Mapped[bool]
    environment: Mapped[str]
    row: Mapped[int | None]
    person_id: Mapped[str]
    extern_id: Mapped[str]
    idnumber: Mapped[str]
    account_id: Mapped[int | None]
    verdict: Mapped[str]
    action: Mapped[str]
    username: Mapped[str]
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    email_key: Mapped[str]
    """The e-mail address in small letters, for looking up."""
    name_key: Mapped[str] = mapped_column(PrefixText)
    """Last and first name in small letters, for looking up by how it begins."""
    status: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    changes: Mapped[str]
    """JSON {field: [old, new]}."""
    at: Mapped[dt.datetime]
