"""The ledger's bulk writes and its look-ups, on SQLite and PostgreSQL, beside row-by-row inserts with the ORM.

Run: python benchmarks/ledger_rows.py [rows]. PostgreSQL is started from the installed binaries, with its default durability
(fsync on), and left out with a word where there is none. The outcomes are counted afterwards.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "plugins"))
sys.path.insert(0, str(ROOT / "tests"))

from databases import each_database
from ledger.frames import found, mismatch, outcomes

from moodle_coupling.ledger import mismatches, people, schema
from moodle_coupling.ledger.accounts import links_frame, record_links
from moodle_coupling.ledger.intentions import mark_sent, plan_intentions
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.models import OutcomeRow
from moodle_coupling.ledger.outcomes import count_statuses, run_outcomes, settle
from moodle_coupling.ledger.runs import begin_run

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)
ORM_ROWS = 5_000
BATCH = 200


def timed(what: str, work: Callable[[], Any], rows: int = 0) -> None:
    """Print how long a piece of work took, and rows per second where rows count."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    rate = f"{rows / seconds:>10,.0f} rows/s" if rows else ""
    print(f"  {what:<58} {seconds:>8.3f} s {rate}", flush=True)


def row_by_row(url: str, run: str, rows: int) -> None:
    """Insert as one would first write it: an object each, a commit per batch."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    frame = outcomes(range(rows), at=NOW)
    with Session(engine) as session:
        for number, row in enumerate(frame.to_dict("records")):
            values = {name: None if pd.isna(value) else value for name, value in row.items()}
            extra = {"run": run, "plan_no": 9, "key": str(number), "attempt": 1, "standing": True}
            keys = {"environment": "demo", "email_key": row["email"].lower(), "name_key": row["lastname"].lower()}
            session.add(OutcomeRow(**values, **extra, **keys))
            session.flush()
            if number % BATCH == BATCH - 1:
                session.commit()
        session.commit()
    engine.dispose()


def measure(url: str, rows: int) -> None:
    """Measure one database."""
    schema.upgrade(url)
    ledger = open_ledger(url)
    run = begin_run(ledger, "demo", "dag", "run", mode="full").id
    keys = [str(n) for n in range(rows)]
    frame = outcomes(range(rows), at=NOW)
    timed(f"plan {rows:,} intentions", lambda: plan_intentions(ledger, run, keys, digest="plan"), rows)
    timed(f"mark {rows:,} sent, as one", lambda: mark_sent(ledger, run, keys, "batch"), rows)
    timed(f"settle {rows:,} outcomes, as one", lambda: settle(ledger, run, frame), rows)
    assert count_statuses(ledger, run) == {"done": rows}
    batched(ledger)
    timed(f"the same {ORM_ROWS:,} by the ORM, row by row", lambda: row_by_row(url, run, ORM_ROWS), ORM_ROWS)
    linked = pd.DataFrame({"idnumber": frame["idnumber"], "account_id": frame["account_id"], "fingerprint": "f" * 64})
    timed(f"record {rows:,} links, new", lambda: record_links(ledger, "demo", linked), rows)
    timed(f"record {rows:,} links, renewed", lambda: record_links(ledger, "demo", linked), rows)
    timed(f"read {rows:,} links for matching", lambda: links_frame(ledger, "demo"), rows)
    many = found(*(mismatch(f"p{n}") for n in range(rows // 10)))
    for what in ("new", "again"):
        timed(
            f"record {rows // 10:,} mismatches, {what}",
            lambda what=what: mismatches.record_mismatches(ledger, "demo", what, many, full=True),  # type: ignore[misc]
            rows // 10,
        )
    timed("first page of the run's outcomes (50)", lambda: run_outcomes(ledger, run, limit=50))
    timed("count the run's outcomes by status", lambda: count_statuses(ledger, run))
    timed("find a person by e-mail", lambda: people.find_people(ledger, f"person{rows // 2}@example.org"))
    timed("find persons by the beginning of a name (a quarter has it)", lambda: people.find_people(ledger, "jans"))
    timed("one person's history", lambda: people.person_outcomes(ledger, person_id="p7", idnumber="x7"))
    ledger.close()


def batched(ledger: Ledger) -> None:
    """Measure what a load does: for each batch of Moodle, mark and settle in transactions of their own."""
    run = begin_run(ledger, "demo", "dag", "batches", mode="full").id
    rows = BATCH * 25
    plan_intentions(ledger, run, [str(n) for n in range(rows)], digest="plan")

    def load() -> None:
        for start in range(0, rows, BATCH):
            part = range(start, start + BATCH)
            mark_sent(ledger, run, [str(n) for n in part], str(start))
            settle(ledger, run, outcomes(part, at=NOW))

    timed(f"mark and settle {rows:,} in batches of {BATCH}", load, rows)


def main() -> None:
    """Measure both databases: SQLite with WAL and synchronous=FULL, PostgreSQL by its defaults on a unix socket."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for name, new_database in each_database():
        print(name)
        measure(new_database(), rows)


if __name__ == "__main__":
    main()
