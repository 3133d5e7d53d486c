"""What really happened in an environment over months: what was written, who is rejected since when, mismatches, and how long runs took.

Only loads have outcomes: a dry run and a plan that was rejected count as nothing, a run that failed as far as it came.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # public dataclasses: their hints are looked up
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from moodle_coupling.ledger.models import MismatchRow, OutcomeRow, RunRow
from moodle_coupling.ledger.words import DRY_RUN, MismatchStatus, RunState

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

_OUTCOMES: Any = OutcomeRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
_RUNS: Any = RunRow.__table__


@dataclass(frozen=True, slots=True)
class Written:
    """How many accounts one run wrote in one way."""

    at: dt.datetime
    action: str
    number: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many persons began to be rejected for one reason at one moment; who is rejected each night began once."""

    at: dt.datetime
    code: str
    number: int


@dataclass(frozen=True, slots=True)
class Stay:
    """Mismatches of one kind that were opened at one moment, and until when they were open; None: they still are."""

    kind: str
    opened: dt.datetime
    ended: dt.datetime | None
    number: int


@dataclass(frozen=True, slots=True)
class Took:
    """How long a run took that ended well or failed, in seconds; a wait for an approval is in it."""

    at: dt.datetime
    seconds: float


def written(ledger: Ledger, environment: str, since: dt.datetime) -> list[Written]:
    """Count what was written since a moment, by run and action, oldest first."""
    of_run = (_OUTCOMES.c.environment == environment, _OUTCOMES.c.at >= since, _OUTCOMES.c.status == "done")
    query = (
        select(func.min(_OUTCOMES.c.at), _OUTCOMES.c.action, func.count())
        .where(*of_run, _OUTCOMES.c.standing.is_(True))
        .group_by(_OUTCOMES.c.run, _OUTCOMES.c.action)
        .order_by(func.min(_OUTCOMES.c.at))
    )
    with ledger.reading() as connection:
        return [Written(at, str(action), int(number)) for at, action, number in connection.execute(query)]


def rejected(ledger: Ledger, environment: str, since: dt.datetime) -> list[Rejected]:
    """Count whom the source or Moodle began to reject since a moment, by reason: each person once for each reason."""
    who = (_OUTCOMES.c.person_id, _OUTCOMES.c.extern_id, _OUTCOMES.c.idnumber)
    first = func.min(_OUTCOMES.c.at).label("first")
    persons = (
        select(_OUTCOMES.c.code, first)
        .where(_OUTCOMES.c.environment == environment, _OUTCOMES.c.status == "rejected", _OUTCOMES.c.standing.is_(True))
        .group_by(_OUTCOMES.c.code, *who)
        .having(func.min(_OUTCOMES.c.at) >= since)
        .subquery()
    )
    query = select(persons.c.first, persons.c.code, func.count()).group_by(persons.c.first, persons.c.code)
    with ledger.reading() as connection:
        found = [Rejected(at, str(code), int(number)) for at, code, number in connection.execute(query)]
    return sorted(found, key=lambda one: one.at)


def stays(ledger: Ledger, environment: str, since: dt.datetime) -> list[Stay]:
    """Count the mismatches that were open at some time since a moment, by kind, by when they were opened and until when."""
    is_open = _MISMATCHES.c.status == MismatchStatus.OPEN
    columns = (_MISMATCHES.c.verdict, _MISMATCHES.c.status, _MISMATCHES.c.first_seen, _MISMATCHES.c.since)
    query = (
        select(*columns, func.count())
        .where(_MISMATCHES.c.environment == environment, or_(is_open, _MISMATCHES.c.since >= since))
        .group_by(*columns)
    )
    with ledger.reading() as connection:
        return [
            Stay(str(kind), opened, None if status == MismatchStatus.OPEN else ended, int(number))
            for kind, status, opened, ended, number in connection.execute(query)
        ]


def took(ledger: Ledger, environment: str, since: dt.datetime) -> list[Took]:
    """Give how long each run for everyone took since a moment, oldest first; dry runs and stopped ones are left out."""
    mine = (_RUNS.c.environment == environment, _RUNS.c.started >= since, _RUNS.c.ended.is_not(None))
    query = (
        select(_RUNS.c.started, _RUNS.c.ended)
        .where(*mine, _RUNS.c.mode != DRY_RUN, _RUNS.c.state.in_([RunState.DONE, RunState.FAILED]))
        .order_by(_RUNS.c.started)
    )
    with ledger.reading() as connection:
        return [Took(begun, (ended - begun).total_seconds()) for begun, ended in connection.execute(query)]
