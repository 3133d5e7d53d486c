"""Which environment a Moodle belongs to: the first that ran with its connection, as long as its file names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger.models import ClaimRow, RunRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

_CLAIMS: Any = ClaimRow.__table__
_RUNS: Any = RunRow.__table__


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
        dialect: Any = postgresql if writing.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(_CLAIMS).values(connection=connection, environment=owner, since=ledger.now(writing))
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
