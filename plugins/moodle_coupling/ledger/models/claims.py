"""Which environment a Moodle belongs to, where several mapping files name its connection."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # the declarative mapping looks annotations up

from sqlalchemy.orm import Mapped, mapped_column

from moodle_coupling.ledger.models.base import Base


class ClaimRow(Base):
    """The environment that had a connection first, as long as its mapping file names it."""

    __tablename__ = "claims"

    connection: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    since: Mapped[dt.datetime]
