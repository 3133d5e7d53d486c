"""Progress: how far the steps of a run are, for whoever watches it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.models import ProgressRow, RunRow
from moodle_coupling.ledger.runs import unknown

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

_PROGRESS: Any = ProgressRow.__table__
_RUNS: Any = RunRow.__table__
SILENCE: Final = dt.timedelta(minutes=5)
"""After so long without a word the step stood still (a pause, a crash), and the rate is counted anew."""


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
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        step = cells.key_text(step)
        known = {"run": run, "step": step, "done": done, "total": total, "at": now}
        insert = dialect.insert(_PROGRESS).values(**known, started=now, steady_since=now, steady_done=done)
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
