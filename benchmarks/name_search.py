"""A name looked for among a million mismatches and a million outcomes, on SQLite and PostgreSQL.

Run: python benchmarks/name_search.py [rows]. The database makes the rows itself. Each question is asked three times and the
quickest counts; of SQLite, which works in this process, the CPU's seconds too, which other work on the machine does not touch.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, text

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from databases import each_database

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.mismatches import (
    MismatchFilter,
    decision_counts,
    mismatch_counts,
    mismatch_page,
    mismatch_place,
)
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.outcomes import OutcomeFilter, outcome_page
from moodle_coupling.ledger.page_queries import add_names
from moodle_coupling.ledger.people import find_people

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES: Final = 3
FIRST: Final = ("anna", "bram", "chloe", "dirk", "esra", "fatima", "gijs", "hanna")
"""One in eight has each first name; a last name is a word and a number, so that each is somebody's own."""
NOW: Final = "'2026-03-01 02:00:00.000000'"
PERSON: Final = {
    "environment": "'demo'",
    "person_id": "'p' || n",
    "extern_id": "'x' || n",
    "idnumber": "'x' || n",
    "account_id": "n",
    "username": "'user' || n",
    "firstname": "first",
    "lastname": "'vries' || n",
    "email": "'p' || n || '@example.org'",
    "email_key": "'p' || n || '@example.org'",
    "name_key": "'vries' || n || ' ' || first",
}
MISMATCH: Final = PERSON | {
    "subject": "'person p' || n",
    "verdict": "'id_missing'",
    "facts_digest": "'d' || n",
    "facts": "'{}'",
    "status": "'open'",
    "since": NOW,
    "version": "1",
    "other_accounts": "'[]'",
    "evidence": "''",
    "proposal": "'link'",
    "score": "90",
    "first_seen": NOW,
    "last_seen": NOW,
    "times_seen": "1",
    "last_run": "'run'",
}
OUTCOME: Final = PERSON | {
    "run": "'run'",
    "plan_no": "1",
    "key": "'' || n",
    "attempt": "1",
    "standing": "true",
    "row": "n",
    "verdict": "'new'",
    "action": "'create'",
    "status": "'done'",
    "code": "''",
    "message": "''",
    "changes": "'{}'",
    "at": NOW,
}
RUN: Final = {
    "id": "'run'",
    "environment": "'demo'",
    "dag_id": "'d'",
    "run_id": "'r'",
    "mode": "'full'",
    "state": "'done'",
    "started": NOW,
    "counts": "'{}'",
    "plan_digest": "'d'",
    "plan_no": "1",
    "reason": "''",
}


def fill(url: str, rows: int) -> None:
    """Put the rows in by one statement for each table."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    on_postgres = engine.dialect.name == "postgresql"
    numbers = (
        f"SELECT n FROM generate_series(1, {rows}) AS t(n)"  # noqa: S608
        if on_postgres
        else f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {rows}) SELECT n FROM t"  # noqa: S608
    )
    cases = " ".join(f"WHEN {at} THEN '{name}'" for at, name in enumerate(FIRST))
    people = f"SELECT n, CASE n - n / {len(FIRST)} * {len(FIRST)} {cases} END AS first FROM ({numbers}) AS numbers"  # noqa: S608
    with engine.connect() as connection:
        for name, columns, source in (
            ("runs", RUN, "SELECT 1"),
            ("mismatches", MISMATCH, people),
            ("outcomes", OUTCOME, people),
        ):
            names, values = (", ".join(some) for some in ((f'"{column}"' for column in columns), columns.values()))
            connection.exec_driver_sql(f"INSERT INTO {name} ({names}) SELECT {values} FROM ({source}) AS s")  # noqa: S608
            if "name_key" in columns:
                add_names(connection, Base.metadata.tables[name])
        if on_postgres:  # its own housekeeping would have by the morning; SQLite has none
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def questions(ledger: Ledger, rows: int) -> dict[str, Callable[[], Any]]:
    """Give what is asked, by name."""

    def chosen(**values: Any) -> MismatchFilter:
        return MismatchFilter(readable=["demo"], statuses=["open"], **values)

    some = f"vries{rows // 2} anna"
    return {
        "mismatches: first page": lambda: mismatch_page(ledger, chosen()),
        "mismatches: last name of one": lambda: mismatch_page(ledger, chosen(text=f"vries{rows // 2}")),
        "mismatches: both names, the last first": lambda: mismatch_page(ledger, chosen(text=some)),
        "mismatches: a first name that an eighth has": lambda: mismatch_page(ledger, chosen(text="anna")),
        "mismatches: a name that nobody has": lambda: mismatch_page(ledger, chosen(text="nobody")),
        "mismatches: a whole id": lambda: mismatch_page(ledger, chosen(text=f"X{rows // 2}")),
        "mismatches: an address": lambda: mismatch_page(ledger, chosen(text=f"p{rows // 2}@example")),
        "mismatches: counts": lambda: mismatch_counts(ledger, chosen()),
        "mismatches: counts by decision": lambda: decision_counts(ledger, chosen()),
        "mismatches: counts beside the last name of one": lambda: mismatch_counts(
            ledger, chosen(text=f"vries{rows // 2}")
        ),
        "mismatches: counts beside a search": lambda: mismatch_counts(ledger, chosen(text="anna")),
        "mismatches: by decision beside a search": lambda: decision_counts(ledger, chosen(text="anna")),
        "mismatches: place of one": lambda: mismatch_place(ledger, rows // 2, chosen()),
        "mismatches: place of one in a search": lambda: mismatch_place(ledger, 8, chosen(text="anna")),
        "people: last name of one": lambda: find_people(ledger, f"vries{rows // 2}"),
        "people: a first name that an eighth has": lambda: find_people(ledger, "anna"),
        "people: a name that nobody has": lambda: find_people(ledger, "nobody"),
        "run: first page": lambda: outcome_page(ledger, "run", OutcomeFilter()),
        "run: last name of one": lambda: outcome_page(ledger, "run", OutcomeFilter(text=f"vries{rows // 2}")),
        "run: a first name that an eighth has": lambda: outcome_page(ledger, "run", OutcomeFilter(text="anna")),
    }


def measure(url: str, rows: int) -> None:
    """Fill one database, and tell how long each question takes."""
    schema.upgrade(url)
    fill(url, rows)
    ledger = open_ledger(url)
    for name, question in questions(ledger, rows).items():
        seconds, used = [], []
        for _ in range(TIMES):
            start, cpu = time.perf_counter(), time.process_time()
            question()
            seconds.append(time.perf_counter() - start)
            used.append(time.process_time() - cpu)
        print(f"  {name:<46} {min(seconds) * 1000:>8.0f} ms, {min(used) * 1000:>6.0f} of CPU", flush=True)
    ledger.close()


def main() -> None:
    """Measure both databases."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for name, new_database in each_database():
        print(f"{name}, {rows:,} mismatches and {rows:,} outcomes")
        measure(new_database(), rows)


if __name__ == "__main__":
    main()
