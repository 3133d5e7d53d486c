"""Intentions: what a run is about to write, recorded before it is sent, so that a crash leaves no doubt."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, exists, func, insert, literal, or_, select, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.bulk import TEXT, chosen_keys, staged
from moodle_coupling.ledger.errors import NotPlanned, PlanInFlight
from moodle_coupling.ledger.leases import Lease, still_held
from moodle_coupling.ledger.models import IntentionRow, OutcomeRow, RunRow
from moodle_coupling.ledger.runs import locked
from moodle_coupling.ledger.words import FINAL, IntentionState
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from sqlalchemy import Connection, Table, Update

    from moodle_coupling.ledger.ledger import Ledger

_INTENTIONS: Any = IntentionRow.__table__
_OUTCOMES: Any = OutcomeRow.__table__
_RUNS: Any = RunRow.__table__


def plan_intentions(ledger: Ledger, run: str, keys: Sequence[str], *, digest: str) -> int:
    """Record what a plan is going to write, before anything is sent; gives the number of the plan within the run.

    ``keys`` are those of the rows that write (cells.row_keys), ``digest`` names the plan (digests.plan_digest). Told
    again with the same digest nothing changes: what was sent or settled stays so. With another digest (someone
    cleared the whole run) a new plan begins, and the earlier plan's outcomes stay as history.
    Raises NotInLedger, and PlanInFlight when rows of the earlier plan are sent and not settled.
    """
    cells.refuse_doubles(keys, "keys of a plan")
    with ledger.writing() as connection:
        row = locked(connection, run)
        number = int(row["plan_no"])
        if row["plan_digest"] != digest:
            _refuse_in_flight(connection, run, number)
            number += 1
            connection.execute(update(_RUNS).where(_RUNS.c.id == run).values(plan_digest=digest, plan_no=number))
        with staged(connection, {"key": (TEXT, keys)}, key=["key"]) as stage:
            known = exists().where(*_of(run, number), _INTENTIONS.c.key == stage.c.key)
            source = select(
                literal(run), literal(number), stage.c.key, literal(IntentionState.PLANNED.value), literal("")
            ).where(~known)
            connection.execute(insert(_INTENTIONS).from_select(["run", "plan_no", "key", "state", "batch"], source))
    return number


def mark_sent(ledger: Ledger, run: str, keys: Sequence[str], batch: str, *, lease: Lease | None = None) -> None:
    """Record that a batch is about to be sent; to be called, and come back, before the request goes out.

    ``batch`` is any text that tells this try from others, such as a uuid. Rows that were sent before may be sent again:
    the caller has read back, or Moodle said no to the whole. With ``lease``, raises LeaseLost when another run has
    taken the environment over. Raises NotInLedger, and NotPlanned for a row outside the plan or with a final outcome;
    then no row is marked.
    """
    cells.refuse_doubles(keys, "keys of a batch")
    with ledger.writing() as connection:
        if lease is not None:
            still_held(connection, lease)
        number = int(locked(connection, run)["plan_no"])
        sending = {"of_batch": batch, "now": ledger.now(connection)}
        marked = 0
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            mine = {"of_run": run, "of_plan": number, "of_keys": list(keys[at : at + _KEYS_AT_ONCE])}
            final = [str(row[0]) for row in connection.execute(_FINAL, mine)]
            if final:
                raise NotPlanned(Sentence("ledger.final_already", run=run, rows=", ".join(final)))
            marked += connection.execute(_SEND, mine | sending).rowcount
        if marked != len(keys):
            raise NotPlanned(Sentence("ledger.not_planned", n=len(keys) - marked, plan=number, run=run))


def mark_unsent(ledger: Ledger, run: str, keys: Sequence[str]) -> None:
    """Record that rows marked as sent did not go out: they are as planned again. Raises NotInLedger."""
    cells.refuse_doubles(keys, "keys withdrawn")
    with ledger.writing() as connection:
        number = int(locked(connection, run)["plan_no"])
        with chosen_keys(connection, _INTENTIONS.c.key, keys) as chosen:
            sent = (*_of(run, number), _INTENTIONS.c.state == IntentionState.SENT)
            planned = {"state": IntentionState.PLANNED, "batch": "", "sent_at": None}
            connection.execute(update(_INTENTIONS).where(*sent, *chosen).values(planned))


def unsettled(ledger: Ledger, run: str, *, keys: Sequence[str] | None = None) -> pd.DataFrame:
    """Give the rows of the plan that have no outcome yet: key, state ('sent' or 'planned') and batch ('' if planned).

    ``keys`` (each once) asks for these rows only. What is 'sent' may or may not have happened: read it back from Moodle before anything is sent again.
    """
    import pandas as pd

    number = select(_RUNS.c.plan_no).where(_RUNS.c.id == run).scalar_subquery()
    query = (
        select(_INTENTIONS.c.key, _INTENTIONS.c.state, _INTENTIONS.c.batch)
        .where(*_of(run, number), _INTENTIONS.c.state != IntentionState.SETTLED)
        .order_by(_INTENTIONS.c.key)
    )
    with ledger.reading() as connection, chosen_keys(connection, _INTENTIONS.c.key, keys) as chosen:
        rows = connection.execute(query.where(*chosen)).all()
    return pd.DataFrame(
        {name: pd.Series([row[i] for row in rows], dtype="str") for i, name in enumerate(("key", "state", "batch"))}
    )


def is_begun(ledger: Ledger, run: str) -> bool:
    """Tell whether anything of the run's plan was sent, or has an outcome."""
    number = select(_RUNS.c.plan_no).where(_RUNS.c.id == run).scalar_subquery()
    sent = exists().where(*_of(run, number), _INTENTIONS.c.state.in_((IntentionState.SENT, IntentionState.SETTLED)))
    told = exists().where(_OUTCOMES.c.run == run, _OUTCOMES.c.plan_no == number)
    with ledger.reading() as connection:
        return bool(connection.execute(select(or_(sent, told))).scalar_one())


