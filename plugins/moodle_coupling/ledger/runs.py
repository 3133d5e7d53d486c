"""Runs, and how far their steps are."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, case, func, or_, select, union_all, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import insert_into
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.models import MismatchRow, OutcomeRow, ProgressRow, RunRow
from moodle_coupling.ledger.words import DRY_RUN, UNDERWAY, MismatchStatus, RunState
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping, Select

    from moodle_coupling.ledger.ledger import Ledger


# ---- What really happened in an environment over months: what was written, who is rejected since when, mismatches, and
# how long runs took.
#
# Only loads have outcomes: a dry run and a plan that was rejected count as nothing, a run that failed as far as it
# came.

_OUTCOMES: Any = OutcomeRow.__table__
_MISMATCHES: Any = MismatchRow.__table__
# ---- Runs ----

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


_PROGRESS: Any = ProgressRow.__table__
_AT_ONCE: Final = 100
"""So many queries go in one statement; SQLite takes 500."""
SILENCE: Final = dt.timedelta(minutes=5)
"""After so long without a word the step stood still (a pause, a crash), and the rate is counted anew."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the ledger knows it. ``plan_no`` is 0 and ``plan_digest`` '' before there is a plan."""

    id: str
    environment: str
    dag_id: str
    run_id: str
    mode: str
    state: RunState
    started: dt.datetime
    ended: dt.datetime | None
    counts: Mapping[str, int]
    plan_digest: str
    plan_no: int
    reason: str


def begin_run(ledger: Ledger, environment: str, dag_id: str, run_id: str, *, mode: str) -> Run:
    """Note that a run begins, or goes on: the same environment, DAG and run id are the same run, however often asked.

    A run that had ended (it was cleared and is tried again) is running again; what it settled stays settled.
    """
    with ledger.writing() as connection:
        insert = insert_into(connection, _RUNS).values(
            id=str(uuid.uuid4()),
            environment=environment,
            dag_id=dag_id,
            run_id=run_id,
            mode=mode,
            state=RunState.RUNNING,
            started=ledger.now(connection),
            counts={},
            plan_digest="",
            plan_no=0,
            reason="",
        )
        connection.execute(insert.on_conflict_do_nothing(index_elements=["environment", "dag_id", "run_id"]))
        mine = (_RUNS.c.environment == environment, _RUNS.c.dag_id == dag_id, _RUNS.c.run_id == run_id)
        connection.execute(
            update(_RUNS)
            .where(*mine, _RUNS.c.state.not_in(list(UNDERWAY)))
            .values(state=RunState.RUNNING, ended=None, reason="")
        )
        return _run(connection.execute(select(_RUNS).where(*mine)).mappings().one())


def set_state(ledger: Ledger, run: str, state: RunState, *, reason: str = "") -> None:
    """Note where a run that has not ended is; raises NotInLedger."""
    _change(ledger, run, {"state": state, "reason": reason})


def end_run(
    ledger: Ledger, run: str, state: RunState, *, counts: Mapping[str, int] | None = None, reason: str = ""
) -> None:
    """Note how a run ended; raises NotInLedger. Told again, the last word counts."""
    values: dict[str, Any] = {"state": state, "reason": reason, "ended": _NOW}
    if counts is not None:
        values["counts"] = dict(counts)
    _change(ledger, run, values)


def get_run(ledger: Ledger, run: str) -> Run:
    """Give one run by its id in the ledger; raises NotInLedger."""
    with ledger.reading() as connection:
        row = connection.execute(select(_RUNS).where(_RUNS.c.id == run)).mappings().one_or_none()
    if row is None:
        raise unknown(run)
    return _run(row)


def find_run(ledger: Ledger, environment: str, dag_id: str, run_id: str) -> Run | None:
    """Give the run of an Airflow DAG run; None when the ledger knows of none."""
    query = select(_RUNS).where(_RUNS.c.environment == environment, _RUNS.c.dag_id == dag_id, _RUNS.c.run_id == run_id)
    with ledger.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return _run(row) if row is not None else None


def latest_runs(ledger: Ledger, environment: str, *, limit: int = 30) -> list[Run]:
    """Give an environment's runs, latest first."""
    with ledger.reading() as connection:
        return [_run(row) for row in connection.execute(_latest(environment, limit)).mappings()]


def last_good_run(ledger: Ledger, environment: str) -> Run | None:
    """Give the latest run for everyone that came to its end; None when there is none."""
    with ledger.reading() as connection:
        row = connection.execute(_good(environment)).mappings().one_or_none()
    return _run(row) if row is not None else None


def latest_runs_of_each(ledger: Ledger, environments: Sequence[str], *, limit: int) -> dict[str, list[Run]]:
    """Give what latest_runs gives of each of many environments, by name; few statements for all."""
    found: dict[str, list[Run]] = {name: [] for name in environments}
    for run in _of_each(ledger, [_latest(name, limit) for name in environments]):
        found[run.environment].append(run)
    return found


def last_good_run_of_each(ledger: Ledger, environments: Sequence[str]) -> dict[str, Run]:
    """Give what last_good_run gives of each of many environments, by name; few statements for all."""
    return {run.environment: run for run in _of_each(ledger, [_good(name) for name in environments])}


def runs_of_ids(ledger: Ledger, ids: Collection[str]) -> dict[str, Run]:
    """Give those of these runs that the ledger has, by id."""
    query = select(_RUNS).where(_RUNS.c.id.in_(list(ids)))
    with ledger.reading() as connection:
        return {row["id"]: _run(row) for row in connection.execute(query).mappings()}


