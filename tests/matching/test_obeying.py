"""What each decision of an analyst does to the plan, and what is not done whoever decided it."""

from __future__ import annotations

from typing import Any

import pytest
from matching.people import (
    account,
    account_of,
    codes,
    decided_frame,
    links_frame,
    mapping,
    person,
    persons_frame,
    plan_of,
    reasons_frame,
)

from moodle_coupling.matching.decisions import account_print

ANNA = person(1)
STRANGER = account(11, email="anna1@example.org", lastname="Bos1")
SHARED = mapping(matching={"shared_email": True})
CITY = mapping(fields={"city": {"column": "city"}})


def obeyed(
    there: list[dict[str, Any]],
    *decisions: dict[str, Any],
    persons: list[dict[str, Any]] | None = None,
    settings: Any = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """The plan for Anna (or ``persons``) after these decisions, on her row unless said otherwise."""
    taken = [one if "orphan" in one else {"row": 1} | one for one in decisions]
    return plan_of([ANNA] if persons is None else persons, there, settings, decided=decided_frame(*taken), **options)


def refused(row: dict[str, Any]) -> str:
    """Why the decision on a row was not obeyed; it says so among the reasons and in the evidence."""
    (why,) = [reason["message"] for reason in row["reasons"] if reason["code"] == "decision_not_possible"]
    assert row["decision"] is None
    assert row["evidence"].endswith(why)
    return str(why)


# link and re-key


@pytest.mark.parametrize(
    ("there", "kind", "changes"),
    [
        (STRANGER, "link", {"idnumber": ["", "E1"]}),
        (STRANGER | {"idnumber": "Z9"}, "rekey", {"idnumber": ["Z9", "E1"]}),
        (STRANGER | {"idnumber": "P1"}, "rekey", {"idnumber": ["P1", "E1"]}),
        (STRANGER | {"idnumber": " e1"}, "rekey", {"idnumber": [" e1", "E1"]}),
    ],
    ids=["id_missing", "id_differs", "id_other_scheme", "id_case"],
)
@pytest.mark.parametrize("chosen", [11, None])
def test_an_account_is_given_to_the_person_and_brought_up_to_date(
    there: dict[str, Any], kind: str, changes: dict[str, Any], chosen: int | None
) -> None:
    (row,) = obeyed([there], {"kind": kind, "account_id": chosen, "decision": 7})
    assert (row["action"], row["account_id"], row["decision"]) == ("link", 11, 7)
    assert row["changes"] == {"firstname": ["Piet", "Anna"]} | changes
    assert row["evidence"].endswith(f" Anna decided on 2026-11-20 (UTC): {kind}, account 11 (user11).")
    assert "secret" not in row["evidence"]
    assert "decision_not_possible" not in {code for code, _ in codes(row)}


def test_a_profile_field_and_every_other_field_come_along_with_a_link() -> None:
    (row,) = obeyed([STRANGER], {"kind": "link"}, persons=[person(1, city="Ede")], settings=CITY)
    assert row["changes"]["city"] == ["", "Ede"]


def test_a_suspended_account_that_is_linked_stays_suspended() -> None:
    (row,) = obeyed([STRANGER | {"suspended": True}], {"kind": "link"})
    assert row["action"] == "link"
    assert "suspended" not in row["changes"]


AMBIGUOUS = [STRANGER | {"idnumber": "Z9"}, account(12, username="anna-bos1x")]


@pytest.mark.parametrize(
    ("kind", "chosen", "changes"),
    [
        ("rekey", 11, {"firstname": ["Piet", "Anna"], "idnumber": ["Z9", "E1"]}),
        ("link", 12, {"firstname": ["Piet", "Anna"], "lastname": ["Smit", "Bos1"], "idnumber": ["", "E1"]}),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_of_several_accounts_the_one_chosen_becomes_the_persons(
    kind: str, chosen: int, changes: dict[str, Any], said: bool
) -> None:
    row = obeyed(AMBIGUOUS, {"kind": kind, "account_id": chosen if said else None})[0]
    assert (row["verdict"], row["action"], row["account_id"], row["username"]) == (
        "ambiguous", "link", chosen, AMBIGUOUS[chosen - 11]["username"],
    )  # fmt: skip
    assert row["changes"] == changes


def test_an_address_that_another_account_has_is_not_written_to_the_one_chosen() -> None:
    row = obeyed(AMBIGUOUS, {"kind": "link", "account_id": 12})[0]
    assert ("email_taken", "email") in codes(row)
    assert [reason["message"] for reason in row["reasons"] if reason["code"] == "email_taken"] == [
        "E-mail 'anna1@example.org' belongs to another account (11), so the account keeps its own."
    ]
    row = obeyed(
        AMBIGUOUS,
        {"kind": "link", "account_id": 12},
        settings=SHARED,
        persons=[ANNA | {"lastname": "Smit", "firstname": "Piet"}],
    )[0]
    assert row["changes"]["email"] == ["user12@example.org", "anna1@example.org"]


def test_an_account_that_is_a_persons_by_decision_is_nobodys_orphan() -> None:
    there = [STRANGER | {"idnumber": "Z9"}, account(12, idnumber="Y")]
    assert [row["account_id"] for row in obeyed(there, full=True)] == [11, 11, 12]
    rows = obeyed(there, {"kind": "rekey"}, full=True)
    assert [(row["row"], row["account_id"]) for row in rows] == [(1, 11), (None, 12)]


def test_with_two_accounts_the_one_chosen_keeps_the_idnumber_and_the_others_lose_it() -> None:
    there = [account_of(ANNA, 13), account_of(ANNA, 11, city="Ede"), account_of(ANNA, 12, lastname="Bos")]
    mine, first, second = obeyed(there, {"kind": "link", "account_id": 12, "decision": 7})
    assert (mine["action"], mine["account_id"], mine["changes"]) == ("update", 12, {"lastname": ["Bos", "Bos1"]})
    for row, account_id in ((first, 11), (second, 13)):
        assert (row["row"], row["account_id"], row["action"]) == (None, account_id, "update")
        assert row["changes"] == {"idnumber": ["E1", ""]}
        assert (row["person_id"], row["idnumber"], row["verdict"]) == ("P1", "", "duplicate_account")
        assert "which account 12 (anna-bos1x) keeps. Anna decided on 2026-11-20" in row["evidence"]
    assert {row["decision"] for row in (mine, first, second)} == {7}


def test_an_account_that_was_right_already_is_not_written_when_the_other_loses_the_idnumber() -> None:
    mine, other = obeyed([account_of(ANNA), account_of(ANNA, 12)], {"kind": "link", "account_id": 11})
    assert (mine["action"], mine["changes"], mine["decision"]) == ("none", {}, 1)
    assert (other["action"], other["account_id"]) == ("update", 12)


def test_a_held_account_is_taken_over() -> None:
    (row,) = obeyed([account_of(ANNA, suspended=True, firstname="An")], {"kind": "link"})
    assert (row["verdict"], row["action"]) == ("held", "reactivate")
    assert row["changes"] == {"firstname": ["An", "Anna"], "suspended": [True, False]}


def test_of_a_held_person_only_the_own_account_can_be_taken_over() -> None:
    there = [account_of(ANNA, suspended=True, email="old@example.org"), account(12, email="anna1@example.org")]
    (row,) = obeyed(there, {"kind": "link", "account_id": 12})
    assert "account 12 is not, or no longer, one that this can be done with" in refused(row)
    (row,) = obeyed(there, {"kind": "link", "account_id": 11})
    assert row["changes"] == {"suspended": [True, False]}
    assert ("email_taken", "email") in codes(row)


# create separate


def test_a_person_gets_an_account_of_its_own() -> None:
    (row,) = obeyed([account(11, username="anna-bos1x")], {"kind": "create_separate"})
    assert (row["verdict"], row["action"], row["account_id"]) == ("id_missing", "create", None)
    assert row["username"] == "anna-bos1x2"
    assert (row["changes"]["idnumber"], row["changes"]["email"]) == ([None, "E1"], [None, "anna1@example.org"])
    assert row["decision"] == 1


def test_an_account_of_its_own_may_share_an_address_where_moodle_allows_that() -> None:
    shared = person(1, lastname="Smit", firstname="Piet")
    (row,) = obeyed([STRANGER | {"lastname": "Smit"}], {"kind": "create_separate"}, persons=[shared], settings=SHARED)
    assert (row["action"], row["changes"]["email"]) == ("create", [None, "anna1@example.org"])


def test_nobody_gets_an_account_with_an_address_that_moodle_would_refuse() -> None:
    (row,) = obeyed([STRANGER | {"email": " Anna1@Example.ORG"}], {"kind": "create_separate"})
    assert row["action"] == "none"
    assert "account 11 has e-mail 'anna1@example.org', and this Moodle forbids two accounts" in refused(row)


def test_an_account_that_the_mapping_would_link_is_left_alone_by_a_decision_to_create() -> None:
    settings = mapping(matching={"link_on": ["username"]})
    there = [account(11, username="anna-bos1x")]
    assert plan_of([ANNA], there, settings)[0]["action"] == "link"
    (row,) = obeyed(there, {"kind": "create_separate"}, settings=settings)
    assert (row["action"], row["account_id"]) == ("create", None)


# suspend


def test_an_orphan_is_suspended_whoever_made_it() -> None:
    (row,) = obeyed([account(11, idnumber="Z9")], {"kind": "suspend", "orphan": 11}, persons=[], full=True)
    assert (row["action"], row["changes"], row["decision"]) == ("suspend", {"suspended": [False, True]}, 1)
    assert row["evidence"].endswith("Anna decided on 2026-11-20 (UTC): suspend, account 11 (user11).")
    assert row["proposal"] == ""


def test_a_decision_goes_before_the_days_of_grace_and_a_policy_of_nothing() -> None:
    for leavers in ({"policy": "suspend", "grace_days": 14}, {"policy": "ignore"}):
        rows = obeyed(
            [account(11, idnumber="Z9")], {"kind": "suspend", "orphan": 11},
            persons=[], settings=mapping(leavers=leavers), full=True,
        )  # fmt: skip
        assert [row["action"] for row in rows] == ["suspend"]


@pytest.mark.parametrize("full", [True, False])
def test_the_account_of_a_stranger_that_a_person_points_at_is_suspended_in_a_row_of_its_own(full: bool) -> None:
    mine, other = obeyed([STRANGER | {"idnumber": "Z9"}], {"kind": "suspend", "decision": 7}, full=full)
    assert (mine["row"], mine["verdict"], mine["action"]) == (1, "id_differs", "none")
    assert (other["row"], other["verdict"], other["action"], other["account_id"]) == (None, "orphan", "suspend", 11)
    assert (other["idnumber"], other["person_id"], other["changes"]) == ("Z9", "", {"suspended": [False, True]})
    assert mine["decision"] == other["decision"] == 7


def test_of_two_accounts_with_the_idnumber_the_one_chosen_is_suspended() -> None:
    (row,) = obeyed([account_of(ANNA), account_of(ANNA, 12)], {"kind": "suspend", "account_id": 12})
    assert (row["action"], row["account_id"], row["changes"]) == ("suspend", 12, {"suspended": [False, True]})
    assert (row["row"], row["verdict"]) == (1, "duplicate_account")


def test_whoever_was_suspended_by_decision_is_reactivated_on_return() -> None:
    stranger = account(11, idnumber="E1", email="anna1@example.org")
    (orphan,) = obeyed([stranger], {"kind": "suspend", "orphan": 11}, persons=[], full=True)
    assert (orphan["action"], orphan["idnumber"]) == ("suspend", "E1")
    # What the ledger remembers of that row, whoever's name stands in it.
    links = links_frame((orphan["account_id"], orphan["idnumber"], True))
    (row,) = plan_of([ANNA], [stranger | {"suspended": True}], links=links)
    assert (row["verdict"], row["action"], row["changes"]["suspended"]) == ("returned", "reactivate", [True, False])


# nothing


@pytest.mark.parametrize("kind", ["ignore", "do_not_touch"])
def test_what_is_ignored_is_not_written_and_says_who_decided_so(kind: str) -> None:
    settings = mapping(matching={"link_on": ["email"]})
    assert plan_of([ANNA], [STRANGER], settings)[0]["action"] == "link"
    (row,) = obeyed([STRANGER], {"kind": kind}, settings=settings)
    assert (row["action"], row["changes"], row["decision"]) == ("none", {}, None)
    assert row["evidence"].endswith(f"Anna decided on 2026-11-20 (UTC): {kind.replace('_', ' ')}.")


def test_an_address_that_is_ignored_leaves_the_rest_up_to_date() -> None:
    there = [account_of(ANNA, email="old@example.org", firstname="An"), account(12, email="anna1@example.org")]
    (row,) = obeyed(there, {"kind": "ignore"})
    assert (row["verdict"], row["action"], row["changes"]) == ("email_taken", "update", {"firstname": ["An", "Anna"]})


def test_what_is_decided_later_changes_nothing() -> None:
    assert obeyed([STRANGER], {"kind": "later"}) == plan_of([ANNA], [STRANGER])


def test_a_decision_on_a_row_that_is_not_here_is_another_runs() -> None:
    rows = obeyed([STRANGER], {"kind": "link", "row": 99}, {"kind": "suspend", "orphan": 77}, full=True)
    assert rows == plan_of([ANNA], [STRANGER], full=True)


def test_a_decision_without_a_moment_names_no_day() -> None:
    (row,) = obeyed([STRANGER], {"kind": "link", "at": None})
    assert row["evidence"].endswith(" Anna decided: link, account 11 (user11).")


# not possible


@pytest.mark.parametrize(
    ("there", "decision", "says"),
    [
        ([STRANGER], {"kind": "rekey"}, "that cannot be decided on 'id_missing'"),
        ([STRANGER | {"idnumber": "Z9"}], {"kind": "link"}, "that cannot be decided on 'id_differs'"),
        ([account_of(ANNA)], {"kind": "create_separate"}, "that cannot be decided on 'linked'"),
        ([account_of(ANNA), account_of(ANNA, 12)], {"kind": "create_separate"}, "cannot be decided on 'duplicate_account'"),
        ([account_of(ANNA), account_of(ANNA, 12)], {"kind": "link"}, "does not say which account is meant"),
        (AMBIGUOUS, {"kind": "link", "account_id": 11}, "account 11 is not, or no longer, one"),
        ([STRANGER], {"kind": "link", "account_id": 99}, "account 99 is not, or no longer, one"),
        ([STRANGER | {"idnumber": "Z9", "suspended": True}], {"kind": "suspend", "account_id": 11}, "not, or no longer"),
        ([STRANGER | {"username": "admin"}], {"kind": "link"}, "that cannot be decided on 'protected'"),
    ],
)  # fmt: skip
def test_what_means_nothing_here_is_not_done(there: list[dict[str, Any]], decision: dict[str, Any], says: str) -> None:
    before = plan_of([ANNA], there)
    (row,) = obeyed(there, decision)
    assert says in refused(row)
    assert (row["action"], row["changes"]) == (before[0]["action"], before[0]["changes"])


def test_a_rejected_person_is_not_given_an_account_by_decision() -> None:
    given = reasons_frame((1, "leaving_unclear", "inactive", "all"))
    (row,) = obeyed([STRANGER], {"kind": "link"}, reasons=given)
    assert (row["action"], row["verdict"]) == ("reject", "")
    assert ("decision_not_possible", "") in codes(row)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"protections": {12: "bert"}}, "account 12 (anna-bos1x) is protected (do not touch, by bert)"),
        ({"service_userid": 12}, "account 12 (anna-bos1x) is protected (the service user)"),
    ],
)
@pytest.mark.parametrize("chosen", [11, 12])
def test_a_protected_account_is_never_written_whatever_is_decided(
    options: dict[str, Any], why: str, chosen: int
) -> None:
    (row,) = obeyed([account_of(ANNA), account_of(ANNA, 12)], {"kind": "link", "account_id": chosen}, **options)
    assert why in refused(row)
    assert (row["action"], row["account_id"]) == ("none", None)


