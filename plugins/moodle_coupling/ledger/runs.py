"""Runs: begun, followed and ended."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public dataclass: its hints are looked up
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.models import RunRow
from moodle_coupling.ledger.words import UNDERWAY, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, RowMapping

    from moodle_coupling.ledger.ledger import Ledger

_RUNS: Any = RunRow.__table__


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
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(_RUNS).values(
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
    query = (
        select(_RUNS)
        .where(_RUNS.c.environment == environment)
        .order_by(_RUNS.c.started.desc(), _RUNS.c.id)
        .limit(limit)
    )
    with ledger.reading() as connection:
        return [_run(row) for row in connection.execute(query).mappings()]


def ever_loaded(ledger: Ledger, environment: str) -> bool:
    """Tell whether any run of this environment came to its end; the first load ever waits for an approval."""
    query = (
        select(_RUNS.c.id)
        .where(_RUNS.c.environment == environment, _RUNS.c.state == RunState.DONE, _RUNS.c.plan_no > 0)
        .limit(1)
    )
    with ledger.reading() as connection:
        return connection.execute(query).first() is not None


def locked(connection: Connection, run: str) -> RowMapping:
    """Give a run's row and keep others from changing what hangs on it until the transaction ends; raises NotInLedger."""
    row = connection.execute(select(_RUNS).where(_RUNS.c.id == run).with_for_update()).mappings().one_or_none()
    if row is None:
        raise unknown(run)
    return row


def unknown(run: str) -> NotInLedger:
    """Give the error for a run that is not there."""
    return NotInLedger(f"The ledger has no run '{run}'. It may have been purged; see [moodle_coupling] ledger_days.")


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