def _latest(environment: str, limit: int) -> Select[Any]:
    mine = select(_RUNS).where(_RUNS.c.environment == environment)
    return mine.order_by(_RUNS.c.started.desc(), _RUNS.c.id).limit(limit)


def _good(environment: str) -> Select[Any]:
    done = select(_RUNS).where(_RUNS.c.environment == environment, _RUNS.c.state == RunState.DONE)
    return done.order_by(_RUNS.c.ended.desc(), _RUNS.c.id).limit(1)


def _of_each(ledger: Ledger, queries: Sequence[Select[Any]]) -> list[Run]:
    """Give the runs of many queries, latest started first. Each takes its few rows from the index, however long the history is."""
    found = []
    with ledger.reading() as connection:
        for at in range(0, len(queries), _AT_ONCE):
            parts = [query.subquery().select() for query in queries[at : at + _AT_ONCE]]
            found += [_run(row) for row in connection.execute(union_all(*parts)).mappings()]
    return sorted(sorted(found, key=lambda run: run.id), key=lambda run: run.started, reverse=True)


def first_run(ledger: Ledger, environment: str) -> Run | None:
    """Give the first run that is known of an environment; None when it never ran."""
    query = select(_RUNS).where(_RUNS.c.environment == environment).order_by(_RUNS.c.started, _RUNS.c.id).limit(1)
    with ledger.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return _run(row) if row is not None else None


def ever_loaded(ledger: Ledger, environment: str) -> bool:
    """Tell whether any run of this environment came to its end; the first load ever waits for an approval."""
    query = (
        select(_RUNS.c.id)
        .where(_RUNS.c.environment == environment, _RUNS.c.state == RunState.DONE, _RUNS.c.plan_no > 0)
        .limit(1)
    )
    with ledger.reading() as connection:
        return connection.execute(query).first() is not None


_LOCK: Final = select(_RUNS).where(_RUNS.c.id == bindparam("of_run", type_=_RUNS.c.id.type)).with_for_update()


def locked(connection: Connection, run: str) -> RowMapping:
    """Give a run's row and keep others from changing what hangs on it until the transaction ends; raises NotInLedger."""
    row = connection.execute(_LOCK, {"of_run": run}).mappings().one_or_none()
    if row is None:
        raise unknown(run)
    return row


def unknown(run: str) -> NotInLedger:
    """Give the error for a run that is not there."""
    return NotInLedger(Sentence("ledger.no_run", run=run))


class _Now:
    """Stands for the time at which the transaction runs."""


_NOW = _Now()


def _change(ledger: Ledger, run: str, values: Mapping[str, Any]) -> None:
    with ledger.writing() as connection:
        now = ledger.now(connection)
        known = {name: now if value is _NOW else value for name, value in values.items()}
        if not connection.execute(update(_RUNS).where(_RUNS.c.id == run).values(known)).rowcount:
            raise unknown(run)


def _run(row: RowMapping) -> Run:
    return Run(**{**row, "state": RunState(row["state"])})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one step is.

    ``total`` None when nobody knows. ``rate`` (per second) and ``seconds_left`` are as of ``at``, the latest word; None
    while there is too little to tell.
    """

    step: str
    done: int
    total: int | None
    started: dt.datetime
    at: dt.datetime
    rate: float | None
    seconds_left: float | None


def tell_progress(ledger: Ledger, run: str, step: str, done: int, total: int | None = None) -> None:
    """Say how much of a step is done, ``total`` when it is known. Less than before means that it began anew.

    One small transaction each: to be called every second or so, not for every row. Raises NotInLedger.
    """
    with ledger.writing() as connection:
        now = ledger.now(connection)
        if connection.execute(select(_RUNS.c.id).where(_RUNS.c.id == run)).first() is None:
            raise unknown(run)
        step = cells.key_text(step)
        known = {"run": run, "step": step, "done": done, "total": total, "at": now}
        insert = insert_into(connection, _PROGRESS).values(**known, started=now, steady_since=now, steady_done=done)
        new = insert.excluded
        anew = new.done < _PROGRESS.c.done
        stood = or_(anew, _PROGRESS.c.at < now - SILENCE)
        changes = {
            "done": new.done,
            "total": new.total,
            "at": new.at,
            "started": case((anew, new.started), else_=_PROGRESS.c.started),
            "steady_since": case((stood, new.steady_since), else_=_PROGRESS.c.steady_since),
            "steady_done": case((stood, new.steady_done), else_=_PROGRESS.c.steady_done),
        }
        connection.execute(insert.on_conflict_do_update(index_elements=["run", "step"], set_=changes))


def progress_of(ledger: Ledger, run: str) -> list[Progress]:
    """Give how far the steps of a run are, in the order in which they began; of a run that nobody knows, nothing."""
    query = select(_PROGRESS).where(_PROGRESS.c.run == run).order_by(_PROGRESS.c.started, _PROGRESS.c.step)
    with ledger.reading() as connection:
        return [_progress(row) for row in connection.execute(query).mappings()]


def _progress(row: Any) -> Progress:
    seconds = (row["at"] - row["steady_since"]).total_seconds()
    done = row["done"] - row["steady_done"]
    rate = done / seconds if seconds > 0 and done > 0 else None
    total = row["total"]
    left = None
    if total is not None:
        todo = max(total - row["done"], 0)
        left = 0.0 if todo == 0 else todo / rate if rate else None
    told = {name: row[name] for name in ("step", "done", "total", "started", "at")}
    return Progress(**told, rate=rate, seconds_left=left)