def test_an_account_that_is_another_persons_by_its_idnumber_is_not_taken_from_that_person() -> None:
    bert = person(2, email="bert@example.org")
    there = [account_of(bert, 11, email="anna1@example.org")]
    for kind in ("rekey", "suspend"):
        anna, _ = obeyed(there, {"kind": kind}, persons=[ANNA, bert])
        assert anna["verdict"] == "id_differs"
        assert "account 11 (anna-bos2x) " in refused(anna)


def test_an_account_of_somebody_who_is_not_looked_at_in_this_run_is_not_taken_either() -> None:
    there = [account(11, idnumber="E2", email="anna1@example.org")]
    anna = obeyed(there, {"kind": "rekey"}, bystanders=persons_frame([person(2)]))[0]
    assert "account 11 (user11) has the ID number of person P2 (extern id E2)" in refused(anna)
    gone = obeyed(there, {"kind": "rekey"}, bystanders=persons_frame([person(2, in_scope=False)]))[0]
    assert gone["action"] == "link"


def test_of_two_decisions_that_want_one_account_the_later_is_told_so() -> None:
    two = [person(1, email="same@example.org"), person(2, username="same")]
    there = [account(11, username="same", email="same@example.org")]
    first, second = obeyed(
        there, {"kind": "link", "row": 2, "decision": 8}, {"kind": "link", "row": 1, "decision": 9}, persons=two
    )
    assert (second["action"], second["account_id"], second["decision"]) == ("link", 11, 8)
    assert first["action"] == "none"
    assert "account 11 (same) is written for somebody else in this very plan" in refused(first)


