"""The outcomes of a run as a list: filtered, sorted, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from ledger.frames import outcomes
from sqlalchemy import event

from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.outcomes import SHOWN, SORTS, OutcomeFilter, outcome_page, outcome_table, settle
from moodle_coupling.ledger.page_queries import matching_rows
from moodle_coupling.ledger.runs import begin_run

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ledger.conftest import Clock

    from moodle_coupling.ledger.ledger import Ledger

EVERY = OutcomeFilter()


@pytest.fixture
def run(ledger: Ledger, clock: Clock) -> str:
    """Rows 1 to 3 created, 4 rejected, 5 failed at first and done then; and other runs beside it."""
    run = begin_run(ledger, "demo", "dag", "run", mode="full").id
    other = begin_run(ledger, "demo", "dag", "other", mode="full").id
    plan_intentions(ledger, run, [], digest="earlier")
    settle(ledger, run, outcomes([7, 8], at=clock.time))
    plan_intentions(ledger, run, [], digest="plan")
    settle(ledger, other, outcomes(range(1, 9), at=clock.time))
    settle(ledger, run, outcomes([5], "failed", at=clock.time, code="moodle_down", verdict="linked", action="update"))
    settle(ledger, run, outcomes([1, 2, 3], at=clock.forward(minutes=1)))
    rejected = outcomes([4], "rejected", at=clock.time, code="email_invalid", action="reject")
    settle(ledger, run, rejected.assign(account_id=pd.Series([pd.NA], dtype="Int64")))
    settle(ledger, run, outcomes([5], at=clock.forward(minutes=1), verdict="linked", action="update"))
    return run


def rows(ledger: Ledger, run: str, chosen: OutcomeFilter = EVERY, **how: Any) -> list[int]:
    return outcome_page(ledger, run, chosen, **how).rows["row"].tolist()


def test_the_list_holds_what_stands_of_the_latest_plan(ledger: Ledger, run: str) -> None:
    page = outcome_page(ledger, run, EVERY)
    assert (page.rows["row"].tolist(), page.total) == ([1, 2, 3, 4, 5], 5)
    assert page.rows.columns.tolist() == [column.name for column in SHOWN]
    assert page.rows["row"].dtype == "Int64"


def test_a_run_without_outcomes_and_a_run_that_nobody_knows_have_an_empty_list(ledger: Ledger) -> None:
    run = begin_run(ledger, "demo", "dag", "run", mode="full").id
    for which in (run, "x"):
        page = outcome_page(ledger, which, EVERY)
        assert (page.total, page.rows.columns.tolist()) == (0, [column.name for column in SHOWN])
        assert outcome_table(ledger, which).empty


@pytest.mark.parametrize(
    ("chosen", "hits"),
    [
        (OutcomeFilter(statuses=["done"]), [1, 2, 3, 5]),
        (OutcomeFilter(statuses=["failed"]), []),
        (OutcomeFilter(actions=["update", "reject"]), [4, 5]),
        (OutcomeFilter(verdicts=["linked"]), [5]),
        (OutcomeFilter(codes=["email_invalid"]), [4]),
        (OutcomeFilter(codes=[""], actions=["create"], text="PERSON2@"), [2]),
        (OutcomeFilter(text="Özt"), [2]),
        (OutcomeFilter(text="meer dirk"), [3]),
        (OutcomeFilter(text="x_"), []),
        (OutcomeFilter(text="X3"), [3]),
        (OutcomeFilter(text="1005"), [5]),
    ],
)
def test_filters_go_together(ledger: Ledger, run: str, chosen: OutcomeFilter, hits: list[int]) -> None:
    page = outcome_page(ledger, run, chosen)
    assert (page.rows["row"].tolist(), page.total) == (hits, len(hits))


@pytest.mark.parametrize(
    "text",
    ["PERSON2@", "Özt", "ozt", "dirk meer", "Meer, Dirk", "eer", "x_", "X3", "1005", "99999999999999999999", "p", ""],
)
def test_a_frame_is_looked_through_by_the_same_rules(ledger: Ledger, run: str, text: str) -> None:
    frame = outcome_page(ledger, run, EVERY).rows
    assert frame.loc[matching_rows(frame, text), "row"].tolist() == rows(ledger, run, OutcomeFilter(text=text))
    some = frame.drop(columns=["username", "email", "firstname", "lastname"])
    assert some.loc[matching_rows(some, "x3"), "row"].tolist() == [3]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", sorted(SORTS))
def test_every_order_is_stable_from_page_to_page(ledger: Ledger, run: str, sort: str, descending: bool) -> None:
    whole = rows(ledger, run, sort=sort, descending=descending, limit=None)
    pages = [rows(ledger, run, sort=sort, descending=descending, offset=at, limit=2) for at in (0, 2, 4)]
    assert [row for page in pages for row in page] == whole
    assert sorted(whole) == [1, 2, 3, 4, 5]


def test_what_is_missing_comes_last_and_equals_in_the_order_they_were_written(ledger: Ledger, run: str) -> None:
    assert rows(ledger, run, sort="account_id", descending=True) == [5, 3, 2, 1, 4]
    assert rows(ledger, run, sort="account_id") == [1, 2, 3, 5, 4]
    assert rows(ledger, run, sort="action", descending=True) == [5, 4, 1, 2, 3]
    assert rows(ledger, run, sort="name") == [4, 1, 5, 2, 3]


def test_an_order_that_there_is_not_is_refused(ledger: Ledger, run: str) -> None:
    with pytest.raises(ValueError, match="no order by 'secret'"):
        outcome_page(ledger, run, EVERY, sort="secret")


def test_beyond_the_end_there_is_still_the_total(ledger: Ledger, run: str) -> None:
    page = outcome_page(ledger, run, EVERY, offset=50)
    assert (page.total, len(page.rows)) == (5, 0)


def test_the_table_counts_each_outcome_that_stands_once(ledger: Ledger, run: str) -> None:
    table = outcome_table(ledger, run)
    assert table.values.tolist() == [
        ["linked", "update", "done", "", 1],
        ["new", "create", "done", "", 3],
        ["new", "reject", "rejected", "email_invalid", 1],
    ]


def test_the_list_and_the_table_come_from_the_index_that_is_there_for_them(sqlite_template: Path) -> None:
    """Asked slightly otherwise, SQLite takes another index without a word, and reads every row of the run."""
    ledger = open_ledger(f"sqlite:///{sqlite_template}")
    asked: list[tuple[str, Any]] = []
    event.listen(ledger._engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    outcome_page(ledger, "x", OutcomeFilter(statuses=["done"], codes=["a", "b"]))
    outcome_table(ledger, "x")
    with ledger.reading() as connection:
        questions = [(text, given) for text, given in asked if "outcomes" in text]
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all() for text, given in questions]
    ledger.close()
    assert len(plans) == 2
    for plan in plans:
        assert "USING COVERING INDEX ix_outcomes_listed (run=? AND plan_no=? AND standing=?" in str(plan)
