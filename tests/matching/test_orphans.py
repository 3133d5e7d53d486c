"""Accounts that no person of this Moodle has: told on full runs, suspended only where that is ours to do."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import account, account_of, links_frame, mapping, person, plan_of

SUSPEND = mapping(leavers={"policy": "suspend", "grace_days": 0})


def orphans(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["verdict"] == "orphan"]


def test_an_orphan_is_told_on_full_runs_only() -> None:
    there = [account(12, idnumber="Z")]
    assert plan_of([person(1)], there)[0]["verdict"] == "new"
    assert len(plan_of([person(1)], there)) == 1
    _, orphan = plan_of([person(1)], there, full=True)
    assert (orphan["verdict"], orphan["action"], orphan["row"], orphan["account_id"]) == ("orphan", "none", None, 12)
    assert (orphan["username"], orphan["idnumber"], orphan["email"]) == ("user12", "Z", "user12@example.org")
    assert "belongs to no person" in orphan["evidence"]


@pytest.mark.parametrize("idnumber", ["", "  "])
def test_an_account_without_idnumber_is_no_orphan(idnumber: str) -> None:
    assert plan_of([], [account(12, idnumber=idnumber)], full=True) == []


def test_a_protected_account_is_no_orphan() -> None:
    settings = mapping(matching={"protected_idnumbers": ["Z"]}, leavers={"policy": "suspend", "grace_days": 0})
    there = [account(2, username="admin", idnumber="A"), account(12, idnumber="Z"), account(13, idnumber="S")]
    assert plan_of([], there, settings, service_userid=13, full=True) == []


def test_orphans_come_after_the_persons_by_account_id() -> None:
    there = [account(30, idnumber="Y"), account(4, idnumber="Z")]
    rows = plan_of([person(2), person(1)], there, full=True)
    assert [(row["row"], row["account_id"]) for row in rows] == [(1, None), (2, None), (None, 4), (None, 30)]


@pytest.mark.parametrize(
    ("values", "words"),
    [({"in_scope": False}, "outside this Moodle's scope"), ({"in_scope": False, "inactive": True}, "has left")],
)
def test_an_account_of_somebody_who_does_not_belong_is_an_orphan_and_says_whose(
    values: dict[str, Any], words: str
) -> None:
    (orphan,) = plan_of([person(1, **values)], [account_of(person(1))], full=True)
    assert (orphan["person_id"], orphan["extern_id"], orphan["idnumber"]) == ("P1", "E1", "E1")
    assert "person P1" in orphan["evidence"]
    assert words in orphan["evidence"]


def test_an_idnumber_of_a_person_inside_and_one_outside_is_no_orphan() -> None:
    rows = plan_of([person(1), person(2, idnumber="E1", in_scope=False)], [account_of(person(1))], full=True)
    assert [row["verdict"] for row in rows] == ["linked"]


def test_an_account_of_a_rejected_double_is_no_orphan() -> None:
    rows = plan_of([person(1), person(2, idnumber="E1")], [account_of(person(1))], full=True)
    assert [row["verdict"] for row in rows] == ["duplicate_person", "duplicate_person"]


@pytest.mark.parametrize("there", [{"idnumber": "e1"}, {"idnumber": "P1", "email": "anna1@example.org"}])
def test_an_account_that_waits_for_a_re_key_is_no_orphan(there: dict[str, str]) -> None:
    rows = plan_of([person(1)], [account(12, **there)], SUSPEND, full=True, links=links_frame((12, "e1", False)))
    assert [row["proposal"] for row in rows] == ["re-key"]


@pytest.mark.parametrize(
    ("policy", "links", "suspended", "action", "words"),
    [
        ("ignore", [(12, "Z", False)], False, "none", "ignores leavers"),
        ("report", [(12, "Z", False)], False, "none", "only reports leavers"),
        ("suspend", [(12, "Z", False)], False, "suspend", "belongs to no person"),
        ("suspend", [], False, "none", "neither made nor linked"),
        ("suspend", [(12, "other", False)], False, "none", "neither made nor linked"),
        ("suspend", [(12, "Z", True)], True, "none", "suspended already"),
    ],
)
def test_the_leaver_policy_decides_and_says_why_not(
    policy: str, links: list[tuple[int, str, bool]], suspended: bool, action: str, words: str
) -> None:
    there = [account(12, idnumber="Z", suspended=suspended)]
    settings = mapping(leavers={"policy": policy, "grace_days": 0})
    (orphan,) = plan_of([], there, settings, links=links_frame(*links), full=True)
    assert orphan["action"] == action
    assert orphan["changes"] == ({"suspended": [False, True]} if action == "suspend" else {})
    assert words in orphan["reasons"][0]["message"]


@pytest.mark.parametrize(
    ("persons", "there"),
    [
        ([person(1)], [account(12, idnumber="Z", email="anna1@example.org")]),
        ([person(1)], [account(12, idnumber="Z", email="anna1@example.org"), account(13, username="anna-bos1x")]),
        (
            [person(1)],
            [account_of(person(1), email="a@example.org"), account(12, idnumber="Z", email="anna1@example.org")],
        ),
    ],
    ids=["id_differs", "ambiguous", "email_taken"],
)
def test_an_orphan_is_left_alone_while_somebodys_question_points_at_it(
    persons: list[dict[str, Any]], there: list[dict[str, Any]]
) -> None:
    (orphan,) = orphans(plan_of(persons, there, SUSPEND, links=links_frame((12, "Z", False)), full=True))
    assert (orphan["account_id"], orphan["action"]) == (12, "none")
    assert "question of a person who points at it is open" in orphan["reasons"][0]["message"]


def test_nobody_is_suspended_while_the_days_of_grace_are_not_counted() -> None:
    there = [account(12, idnumber="Z")]
    settings = mapping(leavers={"policy": "suspend", "grace_days": 14})
    orphan = plan_of([person(1)], there, settings, links=links_frame((12, "Z", False)), full=True)[-1]
    assert (orphan["verdict"], orphan["action"], orphan["changes"]) == ("orphan", "none", {})
    assert "grace_days is 14" in orphan["reasons"][0]["message"]
