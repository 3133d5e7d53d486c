"""Who may write to an environment now, which environment a Moodle belongs to, and how long scheduled runs stay away after a load that went wrong."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, insert, or_, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import insert_into
from moodle_coupling.ledger.errors import LeaseLost
from moodle_coupling.ledger.models import ClaimRow, LeaseRow, QuarantineRow, RunRow
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

LONGEST: Final = dt.timedelta(hours=1)
"""No lease is taken or renewed for longer; one that ends later was taken while the clock was ahead."""
_LEASES: Any = LeaseRow.__table__
_CLAIMS: Any = ClaimRow.__table__
_RUNS: Any = RunRow.__table__


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to an environment until ``expires``; ``token`` grows with every new holder."""

    environment: str
    holder: str
    token: int
    since: dt.datetime
    expires: dt.datetime


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the environment: who, since when, and when the lease ends unless it is renewed."""

    environment: str
    holder: str
    since: dt.datetime
    expires: dt.datetime


def acquire(ledger: Ledger, environment: str, holder: str, *, ttl: dt.timedelta) -> Lease | Busy:
    """Take the environment, or tell who has it.

    ``ttl`` is at most ``LONGEST`` (ValueError). ``holder`` names the run (all tasks of one run give the same name, and share the lease: for them this renews it).
    A lease that ran out is taken over; its former holder is told by LeaseLost when it comes back. One statement, so
    that of two runs that ask at once exactly one gets it.

    A lease that ends later than ``ttl`` from now was taken while the clock was ahead: it is cut to ``ttl``, not taken over,
    since its holder may be alive and then renews it.
    """
    if ttl > LONGEST:
        msg = f"a lease is for {LONGEST} at most, not for {ttl}"
        raise ValueError(msg)
    with ledger.writing() as connection:
        now = ledger.now(connection)
        _cut(connection, environment, now, ttl)
        insert = insert_into(connection, _LEASES).values(
            environment=environment, holder=holder, token=1, since=now, expires=now + ttl
        )
        new, mine = insert.excluded, _LEASES.c.holder == holder
        ours = mine & (_LEASES.c.expires > now)
        statement = insert.on_conflict_do_update(
            index_elements=["environment"],
            set_={
                "holder": new.holder,
                "token": case((ours, _LEASES.c.token), else_=_LEASES.c.token + 1),
                "since": case((ours, _LEASES.c.since), else_=new.since),
                "expires": new.expires,
            },
            where=or_(mine, _LEASES.c.expires <= now),
        )
        row = connection.execute(statement.returning(_LEASES)).mappings().one_or_none()
        if row is not None:
            return Lease(**row)
        other = connection.execute(select(_LEASES).where(_LEASES.c.environment == environment)).mappings().one()
        return Busy(environment, other["holder"], other["since"], other["expires"])


def heartbeat(ledger: Ledger, lease: Lease, *, ttl: dt.timedelta) -> Lease:
    """Renew a lease; raises LeaseLost when another run has taken the environment over."""
    with ledger.writing() as connection:
        expires = ledger.now(connection) + ttl
        renewed = update(_LEASES).where(*_same(lease)).values(expires=expires).returning(_LEASES)
        row = connection.execute(renewed).mappings().one_or_none()
        if row is None:
            raise _lost(connection, lease)
        return Lease(**row)


def release(ledger: Ledger, lease: Lease) -> None:
    """Give the environment back; does nothing when the lease was lost already."""
    with ledger.writing() as connection:
        now = ledger.now(connection)
        connection.execute(update(_LEASES).where(*_same(lease)).values(holder="", expires=now))


def holder_of(ledger: Ledger, environment: str) -> Busy | None:
    """Tell who holds an environment now; None when nobody does. A lease longer than ``LONGEST`` is cut to that."""
    with ledger.reading() as connection:
        now = ledger.now(connection)
        held = (_LEASES.c.environment == environment, _LEASES.c.holder != "", _LEASES.c.expires > now)
        row = connection.execute(select(_LEASES).where(*held)).mappings().one_or_none()
    if row is None:
        return None
    if row["expires"] <= now + LONGEST:
        return Busy(environment, row["holder"], row["since"], row["expires"])
    with ledger.writing() as connection:
        _cut(connection, environment, now, LONGEST)
    return Busy(environment, row["holder"], min(row["since"], now), now + LONGEST)


def holders(ledger: Ledger) -> tuple[dt.datetime, list[Busy]]:
    """Give the ledger's time, and every lease that was not given back, by environment; those that ran out too."""
    with ledger.reading() as connection:
        rows = connection.execute(select(_LEASES).where(_LEASES.c.holder != "").order_by(_LEASES.c.environment))
        found = [Busy(row["environment"], row["holder"], row["since"], row["expires"]) for row in rows.mappings()]
        return ledger.now(connection), found


