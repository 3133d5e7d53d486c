"""Quarantine: after a load that went wrong, scheduled runs stay away from an environment, longer each time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.models import QuarantineRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

BACKOFF: Final = (dt.timedelta(hours=6), dt.timedelta(hours=12), dt.timedelta(hours=24))
"""How long scheduled runs stay away: the first time, the second, and every time after."""
_QUARANTINES: Any = QuarantineRow.__table__


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One quarantine; ``level`` counts from 1, ``until`` is when a scheduled run may try again."""

    id: int
    environment: str
    since: dt.datetime
    level: int
    until: dt.datetime
    reason: str
    lifted_by: str
    lifted_at: dt.datetime | None


def impose(ledger: Ledger, environment: str, reason: str, *, backoff: Sequence[dt.timedelta] = BACKOFF) -> Quarantine:
    """Put an environment into quarantine, one level up when it is in one; the former is kept as history."""
    with ledger.writing() as connection:
        now = ledger.now(connection)
        before = _lift(connection, environment, "next level", now)
        level = (before["level"] if before is not None else 0) + 1
        values = {
            "environment": environment,
            "since": now,
            "level": level,
            "until": now + backoff[min(level, len(backoff)) - 1],
            "reason": cells.clean(reason),
            "lifted_by": "",
        }
        row = connection.execute(insert(_QUARANTINES).values(values).returning(_QUARANTINES)).mappings().one()
        return Quarantine(**row)


def in_quarantine(ledger: Ledger, environment: str) -> Quarantine | None:
    """Give the quarantine that is not lifted, None when there is none; compare ``until`` with now for a scheduled run."""
    query = select(_QUARANTINES).where(*_open(environment))
    with ledger.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return Quarantine(**row) if row is not None else None


def lift(ledger: Ledger, environment: str, *, by: str) -> bool:
    """End an environment's quarantine; False when it was in none. ``by`` is a person, a run or a test."""
    with ledger.writing() as connection:
        return _lift(connection, environment, cells.key_text(by), ledger.now(connection)) is not None


def quarantine_history(ledger: Ledger, environment: str) -> list[Quarantine]:
    """Give all quarantines of an environment, latest first."""
    query = select(_QUARANTINES).where(_QUARANTINES.c.environment == environment).order_by(_QUARANTINES.c.id.desc())
    with ledger.reading() as connection:
        return [Quarantine(**row) for row in connection.execute(query).mappings()]


def _open(environment: str) -> tuple[Any, ...]:
    return (_QUARANTINES.c.environment == environment, _QUARANTINES.c.lifted_at.is_(None))


def _lift(connection: Connection, environment: str, by: str, now: dt.datetime) -> Any:
    lifted = update(_QUARANTINES).where(*_open(environment)).values(lifted_by=by, lifted_at=now)
    return connection.execute(lifted.returning(_QUARANTINES)).mappings().one_or_none()
