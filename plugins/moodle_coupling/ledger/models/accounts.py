"""What is remembered of accounts that no link tells: nobody's since when, not to be touched, found under which keys."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.models.base import Base, Number


class AbsenceRow(Base):
    """An account whose idnumber belongs to no person of the source, and since when; removed when that ends."""

    __tablename__ = "absences"

    environment: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idnumber: Mapped[str]
    since: Mapped[dt.datetime]


class ProtectionRow(Base):
    """Someone's word that an account must not be touched.

    An account may have several, one for each mismatch on which that was decided: taking one decision back leaves the
    account protected as long as another stands.
    """

    __tablename__ = "protections"
    __table_args__ = (
        UniqueConstraint("environment", "account_id", "mismatch"),
        Index("ix_protections_mismatch", "mismatch"),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    account_id: Mapped[int]
    by: Mapped[str]
    at: Mapped[dt.datetime]
    note: Mapped[str]
    mismatch: Mapped[int | None] = mapped_column(ForeignKey("mismatches.id", ondelete="SET NULL"))
    """The mismatch on which it was decided; missing when it was done to the account itself, or the mismatch was purged."""


class ReadingRow(Base):
    """The last reading of everyone in an environment: when it was, and the highest account id that was seen since."""

    __tablename__ = "readings"

    environment: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime]
    highest: Mapped[int]


class AccountKeyRow(Base):
    """A key of an account that no exact look-up would find, as a digest."""

    __tablename__ = "account_keys"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  # the key is the whole row: kept once, not twice

    environment: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