def test_of_two_decisions_on_one_row_the_first_is_obeyed() -> None:
    (row,) = obeyed([account(11, username="anna-bos1x")], {"kind": "link"}, {"kind": "create_separate"})
    assert (row["action"], row["decision"]) == ("link", 1)
    assert ("decision_not_possible", "") in codes(row)


# an account that the mismatch does not point at

ELSEWHERE = account(40, username="oma", firstname="Ann", lastname="Bosch")


def chosen(there: dict[str, Any], kind: str = "link") -> dict[str, Any]:
    return {"kind": kind, "account_id": there["id"], "account_print": account_print(there)}


@pytest.mark.parametrize(
    ("there", "kind", "old"),
    [(ELSEWHERE, "link", ""), (ELSEWHERE | {"idnumber": "Z8"}, "rekey", "Z8")],
)
@pytest.mark.parametrize("questioned", [STRANGER, STRANGER | {"idnumber": "Z9"}], ids=["id_missing", "id_differs"])
def test_an_account_chosen_elsewhere_becomes_the_persons(
    there: dict[str, Any], kind: str, old: str, questioned: dict[str, Any]
) -> None:
    (row,) = obeyed([questioned, there], chosen(there, kind))
    assert (row["action"], row["account_id"]) == ("link", 40)
    # The person's address is the first account's, so this one keeps its own.
    assert row["changes"] == {"firstname": ["Ann", "Anna"], "lastname": ["Bosch", "Bos1"], "idnumber": [old, "E1"]}
    assert ("email_taken", "email") in codes(row)


