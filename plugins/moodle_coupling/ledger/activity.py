"""Activity: who did what, in the UI or on the command line; only ever added to."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public dataclass and function: their hints are looked up
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, union, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import staged
from moodle_coupling.ledger.cells import BigId
from moodle_coupling.ledger.models import ASSIGNED, ActivityRow, DecisionRow, MismatchRow
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger


_ACTIVITY: Any = ActivityRow.__table__


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing someone did; ``subject`` '' when it was to the environment as a whole."""

    id: int
    at: dt.datetime
    by: str
    environment: str
    action: str
    subject: str
    detail: str


def note(ledger: Ledger, *, by: str, environment: str, action: str, subject: str = "", detail: str = "") -> None:
    """Note what someone did: ``action`` in a word or two, ``subject`` a person id or 'mismatch 12', ``detail`` free."""
    with ledger.writing() as connection:
        now = ledger.now(connection)
        note_with(connection, now, by=by, environment=environment, action=action, subject=subject, detail=detail)


def note_with(connection: Connection, at: dt.datetime, *, detail: str = "", **keys: str) -> None:
    """Note what someone did in the transaction that does it; ``keys`` as :func:`note` has them."""
    texts = {name: cells.key_text(value) for name, value in keys.items()}
    connection.execute(insert(_ACTIVITY).values(at=at, detail=cells.clean(detail), **({"subject": ""} | texts)))


def recent(ledger: Ledger, environment: str = "", *, limit: int = 100) -> list[Activity]:
    """Give what was done in an environment ('' for everywhere), latest first."""
    query = select(_ACTIVITY).order_by(_ACTIVITY.c.at.desc(), _ACTIVITY.c.id.desc()).limit(limit)
    if environment:
        query = query.where(_ACTIVITY.c.environment == environment)
    with ledger.reading() as connection:
        return [Activity(**row) for row in connection.execute(query).mappings()]


def about(ledger: Ledger, environments: Collection[str], subjects: Collection[str], *, limit: int) -> list[Activity]:
    """Give what was done to one of these subjects in these environments, latest first."""
    mine = (_ACTIVITY.c.environment.in_(list(environments)), _ACTIVITY.c.subject.in_(list(subjects)))
    query = select(_ACTIVITY).where(*mine).order_by(_ACTIVITY.c.id.desc()).limit(limit)
    with ledger.reading() as connection:
        return [Activity(**row) for row in connection.execute(query).mappings()]


def last_done(ledger: Ledger, environment: str, action: str) -> dt.datetime | None:
    """Tell when something was last done in an environment (UTC); None when it never was."""
    query = select(_ACTIVITY.c.at).where(_ACTIVITY.c.environment == environment, _ACTIVITY.c.action == action)
    with ledger.reading() as connection:
        at: dt.datetime | None = connection.execute(query.order_by(_ACTIVITY.c.at.desc()).limit(1)).scalar_one_or_none()
    return at


def was_done(ledger: Ledger, environment: str, action: str, subject: str) -> bool:
    """Tell whether this was done to a subject in an environment."""
    mine = (_ACTIVITY.c.environment == environment, _ACTIVITY.c.action == action, _ACTIVITY.c.subject == subject)
    with ledger.reading() as connection:
        return connection.execute(select(_ACTIVITY.c.id).where(*mine).limit(1)).one_or_none() is not None


# ---- Whose it is to judge a mismatch, and by when ----

_MISMATCHES: Any = MismatchRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_STANDING: Final = (MismatchStatus.OPEN, MismatchStatus.DECIDED)


def assign(ledger: Ledger, mismatches: Collection[int], to: str, due: dt.date | None, *, by: str) -> tuple[int, ...]:
    """Give mismatches to somebody ('' for nobody in particular), to judge by a day or by none; gives the ids of those.

    What is applied, gone or lapsed is left as it is. A version stays what it is: an assignment stands in nobody's way who decides.
    """
    with (
        ledger.writing() as connection,
        staged(connection, {"id": (BigId, sorted(set(mismatches)))}, key=["id"]) as stage,
    ):
        chosen = (_MISMATCHES.c.id.in_(select(stage.c.id)), _MISMATCHES.c.status.in_(_STANDING))
        name, now = cells.key_text(to.strip()), ledger.now(connection)
        here = select(_MISMATCHES.c.environment, func.count(), func.min(_MISMATCHES.c.id)).where(*chosen)
        for environment, number, first in connection.execute(here.group_by(_MISMATCHES.c.environment)).all():
            subject, detail = (f"mismatch {first}", name) if number == 1 else ("", f"{name}: {number} mismatches")
            keys = {"by": by, "environment": environment, "action": "assign", "subject": subject}
            note_with(connection, now, detail=detail, **keys)
        values = {"assigned_to": name, "due": due.isoformat() if due else None}
        done = update(_MISMATCHES).where(*chosen).values(values).returning(_MISMATCHES.c.id)
        return tuple(sorted(connection.execute(done).scalars()))


def colleagues(ledger: Ledger, environments: Collection[str]) -> list[str]:
    """Give who decided on mismatches of these environments, or has some to judge, by name."""
    here = _MISMATCHES.c.environment.in_(list(environments))
    deciders = select(_DECISIONS.c.by).join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
    assigned = select(_MISMATCHES.c.assigned_to).where(here, ASSIGNED)
    with ledger.reading() as connection:
        return sorted(connection.execute(union(deciders.where(here), assigned)).scalars(), key=str.casefold)
