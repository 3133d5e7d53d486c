"""What the pages ask of a large ledger, on SQLite and PostgreSQL, beside the plain queries without the indexes for it.

Run: python benchmarks/ledger_pages.py [outcomes in a run] [runs] [mismatches]. Each question is asked five times; the
median counts. The peer is asked after the index for lists of outcomes and those of mismatches are dropped, outcomes as one
would first write it: count, then select … order by … limit. Its answers must be the same. PostgreSQL is started from
the installed binaries with its defaults, and left out with a word where there is none.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import create_engine, func, inspect, select, text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "plugins"))
sys.path.insert(0, str(ROOT / "tests"))

from databases import each_database
from ledger.frames import found, mismatch, outcomes

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.cells import frame_of
from moodle_coupling.ledger.decisions import Choice, decide_many
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.mismatches import (
    MismatchFilter,
    mismatch_counts,
    mismatch_page,
    mismatch_versions,
    record_mismatches,
)
from moodle_coupling.ledger.models import OutcomeRow
from moodle_coupling.ledger.outcomes import SHOWN, SORTS, OutcomeFilter, outcome_page, outcome_table, settle, standing
from moodle_coupling.ledger.page_queries import Page, matching
from moodle_coupling.ledger.runs import begin_run

if TYPE_CHECKING:
    from collections.abc import Callable

OUTCOMES: Any = OutcomeRow.__table__
NOW = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)
TIMES = 5
MIX = (
    *[("linked", "update", "done", "")] * 12,
    *[("new", "create", "done", "")] * 3,
    ("new", "reject", "rejected", "email_invalid"),
    ("", "reject", "rejected", "no_lastname"),
    ("linked", "update", "failed", "moodle_down"),
    *[("protected", "none", "skipped", "protected")] * 2,
)
VERDICTS = ("id_missing", "id_differs", "id_other_scheme", "held", "orphan")


def an_outcomes_frame(rows: int, run: int) -> pd.DataFrame:
    """Give the outcomes of one run, of the same persons each time, as varied as a school's."""
    frame = outcomes(range(rows), at=NOW + dt.timedelta(days=run))
    kinds = [MIX[number % len(MIX)] for number in range(rows)]
    for position, name in enumerate(("verdict", "action", "status", "code")):
        frame[name] = [kind[position] for kind in kinds]
    frame["lastname"] = [f"{last}-{number % 5000}" for number, last in enumerate(frame["lastname"])]
    return frame


