"""Mismatches given to somebody, with a day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from ledger.frames import found, mismatch

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.activity import assign, colleagues
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.mismatches import (
    MismatchFilter,
    get_mismatch,
    mismatch_counts,
    mismatch_page,
    record_mismatches,
)

if TYPE_CHECKING:
    from typing import Any

    from moodle_coupling.ledger.ledger import Ledger

FRIDAY = dt.date(2026, 3, 6)


@pytest.fixture
def listed(ledger: Ledger) -> Ledger:
    """Four in 'demo', one in 'other'."""
    record_mismatches(ledger, "demo", "run 1", found(*(mismatch(f"p{n}") for n in range(4))), full=True)
    record_mismatches(ledger, "other", "run 2", found(mismatch("p9")), full=True)
    return ledger


def ids(ledger: Ledger, **chosen: Any) -> list[int]:
    return mismatch_page(ledger, MismatchFilter(**chosen), sort="id", descending=False).rows["id"].tolist()


def test_mismatches_are_given_to_somebody_by_a_day(listed: Ledger) -> None:
    assert assign(listed, [1, 2, 5], " anna ", FRIDAY, by="bram") == (1, 2, 5)
    row = get_mismatch(listed, 1)
    assert (row["assigned_to"], row["due"], row["version"], row["status"]) == ("anna", "2026-03-06", 1, "open")
    told = {(one.environment, one.by, one.action, one.subject, one.detail) for one in activity.recent(listed)}
    assert told == {
        ("demo", "bram", "assign", "", "anna: 2 mismatches"),
        ("other", "bram", "assign", "mismatch 5", "anna"),
    }
    assert assign(listed, [1], "", None, by="anna") == (1,)
    row = get_mismatch(listed, 1)
    assert (row["assigned_to"], row["due"]) == ("", None)


def test_what_is_over_is_given_to_nobody(listed: Ledger) -> None:
    decide(listed, 1, 1, Choice(DecisionKind.DO_NOT_TOUCH, by="anna"))
    record_mismatches(listed, "demo", "run 3", found(*(mismatch(f"p{n}") for n in range(3))), full=True)
    assert assign(listed, [1, 2, 4], "anna", None, by="bram") == (2,)


def test_they_are_found_counted_and_sorted_by_whose_and_when(listed: Ledger) -> None:
    assign(listed, [1], "anna", FRIDAY, by="bram")
    assign(listed, [2], "bram", FRIDAY - dt.timedelta(days=2), by="bram")
    assign(listed, [3], "anna", None, by="bram")
    assert ids(listed, assigned_to=["anna"]) == [1, 3]
    assert ids(listed, assigned_to=["anna", ""]) == [1, 3, 4, 5]
    assert ids(listed, due_before="2026-03-06") == [2]
    assert ids(listed, due_before="2026-03-07", assigned_to=["anna"]) == [1]
    assert ids(listed, undated=True) == [3, 4, 5]
    counts = mismatch_counts(listed, MismatchFilter(assigned_to=["bram"], environments=["demo"]))
    assert counts["assigned_to"] == {"": 1, "anna": 2, "bram": 1}
    assert counts["status"] == {"open": 1}
    for descending, order in ((False, [2, 1, 3, 4, 5]), (True, [1, 2, 3, 4, 5])):
        page = mismatch_page(listed, MismatchFilter(), sort="due", descending=descending)
        assert page.rows["id"].tolist() == order


def test_colleagues_are_who_decided_or_has_some_in_environments_one_may_read(listed: Ledger) -> None:
    assign(listed, [1], "Zoë", None, by="bram")
    decide(listed, 2, 1, Choice(DecisionKind.LATER, by="anna"))
    decide(listed, 5, 1, Choice(DecisionKind.LATER, by="olga"))
    assert colleagues(listed, ["demo"]) == ["anna", "Zoë"]
    assert colleagues(listed, ["demo", "other"]) == ["anna", "olga", "Zoë"]
    assert colleagues(listed, []) == []
