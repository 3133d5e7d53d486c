"""Leavers: days of grace, a source that left somebody out, whom an analyst must judge, and runs for a few accounts."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from matching.people import (
    account,
    account_of,
    accounts_of,
    links_frame,
    mapping,
    person,
    persons_frame,
    plan_of,
    reasons_frame,
)

from moodle_coupling.matching.decisions import mismatches_with_facts
from moodle_coupling.matching.plan import make_plan

GONE = account(12, idnumber="Z")
OURS = links_frame((12, "Z", False))
SINCE = dt.datetime(2026, 11, 10, 9, tzinfo=dt.UTC)


def suspending(grace_days: int = 14) -> Any:
    return mapping(leavers={"policy": "suspend", "grace_days": grace_days})


def orphan_of(settings: Any, *, there: dict[str, Any] = GONE, **options: Any) -> dict[str, Any]:
    rows = plan_of([], [there], settings, **{"links": OURS, "full": True} | options)
    (orphan,) = [row for row in rows if row["verdict"] == "orphan"]
    return orphan


# days of grace


@pytest.mark.parametrize(
    ("later", "action"),
    [
        (dt.timedelta(0), "none"),
        (dt.timedelta(days=13, hours=23, minutes=59), "none"),
        (dt.timedelta(days=14), "suspend"),
        (dt.timedelta(days=400), "suspend"),
        (dt.timedelta(days=-1), "none"),
    ],
)
@pytest.mark.clock
def test_days_of_grace_are_whole_days_since_an_account_is_an_orphan(later: dt.timedelta, action: str) -> None:
    orphan = orphan_of(suspending(), gone_since={12: SINCE}, now=SINCE + later)
    assert orphan["action"] == action
    assert orphan["changes"] == ({"suspended": [False, True]} if action == "suspend" else {})


@pytest.mark.clock
def test_within_the_days_of_grace_the_evidence_says_since_when_and_until_when() -> None:
    orphan = orphan_of(suspending(), gone_since={12: SINCE}, now=SINCE + dt.timedelta(days=3))
    said = "It is an orphan since 2026-11-10, and will be suspended on 2026-11-24 (UTC) or at the first full run after that."
    assert orphan["evidence"] == f"Account 12 (user12) has ID number 'Z', which belongs to no person. {said}"
    assert orphan["reasons"][0]["message"] == orphan["evidence"]


@pytest.mark.clock
def test_an_orphan_that_is_new_has_all_its_days_before_it() -> None:
    orphan = orphan_of(suspending(), now=SINCE)
    assert orphan["action"] == "none"
    assert "since 2026-11-10, and will be suspended on 2026-11-24" in orphan["evidence"]
    assert orphan_of(suspending(0), now=SINCE)["action"] == "suspend"


# the source left somebody out


def test_nobody_whom_the_source_may_have_left_out_is_suspended() -> None:
    known = {"gone_since": {12: SINCE}, "now": SINCE + dt.timedelta(days=90), "everyone_known": False}
    orphan = orphan_of(suspending(), **known)
    assert orphan["action"] == "none"
    assert orphan["proposal"] == ""
    assert "the source left somebody out in this run" in orphan["evidence"]


def test_nobody_is_suspended_who_may_be_the_person_whose_id_was_spoilt() -> None:
    spoilt = person(1, idnumber="")
    reasons = reasons_frame((1, "idnumber_spoilt", "idnumber", "all"))
    rows = plan_of(
        [spoilt], [account_of(person(2), 12)], suspending(0), links=links_frame((12, "E2", False)), full=True,
        reasons=reasons, now=SINCE,
    )  # fmt: skip
    assert [row["action"] for row in rows] == ["reject", "none"]
    assert "the source left somebody out in this run" in rows[1]["evidence"]


@pytest.mark.parametrize("values", [{"inactive": True}, {"inactive": False}], ids=["has left", "out of scope"])
def test_whose_person_is_in_the_source_is_suspended_though_others_were_left_out(values: dict[str, bool]) -> None:
    away = person(1, in_scope=False, **values)
    rows = plan_of(
        [away], [account_of(person(1))], suspending(0), links=links_frame((11, "E1", False)), full=True,
        everyone_known=False, now=SINCE,
    )  # fmt: skip
    assert [row["action"] for row in rows] == ["suspend"]


# whom an analyst must judge


@pytest.mark.parametrize(
    ("policy", "there", "links", "listed"),
    [
        ("report", GONE, OURS, True),
        ("report", GONE, links_frame(), True),
        ("suspend", GONE, links_frame(), True),
        ("suspend", GONE, links_frame((12, "other", False)), True),
        ("suspend", GONE, OURS, False),
        ("ignore", GONE, links_frame(), False),
        ("report", GONE | {"suspended": True}, OURS, False),
        ("suspend", GONE | {"suspended": True}, links_frame(), False),
    ],
)
def test_an_orphan_is_listed_where_the_policy_will_not_suspend_it(
    policy: str, there: dict[str, Any], links: Any, listed: bool
) -> None:
    settings = mapping(leavers={"policy": policy, "grace_days": 14})
    orphan = orphan_of(settings, there=there, links=links, gone_since={12: SINCE}, now=SINCE)
    assert orphan["proposal"] == ("suspend" if listed else "")
    assert orphan["action"] == "none"


def test_an_orphan_at_which_an_open_question_points_is_not_listed() -> None:
    there = [account(12, idnumber="Z", email="anna1@example.org")]
    rows = plan_of([person(1)], there, mapping(leavers={"policy": "report"}), full=True)
    assert [(row["verdict"], row["proposal"]) for row in rows] == [("id_differs", ""), ("orphan", "")]


def test_listed_orphans_are_mismatches_with_their_account_as_facts() -> None:
    there = accounts_of([GONE, account(13, idnumber="Y", suspended=True)])
    plan = make_plan(persons_frame([]), reasons_frame(), there, mapping(), full=True)
    found = mismatches_with_facts(plan, there)
    assert list(found["account_id"]) == [12]
    assert json.loads(found["facts"].iloc[0])["accounts"] == {
        "12": {
            "email": "user12@example.org", "firstname": "Piet", "idnumber": "Z", "lastname": "Smit",
            "suspended": False, "username": "user12",
        }
    }  # fmt: skip


# a run for a few accounts


def test_a_run_for_a_few_accounts_tells_those_of_them_that_are_orphans() -> None:
    there = [account_of(person(1)), GONE, account(13, idnumber="Y")]
    rows = plan_of([person(1)], there, account_ids=[11, 12, 99])
    assert [(row["row"], row["account_id"], row["proposal"]) for row in rows] == [(1, 11, ""), (None, 12, "suspend")]


def test_an_account_of_a_person_who_is_not_looked_at_is_no_orphan() -> None:
    there = [account_of(person(2), 12)]
    assert plan_of([], there, account_ids=[12], bystanders=persons_frame([person(2)])) == []
    (row,) = plan_of([], there, account_ids=[12], bystanders=persons_frame([person(2, in_scope=False)]))
    assert (row["verdict"], row["person_id"]) == ("orphan", "P2")


@pytest.mark.parametrize(
    "values", [{"email": "user12@example.org"}, {"idnumber": "z"}], ids=["e-mail", "near idnumber"]
)
def test_an_account_at_which_somebody_points_who_is_not_looked_at_is_left_alone(values: dict[str, str]) -> None:
    options: dict[str, Any] = {"links": OURS, "account_ids": [12], "now": SINCE}
    (row,) = plan_of([], [GONE], suspending(0), bystanders=persons_frame([person(2)]), **options)
    assert row["action"] == "suspend"
    (row,) = plan_of([], [GONE], suspending(0), bystanders=persons_frame([person(2, **values)]), **options)
    assert (row["action"], row["proposal"]) == ("none", "")
    assert "question of a person who points at it is open" in row["reasons"][0]["message"]
    outside = persons_frame([person(2, in_scope=False, **values)])
    (row,) = plan_of([], [GONE], suspending(0), bystanders=outside, **options)
    assert row["action"] == "suspend"