def fill(ledger: Ledger, rows: int, runs: int, mismatches: int) -> str:
    """Fill a ledger; gives the run in the middle of its history, which no cache favours."""
    ids = []
    for number in range(runs):
        run = begin_run(ledger, "demo", "dag", f"run {number}", mode="full").id
        settle(ledger, run, an_outcomes_frame(rows, number))
        ids.append(run)
    many = [mismatch(f"p{n}", VERDICTS[n % 5]) for n in range(mismatches)]
    for environment, part in (("demo", many[::2]), ("other", many[1::2])):
        record_mismatches(ledger, environment, "run", found(*part), full=True)
    few = MismatchFilter(verdicts=["held"], statuses=["open"])
    decide_many(ledger, mismatch_versions(ledger, few), Choice(DecisionKind.LATER, by="anna"))
    return ids[runs // 2]


def plain_page(ledger: Ledger, run: str, chosen: OutcomeFilter, *, sort: str, offset: int) -> Page:
    """Give what outcome_page gives, as one would first write it."""
    names = {"status": chosen.statuses, "action": chosen.actions, "verdict": chosen.verdicts, "code": chosen.codes}
    where = [*standing(run), *matching(OUTCOMES, chosen.text)]
    where += [OUTCOMES.c[name].in_(values) for name, values in names.items() if values]
    query = select(*SHOWN).where(*where).order_by(SORTS[sort], OUTCOMES.c.id).offset(offset).limit(50)
    with ledger.reading() as connection:
        total = connection.execute(select(func.count()).select_from(OUTCOMES).where(*where)).scalar_one()
        return Page(frame_of(connection.execute(query).all(), SHOWN), total)


def questions(
    ledger: Ledger, run: str, rows: int, mismatches: int, pages: Callable[..., Page]
) -> dict[str, Callable[[], Any]]:
    """Give what the pages ask, by what it is called in the table."""

    def page(sort: str = "id", offset: int = 0, **chosen: Any) -> Callable[[], Any]:
        return lambda: pages(ledger, run, OutcomeFilter(**chosen), sort=sort, offset=offset)

    def listed(sort: str = "last_seen", offset: int = 0, limit: int | None = 50, **chosen: Any) -> Callable[[], Any]:
        return lambda: mismatch_page(ledger, MismatchFilter(**chosen), sort=sort, offset=offset, limit=limit)

    return {
        "outcomes: first page": page(),
        "outcomes: page in the middle": page(offset=rows // 2),
        "outcomes: last page by name": page("name", offset=rows - 50),
        "outcomes: first page by message": page("message"),
        "outcomes: page of the rejected": page(statuses=["rejected"]),
        "outcomes: page of one code": page(codes=["no_lastname"]),
        "outcomes: text, an e-mail address": page(text=f"person{rows // 2}@EXAMPLE.org"),
        "outcomes: text, an id": page(text=f"P{rows // 2}"),
        "outcomes: text, a name that a quarter has": page("name", text="jans"),
        "outcomes: text that nobody has": page(text="nobody"),
        "outcomes: table of the run": lambda: outcome_table(ledger, run),
        "mismatches: first page": listed(),
        "mismatches: last page by name": listed("name", offset=mismatches - 50),
        "mismatches: first page by who decided": listed("by"),
        "mismatches: page of one verdict and status": listed(verdicts=["held"], statuses=["decided"]),
        "mismatches: text, a name that all have": listed(text="anna vri"),
        "mismatches: text that nobody has": listed(text="nobody"),
        "mismatches: facets": lambda: mismatch_counts(ledger, MismatchFilter()),
        "mismatches: facets of a text": lambda: mismatch_counts(ledger, MismatchFilter(text="xp1")),
        "mismatches: versions of all": lambda: mismatch_versions(ledger, MismatchFilter()),
        "mismatches: all of them, for an export": listed(limit=None),
    }


def as_compared(answer: Any) -> Any:
    """Give an answer in a form that two of can be compared."""
    if isinstance(answer, pd.DataFrame):
        return answer.to_csv()
    return (answer.total, answer.rows.to_csv()) if hasattr(answer, "rows") else answer


def ask(asked: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, Any]]:
    """Give the median seconds and the answer of each question."""
    told = {}
    for name, question in asked.items():
        seconds = []
        for _ in range(TIMES):
            start = time.perf_counter()
            answer = question()
            seconds.append(time.perf_counter() - start)
        told[name] = (statistics.median(seconds), as_compared(answer))
    return told


def drop_indexes(url: str) -> None:
    """Take away the index for lists of outcomes, and those of mismatches that are not a key's."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_outcomes_listed"))
        for index in inspect(connection).get_indexes("mismatches"):
            if not index.get("duplicates_constraint"):
                connection.execute(text(f'DROP INDEX "{index["name"]}"'))
    engine.dispose()


def settled(url: str) -> None:
    """Let PostgreSQL know its tables, as its own housekeeping would have by the morning."""
    if url.startswith("postgresql"):
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
        engine.dispose()


def decide_all(ledger: Ledger) -> None:
    """Decide on every open mismatch at once, and tell how long it took."""
    versions = mismatch_versions(ledger, MismatchFilter(statuses=["open"]))
    start = time.perf_counter()
    result = decide_many(ledger, versions, Choice(DecisionKind.LINK, by="bram"))
    seconds = time.perf_counter() - start
    assert len(result.decided) == len(versions), "a decision was refused"
    print(f"  {len(versions):,} mismatches decided at once: {seconds:.2f} s")


def measure(url: str, rows: int, runs: int, mismatches: int) -> None:
    """Measure one database with its indexes, then without."""
    schema.upgrade(url)
    ledger = open_ledger(url)
    start = time.perf_counter()
    run = fill(ledger, rows, runs, mismatches)
    print(f"  filled in {time.perf_counter() - start:.0f} s")
    decide_all(ledger)
    settled(url)
    ours = ask(questions(ledger, run, rows, mismatches, outcome_page))
    drop_indexes(url)
    settled(url)
    peer = ask(questions(ledger, run, rows, mismatches, plain_page))
    print(f"  {'milliseconds':<48} {'ours':>8} {'plain':>9}")
    for name, (seconds, answer) in ours.items():
        assert answer == peer[name][1], f"{name}: the plain query has another answer"
        print(f"  {name:<48} {seconds * 1000:>8.1f} {peer[name][0] * 1000:>9.1f}", flush=True)
    ledger.close()


def main() -> None:
    """Measure both databases."""
    given = [int(argument) for argument in sys.argv[1:]]
    rows, runs, mismatches = [*given, *(100_000, 10, 20_000)[len(given) :]]
    for name, new_database in each_database():
        print(f"{name}, {rows * runs:,} outcomes, {rows:,} of them of the run, {mismatches:,} mismatches")
        measure(new_database(), rows, runs, mismatches)


if __name__ == "__main__":
    main()
