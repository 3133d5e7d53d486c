"""An account that Moodle cannot show is its person's all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from matching.people import (
    account,
    account_of,
    accounts_of,
    codes,
    links_frame,
    mapping,
    person,
    persons_frame,
    plan_of,
    reasons_frame,
)

from moodle_coupling.matching.decisions import mismatches_with_facts, options
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.words.sentence import Texts

ANNA = person(1)
MEND = "Give it a username that the site allows, in Moodle; then it is compared as every other."


def test_the_person_is_not_new_and_nothing_is_written():
    (row,) = plan_of([ANNA], [], unreadable=[("idnumber", "E1")])
    assert (row["verdict"], row["action"], row["changes"], row["account_id"]) == ("unreadable", "none", {}, None)
    assert codes(row) == [("unreadable", "username")]
    assert row["evidence"] == (
        "An account with ID number 'E1' is there, and Moodle cannot show it: most likely its username is not allowed there any "
        f"more. {MEND}"
    )


def test_the_account_is_named_where_the_ledger_knows_it():
    (row,) = plan_of([ANNA], [], unreadable=[("idnumber", " e1")], links=links_frame((57, "E1", False)))
    assert row["evidence"].startswith("Account 57 with ID number 'E1' is there, and Moodle cannot show it")


@pytest.mark.parametrize(("shared", "verdict"), [(False, "unreadable"), (True, "new")])
def test_an_address_says_whose_it_is_only_where_it_is_not_shared(shared: bool, verdict: str):
    settings = mapping(matching={"shared_email": shared})
    (row,) = plan_of([ANNA], [], settings, unreadable=[("email", "Anna1@Example.org")])
    assert row["verdict"] == verdict


@pytest.mark.parametrize("key", [("id", "E1"), ("username", "anna-bos1x"), ("idnumber", "E2"), ("idnumber", "")])
def test_another_key_says_nothing(key: tuple[str, str]):
    assert plan_of([ANNA], [], unreadable=[key])[0]["verdict"] == "new"


def test_an_account_that_was_read_by_its_idnumber_is_the_persons_whatever_else_is_there():
    (row,) = plan_of([ANNA], [account_of(ANNA)], unreadable=[("email", "anna1@example.org")])
    assert row["verdict"] == "linked"


def test_nobody_is_linked_to_another_account_while_the_own_one_cannot_be_read():
    settings = mapping(matching={"link_on": ["email"]})
    there = account(11, email="anna1@example.org")
    assert plan_of([ANNA], [there], settings)[0]["action"] == "link"
    (row,) = plan_of([ANNA], [there], settings, unreadable=[("idnumber", "E1")])
    assert (row["verdict"], row["action"], row["changes"], row["other_accounts"]) == ("unreadable", "none", {}, [])


def found(unreadable: list[tuple[str, str]], links: Any = None) -> dict[str, Any]:
    from moodle_coupling.matching.frames import Remembered

    plan = make_plan(
        persons_frame([ANNA]),
        reasons_frame(),
        accounts_of([]),
        mapping(),
        unreadable=unreadable,
        remembered=Remembered(links=links),
    )
    return dict(mismatches_with_facts(plan, accounts_of([])).iloc[0])


@pytest.mark.parametrize(
    ("key", "links", "said"),
    [
        (("idnumber", "E1"), None, "Een account met ID-nummer 'E1' is er, en Moodle kan het niet tonen"),
        (("idnumber", "E1"), links_frame((57, "E1", False)), "Account 57 met ID-nummer 'E1' is er"),
        (("email", "anna1@example.org"), None, "Een account met e-mailadres 'anna1@example.org' is er"),
    ],
)
def test_it_is_told_in_dutch(key: tuple[str, str], links: Any, said: str):
    row = found([key], links)
    assert Texts("nl").say(row["evidence"]).startswith(said)


def test_it_can_be_ignored_or_put_off():
    facts = json.loads(found([("idnumber", "E1")])["facts"])
    assert [str(one.kind) for one in options("unreadable", facts, shared_email=False)] == ["ignore", "later"]
    for option in options("unreadable", facts, shared_email=False):
        assert str(option.effect)
        assert Texts("nl").say(option.effect)