def still_held(connection: Connection, lease: Lease) -> None:
    """Raise LeaseLost unless the lease holds, and keep it so until the transaction ends.

    A lease that ran out but was taken by nobody still holds: there is nobody it could harm.
    """
    row = connection.execute(select(_LEASES.c.token).where(*_same(lease)).with_for_update()).one_or_none()
    if row is None:
        raise _lost(connection, lease)


def _cut(connection: Connection, environment: str, now: dt.datetime, ttl: dt.timedelta) -> None:
    ahead = (_LEASES.c.environment == environment, _LEASES.c.expires > now + ttl)
    since = case((_LEASES.c.since > now, now), else_=_LEASES.c.since)
    connection.execute(update(_LEASES).where(*ahead).values(expires=now + ttl, since=since))


def _same(lease: Lease) -> tuple[Any, ...]:
    return (
        _LEASES.c.environment == lease.environment,
        _LEASES.c.holder == lease.holder,
        _LEASES.c.token == lease.token,
    )


def _lost(connection: Connection, lease: Lease) -> LeaseLost:
    query = select(_LEASES.c.holder, _LEASES.c.since).where(_LEASES.c.environment == lease.environment)
    row = connection.execute(query).one_or_none()
    if row is None or not row[0]:
        return LeaseLost(Sentence("ledger.lease_returned", holder=lease.holder, environment=lease.environment))
    since = f"{row[1]:%Y-%m-%d %H:%M:%S}"
    return LeaseLost(
        Sentence("ledger.lease_lost", holder=lease.holder, environment=lease.environment, by=row[0], since=since)
    )


def owner_of(ledger: Ledger, connection: str, environments: Sequence[str]) -> str:
    """Give the environment that goes on with a connection that several name; the others are the newcomers.

    It is the one that had it first; where that is not known, or that one does not name it any more, the one with the
    earliest run, and among those without a run the first by name.
    """
    with ledger.reading() as reading:
        return _owner(reading, connection, environments)


def claim(ledger: Ledger, connection: str, environments: Sequence[str]) -> str:
    """Give the owner as :func:`owner_of` does, and remember it; of two that ask at once both get the same answer."""
    with ledger.reading() as reading:
        known = reading.execute(_claimed(connection)).scalar_one_or_none()
    if known in environments:
        return str(known)
    with ledger.writing() as writing:
        owner = _owner(writing, connection, environments)
        insert = insert_into(writing, _CLAIMS).values(
            connection=connection, environment=owner, since=ledger.now(writing)
        )
        gone = _CLAIMS.c.environment.not_in(list(environments))
        changed = {"environment": insert.excluded.environment, "since": insert.excluded.since}
        writing.execute(insert.on_conflict_do_update(index_elements=["connection"], set_=changed, where=gone))
        return str(writing.execute(_claimed(connection)).scalar_one())


def _claimed(connection: str) -> Any:
    return select(_CLAIMS.c.environment).where(_CLAIMS.c.connection == connection)


def _owner(asking: Connection, connection: str, environments: Sequence[str]) -> str:
    known = asking.execute(_claimed(connection)).scalar_one_or_none()
    if known in environments:
        return str(known)
    first = func.min(_RUNS.c.started)
    ran = select(_RUNS.c.environment).where(_RUNS.c.environment.in_(list(environments)))
    earliest = asking.execute(ran.group_by(_RUNS.c.environment).order_by(first, _RUNS.c.environment).limit(1))
    return str(earliest.scalar_one_or_none() or min(environments))


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


def quarantines(ledger: Ledger) -> dict[str, Quarantine]:
    """Give every quarantine that is not lifted, by environment."""
    query = select(_QUARANTINES).where(_QUARANTINES.c.lifted_at.is_(None))
    with ledger.reading() as connection:
        return {row["environment"]: Quarantine(**row) for row in connection.execute(query).mappings()}


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