def count_states(ledger: Ledger, run: str) -> dict[str, int]:
    """Count the rows of the run's plan by state, every state named; what a progress bar shows."""
    number = select(_RUNS.c.plan_no).where(_RUNS.c.id == run).scalar_subquery()
    query = select(_INTENTIONS.c.state, func.count()).where(*_of(run, number)).group_by(_INTENTIONS.c.state)
    with ledger.reading() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {state.value: found.get(state.value, 0) for state in IntentionState}


def settle_intentions(connection: Connection, run: str, number: int, stage: Table, now: Any) -> None:
    """Mark the staged keys settled; part of :func:`moodle_coupling.ledger.outcomes.settle`."""
    connection.execute(_settling(stage), {"of_run": run, "of_plan": number, "now": now})


@lru_cache(maxsize=64)
def _settling(stage: Table) -> Update:
    """Give what marks the staged keys of a run (of_run, of_plan) settled; put together once, as that costs more than to carry it out."""
    return (
        update(_INTENTIONS)
        .where(*_of(*_MINE), _INTENTIONS.c.key.in_(select(stage.c.key)))
        .values(state=IntentionState.SETTLED, settled_at=bindparam("now", type_=_INTENTIONS.c.settled_at.type))
    )


def _of(run: Any, number: Any) -> tuple[Any, ...]:
    return (_INTENTIONS.c.run == run, _INTENTIONS.c.plan_no == number)


def _refuse_in_flight(connection: Connection, run: str, number: int) -> None:
    query = (
        select(func.count())
        .select_from(_INTENTIONS)
        .where(*_of(run, number), _INTENTIONS.c.state == IntentionState.SENT)
    )
    sent = connection.execute(query).scalar_one()
    if sent:
        raise PlanInFlight(Sentence("ledger.plan_in_flight", n=sent, plan=number, run=run))


# Put together once: that costs more than to carry it out, and they run with every batch.
_MINE: Final = (
    bindparam("of_run", type_=_INTENTIONS.c.run.type),
    bindparam("of_plan", type_=_INTENTIONS.c.plan_no.type),
)
_KEYS_AT_ONCE: Final = 5_000
"""Databases take a bounded number of values in a statement: SQLite 32,766, PostgreSQL 65,535."""
_KEYS: Final = bindparam("of_keys", expanding=True, type_=_INTENTIONS.c.key.type)
_FINAL: Final = (
    select(_OUTCOMES.c.key)
    .where(_OUTCOMES.c.run == _MINE[0], _OUTCOMES.c.plan_no == _MINE[1])
    .where(_OUTCOMES.c.status.in_(FINAL), _OUTCOMES.c.key.in_(_KEYS))
    .limit(4)
)
_SEND: Final = (
    update(_INTENTIONS)
    .where(*_of(*_MINE), _INTENTIONS.c.key.in_(_KEYS))
    .values(
        state=IntentionState.SENT,
        batch=bindparam("of_batch", type_=_INTENTIONS.c.batch.type),
        sent_at=bindparam("now", type_=_INTENTIONS.c.sent_at.type),
        settled_at=None,
    )
)
