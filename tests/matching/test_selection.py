"""A run for some persons or accounts: who is meant, who is judged along, and what of the plan is theirs."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import (
    account,
    account_of,
    accounts_of,
    decided_frame,
    mapping,
    person,
    persons_frame,
    reasons_frame,
)

from moodle_coupling.matching.frames import Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.matching.selection import neighbourhood, only_asked, unknown_ids


@pytest.mark.parametrize(
    ("ids", "rows"), [(["P1"], [1]), ([" E2 "], [2]), (["P1", "E2", ""], [1, 2]), (["e1"], []), ([], [])]
)
def test_a_person_is_meant_by_any_of_its_ids(ids: list[str], rows: list[int]) -> None:
    candidates = persons_frame([person(1), person(2), person(3)])
    assert list(neighbourhood(candidates, ids)["row"]) == rows


@pytest.mark.parametrize(
    "values",
    [{"idnumber": "e1"}, {"email": " ANNA1@example.org"}, {"username": "anna-bos1x"}, {"idnumber": "P1"}],
)
def test_whoever_could_be_confused_with_a_person_is_judged_along(values: dict[str, str]) -> None:
    candidates = persons_frame([person(1), person(2, **values), person(3)])
    assert list(neighbourhood(candidates, ["P1"])["row"]) == [1, 2]


def test_ids_that_nobody_has_are_named_once() -> None:
    candidates = persons_frame([person(1)])
    assert unknown_ids(candidates, ["P1", "X", " E1", "Y", "X ", ""]) == ["X", "Y"]


def asked(there: list[dict[str, Any]], ids: list[str], account_ids: list[int], *decisions: dict[str, Any]) -> list[Any]:
    remembered = Remembered(decided=decided_frame(*decisions))
    persons = persons_frame([person(1), person(2)])
    plan = make_plan(
        persons, reasons_frame(), accounts_of(there), mapping(), remembered=remembered, account_ids=account_ids
    )  # fmt: skip
    found = only_asked(plan, ids, account_ids)
    return [(None if row is None else int(row), account) for row, account in zip(
        found["row"].astype(object).where(found["row"].notna(), None), found["account_id"], strict=True
    )]  # fmt: skip


def test_of_a_plan_only_what_was_asked_for_is_kept() -> None:
    there = [account_of(person(1)), account_of(person(2), 12), account(13, idnumber="Y"), account(14, idnumber="Z")]
    assert asked(there, ["P1"], []) == [(1, 11)]
    assert asked(there, [], [13]) == [(None, 13)]
    assert asked(there, ["E2"], [14]) == [(2, 12), (None, 14)]
    # An account that is asked for and is somebody's is no row of its own.
    assert asked(there, [], [11]) == []


def test_what_the_same_decision_writes_comes_along() -> None:
    there = [account_of(person(1)), account_of(person(1), 12), account_of(person(2), 13)]
    kept = {"row": 1, "kind": "link", "account_id": 12}
    assert asked(there, ["P1"], [], kept) == [(1, 12), (None, 11)]
    assert asked(there, ["P2"], [], kept) == [(2, 13)]


def test_the_stranger_whom_a_decision_suspends_comes_along() -> None:
    there = [account(11, idnumber="Z9", email="anna1@example.org")]
    assert asked(there, ["P1"], [], {"row": 1, "kind": "suspend"}) == [(1, 11), (None, 11)]