@pytest.mark.parametrize(
    "now",
    [
        None,
        ELSEWHERE | {"lastname": "Janssen"},
        ELSEWHERE | {"suspended": True},
        ELSEWHERE | {"idnumber": "Z8"},
        account_of(person(2), 40),
    ],
    ids=["gone", "another name", "suspended", "an idnumber", "another person's"],
)
def test_an_account_chosen_elsewhere_is_left_when_it_is_no_longer_what_it_was(now: dict[str, Any] | None) -> None:
    there = [STRANGER, *([] if now is None else [now])]
    row = obeyed(there, chosen(ELSEWHERE), persons=[ANNA, person(2)])[0]
    assert (row["verdict"], row["action"]) == ("id_missing", "none")
    assert refused(row)


def test_an_account_chosen_elsewhere_that_is_another_persons_is_refused() -> None:
    theirs = account_of(person(2), 40)
    row = obeyed([STRANGER, theirs], chosen(theirs, "rekey"), persons=[ANNA, person(2)])[0]
    assert "is written for somebody else" in refused(row)


@pytest.mark.parametrize("there", [[account_of(ANNA, 11, suspended=True)], [account_of(ANNA), account_of(ANNA, 12)]])
def test_who_has_an_account_by_idnumber_gets_none_elsewhere(there: list[dict[str, Any]]) -> None:
    row = obeyed([*there, ELSEWHERE], chosen(ELSEWHERE))[0]
    assert row["account_id"] != 40
    assert row["decision"] is None
